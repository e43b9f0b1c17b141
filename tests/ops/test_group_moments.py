"""The contract of the moments of groups, on every engine."""

import numpy as np
import pytest
from combinations import each
from test_moments import LAYOUTS, UNIT, assert_accurate, samples

from rmodels.ops.moments import GroupMoments, Moments, group_moments, moments

KINDS = ("diagonal", "pooled", "full")
NOTHING = np.empty((4, 0))


def groups_of(n, n_groups, seed=1):
    return np.random.default_rng(seed).integers(0, n_groups, n)


def assert_groups_accurate(found, X, Y, groups, weights=None):
    """Hold the result against the accuracy that the contract of `moments` states."""
    np.testing.assert_array_equal(found.count, np.bincount(groups, minlength=len(found.count)))
    parts = [groups == g for g in range(len(found.count))]
    full = []
    for g, rows in enumerate(parts):
        w = None if weights is None else weights[rows]
        exact = moments(X[rows], Y[rows], w, engine="reference")
        scatter = exact.scatter
        if found.kind == "full":
            scatter = found.scatter[g]
        elif found.kind == "diagonal":
            scatter = scatter.copy()
            scatter[np.diag_indices(len(scatter))] = found.scatter[g]
        assert_accurate(
            Moments(
                int(found.count[g]), X.shape[1], found.weight[g], found.mean[g], scatter, "any"
            ),
            X[rows],
            Y[rows],
            w,
        )
        full.append(exact.scatter)
    if found.kind == "pooled":
        expected = np.sum(full, axis=0)
        deviations = np.sqrt(expected.diagonal())
        within = 16 * np.sqrt(max(len(X), 1)) * UNIT  # of each of the two
        rounding = 4 * UNIT * abs(np.concatenate([X, Y], axis=1)).max(axis=0, initial=0.0)
        weight = len(X) if weights is None else weights.sum()
        bound = within * np.outer(deviations, deviations) + weight * np.outer(rounding, rounding)
        assert (abs(found.scatter - expected) <= bound).all()


@pytest.mark.parametrize("kind", KINDS)
def test_four_rows_by_hand(engine, kind):
    X = np.array([[0.0, 1.0], [9.0, 9.0], [2.0, 5.0], [9.0, 9.0]])
    found = group_moments(X, NOTHING, np.array([0, 2, 0, 2]), 3, scatter=kind, engine=engine)
    assert (found.engine, found.kind, found.is_finite) == (engine, kind, True)
    np.testing.assert_array_equal(found.count, [2, 0, 2])
    np.testing.assert_array_equal(found.weight, [2, 0, 2])
    np.testing.assert_array_equal(found.mean, [[1, 3], [0, 0], [9, 9]])
    first, none = np.array([[2.0, 4.0], [4.0, 8.0]]), np.zeros((2, 2))
    expected = {
        "diagonal": [first.diagonal(), [0, 0], [0, 0]],
        "pooled": first,
        "full": [first, none, none],
    }
    np.testing.assert_array_equal(found.scatter, expected[kind])
    apart = found.spread_of_means()
    between = 4 * np.cov(X.T, bias=True) - first  # what is left of the scatter of all rows
    np.testing.assert_allclose(apart.T @ apart, between, rtol=8 * UNIT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [0, 1, 8, 23, 41])
@each(n=[0, 1, 64, 200, 1100], t=[0, 2], weighted=[False, True])
def test_shapes(engine, n, d, t, weighted, kind):
    X, Y, weights = samples(n, d, t, weighted=weighted)
    groups = groups_of(n, 4)
    found = group_moments(X, Y, groups, 5, weights, scatter=kind, engine=engine)
    assert_groups_accurate(found, X, Y, groups, weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "n_groups"),
    [(9000, 3, 2), (9000, 3, 100), (3000, 5, 700), (3000, 7, 700), (900, 270, 3), (1300, 131, 2)],
)
def test_many_rows_groups_and_columns(engine, n, d, n_groups, weighted, kind):
    X, Y, weights = samples(n, d, 1 if weighted else 0, weighted=weighted)
    groups = groups_of(n, n_groups)
    found = group_moments(X, Y, groups, n_groups, weights, scatter=kind, engine=engine)
    assert_groups_accurate(found, X, Y, groups, weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtypes", ["fff", "ddd", "fdf"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_and_dtypes(engine, layout, dtypes, kind):
    X, Y, weights = samples(133, 29, 2, weighted=True)
    X, Y, weights = X.astype(dtypes[0]), Y.astype(dtypes[1]), weights.astype(dtypes[2])
    arrange, groups = LAYOUTS[layout], groups_of(133, 3)
    A, B, w = arrange(X), arrange(Y), arrange(weights[:, np.newaxis])[:, 0]
    found = group_moments(A, B, groups, 3, w, scatter=kind, engine=engine)
    assert_groups_accurate(found, X, Y, groups, weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "offset"), [("f", 1e5), ("d", 1e8)])
def test_far_groups_cost_no_digits(engine, dtype, offset, kind):
    X, Y, weights = samples(2000, 6, 1, weighted=True)
    groups = groups_of(2000, 3)
    far = (offset * groups)[:, np.newaxis]
    X, Y = (X + far).astype(dtype), (Y + far).astype(dtype)
    found = group_moments(X, Y, groups, 3, weights, scatter=kind, engine=engine)
    assert_groups_accurate(found, X, Y, groups, weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_groups", [3, 100])
def test_rows_that_drift_cost_no_digits(engine, kind, n_groups):
    """The mean of the first rows tells nothing of that of the last."""
    X, Y, weights = samples(10000, 6, 1, weighted=True)
    drift = np.linspace(-1e6, 1e6, 10000)[:, np.newaxis]
    X, Y, groups = X + drift**3 / 1e12, Y - drift, groups_of(10000, n_groups)
    groups[-2000:] = 0  # the others end before
    found = group_moments(X, Y, groups, n_groups, weights, scatter=kind, engine=engine)
    assert_groups_accurate(found, X, Y, groups, weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [1, -1])
def test_batches_add_up(engine, kind, order):
    X, Y, weights = samples(3000, 5, 1, weighted=True)
    X, Y = X + 1e4, Y + 1e4
    weights[:1000] = 0  # a batch that weighs nothing
    groups = groups_of(3000, 4)
    groups[1000:2000] = 2  # and one that lacks groups
    parts = [slice(first, first + 500) for first in range(0, 3000, 500)][::order]
    found = [
        group_moments(X[p], Y[p], groups[p], 5, weights[p], scatter=kind, engine=engine)
        for p in parts
    ]
    total = found[0]
    for part in found[1:]:
        total = total + part
    assert isinstance(total, GroupMoments)
    whole = group_moments(X, Y, groups, 5, weights, scatter=kind, engine=engine)
    np.testing.assert_array_equal(total.count, whole.count)
    np.testing.assert_allclose(total.weight, whole.weight, rtol=1e-14)
    np.testing.assert_allclose(total.mean, whole.mean, rtol=1e-14)
    # an offset of k standard deviations costs a factor of 1 + k, where the means' rest is not known
    np.testing.assert_allclose(total.scatter, whole.scatter, rtol=1e-10, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_what_is_not_finite_shows(engine, kind, value, weight):
    X, Y, weights = samples(300, 9, 1, weighted=True)
    groups, weights = groups_of(300, 3), weights + 1
    X[77, 4], weights[77] = value, weight
    with np.errstate(invalid="ignore"):
        found = group_moments(X, Y, groups, 3, weights, scatter=kind, engine=engine)
    assert not found.is_finite
    whole = found.scatter if kind == "pooled" else found.scatter[groups[77]]
    squares = whole if kind == "diagonal" else whole.diagonal()
    np.testing.assert_array_equal(np.isfinite(squares), np.arange(10) != 4)
    if kind != "pooled":
        assert np.isfinite(np.delete(found.scatter, groups[77], axis=0)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_same_bits_for_any_number_of_threads(engine, kind):
    X, Y, weights = samples(20000, 12, 1, weighted=True)
    groups = groups_of(20000, 3)
    one, more = (
        group_moments(X, Y, groups, 3, weights, scatter=kind, engine=engine, n_threads=n)
        for n in (1, 3)
    )
    assert one.scatter.tobytes() == more.scatter.tobytes()
    assert one.mean.tobytes() == more.mean.tobytes()


def test_moments_of_a_group(engine):
    X, Y, _ = samples(50, 3, 1)
    groups = groups_of(50, 2)
    found = group_moments(X, Y, groups, 2, engine=engine)
    assert_accurate(found.group(1), X[groups == 1], Y[groups == 1])
    diagonal = group_moments(X, Y, groups, 2, scatter="diagonal", engine=engine)
    with pytest.raises(ValueError, match="kind='full'"):
        diagonal.group(0)
    with pytest.raises(ValueError, match="cannot be added"):
        diagonal + found
