"""Arithmetic in graphs is NumPy's."""

import numpy as np
import onnx
import onnxruntime
import pytest

from rmodels.exceptions import NotCoveredError
from rmodels.export.graph import OPSET, Graph, Value


def evaluate(build, *arrays):
    """Return what a graph makes of arrays, and the dtype that it says beforehand."""
    count = iter(range(10**6))
    graph = Graph(lambda name: f"{name}{next(count)}")
    inputs = [Value(graph, f"x{i}", array.dtype) for i, array in enumerate(arrays)]
    result = build(*inputs)
    kinds = {v.name: onnx.helper.np_dtype_to_tensor_dtype(v.dtype) for v in [*inputs, result]}
    shapes = [*([None] * array.ndim for array in arrays), None]
    declared = [
        onnx.helper.make_tensor_value_info(name, kind, shape)
        for (name, kind), shape in zip(kinds.items(), shapes, strict=True)
    ]
    constants = [onnx.numpy_helper.from_array(a, name) for name, a in graph.constants.items()]
    made = onnx.helper.make_graph(
        graph.nodes, "graph", declared[:-1], declared[-1:], initializer=constants
    )
    opset = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(made, opset_imports=opset, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    feeds = dict(zip(kinds, arrays, strict=False))
    return session.run(None, feeds)[0], result.dtype


A = np.array([[1.5, -2.0, 0.25], [4.0, 0.0, -1.0]])
N = np.array([[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(
    "build",
    [
        lambda a, n: a + n,
        lambda a, n: 1.0 - a * np.float32(0.1),
        lambda a, n: a / 3,
        lambda a, n: 2 / (n + 0.5),
        lambda a, n: -a,
        lambda a, n: a @ np.array([1.0, 2.0, 4.0]),
        lambda a, n: a > 0.0,
        lambda a, n: n <= 3,
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_operators_round_and_promote_as_numpy_does(build, dtype):
    a = A.astype(dtype)
    found, declared = evaluate(build, a, N)
    wanted = build(a, N)
    assert found.dtype == wanted.dtype == declared
    np.testing.assert_array_equal(found, wanted)


def test_scans_take_sums_in_order():
    values = np.array([[1e16], [1.0], [-1e16], [1.0]])

    def add(x):
        return x.graph.scan(lambda total, row: total + row, x.graph.constant(np.zeros(1)), x)

    assert evaluate(add, values)[0].tolist() == [1.0]


def test_the_least_are_in_the_order_of_places():
    ties = np.array([[2.0, 1.0, 1.0, 0.0, 1.0, 0.0]])
    assert evaluate(lambda x: x.least(5)[1], ties)[0].tolist() == [[3, 5, 1, 2, 4]]


def test_labels_are_of_one_kind():
    graph = Graph(str)
    with pytest.raises(NotCoveredError, match="and these are of int, str"):
        graph.label(np.array(["a", 1], dtype=object), Value(graph, "x", np.int64))
