"""Labels of classes: numbers, booleans or text, every one of which is there.

The columns of a CSV file have no types: its cells say what labels are. They are numbers if all that
are there are, without leading zeros; booleans if all are true or false; else text, as it stands. A
cell is missing if it is empty, and among numbers and booleans if it is NA, NaN or null, which among
text are words like others.
"""

from bisect import bisect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.data.formats.cells import absent, all_finite, booleans, fault_of
from rmodels.data.formats.columns import Column, plain
from rmodels.data.formats.reader import Batch, Reader
from rmodels.extras import require

__all__ = ["check_present", "columns_of", "first_missing", "labels_of", "typed", "values_of"]

Fault = tuple[int, str]


def labels_of(
    reader: Reader, batch: Batch, columns: Sequence[Column], as_text: bool
) -> list[NDArray]:
    """Return columns of a batch as labels, none of which may be missing.

    What a CSV file has as text must be numbers or booleans, unless it is asked for `as_text`.
    """
    found = columns_of(batch.rows, columns, as_text)
    for place, name in enumerate(columns):
        fault = first_missing(found[place])
        if fault is None and not (as_text or reader.has_types) and found[place].dtype == object:
            found[place], fault = _parsed(found[place])
        check_present(reader, [batch], name, fault)
    return found


def columns_of(rows: Any, columns: Sequence[Column], as_text: bool) -> list[NDArray]:
    """Return columns of a batch, which may lack values: numbers, or objects of text."""
    if isinstance(rows, np.ndarray):
        return [rows[:, int(name)].copy() for name in columns]  # a batch may be overwritten
    return [_column(rows.column(name), as_text) for name in columns]


def _column(column: Any, as_text: bool) -> NDArray:
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


def first_missing(column: NDArray) -> Fault | None:
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


def check_present(
    reader: Reader, batches: Sequence[Batch], name: Column, fault: Fault | None
) -> None:
    """Raise an error about a label at fault, in a row of some batches one after the other."""
    if fault is None:
        return
    row, said = fault
    for batch in batches:
        if row < len(batch.rows):
            raise ValueError(f"{reader.at(batch, row)}, column {name!r}: {said}")
        row -= len(batch.rows)


def typed(texts: NDArray) -> tuple[NDArray, Fault | None]:
    """Return the labels of a CSV column by their kind, and the first that is missing, if any."""
    pyarrow, compute = require("pyarrow", "files"), require("pyarrow.compute", "files")
    column = pyarrow.array(texts, pyarrow.string())
    missing = compute.is_in(column, pyarrow.array(absent()))
    there = column.filter(compute.invert(missing))
    values = _numbers(there)
    if values is None:
        values = booleans(there)
    if values is None:
        return texts, None
    row = compute.index(missing, True).as_py()
    return np.asarray(values), (row, "missing value") if row >= 0 else None


def values_of(reader: Reader, name: Column, labels: NDArray, size: int) -> NDArray:
    """Return what the labels that there are in a column stand for, as the cells of CSV say.

    Where one is missing, the first is looked up in batches of a size.
    """
    if reader.has_types:
        return labels
    values, fault = typed(labels)
    if fault is None:
        return values
    pyarrow, compute = require("pyarrow", "files"), require("pyarrow.compute", "files")
    for batch in reader.batches([name], size, 0, [name]):
        missing = compute.is_in(batch.rows.column(str(name)), pyarrow.array(absent()))
        row = compute.index(missing, True).as_py()
        if row >= 0:
            check_present(reader, [batch], name, (row, fault[1]))
    raise ValueError(f"{reader.name}, column {name!r}: {fault[1]}")


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


def _parsed(texts: NDArray) -> tuple[NDArray, Fault | None]:
    """Return cells as finite numbers or as booleans, and the first that is neither, if any."""
    pyarrow, compute = require("pyarrow", "files"), require("pyarrow.compute", "files")
    column = pyarrow.array(texts, pyarrow.string())
    missing = compute.index(compute.is_in(column, pyarrow.array(absent())), True).as_py()
    if missing >= 0:
        return texts, (missing, fault_of(texts[missing]))
    values = booleans(column)
    if values is not None:
        return np.asarray(values), None
    cells = texts.tolist()
    if all_finite(cells):
        stripped = compute.utf8_trim(column, " \t")
        return np.asarray(stripped.cast(pyarrow.float64())), None
    row = bisect(range(len(cells)), 0, key=lambda last: not all_finite(cells[: last + 1]))
    return texts, (row, fault_of(cells[row]))
