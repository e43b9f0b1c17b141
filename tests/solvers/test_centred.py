import numpy as np
import pytest
from scipy import sparse

from rmodels.solvers.centred import Centred


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(), (1,), (3,)])
def test_products_are_those_of_the_centred_array(shape, weighted):
    rng = np.random.default_rng(0)
    X = sparse.random_array((30, 12), density=0.3, random_state=0, format="csr")
    w = rng.random(30) if weighted else np.ones(30)
    mean = w @ X / w.sum()
    expected = np.sqrt(w)[:, np.newaxis] * (X.toarray() - mean)
    D = Centred(X, mean, np.sqrt(w) if weighted else None)
    b, r = rng.normal(size=(12, *shape)), rng.normal(size=(30, *shape))
    np.testing.assert_allclose(D.along_rows(b), expected @ b, atol=1e-14 * 12)
    np.testing.assert_allclose(D.along_columns(r), expected.T @ r, atol=1e-14 * 30)


@pytest.mark.parametrize("d", [12, 60_000])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (2,)])
@pytest.mark.parametrize("far", [False, True])
def test_products_of_arrays_are_in_float64(d, order, dtype, shape, far):
    rng = np.random.default_rng(0)
    X = np.asarray(rng.normal(size=(5, d)) + 1000 * far, dtype, order=order)
    mean = X.mean(axis=0, dtype=float)
    b, r = rng.normal(size=(d, *shape)), rng.normal(size=(5, *shape))
    expected = X.astype(np.float64) - mean
    D = Centred(X, mean, far=far)
    sizes = (abs(expected) + abs(mean) * (not far)) @ abs(b)
    # a sum of d terms, whose rounding is a walk
    assert (abs(D.along_rows(b) - expected @ b) <= 4 * np.sqrt(d) * 2.0**-53 * sizes).all()
    np.testing.assert_allclose(D.along_columns(r), expected.T @ r, atol=1e-14)
