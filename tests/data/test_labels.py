"""Labels become places among classes, in memory, in batches and on a cluster alike."""

import numpy as np
import pytest
import sklearn

from rmodels import GaussianNB, scan
from rmodels.data.labels import Encoding, encode, encode_by

RNG = np.random.default_rng(0)
WARNS = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 7)  # of that many classes
LARGE = 1 << 53  # up to which float64 holds all whole numbers


@pytest.mark.parametrize(
    "column",
    [
        np.array([3, -1, 3, 7]),
        np.array([5], dtype=np.uint8),
        np.array([250, 3, 250], dtype=np.uint8),
        np.array([-128, 127, 0], dtype=np.int8),
        np.array([True, False, True]),
        np.array([True]),
        np.array([2**64 - 1, 2**64 - 2], dtype=np.uint64),
        np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max]),
        np.array([LARGE, LARGE + 1, LARGE + 2]),
        np.array([0, 10**12]),
        np.array([1.0, 0.0, 1.0]),
        np.array([2.0, -0.0, 0.0], dtype=np.float32),
        np.array([LARGE, LARGE - 1.0]),
        np.array(["b", "a", "b"]),
        np.array(["b", "a", "b"], dtype=object),
        RNG.integers(-100, 100, 1000),
        RNG.integers(0, 200, 500).astype(float),
        RNG.integers(0, 3, 500)[::2],
    ],
    ids=lambda column: f"{column.dtype}-{len(column)}",
)
def test_places_are_those_of_sorted_labels(column):
    (labels,), codes = encode(column[:, np.newaxis])
    expected, places = np.unique(column, return_inverse=True)
    assert labels.dtype == expected.dtype
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(codes, places[:, np.newaxis])


@pytest.mark.parametrize("y", [[0.5, 1.0, 0.0, 2.0], [np.array([1]), 2, 3, 4]], ids=["part", "no"])
def test_what_is_no_class(y):
    held = np.empty(4, dtype=object if isinstance(y[0], np.ndarray) else float)
    held[:] = y
    with pytest.raises(ValueError, match="Unknown label type"):
        encode(held[:, np.newaxis])


def _in_memory(X, y):
    return X, y


def _in_batches(X, y):
    return scan(np.column_stack([X, y]), columns=[0]), 1


def _on_a_cluster(X, y):
    da = pytest.importorskip("dask.array", reason="the extra dask is not installed: dask")
    return da.from_array(X, chunks=(20, 1)), da.from_array(y, chunks=20)


@pytest.mark.parametrize("where", [_in_memory, _in_batches, _on_a_cluster])
@pytest.mark.parametrize(("n", "n_classes"), [(40, 25), (80, 25)])
def test_a_warning_where_most_rows_have_a_class_of_their_own(where, n, n_classes, recwarn):
    X, y = RNG.standard_normal((n, 1)), np.arange(n) % n_classes
    GaussianNB().fit(*where(X, y.astype(float)))
    assert _warnings_of_classes(recwarn) == (n_classes > n / 2 and WARNS)


@pytest.mark.parametrize("where", [_in_memory, _in_batches, _on_a_cluster])
def test_no_warning_of_classes_that_are_given_and_not_in_the_rows(where, recwarn):
    X, y = RNG.standard_normal((40, 1)), np.arange(40.0) % 2
    GaussianNB().partial_fit(*where(X, y), classes=np.arange(25.0))
    assert not _warnings_of_classes(recwarn)


def test_text_is_warned_of_once(recwarn):
    names = np.array([f"name {i % 25}" for i in range(40)], dtype=object)
    GaussianNB().fit(RNG.standard_normal((40, 1)), names)
    assert _warnings_of_classes(recwarn) == WARNS


def _warnings_of_classes(found):
    return sum("greater than 50%" in str(each.message) for each in found)


def test_what_is_no_class_of_several_targets():
    with pytest.raises(ValueError, match="Unknown label type: continuous-multioutput"):
        encode(np.array([[0.5, 1.0], [1.0, 2.5]]))


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "float64"])
@pytest.mark.parametrize("labels", [[0, 1, 2], [-3, 0, 120], [5], [0, 1000], [-300, 4, 7]])
def test_places_among_known_labels_are_those_of_a_search(dtype, labels):
    known = np.array(labels)
    held = [label for label in labels if np.array(label).astype(dtype) == label]
    column = np.array(held * 3, dtype=dtype)[::-1]
    found = encode_by(column[:, np.newaxis], [Encoding.of(known, known)], "")
    np.testing.assert_array_equal(known[found[:, 0]], column)
    strange = np.append(column, np.array(3, dtype))
    with pytest.raises(ValueError, match="holds the label 3"):
        encode_by(strange[:, np.newaxis], [Encoding.of(known, known)], "")
