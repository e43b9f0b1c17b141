"""All that rmodels takes of scikit-learn's private names, which any version may change."""

import importlib
import inspect
from typing import Any

from numpy.typing import NDArray
from sklearn.linear_model._base import SparseCoefMixin
from sklearn.metrics import make_scorer
from sklearn.metrics.pairwise import _VALID_METRICS
from sklearn.neighbors._base import (
    KNeighborsMixin,
    NeighborsBase,
    RadiusNeighborsMixin,
    _check_precomputed,
)
from sklearn.utils import _safe_indexing
from sklearn.utils._mask import _get_mask
from sklearn.utils._metadata_requests import _raise_for_params, _routing_enabled
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    MissingValues,
    StrOptions,
    validate_params,
)
from sklearn.utils.validation import (
    _check_feature_names,
    _check_feature_names_in,
    _check_method_params,
    _check_n_features,
    _check_sample_weight,
)

__all__ = [
    "PAIRWISE_METRICS",
    "HasMethods",
    "Interval",
    "KNeighborsMixin",
    "MissingValues",
    "NeighborsBase",
    "RadiusNeighborsMixin",
    "SparseCoefMixin",
    "StrOptions",
    "begin_callbacks",
    "check_feature_names",
    "check_method_params",
    "check_n_features",
    "check_parameters",
    "check_precomputed",
    "check_sample_weight",
    "find_missing",
    "has_callbacks",
    "is_routing_enabled",
    "name_features",
    "name_labels",
    "pass_for",
    "raise_for_params",
    "take_rows",
    "takes_weights",
    "tree_of",
    "validate_params",
]

PAIRWISE_METRICS = frozenset(_VALID_METRICS)

check_feature_names = _check_feature_names
check_method_params = _check_method_params
check_n_features = _check_n_features
check_precomputed = _check_precomputed
check_sample_weight = _check_sample_weight
find_missing = _get_mask
is_routing_enabled = _routing_enabled
name_features = _check_feature_names_in
raise_for_params = _raise_for_params
take_rows = _safe_indexing


def pass_for(module: str, *estimators: type) -> None:
    """Have estimators be instances of scikit-learn's classes of the same names, from a module.

    They inherit nothing: `isinstance(ours, sklearn.neighbors.NearestNeighbors)` is true, for those
    who ask before they take an estimator, and all attributes and methods are ours.
    """
    home = importlib.import_module(module)
    for estimator in estimators:
        getattr(home, estimator.__name__).register(estimator)


def check_parameters(estimator: Any) -> None:
    """Raise scikit-learn's error if a parameter of an estimator is not valid."""
    estimator._validate_params()


def takes_weights(scorer: Any) -> bool:
    """Return whether a scorer has a parameter for the weights of the rows."""
    if hasattr(scorer, "_accept_sample_weight"):
        return bool(scorer._accept_sample_weight())
    # Before scikit-learn 1.7, a scorer takes any, and hands them to its metric.
    metric = getattr(scorer, "_score_func", scorer)
    return "sample_weight" in inspect.signature(metric).parameters


def tree_of(neighbors: NeighborsBase) -> Any:
    """Return the tree of a fitted estimator of scikit-learn, or None if it has none."""
    return neighbors._tree


def has_callbacks(estimator: Any) -> bool:
    """Return whether callbacks listen to an estimator, or to one that it is part of."""
    return bool(vars(estimator).keys() & {"_skl_callbacks", "_parent_callback_ctx"})


def begin_callbacks(estimator: Any) -> Any:
    """Return the context whose tasks the callbacks of an estimator are told of."""
    return estimator._init_callback_context(max_subtasks=None)


def name_labels(scorer: Any, classes: NDArray) -> Any:
    """Return a scorer that knows all classes, of which a fold may lack some."""
    metric = getattr(scorer, "_score_func", None)
    takes: Any = () if metric is None else inspect.signature(metric).parameters
    if "labels" not in takes:
        return scorer
    given: dict[str, Any] = {"labels": classes}
    if len(classes) == 2 and "pos_label" in takes:
        given["pos_label"] = classes[-1]
    given |= getattr(scorer, "_kwargs", {})  # what its maker said
    return make_scorer(
        metric,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        **given,
    )
