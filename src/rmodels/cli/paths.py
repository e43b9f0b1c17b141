"""Checks of what a command is given, before it begins: columns and files."""

import os
from collections.abc import Mapping, Sequence

from rmodels.data.formats import files_of

__all__ = ["check_apart", "check_once", "tables_in"]

Path = str | os.PathLike[str]


def check_once(used: Mapping[str, Sequence[str]]) -> None:
    """Raise an error if a column is to be two things, or one of them twice.

    Parameters
    ----------
    used : mapping
        Of what a column is, such as "a target", to the names of those that are.
    """
    seen: dict[str, str] = {}
    for use, names in used.items():
        for name in names:
            if name in seen:
                twice = seen[name] == use
                said = f"{use} twice" if twice else f"both {seen[name]} and {use}"
                raise ValueError(f"column {name!r} is {said}")
            seen[name] = use


def tables_in(data: Sequence[str]) -> list[Path]:
    """Return the files that some paths, folders and patterns name."""
    return [path for each in data for path in files_of(each)]


def check_apart(path: Path, others: Sequence[Path], use: str) -> None:
    """Raise an error if what is to be written is one of other files, by whatever name."""
    for other in others:
        if os.path.realpath(path) == os.path.realpath(other) or (
            os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)
        ):
            raise ValueError(f"{path} would be overwritten: it is {use} by the same command")
