"""Stochastic gradient descent: the steps of scikit-learn, and how fast they are made."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy import sparse
from sklearn import datasets
from sklearn import linear_model as peers
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import rmodels
from rmodels_evidence.case import Case, relative_to
from rmodels_evidence.comparison import Comparison
from rmodels_evidence.problem import (
    Agreement,
    Answers,
    Contender,
    Goal,
    Options,
    Problem,
    Work,
)

__all__ = [
    "StochasticData",
    "fit_steps",
    "generate_numbers",
    "stochastic_cases",
    "stochastic_comparisons",
    "stochastic_problems",
]

_EPOCHS = 5
_LONG = 1000  # epochs without shuffling
_FEW = 10  # of these that scikit-learn walks
_RATE = {"learning_rate": "invscaling", "eta0": 0.01}
_STEPS: dict[str, Any] = {"tol": None, "random_state": 0} | _RATE


@dataclass(frozen=True, eq=False)
class StochasticData:
    """Rows and targets: numbers or labels.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    """

    X: Any
    y: NDArray


def fit_steps(estimator: Any, data: StochasticData, **given: Any) -> NDArray[np.float64]:
    """Return coefficients and, last, intercepts or the offset."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = estimator(**given).fit(data.X, data.y)
    last = model.offset_ if hasattr(model, "offset_") else model.intercept_
    return np.concatenate([np.ravel(model.coef_), np.ravel(last)])


def _both(model: Any, X: NDArray) -> NDArray:
    return np.concatenate([np.ravel(model.coef_), np.ravel(model.intercept_)])


def stochastic_comparisons() -> Iterator[Comparison]:
    """Yield the comparisons, in the order of the table."""
    for name, load, given in (
        ("SGDRegressor", datasets.load_diabetes, _STEPS),
        ("SGDClassifier", datasets.load_breast_cancer, _STEPS | {"loss": "log_loss"}),
        ("Perceptron", datasets.load_digits, {"tol": None, "max_iter": 20}),
    ):
        X, y = load(return_X_y=True)
        X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
        scale = StandardScaler().fit(X_train)
        yield Comparison(
            "stochastic descent",
            load.__name__.removeprefix("load_").replace("_", " "),
            name,
            (scale.transform(X_train), scale.transform(X_test), y_train, y_test),
            partial(getattr(rmodels, name), **given),
            partial(getattr(peers, name), **given),
            _both,
            1e-10,
        )


def stochastic_cases(quick: bool) -> Iterator[Case]:
    """Yield the cases: the steps of scikit-learn, some epochs on.

    Parameters
    ----------
    quick : bool
        Fewer rows.
    """
    n = 300 if quick else 3000
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 10)) / np.sqrt(10)
    y = X @ rng.standard_normal(10) * 3 + rng.standard_normal(n)
    labels = np.argsort(np.argsort(y)) * 3 // n
    cases: list[tuple[str, NDArray, dict[str, Any]]] = [
        ("SGDRegressor", y, {"loss": "squared_error"}),
        ("SGDRegressor", y, {"loss": "huber", "penalty": "elasticnet", "alpha": 0.01}),
        ("SGDRegressor", y, {"loss": "epsilon_insensitive", "average": True}),
        ("SGDClassifier", labels, {"loss": "hinge", "eta0": 0.01}),
        ("SGDClassifier", labels, {"loss": "log_loss", "penalty": "l1", "eta0": 0.01}),
        ("SGDClassifier", labels, {"loss": "modified_huber", "average": 50, "eta0": 0.01}),
        ("Perceptron", labels, {"penalty": "l2"}),
    ]
    if tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9):  # before, other steps
        cases.append(("SGDOneClassSVM", labels, {"nu": 0.3}))
    for name, target, given in cases:
        steps = {k: v for k, v in _STEPS.items() if k not in _RATE or name != "Perceptron"}
        what = ", ".join(map(str, given.values()))
        given = steps | given | {"max_iter": 5}
        data = StochasticData(X, target)
        theirs = partial(fit_steps, getattr(peers, name), data, **given)
        yield Case(
            name,
            f"{n:,} × 10",
            f"{what}, 5 epochs",
            "scikit-learn's steps",
            1e-12,
            partial(fit_steps, getattr(rmodels, name), data, **given),
            relative_to(theirs),
        )


def generate_numbers(n: int, d: int, classes: int = 0) -> StochasticData:
    """Return rows and targets that follow a line, or so many classes of these, but for noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    y = X @ rng.standard_normal(d) / np.sqrt(d) + rng.standard_normal(n)
    if classes:
        y = np.argsort(np.argsort(y)) * classes // n
    return StochasticData(X, y)


def _generate_sparse(n: int) -> StochasticData:
    rng = np.random.default_rng(0)
    X = sparse.random(n, 10_000, 0.005, format="csr", random_state=rng)
    return StochasticData(X, np.asarray(X @ rng.standard_normal(10_000)))


def _fitting(estimator: Any, data: StochasticData, **given: Any) -> Callable[[], NDArray]:
    return partial(fit_steps, estimator, data, **given)


def _check(
    estimator: Any, given: dict[str, Any], data: StochasticData, answers: Answers
) -> dict[Contender, Agreement]:
    """Compare coefficients with those of scikit-learn's steps."""
    truth = fit_steps(estimator, data, **given)
    return {
        contender: Agreement(
            float(abs(answer - truth).max() / abs(truth).max()),
            1e-10,
            "relative error of a coefficient",
        )
        for contender, answer in answers.items()
    }


def _check_epochs(
    few: int, given: dict[str, Any], data: StochasticData, answers: Answers
) -> dict[Contender, Agreement]:
    """Compare what epochs lead to with what the steps themselves do."""
    by_steps = given | {"learning_rate": "invscaling", "power_t": 0.0}  # the same rate
    found = {}
    for contender, answer in answers.items():
        epochs = _LONG if contender.ours else few
        truth = fit_steps(rmodels.SGDRegressor, data, **by_steps, max_iter=epochs)
        error = float(abs(answer - truth).max() / abs(truth).max())
        found[contender] = Agreement(error, 1e-10, "relative error of a coefficient")
    return found


def _problem(
    options: Options,
    name: str,
    title: str,
    estimator: str,
    data: Callable[[], StochasticData],
    ratio: float,
    read: float,
    given: dict[str, Any],
    jobs: bool = False,
) -> Problem:
    threads: dict[str, Any] = {"n_jobs": options.threads} if jobs else {}
    ours, theirs = getattr(rmodels, estimator), getattr(peers, estimator)
    return Problem(
        name,
        f"{title}, {given['max_iter']} epochs",
        "linear",
        data,
        (
            Contender("rmodels", partial(_fitting, ours, **given, **threads), True),
            Contender("scikit-learn", partial(_fitting, theirs, **given, **threads)),
        ),
        partial(_check, theirs, given),
        (Goal(("scikit-learn",), ratio),),
        Work(read * given["max_iter"], read / 2 * given["max_iter"], "float64"),
        seconds=20.0,
    )


def stochastic_problems(options: Options) -> Iterator[Problem]:
    """Yield the problems of stochastic gradient descent."""
    n = options.rows(200_000)
    given = _STEPS | {"max_iter": _EPOCHS}
    for d, ratio in ((10, 8.0), (40, 7.0), (200, 3.5)):
        yield _problem(
            options,
            f"sgd-{d}",
            f"SGDRegressor {n:,} × {d}",
            "SGDRegressor",
            partial(generate_numbers, n, d),
            ratio,
            n * d * 8,
            given,
        )
    yield _problem(
        options,
        "sgd-classes",
        f"SGDClassifier {n:,} × 40, 10 classes",
        "SGDClassifier",
        partial(generate_numbers, n, 40, 10),
        10.0,
        n * 40 * 8 * 10,
        given | {"eta0": 0.01, "loss": "log_loss"},
        jobs=True,
    )
    m = options.rows(100_000)
    yield _problem(
        options,
        "sgd-sparse",
        f"SGDRegressor {m:,} × 10,000, 0.5 % not 0",
        "SGDRegressor",
        partial(_generate_sparse, m),
        3.0,
        m * 50 * 12,
        given,
    )
    long: dict[str, Any] = {
        "tol": None,
        "shuffle": False,
        "learning_rate": "constant",
        "eta0": 1e-4,
    }
    yield Problem(
        "sgd-epochs",
        f"SGDRegressor {n:,} × 40, rows in their order, {_LONG} epochs",
        "linear",
        partial(generate_numbers, n, 40),
        (
            Contender(
                "rmodels", partial(_fitting, rmodels.SGDRegressor, **long, max_iter=_LONG), True
            ),
            Contender(
                "scikit-learn",
                partial(_fitting, peers.SGDRegressor, **long, max_iter=_FEW),
                portion=_FEW / _LONG,
                note=f"{_FEW} of {_LONG} epochs",
            ),
        ),
        partial(_check_epochs, _FEW, long),
        (Goal(("scikit-learn",), 300.0),),
        Work(n * 40 * 8, n * 42 * 42 * 6, "float64"),
        seconds=30.0,
    )
