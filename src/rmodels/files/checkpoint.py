"""What is known of the rows read so far, in a file, so that a fit that was stopped goes on."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.files.codec import Arrays, Parts, decode, encode
from rmodels.files.container import LONGEST_LINE, SIGNATURE, read_container, write_container
from rmodels.files.writing import check_writable
from rmodels.ops.moments import GroupMoments, Moments

__all__ = ["Checkpoint", "check_checkpoint", "is_checkpoint"]

SECONDS = 30.0  # between two checkpoints

# What the states of folds are made of.
_PARTS: Parts = {kind.__name__: kind for kind in (Moments, GroupMoments)}

_BEGINNING = b'{"checkpoint":'  # of the description


def is_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Return whether a file begins as a checkpoint does; what is cut short may be one."""
    with open(path, "rb") as file:
        if not file.readline(LONGEST_LINE).startswith(SIGNATURE):
            return False
        return file.read(len(_BEGINNING)) == _BEGINNING


def check_checkpoint(path: str | os.PathLike[str]) -> None:
    """Raise an error if no checkpoint could be written to a path, or another file is there."""
    check_writable(path)
    if os.path.exists(path) and not is_checkpoint(path):
        raise ValueError(f"{path} is there, and is not a checkpoint of rmodels")


class Checkpoint:
    """The state of a fold and a position in a file, which is replaced whole.

    Parameters
    ----------
    path : str or path-like
    state : list of str
        What the fold is of: of a file with another state, nothing is taken.
    """

    def __init__(self, path: str | os.PathLike[str], state: list[str]) -> None:
        check_writable(path)
        self._path = Path(path)
        self._state = state
        self._written = time.monotonic()

    def read(self) -> tuple[Any, NDArray[np.float64], int] | None:
        """Return the fold's state, what was counted, and the row to go on from.

        Raises
        ------
        ValueError
            If the file is damaged, or of other data, columns or settings.
        """
        if not self._path.exists():
            return None
        check_checkpoint(self._path)
        try:
            description, arrays = read_container(self._path)
        except ValueError as error:
            raise ValueError(f"checkpoint {error}. Delete it to start anew") from error
        if description.get("checkpoint") != self._state or "fold" not in description:
            raise ValueError(
                f"{self._path} is not a checkpoint of this fit: the files, columns or settings "
                "are others. Delete it to start anew"
            )
        found = decode(description["fold"], arrays, _PARTS)
        return found, arrays["size"], description["row"]

    def write_if_due(self, state: Any, size: Sequence[float], row: int) -> None:
        """Write if the last time was long ago."""
        if time.monotonic() - self._written >= SECONDS:
            self.write(state, size, row)

    def write(self, state: Any, size: Sequence[float], row: int) -> None:
        """Replace the file: a fold's state, what was counted, and the row to go on from."""
        arrays: Arrays = {"size": np.asarray(size, np.float64)}
        fold = encode(state, "fold", arrays, _PARTS)
        description = {"checkpoint": self._state, "fold": fold, "row": row}
        write_container(self._path, description, arrays)
        self._written = time.monotonic()
