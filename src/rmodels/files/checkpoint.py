"""What is known of the rows read so far, in a file, so that a fit that was stopped goes on."""

import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmodels.files.container import LONGEST_LINE, SIGNATURE, read_container, write_container
from rmodels.files.writing import check_writable
from rmodels.ops.moments import Moments

__all__ = ["Checkpoint", "check_checkpoint", "is_checkpoint"]

SECONDS = 30.0  # between two checkpoints

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
    """Moments and a position in a file, which is replaced whole.

    Parameters
    ----------
    path : str or path-like
    state : list of str
        What the moments are of: of a file with another state, nothing is taken.
    """

    def __init__(self, path: str | os.PathLike[str], state: list[str]) -> None:
        check_writable(path)
        self._path = Path(path)
        self._state = state
        self._written = time.monotonic()

    def read(self) -> tuple[Moments, NDArray[np.float64], int] | None:
        """Return moments, counted rows and their weight, and the row to go on from.

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
        if description.get("checkpoint") != self._state:
            raise ValueError(
                f"{self._path} is not a checkpoint of this fit: the files, columns or settings "
                "are others. Delete it to start anew"
            )
        moments = Moments(
            description["n_samples"],
            description["n_features"],
            float(arrays["weight"][0]),
            arrays["mean"],
            arrays["scatter"],
            description["engine"],
            arrays["rest"],
        )
        return moments, arrays["size"], description["row"]

    def write_if_due(self, moments: Moments, size: NDArray[np.float64], row: int) -> None:
        """Write if the last time was long ago."""
        if time.monotonic() - self._written >= SECONDS:
            self.write(moments, size, row)

    def write(self, moments: Moments, size: NDArray[np.float64], row: int) -> None:
        """Replace the file."""
        description = {
            "checkpoint": self._state,
            "n_samples": moments.n_samples,
            "n_features": moments.n_features,
            "engine": moments.engine,
            "row": row,
        }
        rest = np.broadcast_to(np.asarray(moments.rest, np.float64), moments.mean.shape)
        arrays = {
            "weight": np.array([moments.weight]),
            "mean": np.ascontiguousarray(moments.mean),
            "rest": np.ascontiguousarray(rest),
            "scatter": np.ascontiguousarray(moments.scatter),
            "size": np.asarray(size, np.float64),
        }
        write_container(self._path, description, arrays)
        self._written = time.monotonic()
