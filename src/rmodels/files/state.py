"""What a fitted estimator is made of, and how a file holds it.

`LAYOUTS` says which attributes each class has; a class that is not there is neither written nor
read. Values become JSON and named arrays:

- None, booleans, integers, finite floats, strings and lists are themselves;
- {"float": "inf"}: a float that JSON has no word for;
- {"tuple": [...]}, {"dict": {...}};
- {"array": NAME, "dtype": "<f8", "shape": [...], "order": "C" or "F"}: an array of numbers,
  booleans, strings or dates; {"scalar": ...} a NumPy scalar, written as an array;
- {"objects": [...], "shape": [...]}: an array of Python objects;
- {"part": NAME, "fields": {...}}: one of `_PARTS`.

Tensors, and other arrays with DLPack, are written as the arrays that they hold: what is read is a
model of NumPy arrays on the processor, which predicts the same.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

import rmodels
from rmodels import ops
from rmodels.data.arrays import adopt, on_host
from rmodels.neighbors._search import Blockwise, Indexed, Precomputed, Present, SparseRows
from rmodels.ops.moments import Moments
from rmodels.ops.nearest import METRICS, Index
from rmodels.solvers.closed_form import ClosedForm
from rmodels.solvers.least_squares import Conditioning

__all__ = ["LAYOUTS", "Layout", "describe", "restore"]

Arrays = dict[str, NDArray]


@dataclass(frozen=True)
class Layout:
    """What `fit` leaves in an estimator.

    Attributes
    ----------
    attributes : dict
        Types by the names of the attributes.
    is_consistent : callable
        Takes an estimator with these attributes and returns whether they fit together.
    """

    attributes: dict[str, type | UnionType]
    is_consistent: Callable[[Any], bool]


_OPTIONAL = {"feature_names_in_", "_moments", "_counted", "cv_results_"}
_FITTED: dict[str, type | UnionType] = {
    "n_features_in_": int,
    "feature_names_in_": np.ndarray,
    "engine_": str,
}
_LINEAR = _FITTED | {
    "coef_": np.ndarray,
    "intercept_": float | np.floating | np.ndarray,
}
_NEIGHBORS = _FITTED | {
    "n_samples_fit_": int,
    "algorithm_": str,
    "effective_metric_": str,
    "effective_metric_params_": dict,
    "_search": Indexed | Blockwise | Present,
}
_TARGETS: dict[str, type | UnionType] = {"_y": np.ndarray}
_CLASSES = _TARGETS | {"classes_": np.ndarray | list, "outputs_2d_": bool}
_WEIGHTS: dict[str, type | UnionType] = {"_sample_weight": np.ndarray | None}


def _coefficients_match(model: Any) -> bool:
    return bool(model.coef_.shape[-1] == model.n_features_in_)


def _points_match(model: Any) -> bool:
    shape: tuple[int, ...] = model._fit_X.shape
    return shape == (model.n_samples_fit_, model.n_features_in_)


def _targets_match(model: Any) -> bool:
    return _points_match(model) and len(model._y) == model.n_samples_fit_


LAYOUTS = {
    "KNeighborsClassifier": Layout(_NEIGHBORS | _CLASSES | _WEIGHTS, _targets_match),
    "KNeighborsRegressor": Layout(_NEIGHBORS | _TARGETS | _WEIGHTS, _targets_match),
    "KNeighborsTransformer": Layout(_NEIGHBORS | {"_n_features_out": int}, _points_match),
    "LinearRegression": Layout(
        _LINEAR
        | {
            "n_iter_": int | np.integer | None,
            "learning_rate_": float | None,
            "solver_": str,
            "_history": np.ndarray | ClosedForm,
            "_conditioning": Conditioning | None,
            "_targets": int | None,
            "_moments": Moments,
            "_counted": int,
        },
        _coefficients_match,
    ),
    "NearestNeighbors": Layout(_NEIGHBORS, _points_match),
    "RadiusNeighborsClassifier": Layout(
        _NEIGHBORS | _CLASSES | _WEIGHTS | {"outlier_label_": object}, _targets_match
    ),
    "RadiusNeighborsRegressor": Layout(_NEIGHBORS | _TARGETS | _WEIGHTS, _targets_match),
    "Ridge": Layout(_LINEAR | {"n_iter_": type(None), "solver_": str}, _coefficients_match),
    "RidgeCV": Layout(
        _LINEAR
        | {
            "alpha_": float | np.ndarray,
            "best_score_": float | np.ndarray,
            "cv_results_": np.ndarray,
        },
        _coefficients_match,
    ),
    "RadiusNeighborsTransformer": Layout(_NEIGHBORS | {"_n_features_out": int}, _points_match),
}


@dataclass(frozen=True)
class _Part:
    """A class that attributes are made of: its fields, and how to make it from them."""

    kind: type
    fields: Callable[[Any], dict[str, Any]]
    make: Callable[..., Any]


def _indexed(X: Any, metric: str, p: float, algorithm: str, engine: str) -> Indexed:
    """Return a search like the one that was written; its engine builds the rest when needed."""
    points = X.toarray() if sparse.issparse(X) else X
    sound = (
        points.ndim == 2
        and len(points)
        and points.dtype in (np.float32, np.float64)
        and points.flags.c_contiguous
        and np.isfinite(points).all()
        and metric in METRICS
        and p > 0
        and algorithm in ("brute", "tree")
        and isinstance(engine, str)
    )
    if not sound:
        raise ValueError("the points to search, or how to search them, are not valid")
    engine = ops.choose("nearest", "auto") if engine == "auto" else engine
    return Indexed(X, Index(points, metric, p, algorithm, engine))


def _fields_of_indexed(search: Indexed) -> dict[str, Any]:
    """Return what `_indexed` takes; tensors as arrays, for any engine that searches those."""
    X: Any = search.X
    fields = {"X": X, **_named("metric", "p", "algorithm", "engine")(search._index)}
    if sparse.issparse(X) or isinstance(X, np.ndarray):
        return fields
    X = on_host(X)
    return fields | {"X": X.astype(np.result_type(X, np.float32)), "engine": "auto"}


def _rows(kind: type) -> _Part:
    """Return how sparse rows are written."""

    def make(data: NDArray, indices: NDArray, offsets: NDArray, shape: tuple[int, ...]) -> Any:
        rows = kind((data, indices, offsets), shape=shape)
        rows.check_format(full_check=True)
        return rows

    return _Part(
        kind,
        lambda rows: {
            "data": rows.data,
            "indices": rows.indices,
            "offsets": rows.indptr,
            "shape": tuple(map(int, rows.shape)),
        },
        make,
    )


def _named(*fields: str) -> Callable[[Any], dict[str, Any]]:
    """Return the function that takes attributes of an object."""
    return lambda value: {field: getattr(value, field) for field in fields}


_PARTS = {
    "Blockwise": _Part(
        Blockwise,
        lambda search: {
            "X": search.X,
            "metric": search._metric,
            "parameters": search._parameters,
        },
        Blockwise,
    ),
    "ClosedForm": _Part(
        ClosedForm,
        _named("eigenvalues", "squares", "first_losses", "learning_rate", "iterations"),
        ClosedForm,
    ),
    "Conditioning": _Part(
        Conditioning,
        Conditioning.__getstate__,
        lambda singular, number, rank, decided: Conditioning(
            lambda: singular, lambda: number, lambda: rank, lambda: decided
        ),
    ),
    "Indexed": _Part(
        Indexed,
        _fields_of_indexed,
        _indexed,
    ),
    "Moments": _Part(
        Moments,
        _named("n_samples", "n_features", "weight", "mean", "scatter", "engine", "rest"),
        Moments,
    ),
    "Precomputed": _Part(Precomputed, _named("X"), Precomputed),
    "Present": _Part(
        Present,
        lambda search: {"X": search.X, "numbers": search._numbers, "search": search._search},
        Present,
    ),
    "SparseRows": _Part(
        SparseRows, lambda search: {"X": search.X, "cosine": search._cosine}, SparseRows
    ),
    "csr_array": _rows(sparse.csr_array),
    "csr_matrix": _rows(sparse.csr_matrix),
}

# Arrays that safetensors holds as they are; those of other kinds are written as their bytes.
_PLAIN = {np.dtype(code) for code in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")} | {
    np.dtype(code) for code in ("f2", "f4", "f8")
}
_KINDS = "biufSUmM"
_DTYPE = re.compile(rf"[<>|][{_KINDS}]\d+(\[\w+\])?")
_LARGEST_NUMBER = 8  # bytes; a long double differs between machines


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
    if name not in LAYOUTS or type(model) is not getattr(rmodels, name):
        raise TypeError(
            f"a model file holds one of {', '.join(LAYOUTS)}; got {type(model).__qualname__}"
        )
    check_is_fitted(model)
    model._validate_params()
    parameters = model.get_params(deep=False)
    attributes = {key: value for key, value in vars(model).items() if key not in parameters}
    unknown = attributes.keys() - LAYOUTS[name].attributes.keys()
    if unknown:
        raise TypeError(
            f"a model file does not hold {', '.join(sorted(unknown))}, which this {name} has"
        )
    arrays: Arrays = {}
    for key, value in parameters.items():
        if callable(value):
            raise TypeError(
                f"{key}={value!r} cannot be written: a model file holds no code. Fit with a value "
                "that is a name or a number"
            )
    return {
        "class": name,
        "parameters": {k: _encode(v, k, arrays) for k, v in parameters.items()},
        "attributes": {k: _encode(v, k, arrays) for k, v in attributes.items()},
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
        if name not in LAYOUTS:
            raise ValueError(f"class {name!r} is not one of {', '.join(LAYOUTS)}")
        parameters = {k: _decode(v, arrays) for k, v in description["parameters"].items()}
        attributes = {k: _decode(v, arrays) for k, v in description["attributes"].items()}
        layout = LAYOUTS[name]
        _check_names(attributes, layout)
        model = getattr(rmodels, name)(**parameters)
        model._validate_params()
        vars(model).update(attributes)
        if not layout.is_consistent(model):
            raise ValueError("its attributes do not fit together")
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(f"its description is not valid: {error!r}") from error
    return model


def _check_names(attributes: dict[str, Any], layout: Layout) -> None:
    missing = layout.attributes.keys() - attributes.keys() - _OPTIONAL
    unknown = attributes.keys() - layout.attributes.keys()
    for key in sorted(missing | unknown):
        raise ValueError(f"the attribute {key!r} is {'missing' if key in missing else 'unknown'}")
    for key, value in attributes.items():
        if not isinstance(value, layout.attributes[key]):
            raise ValueError(f"the attribute {key!r} is a {type(value).__name__}")


def _encode(value: Any, path: str, arrays: Arrays) -> Any:
    """Return what JSON can hold of a value, and add its arrays; `path` names it."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if type(value) in (list, tuple):
        items = [_encode(item, f"{path}.{i}", arrays) for i, item in enumerate(value)]
        return items if type(value) is list else {"tuple": items}
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": {k: _encode(v, f"{path}.{k}", arrays) for k, v in value.items()}}
    if isinstance(value, np.generic):
        return {"scalar": _encode_array(np.asarray(value), path, arrays)}
    if type(value) is np.ndarray and value.dtype == object:
        items = [_encode(item, f"{path}.{i}", arrays) for i, item in enumerate(value.flat)]
        return {"objects": items, "shape": list(value.shape)}
    if type(value) is np.ndarray:
        return _encode_array(value, path, arrays)
    for name, part in _PARTS.items():
        if type(value) is part.kind:
            fields = part.fields(value).items()
            return {
                "part": name,
                "fields": {k: _encode(v, f"{path}.{k}", arrays) for k, v in fields},
            }
    array = on_host(adopt(value))
    if isinstance(array, np.ndarray):
        return _encode(array if array.ndim else array[()], path, arrays)
    raise TypeError(f"{path} cannot be written: a model file does not hold {type(value)}")


def _encode_array(value: NDArray, path: str, arrays: Arrays) -> dict[str, Any]:
    number = value.dtype.kind == "f"
    if value.dtype.kind not in _KINDS or (number and value.dtype.itemsize > _LARGEST_NUMBER):
        raise TypeError(f"{path} cannot be written: a model file does not hold {value.dtype!r}")
    kept = value.copy(order="K")
    order = "C" if kept.flags.c_contiguous else "F"
    flat = np.ravel(kept, order=order)  # type: ignore[call-overload]
    name = f"{len(arrays)} {path}"
    arrays[name] = flat if value.dtype in _PLAIN else flat.view(np.uint8)
    return {"array": name, "dtype": value.dtype.str, "shape": list(value.shape), "order": order}


def _decode(node: Any, arrays: Arrays) -> Any:
    """Return the value that `_encode` encoded."""
    if node is None or isinstance(node, (bool, int, float, str)):
        return node
    if isinstance(node, list):
        return [_decode(item, arrays) for item in node]
    if "array" in node:
        return _decode_array(node, arrays)
    if "scalar" in node:
        return _decode_array(node["scalar"], arrays)[()]
    if "objects" in node:
        objects = np.empty(len(node["objects"]), dtype=object)
        objects[:] = [_decode(item, arrays) for item in node["objects"]]
        return objects.reshape(node["shape"])
    if "part" in node:
        part = _PARTS[node["part"]]
        return part.make(**{k: _decode(v, arrays) for k, v in node["fields"].items()})
    if "dict" in node:
        return {k: _decode(v, arrays) for k, v in node["dict"].items()}
    if "tuple" in node:
        return tuple(_decode(item, arrays) for item in node["tuple"])
    return float(node["float"])


def _decode_array(node: Any, arrays: Arrays) -> NDArray:
    if not _DTYPE.fullmatch(node["dtype"]):
        raise ValueError(f"arrays of dtype {node['dtype']!r} are not read")
    dtype = np.dtype(node["dtype"])
    flat = arrays[node["array"]]
    if flat.dtype != dtype and flat.dtype != np.uint8:
        raise ValueError(f"the array {node['array']!r} is of {flat.dtype!r}, not {dtype!r}")
    return flat.view(dtype).reshape(node["shape"], order=node["order"])
