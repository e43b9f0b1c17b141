"""Rows of a scan, read in batches for folds and answers."""

import operator
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from numbers import Integral
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rmodels.config import get_config
from rmodels.data.arrays import on_host
from rmodels.data.checks import (
    Missing,
    Targets,
    check_list_of_columns,
    check_target_given,
    check_targets,
    constant_weight,
    warn_of_a_column,
)
from rmodels.data.formats import Batch, Column, Compared, as_column
from rmodels.data.found import (
    Sums,
    Used,
    find_categories,
    find_labels,
    find_means,
    find_used,
    find_words,
)
from rmodels.data.kept import KeptRows
from rmodels.data.labels import Encoding, check_classes, encode, encode_by
from rmodels.data.parts import Part
from rmodels.data.preparation import Preparation, preparation_of
from rmodels.data.scan import Asked, Scan
from rmodels.data.source import WEIGHTLESS, Rows, Source, concatenate, random_state, shuffle

__all__ = ["ScanSource", "are_columns"]

T = TypeVar("T")

BLOCK_SHARE = 12  # of the memory limit that a block of points may take, less its index
KEPT_SHARE = 8  # of the memory limit that rows may take that are read several times


def _is_place(value: Any) -> bool:
    """Return whether a value may number a column: True and False do not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _has_checkpoint(estimator: Any) -> bool:
    """Return whether a fit to a scan may go on after a stop."""
    return not hasattr(estimator, "_has_checkpoint") or bool(estimator._has_checkpoint())


def are_columns(y: Any) -> bool:
    """Return whether y names columns, and is not an array of targets."""
    if isinstance(y, str) or _is_place(y):
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
    reset, part, encoded : bool
    missing : {"later", "refuse", "allow"}
        As of `Need`.
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
        missing: Missing,
        task: str,
    ) -> None:
        if scan.checkpoint is not None and reset and not _has_checkpoint(estimator):
            raise ValueError(
                f"{type(estimator).__name__} has no sums that a checkpoint could hold: leave "
                "checkpoint out"
            )
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
        features = scan.choose(estimator, left, reset=reset)
        for name in left:
            if name in features or left.count(name) > 1:
                raise ValueError(f"column {name!r} is asked for twice")
        self._scan, self._task, self._allow_weightless = scan, task, part
        self._given = self._weights = None
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
        self._labels = self._targets if targets == "labels" else []
        numbers = self._targets if targets == "numbers" else []
        self._prepare(estimator, features, [*numbers, *self._weight], reset=reset)
        self._as_text, self._known = False, []
        encodings = None
        if targets == "labels" and encoded:
            self.one_target = self.n_targets == 1
            encodings = self._encode(classes)
        elif targets == "labels" and named:
            # labels to compare with others: text if those are
            kinds = {each.dtype.kind for each in classes or ()}
            self._as_text = bool(kinds & set("OSU")) and not scan.has_types
            self._known = list(classes or ())
        self.target_dtype = np.dtype(np.intp if self.classes else np.float64)
        if numbers:
            self.target_dtype = scan.dtype(numbers)
        self.has_weights = sample_weight is not None
        self.dtype = scan.dtype(features)
        self._part = Part(
            type(estimator).__name__,
            self._columns[: self.n_features],
            scan.dtype(self._asked.columns),
            targets,
            encodings,
            self.classes,
            self.one_target,
            missing,
            self.target_dtype,
        )
        self._totals: NDArray[np.float64] | None = None
        self._state = scan.state()
        self._kept: KeptRows | None = None

    def _prepare(
        self, estimator: Any, features: list[Column], others: list[Column], *, reset: bool
    ) -> None:
        """Find how columns become X, and record or compare the columns of X.

        Parameters
        ----------
        estimator : object
        features, others : list of str or int
            Columns to predict from; other columns of numbers.
        reset : bool
        """
        scan = self._scan
        kept = None if reset else preparation_of(estimator)
        if scan.missing == "mean" and not reset and (kept is None or kept.missing != "mean"):
            raise ValueError(
                f'this {type(estimator).__name__} was not fitted with missing="mean": it has no '
                "means to fill in"
            )
        missing = scan.missing or ("error" if kept is None else kept.missing)
        unknown = scan.unknown or ("error" if kept is None else kept.unknown)
        texts: list[Column] = []
        if reset and scan.encode == "onehot":
            texts = scan.find_texts(features)
        elif kept is not None and kept.is_given(features):
            scan.compare_given(estimator, features, kept)
            texts = [name for name in features if name in kept.categories]
        elif not reset:
            scan.compare(estimator, features, reset=False)
        numbers = [name for name in features if name not in texts]
        scan.reader.encodable = features if reset and scan.encode is None else ()
        scan.check([*numbers, *others], [*texts, *self._labels])
        self._used = Used([*numbers, *others], texts, self._labels, (), missing == "drop")
        if self._used.drop and self._labels and not scan.has_types:
            self._used = replace(self._used, words=find_words(scan, self._labels))
        categories: dict[str, NDArray] = {}
        if texts and kept is not None:
            categories = {str(name): kept.categories[str(name)] for name in texts}
        elif texts:
            categories = find_categories(scan, self._used, gaps=missing == "mean")
        made = Preparation(features, categories, missing, unknown)
        if reset:
            made.check_names()
            vars(estimator).pop("_preparation", None)
            if texts or missing != "error":
                vars(estimator)["_preparation"] = made
            scan.compare(estimator, made.names, reset=True)
        names = made.names
        self.n_features = len(names)
        self._columns: list[Column] = [*names, *others]
        self._asked = Asked(
            [*features, *others], categories=categories, missing=missing, unknown=unknown
        )
        self._preparation = made if reset or kept is None else kept

    @staticmethod
    def _weight_column(scan: Scan, sample_weight: Any) -> list[Column]:
        """Return the column of the weights, if they are one; numbers name numbered columns."""
        numbered = _is_place(sample_weight) and isinstance(scan.columns, range)
        return [sample_weight] if isinstance(sample_weight, str) or numbered else []

    def _encode(self, classes: Sequence[NDArray] | None) -> list[Encoding] | None:
        """Find the classes, unless they are known, and how labels become places among them."""
        if self._given is not None:
            if classes is None:
                used = find_used(self._scan, self._used, len(self._given))
                self.classes, codes = encode(self._given[used])
                self._given = np.zeros(self._given.shape, codes.dtype)
                self._given[used] = codes
                return None
            self.classes = list(classes)
            self._given = encode_by(self._given, [Encoding.of(each, each) for each in classes], "")
            return None
        encodings, n_rows = find_labels(self._scan, self._used)
        self._as_text = not self._scan.has_types
        values = [np.unique(each.values) for each in encodings]
        for each in values:
            check_classes(each, n_rows)
        if classes is None:
            self.classes = values
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

    def keep_rows(self) -> None:
        """Keep the first rows of files from now on; see `rmodels.data.source.Source.keep_rows`."""
        if self._kept is None and self._state is not None and self._part.missing != "allow":
            self._kept = self._keep_none()

    def _keep_none(self) -> KeptRows:
        """Return what keeps rows, before the first."""
        most = get_config()["memory_limit"] // KEPT_SHARE
        return KeptRows(most, partly=self._scan.reader.skips)

    def _parts(self, start: int = 0, left_out: int = 0, *, whole: bool = False) -> Generator[Rows]:
        """Yield the rows of each batch, from a row on that begins one; before, some were left out.

        Of those that lack a value none may be left out if all must be there as a `whole`.
        """
        if self._scan.state() != self._state:
            raise ValueError(
                f"{self._scan.name} has changed since the fit began: its rows may be others. Fit "
                "again"
            )
        if self._kept is None or start or whole:
            yield from self._read_parts(start, left_out, whole)
            return
        if self._asked.missing == "mean" and self._preparation.means is None:
            self._kept = self._keep_none()  # means are those of whole passes
        kept = self._kept
        for rows, self._read, self._left_out in kept.parts:  # what a checkpoint goes on from
            yield rows
        if kept.is_whole:
            return
        with closing(self._read_parts(*kept.place, whole)) as parts:
            for rows in parts:
                if kept.has_room:
                    kept.add(rows, self._read, self._left_out)
                yield rows
        kept.end()

    def _read_parts(self, start: int, left_out: int, whole: bool) -> Generator[Rows]:
        """Yield the rows of each batch that is read."""
        scan, prepared = self._scan, self._preparation
        asked = replace(
            self._asked, labels=self._labels, as_text=self._as_text, words=self._used.words
        )
        fills = asked.missing == "mean"
        if fills and prepared.means is None and start:
            self._find_means()
        sums = Sums(self.n_features) if fills else None
        raw, first = start, start - left_out
        self._read, self._left_out = start, left_out  # what a checkpoint goes on from
        compared = [Compared(each) for each in self._known if self._as_text]
        with closing(
            scan.arrays(asked, self._task, start, left_out)
        ) as batches:  # also after an error
            for batch, Z in batches:
                if whole and batch.lacks is not None:
                    self._assert_whole(batch, Z)
                kept: slice | NDArray[np.bool_] = slice(None)
                if batch.lacks is not None and batch.lacks.any():
                    kept = ~batch.lacks
                if batch.labels is not None:
                    for cells, each in zip(batch.labels[kept].T, compared, strict=False):
                        each.add(cells)
                if sums is not None and sums.add(Z[:, : self.n_features]):
                    if prepared.means is None:
                        self._find_means()
                    prepared.fill(Z[:, : self.n_features])
                rows = self._rows(batch, Z, raw, first, kept)
                raw += len(Z)
                first += len(rows.X)
                self._read, self._left_out = raw, raw - first
                if len(rows.X):
                    yield rows
        if sums is not None and prepared.means is None:
            means = sums.means(scan, prepared.names)
            prepared.means = np.where(prepared.are_numbers, means, np.nan)
        for name, each in zip(self._labels, compared, strict=False):
            if fault := each.fault():
                raise ValueError(f"{scan.name}, column {name!r}: {fault}")
        for given, name in ((self._given, "y"), (self._weights, "sample_weight")):
            if isinstance(given, np.ndarray) and len(given) != raw:
                raise ValueError(f"{name} has {len(given)} rows, and the scan {raw}")

    def _find_means(self) -> None:
        """Have the means known, by a pass over the columns of numbers."""
        prepared = self._preparation
        numbers = [name for name in prepared.columns if str(name) not in prepared.categories]
        prepared.means = np.full(self.n_features, np.nan)
        prepared.means[prepared.are_numbers] = find_means(self._scan, numbers)

    def _assert_whole(self, batch: Batch, Z: NDArray) -> None:
        """Raise an error if a row of a batch lacks a value: it cannot be left out of answers."""
        assert batch.lacks is not None
        if batch.lacks.any():
            row = int(batch.lacks.argmax())
            gaps = [
                name for name, value in zip(self._columns, Z[row], strict=True) if value != value
            ]
            for name in self._asked.categories:  # of text that is missing all are 0
                own = [each in self._preparation.expand([name]) for each in self._columns]
                gaps += [] if Z[row, own].any() else [name]
            where = self._scan.reader.at(batch, row)
            raise ValueError(
                f'{where}, column {gaps[0]!r}: missing value. missing="drop" leaves rows out of '
                "fits and scores; here each row is to have an answer. Leave such rows out before, "
                'or fit with missing="mean"'
            )

    def _rows(
        self, batch: Batch, Z: NDArray, raw: int, first: int, kept: slice | NDArray[np.bool_]
    ) -> Rows:
        """Return those rows of a batch that are kept, checked.

        `raw` is the number of the first row of the batch, and `first` of those that are kept.
        """
        d, t = self.n_features, len(self._targets)
        here = slice(raw, raw + len(Z))
        Y: Any = Z[:, d : d + t] if batch.labels is None else batch.labels
        weights: Any = Z[:, -1] if self._weight else self._weights
        used = Z if isinstance(kept, slice) else np.where(kept[:, np.newaxis], Z, 0.0)
        if self._weight:
            self._scan.check_weights(batch, used[:, -1], self._weight[0])
        for given, name in ((self._given, "y"), (self._weights, "sample_weight")):
            if isinstance(given, np.ndarray) and here.stop > len(given):
                raise ValueError(f"{name} has {len(given)} rows, and the scan has more")
        if self._given is not None:
            Y = self._given[here]
        if isinstance(self._weights, np.ndarray):
            weights = self._weights[here]

        def check() -> None:
            n_gaps = d if self._part.missing == "allow" else 0
            self._scan.assert_finite(batch, used, self._columns, n_gaps)

        part = self._part
        if self._given is not None and part.targets == "labels":
            part = replace(part, targets="codes")
        X, Y = (None if A is None else A[kept] for A in (Z[:, :d], Y))
        if isinstance(weights, np.ndarray):
            weights = weights[kept]
        return part.rows(X, Y, weights, batch.place, first, check)

    def _large_parts(self) -> Generator[Rows]:
        """Yield rows that with an index take a share of the memory limit.

        Their arrays are overwritten by the next.
        """
        size = max(1, get_config()["memory_limit"] // (BLOCK_SHARE * 8 * self.n_features))
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
        totals, first, left_out = np.zeros(2), 0, 0
        if kept is not None and (saved := kept.read()) is not None:
            total, counted, first = saved
            totals, left_out = counted[:2], int(counted[2:].sum())
        with closing(self._large_parts() if large else self._parts(first, left_out)) as parts:
            for rows in parts:
                found = compute(rows)
                total = found if total is None else combine(total, found)
                totals = totals + rows.totals
                if kept is not None:
                    kept.write_if_due(total, [*totals, self._left_out], self._read)
        if not totals[1] and not self._allow_weightless:
            raise ValueError(WEIGHTLESS)
        if kept is not None:
            kept.write(total, [*totals, self._left_out], self._read)
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
        if self._asked.missing != "error":
            facts.append(self._asked.missing)
        if self._state is None:
            raise ValueError("a checkpoint needs files")
        return Checkpoint(self._scan.checkpoint, [self._state, *map(repr, facts)])

    def map(self, answer: Callable[[Rows], Any]) -> Any:
        """Return what `answer` gives for all rows; see `rmodels.data.source.Source.map`."""
        with closing(self._parts(whole=True)) as parts:
            return concatenate([on_host(answer(rows)) for rows in parts])

    def fold_answers(self, answer: Callable[[Rows], Any], compute: Callable[[Rows, Any], T]) -> T:
        """Return the sum over rows and answers; see `rmodels.data.source.Source.fold_answers`."""

        def both(rows: Rows) -> T:
            rows.assert_finite()
            return compute(rows, on_host(answer(rows)))

        return self.fold(both)

    def batches(
        self, seed: int | np.random.RandomState | None = None, *, whole: bool = False
    ) -> Iterator[Rows]:
        """Yield the rows in batches; see `rmodels.data.source.Source.batches`."""
        random = None if seed is None else random_state(seed)
        with closing(self._parts(whole=whole)) as parts:
            for rows in parts:
                yield rows if random is None else shuffle(rows, random)
