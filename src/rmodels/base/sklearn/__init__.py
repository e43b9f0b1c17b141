"""All that rmodels takes of scikit-learn's private names, which any version may change.

Those for which a large part of scikit-learn must be loaded are in a module named for that part.
"""

import importlib
import inspect
from functools import cache, lru_cache
from typing import Any

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

from rmodels.catalogue import CATALOGUE

__all__ = [
    "HasMethods",
    "Interval",
    "MissingValues",
    "StrOptions",
    "begin_callbacks",
    "check_feature_names",
    "check_method_params",
    "check_n_features",
    "check_parameters",
    "check_sample_weight",
    "find_missing",
    "has_callbacks",
    "is_routing_enabled",
    "name_features",
    "pass_for_theirs",
    "raise_for_params",
    "scaler_of_powers",
    "take_rows",
    "takes_weights",
    "validate_params",
]

check_feature_names = _check_feature_names
check_method_params = _check_method_params
check_n_features = _check_n_features
check_sample_weight = _check_sample_weight
find_missing = _get_mask
is_routing_enabled = _routing_enabled
name_features = _check_feature_names_in
raise_for_params = _raise_for_params
take_rows = _safe_indexing


@lru_cache(1024)
def pass_for_theirs(kind: type) -> None:
    """Have instances of an estimator's class be instances of scikit-learn's of the same name.

    They inherit nothing: `isinstance(ours, sklearn.neighbors.NearestNeighbors)` is true, for those
    who ask before they take an estimator, and all attributes and methods are ours. It loads
    scikit-learn's class: not to be called before there is to be an instance.
    """
    for base in kind.__mro__:
        entry = CATALOGUE.get(base.__name__)
        if entry is not None and entry.abstract and base.__module__.startswith(f"{entry.module}."):
            _register(base)


@cache
def _register(estimator: type) -> None:
    home = importlib.import_module(CATALOGUE[estimator.__name__].home)
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


def scaler_of_powers(transformer: Any) -> Any:
    """Return what standardises the powers of a fitted PowerTransformer."""
    return transformer._scaler


def has_callbacks(estimator: Any) -> bool:
    """Return whether callbacks listen to an estimator, or to one that it is part of."""
    mine = vars(estimator)
    return "_skl_callbacks" in mine or "_parent_callback_ctx" in mine


def begin_callbacks(estimator: Any) -> Any:
    """Return the context whose tasks the callbacks of an estimator are told of."""
    return estimator._init_callback_context(max_subtasks=None)
