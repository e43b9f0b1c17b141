"""k-means by splitting clusters in two."""

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from rmodels import data
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.cluster._centres import Matrix
from rmodels.cluster._seeded import SeededCentres
from rmodels.data import Need, Rows, Source
from rmodels.data.arrays import as_kind_of, beside, convert_like, join
from rmodels.solvers.bisection import Bisection, assign_leaves, measure_leaves, order_leaves
from rmodels.solvers.lloyd import Clustering, Lloyd, find_extent
from rmodels.solvers.moments import as_array
from rmodels.solvers.seeds import sample_rows

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["BisectingKMeans"]

_LESS = 1 - 1e-6  # times an inertia is less than it

_NEED = Need(exact_weights=True)


class BisectingKMeans(SeededCentres):
    """Clusters found by splitting one in two by k-means, until there are as many as asked for.

    Parameters
    ----------
    n_clusters : int, default=8
    init : {"k-means++", "random"} or callable, default="random"
        Where both centres of a split begin, as in `KMeans`, of the rows of the cluster. A callable
        gets these, n_clusters=2 and random_state=.
    n_init : int, default=1
        How many times each cluster is split, of which the split with the least inertia is kept.
    random_state : int, RandomState instance or None, default=None
        In float64, the rows that splits begin with are those of scikit-learn.
    max_iter : int, default=300
        Iterations of a split.
    verbose : int, default=0
        Whether each iteration is told of.
    tol : float, default=1e-4
        A split ends when the squares of the moves of both centres add up to at most this. It is no
        share of the variance, as in scikit-learn.
    copy_x : bool, default=True
        Accepted for compatibility. X is never changed.
    algorithm : {"lloyd", "elkan"}, default="lloyd"
        Accepted for compatibility, as in `KMeans`.
    bisecting_strategy : {"biggest_inertia", "largest_cluster"}, default="biggest_inertia"
        Which cluster is split: that with the most Σ w ‖x − m‖², or with the most rows.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        In the dtype of X; of a tensor in its kind.
    labels_ : ndarray of shape (n_samples,), int32
        The cluster of each row: at each split it goes to the nearer of both centres, by distances
        in float64, of equal ones to the first. It need not be that of the nearest centre of all.
    inertia_ : float
        Σ w ‖x − m‖² of rows and the centres of their clusters.
    engine_ : {"reference", "native", "gpu"}
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Notes
    -----
    All attributes have the same bits for any number of threads, on any instruction set, and for
    the same rows in an array, in batches or on a cluster, if splits begin with the same rows.

    Splits are about 2 n_samples · n_features operations an iteration for all clusters of a level
    together. Memory: 4 bytes a row, and a copy of the rows of a cluster while it is split. A scan
    is read a few times for each split and once for each of its iterations; centres are drawn from
    all rows if they fit in a quarter of the setting `memory_limit`, else from a uniform sample that
    does. Sparse X becomes arrays, a block within the memory limit at a time.

    Source: M. Steinbach, G. Karypis, V. Kumar, "A comparison of document clustering techniques",
    2000.

    Examples
    --------
    >>> from rmodels import BisectingKMeans
    >>> X = [[1.0, 1.0], [3.0, 1.0], [10.0, 0.0], [10.0, 2.0], [10.0, 8.0], [10.0, 10.0]]
    >>> model = BisectingKMeans(3, random_state=0).fit(X)
    >>> model.labels_
    array([1, 1, 0, 0, 2, 2], dtype=int32)
    >>> model.predict([[0.0, 0.0], [12.0, 3.0]])
    array([1, 0], dtype=int32)
    """

    n_init: int

    _attributes: ClassVar = {
        "_splits": np.ndarray,  # the nodes that were split: see `solvers.bisection`
        "_pairs": np.ndarray,  # the centres of both halves of each
    }

    _parameter_constraints: dict = {
        **SeededCentres._parameter_constraints,
        "init": [StrOptions({"k-means++", "random"}), callable],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "copy_x": ["boolean"],
        "algorithm": [StrOptions({"lloyd", "elkan"})],
        "bisecting_strategy": [StrOptions({"biggest_inertia", "largest_cluster"})],
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: str | Callable[..., ArrayLike] = "random",
        n_init: int = 1,
        random_state: int | np.random.RandomState | None = None,
        max_iter: int = 300,
        verbose: int = 0,
        tol: float = 1e-4,
        copy_x: bool = True,
        algorithm: str = "lloyd",
        bisecting_strategy: str = "biggest_inertia",
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.random_state = random_state
        self.max_iter = max_iter
        self.verbose = verbose
        self.tol = tol
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.bisecting_strategy = bisecting_strategy

    def _is_consistent(self) -> bool:
        count = len(self.cluster_centers_) - 1
        pairs = (count, 2, self.n_features_in_)
        return (
            super()._is_consistent()
            and self._splits.shape == (count,)
            and self._pairs.shape == pairs
            and bool((self._splits <= 2 * np.arange(count)).all())
            and len(np.unique(self._splits)) == count
        )

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
        BisectingKMeans
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, or fewer rows than clusters
            are asked for; if init="random" and there are fewer rows that differ; or if squares of
            distances between rows, or their sum, are more than float64 holds.

        Examples
        --------
        >>> from rmodels import BisectingKMeans
        >>> BisectingKMeans(2, random_state=0).fit([[0.0], [1.0], [9.0], [10.0]]).inertia_
        1.0
        """
        source = data.source(self, X, None, sample_weight, need=_NEED)
        extent, threads = find_extent(source), source.threads(None)
        self._check_count(extent.n_samples)
        self._tell_of_weights(extent)
        random_state = check_random_state(self.random_state)
        sample = sample_rows(source, random_state)
        by_count = self.bisecting_strategy == "largest_cluster"
        # a split that ends before its centres are means leaves Σ w ‖x − m‖² to single rows, too
        least = 2 if self._is("random") else 0
        tree = Bisection(source, sample, by_count=by_count, n_threads=threads, least=least)
        centres = np.empty((1, source.n_features))
        if self.n_clusters == 1:
            first = as_array(sample.X[:1]).astype(np.float64)
            centres = self._run(source, first, 1, threads).centres
        for _ in range(self.n_clusters - 1):
            node = tree.choose()
            pair = self._split(tree, node, random_state, threads)
            self._tell(f"New centroids from bisection: {pair}")
            tree.split(node, pair)
        if self.n_clusters > 1:
            leaves = order_leaves(tree.splits)[1:]
            places = np.argsort(leaves, kind="stable")[-self.n_clusters :]
            centres = tree.pairs.reshape(-1, source.n_features)[places]
        splits = np.array(tree.splits, dtype=np.int32)
        ends = source.fold(
            partial(
                measure_leaves, splits=splits, pairs=tree.pairs, centres=centres, n_threads=threads
            )
        )
        self.cluster_centers_ = convert_like(centres, X, source.dtype)
        self.labels_ = as_kind_of(join(ends.labels), X)
        self.inertia_, self._splits, self._pairs = ends.inertia.value, splits, tree.pairs
        return self

    def _split(
        self,
        tree: Bisection,
        node: int,
        random_state: np.random.RandomState,
        n_threads: int | None,
    ) -> Matrix:
        """Return the centres of both halves of a cluster."""
        rows = tree.rows_of(node)
        sample = rows if isinstance(rows, Rows) else tree.sample_of(node)
        if not (rows.in_memory or tree.is_whole(node)):
            self._check_sample(sample, 2)
        if self._is("random") and sample.X.shape[0] < 2:
            raise ValueError(
                "a cluster of one row cannot be split: n_clusters="
                f"{self.n_clusters} is more than there are rows that differ, of a weight above 0"
            )
        best: Clustering | None = None
        for _ in range(self.n_init):
            starts = self._draw(sample, 2, random_state, n_threads)
            found = self._run(rows, starts, 2, n_threads)
            if best is None or found.inertia < best.inertia * _LESS:
                best = found
        assert best is not None
        return best.centres

    def _run(self, rows: Source, starts: Any, n_clusters: int, n_threads: int | None) -> Clustering:
        lloyd = Lloyd(
            rows,
            find_extent(rows),
            n_clusters,
            self.max_iter,
            self.tol,
            n_threads,
            self._tell,
            relative=False,
        )
        self.engine_ = lloyd.engine
        return lloyd.run(starts)

    def _predict(self, rows: Rows) -> Any:
        return beside(assign_leaves(rows, self._splits, self._pairs, None), rows.X)

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        graph, splits = X.graph, np.asarray(self._splits, dtype=np.int64)
        numbers = order_leaves(self._splits)
        nodes = graph.full(X, 1, np.int64(0)).reshape(-1)
        if len(splits):
            squares = X.measure(self._pairs.reshape(-1, self.n_features_in_))
            sides = squares.reshape(-1, len(splits), 2).argmin().transpose(1, 0)
            children = 2 * np.arange(len(splits)) + 1

            def descend(nodes: "Value", side: "Value", split: "Value", child: "Value") -> "Value":
                return nodes.graph.where(nodes.equals(split), side + child, nodes)

            pairs = (graph.constant(each) for each in (splits, children))
            nodes = graph.scan(descend, nodes, sides, *pairs)
        label = graph.constant(numbers).take(nodes)
        return {"label": label, "distances": self._to_graph_transform(X)}

    def predict(self, X: ArrayLike) -> Any:
        """Return the cluster of each row: at each split it goes to the nearer of both centres.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,), int32
            By distances in float64, of equal ones the first. Of a tensor in its kind, of a Dask
            collection lazy.

        Examples
        --------
        >>> from rmodels import BisectingKMeans
        >>> model = BisectingKMeans(2, random_state=0).fit([[0.0], [1.0], [9.0]])
        >>> model.predict([[4.0], [7.0]])
        array([0, 1], dtype=int32)
        """
        return super().predict(X)
