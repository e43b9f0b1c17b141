"""The contract of linear predictions, on every engine."""

from itertools import product

import numpy as np
import pytest
from combinations import each
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from test_moments import LAYOUTS, UNIT

from rmodels import native
from rmodels.ops.affine import affine

ISAS = [f"native-{name}" for name in native.instruction_sets()]
on_processor = pytest.mark.parametrize("engine", ["reference", *ISAS], indirect=True)


def data(n, d, k, seed=0):
    """Return rows, coefficients and intercepts."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(k, d)), rng.normal(size=k)


def in_order(X, w, b):
    """Return one result at a time, each operation rounded: in float64, whatever X is."""
    found = np.empty((len(X), len(w)))
    for i, t in product(range(len(X)), range(len(w))):
        sums = [0.0] * 8
        for j in range(X.shape[1]):
            sums[j % 8] += float(X[i, j]) * float(w[t, j])
        low = (sums[0] + sums[1]) + (sums[2] + sums[3])
        found[i, t] = low + ((sums[4] + sums[5]) + (sums[6] + sums[7])) + float(b[t])
    return found


def assert_predicted(engine, X, w, b):
    """Hold results against the contract."""
    found = affine(X, w, b, engine=engine)
    exact = X.astype(np.longdouble) @ w.T.astype(np.longdouble) + b
    sizes = abs(X.astype(np.float64)) @ abs(w.T) + abs(b)
    single = X.dtype == w.dtype == b.dtype == np.float32
    assert found.dtype == (np.float32 if single else np.float64)
    assert found.shape == (len(X), len(w))
    if engine == "gpu":
        bound = (X.shape[1] + 2) * (2.0**-23 if single else 2 * UNIT) * sizes
    else:
        expected = in_order(X, w, b).astype(found.dtype)
        np.testing.assert_array_equal(found, expected)
        bound = (-(-X.shape[1] // 8) + 4) * UNIT * sizes + (abs(exact) * 2.0**-24 if single else 0)
    assert (abs(found - exact) <= bound * (1 + 2.0**-20)).all()


def test_by_hand(engine):
    X = np.array([[1.0, 5.0], [2.0, 2.0]])
    w, b = np.array([[3.0, 1.0], [0.0, -1.0]]), np.array([0.5, 1.0])
    np.testing.assert_array_equal(affine(X, w, b, engine=engine), [[8.5, -4.0], [8.5, -1.0]])


@on_processor
def test_the_order_of_the_sums(engine):
    # 2⁵³ and 1 are of one sum, and 1 is lost; −2⁵³ is of another
    X = np.zeros((1, 9))
    X[0, 0], X[0, 8], X[0, 1] = 2.0**53, 1.0, -(2.0**53)
    w, b = np.ones((1, 9)), np.zeros(1)
    assert affine(X, w, b, engine=engine) == 0.0
    X[0, 8], X[0, 2] = 0.0, 1.0  # the third sum comes after these two
    assert affine(X, w, b, engine=engine) == 1.0


@pytest.mark.parametrize("d", [0, 1, 3, 7, 8, 9, 16, 23, 40, 41])
@each(n=[0, 1, 2, 9, 17, 65], k=[0, 1, 2, 3, 4, 5, 9])
def test_shapes(engine, n, d, k):
    assert_predicted(engine, *data(n, d, k))


@pytest.mark.parametrize(("n", "d", "k"), [(3000, 20, 2), (40, 3000, 1), (40, 700, 5), (20, 3, 70)])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_many_rows_columns_and_targets(engine, n, d, k, layout):
    X, w, b = data(n, d, k)
    assert_predicted(engine, np.asarray(X, order=layout), w, b)


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_and_dtypes(engine, layout, dtype, k):
    X, w, b = data(133, 29, k)
    X = LAYOUTS[layout](X.astype(dtype))
    assert_predicted(engine, X, w, b)
    assert_predicted(engine, X, w.astype("f"), b)
    assert_predicted(engine, X, w.astype("f"), b.astype("f"))


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_bits_do_not_depend_on_threads_or_batches(engine, layout, k, n_threads):
    X, w, b = data(20_000, 11, k)
    X = np.asarray(X, order=layout)
    whole = affine(X, w, b, engine=engine, n_threads=n_threads)
    np.testing.assert_array_equal(whole, affine(X, w, b, engine=engine, n_threads=1))
    if engine != "gpu":
        parts = [affine(X[i : i + 777], w, b, engine=engine) for i in range(0, 7770, 777)]
        np.testing.assert_array_equal(np.concatenate(parts), whole[:7770])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("column", [0, 7, 18])
def test_what_is_not_finite_shows_in_its_row(engine, value, layout, k, column):
    X, w, b = data(70, 19, k)
    w[:, column] = 0.0
    X[41, column] = value
    bad = ~np.isfinite(affine(np.asarray(X, order=layout), w, b, engine=engine))
    assert bad[41].all()
    assert bad.sum() == k


def test_what_overflows_is_infinite_without_a_warning(engine):
    X, w, b = np.full((3, 9), 1e200), np.full((2, 9), 1e200), np.zeros(2)
    np.testing.assert_array_equal(affine(X, w, b, engine=engine), np.inf)
    X, w, b = (np.full(shape, 1e30, np.float32) for shape in ((3, 9), (2, 9), 2))
    np.testing.assert_array_equal(affine(X, w, b, engine=engine), np.inf)


def test_other_columns_are_an_error(engine):
    X, w, b = data(5, 4, 2)
    with pytest.raises(ValueError, match="X has 3 columns, and there are coefficients of 4"):
        affine(X[:, :3], w, b, engine=engine)


def test_input_is_not_changed(engine):
    arrays = data(70, 6, 3)
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.setflags(write=False)
    affine(*arrays, engine=engine)
    for array, kept in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, kept)


NUMBERS = st.floats(-1e100, 1e100, allow_subnormal=True)


@on_processor
@given(
    X=hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.just(11)), elements=NUMBERS),
    w=hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.just(11)), elements=NUMBERS),
)
def test_the_same_bits_of_any_numbers(engine, X, w):
    b = w[:, 0].copy()
    expected = affine(X, w, b, engine="reference")
    for kind in (
        np.ascontiguousarray,
        np.asfortranarray,
        lambda A: np.repeat(A, 2, axis=1)[:, ::2],
    ):
        np.testing.assert_array_equal(affine(kind(X), w, b, engine=engine), expected)
