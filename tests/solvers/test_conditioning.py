"""Correct digits on ill-conditioned problems whose answer rational arithmetic gives exactly.

The designs are integers or dyadic fractions, so that float64 holds them exactly; the answer solves
the normal equations in fractions. Digits are those of the worst coefficient, at most 16.
"""

import pickle
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse
from sklearn.model_selection import KFold
from sklearn.preprocessing import PolynomialFeatures

from rmodels import LinearRegression

pytestmark = pytest.mark.usefixtures("on_engine")

UNIT = 2.0**-53
# What residuals in twice the precision lead to: one rounding, and less than an eps from the last
# step. 3 units are 15.5 digits.
REFINED = 15.4


def _exact(X, y, weights):
    """Return the coefficients and the intercept of least squares as fractions."""
    rows = [[*map(Fraction, row), Fraction(1)] for row in X.tolist()]
    k = len(rows[0])
    products = [
        [sum(w * z[i] * z[j] for z, w in zip(rows, weights, strict=True)) for j in range(k)]
        + [sum(w * z[i] * t for z, t, w in zip(rows, y, weights, strict=True))]
        for i in range(k)
    ]
    for column in range(k):
        pivot = products[column]
        for i in range(k):
            if i != column:
                factor = products[i][column] / pivot[column]
                products[i] = [a - factor * b for a, b in zip(products[i], pivot, strict=True)]
    return [products[i][k] / products[i][i] for i in range(k)]


def _digits(found, truth):
    errors = [
        abs((Fraction(float(value)) - exact) / (exact or 1))
        for value, exact in zip(found, truth, strict=True)
    ]
    worst = float(max(errors))
    return min(16.0, -np.log10(worst)) if worst else 16.0


def _powers(x, degree):
    return np.column_stack([x**power for power in range(1, degree + 1)])


def _problems():
    """Polynomials of Wampler (1970), of degree 10, and columns of every sort of trouble."""
    rng = np.random.default_rng(0)
    x = np.arange(21.0)
    noise = np.tile([759.0, -2048.0, 2048.0, -2048.0, 2523.0, -2048.0, 2048.0], 3)
    exact = sum(x**power for power in range(6))
    problems = {
        "Wampler 1": (_powers(x, 5), exact),
        "Wampler 2": (
            _powers(x, 5),
            np.ldexp(sum(x**p * 2.0 ** (20 - 4 * p) for p in range(6)), -20),
        ),
        "Wampler 3": (_powers(x, 5), exact + noise),
        "Wampler 4": (_powers(x, 5), exact + 100 * noise),
        "Wampler 5": (_powers(x, 5), exact + 10000 * noise),
    }
    x = np.arange(-20.0, 21.0)
    problems["degree 10, centred"] = _powers(x, 10), rng.integers(-50, 50, 41).astype(float)
    x = np.arange(1.0, 31.0)
    problems["degree 10"] = _powers(x, 10), rng.integers(-50, 50, 30).astype(float)
    x = np.arange(30) / 4 - 9
    problems["degree 10, like Filip"] = _powers(x, 10), rng.integers(-50, 50, 30) / 16
    scales = rng.integers(-1000, 1000, (50, 2)) * [1.0, 1e8]
    problems["scale ratio 1e8"] = scales, rng.integers(-100, 100, 50).astype(float)
    a = rng.integers(-(10**5), 10**5, 60).astype(float)
    nearly = np.column_stack([a, a * 2.0**17 + rng.integers(-1, 2, 60)])
    problems["condition 1e10"] = nearly, rng.integers(-100, 100, 60).astype(float)
    problems["offset 1e9"] = (
        rng.integers(-1000, 1000, (80, 4)) + 1e9,
        rng.integers(-100, 100, 80).astype(float),
    )
    years = np.arange(2000.0, 2030.0)
    problems["years, squared"] = _powers(years, 2), rng.integers(0, 100, 30).astype(float)
    return problems


PROBLEMS = _problems()


def _errors_of_moments(X, y, weights, truth):
    """Return the relative errors that least squares from moments may have, to first order.

    The contract of `moments` gives S_ij = Σ w dᵢ dⱼ within η sᵢ sⱼ, s² the diagonal, and the means
    within η σ; Cholesky factors and solutions of k equations add 3 k + 4 units to η (Higham,
    "Accuracy and Stability of Numerical Algorithms", 2002, theorem 10.4). Hence the slopes have
    |S⁻¹| E (|b|, 1), E the errors of S; the intercept has those of the means, of the slopes and of
    the sum ȳ − Σ x̄ⱼ bⱼ.
    """
    weights = np.array(weights, dtype=float)
    Z = np.column_stack([X, y])
    origin = Z[0]  # which is subtracted without error
    means = np.average(Z - origin, axis=0, weights=weights)
    D = np.sqrt(weights)[:, np.newaxis] * (Z - origin - means)
    s = np.linalg.norm(D, axis=0)
    k = X.shape[1]
    eta = (8 * np.sqrt(len(X)) + 3 * k + 4) * UNIT
    inverse = np.linalg.inv(D[:, :k].T @ D[:, :k] / np.outer(s[:k], s[:k]))
    sizes = np.abs([*map(float, truth[:-1]), 1.0])
    slopes = np.abs(inverse).sum(axis=1) * eta * (s @ sizes) / s[:k]
    middle = np.abs(means + origin)
    of_means = eta * s / np.sqrt(weights.sum()) + UNIT * middle
    intercept = (of_means + (k + 1) * UNIT * middle) @ sizes + middle[:k] @ slopes
    return np.append(slopes, intercept) / np.abs(list(map(float, truth)))


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("weighted", [False, True])
def test_digits(name, weighted):
    X, y = PROBLEMS[name]
    weights = np.random.default_rng(1).integers(1, 5, len(y)) if weighted else None
    integers = [1] * len(y) if weights is None else weights.tolist()
    truth = _exact(X, [Fraction(value) for value in y.tolist()], integers)
    model = LinearRegression().fit(X, y, weights)
    found = [*model.coef_, model.intercept_]
    if model.condition_number_ > 1e3:  # refined from here on
        assert _digits(found, truth) > REFINED
    else:
        bounds = _errors_of_moments(X, y, integers, truth)
        for value, exact, bound in zip(found, truth, bounds, strict=True):
            assert _digits([value], [exact]) >= -np.log10(bound) > 10


def test_cross_validated_polynomial_of_degree_15():
    # an example of scikit-learn's gallery, of condition numbers up to 1e14
    rng = np.random.RandomState(0)
    x = np.sort(rng.rand(30))
    y = np.cos(1.5 * np.pi * x) + rng.randn(30) * 0.1
    X = PolynomialFeatures(15, include_bias=False).fit_transform(x[:, np.newaxis])
    for rows, _ in KFold(10).split(X):
        truth = _exact(X[rows], list(map(Fraction, y[rows].tolist())), [1] * len(rows))
        model = LinearRegression().fit(X[rows], y[rows])
        assert model.condition_number_ > 1e11
        lost = X.shape[1] * 2.0**-52 * model.condition_number_
        # a step of refinement leaves this share of the error; near 1, as many digits as it are sure
        enough = REFINED if lost < 0.1 else -np.log10(lost)
        assert _digits([*model.coef_, model.intercept_], truth) > enough


def test_several_targets_and_sparse_columns():
    X, y = PROBLEMS["Wampler 5"]
    Y = np.column_stack([y, PROBLEMS["Wampler 2"][1]])
    truths = [_exact(X, list(map(Fraction, column)), [1] * len(y)) for column in Y.T.tolist()]
    for samples in (X, sparse.csr_array(X)):
        model = LinearRegression().fit(samples, Y)
        for coef, intercept, truth in zip(model.coef_, model.intercept_, truths, strict=True):
            assert _digits([*coef, intercept], truth) > REFINED


def test_condition_number_and_rank_are_told():
    X, y = PROBLEMS["condition 1e10"]
    model = LinearRegression().fit(X, y)
    assert 1e9 < model.condition_number_ < 1e11
    assert model.rank_ == 2
    with pytest.warns(UserWarning, match="X has rank 1 where 2 is possible"):
        singular = LinearRegression().fit(np.column_stack([X[:, 0], 2 * X[:, 0]]), y)
    assert singular.rank_ == 1
    assert singular.coef_[1] == pytest.approx(2 * singular.coef_[0], rel=1e-12)


def _of_condition(kappa, n, d):
    """Return centred samples of rank 5, their singular values from 1 to 1 / kappa."""
    rng = np.random.default_rng(2)
    D = rng.standard_normal((n, 5))
    U = np.linalg.qr(D - D.mean(axis=0))[0]
    V = np.linalg.qr(rng.standard_normal((d, 5)))[0]
    return U * np.geomspace(1, 1 / kappa, 5) @ V.T


@pytest.mark.parametrize("kappa", [1.0, 1e2, 1e4])
def test_condition_number_after_gradient_descent(kappa):
    wide = _of_condition(kappa, 6, 40)
    model = LinearRegression(iterations=3, solver="gram").fit(wide, wide[:, 0])
    assert model.condition_number_ == pytest.approx(kappa, rel=1e-6)
    tall = _of_condition(kappa, 200, 5)
    singular = np.linalg.svd(tall / np.linalg.norm(tall, axis=0))[1]
    model = LinearRegression(iterations=3, solver="moments").fit(tall, tall[:, 0])
    assert model.condition_number_ == pytest.approx(singular[0] / singular[-1], rel=1e-6)
    assert model.rank_ == 5


@pytest.mark.parametrize("kappa", [1e8, 1e12, 1e300])
@pytest.mark.parametrize(("solver", "n", "d"), [("gram", 6, 40), ("moments", 200, 5)])
def test_no_condition_number_that_the_moments_cannot_tell(kappa, solver, n, d):
    X = _of_condition(kappa, n, d)
    model = LinearRegression(iterations=3, solver=solver).fit(X, X[:, 0])
    for attribute in ("rank_", "singular_", "condition_number_"):
        with pytest.raises(AttributeError, match="too ill-conditioned for its moments"):
            getattr(model, attribute)
    kept = pickle.loads(pickle.dumps(model))
    assert not hasattr(kept, "rank_")
    np.testing.assert_array_equal(kept.coef_, model.coef_)


def test_conditioning_of_large_rows_does_not_overflow():
    X = np.random.default_rng(0).standard_normal((20, 40))
    model = LinearRegression(iterations=10).fit(1e150 * X, X[:, 0])
    assert pickle.loads(pickle.dumps(model)).rank_ == 19


def test_columns_that_do_not_vary_after_gradient_descent():
    X = np.column_stack([_of_condition(10.0, 200, 5), np.full(200, 0.1)])
    model = LinearRegression(iterations=3).fit(X, X[:, 0])
    assert (model.rank_, model.condition_number_) == (5, np.inf)
    underflows = LinearRegression(iterations=3).fit(X * 1e-200, X[:, 0])
    assert not hasattr(underflows, "rank_")


@pytest.mark.parametrize("offset", [0, 1e2, 1e3, 1e4, 1e5])
@pytest.mark.parametrize("d", [3, 10, 40])
@pytest.mark.parametrize("weighted", [False, True])
def test_float32_keeps_its_digits_at_an_offset(offset, d, weighted):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((2000, d)) + offset).astype(np.float32)
    y = (X.astype(np.float64) - offset) @ np.arange(1.0, d + 1) + 0.1 * rng.standard_normal(2000)
    weights = rng.random(2000) if weighted else None
    Z = np.column_stack([X.astype(np.float64) - offset, np.ones(2000)])
    root = np.ones(2000) if weights is None else np.sqrt(weights)
    truth = np.linalg.lstsq(root[:, np.newaxis] * Z, root * y, rcond=None)[0]
    model = LinearRegression().fit(X, y, weights)
    assert model.coef_.dtype == np.float32
    np.testing.assert_allclose(model.coef_, truth[:-1], rtol=3e-7)
    # gradient descent at an offset is slow to converge: as many steps as the limit needs
    if offset == 0:
        steps = LinearRegression(iterations=10_000).fit(X, y, weights)
        np.testing.assert_allclose(steps.coef_, truth[:-1], rtol=3e-7)
