"""What `fit` leaves in an estimator: model files keep it, and read nothing else."""

from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

import numpy as np
from sklearn.utils import validation

from rmodels.base.sklearn import pass_for_theirs
from rmodels.data.arrays import aligned
from rmodels.data.preparation import Preparation
from rmodels.exceptions import NotCoveredError

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["Absent", "HasState", "attributes_of", "check_is_fitted"]


class Absent:
    """In the type of an attribute: that it need not be there."""


class HasState:
    """An estimator that says what `fit` leaves in it.

    A class adds to `_attributes` of its bases what its own `fit` leaves: types by the names of the
    attributes. Beside numbers, text, arrays and lists and dicts of them, a type may be a dataclass,
    or a class with the method `fields`, which returns what it is made of by name, and the class
    method `from_fields` if that is not what the class takes.
    """

    _attributes: ClassVar[dict[str, Any]] = {
        "n_features_in_": int,
        "feature_names_in_": np.ndarray | Absent,
        "engine_": str,
        "_preparation": Preparation | Absent,  # of columns of a scan, left by `data.source`
    }

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Return an instance of a class that passes for scikit-learn's, before others can ask."""
        pass_for_theirs(cls)  # type: ignore[arg-type]  # a class is hashable
        return super().__new__(cls)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # a copy whose arrays came one by one over a network, where they may begin at any byte
        super().__setstate__({name: aligned(each) for name, each in state.items()})  # type: ignore[misc]

    def _fits_in_batches(self) -> bool:
        """Return whether `fit` reads rows in batches and keeps none; else all must be in memory."""
        return True

    def _has_checkpoint(self) -> bool:
        """Return whether `fit` reads a scan once, for sums that a checkpoint can hold."""
        return True

    def _reads_missing(self) -> bool:
        """Return whether rows of a scan that lack values are what `fit` is made for."""
        return False

    def _is_consistent(self) -> bool:
        """Return whether attributes, each of its type, fit together."""
        return True

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        """Return what is said of rows in a graph of ONNX, by name."""
        raise NotCoveredError(f"{type(self).__name__} has no form in ONNX")

    def _to_graph_transform(self, X: "Value") -> "Value":
        """Return what `transform` makes of rows in a graph of ONNX."""
        return self._to_graph(X)["transformed"]


def check_is_fitted(estimator: Any) -> None:
    """Raise scikit-learn's error unless a fit left in an estimator of ours what every fit leaves.

    scikit-learn asks for much more first, which takes longer than a small prediction.
    """
    if "n_features_in_" not in vars(estimator):
        validation.check_is_fitted(estimator)


def attributes_of(kind: type) -> dict[str, tuple[type, ...]]:
    """Return the types of all attributes that `fit` leaves in an estimator of a class."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        found |= vars(base).get("_attributes", {})
    return {name: get_args(types) or (types,) for name, types in found.items()}
