"""The ladder of the search for the nearest neighbours."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from rmodels_evidence.families.neighbors.problems import (
    Answer,
    NeighborsData,
    check_neighbors,
    latent,
    numpy_expansion,
    ours,
    scikit_learn,
)
from rmodels_evidence.ladder import call_on, explain_missing_gpu, sets_up_to_ours
from rmodels_evidence.problem import Contender, Options, Problem, Work

__all__ = ["neighbors_ladder"]


def _tree(data: NeighborsData, *, n_jobs: int) -> Callable[[], Answer]:
    """Return a call that builds a tree and searches it."""
    from rmodels import NearestNeighbors

    def run() -> Answer:
        model = NearestNeighbors(n_neighbors=data.k, algorithm="kd_tree", n_jobs=n_jobs).fit(data.X)
        if model.algorithm_ != "tree":
            raise RuntimeError(f"the engine built no tree, but {model.algorithm_}")
        found: Answer = model.kneighbors(data.Q)
        return found

    return run


def neighbors_ladder(options: Options) -> Problem:
    """Return the ladder, slowest rung first, scikit-learn's mark last."""
    n, q = options.rows(100_000), options.rows(10_000)

    def brute(name: str, queries: int, **rung: Any) -> Contender:
        return Contender(
            name,
            partial(
                call_on,
                prepare=partial(ours, queries=queries, algorithm="brute"),
                **rung,
            ),
            True,
            portion=queries / q,
            note="" if queries == q else f"{queries:,} of {q:,} queries",
        )

    sets = sets_up_to_ours()
    native_rungs = [
        brute(
            f"C++ group minima, 1 thread, {name}",
            q // 4,
            engine="native",
            isa=name,
            n_jobs=1,
        )
        for name in sets
    ]
    if sets:
        threads = options.threads
        native_rungs.append(
            brute(
                f"C++ group minima, {threads} threads, {sets[-1]}",
                q,
                engine="native",
                n_jobs=threads,
            )
        )
        native_rungs.append(
            Contender(
                f"C++ tree, {threads} threads, {sets[-1]}",
                partial(
                    call_on,
                    prepare=partial(_tree, n_jobs=threads),
                    engine="native",
                ),
                True,
            )
        )
    on_gpu = brute("GPU group minima, with the copy of the data", q, engine="gpu")
    few, some = 20, 250
    return Problem(
        "ladder-neighbors",
        f"k-NN {n:,} points, {q:,} queries, 40 features of 6 latent dimensions, k=5",
        "ladder",
        partial(latent, n, q, 40, 6, 5),
        (
            brute("NumPy reference", few, engine="reference"),
            Contender(
                "NumPy, BLAS expansion",
                partial(numpy_expansion, queries=some),
                portion=some / q,
                note=f"{some} of {q:,} queries",
            ),
            *native_rungs,
            replace(on_gpu, unavailable=explain_missing_gpu()),
            Contender(
                "brute force of scikit-learn",
                partial(scikit_learn, algorithm="brute", n_jobs=options.threads),
                mark=True,
            ),
        ),
        check_neighbors,
        work=Work(4.0 * n * 40, 2.0 * n * q * 40, "float32"),
        seconds=40.0,
    )
