"""Formats of data: one class each, which reads it in batches."""

import os
from typing import Any

import numpy as np

from rmodels.data.formats.arrays import ArrayReader
from rmodels.data.formats.arrow import DatasetReader
from rmodels.data.formats.columns import Column, check_names, matrix
from rmodels.data.formats.csv import CSVReader
from rmodels.data.formats.files import FORMATS, files_of
from rmodels.data.formats.functions import FunctionReader
from rmodels.data.formats.labels import labels_of
from rmodels.data.formats.parquet import ParquetReader
from rmodels.data.formats.reader import Batch, Reader
from rmodels.data.formats.whole import read

__all__ = [
    "Batch",
    "Column",
    "Reader",
    "check_names",
    "files_of",
    "labels_of",
    "matrix",
    "read",
    "reader_of",
]


def reader_of(source: Any) -> Reader:
    """Return what reads a source; `rmodels.scan` says which there are."""
    if isinstance(source, np.ndarray):
        return ArrayReader(source)
    if callable(source):
        return FunctionReader(source)
    if hasattr(source, "get_fragments"):
        return DatasetReader(source)
    given = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    paths = [path for each in given for path in files_of(each)]
    formats = {FORMATS.get(path.suffix.lower()) for path in paths}
    if formats == {"parquet"}:
        return ParquetReader(paths)
    if formats == {"csv"}:
        return CSVReader(paths)
    raise ValueError(f"{paths[0]} and the others must be of one format: all Parquet or all CSV")
