"""Rows that do not fit in memory: files and other sources, read in batches.

A batch is read and turned into an array by a thread while the one before is computed with.
"""

import os
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from rmodels.config import config_context, get_config
from rmodels.data.checks import check_columns, check_given
from rmodels.data.formats import (
    LACKING,
    UNSEEN,
    Batch,
    Column,
    Reader,
    as_column,
    check_names,
    dummies,
    labels_of,
    matrix,
    reader_of,
)
from rmodels.data.preparation import MISSING, UNKNOWN, Preparation, preparation_of
from rmodels.extras import require
from rmodels.progress import progress_bars

__all__ = ["Asked", "Missing", "Scan", "Unknown", "scan"]

Missing = Literal["error", "drop", "mean"]
Unknown = Literal["error", "zeros"]

T = TypeVar("T")

LARGEST_BATCH = 1 << 24  # bytes, if the memory limit allows as much
_SHARE = 32  # of the memory limit that a batch may take: two are held as Arrow, and one as an array
_FREED_SHARE = 4  # of the memory limit that Arrow may keep of batches that were let go
_END = object()


def read_ahead(items: Iterator[T]) -> Generator[T]:
    """Yield items, each got by a thread while the one before is in use."""
    with ThreadPoolExecutor(1, "rmodels-scan") as pool:
        pending = pool.submit(next, items, _END)
        while (item := pending.result()) is not _END:
            pending = pool.submit(next, items, _END)
            yield item  # type: ignore[misc]


def give_back(batches: Iterator[Batch], most: int) -> Iterator[Batch]:
    """Yield batches; give back the memory of those that were let go when it is so many bytes.

    Arrow's pool keeps what was freed, several batches of it, unless it is told to give it back.
    Memory that is given back costs more to get again than decoding what is written there.
    """
    met = 0
    for batch in batches:
        met += 0 if isinstance(batch.rows, np.ndarray) else _count_bytes(batch.rows)
        yield batch
        del batch
        if met >= most:
            require("pyarrow", "files").default_memory_pool().release_unused()
            met = 0
    if met:
        require("pyarrow", "files").default_memory_pool().release_unused()


def _count_bytes(rows: Any) -> int:
    """Return how many bytes a table takes, or a larger one of which it is a part."""
    try:
        return int(rows.nbytes)
    except TypeError:  # pyarrow 18 does not count parts of views
        return int(rows.get_total_buffer_size())


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


@dataclass(frozen=True)
class Asked:
    """What a pass over a scan reads.

    Attributes
    ----------
    columns : list of str or int
        Numbers, and text that has categories.
    labels : list of str or int
        What stands apart as labels.
    as_text : bool
        Whether labels of a file without types stay text.
    words : collection of str
        Those of such labels in which NA, NaN and null are missing.
    categories : mapping of ndarray
        By the names of columns of text.
    missing : {"error", "drop", "mean"}
        What becomes of rows in which a value is missing: with "drop" they are marked. NaN among
        numbers is an error where it is searched for.
    unknown : {"error", "zeros"}
        What becomes of text that is no category.
    """

    columns: list[Column]
    labels: list[Column] = field(default_factory=list)
    as_text: bool = False
    words: Collection[Column] = ()
    categories: Mapping[str, NDArray] = field(default_factory=dict)
    missing: str = "error"
    unknown: str = "error"

    @property
    def width(self) -> int:
        """Columns of the array."""
        wide = sum(map(len, self.categories.values()))
        return len(self.columns) + wide - len(self.categories)


class Scan:
    """Rows of a source that is read in batches; made by `rmodels.scan`.

    Attributes
    ----------
    columns : list of str, or range
        Names of the columns of the source, or their numbers if it has no names.
    n_rows : int or None
        Rows that the last whole pass met, but for those that were left out.
    n_left_out : int
        Rows that the last whole pass left out, because a value is missing.
    missing, encode, unknown : str or None
        As given to `rmodels.scan`.
    """

    n_left_out = 0

    def __init__(
        self,
        reader: Reader,
        features: Sequence[Column] | None,
        checkpoint: str | os.PathLike[str] | None = None,
        missing: Missing | None = None,
        encode: Literal["onehot"] | None = None,
        unknown: Unknown | None = None,
    ) -> None:
        self.reader = reader
        self.missing, self.encode, self.unknown = missing, encode, unknown
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
        return f"<scan of {self.reader.name}, {len(self.columns)} columns>"

    def batch_size(self, columns: int) -> int:
        """Return the rows of a batch."""
        limit = min(LARGEST_BATCH, get_config()["memory_limit"] // _SHARE)
        return max(1, limit // (8 * columns))

    def read_tables(
        self,
        columns: Sequence[Column],
        texts: Sequence[Column] = (),
        start: int = 0,
        size: int | None = None,
    ) -> Iterator[Batch]:
        """Yield batches as they are read, of as many rows as the memory limit allows."""
        size = size or self.batch_size(len(columns))
        batches = self.reader.batches(columns, size, start, texts)
        return give_back(batches, get_config()["memory_limit"] // _FREED_SHARE)

    def arrays(
        self, asked: Asked, task: str, start: int = 0, left_out: int = 0
    ) -> Generator[tuple[Batch, NDArray]]:
        """Yield batches with their columns as an array, and labels apart; count the rows.

        They are those from row `start` on, before which so many were left out. An array is
        overwritten when the next is asked for.
        """
        met = start
        self.reader.gaps = asked.missing != "error"
        size = self.batch_size(asked.width + len(asked.labels))
        texts = [*asked.categories, *asked.labels]
        tables = self.read_tables([*asked.columns, *asked.labels], texts, start, size)
        with closing(read_ahead(tables)) as ahead:  # an error that is kept keeps no thread
            for batch in show_progress(self._read(ahead, asked, size), task):
                met += len(batch.rows)
                left_out += 0 if batch.lacks is None else int(batch.lacks.sum())
                yield batch, batch.rows
        if not met:
            raise ValueError(f"{self.reader.name} has no rows")
        if left_out and left_out == met:
            raise ValueError(f"{self.reader.name} has no row in which no value is missing")
        self.n_rows, self.n_left_out = met - left_out, left_out

    def _read(self, batches: Iterator[Batch], asked: Asked, size: int) -> Iterator[Batch]:
        dtype = self.reader.dtype(asked.columns)
        # new memory for each batch would take as long as filling it
        room = np.empty(size * asked.width, dtype)
        for batch in batches:
            lacks = np.zeros(len(batch.rows), bool) if asked.missing == "drop" else None
            apart = None
            if asked.labels:
                found = labels_of(
                    self.reader, batch, asked.labels, asked.as_text, lacks, asked.words
                )
                apart = np.stack(found, axis=1)
            places: dict[str, NDArray[np.intp]] = {}
            if asked.categories:
                empty = self.reader.has_types
                rows, places = dummies(
                    batch.rows, asked.columns, asked.categories, dtype, room, empty=empty
                )
            else:
                rows = matrix(batch.rows, asked.columns, dtype, room)
            if lacks is not None:
                lacks |= np.isnan(rows).any(axis=1)
                for each in places.values():
                    lacks |= each == LACKING
            for name, each in places.items():
                self._check_places(batch, name, each, asked, lacks)
            yield batch._replace(rows=rows, labels=apart, lacks=lacks)

    def _check_places(
        self,
        batch: Batch,
        name: str,
        places: NDArray[np.intp],
        asked: Asked,
        lacks: NDArray[np.bool_] | None,
    ) -> None:
        """Raise an error about text that is missing or no category, if it is used."""
        bad = places < 0
        if lacks is not None:
            bad &= ~lacks
        if asked.unknown == "zeros":
            bad &= (places != UNSEEN) & ((places != LACKING) | (asked.missing != "mean"))
        if not bad.any():
            return
        row = int(bad.argmax())
        where = f"{self.reader.at(batch, row)}, column {name!r}"
        if places[row] == UNSEEN:
            text = batch.rows.column(name)[row].as_py()
            raise ValueError(
                f'{where}: {text!r} is none of the categories of the fit. unknown="zeros" makes '
                "zeros of it"
            )
        more = ', and none was in the fit. unknown="zeros" makes zeros of it'
        raise ValueError(f"{where}: missing value{more if asked.missing == 'mean' else ''}")

    def assert_finite(
        self, batch: Batch, values: NDArray, columns: Sequence[Column], n_gaps: int = 0
    ) -> None:
        """Raise an error that says where a value is missing or not finite.

        The first `n_gaps` columns may lack values.
        """
        bad = ~np.isfinite(values)
        bad[:, :n_gaps] &= ~np.isnan(values[:, :n_gaps])
        if not bad.any():
            return
        row, column = (int(each[0]) for each in np.nonzero(bad))
        value = values[row, column]
        fault = "missing value or NaN" if np.isnan(value) else f"{value} is not finite"
        raise ValueError(
            self.reader.fault(batch, columns)
            or f"{self.reader.at(batch, row)}, column {columns[column]!r}: {fault}"
        )

    def check_weights(self, batch: Batch, values: NDArray, column: Column) -> None:
        """Raise an error that says where a weight is missing, not finite or negative."""
        self.assert_finite(batch, values[:, np.newaxis], [column])
        if (values < 0).any():
            row = int(np.argmax(values < 0))
            raise ValueError(
                f"{self.reader.at(batch, row)}, column {column!r}: {values[row]} is negative, and "
                "weights must be at least 0"
            )

    def features(self, left: Sequence[Column] = ()) -> list[Column]:
        """Return the columns to predict from: those chosen, or all but some."""
        if self._features is not None:
            return self._features
        return self.reader.others(left)

    def choose(self, estimator: Any, left: Sequence[Column], *, reset: bool) -> list[Column]:
        """Return the columns to fit to or to predict from, as they are read.

        Where none were chosen, a fitted estimator finds its own by their names: those of a table
        that it was fitted to, or of X if the table has these.
        """
        names = vars(estimator).get("feature_names_in_")
        numbered = isinstance(self.columns, range)
        if not reset and names is not None and self._features is None and not numbered:
            kept = preparation_of(estimator)
            if kept is not None and kept.is_given(self.columns):
                return kept.columns
            return [*map(str, names)]
        features = self.features(left)
        if not features:
            raise ValueError(f"{self.reader.name} has no columns to predict from")
        for name in features:
            if name in left and self._features is not None:
                raise ValueError(
                    f"column {name!r} is asked for twice: it is a target or the weights. Leave it "
                    "out of columns=, which names those to predict from"
                )
        return features

    def compare(self, estimator: Any, features: list[Column], *, reset: bool) -> None:
        """Record the columns of X, or compare those of a fitted estimator."""
        names = vars(estimator).get("feature_names_in_")
        if not reset and names is None and len(features) != estimator.n_features_in_:
            raise ValueError(
                f"{self.reader.name} has {len(features)} columns to predict from, but "
                f"{type(estimator).__name__} is expecting {estimator.n_features_in_} features as "
                f"input: choose them with columns={self.reader.note()}"
            )
        if not all(isinstance(name, str) for name in features):
            check_columns(estimator, np.empty((0, len(features))), reset=reset)
            return
        check_columns(estimator, _header(features), reset=reset)

    def compare_given(self, estimator: Any, features: list[Column], prepared: Preparation) -> None:
        """Compare columns of which some are text with those that a fit prepared."""
        check_given(estimator, prepared, _header(features))

    def find_texts(self, columns: Sequence[Column]) -> list[Column]:
        """Return those of some columns that hold text."""
        return self.reader.find_texts(columns)

    def check(self, numbers: Sequence[Column], labels: Sequence[Column] = ()) -> None:
        """Raise an error if a column is not everywhere, or does not hold numbers."""
        self.reader.check(numbers, labels)

    def note(self) -> str:
        """Return what to know where the number of columns is not that of a model; maybe nothing."""
        return self.reader.note()

    def state(self) -> str | None:
        """Return what changes if the files do; None of what is not files."""
        try:
            return self.reader.state()
        except ValueError:
            return None


def _header(columns: Sequence[Column]) -> Any:
    """Return a table of no rows."""
    pyarrow = require("pyarrow", "files")
    empty = pyarrow.array([], pyarrow.float64())
    return pyarrow.table([empty] * len(columns), names=list(map(str, columns)))


def scan(
    source: Any,
    columns: Sequence[Column] | None = None,
    *,
    missing: Missing | None = None,
    encode: Literal["onehot"] | None = None,
    unknown: Unknown | None = None,
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
        the index of a data frame. All files must then have the same. Targets and weights are none
        of them.
    missing : {"error", "drop", "mean"}, default=None
        What becomes of a value that is missing; None is "error" in a fit, and else what the model
        was fitted with.

        - "error": the error says where it is.
        - "drop": a fit, and a score, leaves out the rows in which a column that is used lacks a
          value: one to predict from, a target, the weights. A row cannot be left out of
          predictions: there it is an error.
        - "mean": of columns to predict from. The mean of the values that are there, without
          weights, stands for those that are not; the model keeps the means, and fills in with them
          what lacks in the rows that it predicts, in arrays, too. In a column of text a missing
          value is a category of its own. Targets and weights must be there.
    encode : {"onehot"}, default=None
        Whether a column of text becomes columns of 0 and 1, one for each category, sorted, and
        called ``color_red``. One more pass over these columns finds the categories. The model
        keeps them, and makes the same of a table, a file or a scan that has the columns of text.
        In a CSV file a column is text if the first of its cells that is there is neither a number
        nor true or false.
    unknown : {"error", "zeros"}, default=None
        What becomes of text that was not in the fit: "zeros" makes zeros of it in all columns that
        its own has become. None is "error" in a fit, and else what the model was fitted with.
    checkpoint : str or path-like, default=None
        Where to keep what is known of the rows read so far, for fits to files by sums of one read,
        as of least squares: a fit that was stopped goes on from there, with the same result. It
        stays after the fit. What reads the rows several times has none, and says so.
    separator : str, default=None
        What parts the cells of CSV files; the default is a tab in ``.tsv`` and else a comma.

    Returns
    -------
    Scan

    Raises
    ------
    ValueError
        If there is no file, they are of different or unknown formats, a column is missing, the
        source is none of these, or an option is not one of those that there are.
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

    >>> import pandas as pd
    >>> flats = pd.DataFrame({"area": [40.0, None, 80.0, 60.0]})
    >>> flats["town"] = ["Ulm", "Bonn", "Bonn", "Ulm"]
    >>> rows = rmodels.scan(flats, missing="mean", encode="onehot")
    >>> model = rmodels.LinearRegression().fit(rows, [120.0, 190.0, 250.0, 180.0])
    >>> model.feature_names_in_.tolist()
    ['area', 'town_Bonn', 'town_Ulm']
    >>> model.predict(pd.DataFrame({"area": [70.0], "town": ["Ulm"]})).round(6)
    array([210.])
    """
    for name, value, known in (
        ("missing", missing, MISSING),
        ("encode", encode, ("onehot",)),
        ("unknown", unknown, UNKNOWN),
    ):
        if value is not None and value not in known:
            words = ", ".join(map(repr, known))
            raise ValueError(f"{name} must be None or one of {words}; got {value!r}")
    if separator is not None and (
        len(separator) != 1 or separator in '"\r\n' or ord(separator) > 127
    ):
        raise ValueError(f"separator must be one sign of ASCII; got {separator!r}")
    if type(source).__module__.startswith("dask") and (missing or encode or unknown):
        raise ValueError(
            "missing, encode and unknown are of scans, and rows on Dask are none: fill in and "
            "encode there, or scan the files"
        )
    return Scan(reader_of(source, separator), columns, checkpoint, missing, encode, unknown)
