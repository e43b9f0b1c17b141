"""The perceptron."""

from numbers import Real

import numpy as np

from rmodels.base.sklearn import Interval
from rmodels.linear_model._stochastic_classifier import StochasticClassifier

__all__ = ["Perceptron"]


class Perceptron(StochasticClassifier):
    """The perceptron: a step towards each row whose class is wrong, in scikit-learn's order.

    It is `SGDClassifier` with loss="perceptron", learning_rate="constant", eta0=1 and no penalty.

    Parameters
    ----------
    penalty, alpha, l1_ratio, fit_intercept, max_iter, tol, shuffle, verbose
        As in `SGDClassifier`; the default of penalty is None.
    eta0 : float, default=1.0
        What steps are multiplied by.
    n_jobs : int, default=None
        As in `SGDClassifier`.
    random_state : int, RandomState instance or None, default=0
        As in `SGDClassifier`.
    early_stopping, validation_fraction, n_iter_no_change, class_weight, warm_start
        As in `SGDClassifier`.

    Attributes
    ----------
    classes_, coef_, intercept_, n_iter_, t_, engine_, solver_, n_features_in_, feature_names_in_
        As in `SGDClassifier`.

    Examples
    --------
    >>> from rmodels import Perceptron
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 1]
    >>> Perceptron().fit(X, y).predict(X)
    array([0, 1, 1, 1])
    """

    _parameter_constraints: dict = {
        **StochasticClassifier._parameter_constraints,
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    }
    _parameter_constraints.pop("average")
    _parameter_constraints.pop("power_t")

    loss = "perceptron"

    def __init__(
        self,
        *,
        penalty: str | None = None,
        alpha: float = 0.0001,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        eta0: float = 1.0,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = 0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: dict | str | None = None,
        warm_start: bool = False,
    ) -> None:
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.eta0 = eta0
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start
