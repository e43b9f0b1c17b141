"""CSV files: UTF-8 with a header, separated by commas, tabs or another sign, maybe compressed.

pyarrow reads them in blocks. What it refuses is looked up again by Python's csv module, which knows
the lines, so that every error names the file, the line and the column.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from rmodels.config import get_config
from rmodels.data.formats.cells import (
    FALSE,
    TRUE,
    absent,
    all_boolean,
    all_finite,
    fault_of,
    reads_as_number,
)
from rmodels.data.formats.columns import ENCODE, Column, distinct
from rmodels.data.formats.files import compression_of, separator_of
from rmodels.data.formats.reader import Batch, Part, Reader, key_types, signature, with_keys
from rmodels.data.formats.remote import open_binary, size_of
from rmodels.extras import require

__all__ = ["CSVReader"]

_HEAD = 1000  # rows at the beginning in which the first cell that is there tells booleans
_CELLS = 1 << 18  # that are looked up at a time
_BLOCK_SHARE = 256  # of the memory limit that a block of text may take
_LEAST_BLOCK = 1 << 16  # bytes


@dataclass(frozen=True)
class _Text:
    """A file of text, maybe compressed, and what parts its cells."""

    place: Any
    separator: str

    def __str__(self) -> str:
        return str(self.place)

    def open(self) -> AbstractContextManager[tuple[Any, Any]]:
        """Open the file: as it is, and as text; see `open_binary`."""
        return open_binary(self.place, compression_of(self.place.name))


class CSVReader(Reader):
    """CSV files: columns are numbers or, if asked for as such, text."""

    has_types = False

    def __init__(
        self, places: list[Any], keys: Sequence[Mapping[str, Any]], separator: str | None = None
    ) -> None:
        self.name = str(places[0])
        self._paths = [_Text(place, separator or separator_of(place.name)) for place in places]
        types = key_types(keys)
        self.parts = []
        for path, told in zip(self._paths, keys, strict=True):
            found = _columns(path)
            added = {name: value for name, value in told.items() if name not in found}
            found |= {name: types[name] for name in added}
            self.parts.append(Part(str(path), found, keys=added))
        self.columns = list(self.parts[0].types)

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches; see `Reader.batches`."""
        # a thread that goes through them has other settings
        return self._batches(columns, size, start, texts, _block())

    def _batches(
        self,
        columns: Sequence[Column],
        size: int,
        start: int,
        texts: Sequence[Column],
        block: int,
    ) -> Iterator[Batch]:
        sizes = [size_of(path.place) for path in self._paths]
        for number, path in enumerate(self._paths):
            part = self.parts[number]
            with path.open() as (raw, file):
                row = 0
                for held in _gather(self._blocks(number, file, columns, texts, block), size):
                    if start > 0:
                        start -= held.num_rows
                    else:
                        done = (sum(sizes[:number]) + raw.tell()) / sum(sizes)
                        place = f"{path}, row {row + 1} and after"
                        given = with_keys(held, columns, part, texts)
                        yield Batch(place, given, done, part=number, row=row)
                    row += held.num_rows

    def _blocks(
        self,
        number: int,
        file: Any,
        columns: Sequence[Column],
        texts: Sequence[Column],
        size: int,
    ) -> Iterator[Any]:
        """Yield what pyarrow makes of the blocks of a file; say which line is at fault.

        It reads 32 blocks ahead, as text.
        """
        pyarrow, reader = require("pyarrow", "files"), require("pyarrow.csv", "files")
        part, path = self.parts[number], self._paths[number]
        stored = [name for name in columns if name not in part.keys]
        types = {name: part.types[name] or pyarrow.float64() for name in stored}
        types |= {name: pyarrow.string() for name in texts if name in types}
        if not stored:  # if none were named, all would be read
            stored = list(part.types)[:1]
            types = {stored[0]: pyarrow.string()}
        try:
            yield from reader.open_csv(
                file,
                reader.ReadOptions(block_size=size),
                reader.ParseOptions(newlines_in_values=True, delimiter=path.separator),
                reader.ConvertOptions(
                    column_types=types,
                    include_columns=stored,
                    true_values=TRUE,
                    false_values=FALSE,
                ),
            )
        except (pyarrow.ArrowInvalid, OSError) as error:
            if isinstance(error, OSError):
                raise ValueError(f"{path} cannot be read: {error}") from error
            numbers = [name for name in stored if name not in texts and name in columns]
            found = self._first_fault(number, numbers, size)
            if found is None and "block" in str(error):
                found = _first_long(path, size)
            raise ValueError(found or f"{path} cannot be read: {error}") from error

    def find_texts(self, columns: Sequence[Column]) -> list[Column]:
        """Return those of some columns that hold text; see `Reader.find_texts`.

        Those whose first cell that is there is neither a number nor true or false.
        """
        keys = super().find_texts(columns)
        left = [name for name in columns if self.parts[0].types[name] is None]
        texts = set(keys)
        lacking = [None, *absent()]
        for batch in self.batches(left, _HEAD, 0, left) if left else ():
            for name in list(left):
                cells = batch.rows.column(str(name)).to_pylist()
                cell = next((each for each in cells if each not in lacking), None)
                if cell is not None:
                    left.remove(name)
                    if not (all_boolean([cell]) or reads_as_number(cell)):
                        texts.add(name)
            if not left:
                break
        return [name for name in columns if name in texts]

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        """Return float32 or float64; see `Reader.dtype`."""
        return np.dtype(np.float64)

    def fault(self, batch: Batch, columns: Sequence[Column]) -> str | None:
        """Return what is wrong in the file of a batch; see `Reader.fault`."""
        return self._first_fault(batch.part, columns, _block())

    def _first_fault(self, number: int, numbers: Sequence[Column], longest: int) -> str | None:
        """Return what is wrong with the first line that cannot be read, None if all can be.

        A cell that is missing cannot, unless there may be gaps.
        """
        path, part = self._paths[number], self.parts[number]
        passed = set(absent()) if self.gaps else set()
        chosen = set(numbers)
        names = [name for name in part.types if name not in part.keys]
        places = {name: place for place, name in enumerate(names) if name in chosen}
        truths = {name for name in names if part.types[name] is not None}
        # where no cell is there so far: of text, if the next is
        vacant = {name for name in places if name in self.encodable and not number}
        records = islice(_records(path, longest), 1, None)
        rows = 0
        while block := list(islice(records, max(1, _CELLS // len(names)))):
            rows += len(block)
            whole = [record for _, record in block if len(record) == len(names)]
            suspects = {
                name: place
                for name, place in places.items()
                if not _all_right([record[place] for record in whole], name in truths, passed)
            }
            for line, record in block:
                if len(record) != len(names):
                    return (
                        f"{path}, line {line}: {len(record)} fields where the header has "
                        f"{len(names)}"
                    )
                for name, place in suspects.items():
                    cell = record[place]
                    if not _all_right([cell], name in truths, passed):
                        said = fault_of(cell, name in truths)
                        text = name in vacant and cell not in absent() and not reads_as_number(cell)
                        how = f". Leave the column out, or encode it: {ENCODE}" if text else ""
                        return f"{path}, line {line}, column {name!r}: {said}{how}"
                vacant -= {name for name in vacant if record[places[name]] not in passed}
        return None if rows else f"{path} has no rows"

    def at(self, batch: Batch, row: int) -> str:
        """Return what to call a row; see `Reader.at`."""
        path = self._paths[batch.part]
        line, _ = next(islice(_records(path, _block()), batch.row + row + 1, None))
        return f"{path}, line {line}"

    def state(self) -> str:
        """Return what changes if a file does; see `Reader.state`."""
        return signature([path.place for path in self._paths])


def _gather(blocks: Iterator[Any], size: int) -> Iterator[Any]:
    """Yield tables of `size` rows, and of what is left."""
    pyarrow = require("pyarrow", "files")
    held: list[Any] = []
    count = 0
    for block in blocks:
        first = 0
        while count + block.num_rows - first >= size:
            held.append(block.slice(first, size - count))
            first += size - count
            yield pyarrow.Table.from_batches(held)
            held, count = [], 0
        if first < block.num_rows:
            held.append(block.slice(first))
            count += block.num_rows - first
    if held:
        yield pyarrow.Table.from_batches(held)


def _block() -> int:
    """Return the bytes of a block of text."""
    limit: int = get_config()["memory_limit"]
    return max(_LEAST_BLOCK, limit // _BLOCK_SHARE)


def _columns(path: _Text) -> dict[Column, Any]:
    """Return the names of the columns of a file, and the type of those that begin as booleans."""
    records = (record for _, record in _records(path, _block()))
    names = next(records, None)
    if names is None:
        raise ValueError(f"{path} is empty")
    found: dict[Column, Any] = dict.fromkeys(distinct(names, str(path)))
    boolean = require("pyarrow", "files").bool_()
    left, lacking = dict(enumerate(names)), set(absent())
    for record in islice(records, _HEAD):
        cells = {place: cell for place, cell in enumerate(record[: len(names)]) if place in left}
        there = {place: cell for place, cell in cells.items() if cell not in lacking}
        found |= {left[place]: boolean for place, cell in there.items() if all_boolean([cell])}
        left = {place: name for place, name in left.items() if place not in there}
        if not left:
            break
    return found


def _records(path: _Text, longest: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines on which records begin, from 1, and the records; skip empty lines.

    A cell must not be longer than a block of text.
    """
    with path.open() as (_, unpacked):
        file = io.TextIOWrapper(unpacked, encoding="utf-8-sig", newline="")
        reader = csv.reader(file, delimiter=path.separator)
        line = 1
        try:
            while (record := _next(reader, longest)) is not None:
                if record:
                    yield line, record
                line = reader.line_num + 1
        except csv.Error as error:
            long = "field limit" in str(error)
            said = _too_long(path, line, longest) if long else f"{path}, line {line}: {error}"
            raise ValueError(said) from error
        except UnicodeDecodeError as error:
            raise ValueError(_not_text(path)) from error
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error}") from error


def _next(reader: Iterator[list[str]], longest: int) -> list[str] | None:
    """Return the next record, with a limit for cells that is else one for all of Python."""
    before = csv.field_size_limit(longest)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def _too_long(path: _Text, line: int, size: int) -> str:
    return (
        f"{path}, line {line}: what begins here is longer than a block of {size} bytes. Raise "
        "memory_limit, of which that is a share, if no quote is left open"
    )


def _first_long(path: _Text, size: int) -> str | None:
    """Return what to say of the first row that is longer than a block."""
    for line, record in _records(path, size):
        if sum(len(cell.encode()) + 1 for cell in record) > size:
            return _too_long(path, line, size)
    return None


def _all_right(texts: list[str], truths: bool, passed: set[str]) -> bool:
    """Return whether all cells, but for those that are passed by, are booleans or finite."""
    texts = [text for text in texts if text not in passed] if passed else texts
    return all_boolean(texts) if truths else all_finite(texts)


def _not_text(path: _Text) -> str:
    """Return which line is not UTF-8."""
    with path.open() as (_, unpacked), io.BufferedReader(unpacked) as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"{path}, line {number}: {line[error.start]:#04x} is not UTF-8 text"
    return f"{path} is not UTF-8 text"
