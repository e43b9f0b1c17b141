"""Functions that give batches."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from rmodels.data.formats.columns import Column, check_names, check_numbers, dtype_of, is_number
from rmodels.data.formats.reader import Batch, Part, Reader, part_of
from rmodels.extras import require

__all__ = ["FunctionReader"]


class FunctionReader(Reader):
    """What a function gives when it is called: an iterable of batches, anew for each pass."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.name = "the batches"
        self._function = function
        first = next(iter(function()), None)
        if first is None:
            raise ValueError("the function gives no batches")
        self._first = first if isinstance(first, np.ndarray) else _table(first)
        if isinstance(self._first, np.ndarray):
            self.columns = range(self._first.shape[1])
            self.parts = [Part(self.name, dict.fromkeys(self.columns))]
        else:
            self.parts = [part_of(self.name, self._first.schema)]
            self.columns = list(self.parts[0].types)

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches; see `Reader.batches`."""
        dtype = self.dtype(columns)
        for number, given in enumerate(self._function(), 1):
            place = f"batch {number}"
            if isinstance(given, np.ndarray):
                check_names(place, range(given.shape[1]), columns)
                if np.result_type(given.dtype, dtype) != dtype:
                    raise ValueError(f"{place} is of {given.dtype}, wider than the first: {dtype}")
                for first in range(0, len(given), size):
                    yield Batch(place, given[first : first + size], None, row=first)
            else:
                table = _table(given)
                part = part_of(place, table.schema)
                check_names(place, part.types, columns)
                check_numbers(place, part.types, self._numbers(columns))
                for first in range(0, table.num_rows, size):
                    yield Batch(place, table.slice(first, size), None, row=first)

    def _numbers(self, columns: Sequence[Column]) -> Sequence[Column]:
        """Return those that hold numbers in the first batch."""
        types = self.parts[0].types
        return [name for name in columns if types[name] is None or is_number(types[name])]

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        """Return float32 or float64; see `Reader.dtype`."""
        if isinstance(self._first, np.ndarray):
            return np.dtype(np.float32 if self._first.dtype == np.float32 else np.float64)
        return dtype_of([self.parts[0].types[name] for name in columns])

    def at(self, batch: Batch, row: int) -> str:
        """Return what to call a row; see `Reader.at`."""
        return f"{batch.place}, row {batch.row + row + 1}"


def _table(batch: Any) -> Any:
    pyarrow = require("pyarrow", "files")
    if isinstance(batch, pyarrow.Table):
        return batch
    if isinstance(batch, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([batch])
    return pyarrow.table(batch)
