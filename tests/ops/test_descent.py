import numpy as np

from rmodels.ops.descent import descent, gradient

X = np.array([[1.0], [3.0]])
Y = np.array([[4.0], [4.0]])
COEFFICIENTS = np.array([[2.0], [1.0]])  # residuals 2·1 + 1 − 4 = −1 and 2·3 + 1 − 4 = 3


def test_gradient_by_hand(engine):
    found = gradient(X, Y, COEFFICIENTS, engine=engine)
    np.testing.assert_array_equal(found.gradient, [[4], [1]])
    np.testing.assert_array_equal(found.losses, [2.5])


def test_a_step_by_hand(engine):
    found = descent(X, Y, COEFFICIENTS, 0.5, 1, engine=engine)
    np.testing.assert_array_equal(found.coefficients, [[0], [0.5]])
    np.testing.assert_array_equal(found.losses, [[6.125]])
