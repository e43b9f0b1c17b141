"""Classification by stochastic gradient descent."""

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.utils import check_random_state, compute_class_weight

from rmodels import data
from rmodels.base.classes import known_classes, one_target
from rmodels.base.estimator import all_or_nothing, available_if
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.data import Rows, Source
from rmodels.data.arrays import on_host
from rmodels.linear_model._linear_classifier import LinearClassifier
from rmodels.linear_model._stochastic import MOST_SEED, NEED, StochasticModel, check_rates
from rmodels.ops.ordered import Place, Problem
from rmodels.solvers.stochastic import descend, hold_out

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["SGDClassifier", "StochasticClassifier"]


class StochasticClassifier(StochasticModel, LinearClassifier):
    """A linear classifier that stochastic gradient descent leads to, one class against the rest."""

    _parameter_constraints: dict = {
        **StochasticModel._parameter_constraints,
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
    }

    loss_functions: ClassVar = {
        "hinge": ("hinge", 1.0),
        "squared_hinge": ("squared_hinge", 1.0),
        "perceptron": ("hinge", 0.0),
        "log_loss": ("log_loss", 0.0),
        "modified_huber": ("modified_huber", 1.0),
        **StochasticModel.loss_functions,
    }

    loss: Any
    alpha: Any
    class_weight: Any
    warm_start: Any
    random_state: Any
    n_jobs: Any
    verbose: Any

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
            Labels. Of a scan also a column.
        coef_init : array-like of shape (n_classes, n_features), default=None
            Where to begin; zeros if not given, or the last ones with `warm_start`. Of two classes
            also (n_features,).
        intercept_init : array-like of shape (n_classes,), default=None
            Of two classes (1,).
        sample_weight : array-like of shape (n_samples,), default=None
            What steps are multiplied by, at least 0. Of a scan also a column.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape or a single class, parameters
            contradict each other, or coefficients become infinite; the message says at which epoch.

        Examples
        --------
        >>> from rmodels import SGDClassifier
        >>> X, y = [[-2.0], [-1.0], [1.0], [2.0]], ["left", "left", "right", "right"]
        >>> SGDClassifier(random_state=0).fit(X, y).predict([[-3.0], [3.0]]).tolist()
        ['left', 'right']
        """
        check_rates(self)
        source = self._source(X, y, sample_weight, reset=True)
        classes = source.classes[0]  # type: ignore[index]
        coef_init, intercept_init = self._begin_with(coef_init, intercept_init)
        shape = self._shape(classes), source.n_features
        start = self._start(shape, source.dtype, coef_init, intercept_init, alone=shape[0] == 1)
        self._descend(source, classes, start, X, once=False)
        self._warn_of_end()
        return self

    @all_or_nothing
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Walk one epoch over some rows, from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`, with the same columns each time.
        classes : array-like of shape (n_classes,), default=None
            All labels that may come; needed in the first call.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        ValueError
            As in `fit`, and if y holds a label that is not among the classes; then the model is as
            it was before.

        Examples
        --------
        >>> from rmodels import Perceptron
        >>> model = Perceptron().partial_fit([[1.0]], [1], classes=[0, 1])
        >>> model.partial_fit([[-2.0]], [0]).coef_
        array([[1.]])
        """
        check_rates(self, in_parts=True)
        begun = hasattr(self, "classes_")
        if self.class_weight == "balanced" and not begun:
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit. In order to use "
                "'balanced' weights, use compute_class_weight('balanced', classes=classes, y=y). "
                "In place of y you can use a large enough sample of the full training set target "
                "to properly estimate the class frequency distributions. Pass the resulting "
                "weights as the class_weight parameter."
            )
        known = known_classes(self, classes)
        source = self._source(X, y, sample_weight, reset=not begun, classes=[known])
        start = self._go_on("intercept_") if begun else None
        start = start or Place.zeros(self._shape(known), source.n_features, source.dtype)
        self._descend(source, known, start, X, once=True)
        return self

    @staticmethod
    def _shape(classes: Any) -> int:
        """Return how many problems there are."""
        if len(classes) < 2:
            raise ValueError(
                f"The number of classes has to be greater than one; got {len(classes)} class"
            )
        return 1 if len(classes) == 2 else len(classes)

    def _source(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, classes: Any = None
    ) -> Source:
        return one_target(
            data.source(
                self,
                X,
                y,
                sample_weight,
                targets="labels",
                need=NEED,
                reset=reset,
                part=classes is not None,
                classes=classes,
            )
        )

    def _weigh(self, source: Source, classes: NDArray) -> NDArray:
        """Return the weights of the classes."""
        if self.class_weight != "balanced":
            found: NDArray = compute_class_weight(self.class_weight, classes=classes, y=classes)
            return found
        counts = source.fold(
            lambda rows: np.bincount(on_host(rows.Y)[:, 0].astype(np.intp), minlength=len(classes))
        )
        if not counts.all():
            raise ValueError("classes should have valid labels that are in y")
        return np.asarray(counts.sum() / (len(classes) * counts))

    def _descend(self, source: Source, classes: Any, start: Place, X: Any, *, once: bool) -> None:
        rule = self._rule(source, self.alpha, once=once)
        negative = 0.0 if self.loss == "log_loss" else -1.0
        random = check_random_state(self.random_state)
        alone = len(classes) == 2
        if alone:
            random.randint(1, MOST_SEED)  # scikit-learn draws one that it does not use
        validation = None
        if self.early_stopping:
            labels = on_host(source.Y)[:, 0] if isinstance(source, Rows) else None
            validation = hold_out(
                source, self.validation_fraction, self.random_state, classifies=True, labels=labels
            )
        weights = self._weigh(source, on_host(classes))
        if alone:
            seed = int(random.randint(MOST_SEED))
            problems = [Problem(1, negative, float(weights[1]), float(weights[0]), seed)]
        else:
            problems = []
            for label, drawn in enumerate(random.randint(MOST_SEED, size=len(classes))):
                own = np.random.RandomState(drawn)
                own.randint(1, MOST_SEED)
                seed = int(own.randint(MOST_SEED))
                problems.append(Problem(label, negative, float(weights[label]), 1.0, seed))
        found = descend(
            source,
            rule,
            problems,
            start,
            validation=validation,
            n_threads=source.threads(self.n_jobs),
            verbose=bool(self.verbose),
        )
        self.classes_ = classes
        self._set_descent(found, X, "intercept_", alone=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _has_probabilities(estimator: Any) -> bool:
    if estimator.loss not in ("log_loss", "modified_huber"):
        raise AttributeError(f"probability estimates are not available for loss={estimator.loss!r}")
    return True


class SGDClassifier(StochasticClassifier):
    """Linear classification by a step for each row, in scikit-learn's order.

    Minimises the mean of loss(x·coef + intercept, y) plus a penalty on the coefficients by
    stochastic gradient descent, for two classes with y ±1, for more each class against all others:
    coefficients, `n_iter_` and `t_` are scikit-learn's for the same `random_state`, to rounding.

    Parameters
    ----------
    loss : str, default="hinge"
        With m = y p, p the score: "hinge" max(0, 1 − m), the linear support vector machine;
        "squared_hinge" its square; "perceptron" max(0, −m); "log_loss" log(1 + exp(−m)), logistic
        regression; "modified_huber" max(0, 1 − m)², and −4 m below m = −1. Or one of
        `SGDRegressor`, with y ±1.
    penalty, alpha, l1_ratio, fit_intercept, max_iter, tol, shuffle, verbose, epsilon
        As in `SGDRegressor`.
    n_jobs : int, default=None
        Threads that classes are shared among; None is the setting `n_threads`, -1 all processors.
        Any number gives the same bits.
    random_state : int, RandomState instance, default=None
        What orders, a different one for each class, and held out rows are drawn by.
    learning_rate : str, default="optimal"
        As in `SGDRegressor`; "pa1" and "pa2" with loss="hinge".
    eta0, power_t, early_stopping, validation_fraction, n_iter_no_change
        As in `SGDRegressor`; what is watched with early_stopping is the accuracy, of rows of all
        classes in their shares.
    class_weight : dict, "balanced" or None, default=None
        What steps of rows of a class are multiplied by; "balanced" is n_samples / (n_classes ·
        rows of the class).
    warm_start, average
        As in `SGDRegressor`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) of two classes
    intercept_ : ndarray of shape (n_classes,), or (1,) of two classes
    n_iter_ : int
        Epochs of the class that took most.
    t_, engine_, solver_, n_features_in_, feature_names_in_
        As in `SGDRegressor`.

    Warns
    -----
    ConvergenceWarning
        As in `SGDRegressor`.

    Notes
    -----
    As in `SGDRegressor`.

    Examples
    --------
    >>> from rmodels import SGDClassifier
    >>> X, y = [[-2.0], [-1.0], [1.0], [2.0]], ["left", "left", "right", "right"]
    >>> SGDClassifier(random_state=0).fit(X, y).predict([[-3.0], [3.0]]).tolist()
    ['left', 'right']
    """

    _parameter_constraints: dict = {
        **StochasticClassifier._parameter_constraints,
        "loss": [StrOptions(set(StochasticClassifier.loss_functions))],
        "learning_rate": [
            StrOptions({"constant", "optimal", "invscaling", "adaptive", "pa1", "pa2"})
        ],
        "epsilon": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        loss: str = "hinge",
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
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        learning_rate: str = "optimal",
        eta0: float = 0.01,
        power_t: float = 0.5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: dict | str | None = None,
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
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.average = average

    @available_if(_has_probabilities)
    def predict_proba(self, X: ArrayLike) -> Any:
        """Return the probability of each class; of loss="log_loss" and "modified_huber" only.

        The logistic function of the score, or (1 + the score, limited to ±1) / 2; of more than two
        classes over their sum.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes)
            In the order of `classes_`.

        Examples
        --------
        >>> from rmodels import SGDClassifier
        >>> model = SGDClassifier("log_loss", random_state=0).fit([[-1.0], [1.0]], [0, 1])
        >>> model.predict_proba([[0.0]]).round(1)
        array([[0.5, 0.5]])
        """
        return self._answer(X, "_probabilities", "predict_proba")

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: ArrayLike) -> Any:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes)
            −∞ where the probability is 0.

        Examples
        --------
        >>> from rmodels import SGDClassifier
        >>> model = SGDClassifier("log_loss", random_state=0).fit([[-1.0], [1.0]], [0, 1])
        >>> model.predict_log_proba([[0.0]]).round(1)
        array([[-0.7, -0.7]])
        """
        return self._answer(X, "_log_probabilities", "predict_proba")

    def _probabilities(self, rows: Rows) -> NDArray:
        """Return the probabilities of checked rows."""
        scores = on_host(self._decide(rows))
        if self.loss == "log_loss":
            likely = expit(scores)
        else:
            likely = (np.clip(scores, -1.0, 1.0) + 1.0) / 2.0
        if likely.ndim == 1:
            return np.stack([1.0 - likely, likely], axis=1)
        total = likely.sum(axis=1, keepdims=True)
        likely = np.where(total > 0, likely, 1.0)  # nothing is likely: all are alike
        return np.asarray(likely / likely.sum(axis=1, keepdims=True))

    def _log_probabilities(self, rows: Rows) -> NDArray:
        with np.errstate(divide="ignore"):
            return np.log(self._probabilities(rows))

    def _graph_scores(self, scores: "Value", alone: bool) -> "dict[str, Value]":
        graph = scores.graph
        if not hasattr(self, "predict_proba"):
            return {"scores": scores}
        if self.loss == "log_loss":
            likely = 1.0 / ((-scores).exp() + 1.0)
        else:
            likely = (scores.maximum(-1.0).minimum(1.0) + 1.0) / 2.0
        if alone:
            return {"probabilities": graph.stack([1.0 - likely, likely])}
        likely = graph.where(likely.sum(1, keep=True) > 0.0, likely, 1.0)
        return {"probabilities": likely / likely.sum(1, keep=True)}
