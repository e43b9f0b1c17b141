"""Donors by the compiled extension: queries go to it a chunk at a time."""

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.donors import Distances, Indices

_SECONDS = 0.07  # what a chunk should last
_FIRST_WORK = 1e8  # pairs of values of the first chunk


def donors(X: NDArray, Q: NDArray, k: int, n_threads: int | None) -> tuple[Distances, Indices]:
    """Compare queries with all rows by bounds of their distances, and measure what is near."""
    threads = n_threads or thread_count()
    extension = native.load()
    assert extension is not None
    missing = np.isnan(Q)
    asked = np.flatnonzero(missing.any(axis=1))
    starts = np.concatenate([[0], np.cumsum(missing[asked].sum(axis=1))])
    distances = np.full((int(starts[-1]), k), np.nan)
    indices = np.full((int(starts[-1]), k), -1)
    if not len(asked):
        return distances, indices
    known = extension.Donors(X, threads)
    step = max(1, int(_FIRST_WORK / X.size))
    for part in chunks(len(asked), step, "donors", seconds=_SECONDS):
        queries = Q[asked[part]].astype(np.float64, copy=False)
        cells = slice(int(starts[part.start]), int(starts[part.stop]))
        known.find(queries, k, distances[cells], indices[cells], threads)
    return distances, indices
