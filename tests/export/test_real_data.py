"""Graphs say what models say of the data that `rmodels validate` fits.

Sums of products are the runtime's, in an order of its own: of n products each of the two sums is
within n rounding errors of the sum of the magnitudes, so that they differ by at most n + 2 spacings
of it, with an intercept. All else follows from that; what has no products is the same.
"""

import warnings
from functools import cache

import cases
import numpy as np
import pytest
from graphs import METHODS, run
from sklearn import datasets

from rmodels import to_onnx

pytestmark = pytest.mark.slow

NAMES = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "longley", "wine")
REFUSED = {"KNeighborsTransformer", "RadiusNeighborsTransformer", "DBSCAN", "HDBSCAN"}
CASES = [each for each in cases.EXAMPLES if each.name not in REFUSED]


@cache
def load(name, standardised):
    """Return X, in units of its own or of standard deviations, and y."""
    if name == "longley":
        module = pytest.importorskip("statsmodels.datasets", reason="statsmodels is not installed")
        table = module.longley.load_pandas()
        X, y = table.exog.to_numpy(), table.endog.to_numpy()
    else:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X = np.asarray(X, dtype=float)
    if standardised:
        spread = X.std(axis=0)
        X = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return X, y


def target_of(case, y):
    """Return targets of the kind that an estimator takes."""
    if case.entry.together:
        return y if y.ndim == 2 else np.column_stack([y, 2 * y])
    y = y if y.ndim == 1 else y[:, 0]
    if case.entry.task == "classify" and len(np.unique(y)) > 10:
        return (y > np.median(y)).astype(int)
    return y + 1.0 if case.make().__sklearn_tags__().target_tags.positive_only else y


def parameters_of(case, X):
    """Return parameters with which there is a graph, rows have neighbours, and spreads are."""
    if case.name == "QuadraticDiscriminantAnalysis":
        return {"reg_param": 0.1}
    if not case.name.startswith("Radius"):
        return {}
    gaps = np.linalg.norm(X[:50, np.newaxis] - X[np.newaxis, :50], axis=2)
    outlier = {"outlier_label": 0} if case.name == "RadiusNeighborsClassifier" else {}
    return {"radius": float(np.median(gaps)), **outlier}


def products(X, W, spacing, level=0.0):
    """Return how far sums of X Wᵀ and a level may be apart."""
    return (X.shape[1] + 2) * spacing * (np.abs(X) @ np.abs(W).T + np.abs(level))


def slack_of_scores(model, X, spacing):
    """Return how far the scores of classes may be apart: sums of products, or the same."""
    name = type(model).__name__
    if name == "SGDOneClassSVM":
        return products(X, np.atleast_2d(model.coef_), spacing, model.offset_)
    if name == "LocalOutlierFactor":  # sums of k distances, and of k densities, of float64
        size = np.abs(model.decision_function(X)) + abs(model.offset_)
        double = np.spacing(1.0)
        return ((3 * model.n_neighbors_ + 8) * double + 2 * spacing) * size[:, np.newaxis]
    if name == "LinearDiscriminantAnalysis":
        return products(X - model._centre, model._slopes, spacing, model._constants)
    if name == "QuadraticDiscriminantAnalysis":
        found = []
        for mean, A in zip(model.means_, model._whitenings, strict=True):
            error = products(X - mean, A.T, spacing)
            size = np.abs((X - mean) @ A)
            squares = size * size
            found.append(((size + error) * error).sum(1) + X.shape[1] * spacing * squares.sum(1))
        return np.stack(found, axis=1)
    if hasattr(model, "coef_"):
        return products(X, np.atleast_2d(model.coef_), spacing, model.intercept_)
    return np.zeros((len(X), 1))


def assert_labels(found, wanted, model, X, spacing):
    """Labels are the same, but where scores are too near for rounding to tell them apart."""
    clear = np.ones(len(X), bool)
    slack = slack_of_scores(model, X, spacing)
    if slack.any():
        scores = model.decision_function(X)
        scores = np.column_stack([0 * scores, scores]) if scores.ndim == 1 else scores
        best = np.sort(scores, axis=1)[:, -2:]
        clear = best[:, 1] - best[:, 0] > 2 * slack.max(axis=1)
        assert clear.mean() > 0.9  # so it says something
    np.testing.assert_array_equal(found[clear], wanted[clear])


def slack_of(name, model, X, wanted, spacing):
    """Return how far numbers may be apart, each."""
    kind, double = type(model).__name__, np.spacing(1.0)
    if kind == "KernelDensity":  # a logarithm of a sum of n exponentials, and constants
        n = len(model.tree_.data)
        return n * double + 8 * spacing * (np.abs(wanted) + X.shape[1] * 2 + np.log(n))
    if kind == "KNNImputer":  # means of k values
        largest = np.nanmax(np.abs(X))
        return (model.n_neighbors + 4) * double * largest + 2 * spacing * np.abs(wanted)
    if name == "probabilities":  # eˢ over their sum: of each error of s, twice
        with np.errstate(divide="ignore"):
            depth = np.minimum(-np.log(wanted), 800.0)
        error = 2 * slack_of_scores(model, X, spacing).max(axis=1, keepdims=True) + spacing * depth
        few = (wanted.shape[1] + 8) * spacing
        return wanted * (np.expm1(error) + few) + np.finfo(wanted.dtype).tiny
    if name == "scores":
        return slack_of_scores(model, X, spacing).reshape(wanted.shape)
    if name == "transformed" and hasattr(model, "components_"):
        mean = getattr(model, "mean_", 0.0)
        C = model.components_
        if getattr(model, "whiten", False):
            C = C / np.sqrt(model.explained_variance_)[:, np.newaxis]
        return products(X - mean, C, 2 * spacing)
    if name == "prediction" and hasattr(model, "coef_"):
        error = products(X, np.atleast_2d(model.coef_), spacing, model.intercept_)
        error = error.reshape(wanted.shape)
        if kind.endswith(("PoissonRegressor", "GammaRegressor")):
            return np.abs(wanted) * (np.expm1(error) + 4 * spacing)
        return error
    return 0.0


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("standardised", [False, True], ids=["raw", "standardised"])
@pytest.mark.parametrize("data", NAMES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_graph_says_what_the_model_says(case, data, standardised, dtype):
    X, y = load(data, standardised)
    X = X.astype(dtype)
    model = case.make().set_params(**parameters_of(case, X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits that stop early, or of few rows of a class
        model.fit(X, target_of(case, y))
    queries = X[:300].copy()
    if case.name == "KNNImputer":
        queries[np.arange(queries.size).reshape(queries.shape) % 7 == 0] = np.nan
    found = run(to_onnx(model, dtype=dtype), {"X": queries})
    assert found
    if case.entry.task == "search":
        wanted = dict(zip(found, model.kneighbors(queries), strict=True))
    else:
        wanted = {name: getattr(model, METHODS[name])(queries) for name in found}
    spacing = float(np.spacing(dtype(1)))
    for name, value in found.items():
        right = np.asarray(wanted[name])
        assert value.shape == right.shape
        if right.dtype.kind == "f":
            assert value.dtype == right.dtype
            slack = slack_of(name, model, queries.astype(float), right, spacing)
            same = (value == right) | (np.isnan(value) & np.isnan(right))
            assert (same | (np.abs(value.astype(float) - right) <= slack)).all()
        else:
            assert_labels(value, right, model, queries.astype(float), spacing)
