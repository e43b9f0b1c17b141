"""Tables written to CSV, Parquet and Arrow files."""

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from numpy.typing import NDArray

from rmodels.data.formats.files import compression_of, format_of, separator_of
from rmodels.extras import require
from rmodels.files.writing import whole_file

__all__ = ["to_csv", "write_table"]

Columns = Mapping[str, NDArray]


def to_csv(batches: Iterable[Columns], separator: str = ",") -> Iterator[str]:
    """Yield the text of a CSV file; numbers are written so that they read back equal.

    Parameters
    ----------
    batches : iterable of dict of ndarray of shape (n,)
        Columns, the same in each.
    separator : str
        What parts the cells.
    """
    pyarrow, writer = require("pyarrow", "files"), require("pyarrow.csv", "files")
    for number, columns in enumerate(batches):
        buffer = io.BytesIO()
        options = writer.WriteOptions(include_header=not number, delimiter=separator)
        writer.write_csv(pyarrow.table(columns), buffer, options)
        yield buffer.getvalue().decode()


def write_table(path: str | os.PathLike[str], batches: Iterable[Columns]) -> None:
    """Write columns to a CSV, Parquet or Arrow file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        Its ending says the format, and of CSV the separator and the compression.
    batches : iterable of dict of ndarray of shape (n,)
        At least one; the same columns in each. They are written as they come.
    """
    name = Path(path).name
    kind = format_of(Path(path))
    pyarrow = require("pyarrow", "files")
    with whole_file(path) as file:
        if kind == "csv":
            packed = compression_of(name)
            opened = (
                pyarrow.CompressedOutputStream(_Unclosed(file), packed)
                if packed
                else nullcontext(file)
            )
            with opened as unpacked:
                for text in to_csv(batches, separator_of(name)):
                    unpacked.write(text.encode())
            return
        tables = map(pyarrow.table, batches)
        first = next(tables)
        if kind == "arrow":
            writing = require("pyarrow.ipc", "files").new_file(file, first.schema)
        else:
            writing = require("pyarrow.parquet", "files").ParquetWriter(file, first.schema)
        with writing as writer:
            for table in chain([first], tables):
                writer.write_table(table)


class _Unclosed:
    """A file that stays open when what writes to it is closed."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, part: bytes) -> int:
        return self._file.write(part)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        pass

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False
