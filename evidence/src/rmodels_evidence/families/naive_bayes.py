"""Naive Bayes."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets, naive_bayes
from sklearn.model_selection import train_test_split

from rmodels import GaussianNB, scan
from rmodels_evidence.case import Case
from rmodels_evidence.comparison import Comparison
from rmodels_evidence.families import Family
from rmodels_evidence.labelled import Labelled, generate_classes, probabilities
from rmodels_evidence.parquet import READ, InParquet, can_read, readers, write
from rmodels_evidence.problem import (
    Agreement,
    Answers,
    Contender,
    Goal,
    Options,
    Problem,
    Work,
)

__all__ = ["FAMILY"]


def _comparisons() -> Iterator[Comparison]:
    X, y = datasets.load_breast_cancer(return_X_y=True)
    yield Comparison(
        "naive Bayes",
        "breast cancer",
        "GaussianNB",
        tuple(train_test_split(X, y, random_state=0)),
        GaussianNB,
        naive_bayes.GaussianNB,
        probabilities,
        1e-6,
    )


@cache
def _rows(name: str) -> Labelled:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 3000)
    X: NDArray = rng.standard_normal((3000, 10)) + y[:, np.newaxis]
    if name == "float64, mean 1e8":
        X = X + 1e8
    if name == "float32, mean 1e5":
        X = (X + 1e5).astype(np.float32)
    if name == "scales 1e-6 to 1e6":
        X = X * np.geomspace(1e-6, 1e6, 10)
    return X, y


def _fit(estimator: Any, name: str) -> NDArray:
    return np.asarray(estimator(var_smoothing=0).fit(*_rows(name)).var_)


@cache
def _variances(name: str) -> NDArray:
    """Return the variances; differences of rows to the first of their class are exact."""
    X, y = _rows(name)
    found = []
    for label in range(3):
        rows = X[y == label].astype(np.float64)
        D = rows - rows[0]
        found.append((D - D.mean(axis=0)).var(axis=0))
    return np.array(found)


def _errors(name: str) -> Callable[[Sequence[Any]], list[float]]:
    def errors(answers: Sequence[Any]) -> list[float]:
        return [float(np.max(np.abs(each / _variances(name) - 1))) for each in answers]

    return errors


def _cases(quick: bool) -> Iterator[Case]:
    for name in ("plain", "float64, mean 1e8", "float32, mean 1e5", "scales 1e-6 to 1e6"):
        yield Case(
            "GaussianNB",
            name,
            "variances",
            "their definition, from near",
            1e-12,
            partial(_fit, GaussianNB, name),
            _errors(name),
            {"scikit-learn": partial(_fit, naive_bayes.GaussianNB, name)},
        )


def _check(data: Labelled, answers: Answers) -> dict[Contender, Agreement]:
    """Compare means and variances, or predicted classes, with scikit-learn's."""
    truth = naive_bayes.GaussianNB().fit(*data)
    means = np.concatenate([truth.theta_, truth.var_])
    found = {}
    for contender, answer in answers.items():
        if answer.ndim == 1:
            error = float((answer != truth.predict(data[0])).mean())
            found[contender] = Agreement(error, 0.0, "share of other classes")
        else:
            error = float(np.max(np.abs(answer - means)))
            found[contender] = Agreement(error, 1e-9, "error of a mean or variance")
    return found


def _fitting(estimator: Any, data: Labelled) -> Callable[[], NDArray]:
    def fit() -> NDArray:
        model = estimator().fit(*data)
        return np.concatenate([model.theta_, model.var_])

    return fit


def _predicting(estimator: Any, data: Labelled) -> Callable[[], NDArray]:
    model = estimator().fit(*data)
    return lambda: np.asarray(model.predict(data[0]))


def _write(n: int) -> InParquet:
    return write(*generate_classes(n))


def _fitting_file(data: InParquet) -> Callable[[], NDArray]:
    def fit() -> NDArray:
        rows: Any = scan(data.path)
        model = GaussianNB().fit(rows, "y")
        return np.concatenate([model.theta_, model.var_])

    return fit


def _check_file(data: InParquet, answers: Answers) -> dict[Contender, Agreement]:
    assert data.y is not None
    return _check((data.X, data.y), answers)


def _problems(options: Options) -> Iterator[Problem]:
    n = options.rows(200_000)
    for name, prepare in (("fit", _fitting), ("predict", _predicting)):
        yield Problem(
            f"gaussian-nb-{name}",
            f"GaussianNB, {name}, {n:,} × 40, 5 classes",
            "naive-bayes",
            partial(generate_classes, n),
            (
                Contender("rmodels", partial(prepare, GaussianNB), True),
                Contender("scikit-learn", partial(prepare, naive_bayes.GaussianNB)),
            ),
            _check,
            (Goal(("scikit-learn",), 15),),
            Work(n * 40 * 8, n * 40 * (3 if name == "fit" else 15), "float64"),
        )
    if not can_read():
        return
    n = options.rows(1_000_000)
    yield Problem(
        "gaussian-nb-parquet",
        f"GaussianNB {n:,} × 40, 5 classes, from a Parquet file",
        "naive-bayes",
        partial(_write, n),
        (Contender("rmodels", _fitting_file, True), *readers(options.threads)),
        _check_file,
        (Goal((READ,), 1.3, at_most=True),),
        Work(n * 41 * 8, n * 40 * 3, "float64"),
    )


FAMILY = Family(comparisons=_comparisons, cases=_cases, suite="naive-bayes", problems=_problems)
