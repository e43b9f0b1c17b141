"""A sum of float64 without rounding, the same in any order."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = ["ExactSum"]

_LOWEST = -1126  # exponent of the least bit of a value that `frexp` gives with 53 bits
_BINS = 2152
_HALF = 27  # bits: values are split in two, so that many of them add up without rounding
_MOST = 1 << 16  # values at a time: halves of 2^24 are added in float64 exactly, of these in cache


@dataclass(frozen=True)
class ExactSum:
    """Σ v of finite v: integers by the exponent of what they count.

    Attributes
    ----------
    bins : ndarray of shape (2, 2152), int64
        Of the upper and the lower bits.
    special : float
        The sum of what is not finite; 0.0 if all is.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.solvers.exact_sum import ExactSum
    >>> (ExactSum.of(np.array([1e100, 1.0])) + ExactSum.of(np.array([-1e100]))).value
    1.0
    """

    bins: NDArray[np.int64]
    special: float = 0.0

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "ExactSum":
        """Return the sum of an array.

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels.solvers.exact_sum import ExactSum
        >>> ExactSum.of(np.full(10, 0.1)).value
        1.0
        """
        bins, special = np.zeros((2, _BINS), dtype=np.int64), 0.0
        for first in range(0, len(values), _MOST):
            part = values[first : first + _MOST]
            finite = np.isfinite(part)
            if not finite.all():
                with np.errstate(invalid="ignore"):
                    special += float(part[~finite].sum())
                part = part[finite]
            fractions, exponents = np.frexp(part)
            scaled = fractions * 2.0**_HALF  # no rounding: fractions are in [0.5, 1)
            upper = np.trunc(scaled)
            lower = (scaled - upper) * 2.0 ** (53 - _HALF)
            places = exponents - 53 - _LOWEST
            for line, counted in enumerate((upper, lower)):
                bins[line] += np.bincount(places, counted, minlength=_BINS).astype(np.int64)
        return cls(bins, special)

    def __add__(self, other: "ExactSum") -> "ExactSum":
        return ExactSum(self.bins + other.bins, self.special + other.special)

    @property
    def value(self) -> float:
        """The float64 that is nearest to the sum; infinite where it overflows."""
        if self.special != 0.0:
            return self.special
        total = 0
        for shift, line in zip((53 - _HALF, 0), self.bins, strict=True):
            for place in np.flatnonzero(line):
                total += int(line[place]) << int(place + shift)
        try:
            return float(Fraction(total, 1 << -_LOWEST))
        except OverflowError:
            return float("inf") if total > 0 else float("-inf")
