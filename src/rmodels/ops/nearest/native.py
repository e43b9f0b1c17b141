"""Nearest neighbours by the compiled extension: queries go to it a chunk at a time."""

import os
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.nearest import Distances, Index, Indices
from rmodels.ops.nearest.cosine import normalise

_SECONDS = 0.07  # what a chunk should last
FIRST_WORK = 1e9  # multiply-adds of a first chunk that is compared with every point
FIRST_QUERIES = 1024  # of a first chunk that walks a tree

_building = threading.Lock()


def _renew() -> None:
    """Forget who holds the lock: in a forked child that thread does not exist."""
    global _building
    _building = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def index(X: NDArray, metric: str, p: float, algorithm: str, n_threads: int | None) -> Index:
    """Pack the points, and order them along a tree if that pays."""
    built = Index(X, metric, p, algorithm, "native")
    built.algorithm = state_of(built, n_threads).algorithm
    return built


def state_of(index: Index, n_threads: int | None) -> Any:
    """Return what the extension has built for an index; build it if a copy has lost it."""
    if index.state is None:
        extension = native.load()
        if extension is None:
            raise ImportError(native.ABSENT)
        with _building:
            if index.state is None:
                X = normalise(index.X) if index.metric == "cosine" else index.X
                index.state = extension.nearest_index(
                    X, index.metric, index.p, index.algorithm, n_threads or thread_count()
                )
    return index.state


def _queries(index: Index, Q: NDArray) -> NDArray[np.float64]:
    return normalise(Q) if index.metric == "cosine" else Q.astype(np.float64, copy=False)


def _step(index: Index) -> int:
    """Return how many queries the first chunk has."""
    if index.algorithm == "tree":
        return FIRST_QUERIES
    n_samples, n_features = index.X.shape
    return max(1, int(FIRST_WORK / (n_samples * (n_features + 4))))


def nearest(index: Index, Q: NDArray, k: int, n_threads: int | None) -> tuple[Distances, Indices]:
    """Keep the points that float32 scores leave open, and compare their float64 distances."""
    state, threads = state_of(index, n_threads), n_threads or thread_count()
    distances = np.empty((len(Q), k))
    indices = np.empty((len(Q), k), dtype=np.int64)
    for rows in chunks(len(Q), _step(index), "neighbours", seconds=_SECONDS):
        state.nearest(_queries(index, Q[rows]), distances[rows], indices[rows], threads)
    return distances, indices


def within(
    index: Index, Q: NDArray, radius: float, n_threads: int | None
) -> tuple[Indices, Distances, Indices]:
    """Keep the points that float32 scores leave open, and compare their float64 distances."""
    state, threads = state_of(index, n_threads), n_threads or thread_count()
    counts: list[Indices] = [np.zeros(1, dtype=np.int64)]
    distances: list[Distances] = [np.empty(0)]
    indices: list[Indices] = [np.empty(0, dtype=np.int64)]
    for rows in chunks(len(Q), _step(index), "neighbours", seconds=_SECONDS):
        found = state.within(_queries(index, Q[rows]), radius, threads)
        counts.append(found[0])
        distances.append(found[1])
        indices.append(found[2])
    return np.cumsum(np.concatenate(counts)), np.concatenate(distances), np.concatenate(indices)
