"""Readers of files, datasets, arrays and functions: batches of rows, and where they are from.

Every error names the file and row group, line or batch that it comes from.
"""

import glob
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmodels.extras import require

__all__ = [
    "Batch",
    "Column",
    "Reader",
    "check_names",
    "files_of",
    "labels_of",
    "matrix",
    "reader_of",
]

Column = str | int

_FORMATS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}


class Batch(NamedTuple):
    """Some rows: where they are from, a table or array, and the share of all rows with them.

    What is asked for as labels stands apart, (rows, columns), when the rows have become an array.
    """

    place: str
    rows: Any
    done: float | None
    labels: NDArray | None = None


class Reader(ABC):
    """A source of batches.

    Attributes
    ----------
    name : str
    columns : list of str, or range
        Names, or numbers if they have none.
    has_types : bool
        Whether columns have types; else text may be numbers.
    """

    has_types = True
    name: str
    columns: Sequence[Column]

    @abstractmethod
    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches of at most `size` rows with at least some columns, from row `start` on.

        A `start` other than 0 is where a batch of the same size began. The columns of a file
        without types are numbers, but for `texts`.
        """

    @abstractmethod
    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        """Return float32 if all columns fit in it, else float64."""

    def check(self, numbers: Sequence[Column], labels: Sequence[Column] = ()) -> None:
        """Raise an error if a column is not everywhere, or is known not to hold numbers."""
        check_names(self.name, self.columns, [*numbers, *labels])

    def fault(self, place: str, columns: Sequence[Column]) -> str | None:
        """Return what is wrong with a file's text, where that is known better than by rows."""
        return None

    def state(self) -> str:
        """Return what changes if the source does."""
        raise ValueError("a checkpoint needs files")


class _Parquet(Reader):
    """Parquet files, row group by row group."""

    def __init__(self, paths: list[Path]) -> None:
        parquet = require("pyarrow.parquet", "files")
        self.name = str(paths[0])
        self._paths = paths
        self._metadata = []
        for path in paths:
            with _reading(str(path)):
                if not path.stat().st_size:
                    raise ValueError(f"{path} is empty")
                self._metadata.append(parquet.read_metadata(path))
        self._schemas = [metadata.schema.to_arrow_schema() for metadata in self._metadata]
        self.columns = _distinct(self._schemas[0].names, self.name)

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        parquet = require("pyarrow.parquet", "files")
        total = sum(metadata.num_rows for metadata in self._metadata)
        first = 0
        for path, metadata in zip(self._paths, self._metadata, strict=True):
            with _reading(str(path)):
                file = parquet.ParquetFile(
                    path,
                    metadata=metadata,
                    pre_buffer=False,
                    buffer_size=1 << 16,
                    page_checksum_verification=True,
                )
            with file:
                for group in range(metadata.num_row_groups):
                    rows = metadata.row_group(group).num_rows
                    place = f"{path}, row group {group + 1} of {metadata.num_row_groups}"
                    if first + rows > start:
                        found = file.iter_batches(size, row_groups=[group], columns=list(columns))
                        row = first
                        for batch in _named(found, place):
                            row += batch.num_rows
                            if row > start:
                                yield Batch(place, batch, row / total)
                    first += rows

    def check(self, numbers: Sequence[Column], labels: Sequence[Column] = ()) -> None:
        for path, schema in zip(self._paths, self._schemas, strict=True):
            _check_schema(str(path), schema, numbers, labels)

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        types = [schema.field(name).type for schema in self._schemas for name in columns]
        return _dtype(types)

    def state(self) -> str:
        return _state(self._paths)


class _CSV(Reader):
    """CSV files (UTF-8, with a header, separated by commas)."""

    has_types = False

    def __init__(self, paths: list[Path]) -> None:
        from rmodels.data.formats.tables import open_table

        self.name = str(paths[0])
        self._paths = paths
        self._headers = [open_table(path).names for path in paths]
        self.columns = self._headers[0]

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        pyarrow, reader = require("pyarrow", "files"), require("pyarrow.csv", "files")
        sizes = [path.stat().st_size for path in self._paths]
        for number, path in enumerate(self._paths):
            with path.open("rb") as file, _reading(str(path)):
                stream = reader.open_csv(
                    file,
                    reader.ReadOptions(block_size=max(1 << 16, 8 * size * max(1, len(columns)))),
                    reader.ParseOptions(newlines_in_values=True),
                    reader.ConvertOptions(
                        column_types={
                            name: pyarrow.string() if name in texts else pyarrow.float64()
                            for name in columns
                        },
                        include_columns=list(columns),
                    ),
                )
                row = 0
                for batch in _named(stream, str(path)):
                    done = (sum(sizes[:number]) + file.tell()) / sum(sizes)
                    for first in range(0, batch.num_rows, size):
                        piece = batch.slice(first, size)
                        if start > 0:
                            start -= piece.num_rows
                        else:
                            yield Batch(f"{path}, row {row + first + 1} and after", piece, done)
                    row += batch.num_rows

    def check(self, numbers: Sequence[Column], labels: Sequence[Column] = ()) -> None:
        for path, names in zip(self._paths, self._headers, strict=True):
            check_names(str(path), names, [*numbers, *labels])

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        return np.dtype(np.float64)

    def fault(self, place: str, columns: Sequence[Column]) -> str | None:
        from rmodels.data.formats.tables import open_table

        for path in self._paths:
            if place.startswith(str(path)):
                return open_table(path)._first_fault(columns)  # type: ignore[attr-defined]
        return None

    def state(self) -> str:
        return _state(self._paths)


class _Dataset(Reader):
    """A pyarrow dataset, with its filters of columns but for each fragment."""

    def __init__(self, dataset: Any) -> None:
        self.name = "the dataset"
        self._dataset = dataset
        self.columns = _distinct(dataset.schema.names, self.name)

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        places = []
        for fragment in self._dataset.get_fragments():
            path = getattr(fragment, "path", "") or "a fragment in memory"
            if getattr(fragment, "row_groups", None):
                groups = fragment.split_by_row_group()
                places += [
                    (f"{path}, row group {i + 1} of {len(groups)}", group)
                    for i, group in enumerate(groups)
                ]
            else:
                places.append((path, fragment))
        for number, (place, fragment) in enumerate(places):
            found = fragment.to_batches(
                schema=self._dataset.schema,
                columns=list(columns),
                batch_size=size,
                batch_readahead=1,
                fragment_readahead=1,
            )
            for batch in _named(found, place):
                if start > 0:
                    start -= batch.num_rows
                elif batch.num_rows:
                    yield Batch(place, batch, (number + 1) / len(places))

    def check(self, numbers: Sequence[Column], labels: Sequence[Column] = ()) -> None:
        _check_schema(self.name, self._dataset.schema, numbers, labels)
        datasets = require("pyarrow.dataset", "files")
        for fragment in self._dataset.get_fragments():
            path = getattr(fragment, "path", "") or "a fragment in memory"
            with _reading(path):
                schema = fragment.physical_schema
            keys = datasets.get_partition_keys(fragment.partition_expression)
            numbers_there, labels_there = (
                [name for name in names if name not in keys] for names in (numbers, labels)
            )
            _check_schema(path, schema, numbers_there, labels_there)

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        return _dtype([self._dataset.schema.field(name).type for name in columns])

    def state(self) -> str:
        files = getattr(self._dataset, "files", None)
        if files is None:
            raise ValueError("a checkpoint needs files")
        return _state([Path(file) for file in files])


class _Array(Reader):
    """An array, such as one of numpy.memmap: its columns are numbered."""

    def __init__(self, array: NDArray) -> None:
        if array.ndim != 2 or array.dtype.kind not in "biuf":
            raise ValueError(
                f"an array of two dimensions and of numbers is needed; got {array.ndim} "
                f"dimensions of {array.dtype}"
            )
        self.name = "the array"
        self._array = array
        self.columns = range(array.shape[1])

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        n = len(self._array)
        for first in range(start, n, size):
            last = min(first + size, n)
            yield Batch(f"rows {first} to {last - 1}", self._array[first:last], last / n)

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        return np.dtype(np.float32 if self._array.dtype == np.float32 else np.float64)


class _Calls(Reader):
    """What a function gives when it is called: an iterable of batches, anew for each pass."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.name = "the batches"
        self._function = function
        first = next(iter(function()), None)
        if first is None:
            raise ValueError("the function gives no batches")
        self._first = first if isinstance(first, np.ndarray) else _table(first)
        self.columns = (
            range(self._first.shape[1])
            if isinstance(self._first, np.ndarray)
            else _distinct(self._first.column_names, self.name)
        )

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        dtype = self.dtype(columns)
        for number, given in enumerate(self._function(), 1):
            place = f"batch {number}"
            if isinstance(given, np.ndarray):
                check_names(place, range(given.shape[1]), columns)
                if np.result_type(given.dtype, dtype) != dtype:
                    raise ValueError(f"{place} is of {given.dtype}, wider than the first: {dtype}")
                for first in range(0, len(given), size):
                    yield Batch(place, given[first : first + size], None)
            else:
                table = _table(given)
                check_names(place, table.schema.names, columns)
                _check_schema(place, table.schema, self._numbers(columns))
                for first in range(0, table.num_rows, size):
                    yield Batch(place, table.slice(first, size), None)

    def _numbers(self, columns: Sequence[Column]) -> Sequence[Column]:
        """Return those that hold numbers in the first batch."""
        if isinstance(self._first, np.ndarray):
            return columns
        fields = self._first.schema
        return [name for name in columns if _is_number(fields.field(name).type)]

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        if isinstance(self._first, np.ndarray):
            return np.dtype(np.float32 if self._first.dtype == np.float32 else np.float64)
        return _dtype([self._first.schema.field(name).type for name in columns])


@contextmanager
def _reading(place: str) -> Iterator[None]:
    """Have what cannot be read named."""
    pyarrow = require("pyarrow", "files")
    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{place} cannot be read: {error}") from error


def _named(batches: Any, place: str) -> Iterator[Any]:
    """Yield batches; name the place of what cannot be read."""
    batches = iter(batches)
    while True:
        with _reading(place):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _distinct(names: list[str], place: str) -> list[Column]:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ValueError(f"{place}: more than one column is named {name!r}")
    return list(names)


def _table(batch: Any) -> Any:
    pyarrow = require("pyarrow", "files")
    if isinstance(batch, pyarrow.Table):
        return batch
    if isinstance(batch, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([batch])
    return pyarrow.table(batch)


def _state(paths: list[Path]) -> str:
    facts = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def check_names(place: str, names: Sequence[Column], wanted: Sequence[Column]) -> None:
    """Raise an error if a column is not among the names of those that a place has."""
    for name in wanted:
        if name not in names:
            known = f"it has {', '.join(map(repr, names))}" if len(names) <= 50 else ""
            raise ValueError(f"{place}: no column {name!r}; {known}".rstrip("; "))


def _check_schema(
    place: str, schema: Any, numbers: Sequence[Column], labels: Sequence[Column] = ()
) -> None:
    check_names(place, schema.names, [*numbers, *labels])
    for name in numbers:
        kind = schema.field(name).type
        if not _is_number(kind):
            raise ValueError(f"{place}, column {name!r}: numbers are needed, and it holds {kind}")


def _is_number(kind: Any) -> bool:
    types = require("pyarrow", "files").types
    return bool(
        types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def _dtype(types: list[Any]) -> np.dtype:
    kinds = require("pyarrow", "files").types
    narrow = all(kinds.is_float32(kind) or kinds.is_float16(kind) for kind in types)
    return np.dtype(np.float32 if narrow else np.float64)


def labels_of(place: str, rows: Any, columns: Sequence[Column], as_text: bool) -> list[NDArray]:
    """Return columns of a batch, none of which may lack a value: numbers, or objects of text."""
    if isinstance(rows, np.ndarray):
        found = [rows[:, int(name)].copy() for name in columns]  # a batch may be overwritten
    else:
        found = [_label(rows.column(name), as_text) for name in columns]
    for name, column in zip(columns, found, strict=True):
        if column.dtype == object:
            absent = np.array([value is None or value == "" for value in column])
        else:
            absent = ~np.isfinite(column) if column.dtype.kind == "f" else np.zeros(1, bool)
        if absent.any():
            row = int(absent.argmax())
            infinite = column.dtype != object and np.isinf(column[row])
            fault = f"{column[row]} is not finite" if infinite else "missing value"
            raise ValueError(f"{place}, row {row + 1} of the batch, column {name!r}: {fault}")
    return found


def _label(column: Any, as_text: bool) -> NDArray:
    pyarrow = require("pyarrow", "files")
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if as_text:
        column = column.cast(pyarrow.string())
    found: NDArray = column.to_numpy(zero_copy_only=False)
    return found


def matrix(rows: Any, columns: Sequence[Column], dtype: np.dtype, room: NDArray) -> NDArray:
    """Return columns of a batch as an array: in `room`, column after column, if they fit there."""
    if isinstance(rows, np.ndarray):
        whole = list(columns) == list(range(rows.shape[1]))
        found: NDArray = np.array(rows if whole else rows[:, np.array(columns)], dtype)
        return found
    pyarrow = require("pyarrow", "files")
    kinds = pyarrow.types
    shape = len(columns), rows.num_rows
    size = shape[0] * shape[1]
    held = (room[:size] if size <= room.size else np.empty(size, dtype)).reshape(shape)
    for place, name in enumerate(columns):
        column = rows.column(name)
        if not (kinds.is_floating(column.type) or kinds.is_integer(column.type)):
            # booleans, decimals, and columns that are null
            column = column.cast(pyarrow.float64(), safe=False)
        held[place] = (
            column.to_numpy()
            if isinstance(column, pyarrow.ChunkedArray)
            else column.to_numpy(zero_copy_only=False)
        )
    return held.T


def reader_of(source: Any) -> Reader:
    """Return what reads a source; `rmodels.scan` says which there are."""
    if isinstance(source, np.ndarray):
        return _Array(source)
    if callable(source):
        return _Calls(source)
    if hasattr(source, "get_fragments"):
        return _Dataset(source)
    given = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    paths = [path for each in given for path in files_of(each)]
    formats = {_FORMATS.get(path.suffix.lower()) for path in paths}
    if formats == {"parquet"}:
        return _Parquet(paths)
    if formats == {"csv"}:
        return _CSV(paths)
    raise ValueError(f"{paths[0]} and the others must be of one format: all Parquet or all CSV")


def files_of(source: str | os.PathLike[str]) -> list[Path]:
    """Return the files that a path, folder or pattern names, sorted."""
    path = Path(source)
    if path.is_dir():
        found = [each for each in sorted(path.rglob("*")) if each.suffix.lower() in _FORMATS]
    elif path.suffix.lower() not in _FORMATS and not glob.has_magic(str(source)):
        raise ValueError(
            f"{path}: unknown format {path.suffix!r}: a table is a .csv or .parquet file"
        )
    elif path.exists():
        return [path]
    else:
        found = [Path(each) for each in sorted(glob.glob(str(source), recursive=True))]
        found = [each for each in found if each.suffix.lower() in _FORMATS]
        if not found and not glob.has_magic(str(source)):
            raise FileNotFoundError(f"[Errno 2] No such file or directory: {str(source)!r}")
    if not found:
        raise ValueError(f"{source}: there is no Parquet or CSV file")
    return found
