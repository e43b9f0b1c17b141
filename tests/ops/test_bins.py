"""The contract of sums by exponents, on every engine."""

from fractions import Fraction

import numpy as np
import pytest

from rmodels.ops.bins import HALF, LOWEST, bin_values


def total(bins):
    """Return the number that bins stand for."""
    return sum(
        Fraction(int(count)) * Fraction(2) ** (place + LOWEST + shift)
        for shift, line in zip((53 - HALF, 0), bins, strict=True)
        for place, count in enumerate(line)
        if count
    )


def test_by_hand(engine):
    bins, special = bin_values(np.array([1.0, -1.0, 2.5, 2.5]), engine=engine)
    assert total(bins) == 5
    assert special == 0
    assert bins.dtype == np.int64


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 8191, 8193, 70_000])
def test_sums_are_exact_and_the_same(engine, n):
    rng = np.random.default_rng(0)
    values = rng.normal(size=n) * 10.0 ** rng.integers(-20, 20, n)
    bins, special = bin_values(values, engine=engine, n_threads=3)
    np.testing.assert_array_equal(bins, bin_values(values, engine="reference")[0])
    assert total(bins) == sum(map(Fraction, values.tolist()))
    assert special == 0


def test_all_of_float64(engine):
    least, most = np.finfo(np.float64).smallest_subnormal, np.finfo(np.float64).max
    values = np.array(
        [0.0, -0.0, least, -3 * least, 2.0**-1030, 2.0**-1022, -most, most, 1 / 3, most]
    )
    bins, special = bin_values(values, engine=engine)
    np.testing.assert_array_equal(bins, bin_values(values, engine="reference")[0])
    assert total(bins) == sum(map(Fraction, values.tolist()))
    assert special == 0


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_is_told_apart(engine, bad):
    bins, special = bin_values(np.array([1.0, bad, 2.0, bad]), engine=engine)
    assert total(bins) == 3
    np.testing.assert_equal(special, bad)


def test_infinities_of_both_signs(engine):
    assert np.isnan(bin_values(np.array([np.inf, -np.inf]), engine=engine)[1])


def test_strides(engine):
    values = np.arange(100.0)[::-3]
    assert total(bin_values(values, engine=engine)[0]) == values.sum()
