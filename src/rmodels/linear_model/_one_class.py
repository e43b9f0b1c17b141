"""A support vector machine of one class, by stochastic gradient descent."""

from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state

from rmodels import data
from rmodels.base.callbacks import CallbackSupport
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.state import HasState, check_is_fitted
from rmodels.data import Rows, Source, hold, map_rows
from rmodels.data.arrays import on_host
from rmodels.linear_model._base import QUERIES, predict_in_graph, predict_linearly
from rmodels.linear_model._stochastic import MOST_SEED, NEED, StochasticModel, check_rates
from rmodels.ops.ordered import Place, Problem
from rmodels.solvers.stochastic import descend

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["SGDOneClassSVM"]


class SGDOneClassSVM(StochasticModel, HasState, CallbackSupport, OutlierMixin, BaseEstimator):
    """The linear support vector machine of one class, a step for each row, in scikit-learn's order.

    Finds a half space that most rows are in, far from 0: it minimises ½ ν ‖coef‖² + ν (intercept) +
    mean of max(0, 1 − (x·coef + intercept)), with the offset 1 − intercept. A row is outside if
    x·coef < offset.

    Parameters
    ----------
    nu : float, default=0.5
        ν, above 0 and at most 1: about the share of the rows that is left outside.
    fit_intercept, max_iter, tol, shuffle, verbose, random_state
        As in `SGDRegressor`.
    learning_rate : {"optimal", "constant", "invscaling", "adaptive"}, default="optimal"
        As in `SGDRegressor`, with α = ν.
    eta0, power_t, warm_start, average
        As in `SGDRegressor`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    offset_ : ndarray of shape (1,)
    n_iter_, t_, engine_, solver_, n_features_in_, feature_names_in_
        As in `SGDRegressor`.

    Examples
    --------
    >>> from rmodels import SGDOneClassSVM
    >>> model = SGDOneClassSVM(random_state=42, tol=None)
    >>> model.fit([[-1.0, -1.0], [-2.0, -1.0], [1.0, 1.0], [2.0, 1.0]]).predict([[4.0, 4.0]])
    array([1], dtype=int32)
    """

    _parameter_constraints: dict = {
        **StochasticModel._parameter_constraints,
        "nu": [Interval(Real, 0.0, 1.0, closed="right")],
        "learning_rate": [StrOptions({"constant", "optimal", "invscaling", "adaptive"})],
    }

    _attributes: ClassVar = {"offset_": np.ndarray}

    loss_functions: ClassVar = {"hinge": ("hinge", 1.0)}

    loss = "hinge"
    penalty = "l2"
    offset_: Any

    def __init__(
        self,
        nu: float = 0.5,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        learning_rate: str = "optimal",
        eta0: float = 0.01,
        power_t: float = 0.5,
        warm_start: bool = False,
        average: bool | int = False,
    ) -> None:
        self.nu = nu
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.warm_start = warm_start
        self.average = average

    def _intercepts(self, given: NDArray) -> NDArray:
        return np.atleast_1d(1 - given)

    @all_or_nothing
    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        coef_init: ArrayLike | None = None,
        offset_init: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
            Of a scan or a Dask collection with shuffle=False.
        y : None
            Not used.
        coef_init : array-like of shape (n_features,), default=None
            Where to begin; zeros if not given, or the last ones with `warm_start`.
        offset_init : array-like of shape (1,), default=None
        sample_weight : array-like of shape (n_samples,), default=None
            What steps are multiplied by, at least 0. Of a scan also a column.

        Returns
        -------
        SGDOneClassSVM
            The estimator itself.

        Raises
        ------
        ValueError
            As in `SGDRegressor.fit`.

        Examples
        --------
        >>> from rmodels import SGDOneClassSVM
        >>> model = SGDOneClassSVM(random_state=0).fit([[1.0], [1.1], [0.9], [1.0]])
        >>> model.coef_.shape, model.offset_.shape
        ((1,), (1,))
        """
        check_rates(self)
        source = self._source(X, sample_weight, reset=True)
        coef_init, offset_init = self._begin_with(coef_init, offset_init, "offset_")
        shape = 1, source.n_features
        start = self._start(shape, source.dtype, coef_init, offset_init, alone=True)
        if offset_init is None:
            start.intercepts[:] = 1.0  # the offset is 0
        self._descend(source, start, X, once=False)
        self._warn_of_end()
        return self

    @all_or_nothing
    def partial_fit(
        self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Walk one epoch over some rows, from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`, with the same columns each time.

        Returns
        -------
        SGDOneClassSVM
            The estimator itself.

        Raises
        ------
        ValueError
            As in `fit`; then the model is as it was before.

        Examples
        --------
        >>> from rmodels import SGDOneClassSVM
        >>> model = SGDOneClassSVM(shuffle=False).partial_fit([[1.0]]).partial_fit([[1.1]])
        >>> model.t_
        3.0
        """
        check_rates(self, in_parts=True)
        begun = hasattr(self, "coef_")
        source = self._source(X, sample_weight, reset=not begun)
        start = self._go_on("offset_") if begun else None
        if start is None:
            start = Place.zeros(1, source.n_features, source.dtype)
            start.intercepts[:] = 1.0
        self._descend(source, start, X, once=True)
        return self

    def _source(self, X: Any, sample_weight: Any, *, reset: bool) -> Source:
        return data.source(self, X, None, sample_weight, need=NEED, reset=reset, part=not reset)

    def _descend(self, source: Source, start: Place, X: Any, *, once: bool) -> None:
        rule = self._rule(source, self.nu, once=once, one_class=True)
        random = check_random_state(self.random_state)
        if self.random_state is None:
            random.randint(1, MOST_SEED)  # scikit-learn draws one that it does not use
        seed = int(random.randint(0, MOST_SEED))
        found = descend(source, rule, [Problem(seed=seed)], start, verbose=bool(self.verbose))
        self._set_descent(found, X, "offset_", alone=True)

    def _sum_up(self, rows: Rows, intercept: Any) -> Any:
        coef = self._held("coef_").ravel()  # sparse, one row in older versions of scikit-learn
        return on_host(predict_linearly(rows, coef, intercept))

    def _margins(self, rows: Rows) -> Any:
        return self._sum_up(rows, 0.0)

    def decision_function(self, X: ArrayLike) -> Any:
        """Return x·coef − offset, above 0 for what is inside.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,)

        Examples
        --------
        >>> from rmodels import SGDOneClassSVM
        >>> model = SGDOneClassSVM(random_state=0).fit([[1.0], [1.1], [0.9], [1.0]])
        >>> bool(model.decision_function([[2.0]])[0] > model.decision_function([[0.5]])[0])
        True
        """
        return self._answer(X, "_decide", "decision_function")

    def _decide(self, rows: Rows) -> Any:
        return self._sum_up(rows, -self._held("offset_"))

    def score_samples(self, X: ArrayLike) -> Any:
        """Return x·coef.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,)

        Examples
        --------
        >>> from rmodels import SGDOneClassSVM
        >>> model = SGDOneClassSVM(random_state=0).fit([[1.0], [1.1], [0.9], [1.0]])
        >>> bool(model.score_samples([[2.0]])[0] == 2.0 * model.coef_[0])
        True
        """
        return self._answer(X, "_margins", "score_samples")

    def predict(self, X: ArrayLike) -> Any:
        """Return 1 for what is inside, and -1 for what is not.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,), int32

        Examples
        --------
        >>> from rmodels import SGDOneClassSVM
        >>> model = SGDOneClassSVM(random_state=0).fit([[1.0], [1.1], [0.9], [1.0]])
        >>> model.predict([[50.0], [-50.0]])
        array([ 1, -1], dtype=int32)
        """
        return self._answer(X, "_predict", "predict")

    def _predict(self, rows: Rows) -> Any:
        return np.where(self._decide(rows) >= 0, 1, -1).astype(np.int32)

    def _answer(self, X: ArrayLike, method: str, task: str) -> Any:
        check_is_fitted(self)
        return map_rows(self, X, getattr(hold(self, X), method), need=QUERIES, task=task)

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        scores = predict_in_graph(X, self._held("coef_").ravel(), -self._held("offset_"))
        return {"label": X.graph.where(scores >= 0.0, 1, -1), "scores": scores}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
