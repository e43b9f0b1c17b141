"""The map of nearest neighbours: ordinary searches of every size, by few queries and by many."""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels_evidence.agreement import neighbor_agreements
from rmodels_evidence.families.neighbors import problems
from rmodels_evidence.families.neighbors.problems import Answer, NeighborsData
from rmodels_evidence.problem import (
    FAISS,
    INTELEX,
    Agreement,
    Answers,
    Contender,
    Options,
    Problem,
)

__all__ = ["neighbors_map"]

# Points and features, and the numbers of queries.
_SHAPES: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (20, 2, (1, 10)),
    (100, 4, (1, 10, 100)),
    (1000, 10, (1, 10, 100, 1000)),
    (1000, 2000, (1, 100, 1000)),
    (5000, 64, (1, 10, 100, 1000)),
    (10_000, 3, (1, 10, 100, 10_000)),
    (10_000, 20, (1, 10, 100, 10_000)),
    (10_000, 128, (1, 10, 100, 1000)),
    (20_000, 300, (1, 10, 100, 1000)),
    (30_000, 2000, (1, 300)),
    (50_000, 50, (1, 10, 100, 1000)),
    (100_000, 2, (1, 10, 1000, 10_000)),
    (100_000, 10, (1, 10, 1000)),
    (20_000, 4000, (1, 50)),
)
_MANY = ((10_000, 128, 1000, 100), (10_000, 10, 1000, 100), (2000, 20, 2000, 50))  # and k
_TOLERANCES = {"float64": (1e-9, 1e-3), "float32": (1e-6, 1e-3)}  # of ours, and of others


@lru_cache(1)
def _generate(n: int, q: int, d: int, k: int, kind: str, dtype: str) -> NeighborsData:
    rng = np.random.default_rng(0)
    points: NDArray = rng.standard_normal((n + q, d))
    if kind == "clustered":
        points *= 0.05
        points += 3 * rng.standard_normal((20, d))[rng.integers(0, 20, n + q)]
    points = points.astype(dtype)
    return NeighborsData(points[:n].copy(), points[n:].copy(), k)


def _check(data: NeighborsData, answers: Answers) -> dict[Contender, Agreement]:
    ours, others = _TOLERANCES[str(data.X.dtype)]
    assert data.Q is not None
    found = neighbor_agreements(
        data.X.astype(np.float64),
        data.Q.astype(np.float64),
        data.k,
        list(answers.values()),
        [len(data.Q)] * len(answers),
        [ours if contender.ours else others for contender in answers],
        sample=20,
    )
    return dict(zip(answers, found, strict=True))


def _query_faiss(data: NeighborsData, *, threads: int) -> Callable[[], Answer]:
    import faiss

    faiss.omp_set_num_threads(threads)
    assert data.Q is not None
    X, Q = data.X.astype(np.float32), data.Q.astype(np.float32)
    index = faiss.IndexFlatL2(X.shape[1])
    index.add(X)

    def run() -> Answer:
        squares, indices = index.search(Q, data.k)
        return np.sqrt(np.maximum(squares, 0)), indices

    return run


def _cell(
    options: Options, shape: tuple[int, int, int, int], kind: str, dtype: str, *, built: bool
) -> Problem:
    n, d, q, k = shape
    jobs: dict[str, Any] = {"n_jobs": options.threads}
    calls: dict[str, Callable[..., Any]] = {
        "rmodels": problems.query_ours if built else problems.ours,
        "scikit-learn": problems.query_scikit_learn if built else problems.scikit_learn,
        "intelex": problems.query_intelex if built else problems.intelex,
    }
    flat = partial(_query_faiss if built else problems.faiss, threads=options.threads)
    contenders = (
        *(
            Contender(
                name,
                partial(call, **jobs),
                name == "rmodels",
                INTELEX if name == "intelex" else "",
            )
            for name, call in calls.items()
        ),
        Contender("FAISS float32", flat, peer=FAISS, precision="float32"),
    )
    what = "query" if built else "fit and query"
    return Problem(
        f"map-knn-{n}-{d}-{q}-{k}-{kind}-{dtype}{'-built' if built else ''}",
        f"{what} {n:,} × {d:,}, {q:,} queries, k={k}, {kind} {dtype}",
        "map",
        partial(_generate, n, q, d, k, kind, dtype),
        contenders,
        _check,
        seconds=1.0,
    )


def neighbors_map(options: Options) -> Iterator[Problem]:
    """Yield the cells.

    Parameters
    ----------
    options : Options
    """
    for n, d, queries in _SHAPES:
        large = n * d > 1 << 23
        for kind in ("normal",) if large else ("normal", "clustered"):
            for dtype in ("float64", "float32"):
                for q in queries:
                    k = min(5, n)
                    yield _cell(options, (n, d, q, k), kind, dtype, built=False)
                    if q <= 100:
                        yield _cell(options, (n, d, q, k), kind, dtype, built=True)
    for n, d, q, k in _MANY:
        for dtype in ("float64", "float32"):
            yield _cell(options, (n, d, q, k), "normal", dtype, built=False)
