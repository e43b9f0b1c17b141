"""What is checked quickly is checked as scikit-learn checks it."""

import warnings

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier as Theirs

import rmodels
from rmodels import (
    GaussianNB,
    KNeighborsClassifier,
    LinearRegression,
    NearestNeighbors,
    data,
    native,
)
from rmodels.data import checks, parts
from rmodels.data.checks import is_surely_finite

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))


@pytest.mark.parametrize("size", [1, 7, 4096, 4097, 10_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_value_that_is_not_finite_is_seen(size, dtype):
    for place in (0, size // 2, size - 1):
        for value in (np.nan, np.inf, -np.inf):
            A = np.zeros((1, size), dtype)
            assert is_surely_finite(A)
            A[0, place] = value
            assert not is_surely_finite(A)


@pytest.mark.parametrize("size", [3, 5000])
def test_infinities_of_both_signs_and_sums_that_overflow(monkeypatch, size):
    A = np.zeros(size)
    A[0], A[-1] = np.inf, -np.inf
    assert not is_surely_finite(A)
    A[0], A[-1] = 1.7e308, 1.7e308
    assert is_surely_finite(A) == (native.load() is not None)
    monkeypatch.setattr(checks.native, "load", lambda: None)  # as it was built without a compiler
    assert not is_surely_finite(A)  # finite, but not surely: then each value is looked at
    monkeypatch.undo()
    model = LinearRegression().fit(np.eye(3), [1.0, 2.0, 3.0])
    with np.errstate(all="ignore"):
        model.predict(np.array([[1.7e308, 1.7e308, 0.0]]))


def test_slices_are_checked_where_they_are():
    A = np.zeros((6, 6))
    A[::2, ::2] = np.nan
    assert is_surely_finite(A[1::2, 1::2])
    assert not is_surely_finite(A[:, ::-1])
    assert not is_surely_finite(A.T[::2])


@pytest.mark.parametrize("name", native.instruction_sets())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_value_of_every_layout_is_looked_at(monkeypatch, name, dtype):
    monkeypatch.setenv("RMODELS_ISA", name)
    all_finite = native.load().all_finite
    rng = np.random.default_rng(1)
    for shape in ((1, 1), (1, 300), (37, 29), (3, 70_000), (70_000, 2)):
        whole = np.full((2 * shape[0] + 1, 2 * shape[1] + 1), np.nan, dtype)
        for view in (
            np.zeros(shape, dtype),
            np.zeros(shape, dtype, order="F"),
            whole[1 : shape[0] + 1, 1 : shape[1] + 1],
            whole[1::2, 1::2],
            whole[::-2, ::-2][: shape[0], : shape[1]],
            whole.T[1::2, 1::2].T,
        ):
            assert view.shape == shape
            view[:] = rng.normal(size=shape)
            view[0, 0] = np.finfo(dtype).max
            assert all_finite(view, 2)
            for value in (np.nan, np.inf, -np.inf):
                for row, column in (
                    (0, 0),
                    (shape[0] - 1, shape[1] - 1),
                    *rng.integers(0, shape, (3, 2)),
                ):
                    kept, view[row, column] = view[row, column], value
                    assert not all_finite(view, 1)
                    assert not all_finite(view, 2)
                    view[row, column] = kept
    for shape in ((0,), (0, 3), (3, 0)):
        assert all_finite(np.empty(shape, dtype), 2)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, bool])
def test_whole_labels_keep_their_dtype(dtype):
    y = np.array([0, 1, 1, 0], dtype)
    model = KNeighborsClassifier(1).fit(np.arange(4.0)[:, np.newaxis], y)
    assert model.classes_.dtype == y.dtype
    np.testing.assert_array_equal(model.predict([[0.1], [2.2]]), y[[0, 2]])


@pytest.mark.parametrize("classes", [12, 13, 25])
def test_as_many_classes_as_rows_are_warned_of(classes):
    X = np.arange(25.0)[:, np.newaxis]
    y = np.arange(25) % classes

    for estimator in (Theirs(1), KNeighborsClassifier(1), GaussianNB()):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator.fit(X, y)
        assert ["greater than 50%" in str(each.message) for each in caught] == [True] * (
            classes > 12 and SKLEARN >= (1, 7)
        )


def test_labels_and_rows_have_one_length():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        GaussianNB().fit(np.eye(3), np.array([0, 1]))


def test_what_was_not_fitted_says_so():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        NearestNeighbors().kneighbors([[0.0]])
    broken = NearestNeighbors()
    with pytest.raises(ValueError, match="NaN"):
        broken.fit([[np.nan]])
    with pytest.raises(NotFittedError, match="not fitted yet"):
        broken.kneighbors([[0.0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_a_matrix_are_checked_where_they_are(dtype):
    X = sparse.csr_array(np.eye(4, 3, dtype=dtype))
    y = np.arange(4.0, dtype=dtype)
    rows = data.source(LinearRegression(), X, y, targets="numbers")
    assert rows.X is X
    model = LinearRegression().fit(X, y)
    assert model.n_features_in_ == 3
    with pytest.raises(ValueError, match="X has 2 features, but LinearRegression is expecting 3"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LinearRegression().fit(X, y[:3])
    X.data[1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.predict(X)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        LinearRegression().fit(X, y)


def test_other_matrices_become_rows():
    X = sparse.csc_array(np.eye(4, 3))
    assert data.source(LinearRegression(), X, np.ones(4), targets="numbers").X.format == "csr"
    whole = sparse.csr_array(np.eye(4, 3, dtype=np.int64))
    found = data.source(LinearRegression(), whole, np.ones(4), targets="numbers")
    assert found.X.dtype == np.float64
    with pytest.raises(ValueError, match="minimum of 1 is required"):
        LinearRegression().fit(sparse.csr_array((0, 3)), np.ones(0))
    line = sparse.coo_array(np.ones(4))
    without_2d = "Expected 2D input|Cannot convert a 1d"  # the latter by SciPy 1.13
    with pytest.raises(ValueError, match=without_2d):
        LinearRegression().fit(line, np.ones(4))
    with pytest.raises(ValueError, match=without_2d):
        LinearRegression().fit(np.eye(4), np.ones(4)).predict(line)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(1_100_003,), (1025, 1031), (3, 400_000)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_much_is_read_on_all_threads(monkeypatch, shape, order, value):
    A = np.asarray(np.random.default_rng(0).normal(size=shape), order=order)
    assert A.nbytes >= checks._MUCH
    flat = A.ravel("K")
    assert np.shares_memory(flat, A)
    asked = []
    load = checks.native.load
    monkeypatch.setattr(checks.native, "load", lambda: asked.append(1) or load())
    assert is_surely_finite(A)
    assert asked
    for place in (0, 1023, 1024, flat.size // 2, flat.size - 1):
        kept, flat[place] = flat[place], value
        assert not is_surely_finite(A)
        flat[place] = kept
    monkeypatch.setattr(checks.native, "load", lambda: None)  # as it was built without a compiler
    assert is_surely_finite(A)
    flat[-1] = value
    assert not is_surely_finite(A)


@pytest.mark.parametrize("kind", ["U9", "S9", np.dtypes.StringDType])
def test_text_of_digits_in_parts_and_as_distances(kind):
    rows = np.array([["0", "1"], ["1", "0"]]).astype(kind() if callable(kind) else kind)
    said = "holds text: dtype='numeric' is not compatible"
    with pytest.raises(ValueError, match=f"Input X {said}"):
        NearestNeighbors(metric="precomputed").fit(rows)
    with pytest.raises(ValueError, match="two dimensions and of numbers is needed"):
        GaussianNB().fit(rmodels.scan(lambda: iter([rows])), [0, 1])
    part = parts.Part("GaussianNB", ["a", "b"], np.dtype(np.float64))
    with pytest.raises(ValueError, match=f"Input X, partition 3, {said}"):
        part.rows(rows, None, None, "partition 3")


def test_digits_among_objects_are_numbers_as_in_scikit_learn():
    rows = np.array([["0"], [1], ["2.5"]], object)
    assert data.source(GaussianNB(), rows).X.ravel().tolist() == [0.0, 1.0, 2.5]
    with pytest.raises(ValueError, match="could not convert string to float"):
        data.source(GaussianNB(), np.array([["a"]], object))
