"""Problems of nearest neighbours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels_evidence.agreement import neighbor_agreements
from rmodels_evidence.problem import (
    FAISS,
    INTELEX,
    Agreement,
    Contender,
    Goal,
    Options,
    Problem,
    Work,
)

__all__ = [
    "Answer",
    "NeighborsData",
    "check_neighbors",
    "faiss",
    "intelex",
    "latent",
    "neighbors_problems",
    "normal",
    "numpy_expansion",
    "ours",
    "query_intelex",
    "query_ours",
    "query_scikit_learn",
    "scikit_learn",
]

Answer = tuple[NDArray, NDArray]  # distances and indices

# Relative to the k-th distance. Squares that are expanded lose half of the digits of a small
# distance; the tolerance of float32 lets ranks swap where float32 cannot tell them apart.
_TOLERANCES = {"float64": 1e-9, "float32": 1e-3}


@dataclass(frozen=True, eq=False)
class NeighborsData:
    """Points, queries, and how many neighbours are asked for.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    Q : ndarray of shape (n_queries, n_features) or None
        None asks for the neighbours of each point, itself left out.
    k : int
    """

    X: NDArray
    Q: NDArray | None
    k: int


def normal(n_samples: int, n_queries: int, n_features: int, k: int) -> NeighborsData:
    """Return normal points and queries."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((n_samples + n_queries, n_features))
    return NeighborsData(points[:n_samples], points[n_samples:], k)


def latent(n_samples: int, n_queries: int, n_features: int, n_latent: int, k: int) -> NeighborsData:
    """Return points near a flat space of few dimensions, as measured data often are."""
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((n_samples + n_queries, n_latent))
    points = hidden @ rng.standard_normal((n_latent, n_features))
    points += 0.01 * rng.standard_normal(points.shape)
    return NeighborsData(points[:n_samples], points[n_samples:], k)


def _digits() -> NeighborsData:
    from sklearn.datasets import load_digits

    return NeighborsData(load_digits(return_X_y=True)[0], None, 5)


def check_neighbors(
    data: NeighborsData, answers: Mapping[Contender, Answer]
) -> dict[Contender, Agreement]:
    """Compare the answers with the truth and with one another."""
    n_queries = len(data.X if data.Q is None else data.Q)
    agreements = neighbor_agreements(
        data.X,
        data.Q,
        data.k,
        list(answers.values()),
        [round(contender.portion * n_queries) for contender in answers],
        [_TOLERANCES[contender.precision] for contender in answers],
    )
    return dict(zip(answers, agreements, strict=True))


def ours(
    data: NeighborsData, *, queries: int | None = None, **parameters: Any
) -> Callable[[], Answer]:
    """Return a call that builds our index and searches it."""
    from rmodels import NearestNeighbors

    return _fit_and_query(NearestNeighbors, data, queries, parameters)


def scikit_learn(data: NeighborsData, **parameters: Any) -> Callable[[], Answer]:
    """Return a call that builds scikit-learn's index and searches it."""
    from sklearn.neighbors import NearestNeighbors

    return _fit_and_query(NearestNeighbors, data, None, parameters)


def intelex(data: NeighborsData, **parameters: Any) -> Callable[[], Answer]:
    """Return a call that builds scikit-learn-intelex's index and searches it."""
    from sklearnex.neighbors import NearestNeighbors

    return _fit_and_query(NearestNeighbors, data, None, parameters)


def _fit_and_query(
    estimator: Any, data: NeighborsData, queries: int | None, parameters: dict[str, Any]
) -> Callable[[], Answer]:
    Q = None if data.Q is None else data.Q[:queries]

    def run() -> Answer:
        found: Answer = estimator(n_neighbors=data.k, **parameters).fit(data.X).kneighbors(Q)
        return found

    return run


def _query_only(estimator: Any, data: NeighborsData, parameters: dict[str, Any]) -> Any:
    model = estimator(n_neighbors=data.k, **parameters).fit(data.X)
    return lambda: model.kneighbors(data.Q)


def query_ours(data: NeighborsData, **parameters: Any) -> Callable[[], Answer]:
    """Return a call that searches our index, which is built before."""
    from rmodels import NearestNeighbors

    call: Callable[[], Answer] = _query_only(NearestNeighbors, data, parameters)
    return call


def query_scikit_learn(data: NeighborsData, **parameters: Any) -> Callable[[], Answer]:
    """Return a call that searches scikit-learn's index, which is built before."""
    from sklearn.neighbors import NearestNeighbors

    call: Callable[[], Answer] = _query_only(NearestNeighbors, data, parameters)
    return call


def query_intelex(data: NeighborsData, **parameters: Any) -> Callable[[], Answer]:
    """Return a call that searches scikit-learn-intelex's index, which is built before."""
    from sklearnex.neighbors import NearestNeighbors

    call: Callable[[], Answer] = _query_only(NearestNeighbors, data, parameters)
    return call


def faiss(data: NeighborsData, *, threads: int, filled: bool = False) -> Callable[[], Answer]:
    """Return a call that fills and searches FAISS's flat index; the cast to float32 is before."""
    import faiss

    faiss.omp_set_num_threads(threads)
    assert data.Q is not None
    X, Q = data.X.astype(np.float32), data.Q.astype(np.float32)

    def fill() -> Any:
        index = faiss.IndexFlatL2(X.shape[1])
        index.add(X)
        return index

    def run() -> Answer:
        squares, indices = (built or fill()).search(Q, data.k)
        return np.sqrt(np.maximum(squares, 0)), indices

    built = fill() if filled else None
    return run


def numpy_expansion(data: NeighborsData, *, queries: int) -> Callable[[], Answer]:
    """Return a call that takes ‖x‖² − 2 q·x + ‖q‖² by BLAS and selects, 256 queries at a time."""
    X, k = data.X, data.k
    assert data.Q is not None
    Q = data.Q[:queries]

    def run() -> Answer:
        norms = np.einsum("ij,ij->i", X, X)
        distances = np.empty((len(Q), k))
        indices = np.empty((len(Q), k), dtype=np.int64)
        for first in range(0, len(Q), 256):
            block = Q[first : first + 256]
            scores = block @ X.T
            scores *= -2
            scores += norms
            near = np.argpartition(scores, k - 1, axis=1)[:, :k]
            squares = np.take_along_axis(scores, near, axis=1)
            squares += np.einsum("ij,ij->i", block, block)[:, np.newaxis]
            order = np.argsort(squares, axis=1)
            rows = slice(first, first + len(block))
            indices[rows] = np.take_along_axis(near, order, axis=1)
            distances[rows] = np.sqrt(np.maximum(np.take_along_axis(squares, order, axis=1), 0))
        return distances, indices

    return run


def _search(
    options: Options,
    name: str,
    title: str,
    suite: str,
    shape: tuple[int, int, int, int],
    *,
    goals: tuple[Goal, ...],
    scikit_learn_algorithms: tuple[str, ...] = (),
    intelex_algorithms: tuple[str, ...] = (),
    contenders: tuple[Contender, ...] = (),
    data: Callable[[int, int, int, int], NeighborsData] = normal,
    work: bool = False,
    seconds: float = 10.0,
) -> Problem:
    """Return a problem of fit and query; shape: n_samples, n_queries, n_features, k."""
    n, q = options.rows(shape[0]), options.rows(shape[1])
    d, k = shape[2:]
    jobs: dict[str, Any] = {"n_jobs": options.threads}
    return Problem(
        name,
        f"k-NN {n:,} points, {q:,} queries, {title}, k={k}",
        suite,
        partial(data, n, q, d, k),
        (
            Contender("rmodels", partial(ours, **jobs), True),
            *(
                Contender(
                    f"scikit-learn {algorithm}", partial(scikit_learn, algorithm=algorithm, **jobs)
                )
                for algorithm in scikit_learn_algorithms
            ),
            *(
                Contender(
                    f"intelex {algorithm}",
                    partial(intelex, algorithm=algorithm, **jobs),
                    peer=INTELEX,
                )
                for algorithm in intelex_algorithms
            ),
            *contenders,
        ),
        check_neighbors,
        goals,
        Work(4.0 * n * d, 2.0 * n * q * d, "float32") if work else None,
        seconds,
    )


def _flat(options: Options, *, filled: bool = False) -> Contender:
    return Contender(
        "FAISS float32",
        partial(faiss, threads=options.threads, filled=filled),
        peer=FAISS,
        precision="float32",
        note="IndexFlatL2, float32",
    )


def _latent6(n_samples: int, n_queries: int, n_features: int, k: int) -> NeighborsData:
    return latent(n_samples, n_queries, n_features, 6, k)


def _leave_one_out() -> Problem:
    return Problem(
        "knn-digits",
        "k-NN digits (1,797 × 64), leave-one-out, k=5",
        "neighbors",
        _digits,
        (
            Contender("rmodels", ours, True),
            Contender("scikit-learn", scikit_learn),
            Contender("intelex brute", partial(intelex, algorithm="brute"), peer=INTELEX),
        ),
        check_neighbors,
        (Goal(("scikit-learn",), 4),),
    )


def _single(n_samples: int, n_queries: int, n_features: int, k: int) -> NeighborsData:
    data = normal(n_samples, n_queries, n_features, k)
    assert data.Q is not None
    return NeighborsData(data.X.astype(np.float32), data.Q.astype(np.float32), k)


def _one_query_float32(options: Options, n_samples: int, n_features: int) -> Problem:
    return Problem(
        f"knn-single-{n_features}",
        f"one query against {n_samples:,} × {n_features} float32, k=5, per call",
        "small",
        partial(_single, n_samples, 1, n_features, 5),
        (
            Contender("rmodels", query_ours, True, note="fitted before"),
            Contender(
                "scikit-learn brute",
                partial(query_scikit_learn, algorithm="brute"),
                precision="float32",
            ),
            _flat(options, filled=True),
        ),
        check_neighbors,
        (Goal(("scikit-learn brute",), 3),),
    )


def _few_queries(options: Options, n_samples: int, n_queries: int, n_features: int) -> Problem:
    """Return a problem of a fit whose queries are not worth an index."""
    return _search(
        options,
        f"knn-few-{n_features}",
        f"{n_features} features",
        "small",
        (n_samples, n_queries, n_features, 5),
        goals=(Goal(("scikit-learn brute",), 1),),
        scikit_learn_algorithms=("brute",),
        intelex_algorithms=("brute",),
        contenders=(_flat(options),),
    )


def _one_query() -> Problem:
    return Problem(
        "knn-one-query",
        "one query against 10,000 × 10, k=5, per call",
        "small",
        partial(normal, 10_000, 1, 10, 5),
        (
            Contender("rmodels", query_ours, True, note="fitted before"),
            Contender("scikit-learn kd_tree", partial(query_scikit_learn, algorithm="kd_tree")),
            Contender("scikit-learn brute", partial(query_scikit_learn, algorithm="brute")),
            Contender("intelex kd_tree", partial(query_intelex, algorithm="kd_tree"), peer=INTELEX),
        ),
        check_neighbors,
        (Goal(("scikit-learn kd_tree", "scikit-learn brute"), 2),),
    )


def neighbors_problems(options: Options) -> list[Problem]:
    """Return the problems of nearest neighbours, in the order of the tables."""
    few = 250
    tree = ("kd_tree",)
    trees = (Goal(("scikit-learn kd_tree",), 7), Goal(("intelex kd_tree",), 2.5))
    return [
        _search(
            options,
            "knn-40",
            "40 features",
            "headline",
            (100_000, 10_000, 40, 5),
            goals=(
                Goal(("scikit-learn brute",), 10),
                Goal(("intelex brute",), 4),
                Goal(("FAISS float32",), 4),
            ),
            scikit_learn_algorithms=("brute",),
            intelex_algorithms=("brute",),
            contenders=(
                _flat(options),
                Contender(
                    "NumPy, BLAS expansion",
                    partial(numpy_expansion, queries=few),
                    portion=few / options.rows(10_000),
                    note=f"{few} queries",
                ),
            ),
            work=True,
            seconds=40.0,
        ),
        _search(
            options,
            "knn-10",
            "10 features",
            "neighbors",
            (200_000, 10_000, 10, 5),
            goals=(
                Goal(("scikit-learn kd_tree",), 20),
                Goal(("intelex kd_tree", "intelex brute"), 4),
            ),
            scikit_learn_algorithms=tree,
            intelex_algorithms=("kd_tree", "brute"),
            seconds=30.0,
        ),
        _search(
            options,
            "knn-3",
            "3 features",
            "neighbors",
            (100_000, 10_000, 3, 5),
            goals=trees,
            scikit_learn_algorithms=tree,
            intelex_algorithms=tree,
        ),
        _search(
            options,
            "knn-2",
            "2 features",
            "neighbors",
            (1_000_000, 10_000, 2, 5),
            goals=(Goal(("scikit-learn kd_tree",), 8), Goal(("intelex kd_tree",), 3)),
            scikit_learn_algorithms=tree,
            intelex_algorithms=tree,
        ),
        _search(
            options,
            "knn-latent",
            "40 features of 6 latent dimensions",
            "neighbors",
            (100_000, 10_000, 40, 5),
            goals=(
                Goal(("scikit-learn brute", "scikit-learn kd_tree"), 15),
                Goal(("intelex brute",), 7),
            ),
            scikit_learn_algorithms=("brute", "kd_tree"),
            intelex_algorithms=("brute",),
            data=_latent6,
            seconds=40.0,
        ),
        _search(
            options,
            "knn-784",
            "784 features",
            "neighbors",
            (50_000, 5_000, 784, 10),
            goals=(
                Goal(("scikit-learn brute",), 4),
                Goal(("intelex brute",), 3),
                Goal(("FAISS float32",), 1.3),
            ),
            scikit_learn_algorithms=("brute",),
            intelex_algorithms=("brute",),
            contenders=(_flat(options),),
            work=True,
            seconds=50.0,
        ),
        _leave_one_out(),
        _few_queries(options, 20_000, 10, 300),
        _few_queries(options, 50_000, 100, 50),
        _one_query(),
        _one_query_float32(options, 1_000, 10),
        _one_query_float32(options, 5_000, 64),
    ]
