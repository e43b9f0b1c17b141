import copy
import math
import multiprocessing
import os
import pickle
import threading
from functools import cache

import numpy as np
import pytest
from combinations import each
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.neighbors import NearestNeighbors

from rmodels import native
from rmodels.config import config_context, thread_count
from rmodels.ops import device
from rmodels.ops.nearest import FEW, METRICS, decide, index, nearest, nearest_of_few, within
from rmodels.ops.nearest.native import count_worth

ALGORITHMS = ("brute", "tree")
WORTH = "rmodels.ops.nearest.native.count_worth"
POWERS = (1, 2, 3, 5, 8, 9, 16)


def distributions(rng, n=300, d=5):
    """Yield (name, points): what float32 scores, boxes or float64 squares find hard."""
    normal = rng.normal(size=(n, d))
    yield "normal", normal
    yield "integers", rng.integers(-2, 3, (n, d)).astype(float)
    yield "grid of 0.1", rng.integers(-3, 4, (n, d)) * 0.1
    yield "every point twice", np.repeat(normal[: n // 2], 2, axis=0)
    yield "all the same", np.ones((n, d)) * 0.3
    yield "rows of zeros", np.where(rng.random((n, 1)) < 0.3, 0.0, normal)
    yield "tight clusters far apart", normal * 1e-7 + rng.integers(0, 4, (n, 1)) * 1e3
    yield "one outlier", np.concatenate([normal, np.full((1, d), 1e12)])
    yield "subnormal", normal * 5e-322
    yield "squares underflow", normal * 1e-162
    yield "1e30", normal * 1e30
    yield "squares overflow", normal * 1e200
    yield "differences overflow", np.clip(normal, -1, 1) * 1.7e308
    yield "constant columns", np.where(np.arange(d) % 2, normal, 1e15)
    yield "mixed scales", normal * 10.0 ** np.resize([-300, -10, 0, 10, 300], d)
    for exponent in (2, 5, 8):
        yield f"offset 1e{exponent}", normal + 10.0**exponent


DISTRIBUTIONS = dict(distributions(np.random.default_rng(0)))


def reference(X, Q, k, metric="euclidean", p=2.0):
    with np.errstate(over="ignore", invalid="ignore"):
        return nearest(index(X, metric, p, engine="reference"), Q, k)


@pytest.fixture(params=native.instruction_sets())
def compiled(request, monkeypatch):
    """The native engine on each instruction set, where the reference is the measure."""
    monkeypatch.setenv("RMODELS_ISA", request.param)
    return "native"


@pytest.fixture(params=[*ALGORITHMS, "rows"])
def algorithm(request, monkeypatch):
    """What the native engine does: an index is built for one query, or never."""
    from_rows = request.param == "rows"
    monkeypatch.setattr(WORTH, lambda *_: math.inf if from_rows else 0.0)
    return "auto" if from_rows else request.param


def assert_same(ours, theirs):
    """Bitwise."""
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def queries_of(X, rng):
    """Points themselves, points between them, and far from them."""
    rows = rng.integers(0, len(X), 12)
    between = X[rows] / 2 + X[rng.integers(0, len(X), 12)] / 2
    with np.errstate(over="ignore"):
        far = np.clip(X[rows[:3]] * 1e9, -1.5e308, 1.5e308)
    return np.ascontiguousarray(np.concatenate([X[rows], between, far]).astype(X.dtype))


MORE = dict(distributions(np.random.default_rng(0), 1100))  # than are compared one with all


def assert_equal_to_the_reference(X, metric, algorithm, engine, counts):
    """Of so many of the nearest, and of all within a radius; returns the index."""
    p, Q = 3.0, queries_of(X, np.random.default_rng(1))
    built, other = (
        index(X, metric, p, algorithm=algorithm, engine=each) for each in (engine, "reference")
    )
    truth = nearest(other, Q, len(X))
    for k in counts:
        assert_same(nearest(built, Q, k), [part[:, :k] for part in truth])
    third = truth[0][:, 2]
    for radius in (0.0, third[0], third[15], np.inf):
        assert_same(within(built, Q, radius), within(other, Q, radius))
    return built


# By hand


@pytest.mark.parametrize(
    ("metric", "p", "distances", "indices"),
    [
        ("euclidean", 2, [1, 2, 5], [2, 0, 1]),
        ("manhattan", 2, [1, 2, 7], [2, 0, 1]),
        ("chebyshev", 2, [1, 2, 4], [2, 0, 1]),
        ("minkowski", 1, [1, 2, 7], [2, 0, 1]),
        ("minkowski", 3, [1, 2, 91 ** (1 / 3)], [2, 0, 1]),
        ("cosine", 2, [1, 1, 1], [0, 1, 2]),
    ],
)
def test_worked_values(engine, algorithm, metric, p, distances, indices):
    X = np.array([[0.0, 2.0], [3.0, 4.0], [1.0, 0.0]])
    found = nearest(index(X, metric, p, algorithm=algorithm, engine=engine), np.zeros((1, 2)), 3)
    np.testing.assert_allclose(found[0], [distances], rtol=1e-15)
    np.testing.assert_array_equal(found[1], [indices])


def test_cosine_by_hand(engine):
    X = np.array([[0.0, 3.0], [5.0, 0.0], [-2.0, 0.0], [0.0, 0.0], [1e-200, 1e-200]])
    distances, indices = nearest(index(X, "cosine", engine=engine), np.array([[1.0, 0.0]]), 5)
    np.testing.assert_array_equal(indices, [[1, 4, 0, 3, 2]])
    np.testing.assert_allclose(distances, [[0, 1 - 0.5**0.5, 1, 1, 2]], atol=1e-15)


def test_what_is_recorded(engine):
    X = np.random.default_rng(0).normal(size=(3000, 2))
    built = index(X, engine=engine)
    assert built.engine == engine
    assert built.X is X
    assert decide(index(X[:100], engine=engine)) == "brute"
    if engine == "native":
        assert decide(built) == "tree"
        for algorithm in ALGORITHMS:
            assert decide(index(X, algorithm=algorithm, engine=engine)) == algorithm


def test_algorithm_follows_the_structure_of_the_data():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(20000, 4)) @ rng.normal(size=(4, 24))
    assert decide(index(flat, engine="native")) == "tree"
    assert decide(index(rng.normal(size=(20000, 24)), engine="native")) == "brute"
    assert decide(index(np.abs(flat), "cosine", engine="native")) in ALGORITHMS


# Against the reference, bitwise


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_bitwise_equal_to_the_reference(compiled, name, metric, algorithm):
    X = MORE[name] if algorithm == "auto" else DISTRIBUTIONS[name]
    assert_equal_to_the_reference(X, metric, algorithm, compiled, (1, 7, len(X)))


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "minkowski"])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_few_points_are_compared_without_an_index(compiled, name, metric):
    for X in (DISTRIBUTIONS[name], DISTRIBUTIONS[name][-40:], DISTRIBUTIONS[name][:16, :3].copy()):
        counts = sorted({1, 8, 9, min(32, len(X)), min(33, len(X)), len(X)})
        built = assert_equal_to_the_reference(X, metric, "auto", compiled, counts)
        assert built.state.built is None


@pytest.mark.parametrize("n_threads", [1, 3])
def test_few_points_and_many_queries(compiled, n_threads):
    rng = np.random.default_rng(22)
    for d, m in ((4, 3000), (9, 10)):  # kept as columns, and copied to them for a call
        X, Q = rng.integers(-9, 10, (1000, d)) * 0.1, rng.integers(-9, 10, (m, d)) * 0.1
        first, second = index(X, engine=compiled), index(X, engine=compiled)
        assert_same(nearest(first, Q, 5, n_threads=n_threads), reference(X, Q, 5))
        found = within(second, Q, 0.5, n_threads=n_threads)
        assert_same(found, within(index(X, engine="reference"), Q, 0.5))
        assert first.state.built is second.state.built is None


@cache
def wide_truth(name, n, metric):
    """Points in more features, where scores are products; queries, and their 40 nearest."""
    X = dict(distributions(np.random.default_rng(5), n, 21))[name]
    Q = queries_of(X, np.random.default_rng(6))
    return X, Q, reference(X, Q, 40, metric)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("n", [300, 1500])  # from 1025 on, the screening is chosen by trial
@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_bitwise_equal_in_more_features(compiled, name, n, metric, algorithm):
    X, Q, truth = wide_truth(name, n, metric)
    built = index(X, metric, algorithm=algorithm, engine=compiled)
    for k in (1, 7, 40):
        assert_same(nearest(built, Q, k), [part[:, :k] for part in truth])


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("name", ["normal", "grid of 0.1", "subnormal", "squares overflow"])
@pytest.mark.filterwarnings("ignore:overflow")
def test_integer_powers(compiled, name, p, algorithm):
    X = DISTRIBUTIONS[name]
    Q = queries_of(X, np.random.default_rng(1))
    built = index(X, "minkowski", p, algorithm=algorithm, engine=compiled)
    for k in (1, 7):
        assert_same(nearest(built, Q, k), reference(X, Q, k, "minkowski", p))


@pytest.mark.parametrize("p", [0.3, 0.5, 1.2, 1.5, 2.5, 7.5, 17, 40])
def test_other_powers(compiled, p, algorithm):
    X = DISTRIBUTIONS["normal"]
    Q = queries_of(X, np.random.default_rng(1))[:24]
    found = nearest(index(X, "minkowski", p, algorithm=algorithm, engine=compiled), Q, 7)
    truth = reference(X, Q, 7, "minkowski", p)
    np.testing.assert_allclose(found[0], truth[0], rtol=1e-14 * max(1, 1 / p))
    np.testing.assert_array_equal(found[1], truth[1])


@pytest.mark.parametrize("d", [0, 1, 2, 8, 9, 63, 64, 65, 300])
@pytest.mark.parametrize("n", [1, 63, 64, 65, 129])
@each(algorithm=ALGORITHMS, dtype=[np.float32, np.float64])
def test_shapes(compiled, n, d, algorithm, dtype):
    rng = np.random.default_rng(n + d)
    X = rng.integers(-3, 4, (n, d)).astype(dtype) / dtype(10)
    built = index(X, algorithm=algorithm, engine=compiled)
    for m in (0, 1, 7, 65, 129):
        Q = rng.integers(-3, 4, (m, d)).astype(dtype) / dtype(10)
        for k in {1, n // 2 + 1, n}:
            assert_same(nearest(built, Q, k), reference(X, Q, k))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", METRICS)
def test_many_points(compiled, metric, algorithm, dtype):
    rng = np.random.default_rng(2)
    for X in (rng.normal(size=(2000, 3)), rng.normal(size=(1500, 4)) @ rng.normal(size=(4, 20))):
        X = X.astype(dtype)
        Q = X[::31] + dtype(0.01)
        built = index(X, metric, 3, algorithm=algorithm, engine=compiled)
        for k in (1, 10, 100, 300):
            assert_same(nearest(built, Q, k), reference(X, Q, k, metric, 3))


def test_offset_float32(compiled, algorithm):
    rng = np.random.default_rng(3)
    for exponent in (2, 3, 4, 5):
        X = (rng.normal(size=(500, 12)) + 10.0**exponent).astype(np.float32)
        built = index(X, algorithm=algorithm, engine=compiled)
        found = nearest(built, X[:50], 6)
        assert_same(found, reference(X, X[:50], 6))
        np.testing.assert_array_equal(found[0][:, 0], 0.0)


def test_roots_that_coincide_are_ordered_by_index(engine, algorithm):
    # Sums of squares that differ in the last bit and have one root, also at the k-th place.
    grid = np.array(np.meshgrid(*[np.arange(-6, 7) * 0.1] * 3)).reshape(3, -1).T
    X = np.ascontiguousarray(np.random.default_rng(4).permutation(grid))
    Q = np.array([[0.0, 0.0, 0.0], [0.1, -0.2, 0.3], [0.05, 0.05, 0.05]])
    squares = np.zeros(len(X))
    for column in X.T:
        squares += column * column
    assert len(np.unique(squares)) > len(np.unique(np.sqrt(squares)))
    built = index(X, algorithm=algorithm, engine=engine)
    for k in range(1, 80, 19 if device.is_interpreted() else 1):  # the interpreter is slow
        distances, indices = nearest(built, Q, k)
        assert_same((distances, indices), reference(X, Q, k))
        expected = np.lexsort([np.arange(len(X)), np.sqrt(squares)])[:k]
        np.testing.assert_array_equal(indices[0], expected)


@pytest.mark.filterwarnings("ignore:overflow")
@given(
    data=st.data(),
    n=st.integers(1, 150),
    d=st.integers(0, 12),
    m=st.integers(0, 20),
    metric=st.sampled_from(METRICS),
    worth=st.sampled_from([0.0, math.inf]),
    algorithm=st.sampled_from(ALGORITHMS),
    p=st.sampled_from(POWERS),
    dtype=st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=60)
def test_any_values(data, n, d, m, metric, worth, algorithm, p, dtype):
    width = np.dtype(dtype).itemsize * 8
    integers = st.integers(-3, 3).map(dtype)
    anything = st.floats(allow_nan=False, allow_infinity=False, width=width).map(dtype)
    elements = data.draw(st.sampled_from([integers, anything]))
    X = data.draw(hnp.arrays(dtype, (n, d), elements=elements))
    Q = data.draw(hnp.arrays(dtype, (m, d), elements=elements))
    k = data.draw(st.integers(1, n))
    with np.errstate(invalid="ignore"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(WORTH, lambda *_: worth)
        built = index(X, metric, p, algorithm=algorithm, engine="native")
        assert_same(nearest(built, Q, k), reference(X, Q, k, metric, p))


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e-22, 1e-40, 1e13, 1e25])
@pytest.mark.parametrize("d", [4, 16, 21, 50, 131])
@each(
    metric=["euclidean", "manhattan", "chebyshev", "minkowski"], queries=["near", "far", "float64"]
)
def test_rows_in_float32(compiled, monkeypatch, d, scale, metric, queries):
    monkeypatch.setattr(WORTH, lambda *_: math.inf)
    rng = np.random.default_rng(d)
    X = rng.integers(-3, 4, (1100, d)) + rng.normal(size=(1100, d)) * rng.choice(
        [0, 1e-7, 1], (1100, 1)
    )
    X[5] *= 1e18  # whose scores overflow in float32
    X[100:140] = X[60:100]
    X = (X * scale).astype(np.float32)
    Q = X[::84] if queries == "near" else X[::84] + np.float32(scale)
    Q = Q + 1e-9 * scale if queries == "float64" else Q
    Q = Q.astype(np.float64 if queries == "float64" else np.float32)
    built = index(X, metric, 3, engine="native")
    with np.errstate(all="ignore"):
        assert_same(nearest(built, Q, 7), reference(X, Q, 7, metric, 3))
        expected = index(X, metric, 3, engine="reference")
        radius = float(nearest(expected, Q, 9)[0][0, -1])
        for ours, theirs in zip(within(built, Q, radius), within(expected, Q, radius), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert built.state.built is None


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(("n", "k"), [(800, 20), (20_000, 60)])
@pytest.mark.parametrize("n_threads", [1, 4])
def test_scores_in_float32_that_overflow(compiled, monkeypatch, n, k, n_threads):
    monkeypatch.setattr(WORTH, lambda *_: math.inf)
    rng = np.random.default_rng(0)
    X = (rng.uniform(1, 2, size=(n, 1)) * 1e20 * np.ones((1, 16))).astype(np.float32)
    X[:: n // 8] = rng.normal(size=X[:: n // 8].shape)  # of which some are looked at first
    X[-48:] *= np.float32(0.4)
    Q = rng.normal(size=(1, 16)).astype(np.float32)
    found = nearest(index(X, engine="native"), Q, k, n_threads=n_threads)
    assert_same(found, reference(X, Q, k))


# Against scikit-learn


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", METRICS)
def test_equal_to_scikit_learn(engine, metric, algorithm, dtype):
    rng = np.random.default_rng(5)
    X, Q = rng.normal(size=(700, 6)).astype(dtype), rng.normal(size=(90, 6)).astype(dtype)
    peer = NearestNeighbors(n_neighbors=9, algorithm="brute", metric=metric, p=3)
    distances, indices = peer.fit(X.astype(float)).kneighbors(Q.astype(float))
    found = nearest(index(X, metric, 3, algorithm=algorithm, engine=engine), Q, 9)
    np.testing.assert_allclose(found[0], distances, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found[1], indices)
    radius = float(np.median(distances))
    offsets, distances, indices = within(
        index(X, metric, 3, algorithm=algorithm, engine=engine), Q, radius
    )
    near = peer.radius_neighbors(Q.astype(float), radius, sort_results=True)
    np.testing.assert_array_equal(np.diff(offsets), [len(row) for row in near[0]])
    np.testing.assert_allclose(distances, np.concatenate(near[0]), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(indices, np.concatenate(near[1]))


# Leaving a point out


@pytest.mark.parametrize("name", ["normal", "integers", "every point twice", "all the same"])
def test_leave_one_out(engine, name, algorithm):
    X = DISTRIBUTIONS[name]
    built = index(X, algorithm=algorithm, engine=engine)
    distances, indices = nearest(built, None, 4)
    offsets, _, close = within(built, None, 1.0)
    for row in range(len(X)):
        others = np.delete(np.arange(len(X)), row)
        expected = reference(X[others], X[row : row + 1], 5)
        # behind more than k duplicates, the first of them is left out in the point's place
        ahead = (expected[0][0] == 0).all() and others[expected[1][0, 4]] < row
        chosen = slice(1, 5) if ahead else slice(4)
        np.testing.assert_array_equal(distances[row], expected[0][0, chosen])
        np.testing.assert_array_equal(indices[row], others[expected[1][0, chosen]])
        assert row not in close[offsets[row] : offsets[row + 1]]


# Threads, batches, copies


@pytest.mark.parametrize("metric", METRICS)
def test_threads_and_batches_change_nothing(compiled, metric, algorithm):
    rng = np.random.default_rng(6)
    X = rng.integers(-9, 10, (2000, 12)) * 0.1
    Q = rng.integers(-9, 10, (200, 12)) * 0.1
    expected = nearest(index(X, metric, algorithm=algorithm, engine=compiled, n_threads=1), Q, 5)
    for n_threads in (1, 2, 3):
        built = index(X, metric, algorithm=algorithm, engine=compiled, n_threads=n_threads)
        for step in (1, 7, 64, 200):
            parts = [
                nearest(built, Q[i : i + step], 5, n_threads=n_threads)
                for i in range(0, len(Q) if step > 1 else 9, step)
            ]
            found = tuple(np.concatenate(part) for part in zip(*parts, strict=True))
            assert_same(found, tuple(part[: len(found[0])] for part in expected))


def test_pickle_drops_what_was_built(engine):
    X = DISTRIBUTIONS["normal"]
    built = index(X, "cosine", engine=engine)
    expected = nearest(built, X, 3)
    text = pickle.dumps(built)
    assert len(text) < 2 * X.nbytes
    copy = pickle.loads(text)
    assert copy.state is None
    found = []
    count = 1 if device.is_interpreted() else 4  # the interpreter runs in one thread at a time
    callers = [
        threading.Thread(target=lambda: found.append(nearest(copy, X, 3))) for _ in range(count)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == count
    for answer in found:
        assert_same(answer, expected)


def test_points_outlive_the_name(engine):
    built = index(np.random.default_rng(7).normal(size=(2000, 3)), engine=engine)
    Q = np.zeros((1, 3))
    expected = nearest(built, Q, 5)
    np.random.default_rng(8).normal(size=(2000, 3))
    assert_same(nearest(built, Q, 5), expected)


def test_in_chunks(engine, algorithm, monkeypatch, capsys):
    if engine == "native":
        monkeypatch.setattr("rmodels.ops.nearest.native.FIRST_WORK", 1e4)
        monkeypatch.setattr("rmodels.ops.nearest.native.FIRST_QUERIES", 3)
    X = DISTRIBUTIONS["grid of 0.1"]
    with config_context(progress=True, memory_limit=1 << 20):
        built = index(X, algorithm=algorithm, engine=engine)
        assert_same(nearest(built, X, 4), reference(X, X, 4))
        truth = index(X, engine="reference")
        assert_same(within(built, X, 0.3), within(truth, X, 0.3))


# What an index costs


@pytest.fixture
def builds(monkeypatch):
    """How often the extension was asked for an index."""
    asked = []
    extension = native.load()
    build = extension.nearest_index

    def count(*arguments):
        asked.append(arguments[0].shape)
        return build(*arguments)

    monkeypatch.setattr(extension, "nearest_index", count)
    return asked


@pytest.mark.parametrize("shape", [(3000, 2), (900, 20), (20000, 12)])
@pytest.mark.parametrize("several", [1, 7])
def test_index_is_built_when_the_queries_so_far_were_worth_it(builds, shape, several):
    rng = np.random.default_rng(9)
    X, Q = rng.normal(size=shape), rng.normal(size=(several, shape[1]))
    never, answered, worth = index(X, engine="native"), 0, 0.0
    assert never.state.built is None
    while not builds:
        if answered:
            assert answered < worth
        answered += several
        distances, indices = nearest(never, Q, 3)
        np.testing.assert_array_equal(np.diff(distances) >= 0, True)
        # the sample that may be needed is a part of the price, until it is taken
        search, threads = never.state, thread_count()
        worth = max(worth, count_worth(search.rows, search.algorithm, threads, several))
    assert worth <= answered
    at_once = index(X, engine="native")
    decide(at_once)
    m = math.ceil(count_worth(never.state.rows, never.state.algorithm, threads, 1000))
    nearest(at_once, rng.normal(size=(m, shape[1])), 3)
    assert len(builds) == 2
    assert_same(nearest(at_once, Q, 3), (distances, indices))
    assert_same(nearest(index(X, engine="native"), Q, 3), (distances, indices))


def few_kinds(Q):
    """Yield arrays of the same rows that are taken at once, then others that are left."""
    read_only = Q.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only, True
    yield "rows of a larger array", np.repeat(Q, 2, axis=0)[::2][:1], True
    yield "Fortran order", np.asfortranarray(Q), len(Q) == 1
    yield "columns of a larger array", np.repeat(Q, 2, axis=1)[:, ::2], False
    yield "reversed", Q[:, ::-1], False
    yield "other order of bytes", Q.astype(Q.dtype.newbyteorder()), False
    yield (
        "at an odd byte",
        np.frombuffer(b"0" + Q.tobytes(), Q.dtype, offset=1).reshape(Q.shape),
        False,
    )
    d = Q.shape[1]
    records = np.zeros(len(Q), [("number", "i4"), ("point", Q.dtype, (d,)), ("more", "i1")])
    records["point"] = Q
    aligned = Q.itemsize == 4  # behind a number of 4 bytes
    yield "a field of records", records["point"], aligned and len(Q) == 1
    yield "a field of one record", records["point"][:1], aligned
    yield "a new axis", Q[0][np.newaxis], True
    yield "half precision", Q.astype(np.float16), False
    yield "a subclass", Q.view(np.ma.MaskedArray), False
    yield "a list", Q.tolist(), False
    yield "one dimension", Q[0], False
    yield "no rows", Q[:0], False
    yield "fewer columns", Q[:, 1:].copy(), False
    yield "more columns", np.hstack([Q, Q]), False
    for value in (np.nan, np.inf, -np.inf):
        spoiled = Q.copy()
        spoiled[-1, -1] = value
        yield str(value), spoiled, False


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("queries", [1, 7])
def test_few_queries_are_answered_at_once_as_they_are_else(compiled, metric, dtype, queries):
    rng = np.random.default_rng(20)
    for shape in ((40, 3), (150, 19)):
        X = rng.integers(-3, 4, shape).astype(dtype)  # many ties
        Q = (rng.integers(-3, 4, (queries, shape[1])) + 0.25).astype(dtype)
        points, other = (index(X, metric, 3.0, engine=compiled) for _ in range(2))
        expected = nearest(other, Q, 4)
        found = nearest_of_few(points, Q, 4)
        if metric == "cosine":  # its rows have to be normalised
            assert found is None
        else:
            assert_same(found, expected)
        if metric == "euclidean":
            for kind, rows, taken in few_kinds(Q):
                points.state.answered = 0  # else an index would be worth its building
                found = nearest_of_few(points, rows, 4)
                assert (found is not None) == taken, kind
                if taken:
                    assert_same(found, tuple(each[: len(rows)] for each in expected))


def test_few_queries_count_towards_the_index_and_are_answered_by_it(builds):
    rng = np.random.default_rng(21)
    X, Q = rng.normal(size=(900, 6)), rng.normal(size=(1, 6))
    points, expected, asked = index(X, engine="native"), nearest(index(X, engine="native"), Q, 3), 0
    while (found := nearest_of_few(points, Q, 3)) is not None:
        assert_same(found, expected)
        asked += 1
        assert asked == points.state.answered
    assert asked < count_worth(points.state.rows, points.state.algorithm, 1, 1) <= asked + 1
    assert builds == []
    assert_same(nearest(points, Q, 3), expected)
    assert builds == [X.shape]
    assert_same(nearest_of_few(points, Q, 3), expected)
    copied = pickle.loads(pickle.dumps(points))
    assert_same(nearest_of_few(copied, Q, 3), expected)


def test_more_than_few_queries_and_other_engines_are_left(builds):
    X = np.zeros((2000, 4))
    points, too_many = index(X, engine="native"), int(FEW) // X.size
    nearest(points, np.zeros((1000, 4)), 1)
    assert builds == [X.shape]
    assert nearest_of_few(points, np.zeros((too_many // 2, 4)), 1) is not None
    assert nearest_of_few(points, np.zeros((too_many, 4)), 1) is None
    one, tiny = np.zeros((1, 1)), index(np.zeros((1, 1)), engine="native")
    assert nearest_of_few(tiny, one, 1) is not None
    assert nearest_of_few(tiny, np.zeros((10_000, 1)), 1) is None  # each query takes some time
    assert nearest_of_few(index(X, engine="reference"), X[:1], 1) is None


def test_queries_that_come_at_once_build_one_index(builds):
    rng = np.random.default_rng(10)
    X, Q = rng.normal(size=(20000, 12)), rng.normal(size=(3000, 12))
    shared, found, start = index(X, engine="native"), [], threading.Barrier(4)

    def call():
        start.wait()
        found.append(nearest(shared, Q, 3))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(builds) == 1
    for answer in found:
        assert_same(answer, found[0])


@pytest.mark.parametrize("m", [1, 2000])  # before and after the building
def test_copies_search_the_same_points(m):
    rng = np.random.default_rng(11)
    X, Q = rng.normal(size=(2000, 6)), rng.normal(size=(m, 6))
    first = index(X, engine="native")
    expected = nearest(first, Q, 4)
    assert (first.state.built is None) == (m == 1)
    for other in (copy.copy(first), copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert other.state is None
        assert_same(nearest(other, Q, 4), expected)
        assert_same(nearest(other, Q[:1], 4), tuple(part[:1] for part in expected))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("m", [1, 2000])  # before and after the building
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_searches_and_builds_by_itself(m):
    rng = np.random.default_rng(13)
    X, Q = rng.normal(size=(2000, 6)), rng.normal(size=(2000, 6))
    shared = index(X, engine="native")
    nearest(shared, Q[:m], 4)

    def search(sender):
        sender.send(nearest(shared, Q, 4))
        sender.close()

    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=search, args=(sender,))
    child.start()
    sender.close()
    try:
        assert receiver.poll(60), "the child hangs"
        found = receiver.recv()
    finally:
        child.kill()
        child.join()
    assert (shared.state.built is None) == (m == 1)
    assert_same(found, nearest(shared, Q, 4))


def test_all_points_at_once_are_searched_in_an_index(builds):
    X = np.random.default_rng(12).normal(size=(5000, 10))
    nearest(index(X, engine="native"), None, 3)
    assert len(builds) == 1
