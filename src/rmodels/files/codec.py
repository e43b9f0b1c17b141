"""How values become JSON and named arrays, and back.

- None, booleans, integers, finite floats, strings and lists are themselves;
- {"float": "inf"}: a float that JSON has no word for;
- {"tuple": [...]}, {"dict": {...}}, {"pairs": [[key, value], ...]} of a dict with other keys;
- {"array": NAME, "dtype": "<f8", "shape": [...], "order": "C" or "F"}: an array of numbers,
  booleans, strings or dates; {"scalar": ...} a NumPy scalar, written as an array;
- {"objects": [...], "shape": [...]}: an array of Python objects;
- {"part": NAME, "fields": {...}}: a sparse matrix, or an object of one of the classes that the
  caller allows: `rmodels.base.state.HasState` says what these have.

Tensors, and other arrays with DLPack, are written as the arrays that they hold.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.data.arrays import adopt, on_host

__all__ = ["Arrays", "Parts", "decode", "encode", "is_part"]

Arrays = dict[str, NDArray]
Parts = dict[str, type]  # classes by the names that the files have for them

_SPARSE: Parts = {"csr_array": sparse.csr_array, "csr_matrix": sparse.csr_matrix}

# Arrays that safetensors holds as they are; those of other kinds are written as their bytes.
_PLAIN = {np.dtype(code) for code in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")} | {
    np.dtype(code) for code in ("f2", "f4", "f8")
}
_KINDS = "biufSUmM"
_DTYPE = re.compile(rf"[<>|][{_KINDS}]\d+(\[\w+\])?")
_LARGEST_NUMBER = 8  # bytes; a long double differs between machines


def is_part(kind: type) -> bool:
    """Return whether objects of a class can be taken apart."""
    return dataclasses.is_dataclass(kind) or hasattr(kind, "fields")


def encode(value: Any, path: str, arrays: Arrays, parts: Parts) -> Any:
    """Return what JSON can hold of a value, and add its arrays; `path` names it.

    Raises
    ------
    TypeError
        If it, or something in it, is of another kind.
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if type(value) in (list, tuple):
        items = [encode(item, f"{path}.{i}", arrays, parts) for i, item in enumerate(value)]
        return items if type(value) is list else {"tuple": items}
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": _encode_each(value, path, arrays, parts)}
    if type(value) is dict:
        pairs = enumerate(value.items())
        return {"pairs": [encode(list(p), f"{path}.{i}", arrays, parts) for i, p in pairs]}
    if isinstance(value, np.generic):
        return {"scalar": _encode_array(np.asarray(value), path, arrays)}
    if type(value) is np.ndarray and value.dtype == object:
        items = [encode(item, f"{path}.{i}", arrays, parts) for i, item in enumerate(value.flat)]
        return {"objects": items, "shape": list(value.shape)}
    if type(value) is np.ndarray:
        return _encode_array(value, path, arrays)
    for name, kind in (_SPARSE | parts).items():
        if type(value) is kind:
            return {"part": name, "fields": _encode_each(_fields(value), path, arrays, parts)}
    array = on_host(adopt(value))
    if isinstance(array, np.ndarray):
        return encode(array if array.ndim else array[()], path, arrays, parts)
    if hasattr(value, "not_written"):
        raise TypeError(f"this model cannot be written: {value.not_written}")
    raise TypeError(f"{path} cannot be written: a model file does not hold {type(value)}")


def _encode_each(values: Mapping[str, Any], path: str, arrays: Arrays, parts: Parts) -> Any:
    return {k: encode(v, f"{path}.{k}", arrays, parts) for k, v in values.items()}


def _fields(part: Any) -> dict[str, Any]:
    """Return what an object is made of."""
    if sparse.issparse(part):
        return {
            "data": part.data,
            "indices": part.indices,
            "offsets": part.indptr,
            "shape": tuple(map(int, part.shape)),
        }
    if hasattr(part, "fields"):
        found: dict[str, Any] = part.fields()
        return found
    return {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}


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


def decode(node: Any, arrays: Arrays, parts: Parts) -> Any:
    """Return the value that `encode` encoded.

    Raises
    ------
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError
        If `encode` would not write it.
    """
    if node is None or isinstance(node, (bool, int, float, str)):
        return node
    if isinstance(node, list):
        return [decode(item, arrays, parts) for item in node]
    if "array" in node:
        return _decode_array(node, arrays)
    if "scalar" in node:
        return _decode_array(node["scalar"], arrays)[()]
    if "objects" in node:
        objects = np.empty(len(node["objects"]), dtype=object)
        objects[:] = [decode(item, arrays, parts) for item in node["objects"]]
        return objects.reshape(node["shape"])
    if "part" in node:
        name, fields = node["part"], node["fields"]
        return _make((_SPARSE | parts)[name], {k: decode(fields[k], arrays, parts) for k in fields})
    if "dict" in node:
        return {k: decode(v, arrays, parts) for k, v in node["dict"].items()}
    if "pairs" in node:
        return dict(decode(pair, arrays, parts) for pair in node["pairs"])
    if "tuple" in node:
        return tuple(decode(item, arrays, parts) for item in node["tuple"])
    return float(node["float"])


def _make(kind: Any, fields: dict[str, Any]) -> Any:
    """Return the object that is made of these."""
    if kind not in _SPARSE.values():
        return getattr(kind, "from_fields", kind)(**fields)
    values = fields["data"], fields["indices"], fields["offsets"]
    rows = kind(values, shape=fields["shape"])
    rows.check_format(full_check=True)
    return rows


def _decode_array(node: Any, arrays: Arrays) -> NDArray:
    if not _DTYPE.fullmatch(node["dtype"]):
        raise ValueError(f"arrays of dtype {node['dtype']!r} are not read")
    dtype = np.dtype(node["dtype"])
    flat = arrays[node["array"]]
    if flat.dtype != dtype and flat.dtype != np.uint8:
        raise ValueError(f"the array {node['array']!r} is of {flat.dtype!r}, not {dtype!r}")
    return flat.view(dtype).reshape(node["shape"], order=node["order"])
