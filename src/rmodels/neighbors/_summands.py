"""Points that kernels are summed over, in memory or in parts."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import DistanceMetric
from sklearn.neighbors import VALID_METRICS

from rmodels.base import metrics
from rmodels.config import get_config
from rmodels.data import Prepared, Rows, Source
from rmodels.exceptions import NotCoveredError
from rmodels.ops import choose, kernel_sums

__all__ = ["Kernel", "LogDensity", "PartedSummands", "Summands", "find_engine"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Kernel:
    """What is summed, and how exactly.

    Attributes
    ----------
    name : str
        One of `rmodels.ops.kernel_sums.KERNELS`.
    bandwidth : float
    atol, rtol : float
        Of a sum.
    """

    name: str
    bandwidth: float
    atol: float
    rtol: float


def _log_sum(weights: Floats) -> float:
    """Return log Σ w, also where the sum overflows."""
    shift = max(0, math.frexp(float(weights.max()))[1] - 512)  # 0 unless they are huge
    return math.log(math.fsum(np.ldexp(weights, -shift))) + shift * math.log(2.0)


def find_engine(metric: str, parameters: dict) -> str:
    """Return what sums kernels of a metric: the engine of the setting, or "scipy".

    Raises
    ------
    NotCoveredError
        If that engine is "native" or "gpu", and the operation does not have the metric.
    """
    indexed = metrics.INDEXED.get(metric)
    if indexed in kernel_sums.METRICS and parameters.get("w") is None:
        return choose("kernel_sums")
    engine = get_config()["engine"]
    if engine not in ("auto", "reference"):
        raise NotCoveredError(
            f"engine={engine!r} cannot run: it sums kernels of the metrics "
            f"{', '.join(m for m in metrics.INDEXED if m != 'cosine')} without weights, and "
            f"not of {metric!r}, whose distances scikit-learn computes with engine='auto'"
        )
    return "scipy"


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

    remote = False

    def __init__(
        self, X: Floats, weights: Floats | None, metric: str, parameters: dict, engine: str
    ) -> None:
        self.X, self.weights = X, weights
        self.metric, self.parameters, self.engine = metric, parameters, engine
        self._points: tuple[float, kernel_sums.Points] | None = None
        self.log_weight = math.log(len(X)) if weights is None else _log_sum(weights)

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

    def log_sums(self, Q: Floats, kernel: Kernel) -> Floats:
        """Return log Σ w K(d / h) of each query."""
        if self.engine == "scipy":
            return self._by_distances(Q, kernel.name, kernel.bandwidth)
        if self._points is None or self._points[0] != kernel.bandwidth:
            metric = metrics.INDEXED[self.metric]
            self._points = (
                kernel.bandwidth,
                kernel_sums.points(
                    self.X,
                    kernel.bandwidth,
                    self.weights,
                    metric,
                    self.exponent,
                    engine=self.engine,
                ),
            )
        return kernel_sums.log_sums(
            self._points[1], Q, kernel.name, atol=kernel.atol, rtol=kernel.rtol
        )

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


def _log_weight(rows: Rows) -> float:
    """Return log Σ w of rows."""
    if rows.weights is None:
        return math.log(len(rows.X))
    weights = np.asarray(rows.weights, np.float64)
    return _log_sum(weights) if weights.any() else -math.inf


def _sum_part(
    rows: Rows,
    queries: Any,
    kernel: Kernel,
    n_samples: int,
    metric: str,
    parameters: dict,
    engine: str,
) -> Floats:
    """Return log Σ w K(d / h) of each query over the points of a part."""
    Q: NDArray = queries.X if isinstance(queries, Rows) else queries
    weights = None if rows.weights is None else np.asarray(rows.weights, np.float64)
    if not len(Q) or (weights is not None and not weights.any()):
        return np.full(len(Q), -np.inf)
    X = np.ascontiguousarray(rows.X, dtype=np.float64)
    share = kernel.atol * len(X) / n_samples
    part = Summands(X, weights, metric, parameters, engine)
    return part.log_sums(
        np.ascontiguousarray(Q, dtype=np.float64),
        Kernel(kernel.name, kernel.bandwidth, share, kernel.rtol),
    )


class PartedSummands:
    """Points that are read anew for each sum, a part at a time: sums of parts add up.

    Parameters
    ----------
    source : Source
        Its rows are numbered.
    n_samples : int
        How many there are.
    metric, parameters, engine
        As of `Summands`.
    """

    not_written = (
        "the points are read anew for each density, and the model does not have them. Fit it to "
        "points that fit in memory_limit, which it keeps"
    )

    def __init__(
        self, source: Source, n_samples: int, metric: str, parameters: dict, engine: str
    ) -> None:
        self._source = source
        self.engine, self.remote = engine, source.remote
        self._options: dict[str, Any] = {
            "n_samples": n_samples,
            "metric": metric,
            "parameters": parameters,
            "engine": engine,
        }
        self.log_weight = float(source.fold(_log_weight, np.logaddexp))

    def log_sums(self, Q: Floats, kernel: Kernel) -> Floats:
        """Return log Σ w K(d / h) of each query."""
        compute = partial(_sum_part, queries=Q, kernel=kernel, **self._options)
        return self._source.fold(compute, np.logaddexp, large=True)

    def log_sums_later(self, rows: Any, kernel: Kernel) -> Any:
        """Return the same of rows that Dask delays, delayed."""
        compute = partial(_sum_part, kernel=kernel, **self._options)
        return self._source.fold_later(compute, np.logaddexp, rows)


@dataclass(eq=False)
class LogDensity(Prepared):
    """The logarithms of densities: of sums of kernels over a constant.

    Attributes
    ----------
    summands : Summands, PartedSummands or None
        None in a task on a cluster, where they are.
    kernel : Kernel
    log_scale : float
        Of the constant.
    """

    summands: Summands | PartedSummands | None
    kernel: Kernel
    log_scale: float

    def prepare(self, rows: Rows) -> Floats:
        """Return the logarithms of the sums."""
        assert self.summands is not None
        Q = np.ascontiguousarray(rows.on_host().X, dtype=np.float64)
        return self.summands.log_sums(Q, self.kernel)

    def prepare_later(self, rows: Any) -> Any:
        """Return the same for rows that are delayed by Dask, delayed.

        None where the points are not on a cluster: then sums are found in the task that answers.
        """
        if isinstance(self.summands, PartedSummands) and self.summands.remote:
            return self.summands.log_sums_later(rows, self.kernel)
        return None

    def example(self) -> Floats:
        """Return what is found for no queries."""
        return np.empty(0)

    def finish(self, rows: Rows, prepared: Floats | None) -> Floats:
        """Return the logarithms of the densities."""
        found = self.prepare(rows) if prepared is None else prepared
        return found - self.log_scale

    def __getstate__(self) -> dict[str, Any]:
        # points on a cluster do not travel with what is done with their sums
        away = self.summands is not None and self.summands.remote
        return vars(self) | ({"summands": None} if away else {})
