"""Cases of lasso and elastic net: against the minimum in exact arithmetic."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet as PeerElasticNet
from sklearn.linear_model import Lasso as PeerLasso

from rmodels import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
)
from rmodels_evidence.case import Case, Errors, relative_to

__all__ = ["exact_elastic_net", "penalised_cases"]

_BOUND = 1e-12


def _exact(A: NDArray) -> NDArray:
    """Return an array of floats as fractions."""
    flat = [Fraction(value) for value in np.asarray(A, np.float64).ravel().tolist()]
    found = np.empty(len(flat), dtype=object)
    found[:] = flat
    return found.reshape(np.shape(A))


def _solve(A: NDArray, b: NDArray) -> NDArray:
    """Return A⁻¹ b of fractions, by elimination."""
    A, b = A.copy(), b.copy()
    for k in range(len(A)):
        pivot = next(i for i in range(k, len(A)) if A[i, k] != 0)
        A[[k, pivot]], b[[k, pivot]] = A[[pivot, k]], b[[pivot, k]]
        for i in range(len(A)):
            if i != k and A[i, k] != 0:
                share = A[i, k] / A[k, k]
                A[i] = A[i] - share * A[k]
                b[i] = b[i] - share * b[k]
    found: NDArray = b / A.diagonal()
    return found


def exact_elastic_net(
    X: NDArray, y: NDArray, alpha: float, l1_ratio: float, near: NDArray
) -> NDArray[np.float64]:
    """Return coefficients and, last, the intercept, computed without rounding, then rounded once.

    The equations of the coefficients that are not 0 are solved in fractions; that they have the
    signs assumed, and that no other column should have one, is checked in fractions, too. So the
    answer is right whatever the assumption was.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    alpha, l1_ratio : float
    near : ndarray of shape (n_features,)
        Coefficients whose signs, 0 among them, are those of the minimum.

    Raises
    ------
    ValueError
        If they are not.
    """
    n, used = len(y), np.flatnonzero(near)
    Z, target = _exact(np.column_stack([X, np.ones(n)])), _exact(y)
    penalty, ratio = n * Fraction(alpha), Fraction(l1_ratio)
    columns = [*used, X.shape[1]]
    A = Z[:, columns].T @ Z[:, columns]
    b = Z[:, columns].T @ target
    signs = [int(np.sign(value)) for value in near[used]]
    for place, sign in enumerate(signs):
        A[place, place] += penalty * (1 - ratio)
        b[place] -= penalty * ratio * sign
    solved = _solve(A, b)
    slopes = Z[:, :-1].T @ (target - Z[:, columns] @ solved)
    slopes[used] -= penalty * (1 - ratio) * solved[:-1]
    right = all(value * sign > 0 for value, sign in zip(solved, signs, strict=False))
    if not right or any(abs(slope) > penalty * ratio for slope in slopes):
        raise ValueError("these are not the signs of the minimum")
    found = np.zeros(X.shape[1] + 1)
    found[columns] = [float(value) for value in solved]
    return found


def _violation(X: NDArray, y: NDArray, alpha: float, coefficients: NDArray) -> float:
    """Return how far the lasso's conditions are from being met, over norms, without rounding."""
    n, Z, target, b = len(y), _exact(X), _exact(y), _exact(coefficients[:-1])
    Z = Z - Z.sum(axis=0) / n
    target = target - target.sum() / n
    slopes = Z.T @ (target - Z @ b) / n
    found = 0.0
    size = float((target * target).sum() / n)
    for slope, value, column in zip(slopes, b, Z.T, strict=True):
        square = float((column * column).sum() / n)
        sign = int(value > 0) - int(value < 0)
        excess = abs(slope - Fraction(alpha) * sign) if sign else abs(slope) - Fraction(alpha)
        if square > 0:
            found = max(found, float(excess) / np.sqrt(square * size))
    return found


def _fit(estimator: Any, X: NDArray, y: NDArray, **parameters: Any) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = estimator(**parameters).fit(X, y)
    return np.append(np.asarray(model.coef_, np.float64), float(model.intercept_))


def _coefficient_errors(truth: Callable[[], NDArray]) -> Errors:
    """Return the error of the coefficients relative to the largest."""
    compare = relative_to(lambda: truth()[:-1])

    def errors(answers: Sequence[NDArray]) -> list[float]:
        return compare([each[:-1] for each in answers])

    return errors


def _data() -> Iterator[tuple[str, NDArray, NDArray, float]]:
    """Yield names, X, y and the error allowed."""
    rng = np.random.default_rng(0)
    X, y = datasets.load_diabetes(return_X_y=True)
    yield "diabetes", X, y, 1e-12
    X, y = datasets.load_wine(return_X_y=True)
    yield "wine", X, y.astype(np.float64), 1e-12
    X = rng.standard_normal((60, 8))
    y = X @ rng.standard_normal(8) + rng.standard_normal(60)
    yield "60 × 8, mean 1e8", X + 1e8, y + 1e8, 1e-12
    yield "60 × 8, scales 1e-6 to 1e6", X * np.logspace(-6, 6, 8), y, 1e-12
    yield "60 × 8, float32, mean 1e5", (X + 1e5).astype(np.float32), y.astype(np.float32), 1e-7
    yield "8 × 8", X[:8], y[:8], 1e-12
    X = rng.standard_normal((20, 60))
    yield "20 × 60", X, X[:, :3].sum(axis=1) + rng.standard_normal(20), 1e-12


def penalised_cases(quick: bool) -> Iterator[Case]:
    """Yield the cases of lasso and elastic net.

    Parameters
    ----------
    quick : bool
        Whether to leave out the larger ones.
    """
    for name, X, y, tolerance in _data():
        if quick and len(y) > 100:
            continue
        D, target = X.astype(np.float64), y.astype(np.float64)
        D, target = D - D.mean(axis=0), target - target.mean()
        largest = float(abs(D.T @ target).max() / len(y))
        for estimator, peer, ratio in (
            (Lasso, PeerLasso, 1.0),
            (ElasticNet, PeerElasticNet, 0.5),
        ):
            alpha = 0.05 * largest / ratio
            given: dict[str, Any] = {"alpha": alpha}
            if ratio < 1:
                given["l1_ratio"] = ratio

            def truth(
                X: NDArray = X, y: NDArray = y, alpha: float = alpha, ratio: float = ratio
            ) -> NDArray:
                near = ElasticNet(alpha, l1_ratio=ratio).fit(X.astype(np.float64), y).coef_
                return exact_elastic_net(X, y, alpha, ratio, near)

            yield Case(
                estimator.__name__,
                name,
                "a twentieth of the largest penalty",
                "exact arithmetic",
                tolerance,
                partial(_fit, estimator, X, y, **given),
                _coefficient_errors(cache(truth)),
                {"scikit-learn": partial(_fit, peer, X, y, **given)},
            )
    rng = np.random.default_rng(1)
    X = rng.standard_normal((40, 6))
    X = np.hstack([X, X[:, :2], X[:, :1] - X[:, 1:2]])
    y = X[:, :3].sum(axis=1) + rng.standard_normal(40)
    for alpha in (0.5, 0.01):
        yield Case(
            "Lasso",
            "40 × 9 of rank 6",
            f"alpha {alpha}",
            "the conditions of optimality",
            _BOUND,
            partial(_fit, Lasso, X, y, alpha=alpha),
            partial(_all_violations, X, y, alpha),
            {"scikit-learn": partial(_fit, PeerLasso, X, y, alpha=alpha)},
        )
    yield Case(
        "LassoCV",
        "40 × 6",
        "the fit with the penalty chosen",
        "exact arithmetic",
        _BOUND,
        partial(_fit, LassoCV, X[:, :6], y, alphas=20),
        _coefficient_errors(cache(partial(_chosen, X[:, :6], y))),
    )

    Y = np.column_stack([y, X[:, 3] - y, rng.standard_normal(40)])
    several: tuple[tuple[Any, NDArray, dict[str, Any]], ...] = (
        (ElasticNetCV, y, {"alphas": 20}),
        (MultiTaskLasso, Y, {"alpha": 0.2}),
        (MultiTaskElasticNet, Y, {"alpha": 0.2}),
        (MultiTaskLassoCV, Y, {"alphas": 20}),
        (MultiTaskElasticNetCV, Y, {"alphas": 20}),
    )
    for estimator, targets, given in several:
        yield Case(
            estimator.__name__,
            "40 × 9 of rank 6",
            "the penalty chosen" if "alphas" in given else "a penalty",
            "the conditions of optimality",
            _BOUND,
            partial(_fit_rows, estimator, X, targets, **given),
            partial(_row_violations, X, targets.reshape(40, -1)),
        )


def _fit_rows(estimator: Any, X: NDArray, Y: NDArray, **parameters: Any) -> tuple[NDArray, Any]:
    """Return the coefficients, (n_features, n_targets), and the penalties of both kinds."""
    model: Any = estimator(**parameters).fit(X, Y)
    ratio: float = getattr(model, "l1_ratio_", getattr(model, "l1_ratio", 1.0))
    alpha: float = model.alpha_ if hasattr(model, "alpha_") else model.alpha
    return np.atleast_2d(model.coef_).T, (alpha * ratio, alpha * (1 - ratio))


def _row_violations(X: NDArray, Y: NDArray, answers: Sequence[tuple[NDArray, Any]]) -> list[float]:
    """Return how far the conditions of rows of coefficients are from being met, over norms."""
    D, T = X - X.mean(axis=0), Y - Y.mean(axis=0)
    found = []
    for B, (l1, l2) in answers:
        slopes = D.T @ (T - D @ B) / len(Y) - l2 * B
        sizes = np.linalg.norm(B, axis=1)
        used = sizes > 0
        apart = np.maximum(np.linalg.norm(slopes, axis=1) - l1, 0.0)
        apart[used] = np.linalg.norm(slopes[used] - l1 * B[used] / sizes[used, np.newaxis], axis=1)
        norms = np.linalg.norm(D, axis=0) * np.linalg.norm(T) / len(Y)
        found.append(float((apart / norms).max()))
    return found


def _chosen(X: NDArray, y: NDArray) -> NDArray[np.float64]:
    """Return the minimum for the penalty that cross-validation by single fits chooses."""
    D, target = X - X.mean(axis=0), y - y.mean()
    largest = float(abs(D.T @ target).max() / len(y))
    alphas = np.geomspace(largest, largest * 1e-3, 20)
    errors = np.zeros(20)
    for test in np.array_split(np.arange(len(y)), 5):
        train = np.setdiff1d(np.arange(len(y)), test)
        for k, alpha in enumerate(alphas):
            near = Lasso(alpha).fit(X[train], y[train]).coef_
            found = exact_elastic_net(X[train], y[train], alpha, 1.0, near)
            errors[k] += ((y[test] - X[test] @ found[:-1] - found[-1]) ** 2).mean()
    alpha = float(alphas[errors.argmin()])
    return exact_elastic_net(X, y, alpha, 1.0, Lasso(alpha).fit(X, y).coef_)


def _all_violations(
    X: NDArray, y: NDArray, alpha: float, answers: Sequence[NDArray]
) -> list[float]:
    return [_violation(X, y, alpha, each) for each in answers]
