"""What linear and quadratic discriminant analysis have in common."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from rmodels.base.densities import DensityClassifier
from rmodels.base.warnings import warn
from rmodels.data import Need, Rows, hold, map_rows
from rmodels.data.arrays import namespace, on_gpu
from rmodels.exceptions import NotCoveredError
from rmodels.ops.moments import GroupMoments

__all__ = ["DENSE", "ROWS_AT_A_TIME", "Discriminant", "Matrix", "join"]

Matrix = NDArray[np.float64]

DENSE = Need(sparse=False)
ROWS_AT_A_TIME = 2048

_QUERIES = Need(sparse=False, missing="refuse")


class Discriminant(DensityClassifier):
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
        if self.covariance_estimator is not None:
            if self.solver == "svd":
                raise ValueError(
                    "covariance estimator is not supported with svd solver. Try another solver"
                )
            raise NotCoveredError(
                "covariance_estimator is not covered: set it to None, and shrinkage to 'auto' or a "
                "number"
            )

    def _find_priors(self, moments: GroupMoments) -> Matrix:
        """Return the classes' priors: those that are given, or their shares of the weights."""
        if self.priors is None:
            shares: Matrix = moments.weight / moments.weight.sum()
            return shares
        priors = np.asarray(self.priors, dtype=np.float64)
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

    def decision_function(self, X: ArrayLike) -> Any:
        """Return log p(c | x) of each class, but for a term that all classes share.

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes), or (n_queries,) of two classes
            In the order of `classes_`; of two classes that of the second less that of the first.

        Examples
        --------
        >>> from rmodels import LinearDiscriminantAnalysis
        >>> X, y = [[0.0], [2.0], [4.0], [6.0]], [0, 0, 1, 1]
        >>> LinearDiscriminantAnalysis().fit(X, y).decision_function([[3.0], [4.0]]).round(6)
        array([0., 4.])
        """
        check_is_fitted(self)
        answer = hold(self, X)._decide
        return map_rows(self, X, answer, need=_QUERIES, task="decision_function")

    def _decide(self, rows: Rows) -> Any:
        joint = self._joint(rows)
        return joint[:, 1] - joint[:, 0] if joint.shape[1] == 2 else joint


def join(parts: list[Any]) -> Any:
    """Return arrays or tensors one below the other."""
    return namespace(parts[0]).cat(parts) if on_gpu(parts[0]) else np.concatenate(parts)
