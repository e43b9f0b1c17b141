"""Rows of a source, brought into memory."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.config import get_config
from rmodels.data import Rows, Source
from rmodels.exceptions import NotCoveredError
from rmodels.solvers.moments import as_array

__all__ = ["collect", "copy_rows", "fits"]

Places = NDArray[np.int64]


def collect(source: Source, who: str, n_samples: int | None = None) -> Rows:
    """Return all rows in memory, on the processor.

    Parameters
    ----------
    source : Source
    who : str
        What needs them there.
    n_samples : int, default=None
        How many there are, if the source has numbered them.

    Raises
    ------
    NotCoveredError
        If rows that are not in memory do not fit in the setting `memory_limit`.
    """
    if isinstance(source, Rows):
        return source.on_host()
    n = source.number_rows() if n_samples is None else n_samples
    if not fits(source, n):
        raise NotCoveredError(
            f"{who} needs all rows in memory: {n} x {source.n_features} values are "
            f"{_size(source, n)} bytes, and memory_limit is {get_config()['memory_limit']}. Raise "
            "it, or give fewer rows"
        )
    return copy_rows(source, None)


def fits(source: Source, n_samples: int) -> bool:
    """Return whether all rows are in memory, or fit in the setting `memory_limit`."""
    return source.in_memory or _size(source, n_samples) <= get_config()["memory_limit"]


def _size(source: Source, n_samples: int) -> int:
    return n_samples * source.n_features * source.dtype.itemsize


def copy_rows(source: Source, numbers: Places | None) -> Rows:
    """Return copies of the rows of a numbered source that have some numbers; None: of all."""
    parts = source.fold(partial(_copy, numbers))
    weights = [part[1] for part in parts]
    return Rows(
        np.concatenate([part[0] for part in parts]),
        weights=None if weights[0] is None else np.concatenate(weights),
    )


def _copy(numbers: Places | None, rows: Rows) -> list[tuple[Any, Any]]:
    X, w = as_array(rows.X), rows.weights
    if numbers is None:
        return [(X.copy(), None if w is None else np.array(w))]
    low, high = np.searchsorted(numbers, (rows.first, rows.first + len(X)))
    here = numbers[low:high] - rows.first
    return [(X[here], None if w is None else np.asarray(w)[here])]
