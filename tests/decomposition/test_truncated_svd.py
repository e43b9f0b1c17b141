"""TruncatedSVD: the largest singular values of rows as they are."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn import decomposition

import rmodels
from rmodels import TruncatedSVD

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(300, 10), (10, 40), (50, 50), (700, 600)])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_equal_to_the_singular_values(shape, make, offset):
    X = RNG.standard_normal(shape) * np.linspace(5, 1, shape[1]) ** 3 + offset
    model = TruncatedSVD(3).fit(make(X))
    _, singular, components = np.linalg.svd(X, full_matrices=False)
    assert_allclose(model.singular_values_, singular[:3], rtol=1e-11)
    assert_allclose(abs((model.components_ * components[:3]).sum(axis=1)), 1, atol=1e-9)
    projected = X @ components[:3].T
    assert_allclose(model.explained_variance_, projected.var(axis=0), rtol=1e-8)
    total = X.var(axis=0).sum()
    assert_allclose(model.explained_variance_ratio_, projected.var(axis=0) / total, rtol=1e-8)
    assert_allclose(model.transform(make(X)), X @ model.components_.T, atol=1e-9)
    assert_allclose(model.fit_transform(make(X)), X @ model.components_.T, atol=1e-9)


def test_equal_to_scikit_learn():
    X = RNG.standard_normal((100, 20)) * np.arange(1, 21)
    theirs = decomposition.TruncatedSVD(4, algorithm="arpack").fit(X)
    ours = TruncatedSVD(4).fit(X)
    for name in ("components_", "singular_values_", "explained_variance_"):
        assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-8, atol=1e-10)
    assert_allclose(
        ours.inverse_transform(ours.transform(X)), X @ ours.components_.T @ ours.components_
    )


def test_a_scan():
    X = RNG.standard_normal((100, 5)) + 3
    found, whole = TruncatedSVD(2).fit(rmodels.scan(X)), TruncatedSVD(2).fit(X)
    assert_allclose(found.components_, whole.components_, atol=1e-13)
    assert_allclose(found.explained_variance_, whole.explained_variance_, rtol=1e-12)


def test_a_wide_sparse_matrix_stays_sparse():
    X = sparse.random_array((600, 50_000), density=1e-4, random_state=0, format="csr")
    model = TruncatedSVD(5).fit(X)
    assert model.solver_ == "krylov"
    dense = X[:, np.unique(X.indices)].toarray()
    singular = np.linalg.svd(dense, compute_uv=False)
    assert_allclose(model.singular_values_, singular[:5], rtol=1e-9)


@pytest.mark.parametrize(
    ("n_components", "X", "message"),
    [
        (4, np.eye(3), r"n_components\(4\) must be <= n_features\(3\)"),
        (1, np.ones((3, 1)), "minimum of 2 is required"),
        (0, np.eye(3), "must be an int in the range"),
    ],
)
def test_refusals(n_components, X, message):
    with pytest.raises(ValueError, match=message):
        TruncatedSVD(n_components).fit(X)


def test_no_more_vectors_than_rows():
    assert TruncatedSVD(3).fit(np.eye(2, 5)).components_.shape == (2, 5)
