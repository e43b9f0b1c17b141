"""Sums over the rows of a source."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from rmodels import data, scan
from rmodels.solvers.moments import compute_moments

X = np.random.default_rng(0).standard_normal((50, 3))


@pytest.mark.parametrize("in_batches", [False, True])
@pytest.mark.parametrize("far", [0.0, 2.0**30])
def test_moments_of_rows_without_targets(in_batches, far, on_engine):
    Z = X + far
    rows = scan(lambda: iter([Z[:20], Z[20:]])) if in_batches else Z
    found = compute_moments(data.source(BaseEstimator(), rows), None)
    assert (found.n_samples, found.n_features, found.weight) == (50, 3, 50.0)
    assert found.engine == on_engine
    centred = (Z - far) - (Z - far).mean(axis=0)  # exact differences
    np.testing.assert_allclose(found.mean, far + (Z - far).mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.scatter, centred.T @ centred, rtol=1e-9, atol=1e-9)
