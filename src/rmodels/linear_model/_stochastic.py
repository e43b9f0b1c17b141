"""What the models of stochastic gradient descent share: parameters, and where they begin."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning

from rmodels.base.sklearn import Interval
from rmodels.base.sklearn.linear_model import SparseCoefMixin
from rmodels.base.state import Absent
from rmodels.base.warnings import warn
from rmodels.data import Need, Source
from rmodels.data.arrays import adopt, as_kind_of, on_host
from rmodels.ops.ordered import Place, Rule
from rmodels.solvers.stochastic import Descent, check_order

__all__ = ["MOST_SEED", "NEED", "SPARSE_DECAY", "StochasticModel", "check_rates"]

NEED = Need(missing="refuse")
MOST_SEED = np.iinfo(np.int32).max
SPARSE_DECAY = 0.01  # of the steps of the intercept, as scikit-learn has it

# The losses of `ops.ordered` and their edges, which `epsilon` takes the place of in these.
_BY_EPSILON = {"huber", "epsilon_insensitive", "squared_epsilon_insensitive"}


def check_rates(estimator: Any, *, in_parts: bool = False) -> None:
    """Raise scikit-learn's errors where parameters contradict each other."""
    if getattr(estimator, "early_stopping", False) and in_parts:
        raise ValueError("early_stopping should be False with partial_fit")
    rate, loss = estimator.learning_rate, estimator.loss
    if rate == "optimal" and getattr(estimator, "alpha", 1) == 0:
        raise ValueError(
            "alpha must be > 0 since learning_rate is 'optimal'. alpha is used to compute the "
            "optimal learning rate."
        )
    wanted = "hinge" if is_classifier(estimator) else "epsilon_insensitive"
    if rate in ("pa1", "pa2") and loss != wanted:
        raise ValueError(f"Learning rate '{rate}' only works with loss '{wanted}'.")
    if estimator.penalty == "elasticnet" and estimator.l1_ratio is None:
        raise ValueError("l1_ratio must be set when penalty is 'elasticnet'")


class StochasticModel(SparseCoefMixin):
    """A linear model that stochastic gradient descent leads to.

    Its parameters are scikit-learn's; what a class does not have as a parameter is an attribute of
    the class.
    """

    _parameter_constraints: dict = {
        "fit_intercept": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "shuffle": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "average": [Interval(Integral, 0, None, closed="neither"), "boolean"],
        "eta0": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, None, None, closed="neither")],
    }

    _attributes: ClassVar = {
        "coef_": np.ndarray,
        "n_iter_": int,
        "t_": float,
        "solver_": str,
        "_standard_coef": np.ndarray | Absent,
        "_standard_intercept": np.ndarray | Absent,
        "_average_coef": np.ndarray | Absent,
        "_average_intercept": np.ndarray | Absent,
    }

    coef_: Any
    t_: float
    n_iter_: int
    engine_: str
    solver_: str
    n_features_in_: int
    _standard_coef: NDArray
    _standard_intercept: NDArray
    _average_coef: NDArray
    _average_intercept: NDArray

    # Each loss as `ops.ordered` has it: its name there and its edge, of some by default.
    loss_functions: ClassVar[dict[str, tuple[str, float]]] = {
        "squared_error": ("squared_error", 0.0),
        "huber": ("huber", 0.1),
        "epsilon_insensitive": ("epsilon_insensitive", 0.1),
        "squared_epsilon_insensitive": ("squared_epsilon_insensitive", 0.1),
    }

    # Of those that are no parameters of every class.
    average: Any = False
    early_stopping: Any = False
    validation_fraction: Any = 0.1
    n_iter_no_change: Any = 5
    learning_rate: Any = "constant"
    epsilon: Any = 0.1
    power_t: Any = 0.5
    penalty: Any = None
    l1_ratio: Any = 0.0

    def _has_checkpoint(self) -> bool:
        return False

    def _rule(self, source: Source, alpha: float, *, once: bool, one_class: bool = False) -> Rule:
        """Return what a step does; `once` is of `partial_fit`."""
        me: Any = self
        check_order(source, shuffle=bool(me.shuffle))
        loss, edge = self.loss_functions[me.loss]
        return Rule(
            loss,
            float(me.epsilon) if me.loss in _BY_EPSILON else edge,
            me.penalty,
            float(alpha),
            float(me.l1_ratio or 0.0),
            me.learning_rate,
            float(me.eta0),
            float(me.power_t),
            bool(me.fit_intercept),
            SPARSE_DECAY if sparse.issparse(getattr(source, "X", None)) else 1.0,
            one_class,
            int(me.average),
            bool(me.shuffle),
            1 if once else int(me.max_iter),
            -np.inf if me.tol is None else float(me.tol),
            int(me.n_iter_no_change),
            bool(me.early_stopping),
        )

    def _held(self, name: str) -> NDArray:
        """Return an attribute as an array in the processor's memory."""
        value = getattr(self, name)
        return np.asarray(value.toarray() if sparse.issparse(value) else on_host(adopt(value)))

    def _go_on(self, intercept: str) -> Place:
        """Return where the last call ended; `intercept` names that of now."""
        coef = np.atleast_2d(self._held("coef_"))
        now = self._intercepts(self._held(intercept))
        average = int(self.average)
        if average and hasattr(self, "_standard_coef"):
            W, b = np.atleast_2d(self._standard_coef), self._standard_intercept
            A, a = np.atleast_2d(self._average_coef), self._average_intercept
        else:
            W, b = coef, now
            A, a = (coef, now) if average else (np.zeros_like(coef), np.zeros_like(now))
        wide = (np.asarray(each, np.float64).ravel() for each in (b, a))
        b, a = wide
        return Place(np.ascontiguousarray(W), b, np.ascontiguousarray(A), a, self.t_)

    def _begin_with(self, coef: Any, intercept: Any, name: str = "intercept_") -> tuple[Any, Any]:
        """Return what a fit is given to begin with, else with `warm_start` what the last one left.

        `name` is that of the attribute of the intercept.
        """
        me: Any = self
        if me.warm_start and hasattr(self, "coef_"):
            coef = self.coef_ if coef is None else coef
            intercept = getattr(self, name) if intercept is None else intercept
        return coef, intercept

    def _start(
        self, shape: tuple[int, int], dtype: Any, coef_init: Any, intercept_init: Any, alone: bool
    ) -> Place:
        """Return where a fit begins, by what it is given to begin with."""
        place = Place.zeros(*shape, dtype)
        if coef_init is not None:
            given = coef_init.toarray() if sparse.issparse(coef_init) else on_host(adopt(coef_init))
            W = np.asarray(given, dtype)
            W = W.reshape(1, -1) if alone else W
            if W.shape != shape:
                kind = "Provided coef_init" if alone else "Provided ``coef_``"
                raise ValueError(f"{kind} does not match dataset. ")
            place.coefficients = np.array(W)
        if intercept_init is not None:
            b = np.asarray(on_host(adopt(intercept_init)), dtype)
            if b.shape != shape[:1] and not (alone and b.shape == ()):
                raise ValueError("Provided intercept_init does not match dataset.")
            place.intercepts = self._intercepts(b).astype(np.float64).ravel()
        return place

    def _intercepts(self, given: NDArray) -> NDArray:
        """Return the intercepts that an attribute or parameter means, or the other way round."""
        return given

    def _set_descent(self, found: Descent, X: Any, intercept: str, *, alone: bool) -> None:
        """Set what is found: the mean of the iterates if enough were made, else the last one."""
        place = found.place
        self.n_iter_ = found.n_iter
        self.t_ = place.t + found.n_iter * found.n_samples
        self.engine_, self.solver_ = found.engine, found.solver
        W, b = place.coefficients, place.intercepts
        if self.average:
            self._standard_coef, self._standard_intercept = place.coefficients, place.intercepts
            self._average_coef, self._average_intercept = place.average, place.average_intercepts
            if int(self.average) <= self.t_ - 1.0:
                W, b = place.average, place.average_intercepts
        else:
            self._forget_average()
        self.coef_ = as_kind_of(W[0].copy() if alone else W.copy(), X)
        setattr(self, intercept, as_kind_of(self._intercepts(b), X))

    def _forget_average(self) -> None:
        for kind in ("_standard", "_average"):
            for name in (f"{kind}_coef", f"{kind}_intercept"):
                if name in vars(self):
                    delattr(self, name)

    def _warn_of_end(self) -> None:
        """Warn of a fit that did not end by itself."""
        me: Any = self
        if me.tol is not None and me.tol > -np.inf and me.n_iter_ == me.max_iter:
            warn(
                "Maximum number of iteration reached before convergence. Consider increasing "
                "max_iter to improve the fit.",
                ConvergenceWarning,
            )
        if me.power_t < 0:
            warn(
                "Negative values for `power_t` are deprecated in version 1.8 and will raise an "
                "error in 1.10. Use values in the range [0.0, inf) instead.",
                FutureWarning,
            )

    def _is_consistent(self) -> bool:
        columns: int = self.coef_.shape[-1]
        return bool(columns == self.n_features_in_)
