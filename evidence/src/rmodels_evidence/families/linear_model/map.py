"""The map of linear models: ordinary calls of every size and shape, whatever they are good at."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels_evidence.problem import INTELEX, Agreement, Answers, Contender, Options, Problem

__all__ = ["linear_map"]

Shape = tuple[int, int]

_DENSE: tuple[Shape, ...] = (
    (20, 1),
    (20, 5),
    (50, 200),
    (100, 4),
    (100, 20),
    (100, 200),
    (200, 5000),
    (442, 10),
    (1000, 10),
    (1000, 100),
    (1000, 1000),
    (1000, 2000),
    (3000, 1500),
    (5000, 5),
    (10_000, 10),
    (10_000, 100),
    (20_000, 200),
    (50_000, 20),
    (100_000, 10),
    (100_000, 40),
    (50, 20_000),
)
_SPARSE: tuple[tuple[int, int, float], ...] = (
    (1000, 100, 0.05),
    (2000, 20_000, 0.001),
    (10_000, 100, 0.1),
    (10_000, 1000, 0.01),
    (50_000, 300, 0.05),
    (100_000, 50, 0.02),
)
_VALIDATED: tuple[Shape, ...] = (
    (20, 5),
    (100, 200),
    (442, 10),
    (2000, 50),
    (10_000, 40),
    (500, 2000),
)
_PREDICTED: tuple[Shape, ...] = (
    (1, 10),
    (1, 1000),
    (100, 10),
    (1000, 100),
    (10_000, 40),
    (100_000, 10),
    (20_000, 300),
)
_CLASSIFIED: tuple[Shape, ...] = ((100, 4), (442, 10), (1797, 64), (10_000, 20), (50_000, 10))
_MOST_COLUMNS = 5000  # of scikit-learn-intelex, which solves for a matrix of their products
_TOLERANCES = {"float64": (1e-9, 1e-3), "float32": (1e-5, 1e-2)}  # of ours, and of others


@dataclass(frozen=True, eq=False)
class _Rows:
    """What a cell is about; with labels, y is 0 or 1."""

    X: Any
    y: NDArray

    @property
    def tolerances(self) -> tuple[float, float]:
        return _TOLERANCES[str(self.X.dtype)]


def _generate(n: int, d: int, dtype: str, density: float | None, labels: bool) -> _Rows:
    rng = np.random.default_rng(0)
    if density is None:
        X: Any = rng.standard_normal((n, d)).astype(dtype)
    else:
        X = sparse.random_array((n, d), density=density, random_state=rng, format="csr").astype(
            dtype
        )
    y = X @ rng.standard_normal(d) / np.sqrt(d) + 0.5 * rng.standard_normal(n)
    return _Rows(X, (y > 0).astype(np.int64) if labels else y.astype(dtype))


def _fit(module: str, estimator: str, data: _Rows, **parameters: Any) -> Callable[[], Any]:
    make = getattr(import_module(module), estimator)

    def run() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of rows that are fewer than columns
            return make(**parameters).fit(data.X, data.y)

    return run


def _predict(module: str, data: _Rows) -> Callable[[], NDArray]:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((2 * data.X.shape[1] + 5, data.X.shape[1])).astype(data.X.dtype)
    model = import_module(module).LinearRegression().fit(X, X[:, 0])
    return lambda: model.predict(data.X)


def _miss(data: _Rows, model: Any, penalty: float) -> float:
    """Return the largest slope at what was found, over the sizes of what cancels in it."""
    X, y = data.X, data.y.astype(np.float64)
    coef, n = np.ravel(model.coef_).astype(np.float64), len(y)
    residuals = X @ coef + float(np.ravel(model.intercept_)[0]) - y
    sums = np.asarray(X.sum(axis=0, dtype=np.float64)).ravel()
    squares = X.multiply(X).sum(axis=0) if sparse.issparse(X) else np.einsum("ij,ij->j", X, X)
    spread = np.sqrt(np.maximum(np.ravel(squares) - sums**2 / n, 0.0))
    size = float(np.linalg.norm(y - y.mean()))
    slopes = np.ravel(X.T @ residuals) - sums * residuals.mean() + penalty * coef
    scale = spread * size + penalty * abs(coef)
    free = abs(residuals.sum()) / (np.sqrt(n) * size)
    return float(max(free, np.max(abs(slopes) / np.where(scale > 0, scale, 1.0))))


def _check_fits(penalty: float | None, data: _Rows, answers: Answers) -> dict[Contender, Agreement]:
    """Hold fits to the conditions of a minimum; a penalty of None is the one that was found."""
    ours, others = data.tolerances
    found = {}
    for contender, model in answers.items():
        l2 = float(model.alpha_) if penalty is None else penalty
        tolerance = ours if contender.ours else others
        found[contender] = Agreement(_miss(data, model, l2), tolerance, "slope at the minimum")
    return found


def _check_labels(data: _Rows, answers: Answers) -> dict[Contender, Agreement]:
    """Hold logistic regression to the slopes of its objective."""
    found = {}
    for contender, model in answers.items():
        coef, b = model.coef_[0], model.intercept_[0]
        residuals = 1 / (1 + np.exp(-(data.X @ coef + b))) - data.y
        slopes = np.append(data.X.T @ residuals + coef, residuals.sum())
        scale = np.append(abs(data.X).T @ abs(residuals) + abs(coef), abs(residuals).sum())
        error = float((abs(slopes) / scale).max())
        tolerance = data.tolerances[0] if contender.ours else 0.1  # defaults stop early
        found[contender] = Agreement(error, tolerance, "slope at the minimum")
    return found


def _check_predictions(data: _Rows, answers: Answers) -> dict[Contender, Agreement]:
    """Each predicts the first column."""
    ours, others = data.tolerances
    truth, scale = data.X[:, 0], float(np.abs(data.X).max())
    return {
        contender: Agreement(
            float(abs(answer - truth).max()) / scale,
            ours if contender.ours else others,
            "error of a prediction",
        )
        for contender, answer in answers.items()
    }


def _fits(
    estimator: str,
    columns: int,
    data: Callable[[], _Rows],
    check: Any,
    title: str,
    name: str,
    **given: Any,
) -> Problem:
    contenders = [
        Contender("rmodels", partial(_fit, "rmodels", estimator, **given), True),
        Contender("scikit-learn", partial(_fit, "sklearn.linear_model", estimator, **given)),
    ]
    if estimator != "RidgeCV" and columns <= _MOST_COLUMNS:
        peer = partial(_fit, "sklearnex.linear_model", estimator, **given)
        contenders.append(Contender("intelex", peer, peer=INTELEX))
    return Problem(name, title, "map", data, tuple(contenders), check, seconds=1.0)


def linear_map(options: Options) -> Iterator[Problem]:
    """Yield the cells.

    Parameters
    ----------
    options : Options
    """
    fits: tuple[tuple[str, dict[str, float], float], ...] = (
        ("LinearRegression", {}, 0.0),
        ("Ridge", {"alpha": 1.0}, 1.0),
    )
    for dtype in ("float64", "float32"):
        for estimator, given, penalty in fits:
            for n, d in _DENSE:
                data = partial(_generate, n, d, dtype, None, False)
                title = f"{estimator} {n:,} × {d:,} {dtype}"
                name = f"map-{estimator}-{n}-{d}-{dtype}"
                yield _fits(estimator, d, data, partial(_check_fits, penalty), title, name, **given)
            for n, d, density in _SPARSE:
                data = partial(_generate, n, d, dtype, density, False)
                title = f"{estimator} {n:,} × {d:,} sparse ({density:.1%}) {dtype}"
                name = f"map-{estimator}-{n}-{d}-sparse-{dtype}"
                yield _fits(estimator, d, data, partial(_check_fits, penalty), title, name, **given)
        for n, d in _VALIDATED:
            data = partial(_generate, n, d, dtype, None, False)
            title, name = f"RidgeCV {n:,} × {d:,} {dtype}", f"map-RidgeCV-{n}-{d}-{dtype}"
            yield _fits("RidgeCV", d, data, partial(_check_fits, None), title, name)
        for n, d in _PREDICTED:
            title, name = f"predict {n:,} × {d:,} {dtype}", f"map-predict-{n}-{d}-{dtype}"
            contenders = (
                Contender("rmodels", partial(_predict, "rmodels"), True),
                Contender("scikit-learn", partial(_predict, "sklearn.linear_model")),
                Contender("intelex", partial(_predict, "sklearnex.linear_model"), peer=INTELEX),
            )
            data = partial(_generate, n, d, dtype, None, False)
            yield Problem(name, title, "map", data, contenders, _check_predictions, seconds=1.0)
        for n, d in _CLASSIFIED:
            data = partial(_generate, n, d, dtype, None, True)
            title = f"LogisticRegression {n:,} × {d:,} {dtype}"
            name = f"map-LogisticRegression-{n}-{d}-{dtype}"
            yield _fits("LogisticRegression", d, data, _check_labels, title, name)
