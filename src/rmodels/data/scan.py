"""Rows that do not fit in memory: files and other sources, read in batches.

A batch is read and turned into an array by a thread while the one before is computed with.
"""

import operator
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from rmodels.config import config_context, get_config, thread_count
from rmodels.data.formats import (
    Batch,
    Column,
    Reader,
    as_column,
    check_names,
    labels_of,
    matrix,
    read,
    reader_of,
)
from rmodels.data.source import WEIGHTLESS, Rows
from rmodels.extras import require

__all__ = ["Scan", "ScannedRows", "scan"]

T = TypeVar("T")

_LARGEST_BATCH = 1 << 24  # bytes
_BLOCK_SHARE = 12  # of the memory limit that a block of points may take, less its index
_SHARE = 32  # of the memory limit that a batch may take: two are held as Arrow, and one as an array
_END = object()


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield items, each got by a thread while the one before is in use."""
    with ThreadPoolExecutor(1, "rmodels-scan") as pool:
        pending = pool.submit(next, items, _END)
        while (item := pending.result()) is not _END:
            pending = pool.submit(next, items, _END)
            yield item  # type: ignore[misc]


def _shown(batches: Iterator[Batch], task: str) -> Iterator[Batch]:
    """Yield batches; show their progress if the setting says so."""
    if not get_config()["progress"]:
        yield from batches
        return
    progress = require("rich.progress", "progress")
    with progress.Progress(transient=True) as bars, config_context(progress=False):
        bar = bars.add_task(task, total=1.0)
        for batch in batches:
            yield batch
            bars.update(bar, total=None if batch.done is None else 1.0, completed=batch.done)


class Scan:
    """Rows of a source that is read in batches; made by `rmodels.scan`.

    Attributes
    ----------
    columns : list of str, or range
        Names of the columns of the source, or their numbers if it has no names.
    n_rows : int or None
        Rows that the last whole pass met.
    """

    def __init__(
        self,
        reader: Reader,
        features: Sequence[Column] | None,
        checkpoint: str | os.PathLike[str] | None,
    ) -> None:
        self._reader = reader
        self._features = None if features is None else [as_column(each) for each in features]
        self._checkpoint = checkpoint
        self.columns = reader.columns
        self.n_rows: int | None = None
        check_names(reader.name, reader.columns, self._features or [])

    def __repr__(self) -> str:
        return f"<scan of {self._reader.name}, {len(self.columns)} columns>"

    def _size(self, columns: int) -> int:
        """Return the rows of a batch."""
        limit = min(_LARGEST_BATCH, get_config()["memory_limit"] // _SHARE)
        return max(1, limit // (8 * columns))

    def tables(
        self, columns: Sequence[Column], start: int = 0, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches as they are read."""
        return self._reader.batches(columns, self._size(len(columns)), start, texts)

    def arrays(
        self,
        columns: Sequence[Column],
        task: str,
        start: int = 0,
        labels: Sequence[Column] = (),
        as_text: bool = False,
    ) -> Generator[tuple[Batch, NDArray]]:
        """Yield batches with their columns as an array, and labels apart; count the rows.

        An array is overwritten when the next is asked for.
        """
        met = start
        texts = () if self._reader.has_types else labels
        batches = self.tables([*columns, *labels], start, texts)
        for batch in _shown(self._read(_ahead(batches), columns, labels, as_text), task):
            met += len(batch.rows)
            yield batch, batch.rows
        if not met:
            raise ValueError(f"{self._reader.name} has no rows")
        self.n_rows = met

    def _read(
        self,
        batches: Iterator[Batch],
        columns: Sequence[Column],
        labels: Sequence[Column],
        as_text: bool,
    ) -> Iterator[Batch]:
        dtype = self._reader.dtype(columns)
        # new memory for each batch would take as long as filling it
        room = np.empty(self._size(len(columns) + len(labels)) * len(columns), dtype)
        for batch in batches:
            apart = None
            if labels:
                apart = np.stack(labels_of(self._reader, batch, labels, as_text), axis=1)
            yield batch._replace(rows=matrix(batch.rows, columns, dtype, room), labels=apart)

    def assert_finite(self, place: str, values: NDArray, columns: Sequence[Column]) -> None:
        """Raise an error that says where a value is missing or not finite."""
        bad = ~np.isfinite(values)
        if not bad.any():
            return
        row, column = (int(each[0]) for each in np.nonzero(bad))
        value = values[row, column]
        fault = "missing value or NaN" if np.isnan(value) else f"{value} is not finite"
        raise ValueError(
            self._reader.fault(place, columns)
            or f"{place}, row {row + 1} of the batch, column {columns[column]!r}: {fault}"
        )

    def features(self, left: Sequence[Column] = ()) -> list[Column]:
        """Return the columns to predict from: those chosen, or all but some."""
        if self._features is not None:
            return self._features
        return self._reader.others(left)

    def record(self, estimator: Any, features: list[Column]) -> None:
        """Set an estimator's number and names of columns."""
        estimator.n_features_in_ = len(features)
        vars(estimator).pop("feature_names_in_", None)
        if all(isinstance(name, str) for name in features):
            estimator.feature_names_in_ = np.array(features, dtype=object)

    def fitted(self, estimator: Any, left: Sequence[Column] = ()) -> list[Column]:
        """Return the columns that a fitted estimator predicts from, checked: none that are left."""
        names = vars(estimator).get("feature_names_in_")
        features: list[Column] = self.features(left) if names is None else [*map(str, names)]
        if len(features) != estimator.n_features_in_:
            raise ValueError(
                f"{self._reader.name} has {len(features)} columns to predict from, but "
                f"{type(estimator).__name__} is expecting {estimator.n_features_in_} features as "
                f"input: choose them with columns={self._reader.note()}"
            )
        self._reader.check(features)
        return features

    def check(self, columns: Sequence[Column]) -> None:
        """Raise an error if a column is not everywhere, or does not hold numbers."""
        self._reader.check(columns)

    def count(self, columns: list[Column]) -> int:
        """Return how many rows there are, all of which are read and finite."""
        for batch, X in self.arrays(columns, "fit"):
            self.assert_finite(batch.place, X, columns)
        assert self.n_rows is not None
        return self.n_rows

    def blocks(self, columns: list[Column]) -> Iterator[NDArray]:
        """Yield all rows as C-contiguous arrays that with an index take a share of the limit.

        Each is overwritten by the next.
        """
        size = max(1, get_config()["memory_limit"] // (_BLOCK_SHARE * 8 * len(columns)))
        held = np.empty((size, len(columns)), self._reader.dtype(columns))
        rows = 0
        with closing(self.arrays(columns, "search")) as batches:
            for batch, X in batches:
                self.assert_finite(batch.place, X, columns)
                for first in range(0, len(X), size):
                    part = X[first : first + size]
                    if rows + len(part) > size:
                        yield held[:rows]
                        rows = 0
                    held[rows : rows + len(part)] = part
                    rows += len(part)
        yield held[:rows]

    def labels(self, y: Any, targets: list[Column], numbers: bool) -> NDArray:
        """Return columns of numbers or text: (rows,), or (rows, targets) if `y` lists them.

        Text is an error if they must be `numbers`; else that of a file without types is numbers
        if all of a column is.
        """
        self._reader.check(targets if numbers else (), targets)
        one = isinstance(y, (str, int))
        if numbers:
            held = []
            with closing(self.arrays(targets, "fit")) as numbered:
                for batch, Y in numbered:
                    self.assert_finite(batch.place, Y, targets)
                    held.append(Y.copy())
            found = np.concatenate(held)
            return found[:, 0] if one else found
        _, columns = read(self._reader, (), targets, size=self._size(len(targets)))
        return columns[0] if one else np.column_stack(columns)

    def are_columns(self, y: Any) -> bool:
        """Return whether y names columns, and is not an array of targets."""
        return isinstance(as_column(y), (str, int)) or _are_columns(y)

    def samples(self, features: list[Column], task: str) -> Generator[NDArray]:
        """Yield the columns that an estimator predicts from, finite, in batches."""
        with closing(self.arrays(features, task)) as batches:
            for batch, X in batches:
                self.assert_finite(batch.place, X, features)
                yield X

    def with_targets(
        self,
        estimator: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        reset: bool = False,
        labels: Literal["numbers", "text"] | None = None,
        task: str = "fit",
    ) -> tuple["ScannedRows", bool]:
        """Return rows to fit an estimator to or to score it on, and whether y is one target.

        Targets are numbers of float64; or `labels`, numbers as they are or text.
        """
        y, sample_weight = as_column(y), as_column(sample_weight)
        named = isinstance(y, (str, int))
        given = np.float64 if labels is None else None
        targets = [y] if named else list(y) if _are_columns(y) else np.asarray(y, given)
        chosen = [] if isinstance(targets, np.ndarray) else targets
        weight = sample_weight if isinstance(sample_weight, (str, int)) else None
        left = [*chosen, *([] if weight is None else [weight])]
        features = self.features(left)
        if reset:
            self.record(estimator, features)
        else:
            features = self.fitted(estimator, left)
        if not features:
            raise ValueError(f"{self._reader.name} has no columns to predict from")
        for name in chosen:
            if name in features:
                raise ValueError(f"column {name!r} is asked for twice")
        rows = ScannedRows(self, features, targets, sample_weight, labels, task)
        return rows, named or getattr(targets, "ndim", 2) == 1


def _are_columns(y: Any) -> bool:
    return isinstance(y, (list, tuple)) and len(y) > 0 and all(isinstance(name, str) for name in y)


class ScannedRows:
    """Rows to fit to, in batches; see `rmodels.data.source.Source`."""

    in_memory = False

    def __init__(
        self,
        scan: Scan,
        features: list[Column],
        targets: Any,
        sample_weight: Any,
        labels: Literal["numbers", "text"] | None,
        task: str,
    ) -> None:
        self._scan = scan
        self._task = task
        self._features = features
        self._targets = targets if isinstance(targets, list) else []
        self._given = None if isinstance(targets, list) else targets.reshape(len(targets), -1)
        column = isinstance(sample_weight, (str, int))
        self._weight: list[Column] = [sample_weight] if column else []
        self._weights = None
        if not column and sample_weight is not None:
            self._weights = np.asarray(sample_weight, np.float64)
        self._as_text = labels == "text"
        self._labels = [] if labels is None else self._targets
        numbers = self._targets if labels is None else []
        self._columns = [*features, *numbers, *self._weight]
        self._size: NDArray[np.float64] | None = None
        self.n_features = len(features)
        self.n_targets = len(self._targets) if self._given is None else self._given.shape[1]
        scan._reader.check(self._columns, self._labels)
        self.dtype = scan._reader.dtype(features)

    @property
    def count(self) -> float:
        """How many rows have a weight that is not 0."""
        return float(self._totals[0])

    @property
    def weight(self) -> float:
        """Σ w."""
        return float(self._totals[1])

    @property
    def _totals(self) -> NDArray[np.float64]:
        if self._size is None:
            self._size = self.fold(lambda rows: rows.totals)
        return self._size

    def threads(self, n_jobs: int | None) -> int | None:
        """Return most threads of a computation."""
        return thread_count(n_jobs)

    def _rows(self, batch: Batch, Z: NDArray, first: int) -> Rows:
        d, t = self.n_features, len(self._targets)
        part = slice(first, first + len(Z))
        X, Y = Z[:, :d], Z[:, d : d + t] if batch.labels is None else batch.labels
        weights = Z[:, -1] if self._weight else None
        for given, name in ((self._given, "y"), (self._weights, "sample_weight")):
            if given is not None and part.stop > len(given):
                raise ValueError(f"{name} has {len(given)} rows, and the scan has more")
        if self._given is not None:
            Y = self._given[part]
        if self._weights is not None:
            weights = self._weights[part]
        if weights is not None and not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ValueError(f"{batch.place}: weights must be finite and at least 0")

        def assert_finite() -> None:
            self._scan.assert_finite(batch.place, Z, self._columns)
            if self._given is not None and Y.dtype.kind == "f" and not np.isfinite(Y).all():
                raise ValueError(f"y holds a NaN or an infinity, for {batch.place}")

        return Rows(X, Y, weights, assert_finite, first)

    def numbered(self) -> int:
        """Return how many rows there are; see `rmodels.data.source.Source.numbered`."""
        return self.fold(lambda rows: len(rows.Y))

    def fold(
        self,
        compute: Callable[[Rows], T],
        combine: Callable[[T, T], T] = operator.add,
        *,
        resumable: bool = False,
    ) -> T:
        """Return what `compute` gives for all rows; see `rmodels.data.source.Source.fold`."""
        kept = None
        if resumable and self._scan._checkpoint is not None:
            if self._given is not None or self._weights is not None:
                raise ValueError("with a checkpoint, y and sample_weight must be columns")
            facts = [self._columns, self._scan._size(len(self._columns)), get_config()["engine"]]
            from rmodels.files.checkpoint import Checkpoint  # which imports the estimators

            state = [self._scan._reader.state(), *map(repr, facts)]
            kept = Checkpoint(self._scan._checkpoint, state)
        total: Any = None
        size, first = np.zeros(2), 0
        if kept is not None and (saved := kept.read()) is not None:
            total, size, first = saved
        batches = self._scan.arrays(self._columns, self._task, first, self._labels, self._as_text)
        with closing(batches):  # also where the traceback of an error is kept
            for batch, Z in batches:
                rows = self._rows(batch, Z, first)
                found = compute(rows)
                total = found if total is None else combine(total, found)
                size = size + rows.totals
                first += len(Z)
                if kept is not None:
                    kept.write_if_due(total, size, first)
        for given, name in ((self._given, "y"), (self._weights, "sample_weight")):
            if given is not None and len(given) != first:
                raise ValueError(f"{name} has {len(given)} rows, and the scan {first}")
        if not size[1]:
            raise ValueError(WEIGHTLESS)
        if kept is not None:
            kept.write(total, size, first)
        self._size = size
        return total


def scan(
    source: Any,
    columns: Sequence[Column] | None = None,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Scan:
    """Let estimators read data that does not fit in memory.

    What is returned takes the place of X in `fit`, `predict`, `score`, `kneighbors` and
    `radius_neighbors`. In `fit` and `score`, y and sample_weight are the names (or numbers) of
    columns, or arrays of as many rows. Batches are read while the ones before are computed with,
    and all of them take no more than the setting `memory_limit`.

    Parameters
    ----------
    source : str, path-like, list of them, dataset, table, data frame, ndarray or callable
        - A Parquet or CSV file, a folder of them, or a pattern such as ``"data/*.parquet"``. Names
          that begin with a dot or an underscore are passed by, below a folder and where a pattern
          does not say so; names of folders such as ``year=2024`` are a column.
        - A dataset of pyarrow, without a filter.
        - A table or record batch of pyarrow, or a data frame of pandas or polars.
        - An array of two dimensions, such as a numpy.memmap: its columns are numbered.
        - A function without parameters that returns an iterable of batches, each time anew: arrays
          of two dimensions, tables of pyarrow, data frames, or dictionaries of columns.
    columns : sequence of str or int, default=None
        The columns to predict from; the default is all that are neither targets nor weights, nor
        the index of a data frame. All files must then have the same.
    checkpoint : str or path-like, default=None
        Where to keep what is known of the rows read so far, for fits of linear models to files: a
        fit that was stopped goes on from there, with the same result. It stays after the fit.

    Returns
    -------
    Scan

    Raises
    ------
    ValueError
        If there is no file, they are of different or unknown formats, a column is missing, or the
        source is none of these.
    ImportError
        If pyarrow is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import rmodels
    >>> X = np.arange(20.0).reshape(10, 2) ** 2
    >>> y = X @ [1.0, 2.0] + 3.0
    >>> model = rmodels.LinearRegression().fit(rmodels.scan(X), y)
    >>> model.predict(rmodels.scan(X))[:2].round(6)
    array([ 5., 25.])
    """
    return Scan(reader_of(source), columns, checkpoint)
