"""Nearest neighbours: time against points, features, neighbours and threads."""

from functools import partial
from typing import Any

from rmodels_evidence.families.neighbors.problems import (
    check_neighbors,
    faiss,
    intelex,
    normal,
    ours,
    scikit_learn,
)
from rmodels_evidence.problem import (
    FAISS,
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

__all__ = ["neighbors_series"]


def _search(n: int, d: int, k: int, threads: int) -> Problem:
    q = 1000
    jobs: dict[str, Any] = {"n_jobs": threads}
    algorithm = "kd_tree" if d <= 15 else "brute"  # scikit-learn's own choice
    return Problem(
        f"knn-{n}-{d}-{k}-{threads}",
        f"k-NN {n:,} points, {q:,} queries, {d} features, k={k}, threads={threads}",
        "scaling",
        partial(normal, n, q, d, k),
        (
            Contender("rmodels", partial(ours, **jobs), True),
            Contender("scikit-learn", partial(scikit_learn, algorithm=algorithm, **jobs)),
            Contender(
                "intelex",
                partial(intelex, algorithm=algorithm, **jobs),
                peer=INTELEX,
            ),
            Contender(
                "FAISS float32",
                partial(faiss, threads=threads),
                peer=FAISS,
                precision="float32",
            ),
        ),
        check_neighbors,
        work=Work(4.0 * n * d, 2.0 * n * q * d, "float32") if d > 15 else None,
    )


def neighbors_series(options: Options) -> list[Series]:
    """Return the series, in the order of the tables."""
    threads = options.threads
    return [
        Series(
            "knn-rows",
            "k-NN, 10 features, 1,000 queries, k=5",
            "points",
            powers(1000, 10_000 if options.quick else 1_000_000),
            lambda n: _search(n, 10, 5, threads),
            1,
            seconds=20.0,
        ),
        Series(
            "knn-features",
            "k-NN, 20,000 points, 1,000 queries, k=5",
            "features",
            feature_counts(options.quick),
            lambda d: _search(20_000, d, 5, threads),
            1,
        ),
        Series(
            "knn-neighbors",
            f"k-NN, {options.rows(100_000):,} points, 10 features, 1,000 queries",
            "k",
            (1, 10, 100) if options.quick else (1, 3, 10, 30, 100, 300, 1000),
            lambda k: _search(options.rows(100_000), 10, k, threads),
            0.5,
            seconds=30.0,
        ),
        Series(
            "knn-threads",
            f"k-NN, {options.rows(100_000):,} points, 40 features, 1,000 queries, k=5",
            "threads",
            thread_counts(threads),
            lambda t: _search(options.rows(100_000), 40, 5, t),
            0,
        ),
    ]
