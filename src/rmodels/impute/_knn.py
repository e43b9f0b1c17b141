"""Missing values from the nearest rows that have them."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import MissingIndicator
from sklearn.metrics import pairwise_distances

from rmodels import data, ops
from rmodels.base.callbacks import CallbackSupport
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, MissingValues, StrOptions, find_missing, name_features
from rmodels.base.state import HasState, check_is_fitted
from rmodels.config import get_config
from rmodels.data import Need, Rows, hold, map_rows
from rmodels.exceptions import NotCoveredError
from rmodels.ops.donors import choose_donors, donors
from rmodels.solvers.whole import collect

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["KNNImputer"]

Found = tuple[NDArray[np.float64], NDArray[np.int64]]
Mask = NDArray[np.bool_]


def _is_nan(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


class KNNImputer(HasState, CallbackSupport, TransformerMixin, BaseEstimator):
    """Fill in missing values by the mean of the nearest rows that have them.

    The distance of rows x and z of d features is that of the features present in both,

        d(x, z) = √(d / present · Σ (x_c − z_c)²),

    undefined if there are none. A missing value becomes the weighted mean of the values of the k
    nearest rows of the fit that have this feature, by (distance, row); the mean of the feature in
    the fit if no distance is defined.

    Parameters
    ----------
    missing_values : int, float, str, numpy.nan or None, default=numpy.nan
        What stands for a missing value.
    n_neighbors : int, default=5
        How many rows give a value, k; where fewer have the feature, these.
    weights : {"uniform", "distance"} or callable, default="uniform"
        Of the rows in a mean. "distance" is 1 / distance, and rows at distance 0 outweigh all
        others. A callable takes distances of shape (n_values, k), ascending, NaN where there is no
        row, and returns weights, or None for equal ones.
    metric : {"nan_euclidean"} or callable, default="nan_euclidean"
        How rows are compared. A callable takes two rows and ``missing_values``, and returns their
        distance, or NaN.
    copy : bool, default=True
        Whether rows are filled in as copies. Else an array of floats is filled in itself, where
        that is possible.
    add_indicator : bool, default=False
        Whether columns are added that say which values were missing: of features that had missing
        values in the fit.
    keep_empty_features : bool, default=False
        Whether features without any value in the fit are kept, as zeros.

    Attributes
    ----------
    indicator_ : MissingIndicator or None
        scikit-learn's, with `add_indicator`.
    engine_ : {"reference", "native", "scipy"}
        What finds the rows; "scipy" with a callable metric.
    n_features_in_, feature_names_in_
        As in `KMeans`.

    Notes
    -----
    Distances are those of differences in float64, so that equal rows are at distance 0 and ties are
    ties; scikit-learn takes them from products, and on ties any of the rows. Values are in the
    dtype of X, computed in float64.

    Native: on all threads, the same bits for any number of them; memory beside X and the rows of
    the fit is 16 bytes a value of these and 32 · k for each missing value, never a matrix of
    distances. n_queries · n_samples · n_features operations for queries that lack a value.

    A scan or a Dask collection that it is fitted to is brought into memory, and refused if it does
    not fit in the setting `memory_limit`; rows to be filled in may be any, as each is filled in by
    itself. Cells of files that are empty, null or NaN are missing values.

    Source: O. Troyanskaya and others, "Missing value estimation methods for DNA microarrays", 2001.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import KNNImputer
    >>> X = [[1.0, 2.0, np.nan], [3.0, 4.0, 3.0], [np.nan, 6.0, 5.0], [8.0, 8.0, 7.0]]
    >>> KNNImputer(n_neighbors=2).fit_transform(X)
    array([[1. , 2. , 4. ],
           [3. , 4. , 3. ],
           [5.5, 6. , 5. ],
           [8. , 8. , 7. ]])
    """

    _attributes: ClassVar = {
        "indicator_": MissingIndicator | None,
        "_known_rows": np.ndarray,
    }

    _parameter_constraints: dict = {
        "missing_values": [MissingValues()],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "weights": [StrOptions({"uniform", "distance"}), callable, None],
        "metric": [StrOptions({"nan_euclidean"}), callable],
        "copy": ["boolean"],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
    }

    indicator_: MissingIndicator | None
    _known_rows: NDArray

    def __init__(
        self,
        *,
        missing_values: float | str | None = np.nan,
        n_neighbors: int = 5,
        weights: str | Callable[..., Any] | None = "uniform",
        metric: str | Callable[..., Any] = "nan_euclidean",
        copy: bool = True,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
    ) -> None:
        self.missing_values = missing_values
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.metric = metric
        self.copy = copy
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features

    def _fits_in_batches(self) -> bool:
        return False  # any row may be the nearest

    def _has_checkpoint(self) -> bool:
        return False

    def _reads_missing(self) -> bool:
        return _is_nan(self.missing_values)

    def _is_consistent(self) -> bool:
        X, allowed = self._known_rows, np.isnan if _is_nan(self.missing_values) else np.zeros_like
        return bool(
            X.ndim == 2
            and X.shape[1] == self.n_features_in_
            and X.dtype in (np.float32, np.float64)
            and (np.isfinite(X) | allowed(X).astype(bool)).all()
        )

    def _need(self) -> Need:
        """Return what is needed of rows: NaN only if it stands for what is missing."""
        missing = "allow" if _is_nan(self.missing_values) else "refuse"
        return Need(sparse=False, missing=missing, contiguous=True)  # type: ignore[arg-type]

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Keep the rows.

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_samples, n_features)
        y : None
            Not used.

        Returns
        -------
        KNNImputer
            The estimator itself.

        Raises
        ------
        ValueError
            If X is empty, has an infinity or wrong shape, or a NaN that does not stand for a
            missing value.
        NotCoveredError
            If rows of a scan or a collection do not fit in memory, or metric is a callable, which
            the engine asked for by name does not have.

        Examples
        --------
        >>> from rmodels import KNNImputer
        >>> KNNImputer(missing_values=-1).fit([[1.0, -1.0], [2.0, 3.0]]).n_features_in_
        2
        """
        self.engine_ = "scipy" if callable(self.metric) else ops.choose("donors")
        if self.engine_ == "scipy" and get_config()["engine"] not in ("auto", "reference"):
            raise NotCoveredError(
                f"engine={get_config()['engine']!r} cannot run: metric={self.metric!r} is a "
                "function of Python, which engine='auto' calls"
            )
        source = data.source(self, X, need=self._need())
        rows = collect(source, "KNNImputer")
        # also if `copy` is False: what a transformation fills in is no donor of the next
        given = source.in_memory
        self._known_rows = np.array(rows.X, order="C") if given else np.ascontiguousarray(rows.X)
        self.indicator_ = None
        if self.add_indicator:
            indicator = MissingIndicator(missing_values=self.missing_values, error_on_new=False)
            self.indicator_ = indicator.fit(self._known_rows)
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Fill in missing values.

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_features_out)
            Without the features that had no value in the fit, unless `keep_empty_features`; then
            the columns of `add_indicator`. A data frame if scikit-learn's set_output asked for one;
            of a Dask collection lazy.

        Raises
        ------
        ValueError
            As in `fit`.

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels import KNNImputer
        >>> model = KNNImputer(n_neighbors=1).fit([[0.0, 1.0], [5.0, 6.0]])
        >>> model.transform([[4.0, np.nan], [np.nan, 2.0]])
        array([[4., 6.],
               [0., 2.]])
        """
        check_is_fitted(self)
        return map_rows(self, X, hold(self, X)._fill, need=self._need(), task="transform")

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features; None: those of the fit, or x0, x1 and so on.

        Returns
        -------
        ndarray of str objects

        Examples
        --------
        >>> from rmodels import KNNImputer
        >>> model = KNNImputer(missing_values=0, add_indicator=True).fit([[1.0, 0.0], [2.0, 3.0]])
        >>> model.get_feature_names_out(["a", "b"]).tolist()
        ['a', 'b', 'missingindicator_b']
        """
        check_is_fitted(self)
        names: NDArray[np.object_] = name_features(self, input_features)
        found = names if self.keep_empty_features else names[self._are_known()]
        if self.indicator_ is None:
            return found
        return np.concatenate([found, self.indicator_.get_feature_names_out(names)])

    def _are_known(self) -> Mask:
        """Return which features have a value in the fit."""
        found: Mask = ~find_missing(self._known_rows, self.missing_values).all(axis=0)
        return found

    def _with_gaps(self, A: NDArray, missing: Mask) -> NDArray:
        """Return rows with NaN for what is missing."""
        return A if _is_nan(self.missing_values) else np.where(missing, A.dtype.type(np.nan), A)

    def _fill(self, rows: Rows) -> NDArray:
        """Return checked rows, filled in."""
        X: NDArray = rows.on_host().X
        missing: Mask = find_missing(X, self.missing_values)
        lacking = find_missing(self._known_rows, self.missing_values)
        known = ~lacking.all(axis=0)
        indicators = None if self.indicator_ is None else missing[:, self.indicator_.features_]
        filled = X if not self.copy and X.flags.writeable else X.copy()
        wanted = missing & known
        if wanted.any():
            self._fill_in(filled, wanted, missing, lacking)
        if self.keep_empty_features:
            filled[:, ~known] = 0
        elif not known.all():
            filled = filled[:, known]
        return filled if indicators is None else np.hstack([filled, indicators])

    def _fill_in(self, X: NDArray, wanted: Mask, missing: Mask, lacking: Mask) -> None:
        """Set those values that are missing and known of other rows."""
        asked = np.flatnonzero(wanted.any(axis=1))
        points = self._with_gaps(self._known_rows, lacking)
        k = min(int(self.n_neighbors), len(points))  # True is 1
        cells = missing[asked]
        if self.engine_ == "scipy":
            distances, indices = self._by_metric(X[asked], cells, lacking, k)
        else:
            Q = self._with_gaps(X[asked], cells)
            distances, indices = donors(points, Q, k, engine=self.engine_)
        queries, columns = np.nonzero(cells)
        order = np.argsort(columns, kind="stable")
        starts = np.searchsorted(columns[order], np.arange(X.shape[1] + 1))
        for column in np.flatnonzero(wanted.any(axis=0)):
            here = order[starts[column] : starts[column + 1]]
            there = ~lacking[:, column]
            most = min(k, int(there.sum()))
            values = points[:, column].astype(np.float64)
            found = self._mean(values, distances[here, :most], indices[here, :most])
            found[np.isnan(found)] = values[there].mean()
            X[asked[queries[here]], column] = found

    def _mean(self, values: NDArray, distances: NDArray, indices: NDArray) -> NDArray[np.float64]:
        """Return the means of donors' values, NaN where none has a weight: (n_missing,)."""
        weights, absent = self._weigh(distances), indices < 0
        weights = np.where(absent | np.isnan(weights), 0.0, weights)
        taken = np.where(absent, 0.0, values[indices])
        with np.errstate(invalid="ignore"):
            found: NDArray = (weights * taken).sum(axis=1) / weights.sum(axis=1)
        return found

    def _weigh(self, distances: NDArray) -> NDArray:
        """Return the weights of donors."""
        equal = np.ones_like(distances)
        if callable(self.weights):
            given = self.weights(distances)
            return equal if given is None else np.asarray(given, np.float64)
        if self.weights != "distance":
            return equal
        with np.errstate(divide="ignore"):
            weights = 1.0 / distances
        touching = np.isinf(weights)
        return np.where(touching.any(axis=1, keepdims=True), touching, weights)

    def _by_metric(self, Q: NDArray, cells: Mask, lacking: Mask, k: int) -> Found:
        """Return what `donors` would, by distances that a function of rows gives."""
        found = []
        step = max(1, get_config()["memory_limit"] // (40 * len(self._known_rows)))
        allowed = "allow-nan" if _is_nan(self.missing_values) else True
        for first in range(0, len(Q), step):
            rows = slice(first, first + step)
            distances = pairwise_distances(
                Q[rows],
                self._known_rows,
                metric=self.metric,
                ensure_all_finite=allowed,
                missing_values=self.missing_values,
            )
            found.append(choose_donors(distances, cells[rows], ~lacking, k))
        return np.concatenate([d for d, _ in found]), np.concatenate([i for _, i in found])

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        value = self.missing_values
        if self.engine_ == "scipy" or callable(self.weights):
            raise NotCoveredError("metric or weights is a function of Python: ONNX cannot call it")
        if not isinstance(value, Real):
            raise NotCoveredError(f"a graph has numbers, of which missing_values={value!r} is none")
        graph, lacking = X.graph, find_missing(self._known_rows, value)
        gone = X.is_nan() if _is_nan(value) else X.equals(X.dtype.type(value))
        points = np.where(lacking, 0.0, self._known_rows.astype(np.float64))
        away = _measure_in_graph(X.astype(np.float64), gone, points, lacking).transpose(1, 0)
        by_column = [each.transpose(1, 0) for each in (X, gone)]
        columns = []
        for column, absent in enumerate(lacking.T):
            x, missing = (each.take(graph.constant(np.int64(column))) for each in by_column)
            if absent.all():
                if self.keep_empty_features:
                    columns.append(graph.where(missing, X.dtype.type(0), X.dtype.type(0)))
                continue
            there = np.flatnonzero(~absent)
            near = away.take(graph.constant(there)).transpose(1, 0)
            near, places = near.least(min(int(self.n_neighbors), len(there)))
            values = points[there, column]
            weights = graph.where(near.is_infinite(), np.float64(0.0), np.float64(1.0))
            if self.weights == "distance":
                weights = 1.0 / near
                touching = graph.where(weights.is_infinite(), np.float64(1.0), np.float64(0.0))
                weights = graph.where(touching.max(1, keep=True) > 0.0, touching, weights)
            total, taken = weights.sum(1), graph.constant(values).take(places)
            mean = graph.where(total > 0.0, (weights * taken).sum(1) / total, values.mean())
            columns.append(graph.where(missing, mean.astype(X.dtype), x))
        one = X.dtype.type(1)
        for column in [] if self.indicator_ is None else self.indicator_.features_:
            missing = by_column[1].take(graph.constant(np.int64(column)))
            columns.append(graph.where(missing, one, X.dtype.type(0)))
        return {"transformed": graph.stack(columns)}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = _is_nan(self.missing_values)
        return tags


def _measure_in_graph(X: "Value", gone: "Value", points: NDArray, lacking: Mask) -> "Value":
    """Return what `nan_distances` does, infinite where it is undefined: (n_queries, n_points)."""
    graph, d = X.graph, points.shape[1]
    zero, one = np.float64(0.0), np.float64(1.0)
    known, have = graph.where(gone, zero, X), graph.where(gone, zero, one)

    def step(
        squares: "Value", present: "Value", x: "Value", has: "Value", z: "Value", there: "Value"
    ) -> "tuple[Value, Value]":
        both = has.expand(1) * there
        gaps = (x.expand(1) - z) * both
        return squares + gaps * gaps, present + both

    start = tuple(graph.full(X, len(points), zero) for _ in range(2))
    rows = [graph.constant(A.T) for A in (points, (~lacking).astype(np.float64))]
    squares, present = graph.scan(step, start, known.transpose(1, 0), have.transpose(1, 0), *rows)
    away = (np.float64(d) / present * squares).sqrt()
    found: Value = graph.where(present > 0.0, away, np.float64(np.inf))
    return found
