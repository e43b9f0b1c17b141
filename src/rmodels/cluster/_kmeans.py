"""k-means."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from rmodels import data
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import StrOptions
from rmodels.base.warnings import warn
from rmodels.cluster._seeded import SeededCentres
from rmodels.data import Need, Source
from rmodels.data.arrays import as_kind_of, convert_like, namespace
from rmodels.solvers.lloyd import Clustering, Lloyd, find_extent
from rmodels.solvers.seeds import sample_rows

__all__ = ["KMeans"]

_NEED = Need(exact_weights=True)


class KMeans(SeededCentres):
    """Clusters of rows about centres, each the mean of the rows that are nearest to it.

    With m_c the centres and w the weights, Lloyd's algorithm goes down with

        inertia = Σ_i w_i min_c ‖x_i − m_c‖²

    by turns: each row takes the nearest centre, each centre the mean of its rows. It ends when no
    row changes, or when the centres hardly move.

    Parameters
    ----------
    n_clusters : int, default=8
    init : {"k-means++", "random"}, callable or array-like of shape (n_clusters, n_features), \
            default="k-means++"
        Where centres begin. "k-means++": rows far from each other, drawn by weight times squared
        distance to the nearest so far, each the best of 2 + log(n_clusters). "random": rows. With
        the same `random_state` they are scikit-learn's, but for float32. A callable gets X,
        n_clusters and random_state=, and returns an array. Of a scan or a cluster, "k-means++" and
        "random" draw from all rows if they fit in a quarter of the setting `memory_limit`, else
        from a uniform sample that does, and a callable gets these.
    n_init : int or "auto", default="auto"
        How many runs, of which the one with the least inertia is kept. "auto": 1 for "k-means++"
        and arrays, else 10.
    max_iter : int, default=300
    tol : float, default=1e-4
        A run ends when the squares of the moves of all centres add up to at most this times the
        mean variance of the columns, which is taken without weights.
    verbose : int, default=0
        Whether each iteration is told of.
    random_state : int, RandomState instance or None, default=None
    copy_x : bool, default=True
        Accepted for compatibility. X is never changed, and not copied.
    algorithm : {"lloyd", "elkan"}, default="lloyd"
        Accepted for compatibility: bounds as Elkan's are always used, and change no result.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        In the dtype of X; of a tensor in its kind.
    labels_ : ndarray of shape (n_samples,), int32
        The centre that is nearest to each row by its distance in float64, of equal ones the first.
        Of a scan or a cluster, too: 4 bytes a row.
    inertia_ : float
        Of `cluster_centers_` and `labels_`, in float64.
    n_iter_ : int
        Iterations of the run that was kept.
    inertia_history_ : ndarray, a number for each iteration
        Inertia after each iteration, of its labels and the means of their rows. To the rounding
        of the squares of the rows about the middle of the columns.
    engine_ : {"reference", "native", "gpu"}
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Notes
    -----
    Sums of rows are in fixed point, and labels exact: all attributes have the same bits for any
    number of threads, on any instruction set, on a GPU, and for the same rows in an array, in
    batches or on a cluster, as long as the centres begin with the same rows.

    A centre without a row takes the row that is farthest from its own centre, as in scikit-learn;
    of several, the first takes the farthest.

    At most n_samples · n_clusters · n_features operations an iteration; less as the rows come to
    rest, as those whose bounds hold are not read, and of others only centres that have moved far
    are asked where these tell. Memory: 24 bytes a row (36 with weights, 50 while a centre without
    rows takes one), and while centres are drawn a float32 copy of rows of at most 64 columns,
    within an eighth of the setting `memory_limit`. A scan is read once an iteration, and twice
    beside; its bounds are kept if they fit in a quarter of the limit, else it is read once more.
    Tensors on a GPU stay there, and no bounds are kept. Sparse X becomes arrays, a block within the
    memory limit at a time.

    Source: S. Lloyd, "Least squares quantization in PCM", 1982; D. Arthur, S. Vassilvitskii,
    "k-means++: the advantages of careful seeding", 2007.

    Examples
    --------
    >>> from rmodels import KMeans
    >>> X = [[1.0, 2.0], [1.0, 4.0], [1.0, 0.0], [10.0, 2.0], [10.0, 4.0], [10.0, 0.0]]
    >>> model = KMeans(2, random_state=0).fit(X)
    >>> model.labels_
    array([1, 1, 1, 0, 0, 0], dtype=int32)
    >>> model.cluster_centers_
    array([[10.,  2.],
           [ 1.,  2.]])
    >>> model.inertia_
    16.0
    """

    _attributes: ClassVar = {"n_iter_": int, "inertia_history_": np.ndarray}
    _auto_runs = 10

    _parameter_constraints: dict = {
        **SeededCentres._parameter_constraints,
        "copy_x": ["boolean"],
        "algorithm": [StrOptions({"lloyd", "elkan"})],
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: str | Callable[..., ArrayLike] | ArrayLike = "k-means++",
        n_init: int | str = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        copy_x: bool = True,
        algorithm: str = "lloyd",
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the clusters.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_samples, n_features)
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Of a scan also a column. At least 0, not all 0; the largest from 1e-120 to 1e120.

        Returns
        -------
        KMeans
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, or fewer rows than clusters
            are asked for, if `init` is of another shape, or squares of distances between rows and
            centres, or their sum, are more than float64 holds.

        Examples
        --------
        >>> from rmodels import KMeans
        >>> model = KMeans(2, init=[[0.0], [1.0]]).fit([[0.0], [1.0], [9.0], [10.0]])
        >>> model.inertia_history_.round(6)
        array([48.666667,  1.      ,  1.      ])
        """
        source = data.source(self, X, None, sample_weight, need=_NEED)
        extent, threads = find_extent(source), source.threads(None)
        self._check_count(extent.n_samples)
        starts, runs = self._starts(source), self._count_runs()
        self._tell_of_weights(extent)
        if self.algorithm == "elkan" and self.n_clusters == 1:
            warn(
                "algorithm='elkan' doesn't make sense for a single cluster. Using 'lloyd' instead.",
                RuntimeWarning,
            )
        random_state = check_random_state(self.random_state)
        lloyd = Lloyd(source, extent, self.n_clusters, self.max_iter, self.tol, threads, self._tell)
        sample = source if starts is not None else sample_rows(source, random_state)
        if starts is None and not callable(self.init):
            self._check_sample(sample, self.n_clusters)
        best: Clustering | None = None
        for _ in range(runs):
            centres = (
                self._draw(sample, self.n_clusters, random_state, threads)
                if starts is None
                else starts
            )
            self._tell("Initialization complete")
            found = lloyd.run(centres)
            if best is None or (found.inertia < best.inertia and not found.is_same(best)):
                best = found
        assert best is not None
        return self._set_clusters(best, lloyd.engine, source, X)

    def _set_clusters(self, best: Clustering, engine: str, source: Source, X: Any) -> "KMeans":
        distinct = int((namespace(best.labels).bincount(best.labels) > 0).sum())
        if distinct < self.n_clusters:
            warn(
                f"Number of distinct clusters ({distinct}) found smaller than n_clusters "
                f"({self.n_clusters}). Possibly due to duplicate points in X.",
                ConvergenceWarning,
            )
        self.cluster_centers_ = convert_like(best.centres, X, source.dtype)
        self.labels_ = as_kind_of(best.labels, X)
        self.inertia_, self.n_iter_, self.engine_ = best.inertia, best.n_iter, engine
        self.inertia_history_ = best.history
        return self
