"""Covariances that are shrunk."""

import numpy as np
from numpy.testing import assert_allclose
from sklearn.covariance import ledoit_wolf as theirs
from sklearn.covariance import shrunk_covariance
from sklearn.preprocessing import StandardScaler

from rmodels.data import Rows
from rmodels.solvers.covariance import ledoit_wolf, scales_of, shrink, sum_fourth_powers


def test_equal_to_scikit_learn():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 7)) @ rng.standard_normal((7, 7)) + 3
    X[:, 2] = 5.0
    S = np.cov(X.T, bias=True)
    assert_allclose(shrink(S, 0.3), shrunk_covariance(S, 0.3))
    scale, mean = scales_of(S), X.mean(axis=0)
    assert scale[2] == 1
    rows = Rows(X, np.zeros((40, 1), dtype=np.intp))
    (fourth,) = sum_fourth_powers(rows, mean[np.newaxis], scale[np.newaxis])
    expected = theirs(StandardScaler().fit_transform(X))[0] * scale * scale[:, np.newaxis]
    assert_allclose(ledoit_wolf(S, fourth, 40.0), expected, rtol=1e-10, atol=1e-12)
    assert_allclose(ledoit_wolf(np.eye(3), 45.0, 5.0), np.eye(3))
