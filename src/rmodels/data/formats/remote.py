"""Files by a URL: on S3 and what else pyarrow and fsspec know of."""

import glob
import importlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rmodels.extras import require

__all__ = [
    "Remote",
    "is_url",
    "open_binary",
    "path_of",
    "remote_base",
    "remote_files",
    "size_of",
    "stamp_of",
]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_HIDDEN = (".", "_")


@dataclass(frozen=True)
class Remote:
    """A file, or a folder, that a filesystem of pyarrow has.

    Attributes
    ----------
    system : pyarrow.fs.FileSystem
    path : str
        Of the file in it.
    url : str
        What errors call it.
    """

    system: Any
    path: str
    url: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    def __str__(self) -> str:
        return self.url


def is_url(source: Any) -> bool:
    """Return whether a source is a URL, and not the path of a file here."""
    return isinstance(source, str) and _URL.match(source) is not None


def path_of(place: Any) -> str:
    """Return the path of a file in its filesystem."""
    return place.path if isinstance(place, Remote) else str(place)


def _connect(url: str) -> tuple[Any, str]:
    """Return the filesystem that a URL without a pattern names, and the path in it."""
    filesystems, pyarrow = require("pyarrow.fs", "files"), require("pyarrow", "files")
    scheme = url.partition("://")[0]
    try:
        found: tuple[Any, str] = filesystems.FileSystem.from_uri(url)
        return found
    except pyarrow.ArrowInvalid as error:  # a scheme that pyarrow does not know
        try:
            fsspec: Any = importlib.import_module("fsspec")
        except ImportError:
            raise ImportError(
                f"{url}: {scheme}:// needs fsspec, which is not installed: pip install fsspec"
            ) from error
        try:
            system, path = fsspec.core.url_to_fs(url)
        except ValueError as unknown:
            raise ValueError(f"{url}: {unknown}") from unknown
        return filesystems.PyFileSystem(filesystems.FSSpecHandler(system)), path


def _show(url: str) -> str:
    """Return a URL as messages show it: without options, user and password."""
    return re.sub(r"^([^/]*//)[^/@]*@", r"\1", url.partition("?")[0])


def _without_magic(url: str) -> str:
    """Return a URL up to the first folder of its pattern, with what follows a question mark."""
    start = _URL.match(url)
    assert start is not None
    body, _, query = url[start.end() :].partition("?")
    parts = body.split("/")
    magic = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return start.group() + "/".join(parts[:magic]) + (f"?{query}" if query else "")


def remote_base(url: str) -> Remote:
    """Return the folder that a URL names, or that its pattern begins in, or that its file is in."""
    plain = _without_magic(url)
    system, path = _connect(plain)
    kind = system.get_file_info(path).type.name
    if kind == "File":
        path = path.rpartition("/")[0]
    return Remote(system, path, _show(plain))


def remote_files(url: str) -> list[Remote]:
    """Return the files that a URL names: one, those of a folder, those of a pattern; sorted.

    Below a folder, names that begin with a dot or an underscore are passed by.
    """
    filesystems, pyarrow = require("pyarrow.fs", "files"), require("pyarrow", "files")
    plain = _without_magic(url)
    pattern = _show(url) if plain != url else None
    try:
        system, path = _connect(plain)
        info = system.get_file_info(path)
        if info.type.name == "File":
            return [Remote(system, path, _show(url))]
        if info.type.name == "NotFound":
            raise FileNotFoundError(f"[Errno 2] No such file or directory: {_show(url)!r}")
        below = system.get_file_info(filesystems.FileSelector(path, recursive=True))
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{_show(url)} cannot be read: {error}") from error
    start = _show(plain).rstrip("/")
    found = []
    for each in below:
        rest = each.path[len(path.rstrip("/")) :].lstrip("/")
        hidden = any(part.startswith(_HIDDEN) for part in rest.split("/"))
        if each.type.name == "File" and not hidden:
            found.append(Remote(system, each.path, f"{start}/{rest}"))
    if pattern is not None:
        found = [each for each in found if _matches(each.url, pattern)]
    return sorted(found, key=lambda each: each.path)


def _matches(url: str, pattern: str) -> bool:
    """Return whether a file is named by a pattern, or is in a folder that is; ** is any folders."""
    names, parts = url.split("/"), pattern.rstrip("/").split("/")

    def match(i: int, j: int) -> bool:
        if j == len(parts):
            return True  # the file, or what is below a folder
        if i == len(names):
            return False
        if parts[j] == "**":
            return match(i, j + 1) or match(i + 1, j)
        return fnmatchcase(names[i], parts[j]) and match(i + 1, j + 1)

    return match(0, 0)


@contextmanager
def open_binary(place: Any, compression: str | None = None) -> Iterator[tuple[Any, Any]]:
    """Open a file; yield it as it is, which tells how far it is read, and what it unpacks to."""
    remote = isinstance(place, Remote)
    with place.system.open_input_file(place.path) if remote else Path(place).open("rb") as raw:
        if compression is None:
            yield raw, raw
            return
        with require("pyarrow", "files").CompressedInputStream(raw, compression) as unpacked:
            yield raw, unpacked


def size_of(place: Any) -> int:
    """Return the bytes of a file."""
    if isinstance(place, Remote):
        return int(place.system.get_file_info(place.path).size)
    return Path(place).stat().st_size


def stamp_of(place: Any) -> tuple[str, int, int]:
    """Return what changes if a file does."""
    if isinstance(place, Remote):
        info = place.system.get_file_info(place.path)
        return place.url, info.size, info.mtime_ns or 0
    path = Path(place)
    return os.path.realpath(path), path.stat().st_size, path.stat().st_mtime_ns
