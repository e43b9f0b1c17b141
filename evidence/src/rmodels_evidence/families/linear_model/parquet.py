"""The problem of linear regression from a Parquet file, beside only reading the file."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels_evidence.families.linear_model.problems import (
    LinearData,
    check_least_squares,
    generate,
)
from rmodels_evidence.parquet import READ, InParquet, can_read, readers, write
from rmodels_evidence.problem import Agreement, Answers, Contender, Goal, Options, Problem, Work

__all__ = ["parquet_problems"]

_FEATURES = 40


def _write(n_samples: int) -> InParquet:
    rows = generate(n_samples, _FEATURES)
    return write(rows.X, rows.y)


def _fit(data: InParquet, *, threads: int) -> Callable[[], NDArray]:
    import rmodels

    def run() -> NDArray:
        rows: Any = rmodels.scan(data.path)
        model = rmodels.LinearRegression(n_jobs=threads).fit(rows, "y")
        return np.append(model.coef_, model.intercept_)

    return run


def _check(data: InParquet, answers: Answers) -> dict[Contender, Agreement]:
    assert data.y is not None
    return dict(check_least_squares(LinearData(data.X, data.y, data.X[:0]), answers))


def parquet_problems(options: Options) -> list[Problem]:
    """Return the problem, if pyarrow is installed."""
    if not can_read():
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
                *readers(threads),
            ),
            _check,
            (Goal((READ,), 1.3, at_most=True),),
            Work(n * (_FEATURES + 1) * 8, n * (_FEATURES + 1) * (_FEATURES + 2), "float64"),
        )
    ]
