"""Operators of skl2onnx that are ours: what each makes of its inputs is arithmetic of a graph."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rmodels.base.warnings import warn
from rmodels.exceptions import NotCoveredError
from rmodels.export.graph import OPSET, Graph, Value
from rmodels.extras import require

__all__ = [
    "LARGEST",
    "convert",
    "declare",
    "know",
    "read",
    "read_numbers",
    "shape",
    "type_of",
    "widths_of",
]

LARGEST = 2**31 - 1  # bytes of a message of protobuf

_VERSIONS = {"": OPSET, "ai.onnx.ml": 2}  # of operators, by domain

Writer = Callable[[Graph, Any], dict[str, Value]]

_WRITERS: dict[str, Writer] = {}


def know(alias: str, write: Writer) -> None:
    """Have skl2onnx know operators of a type, by what adds to a graph what they make."""
    pool = require("skl2onnx.common._registration", "onnx")
    _WRITERS[alias] = write
    pool.register_converter(alias, convert, overwrite=True)
    pool.register_shape_calculator(alias, shape, overwrite=True)


def read(graph: Graph, operator: Any) -> list[Value]:
    """Return the inputs of an operator."""
    return [Value(graph, each.onnx_name, _dtype_of(each.type)) for each in operator.inputs]


def read_numbers(graph: Graph, operator: Any) -> Value:
    """Return the inputs of an operator as one matrix of floats.

    Raises
    ------
    NotCoveredError
        If one is text.
    """
    model, columns = operator.raw_operator, read(graph, operator)
    for each, value in zip(operator.inputs, columns, strict=True):
        if value.dtype.kind not in "fiub":
            raise NotCoveredError(
                f"{type(model).__name__} takes numbers, and {each.raw_name!r} is text"
            )
    X = graph.concatenate([each.as_floats() for each in columns], 1)
    if all(each.is_root for each in operator.inputs):
        return X
    return X.reshape(-1, model.n_features_in_)  # of a step whose shape ONNX does not infer


def widths_of(variables: Any) -> list[Any]:
    """Return how many columns variables of skl2onnx have, None where it is not known."""
    shapes = [each.type.shape for each in variables]
    return [shape[1] if len(shape) == 2 else None for shape in shapes]


def declare(scope: Any, operator: Any, width: int | None) -> list[Any]:
    """Return what an operator makes, of so many columns."""
    for name, value in _WRITERS[operator.type](Graph(_numbered()), operator).items():
        kind = type_of(value.dtype, width)
        operator.outputs.append(scope.declare_local_variable(name, kind))
    return list(operator.outputs)


def shape(operator: Any) -> None:
    """Set the types of what an operator makes, when those of its inputs are known."""
    found = _WRITERS[operator.type](Graph(_numbered()), operator)
    for made, value in zip(operator.outputs, found.values(), strict=True):
        made.type = type_of(value.dtype, *widths_of([made]))


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of an operator to what skl2onnx writes."""
    onnx = require("onnx", "onnx")
    graph = Graph(scope.get_unique_variable_name)
    found = _WRITERS[operator.type](graph, operator)
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
            op_domain=node.domain,
            op_version=_VERSIONS[node.domain],
            name=scope.get_unique_operator_name(node.op_type),
            **attributes,
        )


def type_of(dtype: np.dtype, width: int | None) -> Any:
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


def _numbered() -> Any:
    """Return what makes names of a graph that nobody keeps."""
    count = iter(range(1 << 60))
    return lambda name: f"{name}_{next(count)}"
