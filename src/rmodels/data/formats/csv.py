"""CSV files: UTF-8 with a header, separated by commas.

pyarrow reads them in blocks. What it refuses is looked up again by Python's csv module, which knows
the lines, so that every error names the file, the line and the column.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rmodels.data.formats.columns import Column, distinct
from rmodels.data.formats.reader import Batch, Part, Reader, signature
from rmodels.extras import require

__all__ = ["CSVReader", "absent"]

_CELLS = 1 << 18  # that are looked up at a time


class CSVReader(Reader):
    """CSV files: columns are numbers or, if asked for as such, text."""

    has_types = False

    def __init__(self, paths: list[Path]) -> None:
        self.name = str(paths[0])
        self._paths = paths
        self._headers = [_header(path) for path in paths]
        self.parts = [
            Part(str(path), dict.fromkeys(names))
            for path, names in zip(paths, self._headers, strict=True)
        ]
        self.columns = self._headers[0]

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches; see `Reader.batches`."""
        sizes = [path.stat().st_size for path in self._paths]
        for part, path in enumerate(self._paths):
            with path.open("rb") as file:
                row = 0
                for batch in self._stream(path, file, columns, size, texts):
                    done = (sum(sizes[:part]) + file.tell()) / sum(sizes)
                    for first in range(0, batch.num_rows, size):
                        piece = batch.slice(first, size)
                        if start > 0:
                            start -= piece.num_rows
                        else:
                            place = f"{path}, row {row + first + 1} and after"
                            yield Batch(place, piece, done, part=part, row=row + first)
                    row += batch.num_rows

    def _stream(
        self,
        path: Path,
        file: Any,
        columns: Sequence[Column],
        size: int,
        texts: Sequence[Column],
    ) -> Iterator[Any]:
        """Yield what pyarrow makes of the blocks of a file; say which line is at fault."""
        pyarrow, reader = require("pyarrow", "files"), require("pyarrow.csv", "files")
        types = {name: pyarrow.string() if name in texts else pyarrow.float64() for name in columns}
        try:
            yield from reader.open_csv(
                file,
                reader.ReadOptions(block_size=max(1 << 16, 8 * size * max(1, len(columns)))),
                reader.ParseOptions(newlines_in_values=True),
                reader.ConvertOptions(column_types=types, include_columns=list(columns)),
            )
        except pyarrow.ArrowInvalid as error:
            names = self._headers[self._paths.index(path)]
            found = _first_fault(path, names, [name for name in columns if name not in texts])
            raise ValueError(found or f"{path} cannot be read: {error}") from error

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        """Return float32 or float64; see `Reader.dtype`."""
        return np.dtype(np.float64)

    def fault(self, place: str, columns: Sequence[Column]) -> str | None:
        """Return what is wrong with the text of a file; see `Reader.fault`."""
        for path, names in zip(self._paths, self._headers, strict=True):
            if place.startswith((f"{path},", f"{path}:", f"{path} ")):
                return _first_fault(path, names, columns)
        return None

    def at(self, batch: Batch, row: int) -> str:
        """Return what to call a row; see `Reader.at`."""
        path = self._paths[batch.part]
        line, _ = next(islice(_records(path), batch.row + row + 1, None))
        return f"{path}, line {line}"

    def state(self) -> str:
        """Return what changes if a file does; see `Reader.state`."""
        return signature(self._paths)


def _header(path: Path) -> list[str]:
    """Return the names of the columns of a file."""
    names = next((record for _, record in _records(path)), None)
    if names is None:
        raise ValueError(f"{path} is empty")
    return distinct(names, str(path))


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


def _first_fault(path: Path, names: Sequence[str], numbers: Sequence[Column]) -> str | None:
    """Return what is wrong with the first line that cannot be read, None if all can be."""
    chosen = set(numbers)
    places = {name: place for place, name in enumerate(names) if name in chosen}
    records = islice(_records(path), 1, None)
    rows = 0
    while block := list(islice(records, max(1, _CELLS // len(names)))):
        rows += len(block)
        whole = [record for _, record in block if len(record) == len(names)]
        suspects = {
            name: place
            for name, place in places.items()
            if not _all_finite([record[place] for record in whole])
        }
        for line, record in block:
            if len(record) != len(names):
                return (
                    f"{path}, line {line}: {len(record)} fields where the header has {len(names)}"
                )
            for name, place in suspects.items():
                if not _all_finite([record[place]]):
                    return f"{path}, line {line}, column {name!r}: {_fault(record[place])}"
    return None if rows else f"{path} has no rows"


def absent() -> list[str]:
    """Return what pyarrow takes for a missing value."""
    found: list[str] = require("pyarrow.csv", "files").ConvertOptions().null_values
    return found


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
    if text in absent():
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
