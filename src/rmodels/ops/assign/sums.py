"""Sums of rows in fixed point."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LIMBS", "Sums", "split_rows"]

Matrix = NDArray[np.float64]

LIMBS = 3  # of a fixed-point sum
BITS = 30  # of a limb


@dataclass
class Sums:
    """Sums of rows by centres in fixed point, the same in any order.

    Of column j, w (x_j − shift_j) times a power of two that makes all of them at most 1 is rounded
    to a multiple of 2⁻⁹⁰, and the multiples are added as integers of three limbs of 30 bits; so is
    w. So a sum of n rows is off by n 2⁻⁹¹ of the largest value at most, and up to 2³² rows fit.

    Attributes
    ----------
    limbs : ndarray of shape (n_centres, 3, n_features + 1), int64
        All but the first in [0, 2³⁰), so that equal sums have equal limbs. The last column is Σ w.
    shift : ndarray of shape (n_features,)
    factors : ndarray of shape (n_features + 1,)
        The powers of two.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import Sums, add_sums
    >>> sums = Sums.of(2, np.array([4.0]), np.array([6.0]))
    >>> sums = add_sums(sums, np.array([[0.0], [1.0], [10.0]]), np.array([0, 0, 1], dtype=np.int32))
    >>> sums.weights(), sums.totals()
    (array([2., 1.]), array([[-7.],
           [ 6.]]))
    """

    limbs: NDArray[np.int64]
    shift: Matrix
    factors: Matrix

    @classmethod
    def of(cls, n_centres: int, shift: Matrix, reach: Matrix, heaviest: float = 1.0) -> "Sums":
        """Return sums of no rows.

        Parameters
        ----------
        n_centres : int
        shift, reach : ndarray of shape (n_features,)
            Columns are within shift − reach and shift + reach.
        heaviest : float
            The largest weight.

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels.ops.assign import Sums
        >>> Sums.of(1, np.zeros(1), np.array([3.0])).factors
        array([0.25, 1.  ])
        """
        exponents = np.frexp(np.append(heaviest * reach, heaviest))[1]
        exponents[-1] -= np.frexp(heaviest)[0] == 0.5
        limbs = np.zeros((n_centres, LIMBS, len(shift) + 1), dtype=np.int64)
        return cls(limbs, shift, np.ldexp(1.0, -np.clip(exponents, -900, 1000)))

    def __add__(self, other: "Sums") -> "Sums":
        return replace(self, limbs=carry(self.limbs + other.limbs))

    def __sub__(self, other: "Sums") -> "Sums":
        return replace(self, limbs=carry(self.limbs - other.limbs))

    def of_row(self, x: Matrix, weight: float = 1.0) -> NDArray[np.int64]:
        """Return what a row adds to the limbs of its centre: (3, n_features + 1)."""
        scaled = np.append((x - self.shift) * weight, weight) * self.factors
        return carry(split_rows(scaled[np.newaxis]))[0]

    def weights(self) -> Matrix:
        """Return Σ w of each centre."""
        return self._read(self.limbs[:, :, -1], self.factors[-1])

    def totals(self) -> Matrix:
        """Return Σ w (x − shift) of each centre: (n_centres, n_features)."""
        return self._read(self.limbs[:, :, :-1], self.factors[:-1])

    def _read(self, limbs: NDArray[np.int64], factors: Any) -> Matrix:
        """Return the float64 of integers, within two units of its last place."""
        negative = carry(limbs)[:, 0] < 0
        limbs = carry(np.where(negative[:, np.newaxis], -limbs, limbs))
        top, middle, low = (limbs[:, place] for place in range(LIMBS))
        rest = np.ldexp(low.astype(np.float64), -2 * BITS) + np.ldexp(middle * 1.0, -BITS)
        fine, coarse = (top & _MASK).astype(np.float64), (top >> BITS).astype(np.float64)
        found: Matrix = np.ldexp(((rest + fine) + np.ldexp(coarse, BITS)) / factors, -BITS)
        return np.where(negative, -found, found)


_MASK = (1 << BITS) - 1


def carry(limbs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the same integers with all limbs but the first in [0, 2³⁰): (rows, 3, columns).

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign.sums import carry
    >>> carry(np.array([[[1], [0], [-1]]])).ravel().tolist()
    [0, 1073741823, 1073741823]
    """
    found = limbs.copy()
    for place in range(LIMBS - 1, 0, -1):
        found[:, place - 1] += found[:, place] >> BITS
        found[:, place] &= _MASK
    return found


def split_rows(scaled: Matrix) -> NDArray[np.int64]:
    """Return the limbs of values of at most 1: (rows, 3, columns).

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import split_rows
    >>> split_rows(np.array([[1.0, 0.5**40]]))[0].tolist()
    [[1073741824, 0], [0, 1048576], [0, 0]]
    """
    parts, rest = [], scaled
    for _ in range(LIMBS):
        rest = np.ldexp(rest, BITS)
        whole = np.rint(rest)
        rest = rest - whole
        parts.append(whole.astype(np.int64))
    return np.stack(parts, axis=1)
