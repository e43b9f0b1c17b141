"""The contract of minimum spanning trees by mutual reachability distances, on every engine."""

from functools import cache

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from test_nearest import DISTRIBUTIONS

from rmodels import native
from rmodels.config import config_context
from rmodels.ops.nearest import METRICS, index, within
from rmodels.ops.span import span

ISAS = [f"native-{name}" for name in native.instruction_sets()]
on_each_engine = pytest.mark.parametrize("engine", ["reference", *ISAS], indirect=True)
compiled = pytest.mark.parametrize("engine", ISAS, indirect=True)
ALGORITHMS = ("brute", "tree")


def definition(X, metric="euclidean", k=3, alpha=1.0):
    """Kruskal over all pairs, in the order that the contract tells."""
    n = len(X)
    offsets, listed, near = within(index(X, metric, 3.0, engine="reference"), X, np.inf)
    assert (np.diff(offsets) == n).all()
    distances = np.empty((n, n))
    distances[np.repeat(np.arange(n), n), near] = listed
    of_others = np.sort(distances + np.where(np.eye(n), -np.inf, 0), axis=1)  # itself first
    core = of_others[:, k - 1] if k > 1 else np.zeros(n)
    low, high = np.triu_indices(n, 1)
    d = distances[low, high]
    weights = np.maximum(d / alpha, np.maximum(core[low], core[high]))
    component = np.arange(n)
    chosen = []
    for edge in np.lexsort((high, low, d, weights)):
        a, b = component[low[edge]], component[high[edge]]
        if a != b:
            chosen.append(edge)
            component[component == a] = b
    return np.stack([low[chosen], high[chosen]], axis=1), weights[chosen], core


def assert_spanned(found, expected):
    for a, b, dtype in zip(found, expected, (np.int64, np.float64, np.float64), strict=True):
        assert a.dtype == dtype
        np.testing.assert_array_equal(a, b)


@on_each_engine
def test_by_hand(engine):
    """Of edges that weigh the core distance of the same point, the shorter is the less."""
    X = np.array([[0.0], [4.0], [5.0], [8.0], [9.0]])
    ends, weights, core = span(index(X, engine=engine), 3)
    assert core.tolist() == [5.0, 4.0, 3.0, 3.0, 4.0]
    assert ends.tolist() == [[2, 3], [1, 2], [3, 4], [0, 1]]
    assert weights.tolist() == [3.0, 4.0, 4.0, 5.0]
    ends, weights, core = span(index(X, engine=engine), 1)
    assert ends.tolist() == [[1, 2], [3, 4], [2, 3], [0, 1]]
    assert weights.tolist() == [1.0, 1.0, 3.0, 4.0]
    assert not core.any()
    assert span(index(X, engine=engine), 3, 0.5)[1].tolist() == [4.0, 4.0, 6.0, 8.0]


@on_each_engine
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("step", "offset"), [(0.1, 0.0), (0.25, 0.0), (1.0, 1e8)])
def test_grids(engine, algorithm, step, offset):
    """Nearly all edges tie: which are chosen is decided by the rows."""
    line = np.arange(14) * step + offset
    X = np.random.default_rng(0).permutation(
        np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    )
    for k in (1, 5, 12):
        found = span(index(X, engine=engine, algorithm=algorithm), k)
        assert_spanned(found, definition(X, k=k))


@on_each_engine
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_duplicates(engine, algorithm):
    """More of a point than neighbours are kept, and than k."""
    rng = np.random.default_rng(0)
    X = rng.permutation(np.repeat(rng.normal(size=(11, 3)), rng.integers(1, 40, 11), axis=0))
    for k in (1, 4, 30):
        found = span(index(X, engine=engine, algorithm=algorithm), k)
        assert_spanned(found, definition(X, k=k))
    same = span(index(np.ones((150, 2)), engine=engine, algorithm=algorithm), 5)
    np.testing.assert_array_equal(same[0], [[0, i] for i in range(1, 150)])
    assert not same[1].any()


@compiled
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_hard_points(engine, metric, algorithm):
    for name, points in DISTRIBUTIONS.items():
        X = np.ascontiguousarray(points[:150])
        found = span(index(X, metric, 3.0, engine=engine, algorithm=algorithm), 4)
        try:
            assert_spanned(found, definition(X, metric, 4))
        except AssertionError as error:
            raise AssertionError(name) from error


@on_each_engine
@pytest.mark.parametrize("k", [1, 4, 40])
@pytest.mark.parametrize("zeros", [1, 40, 89, 90])
def test_rows_of_zeros(engine, zeros, k):
    """Their cosine distance is 1 from all."""
    X = np.random.default_rng(0).normal(size=(90, 5))
    X[np.random.default_rng(1).permutation(90)[:zeros]] = 0.0
    for alpha in (1.0, 0.7, 3.0):
        found = span(index(X, "cosine", engine=engine), k, alpha)
        assert_spanned(found, definition(X, "cosine", k, alpha))


@on_each_engine
@pytest.mark.parametrize("n", [1, 2, 9, 10, 11, 63, 64, 65, 129])
def test_shapes(engine, n):
    X = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    for k in {1, min(5, n), n}:
        assert_spanned(span(index(X, engine=engine), k), definition(X, k=k))


def clusters(n, d, rng):
    """Clusters of several densities, and what is between them."""
    middles = rng.normal(size=(12, d)) * 6
    spread = rng.choice([0.1, 0.5, 1.5], 12)
    which = rng.integers(0, 12, n)
    X = middles[which] + spread[which, np.newaxis] * rng.normal(size=(n, d))
    X[: n // 20] = rng.uniform(-15, 15, (n // 20, d))
    return X


@cache
def spanned_clusters(d, alpha):
    """Rows, and for some k what the reference makes of them."""
    X = clusters(1500 if d == 2 else 800, d, np.random.default_rng(d))
    return X, [(k, span(index(X, engine="reference"), k, alpha)) for k in (1, 5, 25)]


@compiled
@pytest.mark.parametrize("alpha", [1.0, 0.3, 1.7])
@pytest.mark.parametrize("d", [2, 9, 40])
def test_clusters(engine, d, alpha):
    """Against the reference, which the tests above hold to the definition."""
    X, wanted = spanned_clusters(d, alpha)
    for k, expected in wanted:
        for algorithm in ALGORITHMS:
            built = index(X, engine=engine, algorithm=algorithm)
            assert_spanned(span(built, k, alpha), expected)


@compiled
def test_threads_and_order(engine):
    """The same edges by any number of threads, and of rows in another order."""
    rng = np.random.default_rng(0)
    X = clusters(6000, 3, rng)
    for algorithm in ALGORITHMS:
        expected = span(index(X, engine=engine, algorithm=algorithm), 6, n_threads=1)
        again = span(index(X, engine=engine, algorithm=algorithm), 6, n_threads=4)
        assert_spanned(again, expected)
        order = rng.permutation(6000)
        ends, weights, core = span(index(X[order], engine=engine, algorithm=algorithm), 6)
        np.testing.assert_array_equal(weights, expected[1])
        np.testing.assert_array_equal(core, expected[2][order])
        np.testing.assert_array_equal(np.sort(order[ends], axis=1), expected[0])


@compiled
def test_few_rows_at_a_time(engine):
    """Neighbours that do not fit in the memory limit together."""
    X = clusters(4000, 2, np.random.default_rng(0))
    expected = span(index(X, engine=engine), 20)
    with config_context(memory_limit=1 << 20):
        assert_spanned(span(index(X, engine=engine), 20), expected)


@compiled
def test_distances_that_overflow(engine):
    """Edges of infinite weight span, too."""
    X = np.array([[1.5e308], [-1.5e308], [1.4e308], [0.0], [-1.4e308]])
    with np.errstate(over="ignore"):
        expected = definition(X, k=2)
        assert np.isinf(expected[1]).any()
    for algorithm in ALGORITHMS:
        assert_spanned(span(index(X, engine=engine, algorithm=algorithm), 2), expected)


def test_no_engine_of_the_gpu():
    built = index(np.ones((3, 1)), engine="reference")
    built.engine = "gpu"
    with config_context(engine="auto"), pytest.raises(RuntimeError, match="gpu"):
        span(built, 2)


def test_cuts_are_those_of_the_definition():
    """Components at each distance, which no tie changes, from all pairs."""
    X = clusters(200, 2, np.random.default_rng(3))
    ends, weights, core = span(index(X), 5)
    distances = np.sqrt(((X[:, np.newaxis] - X) ** 2).sum(axis=2))
    reach = np.maximum(distances, np.maximum.outer(core, core))
    for height in np.quantile(weights, [0.1, 0.5, 0.9], method="lower"):
        low, high = ends[weights <= height].T
        tree = sparse.coo_array((np.ones(len(low)), (low, high)), shape=(200, 200))
        count, labels = connected_components(tree)
        assert count == 200 - len(low)
        np.testing.assert_array_equal(labels, connected_components(reach <= height)[1])
