"""Tables written to CSV and Parquet files."""

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from numpy.typing import NDArray

from rmodels.data.formats.files import format_of
from rmodels.extras import require
from rmodels.files.writing import whole_file

__all__ = ["to_csv", "write_table"]

Columns = Mapping[str, NDArray]


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
    kind = format_of(Path(path))
    pyarrow, parquet = require("pyarrow", "files"), require("pyarrow.parquet", "files")
    with whole_file(path) as file:
        if kind == "csv":
            for text in to_csv(batches):
                file.write(text.encode())
            return
        tables = map(pyarrow.table, batches)
        first = next(tables)
        with parquet.ParquetWriter(file, first.schema) as writer:
            for table in chain([first], tables):
                writer.write_table(table)
