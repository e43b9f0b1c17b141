"""Columns of tables: which types hold numbers or labels, and columns as arrays."""

import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.extras import require

__all__ = [
    "ENCODE",
    "Column",
    "as_column",
    "check_labels",
    "check_names",
    "check_numbers",
    "distinct",
    "dtype_of",
    "is_null",
    "is_number",
    "is_text",
    "matrix",
    "numbers_of",
    "plain",
    "plain_type",
]

Column = str | int

ENCODE = 'encode="onehot", in a shell --encode onehot, makes columns of 0 and 1 of text'


def as_column(value: Any) -> Any:
    """Return a column's number as one of Python's; what else there is as it is."""
    return int(value) if isinstance(value, np.integer) else value


def check_names(place: str, names: Container[Column], wanted: Sequence[Column]) -> None:
    """Raise an error if a column is not among the names of those that a place has."""
    for name in wanted:
        if name not in names:
            found = list(names)  # type: ignore[call-overload]
            known = f"it has {', '.join(map(repr, found))}" if len(found) <= 50 else ""
            above = ""
            if len(found) == 1 and (parts := re.findall(r"[;\t|,]", str(found[0]))):
                above = f". Its cells may be parted by {parts[0]!r}: separator=, or --separator"
            if f"{name}=" in place:
                above = (
                    ". What the names of folders say is a column below what is read: name the "
                    "folder above, as in a pattern"
                )
            raise ValueError(f"{place}: no column {name!r}; {known}".rstrip("; ") + above)


def distinct(names: Sequence[str], place: str) -> list[str]:
    """Return names, each of which there must be once."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{place}: more than one column is named {name!r}")
        seen.add(name)
    return list(names)


def check_numbers(
    place: str,
    types: Mapping[Column, Any],
    columns: Sequence[Column],
    encodable: Container[Column] = (),
) -> None:
    """Raise an error if a column's type, where it is known, is not one of numbers.

    It says how text can be encoded of those that are `encodable`.
    """
    for name in columns:
        if types[name] is not None and not is_number(types[name]):
            how = f": {ENCODE}" if name in encodable and is_text(types[name]) else ""
            raise ValueError(
                f"{place}, column {name!r}: numbers are needed, and it holds {types[name]}. Leave "
                f"the column out, or make numbers of it{how}"
            )


def check_labels(place: str, types: Mapping[Column, Any], columns: Sequence[Column]) -> None:
    """Raise an error if a column's type, where it is known, is neither of text nor of numbers."""
    for name in columns:
        if types[name] is not None and not (is_text(types[name]) or is_number(types[name])):
            raise ValueError(
                f"{place}, column {name!r}: labels are text or numbers, and it holds "
                f"{types[name]}. Make one of them of it"
            )


def plain_type(kind: Any) -> Any:
    """Return the type of what a type of Arrow encodes: of dictionaries, runs, and bool8."""
    pyarrow = require("pyarrow", "files")
    types = pyarrow.types
    if types.is_dictionary(kind) or _is_runs(kind):
        return plain_type(kind.value_type)
    if getattr(kind, "extension_name", None) == "arrow.bool8":
        return pyarrow.bool_()
    return pyarrow.string() if is_text(kind) else kind


def _is_runs(kind: Any) -> bool:
    return bool(require("pyarrow", "files").types.is_run_end_encoded(kind))


def is_text(kind: Any) -> bool:
    """Return whether values of a type are text, also as dictionaries."""
    types = require("pyarrow", "files").types
    if types.is_dictionary(kind) or _is_runs(kind):
        return is_text(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_number(kind: Any) -> bool:
    """Return whether values of a type are numbers; booleans are, and what is always missing."""
    types = require("pyarrow", "files").types
    kind = plain_type(kind)
    return bool(
        types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def is_null(kind: Any) -> bool:
    """Return whether all values of a type are missing."""
    return bool(require("pyarrow", "files").types.is_null(kind))


def dtype_of(types: Sequence[Any]) -> np.dtype:
    """Return float32 if all types of Arrow fit in it, else float64."""
    kinds = require("pyarrow", "files").types
    narrow = (kinds.is_float32(kind) or kinds.is_float16(kind) for kind in map(plain_type, types))
    return np.dtype(np.float32 if all(narrow) else np.float64)


def plain(column: Any) -> Any:
    """Return a column of Arrow, chunked or not, as one of its plain type."""
    pyarrow, compute = require("pyarrow", "files"), require("pyarrow.compute", "files")
    kind = column.type
    if _is_runs(kind):
        return plain(compute.run_end_decode(column))
    if pyarrow.types.is_dictionary(kind):
        if isinstance(column, pyarrow.ChunkedArray):
            chunks = [plain(chunk) for chunk in column.chunks]
            return pyarrow.chunked_array(chunks, plain_type(kind))
        values = plain(column.dictionary)  # whose views could not be taken
        return pyarrow.DictionaryArray.from_arrays(column.indices, values).dictionary_decode()
    wanted = plain_type(kind)
    return column if kind == wanted else column.cast(wanted)


def matrix(rows: Any, columns: Sequence[Column], dtype: np.dtype, room: NDArray) -> NDArray:
    """Return columns of a batch as an array: in `room`, column after column, if they fit there."""
    if isinstance(rows, np.ndarray):
        whole = list(columns) == list(range(rows.shape[1]))
        found: NDArray = np.array(rows if whole else rows[:, np.array(columns, np.intp)], dtype)
        return found
    shape = len(columns), rows.num_rows
    size = shape[0] * shape[1]
    held = (room[:size] if size <= room.size else np.empty(size, dtype)).reshape(shape)
    for place, name in enumerate(columns):
        held[place] = numbers_of(rows.column(name))
    return held.T


def numbers_of(column: Any) -> NDArray:
    """Return a column of numbers of Arrow as an array, NaN where one is missing."""
    pyarrow = require("pyarrow", "files")
    kinds = pyarrow.types
    if not (kinds.is_floating(column.type) or kinds.is_integer(column.type)):
        column = plain(column)
    if not (kinds.is_floating(column.type) or kinds.is_integer(column.type)):
        # booleans, decimals, and columns that are null
        column = column.cast(pyarrow.float64(), safe=False)
    found: NDArray = (
        column.to_numpy()
        if isinstance(column, pyarrow.ChunkedArray)
        else column.to_numpy(zero_copy_only=False)
    )
    return found
