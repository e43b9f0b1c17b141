"""Equal distances come in the order of the points' indices, whatever searches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from rmodels import KNeighborsClassifier, NearestNeighbors
from rmodels.config import config_context

ALGORITHMS = ("brute", "kd_tree", "ball_tree", "auto")
GRIDS = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 300))


def _in_order(distances, k):
    """Return the first k of each row in the order of (distance, index)."""
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


def _grid(seed, d, n):
    """Return points and queries of few different integers, and their exact distances."""
    rng = np.random.default_rng(seed)
    width = rng.integers(1, 4)
    X = rng.integers(-width, width + 1, (n, d)).astype(float)
    Q = np.vstack([X[:5], rng.integers(-width, width + 1, (12, d)) / 2.0])
    gaps = Q[:, np.newaxis] - X
    return X, Q, {"euclidean": np.sqrt((gaps**2).sum(axis=2)), "cityblock": abs(gaps).sum(axis=2)}


@pytest.mark.usefixtures("on_engine")
@settings(max_examples=25)
@given(grid=GRIDS, data=st.data())
def test_every_algorithm_thread_count_and_batch(grid, data):
    X, Q, distances = _grid(*grid)
    k = data.draw(st.integers(1, len(X)))
    batch = data.draw(st.sampled_from([1, 3, len(Q)]))
    metric = data.draw(st.sampled_from(sorted(distances)))
    expected = _in_order(distances[metric], k)
    radius = float(np.median(expected[0]))
    for algorithm in ALGORITHMS:
        model = NearestNeighbors(n_neighbors=k, algorithm=algorithm, metric=metric).fit(X)
        for n_threads in (1, 2, 3):
            with config_context(n_threads=n_threads):
                parts = [model.kneighbors(Q[i : i + batch]) for i in range(0, len(Q), batch)]
                near = model.radius_neighbors(Q, radius, sort_results=True)
            for found, truth in zip(zip(*parts, strict=True), expected, strict=True):
                assert_array_equal(np.vstack(found), truth)
            for row, indices in enumerate(near[1]):
                within = (distances[metric][row] <= radius).sum()
                truth = _in_order(distances[metric][row : row + 1], within)
                assert_array_equal(near[0][row], truth[0][0])
                assert_array_equal(indices, truth[1][0])


@settings(max_examples=30)
@given(grid=GRIDS, data=st.data(), engine=st.sampled_from(["auto", "reference"]))
def test_what_scipy_computes(grid, data, engine):
    X, Q, distances = _grid(*grid)
    k = data.draw(st.integers(1, len(X)))
    euclidean = _in_order(distances["euclidean"], k)
    squares = _in_order(distances["euclidean"] ** 2, k)
    callable_metric = NearestNeighbors(metric=lambda a, b: abs(a - b).sum(), n_neighbors=k)
    between = np.sqrt(((X[:, np.newaxis] - X) ** 2).sum(axis=2))
    for model, points, queries, (_, indices) in (
        (NearestNeighbors(metric="sqeuclidean", n_neighbors=k), X, Q, squares),
        (NearestNeighbors(n_neighbors=k), sparse.csr_array(X), sparse.csr_array(Q), euclidean),
        (callable_metric, X, Q, _in_order(distances["cityblock"], k)),
        (
            NearestNeighbors(metric="precomputed", n_neighbors=k),
            between,
            distances["euclidean"],
            euclidean,
        ),
    ):
        with config_context(engine=engine):
            assert_array_equal(model.fit(points).kneighbors(queries)[1], indices)


@pytest.mark.usefixtures("on_engine")
def test_leaf_size_changes_nothing():
    X, Q, distances = _grid(0, 3, 2000)
    expected = _in_order(distances["euclidean"], 40)
    for leaf_size in (1, 7, 30, 5000):
        for algorithm in ALGORITHMS:
            model = NearestNeighbors(n_neighbors=40, algorithm=algorithm, leaf_size=leaf_size)
            for found, truth in zip(model.fit(X).kneighbors(Q), expected, strict=True):
                assert_array_equal(found, truth)


@pytest.mark.usefixtures("on_engine")
def test_votes_of_neighbours_at_equal_distances():
    # the third of three neighbours is at the same distance as the fourth: the lower index votes
    X = [[0.0], [1.0], [-1.0], [1.0], [-1.0]]
    for algorithm in ALGORITHMS:
        for y, label in (("abbcc", "b"), ("accbb", "c")):
            model = KNeighborsClassifier(3, algorithm=algorithm).fit(X, list(y))
            assert_array_equal(model.predict([[0.0]]), [label])
        # equal votes: the first class, whichever of the points comes first
        for y in ("ba", "ab"):
            model = KNeighborsClassifier(2, algorithm=algorithm).fit(X[1:3], list(y))
            assert_array_equal(model.predict([[0.0], [0.9]]), ["a", "a"])
