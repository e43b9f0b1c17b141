"""Curvatures of wide rows in the space of the rows."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from rmodels import LogisticRegression, LogisticRegressionCV, PoissonRegressor
from rmodels.data import Rows
from rmodels.solvers.curvature import Curvature
from rmodels.solvers.generalised import _PRODUCTS
from rmodels.solvers.lockstep import run
from rmodels.solvers.losses import Family, Objective, Penalties
from rmodels.solvers.newton import _MOST_READS, violations, worst_of
from rmodels.solvers.row_space import RowFactor, RowSpace
from rmodels.solvers.truncated import minimise

LONG = np.longdouble


def objective_of(n, d, family, *, fit_intercept=True, l2_of_intercept=0.0, weighted=False):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (n, 1)).astype(np.float64)
    weights = rng.integers(0, 3, n).astype(np.float64) if weighted else None
    l2 = np.append(rng.uniform(0.5, 2.0, d), l2_of_intercept)
    centre = rng.normal(size=d) if fit_intercept else None
    return Objective(
        Rows(rng.normal(size=(n, d)), y, weights),
        family,
        Penalties(l2, np.zeros(d + 1)),
        centre,
        fit_intercept=fit_intercept,
    )


@pytest.mark.parametrize(
    "given",
    [{}, {"fit_intercept": False}, {"l2_of_intercept": 0.5}, {"weighted": True}],
    ids=str,
)
@pytest.mark.parametrize("family", [Family("logistic"), Family("tweedie", 1.0)], ids=str)
@pytest.mark.parametrize(("n", "d"), [(1, 2), (7, 30), (40, 41)])
def test_is_the_inverse_of_the_curvature(n, d, family, given):
    """Both solve within the condition number, below (largest + 1) / least penalty."""
    objective = objective_of(n, d, family, **given)
    rng = np.random.default_rng(1)
    theta = 0.1 * rng.normal(size=(1, d + 1))
    right = rng.normal(size=d + 1)
    if not objective.fit_intercept:
        theta[0, -1] = right[-1] = 0.0
    H = run(objective.evaluate(theta, curvature=True), objective.source).curvature
    expected = Curvature(H, objective).solve(right)
    assert RowSpace.serves(objective)
    found = RowSpace(objective).curve(theta, objective).solve(right)
    condition = (np.linalg.norm(H, 2) + 2.0) / min(0.5, H[-1, -1])
    bound = 64 * (d + 1) * 2.0**-53 * condition * np.linalg.norm(expected)
    assert np.linalg.norm(found - expected) <= bound


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3])
def test_wide_rows_come_to_the_minimum(dtype, fit_intercept, C):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(60, 400)) + 3.0).astype(dtype)
    y = rng.integers(0, 2, 60)
    weights = rng.uniform(0.5, 2.0, 60)
    model = LogisticRegression(C=C, fit_intercept=fit_intercept).fit(
        X.astype(np.float64) if dtype == "d" else X, y, weights
    )
    coef, Z = model.coef_[0].astype(LONG), X.astype(LONG)
    s = Z @ coef + LONG(model.intercept_[0])
    r = weights * np.where(y == 1, -1 / (1 + np.exp(s)), 1 / (1 + np.exp(-s)))
    gap = abs(r @ Z + coef / C) / (abs(r) @ abs(Z) + abs(coef) / C)
    # coefficients are rounded to the dtype of X: each margin by Σ abs(x coef) of its unit
    rounding = (abs(Z) @ abs(coef)).max() * (2.0**-24 if dtype == "f" else 0.0)
    assert gap.max() <= 1e-11 + 2 * rounding + (2.0**-24 if dtype == "f" else 0.0)


def test_wide_counts_come_to_the_minimum():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 200)), rng.poisson(2.0, 50).astype(np.float64)
    model = PoissonRegressor(alpha=0.1).fit(X, y)
    Z, coef = X.astype(LONG), model.coef_.astype(LONG)
    r = (np.exp(Z @ coef + LONG(model.intercept_)) - y) / len(y)
    gap = abs(r @ Z + LONG(0.1) * coef) / (abs(r) @ abs(Z) + 0.1 * abs(coef))
    assert gap.max() <= 1e-11


@pytest.mark.parametrize("case", ["large", "scales"])
def test_rows_too_large_for_the_space_of_the_rows_are_solved_otherwise(case):
    """Beside products of such rows 1 has no digits: conjugate gradients come to the minimum."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 300))
    y = rng.integers(0, 2, 60)
    X = 1e6 * X if case == "large" else X * 10.0 ** rng.integers(-6, 7, 300)
    model = LogisticRegression(C=1e3).fit(X, y)
    # probabilities are of margins that were rounded; their gradient is held in extended precision
    margins = X.astype(LONG) @ model.coef_[0].astype(LONG) + LONG(model.intercept_[0])
    parts = LONG(1) / (1 + np.exp(-margins)) - y
    pull = model.coef_[0] / LONG(1e3)
    gradient = X.astype(LONG).T @ parts + pull
    sizes = abs(X.astype(LONG)).T @ abs(parts) + abs(pull)
    # a margin is rounded (d + 2) 2^-53 of Σ abs(x θ), which moves its probability by a quarter
    moved = 0.25 * 302 * 2.0**-53 * (abs(X) @ abs(model.coef_[0]) + abs(model.intercept_[0]))
    assert (abs(gradient) <= 1e-11 * sizes + abs(X).T @ moved).all()


def minimum_missed(X, y, weights, C, coef, intercept):
    """Return the largest gradient of several outputs over what cancels in it."""
    Z, coef = X.astype(LONG), coef.astype(LONG)
    s = Z @ coef.T + intercept.astype(LONG)
    e = np.exp(s - s.max(axis=1, keepdims=True))
    r = (e / e.sum(axis=1, keepdims=True) - np.eye(len(coef))[y]) * weights[:, np.newaxis]
    gaps = abs(r.T @ Z + coef / C) / (abs(r).T @ abs(Z) + abs(coef) / C)
    return float(gaps.max())


@pytest.mark.parametrize("kind", ["plain", "repeated", "far", "constant"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3])
def test_wide_rows_of_several_classes_come_to_the_minimum(C, fit_intercept, kind):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 400)), rng.integers(0, 4, 60)
    weights = rng.uniform(0.5, 2.0, 60)
    if kind == "repeated":  # rows that depend on each other
        X[20:40] = X[:20]
    if kind == "far":
        X += 30.0
    if kind == "constant":
        X[:] = X[0]
    model = LogisticRegression(C=C, fit_intercept=fit_intercept).fit(X, y, weights)
    assert minimum_missed(X, y, weights, C, model.coef_, model.intercept_) <= 1e-11


def test_the_factor_leads_to_the_minimum_under_any_penalties():
    """Of columns in proportions, and of some of the rows."""
    family = Family("multinomial", n_outputs=3)
    objective = objective_of(30, 100, family, l2_of_intercept=0.5)
    objective.source.Y[:] = np.random.default_rng(2).integers(0, 3, (30, 1))
    objective.chosen = np.arange(30) % 5 > 0
    assert RowFactor.serves(objective)
    factor = RowFactor(objective)
    small = factor.reduce(objective)
    assert small.shape == (3, 31)
    found = run(minimise(small, np.zeros(small.shape)), small.source)
    theta = factor.widen(found.theta, objective)
    sums = run(objective.evaluate(theta), objective.source)
    assert worst_of(*violations(theta, sums, objective)) <= 1e-11
    # and back: the rows of the factor predict the same
    np.testing.assert_allclose(factor.narrow(theta), found.theta, rtol=1e-9, atol=1e-9)


def test_folds_of_wide_rows_are_fits_of_their_own():
    rng = np.random.default_rng(0)
    for n_classes in (2, 3):
        X, y = rng.normal(size=(45, 200)), np.arange(45) % n_classes
        given = {"l1_ratios": [0], "scoring": "accuracy", "use_legacy_attributes": False}
        splits = [(np.arange(30), np.arange(30, 45)), (np.arange(10, 45), np.arange(10))]
        model = LogisticRegressionCV(Cs=[10.0, 0.1], cv=splits, **given).fit(X, y)
        for fold, (train, _) in enumerate(splits):
            for c, C in enumerate(model.Cs_):
                one = LogisticRegression(C=C).fit(X[train], y[train])
                path = model.coefs_paths_[fold, 0, c]
                np.testing.assert_allclose(path[:, :-1], one.coef_, rtol=1e-7, atol=1e-10)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", [2, 3])
def test_rows_of_very_different_sizes_take_curvatures_after_some_products(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 160)) * 10.0 ** rng.uniform(-4, 4, (40, 1))
    y = np.arange(40) % 4
    model = LogisticRegression(C=1e3)

    def value():
        found = model.fit(X, y)
        lost = log_loss(y, found.predict_proba(X), normalize=False)
        return 1e3 * lost + 0.5 * float((found.coef_**2).sum())

    by_factor, reads = value(), model.n_reads_
    # products of a search, steps by curvatures, and the little that is left after them
    assert reads <= _PRODUCTS + 2 * _MOST_READS
    monkeypatch.setattr(RowFactor, "serves", staticmethod(lambda objective: False))
    np.testing.assert_allclose(by_factor, value(), rtol=1e-8)
