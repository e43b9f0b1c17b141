"""Logistic regression and generalised linear models: that the minimum is met, and how fast."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn import linear_model as peers
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.preprocessing import StandardScaler

from rmodels import (
    GammaRegressor,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    TweedieRegressor,
    scan,
)
from rmodels_evidence.case import Case
from rmodels_evidence.comparison import Comparison
from rmodels_evidence.labelled import Labelled, probabilities
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

__all__ = ["generalised_cases", "generalised_comparisons", "generalised_problems"]

_CLOSE: dict[str, Any] = {"solver": "newton-cholesky", "tol": 1e-10}
_CHOSEN: dict[str, Any] = {
    "Cs": [1.0],
    "l1_ratios": [0.0],
    "scoring": "neg_log_loss",
    "use_legacy_attributes": False,
}
_FAR: dict[str, Any] = {"tol": 1e-8, "max_iter": 10_000}  # its default stops a fifth above
_FOLDS: dict[str, Any] = _CHOSEN | {"Cs": 10, "cv": 5}
_LONG = np.longdouble
_POWERS = {"counts": 1.0, "sums of claims": 1.5, "positive numbers": 2.0}  # of the variance


def generalised_comparisons() -> Iterator[Comparison]:
    """Yield the comparisons, in the order of the table."""
    for name, load in (
        ("breast cancer", datasets.load_breast_cancer),
        ("digits", datasets.load_digits),
    ):
        X_train, X_test, y_train, y_test = train_test_split(*load(return_X_y=True), random_state=0)
        scale = StandardScaler().fit(X_train)
        yield Comparison(
            "logistic regression",
            name,
            "LogisticRegression",
            (scale.transform(X_train), scale.transform(X_test), y_train, y_test),
            LogisticRegression,
            partial(peers.LogisticRegression, **_CLOSE),
            probabilities,
            1e-6,
        )


@cache
def _rows(name: str) -> Labelled:
    rng = np.random.default_rng(0)
    X: NDArray = rng.standard_normal((2000, 8))
    scores = X @ np.linspace(-1, 1, 8) / 2
    if name == "counts":
        return X, rng.poisson(np.exp(scores)).astype(np.float64)
    if name == "positive numbers":
        return X, rng.gamma(2.0, np.exp(scores))
    if name == "sums of claims":
        return X, rng.poisson(np.exp(scores)) * rng.gamma(2.0, size=2000)
    if name == "three classes":
        noise = rng.gumbel(size=(2000, 3))
        return X, (np.column_stack([scores, -scores, 0.3 * X[:, 0]]) + noise).argmax(axis=1)
    y = (scores > (3e-3 if name == "nearly separable" else 1.0) * rng.logistic(size=2000)).astype(
        int
    )
    if name == "scales 1e-6 to 1e6":
        X = X * np.geomspace(1e-6, 1e6, 8)
    if name == "float64, mean 1e6":
        X = X + 1e6
    if name == "float32":
        X = X.astype(np.float32)
    return X, y


def _fit(estimator: Any, given: dict[str, Any], name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator(**given).fit(*_rows(name))


def _miss(name: str, penalty: float, model: Any) -> float:
    """Return the largest gradient at a minimum over the magnitudes that cancel in it."""
    X, y = _rows(name)
    Z, b = X.astype(_LONG), np.atleast_1d(model.intercept_).astype(_LONG)
    coef = np.atleast_2d(model.coef_).astype(_LONG)
    scores = Z @ coef.T + b
    if name in _POWERS:
        mu = np.exp(scores[:, 0])
        r = ((mu - y) * mu ** _LONG(1 - _POWERS[name]))[:, np.newaxis]
        penalty = penalty * len(X)
    elif len(coef) == 1:
        r = np.where(y == 1, -1 / (1 + np.exp(scores[:, 0])), 1 / (1 + np.exp(-scores[:, 0])))
        r = r[:, np.newaxis]
    else:
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        r = e / e.sum(axis=1, keepdims=True) - np.eye(len(coef))[y.astype(int)]
    gradients = np.column_stack([r.T @ Z + penalty * coef, r.sum(axis=0)])
    sizes = np.column_stack([abs(r).T @ abs(Z) + penalty * abs(coef), abs(r).sum(axis=0)])
    return float(np.max(abs(gradients) / sizes))


def _errors(name: str, penalty: float) -> Callable[[Sequence[Any]], list[float]]:
    return lambda answers: [_miss(name, penalty, model) for model in answers]


def generalised_cases(quick: bool) -> Iterator[Case]:
    """Yield the cases: how far a gradient in extended precision is from 0 at what was found.

    Parameters
    ----------
    quick : bool
        Ignored: they take no time.
    """
    rows: tuple[tuple[Any, dict[str, Any], str, float, float], ...] = (
        (LogisticRegression, {}, "plain", 1.0, 1e-11),
        (LogisticRegression, {}, "scales 1e-6 to 1e6", 1.0, 1e-11),
        (LogisticRegression, {}, "float64, mean 1e6", 1.0, 1e-9),  # an intercept has 16 digits
        (LogisticRegression, {}, "nearly separable", 1.0, 1e-11),
        (LogisticRegression, {}, "three classes", 1.0, 1e-11),
        (LogisticRegression, {}, "float32", 1.0, 1.2e-7),  # coefficients are of float32, too
        (PoissonRegressor, {}, "counts", 1.0, 1e-11),
        (GammaRegressor, {}, "positive numbers", 1.0, 1e-11),
        (TweedieRegressor, {"power": 1.5}, "sums of claims", 1.0, 1e-11),
        (LogisticRegressionCV, _CHOSEN, "plain", 1.0, 1e-11),
    )
    for estimator, given, name, penalty, tolerance in rows:
        peer = getattr(peers, estimator.__name__)
        yield Case(
            estimator.__name__,
            name,
            "gradient at the minimum",
            "0, in extended precision",
            tolerance,
            partial(_fit, estimator, given, name),
            _errors(name, penalty),
            {
                "scikit-learn": partial(_fit, peer, given, name),
                "newton-cholesky": partial(_fit, peer, given | _CLOSE, name),
            },
        )


def _generate(n: int, d: int, kind: str) -> Labelled:
    rng = np.random.default_rng(0)
    if kind.startswith("wide"):
        X = rng.standard_normal((n, d))
        return X, rng.integers(0, 5 if kind == "wide, 5 classes" else 2, n)
    X = rng.standard_normal((n, d)) @ (np.eye(d) + 0.15 * rng.standard_normal((d, d)))
    scores = X @ rng.standard_normal(d) * 0.3
    if kind == "counts":
        return X, rng.poisson(np.exp(0.3 * scores)).astype(np.float64)
    if kind == "ten classes":
        slopes = 0.3 * rng.standard_normal((d, 10))
        return X, (X @ slopes + rng.gumbel(size=(n, 10))).argmax(axis=1)
    y = (scores > rng.logistic(size=n)).astype(int)
    if kind == "unscaled":
        X = X * np.geomspace(1e-2, 1e3, d)
    return X, y


def _fitting(estimator: Any, given: dict[str, Any], data: Labelled) -> Callable[[], Any]:
    def fit() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return estimator(**given).fit(*data)

    return fit


def _objective(model: Any, data: Labelled, given: dict[str, Any]) -> float:
    X, y = data
    scores = X @ np.atleast_2d(model.coef_).T + np.atleast_1d(model.intercept_)
    squares = 0.5 * float((np.asarray(model.coef_) ** 2).sum())
    if hasattr(model, "alpha"):
        return float((np.exp(scores[:, 0]) - y * scores[:, 0]).mean() + model.alpha * squares)
    if scores.shape[1] == 1:
        losses = np.logaddexp(0, np.where(y == 1, -scores[:, 0], scores[:, 0])).sum()
    else:
        top = scores.max(axis=1)
        logs = np.log(np.exp(scores - top[:, np.newaxis]).sum(axis=1)) + top
        losses = (logs - scores[np.arange(len(y)), y]).sum()
    if given.get("l1_ratio"):
        return float(losses + abs(np.asarray(model.coef_)).sum() / model.C)
    return float(losses + squares / model.C)


def _check(given: dict[str, Any], data: Labelled, answers: Answers) -> dict[Contender, Agreement]:
    """Hold each objective against the least of them: ours must be it."""
    values = {contender: _objective(model, data, given) for contender, model in answers.items()}
    least = min(values.values())
    return {
        contender: Agreement(
            value / least - 1, 1e-12 if contender.ours else 1e-2, "excess of the objective"
        )
        for contender, value in values.items()
    }


def _check_folds(data: Labelled, answers: Answers) -> dict[Contender, Agreement]:
    """Hold the objective of each fold and penalty against the least of them."""
    X, y = data
    splits = list(StratifiedKFold(_FOLDS["cv"]).split(X, y))

    def values(model: Any) -> NDArray:
        found = np.empty(model.coefs_paths_.shape[:3])
        for fold, ratio, c in np.ndindex(found.shape):
            path = model.coefs_paths_[fold, ratio, c]
            one = LogisticRegression(C=model.Cs_[c])
            one.coef_, one.intercept_ = path[:, :-1], path[:, -1]
            train = splits[fold][0]
            found[fold, ratio, c] = _objective(one, (X[train], y[train]), {})
        return found

    each = {contender: values(model) for contender, model in answers.items()}
    least = np.min(list(each.values()), axis=0)
    return {
        contender: Agreement(
            float((found / least - 1).max()),
            1e-12 if contender.ours else 1e-2,
            "largest excess of an objective",
        )
        for contender, found in each.items()
    }


def _folds_problem(n: int) -> Problem:
    """Return the problem of choosing a penalty by cross-validation."""
    peer = peers.LogisticRegressionCV
    return Problem(
        "generalised-folds",
        f"LogisticRegressionCV, 10 penalties, 5 folds, {n:,} × 40",
        "linear",
        partial(_generate, n, 40, "logistic"),
        (
            Contender("rmodels", partial(_fitting, LogisticRegressionCV, _FOLDS), True),
            Contender("scikit-learn", partial(_fitting, peer, _FOLDS)),
        ),
        _check_folds,
        (Goal(("scikit-learn",), 8),),
        Work(n * 40 * 8, 10 * 4 * n * 40 * 6, "float64"),
    )


def _write(n: int) -> InParquet:
    return write(*_generate(n, 40, "logistic"))


def _fitting_file(data: InParquet) -> Callable[[], Any]:
    def fit() -> Any:
        rows: Any = scan(data.path)
        return LogisticRegression().fit(rows, "y")

    return fit


def _check_file(data: InParquet, answers: Answers) -> dict[Contender, Agreement]:
    assert data.y is not None
    rows = data.X, data.y
    least = _objective(LogisticRegression().fit(*rows), rows, {})
    return {
        contender: Agreement(
            abs(_objective(model, rows, {}) / least - 1), 1e-12, "from the objective of the array"
        )
        for contender, model in answers.items()
    }


def _parquet_problem(n: int, threads: int) -> Problem:
    """Return the problem of rows in a file, beside only reading it."""
    return Problem(
        "generalised-parquet",
        f"logistic regression {n:,} × 40 from a Parquet file",
        "linear",
        partial(_write, n),
        (Contender("rmodels", _fitting_file, True), *readers(threads)),
        _check_file,
        (Goal((READ,), 8, at_most=True),),
        Work(n * 41 * 8, n * 40 * 6, "float64"),
    )


def generalised_problems(options: Options) -> Iterator[Problem]:
    """Yield the problems."""
    n, few = options.rows(200_000), options.rows(50_000)
    logistic = peers.LogisticRegression
    rows: tuple[tuple[str, str, int, int, Any, dict[str, Any], tuple[Any, ...]], ...] = (
        (
            "logistic",
            "logistic regression",
            n,
            40,
            LogisticRegression,
            {},
            (("scikit-learn", logistic, {}, 12), ("newton-cholesky", logistic, _CLOSE, 8)),
        ),
        (
            "unscaled",
            "logistic regression, columns from 1e-2 to 1e3",
            n,
            40,
            LogisticRegression,
            {},
            (("scikit-learn", logistic, {}, 50), ("newton-cholesky", logistic, _CLOSE, 10)),
        ),
        (
            "ten classes",
            "logistic regression, 10 classes",
            few,
            40,
            LogisticRegression,
            {},
            (("scikit-learn", logistic, {}, 4),),
        ),
        (
            "l1",
            "logistic regression, L1, C = 0.1",
            options.rows(20_000),
            100,
            LogisticRegression,
            {"l1_ratio": 1.0, "C": 0.1, "solver": "saga"},
            (
                ("saga", logistic, {"l1_ratio": 1.0, "C": 0.1, "solver": "saga"}, 15),
                ("liblinear", logistic, {"l1_ratio": 1.0, "C": 0.1, "solver": "liblinear"}, 5),
            ),
        ),
        (
            "small",
            "logistic regression",
            442,
            10,
            LogisticRegression,
            {},
            (("scikit-learn", logistic, {}, 2),),
        ),
        (
            "wide",
            "logistic regression",
            300,
            5000,
            LogisticRegression,
            {},
            (("lbfgs, tol=1e-8", logistic, _FAR, 3),),
        ),
        (
            "wide, 5 classes",
            "logistic regression, 5 classes",
            200,
            20_000,
            LogisticRegression,
            {},
            (("lbfgs, tol=1e-8", logistic, _FAR, 5),),
        ),
        (
            "counts",
            "Poisson regression",
            n,
            40,
            PoissonRegressor,
            {},
            (("newton-cholesky", peers.PoissonRegressor, _CLOSE, 8),),
        ),
    )
    for kind, title, count, columns, ours, given, others in rows:
        yield Problem(
            f"generalised-{kind.replace(',', '').replace(' ', '-')}",
            f"{title}, {count:,} × {columns}",
            "linear",
            partial(_generate, count, columns, kind),
            (
                Contender("rmodels", partial(_fitting, ours, given), True),
                *(Contender(name, partial(_fitting, peer, said)) for name, peer, said, _ in others),
            ),
            partial(_check, given),
            tuple(Goal((name,), least) for name, _, _, least in others),
            Work(count * columns * 8, count * columns * 6, "float64"),
        )
    yield _folds_problem(n)
    if can_read():
        yield _parquet_problem(options.rows(1_000_000), options.threads)
