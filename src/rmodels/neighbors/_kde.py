"""Densities as sums of kernels."""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc
from sklearn.base import BaseEstimator
from sklearn.neighbors import VALID_METRICS, BallTree, KDTree
from sklearn.utils import check_random_state

from rmodels import data
from rmodels.base import metrics
from rmodels.base.callbacks import CallbackSupport
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.state import HasState, check_is_fitted
from rmodels.data import Need, Rows, map_rows
from rmodels.exceptions import NotCoveredError
from rmodels.neighbors._summands import Kernel, LogDensity, PartedSummands, Summands, find_engine
from rmodels.ops.kernel_sums import KERNELS
from rmodels.solvers.exact_sum import ExactSum
from rmodels.solvers.kernels import log_integral
from rmodels.solvers.whole import collect, fits

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["KernelDensity"]

Floats = NDArray[np.float64]

_TREES = {"ball_tree": BallTree, "kd_tree": KDTree}
_NEED = Need(sparse=False, doubles=True, missing="refuse", contiguous=True)


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

    Points of a scan or a Dask collection are brought into memory if they fit in the setting
    `memory_limit`; else they are read anew for each call, and each sum is that of the sums over
    their batches or partitions, on whose machines it is computed: each adds a rounding of
    2⁻⁵³ (1 + abs(log p(x))). `tree_`, `sample` and files are then not available. Queries may be
    any, as they are answered one by one.

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
    _summands: Summands | PartedSummands

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
        return bool(self.bandwidth_ > 0 and self._points.X.shape[1] == self.n_features_in_)

    @property
    def _points(self) -> Summands:
        """Return the points, which are in memory."""
        if isinstance(self._summands, PartedSummands):
            raise NotCoveredError(f"this needs the points: {self._summands.not_written}")
        return self._summands

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
        points = self._points
        return tree(points.X, sample_weight=points.weights, **parameters)

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
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
            If the engine asked for by name does not have the metric.

        Examples
        --------
        >>> from rmodels import KernelDensity
        >>> round(KernelDensity(bandwidth="scott").fit([[0.0], [1.0], [1.5]]).bandwidth_, 4)
        0.8027
        """
        tree, parameters = self._tree()
        metric, given = self.metric, dict(self.metric_params or {})
        source = data.source(self, X, None, sample_weight, need=_NEED)
        n, d = source.number_rows(), source.n_features
        tree(np.zeros((1, d)), **parameters)  # raises what scikit-learn says of metric_params
        engine = find_engine(metric, given)
        if fits(source, n):
            rows = collect(source, "KernelDensity", n)
            A = np.ascontiguousarray(rows.X, dtype=np.float64)
            weights = None if rows.weights is None else np.asarray(rows.weights, np.float64)
            self._summands = Summands(A, weights, metric, given, engine)
        else:
            self._summands = PartedSummands(source, n, metric, given, engine)
        power = -1 / (d + 4)
        rules = {"scott": lambda: n**power, "silverman": lambda: (n * (d + 2) / 4) ** power}
        rule = rules.get(self.bandwidth) if isinstance(self.bandwidth, str) else None
        self.bandwidth_ = rule() if rule else self.bandwidth  # type: ignore[assignment]
        self.engine_ = engine
        return self

    def _log_density(self) -> LogDensity:
        """Return what answers queries, as the model is now."""
        d, h, summands = self.n_features_in_, float(self.bandwidth_), self._summands
        scale = log_integral(self.kernel, d) + d * math.log(h) + summands.log_weight
        with np.errstate(over="ignore"):  # whatever is added is within it then
            atol = float(np.exp(math.log(self.atol) + scale)) if self.atol > 0 else 0.0
        return LogDensity(summands, Kernel(self.kernel, h, atol, float(self.rtol)), scale)

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
        return map_rows(self, X, self._log_density(), need=_NEED, task="score_samples")

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
        return source.fold_answers(self._log_density(), _sum).value

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
        NotCoveredError
            If the points are not in memory.

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
        X, weights = self._points.X, self._points.weights
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
        summands, graph = self._points, X.graph
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
        return {"log_density": logs - self._log_density().log_scale}
