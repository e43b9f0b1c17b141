"""k-means by mini-batches."""

from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from rmodels import data
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval
from rmodels.base.state import Absent
from rmodels.base.warnings import warn
from rmodels.cluster._seeded import SeededCentres
from rmodels.data import Need, Rows, Source
from rmodels.data.arrays import as_kind_of, convert_like, join
from rmodels.exceptions import NotCoveredError
from rmodels.solvers.lloyd import find_engine, find_extent, find_spread, measure_rows
from rmodels.solvers.mini_batches import MiniBatches, Progress
from rmodels.solvers.seeds import WeightedDraws, assert_no_overflow, sample_rows, take_rows

__all__ = ["MiniBatchKMeans"]

_CHECKED = Need(missing="refuse", exact_weights=True)
_TIMES = 3  # batches, or clusters, that rows to begin with are as many as


class MiniBatchKMeans(SeededCentres):
    """Clusters about centres, each the running mean of the rows of mini-batches nearest to it.

    Of each batch, drawn from all rows by their weights, every row goes to the centre that is
    nearest, and each centre m with weight s so far becomes (s m + Σ w x) / (s + Σ w). Faster than
    `KMeans` for many rows, with a little more

        inertia = Σ_i w_i min_c ‖x_i − m_c‖²

    Parameters
    ----------
    n_clusters : int, default=8
    init : {"k-means++", "random"}, callable or array-like of shape (n_clusters, n_features), \
            default="k-means++"
        Where centres begin, as in `KMeans`, of `init_size` rows that are drawn uniformly.
    max_iter : int, default=100
        Batches have at most as many rows as so many times those of X.
    batch_size : int, default=1024
    verbose : int, default=0
        Whether each batch is told of.
    compute_labels : bool, default=True
        Whether `fit` finds `labels_` and `inertia_` of all rows at its end.
    random_state : int, RandomState instance or None, default=None
        In float64, the rows to begin with, batches and centres that begin anew are those of
        scikit-learn.
    tol : float, default=0.0
        Batches end when the squares of the moves of all centres add up to at most this times the
        mean variance of the columns, which is taken without weights; 0: they do not.
    max_no_improvement : int or None, default=10
        Batches end as well after so many in which the mean inertia, weighted exponentially, was
        not lower than before; None: they do not.
    init_size : int, default=None
        None: 3 · batch_size, or 3 · n_clusters if that is less than n_clusters.
    n_init : int or "auto", default="auto"
        How many times centres are drawn to begin with, of which those with the least inertia of
        `init_size` other rows are kept. "auto": 1 for "k-means++" and arrays, else 3.
    reassignment_ratio : float, default=0.01
        Centres with less than this times the largest weight begin anew at rows of the batch, now
        and then: after 10 · n_clusters rows, or where one has no weight.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        In the dtype of X; of a tensor in its kind.
    labels_ : ndarray of shape (n_samples,), int32
        With `compute_labels`: the centre that is nearest to each row by its distance in float64,
        of equal ones the first.
    inertia_ : float
        Of `cluster_centers_` and `labels_`. Without `compute_labels`, the mean of the batches times
        the sum of the weights; after `partial_fit`, it is left as it was.
    n_iter_ : int
        How many times as many rows as those of X the batches of `fit` had, rounded up.
    n_steps_ : int
        Batches.
    engine_ : {"reference", "native", "gpu"}
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Notes
    -----
    Labels are exact, and rows are added in the order of the batch: attributes have the same bits
    for any number of threads and on any instruction set. Arithmetic is in float64, of float32 X
    as well, which scikit-learn takes in float32. Centres of equal weight of which only some may
    begin anew are taken in their order.

    At most n_clusters · n_features operations for a row of a batch, and for each row of X if labels
    are computed. Memory: 8 bytes a row, and 16 for a number of the batch. Of a scan or a Dask
    collection, batches come from all rows if they fit in a quarter of the setting `memory_limit`,
    else from a uniform sample that does, and stands for X; labels are those of all rows.

    Source: D. Sculley, "Web-scale k-means clustering", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import MiniBatchKMeans
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((5000, 2)) + 9 * rng.integers(0, 2, (5000, 1))
    >>> model = MiniBatchKMeans(2, random_state=0).fit(X)
    >>> abs(model.cluster_centers_).round(1)
    array([[9., 9.],
           [0., 0.]])
    """

    _attributes: ClassVar = {
        "labels_": np.ndarray | Absent,
        "inertia_": float | Absent,
        "n_iter_": int | Absent,
        "n_steps_": int,
        "_counts": np.ndarray,  # Σ w of the rows that a centre is the mean of
        "_since": int,  # rows since centres were last looked for that begin anew
        "_batch_rows": int,  # what a batch counts as
        "_draws": dict | Absent,  # the state of the draws of `partial_fit`
    }
    _auto_runs = 3

    _parameter_constraints: dict = {
        **SeededCentres._parameter_constraints,
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "compute_labels": ["boolean"],
        "max_no_improvement": [Interval(Integral, 0, None, closed="left"), None],
        "init_size": [Interval(Integral, 1, None, closed="left"), None],
        "reassignment_ratio": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: str | Callable[..., ArrayLike] | ArrayLike = "k-means++",
        max_iter: int = 100,
        batch_size: int = 1024,
        verbose: int = 0,
        compute_labels: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 0.0,
        max_no_improvement: int | None = 10,
        init_size: int | None = None,
        n_init: int | str = "auto",
        reassignment_ratio: float = 0.01,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.verbose = verbose
        self.compute_labels = compute_labels
        self.random_state = random_state
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.init_size = init_size
        self.n_init = n_init
        self.reassignment_ratio = reassignment_ratio

    def _is_consistent(self) -> bool:
        return super()._is_consistent() and len(self._counts) == len(self.cluster_centers_)

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
        MiniBatchKMeans
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, or fewer rows than clusters
            are asked for, if `init` is of another shape, or squares of distances between rows and
            centres, or their sum, are more than float64 holds.

        Examples
        --------
        >>> from rmodels import MiniBatchKMeans
        >>> X = [[0.0], [1.0], [9.0], [10.0]]
        >>> model = MiniBatchKMeans(2, batch_size=2, random_state=0).fit(X)
        >>> model.labels_, model.n_steps_
        (array([1, 1, 0, 0], dtype=int32), 18)
        """
        source = data.source(self, X, None, sample_weight, need=_CHECKED)
        random_state, threads = check_random_state(self.random_state), source.threads(None)
        source.keep_rows()
        sample = sample_rows(source, random_state)
        n = sample.X.shape[0]
        if n < self.n_clusters and n < source.number_rows():
            self._check_sample(sample, self.n_clusters)
        self._check_count(n)
        extent, tol = find_extent(sample), 0.0
        if self.tol > 0:
            tol = self.tol * find_spread(sample, extent, threads).variance
        runs, size, first = self._count_runs(), min(self.batch_size, n), self._count_first(n)
        starts = self._starts(source)
        centres = self._choose_start(sample, starts, runs, first, random_state, threads)
        extent.check(centres, self._zero())  # centres are averaged about 0
        batches = self._follow(centres, np.zeros(self.n_clusters), 0, size, random_state, threads)
        n_steps = (self.max_iter * n) // size
        progress = Progress(n, size, n_steps, tol, self.max_no_improvement, self._tell)
        draws = WeightedDraws(sample)
        for step in range(1, n_steps + 1):
            before = batches.centres
            inertia = batches.step(Rows(take_rows(sample.X, draws.draw(size, random_state))))
            moved = float(((batches.centres - before) ** 2).sum())
            if progress.ends(step, moved, inertia):
                break
        for name in ("labels_", "_draws"):
            self.__dict__.pop(name, None)
        self.n_steps_, self.n_iter_ = step, int(np.ceil(step * size / n))
        self.inertia_ = (inertia / size if progress.mean is None else progress.mean) * source.weight
        return self._set(batches, source, X)

    @all_or_nothing
    def partial_fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Follow one mini-batch.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            In memory. In the first call as many rows as clusters, or more.
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            At least 0.

        Returns
        -------
        MiniBatchKMeans
            The estimator itself. `labels_` and `inertia_` are those of the batch.

        Raises
        ------
        ValueError
            As in `fit`; then the model is as it was before.
        NotCoveredError
            If the rows are not in memory: of what batches a scan or a cluster is read in depends
            on its files.

        Examples
        --------
        >>> from rmodels import MiniBatchKMeans
        >>> model = MiniBatchKMeans(2, random_state=0).partial_fit([[0.0], [8.0]])
        >>> model.partial_fit([[2.0], [9.0], [10.0]]).cluster_centers_.ravel()
        array([9., 1.])
        """
        begun = hasattr(self, "cluster_centers_")
        source = data.source(
            self, X, None, sample_weight, need=_CHECKED, reset=not begun, part=True
        )
        if not isinstance(source, Rows):
            raise NotCoveredError(
                "partial_fit takes one mini-batch in memory: give an array, or have fit draw "
                "batches from X"
            )
        extent = find_extent(source)
        random_state, threads = self._restore_draws(), source.threads(None)
        if begun:
            given = self._centres(), self._counts.copy(), self._since, self._batch_rows
        else:
            n = source.X.shape[0]
            self._check_count(n)
            self._count_runs()
            first = self._count_first(n)
            centres = self._draw_first(source, self._starts(source), first, random_state, threads)
            given = centres, np.zeros(self.n_clusters), 0, min(self.batch_size, n)
        extent.check(given[0], self._zero())
        batches = self._follow(*given, random_state, threads)
        batches.step(source)
        self.n_steps_ = getattr(self, "n_steps_", 0) + 1
        self._draws = random_state.get_state(legacy=False)
        return self._set(batches, source, X)

    def _follow(
        self,
        centres: Any,
        weights: Any,
        since: int,
        size: int,
        random_state: np.random.RandomState,
        n_threads: int | None,
    ) -> MiniBatches:
        return MiniBatches(
            centres,
            weights,
            since,
            size,
            self.reassignment_ratio,
            random_state,
            n_threads,
            self._tell,
        )

    def _set(self, batches: MiniBatches, source: Source, X: Any) -> "MiniBatchKMeans":
        """Set what `fit` and `partial_fit` both set; return the estimator."""
        self.cluster_centers_ = convert_like(batches.centres, X, source.dtype)
        self._counts, self._since = batches.weights, batches.since
        self._batch_rows, self.engine_ = batches.batch_size, find_engine(source)
        if self.compute_labels:
            ends = source.fold(
                partial(measure_rows, centres=self._centres(), n_threads=batches.n_threads)
            )
            self.labels_ = as_kind_of(join(ends.labels), X)
            self.inertia_ = ends.inertia.value
        assert_no_overflow(self.inertia_)  # of rows that are not among the sample, too
        return self

    def _zero(self) -> Any:
        return np.zeros((1, self.n_features_in_))

    def _count_first(self, n_samples: int) -> int:
        """Return how many rows centres are drawn from to begin with."""
        size = self.init_size
        if size is None:
            size = _TIMES * min(self.batch_size, n_samples)
            if size < self.n_clusters:
                size = _TIMES * self.n_clusters
        elif size < self.n_clusters:
            warn(
                f"init_size={size} should be larger than n_clusters={self.n_clusters}. Setting it "
                "to min(3*n_clusters, n_samples)",
                RuntimeWarning,
            )
            size = _TIMES * self.n_clusters
        return min(size, n_samples)

    def _choose_start(
        self,
        sample: Rows,
        starts: Any,
        runs: int,
        size: int,
        random_state: np.random.RandomState,
        n_threads: int | None,
    ) -> Any:
        """Return where centres begin: with the least inertia of some rows, of several draws."""
        held = sample.take(random_state.randint(0, sample.X.shape[0], size))
        best, least = None, 0.0
        for run in range(runs):
            self._tell(f"Init {run + 1}/{runs} with method {self.init}")
            centres = self._draw_first(sample, starts, size, random_state, n_threads)
            inertia = measure_rows(held, centres, n_threads).inertia.value
            self._tell(f"Inertia for init {run + 1}/{runs}: {inertia}")
            if best is None or inertia < least:
                best, least = centres, inertia
        return best

    def _draw_first(
        self,
        rows: Rows,
        starts: Any,
        size: int,
        random_state: np.random.RandomState,
        n_threads: int | None,
    ) -> Any:
        """Return where centres begin: `starts`, or of rows that are drawn in either case."""
        if size < rows.X.shape[0]:
            places = random_state.randint(0, rows.X.shape[0], size)
            rows = rows.take(places) if starts is None else rows
        if starts is not None:
            return starts
        return self._draw(rows, self.n_clusters, random_state, n_threads)

    def _restore_draws(self) -> np.random.RandomState:
        """Return what draws for `partial_fit`, as the last call left it."""
        if "_draws" not in vars(self):
            return check_random_state(self.random_state)
        bits = getattr(np.random, self._draws["bit_generator"])()
        random_state = np.random.RandomState(bits)
        random_state.set_state(self._draws)
        return random_state
