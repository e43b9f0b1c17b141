"""What a model file holds of scikit-learn: pipelines of its scalers and encoders, and its splits.

Each object is one of the classes named here, with its parameters and what `fit` left in it. Nothing
else of scikit-learn is written, and nothing else can be named by a file.
"""

import importlib
import inspect
import re
import types
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["CLASSES", "PARTS", "is_theirs", "take_apart", "wrap"]

# The classes that are written, and where scikit-learn has them.
CLASSES = {
    name: f"sklearn.{home}"
    for home, names in {
        "compose": ("ColumnTransformer",),
        "impute": ("MissingIndicator", "SimpleImputer"),
        "model_selection": (
            "GroupKFold", "KFold", "LeaveOneOut", "LeavePOut", "ShuffleSplit", "StratifiedKFold",
            "TimeSeriesSplit",
        ),
        "pipeline": ("FeatureUnion", "Pipeline"),
        "preprocessing": (
            "Binarizer", "FunctionTransformer", "KBinsDiscretizer", "MaxAbsScaler", "MinMaxScaler",
            "Normalizer", "OneHotEncoder", "OrdinalEncoder", "PolynomialFeatures",
            "PowerTransformer", "QuantileTransformer", "RobustScaler", "StandardScaler",
        ),
    }.items()
    for name in names
}  # fmt: skip

_ATTRIBUTE = re.compile(r"(?!__)\w+")


def _class(name: str) -> Any:
    return getattr(importlib.import_module(CLASSES[name]), name)


def is_theirs(value: Any) -> bool:
    """Return whether an object is of one of the classes."""
    name = type(value).__name__
    return name in CLASSES and type(value) is _class(name)


@dataclass(frozen=True)
class Theirs:
    """An object of scikit-learn, taken apart."""

    name: str
    parameters: dict[str, Any]
    attributes: dict[str, Any]

    @classmethod
    def from_fields(cls, name: str, parameters: dict[str, Any], attributes: dict[str, Any]) -> Any:
        """Return the object."""
        if name not in CLASSES:
            raise ValueError(f"class {name!r} of scikit-learn is not read")
        if not all(map(_ATTRIBUTE.fullmatch, attributes)):
            raise ValueError(f"attributes of {name} are not names")
        made = _class(name)(**parameters)
        vars(made).update(attributes)
        return made


@dataclass(frozen=True)
class Slice:
    """A slice, taken apart."""

    start: int | None
    stop: int | None
    step: int | None

    @classmethod
    def from_fields(cls, start: int | None, stop: int | None, step: int | None) -> slice:
        """Return the slice."""
        return slice(start, stop, step)


@dataclass(frozen=True)
class Type:
    """A dtype, or a class of NumPy's numbers, taken apart."""

    dtype: str
    is_class: bool

    @classmethod
    def from_fields(cls, dtype: str, is_class: bool) -> Any:
        """Return the dtype or the class."""
        made = np.dtype(dtype)
        return made.type if is_class else made


PARTS: dict[str, type] = {kind.__name__: kind for kind in (Theirs, Slice, Type)}


def take_apart(value: Any, wrapped: Any) -> Theirs:
    """Return what an object of scikit-learn is made of; `wrapped` makes values of it writable."""
    names = inspect.signature(type(value)).parameters
    for key in names:
        given = getattr(value, key)
        if isinstance(given, types.FunctionType | np.ufunc):
            raise TypeError(
                f"{key}={given!r} of {type(value).__name__} cannot be written: a model file holds "
                "no code"
            )
    parameters = {key: wrapped(getattr(value, key)) for key in names}
    attributes = {key: wrapped(each) for key, each in vars(value).items() if key not in parameters}
    return Theirs(type(value).__name__, parameters, attributes)


def wrap(value: Any, ours: Any) -> Any:
    """Return a value with what JSON and arrays cannot hold taken apart.

    Parameters
    ----------
    value : object
    ours : callable
        Takes an estimator of rmodels apart; returns None of what is none.
    """

    def wrapped(each: Any) -> Any:
        return wrap(each, ours)

    if type(value) in (list, tuple):
        return type(value)(map(wrapped, value))
    if isinstance(value, dict):
        return {key: wrapped(each) for key, each in value.items()}
    if isinstance(value, slice):
        return Slice(
            *(None if v is None else int(v) for v in (value.start, value.stop, value.step))
        )
    if isinstance(value, np.dtype) and value.kind in "biuf":
        return Type(value.str, False)
    if isinstance(value, type) and issubclass(value, np.number):
        return Type(np.dtype(value).str, True)
    if isinstance(value, np.dtype) and value.kind == "O":
        return Type("|O", False)
    if is_theirs(value):
        return take_apart(value, wrapped)
    found = ours(value)
    return value if found is None else found
