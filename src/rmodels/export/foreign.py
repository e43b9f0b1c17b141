"""Steps that skl2onnx writes: what it cannot, and what it computes in float32, is said."""

from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator

from rmodels.base.state import HasState
from rmodels.base.warnings import warn
from rmodels.exceptions import NotCoveredError
from rmodels.extras import require

__all__ = ["Foreign", "explain"]


def explain(error: Exception) -> str:
    """Return what an error of skl2onnx says at first, and a way out."""
    first = str(error).partition("\n")[0].rstrip(".")
    return f"{first}. Otherwise prepare the rows before the graph, and export the steps after it"


def _estimators_in(value: Any) -> Iterator[Any]:
    """Yield an estimator, and those that it is made of, but for ours, which have graphs."""
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _estimators_in(each)
    elif isinstance(value, BaseEstimator) and not isinstance(value, HasState):
        yield value
        for each in vars(value).values():
            yield from _estimators_in(each)


class Foreign:
    """What skl2onnx adds to a graph for steps that are its own to write.

    Attributes
    ----------
    added : list of tuple of str and list of str
        Classes that were given float64, and the names of all that they compute.
    """

    def __init__(self) -> None:
        self.added: list[tuple[str, list[str]]] = []

    def convert(self, scope: Any, operator: Any, container: Any) -> None:
        """Add the nodes of a step.

        Raises
        ------
        NotCoveredError
            If skl2onnx cannot, or if it would write other results.
        """
        pool = require("skl2onnx.common._registration", "onnx")
        double = require("skl2onnx.common.data_types", "onnx").DoubleTensorType
        name, start = type(operator.raw_operator).__name__, len(container.nodes)
        for inner in _estimators_in(operator.raw_operator):
            kind = type(inner).__name__
            weights = getattr(inner, "weights", None)  # which skl2onnx 1.20 forgets
            if kind.startswith("KNeighbors") and isinstance(weights, str) and weights == "distance":
                raise NotCoveredError(
                    f"skl2onnx would write {kind} with weights='distance' as if all neighbours "
                    f"weighed alike: rmodels.{kind} has a graph"
                )
        wide = any(isinstance(each.type, double) for each in operator.inputs)
        try:
            pool.get_converter(operator.type)(scope, operator, container)
        except (RuntimeError, TypeError, ValueError) as error:
            kind = "float64, which it may with rows of float32 and dtype='float32'"
            raise NotCoveredError(
                f"skl2onnx cannot write {name} of {kind if wide else 'what it is given'}: "
                f"{explain(error)}"
            ) from error
        if wide:
            names = [each for node in container.nodes[start:] for each in node.output]
            self.added.append((name, names))

    def warn_of_float32(self, graph: Any) -> None:
        """Warn of steps that compute something of float64 in float32, in a graph with types."""
        onnx = require("onnx", "onnx")
        known = [*graph.value_info, *graph.output]
        single = {
            each.name for each in known if each.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        }
        for step, names in self.added:
            if not single.isdisjoint(names):
                warn(
                    f"skl2onnx computes {step} in float32: of numbers of float64 it has 7 digits, "
                    "and what follows may decide otherwise"
                )
