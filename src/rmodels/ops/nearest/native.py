"""Nearest neighbours by the compiled extension: queries go to it a chunk at a time.

An index costs several reads of the points. So a few queries are answered straight from the rows,
and the index is built when the queries so far would have paid for it.
"""

import os
import threading
from dataclasses import dataclass, field
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
FIRST_QUERIES = 1024  # of a first chunk that walks a tree, at least
_SKIPPED = 16  # a tree mostly lets a query compare one point in so many, or fewer
_SHARED = 64  # queries that share a pass over the rows
_WHOLE = np.dtype(np.int64)  # which NumPy need not look up
_MOST_POINTS = 2**32 - 1

_building = threading.Lock()


def _renew() -> None:
    """Forget who holds the lock: in a forked child that thread does not exist."""
    global _building
    _building = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


@dataclass(eq=False)
class State:
    """What the extension has of an index.

    Attributes
    ----------
    rows : object or None
        What answers straight from the points; None if it does not have the metric.
    algorithm : {"auto", "brute", "tree"}
        What the search of many queries does; "auto" until it is decided.
    built : object or None
        What many queries are searched in, once they are worth it.
    answered : int
        Queries that came before it was built.
    worth : float
        How many pay for building it, if one thread answers them; 0 without `rows`.
    """

    rows: Any
    algorithm: str
    worth: float
    built: Any = field(default=None, init=False)
    answered: int = field(default=0, init=False)


def index(X: NDArray, metric: str, p: float, algorithm: str, n_threads: int | None) -> Index:
    """Keep the points: what their search needs is built when it pays."""
    if len(X) > _MOST_POINTS:
        raise ValueError(f"an index holds at most {_MOST_POINTS} points, and X has {len(X)}")
    return Index(X, metric, p, algorithm, "native", _new_state(X, metric, p, algorithm))


def _extension() -> Any:
    extension = native.load()
    if extension is None:
        raise ImportError(native.ABSENT)
    return extension


def _new_state(X: NDArray, metric: str, p: float, algorithm: str) -> State:
    extension = _extension()
    if algorithm == "auto":
        algorithm = extension.algorithm_by_shape(*X.shape)
    rows = extension.row_search(X, metric, p)
    return State(rows, algorithm, 0.0 if rows is None else count_worth(rows, algorithm, 1, 1))


def _state(index: Index) -> State:
    """Return what the extension has of an index, which a copy has lost."""
    if index.state is None:
        with _building:
            if index.state is None:
                index.state = _new_state(index.X, index.metric, index.p, index.algorithm)
    found: State = index.state
    return found


def decide(index: Index, n_threads: int | None) -> str:
    """Return what the search of many queries does, by a sample if shapes do not tell."""
    state = _state(index)
    if state.algorithm == "auto" and state.rows is None:
        build(index, n_threads)
    if state.algorithm == "auto":
        with _building:
            if state.algorithm == "auto":
                state.algorithm = _extension().choose_algorithm(
                    index.X, index.metric, index.p, n_threads or thread_count()
                )
    return state.algorithm


def build(index: Index, n_threads: int | None) -> Any:
    """Return the points packed, and along a tree if that pays: once, whoever asks."""
    state = _state(index)
    if state.built is None:
        with _building:
            if state.built is None:
                X = normalise(index.X) if index.metric == "cosine" else index.X
                built = _extension().nearest_index(
                    X, index.metric, index.p, state.algorithm, n_threads or thread_count()
                )
                state.algorithm = built.algorithm
                state.built = built
    return state.built


def count_worth(rows: Any, algorithm: str, threads: int, queries: int) -> float:
    """Return how many queries, so many at a time, cost as much from the rows as in an index.

    Its building is included.
    """
    worth: float = rows.worth(algorithm == "tree", algorithm == "auto", threads, queries)
    return worth


def _choose(index: Index, queries: int, n_threads: int) -> tuple[Any, int]:
    """Return what answers so many queries, and how many of them the first chunk has.

    That is what costs least if these are the first; else the index is built as soon as it would
    have been cheaper to build it before all others. So the time is never twice what it could be.
    """
    n_samples, n_features = index.X.shape
    step = FIRST_WORK / (n_samples * (n_features + 4))
    state = _state(index)
    if state.built is None and state.rows is not None:
        state.answered += queries
        pays = state.answered >= count_worth(state.rows, state.algorithm, n_threads, queries)
        if pays and state.algorithm == "auto":
            algorithm = decide(index, n_threads)
            pays = state.answered >= count_worth(state.rows, algorithm, n_threads, queries)
            state.worth = count_worth(state.rows, algorithm, 1, 1)
        if not pays:
            return state.rows, max(_SHARED, int(step / 4))
    built = build(index, n_threads)
    if state.algorithm == "tree":
        return built, max(FIRST_QUERIES, int(_SKIPPED * step))
    return built, max(1, int(step))


def _queries(index: Index, Q: NDArray) -> NDArray[np.float64]:
    return normalise(Q) if index.metric == "cosine" else Q.astype(np.float64, copy=False)


def nearest(index: Index, Q: NDArray, k: int, n_threads: int | None) -> tuple[Distances, Indices]:
    """Keep the points that scores leave open, and compare their float64 distances."""
    threads = n_threads or thread_count()
    search, step = _choose(index, len(Q), threads)
    distances = np.empty((len(Q), k))
    indices = np.empty((len(Q), k), dtype=np.int64)
    for rows in chunks(len(Q), step, "neighbours", seconds=_SECONDS):
        search.nearest(_queries(index, Q[rows]), distances[rows], indices[rows], threads)
    return distances, indices


def nearest_of_few(index: Index, Q: NDArray, k: int) -> tuple[Distances, Indices] | None:
    """Answer without what more queries need: threads, chunks and a choice."""
    state: State = index.state or _state(index)
    count = len(Q)
    answered = state.answered + count
    search = state.built
    if index.metric == "cosine" or (search is None and answered >= state.worth):
        return None
    shape = count, k
    distances, indices = np.empty(shape), np.empty(shape, _WHOLE)
    try:
        if not (search or state.rows).answer_few(Q, distances, indices):
            return None
    except TypeError:  # whose values are no numbers, or lie where no number begins
        return None
    state.answered = answered
    return distances, indices


def within(
    index: Index, Q: NDArray, radius: float, n_threads: int | None
) -> tuple[Indices, Distances, Indices]:
    """Keep the points that scores leave open, and compare their float64 distances."""
    threads = n_threads or thread_count()
    search, step = _choose(index, len(Q), threads)
    counts: list[Indices] = [np.zeros(1, dtype=np.int64)]
    distances: list[Distances] = [np.empty(0)]
    indices: list[Indices] = [np.empty(0, dtype=np.int64)]
    for rows in chunks(len(Q), step, "neighbours", seconds=_SECONDS):
        found = search.within(_queries(index, Q[rows]), radius, threads)
        counts.append(found[0])
        distances.append(found[1])
        indices.append(found[2])
    return np.cumsum(np.concatenate(counts)), np.concatenate(distances), np.concatenate(indices)
