"""Fitting: all or nothing, with parameters checked first and callbacks told of it."""

from collections.abc import Callable
from functools import cache, wraps
from operator import attrgetter
from typing import Any, TypeVar

import sklearn
from sklearn.utils import metaestimators

from rmodels import patch
from rmodels.base.callbacks import with_callbacks
from rmodels.base.sklearn import check_parameters
from rmodels.exceptions import NotCoveredError

__all__ = ["Method", "all_or_nothing", "available_if"]

Method = TypeVar("Method", bound=Callable[..., Any])

_MOST_KNOWN = 1024
_PLAIN = frozenset({bool, int, float, str, type(None)})
_known_parameters: set[tuple] = set()


def _check_parameters(estimator: Any) -> None:
    """Raise scikit-learn's error if a parameter is not valid.

    Checking takes longer than fitting a small model, so that values known to be valid are
    remembered, if they are plain ones.
    """
    kind = type(estimator)
    values = _values_of(*estimator._parameter_constraints)(estimator)
    types = tuple(map(type, values))
    if not _PLAIN.issuperset(types):
        check_parameters(estimator)
        return
    key = (kind, types, values)
    if key not in _known_parameters:
        check_parameters(estimator)
        if len(_known_parameters) < _MOST_KNOWN:
            _known_parameters.add(key)


@cache
def _values_of(*names: str) -> Callable[[Any], tuple]:
    """Return what gets an estimator's parameters of these names."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda estimator: tuple(getattr(estimator, name) for name in names)  # of one no tuple


def all_or_nothing(fit: Method) -> Method:
    """Check an estimator's parameters before `fit`, and restore the estimator if it does not end.

    Whatever stops `fit` (an error, Ctrl-C) leaves the estimator's attributes as they were.
    scikit-learn's callbacks are told of its progress. What ours do not cover is handed on to
    scikit-learn's if `patch_sklearn` was asked for that.
    """
    told = with_callbacks(fit)

    @wraps(fit)
    def fit_or_restore(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not sklearn.get_config()["skip_parameter_validation"]:
            _check_parameters(self)
        before = dict(vars(self))
        try:
            return told(self, *args, **kwargs)
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
