"""Labels of classes: numbers, booleans or text, every one of which is there.

The columns of a CSV file have no types: its cells say what labels are. They are numbers if all that
are there are, without leading zeros; booleans if all are true or false; else text, as it stands. A
cell is missing if it is empty, and among numbers and booleans if it is NA, NaN or null, which among
text are words like others.
"""

from bisect import bisect
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.data.formats.cells import absent, all_finite, booleans, fault_of
from rmodels.data.formats.columns import Column, plain
from rmodels.data.formats.reader import Batch, Reader
from rmodels.data.labels import describe_mix
from rmodels.extras import require

__all__ = [
    "Compared",
    "check_present",
    "columns_of",
    "first_missing",
    "holds_text",
    "labels_of",
    "parse",
    "values_of",
]

Fault = tuple[int, str]


def labels_of(
    reader: Reader,
    batch: Batch,
    columns: Sequence[Column],
    as_text: bool,
    lacks: NDArray[np.bool_] | None = None,
    words: Collection[Column] = (),
) -> list[NDArray]:
    """Return columns of a batch as labels, none of which may be missing.

    What a CSV file has as text must be numbers or booleans, unless it is asked for `as_text`.

    Parameters
    ----------
    reader : Reader
    batch : Batch
    columns : sequence of str or int
    as_text : bool
    lacks : ndarray of shape (n_rows,), optional
        Where a row is marked, in place of an error, if a label is missing; what stands there as its
        label means nothing.
    words : collection of str
        Columns of a CSV file, read as text, in which NA, NaN and null are missing as well.
    """
    found = columns_of(batch.rows, columns, as_text)
    if lacks is not None:
        for place, name in enumerate(columns):
            number = not (as_text or reader.has_types) or name in words
            missing = _missing(reader, found[place], number and found[place].dtype == object)
            found[place] = _fill(found[place], missing)
            lacks |= missing
    for place, name in enumerate(columns):
        fault = first_missing(reader, found[place])
        if fault is None and not (as_text or reader.has_types) and found[place].dtype == object:
            found[place], fault = _convert(found[place])
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


def _missing(reader: Reader, column: NDArray, number: bool) -> NDArray[np.bool_]:
    """Return in which rows a label is missing; `number` is of cells that are no text."""
    if column.dtype == object:
        lacking = {None, *(() if reader.has_types else ("",)), *(absent() if number else ())}
        return np.fromiter((value in lacking for value in column), bool, len(column))
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)


def _fill(column: NDArray, missing: NDArray[np.bool_]) -> NDArray:
    """Return labels with one that is there in the place of those that are missing."""
    if not missing.any():
        return column
    there = column[~missing]
    stands: Any = there[0] if len(there) else "0" if column.dtype == object else 0
    return np.where(missing, np.array(stands, column.dtype), column)


def first_missing(reader: Reader, column: NDArray) -> Fault | None:
    """Return the first row where a label is not there, and what to say of it.

    Text may be empty where it is not a cell of CSV.
    """
    if column.dtype == object:
        lacking = (None,) if reader.has_types else (None, "")
        lacks = np.array([value in lacking for value in column], bool)
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


class Compared:
    """The cells of a CSV column, beside labels that are text.

    If all cells are numbers, or all are booleans, and none is one of the labels or like them, they
    are of another kind, and no misses.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
    """

    def __init__(self, labels: NDArray) -> None:
        self._labels = list(map(str, labels))
        self._have_numbers = any(_kind([label]) == "numbers" for label in self._labels)
        self._kinds: set[str] = set()
        self._cell = ""
        self._alike = False

    def add(self, cells: NDArray) -> None:
        """Take note of some cells."""
        if self._alike:
            return
        met = set(cells.tolist()) - {*absent()}
        if not met:
            return
        kind = _kind(sorted(met))
        self._kinds.add(kind)
        self._cell = self._cell or min(met)
        self._alike = (
            kind == "text"
            or (kind == "numbers" and self._have_numbers)
            or len(self._kinds) > 1
            or not met.isdisjoint(self._labels)
        )

    def fault(self) -> str | None:
        """Return what is wrong if all cells are of another kind."""
        if self._alike or not self._cell:
            return None
        (value,) = parse(np.array([self._cell], object))[0].tolist()
        return describe_mix(self._labels[0], value)


def _kind(cells: list[str]) -> str:
    """Return what the cells of a column, none of which is missing, are."""
    values, _ = parse(np.array(cells, object))
    return {"O": "text", "b": "booleans"}.get(values.dtype.kind, "numbers")


def parse(texts: NDArray) -> tuple[NDArray, Fault | None]:
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
    values, fault = parse(labels)
    if fault is None:
        return values
    pyarrow, compute = require("pyarrow", "files"), require("pyarrow.compute", "files")
    for batch in reader.batches([name], size, 0, [name]):
        missing = compute.is_in(batch.rows.column(str(name)), pyarrow.array(absent()))
        row = compute.index(missing, True).as_py()
        if row >= 0:
            check_present(reader, [batch], name, (row, fault[1]))
    raise ValueError(f"{reader.name}, column {name!r}: {fault[1]}")


def holds_text(cells: Sequence[str]) -> bool:
    """Return whether the cells of a CSV column are words, some of which may be missing."""
    return bool(parse(np.array(list(cells), object))[0].dtype == object)


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


def _convert(texts: NDArray) -> tuple[NDArray, Fault | None]:
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
