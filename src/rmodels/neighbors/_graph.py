"""Graphs of neighbours: functions, and transformers for pipelines."""

from numbers import Integral, Real
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from rmodels.base.estimator import all_or_nothing
from rmodels.base.metrics import Metric
from rmodels.base.sklearn import Interval, StrOptions, validate_params
from rmodels.base.sklearn import neighbors as scikit_learn
from rmodels.base.state import check_is_fitted
from rmodels.neighbors._base import KNeighborsMixin, NeighborsBase, RadiusNeighborsMixin
from rmodels.neighbors._in_graph import refuse_graphs
from rmodels.neighbors._unsupervised import NearestNeighbors

__all__ = [
    "KNeighborsTransformer",
    "RadiusNeighborsTransformer",
    "kneighbors_graph",
    "radius_neighbors_graph",
]

_OPTIONS: dict = {
    "mode": [StrOptions({"connectivity", "distance"})],
    "metric": NeighborsBase._parameter_constraints["metric"],
    "p": NeighborsBase._parameter_constraints["p"],
    "metric_params": [dict, None],
    "include_self": ["boolean", StrOptions({"auto"})],
    "n_jobs": [Integral, None],
}


def _check_same(estimator: Any, **parameters: Any) -> None:
    """Raise if an estimator has other parameters than those given."""
    theirs = estimator.get_params()
    for name, value in parameters.items():
        if value != theirs[name]:
            raise ValueError(
                f"Got {value} for {name}, while the estimator has {theirs[name]} for the same "
                "parameter."
            )


def _wants_self(include_self: bool | str, mode: str) -> bool:
    return mode == "connectivity" if include_self == "auto" else bool(include_self)


@validate_params(
    {
        "X": ["array-like", "sparse matrix", scikit_learn.KNeighborsMixin],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        **_OPTIONS,
    },
    prefer_skip_nested_validation=False,
)
def kneighbors_graph(
    X: Any,
    n_neighbors: int,
    *,
    mode: str = "connectivity",
    metric: Metric = "minkowski",
    p: float = 2,
    metric_params: dict[str, Any] | None = None,
    include_self: bool | str = False,
    n_jobs: int | None = None,
) -> Any:
    """Compute the graph of the nearest neighbours of points among themselves.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features), or fitted estimator
        Of a fitted estimator, `metric`, `p` and `metric_params` must be those given here.
    n_neighbors : int
    mode : {"connectivity", "distance"}, default="connectivity"
        Whether the edges hold ones or distances.
    metric, p, metric_params
        As in `NearestNeighbors`.
    include_self : bool or "auto", default=False
        Whether each point is a neighbour of itself; "auto" means if mode="connectivity".
    n_jobs
        As in `NearestNeighbors`.

    Returns
    -------
    sparse matrix of shape (n_samples, n_samples) in CSR format

    Examples
    --------
    >>> from rmodels import kneighbors_graph
    >>> kneighbors_graph([[0], [3], [1]], 2, include_self=True).toarray()
    array([[1., 0., 1.],
           [0., 1., 1.],
           [1., 0., 1.]])
    """
    if isinstance(X, scikit_learn.KNeighborsMixin):
        _check_same(X, metric=metric, p=p, metric_params=metric_params)
    else:
        X = NearestNeighbors(
            n_neighbors=n_neighbors, metric=metric, p=p, metric_params=metric_params, n_jobs=n_jobs
        ).fit(X)
    queries = X._fit_X if _wants_self(include_self, mode) else None
    return X.kneighbors_graph(queries, n_neighbors, mode)


@validate_params(
    {
        "X": ["array-like", "sparse matrix", scikit_learn.RadiusNeighborsMixin],
        "radius": [Interval(Real, 0, None, closed="both")],
        **_OPTIONS,
    },
    prefer_skip_nested_validation=False,
)
def radius_neighbors_graph(
    X: Any,
    radius: float,
    *,
    mode: str = "connectivity",
    metric: Metric = "minkowski",
    p: float = 2,
    metric_params: dict[str, Any] | None = None,
    include_self: bool | str = False,
    n_jobs: int | None = None,
) -> Any:
    """Compute the graph of points' neighbours within a radius among themselves.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features), or fitted estimator
        As in `kneighbors_graph`.
    radius : float
        Points at this distance are neighbours.
    mode, metric, p, metric_params, include_self, n_jobs
        As in `kneighbors_graph`.

    Returns
    -------
    sparse matrix of shape (n_samples, n_samples) in CSR format

    Examples
    --------
    >>> from rmodels import radius_neighbors_graph
    >>> radius_neighbors_graph([[0], [3], [1]], 1.5, include_self=True).toarray()
    array([[1., 0., 1.],
           [0., 1., 0.],
           [1., 0., 1.]])
    """
    if isinstance(X, scikit_learn.RadiusNeighborsMixin):
        _check_same(X, metric=metric, p=p, metric_params=metric_params)
    else:
        X = NearestNeighbors(
            radius=radius, metric=metric, p=p, metric_params=metric_params, n_jobs=n_jobs
        ).fit(X)
    queries = X._fit_X if _wants_self(include_self, mode) else None
    return X.radius_neighbors_graph(queries, radius, mode)


class KNeighborsTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, KNeighborsMixin):
    """Transform points into the graph of their k nearest neighbours.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default="distance"
        Whether the edges hold distances or ones.
    n_neighbors : int, default=5
        Edges of each query. With mode="distance" there is one more: a fitted point is its own
        nearest neighbour.
    algorithm, leaf_size, metric, p, metric_params, n_jobs
        As in `NearestNeighbors`.

    Attributes
    ----------
    effective_metric_, effective_metric_params_, n_samples_fit_, algorithm_, engine_, \
    n_features_in_, feature_names_in_
        As in `NearestNeighbors`.

    Examples
    --------
    >>> from rmodels import KNeighborsTransformer
    >>> KNeighborsTransformer(n_neighbors=1).fit_transform([[0.0], [1.0], [3.0]]).toarray()
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 2., 0.]])
    """

    _attributes: ClassVar = {"_n_features_out": int}

    _parameter_constraints: dict = {
        **NeighborsBase._parameter_constraints,
        "mode": [StrOptions({"distance", "connectivity"})],
    }
    _parameter_constraints.pop("radius")

    def __init__(
        self,
        *,
        mode: str = "distance",
        n_neighbors: int = 5,
        algorithm: str = "auto",
        leaf_size: int = 30,
        metric: Metric = "minkowski",
        p: float = 2,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.mode = mode
        self.n_neighbors = n_neighbors
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Keep the points, ready to be searched.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            With metric="precomputed", distances of shape (n_samples, n_samples).
        y : None
            Not used.

        Returns
        -------
        KNeighborsTransformer
            The estimator itself.

        Examples
        --------
        >>> from rmodels import KNeighborsTransformer
        >>> model = KNeighborsTransformer(n_neighbors=1).fit([[0.0], [2.5], [9.0]])
        >>> model.n_samples_fit_
        3
        """
        self._fit(X)
        self._n_features_out = self.n_samples_fit_
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Compute the graph of the queries' nearest neighbours.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features)

        Returns
        -------
        sparse matrix of shape (n_queries, n_samples_fit) in CSR format
            The entries of each row are in the order of (distance, index).

        Examples
        --------
        >>> from rmodels import KNeighborsTransformer
        >>> model = KNeighborsTransformer(n_neighbors=1).fit([[0.0], [2.5], [9.0]])
        >>> model.transform([[1.0]]).toarray()
        array([[1. , 1.5, 0. ]])
        """
        check_is_fitted(self)
        k = self._check_n_neighbors(None)
        return self.kneighbors_graph(X, k + (self.mode == "distance"), self.mode)

    def _to_graph(self, X: Any) -> Any:
        refuse_graphs(self)

    def fit_transform(self, X: ArrayLike, y: object = None) -> Any:
        """Fit, then transform the same points; each is a neighbour of itself.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        sparse matrix of shape (n_samples, n_samples) in CSR format

        Examples
        --------
        >>> from rmodels import KNeighborsTransformer
        >>> KNeighborsTransformer(n_neighbors=1).fit_transform([[0.0], [2.5], [9.0]]).toarray()
        array([[0. , 2.5, 0. ],
               [2.5, 0. , 0. ],
               [0. , 6.5, 0. ]])
        """
        return self.fit(X).transform(X)


class RadiusNeighborsTransformer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, RadiusNeighborsMixin
):
    """Transform points into the graph of their neighbours within a radius.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default="distance"
        Whether the edges hold distances or ones.
    radius : float, default=1.0
        Points at this distance are neighbours.
    algorithm, leaf_size, metric, p, metric_params, n_jobs
        As in `NearestNeighbors`.

    Attributes
    ----------
    effective_metric_, effective_metric_params_, n_samples_fit_, algorithm_, engine_, \
    n_features_in_, feature_names_in_
        As in `NearestNeighbors`.

    Examples
    --------
    >>> from rmodels import RadiusNeighborsTransformer
    >>> RadiusNeighborsTransformer(radius=1.0).fit_transform([[0.0], [1.0], [3.0]]).toarray()
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 0., 0.]])
    """

    _attributes: ClassVar = {"_n_features_out": int}

    _parameter_constraints: dict = {
        **NeighborsBase._parameter_constraints,
        "mode": [StrOptions({"distance", "connectivity"})],
    }
    _parameter_constraints.pop("n_neighbors")

    def __init__(
        self,
        *,
        mode: str = "distance",
        radius: float = 1.0,
        algorithm: str = "auto",
        leaf_size: int = 30,
        metric: Metric = "minkowski",
        p: float = 2,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.mode = mode
        self.radius = radius
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Keep the points, ready to be searched.

        Parameters
        ----------
        X, y
            As in `KNeighborsTransformer`.

        Returns
        -------
        RadiusNeighborsTransformer
            The estimator itself.

        Examples
        --------
        >>> from rmodels import RadiusNeighborsTransformer
        >>> model = RadiusNeighborsTransformer(radius=3.0).fit([[0.0], [2.5], [9.0]])
        >>> model.n_samples_fit_
        3
        """
        self._fit(X)
        self._n_features_out = self.n_samples_fit_
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Compute the graph of the queries' neighbours.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features)

        Returns
        -------
        sparse matrix of shape (n_queries, n_samples_fit) in CSR format
            The entries of each row are in the order of (distance, index).

        Examples
        --------
        >>> from rmodels import RadiusNeighborsTransformer
        >>> model = RadiusNeighborsTransformer(radius=3.0).fit([[0.0], [2.5], [9.0]])
        >>> model.transform([[1.0]]).toarray()
        array([[1. , 1.5, 0. ]])
        """
        check_is_fitted(self)
        return self.radius_neighbors_graph(X, mode=self.mode, sort_results=True)

    def _to_graph(self, X: Any) -> Any:
        refuse_graphs(self)

    def fit_transform(self, X: ArrayLike, y: object = None) -> Any:
        """Fit, then transform the same points; each is a neighbour of itself.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        sparse matrix of shape (n_samples, n_samples) in CSR format

        Examples
        --------
        >>> from rmodels import RadiusNeighborsTransformer
        >>> RadiusNeighborsTransformer(radius=3.0).fit_transform([[0.0], [2.5], [9.0]]).toarray()
        array([[0. , 2.5, 0. ],
               [2.5, 0. , 0. ],
               [0. , 0. , 0. ]])
        """
        return self.fit(X).transform(X)
