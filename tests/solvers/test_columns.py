"""Sums of columns: sparse rows lose no digits that arrays keep."""

import numpy as np
import pytest
from scipy import sparse

from rmodels.data.source import Rows
from rmodels.solvers.columns import find_mean, sum_squares


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [0.0, 2.0**10, 2.0**20])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_squares_about_the_mean(form, offset, weighted):
    """All terms are positive: a sum of n is within n · 2⁻⁵³ of the exact one, and its mean's."""
    draws = np.random.default_rng(3)
    X = draws.normal(size=(12, 30)) + offset
    X[:, ::3] = np.where(draws.random((12, 10)) < 0.2, X[:, ::3], 0.0)
    weights = draws.random(12) if weighted else None
    if weighted:
        weights[::5] = 0.0
        X[::5] = 0.0  # rows without weight, of zeros
    source = Rows(form(X), None, weights, lambda: None)
    n, mean = find_mean(source)
    found = sum_squares(source, mean)
    w = np.ones(12) if weights is None else weights
    exact = (X.astype(np.longdouble) - np.average(X.astype(np.longdouble), axis=0, weights=w)) ** 2
    assert n == 12
    np.testing.assert_allclose(found, (w @ exact).astype(np.float64), rtol=100 * 2.0**-53)


def test_entries_that_are_there_twice_count_once():
    twice = sparse.csr_array(
        (np.array([1.0, 2.0, 5.0]), np.array([0, 0, 0]), np.array([0, 2, 3])), shape=(2, 1)
    )
    source = Rows(twice, None, None, lambda: None)
    np.testing.assert_array_equal(sum_squares(source, np.array([4.0])), [2.0])
