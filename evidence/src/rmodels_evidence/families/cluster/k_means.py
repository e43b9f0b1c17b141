"""k-means: centres, and the rows nearest to them."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import cluster, datasets
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.model_selection import train_test_split

from rmodels import BisectingKMeans, KMeans, MiniBatchKMeans, kmeans_plusplus, scan
from rmodels_evidence.case import Case
from rmodels_evidence.comparison import Comparison
from rmodels_evidence.parquet import READ, InParquet, can_read, readers, write
from rmodels_evidence.problem import (
    FAISS,
    INTELEX,
    Agreement,
    Answers,
    Check,
    Contender,
    Goal,
    Options,
    Problem,
    Work,
)

__all__ = ["k_means_cases", "k_means_comparisons", "k_means_problems"]

Matrix = NDArray[np.float64]
Start = tuple[NDArray, NDArray]  # rows, and centres to begin with

_ITERATIONS = 20
_FAISS = "FAISS float32"


def _predict(model: Any, X: NDArray) -> NDArray:
    return np.asarray(model.predict(X))


def k_means_comparisons() -> Iterator[Comparison]:
    """Yield the lines of the demonstration."""
    X, y = datasets.load_digits(return_X_y=True)
    yield Comparison(
        "10 clusters",
        "digits",
        "KMeans",
        tuple(train_test_split(X, y, random_state=0)),
        lambda: KMeans(10, random_state=0),
        lambda: cluster.KMeans(10, random_state=0),
        _predict,
        0.0,
    )


@cache
def _start(name: str) -> Start:
    """Return rows of a case, and centres to begin with."""
    rng = np.random.default_rng(0)
    X: NDArray = rng.standard_normal((2000, 5)) + 4 * rng.integers(0, 5, (2000, 1))
    k = 12
    if name == "grid":
        X = np.stack(np.meshgrid(*[np.arange(10.0)] * 3), axis=-1).reshape(-1, 3)
    if name == "duplicates":
        X = np.repeat(X[:40], 50, axis=0)
    if name == "float64, mean 1e6":
        X = X + 1e6
    if name == "float32, mean 1e4":
        X = (X + 1e4).astype(np.float32)
    if name == "as many clusters as rows":
        X, k = X[:60], 60
    centres = X[rng.choice(len(X), k, replace=False)].copy()
    if name == "empty clusters":
        centres[:4] = 1e3
    return X, centres


def _fit(estimator: Any, name: str) -> Any:
    X, centres = _start(name)
    model = estimator(len(centres), init=centres, n_init=1).fit(X)
    return model.cluster_centers_, model.labels_, model.inertia_


def _errors(name: str, found: Sequence[Any]) -> list[float]:
    """Return the share of rows without the nearest of the centres, plus the error of the inertia.

    Squares are those of differences in float64, summed in the order of the columns.
    """
    X = _start(name)[0].astype(np.float64)
    errors = []
    for centres, labels, inertia in found:
        squares = np.zeros((len(X), len(centres)))
        for x, m in zip(X.T, centres.T.astype(np.float64), strict=True):
            squares += (x[:, np.newaxis] - m) ** 2
        wrong = float((squares.argmin(axis=1) != labels).mean())
        least = squares.min(axis=1).sum()
        apart = abs(float(inertia) - least)
        errors.append(wrong + (apart / least if least > 0 else apart))
    return errors


def _fit_batches(estimator: Any, name: str) -> Any:
    X, centres = _start(name)
    given = {"init": centres, "n_init": 1, "batch_size": 200, "random_state": 0}
    model = estimator(len(centres), **given).fit(X)
    return model.cluster_centers_, model.labels_, model.inertia_


def _bisect(estimator: Any, name: str) -> Any:
    X, _ = _start(name)
    model = estimator(12, init="k-means++", random_state=0).fit(X)
    return model.cluster_centers_, model.labels_, model.inertia_, model.predict(X)


def _split_errors(name: str, found: Sequence[Any]) -> list[float]:
    """Return the share of rows that `predict` and `labels_` differ on, and how the inertia errs."""
    X, errors = _start(name)[0].astype(np.float64), []
    for centres, labels, inertia, predicted in found:
        squares = ((X - centres.astype(np.float64)[labels]) ** 2).sum()
        apart = abs(float(inertia) - squares)
        errors.append(float((labels != predicted).mean()) + (apart / squares if squares else apart))
    return errors


_CASES = (
    "plain",
    "grid",
    "duplicates",
    "float64, mean 1e6",
    "float32, mean 1e4",
    "as many clusters as rows",
    "empty clusters",
)
_SPLITS = ("plain", "grid", "duplicates", "float64, mean 1e6", "float32, mean 1e4")


def k_means_cases() -> Iterator[Case]:
    """Yield what is checked of each estimator."""
    for name in _CASES:
        yield Case(
            "KMeans",
            name,
            "labels and inertia",
            "the nearest of its centres in float64",
            1e-13,  # the inertia is compared with a sum that is rounded
            partial(_fit, KMeans, name),
            partial(_errors, name),
            {"scikit-learn": partial(_fit, cluster.KMeans, name)},
        )
        yield Case(
            "MiniBatchKMeans",
            name,
            "labels and inertia",
            "the nearest of its centres in float64",
            1e-13,
            partial(_fit_batches, MiniBatchKMeans, name),
            partial(_errors, name),
            {"scikit-learn": partial(_fit_batches, cluster.MiniBatchKMeans, name)},
        )
    for name in _SPLITS:
        yield Case(
            "BisectingKMeans",
            name,
            "labels and inertia",
            "what it predicts, and the squares to its centres in float64",
            1e-12,  # the squares are summed in another order
            partial(_bisect, BisectingKMeans, name),
            partial(_split_errors, name),
            {"scikit-learn": partial(_bisect, cluster.BisectingKMeans, name)},
        )


def _generate(n: int, d: int, k: int, spread: float) -> Start:
    """Return rows about k middles, or uniform rows if the spread is 0; and k of them."""
    rng = np.random.default_rng(0)
    if spread:
        X = 10 * rng.random((k, d))[rng.integers(0, k, n)] + spread * rng.standard_normal((n, d))
    else:
        X = rng.random((n, d))
    return X, X[rng.choice(n, k, replace=False)].copy()


def _fitting(estimator: Any, data: Start, **options: Any) -> Callable[[], Any]:
    X, centres = data

    def fit() -> Any:
        model = estimator(
            len(centres), init=centres, n_init=1, max_iter=_ITERATIONS, tol=0, **options
        ).fit(X)
        return model.inertia_, model.n_iter_

    return fit


def _fitting_intelex(data: Start) -> Callable[[], Any]:
    return _fitting(importlib.import_module("sklearnex.cluster").KMeans, data)


def _fitting_faiss(data: Start, *, threads: int) -> Callable[[], NDArray]:
    """Return as many iterations as others take: FAISS ends no sooner where labels stay."""
    import faiss

    faiss.omp_set_num_threads(threads)
    n_iter = _fitting(KMeans, data)()[1]
    X, centres = (each.astype(np.float32) for each in data)

    def fit() -> NDArray:
        model = faiss.Kmeans(
            X.shape[1],
            len(centres),
            niter=n_iter,
            min_points_per_centroid=1,
            max_points_per_centroid=len(X),
        )
        model.train(X, init_centroids=centres)
        return np.asarray(model.centroids)

    return fit


def _check_faiss(data: Start, answers: Answers) -> dict[Contender, Agreement]:
    """Compare the inertia that its centres have in float64."""
    truth, found = _fitting(KMeans, data)()[0], {}
    for contender, centres in answers.items():
        gaps = pairwise_distances_argmin_min(data[0], centres.astype(np.float64))[1]
        error = float(abs((gaps**2).sum() / truth - 1))
        # rows that are nearly as near to two centres go either way in float32, and lead elsewhere
        found[contender] = Agreement(error, 1e-3, "error of the inertia")
    return found


def _check(data: Start, answers: Answers) -> dict[Contender, Agreement]:
    """Compare the inertia after as many iterations."""
    model = cluster.KMeans(len(data[1]), init=data[1], n_init=1, max_iter=_ITERATIONS, tol=0).fit(
        data[0]
    )
    found = {}
    for contender, (inertia, n_iter) in answers.items():
        error = abs(inertia / model.inertia_ - 1) + abs(n_iter - model.n_iter_)
        found[contender] = Agreement(float(error), 1e-6, "error of the inertia and iterations")
    return found


def _seeding(draw: Any, data: Start) -> Callable[[], NDArray]:
    return lambda: np.asarray(draw(data[0], len(data[1]), random_state=0)[1])


def _check_seeds(data: Start, answers: Answers) -> dict[Contender, Agreement]:
    truth = cluster.kmeans_plusplus(data[0], len(data[1]), random_state=0)[1]
    return {
        contender: Agreement(float((answer != truth).mean()), 0.0, "share of other rows")
        for contender, answer in answers.items()
    }


def _batching(estimator: Any, data: Start) -> Callable[[], Any]:
    def fit() -> Any:
        model = estimator(len(data[1]), random_state=0).fit(data[0])
        return model.inertia_, model.n_steps_

    return fit


def _check_batches(data: Start, answers: Answers) -> dict[Contender, Agreement]:
    """Compare the inertia after as many batches."""
    truth = next(each for contender, each in answers.items() if contender.name == "scikit-learn")
    return {
        contender: Agreement(
            float(abs(inertia / truth[0] - 1) + abs(steps - truth[1])),
            1e-10,
            "error of the inertia and batches",
        )
        for contender, (inertia, steps) in answers.items()
    }


def _predicting(estimator: Any, data: Start) -> Callable[[], NDArray]:
    X, centres = data
    model = estimator(len(centres), init=centres, n_init=1, max_iter=1).fit(X[:10_000])
    model.cluster_centers_ = centres
    return lambda: np.asarray(model.predict(X))


def _check_labels(data: Start, answers: Answers) -> dict[Contender, Agreement]:
    truth = next(each for contender, each in answers.items() if contender.name == "rmodels")
    return {
        contender: Agreement(float((answer != truth).mean()), 1e-6, "share of other labels")
        for contender, answer in answers.items()
    }


# Rows, columns, clusters, spread about the middles (0: uniform); goals against scikit-learn and,
# where there are any, others.
_FITS: tuple[tuple[str, int, int, int, float, float, dict[str, float]], ...] = (
    ("clusters", 100_000, 20, 100, 1.0, 8, {}),
    ("uniform", 100_000, 20, 100, 0.0, 5, {}),
    ("low", 1_000_000, 3, 50, 0.0, 6, {INTELEX: 8, _FAISS: 6}),
    ("wide", 50_000, 784, 100, 3.0, 6, {_FAISS: 4}),
    ("many", 50_000, 20, 1000, 1.0, 10, {}),
)


def _write(n: int, d: int, k: int) -> InParquet:
    return write(_generate(n, d, k, 1.0)[0])


def _first(X: NDArray, k: int) -> Start:
    return X, X[:k].copy()


def _fitting_file(data: InParquet, *, k: int) -> Callable[[], Any]:
    centres = _first(data.X, k)[1]

    def fit() -> Any:
        rows: Any = scan(data.path)
        return _fitting(KMeans, (rows, centres))()

    return fit


def _check_file(data: InParquet, answers: Answers, *, k: int) -> dict[Contender, Agreement]:
    """Compare with what comes of the same rows in memory: bit for bit."""
    inertia, n_iter = _fitting(KMeans, _first(data.X, k))()
    return {
        contender: Agreement(
            float(abs(answer[0] - inertia) + abs(answer[1] - n_iter)),
            0.0,
            "difference of the inertia and iterations in memory",
        )
        for contender, answer in answers.items()
    }


def _file_problem(options: Options) -> Problem:
    """Return iterations on rows of a file: beside them a fit reads it three times."""
    n, d, k = options.rows(2_000_000), 16, 256
    return Problem(
        "k-means-file",
        f"KMeans {n:,} × {d}, {k} clusters, an iteration from a Parquet file",
        "cluster",
        partial(_write, n, d, k),
        (
            Contender(
                "rmodels",
                partial(_fitting_file, k=k),
                True,
                portion=_ITERATIONS,
                note=f"a fit of {_ITERATIONS} iterations, divided by these",
            ),
            *readers(options.threads),
        ),
        partial(_check_file, k=k),
        (Goal((READ,), 1.5, at_most=True),),
        Work(n * d * 8, n * d * k * 2, "float32"),
        seconds=60,
    )


def k_means_problems(options: Options) -> Iterator[Problem]:
    """Yield what is measured."""
    others = {
        INTELEX: Contender(INTELEX, _fitting_intelex, peer=INTELEX),
        _FAISS: Contender(
            _FAISS,
            partial(_fitting_faiss, threads=options.threads),
            peer=FAISS,
            precision="float32",
            note="labels by float32 scores",
            check=_check_faiss,
        ),
    }
    for name, rows, d, k, spread, goal, more in _FITS:
        n = options.rows(rows)
        yield Problem(
            f"k-means-{name}",
            f"KMeans {n:,} × {d}{'' if spread else ' uniform'}, {k} clusters, "
            f"{_ITERATIONS} iterations",
            "cluster",
            partial(_generate, n, d, k, spread),
            (
                Contender("rmodels", partial(_fitting, KMeans), True),
                Contender("scikit-learn", partial(_fitting, cluster.KMeans)),
                Contender(
                    "scikit-learn, elkan", partial(_fitting, cluster.KMeans, algorithm="elkan")
                ),
                *(others[peer] for peer in more),
            ),
            _check,
            (
                Goal(("scikit-learn", "scikit-learn, elkan"), goal),
                *(Goal((peer,), ratio) for peer, ratio in more.items()),
            ),
            Work(n * d * 8 * _ITERATIONS, n * d * k * 2 * _ITERATIONS, "float32"),
        )
    n, k = options.rows(100_000), 100
    yield _beside(
        "k-means-seeds",
        f"k-means++ {n:,} × 10, {k} clusters",
        partial(_generate, n, 10, k, 1.0),
        partial(_seeding, kmeans_plusplus),
        partial(_seeding, cluster.kmeans_plusplus),
        _check_seeds,
        8,
        Work(n * 10 * 8 * k, n * 10 * k * 7 * 3, "float64"),
    )
    n = options.rows(200_000)
    yield _beside(
        "k-means-batches",
        f"MiniBatchKMeans {n:,} × 20, {k} clusters",
        partial(_generate, n, 20, k, 1.0),
        partial(_batching, MiniBatchKMeans),
        partial(_batching, cluster.MiniBatchKMeans),
        _check_batches,
        4,
        Work(n * 20 * 8 * 2, n * 20 * k * 2 * 2, "float32"),
    )
    n = options.rows(1_000_000)
    yield _beside(
        "k-means-predict",
        f"KMeans, predict, {n:,} × 20, {k} clusters",
        partial(_generate, n, 20, k, 1.0),
        partial(_predicting, KMeans),
        partial(_predicting, cluster.KMeans),
        _check_labels,
        3,
        Work(n * 20 * 8, n * 20 * k * 2, "float32"),
    )
    if can_read():
        yield _file_problem(options)


def _beside(
    name: str,
    title: str,
    data: Callable[[], Any],
    ours: Callable[[Any], Callable[[], Any]],
    theirs: Callable[[Any], Callable[[], Any]],
    check: Check,
    goal: float,
    work: Work,
) -> Problem:
    """Return a problem of ours and scikit-learn."""
    contenders = Contender("rmodels", ours, True), Contender("scikit-learn", theirs)
    goals = (Goal(("scikit-learn",), goal),)
    return Problem(name, title, "cluster", data, contenders, check, goals, work)
