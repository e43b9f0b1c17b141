"""Functions that give batches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rmodels.data.formats.arrays import check_array
from rmodels.data.formats.arrow import is_frame, table_of
from rmodels.data.formats.columns import (
    Column,
    check_labels,
    check_names,
    check_numbers,
    dtype_of,
    is_number,
)
from rmodels.data.formats.reader import Batch, Part, Reader, check_alike, part_of

__all__ = ["FunctionReader"]


_HEAD = 64  # rows at the beginning that must be the same in each pass
_HEAD_CELLS = 4096
_ANEW = "each call must begin anew, and give the same rows"


class FunctionReader(Reader):
    """What a function gives when it is called: an iterable of batches, anew for each pass.

    The first pass goes on with the iterator whose first batch told the columns: one that cannot
    begin anew loses nothing. Each pass must begin with the same rows, and have as many.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self.name = "the batches"
        self._function = function
        self._iterator: Any = None
        self._left: Sequence[Column] | None = None
        self._head: list[str] | None = None
        self._most = 0  # rows that a pass met, which may have failed
        self._total: int | None = None  # rows of a pass that came to the end
        batches = self._call()
        first = next(batches, None)
        if first is None:
            raise ValueError("the function gives no batches")
        place = "batch 1"
        first = _check_batch(place, first)
        self._begun: tuple[Any, Iterator[Any]] | None = (first, batches)
        self._dtype = first.dtype if isinstance(first, np.ndarray) else None
        self.parts = [_part(place, first)]
        self.columns = list(self.parts[0].types) if self._dtype is None else range(first.shape[1])

    def _call(self) -> Iterator[Any]:
        """Call the function; return an iterator that it has not given before."""
        given = self._function()
        if isinstance(given, (np.ndarray, Mapping, str)) or is_frame(given):
            given, said = None, f"one {type(given).__name__}: give a list of it"
        else:
            said = f"a {type(given).__name__}"
        try:
            batches = iter(given)
        except TypeError:
            raise ValueError(
                f"the function must give an iterable of batches, and gives {said}"
            ) from None
        if batches is given and given is self._iterator:
            raise ValueError(
                "the function gave the same iterator twice: each call must begin anew, as one of a "
                "generator function does, and give the same rows"
            )
        self._iterator = given if batches is given else None
        return batches

    def _take_turn(self) -> Iterator[Any]:
        """Yield what the function gives, and keep none of it."""
        begun, self._begun = self._begun, None
        if begun is not None:
            first, batches = begun
            del begun
            yield first
            del first
            yield from batches
            return
        none = True
        for batch in self._call():
            none = False
            yield batch
        if none:
            raise ValueError(f"the function gave no batches when it was called again: {_ANEW}")

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches; see `Reader.batches`."""
        declared = self.parts[0]
        numbers = [
            name
            for name in columns
            if declared.types[name] is None or is_number(declared.types[name])
        ]
        labels = [name for name in columns if name not in numbers]
        dtype = self.dtype(numbers)
        met = 0
        for number, given in enumerate(self._take_turn(), 1):
            place = f"batch {number}"
            batch = _check_batch(place, given)
            if not met and len(batch):
                self._check_head(batch)
            met += len(batch)
            self._most = max(self._most, met)
            part = _part(place, batch)
            check_names(place, part.types, columns)
            if self._left is not None:
                check_alike(declared, part, self._left)
            if isinstance(batch, np.ndarray):
                wide = batch.dtype
            else:
                check_numbers(place, part.types, numbers, self.encodable)
                check_labels(place, part.types, labels)
                wide = dtype_of([part.types[name] for name in numbers])
            if np.result_type(wide, dtype) != dtype:
                raise ValueError(f"{place} is of {wide}, wider than the first: {dtype}")
            for first in range(0, len(batch), size):
                rows = batch[first : first + size]
                yield Batch(place, rows, None, row=first)
        before = self._most if self._total is None else self._total
        if met != before:
            raise ValueError(
                f"the function gave {met} rows, and {before} when called before: {_ANEW}"
            )
        self._total = met

    def _check_head(self, batch: Any) -> None:
        """Raise an error if a pass begins with other rows than those before."""
        head = _head(batch)
        if self._head is None:
            self._head = head
        common = min(len(head), len(self._head))
        if head[:common] != self._head[:common]:
            raise ValueError(f"the function gave other rows than when called before: {_ANEW}")

    def others(self, left: Sequence[Column]) -> list[Column]:
        """Return all columns but some; see `Reader.others`. Later batches must agree, too."""
        found = super().others(left)
        self._left = list(left)
        return found

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        """Return float32 or float64; see `Reader.dtype`."""
        if self._dtype is not None:
            return np.dtype(np.float32 if self._dtype == np.float32 else np.float64)
        return super().dtype(columns)

    def at(self, batch: Batch, row: int) -> str:
        """Return what to call a row; see `Reader.at`."""
        return f"{batch.place}, row {batch.row + row + 1}"


def _head(batch: Any) -> list[str]:
    """Return the first rows of a batch, as text."""
    columns = batch.shape[1] if isinstance(batch, np.ndarray) else batch.num_columns
    rows = batch[: max(1, min(_HEAD, _HEAD_CELLS // max(1, columns)))]
    return list(map(repr, rows.tolist() if isinstance(rows, np.ndarray) else rows.to_pylist()))


def _check_batch(place: str, batch: Any) -> Any:
    """Return a batch as an array or a table."""
    if isinstance(batch, np.ndarray):
        check_array(place, batch)
        return batch
    return table_of(place, batch)


def _part(place: str, batch: Any) -> Part:
    if isinstance(batch, np.ndarray):
        return Part(place, dict.fromkeys(range(batch.shape[1])))
    return part_of(place, batch.schema)
