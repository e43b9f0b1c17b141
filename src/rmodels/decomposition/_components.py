"""What PCA and IncrementalPCA have in common: the probabilistic model of principal components."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from rmodels.data import Source
from rmodels.data.arrays import adopt, as_kind_of, convert_like, on_host
from rmodels.decomposition._projection import Matrix, Projection
from rmodels.solvers.principal import Axes

__all__ = ["PrincipalComponents"]


class PrincipalComponents(Projection):
    """Principal components, and the normal distribution that they and the noise make."""

    _attributes: ClassVar = {
        "mean_": np.ndarray,
        "noise_variance_": float,
        "n_components_": int,
    }

    whiten: bool

    def _set_axes(self, axes: Axes, k: int, source: Source, X: Any) -> None:
        """Set what k of the axes tell."""
        n, d = axes.weight, source.n_features
        if not n > 1:
            raise ValueError(
                f"sample_weight adds up to {n:.3g}, and has to be more than 1: a weight stands for "
                "as many equal rows"
            )
        variances, total = axes.squares / (n - 1), axes.total / (n - 1)

        def keep(values: Matrix) -> Any:
            return convert_like(values, X, source.dtype)

        self.components_ = keep(axes.components[:k])
        self.explained_variance_ = keep(variances[:k])
        self.explained_variance_ratio_ = keep(variances[:k] / total if total else variances[:k])
        self.singular_values_ = keep(np.sqrt(axes.squares[:k]))
        self.mean_ = keep(axes.mean)
        self._centre = axes.mean
        unknown = max(0.0, axes.total - axes.squares.sum()) / (
            n - 1
        )  # of those that were not computed
        left_out = unknown + variances[k:].sum()
        self.noise_variance_ = float(left_out / (d - k)) if k < d else 0.0
        self.n_components_ = k
        self.solver_, self.engine_ = axes.solver, axes.engine
        self._warn_of_digits(axes)

    def _scales(self) -> Any:
        """Return what the results are divided by, as a column, or 1."""
        if not self.whiten:
            return 1
        scales: NDArray = np.sqrt(on_host(adopt(self.explained_variance_)))[:, np.newaxis]
        return np.maximum(scales, np.finfo(scales.dtype).eps)

    def _log_determinant(self) -> float:
        """Return log det(covariance)."""
        variances, left_out = self._variances(), self.n_features_in_ - self.n_components_
        if not (variances > 0).all() or (left_out and not self.noise_variance_ > 0):
            raise linalg.LinAlgError(
                "the covariance is singular: ask for fewer components, whose number leaves out "
                "some variance"
            )
        rest = left_out * np.log(self.noise_variance_) if left_out else 0.0
        return float(np.log(variances).sum() + rest)

    def _variances(self) -> Matrix:
        found: Matrix = on_host(adopt(self.explained_variance_)).astype(np.float64)
        return found

    def get_covariance(self) -> Any:
        """Return the covariance of the probabilistic model: Vᵀ diag(λ − noise) V + noise · I.

        Returns
        -------
        ndarray of shape (n_features, n_features)
            Whether or not `whiten`: the covariance of the rows, not of what `transform` gives.

        Examples
        --------
        >>> from rmodels import PCA
        >>> PCA(2).fit([[0.0, 1.0], [2.0, 1.0], [1.0, 4.0]]).get_covariance().round(6)
        array([[1., 0.],
               [0., 3.]])
        """
        return self._mix(self._variances() - self.noise_variance_, self.noise_variance_)

    def get_precision(self) -> Any:
        """Return the inverse of `get_covariance`, from the components.

        Returns
        -------
        ndarray of shape (n_features, n_features)

        Raises
        ------
        scipy.linalg.LinAlgError
            If the covariance is singular.

        Examples
        --------
        >>> from rmodels import PCA
        >>> PCA(2).fit([[0.0, 1.0], [2.0, 1.0], [1.0, 4.0]]).get_precision().round(6)
        array([[1.      , 0.      ],
               [0.      , 0.333333]])
        """
        self._log_determinant()
        rest = 1 / self.noise_variance_ if self.noise_variance_ else 0.0
        return self._mix(1 / self._variances() - rest, rest)

    def _mix(self, weights: Matrix, rest: float) -> Any:
        """Return Vᵀ diag(weights) V + rest · I, as the kind of array that the components are."""
        V = on_host(adopt(self.components_))
        found = (V.T * weights) @ V + rest * np.eye(self.n_features_in_)
        return as_kind_of(found.astype(V.dtype), self.components_)
