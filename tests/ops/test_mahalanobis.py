"""The contract of squared Mahalanobis distances, on every engine."""

import numpy as np
import pytest
from combinations import each
from test_moments import LAYOUTS, UNIT

from rmodels.ops.mahalanobis import classify, diagonal, full


def data(n, d, k, seed=0):
    """Return rows, centres, precisions, and upper triangular factors."""
    rng = np.random.default_rng(seed)
    A = np.triu(rng.normal(size=(k, d, d)))
    return rng.normal(size=(n, d)), rng.normal(size=(k, d)), rng.random((k, d)), A


def in_order(X, centres, precisions):
    """Return the sums of `diagonal` one operation after the other, each rounded."""
    found = np.zeros((len(X), len(centres)))
    for j in range(X.shape[1]):
        gaps = X[:, j, np.newaxis].astype(np.float64) - centres[:, j]
        found = found + gaps * gaps * precisions[:, j]
    return found


def assert_measured(engine, X, centres, precisions, A):
    """Hold both results against their contracts."""
    found = diagonal(X, centres, precisions, engine=engine)
    assert found.dtype == np.float64
    expected = in_order(X, centres, precisions)
    if engine != "gpu":
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found, expected, rtol=2 * (X.shape[1] + 3) * UNIT)
    found = full(X, centres, A, engine=engine)
    assert found.dtype == np.float64
    gaps = X[:, np.newaxis].astype(np.longdouble) - centres
    parts = np.einsum("nkd,kde->nke", gaps, A.astype(np.longdouble))
    error = (X.shape[1] + 2) * UNIT * np.einsum("nkd,kde->nke", abs(gaps), abs(A))
    # squares and their sum: twice the error of a part, and a rounding for each addition
    sizes = abs(parts) + error
    bound = (2 * sizes * error + (X.shape[1] + 2) * UNIT * sizes**2).sum(axis=2)
    assert found.shape == bound.shape
    assert (abs(found - (parts**2).sum(axis=2)) <= bound).all()


def assert_classified(engine, X, centres, precisions, constants, **kwargs):
    """Hold places against the sums of `diagonal`, which have the same bits on most engines."""
    places, finite = classify(X, centres, precisions, constants, engine=engine, **kwargs)
    assert (places.dtype, places.shape, finite) == (np.int64, (len(X),), True)
    on = "gpu" if engine == "gpu" else "reference"
    scores = diagonal(X, centres, precisions, engine=on) * -0.5 + constants
    np.testing.assert_array_equal(places, scores.argmax(axis=1))


def test_by_hand(engine):
    X, centres = np.array([[1.0, 5.0], [2.0, 2.0]]), np.array([[0.0, 2.0], [2.0, 2.0]])
    precisions = np.array([[1.0, 1.0], [4.0, 2.0]])
    np.testing.assert_array_equal(
        diagonal(X, centres, precisions, engine=engine), [[10, 22], [4, 0]]
    )
    factors = np.array([[[1.0, 2.0], [0.0, 1.0]], [[0.5, 0.0], [0.0, 4.0]]])
    # (1, 3) A = (1, 5); (−1, 3) A = (−½, 12); (2, 0) A = (2, 4)
    np.testing.assert_array_equal(full(X, centres, factors, engine=engine), [[26, 144.25], [20, 0]])


def test_places_by_hand(engine):
    X, centres = np.array([[1.0], [2.0], [2.5], [9.0]]), np.array([[0.0], [4.0], [4.0], [9.0]])
    precisions, constants = np.ones((4, 1)), np.array([0.0, 0.0, 0.0, -np.inf])
    # 2 is as near to 0 as to 4, of which there are two; 9 is given nothing
    places, finite = classify(X, centres, precisions, constants, engine=engine)
    np.testing.assert_array_equal(places, [0, 0, 1, 1])
    assert finite
    nothing = np.full(4, -np.inf)
    np.testing.assert_array_equal(classify(X, centres, precisions, nothing, engine=engine)[0], 0)


@pytest.mark.parametrize("d", [0, 1, 3, 4, 23])
@each(n=[0, 1, 63, 64, 65, 200], k=[0, 1, 3, 4, 5, 9])
def test_shapes(engine, n, d, k):
    given = data(n, d, k)
    assert_measured(engine, *given)
    if k:
        assert_classified(engine, *given[:3], np.linspace(0, -0.3, k))


@pytest.mark.parametrize(("n", "d", "k"), [(3000, 40, 5), (70, 700, 2), (30, 3, 300)])
def test_many_rows_columns_and_centres(engine, n, d, k):
    given = data(n, d, k)
    assert_measured(engine, *given)
    assert_classified(engine, *given[:3], np.linspace(0, -3, k))


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_and_dtypes(engine, layout, dtype):
    X, *others = data(133, 29, 3)
    X = LAYOUTS[layout](X.astype(dtype))
    assert_measured(engine, X, *others)
    assert_classified(engine, X, *others[:2], np.array([0.0, 1.0, -1.0]))


@pytest.mark.parametrize(("dtype", "offset"), [("f", 1e5), ("d", 1e8)])
def test_an_offset_costs_no_digits(engine, dtype, offset):
    X, centres, *others = data(200, 9, 3)
    assert_measured(engine, (X + offset).astype(dtype), centres + offset, *others)


@pytest.mark.parametrize("measure", [diagonal, full])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_bits_do_not_depend_on_threads_or_batches(engine, measure, n_threads):
    X, centres, precisions, A = data(50_000, 5, 3)
    others = precisions if measure is diagonal else A
    whole = measure(X, centres, others, engine=engine, n_threads=n_threads)
    one = measure(X, centres, others, engine=engine, n_threads=1)
    np.testing.assert_array_equal(whole, one)
    if engine == "native":
        parts = [
            measure(X[i : i + 777], centres, others, engine=engine) for i in range(0, 7770, 777)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole[:7770])


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_places_do_not_depend_on_threads_or_batches(engine, n_threads):
    X, centres, precisions, _ = data(50_000, 5, 3)
    given = centres, precisions, np.zeros(3)
    assert_classified(engine, X, *given, n_threads=n_threads)
    whole, _ = classify(X, *given, engine=engine, n_threads=n_threads)
    for i in range(0, 7770, 777):
        part, _ = classify(X[i : i + 777], *given, engine=engine)
        np.testing.assert_array_equal(part, whole[i : i + 777])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
@pytest.mark.parametrize("row", [0, 41, 69])
def test_places_tell_of_what_is_not_finite(engine, value, row):
    X, centres, precisions, _ = data(70, 6, 3)
    constants = np.zeros(3)
    expected, finite = classify(X, centres, precisions, constants, engine=engine)
    assert finite
    X[row, 2] = value
    places, finite = classify(X, centres, precisions, constants, engine=engine)
    assert not finite
    np.testing.assert_array_equal(np.delete(places, row), np.delete(expected, row))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
def test_what_is_not_finite_shows_in_its_row(engine, value):
    X, centres, precisions, A = data(70, 6, 3)
    X[41, 2] = value
    A[:, 2, 2] = 1.0
    for found in (
        diagonal(X, centres, precisions, engine=engine),
        full(X, centres, A, engine=engine),
    ):
        bad = ~np.isfinite(found)
        assert bad[41].all()
        assert bad.sum() == 3


def test_input_is_not_changed(engine):
    given = data(70, 6, 3)
    before = [each.copy() for each in given]
    for array in given:
        array.setflags(write=False)
    diagonal(*given[:3], engine=engine)
    classify(*given[:3], np.zeros(3), engine=engine)
    full(*given[:2], given[3], engine=engine)
    for array, kept in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, kept)
