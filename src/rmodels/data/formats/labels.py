"""Labels of classes: numbers or text, every one of which is there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.data.formats.columns import Column, plain
from rmodels.data.formats.csv import absent
from rmodels.extras import require

__all__ = ["columns_of", "first_missing", "labels_of", "typed"]


def labels_of(place: str, rows: Any, columns: Sequence[Column], as_text: bool) -> list[NDArray]:
    """Return columns of a batch, none of which may lack a value: numbers, or objects of text."""
    found = columns_of(rows, columns, as_text)
    for name, column in zip(columns, found, strict=True):
        fault = first_missing(column)
        if fault is not None:
            row, said = fault
            raise ValueError(f"{place}, row {row + 1} of the batch, column {name!r}: {said}")
    return found


def columns_of(rows: Any, columns: Sequence[Column], as_text: bool) -> list[NDArray]:
    """Return columns of a batch, which may lack values: numbers, or objects of text."""
    if isinstance(rows, np.ndarray):
        return [rows[:, int(name)].copy() for name in columns]  # a batch may be overwritten
    return [_label(rows.column(name), as_text) for name in columns]


def first_missing(column: NDArray) -> tuple[int, str] | None:
    """Return the first row where a label is not there, and what to say of it."""
    if column.dtype == object:
        lacks = np.array([value is None or value == "" for value in column], bool)
    else:
        lacks = ~np.isfinite(column) if column.dtype.kind == "f" else np.zeros(1, bool)
    if not lacks.any():
        return None
    row = int(lacks.argmax())
    infinite = column.dtype != object and np.isinf(column[row])
    return row, f"{column[row]} is not finite" if infinite else "missing value"


def _label(column: Any, as_text: bool) -> NDArray:
    pyarrow = require("pyarrow", "files")
    column = plain(column)
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
    if as_text:
        column = column.cast(pyarrow.string())
    elif pyarrow.types.is_decimal(column.type):
        column = column.cast(pyarrow.float64(), safe=False)
    found: NDArray = column.to_numpy(zero_copy_only=False)
    return found


def typed(texts: NDArray) -> tuple[NDArray, tuple[int, str] | None]:
    """Return the labels of a CSV column by their kind, and the first that is missing, if any.

    They are numbers if all that are there are finite numbers without leading zeros, else text as
    it is, where NA is a label like others.
    """
    pyarrow, compute = require("pyarrow", "files"), require("pyarrow.compute", "files")
    column = pyarrow.array(texts, pyarrow.string())
    missing = compute.is_in(column, pyarrow.array(absent()))
    numbers = _numbers(column.filter(compute.invert(missing)))
    if numbers is None:
        return texts, None
    row = compute.index(missing, True).as_py()
    return np.asarray(numbers), (row, "missing value") if row >= 0 else None


def _numbers(column: Any) -> Any:
    """Return text as whole numbers, else as finite numbers, else None."""
    pyarrow, compute = require("pyarrow", "files"), require("pyarrow.compute", "files")
    if compute.any(compute.match_substring_regex(column, r"^[+-]?0\d")).as_py():
        return None
    for dtype in (pyarrow.int64(), pyarrow.float64()):
        try:
            values = column.cast(dtype)
        except pyarrow.ArrowInvalid:
            continue
        return values if compute.all(compute.is_finite(values)).as_py() is not False else None
    return None
