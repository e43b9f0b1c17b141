"""Problems of linear regression."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from rmodels_evidence.agreement import coefficient_agreement
from rmodels_evidence.limits import read_all
from rmodels_evidence.problem import (
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

__all__ = [
    "ITERATIONS",
    "LEARNING_RATE",
    "LinearData",
    "check_descent",
    "check_least_squares",
    "descent_truth",
    "generate",
    "headline_data",
    "intelex",
    "least_squares_truth",
    "linear_problems",
    "literal_loop",
    "ours",
    "scikit_learn",
    "sgd_regressor",
]

LEARNING_RATE = 0.05
ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class LinearData:
    """Rows to fit, and rows to predict.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    Q : ndarray of shape (n_queries, n_features)
    """

    X: NDArray
    y: NDArray
    Q: NDArray


def generate(
    n_samples: int, n_features: int, *, n_queries: int = 0, dtype: str = "float64"
) -> LinearData:
    """Return normal columns scaled to unit norm, and a linear target with noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples + n_queries, n_features), dtype=np.dtype(dtype))
    y = X @ rng.standard_normal(n_features, dtype=np.dtype(dtype))
    y += rng.standard_normal(len(X), dtype=np.dtype(dtype))
    X /= np.linalg.norm(X[:n_samples], axis=0)
    return LinearData(X[:n_samples], y[:n_samples], X[n_samples:])


def headline_data(options: Options) -> LinearData:
    """Return the problem that the others are measured by: 200,000 rows of 40 features."""
    return generate(options.rows(200_000), 40, n_queries=options.rows(10_000))


def descent_truth(X: NDArray, y: NDArray, iterations: int) -> NDArray[np.float64]:
    """Return coefficients and intercept after steps of gradient descent on the second moments.

    With H and c the second moments of Z = [X 1] and with y, the gradient is H w − c: the same
    steps as on the rows, without the rows.
    """
    Z = np.column_stack([X, np.ones(len(X))]).astype(np.float64)
    H, c = Z.T @ Z / len(Z), Z.T @ y / len(Z)
    w = np.zeros(Z.shape[1])
    for _ in range(iterations):
        w -= LEARNING_RATE * (H @ w - c)
    return w


def least_squares_truth(X: NDArray, y: NDArray) -> NDArray[np.float64]:
    """Return coefficients and intercept of least squares by LAPACK's QR factors of the rows."""
    mean, level = X.mean(axis=0), y.mean()
    R: Any = np.linalg.qr(np.column_stack([X - mean, y - level]), mode="r")
    coefficients = linalg.solve_triangular(R[:-1, :-1], R[:-1, -1])
    return np.append(coefficients, level - mean @ coefficients)


def check_descent(iterations: int, tolerance: float = 1e-10) -> Check:
    """Return a check against the coefficients after that many iterations."""

    def check(data: LinearData, answers: Answers) -> dict[Contender, Agreement]:
        truth = descent_truth(data.X, data.y, iterations)
        return {
            contender: coefficient_agreement(answer, truth, tolerance)
            for contender, answer in answers.items()
        }

    return check


def check_least_squares(data: LinearData, answers: Answers) -> dict[Contender, Agreement]:
    """Check against the coefficients by LAPACK."""
    truth = least_squares_truth(data.X, data.y)
    return {
        contender: coefficient_agreement(answer, truth, 1e-9)
        for contender, answer in answers.items()
    }


def _coefficients(model: Any) -> NDArray:
    return np.append(model.coef_, model.intercept_)


def ours(data: LinearData, *, predict: bool = False, **parameters: Any) -> Callable[[], NDArray]:
    """Return a call that fits our model, and predicts if asked to, and gives the coefficients."""
    from rmodels import LinearRegression

    def run() -> NDArray:
        model = LinearRegression(**parameters).fit(data.X, data.y)
        if predict:
            model.predict(data.Q)
        return _coefficients(model)

    return run


def scikit_learn(data: LinearData) -> Callable[[], NDArray]:
    """Return a call that fits scikit-learn's least squares and gives the coefficients."""
    from sklearn.linear_model import LinearRegression

    return lambda: _coefficients(LinearRegression().fit(data.X, data.y))


def intelex(data: LinearData) -> Callable[[], NDArray]:
    """Return a call that fits scikit-learn-intelex's least squares and gives the coefficients."""
    from sklearnex.linear_model import LinearRegression

    return lambda: _coefficients(LinearRegression().fit(data.X, data.y))


def _normal_equations(data: LinearData) -> Callable[[], NDArray]:
    def run() -> NDArray:
        mean, level = data.X.mean(axis=0), data.y.mean()
        D = data.X - mean
        coefficients = np.linalg.solve(D.T @ D, D.T @ (data.y - level))
        return np.append(coefficients, level - mean @ coefficients)

    return run


def literal_loop(data: LinearData, *, iterations: int) -> Callable[[], NDArray]:
    """Return a call of gradient descent in NumPy: every iteration reads X twice."""
    X, y = data.X, data.y

    def run() -> NDArray:
        coefficients, intercept = np.zeros(X.shape[1], dtype=X.dtype), X.dtype.type(0)
        rate = X.dtype.type(LEARNING_RATE)
        for _ in range(iterations):
            residuals = X @ coefficients + intercept - y
            coefficients -= rate * (residuals @ X / len(X))
            intercept -= rate * residuals.mean()
        return np.append(coefficients, intercept)

    return run


def _sgd(data: LinearData) -> Callable[[], NDArray]:
    from sklearn.linear_model import SGDRegressor

    def run() -> NDArray:
        model = SGDRegressor(
            learning_rate="constant",
            eta0=LEARNING_RATE,
            max_iter=ITERATIONS,
            penalty=None,
            random_state=0,
        ).fit(data.X, data.y)
        model.predict(data.Q)
        return _coefficients(model)

    return run


def _check_sgd(data: LinearData, answers: Answers) -> dict[Contender, Agreement]:
    """Check that the loss is no higher than after our iterations: the path is another one."""

    def loss(coefficients: NDArray) -> float:
        return float(np.square(data.X @ coefficients[:-1] + coefficients[-1] - data.y).mean())

    reached = loss(descent_truth(data.X, data.y, ITERATIONS))
    measure = "excess of the loss over that of gradient descent"
    return {
        contender: Agreement(max(0.0, loss(answer) / reached - 1), 0.0, measure)
        for contender, answer in answers.items()
    }


def sgd_regressor() -> Contender:
    """Return scikit-learn's gradient descent, one row at a time."""
    return Contender(
        "SGDRegressor",
        _sgd,
        note="a step per row; ends when the loss stops falling (tol=1e-3)",
        check=_check_sgd,
    )


def _one_read(data: LinearData, *, threads: int) -> Callable[[], float]:
    return lambda: read_all(data.X, threads)


def _check_sum(data: LinearData, answers: Answers) -> dict[Contender, Agreement]:
    total, scale = float(data.X.sum()), float(np.abs(data.X).sum())
    return {
        contender: Agreement(abs(answer - total) / scale, 1e-12, "error of the sum of X")
        for contender, answer in answers.items()
    }


def _gradient_descent(options: Options) -> Problem:
    n = options.rows(200_000)
    few = 20
    descend: dict[str, Any] = {
        "iterations": ITERATIONS,
        "learning_rate": LEARNING_RATE,
        "n_jobs": options.threads,
    }
    read = f"one read of X, threads={options.threads}"
    return Problem(
        "gradient-descent",
        f"gradient descent {n:,} × 40, {ITERATIONS} iterations",
        "headline",
        partial(headline_data, options),
        (
            Contender(
                "rmodels", partial(ours, predict=True, **descend), True, note="fit and predict"
            ),
            Contender("rmodels, fit only", partial(ours, **descend), True),
            sgd_regressor(),
            Contender(
                "NumPy, literal loop",
                partial(literal_loop, iterations=few),
                portion=few / ITERATIONS,
                note=f"{few} of {ITERATIONS} iterations, without predict",
                check=check_descent(few),
            ),
            Contender(
                read,
                partial(_one_read, threads=options.threads),
                note="what memory alone takes",
                check=_check_sum,
            ),
        ),
        check_descent(ITERATIONS),
        (
            Goal(("SGDRegressor",), 300),
            Goal(("NumPy, literal loop",), 500),
            Goal((read,), 3, at_most=True, ours="rmodels, fit only"),
        ),
        Work(n * 40 * 8, n * 41 * 42, "float64"),
        seconds=25.0,
    )


def _least_squares(
    options: Options, full: int, n_features: int, goals: tuple[float, float]
) -> Problem:
    n = options.rows(full)
    return Problem(
        f"least-squares-{n_features}",
        f"least squares {n:,} × {n_features}",
        "linear",
        partial(generate, n, n_features),
        (
            Contender("rmodels", partial(ours, n_jobs=options.threads), True),
            Contender("scikit-learn", scikit_learn),
            Contender(INTELEX, intelex, peer=INTELEX),
            Contender("NumPy, normal equations", _normal_equations),
        ),
        check_least_squares,
        (Goal(("scikit-learn",), goals[0]), Goal((INTELEX,), goals[1])),
        Work(n * n_features * 8, n * (n_features + 1) * (n_features + 2), "float64"),
    )


def _diabetes() -> LinearData:
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    return LinearData(X, y, X[:0])


def _least_squares_small() -> Problem:
    return Problem(
        "least-squares-diabetes",
        "least squares 442 × 10 (diabetes), per call",
        "small",
        _diabetes,
        (
            Contender("rmodels", ours, True),
            Contender("scikit-learn", scikit_learn),
            Contender(INTELEX, intelex, peer=INTELEX),
            Contender("NumPy, normal equations", _normal_equations),
        ),
        check_least_squares,
        (Goal(("scikit-learn",), 1.5),),
    )


def _streaming(options: Options) -> Problem:
    n = options.rows(200_000)
    iterations, few = 100, 10
    stream = partial(
        ours,
        iterations=iterations,
        learning_rate=LEARNING_RATE,
        solver="stream",
        n_jobs=options.threads,
    )
    return Problem(
        "streaming-descent",
        f"streaming descent {n:,} × 40 float32, per iteration",
        "linear",
        partial(generate, n, 40, dtype="float32"),
        (
            Contender(
                "rmodels",
                stream,
                True,
                portion=iterations,
                note=f"mean of {iterations} iterations",
                check=check_descent(iterations, 1e-6),
            ),
            Contender(
                "NumPy, two passes",
                partial(literal_loop, iterations=few),
                precision="float32",
                portion=few,
                note=f"mean of {few} iterations",
                check=check_descent(few, 1e-3),
            ),
        ),
        check_descent(1),
        (Goal(("NumPy, two passes",), 3),),
        Work(n * 40 * 4, 4.0 * n * 41, "float64"),
    )


def linear_problems(options: Options) -> list[Problem]:
    """Return the problems of linear regression, in the order of the tables."""
    return [
        _gradient_descent(options),
        _least_squares(options, 200_000, 40, (15, 3)),
        _least_squares(options, 50_000, 500, (4, 1.5)),
        _streaming(options),
        _least_squares_small(),
    ]
