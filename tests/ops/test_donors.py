"""The contract of nearest rows that have what another lacks, on every engine."""

import numpy as np
import pytest
from test_nearest import DISTRIBUTIONS

from rmodels import native
from rmodels.config import config_context
from rmodels.ops.donors import choose_donors, donors, nan_distances

ISAS = [f"native-{name}" for name in native.instruction_sets()]
on_each_engine = pytest.mark.parametrize("engine", ["reference", *ISAS], indirect=True)
compiled = pytest.mark.parametrize("engine", ISAS, indirect=True)


def with_gaps(X, share, seed=0):
    A = np.array(X)
    A[np.random.default_rng(seed).random(A.shape) < share] = np.nan
    return A


def define(X, Q, k):
    """What the contract says, value by value."""
    distances, indices = [], []
    with np.errstate(over="ignore"):
        for q in Q.astype(float):
            for column in np.flatnonzero(np.isnan(q)):
                found = []
                for row, x in enumerate(X.astype(float)):
                    both = ~np.isnan(q) & ~np.isnan(x)
                    if np.isnan(x[column]) or not both.any():
                        continue
                    total = np.float64(0.0)
                    for gap in (q - x)[both]:
                        total += gap * gap
                    found.append((np.sqrt(len(q) / both.sum() * total), row))
                found = sorted(found)[:k] + [(np.nan, -1)] * (k - min(k, len(found)))
                distances.append([d for d, _ in found])
                indices.append([i for _, i in found])
    return np.array(distances).reshape(-1, k), np.array(indices, dtype=int).reshape(-1, k)


def assert_found(found, expected):
    assert (found[0].dtype, found[1].dtype) == (np.float64, np.int64)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@on_each_engine
def test_by_hand(engine):
    """Row 1 shares no feature with the first query, row 3 lacks what it asks for."""
    nan = np.nan
    X = np.array([[0.0, 4.0, 1.0], [nan, nan, 2.0], [3.0, nan, 5.0], [2.0, 2.0, nan]])
    Q = np.array([[2.0, nan, nan], [nan, 2.0, 1.0], [1.0, 2.0, 3.0], [nan, nan, nan]])
    distances, indices = donors(X, Q, 2, engine=engine)
    assert indices.tolist() == [[3, 0], [2, 0], [3, 0], *[[-1, -1]] * 3]
    root = np.sqrt
    expected = [[0, root(12)], [root(3), root(12)], [0, root(6)]]
    np.testing.assert_array_equal(distances[:3], expected)
    assert np.isnan(distances[3:]).all()


@on_each_engine
@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_hard_points(engine, name):
    X = with_gaps(DISTRIBUTIONS[name][:130], 0.2)
    Q = np.concatenate([X[:10], with_gaps(DISTRIBUTIONS[name][130:140], 0.5, 1)])
    for k in (1, 5):
        assert_found(donors(X, Q, k, engine=engine), define(X, Q, k))


@on_each_engine
@pytest.mark.parametrize("n", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("d", [1, 2, 9, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes(engine, n, d, dtype):
    rng = np.random.default_rng(n + d)
    X = with_gaps(rng.integers(0, 3, (n, d)).astype(dtype), 0.3)  # most distances tie
    Q = with_gaps(rng.integers(0, 3, (7, d)).astype(dtype), 0.3, 1)
    for k in {1, min(3, n), n}:
        assert_found(donors(X, Q, k, engine=engine), define(X, Q, k))
    assert donors(X, Q[:0], 1, engine=engine)[0].shape == (0, 1)
    whole = np.zeros((3, d), dtype)
    assert donors(X, whole, 1, engine=engine)[1].shape == (0, 1)


@on_each_engine
def test_a_feature_that_few_rows_have(engine):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 4))
    X[rng.random(1000) < 0.995, 3] = np.nan
    X[:, 2] = np.nan
    Q = with_gaps(rng.standard_normal((20, 4)), 0.5, 1)
    assert_found(donors(X, Q, 9, engine=engine), define(X, Q, 9))


@compiled
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_as_the_reference(engine):
    for points in DISTRIBUTIONS.values():
        X = with_gaps(np.concatenate([points] * 3), 0.15)
        expected = donors(X, X, 4, engine="reference")
        for threads in (1, 2, 3):
            found = donors(X, X, 4, engine=engine, n_threads=threads)
            assert_found(found, expected)
        parts = [donors(X, part, 4, engine=engine) for part in np.array_split(X, 9)]
        assert_found([np.concatenate(each) for each in zip(*parts, strict=True)], expected)


def test_the_reference_keeps_to_the_memory_limit():
    X = with_gaps(np.random.default_rng(0).standard_normal((2000, 3)), 0.2)
    expected = donors(X, X[:40], 3, engine="reference")
    with config_context(memory_limit=2**20):  # 13 queries at a time
        assert_found(donors(X, X[:40], 3, engine="reference"), expected)


def test_distances():
    X = np.array([[1.0, np.nan, 3.0], [np.nan, 2.0, np.nan]])
    found = nan_distances(np.array([[1.0, 0.0, 5.0], [np.nan, 2.0, np.nan]]), X)
    expected = [[np.sqrt(1.5 * 4), np.sqrt(3 * 4)], [np.nan, 0.0]]
    np.testing.assert_array_equal(found, expected)


def test_distances_that_are_given():
    distances = np.array([[2.0, np.nan, 2.0, 1.0]])
    missing = np.array([[True, False, True]])
    present = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0], [0, 1, 1]], dtype=bool)
    found = choose_donors(distances, missing, present, 3)
    expected = [[2, 2, np.nan], [1, 2, np.nan]], [[0, 2, -1], [3, 0, -1]]
    assert_found(found, tuple(map(np.array, expected)))
