"""float32 points are searched as exactly as float64 ones, however far they are from zero."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from rmodels import KNeighborsRegressor, NearestNeighbors

pytestmark = pytest.mark.usefixtures("on_engine")

N = 300
K = 5


@cache
def _problem(d, offset):
    """Return points, queries and their neighbours by float64: half of the queries are points."""
    rng = np.random.default_rng(d)
    X = (rng.standard_normal((N, d)) + offset).astype(np.float32)
    Q = np.vstack([X, rng.standard_normal((N, d)) + offset]).astype(np.float32)
    squares = np.zeros((len(Q), N))
    for q, x in zip(Q.T.astype(np.float64), X.T.astype(np.float64), strict=True):
        gap = q[:, np.newaxis] - x
        squares += gap * gap  # in the order of the features
    distances = np.sqrt(squares)
    order = np.argsort(distances, axis=1, kind="stable")[:, :K]
    return X, Q, np.take_along_axis(distances, order, axis=1), order


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
@pytest.mark.parametrize("d", [3, 10, 64, 768])
def test_indices_and_distances_are_those_of_float64(engine, d, offset, algorithm):
    X, Q, distances, indices = _problem(d, offset)
    model = NearestNeighbors(n_neighbors=K, algorithm=algorithm).fit(X)
    for batch in (1, 10, 200, 5000) if engine == "native" else (1, 10, 2 * N):
        rows = np.random.default_rng(batch).integers(0, len(Q), batch)
        found = model.kneighbors(Q[rows])
        assert_array_equal(found[0], distances[rows])
        assert_array_equal(found[1], indices[rows])
    assert_array_equal(model.kneighbors(X, 1)[0], 0.0)


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_predictions_are_those_of_float64(offset):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((N, 10)) + offset).astype(np.float32)
    Q = (rng.standard_normal((200, 10)) + offset).astype(np.float32)
    y = rng.standard_normal(N)
    found, expected = (
        KNeighborsRegressor(weights="distance").fit(X.astype(dtype), y).predict(Q.astype(dtype))
        for dtype in (np.float32, np.float64)
    )
    assert_array_equal(found, expected)
