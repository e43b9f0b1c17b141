"""What a file holds of a fitted estimator: its class, its parameters and what `fit` left in it.

Only the estimators of the catalogue are written and read, and of each the attributes that its
class declares: see `rmodels.base.state`. What is read predicts the same; of a model that was fitted
to tensors it is one of NumPy arrays, on the processor.
"""

from typing import Any

from sklearn.utils.validation import check_is_fitted

import rmodels
from rmodels.base.sklearn import check_parameters
from rmodels.base.state import Absent, attributes_of
from rmodels.catalogue import CATALOGUE
from rmodels.files.codec import Arrays, Parts, decode, encode, is_part

__all__ = ["describe", "restore"]

_NAMES = [entry.name for entry in CATALOGUE.values() if entry.task != "function"]

Attributes = dict[str, tuple[type, ...]]


def _parts(attributes: Attributes) -> Parts:
    """Return the classes whose objects attributes may be."""
    kinds = {kind for types in attributes.values() for kind in types}
    return {kind.__name__: kind for kind in kinds if is_part(kind)}


def describe(model: Any) -> tuple[dict[str, Any], Arrays]:
    """Return what JSON can hold of a fitted estimator, and its arrays.

    Raises
    ------
    TypeError
        If the class, a parameter or an attribute is not one that a file can hold.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    """
    name = type(model).__name__
    if name not in _NAMES or type(model) is not getattr(rmodels, name):
        raise TypeError(
            f"a model file holds one of {', '.join(_NAMES)}; got {type(model).__qualname__}"
        )
    check_is_fitted(model)
    check_parameters(model)
    allowed = attributes_of(type(model))
    parameters = model.get_params(deep=False)
    attributes = {key: value for key, value in vars(model).items() if key not in parameters}
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
    arrays: Arrays = {}
    parts = _parts(allowed)
    return {
        "class": name,
        "parameters": {k: encode(v, k, arrays, {}) for k, v in parameters.items()},
        "attributes": {k: encode(v, k, arrays, parts) for k, v in attributes.items()},
    }, arrays


def restore(description: Any, arrays: Arrays) -> Any:
    """Return the estimator that `describe` described.

    Raises
    ------
    ValueError
        If the description is not of an estimator of this version of rmodels.
    """
    try:
        name = description["class"]
        if name not in _NAMES:
            raise ValueError(f"class {name!r} is not one of {', '.join(_NAMES)}")
        estimator = getattr(rmodels, name)
        allowed = attributes_of(estimator)
        parts = _parts(allowed)
        parameters = {k: decode(v, arrays, {}) for k, v in description["parameters"].items()}
        attributes = {k: decode(v, arrays, parts) for k, v in description["attributes"].items()}
        _check_attributes(attributes, allowed)
        model = estimator(**parameters)
        check_parameters(model)
        vars(model).update(attributes)
        if not model._is_consistent():
            raise ValueError("its attributes do not fit together")
        model._bring_up_to_date()
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(f"its description is not valid: {error!r}") from error
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
