"""Files that are written whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["check_writable", "whole_file"]


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise an error if a file could not be written to a path: before the work, not after."""
    target = Path(path)
    if target.is_dir():
        raise ValueError(f"{path} is a folder: it cannot be replaced by a file")
    if target.exists() and not target.is_file():
        raise ValueError(f"{path} is not a file that can be replaced")
    folder = Path(os.path.realpath(target)).parent
    if not folder.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{path} cannot be written: no permission to write into {folder}")


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file beside `path` for writing, and put it in its place when the block ends.

    Whatever stops the block leaves what was at `path`, and nothing else. A symbolic link stays one:
    the file that it names is replaced.

    Parameters
    ----------
    path : str or path-like

    Yields
    ------
    binary file
    """
    check_writable(path)
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    file = beside.open("xb")
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
