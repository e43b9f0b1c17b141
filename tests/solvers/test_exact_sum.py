"""Sums without rounding."""

import math

import numpy as np
import pytest

from rmodels.solvers.exact_sum import ExactSum


@pytest.mark.parametrize("seed", range(5))
def test_is_rounded_once(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=1000) * 10.0 ** rng.integers(-300, 300, 1000)
    values[::7] = -values[1::7][: len(values[::7])] if seed else values[::7]
    assert ExactSum.of(values).value == math.fsum(values)
    parts = [ExactSum.of(values[i : i + 13]) for i in range(0, 1000, 13)]
    assert sum(parts[::-1][1:], parts[-1]).value == math.fsum(values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], 0.0),
        ([5e-324, 5e-324], 1e-323),
        ([1.0, 1e-320, -1.0], 1e-320),
        ([1.7e308, 1.7e308], math.inf),
        ([1.7e308, 1.7e308, -1.7e308], 1.7e308),
        ([math.inf, 1.0], math.inf),
    ],
)
def test_edges(values, expected):
    assert ExactSum.of(np.array(values)).value == expected


def test_opposite_infinities_are_no_number():
    assert math.isnan(ExactSum.of(np.array([math.inf, -math.inf])).value)
