"""Regression by stochastic gradient descent."""

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from rmodels import data
from rmodels.base.classes import one_target
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.data import Rows, Source
from rmodels.data.checks import warn_of_a_column
from rmodels.linear_model._base import LinearModel
from rmodels.linear_model._stochastic import MOST_SEED, NEED, StochasticModel, check_rates
from rmodels.ops.ordered import Place, Problem
from rmodels.solvers.stochastic import descend, hold_out

__all__ = ["SGDRegressor"]


class SGDRegressor(StochasticModel, LinearModel):
    """Linear regression by a step for each row, in scikit-learn's order.

    Minimises the mean of loss(x·coef + intercept, y) plus a penalty on the coefficients by
    stochastic gradient descent: coefficients, `n_iter_` and `t_` are scikit-learn's for the same
    `random_state`, to rounding.

    Parameters
    ----------
    loss : str, default="squared_error"
        With r the residual: "squared_error" ½ r²; "huber" the same up to ε, and ε (abs(r) − ½ ε)
        beyond; "epsilon_insensitive" max(0, abs(r) − ε); "squared_epsilon_insensitive" its square.
    penalty : {"l2", "l1", "elasticnet"} or None, default="l2"
        ½ α ‖coef‖²; α ‖coef‖₁; the share l1_ratio of the second and the rest of the first.
    alpha : float, default=0.0001
        α, at least 0.
    l1_ratio : float, default=0.15
    fit_intercept : bool, default=True
        Whether the model has an intercept, which has no penalty.
    max_iter : int, default=1000
        Most epochs of `fit`.
    tol : float or None, default=1e-3
        An epoch is better if the mean of loss and penalty over its rows, each before its step, is
        below the best so far by more than this, or with early_stopping the score above it. None:
        all epochs are walked.
    shuffle : bool, default=True
        Whether rows are shuffled before each epoch. Rows in files and on clusters cannot be.
    verbose : int, default=0
        Above 0 each epoch is told of.
    epsilon : float, default=0.1
        ε.
    random_state : int, RandomState instance, default=None
        What orders and held out rows are drawn by.
    learning_rate : str, default="invscaling"
        η of step t: "constant" is eta0; "optimal" 1 / (α (t₀ + t)); "invscaling" eta0 / t^power_t;
        "adaptive" eta0, divided by 5 when epochs stop getting better. With
        loss="epsilon_insensitive" also the passive-aggressive steps, "pa1" min(eta0, loss / ‖x‖²),
        and "pa2" loss / (‖x‖² + 1 / (2 eta0)).
    eta0 : float, default=0.01
    power_t : float, default=0.25
    early_stopping : bool, default=False
        Whether rows are held out, and R² of those is watched.
    validation_fraction : float, default=0.1
        The share of the rows that is held out.
    n_iter_no_change : int, default=5
        After how many epochs that are not better the fit ends.
    warm_start : bool, default=False
        Whether `fit` begins with the coefficients of the last one; with averages where that one
        ended, and the average as scikit-learn goes on with it.
    average : bool or int, default=False
        Whether `coef_` is the mean of the iterates, a number: from which step on.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        In the dtype of X. If X is a tensor or another array with DLPack, this and `intercept_` are
        of its kind.
    intercept_ : ndarray of shape (1,)
    n_iter_ : int
        Epochs.
    t_ : float
        1 and the number of rows of all epochs.
    engine_ : {"reference", "native"}
        What made the steps.
    solver_ : {"steps", "epochs"}
        Whether each step was made, or what an epoch does was found as a map; see Notes.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` epochs were walked and the last ones still got better.

    Notes
    -----
    A step costs two passes over its row. X is copied only if its rows are not contiguous (Fortran
    order). Rows in files and on clusters are read once an epoch.

    With the squared error, penalty=None or "l2", learning_rate="constant" and shuffle=False, an
    epoch is one affine map of coefficients and intercept, of (n_features + 2)² numbers: where steps
    would cost more, the map is found in one read, and an epoch is a product with it. Coefficients
    are those of the steps, within 10⁻¹⁰ of the largest after 1000 epochs; `n_iter_` is the same:
    where rounding could decide, the steps are made.

    On sparse rows the norm of `coef_`
    that is part of the objective is the true one, and scikit-learn 1.9's is not, so that `n_iter_`
    may differ there unless tol=None.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import SGDRegressor
    >>> X = np.linspace(-1.0, 1.0, 200).reshape(-1, 1)
    >>> model = SGDRegressor(alpha=0.0, random_state=0).fit(X, 3.0 * X[:, 0] + 1.0)
    >>> model.coef_.round(1), model.intercept_.round(1)
    (array([2.9]), array([1.]))
    """

    _parameter_constraints: dict = {
        **StochasticModel._parameter_constraints,
        "loss": [StrOptions(set(StochasticModel.loss_functions))],
        "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "learning_rate": [
            StrOptions({"constant", "optimal", "invscaling", "adaptive", "pa1", "pa2"})
        ],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    }

    _attributes: ClassVar = {"intercept_": np.ndarray}

    def __init__(
        self,
        loss: str = "squared_error",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0001,
        l1_ratio: float | None = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        epsilon: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        learning_rate: str = "invscaling",
        eta0: float = 0.01,
        power_t: float = 0.25,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        average: bool | int = False,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.epsilon = epsilon
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.average = average

    def _width(self) -> int:
        return 1

    @all_or_nothing
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        coef_init: ArrayLike | None = None,
        intercept_init: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
            Of a scan or a Dask collection with shuffle=False.
        y : array-like of shape (n_samples,)
            Of a scan also a column.
        coef_init : array-like of shape (n_features,), default=None
            Where to begin; zeros if not given, or the last ones with `warm_start`.
        intercept_init : array-like of shape (1,), default=None
        sample_weight : array-like of shape (n_samples,), default=None
            What steps are multiplied by, at least 0. Of a scan also a column.

        Returns
        -------
        SGDRegressor
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, parameters contradict each
            other, or coefficients become infinite; the message says at which epoch.

        Examples
        --------
        >>> from rmodels import SGDRegressor
        >>> model = SGDRegressor(tol=None, max_iter=500, shuffle=False, alpha=0.0, eta0=0.1)
        >>> model.fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]).coef_.round(2)
        array([2.])
        """
        check_rates(self)
        source = self._source(X, y, sample_weight, reset=True)
        goes_on = self.warm_start and self.average and hasattr(self, "_standard_coef")
        goes_on = goes_on and coef_init is None and intercept_init is None
        if goes_on:  # from the last iterate, where classifiers begin with the average
            coef_init, intercept_init = self._standard_coef, self._standard_intercept
        else:
            coef_init, intercept_init = self._begin_with(coef_init, intercept_init)
        shape = 1, source.n_features
        start = self._start(shape, source.dtype, coef_init, intercept_init, alone=True)
        if goes_on:
            start.average[:] = self._average_coef
            start.average_intercepts[:] = self._average_intercept
        self._descend(source, start, X, once=False)
        self._warn_of_end()
        return self

    def _predict(self, rows: Rows) -> Any:
        """Return the predictions of checked rows."""
        # sparse coefficients are one row in older versions of scikit-learn
        return super()._predict(rows).reshape(-1)

    @all_or_nothing
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Walk one epoch over some rows, from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`, with the same columns each time.

        Returns
        -------
        SGDRegressor
            The estimator itself.

        Raises
        ------
        ValueError
            As in `fit`; then the model is as it was before.

        Examples
        --------
        >>> from rmodels import SGDRegressor
        >>> model = SGDRegressor(eta0=0.5, learning_rate="constant", alpha=0.0)
        >>> model.partial_fit([[1.0]], [2.0]).partial_fit([[1.0]], [2.0]).coef_
        array([1.])
        """
        check_rates(self, in_parts=True)
        begun = hasattr(self, "coef_")
        source = self._source(X, y, sample_weight, reset=not begun)
        start = self._go_on("intercept_") if begun else None
        start = start or Place.zeros(1, source.n_features, source.dtype)
        self._descend(source, start, X, once=True)
        return self

    def _source(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> Source:
        part = not reset
        source = one_target(
            data.source(
                self, X, y, sample_weight, targets="numbers", need=NEED, reset=reset, part=part
            )
        )
        if isinstance(source, Rows) and not source.one_target:
            warn_of_a_column(source.Y)
        return source

    def _descend(self, source: Source, start: Place, X: Any, *, once: bool) -> None:
        rule = self._rule(source, self.alpha, once=once)
        validation = None
        if self.early_stopping:
            validation = hold_out(
                source, self.validation_fraction, self.random_state, classifies=False, labels=None
            )
        seed = int(check_random_state(self.random_state).randint(0, MOST_SEED))
        problems = [Problem(seed=seed)]
        found = descend(
            source, rule, problems, start, validation=validation, verbose=bool(self.verbose)
        )
        self._set_descent(found, X, "intercept_", alone=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = False
        tags.target_tags.single_output = True
        return tags
