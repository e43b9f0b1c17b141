"""Means and centred second moments of the columns of [X | Y], and products of the rows of X."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rmodels import ops

__all__ = ["Gram", "Moments", "gram", "moments"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Sufficient statistics of a batch of rows of Z = [X | Y], in float64.

    Attributes
    ----------
    n_samples : int
        Rows seen, whatever their weight.
    n_features : int
        Columns of X; the rest are columns of Y.
    weight : float
        W = Σ wᵢ.
    mean : ndarray of shape (n_features + n_targets,)
        μ = Σ wᵢ zᵢ / W; zeros when W is 0. A tensor, as is the next, for data on the GPU.
    scatter : ndarray of shape (n_features + n_targets, n_features + n_targets)
        M = Σ wᵢ (zᵢ − μ)(zᵢ − μ)ᵀ, symmetric.
    engine : str
        What computed it.
    rest : ndarray of shape (n_features + n_targets,) or 0
        What rounding the mean lost, where that is known: μ is mean + rest.
    """

    n_samples: int
    n_features: int
    weight: float
    mean: Matrix
    scatter: Matrix
    engine: str
    rest: Matrix | float = 0.0

    @np.errstate(over="ignore", invalid="ignore")
    def __add__(self, other: "Moments") -> "Moments":
        """Return the moments of both batches together.

        M = M_a + M_b + (W_a W_b / W)(μ_b − μ_a)(μ_b − μ_a)ᵀ: Chan, Golub and LeVeque, "Updating
        formulae and a pairwise algorithm for computing sample variances", 1979.
        """
        if (self.n_features, self.mean.shape) != (other.n_features, other.mean.shape):
            raise ValueError("moments of different columns cannot be added")
        weight = self.weight + other.weight
        gap = (other.mean - self.mean) + (other.rest - self.rest)
        share = other.weight / weight if weight else 0.0
        step = share * gap + self.rest
        mean = self.mean + step
        part = mean - self.mean
        return Moments(
            self.n_samples + other.n_samples,
            self.n_features,
            weight,
            mean,
            self.scatter + other.scatter + (self.weight * share) * (gap[:, np.newaxis] * gap),
            self.engine,
            (self.mean - (mean - part)) + (step - part),
        )

    @np.errstate(over="ignore", invalid="ignore")
    def __sub__(self, other: "Moments") -> "Moments":
        """Return the moments of this batch without the rows of another, which are part of it.

        The rounding errors are those of this batch: what is left of a sum of squares has that much
        fewer digits as it is smaller.
        """
        weight = self.weight - other.weight
        gap = (self.mean - other.mean) + (self.rest - other.rest)
        share = other.weight / weight if weight else 0.0
        return Moments(
            self.n_samples - other.n_samples,
            self.n_features,
            weight,
            self.mean + (share * gap + self.rest),
            self.scatter - other.scatter - (self.weight * share) * (gap[:, np.newaxis] * gap),
            self.engine,
        )

    def about_zero(self) -> Matrix:
        """Return Σ wᵢ zᵢ zᵢᵀ = M + W μ μᵀ.

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels.ops.moments import moments
        >>> moments(np.array([[1.0], [3.0]]), np.array([[2.0], [0.0]])).about_zero()
        array([[10.,  2.],
               [ 2.,  4.]])
        """
        return self.scatter + self.weight * (self.mean[:, np.newaxis] * self.mean)

    @cached_property
    def is_finite(self) -> bool:
        """Whether no NaN, no infinity and no overflow was met in any column.

        The diagonal tells: a value that is not finite leaves its column's sum of squares so.
        """
        finite = abs(self.scatter.diagonal()) < np.inf, abs(self.mean) < np.inf
        return all(bool(part.all()) for part in finite)


@dataclass(frozen=True, eq=False)
class Gram:
    """Inner products of the centred rows of X, for data with fewer rows than columns, in float64.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        μ = Σ wᵢ xᵢ / Σ wᵢ, or zeros if not centred.
    products : ndarray of shape (n_samples, n_samples)
        K_ij = √wᵢ √wⱼ (xᵢ − μ)·(xⱼ − μ).
    engine : str
        What computed it.
    """

    mean: Matrix
    products: Matrix
    engine: str


def moments(
    X: NDArray,
    Y: NDArray,
    weights: NDArray | None = None,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Moments:
    """Compute the moments of [X | Y] in one read of X.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Any strides that are multiples of the item size. Neither copied nor changed. n_samples and
        n_features may be 0.
    Y : ndarray of shape (n_samples, n_targets), float32 or float64
        Any strides; n_targets may be 0.
    weights : ndarray of shape (n_samples,), float32 or float64, optional
        At least 0; 1 each if not given.
    engine : str, optional
        As in `rmodels.set_config`, which gives the default.
    n_threads : int, optional
        Threads to use; the default is `rmodels.config.thread_count()`.

    Returns
    -------
    Moments
        In float64, whatever the input's dtype. Bitwise the same for any number of threads.

    Notes
    -----
    Accuracy: with σ_i the standard deviation of column i and n = n_samples, the mean μ_i is that
    of exact arithmetic within 8 √n · 2⁻⁵³ σ_i, before it is rounded itself, and M_ij within
    8 √n · 2⁻⁵³ √(M_ii M_jj) + 4 W · 2⁻¹⁰⁶ abs(μ_i μ_j); the last is what a column that does not
    vary may be left with. This holds for any offset of the columns, order of the rows and weights,
    as rounding errors go that are not all of one sign: the rows are shifted by a nearby constant
    before they are multiplied. Sums of Moments know the means of what is added as they are
    rounded, unless `rest` says more: an offset of k standard deviations costs a factor of 1 + k.

    A NaN or infinity in a column makes that column's diagonal entry of the scatter matrix NaN or
    infinite, so that no separate pass over X has to look for one. So does a sum that overflows.

    Memory beyond input and result: a fixed amount per thread, and 20 MB or three scatter matrices;
    the reference takes a float64 copy of [X | Y] as well.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.moments import moments
    >>> X, Y = np.array([[1.0], [2.0], [3.0], [6.0]]), np.array([[1.0], [1.0], [3.0], [3.0]])
    >>> whole = moments(X, Y)
    >>> whole.mean, whole.scatter
    (array([3., 2.]), array([[14.,  6.],
           [ 6.,  4.]]))
    >>> (moments(X[:3], Y[:3]) + moments(X[3:], Y[3:])).scatter
    array([[14.,  6.],
           [ 6.,  4.]])
    """
    name = ops.choose("moments", engine, X, Y, weights)
    return ops.implementation("moments", name).moments(X, Y, weights, n_threads)


def gram(
    X: NDArray,
    weights: NDArray | None = None,
    *,
    centre: bool = True,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Gram:
    """Compute the inner products of the rows of X, centred by their weighted mean.

    Parameters
    ----------
    X, weights, engine, n_threads
        As in `moments`.
    centre : bool
        Whether the mean is subtracted.

    Returns
    -------
    Gram
        In float64. Bitwise the same for any number of threads.

    Notes
    -----
    Accuracy: with K_max the largest entry of the diagonal, each entry is that of exact arithmetic
    within 8 √n_features · 2⁻⁵³ (K_max + 4 W · 2⁻¹⁰⁶ Σ μ_f²).

    NaN and infinity show on the diagonal of the products, as in `moments`. Memory beyond input and
    result: at most one float64 copy of X (native: a block of its columns, and a second result).

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.moments import gram
    >>> gram(np.array([[1.0, 5.0], [3.0, 5.0]])).products
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    name = ops.choose("moments", engine, X, weights)
    return ops.implementation("moments", name).gram(X, weights, centre, n_threads)
