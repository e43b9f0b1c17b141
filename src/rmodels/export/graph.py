"""A graph of ONNX operators, written as NumPy writes arithmetic.

A `Value` is an array that a graph will compute. Its operators and methods add nodes, to which other
operands are Values or NumPy's arrays; types follow NumPy's rules, by casts. Each rounds as NumPy
does, but for products of matrices, exponentials, powers and sums over an axis, whose order and
digits are the runtime's; `scan` takes sums in an order.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from rmodels.exceptions import NotCoveredError
from rmodels.export import distances
from rmodels.extras import require

__all__ = ["OPSET", "Graph", "Operand", "Value"]

OPSET = 18  # whose meaning the operators have here

_STRINGS = np.dtype(object)  # the dtype of text

Operand: TypeAlias = "Value | ArrayLike"


class Graph:
    """Nodes and constants, in the order in which they were added.

    Parameters
    ----------
    name : callable
        Makes a name that is not yet used of one that tells what it is of.

    Attributes
    ----------
    nodes : list of onnx.NodeProto
    constants : dict of str to ndarray
    warnings : list of str
        Of what the graph does otherwise than the model.
    """

    def __init__(self, name: Callable[[str], str]) -> None:
        self.name = name
        self.nodes: list[Any] = []
        self.warnings: list[str] = []
        self.constants: dict[str, np.ndarray] = {}
        self._single: dict[Any, str] = {}

    def constant(self, values: ArrayLike) -> "Value":
        """Return an array that is known."""
        array = np.asarray(values)
        if array.dtype.kind in "US":
            array = array.astype(object)
        if array.dtype.kind in "iu" and array.dtype != np.int64:
            array = array.astype(np.int64)
        if array.size > 1:
            name = self.name("constant")
        else:  # one for all that are the same
            key = (array.dtype.str, array.shape, str(array.tolist()))
            name = self._single.get(key) or self.name("constant")
            self._single[key] = name
        self.constants[name] = np.ascontiguousarray(array).reshape(array.shape)
        return Value(self, name, array.dtype)

    def add(
        self, operator: str, inputs: Sequence["Value"], *dtypes: Any, **attributes: Any
    ) -> list["Value"]:
        """Add a node; return its results, of the dtypes."""
        helper = require("onnx.helper", "onnx")
        outputs = [Value(self, self.name(operator.lower()), np.dtype(dtype)) for dtype in dtypes]
        names = [[each.name for each in part] for part in (inputs, outputs)]
        self.nodes.append(helper.make_node(operator, *names, **attributes))
        return outputs

    def where(self, condition: "Value", first: Operand, second: Operand) -> "Value":
        """Return the first where a condition holds, and the second elsewhere."""
        a, b = self._bring_together(first, second)
        return self.add("Where", [condition, a, b], a.dtype)[0]

    def concatenate(self, parts: Sequence["Value"], axis: int) -> "Value":
        """Return arrays as one."""
        if len(parts) == 1:
            return parts[0]
        dtype = np.result_type(*(part.dtype for part in parts))
        same = [part.astype(dtype) for part in parts]
        return self.add("Concat", same, dtype, axis=axis)[0]

    def stack(self, columns: Sequence["Value"]) -> "Value":
        """Return vectors as the columns of a matrix."""
        return self.concatenate([column.expand(1) for column in columns], 1)

    def full(self, rows: "Value", n_columns: int, value: ArrayLike) -> "Value":
        """Return a number as often as there are rows, in a matrix of some columns."""
        (count,) = self.add("Shape", [rows], np.int64, start=0, end=1)
        shape = self.concatenate([count, self.constant(np.array([n_columns]))], 0)
        number = self.constant(value)
        return self.add("Expand", [number, shape], number.dtype)[0]

    def label(self, classes: np.ndarray, codes: "Value") -> "Value":
        """Return the labels of places among classes.

        Raises
        ------
        NotCoveredError
            If they are neither text nor numbers.
        """
        kinds = {type(each) for each in classes.tolist()}
        if kinds <= {bool, int, float}:
            classes = np.array(classes.tolist())
        if classes.dtype.kind == "O" and kinds != {str}:
            raise NotCoveredError(
                "labels of a graph are all text or all numbers, and these are of "
                f"{', '.join(sorted(kind.__name__ for kind in kinds))}"
            )
        return self.constant(classes).take(codes)

    def scan(
        self,
        step: Callable[..., "Value | tuple[Value, ...]"],
        start: "Value | tuple[Value, ...]",
        *sequences: "Value",
    ) -> Any:
        """Return what is left of `start` after a step for each place along the first axis.

        Parameters
        ----------
        step : callable
            Of the values so far, and of each sequence what is at the place; returns the next.
        start : Value or tuple of Value
        *sequences : Value
        """
        helper = require("onnx.helper", "onnx")
        states = start if isinstance(start, tuple) else (start,)
        body = Graph(self.name)
        body.constants, body._single = self.constants, self._single  # which the body sees
        inside = [Value(body, self.name("scan"), each.dtype) for each in (*states, *sequences)]
        found = step(*inside)
        results = found if isinstance(found, tuple) else (found,)
        results = tuple(r.astype(s.dtype) for r, s in zip(results, states, strict=True))
        graph = helper.make_graph(
            body.nodes,
            self.name("step"),
            [_declare(each) for each in inside],
            [_declare(each) for each in results],
        )
        last = self.add(
            "Scan",
            [*states, *sequences],
            *(each.dtype for each in states),
            body=graph,
            num_scan_inputs=len(sequences),
        )
        return tuple(last) if isinstance(start, tuple) else last[0]

    def value(self, operand: Operand) -> "Value":
        """Return a Value of what may be an array."""
        return operand if isinstance(operand, Value) else self.constant(operand)

    def _bring_together(self, first: Operand, second: Operand) -> tuple["Value", "Value"]:
        """Return two operands in the dtype that NumPy would take."""
        kinds: list[Any] = [o.dtype if isinstance(o, Value) else o for o in (first, second)]
        dtype = np.result_type(*kinds)
        pair = [o if isinstance(o, Value) else np.asarray(o, dtype) for o in (first, second)]
        a, b = (self.value(o).astype(dtype) for o in pair)
        return a, b


class Value:
    """An array that a graph computes."""

    __array_ufunc__ = None  # so that NumPy's arrays leave operators to this

    def __init__(self, graph: Graph, name: str, dtype: Any) -> None:
        self.graph = graph
        self.name = name
        self.dtype = np.dtype(dtype)

    def _unary(self, operator: str, dtype: Any = None, **attributes: Any) -> "Value":
        return self.graph.add(operator, [self], dtype or self.dtype, **attributes)[0]

    def _binary(self, operator: str, first: Operand, second: Operand, dtype: Any = None) -> "Value":
        a, b = self.graph._bring_together(first, second)
        return self.graph.add(operator, [a, b], dtype or a.dtype)[0]

    def _over(self, operator: str, axis: int, keep: bool) -> "Value":
        axes = self.graph.constant(np.array([axis]))
        return self.graph.add(operator, [self, axes], self.dtype, keepdims=int(keep))[0]

    def __add__(self, other: Operand) -> "Value":
        return self._binary("Add", self, other)

    def __radd__(self, other: Operand) -> "Value":
        return self._binary("Add", other, self)

    def __sub__(self, other: Operand) -> "Value":
        return self._binary("Sub", self, other)

    def __rsub__(self, other: Operand) -> "Value":
        return self._binary("Sub", other, self)

    def __mul__(self, other: Operand) -> "Value":
        return self._binary("Mul", self, other)

    def __rmul__(self, other: Operand) -> "Value":
        return self._binary("Mul", other, self)

    def __truediv__(self, other: Operand) -> "Value":
        return self._binary("Div", self, other)

    def __rtruediv__(self, other: Operand) -> "Value":
        return self._binary("Div", other, self)

    def __matmul__(self, other: Operand) -> "Value":
        return self._binary("MatMul", self, other)

    def __pow__(self, other: Operand) -> "Value":
        return self._binary("Pow", self, other)

    def __neg__(self) -> "Value":
        return self._unary("Neg")

    def __gt__(self, other: Operand) -> "Value":
        return self._binary("Greater", self, other, bool)

    def __lt__(self, other: Operand) -> "Value":
        return self._binary("Less", self, other, bool)

    def __ge__(self, other: Operand) -> "Value":
        return self._binary("GreaterOrEqual", self, other, bool)

    def __le__(self, other: Operand) -> "Value":
        return self._binary("LessOrEqual", self, other, bool)

    def equals(self, other: Operand) -> "Value":
        """Return where it is the same."""
        return self._binary("Equal", self, other, bool)

    def minimum(self, other: Operand) -> "Value":
        """Return the smaller of each pair."""
        return self._binary("Min", self, other)

    def maximum(self, other: Operand) -> "Value":
        """Return the larger of each pair."""
        return self._binary("Max", self, other)

    def exp(self) -> "Value":
        """Return e to the power of it."""
        return self._unary("Exp")

    def log(self) -> "Value":
        """Return the natural logarithm."""
        return self._unary("Log")

    def sin(self) -> "Value":
        """Return the sine."""
        return self._unary("Sin")

    def sqrt(self) -> "Value":
        """Return the square root."""
        return self._unary("Sqrt")

    def abs(self) -> "Value":
        """Return the magnitude."""
        return self._unary("Abs")

    def is_infinite(self) -> "Value":
        """Return where it is infinite."""
        return self._unary("IsInf", bool)

    def is_nan(self) -> "Value":
        """Return where it is not a number."""
        return self._unary("IsNaN", bool)

    def astype(self, dtype: Any) -> "Value":
        """Return it in another dtype."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        return self._unary("Cast", dtype, to=_code(dtype))

    def as_floats(self) -> "Value":
        """Return numbers in the dtype in which scikit-learn takes them; text as it is."""
        return self.astype(np.float64) if self.dtype.kind in "iub" else self

    def columns(self, places: ArrayLike) -> "Value":
        """Return the columns at places."""
        numbers = self.graph.constant(np.asarray(places, dtype=np.int64))
        return self.graph.add("Gather", [self, numbers], self.dtype, axis=1)[0]

    def sum(self, axis: int, *, keep: bool = False) -> "Value":
        """Return sums over an axis, in the runtime's order."""
        return self._over("ReduceSum", axis, keep)

    def max(self, axis: int, *, keep: bool = False) -> "Value":
        """Return the largest over an axis."""
        return self._over("ReduceMax", axis, keep)

    def argmax(self) -> "Value":
        """Return the place of the largest in each row, the first of equal ones."""
        return self._unary("ArgMax", np.int64, axis=-1, keepdims=0)

    def argmin(self) -> "Value":
        """Return the place of the least in each row, the first of equal ones."""
        return self._unary("ArgMin", np.int64, axis=-1, keepdims=0)

    def softmax(self) -> "Value":
        """Return eˣ over its sum in each row."""
        return self._unary("Softmax", axis=-1)

    def least(self, k: int) -> tuple["Value", "Value"]:
        """Return the k least of each row, ascending, and their places; of equal ones the first."""
        count = self.graph.constant(np.array([k]))
        found = self.graph.add(
            "TopK", [self, count], self.dtype, np.int64, axis=-1, largest=0, sorted=1
        )
        return found[0], found[1]

    def take(self, places: "Value") -> "Value":
        """Return what is at places along the first axis."""
        return self.graph.add("Gather", [self, places], self.dtype, axis=0)[0]

    def place(self, values: np.ndarray) -> "Value":
        """Return the places of text or integers among values that are known; of others, how many.

        Which is no place among them: to take what is there is an error of the runtime.
        """
        kind = "strings" if self.dtype == _STRINGS else "int64s"
        attributes = {f"keys_{kind}": values.tolist(), "values_int64s": list(range(len(values)))}
        return self.graph.add(
            "LabelEncoder", [self], np.int64, domain="ai.onnx.ml", default_int64=len(values),
            **attributes,
        )[0]  # fmt: skip

    def expand(self, axis: int) -> "Value":
        """Return it with another axis of length 1."""
        axes = self.graph.constant(np.array([axis]))
        return self.graph.add("Unsqueeze", [self, axes], self.dtype)[0]

    def transpose(self, *order: int) -> "Value":
        """Return it with its axes in another order."""
        return self._unary("Transpose", perm=order)

    def measure(self, centres: np.ndarray, precisions: np.ndarray | None = None) -> "Value":
        """Return squared distances to centres: see `rmodels.export.distances.measure`."""
        return distances.measure(self, centres, precisions)

    def nearness(self, points: np.ndarray, metric: str, p: float) -> "Value":
        """Return distances to points: see `rmodels.export.distances.nearness`."""
        return distances.nearness(self, points, metric, p)

    def reshape(self, *shape: int) -> "Value":
        """Return its values in another shape; −1 is what is left."""
        target = self.graph.constant(np.array(shape))
        return self.graph.add("Reshape", [self, target], self.dtype)[0]


def _code(dtype: np.dtype) -> int:
    """Return ONNX's number of a dtype."""
    onnx = require("onnx", "onnx")
    if dtype == _STRINGS:
        return int(onnx.TensorProto.STRING)
    return int(onnx.helper.np_dtype_to_tensor_dtype(dtype))


def _declare(value: Value) -> Any:
    """Return what an input or result of a graph is, but for its shape."""
    helper = require("onnx.helper", "onnx")
    return helper.make_tensor_value_info(value.name, _code(value.dtype), None)
