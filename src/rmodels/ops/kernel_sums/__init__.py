"""Sums of a kernel over weighted points: what densities are made of."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import ops
from rmodels.ops import nearest
from rmodels.ops.nearest import Index

__all__ = ["KERNELS", "METRICS", "Points", "add_up", "log_sums", "points"]

Floats = NDArray[np.float64]

KERNELS = ("gaussian", "tophat", "epanechnikov", "exponential", "linear", "cosine")
METRICS = ("euclidean", "manhattan", "chebyshev", "minkowski")  # of the operation `nearest`

_LEAST = 2.0**-1000  # weights below this share of the largest are 0
_WIDEST = 30  # exponents of a bandwidth up to which coordinates are taken as they are


@dataclass(eq=False)
class Points:
    """Points with weights, ready to be summed over.

    Attributes
    ----------
    index : Index
        Of the points whose weight is not 0, times 2^scale. Its engine does the work.
    weights : ndarray of shape (n_points,), float64, or None
        Theirs, the largest at least 1 and below 2; None stands for ones.
    bandwidth : float
        Times 2^scale.
    scale : int
        Of the coordinates: 0 unless the bandwidth is far from 1.
    exponent : int
        The weights that were given are these times 2^exponent.
    state : object
        What the engine has built; not pickled, but built again when it is needed.
    """

    index: Index
    weights: Floats | None
    bandwidth: float
    scale: int
    exponent: int
    state: Any = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"state": None}


def points(
    X: NDArray,
    bandwidth: float,
    weights: Floats | None = None,
    metric: str = "euclidean",
    p: float = 2.0,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Points:
    """Prepare points for sums.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64, C-contiguous, finite
        At least one row. Kept by reference if no weights are 0 and the bandwidth is near 1.
    bandwidth : float
        h, above 0. If it is below 2⁻³⁰ or above 2³⁰, coordinates are first multiplied by the power
        of two that brings it into [1, 2), so that no distance that matters overflows or vanishes.
    weights : ndarray of shape (n_samples,), float64, finite, at least 0, or None
        Not all 0. None stands for ones. Those below 2⁻¹⁰⁰⁰ of the largest count as 0.
    metric : {"euclidean", "manhattan", "chebyshev", "minkowski"}
        As of `rmodels.ops.nearest.index`.
    p, engine, n_threads
        As there.

    Returns
    -------
    Points

    Notes
    -----
    Memory: the index, and, once there was a sum on the native engine, a float64 copy of X with
    boxes: 10 bytes a value.
    """
    name = ops.choose("kernel_sums", engine, X)
    exponent = 0
    if weights is not None:
        largest = float(weights.max())
        exponent = math.frexp(largest)[1] - 1
        weights = np.ldexp(weights, -exponent)
        present = weights >= _LEAST
        if not present.all():
            X, weights = np.ascontiguousarray(X[present]), weights[present]
    algorithm = "tree" if name == "native" else "auto"
    away = 1 - math.frexp(bandwidth)[1]
    scale = 0 if abs(away) <= _WIDEST else away
    if scale:
        X = _scale(X, scale)
    index = nearest.index(X, metric, p, algorithm=algorithm, engine=name, n_threads=n_threads)
    return Points(index, weights, math.ldexp(bandwidth, scale), scale, exponent)


def _scale(A: NDArray, exponent: int) -> Floats:
    """Return finite numbers times 2^exponent, the largest float64 where that overflows."""
    largest = np.finfo(np.float64).max
    with np.errstate(over="ignore", under="ignore"):
        found: Floats = np.ldexp(A.astype(np.float64), exponent)
    return np.clip(found, -largest, largest)


def log_sums(
    points: Points,
    Q: NDArray,
    kernel: str,
    *,
    atol: float = 0.0,
    rtol: float = 0.0,
    n_threads: int | None = None,
) -> Floats:
    """Return log Σ w K(d(q, x) / h) of each query q, over the points x of weight w; h is theirs.

    Parameters
    ----------
    points : Points
    Q : ndarray of shape (n_queries, n_features), float32 or float64, C-contiguous, finite
    kernel : str
        K, which is 1 at 0:

        - gaussian: exp(−t² / 2)
        - exponential: exp(−t)
        - tophat: 1, and these where d < h, else 0:
        - epanechnikov: 1 − t²
        - linear: 1 − t
        - cosine: cos(π t / 2)
    atol, rtol : float
        How far a sum S may be from the true one beyond rounding: atol + rtol · S. Boxes of points
        whose kernels are bounded to be alike are not opened, so that it takes less time.
    n_threads : int, optional
        Threads to use; the default is `rmodels.config.thread_count()`.

    Returns
    -------
    ndarray of shape (n_queries,), float64
        −inf where all kernels are 0, and where the true logarithm is below the range of float64.

    Notes
    -----
    With d the distance that `rmodels.ops.nearest` computes and u = 2⁻⁵³: the kernel of each pair is
    right to 16 u of itself, those of exp(−v) to (16 + 8 v) u; sums add less than 128 u; the
    logarithm L itself is rounded, to 4 u (1 + |L|). Exponents are taken from the nearest point, so
    that no sum vanishes far away. Points beyond the distance from which on all of them together are
    less than 2⁻⁵⁴ of the sum are left out.

    Native: the same bits for any number of threads and any batch of queries. Memory beyond points
    and result: a fixed amount per thread, and 16 bytes a query of a chunk for each 262,144 points;
    never a matrix of n_queries by n_samples.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.kernel_sums import log_sums, points
    >>> known = points(np.array([[0.0], [1.0], [4.0]]), bandwidth=2.0)
    >>> np.exp(log_sums(known, np.array([[1.0], [4.0]]), "linear"))
    array([1.5, 1. ])
    >>> log_sums(known, np.array([[2004.0]]), "gaussian")
    array([-500000.])
    """
    engine = ops.implementation("kernel_sums", ops.choose("kernel_sums", points.index.engine, Q))
    if points.exponent:
        with np.errstate(over="ignore", under="ignore"):
            atol = float(np.ldexp(atol, -points.exponent))
    Q = _scale(Q, points.scale) if points.scale else Q
    found: Floats = engine.log_sums(points, Q, kernel, atol, rtol, n_threads)
    return found + points.exponent * math.log(2.0) if points.exponent else found


def add_up(distances: Floats, weights: Floats | None, kernel: str, bandwidth: float) -> Floats:
    """Return log Σ w K(d / h) of each row of distances: (n_queries,).

    Parameters
    ----------
    distances : ndarray of shape (n_queries, n_points)
        At least 0.
    weights : ndarray of shape (n_points,) or None
    kernel : str
        As of `log_sums`.
    bandwidth : float
        h, above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.kernel_sums import add_up
    >>> np.exp(add_up(np.array([[0.0, 1.0], [3.0, 1.0]]), None, "linear", 2.0))
    array([1.5, 0.5])
    """
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        t = distances / bandwidth
        if kernel in ("gaussian", "exponential"):
            exponents = 0.5 * t * t if kernel == "gaussian" else t
            least = exponents.min(axis=1, keepdims=True)
            values = np.exp(least - exponents)
        else:
            least, values = np.zeros((len(t), 1)), np.zeros_like(t)
            inside = distances < bandwidth
            gap = (bandwidth - distances[inside]) / bandwidth  # exact where t is near 1
            shapes: dict[str, Callable[[], Any]] = {
                "tophat": lambda: 1.0,
                "epanechnikov": lambda: gap * (1.0 + t[inside]),
                "linear": lambda: gap,
                "cosine": lambda: np.sin(0.5 * np.pi * gap),
            }
            values[inside] = shapes[kernel]()
        sums = (values if weights is None else values * weights).sum(axis=1)  # in pairs
        found: Floats = np.log(sums) - least[:, 0]
        return np.where(np.isinf(least[:, 0]), -np.inf, found)
