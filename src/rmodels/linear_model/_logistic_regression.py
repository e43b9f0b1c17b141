"""Logistic regression, binary and multinomial."""

from numbers import Integral, Real
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmodels import data
from rmodels.base.classes import one_target, weigh_classes
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.warnings import warn
from rmodels.data import Need
from rmodels.data.arrays import adopt, as_kind_of, convert_like, on_host
from rmodels.linear_model._likelihood import LikelihoodModel
from rmodels.linear_model._logistic import SOLVERS, LogisticModel, family_of
from rmodels.linear_model._minimum import warn_of_minimum
from rmodels.solvers.generalised import fit

__all__ = ["LogisticRegression"]

_NEED = Need()


class LogisticRegression(LikelihoodModel, LogisticModel):
    """Logistic regression: classes whose log-odds are linear, with a penalty.

    Minimises, with the scores s = coef x + intercept,

        Σᵢ wᵢ ℓᵢ + (1 − l1_ratio) / (2 C) Σ coef² + l1_ratio / C Σ abs(coef)

    where ℓ of two classes is log(1 + exp(−s)) in the second and log(1 + exp s) in the first, and of
    more log Σ_c exp s_c − s_y, the class y's own. The intercept has no penalty. The minimum is
    found to the digits of float64 in a handful of reads of X.

    Parameters
    ----------
    penalty : {"l1", "l2", "elasticnet"} or None
        Deprecated by scikit-learn 1.8: use `l1_ratio`, and C=inf for None.
    C : float, default=1.0
        Above 0; infinite for no penalty.
    l1_ratio : float, default=0.0
        From 0 to 1.
    dual : bool, default=False
        Accepted for compatibility, with solver="liblinear" only.
    tol : float, default=1e-4
        Accepted for compatibility, as are `max_iter` and `random_state`: nothing stops before the
        minimum.
    fit_intercept : bool, default=True
        Whether the model has intercepts.
    intercept_scaling : float, default=1
        With solver="liblinear": the penalty of the intercept is that of intercept /
        intercept_scaling as a coefficient.
    class_weight : dict, "balanced" or None, default=None
        What the weights of rows of a class are multiplied by; "balanced" is Σ w / (n_classes · that
        of the class).
    random_state : int, RandomState instance, default=None
    solver : str, default="lbfgs"
        One of "lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag" and "saga". Accepted for
        compatibility, and restricted as scikit-learn restricts it: whichever is named, the same
        minimum is found; but "liblinear" has a penalty on the intercept, too.
    max_iter : int, default=100
    verbose : int, default=0
        Accepted for compatibility: the setting "progress" shows how far a fit is.
    warm_start : bool, default=False
        Whether `fit` begins where the last one ended.
    n_jobs : int, default=None
        Deprecated by scikit-learn 1.8. Threads; None is the setting `n_threads`, -1 all processors.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) of two classes
        In the dtype of X. Of more than two classes they sum to zero over the classes where the
        penalty has squares, or there is none.
    intercept_ : ndarray of shape (n_classes,), or (1,) of two classes
        Of more than two classes they sum to zero.
    n_iter_ : ndarray of shape (1,), int32
        Steps that were made.
    n_reads_ : int
        How often all rows were read for them.
    engine_ : {"reference", "native", "gpu", "scipy"}
        What computed losses and gradients; "scipy" those of a sparse X.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Warns
    -----
    ConvergenceWarning
        If the classes can be separated and there is no penalty: then there is no minimum. Or if a
        gradient misses 10⁻¹¹ Σ w abs(x_j r), r the differences of the probabilities from 0 or 1,
        and the penalty's part; by how much is said.

    Notes
    -----
    About 3 · n_samples · n_features multiply-adds a read, times the classes if more than two; one
    or two reads take n_features² / 2 more for each row, for the curvature. Memory beyond X: a few
    matrices of as many rows as there are coefficients; above 3,000 coefficients none, but
    many more reads. Of two classes and fewer rows than columns, as long as a penalty holds them and
    the rows are at most 1,500 or the columns 3,000: matrices of as many rows as X has, and two
    copies of X in float64.

    Source: T. Hastie, R. Tibshirani, J. Friedman, "The Elements of Statistical Learning", 2009,
    section 4.4.

    Examples
    --------
    >>> from rmodels import LogisticRegression
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]
    >>> model = LogisticRegression(C=10.0).fit(X, y)
    >>> model.coef_.round(3), model.intercept_.round(3), model.predict([[1.4], [1.6]]).tolist()
    (array([[-2.651]]), array([3.977]), ['low', 'high'])
    """

    _attributes: ClassVar = {"n_iter_": np.ndarray, "n_reads_": int}

    _parameter_constraints: dict = {
        "penalty": [StrOptions({"l1", "l2", "elasticnet", "deprecated"}), None],
        "C": [Interval(Real, 0, None, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "dual": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "random_state": ["random_state"],
        "solver": [StrOptions(SOLVERS)],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "n_jobs": [None, Integral],
    }

    def __init__(
        self,
        penalty: str | None = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float | None = 0.0,
        dual: bool = False,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: dict | str | None = None,
        random_state: int | np.random.RandomState | None = None,
        solver: str = "lbfgs",
        max_iter: int = 100,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    def _is_consistent(self) -> bool:
        n_classes = len(self.classes_)
        rows = 1 if n_classes == 2 else n_classes
        fits = bool(self.coef_.shape == (rows, self.n_features_in_))
        return fits and self._holds_likelihood(rows)

    def _refusal(self) -> str | None:
        if self.penalty is not None and not np.isinf(self.C):
            return f"a penalty, C={self.C!r}: set C=np.inf"
        if self.class_weight is not None:
            return (
                f"class_weight={self.class_weight!r}, which is not how often the rows were seen: "
                "set class_weight=None"
            )
        return None

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Labels of two classes or more. Of a scan also a column.
        sample_weight : array-like of shape (n_samples,), default=None
            w, at least 0. Of a scan also a column.

        Returns
        -------
        LogisticRegression
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape or a single class, or
            parameters contradict each other.

        Examples
        --------
        >>> from rmodels import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 1, 2, 2]
        >>> LogisticRegression().fit(X, y).predict_proba([[2.5]]).round(3)
        array([[0.237, 0.525, 0.237]])
        """
        C, l1_ratio = self._check_combination()
        source = one_target(data.source(self, X, y, sample_weight, targets="labels", need=_NEED))
        assert source.classes is not None
        classes = on_host(source.classes[0])
        self._check_classes(classes)
        family = family_of(classes)
        factors = weigh_classes(source, self.class_weight)
        found = fit(
            source,
            family,
            self._penalties(source.n_features, C, l1_ratio),
            fit_intercept=self.fit_intercept,
            class_weights=None if factors is None else factors[0],
            start=self._start(family.n_outputs, source.n_features),
            n_threads=source.threads(self.n_jobs),
            likelihood=self._refusal() is None,
        )
        warn_of_minimum(found)
        self._keep_likelihood(found.likelihood)
        coefficients = found.coefficients
        self.classes_ = source.classes[0]
        self.coef_ = convert_like(coefficients[:, :-1], X, source.dtype)
        self.intercept_ = convert_like(coefficients[:, -1], X, source.dtype)
        self.n_iter_ = as_kind_of(np.array([found.steps], dtype=np.int32), None)
        self.n_reads_, self.engine_ = found.reads, found.engine
        return self

    def _check_combination(self) -> tuple[float, float]:
        """Return C and the share of magnitudes in the penalty, by scikit-learn's rules."""
        ratio = self.l1_ratio
        if self.penalty == "deprecated":
            if ratio is None:
                warn(
                    "'l1_ratio=None' was deprecated in version 1.8 and will trigger an error in "
                    "1.10. Use 0<=l1_ratio<=1 instead.",
                    FutureWarning,
                )
            share = float(ratio or 0.0)
            penalty: str | None = "l2" if share == 0 else "l1" if share == 1 else "elasticnet"
            if np.isinf(self.C):
                penalty = None
        else:
            penalty = self.penalty
            warn(
                "'penalty' was deprecated in version 1.8 and will be removed in 1.10. To avoid "
                "this warning, leave 'penalty' set to its default value and use 'l1_ratio' or 'C' "
                "instead. Use l1_ratio=0 instead of penalty='l2', l1_ratio=1 instead of "
                "penalty='l1', l1_ratio set to a float between 0 and 1 instead of "
                "penalty='elasticnet', and C=np.inf instead of penalty=None.",
                FutureWarning,
            )
        self._check_solver(penalty)
        if penalty != "elasticnet" and ratio is not None and 0 < ratio < 1:
            warn(
                "l1_ratio parameter is only used when penalty is 'elasticnet'. Got "
                f"(penalty={penalty})"
            )
        if (self.penalty == "l2" and ratio != 0) or (self.penalty == "l1" and ratio != 1):
            warn(
                f"Inconsistent values: penalty={self.penalty} with l1_ratio={ratio}. penalty is "
                "deprecated. Please use l1_ratio only."
            )
        if penalty == "elasticnet" and ratio is None:
            raise ValueError("l1_ratio must be specified when penalty is elasticnet.")
        if self.penalty is None and self.C != 1.0:
            warn("Setting penalty=None will ignore the C and l1_ratio parameters")
        if self.n_jobs is not None:
            warn(
                "'n_jobs' has no effect since 1.8 and will be removed in 1.10. You provided "
                f"'n_jobs={self.n_jobs}', please leave it unspecified.",
                FutureWarning,
            )
        C = np.inf if penalty is None else float(self.C)
        if penalty == "elasticnet":
            return C, float(ratio or 0.0)
        return C, 1.0 if penalty == "l1" else 0.0

    def _start(self, n_outputs: int, n_features: int) -> NDArray[np.float64] | None:
        """Return where the last fit ended, if this one begins there."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        coef = (
            self.coef_.toarray() if hasattr(self.coef_, "toarray") else on_host(adopt(self.coef_))
        )
        if coef.shape != (n_outputs, n_features):
            raise ValueError(
                f"warm_start: the last fit left coefficients of shape {coef.shape}, and these rows "
                f"need {(n_outputs, n_features)}: set warm_start=False"
            )
        intercept = on_host(adopt(self.intercept_))
        return np.column_stack([coef, intercept if self.fit_intercept else 0 * intercept]).astype(
            np.float64
        )
