"""The block Krylov method: eigenvalues with a tested residual, repeated ones too."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from rmodels.data import Rows
from rmodels.solvers.krylov import find_largest, iterate


@cache
def orthogonal(n):
    return np.linalg.qr(np.random.default_rng(0).standard_normal((n, n)))[0]


def matrix_of(values):
    V = orthogonal(len(values))
    return (V * values) @ V.T


SPECTRA = {
    "far apart": np.arange(400.0, 0, -1) ** 2,
    "a few, and noise": np.concatenate([[50, 40, 30], np.linspace(1.1, 1, 397)]),
    "repeated": np.concatenate([np.full(7, 9.0), np.linspace(5, 1, 393)]),
    "of low rank": np.concatenate([[3, 2, 1], np.zeros(397)]),
    "nothing": np.zeros(400),
}


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_largest_eigenvalues(spectrum, width, k):
    values = SPECTRA[spectrum]
    A = matrix_of(values)
    found, V, residual = iterate(lambda block: A @ block, len(A), k, width)
    assert residual <= 1e-10
    # an eigenvalue is within the residual of what was found
    assert_allclose(found, values[:k], atol=2e-10 * values[0])
    assert_allclose(V.T @ V, np.eye(k), atol=1e-12)
    assert np.linalg.norm(A @ V - V * found, axis=0).max() <= 2e-10 * values[0]


def test_more_than_a_block_may_miss():
    values = np.concatenate([np.full(30, 2.0), np.full(370, 1.0)])
    A = matrix_of(values)
    found, _, residual = iterate(lambda block: A @ block, len(A), 25, 2)
    assert residual <= 1e-10
    assert_allclose(found, 2.0, atol=1e-9)


def test_a_small_matrix_is_exhausted():
    values = np.array([5.0, 4.0, 3.0, 2.0])
    A = matrix_of(values)
    found, _, _ = iterate(lambda block: A @ block, 4, 4, 2)
    assert_allclose(found, values, rtol=1e-12)


@pytest.mark.parametrize("shape", [(300, 250), (220, 380)])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("centre", [False, True])
def test_rows(shape, make, centre):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape) * (rng.random(shape) < 0.1)
    X[:, :3] *= [30, 20, 10]
    mean = X.mean(axis=0) if centre else np.zeros(shape[1])
    found, V, residual = find_largest(Rows(make(X)), 4, mean)
    _, singular, expected = np.linalg.svd(X - mean, full_matrices=False)
    assert residual <= 1e-10
    assert_allclose(found, singular[:4] ** 2, rtol=1e-9)
    assert_allclose(abs((V * expected[:4]).sum(axis=1)), 1.0, atol=1e-9)
