"""Rows that do not fit in memory: files and other sources, read in batches.

A batch is read and turned into an array by a thread while the one before is computed with.
"""

import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rmodels.config import config_context, get_config
from rmodels.data.checks import check_columns
from rmodels.data.formats import (
    Batch,
    Column,
    Reader,
    as_column,
    check_names,
    labels_of,
    matrix,
    reader_of,
    values_of,
)
from rmodels.data.labels import Encoding, merge_labels
from rmodels.extras import require
from rmodels.progress import progress_bars

__all__ = ["Scan", "scan"]

T = TypeVar("T")

LARGEST_BATCH = 1 << 24  # bytes, if the memory limit allows as much
_SHARE = 32  # of the memory limit that a batch may take: two are held as Arrow, and one as an array
_END = object()


def read_ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield items, each got by a thread while the one before is in use."""
    with ThreadPoolExecutor(1, "rmodels-scan") as pool:
        pending = pool.submit(next, items, _END)
        while (item := pending.result()) is not _END:
            pending = pool.submit(next, items, _END)
            yield item  # type: ignore[misc]


def show_progress(batches: Iterator[Batch], task: str) -> Iterator[Batch]:
    """Yield batches; show their progress if the setting says so."""
    if not get_config()["progress"]:
        yield from batches
        return
    with progress_bars() as bars, config_context(progress=False):
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
        if isinstance(features, str):
            raise ValueError(f"columns={features!r} must be a list of columns: [{features!r}]")
        chosen = [as_column(each) for each in (() if features is None else features)]
        for name in chosen:
            if chosen.count(name) > 1:
                raise ValueError(f"column {name!r} is asked for twice")
        self._features = None if features is None else chosen
        self.checkpoint = checkpoint
        self.name, self.columns, self.has_types = reader.name, reader.columns, reader.has_types
        self.dtype = reader.dtype
        self.n_rows: int | None = None
        check_names(reader.name, reader.columns, self._features or [])

    def __repr__(self) -> str:
        return f"<scan of {self._reader.name}, {len(self.columns)} columns>"

    def batch_size(self, columns: int) -> int:
        """Return the rows of a batch."""
        limit = min(LARGEST_BATCH, get_config()["memory_limit"] // _SHARE)
        return max(1, limit // (8 * columns))

    def read_tables(
        self, columns: Sequence[Column], start: int = 0, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches as they are read."""
        return self._reader.batches(columns, self.batch_size(len(columns)), start, texts)

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
        batches = self.read_tables([*columns, *labels], start, labels)
        for batch in show_progress(self._read(read_ahead(batches), columns, labels, as_text), task):
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
        room = np.empty(self.batch_size(len(columns) + len(labels)) * len(columns), dtype)
        for batch in batches:
            apart = None
            if labels:
                apart = np.stack(labels_of(self._reader, batch, labels, as_text), axis=1)
            yield batch._replace(rows=matrix(batch.rows, columns, dtype, room), labels=apart)

    def assert_finite(self, batch: Batch, values: NDArray, columns: Sequence[Column]) -> None:
        """Raise an error that says where a value is missing or not finite."""
        bad = ~np.isfinite(values)
        if not bad.any():
            return
        row, column = (int(each[0]) for each in np.nonzero(bad))
        value = values[row, column]
        fault = "missing value or NaN" if np.isnan(value) else f"{value} is not finite"
        raise ValueError(
            self._reader.fault(batch, columns)
            or f"{self._reader.at(batch, row)}, column {columns[column]!r}: {fault}"
        )

    def check_weights(self, batch: Batch, values: NDArray, column: Column) -> None:
        """Raise an error that says where a weight is missing, not finite or negative."""
        self.assert_finite(batch, values[:, np.newaxis], [column])
        if (values < 0).any():
            row = int(np.argmax(values < 0))
            raise ValueError(
                f"{self._reader.at(batch, row)}, column {column!r}: {values[row]} is negative, and "
                "weights must be at least 0"
            )

    def features(self, left: Sequence[Column] = ()) -> list[Column]:
        """Return the columns to predict from: those chosen, or all but some."""
        if self._features is not None:
            return self._features
        return self._reader.others(left)

    def features_for(self, estimator: Any, left: Sequence[Column], *, reset: bool) -> list[Column]:
        """Return the columns to fit to or to predict from, recorded or compared with the fit's.

        Where none were chosen, a fitted estimator finds its own by their names.
        """
        names = vars(estimator).get("feature_names_in_")
        numbered = isinstance(self.columns, range)
        if not reset and names is not None and self._features is None and not numbered:
            features: list[Column] = [*map(str, names)]
            self._reader.check(features)
            return features
        features = self.features(left)
        if not features:
            raise ValueError(f"{self._reader.name} has no columns to predict from")
        if not reset and names is None and len(features) != estimator.n_features_in_:
            raise ValueError(
                f"{self._reader.name} has {len(features)} columns to predict from, but "
                f"{type(estimator).__name__} is expecting {estimator.n_features_in_} features as "
                f"input: choose them with columns={self._reader.note()}"
            )
        self._compare(estimator, features, reset=reset)
        self._reader.check(features)
        return features

    def _compare(self, estimator: Any, features: list[Column], *, reset: bool) -> None:
        """Record the columns, or compare those of a fitted estimator."""
        if not all(isinstance(name, str) for name in features):
            check_columns(estimator, np.empty((0, len(features))), reset=reset)
            return
        pyarrow = require("pyarrow", "files")
        empty = pyarrow.array([], pyarrow.float64())
        header = pyarrow.table([empty] * len(features), names=list(map(str, features)))
        check_columns(estimator, header, reset=reset)

    def check(self, numbers: Sequence[Column], labels: Sequence[Column] = ()) -> None:
        """Raise an error if a column is not everywhere, or does not hold numbers."""
        self._reader.check(numbers, labels)

    def find_labels(self, columns: list[Column]) -> list[Encoding]:
        """Return how the labels of some columns become places among their classes."""
        self._reader.check((), columns)
        found: list[NDArray] | None = None
        as_text = not self._reader.has_types
        for batch in read_ahead(self.read_tables(columns, 0, columns)):
            part = [np.unique(each) for each in labels_of(self._reader, batch, columns, as_text)]
            found = part if found is None else merge_labels(found, part)
        if found is None:
            raise ValueError(f"{self._reader.name} has no rows")
        size = self.batch_size(1)
        values = [values_of(self._reader, *each, size) for each in zip(columns, found, strict=True)]
        return [Encoding.of(*each) for each in zip(found, values, strict=True)]

    def note(self) -> str:
        """Return what to know where the number of columns is not that of a model; maybe nothing."""
        return self._reader.note()

    def state(self) -> str | None:
        """Return what changes if the files do; None of what is not files."""
        try:
            return self._reader.state()
        except ValueError:
            return None


def scan(
    source: Any,
    columns: Sequence[Column] | None = None,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    separator: str | None = None,
) -> Scan:
    """Let estimators read data that does not fit in memory.

    What is returned takes the place of X in `fit`, `predict`, `score`, `kneighbors` and
    `radius_neighbors`. In `fit` and `score`, y and sample_weight are the names (or numbers) of
    columns, or arrays of as many rows. Batches are read while the ones before are computed with,
    and all of them take no more than the setting `memory_limit`.

    Parameters
    ----------
    source : str, path-like, list of them, dataset, table, data frame, ndarray or callable
        - A Parquet, CSV or Arrow file, a folder of them, or a pattern such as
          ``"data/*.parquet"``. Names that begin with a dot or an underscore are passed by, below a
          folder and where a pattern does not say so; names of folders such as ``year=2024`` are a
          column. CSV files may be compressed, such as ``.csv.gz`` and ``.csv.zst``.
        - A URL of such a file, folder or pattern: ``s3://bucket/data``, and what else pyarrow, or
          fsspec where it is installed, knows of.
        - A dataset of pyarrow, without a filter.
        - A table or record batch of pyarrow, or a data frame of pandas or polars.
        - An array of two dimensions, such as a numpy.memmap: its columns are numbered.
        - A function without parameters that returns an iterable of batches, each time anew, of the
          same rows: arrays of two dimensions, tables of pyarrow, data frames, or dictionaries of
          columns.
    columns : sequence of str or int, default=None
        The columns to predict from; the default is all that are neither targets nor weights, nor
        the index of a data frame. All files must then have the same.
    checkpoint : str or path-like, default=None
        Where to keep what is known of the rows read so far, for fits of linear models to files: a
        fit that was stopped goes on from there, with the same result. It stays after the fit.
    separator : str, default=None
        What parts the cells of CSV files; the default is a tab in ``.tsv`` and else a comma.

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
    if separator is not None and (
        len(separator) != 1 or separator in '"\r\n' or ord(separator) > 127
    ):
        raise ValueError(f"separator must be one sign of ASCII; got {separator!r}")
    return Scan(reader_of(source, separator), columns, checkpoint)
