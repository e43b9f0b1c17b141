"""Principal component analysis in batches."""

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from rmodels import data
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval
from rmodels.base.state import Absent
from rmodels.data import Rows, Source
from rmodels.data.arrays import as_kind_of
from rmodels.decomposition._components import PrincipalComponents
from rmodels.decomposition._projection import Matrix
from rmodels.ops.moments import Moments
from rmodels.solvers import principal
from rmodels.solvers.columns import sum_squares
from rmodels.solvers.moments import compute_moments
from rmodels.solvers.principal import Axes

__all__ = ["IncrementalPCA"]


class IncrementalPCA(PrincipalComponents):
    """Principal component analysis that takes rows in batches: the result is that of `PCA`.

    Second moments of batches add up, so that batches of any size in any order give the components
    of all rows together, to rounding; nothing is left out between two of them.

    Parameters
    ----------
    n_components : int or None, default=None
        How many; None for all, min(n_samples, n_features).
    whiten : bool, default=False
        Whether the results of `transform` have variance 1.
    copy : bool, default=True
        Accepted for compatibility. X is never changed, and not copied.
    batch_size : int or None, default=None
        Accepted for compatibility: `fit` reads X once, whatever it is.

    Attributes
    ----------
    components_, explained_variance_, explained_variance_ratio_, singular_values_, mean_, \
    noise_variance_, n_components_, solver_, engine_, n_features_in_, feature_names_in_
        As in `PCA`.
    var_ : ndarray of shape (n_features,)
        Variance of each column, over n_samples, or Σ w.
    n_samples_seen_ : int
    batch_size_ : int
        `batch_size`, or 5 · n_features.

    Notes
    -----
    Memory for a few matrices of n_features by n_features; a fitted model keeps one of them, to go
    on from.

    Examples
    --------
    >>> from rmodels import IncrementalPCA
    >>> model = IncrementalPCA(n_components=1)
    >>> for batch in ([[0.0, 0.0], [3.0, 4.0]], [[6.0, 8.0]]):
    ...     model = model.partial_fit(batch)
    >>> model.components_.round(6), model.explained_variance_.round(6)
    (array([[0.6, 0.8]]), array([25.]))
    """

    _attributes: ClassVar = {
        "var_": np.ndarray,
        "n_samples_seen_": int,
        "batch_size_": int | Absent,
        "_moments": Moments | Absent,
    }

    _moments: Moments

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "whiten": ["boolean"],
        "copy": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        whiten: bool = False,
        copy: bool = True,
        batch_size: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.whiten = whiten
        self.copy = copy
        self.batch_size = batch_size

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the components of all rows.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
            At least two rows.
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Of a scan also a column. At least 0, not all 0. A weight stands for as many equal rows.

        Returns
        -------
        IncrementalPCA
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, or fewer columns or rows than
            components are asked for.

        Examples
        --------
        >>> from rmodels import IncrementalPCA
        >>> model = IncrementalPCA().fit([[0.0, 1.0], [2.0, 1.0], [1.0, 4.0]])
        >>> model.explained_variance_.round(6)
        array([3., 1.])
        """
        source = data.source(self, X, None, sample_weight)
        n = source.X.shape[0] if isinstance(source, Rows) else None
        self._check_components(source.n_features, n)
        axes = principal.decompose(
            source, self._choose, source.threads(None), asked=self.n_components
        )
        self._check_components(source.n_features, axes.n_samples)
        self.batch_size_ = self.batch_size or 5 * source.n_features
        return self._set(axes, source, X)

    @all_or_nothing
    def partial_fit(
        self,
        X: ArrayLike,
        y: object = None,
        check_input: bool = True,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Find the components of all rows so far and these.

        `fit` starts anew; `partial_fit` after `fit` goes on. The rows are not kept, so that
        components with σ below 10⁻⁴ of the largest cannot be found from them as `fit` does.

        Parameters
        ----------
        X : array-like or scan of shape (n_samples, n_features)
            At least two rows in the first call, and as many as components are asked for.
        y : None
            Not used.
        check_input : bool, default=True
            Accepted for compatibility: X is always checked.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        IncrementalPCA
            The estimator itself.

        Raises
        ------
        ValueError
            As in `fit`, and if an earlier fit kept no moments.

        Warns
        -----
        scipy.linalg.LinAlgWarning
            If components that are asked for have fewer than eight digits.

        Examples
        --------
        >>> from rmodels import IncrementalPCA
        >>> model = IncrementalPCA().partial_fit([[0.0, 1.0], [2.0, 1.0]])
        >>> model.partial_fit([[1.0, 4.0]]).explained_variance_.round(6)
        array([3., 1.])
        """
        if sparse.issparse(X):
            raise TypeError(
                "IncrementalPCA.partial_fit does not support sparse input. Either convert data to "
                "dense or use IncrementalPCA.fit to do so in batches."
            )
        begun = hasattr(self, "components_")
        if begun and "_moments" not in vars(self):
            raise ValueError(
                f"solver_={self.solver_!r} kept no moments to go on from: begin with partial_fit"
            )
        source = data.source(self, X, None, sample_weight, reset=not begun, part=True)
        moments = compute_moments(source, source.threads(None), added=True)
        if begun:
            moments = self._moments + moments
        self._check_components(source.n_features, moments.n_samples)
        axes = principal.decompose_moments(moments, self._choose)
        return self._set(axes, source, X)

    def _check_components(self, d: int, n: int | None) -> None:
        """Raise scikit-learn's error if there are not as many components; n is None if unknown."""
        k = self.n_components
        if k is not None and k > d:
            raise ValueError(
                f"n_components={k!r} invalid for n_features={d}, need more rows than columns for "
                "IncrementalPCA processing"
            )
        if k is not None and n is not None and k > n:
            raise ValueError(
                f"n_components={k} must be less or equal to the batch number of samples {n} for "
                "the first partial_fit call."
            )
        if n == 1:
            raise ValueError(
                f"Found array with 1 sample(s) (shape={(n, d)}) while a minimum of 2 is required "
                "by IncrementalPCA."
            )

    def _choose(self, squares: Matrix, n: float) -> int:
        """Return how many components are asked for."""
        return len(squares) if self.n_components is None else int(self.n_components)

    def _set(self, axes: Axes, source: Source, X: Any) -> "IncrementalPCA":
        self._set_axes(axes, self._choose(axes.squares, axes.weight), source, X)
        self.n_samples_seen_ = axes.n_samples
        self.__dict__.pop("_moments", None)
        if axes.moments is None:
            squares = sum_squares(source, axes.mean)
        else:
            self._moments = axes.moments
            squares = axes.moments.scatter.diagonal()
        self.var_ = as_kind_of(squares / axes.weight, X)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
