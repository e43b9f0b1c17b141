"""The contract of the moments, on every engine."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from combinations import each
from hypothesis import given, settings
from hypothesis import strategies as st

from rmodels.ops.moments import Moments, gram, moments

UNIT = 2.0**-53
many = settings(max_examples=25)


def centred(Z, weights=None):
    """Return weights, mean and Z − mean in extended precision."""
    Z = Z.astype(np.longdouble)
    w = np.ones(len(Z), np.longdouble) if weights is None else weights.astype(np.longdouble)
    mean, D = np.zeros(Z.shape[1], np.longdouble), Z
    for _ in range(2 if w.any() else 0):  # the second step removes the rounding of the first
        step = w @ D / w.sum()
        mean, D = mean + step, D - step
    return w, mean, D


def precise(X, Y, weights=None):
    """Return weight, mean and scatter in extended precision."""
    w, mean, D = centred(np.concatenate([X, Y], axis=1, dtype=np.longdouble), weights)
    right = w[:, np.newaxis] * D
    if D.size * D.shape[1] > 1e7:  # extended precision is slow; rounded once, products keep √n UNIT
        D, right = D.astype(np.float64), right.astype(np.float64)
    return w.sum(), mean, D.T @ right


def assert_accurate(found, X, Y, weights=None):
    """Hold the result against the accuracy that the contract states."""
    weight, mean, scatter = precise(X, Y, weights)
    within = 8 * np.sqrt(max(len(X), 1)) * UNIT
    assert (found.n_samples, found.n_features) == X.shape
    assert found.mean.dtype == found.scatter.dtype == np.float64
    assert abs(found.weight - weight) <= within * weight
    deviations = np.sqrt(scatter.diagonal())
    spread = deviations / np.sqrt(weight) if weight else np.zeros(len(mean))
    assert (abs(found.mean - mean) <= within * spread + UNIT * abs(mean)).all()
    rounding = 2 * UNIT * abs(mean)  # a column that does not vary has the rounding of its mean
    bound = within * np.outer(deviations, deviations) + weight * np.outer(rounding, rounding)
    assert (abs(found.scatter - scatter) <= bound).all()
    assert (found.scatter.diagonal() >= 0).all()


def samples(n, d, t, seed=0, weighted=False):
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 3, n) * rng.random(n) if weighted else None
    return rng.normal(size=(n, d)) + rng.normal(size=d), rng.normal(size=(n, t)), weights


def test_two_rows_by_hand(engine):
    found = moments(np.array([[1.0, 2.0], [3.0, 8.0]]), np.array([[5.0], [1.0]]), engine=engine)
    assert (found.n_samples, found.n_features, found.weight, found.engine) == (2, 2, 2, engine)
    np.testing.assert_array_equal(found.mean, [2, 5, 3])
    np.testing.assert_array_equal(found.scatter, [[2, 6, -4], [6, 18, -12], [-4, -12, 8]])
    assert found.is_finite
    np.testing.assert_array_equal(found.about_zero(), [[10, 26, 8], [26, 68, 18], [8, 18, 26]])


def test_weights_by_hand(engine):
    # μ = (1·0 + 4·5) / 5 = 4 and M = 1·16 + 4·1.
    X, Y = np.array([[0.0], [5.0]]), np.empty((2, 0))
    found = moments(X, Y, np.array([1.0, 4.0]), engine=engine)
    assert (found.weight, found.mean, found.scatter) == (5, [4], [[20]])


@pytest.mark.parametrize("d", [0, 1, 7, 8, 23, 24, 25, 41, 70])
@each(n=[0, 1, 2, 63, 64, 65, 200], t=[0, 1, 9], weighted=[False, True])
def test_shapes(engine, n, d, t, weighted):
    X, Y, weights = samples(n, d, t, weighted=weighted)
    assert_accurate(moments(X, Y, weights, engine=engine), X, Y, weights)


@pytest.mark.parametrize("t", [0, 1, 9])
@pytest.mark.parametrize("strides", [(0, 8), (8, 8), (8, 0), (0, 0)])
def test_strides_of_rows_without_columns(engine, strides, t):
    _, Y, _ = samples(200, 1, t)
    X = np.lib.stride_tricks.as_strided(np.empty(1), (200, 0), strides)
    assert_accurate(moments(X, Y, engine=engine), X, Y, None)


@pytest.mark.parametrize(
    ("n", "d"),
    [(4095, 5), (4096, 5), (4097, 5), (20000, 3), (1025, 96), (3000, 110), (70, 300), (4200, 256)],
)
def test_more_rows_than_share_a_shift(engine, n, d):
    X, Y, weights = samples(n, d, 1, weighted=True)
    assert_accurate(moments(X, Y, weights, engine=engine), X, Y, weights)


def test_wide(engine):
    X, Y, _ = samples(40, 1100, 2)
    assert_accurate(moments(X, Y, engine=engine), X, Y)


LAYOUTS = {
    "fortran": np.asfortranarray,
    "columns apart": lambda A: np.repeat(A, 3, axis=1)[:, ::3],
    "rows apart": lambda A: np.repeat(A, 2, axis=0)[::2],
    "backwards": lambda A: A[::-1, ::-1].copy()[::-1, ::-1],
    "rows backwards": lambda A: A[::-1].copy()[::-1],
    "fortran, rows apart": lambda A: np.asfortranarray(np.repeat(A, 2, axis=0))[::2],
    "inside a larger array": lambda A: np.pad(A, 2)[2:-2, 2:-2],
    "read-only": lambda A: np.frombuffer(A.tobytes(), A.dtype).reshape(A.shape),
}


@pytest.mark.parametrize("dtypes", ["fff", "ddd", "fdf", "dfd"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_and_dtypes(engine, layout, dtypes):
    X, Y, weights = samples(133, 29, 11, weighted=True)
    X, Y, weights = X.astype(dtypes[0]), Y.astype(dtypes[1]), weights.astype(dtypes[2])
    arrange = LAYOUTS[layout]
    A, B, w = arrange(X), arrange(Y), arrange(weights[:, np.newaxis])[:, 0]
    before = A.tobytes(), B.tobytes(), w.tobytes()
    assert_accurate(moments(A, B, w, engine=engine), X, Y, weights)
    assert (A.tobytes(), B.tobytes(), w.tobytes()) == before


def test_a_row_that_repeats_by_stride_zero(engine):
    X, Y, _ = samples(1, 30, 1)
    found = moments(np.broadcast_to(X, (100, 30)), np.broadcast_to(Y, (100, 1)), engine=engine)
    np.testing.assert_allclose(found.mean, np.concatenate([X, Y], axis=1)[0], rtol=2 * UNIT)
    assert abs(found.scatter).max() <= 100 * (2 * UNIT * abs(found.mean).max()) ** 2


@pytest.mark.parametrize("n", [100, 10000])
@pytest.mark.parametrize(
    ("dtype", "offset"), [("f", 1e4), ("f", 1e5), ("f", -1e5), ("d", 1e5), ("d", 1e8)]
)
def test_an_offset_costs_no_digits(engine, dtype, offset, n):
    X, Y, weights = samples(n, 12, 1, weighted=True)
    X, Y = (X + offset).astype(dtype), (Y + offset).astype(dtype)
    assert_accurate(moments(X, Y, weights, engine=engine), X, Y, weights)


def test_rows_in_order(engine):
    X = np.sort(samples(30000, 4, 0)[0], axis=0)
    assert_accurate(moments(X, X[:, :1], engine=engine), X, X[:, :1])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [1, 3, 100, 9000])
def test_columns_that_do_not_vary(engine, n, weighted):
    X, Y, weights = samples(n, 4, 1, weighted=weighted)
    X[:, :3] = 0.1, 1e8 / 3, -1e-300
    assert_accurate(moments(X, Y, weights, engine=engine), X, Y, weights)


def test_weights_far_apart(engine):
    X, Y, weights = samples(9000, 4, 1, weighted=True)
    X[:64] += 1e3
    weights[:64] *= 1e-30
    assert_accurate(moments(X, Y, weights, engine=engine), X, Y, weights)


def test_rows_without_weight_may_be_far_off(engine):
    X, Y, _ = samples(9000, 6, 1)
    weights = np.ones(9000)
    for rows in (slice(0, 130), slice(4096, 4100), slice(8200, 9000)):
        weights[rows], X[rows] = 0, 1e12
    assert_accurate(moments(X, Y, weights, engine=engine), X, Y, weights)


@pytest.mark.parametrize("d", [3, 300])
def test_no_weight_at_all(engine, d):
    X, Y, _ = samples(70, d, 1)
    found = moments(X, Y, np.zeros(70), engine=engine)
    assert (found.n_samples, found.weight) == (70, 0)
    np.testing.assert_array_equal(found.mean, np.zeros(d + 1))
    np.testing.assert_array_equal(found.scatter, np.zeros((d + 1, d + 1)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("weighted", [False, True])
@many
@given(data=st.data())
def test_what_is_not_finite_shows(engine, bad, weighted, data):
    n, d, t = data.draw(st.integers(1, 200)), data.draw(st.integers(0, 60)), 1
    X, Y, weights = samples(n, d, t, weighted=weighted)  # a third of the weights are 0
    row, column = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, d))
    (X if column < d else Y)[row, column if column < d else 0] = bad
    dtype = data.draw(st.sampled_from("fd"))
    found = moments(X.astype(dtype), Y, weights, engine=engine)
    assert not found.is_finite
    clean = np.arange(d + t) != column
    assert not np.isfinite(found.scatter[column, column])
    assert np.isfinite(found.scatter[np.ix_(clean, clean)]).all()
    assert np.isfinite(found.mean[clean]).all()


@pytest.mark.parametrize("row", [0, 63, 64, 5000, 8999])
@pytest.mark.parametrize("d", [3, 260])
def test_nan_shows_wherever_it_is(engine, row, d):
    X, Y, _ = samples(9000, d, 1)
    X[row, d - 1] = np.nan
    found = moments(X, Y, engine=engine)
    assert np.isnan(found.scatter[d - 1]).all()
    assert np.isfinite(np.delete(np.delete(found.scatter, d - 1, 0), d - 1, 1)).all()


def test_overflow_shows(engine):
    X, Y, _ = samples(10, 2, 1)
    assert not moments(X * 1e200, Y, engine=engine).is_finite


@many
@given(
    st.lists(st.integers(0, 90), min_size=1, max_size=5),
    st.integers(0, 12),
    st.integers(0, 2),
    st.booleans(),
    st.sampled_from([0.0, 1e3]),
)
def test_moments_add(engine, counts, d, t, weighted, offset):
    X, Y, weights = samples(sum(counts), d, t, seed=len(counts), weighted=weighted)
    X += offset
    edges = np.cumsum([0, *counts])
    total = None
    for first, last in itertools.pairwise(edges):
        w = None if weights is None else weights[first:last]
        part = moments(X[first:last], Y[first:last], w, engine=engine)
        total = part if total is None else total + part
    weight, mean, scatter = precise(X, Y, weights)
    # Parts are added by their means, whose rounding counts: an offset in them costs its digits.
    within = 8 * np.sqrt(max(len(X), 1)) * UNIT * (1 + offset)
    deviations = np.sqrt(scatter.diagonal())
    assert total.n_samples == len(X)
    assert abs(total.weight - weight) <= within * weight
    assert (abs(total.scatter - scatter) <= within * np.outer(deviations, deviations)).all()
    assert (abs(total.mean - mean) <= within * (1 + abs(mean))).all()


def test_moments_of_other_columns_cannot_be_added(engine):
    a = moments(*samples(5, 3, 1)[:2], engine=engine)
    b = moments(*samples(5, 2, 2)[:2], engine=engine)
    with pytest.raises(ValueError, match="different columns"):
        a + b


@pytest.mark.parametrize(
    ("n", "d", "dtype"), [(20000, 20, "d"), (20000, 41, "f"), (5000, 110, "d"), (4500, 260, "d")]
)
def test_any_number_of_threads_gives_the_same_bits(engine, n, d, dtype):
    X, Y, weights = samples(n, d, 1, weighted=True)
    X = X.astype(dtype)
    one, *others = (moments(X, Y, weights, engine=engine, n_threads=k) for k in (1, 2, 3))
    for other in others:
        assert other.weight == one.weight
        np.testing.assert_array_equal(other.mean, one.mean)
        np.testing.assert_array_equal(other.scatter, one.scatter)
    if engine == "native":
        np.testing.assert_array_equal(one.scatter, one.scatter.T)


@pytest.mark.parametrize(("n", "d"), [(30000, 3), (9000, 100), (5000, 300)])
def test_many_chunks(engine, n, d, monkeypatch):
    native = pytest.importorskip("rmodels.ops.moments.native")
    monkeypatch.setattr(native, "CALL", 1e6)
    X, Y, weights = samples(n, d, 1, weighted=True)
    assert_accurate(moments(X, Y, weights, engine=engine), X, Y, weights)


@many
@given(data=st.data())
def test_engines_agree(engine, data):
    n, d, t = (data.draw(st.integers(0, high)) for high in (150, 70, 12))
    X, Y, weights = samples(n, d, t, seed=n, weighted=data.draw(st.booleans()))
    X = X.astype(data.draw(st.sampled_from("fd")), order=data.draw(st.sampled_from("CF")))
    found = moments(X, Y, weights, engine=engine)
    reference = moments(X, Y, weights, engine="reference")
    within = 16 * np.sqrt(max(n, 1)) * UNIT
    deviations = np.sqrt(reference.scatter.diagonal())
    gap = abs(found.scatter - reference.scatter)
    assert (gap <= within * np.outer(deviations, deviations)).all()
    gap = abs(found.mean - reference.mean)
    spread = deviations / np.sqrt(reference.weight) if reference.weight else deviations
    assert (gap <= within * spread + 2 * UNIT * abs(reference.mean)).all()


def test_zero_moments_are_neutral():
    X, Y, _ = samples(10, 2, 1)
    a = moments(X, Y, engine="reference")
    zero = Moments(0, 2, 0.0, np.zeros(3), np.zeros((3, 3)), "reference")
    for total in (a + zero, zero + a):
        assert (total.n_samples, total.weight) == (10, 10)
        np.testing.assert_array_equal(total.mean, a.mean)
        np.testing.assert_array_equal(total.scatter, a.scatter)


def assert_gram_accurate(found, X, weights=None, centre=True):
    w, mean, D = centred(X, weights)
    if not centre:
        mean, D = 0 * mean, X.astype(np.longdouble)
    D = np.sqrt(w)[:, np.newaxis] * D
    products = D @ D.T
    largest = products.diagonal().max(initial=0) + w.sum() * ((2 * UNIT * mean) ** 2).sum()
    within = 8 * np.sqrt(max(X.shape[1], 1)) * UNIT
    assert found.products.shape == products.shape
    assert (abs(found.products - products) <= within * largest).all()
    spread = np.sqrt(largest)
    assert (abs(found.mean - mean) <= within * spread + UNIT * abs(mean)).all()


def test_inner_products_by_hand(engine):
    found = gram(np.array([[1.0, 2.0, 3.0], [3.0, 8.0, 5.0]]), engine=engine)
    assert found.engine == engine
    np.testing.assert_array_equal(found.mean, [2, 5, 4])
    np.testing.assert_array_equal(found.products, [[11, -11], [-11, 11]])


def test_inner_products_about_zero_by_hand(engine):
    found = gram(
        np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 4.0]), centre=False, engine=engine
    )
    np.testing.assert_array_equal(found.mean, [0, 0])
    np.testing.assert_array_equal(found.products, [[5, 22], [22, 100]])


@pytest.mark.parametrize("d", [0, 1, 31, 32, 33, 1000])
@each(n=[0, 1, 7, 24, 65], weighted=[False, True], centre=[False, True])
def test_gram_shapes(engine, n, d, weighted, centre):
    X, _, weights = samples(n, d, 0, weighted=weighted)
    assert_gram_accurate(gram(X, weights, centre=centre, engine=engine), X, weights, centre)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d"), [(3, 17_000), (255, 600), (256, 600), (300, 2100)])
def test_gram_in_many_parts(engine, n, d, weighted):
    X, _, weights = samples(n, d, 0, weighted=weighted)
    assert_gram_accurate(gram(X, weights, engine=engine), X, weights)


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gram_layouts(engine, layout, dtype):
    X = samples(37, 150, 0)[0].astype(dtype)
    assert_gram_accurate(gram(LAYOUTS[layout](X), engine=engine), X)


@pytest.mark.parametrize(("dtype", "offset"), [("f", 1e5), ("d", 1e8)])
def test_gram_with_an_offset(engine, dtype, offset):
    X = (samples(50, 400, 0)[0] + offset).astype(dtype)
    assert_gram_accurate(gram(X, engine=engine), X)


@pytest.mark.parametrize("centre", [False, True])
@many
@given(
    st.integers(1, 40), st.integers(1, 70), st.data(), st.sampled_from([np.nan, np.inf, -np.inf])
)
def test_gram_shows_what_is_not_finite(engine, centre, n, d, data, bad):
    X, _, weights = samples(n, d, 0, weighted=data.draw(st.booleans()))
    row = data.draw(st.integers(0, n - 1))
    X[row, data.draw(st.integers(0, d - 1))] = bad
    found = gram(X, weights, centre=centre, engine=engine)
    assert not np.isfinite(found.products[row, row])


@pytest.mark.parametrize(("n", "d"), [(150, 3000), (270, 800)])
def test_gram_on_any_number_of_threads(engine, n, d):
    X, _, weights = samples(n, d, 0, weighted=True)
    one, *others = (gram(X, weights, engine=engine, n_threads=k) for k in (1, 2, 3))
    for other in others:
        np.testing.assert_array_equal(other.products, one.products)
        np.testing.assert_array_equal(other.mean, one.mean)


def test_gram_in_many_chunks(engine, monkeypatch):
    native = pytest.importorskip("rmodels.ops.moments.native")
    monkeypatch.setattr(native, "CALL", 1e5)
    X, _, weights = samples(60, 700, 0, weighted=True)
    assert_gram_accurate(gram(X, weights, engine=engine), X, weights)


@pytest.mark.parametrize("weighted", [False, True])
def test_sums_and_differences(engine, weighted):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((200, 5)), rng.standard_normal((200, 2))
    w = rng.random(200) if weighted else None

    def of(rows):
        return moments(X[rows], Y[rows], None if w is None else w[rows], engine=engine)

    whole, first, second = of(slice(None)), of(slice(80)), of(slice(80, None))
    for found, expected in ((first + second, whole), (whole - first, second)):
        assert found.n_samples == expected.n_samples
        assert found.weight == pytest.approx(expected.weight, rel=1e-14)
        np.testing.assert_allclose(found.mean, expected.mean, atol=1e-15)
        np.testing.assert_allclose(found.scatter, expected.scatter, atol=1e-12)


def test_sums_keep_the_rest_of_the_means():
    # columns a million away: sums of means as they are rounded would lose six digits
    rng = np.random.default_rng(0)
    X = np.sort(rng.integers(0, 1000, (64, 1)), axis=0) / 1024 + 2.0**20
    parts = []
    for block in np.split(X, 8):
        found = moments(block, block[:, :0], engine="reference")
        parts.append(replace(found, rest=(block - found.mean).mean(axis=0)))
    total = sum(parts[1:], parts[0])
    exact = [Fraction(x) for x in X[:, 0].tolist()]
    mean = sum(exact) / 64
    assert abs(Fraction(total.mean[0]) + Fraction(total.rest[0]) - mean) < Fraction(1, 2**55)
    scatter = float(sum((x - mean) ** 2 for x in exact))
    assert total.scatter[0, 0] == pytest.approx(scatter, rel=1e-14)
