"""Rows of a scan, read in batches for folds and answers."""

import operator
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from numbers import Integral
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from rmodels.config import get_config
from rmodels.data.arrays import on_host
from rmodels.data.checks import (
    Part,
    Targets,
    check_list_of_columns,
    check_target_given,
    check_targets,
    constant_weight,
    warn_of_a_column,
)
from rmodels.data.formats import Batch, Column, Compared, as_column
from rmodels.data.labels import Encoding, encode, encode_by
from rmodels.data.scan import Scan
from rmodels.data.source import WEIGHTLESS, Rows, Source, concatenate, random_state, shuffle

__all__ = ["ScanSource", "are_columns"]

T = TypeVar("T")

_BLOCK_SHARE = 12  # of the memory limit that a block of points may take, less its index


def are_columns(y: Any) -> bool:
    """Return whether y names columns, and is not an array of targets."""
    if isinstance(y, (str, Integral)):
        return True
    return isinstance(y, (list, tuple)) and len(y) > 0 and all(isinstance(name, str) for name in y)


class _Room:
    """Memory for the rows of several batches.

    Parameters
    ----------
    like : Rows
        The first of them.
    size : int
        Rows that it holds.
    """

    def __init__(self, like: Rows, size: int) -> None:
        self._like = like
        parts = like.X, like.Y, like.weights
        self._held = [None if A is None else np.empty((size, *A.shape[1:]), A.dtype) for A in parts]
        self._size = size
        self.empty(like.first)

    def empty(self, first: int) -> None:
        """Forget the rows; the next has a number."""
        self._first, self._n = first, 0

    def fits(self, rows: Rows) -> bool:
        """Return whether there is room for rows."""
        return self._n + len(rows.X) <= self._size

    def add(self, rows: Rows) -> None:
        """Copy rows after those that are there."""
        last = self._n + len(rows.X)
        for held, part in zip(self._held, (rows.X, rows.Y, rows.weights), strict=True):
            if held is not None:
                held[self._n : last] = part
        self._n = last

    def rows(self) -> Rows:
        """Return the rows, which are overwritten by those that are added next."""
        X, Y, weights = (None if A is None else A[: self._n] for A in self._held)
        return replace(self._like, X=X, Y=Y, weights=weights, first=self._first)


class ScanSource(Source):
    """Rows of a scan, in batches; see `rmodels.data.source.Source`.

    Parameters
    ----------
    scan : Scan
    estimator : object
        Its columns are recorded with `reset`, else compared.
    y : str, int, list of str, array-like or None
        Columns, or as many targets as there are rows.
    sample_weight : str, int, float, array-like or None
        A column, one weight for all rows, or as many as there are rows.
    targets : {"none", "numbers", "labels"}
    reset, part, encoded, refuse : bool
    classes : list of ndarray or None
    task : str
        What is shown as progress.
    """

    def __init__(
        self,
        scan: Scan,
        estimator: Any,
        y: Any,
        sample_weight: Any,
        *,
        targets: Targets,
        reset: bool,
        part: bool,
        encoded: bool,
        classes: Sequence[NDArray] | None,
        refuse: bool,
        task: str,
    ) -> None:
        y, sample_weight = as_column(y), as_column(sample_weight)
        named = targets != "none" and are_columns(y)
        one = isinstance(y, (str, Integral))
        if targets != "none" and not named:
            check_target_given(estimator, y)
        self._targets: list[Column] = [] if not named else [y] if one else list(y)
        if not one:
            check_list_of_columns(scan.name, self._targets, scan.columns)
        self._weight = self._weight_column(scan, sample_weight)
        left = [*self._targets, *self._weight]
        features = scan.features_for(estimator, left, reset=reset)
        for name in left:
            if name in features or left.count(name) > 1:
                raise ValueError(f"column {name!r} is asked for twice")
        self._scan, self._task, self._allow_weightless = scan, task, part
        self._given = self._weights = None
        encodings = None
        if targets != "none" and not named:
            self._given = check_targets(estimator, y, targets)
            if targets == "labels" and encoded:
                warn_of_a_column(self._given)
            self.one_target = self._given.ndim == 1
            self._given = self._given.reshape(len(self._given), -1)
        else:
            self.one_target = targets == "none" or one
        self.n_targets = len(self._targets) if self._given is None else self._given.shape[1]
        if not self._weight and sample_weight is not None:
            self._weights = (
                sample_weight if constant_weight(sample_weight) else np.asanyarray(sample_weight)
            )
        self._as_text, self._known = False, []
        if targets == "labels" and encoded:
            self.one_target = self.n_targets == 1
            encodings = self._encode(classes)
            for each in self.classes or ():
                check_classification_targets(each)
        elif targets == "labels" and named:
            # labels to compare with others: text if those are
            kinds = {each.dtype.kind for each in classes or ()}
            self._as_text = bool(kinds & set("OSU")) and not scan.has_types
            self._known = list(classes or ())
        self._labels = self._targets if targets == "labels" else []
        numbers = self._targets if targets == "numbers" else []
        self._columns: list[Column] = [*features, *numbers, *self._weight]
        self.n_features = len(features)
        scan.check(self._columns, self._labels)
        self.target_dtype = np.dtype(np.intp if self.classes else np.float64)
        if numbers:
            self.target_dtype = scan.dtype(numbers)
        self.has_weights = sample_weight is not None
        self.dtype = scan.dtype(features)
        self._part = Part(
            type(estimator).__name__,
            features,
            scan.dtype(self._columns),
            targets,
            encodings,
            self.classes,
            self.one_target,
            refuse,
            self.target_dtype,
        )
        self._totals: NDArray[np.float64] | None = None
        self._state = scan.state()

    @staticmethod
    def _weight_column(scan: Scan, sample_weight: Any) -> list[Column]:
        """Return the column of the weights, if they are one; numbers name numbered columns."""
        numbered = isinstance(sample_weight, Integral) and isinstance(scan.columns, range)
        return [sample_weight] if isinstance(sample_weight, str) or numbered else []

    def _encode(self, classes: Sequence[NDArray] | None) -> list[Encoding] | None:
        """Find the classes, unless they are known, and how labels become places among them."""
        if self._given is not None:
            if classes is None:
                check_classification_targets(self._given)
                self.classes, self._given = encode(self._given)
                return None
            self.classes = list(classes)
            self._given = encode_by(self._given, [Encoding.of(each, each) for each in classes], "")
            return None
        encodings = self._scan.find_labels(self._targets)
        self._as_text = not self._scan.has_types
        if classes is None:
            self.classes = [np.unique(each.values) for each in encodings]
            return encodings
        self.classes = list(classes)
        return [
            Encoding.of(found.labels, found.values, known)
            for found, known in zip(encodings, classes, strict=True)
        ]

    @property
    def totals(self) -> NDArray[np.float64]:
        """How many rows have a weight that is not 0, and Σ w."""
        if self._totals is None:
            self._totals = self.fold(lambda rows: rows.totals)
        return self._totals

    def number_rows(self) -> int:
        """Return how many rows there are; see `rmodels.data.source.Source.number_rows`."""
        return self.fold(lambda rows: len(rows.X))

    def _parts(self, start: int = 0) -> Generator[Rows]:
        """Yield the rows of each batch, from a row on that begins one."""
        if self._scan.state() != self._state:
            raise ValueError(
                f"{self._scan.name} has changed since the fit began: its rows may be others. "
                "Fit again"
            )
        first = start
        batches = self._scan.arrays(self._columns, self._task, start, self._labels, self._as_text)
        compared = [Compared(each) for each in self._known if self._as_text]
        with closing(batches):  # also where the traceback of an error is kept
            for batch, Z in batches:
                if batch.labels is not None:
                    for cells, each in zip(batch.labels.T, compared, strict=False):
                        each.add(cells)
                if len(Z):
                    yield self._rows(batch, Z, first)
                first += len(Z)
        for name, each in zip(self._labels, compared, strict=False):
            if fault := each.fault():
                raise ValueError(f"{self._scan.name}, column {name!r}: {fault}")
        for given, name in ((self._given, "y"), (self._weights, "sample_weight")):
            if isinstance(given, np.ndarray) and len(given) != first:
                raise ValueError(f"{name} has {len(given)} rows, and the scan {first}")

    def _rows(self, batch: Batch, Z: NDArray, first: int) -> Rows:
        d, t = self.n_features, len(self._targets)
        here = slice(first, first + len(Z))
        Y: Any = Z[:, d : d + t] if batch.labels is None else batch.labels
        weights: Any = Z[:, -1] if self._weight else self._weights
        if self._weight:
            self._scan.check_weights(batch, weights, self._weight[0])
        for given, name in ((self._given, "y"), (self._weights, "sample_weight")):
            if isinstance(given, np.ndarray) and here.stop > len(given):
                raise ValueError(f"{name} has {len(given)} rows, and the scan has more")
        if self._given is not None:
            Y = self._given[here]
        if isinstance(self._weights, np.ndarray):
            weights = self._weights[here]

        def check() -> None:
            self._scan.assert_finite(batch, Z, self._columns)

        part = self._part
        if self._given is not None and part.targets == "labels":
            part = replace(part, targets="codes")
        return part.rows(Z[:, :d], Y, weights, batch.place, first, check)

    def _large_parts(self) -> Generator[Rows]:
        """Yield rows that with an index take a share of the memory limit.

        Their arrays are overwritten by the next.
        """
        size = max(1, get_config()["memory_limit"] // (_BLOCK_SHARE * 8 * self.n_features))
        room: _Room | None = None
        for part in self._parts():
            room = room or _Room(part, size)
            for block in part.blocks(size):
                if not room.fits(block):
                    yield room.rows()
                    room.empty(block.first)
                room.add(block)
        if room is not None:
            yield room.rows()

    def fold(
        self,
        compute: Callable[[Rows], T],
        combine: Callable[[T, T], T] = operator.add,
        *,
        resumable: bool = False,
        large: bool = False,
    ) -> T:
        """Return what `compute` gives for all rows; see `rmodels.data.source.Source.fold`."""
        kept = self._checkpoint() if resumable else None
        total: Any = None
        totals, first = np.zeros(2), 0
        if kept is not None and (saved := kept.read()) is not None:
            total, totals, first = saved
        with closing(self._large_parts() if large else self._parts(first)) as parts:
            for rows in parts:
                found = compute(rows)
                total = found if total is None else combine(total, found)
                totals = totals + rows.totals
                first = rows.first + len(rows.X)
                if kept is not None:
                    kept.write_if_due(total, totals, first)
        if not totals[1] and not self._allow_weightless:
            raise ValueError(WEIGHTLESS)
        if kept is not None:
            kept.write(total, totals, first)
        self._totals = totals
        return total

    def _checkpoint(self) -> Any:
        """Return what keeps the state of a fold, if the scan has one."""
        if self._scan.checkpoint is None:
            return None
        if self._given is not None or isinstance(self._weights, np.ndarray):
            raise ValueError("with a checkpoint, y and sample_weight must be columns")
        from rmodels.files.checkpoint import Checkpoint  # which imports the estimators

        facts = [self._columns, self._scan.batch_size(len(self._columns)), get_config()["engine"]]
        if self._state is None:
            raise ValueError("a checkpoint needs files")
        return Checkpoint(self._scan.checkpoint, [self._state, *map(repr, facts)])

    def map(self, answer: Callable[[Rows], Any]) -> Any:
        """Return what `answer` gives for all rows; see `rmodels.data.source.Source.map`."""
        with closing(self._parts()) as parts:
            return concatenate([on_host(answer(rows)) for rows in parts])

    def fold_answers(self, answer: Callable[[Rows], Any], compute: Callable[[Rows, Any], T]) -> T:
        """Return the sum over rows and answers; see `rmodels.data.source.Source.fold_answers`."""

        def both(rows: Rows) -> T:
            rows.assert_finite()
            return compute(rows, on_host(answer(rows)))

        return self.fold(both)

    def batches(self, seed: int | np.random.RandomState | None = None) -> Iterator[Rows]:
        """Yield the rows in batches; see `rmodels.data.source.Source.batches`."""
        random = None if seed is None else random_state(seed)
        with closing(self._parts()) as parts:
            for rows in parts:
                yield rows if random is None else shuffle(rows, random)
