"""The contract of components of core points, on every engine."""

import math

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from test_nearest import DISTRIBUTIONS

from rmodels import native
from rmodels.config import config_context
from rmodels.ops.connect import connect, is_exact
from rmodels.ops.nearest import METRICS, index, within

ISAS = [f"native-{name}" for name in native.instruction_sets()]
on_each_engine = pytest.mark.parametrize("engine", ["reference", *ISAS], indirect=True)
compiled = pytest.mark.parametrize("engine", ISAS, indirect=True)
ALGORITHMS = ("brute", "tree")


def definition(X, metric, radius, min_weight, weights=None):
    """What the contract says, from the matrix of neighbours."""
    offsets, _, near = within(index(X, metric, 3.0, engine="reference"), X, radius)
    matrix = np.eye(len(X), dtype=bool)
    matrix[np.repeat(np.arange(len(X)), np.diff(offsets)), near] = True
    w = np.ones(len(X)) if weights is None else weights
    core = np.array([math.fsum(w[row]) >= min_weight for row in matrix])
    labels = np.full(len(X), -1)
    cores = np.flatnonzero(core)
    _, components = connected_components(matrix[np.ix_(core, core)])
    _, first, components = np.unique(components, return_index=True, return_inverse=True)
    labels[cores] = np.argsort(np.argsort(first))[components]
    for row in np.flatnonzero(~core):
        labels[row] = min(labels[matrix[row] & core], default=-1)
    return core, labels


def assert_connected(found, expected):
    assert (found[0].dtype, found[1].dtype) == (bool, np.int64)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@on_each_engine
def test_by_hand(engine):
    """Two components that a point between them belongs to the first of; and one of weight."""
    X = np.array([[6.0], [5.5], [4.0], [2.0], [0.0], [-1.5], [-2.0], [20.0]])
    core, labels = connect(index(X, engine=engine), 2.0, 4)
    assert np.flatnonzero(core).tolist() == [2, 4]
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, -1]
    core, labels = connect(index(X, engine=engine), 2.0, 3)
    assert labels.tolist() == [0, 0, 0, 0, 0, 0, 0, -1]
    weights = np.array([1.0, 1, 1, 1, 1, 1, -5, 4])
    core, labels = connect(index(X, engine=engine), 2.0, 4, weights)
    assert np.flatnonzero(core).tolist() == [2, 7]
    assert labels.tolist() == [0, 0, 0, 0, -1, -1, -1, 1]


@on_each_engine
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("step", "offset", "found"),
    [(0.1, 0.0, (25, 9, 315)), (0.25, 0.0, (324, 1, 4)), (1.0, 1e8, (324, 1, 4))],
)
def test_grids(engine, algorithm, step, offset, found):
    """Core points, components and noise where distances tie with the radius but for rounding."""
    line = np.arange(20) * step + offset
    X = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    core, labels = connect(index(X, engine=engine, algorithm=algorithm), step, 5)
    assert (core.sum(), labels.max() + 1, (labels < 0).sum()) == found


@compiled
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_hard_points(engine, metric, algorithm):
    """The radius is a distance between points, which rounding must not move across it."""
    for name, points in DISTRIBUTIONS.items():
        X = np.ascontiguousarray(points[:150])
        built = index(X, metric, 3.0, engine=engine, algorithm=algorithm)
        distances = within(index(X, metric, 3.0, engine="reference"), X[:5], np.inf)[1]
        for share, min_weight in ((0.02, 2), (0.1, 12)):
            radius = float(np.quantile(distances, share, method="lower"))
            found = connect(built, radius, min_weight)
            try:
                assert_connected(found, definition(X, metric, radius, min_weight))
            except AssertionError as error:
                raise AssertionError(f"{name}, radius {radius}") from error


WEIGHTS = {
    "whole": lambda rng, n: rng.integers(0, 4, n).astype(float),
    "negative": lambda rng, n: rng.integers(-2, 4, n).astype(float),
    "fractions": lambda rng, n: rng.normal(size=n),
    "sums that tie but for rounding": lambda rng, n: np.full(n, 0.1),
    "sums that overflow": lambda rng, n: rng.choice([-1.5e308, 1.5e308, 1.0], n),
}


@on_each_engine
@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights(engine, kind):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 12, (300, 2)).astype(float)
    weights = WEIGHTS[kind](rng, 300)
    enough = 1.0 if kind != "whole" else 9.0
    mixed = 0
    for radius in (0.5, 1.0, 2.0):
        # the definition's own sums must not overflow
        scaled = weights * 2.0**-9 if "overflow" in kind else weights
        wanted = enough * 2.0**-9 if "overflow" in kind else enough
        expected = definition(X, "euclidean", radius, wanted, scaled)
        mixed += 0 < expected[0].sum() < 300
        for algorithm in ALGORITHMS:
            built = index(X, engine=engine, algorithm=algorithm)
            assert_connected(connect(built, radius, enough, weights), expected)
    assert mixed


@on_each_engine
@pytest.mark.parametrize("radius", [0.2, 1.0])
@pytest.mark.parametrize("zeros", [1, 40, 90])
def test_rows_of_zeros(engine, zeros, radius):
    """Their cosine distance is 1 from all, and each is its own neighbour."""
    X = np.random.default_rng(0).normal(size=(90, 5))
    X[::3][: zeros // 3 + 1] = 0.0
    X[90 - zeros :] *= zeros < 90
    for weights, enough in ((None, 30), (None, 1), (np.where(X.any(axis=1), 1.0, -0.5), 8)):
        found = connect(index(X, "cosine", engine=engine), radius, enough, weights)
        assert_connected(found, definition(X, "cosine", radius, enough, weights))


@on_each_engine
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 129])
def test_shapes(engine, n):
    X = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    for min_weight in (1, 3, 200):
        found = connect(index(X, engine=engine), 0.8, min_weight)
        assert_connected(found, definition(X, "euclidean", 0.8, min_weight))


@compiled
def test_threads_and_order(engine):
    """Many components and one large one, on several threads; the rows in another order."""
    rng = np.random.default_rng(0)
    middles = 9 * rng.random((60, 2))[rng.integers(0, 60, 6000)]
    X = np.where(rng.random((6000, 1)) < 0.3, 0, middles) + 0.12 * rng.normal(size=(6000, 2))
    for algorithm in ALGORITHMS:
        expected = connect(index(X, engine=engine, algorithm=algorithm), 0.05, 6, n_threads=1)
        assert expected[1].max() > 20
        again = connect(index(X, engine=engine, algorithm=algorithm), 0.05, 6, n_threads=4)
        assert_connected(again, expected)
        order = rng.permutation(6000)
        core, labels = connect(index(X[order], engine=engine, algorithm=algorithm), 0.05, 6)
        np.testing.assert_array_equal(core, expected[0][order])
        # points between components may belong to another, that is first now
        before, after = expected[1][order][core], labels[core]
        firsts = before[np.unique(after, return_index=True)[1]]
        np.testing.assert_array_equal(firsts[after], before)


@on_each_engine
def test_all_are_near(engine):
    """No list of neighbours: more than 2 · 10⁹ pairs would not fit."""
    n = 50_000 if engine == "native" else 500
    X = np.random.default_rng(0).random((n, 2))
    core, labels = connect(index(X, engine=engine), 2.0, n if engine == "reference" else 100)
    assert core.all()
    assert not labels.any()


def test_sums_that_are_exact():
    assert is_exact(None)
    assert is_exact(np.array([1.0, -3.0, 0.0]))
    assert not is_exact(np.array([0.5]))
    assert not is_exact(np.array([2.0**52, 2.0**52]))


def test_no_engine_of_the_gpu():
    X = np.ones((3, 1))
    built = index(X, engine="reference")
    built.engine = "gpu"
    with config_context(engine="auto"), pytest.raises(RuntimeError, match="gpu"):
        connect(built, 1.0, 1)
