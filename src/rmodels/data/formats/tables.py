"""Tables in CSV and Parquet files: columns of numbers and of labels, by name.

pyarrow reads whole columns. What it refuses in a CSV file is looked up again by Python's csv
module, which knows the lines, so that every error names the file, the line or row, and the column.
"""

import csv
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.extras import require
from rmodels.files.writing import whole_file

__all__ = ["DataFile", "check_format", "open_table", "to_csv", "typed", "write_table"]

Columns = Mapping[str, NDArray]

_BLOCK = 1 << 23  # bytes that pyarrow parses at a time: a row must fit
_RECORDS = 1 << 14  # rows that are looked up at a time
_FORMATS = (".csv", ".parquet")


class DataFile(ABC):
    """A table in a file.

    Attributes
    ----------
    path : Path
    names : list of str
        Of its columns.
    """

    def __init__(self, path: Path, names: list[str]) -> None:
        self.path = path
        self.names = names
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise ValueError(f"{path}: more than one column is named {name!r}")
            seen.add(name)

    @abstractmethod
    def _read(self, numbers: Sequence[str], labels: Sequence[str]) -> Any:
        """Return a pyarrow table: numbers as float64, labels as numbers or text; maybe null."""

    @abstractmethod
    def _not_finite(self, row: int, table: Any) -> str:
        """Return what to say of a row of a table, from 0, where a number is not finite."""

    @abstractmethod
    def _place(self, row: int) -> str:
        """Return what to call a row, from 0."""

    @abstractmethod
    def _typed(self, column: Any, name: str) -> Any:
        """Return labels as numbers if that is what they are."""

    def read(
        self, numbers: Sequence[str], labels: Sequence[str] = (), *, as_text: bool = False
    ) -> tuple[Any, list[NDArray]]:
        """Return columns, every value of which is there.

        Parameters
        ----------
        numbers : sequence of str
            Columns of finite numbers.
        labels : sequence of str
            Columns of numbers or text.
        as_text : bool, default=False
            Whether to return all labels as text.

        Returns
        -------
        numbers : pyarrow.Table
            Of float64 columns.
        labels : list of ndarray
            Numbers, or objects that are text. In a CSV file a column is of numbers if all are,
            without leading zeros.

        Raises
        ------
        ValueError
            If a column is not in the file, is asked for twice, there are no rows, or a value is
            missing, not finite or not a number; the message says where.
        """
        left = set(self.names)
        for name in (*numbers, *labels):
            if name in left:
                left.remove(name)
            elif name in self.names:
                raise ValueError(f"column {name!r} is asked for twice")
            else:
                raise ValueError(
                    f"{self.path}: no column {name!r}; it has {', '.join(map(repr, self.names))}"
                )
        table = self._read(numbers, labels)
        if not table.num_rows:
            raise ValueError(f"{self.path} has no rows")
        found = table.select(list(numbers))
        self._check_finite(found)
        return found, [self._labels(table[name], name, as_text) for name in labels]

    def _check_finite(self, table: Any) -> None:
        compute = require("pyarrow.compute", "files")
        finite = (compute.fill_null(compute.is_finite(each), False) for each in table.columns)
        rows = [row for each in finite if (row := compute.index(each, False).as_py()) >= 0]
        if rows:
            raise ValueError(self._not_finite(min(rows), table))

    def _labels(self, column: Any, name: str, as_text: bool) -> NDArray:
        pyarrow, compute = require("pyarrow", "files"), require("pyarrow.compute", "files")
        if pyarrow.types.is_string(column.type):
            self._check_present(compute.not_equal(column, ""), name)
        if not as_text:
            column = self._typed(column, name)
        if pyarrow.types.is_string(column.type) or as_text:
            self._check_present(column.is_valid(), name)
            return np.asarray(column.cast(pyarrow.string()).to_pylist(), dtype=object)
        self._check_finite(pyarrow.table({name: column}))
        return np.asarray(column)

    def _check_present(self, present: Any, name: str) -> None:
        compute = require("pyarrow.compute", "files")
        row = compute.index(present, False).as_py()
        if row >= 0:
            raise ValueError(f"{self.path}, {self._place(row)}, column {name!r}: missing value")


class _CSV(DataFile):
    """UTF-8 with a header, separated by commas."""

    def __init__(self, path: Path) -> None:
        names = next((record for _, record in self._records(path)), None)
        if names is None:
            raise ValueError(f"{path} is empty")
        super().__init__(path, names)

    @staticmethod
    def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
        """Yield the lines on which records begin, from 1, and the records; skip empty lines."""
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            line = 1
            try:
                for record in reader:
                    if record:
                        yield line, record
                    line = reader.line_num + 1
            except csv.Error as error:
                raise ValueError(f"{path}, line {line}: {error}") from error
            except UnicodeDecodeError as error:
                raise ValueError(_not_text(path)) from error

    def _read(self, numbers: Sequence[str], labels: Sequence[str]) -> Any:
        pyarrow, reader = require("pyarrow", "files"), require("pyarrow.csv", "files")
        types = {name: pyarrow.float64() for name in numbers}
        types |= {name: pyarrow.string() for name in labels}
        try:
            return reader.read_csv(
                self.path,
                reader.ReadOptions(block_size=_BLOCK),
                reader.ParseOptions(newlines_in_values=True),
                reader.ConvertOptions(column_types=types, include_columns=list(types)),
            )
        except pyarrow.ArrowInvalid as error:
            found = self._first_fault(numbers)
            raise ValueError(found or f"{self.path}: {error}") from error

    def _place(self, row: int) -> str:
        line, _ = next(islice(self._records(self.path), row + 1, None))
        return f"line {line}"

    def _not_finite(self, row: int, table: Any) -> str:
        fault = self._first_fault(table.column_names)
        return fault or f"{self.path}, {self._place(row)}: a value is not finite"

    def _typed(self, column: Any, name: str) -> Any:
        pyarrow, compute = require("pyarrow", "files"), require("pyarrow.compute", "files")
        absent = compute.is_in(column, pyarrow.array(_absent()))
        numbers = _numbers(column.filter(compute.invert(absent)))
        if numbers is None:
            return column
        self._check_present(compute.invert(absent), name)
        return numbers

    def _first_fault(self, numbers: Sequence[str]) -> str | None:
        """Return what is wrong with the first line that cannot be read, None if all can be."""
        chosen = set(numbers)
        places = {name: place for place, name in enumerate(self.names) if name in chosen}
        records = islice(self._records(self.path), 1, None)
        rows = 0
        while block := list(islice(records, _RECORDS)):
            rows += len(block)
            whole = [record for _, record in block if len(record) == len(self.names)]
            suspects = {
                name: place
                for name, place in places.items()
                if not _all_finite([record[place] for record in whole])
            }
            for line, record in block:
                if len(record) != len(self.names):
                    return (
                        f"{self.path}, line {line}: {len(record)} fields where the header has "
                        f"{len(self.names)}"
                    )
                for name, place in suspects.items():
                    if not _all_finite([record[place]]):
                        fault = _fault(record[place])
                        return f"{self.path}, line {line}, column {name!r}: {fault}"
        return None if rows else f"{self.path} has no rows"


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


def typed(texts: NDArray) -> NDArray:
    """Return the cells of a CSV column as numbers if all are, without leading zeros."""
    pyarrow = require("pyarrow", "files")
    found = _numbers(pyarrow.array(texts, pyarrow.string()))
    return texts if found is None else np.asarray(found)


def _absent() -> list[str]:
    """Return what pyarrow takes for a missing value."""
    absent: list[str] = require("pyarrow.csv", "files").ConvertOptions().null_values
    return absent


def _all_finite(texts: list[str]) -> bool:
    """Return whether all cells are finite numbers, by pyarrow's rules."""
    pyarrow = require("pyarrow", "files")
    stripped = pyarrow.array([text.strip(" \t") for text in texts], pyarrow.string())
    try:
        return bool(np.isfinite(np.asarray(stripped.cast(pyarrow.float64()))).all())
    except pyarrow.ArrowInvalid:
        return False


def _fault(text: str) -> str:
    """Return why a cell is not a finite number."""
    if text in _absent():
        return f"missing value ({text!r})" if text else "missing value"
    pyarrow = require("pyarrow", "files")
    try:
        pyarrow.scalar(text.strip(" \t")).cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        return f"{text!r} is not a number"
    return f"{text!r} is not finite"


def _not_text(path: Path) -> str:
    """Return which line is not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"{path}, line {number}: {line[error.start]:#04x} is not UTF-8 text"
    return f"{path} is not UTF-8 text"


class _Parquet(DataFile):
    def __init__(self, path: Path) -> None:
        pyarrow, parquet = require("pyarrow", "files"), require("pyarrow.parquet", "files")
        if not path.stat().st_size:
            raise ValueError(f"{path} is empty")
        try:
            self._schema = parquet.read_schema(path)
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"{path} is not a Parquet file: {error}") from error
        super().__init__(path, self._schema.names)

    def _read(self, numbers: Sequence[str], labels: Sequence[str]) -> Any:
        pyarrow, parquet = require("pyarrow", "files"), require("pyarrow.parquet", "files")
        asked = [*numbers, *labels]
        try:
            table = parquet.read_table(self.path, columns=asked)
        except (pyarrow.ArrowInvalid, OSError) as error:
            raise ValueError(f"{self.path} cannot be read: {error}") from error
        columns = [self._numbers(table[name], name) for name in numbers]
        columns += [self._texts(table[name], name) for name in labels]
        return pyarrow.table(columns, names=asked)

    def _numbers(self, column: Any, name: str) -> Any:
        pyarrow = require("pyarrow", "files")
        types = pyarrow.types
        kind = column.type
        if types.is_boolean(kind):
            column = column.cast(pyarrow.uint8())
        elif not (
            types.is_integer(kind)
            or types.is_floating(kind)
            or types.is_decimal(kind)
            or types.is_null(kind)
        ):
            first = "" if not len(column) else f"; row 1 is {column[0].as_py()!r}"
            raise ValueError(
                f"{self.path}, column {name!r}: numbers are needed, and it holds {kind}{first}"
            )
        return column.cast(pyarrow.float64(), safe=False)

    def _texts(self, column: Any, name: str) -> Any:
        pyarrow = require("pyarrow", "files")
        types = pyarrow.types
        if types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        kind = column.type
        if types.is_boolean(kind) or types.is_large_string(kind) or types.is_null(kind):
            return column.cast(pyarrow.string())
        if not (types.is_string(kind) or types.is_integer(kind) or types.is_floating(kind)):
            raise ValueError(
                f"{self.path}, column {name!r}: labels are text or numbers, and it holds {kind}"
            )
        return column

    def _place(self, row: int) -> str:
        return f"row {row + 1}"

    def _not_finite(self, row: int, table: Any) -> str:
        values = {name: table[name][row].as_py() for name in table.column_names}
        name = next(k for k, v in values.items() if v is None or not np.isfinite(v))
        fault = "missing value" if values[name] is None else f"{values[name]} is not finite"
        return f"{self.path}, {self._place(row)}, column {name!r}: {fault}"

    def _typed(self, column: Any, name: str) -> Any:
        return column


def check_format(path: str | os.PathLike[str]) -> str:
    """Return ".csv" or ".parquet", which the name of a table ends with.

    Raises
    ------
    ValueError
        If it ends with neither.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise ValueError(f"{path}: unknown format {suffix!r}: a table is a .csv or .parquet file")
    return suffix


def open_table(path: str | os.PathLike[str]) -> DataFile:
    """Open a table, and read the names of its columns.

    Parameters
    ----------
    path : str or path-like
        Of a CSV file (UTF-8, with a header, separated by commas) or a Parquet file.

    Returns
    -------
    DataFile

    Raises
    ------
    ValueError
        If the file is of neither format, is empty, or names a column twice.
    OSError
        If it cannot be read.
    """
    return _CSV(Path(path)) if check_format(path) == ".csv" else _Parquet(Path(path))


def to_csv(batches: Iterable[Columns]) -> Iterator[str]:
    """Yield the text of a CSV file; numbers are written so that they read back equal.

    Parameters
    ----------
    batches : iterable of dict of ndarray of shape (n,)
        Columns, the same in each.
    """
    pyarrow, writer = require("pyarrow", "files"), require("pyarrow.csv", "files")
    for number, columns in enumerate(batches):
        buffer = io.BytesIO()
        options = writer.WriteOptions(include_header=not number)
        writer.write_csv(pyarrow.table(columns), buffer, options)
        yield buffer.getvalue().decode()


def write_table(path: str | os.PathLike[str], batches: Iterable[Columns]) -> None:
    """Write columns to a CSV or Parquet file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
    batches : iterable of dict of ndarray of shape (n,)
        At least one; the same columns in each. They are written as they come.
    """
    suffix = check_format(path)
    pyarrow, parquet = require("pyarrow", "files"), require("pyarrow.parquet", "files")
    with whole_file(path) as file:
        if suffix == ".csv":
            for text in to_csv(batches):
                file.write(text.encode())
            return
        tables = map(pyarrow.table, batches)
        first = next(tables)
        with parquet.ParquetWriter(file, first.schema) as writer:
            for table in chain([first], tables):
                writer.write_table(table)
