"""IncrementalPCA: the components of all rows, whatever the batches."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg, sparse

import rmodels
from rmodels import PCA, IncrementalPCA

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 6)) * [6, 5, 4, 3, 2, 1] + 100


@pytest.mark.parametrize("n_components", [None, 2])
@pytest.mark.parametrize("sizes", [[200], [50, 150], [7] * 28 + [4], [6, 194]])
def test_batches_of_any_size(n_components, sizes):
    whole = PCA(n_components).fit(X)
    model = IncrementalPCA(n_components)
    for part in np.split(X, np.cumsum(sizes)[:-1]):
        model.partial_fit(part)
    for name in ("components_", "explained_variance_", "mean_", "noise_variance_"):
        assert_allclose(getattr(model, name), getattr(whole, name), rtol=1e-9, atol=1e-12)
    assert model.n_samples_seen_ == 200
    assert_allclose(model.var_, X.var(axis=0), rtol=1e-12)
    assert_allclose(model.transform(X), whole.transform(X), atol=1e-9)


@pytest.mark.parametrize("rows", [X, sparse.csr_array(X), rmodels.scan(X), X[:5]])
def test_fit(rows):
    model, whole = IncrementalPCA(3, batch_size=10).fit(rows), PCA(3).fit(rows)
    dense = X if not isinstance(rows, np.ndarray) else rows
    assert_allclose(model.components_, whole.components_, atol=1e-12)
    assert_allclose(model.var_, dense.var(axis=0), rtol=1e-9)
    assert model.batch_size_ == 10
    assert IncrementalPCA().fit(X).batch_size_ == 30


def test_what_moments_lack_is_said():
    near = np.column_stack([X[:, 0], X[:, 0] + 1e-7 * X[:, 1]])
    assert IncrementalPCA().fit(near).solver_ == "rows"
    with pytest.warns(linalg.LinAlgWarning, match="fewer than eight digits"):
        IncrementalPCA().partial_fit(near)


def test_partial_fit_after_fit():
    model = IncrementalPCA(2).fit(X[:120])
    model.partial_fit(X[120:])
    assert_allclose(model.components_, PCA(2).fit(X).components_, atol=1e-12)
    wide = IncrementalPCA(2).fit(X[:5])
    assert wide.solver_ == "gram"
    with pytest.raises(ValueError, match="kept no moments"):
        wide.partial_fit(X[5:])


@pytest.mark.parametrize(
    ("parameters", "rows", "message"),
    [
        ({"n_components": 7}, X, "n_components=7 invalid for n_features=6"),
        ({"n_components": 3}, X[:2], "must be less or equal to the batch number of samples 2"),
        ({}, X[:1], "minimum of 2 is required"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_refusals(parameters, rows, message, method):
    model = IncrementalPCA(**parameters)
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(rows)
    assert not hasattr(model, "components_")


def test_sparse_batches_are_refused():
    with pytest.raises(TypeError, match="does not support sparse"):
        IncrementalPCA().partial_fit(sparse.csr_array(X))
    assert_array_equal(IncrementalPCA(1).fit(X).n_samples_seen_, 200)
