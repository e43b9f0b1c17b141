"""Metrics by their scikit-learn names: which are valid, what they mean, and their distances."""

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import DistanceMetric, pairwise_distances
from sklearn.metrics.pairwise import PAIRWISE_BOOLEAN_FUNCTIONS
from sklearn.neighbors import VALID_METRICS, VALID_METRICS_SPARSE

from rmodels.base.warnings import warn
from rmodels.data import Need
from rmodels.ops.donors import nan_distances

__all__ = [
    "ALGORITHMS",
    "INDEXED",
    "Metric",
    "check_sparse",
    "choose_metric",
    "distances",
    "need_of",
    "truths",
]

# a name, a function of two rows, or one of scikit-learn's DistanceMetric objects
Metric: TypeAlias = str | Callable[..., Any] | Any
Distances = NDArray[np.float64]

# scikit-learn's names of the operation's metrics.
INDEXED = {
    "chebyshev": "chebyshev",
    "cityblock": "manhattan",
    "cosine": "cosine",
    "euclidean": "euclidean",
    "infinity": "chebyshev",
    "l1": "manhattan",
    "l2": "euclidean",
    "manhattan": "manhattan",
    "minkowski": "minkowski",
    "p": "minkowski",
}


_PLAIN = frozenset({int, float, type(None)})  # types of p


# scikit-learn's names of the operation's algorithms.
ALGORITHMS = {"auto": "auto", "ball_tree": "tree", "brute": "brute", "kd_tree": "tree"}


def need_of(metric: Metric) -> Need:
    """Return what points and queries have to be for a metric."""
    if not isinstance(metric, str):
        # a function of two rows would wrap small integers around, and lose digits of float32
        return Need(doubles=True, missing="refuse", contiguous=True)
    return _need_of_name(metric)


@cache
def _need_of_name(metric: str) -> Need:
    return Need(
        floats=metric in INDEXED,
        missing="allow" if metric == "nan_euclidean" else "refuse",
        contiguous=True,
        distances=metric == "precomputed",
    )


def choose_metric(
    metric: Metric, algorithm: str, p: float | None, metric_params: dict[str, Any] | None
) -> tuple[Metric, dict[str, Any]]:
    """Return a metric's simplest name and its parameters: scikit-learn's effective metric.

    Parameters
    ----------
    metric, algorithm, p, metric_params
        As of an estimator.

    Raises
    ------
    ValueError
        If scikit-learn does not allow the metric with the algorithm.
    """
    if metric_params is None and isinstance(metric, str) and type(p) in _PLAIN:
        name, parameters = _choose_name(metric, algorithm, p)
        return name, dict(parameters)
    _check_algorithm(metric, algorithm, metric_params)
    if "p" in (metric_params or {}) and p is not None:
        warn(
            "Parameter p is found in metric_params. The corresponding parameter from __init__ "
            "is ignored.",
            SyntaxWarning,
        )
    return _effective_metric(metric, p, metric_params)


@lru_cache(1024, typed=True)
def _choose_name(metric: str, algorithm: str, p: float | None) -> tuple[Metric, dict[str, Any]]:
    """Return what `choose_metric` returns of a name alone."""
    _check_algorithm(metric, algorithm, None)
    return _effective_metric(metric, p, None)


def _check_algorithm(metric: Metric, algorithm: str, parameters: dict[str, Any] | None) -> None:
    """Raise scikit-learn's error if it does not allow a metric with an algorithm."""
    if isinstance(metric, DistanceMetric):
        return
    if callable(metric):
        if algorithm == "kd_tree":
            raise ValueError(f"kd_tree does not support callable metric '{metric}'")
        return
    if algorithm == "auto":
        algorithm = "ball_tree" if metric in VALID_METRICS["ball_tree"] else "brute"
    if metric not in VALID_METRICS[algorithm]:
        raise ValueError(
            f"Metric '{metric}' not valid. Use sorted(sklearn.neighbors.VALID_METRICS"
            f"['{algorithm}']) to get valid options. Metric can also be a callable function."
        )
    if algorithm == "kd_tree" and (parameters or {}).get("w") is not None:
        raise ValueError(
            "algorithm='kd_tree' is not valid for metric='minkowski' with a weight parameter 'w': "
            "try algorithm='ball_tree' or algorithm='brute' instead."
        )


def check_sparse(metric: Metric, algorithm: str) -> None:
    """Raise or warn as scikit-learn does about points in a sparse matrix."""
    if algorithm not in ("auto", "brute"):
        warn("cannot use tree with sparse input: using brute force")
    if isinstance(metric, str) and metric not in VALID_METRICS_SPARSE["brute"]:
        raise ValueError(
            f"Metric '{metric}' not valid for sparse input. Use sorted(sklearn.neighbors."
            "VALID_METRICS_SPARSE['brute']) to get valid options. Metric can also be a callable "
            "function."
        )


def _effective_metric(
    metric: Metric, p: float | None, metric_params: dict[str, Any] | None
) -> tuple[Metric, dict[str, Any]]:
    parameters = dict(metric_params or {})
    given = parameters.get("p", p)
    if metric in ("minkowski", "p") and given is not None and not given > 0:
        raise ValueError(f"p of metric={metric!r} must be above 0; got {given}")
    if metric != "minkowski":
        return metric, parameters
    p = parameters.pop("p", p)
    weights = parameters.pop("w", None)
    names: dict[float | None, str] = {1: "manhattan", 2: "euclidean", np.inf: "chebyshev"}
    if weights is None and p in names:
        return names[p], parameters
    return metric, parameters | {"p": 2 if p is None else p, "w": weights}


def distances(
    metric: Metric, parameters: dict[str, Any]
) -> Callable[[NDArray, NDArray], Distances]:
    """Return the function (Q, X) → distances of each row of Q to each row of X, for any metric.

    Parameters
    ----------
    metric, parameters
        As `choose_metric` returns them.
    """
    if isinstance(metric, DistanceMetric):
        return metric.pairwise
    if metric == "nan_euclidean":
        return nan_distances
    if metric == "braycurtis":  # scikit-learn's trees and searches divide by Σ |x| + |y|
        by_magnitudes: Callable[[NDArray, NDArray], Distances]
        by_magnitudes = DistanceMetric.get_metric("braycurtis").pairwise
        return by_magnitudes
    if metric == "mahalanobis" and "V" in parameters:
        parameters = {"VI": np.linalg.inv(parameters["V"])}
    if metric == "seuclidean" and "V" in parameters:
        parameters = {"V": np.asarray(parameters["V"], dtype=np.float64)}
    return partial(pairwise_distances, metric=metric, **parameters)


def truths(A: Any, metric: Metric) -> Any:
    """Return an array as booleans if the metric compares sets, with scikit-learn's warning."""
    if metric not in PAIRWISE_BOOLEAN_FUNCTIONS or sparse.issparse(A) or A.dtype == bool:
        return A
    warn(f"Data was converted to boolean for metric {metric}", DataConversionWarning)
    return A.astype(bool)


def find_indexed(metric: Metric, parameters: dict[str, Any]) -> tuple[str, float]:
    """Return the metric of an index, and its p, for points that are read part by part.

    Raises
    ------
    ValueError
        If the operation `nearest` does not have the metric.
    """
    found = INDEXED.get(metric) if isinstance(metric, str) else None
    if found is None or parameters.get("w") is not None:
        raise ValueError(
            f"points of a scan or a Dask collection are searched by the metrics "
            f"{', '.join(INDEXED)}, without weights; got metric={metric!r}"
        )
    return found, float(parameters.get("p", 2.0))
