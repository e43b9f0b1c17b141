"""Densities as sums of kernels."""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc
from sklearn.base import BaseEstimator
from sklearn.metrics import DistanceMetric
from sklearn.neighbors import VALID_METRICS, BallTree, KDTree
from sklearn.utils import check_random_state

from rmodels import data
from rmodels.base import metrics
from rmodels.base.callbacks import CallbackSupport
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.state import HasState, check_is_fitted
from rmodels.config import get_config
from rmodels.data import Need, Rows, hold, map_rows
from rmodels.exceptions import NotCoveredError
from rmodels.ops import choose, kernel_sums
from rmodels.ops.kernel_sums import KERNELS
from rmodels.solvers.exact_sum import ExactSum
from rmodels.solvers.kernels import log_integral
from rmodels.solvers.whole import collect

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["KernelDensity"]

Floats = NDArray[np.float64]

_TREES = {"ball_tree": BallTree, "kd_tree": KDTree}
_NEED = Need(sparse=False, doubles=True, missing="refuse", contiguous=True)


def _log_sum(weights: Floats) -> float:
    """Return log Σ w, also where the sum overflows."""
    shift = max(0, math.frexp(float(weights.max()))[1] - 512)  # 0 unless they are huge
    return math.log(math.fsum(np.ldexp(weights, -shift))) + shift * math.log(2.0)


class Summands:
    """Points with weights, over which kernels are summed.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float64
    weights : ndarray of shape (n_samples,), float64, or None
    metric : str
        One of scikit-learn's trees.
    parameters : dict
        Further ones of the metric.
    engine : {"reference", "native", "scipy"}
        "scipy" where the operation does not have the metric.
    """

    def __init__(
        self, X: Floats, weights: Floats | None, metric: str, parameters: dict, engine: str
    ) -> None:
        self.X, self.weights = X, weights
        self.metric, self.parameters, self.engine = metric, parameters, engine
        self._points: tuple[float, kernel_sums.Points] | None = None
        self.log_weight = math.log(len(X)) if weights is None else _log_sum(weights)

    @classmethod
    def of(cls, X: Floats, weights: Floats | None, metric: str, parameters: dict) -> "Summands":
        """Return points to be summed by the engine of the setting.

        Raises
        ------
        NotCoveredError
            If that is "native" or "gpu", and the operation does not have the metric.
        """
        indexed = metrics.INDEXED.get(metric)
        if indexed in kernel_sums.METRICS and parameters.get("w") is None:
            return cls(X, weights, metric, parameters, choose("kernel_sums"))
        engine = get_config()["engine"]
        if engine not in ("auto", "reference"):
            raise NotCoveredError(
                f"engine={engine!r} cannot run: it sums kernels of the metrics "
                f"{', '.join(m for m in metrics.INDEXED if m != 'cosine')} without weights, and "
                f"not of {metric!r}, whose distances scikit-learn computes with engine='auto'"
            )
        return cls(X, weights, metric, parameters, "scipy")

    @classmethod
    def from_fields(
        cls, X: Floats, weights: Floats | None, metric: str, parameters: dict, engine: str
    ) -> "Summands":
        """Return points with these fields.

        Raises
        ------
        ValueError
            If no points have them.
        """
        sound = (
            X.ndim == 2
            and X.size
            and X.dtype == np.float64
            and X.flags.c_contiguous
            and np.isfinite(X).all()
            and metric in VALID_METRICS["ball_tree" if engine == "scipy" else "kd_tree"]
            and isinstance(parameters, dict)
            and engine in ("reference", "native", "scipy")
            and (
                weights is None
                or (
                    weights.shape == X.shape[:1]
                    and np.isfinite(weights).all()
                    and (weights >= 0).all()
                    and weights.any()
                )
            )
        )
        if not sound:
            raise ValueError("the points of a density, or their metric, are not valid")
        return cls(X, weights, metric, parameters, engine)

    def fields(self) -> dict[str, Any]:
        """Return what the class takes."""
        names = ("X", "weights", "metric", "parameters", "engine")
        return {name: getattr(self, name) for name in names}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_points": None}

    @property
    def exponent(self) -> float:
        """That of the metric, if it is one of Minkowski's."""
        return float(self.parameters.get("p", 2.0))

    def log_sums(
        self, Q: Floats, kernel: str, bandwidth: float, atol: float, rtol: float
    ) -> Floats:
        """Return log Σ w K(d / h) of each query."""
        if self.engine == "scipy":
            return self._by_distances(Q, kernel, bandwidth)
        if self._points is None or self._points[0] != bandwidth:
            metric = metrics.INDEXED[self.metric]
            self._points = (
                bandwidth,
                kernel_sums.points(
                    self.X, bandwidth, self.weights, metric, self.exponent, engine=self.engine
                ),
            )
        return kernel_sums.log_sums(self._points[1], Q, kernel, atol=atol, rtol=rtol)

    def _by_distances(self, Q: Floats, kernel: str, bandwidth: float) -> Floats:
        measure = DistanceMetric.get_metric(self.metric, **self.parameters)
        present = slice(None) if self.weights is None else self.weights > 0
        X, weights = self.X[present], None if self.weights is None else self.weights[present]
        step = max(1, get_config()["memory_limit"] // (48 * len(X)))
        found = np.empty(len(Q))
        for first in range(0, len(Q), step):
            rows = slice(first, first + step)
            distances = measure.pairwise(Q[rows], X)
            found[rows] = kernel_sums.add_up(distances, weights, kernel, bandwidth)
        return found


def _sum(rows: Rows, scores: Floats) -> ExactSum:
    return ExactSum.of(scores)


class KernelDensity(HasState, CallbackSupport, BaseEstimator):
    """Density as the mean of a kernel around each of the points.

        p(x) = Σ w_i K(‖x − x_i‖ / h) / (c h^d Σ w_i)

    with w the weights, h the bandwidth, d the number of features, and c = ∫ K(‖x‖) dx.

    Parameters
    ----------
    bandwidth : float or {"scott", "silverman"}, default=1.0
        h, above 0; "scott": n^(−1 / (d + 4)), "silverman": (n (d + 2) / 4)^(−1 / (d + 4)).
    algorithm : {"kd_tree", "ball_tree", "auto"}, default="auto"
        Which metrics are allowed, as in scikit-learn. Answers are the same by each.
    kernel : {"gaussian", "tophat", "epanechnikov", "exponential", "linear", "cosine"}, \
    default="gaussian"
        K(t): "gaussian" exp(−t² / 2), "exponential" exp(−t); and where t < 1, "tophat" 1,
        "epanechnikov" 1 − t², "linear" 1 − t, "cosine" cos(π t / 2).
    metric : str, default="euclidean"
        Those of scikit-learn's trees. c is that of Euclidean distances, whatever the metric, as in
        scikit-learn.
    atol, rtol : float, default=0
        A density p may be wrong by atol + rtol · p beyond rounding, which saves time. 0: the sum
        itself.
    breadth_first : bool, default=True
        Accepted for compatibility.
    leaf_size : int, default=40
        Accepted for compatibility.
    metric_params : dict, default=None
        Further parameters of the metric.

    Attributes
    ----------
    bandwidth_ : float
        h.
    tree_ : KDTree or BallTree
        scikit-learn's, of the points: built when it is asked for, and used by nothing here.
    engine_ : {"reference", "native", "scipy"}
        What sums; "scipy" for metrics whose distances scikit-learn computes.
    n_features_in_, feature_names_in_
        As in `KMeans`.

    Notes
    -----
    Distances are those of differences in float64, each kernel is right to a few units in the last
    place, sums are compensated: log p(x) is right to about 10⁻¹⁵ (1 + abs(log p(x))), far away too,
    where p(x) itself would be 0 in float64. See ``rmodels.ops.kernel_sums.log_sums``, whose bounds
    of boxes prove that `atol` and `rtol` hold.

    Native: on all threads, the same bits for any number of them and any batch of queries; memory
    about 3 times that of the points, beside them, and never a matrix of queries and points. Boxes
    of points that are out of reach are skipped; else n_samples · n_features operations a query.

    A scan or a Dask collection of points is brought into memory, and refused if it does not fit in
    the setting `memory_limit`; queries may be any, as they are answered one by one.

    Source: B. W. Silverman, "Density Estimation for Statistics and Data Analysis", 1986.

    Examples
    --------
    >>> from rmodels import KernelDensity
    >>> model = KernelDensity(bandwidth=0.5).fit([[0.0], [1.0], [1.5]])
    >>> [round(float(score), 4) for score in model.score_samples([[1.0], [30.0]])]
    [-0.7694, -1625.8244]
    """

    _attributes: ClassVar = {"bandwidth_": float | int, "_summands": Summands}

    _parameter_constraints: dict = {
        "bandwidth": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"scott", "silverman"}),
        ],
        "algorithm": [StrOptions({*_TREES, "auto"})],
        "kernel": [StrOptions(set(KERNELS))],
        "metric": [StrOptions({*VALID_METRICS["kd_tree"], *VALID_METRICS["ball_tree"]})],
        "atol": [Interval(Real, 0, None, closed="left")],
        "rtol": [Interval(Real, 0, None, closed="left")],
        "breadth_first": ["boolean"],
        "leaf_size": [Interval(Integral, 1, None, closed="left")],
        "metric_params": [None, dict],
    }

    bandwidth_: float
    _summands: Summands

    def __init__(
        self,
        *,
        bandwidth: float | str = 1.0,
        algorithm: str = "auto",
        kernel: str = "gaussian",
        metric: str = "euclidean",
        atol: float = 0,
        rtol: float = 0,
        breadth_first: bool = True,
        leaf_size: int = 40,
        metric_params: dict[str, Any] | None = None,
    ) -> None:
        self.bandwidth = bandwidth
        self.algorithm = algorithm
        self.kernel = kernel
        self.metric = metric
        self.atol = atol
        self.rtol = rtol
        self.breadth_first = breadth_first
        self.leaf_size = leaf_size
        self.metric_params = metric_params

    def _fits_in_batches(self) -> bool:
        return False  # a row is a summand of every density

    def _has_checkpoint(self) -> bool:
        return False

    def _is_consistent(self) -> bool:
        return bool(self.bandwidth_ > 0 and self._summands.X.shape[1] == self.n_features_in_)

    def _tree(self) -> tuple[Any, dict[str, Any]]:
        """Return scikit-learn's class of trees, and what it takes beside the points."""
        algorithm = self.algorithm
        if algorithm == "auto":
            algorithm = "kd_tree" if self.metric in VALID_METRICS["kd_tree"] else "ball_tree"
        elif self.metric not in VALID_METRICS[algorithm]:
            raise ValueError(f"invalid metric for {_TREES[algorithm]}: '{self.metric}'")
        parameters = {"metric": self.metric, "leaf_size": self.leaf_size}
        return _TREES[algorithm], parameters | dict(self.metric_params or {})

    @property
    def tree_(self) -> Any:
        """scikit-learn's tree of the points."""
        check_is_fitted(self)
        tree, parameters = self._tree()
        return tree(self._summands.X, sample_weight=self._summands.weights, **parameters)

    @all_or_nothing
    def fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> "KernelDensity":
        """Keep the points.

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_samples, n_features)
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            At least 0. Of a scan also a column.

        Returns
        -------
        KernelDensity
            The estimator itself.

        Raises
        ------
        ValueError
            If X is empty, has a NaN, infinity or wrong shape, a weight is negative or all are 0, or
            the metric is not one of the algorithm.
        NotCoveredError
            If rows of a scan or a collection do not fit in memory, or the engine asked for by name
            does not have the metric.

        Examples
        --------
        >>> from rmodels import KernelDensity
        >>> round(KernelDensity(bandwidth="scott").fit([[0.0], [1.0], [1.5]]).bandwidth_, 4)
        0.8027
        """
        tree, parameters = self._tree()
        source = data.source(self, X, None, sample_weight, need=_NEED)
        rows = collect(source, "KernelDensity")
        A = np.ascontiguousarray(rows.X, dtype=np.float64)
        weights = None if rows.weights is None else np.asarray(rows.weights, np.float64)
        tree(A[:1], **parameters)  # raises what scikit-learn says of metric_params
        n, d = A.shape
        power = -1 / (d + 4)
        rules = {"scott": lambda: n**power, "silverman": lambda: (n * (d + 2) / 4) ** power}
        rule = rules.get(self.bandwidth) if isinstance(self.bandwidth, str) else None
        self.bandwidth_ = rule() if rule else self.bandwidth  # type: ignore[assignment]
        self._summands = Summands.of(A, weights, self.metric, dict(self.metric_params or {}))
        self.engine_ = self._summands.engine
        return self

    def _log_scale(self) -> float:
        """Return the logarithm of what sums of kernels are divided by."""
        d, h = self._summands.X.shape[1], float(self.bandwidth_)
        return log_integral(self.kernel, d) + d * math.log(h) + self._summands.log_weight

    def _score(self, rows: Rows) -> Floats:
        """Return the logarithms of the densities of checked rows."""
        summands, h, scale = self._summands, float(self.bandwidth_), self._log_scale()
        with np.errstate(over="ignore"):  # whatever is added is within it then
            atol = float(np.exp(math.log(self.atol) + scale)) if self.atol > 0 else 0.0
        Q = np.ascontiguousarray(rows.on_host().X, dtype=np.float64)
        return summands.log_sums(Q, self.kernel, h, atol, float(self.rtol)) - scale

    def score_samples(self, X: ArrayLike) -> Any:
        """Return log p(x) of each row.

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,), float64
            −inf where no point is in reach of a kernel that ends. Of a Dask collection lazy.

        Raises
        ------
        ValueError
            If X has a NaN, infinity or wrong shape.

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels import KernelDensity
        >>> model = KernelDensity(kernel="tophat").fit([[0.0], [1.5]])
        >>> np.exp(model.score_samples([[0.1], [0.9]])).round(6)
        array([0.25, 0.5 ])
        """
        check_is_fitted(self)
        return map_rows(self, X, hold(self, X)._score, need=_NEED, task="score_samples")

    def score(self, X: ArrayLike, y: object = None) -> float:
        """Return Σ log p(x) over rows.

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_queries, n_features)
        y : None
            Not used.

        Returns
        -------
        float
            The sum rounded once, the same for any batch.

        Examples
        --------
        >>> from rmodels import KernelDensity
        >>> model = KernelDensity(kernel="tophat").fit([[0.0], [1.5]])
        >>> round(model.score([[0.1], [0.9]]), 4)
        -2.0794
        """
        check_is_fitted(self)
        source = data.source(self, X, need=_NEED, reset=False, task="score")
        answer: Callable[[Rows], Any] = self._score
        return source.fold_answers(answer, _sum).value

    def sample(
        self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None
    ) -> Floats:
        """Draw rows of this density; of the kernels "gaussian" and "tophat".

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            With the same seed, draws are those of scikit-learn.

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Raises
        ------
        NotImplementedError
            Of another kernel.

        Examples
        --------
        >>> from rmodels import KernelDensity
        >>> model = KernelDensity(bandwidth=0.1).fit([[0.0], [1.5]])
        >>> model.sample(3, random_state=0).round(4)
        array([[1.2732],
               [1.6334],
               [1.4157]])
        """
        check_is_fitted(self)
        if self.kernel not in ("gaussian", "tophat"):
            raise NotImplementedError(
                f"kernel={self.kernel!r} cannot be drawn from: 'gaussian' and 'tophat' can"
            )
        X, weights = self._summands.X, self._summands.weights
        draws = check_random_state(random_state)
        shares = draws.uniform(0, 1, size=n_samples)
        if weights is None:
            chosen = (shares * len(X)).astype(np.int64)
        else:
            sums = np.cumsum(weights)
            chosen = np.searchsorted(sums, shares * sums[-1])
        if self.kernel == "gaussian":
            return np.atleast_2d(draws.normal(X[chosen], self.bandwidth_))
        # a normal direction, and a radius that makes the ball uniform
        d = X.shape[1]
        steps = draws.normal(size=(n_samples, d))
        squares = np.einsum("ij,ij->i", steps, steps)
        radii = gammainc(0.5 * d, 0.5 * squares) ** (1.0 / d) * self.bandwidth_ / np.sqrt(squares)
        found: Floats = X[chosen] + steps * radii[:, np.newaxis]
        return found

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        summands, graph = self._summands, X.graph
        if summands.engine == "scipy":
            raise NotCoveredError(f"ONNX has no operators for distances of {self.metric!r}")
        metric, h = metrics.INDEXED[self.metric], float(self.bandwidth_)
        away = X.nearness(summands.X, metric, summands.exponent)
        t, top = away / h, None
        if self.kernel in ("gaussian", "exponential"):
            exponents = -0.5 * (t * t) if self.kernel == "gaussian" else -t
            top = exponents.max(1, keep=True)
            values = (exponents - top).exp()
        else:
            gap = (h - away) / h
            shapes: dict[str, Callable[[], Any]] = {
                "tophat": lambda: np.float64(1.0),
                "epanechnikov": lambda: gap * (1.0 + t),
                "linear": lambda: gap,
                "cosine": lambda: (gap * (0.5 * np.pi)).sin(),
            }
            values = graph.where(gap > 0.0, shapes[self.kernel](), np.float64(0.0))
        if summands.weights is not None:
            values = values * summands.weights
        logs = values.sum(1).log()
        if top is not None:
            logs = logs + top.max(1)
        return {"log_density": logs - self._log_scale()}
