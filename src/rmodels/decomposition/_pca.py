"""Principal component analysis."""

import copy
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from rmodels import data
from rmodels.base.callbacks import CallbackSupport
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.state import HasState
from rmodels.data import Need, Rows, Source, hold, map_rows
from rmodels.data.arrays import adopt, as_dtype, as_kind_of, beside, namespace, on_gpu, on_host
from rmodels.solvers import principal
from rmodels.solvers.principal import Axes

__all__ = ["PCA"]

Matrix = NDArray[np.float64]

_QUERIES = Need(missing="refuse")
_SCORES = Need(sparse=False, missing="refuse")
_SPARSE = ("auto", "arpack", "covariance_eigh")  # scikit-learn's own restriction
_ROWS_AT_A_TIME = 4096


class PCA(
    HasState, CallbackSupport, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Principal component analysis: the directions in which the rows vary most.

    With D the rows less their mean, components are the right singular vectors v of D, and their
    variances σ² / (n_samples − 1), σ descending. They come from the second moments of X, one read
    of it, or where those would keep too few digits, from the rows: `solver_` tells.

    Parameters
    ----------
    n_components : int, float, "mle" or None, default=None
        How many: a number; the fewest that hold more than this share of the variance, if between 0
        and 1; as many as are most likely by Minka's evidence; None for all, min(n_samples,
        n_features).
    copy : bool, default=True
        Accepted for compatibility. X is never changed, and not copied.
    whiten : bool, default=False
        Whether the results of `transform` have variance 1.
    svd_solver : {"auto", "full", "covariance_eigh", "arpack", "randomized"}, default="auto"
        Accepted for compatibility, as are those below, and restricted as scikit-learn restricts it:
        whichever is named, the components are exact.
    tol : float, default=0.0
    iterated_power : int or "auto", default="auto"
    n_oversamples : int, default=10
    power_iteration_normalizer : {"auto", "QR", "LU", "none"}, default="auto"
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    components_ : ndarray of shape (n_components_, n_features)
        In the dtype of X, as all below; of a tensor in its kind, on its device. The largest entry
        of each is positive.
    explained_variance_ : ndarray of shape (n_components_,)
        λ = σ² / (n_samples − 1).
    explained_variance_ratio_ : ndarray of shape (n_components_,)
        λ over the sum of all variances.
    singular_values_ : ndarray of shape (n_components_,)
        σ.
    mean_ : ndarray of shape (n_features,)
    noise_variance_ : float
        Mean of the n_features − n_components_ variances that are left out, of which those beyond
        n_samples are 0; 0 if nothing is left out.
    n_components_, n_samples_, n_features_in_ : int
    solver_ : {"moments", "gram", "rows"}
        What the components come from: moments, the products of the rows if they are fewer than
        the columns, or singular values of the rows.
    engine_ : {"reference", "native", "gpu", "scipy"}
        What computed the moments or products; "scipy" those of a sparse X.
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Notes
    -----
    Components of which the moments would keep fewer than eight digits, σ below 10⁻⁴ of the largest,
    come from the rows. n_samples · n_features² / 2 multiply-adds, and memory for a few matrices of
    n_features by n_features.

    Source: M. E. Tipping, C. M. Bishop, "Probabilistic principal component analysis", 1999, for
    `noise_variance_` and `score`.

    Examples
    --------
    >>> from rmodels import PCA
    >>> model = PCA(n_components=1).fit([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> model.components_.round(6)
    array([[0.6, 0.8]])
    >>> model.explained_variance_.round(6), model.mean_
    (array([25.]), array([3., 4.]))
    """

    _attributes: ClassVar = {
        "components_": np.ndarray,
        "explained_variance_": np.ndarray,
        "explained_variance_ratio_": np.ndarray,
        "singular_values_": np.ndarray,
        "mean_": np.ndarray,
        "noise_variance_": float,
        "n_components_": int,
        "n_samples_": int,
        "solver_": str,
        "_centre": np.ndarray,
    }

    _parameter_constraints: dict = {
        "n_components": [
            Interval(Integral, 0, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            StrOptions({"mle"}),
            None,
        ],
        "copy": ["boolean"],
        "whiten": ["boolean"],
        "svd_solver": [StrOptions({"auto", "full", "covariance_eigh", "arpack", "randomized"})],
        "tol": [Interval(Real, 0, None, closed="left")],
        "iterated_power": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "n_oversamples": [Interval(Integral, 1, None, closed="left")],
        "power_iteration_normalizer": [StrOptions({"auto", "QR", "LU", "none"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: float | str | None = None,
        *,
        copy: bool = True,
        whiten: bool = False,
        svd_solver: str = "auto",
        tol: float = 0.0,
        iterated_power: int | str = "auto",
        n_oversamples: int = 10,
        power_iteration_normalizer: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.copy = copy
        self.whiten = whiten
        self.svd_solver = svd_solver
        self.tol = tol
        self.iterated_power = iterated_power
        self.n_oversamples = n_oversamples
        self.power_iteration_normalizer = power_iteration_normalizer
        self.random_state = random_state

    def _is_consistent(self) -> bool:
        return bool(self.components_.shape == (self.n_components_, self.n_features_in_))

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None) -> "PCA":
        """Find the components.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
            At least two rows. A sparse matrix stays one; only with svd_solver="auto", "arpack" or
            "covariance_eigh".
        y : None
            Not used.

        Returns
        -------
        PCA
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, or fewer columns or rows than
            components are asked for.

        Examples
        --------
        >>> from rmodels import PCA
        >>> PCA().fit([[0.0, 1.0], [2.0, 1.0], [1.0, 4.0]]).explained_variance_.round(6)
        array([3., 1.])
        """
        if sparse.issparse(X) and self.svd_solver not in _SPARSE:
            raise TypeError(
                'PCA only support sparse inputs with the "arpack" and "covariance_eigh" solvers, '
                f'while "{self.svd_solver}" was passed. Set svd_solver to "auto"'
            )
        source = data.source(self, X)
        if isinstance(source, Rows):
            self._check_components(*source.X.shape)
        else:
            self._check_components(source.n_features, source.n_features)
        axes = principal.decompose(source, self._choose, source.threads(None))
        return self._set_axes(axes, source, X)

    def _check_components(self, n: int, d: int) -> None:
        """Raise scikit-learn's error if there are not as many components."""
        k, most = self.n_components, min(n, d)
        truncated = self.svd_solver in ("arpack", "randomized")
        solver = "full" if self.svd_solver == "auto" else self.svd_solver
        if n < 2:
            raise ValueError(
                f"Found array with {n} sample(s) (shape={(n, d)}) while a minimum of 2 is required "
                "by PCA."
            )
        if isinstance(k, str):
            if truncated:
                raise ValueError(
                    f"n_components={k!r} cannot be a string with svd_solver={solver!r}"
                )
            if n < d:
                raise ValueError("n_components='mle' is only supported if n_samples >= n_features")
            return
        if k is not None and not int(truncated) <= k <= most:
            raise ValueError(
                f"n_components={k!r} must be between {int(truncated)} and min(n_samples, "
                f"n_features)={most} with svd_solver={solver!r}"
            )
        if k == most and self.svd_solver == "arpack":
            raise ValueError(
                f"n_components={k!r} must be strictly less than min(n_samples, n_features)={most} "
                f"with svd_solver={solver!r}"
            )

    def _choose(self, squares: Matrix, n: int) -> int:
        """Return how many components are asked for."""
        k = self.n_components
        if k is None:
            return len(squares) - (self.svd_solver == "arpack")
        if k == "mle":
            return principal.choose_by_evidence(squares / (n - 1), n)
        if 0 < k < 1:  # type: ignore[operator]
            return principal.choose_by_share(squares, float(k))
        return int(k)

    def _set_axes(self, axes: Axes, source: Source, X: Any) -> "PCA":
        n, d = axes.n_samples, source.n_features
        self._check_components(n, d)
        k = self._choose(axes.squares, n)
        variances = axes.squares / (n - 1)

        def kept(values: Matrix) -> Any:
            return as_kind_of(as_dtype(beside(values, adopt(X)), source.dtype), X)

        self.components_ = kept(axes.components[:k])
        self.explained_variance_ = kept(variances[:k])
        total = variances.sum()
        self.explained_variance_ratio_ = kept(variances[:k] / total if total else variances[:k])
        self.singular_values_ = kept(np.sqrt(axes.squares[:k]))
        self.mean_ = kept(axes.mean)
        self._centre = axes.mean
        self.noise_variance_ = float(variances[k:].sum() / (d - k)) if k < d else 0.0
        self.n_components_, self.n_samples_ = k, n
        self.solver_, self.engine_ = axes.solver, axes.engine
        return self

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def transform(self, X: ArrayLike) -> Any:
        """Project rows on the components: (x − mean) · v, over √λ with `whiten`.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_components_)
            A data frame if `set_output` asks for one; of a tensor in its kind, of a Dask collection
            lazy.

        Examples
        --------
        >>> from rmodels import PCA
        >>> PCA(1).fit([[0.0, 0.0], [3.0, 4.0]]).transform([[6.0, 8.0]]).round(6)
        array([[7.5]])
        """
        check_is_fitted(self)
        return map_rows(self, X, hold(self, X)._transform, need=_QUERIES, task="transform")

    def _scales(self) -> Matrix:
        """Return what the results are divided by, as a column."""
        variances = on_host(adopt(self.explained_variance_))
        if not self.whiten:
            return np.ones((self.n_components_, 1), variances.dtype)
        scales: Matrix = np.sqrt(variances)[:, np.newaxis]
        return np.maximum(scales, np.finfo(scales.dtype).eps)

    def _transform(self, rows: Rows) -> Any:
        """Return the projections of checked rows."""
        components = on_host(adopt(self.components_)) / self._scales()
        if sparse.issparse(rows.X):
            return rows.X @ components.T - self._centre @ components.T
        components = beside(components, rows.X)
        return _join([D @ components.T for D in self._centred(rows, components)])

    def _centred(self, rows: Rows, like: Any) -> Iterator[Any]:
        """Yield the rows less their mean, a block at a time, in the wider of the two dtypes."""
        centre = beside(self._centre, rows.X)
        dtype = namespace(like).result_type(like, rows.X)
        for block in rows.blocks(_ROWS_AT_A_TIME):
            yield as_dtype(block.X - centre, dtype)

    def inverse_transform(self, X: ArrayLike) -> Any:
        """Return the rows of which X would be the projections: x · v + mean.

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_queries, n_components_)

        Returns
        -------
        ndarray of shape (n_queries, n_features)

        Examples
        --------
        >>> from rmodels import PCA
        >>> model = PCA(1).fit([[0.0, 0.0], [3.0, 4.0]])
        >>> model.inverse_transform([[7.5]]).round(6)
        array([[6., 8.]])
        """
        check_is_fitted(self)
        scores = copy.copy(self)  # its columns are those of X
        source = data.source(scores, X, need=_SCORES, task="inverse_transform")
        if source.n_features != self.n_components_:
            raise ValueError(
                f"X has {source.n_features} features, but {type(self).__name__} has "
                f"{self.n_components_} components to go back from"
            )
        return source.map(hold(self, X)._restore)

    def _restore(self, rows: Rows) -> Any:
        """Return the rows that have these projections."""
        components = beside(on_host(adopt(self.components_)) * self._scales(), rows.X)
        dtype = namespace(components).result_type(components, rows.X)
        centre = as_dtype(beside(self._centre, rows.X), dtype)
        return as_dtype(rows.X, dtype) @ as_dtype(components, dtype) + centre

    def score_samples(self, X: ArrayLike) -> Any:
        """Return the log-likelihood of each row under the probabilistic model.

        That is the normal distribution with mean and covariance of `get_covariance`.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,)

        Raises
        ------
        scipy.linalg.LinAlgError
            If the covariance is singular.

        Examples
        --------
        >>> from rmodels import PCA
        >>> model = PCA(1).fit([[0.0, 1.0], [2.0, 1.0], [1.0, 4.0]])
        >>> model.score_samples([[1.0, 2.0], [1.0, 4.0]]).round(4)
        array([-2.3872, -3.0538])
        """
        check_is_fitted(self)
        self._log_determinant()
        return map_rows(self, X, hold(self, X)._log_likelihood, need=_QUERIES, task="score")

    def _log_determinant(self) -> float:
        """Return log |covariance|."""
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

    def _log_likelihood(self, rows: Rows) -> Any:
        """Return −½ (dᵀ C⁻¹ d + log |C| + n_features log 2π), d the row less the mean."""
        d = self.n_features_in_
        constant = self._log_determinant() + d * np.log(2 * np.pi)
        components = beside(on_host(adopt(self.components_)), rows.X)
        variances = beside(self._variances(), rows.X)
        found = []
        for block in rows.blocks(_ROWS_AT_A_TIME):
            X = block.X.toarray() if sparse.issparse(block.X) else block.X
            D = X - beside(self._centre, X)
            projected = D @ as_dtype(components.T, D.dtype)
            distances = (projected**2 / variances).sum(axis=1)
            if self.n_components_ < d:
                rest = D - projected @ as_dtype(components, D.dtype)
                distances = distances + (rest**2).sum(axis=1) / self.noise_variance_
            found.append(-0.5 * (distances + constant))
        return _join(found)

    def score(self, X: ArrayLike, y: object = None) -> float:
        """Return the mean log-likelihood of rows; see `score_samples`.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)
        y : None
            Not used.

        Returns
        -------
        float

        Examples
        --------
        >>> from rmodels import PCA
        >>> model = PCA(1).fit([[0.0, 1.0], [2.0, 1.0], [1.0, 4.0]])
        >>> round(model.score([[1.0, 2.0], [1.0, 4.0]]), 4)
        -2.7205
        """
        check_is_fitted(self)
        self._log_determinant()
        source = data.source(self, X, need=_QUERIES, reset=False, task="score")
        answer: Callable[[Rows], Any] = self._log_likelihood
        total, n = source.fold_answers(answer, _sum_and_count)
        return float(total / n)

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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.sparse = self.svd_solver in _SPARSE
        return tags


def _join(parts: list[Any]) -> Any:
    """Return arrays or tensors one below the other."""
    if len(parts) == 1:
        return parts[0]
    return namespace(parts[0]).cat(parts) if on_gpu(parts[0]) else np.concatenate(parts)


def _sum_and_count(rows: Rows, found: NDArray) -> Matrix:
    return np.array([found.sum(dtype=np.float64), len(found)])
