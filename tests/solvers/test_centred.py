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
