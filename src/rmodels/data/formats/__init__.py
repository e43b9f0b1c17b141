"""Formats of data: one class each, which reads it in batches."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from scipy import sparse

from rmodels.data.formats.arrays import ArrayReader
from rmodels.data.formats.arrow import DatasetReader, TableReader, is_frame, names_of
from rmodels.data.formats.categories import LACKING, UNSEEN, dummies, texts_of
from rmodels.data.formats.columns import Column, as_column, check_names, matrix
from rmodels.data.formats.csv import CSVReader
from rmodels.data.formats.files import Source, base_of, files_of, format_of, keys_of
from rmodels.data.formats.functions import FunctionReader
from rmodels.data.formats.labels import Compared, holds_text, labels_of, values_of
from rmodels.data.formats.parquet import ParquetReader
from rmodels.data.formats.reader import Batch, Reader, name_unreadable
from rmodels.data.formats.remote import Remote, path_of
from rmodels.data.formats.whole import read
from rmodels.extras import require

__all__ = [
    "LACKING",
    "UNSEEN",
    "Batch",
    "Column",
    "Compared",
    "Reader",
    "TableReader",
    "as_column",
    "check_names",
    "dummies",
    "files_of",
    "holds_text",
    "is_frame",
    "labels_of",
    "matrix",
    "names_of",
    "read",
    "reader_of",
    "texts_of",
    "values_of",
]


def reader_of(source: Any, separator: str | None = None) -> Reader:
    """Return what reads a source; `rmodels.scan` says which there are."""
    if isinstance(source, np.ndarray):
        return ArrayReader(source)
    if isinstance(source, (str, os.PathLike)):
        return _files_reader([source], separator)
    if hasattr(source, "get_fragments"):
        return DatasetReader(source)
    if is_frame(source):
        return TableReader(source)
    if callable(source):
        return FunctionReader(source)
    listed = isinstance(source, Iterable) and not sparse.issparse(source)
    if listed and not (_is_table(source) or _is_stream(source)):
        given = []
        for each in source:
            given.append(each)
            if not isinstance(each, (str, os.PathLike)):
                break
        else:
            return _files_reader(given, separator)
    raise ValueError(f"a {type(source).__name__} cannot be scanned: {_advice(source)}")


def _files_reader(given: list[Source], separator: str | None) -> Reader:
    """Return what reads files, folders and patterns."""
    if not given:
        raise ValueError("no files were given: the list is empty")
    paths = [path for each in given for path in files_of(each)]
    formats = {format_of(path) for path in paths}
    systems = [path.system if isinstance(path, Remote) else None for path in paths]
    if len(formats) > 1 or any(each != systems[0] for each in systems):
        raise ValueError(
            f"{paths[0]} and the others must be of one format, all CSV, all Parquet or all Arrow, "
            "and in one place"
        )
    if formats == {"csv"}:
        return CSVReader(paths, keys_of(paths, given), separator)
    if formats == {"parquet"} and systems[0] is None:
        return ParquetReader(paths, keys_of(paths, given))
    datasets = require("pyarrow.dataset", "files")
    with name_unreadable(str(paths[0])):
        dataset = datasets.dataset(
            [path_of(path) for path in paths],
            format={"arrow": "ipc"}.get(*[*formats] * 2),
            filesystem=systems[0],
            partitioning="hive",
            partition_base_dir=base_of(given).lstrip("/" if systems[0] else ""),
        )
    return DatasetReader(dataset, str(paths[0]))


def _is_table(source: Any) -> bool:
    """Return whether going through something gives the names of its columns."""
    return isinstance(source, Mapping) or hasattr(source, "columns")


def _is_stream(source: Any) -> bool:
    return hasattr(source, "__arrow_c_stream__")


def _advice(source: Any) -> str:
    """Return what to give in place of something that cannot be scanned."""
    name = type(source).__name__
    if type(source).__module__.startswith("dask"):
        return "estimators take what is of Dask itself, as X"
    if sparse.issparse(source):
        return "estimators take sparse matrices themselves, as X"
    if name == "LazyFrame":
        batches = hasattr(source, "collect_batches")  # polars of today
        frame = "lambda: frame.collect_batches()" if batches else "frame.collect()"
        return f"give the files that it reads, or {frame}"
    if name in ("Scanner", "RecordBatchReader") or hasattr(source, "__next__"):
        return (
            "it can be read once, and fits read as often as they must. Give a function that makes "
            "it anew"
        )
    if isinstance(source, Mapping):
        return "give pyarrow.table of it"
    if name == "Series":
        return "give a frame, such as series.to_frame()"
    if _is_stream(source):
        return "give lambda: pyarrow.RecordBatchReader.from_stream(...)"
    if isinstance(source, (list, tuple)):
        return "a list is one of paths. Of batches, give a function that returns it"
    return (
        "give a path, a folder or a pattern, a list of them, a dataset or table of pyarrow, a data "
        "frame, an array, or a function that gives batches"
    )
