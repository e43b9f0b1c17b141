import numpy as np
import pytest

from rmodels.ops.nearest import METRICS, index, nearest, within


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("p", [1, 2, 3, 7])
def test_bitwise_equal_to_the_reference(engine, metric, p):
    rng = np.random.default_rng(0)
    X, Q = rng.integers(-3, 4, (129, 3)) * 0.1, rng.integers(-3, 4, (65, 3)) * 0.1
    truth = index(X, metric, p, engine="reference")
    built = index(X, metric, p, engine=engine)
    for k in (1, 5, 129):
        for ours, theirs in zip(nearest(built, Q, k), nearest(truth, Q, k), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for radius in (0.0, 0.1, 0.2, np.inf):
        for ours, theirs in zip(within(built, Q, radius), within(truth, Q, radius), strict=True):
            np.testing.assert_array_equal(ours, theirs)
