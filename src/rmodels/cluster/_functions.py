"""k-means and its seeds, as functions."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_random_state

from rmodels import data
from rmodels.base.sklearn import Interval, validate_params
from rmodels.cluster._kmeans import KMeans
from rmodels.data import Need, Rows
from rmodels.data.arrays import as_kind_of
from rmodels.exceptions import NotCoveredError
from rmodels.solvers.seeds import draw_plus_plus

__all__ = ["k_means", "kmeans_plusplus"]


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "sample_weight": ["array-like", None],
        "return_n_iter": [bool],
    },
    prefer_skip_nested_validation=False,
)
def k_means(
    X: Any,
    n_clusters: int,
    *,
    sample_weight: ArrayLike | None = None,
    init: str | Callable[..., ArrayLike] | ArrayLike = "k-means++",
    n_init: int | str = "auto",
    max_iter: int = 300,
    verbose: bool = False,
    tol: float = 1e-4,
    random_state: int | np.random.RandomState | None = None,
    copy_x: bool = True,
    algorithm: str = "lloyd",
    return_n_iter: bool = False,
) -> tuple[Any, ...]:
    """Cluster rows by k-means, and return what `KMeans` finds.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
    n_clusters, init, n_init, max_iter, verbose, tol, random_state, copy_x, algorithm
        As in `KMeans`.
    sample_weight : array-like of shape (n_samples,), default=None
        At least 0, not all 0.
    return_n_iter : bool, default=False
        Whether the number of iterations is returned as well.

    Returns
    -------
    centroid : ndarray of shape (n_clusters, n_features)
    label : ndarray of shape (n_samples,), int32
    inertia : float
    best_n_iter : int
        With `return_n_iter`.

    Examples
    --------
    >>> from rmodels import k_means
    >>> centres, labels, inertia = k_means([[0.0], [1.0], [9.0]], 2, random_state=0)
    >>> centres, labels, inertia
    (array([[0.5],
           [9. ]]), array([0, 0, 1], dtype=int32), 0.5)
    """
    model = KMeans(
        n_clusters,
        init=init,
        n_init=n_init,
        max_iter=max_iter,
        verbose=verbose,
        tol=tol,
        random_state=random_state,
        copy_x=copy_x,
        algorithm=algorithm,
    ).fit(X, sample_weight=sample_weight)
    found = model.cluster_centers_, model.labels_, model.inertia_
    return (*found, model.n_iter_) if return_n_iter else found


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "sample_weight": ["array-like", None],
        "x_squared_norms": ["array-like", None],
        "random_state": ["random_state"],
        "n_local_trials": [Interval(Integral, 1, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def kmeans_plusplus(
    X: Any,
    n_clusters: int,
    *,
    sample_weight: ArrayLike | None = None,
    x_squared_norms: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
    n_local_trials: int | None = None,
) -> tuple[Any, NDArray[np.int64]]:
    """Draw rows for k-means to begin with: by weight times squared distance to the nearest so far.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
    n_clusters : int
        How many.
    sample_weight : array-like of shape (n_samples,), default=None
        At least 0, not all 0.
    x_squared_norms : array-like of shape (n_samples,), default=None
        Accepted for compatibility: distances come from differences.
    random_state : int, RandomState instance or None, default=None
        In float64, the rows that scikit-learn draws.
    n_local_trials : int, default=None
        Of how many each is the best, that with the least Σ w distance²; None: 2 + log(n_clusters).

    Returns
    -------
    centers : ndarray of shape (n_clusters, n_features)
    indices : ndarray of shape (n_clusters,)
        The rows that they are.

    Notes
    -----
    At most n_samples · n_clusters · (n_local_trials + 1) · n_features operations, most of them in
    float32 with a bound on the error; 32 bytes a row.

    Source: D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", 2007.

    Examples
    --------
    >>> from rmodels import kmeans_plusplus
    >>> kmeans_plusplus([[0.0], [1.0], [9.0]], 2, random_state=0)
    (array([[1.],
           [9.]]), array([1, 2]))
    """
    need = Need(missing="refuse", exact_weights=True)
    source = data.source(KMeans(n_clusters), X, None, sample_weight, need=need)
    if not isinstance(source, Rows):
        raise NotCoveredError(
            "kmeans_plusplus draws from rows in memory: give an array, or have KMeans draw from X"
        )
    n = source.X.shape[0]
    if n < n_clusters:
        raise ValueError(f"n_samples={n} should be >= n_clusters={n_clusters}.")
    if x_squared_norms is not None:
        norms = check_array(x_squared_norms, dtype=source.dtype, ensure_2d=False)
        if len(norms) != n:
            raise ValueError(
                f"The length of x_squared_norms {len(norms)} should be equal to the length of "
                f"n_samples {n}."
            )
    drawn = check_random_state(random_state)
    centres, places = draw_plus_plus(source, n_clusters, drawn, n_local_trials, None)
    dtype = getattr(X, "dtype", source.dtype)
    centres = centres.astype(dtype if isinstance(dtype, np.dtype) else source.dtype)
    return as_kind_of(centres, X), places
