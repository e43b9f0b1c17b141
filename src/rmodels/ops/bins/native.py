"""Sums by exponents by the compiled extension."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.bins import BINS
from rmodels.ops.chunks import chunks

_CHUNK = 1 << 26  # values: about 50 ms
_ALONE = 50_000  # values that take one thread less time than starting another


def bin_values(
    values: NDArray[np.float64], n_threads: int | None
) -> tuple[NDArray[np.int64], float]:
    """Count the bits of values, those of each thread on their own at first."""
    extension: Any = native.load()
    values = np.ascontiguousarray(values)
    bins, special = np.zeros((2, BINS), dtype=np.int64), 0.0
    threads = 1 if len(values) < _ALONE else n_threads or thread_count()
    for part in chunks(len(values), _CHUNK, "sums"):
        special += extension.bin_values(values[part], bins, threads)
    return bins, special
