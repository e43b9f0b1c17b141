"""What linear and quadratic discriminant analysis have in common."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from rmodels.base.densities import ScoringClassifier
from rmodels.base.warnings import warn
from rmodels.data import Need, Rows, Source
from rmodels.exceptions import NotCoveredError
from rmodels.ops.moments import GroupMoments
from rmodels.solvers.moments import as_array

__all__ = ["DENSE", "ROWS_AT_A_TIME", "Discriminant", "Matrix"]

Matrix = NDArray[np.float64]

DENSE = Need(sparse=False)
ROWS_AT_A_TIME = 2048


class Discriminant(ScoringClassifier):
    """Classification by normal densities of the classes."""

    _attributes: ClassVar = {"means_": np.ndarray, "priors_": np.ndarray}

    priors: Any
    solver: str
    shrinkage: Any
    covariance_estimator: Any

    def _check_combination(self) -> None:
        """Raise scikit-learn's error if parameters contradict each other."""
        if self.solver == "svd" and self.shrinkage is not None:
            raise NotImplementedError("shrinkage not supported with 'svd' solver.")
        if self.covariance_estimator is None:
            return
        if self.solver == "svd":
            raise ValueError(
                f"{self._no_estimator_with_svd}. Try another solver, such as solver='eigen'"
            )
        if self.shrinkage is not None and self.shrinkage != 0:
            raise ValueError(
                "covariance_estimator and shrinkage parameters are not None. Only one of the two "
                "can be set."
            )

    _no_estimator_with_svd = "covariance_estimator is not supported with solver='svd'"

    def _fit_estimators(self, source: Source, n_classes: int) -> tuple[list[Matrix], Matrix]:
        """Return the covariances that `covariance_estimator` finds: of each class, and of all."""
        if not isinstance(source, Rows) or source.has_weights:
            raise NotCoveredError(
                "covariance_estimator needs the rows in memory, without weights: set it to None, "
                "and shrinkage to 'auto' or a number"
            )
        X, groups = as_array(source.X), as_array(source.Y[:, 0])
        each = [self._fit_estimator(X[groups == number]) for number in range(n_classes)]
        return each, self._fit_estimator(X)

    def _fit_estimator(self, X: NDArray) -> Matrix:
        fitted = clone(self.covariance_estimator, safe=False)
        fitted.fit(X)
        if not hasattr(fitted, "covariance_"):
            raise ValueError(f"{type(fitted).__name__} does not have a covariance_ attribute")
        return np.asarray(fitted.covariance_, dtype=np.float64)

    def _find_priors(self, moments: GroupMoments) -> Matrix:
        """Return the classes' priors: those that are given, or their shares of the weights."""
        if self.priors is None:
            shares: Matrix = moments.weight / moments.weight.sum()
            return shares
        priors = np.array(self.priors, dtype=np.float64)
        if priors.shape != moments.weight.shape:
            raise ValueError(
                f"priors has shape {priors.shape}, and there are {len(moments.weight)} classes"
            )
        if (priors < 0).any():
            raise ValueError("priors must be non-negative")
        if abs(priors.sum() - 1.0) > 1e-5:
            warn("The priors do not sum to 1. Renormalizing")
            priors = priors / priors.sum()
        return priors
