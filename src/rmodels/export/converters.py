"""Our estimators in graphs that skl2onnx writes, alone and in pipelines of scikit-learn."""

from functools import cache
from typing import Any

import rmodels
from rmodels.catalogue import CATALOGUE
from rmodels.data.preparation import preparation_of
from rmodels.export.graph import Graph, Value
from rmodels.export.operators import convert, declare, know, read_numbers, shape
from rmodels.export.pipelines import know_parts
from rmodels.extras import require

__all__ = ["ESTIMATORS", "TRANSFORMS", "register"]

ESTIMATORS = [entry.name for entry in CATALOGUE.values() if entry.task != "function"]
TRANSFORMS = "transforms"  # an option of skl2onnx: that the next step takes what `transform` says


def _prepare(model: Any, X: Value) -> Value:
    """Return rows with what a fit to a scan found for values that are missing."""
    prepared = preparation_of(model)
    if prepared is None or prepared.means is None:
        return X
    return X.graph.where(X.is_nan(), prepared.means.astype(X.dtype), X)


def _write(graph: Graph, operator: Any) -> dict[str, Value]:
    """Add what an estimator says of its inputs to a graph; return it by name."""
    model = operator.raw_operator
    X = _prepare(model, read_numbers(graph, operator))
    if operator.type.endswith(TRANSFORMS):
        return {"transformed": model._to_graph_transform(X)}
    found: dict[str, Value] = model._to_graph(X)
    return found


def _parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare what an estimator gives."""
    alias = _alias(type(model).__name__)
    if scope.get_options(model, {TRANSFORMS: False})[TRANSFORMS]:
        alias += TRANSFORMS
    operator = scope.declare_local_operator(alias, model)
    operator.inputs = inputs
    return declare(scope, operator, getattr(model, "_n_features_out", None))


def _alias(name: str) -> str:
    return f"Rmodels{name}"


@cache
def register() -> None:
    """Have skl2onnx know our estimators."""
    skl2onnx = require("skl2onnx", "onnx")
    know_parts()
    for name in ESTIMATORS:
        know(_alias(name), _write)
        skl2onnx.update_registered_converter(
            getattr(rmodels, name),
            _alias(name),
            shape,
            convert,
            parser=_parse,
            options={TRANSFORMS: [True, False], "zipmap": [True, False]},
        )
        if CATALOGUE[name].task != "search":
            know(_alias(name) + TRANSFORMS, _write)
