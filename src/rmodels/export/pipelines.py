"""Pipelines of scikit-learn in graphs: what each step takes, in the dtypes that NumPy would take.

skl2onnx brings columns of integers and of float32 together in float32, scales integers in it, and
takes the columns 1 and 0 of two for 0 and 1. So which columns a step takes, and how those that
steps make are brought together, is said here.
"""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from rmodels.exceptions import NotCoveredError
from rmodels.export.graph import Graph, Value
from rmodels.export.operators import declare, know, read, widths_of
from rmodels.export.preprocessing import is_ours, write_step
from rmodels.extras import require

__all__ = ["find_parsers", "is_foreign", "know_parts", "parts_of", "spell_out"]

_JOIN, _SELECT, _STEP = "RmodelsJoin", "RmodelsSelect", "RmodelsStep"  # operators of skl2onnx


def parts_of(model: Any) -> Iterator[tuple[Any, bool]]:
    """Yield the estimators of a pipeline, and whether what follows takes what they `transform`."""
    yield from _walk(model, False)


def _walk(model: Any, transforms: bool) -> Iterator[tuple[Any, bool]]:
    if isinstance(model, str) or model is None:
        return
    yield model, transforms
    if hasattr(model, "steps"):
        *steps, (_, last) = model.steps
        for _, step in steps:
            yield from _walk(step, True)
        yield from _walk(last, transforms)
    for _, part, *_ in getattr(model, "transformer_list", getattr(model, "transformers_", [])):
        yield from _walk(part, True)


def spell_out(model: Any) -> Any:
    """Return a pipeline in which no step is a name: skl2onnx knows neither None nor "passthrough".

    What is not a pipeline is returned as it is; nothing is changed.
    """
    if model is None or model == "passthrough":
        return FunctionTransformer()
    for parts in ("steps", "transformer_list", "transformers_"):
        if hasattr(model, parts):
            named = [
                (name, spell_out(part), *rest)
                for name, part, *rest in getattr(model, parts)
                if parts == "steps" or part != "drop"
            ]
            model = copy.copy(model)
            setattr(model, parts, named)
    return model


def is_foreign(step: Any) -> bool:
    """Return whether a part of a pipeline is skl2onnx's to write."""
    known = type(step).__module__.startswith("rmodels.") or is_ours(step)
    return not (known or isinstance(step, (ColumnTransformer, FeatureUnion, Pipeline)))


def find_parsers(model: Any) -> dict[type, Any]:
    """Return what declares the parts of a pipeline to skl2onnx, by class."""
    parsers: dict[type, Any] = {ColumnTransformer: _parse_columns, FeatureUnion: _parse_union}
    for part, _ in parts_of(model):
        if is_ours(part) or is_foreign(part):
            parsers[type(part)] = _parse_step
    return parsers


def know_parts() -> None:
    """Have skl2onnx know the operators that are of no estimator of ours."""
    know(_JOIN, _join)
    know(_SELECT, _select)
    know(_STEP, lambda graph, operator: {"transformed": write_step(graph, operator)})


def _join(graph: Graph, operator: Any) -> dict[str, Value]:
    """Add inputs side by side, each by its weight; text remains text."""
    parts = read(graph, operator)
    if operator.floats:
        parts = [each.as_floats() for each in parts]
    return {
        "transformed": graph.concatenate(
            [
                part if weight is None else part * weight
                for part, weight in zip(parts, operator.weights, strict=True)
            ],
            1,
        )
    }


def _select(graph: Graph, operator: Any) -> dict[str, Value]:
    """Add the columns that a step takes."""
    return {"selected": read(graph, operator)[0].columns(operator.places)}


def _declare(scope: Any, alias: str, inputs: list[Any], width: Any, **told: Any) -> list[Any]:
    """Return what a new operator makes of inputs."""
    operator = scope.declare_local_operator(alias, told.pop("model", None))
    operator.inputs = inputs
    vars(operator).update(told)
    return declare(scope, operator, width)


def _bring_together(scope: Any, inputs: list[Any], weights: Any, *, floats: bool) -> list[Any]:
    """Return inputs as one, in `floats` if they are numbers."""
    if len(inputs) == 1 and not floats and weights == [None]:
        return inputs
    widths = widths_of(inputs)
    width = None if None in widths else sum(widths)
    return _declare(scope, _JOIN, inputs, width, weights=weights, floats=floats)


def _parse(scope: Any, model: Any, inputs: list[Any], parsers: Any) -> Any:
    parse = require("skl2onnx._parse", "onnx")._parse_sklearn
    return parse(scope, model, inputs, custom_parsers=parsers)


def _parse_step(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> Any:
    """Declare what a step gives; to those of skl2onnx, numbers come as scikit-learn takes them."""
    if not is_ours(model):
        others = {kind: each for kind, each in custom_parsers.items() if kind is not type(model)}
        taken = _bring_together(scope, inputs, [None] * len(inputs), floats=True)
        return _parse(scope, model, taken, others)
    named = hasattr(model, "get_feature_names_out") and hasattr(model, "n_features_in_")
    width = len(model.get_feature_names_out()) if named else None
    return _declare(scope, _STEP, inputs, width, model=model)


def _parse_union(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> Any:
    made = {
        name: _parse(scope, part, inputs, custom_parsers)[0]
        for name, part in model.transformer_list
    }
    return _weigh(scope, model, made)


def _parse_columns(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> Any:
    made = {}
    for name, part, columns in model.transformers_:
        places = _places(model, columns)
        if places:
            made[name] = _parse(scope, part, _take(scope, model, inputs, places), custom_parsers)[0]
    return _weigh(scope, model, made)


def _weigh(scope: Any, model: Any, made: dict[str, Any]) -> list[Any]:
    """Return what the parts of a model made, by its weights."""
    if not made:
        raise NotCoveredError(f"{type(model).__name__} makes no columns, and a graph makes some")
    weights = model.transformer_weights or {}
    return _bring_together(
        scope, list(made.values()), [weights.get(name) for name in made], floats=False
    )


def _take(scope: Any, model: Any, inputs: list[Any], places: list[int]) -> list[Any]:
    """Return the columns at places: of one matrix, or of an input for each column."""
    if len(inputs) > 1:
        return [inputs[place] for place in places]
    if places == list(range(model.n_features_in_)):
        return inputs
    return _declare(scope, _SELECT, inputs, len(places), places=places)


def _places(model: Any, columns: Any) -> list[int]:
    """Return the places of columns that were given in one of scikit-learn's ways."""
    names: list[Any] = list(getattr(model, "feature_names_in_", []))
    every = range(model.n_features_in_)
    if isinstance(columns, slice):
        start, stop = columns.start, columns.stop
        start = names.index(start) if isinstance(start, str) else start
        stop = names.index(stop) + 1 if isinstance(stop, str) else stop  # which is taken too
        return list(every[start : stop : columns.step])
    given = np.atleast_1d(np.asarray(columns))
    if given.dtype.kind == "b":
        return np.flatnonzero(given).tolist()
    if given.dtype.kind in "iuf":  # of none it is "f"
        return [every[place] for place in given.astype(int)]
    return [names.index(each) for each in given.tolist()]
