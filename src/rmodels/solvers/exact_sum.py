"""A sum of float64 without rounding, the same in any order."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.bins import HALF, LOWEST, bin_values

__all__ = ["ExactSum"]


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
        return cls(*bin_values(values))

    def __add__(self, other: "ExactSum") -> "ExactSum":
        return ExactSum(self.bins + other.bins, self.special + other.special)

    @property
    def value(self) -> float:
        """The float64 that is nearest to the sum; infinite where it overflows."""
        if self.special != 0.0:
            return self.special
        total = 0
        for shift, line in zip((53 - HALF, 0), self.bins, strict=True):
            for place in np.flatnonzero(line):
                total += int(line[place]) << int(place + shift)
        try:
            return float(Fraction(total, 1 << -LOWEST))
        except OverflowError:
            return float("inf") if total > 0 else float("-inf")
