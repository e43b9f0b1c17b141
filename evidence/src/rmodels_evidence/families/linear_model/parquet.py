"""The problem of linear regression from a Parquet file, beside only reading the file."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels_evidence.families.linear_model.problems import (
    LinearData,
    check_least_squares,
    generate,
)
from rmodels_evidence.problem import Agreement, Answers, Contender, Goal, Options, Problem, Work

__all__ = ["parquet_problems"]

_FEATURES = 40
_READ = "pyarrow, read only"


@dataclass(frozen=True, eq=False)
class ParquetData(LinearData):
    """The same rows in a Parquet file, columns x0 to x39 and y, and the folder it is removed with.

    Attributes
    ----------
    path : Path
    folder : tempfile.TemporaryDirectory
    """

    path: Path
    folder: Any


def _write(n_samples: int) -> ParquetData:
    import pyarrow
    from pyarrow import parquet

    rows = generate(n_samples, _FEATURES)
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "rows.parquet")
    columns = {f"x{i}": np.ascontiguousarray(column) for i, column in enumerate(rows.X.T)}
    parquet.write_table(pyarrow.table(columns | {"y": rows.y}), path, use_dictionary=False)
    return ParquetData(rows.X, rows.y, rows.Q, path, folder)


def _fit(data: ParquetData, *, threads: int) -> Callable[[], NDArray]:
    import rmodels

    def run() -> NDArray:
        rows: Any = rmodels.scan(data.path)
        model = rmodels.LinearRegression(n_jobs=threads).fit(rows, "y")
        return np.append(model.coef_, model.intercept_)

    return run


def _read(data: ParquetData, *, threads: int) -> Callable[[], int]:
    import pyarrow
    from pyarrow import parquet

    def run() -> int:
        pyarrow.set_cpu_count(threads)
        with parquet.ParquetFile(data.path) as file:
            return sum(batch.num_rows for batch in file.iter_batches())

    return run


def _read_as_ours(data: ParquetData, *, threads: int) -> Callable[[], int]:
    import pyarrow

    import rmodels

    def run() -> int:
        pyarrow.set_cpu_count(threads)
        rows = rmodels.scan(data.path)
        return sum(batch.rows.num_rows for batch in rows.read_tables(rows.columns))

    return run


def _check_count(data: ParquetData, answers: Answers) -> dict[Contender, Agreement]:
    return {
        contender: Agreement(abs(answer - len(data.X)), 0.0, "rows that were not read")
        for contender, answer in answers.items()
    }


def parquet_problems(options: Options) -> list[Problem]:
    """Return the problem, if pyarrow is installed."""
    if find_spec("pyarrow") is None:
        return []
    n, threads = options.rows(1_000_000), options.threads
    return [
        Problem(
            "parquet",
            f"least squares {n:,} × {_FEATURES} from a Parquet file",
            "linear",
            partial(_write, n),
            (
                Contender("rmodels", partial(_fit, threads=threads), True),
                Contender(
                    _READ,
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
            ),
            check_least_squares,
            (Goal((_READ,), 1.3, at_most=True),),
            Work(n * (_FEATURES + 1) * 8, n * (_FEATURES + 1) * (_FEATURES + 2), "float64"),
        )
    ]
