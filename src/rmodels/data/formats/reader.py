"""What reads a source in batches, and what is wrong with a value, with its place."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmodels.data.formats.columns import (
    Column,
    check_labels,
    check_names,
    check_numbers,
    distinct,
    dtype_of,
)
from rmodels.extras import require

__all__ = ["Batch", "Part", "Reader", "naming", "part_of", "reading", "signature"]


class Batch(NamedTuple):
    """Some rows: where they are from, a table or array, and the share of all rows with them.

    What is asked for as labels stands apart, (rows, columns), when the rows have become an array.
    `part` is the number of their `Part`, and `row` that of their first row in it, from 0.
    """

    place: str
    rows: Any
    done: float | None
    labels: NDArray | None = None
    part: int = 0
    row: int = 0


@dataclass(frozen=True)
class Part:
    """A file, or another part of a source that has columns of its own.

    Attributes
    ----------
    place : str
        What errors call it.
    types : mapping
        Of its columns to their types of Arrow, or None where these are not known.
    index : collection of str
        Those of the columns that are the index of a data frame.
    """

    place: str
    types: Mapping[Column, Any]
    index: Collection[Column] = ()


class Reader(ABC):
    """A source of batches.

    Attributes
    ----------
    name : str
    columns : list of str, or range
        Names, or numbers if they have none.
    has_types : bool
        Whether columns have types; else text may be numbers.
    parts : list of Part
        At least one.
    """

    has_types = True
    name: str
    columns: Sequence[Column]
    parts: list[Part]

    @abstractmethod
    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches of at most `size` rows with at least some columns, from row `start` on.

        A `start` other than 0 is where a batch of the same size began. The columns of a file
        without types are numbers, but for `texts`.
        """

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        """Return float32 if all columns fit in it, else float64."""
        return dtype_of([part.types[name] for part in self.parts for name in columns])

    def check(self, numbers: Sequence[Column], labels: Sequence[Column] = ()) -> None:
        """Raise an error if a column is not everywhere, or is known not to hold what it must."""
        for part in self.parts:
            check_names(part.place, part.types, [*numbers, *labels])
            check_numbers(part.place, part.types, numbers)
            check_labels(part.place, part.types, labels)

    def fault(self, place: str, columns: Sequence[Column]) -> str | None:
        """Return what is wrong with a file's text, where that is known better than by rows."""
        return None

    def at(self, batch: Batch, row: int) -> str:
        """Return what to call a row of a batch, from 0."""
        return f"{self.parts[batch.part].place}, row {batch.row + row + 1}"

    def state(self) -> str:
        """Return what changes if the source does."""
        raise ValueError("a checkpoint needs files")


def part_of(place: str, schema: Any) -> Part:
    """Return a part of a source by its schema of Arrow."""
    names = distinct(schema.names, place)
    return Part(place, dict(zip(names, schema.types, strict=True)))


@contextmanager
def reading(place: str) -> Iterator[None]:
    """Have what cannot be read named."""
    pyarrow = require("pyarrow", "files")
    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{place} cannot be read: {error}") from error


def naming(batches: Any, place: str) -> Iterator[Any]:
    """Yield batches; name the place of what cannot be read."""
    batches = iter(batches)
    while True:
        with reading(place):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def signature(paths: Sequence[Path]) -> str:
    """Return what changes if one of some files does."""
    facts = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(repr(facts).encode()).hexdigest()
