"""What reads a source in batches, and what is wrong with a value, with its place."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    is_null,
    is_text,
)
from rmodels.data.formats.remote import stamp_of
from rmodels.extras import require

__all__ = [
    "Batch",
    "Part",
    "Reader",
    "check_alike",
    "key_types",
    "name_each",
    "name_unreadable",
    "part_of",
    "signature",
    "with_keys",
]


class Batch(NamedTuple):
    """Some rows: where they are from, a table or array, and the share of all rows with them.

    What is asked for as labels stands apart, (rows, columns), when the rows have become an array;
    `lacks` says in which a value is missing, if these are to be left out. `part` is the number of
    their `Part`, and `row` that of their first row in it, from 0.
    """

    place: str
    rows: Any
    done: float | None
    labels: NDArray | None = None
    part: int = 0
    row: int = 0
    lacks: NDArray[np.bool_] | None = None


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
    keys : mapping
        Columns whose one value the names of folders say.
    """

    place: str
    types: Mapping[Column, Any]
    index: Collection[Column] = ()
    keys: Mapping[str, int | str | None] = field(default_factory=dict)


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
    gaps : bool
        Whether values may be missing: then errors about other values pass these by.
    encodable : collection of str or int
        Columns of which, where they are text, errors say how it can be encoded.
    skips : bool
        Whether it costs little to begin at a later row.
    """

    has_types = True
    skips = False
    gaps = False
    encodable: Collection[Column] = ()
    name: str
    columns: Sequence[Column]
    parts: list[Part]

    @abstractmethod
    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches of at most `size` rows with at least some columns, from row `start` on.

        A `start` other than 0 is where a batch of the same size began. The columns of a file
        without types are numbers, but for `texts`; others have their types.
        """

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        """Return float32 if all columns fit in it, else float64."""
        return dtype_of([part.types[name] for part in self.parts for name in columns])

    def check(self, numbers: Sequence[Column], labels: Sequence[Column] = ()) -> None:
        """Raise an error if a column is not everywhere, or is known not to hold what it must."""
        for part in self.parts:
            check_names(part.place, part.types, [*numbers, *labels])
            check_numbers(part.place, part.types, numbers, self.encodable)
            check_labels(part.place, part.types, labels)

    def find_texts(self, columns: Sequence[Column]) -> list[Column]:
        """Return those of some columns that hold text."""
        check_names(self.name, self.columns, columns)
        found = []
        for name in columns:
            known = {part.place: part.types.get(name) for part in (self._declare(), *self.parts)}
            texts = [place for place, kind in known.items() if kind is not None and is_text(kind)]
            if texts:
                found.append(name)
                for place, kind in known.items():
                    if kind is not None and not (is_text(kind) or is_null(kind)):
                        raise ValueError(
                            f"{place}, column {name!r} holds {kind}, and text in {texts[0]}: make "
                            "it one of them everywhere"
                        )
        return found

    def others(self, left: Sequence[Column]) -> list[Column]:
        """Return all columns but some, and but the index of a data frame.

        An error is raised where a part has others than the rest, or one has no name.
        """
        declared = self._declare()
        for part in self.parts:
            check_alike(declared, part, left)
        chosen = [name for name in declared.types if name not in (*left, *declared.index)]
        if "" in chosen:
            number = list(declared.types).index("") + 1
            raise ValueError(
                f"{self.name}: column {number} has no name. If it numbers the rows, leave it out: "
                "--ignore '', or name the others, by columns="
            )
        return chosen

    def note(self) -> str:
        """Return what to know where the number of columns is not that of a model; maybe nothing."""
        keys = sorted({repr(name) for part in self.parts for name in part.keys})
        index = sorted({repr(name) for part in self.parts for name in part.index})
        said = [f"the names of folders are columns ({', '.join(keys)})"] if keys else []
        said += [f"the index of a data frame is not one ({', '.join(index)})"] if index else []
        return f". From this version on, {' and '.join(said)}" if said else ""

    def _declare(self) -> Part:
        """Return what stands for all parts: the first."""
        return self.parts[0]

    def fault(self, batch: Batch, columns: Sequence[Column]) -> str | None:
        """Return what is wrong in the file of a batch, where its text says it better than rows."""
        return None

    def at(self, batch: Batch, row: int) -> str:
        """Return what to call a row of a batch, from 0."""
        return f"{self.parts[batch.part].place}, row {batch.row + row + 1}"

    def state(self) -> str:
        """Return what changes if the source does."""
        raise ValueError("a checkpoint needs files")


def part_of(
    place: str,
    schema: Any,
    keys: Mapping[str, int | str | None] | None = None,
    types: Mapping[str, Any] | None = None,
) -> Part:
    """Return a part of a source by its schema of Arrow, and its keys and their types.

    What is a column and a key is a column.
    """
    names = distinct(schema.names, place)
    added = {name: value for name, value in (keys or {}).items() if name not in names}
    found: dict[Column, Any] = dict(zip(names, schema.types, strict=True))
    found |= {name: (types or {})[name] for name in added}
    told = (schema.pandas_metadata or {}).get("index_columns", ())
    index = {name for name in told if isinstance(name, str) and name in found}
    return Part(place, found, index, added)


def check_alike(declared: Part, part: Part, left: Sequence[Column]) -> None:
    """Raise an error if a part has other columns than what is declared, but for some."""
    chosen = declared.types.keys() - {*left, *declared.index}
    more = [name for name in part.types if name not in {*chosen, *left, *part.index}]
    index = [name for name in part.index if name in chosen]
    if more or index:
        said = (
            f"has a column {more[0]!r}, and {declared.place} has not"
            if more
            else f"has {index[0]!r} as an index, and {declared.place} as a column"
        )
        raise ValueError(
            f"{part.place} {said}: name the columns to predict from, by columns= or --feature"
        )


def key_types(keys: Sequence[Mapping[str, int | str | None]]) -> dict[str, Any]:
    """Return the types of Arrow of what the folders of files say."""
    pyarrow = require("pyarrow", "files")
    texts = {name for each in keys for name, value in each.items() if isinstance(value, str)}
    return {
        name: pyarrow.string() if name in texts else pyarrow.int64()
        for each in keys
        for name in each
    }


def with_keys(
    batch: Any, columns: Sequence[Column], part: Part, texts: Sequence[Column] = ()
) -> Any:
    """Return a batch of a part with columns in their order: those of keys, too, maybe as text."""
    if not part.keys:
        return batch
    pyarrow = require("pyarrow", "files")
    arrays = []
    for name in columns:
        if name in part.keys:
            value, kind = part.keys[str(name)], part.types[name]
            if name in texts and value is not None:
                value, kind = str(value), pyarrow.string()
            arrays.append(pyarrow.repeat(pyarrow.scalar(value, kind), batch.num_rows))
        else:
            arrays.append(batch.column(name))
    made = pyarrow.Table if isinstance(batch, pyarrow.Table) else pyarrow.RecordBatch
    return made.from_arrays(arrays, names=list(map(str, columns)))


@contextmanager
def name_unreadable(place: str) -> Iterator[None]:
    """Have what cannot be read named."""
    pyarrow = require("pyarrow", "files")
    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{place} cannot be read: {error}") from error


def name_each(batches: Any, place: str) -> Iterator[Any]:
    """Yield batches; name the place of what cannot be read."""
    batches = iter(batches)
    while True:
        with name_unreadable(place):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def signature(paths: Sequence[Any]) -> str:
    """Return what changes if one of some files does."""
    return hashlib.sha256(repr([stamp_of(path) for path in paths]).encode()).hexdigest()
