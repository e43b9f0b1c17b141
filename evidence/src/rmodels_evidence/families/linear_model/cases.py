"""Cases of linear regression."""

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from sklearn import datasets
from sklearn.linear_model import LinearRegression as Peer
from sklearn.linear_model import Ridge as PeerRidge
from sklearn.linear_model import RidgeClassifierCV as PeerRidgeClassifierCV
from sklearn.linear_model import RidgeCV as PeerRidgeCV
from sklearn.preprocessing import StandardScaler

from rmodels import LinearRegression, Ridge, RidgeClassifier, RidgeClassifierCV, RidgeCV
from rmodels_evidence.case import Case, Errors, relative_to
from rmodels_evidence.families.linear_model.comparisons import UNCUT
from rmodels_evidence.families.linear_model.penalties import penalised_cases
from rmodels_evidence.families.linear_model.problems import (
    LEARNING_RATE,
    LinearData,
    generate,
    least_squares_truth,
    literal_loop,
)

__all__ = ["exact_least_squares", "linear_cases"]

_EXACT = "exact arithmetic"
_CHOSEN = "exact, of scikit-learn's alpha"


def _integers(column: NDArray) -> tuple[list[int], int]:
    """Return a column times a power of two that makes all of it whole, and that power."""
    ratios = [value.as_integer_ratio() for value in column.astype(np.float64).tolist()]
    scale = max(denominator for _, denominator in ratios)
    return [numerator * (scale // denominator) for numerator, denominator in ratios], scale


def exact_least_squares(
    X: NDArray, Y: NDArray, weights: NDArray | None = None, fit_intercept: bool = True
) -> NDArray[np.float64]:
    """Return least squares, computed without rounding and then rounded once.

    The normal equations of the floats, which are whole numbers times powers of two, are solved by
    fraction-free elimination (Bareiss, Mathematics of Computation 22, 1968).

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Of full rank.
    Y : ndarray of shape (n_samples,) or (n_samples, n_targets)
    weights : ndarray of shape (n_samples,), optional
    fit_intercept : bool

    Returns
    -------
    ndarray of shape (n_features + 1,) or (n_features + 1, n_targets)
        The intercept is last; it is not there without `fit_intercept`.
    """
    targets = Y.reshape(len(Y), -1)
    whole = [_integers(column) for column in (*X.T, *([np.ones(len(X))] * fit_intercept))]
    goal = [_integers(column) for column in targets.T]
    Z = np.array([column for column, _ in whole], dtype=object).T
    T = np.array([column for column, _ in goal], dtype=object).T
    weighted = Z if weights is None else np.array(_integers(weights)[0], dtype=object)[:, None] * Z
    A = weighted.T @ np.column_stack([Z, T])
    before = 1
    for k in range(len(A)):
        pivot = A[k].copy()
        A = (pivot[k] * A - np.outer(A[:, k], pivot)) // before
        A[k] = pivot
        before = pivot[k]
    coefficients = [
        [A[j, len(A) + t] * scale / (A[j, j] * unit) for t, (_, unit) in enumerate(goal)]
        for j, (_, scale) in enumerate(whole)
    ]
    found = np.array(coefficients)
    return found[:, 0] if Y.ndim == 1 else found


def _coefficients(model: Any) -> NDArray:
    """Return coefficients and intercept: (n_features + 1,) or (n_features + 1, n_targets)."""
    intercept = np.atleast_1d(model.intercept_)[np.newaxis]
    found = np.vstack([np.atleast_2d(model.coef_).T, intercept])
    return found[:, 0] if model.coef_.ndim == 1 else found


def _errors(truth: Callable[[], NDArray]) -> Errors:
    """Return the error of the coefficients relative to the largest, or that of the intercept."""
    split = relative_to(lambda: truth()[:-1]), relative_to(lambda: truth()[-1:])

    def errors(answers: Sequence[NDArray]) -> list[float]:
        parts = split[0]([each[:-1] for each in answers]), split[1]([each[-1:] for each in answers])
        return np.max(parts, axis=0).tolist()

    return errors


def _fit(
    estimator: Any, X: Any, y: NDArray, weights: NDArray | None = None, **parameters: Any
) -> NDArray:
    """Return the coefficients of a model; of X without full rank, those of minimum norm."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has rank", UserWarning)
        return _coefficients(estimator(**parameters).fit(X, y, weights))


def _scikit_learn(X: Any, y: NDArray, weights: NDArray | None = None, **parameters: Any) -> Any:
    return partial(_fit, Peer, X, y, weights, **(UNCUT | parameters))


def _statsmodels(X: NDArray, y: NDArray, weights: NDArray | None = None) -> Any:
    """Return statsmodels' QR solution, or None if it is not installed."""
    if importlib.util.find_spec("statsmodels") is None:
        return None

    def run() -> NDArray:
        from statsmodels.regression.linear_model import WLS

        Z = np.column_stack([X, np.ones(len(X))])
        scale = np.ones(len(X)) if weights is None else weights
        columns = [WLS(t, Z, scale).fit(method="qr").params for t in y.reshape(len(y), -1).T]
        return columns[0] if y.ndim == 1 else np.column_stack(columns)

    return run


def _scipy(X: NDArray, y: NDArray, weights: NDArray | None = None) -> Any:
    root = np.ones(len(X)) if weights is None else np.sqrt(weights)
    Z = np.column_stack([X, np.ones(len(X))])
    scaled = root[:, np.newaxis] * Z, (root * y.T).T
    return lambda: linalg.lstsq(*scaled)[0]


def _minimum_norm(X: NDArray, y: NDArray) -> NDArray:
    """Return least squares of minimum norm (the intercept free) by SciPy."""
    centre, level = X.mean(axis=0), y.mean()
    coefficients = linalg.lstsq(X - centre, y - level, cond=1e-12)[0]
    return np.append(coefficients, level - centre @ coefficients)


def _exact_case(
    data: str, X: NDArray, y: NDArray, tolerance: float, weights: NDArray | None = None
) -> Case:
    """Return least squares of data whose answer exact arithmetic gives."""
    task = "least squares" if weights is None else "least squares, weighted"
    return Case(
        "LinearRegression",
        data,
        task,
        _EXACT,
        tolerance,
        partial(_fit, LinearRegression, X, y, weights),
        _errors(cache(partial(exact_least_squares, X, y, weights))),
        {
            "scikit-learn": _scikit_learn(X, y, weights),
            "SciPy": _scipy(X, y, weights),
            "statsmodels": _statsmodels(X, y, weights),
        },
    )


def _load_bundled() -> Iterator[Case]:
    """Yield least squares of the data sets that scikit-learn and statsmodels carry."""
    for name in ("diabetes", "iris", "wine", "breast_cancer", "linnerud"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        yield _exact_case(name.replace("_", " "), X, y.astype(np.float64), 1e-13)
    X, y = datasets.load_diabetes(return_X_y=True)
    weights = np.random.default_rng(0).integers(1, 9, len(X)).astype(np.float64)
    yield _exact_case("diabetes", X, y, 1e-13, weights)
    yield Case(
        "LinearRegression",
        "diabetes",
        "least squares, no intercept",
        _EXACT,
        1e-13,
        lambda: LinearRegression(fit_intercept=False).fit(X, y).coef_,
        relative_to(partial(exact_least_squares, X, y, fit_intercept=False)),
        {"SciPy": lambda: linalg.lstsq(X, y)[0]},
    )
    yield Case(
        "LinearRegression",
        "diabetes",
        "least squares, positive",
        "scikit-learn",
        1e-12,
        partial(_fit, LinearRegression, X, y, positive=True),
        _errors(_scikit_learn(X, y, positive=True)),
    )
    yield Case(
        "LinearRegression",
        "diabetes, sparse",
        "least squares",
        _EXACT,
        1e-13,
        partial(_fit, LinearRegression, sparse.csr_array(X), y),
        _errors(partial(exact_least_squares, X, y)),
    )
    digits, target = datasets.load_digits(return_X_y=True)
    yield Case(
        "LinearRegression",
        "digits, of rank 61",
        "least squares, minimum norm",
        "SciPy's SVD",
        1e-11,
        partial(_fit, LinearRegression, digits, target),
        _errors(partial(_minimum_norm, digits, target)),
        {"scikit-learn": _scikit_learn(digits, target)},
    )
    if importlib.util.find_spec("statsmodels") is not None:
        from statsmodels.datasets import longley

        table = longley.load_pandas()
        columns = table.exog.to_numpy(), table.endog.to_numpy()
        yield _exact_case("Longley (NIST)", *columns, 1e-13)


def _polynomial(x: NDArray, degree: int) -> NDArray:
    return np.column_stack([x**power for power in range(1, degree + 1)])


def _generate(quick: bool) -> Iterator[Case]:
    """Yield least squares of generated, ill-conditioned and offset data."""
    rng = np.random.default_rng(0)
    powers = _polynomial(np.arange(21.0), 5)
    known = np.ones(6)
    yield Case(
        "LinearRegression",
        "Wampler 1: a polynomial of degree 5",
        "least squares",
        "known: all are 1",
        1e-13,
        partial(_fit, LinearRegression, powers, powers.sum(axis=1) + 1),
        _errors(lambda: known),
        {
            "scikit-learn": _scikit_learn(powers, powers.sum(axis=1) + 1),
            "SciPy": _scipy(powers, powers.sum(axis=1) + 1),
            "statsmodels": _statsmodels(powers, powers.sum(axis=1) + 1),
        },
    )
    whole = rng.integers(-1000, 1000, (500, 8)).astype(np.float64)
    scaled = rng.integers(-1000, 1000, (50, 2)) * [1.0, 1e8]
    first = rng.integers(-(10**5), 10**5, 60).astype(np.float64)
    nearly = np.column_stack([first, first * 2.0**17 + rng.integers(-1, 2, 60)])
    high = _polynomial(np.arange(30) / 4 - 9, 10)
    noise = rng.standard_normal(2000)
    normal = rng.standard_normal((2000, 6))
    for name, X in {
        "offset 1e6 times the spread": normal + 1e6,
        "offset 1e9": whole + 1e9,
        "scale ratio 1e8": scaled,
        "condition number 1e10": nearly,
        "a polynomial of degree 10": high,
    }.items():
        y = X @ np.arange(1.0, X.shape[1] + 1) / np.abs(X).max(axis=0).mean() + noise[: len(X)]
        yield _exact_case(name, X, y, 1e-13)
    single = (normal + 1e3).astype(np.float32)
    target = (normal @ np.arange(6) + noise).astype(np.float32)
    yield Case(
        "LinearRegression, float32",
        "offset 1e3 times the spread",
        "least squares",
        _EXACT,
        1.2e-7,
        partial(_fit, LinearRegression, single, target),
        _errors(partial(exact_least_squares, single, target)),
        {"scikit-learn": _scikit_learn(single, target), "SciPy": _scipy(single, target)},
    )
    wide = generate(40, 100)
    yield Case(
        "LinearRegression",
        "40 rows of 100 features",
        "least squares, minimum norm",
        "SciPy's SVD",
        1e-12,
        partial(_fit, LinearRegression, wide.X, wide.y),
        _errors(partial(_minimum_norm, wide.X, wide.y)),
        {"scikit-learn": _scikit_learn(wide.X, wide.y, None, **dict.fromkeys(UNCUT, 1e-6))},
    )
    n, d = (5_000, 40) if quick else (200_000, 40)
    tall = generate(n, d)
    yield Case(
        "LinearRegression",
        f"{n:,} × {d}",
        "least squares",
        "LAPACK's QR",
        1e-12,
        partial(_fit, LinearRegression, tall.X, tall.y),
        _errors(partial(least_squares_truth, tall.X, tall.y)),
        {"scikit-learn": _scikit_learn(tall.X, tall.y)},
    )


def _descent(quick: bool) -> Iterator[Case]:
    """Yield gradient descent by each solver, held against the loop as it is written down."""
    steps = 100 if quick else 1000
    samples = {}
    for name in ("diabetes", "wine", "breast_cancer"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        scaled = StandardScaler().fit_transform(X)
        samples[f"{name.replace('_', ' ')}, standardised"] = scaled, y.astype(np.float64)
    wide = generate(40, 100)
    samples["40 rows of 100 features"] = wide.X * np.sqrt(40), wide.y
    tall = generate(5_000 if quick else 20_000, 40)
    samples[f"{len(tall.X):,} × 40"] = tall.X, tall.y
    for name, (X, y) in samples.items():
        truth: Callable[[], NDArray] = cache(
            literal_loop(LinearData(X, y, X[:0]), iterations=steps)
        )
        for solver in ("moments", "gram", "stream"):
            if solver == "gram" and len(X) > 1000:
                continue
            yield Case(
                "LinearRegression",
                name,
                f"{steps} steps, {solver}",
                "the literal loop",
                1e-10,
                partial(
                    _fit,
                    LinearRegression,
                    X,
                    y,
                    iterations=steps,
                    learning_rate=LEARNING_RATE,
                    solver=solver,
                ),
                _errors(truth),
            )


def _penalise(X: NDArray, y: NDArray, root: float) -> NDArray:
    """Return ridge regression of alpha = root², which is least squares with a row per feature."""
    d = X.shape[1]
    Z = np.block([[X, np.ones((len(X), 1))], [root * np.eye(d), np.zeros((d, 1))]])
    return exact_least_squares(Z, np.concatenate([y, np.zeros(d)]), fit_intercept=False)


def _penalise_as(peer: Any, X: NDArray, y: NDArray, target: NDArray) -> NDArray:
    """Return ridge regression of a target, of the alpha that a fitted peer chooses for y."""
    return _penalise(X, target, np.sqrt(peer.fit(X, y).alpha_))


def _ridge() -> Iterator[Case]:
    for name in ("diabetes", "wine"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        y = y.astype(np.float64)
        yield Case(
            "Ridge",
            name,
            "alpha 4",
            _EXACT,
            1e-12,
            partial(_fit, Ridge, X, y, alpha=4.0),
            _errors(cache(partial(_penalise, X, y, 2.0))),
            {"scikit-learn": partial(_fit, PeerRidge, X, y, alpha=4.0)},
        )
    X, y = datasets.load_diabetes(return_X_y=True)
    alphas = tuple(10.0 ** np.arange(-3, 3))
    yield Case(
        "RidgeCV",
        "diabetes",
        "alpha by leave-one-out",
        _CHOSEN,
        1e-12,
        partial(_fit, RidgeCV, X, y, alphas=alphas),
        _errors(cache(partial(_penalise_as, PeerRidgeCV(alphas), X, y, y))),
    )
    X, y = datasets.load_breast_cancer(return_X_y=True)
    yield Case(
        "RidgeClassifier",
        "breast cancer",
        "alpha 4",
        _EXACT,
        1e-12,
        partial(_fit, RidgeClassifier, X, y, alpha=4.0),
        _errors(cache(partial(_penalise, X, 2.0 * y - 1.0, 2.0))),
    )
    X, y = datasets.load_wine(return_X_y=True)
    second = y == 1
    yield Case(
        "RidgeClassifierCV",
        "wine, the second class",
        "alpha by leave-one-out",
        _CHOSEN,
        1e-12,
        partial(_fit, RidgeClassifierCV, X, second, alphas=alphas),
        _errors(
            cache(
                partial(_penalise_as, PeerRidgeClassifierCV(alphas), X, second, 2.0 * second - 1.0)
            )
        ),
    )


def linear_cases(quick: bool) -> Iterator[Case]:
    """Yield the cases of linear models.

    Parameters
    ----------
    quick : bool
        Smaller generated data, fewer steps of gradient descent.
    """
    yield from _load_bundled()
    yield from _generate(quick)
    yield from _descent(quick)
    yield from _ridge()
    yield from penalised_cases(quick)
