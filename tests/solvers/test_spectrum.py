"""One decomposition for all penalties: rows left out, and folds."""

import numpy as np
import pytest

from rmodels.data.source import Rows, Without
from rmodels.ops.moments import Gram
from rmodels.solvers import ridge, spectrum
from rmodels.solvers.moments import compute_moments

pytestmark = pytest.mark.usefixtures("on_engine")

PENALTIES = np.array([0.1, 1.0, 30.0])


def rows(n, d, weighted=False, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.random(n) + 0.1 if weighted else None
    return Rows(rng.normal(size=(n, d)) + 1, rng.normal(size=(n, 2)), weights, lambda: None)


def fit(source, penalty, fit_intercept):
    return ridge.solve(source, np.full(2, penalty), fit_intercept).coefficients


def parts(source):
    return Without(source, range(0))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(40, 5), (6, 9)])
@pytest.mark.parametrize("of_moments", [True, False])
def test_coefficients_for_every_penalty(shape, fit_intercept, of_moments):
    source = rows(*shape)
    moments = compute_moments(source, None) if of_moments else None
    found = spectrum.decompose(source, moments, fit_intercept, PENALTIES.min())
    for penalty in PENALTIES:
        expected = fit(source, penalty, fit_intercept)
        np.testing.assert_allclose(found.coefficients(penalty), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(20, 3), (5, 9), (4, 4)])
@pytest.mark.parametrize("n_penalties", [3, 20])  # few are inverses, many have eigenvectors
def test_each_row_is_left_out(shape, weighted, fit_intercept, n_penalties):
    source, penalties = rows(*shape, weighted), np.geomspace(0.1, 30.0, n_penalties)
    n = shape[0]
    blocks, known = spectrum.leave_one_out(source, penalties, fit_intercept, None)
    assert isinstance(known, Gram) is (n <= shape[1])
    left_out = spectrum.collect(source, blocks, len(penalties))
    truth = np.empty((len(penalties), n, 2))
    for row in range(n):
        others = source.take(np.delete(np.arange(n), row))
        for i, penalty in enumerate(penalties):
            coefficients = fit(others, penalty, fit_intercept)
            truth[i, row] = source.Y[row] - np.append(source.X[row], 1.0) @ coefficients
    np.testing.assert_allclose(left_out.residuals, truth, rtol=0, atol=1e-11)
    w = np.ones(n) if source.weights is None else source.weights
    np.testing.assert_array_equal(left_out.weights[:, 0], w)
    squares = spectrum.average_squares(source, blocks, len(penalties))
    expected = (w[:, np.newaxis] * truth**2).mean(axis=1)
    np.testing.assert_allclose(squares, expected, rtol=1e-10)


def test_rows_are_left_out_of_batches():
    source = rows(50, 4, weighted=True)
    expected = spectrum.average_squares(
        source, spectrum.leave_one_out(source, PENALTIES, True, None)[0], len(PENALTIES)
    )
    blocks, _ = spectrum.leave_one_out(parts(source), PENALTIES, True, None)
    found = spectrum.average_squares(parts(source), blocks, len(PENALTIES))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("n_penalties", [3, 20])
@pytest.mark.parametrize("n", [5, 20])
def test_a_row_without_weight_is_left_out_as_it_is(n, n_penalties):
    source, penalties = rows(n, 9, weighted=True), np.geomspace(0.1, 30.0, n_penalties)
    source.weights[2] = 0.0
    blocks, _ = spectrum.leave_one_out(source, penalties, True, None)
    residuals = spectrum.collect(source, blocks, len(penalties)).residuals[:, 2]
    found = [fit(source, penalty, True) for penalty in penalties]
    expected = [source.Y[2] - np.append(source.X[2], 1.0) @ coefficients for coefficients in found]
    np.testing.assert_allclose(residuals, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("exponent", [-40, 40])
def test_rows_are_left_out_in_any_unit(exponent):
    source = rows(6, 9)
    scaled = Rows(source.X * 2.0**exponent, source.Y, None, lambda: None)
    found = []
    for each, unit in ((source, 1.0), (scaled, 4.0**exponent)):
        blocks, _ = spectrum.leave_one_out(each, unit * PENALTIES, True, None)
        found.append(spectrum.average_squares(each, blocks, len(PENALTIES)))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-11)


@pytest.mark.parametrize("partition", [True, False])
def test_training_rows_of_splits(partition):
    source = rows(20, 4, weighted=True)
    tests = np.array_split(np.arange(20), 4)
    if not partition:
        tests[0] = tests[1]
    splits = [(np.setdiff1d(np.arange(20), test), test) for test in tests]
    found = list(spectrum.decompose_splits(source, splits, True, 0.1, None))
    for (train, _), each in zip(splits, found, strict=True):
        expected = fit(source.take(train), 1.0, True)
        np.testing.assert_allclose(each.coefficients(1.0), expected, rtol=0, atol=1e-12)


def test_fewer_training_rows_than_columns():
    source = rows(6, 5)
    splits = [(np.arange(3), np.arange(3, 6)), (np.arange(3, 6), np.arange(3))]
    (first, moments), _ = spectrum.sum_training(source, splits, None)
    assert moments is None
    np.testing.assert_array_equal(first.X, source.X[:3])


def test_ranges_of_batches():
    source = rows(22, 4, weighted=True)
    ranges = spectrum.cut_ranges(22, 4)
    assert ranges == [range(6), range(6, 12), range(12, 17), range(17, 22)]
    found, whole = spectrum.decompose_ranges(parts(source), ranges, True, 0.1, None)
    assert whole.n_samples == 22
    for numbers, each in zip(ranges, found, strict=True):
        expected = fit(source.take(np.delete(np.arange(22), numbers)), 1.0, True)
        np.testing.assert_allclose(each.coefficients(1.0), expected, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="n_splits=4 greater than the number of samples"):
        spectrum.cut_ranges(3, 4)


def test_a_fold_that_holds_all_of_a_column_is_not_subtracted():
    # without the first rows, the sums of squares of column 0 are 10⁻¹² of those of all rows
    source = rows(80, 4)
    source.X[:20, 0] *= 1e6
    tests = np.array_split(np.arange(80), 4)
    splits = [(np.setdiff1d(np.arange(80), test), test) for test in tests]
    for training, moments in spectrum.sum_training(source, splits, None):
        D = np.column_stack([training.X, training.Y])
        D = D - D.mean(axis=0)
        spread = np.sqrt((D**2).sum(axis=0))
        scale = np.outer(spread, spread)
        np.testing.assert_allclose(moments.scatter / scale, D.T @ D / scale, atol=1e-13)
