"""What a file holds of a fitted estimator: its class, its parameters and what `fit` left in it.

Only the estimators of the catalogue are written and read, and of each the attributes that its
class declares: see `rmodels.base.state`; and pipelines of them with some classes of scikit-learn:
see `rmodels.files.sklearn`. What is read predicts the same; of a model that was fitted to tensors
it is one of NumPy arrays, on the processor.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import sklearn
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.validation import check_is_fitted

import rmodels
from rmodels.base.sklearn import check_parameters
from rmodels.base.state import Absent, attributes_of
from rmodels.base.warnings import warn
from rmodels.catalogue import CATALOGUE
from rmodels.data.preparation import preparation_of
from rmodels.files.codec import Arrays, Parts, decode, encode, is_part
from rmodels.files.sklearn import CLASSES, PARTS, Theirs, is_theirs, take_apart, wrap

__all__ = ["describe", "restore"]

_NAMES = [entry.name for entry in CATALOGUE.values() if entry.task != "function"]

Attributes = dict[str, tuple[type, ...]]


@dataclass(frozen=True)
class Ours:
    """An estimator of rmodels in a pipeline, taken apart."""

    name: str
    parameters: dict[str, Any]
    attributes: dict[str, Any]

    @classmethod
    def from_fields(cls, name: str, parameters: dict[str, Any], attributes: dict[str, Any]) -> Any:
        """Return the estimator."""
        return _make(name, parameters, attributes)


@cache
def _parts() -> Parts:
    """Return the classes whose objects attributes may be."""
    kinds = {
        kind
        for name in _NAMES
        for types in attributes_of(getattr(rmodels, name)).values()
        for kind in types
    }
    return {kind.__name__: kind for kind in kinds if is_part(kind)} | PARTS | {"Ours": Ours}


def _is_ours(value: Any) -> bool:
    name = type(value).__name__
    return name in _NAMES and type(value) is getattr(rmodels, name)


def describe(model: Any) -> tuple[dict[str, Any], Arrays]:
    """Return what JSON can hold of a fitted estimator, and its arrays.

    Raises
    ------
    TypeError
        If the class, a parameter or an attribute is not one that a file can hold.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    """
    if not (_is_ours(model) or is_theirs(model)):
        raise TypeError(
            f"a model file holds one of {', '.join(_NAMES)}, or a Pipeline of them; got "
            f"{type(model).__qualname__}"
        )
    check_is_fitted(model)
    held = _take_apart(model) if _is_ours(model) else take_apart(model, _wrap)
    arrays: Arrays = {}
    return {
        "class": held.name,
        "sklearn": sklearn.__version__,
        "parameters": {k: encode(v, k, arrays, _parts()) for k, v in held.parameters.items()},
        "attributes": {k: encode(v, k, arrays, _parts()) for k, v in held.attributes.items()},
    }, arrays


def _take_apart(model: Any) -> Ours:
    """Return what an estimator of rmodels is made of."""
    name = type(model).__name__
    check_parameters(model)
    allowed = attributes_of(type(model))
    parameters = model.get_params(deep=False)
    attributes = {
        key: _wrap(value) if is_theirs(value) else value
        for key, value in vars(model).items()
        if key not in parameters
    }
    unknown = attributes.keys() - allowed.keys()
    if unknown:
        raise TypeError(
            f"a model file does not hold {', '.join(sorted(unknown))}, which this {name} has"
        )
    for key, value in parameters.items():
        if callable(value):
            raise TypeError(
                f"{key}={value!r} cannot be written: a model file holds no code. Fit with a value "
                "that is a name or a number"
            )
    return Ours(name, {key: _wrap(value) for key, value in parameters.items()}, attributes)


def _wrap(value: Any) -> Any:
    """Return a value with estimators and what else JSON cannot hold taken apart."""
    return wrap(value, lambda each: _take_apart(each) if _is_ours(each) else None)


def restore(description: Any, arrays: Arrays) -> Any:
    """Return the estimator that `describe` described.

    Raises
    ------
    ValueError
        If the description is not of an estimator of this version of rmodels.

    Warns
    -----
    InconsistentVersionWarning
        If another version of scikit-learn wrote what is of scikit-learn.
    """
    try:
        name = description["class"]
        parts = _parts()
        parameters, attributes = (
            {k: decode(v, arrays, parts) for k, v in description[each].items()}
            for each in ("parameters", "attributes")
        )
        if not isinstance(name, str) or name not in CLASSES:
            return _make(name, parameters, attributes)
        if description["sklearn"] != sklearn.__version__:
            warn(
                InconsistentVersionWarning(
                    estimator_name=name,
                    current_sklearn_version=sklearn.__version__,
                    original_sklearn_version=description["sklearn"],
                )
            )
        return Theirs.from_fields(name, parameters, attributes)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(f"its description is not valid: {error!r}") from error


def _make(name: Any, parameters: dict[str, Any], attributes: dict[str, Any]) -> Any:
    """Return the estimator of rmodels that is made of these."""
    if name not in _NAMES:
        raise ValueError(f"class {name!r} is not one of {', '.join(_NAMES)}")
    estimator = getattr(rmodels, name)
    _check_attributes(attributes, attributes_of(estimator))
    model = estimator(**parameters)
    check_parameters(model)
    vars(model).update(attributes)
    prepared = preparation_of(model)
    fits = prepared is None or prepared.n_features == attributes["n_features_in_"]
    if attributes and not (fits and model._is_consistent()):
        raise ValueError("its attributes do not fit together")
    return model


def _check_attributes(attributes: dict[str, Any], allowed: Attributes) -> None:
    """Raise an error if attributes are not those that are allowed, or of other types."""
    required = {name for name, types in allowed.items() if Absent not in types}
    missing = required - attributes.keys()
    unknown = attributes.keys() - allowed.keys()
    for key in sorted(missing | unknown):
        raise ValueError(f"the attribute {key!r} is {'missing' if key in missing else 'unknown'}")
    for key, value in attributes.items():
        if not isinstance(value, allowed[key]):
            raise ValueError(f"the attribute {key!r} is a {type(value).__name__}")
