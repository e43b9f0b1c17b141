"""Datasets of pyarrow, read fragment by fragment; tables and data frames in memory."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rmodels.data.formats.columns import (
    Column,
    check_labels,
    check_names,
    check_numbers,
    dtype_of,
)
from rmodels.data.formats.files import keys_between
from rmodels.data.formats.reader import (
    Batch,
    Part,
    Reader,
    name_each,
    name_unreadable,
    part_of,
    signature,
)
from rmodels.data.formats.remote import Remote
from rmodels.extras import require

__all__ = ["DatasetReader", "TableReader", "is_frame", "names_of", "table_of"]

_FRAMES = {
    ("pandas", "DataFrame"),
    ("polars", "DataFrame"),
    ("pyarrow", "RecordBatch"),
    ("pyarrow", "Table"),
}


class DatasetReader(Reader):
    """A pyarrow dataset."""

    def __init__(self, dataset: Any, name: str = "the dataset") -> None:
        self.name = name
        self._dataset = dataset
        self._schema = part_of(self.name, dataset.schema)
        self.columns = list(self._schema.types)
        try:
            self._fragments = list(dataset.get_fragments())
        except ValueError as error:  # what was filtered has none
            raise ValueError(
                "a dataset with a filter cannot be read: give a function that gives its batches, "
                "such as lambda: dataset.to_batches()"
            ) from error
        paths = [Path(getattr(fragment, "path", "")) for fragment in self._fragments]
        keys = keys_between(paths, _common(paths))
        self.parts = [
            self._part(fragment, told) for fragment, told in zip(self._fragments, keys, strict=True)
        ] or [self._schema]

    def _part(self, fragment: Any, told: Mapping[str, Any]) -> Part:
        """Return what a fragment has: columns, and keys by the dataset or as folders say them."""
        datasets = require("pyarrow.dataset", "files")
        place = getattr(fragment, "path", "") or "a fragment in memory"
        with name_unreadable(place):
            schema = fragment.physical_schema
        keys = datasets.get_partition_keys(fragment.partition_expression)
        types = {name: self._schema.types.get(name) for name in (*keys, *told)}
        return replace(part_of(place, schema, {**told, **keys}, types), keys={})

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches; see `Reader.batches`."""
        arrow_files = require("pyarrow.dataset", "files").IpcFileFormat
        pieces = []
        for number, fragment in enumerate(self._fragments):
            place = self.parts[number].place
            if getattr(fragment, "row_groups", None):
                groups = fragment.split_by_row_group()
                pieces += [
                    (number, f"{place}, row group {i + 1} of {len(groups)}", group)
                    for i, group in enumerate(groups)
                ]
            else:
                pieces.append((number, place, fragment))
        rows = [0] * len(self.parts)
        for done, (number, place, fragment) in enumerate(pieces, 1):
            found = fragment.to_batches(
                schema=self._dataset.schema,
                columns=list(columns),
                batch_size=size,
                batch_readahead=1,
                fragment_readahead=1,
                # of Arrow's own files they would read on after a read that ends early, into nothing
                use_threads=not isinstance(getattr(fragment, "format", None), arrow_files),
            )
            for batch in name_each(found, place):
                if start > 0:
                    start -= batch.num_rows
                elif batch.num_rows:
                    share = done / len(pieces)
                    yield Batch(place, batch, share, part=number, row=rows[number])
                rows[number] += batch.num_rows

    def check(self, numbers: Sequence[Column], labels: Sequence[Column] = ()) -> None:
        """Raise an error if a column cannot be read; see `Reader.check`."""
        types = self._schema.types
        check_names(self.name, types, [*numbers, *labels])
        check_numbers(self.name, types, numbers, self.encodable)
        check_labels(self.name, types, labels)
        super().check(numbers, labels)

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        """Return float32 or float64; see `Reader.dtype`."""
        return dtype_of([self._schema.types[name] for name in columns])

    def _declare(self) -> Part:
        return self._schema

    def state(self) -> str:
        """Return what changes if a file does; see `Reader.state`."""
        files = getattr(self._dataset, "files", None)
        if files is None:
            raise ValueError("a checkpoint needs files")
        system = self._dataset.filesystem
        return signature([Remote(system, file, file) for file in files])


def _common(paths: Sequence[Path]) -> str:
    """Return the innermost folder of some files."""
    return os.path.commonpath([path.parent for path in paths]) if paths else "."


class TableReader(Reader):
    """A table of pyarrow, or a data frame of pandas or polars, of which a batch is made at a time.

    The index of a frame is no column.

    Parameters
    ----------
    table : table, record batch or data frame
    name : str, default=None
        What errors call it.
    """

    def __init__(self, table: Any, name: str | None = None) -> None:
        pandas = hasattr(table, "iloc")
        frame = type(table).__name__ == "DataFrame"
        self.name = name or ("the frame" if frame else "the table")
        self._table = table if pandas else table_of(self.name, table)
        self._schema: Any = None
        if pandas:
            with name_unreadable(self.name):
                schemas = require("pyarrow", "files").Schema
                self._schema = schemas.from_pandas(table, preserve_index=False)
        empty = self._slice(0, 0)
        self.parts = [part_of(self.name, empty.schema)]
        self.columns = list(self.parts[0].types)

    def _slice(self, first: int, last: int) -> Any:
        """Return some rows as a table of pyarrow."""
        if self._schema is None:
            return self._table.slice(first, last - first)
        part = self._table.iloc[first:last].set_axis(self._schema.names, axis=1)  # which are text
        with name_unreadable(self.name):
            return require("pyarrow", "files").Table.from_pandas(
                part, self._schema, preserve_index=False
            )

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches; see `Reader.batches`."""
        n = len(self._table)
        for first in range(start, n, size):
            last = min(first + size, n)
            place = f"{self.name}, rows {first + 1} to {last}"
            yield Batch(place, self._slice(first, last), last / n, row=first)


def is_frame(source: Any) -> bool:
    """Return whether something is a table of pyarrow, or a data frame of pandas or polars."""
    kinds = {(kind.__module__.split(".")[0], kind.__name__) for kind in type(source).__mro__}
    return not kinds.isdisjoint(_FRAMES)


def names_of(frame: Any) -> list[Any]:
    """Return the names of the columns of a table of pyarrow, or a data frame."""
    ours = not hasattr(frame, "iloc") and hasattr(frame, "column_names")  # of pandas a column
    return list(frame.column_names if ours else frame.columns)


def table_of(place: str, batch: Any) -> Any:
    """Return a batch as a table of pyarrow."""
    pyarrow = require("pyarrow", "files")
    if isinstance(batch, pyarrow.Table):
        return batch
    if isinstance(batch, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([batch])
    try:
        return pyarrow.table(batch)
    except (pyarrow.ArrowException, AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{place} is a {type(batch).__name__} that cannot be read as a table: {error}. Give an "
            "array of two dimensions, a table, a data frame or a dictionary of columns"
        ) from error
