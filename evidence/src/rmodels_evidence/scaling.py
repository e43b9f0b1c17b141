"""Time against rows, features, neighbours and threads."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rmodels_evidence import linear, neighbors
from rmodels_evidence.measure import Advance, Effort, measure
from rmodels_evidence.problem import FAISS, INTELEX, Contender, Options, Problem, Work
from rmodels_evidence.results import Curve, Outcome

__all__ = ["Series", "measure_series", "scaling_series"]

_LONGEST = 10.0  # seconds: a contender that is expected to take longer is left out


@dataclass(frozen=True, eq=False)
class Series:
    """A problem of growing size.

    Attributes
    ----------
    name, title : str
    axis : str
        What grows.
    sizes : tuple of int
        Ascending.
    problem : callable
        Takes a size and returns the problem.
    growth : float
        Time grows about as the size to this power: to leave out in time what would last too long.
    """

    name: str
    title: str
    axis: str
    sizes: tuple[int, ...]
    problem: Callable[[int], Problem]
    growth: float


def measure_series(
    series: Series, options: Options, effort: Effort, advance: Advance = lambda share: None
) -> Iterator[Curve]:
    """Measure the problem at each size, and yield what is known of the curve after each.

    Parameters
    ----------
    series : Series
    options : Options
    effort : Effort
        At each size.
    advance : callable
        Told what share of the work is done, from 0 to 1.
    """
    points: list[tuple[int, Outcome]] = []
    left_out: dict[str, str] = {}
    for place, size in enumerate(series.sizes):
        if points:
            before, outcome = points[-1]
            growth = (size / before) ** series.growth
            for finding in outcome.findings:
                if finding.times is not None and finding.times.median * growth > _LONGEST:
                    left_out[finding.contender.name] = f"left out: above {_LONGEST:g} s"
        sized = replace(options, threads=size) if series.axis == "threads" else options
        outcome = measure(series.problem(size), sized, effort, left_out=left_out)
        points.append((size, outcome))
        advance((place + 1) / len(series.sizes))
        yield Curve(series.name, series.title, series.axis, tuple(points))


def _least_squares(n: int, d: int, threads: int) -> Problem:
    return Problem(
        f"least-squares-{n}-{d}-{threads}",
        f"least squares {n:,} × {d}, threads={threads}",
        "scaling",
        partial(linear.generated, n, d),
        (
            Contender("rmodels", partial(linear.ours, n_jobs=threads), True),
            Contender("scikit-learn", linear.scikit_learn),
            Contender("intelex", linear.intelex, peer=INTELEX),
        ),
        linear.check_least_squares,
        work=Work(8.0 * n * d, 1.0 * n * (d + 1) * (d + 2), "float64"),
    )


def _search(n: int, d: int, k: int, threads: int) -> Problem:
    q = 1000
    jobs: dict[str, Any] = {"n_jobs": threads}
    algorithm = "kd_tree" if d <= 15 else "brute"  # scikit-learn's own choice
    return Problem(
        f"knn-{n}-{d}-{k}-{threads}",
        f"k-NN {n:,} points, {q:,} queries, {d} features, k={k}, threads={threads}",
        "scaling",
        partial(neighbors.normal, n, q, d, k),
        (
            Contender("rmodels", partial(neighbors.ours, **jobs), True),
            Contender("scikit-learn", partial(neighbors.scikit_learn, algorithm=algorithm, **jobs)),
            Contender(
                "intelex",
                partial(neighbors.intelex, algorithm=algorithm, **jobs),
                peer=INTELEX,
            ),
            Contender(
                "FAISS float32",
                partial(neighbors.faiss, threads=threads),
                peer=FAISS,
                precision="float32",
            ),
        ),
        neighbors.check_neighbors,
        work=Work(4.0 * n * d, 2.0 * n * q * d, "float32") if d > 15 else None,
    )


def _powers(first: int, last: int) -> tuple[int, ...]:
    return tuple(10**e for e in range(round(math.log10(first)), round(math.log10(last)) + 1))


def scaling_series(options: Options) -> list[Series]:
    """Return the series, in the order of the tables."""
    threads, quick = options.threads, options.quick
    widths = (2, 8, 32, 128) if quick else (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
    counts = tuple(range(1, threads + 1)) if threads <= 8 else _doublings(threads)
    return [
        Series(
            "least-squares-rows",
            "least squares, 10 features",
            "rows",
            _powers(1000, 100_000 if quick else 10_000_000),
            lambda n: _least_squares(n, 10, threads),
            1,
        ),
        Series(
            "least-squares-features",
            "least squares, 20,000 rows",
            "features",
            widths,
            lambda d: _least_squares(20_000, d, threads),
            2,
        ),
        Series(
            "least-squares-threads",
            f"least squares, {options.rows(200_000):,} × 40",
            "threads",
            counts,
            lambda t: _least_squares(options.rows(200_000), 40, t),
            0,
        ),
        Series(
            "knn-rows",
            "k-NN, 10 features, 1,000 queries, k=5",
            "points",
            _powers(1000, 10_000 if quick else 1_000_000),
            lambda n: _search(n, 10, 5, threads),
            1,
        ),
        Series(
            "knn-features",
            "k-NN, 20,000 points, 1,000 queries, k=5",
            "features",
            widths,
            lambda d: _search(20_000, d, 5, threads),
            1,
        ),
        Series(
            "knn-neighbors",
            f"k-NN, {options.rows(100_000):,} points, 10 features, 1,000 queries",
            "k",
            (1, 10, 100) if quick else (1, 3, 10, 30, 100, 300, 1000),
            lambda k: _search(options.rows(100_000), 10, k, threads),
            0.5,
        ),
        Series(
            "knn-threads",
            f"k-NN, {options.rows(100_000):,} points, 40 features, 1,000 queries, k=5",
            "threads",
            counts,
            lambda t: _search(options.rows(100_000), 40, 5, t),
            0,
        ),
    ]


def _doublings(last: int) -> tuple[int, ...]:
    return (*(2**e for e in range(last.bit_length()) if 2**e < last), last)
