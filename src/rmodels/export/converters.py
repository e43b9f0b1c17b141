"""Our estimators in graphs that skl2onnx writes, alone and in pipelines of scikit-learn."""

import copy
from collections.abc import Iterator
from functools import cache
from numbers import Number
from typing import Any

import numpy as np
from sklearn.preprocessing import FunctionTransformer

import rmodels
from rmodels.base.warnings import warn
from rmodels.catalogue import CATALOGUE
from rmodels.data.formats.arrow import is_frame, names_of
from rmodels.data.preparation import preparation_of
from rmodels.exceptions import NotCoveredError
from rmodels.export.graph import OPSET, Graph, Value
from rmodels.export.preprocessing import STEPS, takes_text
from rmodels.extras import require

__all__ = [
    "ESTIMATORS",
    "LARGEST",
    "TRANSFORMS",
    "find_inputs",
    "parts_of",
    "register",
    "replacements",
    "spell_out",
]

ESTIMATORS = [entry.name for entry in CATALOGUE.values() if entry.task != "function"]
TRANSFORMS = "transforms"  # an option of skl2onnx: that the next step takes what `transform` says


LARGEST = 2**31 - 1  # bytes of a message of protobuf


def find_inputs(model: Any, X: Any, dtype: np.dtype) -> list[tuple[str, Any]]:
    """Return names and types of what a graph takes: of all columns, or of each of a frame."""
    if X is None:
        for part, _ in parts_of(model):
            chosen = [columns for *_, columns in getattr(part, "transformers_", [])]
            if any(isinstance(each, str) for of in chosen for each in np.ravel(of)):
                raise ValueError(
                    f"{type(part).__name__} takes columns by name: give to_onnx some rows of the "
                    "table as X"
                )
        width = getattr(model, "n_features_in_", None)
        if width is None:
            raise ValueError(
                f"{type(model).__name__} does not say how many columns it takes: give to_onnx some "
                "rows as X"
            )
        return [("X", _type_of(dtype, int(width)))]
    if not is_frame(X):
        array = np.asarray(X)
        return [("X", _type_of(_kind_of(array, dtype), array.shape[1]))]
    names = names_of(X)
    return [(str(name), _type_of(_kind_of(np.asarray(X[name]), dtype), 1)) for name in names]


def _kind_of(values: np.ndarray, dtype: np.dtype) -> np.dtype:
    """Return the dtype in which a graph takes values."""
    numbers = all(isinstance(each, Number) for each in values.ravel() if each is not None)
    if values.dtype.kind == "f" or (values.dtype.kind == "O" and numbers):
        return dtype
    return np.dtype({"b": np.bool_, "i": np.int64, "u": np.int64}.get(values.dtype.kind, object))


def _type_of(dtype: np.dtype, width: int | None) -> Any:
    """Return skl2onnx's type of a matrix."""
    types = require("skl2onnx.common.data_types", "onnx")
    kinds = {
        "float32": types.FloatTensorType,
        "float64": types.DoubleTensorType,
        "bool": types.BooleanTensorType,
        "int32": types.Int32TensorType,
        "int64": types.Int64TensorType,
        "object": types.StringTensorType,
    }
    return kinds[dtype.name]([None, width])


def _dtype_of(kind: Any) -> np.dtype:
    """Return the dtype of what has a type of skl2onnx."""
    helper = require("onnx.helper", "onnx")
    guess = require("skl2onnx.common.data_types", "onnx").guess_proto_type
    return np.dtype(helper.tensor_dtype_to_np_dtype(guess(kind)))


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
        return FunctionTransformer().fit(np.empty((1, 1)))
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


def _prepare(model: Any, X: Value) -> Value:
    """Return rows with what a fit to a scan found for values that are missing."""
    prepared = preparation_of(model)
    if prepared is None or prepared.means is None:
        return X
    return X.graph.where(X.is_nan(), prepared.means.astype(X.dtype), X)


def _write(graph: Graph, operator: Any) -> dict[str, Value]:
    """Add what an estimator says of its inputs to a graph; return it by name."""
    model = operator.raw_operator
    X = _read(graph, operator)
    if type(model) in STEPS:
        return {"variable": STEPS[type(model)](model, X)}
    X = _prepare(model, X)
    if operator.type.endswith(TRANSFORMS):
        return {"transformed": model._to_graph_transform(X)}
    found: dict[str, Value] = model._to_graph(X)
    return found


def _read(graph: Graph, operator: Any) -> Value:
    """Return the inputs of an operator as one matrix."""
    model, columns = operator.raw_operator, []
    for each in operator.inputs:
        dtype = _dtype_of(each.type)
        if dtype.kind not in "fiub":
            raise NotCoveredError(
                f"{type(model).__name__} takes numbers, and {each.raw_name!r} is text"
            )
        value = Value(graph, each.onnx_name, dtype)
        columns.append(value if dtype.kind == "f" else value.astype(np.float64))
    X = graph.concatenate(columns, 1)
    if all(each.is_root for each in operator.inputs):
        return X
    return X.reshape(-1, model.n_features_in_)  # of a step whose shape ONNX does not infer


def _parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare what an estimator gives."""
    alias = _alias(type(model).__name__)
    if scope.get_options(model, {TRANSFORMS: False})[TRANSFORMS]:
        alias += TRANSFORMS
    operator = scope.declare_local_operator(alias, model)
    operator.inputs = inputs
    for name, value in _write(Graph(_numbered()), operator).items():
        kind = _type_of(value.dtype, getattr(model, "_n_features_out", None))
        operator.outputs.append(scope.declare_local_variable(name, kind))
    return operator.outputs


def replacements() -> tuple[dict[type, Any], dict[type, Any]]:
    """Return what sets types and what adds nodes of the steps that are ours to write, by class."""
    pool = require("skl2onnx.common._registration", "onnx")
    alias = require("skl2onnx", "onnx").get_model_alias

    def shape(operator: Any) -> None:
        if takes_text(operator.raw_operator):
            pool.get_shape_calculator(alias(type(operator.raw_operator)))(operator)
        else:
            width = len(operator.raw_operator.get_feature_names_out())
            operator.outputs[0].type = _type_of(_read(Graph(_numbered()), operator).dtype, width)

    def convert(scope: Any, operator: Any, container: Any) -> None:
        if takes_text(operator.raw_operator):
            pool.get_converter(alias(type(operator.raw_operator)))(scope, operator, container)
        else:
            _convert(scope, operator, container)

    return dict.fromkeys(STEPS, shape), dict.fromkeys(STEPS, convert)


def _shape(operator: Any) -> None:
    """Set the types of what an estimator gives, when those of its inputs are known."""
    found = _write(Graph(_numbered()), operator)
    for made, value in zip(operator.outputs, found.values(), strict=True):
        made.type = _type_of(value.dtype, made.type.shape[1])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of an estimator to what skl2onnx writes."""
    onnx = require("onnx", "onnx")
    graph = Graph(scope.get_unique_variable_name)
    found = _write(graph, operator)
    for message in graph.warnings:
        warn(message)
    for made, value in zip(operator.outputs, found.values(), strict=True):
        last = onnx.helper.make_node("Identity", [value.name], [made.full_name])
        graph.nodes.append(last)
    size = sum(array.nbytes for array in graph.constants.values())
    if size > LARGEST:
        raise NotCoveredError(
            f"{type(operator.raw_operator).__name__} has {size / 1e9:.1f} GB of numbers, and a "
            "graph of ONNX holds 2 GiB: fit to fewer points"
        )
    for name, array in graph.constants.items():
        if array.dtype == object:
            text = onnx.TensorProto.STRING
            container.add_initializer(name, text, list(array.shape), array.ravel().tolist())
        else:
            container.add_initializer(name, None, [], onnx.numpy_helper.from_array(array))
    for node in graph.nodes:
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        container.add_node(
            node.op_type,
            list(node.input),
            list(node.output),
            op_version=OPSET,
            name=scope.get_unique_operator_name(node.op_type),
            **attributes,
        )


def _numbered() -> Any:
    """Return what makes names of a graph that nobody keeps."""
    count = iter(range(1 << 60))
    return lambda name: f"{name}_{next(count)}"


def _alias(name: str) -> str:
    return f"Rmodels{name}"


@cache
def register() -> None:
    """Have skl2onnx know our estimators."""
    skl2onnx = require("skl2onnx", "onnx")
    pool = require("skl2onnx.common._registration", "onnx")
    for name in ESTIMATORS:
        skl2onnx.update_registered_converter(
            getattr(rmodels, name),
            _alias(name),
            _shape,
            _convert,
            parser=_parse,
            options={TRANSFORMS: [True, False], "zipmap": [True, False]},
        )
        if CATALOGUE[name].task != "search":
            pool.register_converter(_alias(name) + TRANSFORMS, _convert, overwrite=True)
            pool.register_shape_calculator(_alias(name) + TRANSFORMS, _shape, overwrite=True)
