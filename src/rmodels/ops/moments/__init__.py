"""Means and centred second moments of the columns of [X | Y], and products of the rows of X."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rmodels import ops

__all__ = [
    "Gram",
    "GroupMoments",
    "Moments",
    "Scatter",
    "gram",
    "group_moments",
    "moments",
    "sparse_products",
]

Matrix = NDArray[np.float64]
Scatter = Literal["diagonal", "pooled", "full"]


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
    centred_late : bool
        Whether products about zero were summed and centred afterwards: a column whose mean is k
        standard deviations has lost a factor of 1 + k² then.
    """

    n_samples: int
    n_features: int
    weight: float
    mean: Matrix
    scatter: Matrix
    engine: str
    rest: Matrix | float = 0.0
    centred_late: bool = False

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
            self.centred_late or other.centred_late,
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
            centred_late=self.centred_late or other.centred_late,
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
class GroupMoments:
    """Sufficient statistics of groups of rows of Z = [X | Y], in float64.

    Attributes
    ----------
    n_features : int
        Columns of X; the rest are columns of Y.
    count : ndarray of shape (n_groups,)
        Rows seen of each group, whatever their weight.
    weight : ndarray of shape (n_groups,)
        W_g = Σ wᵢ of its rows.
    mean : ndarray of shape (n_groups, n_columns)
        μ_g = Σ wᵢ zᵢ / W_g; zeros when W_g is 0.
    scatter : ndarray
        With M_g = Σ wᵢ (zᵢ − μ_g)(zᵢ − μ_g)ᵀ over the rows of group g: their diagonals, (n_groups,
        n_columns); their sum, (n_columns, n_columns), "pooled"; or all of them, (n_groups,
        n_columns, n_columns), "full".
    kind : {"diagonal", "pooled", "full"}
        What `scatter` holds.
    engine : str
        What computed it.
    rest : ndarray of shape (n_groups, n_columns) or 0
        What rounding the means lost, where that is known: μ_g is mean + rest.
    """

    n_features: int
    count: NDArray[np.int64]
    weight: Matrix
    mean: Matrix
    scatter: Matrix
    kind: Scatter
    engine: str
    rest: Matrix | float = 0.0

    @np.errstate(over="ignore", invalid="ignore")
    def __add__(self, other: "GroupMoments") -> "GroupMoments":
        """Return the moments of the groups' rows of both batches together; see `Moments`."""
        alike = self.n_features, self.mean.shape, self.kind
        if alike != (other.n_features, other.mean.shape, other.kind):
            raise ValueError("moments of different columns, groups or kinds cannot be added")
        weight = self.weight + other.weight
        gap = (other.mean - self.mean) + (other.rest - self.rest)
        share = other.weight / np.where(weight > 0, weight, 1.0)
        gap[(self.weight == 0) | (other.weight == 0)] = 0.0
        step = share[:, np.newaxis] * gap + self.rest
        fresh = self.weight == 0  # of which the other's mean is all that is known
        start = np.where(fresh[:, np.newaxis], other.mean, self.mean)
        step = np.where(fresh[:, np.newaxis], other.rest, step)
        mean = start + step
        part = mean - start
        pull = self.weight * share
        if self.kind == "diagonal":
            apart = pull[:, np.newaxis] * gap**2
        elif self.kind == "pooled":
            apart = (gap.T * pull) @ gap
        else:
            apart = pull[:, np.newaxis, np.newaxis] * (gap[:, :, np.newaxis] * gap[:, np.newaxis])
        return GroupMoments(
            self.n_features,
            self.count + other.count,
            weight,
            mean,
            self.scatter + other.scatter + apart,
            self.kind,
            self.engine,
            (start - (mean - part)) + (step - part),
        )

    def group(self, number: int) -> Moments:
        """Return the moments of a group; `kind` must be "full".

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels.ops.moments import group_moments
        >>> X = np.array([[1.0], [5.0], [3.0]])
        >>> group_moments(X, np.empty((3, 0)), np.array([0, 1, 0]), 2).group(0).scatter
        array([[2.]])
        """
        if self.kind != "full":
            raise ValueError(f"a group's scatter matrix needs kind='full', not {self.kind!r}")
        rest = self.rest[number] if isinstance(self.rest, np.ndarray) else 0.0
        return Moments(
            int(self.count[number]),
            self.n_features,
            float(self.weight[number]),
            self.mean[number],
            self.scatter[number],
            self.engine,
            rest,
        )

    def spread_of_means(self) -> Matrix:
        """Return √W_g (μ_g − μ), whose products are what M exceeds Σ M_g by: like `mean`.

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels.ops.moments import group_moments
        >>> X = np.array([[1.0], [5.0], [3.0], [3.0]])
        >>> group_moments(X, np.empty((4, 0)), np.array([0, 1, 0, 1]), 2).spread_of_means()
        array([[-1.41421356],
               [ 1.41421356]])
        """
        total = self.weight.sum()
        shares = self.weight / total if total else self.weight
        origin = self.mean[np.argmax(self.weight)]
        apart = (self.mean - origin) + self.rest
        apart = np.where(self.weight[:, np.newaxis] > 0, apart, 0.0)
        found: Matrix = np.sqrt(self.weight)[:, np.newaxis] * (apart - shares @ apart)
        return found

    @cached_property
    def is_finite(self) -> bool:
        """Whether no NaN, no infinity and no overflow was met in any column."""
        squares = self.scatter
        if self.kind != "diagonal":
            squares = np.diagonal(self.scatter, axis1=-2, axis2=-1)
        return all(bool((abs(part) < np.inf).all()) for part in (squares, self.mean))


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


def group_moments(
    X: NDArray,
    Y: NDArray,
    groups: NDArray[np.int64],
    n_groups: int,
    weights: NDArray | None = None,
    *,
    scatter: Scatter = "full",
    engine: str | None = None,
    n_threads: int | None = None,
) -> GroupMoments:
    """Compute the moments of groups of rows of [X | Y] in one read of X.

    Parameters
    ----------
    X, Y, weights, engine, n_threads
        As in `moments`.
    groups : ndarray of shape (n_samples,), int64
        Of each row, from 0 to n_groups - 1. A tensor where X is one.
    n_groups : int
        Groups may have no rows.
    scatter : {"diagonal", "pooled", "full"}
        What is kept of the groups' scatter matrices: their diagonals, their sum, or all.

    Returns
    -------
    GroupMoments
        In float64, whatever the input's dtype. Bitwise the same for any number of threads.

    Notes
    -----
    Accuracy: that of `moments`, of each group's rows. NaN, infinity and overflow show in the
    diagonals of their groups.

    Memory beyond input and result: 8 bytes a row and what `moments` takes (pooled: one scatter
    matrix more); with "diagonal", and with "pooled" of fewer than 256 columns and 4,096 numbers in
    the means, 16 MB, or four times the result, and a fixed amount per thread.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.moments import group_moments
    >>> X, groups = np.array([[1.0], [5.0], [3.0], [5.0]]), np.array([0, 1, 0, 1])
    >>> found = group_moments(X, np.empty((4, 0)), groups, 2, scatter="diagonal")
    >>> found.mean, found.scatter
    (array([[2.],
           [5.]]), array([[2.],
           [0.]]))
    """
    name = ops.choose("moments", engine, X, Y, groups, weights)
    compute = ops.implementation("moments", name).group_moments
    found: GroupMoments = compute(X, Y, groups, n_groups, weights, scatter, n_threads)
    return found


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


def sparse_products(
    X: Any,
    weights: NDArray | None = None,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Matrix:
    """Compute the products of the columns of a CSR matrix.

    Parameters
    ----------
    X : csr_array of shape (n_samples, n_features), float32 or float64
        Neither changed, nor copied if the columns of each row ascend and none is there twice.
    weights, engine, n_threads
        As in `moments`; there is none for the GPU.

    Returns
    -------
    ndarray of shape (n_features, n_features)
        Σ wᵢ xᵢ xᵢᵀ, symmetric, in float64. Bitwise the same for any number of threads.

    Notes
    -----
    Accuracy: with m the most entries of a column, each is that of exact arithmetic within
    m · 2⁻⁵³ Σ wᵢ abs(x_ij x_ik). Memory beyond input and result: 32 MB; where the result takes
    more than that, 16 bytes an entry, at most 64 MB and those of one row.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from rmodels.ops.moments import sparse_products
    >>> sparse_products(sparse.csr_array(np.array([[1.0, 0.0], [3.0, 2.0]])))
    array([[10.,  6.],
           [ 6.,  4.]])
    """
    name = ops.choose("moments", engine)
    if name == "gpu":
        raise RuntimeError("engine='gpu' cannot run: sparse matrices are on the processor")
    found: Matrix = ops.implementation("moments", name).sparse_products(X, weights, n_threads)
    return found
