"""Nearest neighbours by the compiled extension: queries go to it a slice at a time."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import config, native
from rmodels.ops.nearest import Distances, Index, Indices
from rmodels.ops.nearest.cosine import normalised

_CALL_SECONDS = 0.07  # what one native call should last, so that Ctrl-C is answered
_CALL_DISTANCES = 1 << 22  # distances in the first call, before the speed is known

_building = threading.Lock()


def _module() -> Any:
    module = native.load()
    if module is None:
        raise RuntimeError(native.ABSENT)
    return module


def _threads(n_threads: int | None) -> int:
    return config.thread_count() if n_threads is None else n_threads


def index(X: NDArray, metric: str, p: float, algorithm: str, n_threads: int | None) -> Index:
    """Build the native index."""
    built = Index(X, metric, p, algorithm, "native")
    built.algorithm = _state(built, n_threads).algorithm
    return built


def _state(index: Index, n_threads: int | None) -> Any:
    """Return what the extension has built for an index; build it if a copy has lost it."""
    if index.state is None:
        with _building:
            if index.state is None:
                X = normalised(index.X) if index.metric == "cosine" else index.X
                index.state = _module().nearest_index(
                    X, index.metric, index.p, index.algorithm, _threads(n_threads)
                )
    return index.state


def _queries(index: Index, Q: NDArray) -> NDArray[np.float64]:
    return normalised(Q) if index.metric == "cosine" else Q.astype(np.float64, copy=False)


def _slices(index: Index, n_queries: int) -> Iterator[slice]:
    """Yield slices of the queries, each of which keeps the extension busy for _CALL_SECONDS."""
    step = max(1, _CALL_DISTANCES // len(index.X))
    first = 0
    while first < n_queries:
        start = time.perf_counter()
        yield slice(first, first + step)
        first += step
        step = max(1, int(step * min(4.0, _CALL_SECONDS / (time.perf_counter() - start))))


def nearest(index: Index, Q: NDArray, k: int, n_threads: int | None) -> tuple[Distances, Indices]:
    """Find the k nearest points of each query."""
    state, threads = _state(index, n_threads), _threads(n_threads)
    distances = np.empty((len(Q), k))
    indices = np.empty((len(Q), k), dtype=np.int64)
    for rows in _slices(index, len(Q)):
        state.nearest(_queries(index, Q[rows]), distances[rows], indices[rows], threads)
    return distances, indices


def within(
    index: Index, Q: NDArray, radius: float, n_threads: int | None
) -> tuple[Indices, Distances, Indices]:
    """Find all points at a distance of at most `radius` from each query."""
    state, threads = _state(index, n_threads), _threads(n_threads)
    counts: list[Indices] = [np.zeros(1, dtype=np.int64)]
    distances: list[Distances] = [np.empty(0)]
    indices: list[Indices] = [np.empty(0, dtype=np.int64)]
    for rows in _slices(index, len(Q)):
        found = state.within(_queries(index, Q[rows]), radius, threads)
        counts.append(found[0])
        distances.append(found[1])
        indices.append(found[2])
    return np.cumsum(np.concatenate(counts)), np.concatenate(distances), np.concatenate(indices)
