"""Exact nearest neighbours, and all neighbours within a radius."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import ops

__all__ = [
    "METRICS",
    "Index",
    "all_without_itself",
    "decide",
    "index",
    "nearest",
    "nearest_of_few",
    "nearest_without_itself",
    "within",
]

Distances = NDArray[np.float64]
Indices = NDArray[np.int64]

FEW = 4e5  # values of queries times points, which take no longer than starting a thread
_EACH = 300  # values that take as long as what is done once for a query

METRICS = ("euclidean", "manhattan", "chebyshev", "minkowski", "cosine")


@dataclass(eq=False)
class Index:
    """Training points to be searched.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64, C-contiguous
        The points: not copied, and not to be changed while the index is used.
    metric : str
        One of those of `index`.
    p : float
        Exponent of the Minkowski metric, above 0.
    algorithm : {"auto", "brute", "tree"}
        What the search of many queries is to do: scan every group of points, or skip groups whose
        box is too far. See ``decide``.
    engine : str
        What searches.
    state : object
        What the engine has built; not pickled, but built again when it is needed.
    """

    X: NDArray
    metric: str
    p: float
    algorithm: str
    engine: str
    state: Any = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"state": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self.X, np.ndarray):  # which may have come over a network, to any byte
            self.X = np.require(self.X, requirements="A")


def index(
    X: NDArray,
    metric: str = "euclidean",
    p: float = 2.0,
    *,
    algorithm: str = "auto",
    engine: str | None = None,
    n_threads: int | None = None,
) -> Index:
    """Keep points for searching.

    The native engine copies few points to columns, and builds nothing of others yet: queries are
    answered straight from the rows as long as that is cheaper than packing the points, then from
    packed points that it builds once. The answers are the same bits.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64, C-contiguous, finite
        At least one row. The index keeps a reference to it.
    metric : {"euclidean", "manhattan", "chebyshev", "minkowski", "cosine"}
        The distance d(x, q), computed in float64 from the values as they are, every operation
        rounded on its own, the sums taken in the order of the features:

        - euclidean: √Σ (x_c − q_c)²
        - manhattan: ``Σ |x_c − q_c|``
        - chebyshev: ``max |x_c − q_c|``
        - minkowski: ``(Σ |x_c − q_c|^p)^(1/p)``; powers of an integer p up to 16 are repeated
          products, and their root is the inverse of that: after scaling the sum to [1, 2^p) by a
          power of two, the smallest float64 whose power is at least the sum (√ for p = 2)
        - cosine: ½ Σ (x̂_c − q̂_c)² with x̂ = x / ‖x‖, which is 1 − x̂·q̂; a row of zeros has
          distance 1 from every row
    p : float
        Exponent of "minkowski", above 0; infinity is "chebyshev".
    algorithm : {"auto", "brute", "tree"}
        "auto" takes whichever the engine expects to be faster. The answers are the same.
    engine, n_threads
        As in `rmodels.ops.moments.moments`.

    Returns
    -------
    Index

    Notes
    -----
    Memory: at most a packed float32 copy of X and its norms, boxes and order (cosine: and a
    normalised float64 copy), once it is built; of at most 10,240 values a float64 copy.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.nearest import index, nearest
    >>> nearest(index(np.array([[0.0], [1.0], [3.0]])), np.array([[2.5]]), k=2)
    (array([[0.5, 1.5]]), array([[2, 1]]))
    """
    if metric == "minkowski" and p == math.inf:
        metric = "chebyshev"  # its limit
    name = ops.choose("nearest", engine, X)
    built: Index = ops.implementation("nearest", name).index(X, metric, p, algorithm, n_threads)
    return built


def decide(index: Index, *, n_threads: int | None = None) -> str:
    """Return what the search of many queries does, deciding it now if nobody asked before.

    Parameters
    ----------
    index, n_threads
        As in `nearest`.

    Returns
    -------
    str
        "brute" or "tree".

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.nearest import decide, index
    >>> decide(index(np.array([[0.0], [1.0], [3.0]])))
    'brute'
    """
    engine = ops.implementation("nearest", ops.choose("nearest", index.engine, index.X))
    algorithm: str = engine.decide(index, n_threads)
    return algorithm


def nearest(
    index: Index, Q: NDArray | None, k: int, *, n_threads: int | None = None
) -> tuple[Distances, Indices]:
    """Find the k nearest points of each query.

    Parameters
    ----------
    index : Index
    Q : ndarray of shape (n_queries, n_features), float32 or float64, C-contiguous, finite, or None
        None asks for the neighbours of each indexed point, itself left out: see
        `nearest_without_itself`.
    k : int
        From 1 to the number of points, less one if `Q` is None.
    n_threads : int, optional
        Threads to use; the default is `rmodels.config.thread_count()`.

    Returns
    -------
    distances : ndarray of shape (n_queries, k), float64
    indices : ndarray of shape (n_queries, k), int64
        Rows of `index.X`, in the order of (distance, index): of equal distances the lower index
        comes first. Identical on every engine, for any number of threads and any batch of queries
        (for "minkowski" with p that is not an integer up to 16, within the rounding of `pow`).

    Notes
    -----
    Memory beyond index and result: a fixed amount per thread, with or without distances; never a
    matrix of n_queries by n_samples.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.nearest import index, nearest
    >>> distances, indices = nearest(index(np.array([[0.0], [1.0], [3.0]])), None, k=1)
    >>> distances.ravel(), indices.ravel()  # each point's nearest but itself
    (array([1., 1., 2.]), array([1, 0, 1]))
    """
    engine = ops.implementation("nearest", ops.choose("nearest", index.engine, Q))
    if Q is not None:
        found: tuple[Distances, Indices] = engine.nearest(index, Q, k, n_threads)
        return found
    return nearest_without_itself(*engine.nearest(index, index.X, k + 1, n_threads))


def nearest_of_few(index: Index, Q: Any, k: int) -> tuple[Distances, Indices] | None:
    """Return what `nearest` returns if that takes little, else None.

    To ask more would cost more than such an answer: whether `nearest` takes Q is found on the way.

    Parameters
    ----------
    index : Index
    Q : object
    k : int
        From 1 to the number of points.

    Returns
    -------
    distances, indices : ndarray of shape (n_queries, k), or None
        None if Q is not an ndarray of a few rows, finite float32 or float64 of the index's columns,
        one after the other; if the metric is one that rows are not searched by; and if the index
        has to be built next.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.nearest import index, nearest_of_few
    >>> points = index(np.array([[0.0], [1.0], [3.0]]))
    >>> nearest_of_few(points, np.array([[np.nan]]), k=1) is None
    True
    """
    if (
        type(Q) is not np.ndarray
        or Q.ndim != 2
        or index.engine != "native"
        or not 0 < len(Q) * (index.X.size + _EACH) < FEW
    ):
        return None
    engine = ops.implementation("nearest", "native")
    found: tuple[Distances, Indices] | None = engine.nearest_of_few(index, Q, k)
    return found


def nearest_without_itself(distances: Distances, indices: Indices) -> tuple[Distances, Indices]:
    """Leave each indexed point out of its own k + 1 nearest.

    Parameters
    ----------
    distances, indices : ndarray of shape (n_samples, k + 1)
        In row i the nearest points of point i.

    Returns
    -------
    distances, indices : ndarray of shape (n_samples, k)
        Without the point itself; without the first where k + 1 of its duplicates have a lower
        index, as in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.nearest import nearest_without_itself
    >>> nearest_without_itself(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([[0, 1], [1, 0]]))
    (array([[1.],
           [1.]]), array([[1],
           [0]]))
    """
    itself = _number(indices)
    if isinstance(indices, np.ndarray) and (indices[:, 0] == itself).all():  # no duplicates
        return distances[:, 1:].copy(), indices[:, 1:].copy()
    others = indices != itself[:, np.newaxis]
    others[:, 0] &= ~others.all(axis=1)
    shape = (len(indices), indices.shape[1] - 1)
    return distances[others].reshape(shape), indices[others].reshape(shape)


def within(
    index: Index, Q: NDArray | None, radius: float, *, n_threads: int | None = None
) -> tuple[Indices, Distances, Indices]:
    """Find all points at a distance of at most `radius` from each query.

    Parameters
    ----------
    index, Q, n_threads
        As in `nearest`.
    radius : float
        At least 0; compared with the distances that are returned.

    Returns
    -------
    offsets : ndarray of shape (n_queries + 1,), int64
        Query i has the neighbours offsets[i] to offsets[i + 1] - 1 of the next two.
    distances : ndarray of shape (offsets[-1],), float64
    indices : ndarray of shape (offsets[-1],), int64
        For each query in the order of (distance, index).

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.nearest import index, within
    >>> points, queries = np.array([[0.0], [1.0], [3.0]]), np.array([[2.0], [9.0]])
    >>> offsets, distances, indices = within(index(points), queries, radius=2.0)
    >>> offsets.tolist(), distances.tolist(), indices.tolist()
    ([0, 3, 3], [1.0, 1.0, 2.0], [1, 2, 0])
    """
    engine = ops.implementation("nearest", ops.choose("nearest", index.engine, Q))
    if Q is not None:
        found: tuple[Indices, Distances, Indices] = engine.within(index, Q, radius, n_threads)
        return found
    return all_without_itself(*engine.within(index, index.X, radius, n_threads))


def all_without_itself(
    offsets: Indices, distances: Distances, indices: Indices
) -> tuple[Indices, Distances, Indices]:
    """Leave each indexed point out of its own neighbours, given and returned as by `within`."""
    counts = offsets[1:] - offsets[:-1]
    rows = _number(counts)
    of_tensor = getattr(rows, "repeat_interleave", None)
    others = indices != (of_tensor(counts) if of_tensor else np.repeat(rows, counts))
    if not len(others):
        return offsets, distances, indices
    return (offsets > 0) * others.cumsum(0)[offsets - 1], distances[others], indices[others]


def _number(rows: Any) -> Any:
    """Return 0, 1, … for each row of an array, as an array of its kind."""
    if isinstance(rows, np.ndarray):
        return np.arange(len(rows))
    return rows.new_ones((len(rows),)).cumsum(0) - 1
