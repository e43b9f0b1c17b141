"""Datasets of pyarrow, read fragment by fragment."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rmodels.data.formats.columns import (
    Column,
    check_labels,
    check_names,
    check_numbers,
    distinct,
    dtype_of,
)
from rmodels.data.formats.reader import Batch, Part, Reader, naming, part_of, reading, signature
from rmodels.extras import require

__all__ = ["DatasetReader"]


class DatasetReader(Reader):
    """A pyarrow dataset."""

    def __init__(self, dataset: Any) -> None:
        self.name = "the dataset"
        self._dataset = dataset
        self.columns = distinct(dataset.schema.names, self.name)
        self._types: dict[Column, Any] = dict(zip(self.columns, dataset.schema.types, strict=True))
        self._fragments = list(dataset.get_fragments())
        self.parts = [self._part(fragment) for fragment in self._fragments]

    def _part(self, fragment: Any) -> Part:
        """Return what a fragment has: the columns of its file, and the keys of its place."""
        datasets = require("pyarrow.dataset", "files")
        place = getattr(fragment, "path", "") or "a fragment in memory"
        with reading(place):
            found = part_of(place, fragment.physical_schema)
        keys = datasets.get_partition_keys(fragment.partition_expression)
        return Part(place, {**found.types, **{name: self._types.get(name) for name in keys}})

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches; see `Reader.batches`."""
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
            )
            for batch in naming(found, place):
                if start > 0:
                    start -= batch.num_rows
                elif batch.num_rows:
                    share = done / len(pieces)
                    yield Batch(place, batch, share, part=number, row=rows[number])
                rows[number] += batch.num_rows

    def check(self, numbers: Sequence[Column], labels: Sequence[Column] = ()) -> None:
        """Raise an error if a column cannot be read; see `Reader.check`."""
        check_names(self.name, self._types, [*numbers, *labels])
        check_numbers(self.name, self._types, numbers)
        check_labels(self.name, self._types, labels)
        super().check(numbers, labels)

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        """Return float32 or float64; see `Reader.dtype`."""
        return dtype_of([self._types[name] for name in columns])

    def state(self) -> str:
        """Return what changes if a file does; see `Reader.state`."""
        files = getattr(self._dataset, "files", None)
        if files is None:
            raise ValueError("a checkpoint needs files")
        return signature([Path(file) for file in files])
