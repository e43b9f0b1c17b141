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


def test_estimators_take_them():
    names = {case.name for case in taking}
    assert {"LinearRegression", "PCA", "NearestCentroid", "KNeighborsClassifier"} <= names
    assert names <= set(rmodels.__all__)
