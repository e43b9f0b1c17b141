"""Sums by exponents by their definition: read this first."""

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.bins import BINS, HALF, LOWEST

_MOST = 1 << 16  # values at a time: halves of 2^24 are added in float64 exactly, of these in cache


def bin_values(
    values: NDArray[np.float64], n_threads: int | None
) -> tuple[NDArray[np.int64], float]:
    """Split each value in two, and count the parts by its exponent."""
    bins, special = np.zeros((2, BINS), dtype=np.int64), 0.0
    for first in range(0, len(values), _MOST):
        part = values[first : first + _MOST]
        finite = np.isfinite(part)
        if not finite.all():
            with np.errstate(invalid="ignore"):
                special += float(part[~finite].sum())
            part = part[finite]
        fractions, exponents = np.frexp(part)
        scaled = fractions * 2.0**HALF  # no rounding: fractions are in [0.5, 1)
        upper = np.trunc(scaled)
        lower = (scaled - upper) * 2.0 ** (53 - HALF)
        places = exponents - 53 - LOWEST
        for line, counted in enumerate((upper, lower)):
            bins[line] += np.bincount(places, counted, minlength=BINS).astype(np.int64)
    return bins, special
