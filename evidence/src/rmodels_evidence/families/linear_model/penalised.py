"""Problems of lasso and elastic net: one penalty, and all of a cross-validation."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import linear_model as peers
from sklearn.exceptions import ConvergenceWarning

import rmodels
from rmodels_evidence.problem import (
    CELER,
    SKGLM,
    Agreement,
    Answers,
    Contender,
    Goal,
    Options,
    Problem,
    Work,
)

__all__ = ["penalised_problems"]

Data = tuple[NDArray, NDArray]
Call = Callable[[], Any]

_FOLDS, _PENALTIES = 5, 100
_UNIT = 2.0**-53


def _generate(n: int, d: int, correlation: float) -> Data:
    """Return rows, neighbouring columns of which are correlated, and targets of a tenth of them."""
    rng = np.random.default_rng(0)
    X: NDArray = rng.standard_normal((n, d))
    for j in range(1, d if correlation else 0):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    coefficients = np.zeros(d)
    used = rng.choice(d, max(3, min(d // 10, 50)), replace=False)
    coefficients[used] = rng.standard_normal(len(used))
    return X, X @ coefficients + rng.standard_normal(n)


def _penalty(data: Data) -> float:
    """Return a twentieth of the penalty that leaves no column in."""
    X, y = data
    return float(abs(X.T @ (y - y.mean())).max() / len(y) / 20)


def _fit(estimator: Any, data: Data, **parameters: Any) -> NDArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = estimator(**parameters).fit(*data)
    return np.append(model.coef_, model.intercept_)


def _one_penalty(estimator: Any, data: Data) -> Call:
    return partial(_fit, estimator, data, alpha=_penalty(data))


def _celer(data: Data) -> Call:
    import celer

    return _one_penalty(celer.Lasso, data)


def _skglm(data: Data) -> Call:
    import skglm

    run = _one_penalty(skglm.Lasso, data)
    run()  # which numba compiles
    return run


def _find_gap(data: Data, coefficients: NDArray) -> float:
    """Return the duality gap over the loss of no coefficients: 0 at the minimum."""
    X, y = data
    alpha, n, slopes = _penalty(data), len(y), coefficients[:-1]
    centred = y - y.mean()
    left = y - X @ slopes
    left -= left.mean()
    products = X.T @ left
    products -= X.mean(axis=0) * left.sum()
    scale = min(1.0, n * alpha / max(float(abs(products).max()), 1e-300))
    primal = left @ left / (2 * n) + alpha * abs(slopes).sum()
    dual = scale * (left @ centred) / n - scale**2 * (left @ left) / (2 * n)
    return float((primal - dual) / (centred @ centred / (2 * n)))


def _check(data: Data, answers: Answers) -> dict[Contender, Agreement]:
    """Compare duality gaps: ours is a millionth of the others', or rounding."""
    gaps = {contender: _find_gap(data, answer) for contender, answer in answers.items()}
    least = min((gap for each, gap in gaps.items() if not each.ours), default=0.0)
    rounding = 16 * np.sqrt(data[0].size) * _UNIT
    return {
        contender: Agreement(
            abs(gap), max(1e-6 * least, rounding) if contender.ours else 1e-2, "duality gap"
        )
        for contender, gap in gaps.items()
    }


def _cross_validated(estimator: Any, data: Data) -> Call:
    def fit() -> NDArray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = estimator(cv=_FOLDS).fit(*data)
        return np.asarray(model.mse_path_)

    return fit


def _check_path(estimator: str, data: Data, answers: Answers) -> dict[Contender, Agreement]:
    """Compare the errors of all folds and penalties with scikit-learn's, iterated to the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        truth = getattr(peers, estimator)(cv=_FOLDS, tol=1e-12, max_iter=10_000).fit(*data)
    return {
        contender: Agreement(
            float(abs(answer / truth.mse_path_ - 1).max()),
            1e-7 if contender.ours else 1e-1,
            "relative error of a mean squared error",
        )
        for contender, answer in answers.items()
    }


def _single(
    options: Options, shape: tuple[int, int], goals: tuple[Goal, ...], *others: Contender
) -> Problem:
    n, d = options.rows(shape[0]), shape[1]
    return Problem(
        f"lasso-{shape[0]}-{d}",
        f"Lasso {n:,} × {d:,}",
        "linear",
        partial(_generate, n, d, 0.0),
        (
            Contender("rmodels", partial(_one_penalty, rmodels.Lasso), True),
            Contender("scikit-learn", partial(_one_penalty, peers.Lasso)),
            *others,
        ),
        _check,
        goals,
        Work(n * d * 8, n * d * (d + 1) if n > d else 2 * n * d, "float64"),
    )


def penalised_problems(options: Options) -> Iterator[Problem]:
    """Yield the problems of lasso and elastic net."""
    for name, shape, correlation, ratio in (
        ("LassoCV", (200_000, 40), 0.0, 35),
        ("ElasticNetCV", (200_000, 40), 0.0, 35),
        ("LassoCV", (20_000, 200), 0.95, 10),
    ):
        n, d = options.rows(shape[0]), shape[1]
        title = f"{name} {n:,} × {d}, {_FOLDS} folds, {_PENALTIES} penalties"
        yield Problem(
            f"{name.lower()}-{d}",
            title + (f", neighbouring columns correlated {correlation}" if correlation else ""),
            "linear",
            partial(_generate, n, d, correlation),
            (
                Contender("rmodels", partial(_cross_validated, getattr(rmodels, name)), True),
                Contender("scikit-learn", partial(_cross_validated, getattr(peers, name))),
            ),
            partial(_check_path, name),
            (Goal(("scikit-learn",), ratio),),
            Work(n * d * 8, n * d * (d + 1), "float64"),
            seconds=20.0,
        )
    yield _single(options, (200_000, 40), (Goal(("scikit-learn",), 5),))
    yield _single(options, (5_000, 500), (Goal(("scikit-learn",), 1.2),))
    yield _single(
        options,
        (500, 5_000),
        (Goal(("scikit-learn",), 1.2), Goal((CELER,), 1), Goal((SKGLM,), 1)),
        Contender(CELER, _celer, peer=CELER),
        Contender(SKGLM, _skglm, peer=SKGLM, note="compiled by numba before"),
    )
