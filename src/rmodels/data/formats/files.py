"""Which files a path, a folder or a pattern names, and what the names of their folders say."""

import glob
import os
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from rmodels.data.formats.remote import Remote, is_url, path_of, remote_base, remote_files

__all__ = [
    "base_of",
    "compression_of",
    "files_of",
    "find_format",
    "format_of",
    "keys_between",
    "keys_of",
    "separator_of",
]

FORMATS = {
    ".arrow": "arrow",
    ".csv": "csv",
    ".feather": "arrow",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".tsv": "csv",
}
_PACKED = {".bz2": "bz2", ".gz": "gzip", ".zst": "zstd"}  # of CSV files, after their own ending

_TABLES = "a table is a .csv, .tsv, .parquet or .arrow file, or a .csv.gz or .csv.zst"

_HIDDEN = (".", "_")
_MISSING = "__HIVE_DEFAULT_PARTITION__"

Source = str | os.PathLike[str]


def files_of(source: Source) -> list[Any]:
    """Return the files that a path, a URL, a folder or a pattern names, sorted.

    Below a folder, and where a pattern does not say so, names that begin with a dot or an
    underscore are passed by, as are those of other formats. A folder that a pattern names is read
    as one.
    """
    if is_url(source):
        remote = remote_files(str(source))
        tables = [each for each in remote if find_format(each.name)]
        if not tables and len(remote) == 1:
            format_of(remote[0])
        if not tables:
            raise ValueError(f"{source}: there is no table: {_TABLES}")
        return tables
    path = Path(source)
    if path.is_dir():
        found = _below(path)
    elif path.exists():
        format_of(path)
        return [path]
    elif not glob.has_magic(str(source)):
        raise FileNotFoundError(f"[Errno 2] No such file or directory: {str(source)!r}")
    else:
        found = _match(path)
    if not found:
        raise ValueError(f"{source}: there is no table: {_TABLES}")
    return found


def find_format(name: str) -> str | None:
    """Return the format of a table, as the name of its file says, or None if it says none."""
    ending, packed = _endings(name)
    found = FORMATS.get(ending)
    return found if packed is None or found == "csv" else None


def format_of(path: Any) -> str:
    """Return the format of a table; see `find_format`.

    Raises
    ------
    ValueError
        If the name does not say one.
    """
    found = find_format(path.name)
    if found is None:
        suffix = Path(path.name).suffix
        said = f"unknown format {suffix!r}" if suffix else "the name has no ending"
        raise ValueError(f"{path}: {said}: {_TABLES}")
    return found


def compression_of(name: str) -> str | None:
    """Return how a file is compressed, as pyarrow calls it."""
    return _endings(name)[1]


def separator_of(name: str) -> str:
    """Return what parts the cells of a CSV file, as its name says."""
    return "\t" if _endings(name)[0] == ".tsv" else ","


def _endings(name: str) -> tuple[str, str | None]:
    """Return the ending that says the format, and the compression, if one follows it."""
    path = Path(name.lower())
    packed = _PACKED.get(path.suffix)
    return (path.suffix if packed is None else Path(path.stem).suffix), packed


def _below(folder: Path) -> list[Path]:
    """Return the tables of a folder, at any level; of folders that are linked, once."""
    found: list[Path] = []
    seen = {os.path.realpath(folder)}
    for here, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        found += (
            Path(here, name) for name in names if not name.startswith(_HIDDEN) and find_format(name)
        )
        shown = sorted(name for name in folders if not name.startswith(_HIDDEN))
        real = {name: os.path.realpath(Path(here, name)) for name in shown}
        folders[:] = [name for name in shown if real[name] not in seen]
        seen.update(real.values())
    return sorted(found)


def _refuse(error: OSError) -> None:
    """Have a folder that cannot be listed end the search."""
    raise error


def _match(pattern: Path) -> list[Path]:
    """Return the tables that a pattern names, and those of the folders that it names."""
    told = [part for part in pattern.parts if part.startswith(_HIDDEN)]
    found: set[Path] = set()
    for each in map(Path, glob.glob(str(pattern), recursive=True)):
        hidden = [part for part in each.parts if part.startswith(_HIDDEN) and part != ".."]
        if not all(any(fnmatchcase(part, name) for name in told) for part in hidden):
            continue
        if each.is_dir():
            found.update(_below(each))
        elif find_format(each.name):
            found.add(each)
    return sorted(found)


def keys_of(paths: Sequence[Any], sources: Sequence[Source]) -> list[dict[str, int | str | None]]:
    """Return what the folders of files say: names such as year=2024 below what was named.

    The values of a key are whole numbers if all are, else text; None is one that is missing.
    """
    places = [
        Path("/", each.path) if isinstance(each, Remote) else Path(os.path.abspath(each))
        for each in paths
    ]
    return keys_between(places, base_of(sources))


def base_of(sources: Sequence[Source]) -> str:
    """Return the folder below which the names of folders say something."""
    bases = [
        Path("/", path_of(remote_base(str(each))))
        if is_url(each)
        else _base(Path(os.path.abspath(each)))
        for each in sources
    ]
    return os.path.commonpath(bases)


def keys_between(paths: Sequence[Path], base: Source) -> list[dict[str, int | str | None]]:
    """Return what the folders of files below a folder say; see `keys_of`."""
    told = [_pairs(path.relative_to(base).parent) for path in paths]
    whole = {
        name
        for name in {name for each in told for name in each}
        if all(_is_whole(each[name]) for each in told if each.get(name) is not None)
    }
    return [
        {name: int(v) if v is not None and name in whole else v for name, v in each.items()}
        for each in told
    ]


def _base(path: Path) -> Path:
    """Return the folder below which names say something: where a pattern begins."""
    if path.is_dir():
        return path
    if path.exists():
        return path.parent
    magic = next((i for i, part in enumerate(path.parts) if glob.has_magic(part)), -1)
    return Path(*path.parts[:magic])


def _pairs(folder: Path) -> Mapping[str, str | None]:
    pairs = (part.split("=", 1) for part in folder.parts if re.match(r"[^=]+=", part))
    return {unquote(k): None if v in (_MISSING, "") else unquote(v) for k, v in pairs}


def _is_whole(text: str | None) -> bool:
    return (
        text is not None
        and bool(re.fullmatch(r"[+-]?[0-9]{1,19}", text))
        and -(2**63) <= int(text) < 2**63
    )
