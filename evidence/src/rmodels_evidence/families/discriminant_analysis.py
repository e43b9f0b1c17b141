"""Discriminant analysis."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import multivariate_normal
from sklearn import datasets, discriminant_analysis
from sklearn.model_selection import train_test_split

from rmodels import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from rmodels_evidence.case import Case, differences
from rmodels_evidence.comparison import Comparison
from rmodels_evidence.families import Family
from rmodels_evidence.labelled import Labelled, generate_classes, probabilities
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

_OURS: tuple[Any, ...] = (LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis)
# Before 1.9 scikit-learn divides the scatter of rows by fewer than there are: another model.
_IS_SAME = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)


def _comparisons() -> Iterator[Comparison]:
    X, y = datasets.load_breast_cancer(return_X_y=True)
    split = tuple(train_test_split(X, y, random_state=0))
    for text, ours in zip(("linear", "quadratic"), _OURS, strict=True):
        yield Comparison(
            f"{text} discriminants",
            "breast cancer",
            ours.__name__,
            split,
            partial(ours, tol=1e-12),
            partial(getattr(discriminant_analysis, ours.__name__), tol=1e-12),
            probabilities if _IS_SAME else None,
            1e-5,
        )


@cache
def _rows(name: str) -> Labelled:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 3000)
    X: NDArray = rng.standard_normal((3000, 10)) * (1 + 0.2 * y[:, np.newaxis])
    X += 0.3 * y[:, np.newaxis]
    if name == "float64, mean 1e6":
        X = X + 2.0**20
    if name == "float32, mean 1e4":
        X = (X + 2.0**14).astype(np.float32)
    if name == "scales 1e-6 to 1e6":
        X = X * 2.0 ** np.linspace(-20, 20, 10).round()
    return X, y


def _fit(estimator: Any, name: str) -> NDArray:
    X, y = _rows(name)
    return np.asarray(estimator(tol=0.0).fit(X, y).predict_proba(X[:200]))


@cache
def _truth(estimator: str, name: str) -> NDArray:
    """Return the probabilities of exact differences of the rows, in one unit."""
    X, y = _rows(name)
    D = X.astype(np.float64) - X[0].astype(np.float64)
    if name.startswith("scales"):
        D /= 2.0 ** np.linspace(-20, 20, 10).round()
    return _posteriors(estimator, D, y, D[:200])


def _posteriors(estimator: str, X: NDArray, y: NDArray, rows: NDArray) -> NDArray:
    """Return the probabilities of rows by the definition: (n_rows, n_classes)."""
    groups = [X[y == label] for label in np.unique(y)]
    shares = np.array([len(group) for group in groups]) / len(X)
    covariances = np.array([np.cov(group, rowvar=False, bias=True) for group in groups])
    if estimator == LinearDiscriminantAnalysis.__name__:
        covariances[:] = np.tensordot(shares, covariances, 1)
    densities = [
        multivariate_normal(group.mean(axis=0), covariance).logpdf(rows)
        for group, covariance in zip(groups, covariances, strict=True)
    ]
    return np.asarray(softmax(np.log(shares) + np.transpose(densities), axis=1))


def _cases(quick: bool) -> Iterator[Case]:
    for ours in _OURS:
        for name in ("plain", "float64, mean 1e6", "float32, mean 1e4", "scales 1e-6 to 1e6"):
            yield Case(
                ours.__name__,
                name,
                "probabilities",
                "their definition, from near",
                1e-7 if name.startswith("scales") else 1e-9,
                partial(_fit, ours, name),
                differences(partial(_truth, ours.__name__, name)),
                {
                    "scikit-learn": partial(
                        _fit, getattr(discriminant_analysis, ours.__name__), name
                    )
                },
            )


def _fitting(estimator: Any, parameters: dict[str, Any], data: Labelled) -> Callable[[], NDArray]:
    few = data[0][:500]

    def fit() -> NDArray:
        return np.asarray(estimator(**parameters).fit(*data).predict_proba(few))

    return fit


def _check(name: str, data: Labelled, answers: Answers) -> dict[Contender, Agreement]:
    """Compare probabilities with those of the definition."""
    truth = _posteriors(name, *data, data[0][:500])
    return {
        contender: Agreement(float(np.abs(answer - truth).max()), 1e-9, "error of a probability")
        for contender, answer in answers.items()
    }


def _problems(options: Options) -> Iterator[Problem]:
    n = options.rows(200_000)
    for ours, solver, ratio in (
        (LinearDiscriminantAnalysis, "svd", 50),
        (LinearDiscriminantAnalysis, "lsqr", 12),
        (LinearDiscriminantAnalysis, "eigen", 14),
        (QuadraticDiscriminantAnalysis, "svd", 15),
    ):
        name, parameters = ours.__name__, {"solver": solver}
        theirs = getattr(discriminant_analysis, name)
        short = "lda" if ours is LinearDiscriminantAnalysis else "qda"
        yield Problem(
            f"{short}-{solver}",
            f"{name}, {solver}, {n:,} × 40, 5 classes",
            "discriminant-analysis",
            partial(generate_classes, n),
            (
                Contender("rmodels", partial(_fitting, ours, parameters), True),
                Contender("scikit-learn", partial(_fitting, theirs, parameters)),
            ),
            partial(_check, name),
            (Goal(("scikit-learn",), ratio),),
            Work(n * 40 * 8, n * 40 * 41, "float64"),
        )


FAMILY = Family(
    comparisons=_comparisons, cases=_cases, suite="discriminant-analysis", problems=_problems
)
