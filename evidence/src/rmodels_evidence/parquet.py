"""Rows in a Parquet file, and contenders that only read it: what a fit from a file is held to."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels_evidence.problem import Agreement, Answers, Contender

__all__ = ["READ", "InParquet", "can_read", "readers", "write"]

READ = "pyarrow, read only"


@dataclass(frozen=True, eq=False)
class InParquet:
    """Rows in memory and in a file, columns x0, x1, … and perhaps y.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or None
    path : Path
    folder : tempfile.TemporaryDirectory
        What the file is removed with.
    """

    X: NDArray
    y: NDArray | None
    path: Path
    folder: Any


def can_read() -> bool:
    """Return whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def write(X: NDArray, y: NDArray | None = None) -> InParquet:
    """Write rows to a new file."""
    import pyarrow
    from pyarrow import parquet

    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "rows.parquet")
    columns = {f"x{i}": np.ascontiguousarray(column) for i, column in enumerate(X.T)}
    if y is not None:
        columns["y"] = y
    parquet.write_table(pyarrow.table(columns), path, use_dictionary=False)
    return InParquet(X, y, path, folder)


def _read(data: Any, *, threads: int) -> Callable[[], int]:
    import pyarrow
    from pyarrow import parquet

    def run() -> int:
        pyarrow.set_cpu_count(threads)
        with parquet.ParquetFile(data.path) as file:
            return sum(batch.num_rows for batch in file.iter_batches())

    return run


def _read_as_ours(data: Any, *, threads: int) -> Callable[[], int]:
    import pyarrow

    import rmodels

    def run() -> int:
        pyarrow.set_cpu_count(threads)
        rows = rmodels.scan(data.path)
        return sum(batch.rows.num_rows for batch in rows.read_tables(rows.columns))

    return run


def _check_count(data: Any, answers: Answers) -> dict[Contender, Agreement]:
    return {
        contender: Agreement(abs(answer - len(data.X)), 0.0, "rows that were not read")
        for contender, answer in answers.items()
    }


def readers(threads: int) -> tuple[Contender, Contender]:
    """Return the contenders that only read the file of data with X and path."""
    return (
        Contender(
            READ,
            partial(_read, threads=threads),
            note="its own defaults; batches are left as they are",
            check=_check_count,
        ),
        Contender(
            "pyarrow, read only as rmodels does",
            partial(_read_as_ours, threads=threads),
            note="smaller batches, no buffer of a whole row group",
            check=_check_count,
        ),
    )
