"""Fitting: all or nothing, with parameters checked first and callbacks told of it."""

from collections.abc import Callable
from functools import lru_cache, wraps
from operator import attrgetter
from typing import Any, TypeVar

import sklearn
from sklearn.utils import metaestimators

from rmodels import patch
from rmodels.base.callbacks import with_callbacks
from rmodels.base.sklearn import check_parameters, has_callbacks
from rmodels.exceptions import NotCoveredError

__all__ = ["Method", "all_or_nothing", "available_if"]

Method = TypeVar("Method", bound=Callable[..., Any])

_MOST_KNOWN = 1024
_PLAIN = frozenset({bool, int, float, str, type(None)})
_valid: dict[tuple, tuple] = {}  # types of plain parameters, by class and values


def _check_parameters(estimator: Any) -> None:
    """Raise scikit-learn's error if a parameter is not valid, unless its settings are not to check.

    Checking takes longer than fitting a small model, so that values known to be valid are
    remembered, if they are plain ones.
    """
    kind = type(estimator)
    values = _values_of(kind)(estimator)  # type: ignore[arg-type]  # a class is hashable
    types = tuple(map(type, values))
    plain = _PLAIN.issuperset(types)
    # 1 and 1.0 are equal, and so are their hashes
    known = plain and _valid.get((kind, values)) == types
    if known or sklearn.get_config()["skip_parameter_validation"]:
        return
    check_parameters(estimator)
    if plain and len(_valid) < _MOST_KNOWN:
        _valid[kind, values] = types


@lru_cache(_MOST_KNOWN)
def _values_of(kind: Any) -> Callable[[Any], tuple]:
    """Return what gets the parameters of an estimator of a class."""
    names = tuple(kind._parameter_constraints)
    if len(names) > 1:
        return attrgetter(*names)
    return lambda estimator: tuple(getattr(estimator, name) for name in names)  # of one no tuple


def all_or_nothing(fit: Method) -> Method:
    """Check an estimator's parameters before `fit`, and restore the estimator if it does not end.

    Whatever stops `fit` (an error, Ctrl-C) leaves the estimator's attributes as they were.
    scikit-learn's callbacks are told of its progress. What ours do not cover is handed on to
    scikit-learn's if `patch_sklearn` was asked for that.
    """
    fit_and_report = with_callbacks(fit)

    @wraps(fit)
    def fit_or_restore(self: Any, *args: Any, **kwargs: Any) -> Any:
        _check_parameters(self)
        before = vars(self).copy()
        try:
            return (fit_and_report if has_callbacks(self) else fit)(self, *args, **kwargs)
        except BaseException as error:
            vars(self).clear()
            vars(self).update(before)
            # a part of the rows is not handed on: a fit that begins with it forgets those before
            whole = isinstance(error, NotCoveredError) and fit.__name__ == "fit"
            substitute = patch.theirs(self) if whole else None
            if substitute is None:
                raise
            return patch.hand_on(self, substitute, error, *args, **kwargs)

    return fit_or_restore  # type: ignore[return-value]


def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Return scikit-learn's decorator of methods that some settings lack, with a type: theirs."""
    decorate: Callable[[Method], Method] = metaestimators.available_if(check)
    return decorate
