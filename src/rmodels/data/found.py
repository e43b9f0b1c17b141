"""What is found by a pass over a scan before a fit: labels, categories of text, means."""

import math
from collections.abc import Collection, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.config import get_config
from rmodels.data.formats import Batch, Column, holds_text, labels_of, matrix, texts_of, values_of
from rmodels.data.labels import Encoding, merge_labels, sort_labels
from rmodels.data.scan import Asked, Scan, read_ahead

__all__ = [
    "Sums",
    "Used",
    "find_categories",
    "find_labels",
    "find_means",
    "find_used",
    "find_words",
]


@dataclass(frozen=True)
class Used:
    """The columns that a fit or a score uses, and whether it leaves rows out that lack a value.

    Attributes
    ----------
    numbers, texts, labels : list of str or int
    words : collection of str
        Those of the labels of a file without types in which NA, NaN and null are missing, too.
    drop : bool
    """

    numbers: list[Column]
    texts: list[Column] = field(default_factory=list)
    labels: list[Column] = field(default_factory=list)
    words: Collection[Column] = ()
    drop: bool = False


def _read(
    scan: Scan, texts: Sequence[Column], labels: Sequence[Column], used: Used
) -> Generator[tuple[Batch, dict[Column, Any], list[NDArray], NDArray[np.bool_] | None]]:
    """Yield batches with columns of text, labels, and which of their rows are left out.

    What is left out is told by all columns that are used, else none but these are read.
    """
    numbers: list[Column] = []
    if used.drop:
        numbers, texts, labels = used.numbers, used.texts, used.labels
    met = kept = 0
    reader = scan.reader
    reader.gaps = used.drop
    columns = [*numbers, *texts, *labels]
    with closing(read_ahead(scan.read_tables(columns, [*texts, *labels]))) as batches:
        for batch in batches:
            lacks = np.zeros(len(batch.rows), bool) if used.drop else None
            as_text = not reader.has_types
            found = labels_of(reader, batch, labels, as_text, lacks, used.words)
            cells = {name: texts_of(batch.rows, name, empty=reader.has_types) for name in texts}
            if lacks is not None:
                if numbers:
                    values = matrix(batch.rows, numbers, np.dtype(np.float64), np.empty(0))
                    lacks |= np.isnan(values).any(axis=1)
                for each in cells.values():
                    lacks |= each.is_null().to_numpy(zero_copy_only=False)
            met += len(batch.rows)
            kept += len(batch.rows) - (0 if lacks is None else int(lacks.sum()))
            yield batch, cells, found, lacks
    if not met:
        raise ValueError(f"{reader.name} has no rows")
    if not kept:
        raise ValueError(f"{reader.name} has no row in which no value is missing")


def find_words(scan: Scan, labels: list[Column]) -> list[Column]:
    """Return those columns of labels, in a file without types, that hold no text."""
    met: list[set[Any]] = [set() for _ in labels]
    with closing(read_ahead(scan.read_tables(labels, labels))) as batches:
        for batch in batches:
            for seen, name in zip(met, labels, strict=True):
                seen.update(texts_of(batch.rows, name, empty=False).unique().to_pylist())
    return [
        name
        for seen, name in zip(met, labels, strict=True)
        if not holds_text([each for each in seen if each is not None])
    ]


def find_used(scan: Scan, used: Used, n_rows: int) -> NDArray[np.bool_]:
    """Return which of so many rows are not left out."""
    if not used.drop:
        return np.ones(n_rows, bool)
    with closing(_read(scan, (), (), used)) as batches:
        rows = np.concatenate([~lacks for *_, lacks in batches if lacks is not None])
    if len(rows) != n_rows:
        raise ValueError(f"y has {n_rows} rows, and the scan {len(rows)}")
    return rows


def find_labels(scan: Scan, used: Used) -> tuple[list[Encoding], int]:
    """Return how labels become places among their classes, and how many rows have any."""
    found: list[NDArray] | None = None
    n_rows = 0
    with closing(_read(scan, (), used.labels, used)) as batches:
        for _, _, labels, lacks in batches:
            kept = slice(None) if lacks is None else ~lacks
            part = [sort_labels(each[kept]) for each in labels]
            n_rows += len(labels[0][kept])
            found = part if found is None else merge_labels(found, part)
    assert found is not None
    size = scan.batch_size(1)
    values = [values_of(scan.reader, *each, size) for each in zip(used.labels, found, strict=True)]
    return [Encoding.of(*each) for each in zip(found, values, strict=True)], n_rows


def find_categories(scan: Scan, used: Used, *, gaps: bool) -> dict[str, NDArray]:
    """Return what is in each column of text, sorted.

    Parameters
    ----------
    scan : Scan
    used : Used
    gaps : bool
        Whether a missing value is a category, None, which comes last; else it is an error, unless
        its row is left out.

    Raises
    ------
    ValueError
        If a value is missing, or there are more categories than columns of which the products fit
        in the memory limit.
    """
    most = math.isqrt(get_config()["memory_limit"] // 8)
    met: dict[Column, set[Any]] = {name: set() for name in used.texts}
    with closing(_read(scan, used.texts, (), used)) as batches:
        for batch, cells, _, lacks in batches:
            for name, each in cells.items():
                there = each if lacks is None else each.filter(~lacks)
                if there.null_count and not gaps:
                    row = int(there.is_null().to_numpy(zero_copy_only=False).argmax())
                    where = scan.reader.at(batch, row)
                    raise ValueError(f"{where}, column {name!r}: missing value")
                met[name].update(there.unique().to_pylist())
            if sum(map(len, met.values())) > most:
                name = max(met, key=lambda each: len(met[each]))
                raise ValueError(
                    f"{scan.reader.name}, column {name!r} has {len(met[name])} categories or more: "
                    f"the products of more than {most} columns do not fit in memory_limit. Leave "
                    "it out, or make fewer categories"
                )
    return {
        str(name): np.array(
            [*sorted(seen - {None}), *([None] if None in seen else [])], dtype=object
        )
        for name, seen in met.items()
    }


class Sums:
    """Sums of the values that are there in columns, and how many they are."""

    def __init__(self, n_columns: int) -> None:
        self._sums = np.zeros(n_columns)
        self._counts = np.zeros(n_columns)

    def add(self, Z: NDArray) -> bool:
        """Add rows; return whether a value of them is missing."""
        with np.errstate(over="ignore", invalid="ignore"):
            sums = Z.sum(axis=0, dtype=np.float64)
            lacks = np.isnan(sums).any()
            gaps = np.isnan(Z) if lacks else None
            if gaps is None or not gaps.any():
                self._sums += sums
                self._counts += len(Z)
                return False
            self._sums += np.where(gaps, 0.0, Z).sum(axis=0, dtype=np.float64)
            self._counts += (~gaps).sum(axis=0)
        return True

    def means(self, scan: Scan, columns: Sequence[Column]) -> NDArray[np.float64]:
        """Return the means; raise an error if a column has no value."""
        if not self._counts.all():
            name = columns[int(np.argmin(self._counts))]
            raise ValueError(
                f"{scan.reader.name}, column {name!r} has no value, and so no mean: leave it out"
            )
        found: NDArray[np.float64] = self._sums / self._counts
        return found


def find_means(scan: Scan, columns: list[Column]) -> NDArray[np.float64]:
    """Return the means of the values that are there in columns of numbers."""
    sums = Sums(len(columns))
    with closing(scan.arrays(Asked(columns, missing="mean"), "means")) as batches:
        for _, Z in batches:
            sums.add(Z)
    return sums.means(scan, columns)
