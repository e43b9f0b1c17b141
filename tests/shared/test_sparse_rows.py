"""Sparse rows of every kind are those of the array, to every estimator that takes them."""

import numpy as np
import pytest
from cases import CASES, answers
from scipy import sparse

import rmodels

taking = [case for case in CASES if case.make().__sklearn_tags__().input_tags.sparse]
KINDS = (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csc_array)


@pytest.mark.filterwarnings("ignore:cannot use tree with sparse input:UserWarning")
@pytest.mark.filterwarnings("ignore:Duplicate values are leading:UserWarning")  # rows of zeros
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("case", taking, ids=str)
def test_kinds_of_sparse_rows(case, wide, kind):
    X = sparse.random_array((90, 120 if wide else 6), density=0.3, random_state=0, format="csr")
    y = case.y
    expected, model = case.make().fit(X, y), case.make().fit(kind(X), y)
    found = answers(model, kind(X[:9]))
    for method, arrays in answers(expected, X[:9]).items():
        for ours, wanted in zip(found[method], arrays, strict=True):
            np.testing.assert_array_equal(ours, wanted)


def in_parts():
    """Return rows whose entries are out of order and in parts, in arrays that nobody may write."""
    rng = np.random.default_rng(0)
    places, values = rng.integers(0, 6, 360).astype(np.int32), rng.integers(1, 9, 360) / 8
    X = sparse.csr_array((values, places, np.arange(0, 361, 4, dtype=np.int32)), shape=(90, 6))
    for part in (X.data, X.indices, X.indptr):
        part.flags.writeable = False
    return X


@pytest.mark.filterwarnings("ignore:cannot use tree with sparse input:UserWarning")
@pytest.mark.parametrize("case", taking, ids=str)
def test_entries_out_of_order_and_in_parts_that_may_not_be_written(case):
    X, y = in_parts(), case.y
    whole = sparse.csr_array(X.toarray())  # sums of eighths are exact
    expected, model = case.make().fit(whole, y), case.make().fit(X, y)
    found = answers(model, X)
    for method, arrays in answers(expected, whole).items():
        for ours, wanted in zip(found[method], arrays, strict=True):
            # each is the answer to the digits that its family states, at least these
            np.testing.assert_allclose(ours, wanted, rtol=1e-8, atol=1e-8)
    assert X.nnz == 360


def test_estimators_take_them():
    names = {case.name for case in taking}
    assert {"LinearRegression", "PCA", "NearestCentroid", "KNeighborsClassifier"} <= names
    assert names <= set(rmodels.__all__)
