"""Linear models: time against rows, features and threads."""

from functools import partial

from rmodels_evidence.families.linear_model.problems import (
    check_least_squares,
    generate,
    intelex,
    ours,
    scikit_learn,
)
from rmodels_evidence.problem import (
    INTELEX,
    Contender,
    Options,
    Problem,
    Series,
    Work,
    feature_counts,
    powers,
    thread_counts,
)

__all__ = ["linear_series"]


def _least_squares(n: int, d: int, threads: int) -> Problem:
    return Problem(
        f"least-squares-{n}-{d}-{threads}",
        f"least squares {n:,} × {d}, threads={threads}",
        "scaling",
        partial(generate, n, d),
        (
            Contender("rmodels", partial(ours, n_jobs=threads), True),
            Contender("scikit-learn", scikit_learn),
            Contender("intelex", intelex, peer=INTELEX),
        ),
        check_least_squares,
        work=Work(8.0 * n * d, 1.0 * n * (d + 1) * (d + 2), "float64"),
    )


def linear_series(options: Options) -> list[Series]:
    """Return the series, in the order of the tables."""
    threads = options.threads
    return [
        Series(
            "least-squares-rows",
            "least squares, 10 features",
            "rows",
            powers(1000, 100_000 if options.quick else 10_000_000),
            lambda n: _least_squares(n, 10, threads),
            1,
            seconds=60.0,
        ),
        Series(
            "least-squares-features",
            "least squares, 20,000 rows",
            "features",
            feature_counts(options.quick),
            lambda d: _least_squares(20_000, d, threads),
            2,
            seconds=40.0,
        ),
        Series(
            "least-squares-threads",
            f"least squares, {options.rows(200_000):,} × 40",
            "threads",
            thread_counts(threads),
            lambda t: _least_squares(options.rows(200_000), 40, t),
            0,
        ),
    ]
