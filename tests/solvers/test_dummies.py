"""Columns that are dependent because they are dummies of categories."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OneHotEncoder

from rmodels import LinearRegression
from rmodels.ops.moments import moments
from rmodels.solvers.dummies import count_dummies

RNG = np.random.default_rng(0)
N = 80
TEXT = pd.DataFrame(
    {"colour": RNG.choice(["red", "green", "blue"], N), "size": RNG.choice(["s", "m"], N)}
)
NUMBERS = RNG.normal(size=(N, 2))
DUMMIES = OneHotEncoder(sparse_output=False).fit_transform(TEXT)
ONE = OneHotEncoder(sparse_output=False).fit_transform(TEXT[["colour"]])
Y = RNG.normal(size=N)
W = RNG.random(N)


def count(X, fit_intercept=True, weights=W):
    return count_dummies(moments(X, Y[:, np.newaxis], weights), fit_intercept)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e6])
def test_sets_that_sum_to_one(scale):
    for X, sets in ((ONE, 1), (DUMMIES, 2), (DUMMIES[:, 1:], 1), (ONE[:, 1:], 0), (NUMBERS, 0)):
        for weights in (None, scale * W):
            assert count(X, weights=weights) == sets
            assert count(np.column_stack([NUMBERS, X]), weights=weights) == sets
            # without an intercept, the sums of two sets are the same, and one is as good as none
            if sets:
                assert count(X, False, weights) == sets - 1
    assert count(np.column_stack([DUMMIES, ONE])) == 0  # twice the same


@pytest.mark.parametrize("solver", ["auto", "moments", "rows"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_one_hot_fit_is_quiet(solver, fit_intercept, dtype):
    X = np.column_stack([DUMMIES, NUMBERS]).astype(dtype)
    model = LinearRegression(solver=solver, fit_intercept=fit_intercept)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, Y, W)
        LinearRegression(fit_intercept=fit_intercept).partial_fit(X, Y, W)
    assert model.rank_ == (5 if fit_intercept else 6)
    full = np.column_stack([X[:, [1, 2, 4, 5, 6]], np.ones(N)]).astype(np.float64)
    root = np.sqrt(W)[:, np.newaxis]
    expected = full @ np.linalg.lstsq(root * full, root[:, 0] * Y, rcond=None)[0]
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(model.predict(X), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "X",
    [
        np.column_stack([DUMMIES, NUMBERS, NUMBERS[:, :1] * 2]),
        np.column_stack([DUMMIES, np.ones(N)]),
        np.column_stack([ONE, ONE]),
        np.column_stack([NUMBERS[:, 0], 1 - NUMBERS[:, 0]]),
        3 * ONE,
    ],
    ids=["twice", "constant", "same", "numbers", "threes"],
)
@pytest.mark.parametrize("solver", ["moments", "rows"])
def test_other_dependences_are_told(X, solver):
    with pytest.warns(UserWarning, match="some columns are constant or a combination of others"):
        LinearRegression(solver=solver).fit(X, Y)
