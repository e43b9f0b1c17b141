import numpy as np

from rmodels.ops.moments import gram, moments


def test_two_rows_by_hand(engine):
    found = moments(np.array([[1.0, 2.0], [3.0, 8.0]]), np.array([[5.0], [1.0]]), engine=engine)
    assert (found.n_samples, found.n_features, found.weight, found.engine) == (2, 2, 2, engine)
    np.testing.assert_array_equal(found.mean, [2, 5, 3])
    np.testing.assert_array_equal(found.scatter, [[2, 6, -4], [6, 18, -12], [-4, -12, 8]])


def test_inner_products_by_hand(engine):
    found = gram(np.array([[1.0, 2.0, 3.0], [3.0, 8.0, 5.0]]), engine=engine)
    np.testing.assert_array_equal(found.mean, [2, 5, 4])
    np.testing.assert_array_equal(found.products, [[11, -11], [-11, 11]])
