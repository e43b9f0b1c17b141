"""Singular vectors of rows that are not centred."""

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from rmodels import data
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.data import Rows, Source
from rmodels.data.arrays import convert_like
from rmodels.decomposition._projection import Matrix, Projection
from rmodels.solvers import principal
from rmodels.solvers.columns import find_mean, sum_projected, sum_squares
from rmodels.solvers.principal import Axes

__all__ = ["TruncatedSVD"]


class TruncatedSVD(Projection):
    """The largest singular values of X and their right singular vectors; X is not centred.

    Of a sparse X (latent semantic analysis) nothing becomes dense. The vectors are exact, not
    random approximations: see `PCA` for where they come from.

    Parameters
    ----------
    n_components : int, default=2
        How many, at most n_features; those beyond n_samples are left out.
    algorithm : {"arpack", "randomized"}, default="randomized"
        Accepted for compatibility, as are those below: the result is the same.
    n_iter : int, default=5
    n_oversamples : int, default=10
    power_iteration_normalizer : {"auto", "QR", "LU", "none"}, default="auto"
    random_state : int, RandomState instance or None, default=None
    tol : float, default=0.0

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        In the dtype of X, as all below; of a tensor in its kind, on its device. The largest entry
        of each is positive.
    explained_variance_ : ndarray of shape (n_components,)
        Variance of the columns of `transform(X)`, over n_samples, or Σ w.
    explained_variance_ratio_ : ndarray of shape (n_components,)
        The same over the sum of the variances of the columns of X.
    singular_values_ : ndarray of shape (n_components,)
    solver_, engine_, n_features_in_, feature_names_in_
        As in `PCA`.

    Examples
    --------
    >>> from rmodels import TruncatedSVD
    >>> model = TruncatedSVD(n_components=1).fit([[3.0, 4.0], [6.0, 8.0]])
    >>> model.components_.round(6), (model.singular_values_**2).round(6)
    (array([[0.6, 0.8]]), array([125.]))
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "algorithm": [StrOptions({"arpack", "randomized"})],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "n_oversamples": [Interval(Integral, 1, None, closed="left")],
        "power_iteration_normalizer": [StrOptions({"auto", "QR", "LU", "none"})],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        algorithm: str = "randomized",
        n_iter: int = 5,
        n_oversamples: int = 10,
        power_iteration_normalizer: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        tol: float = 0.0,
    ) -> None:
        self.n_components = n_components
        self.algorithm = algorithm
        self.n_iter = n_iter
        self.n_oversamples = n_oversamples
        self.power_iteration_normalizer = power_iteration_normalizer
        self.random_state = random_state
        self.tol = tol

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the singular vectors.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
            At least two columns.
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Of a scan also a column. At least 0, not all 0. A weight stands for as many equal rows.

        Returns
        -------
        TruncatedSVD
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, or fewer columns than
            components are asked for.

        Examples
        --------
        >>> from rmodels import TruncatedSVD
        >>> TruncatedSVD(1).fit([[2.0, 0.0], [0.0, 1.0]]).singular_values_.round(6)
        array([2.])
        """
        source = data.source(self, X, None, sample_weight)
        d = source.n_features
        if d < 2:
            raise ValueError(
                f"Found array with {d} feature(s) while a minimum of 2 is required by TruncatedSVD."
            )
        if self.n_components > d:
            raise ValueError(f"n_components({self.n_components}) must be <= n_features({d}).")
        most = min(d, source.X.shape[0]) if isinstance(source, Rows) else d
        asked = min(self.n_components, most)
        if self.algorithm == "arpack" and self.n_components >= most:
            raise ValueError(
                f"n_components={self.n_components} must be less than min(n_samples, n_features)="
                f"{most} with algorithm='arpack'"
            )
        axes = principal.decompose(
            source, self._choose, source.threads(None), asked=asked, centre=False
        )
        return self._set_axes(axes, source, X)

    def _choose(self, squares: Matrix, n: float) -> int:
        """Return how many vectors are asked for."""
        return min(self.n_components, len(squares))

    def _set_axes(self, axes: Axes, source: Source, X: Any) -> "TruncatedSVD":
        k = self._choose(axes.squares, axes.weight)
        V, d = axes.components[:k], source.n_features
        if axes.moments is not None and axes.solver == "moments":
            S = axes.moments.scatter[:d, :d]
            projected, total = np.einsum("kd,kd->k", V @ S, V), np.trace(S)
        else:
            mean = find_mean(source)[1]
            projected, total = sum_projected(source, mean, V), sum_squares(source, mean).sum()

        def keep(values: Matrix) -> Any:
            return convert_like(values, X, source.dtype)

        self.components_ = keep(V)
        self.singular_values_ = keep(np.sqrt(axes.squares[:k]))
        self.explained_variance_ = keep(np.maximum(projected, 0.0) / axes.weight)
        shares = projected / total if total else np.zeros(k)
        self.explained_variance_ratio_ = keep(shares)
        self._centre = np.zeros(d)
        self.solver_, self.engine_ = axes.solver, axes.engine
        self._warn_of_digits(axes)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
