"""Principal component analysis."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from rmodels import data
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.state import check_is_fitted
from rmodels.data import Rows, hold, map_rows
from rmodels.data.arrays import adopt, as_dtype, beside, join, on_host
from rmodels.decomposition._components import PrincipalComponents
from rmodels.decomposition._projection import QUERIES, ROWS_AT_A_TIME, Matrix
from rmodels.solvers import principal

__all__ = ["PCA"]

_SPARSE = ("auto", "arpack", "covariance_eigh")  # scikit-learn's own restriction


class PCA(PrincipalComponents):
    """Principal component analysis: the directions in which the rows vary most.

    With D the rows less their mean, components are the right singular vectors v of D, and their
    variances σ² / (n_samples − 1), σ descending. They come from the second moments of X, one read
    of it, or where those would keep too few digits, from the rows: `solver_` tells. Weights stand
    for repeated rows: Σ w takes the place of n_samples.

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
    components_ : ndarray of shape (n_components, n_features)
        In the dtype of X, as all below; of a tensor in its kind, on its device. The largest entry
        of each is positive.
    explained_variance_ : ndarray of shape (n_components,)
        λ = σ² / (n_samples − 1).
    explained_variance_ratio_ : ndarray of shape (n_components,)
        λ over the sum of all variances.
    singular_values_ : ndarray of shape (n_components,)
        σ.
    mean_ : ndarray of shape (n_features,)
    noise_variance_ : float
        Mean of the n_features − n_components variances that are left out, of which those beyond
        n_samples are 0; 0 if nothing is left out.
    n_components_, n_samples_, n_features_in_ : int
    solver_ : {"moments", "gram", "rows", "krylov"}
        What the components come from: moments, the products of the rows if they are fewer than
        the columns, singular values of the rows, or for a few components of thousands of columns
        (hundreds of a sparse X) products with the rows, until ‖S v − λ v‖ is below 10⁻¹⁰ λ₁; not
        with weights.
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

    _attributes: ClassVar = {"n_samples_": int}

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

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the components.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
            At least two rows. A sparse matrix stays one; only with svd_solver="auto", "arpack" or
            "covariance_eigh".
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Of a scan also a column. At least 0, not all 0. A weight stands for as many equal rows.

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
        source = data.source(self, X, None, sample_weight)
        if isinstance(source, Rows):
            self._check_components(*source.X.shape)
        else:
            self._check_components(source.n_features, source.n_features)
        k = self.n_components
        asked = int(k) if isinstance(k, Integral) else None
        axes = principal.decompose(source, self._choose, source.threads(None), asked=asked)
        self._check_components(axes.n_samples, source.n_features)
        self._set_axes(axes, self._choose(axes.squares, axes.weight), source, X)
        self.n_samples_ = axes.n_samples
        return self

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

    def _choose(self, squares: Matrix, n: float) -> int:
        """Return how many components are asked for."""
        k = self.n_components
        if k is None:
            return len(squares) - (self.svd_solver == "arpack")
        if k == "mle":
            return principal.choose_by_evidence(squares / (n - 1), n)
        if 0 < k < 1:  # type: ignore[operator]
            return principal.choose_by_share(squares, float(k))
        return int(k)

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
        return map_rows(self, X, hold(self, X)._log_likelihood, need=QUERIES, task="score")

    def _log_likelihood(self, rows: Rows) -> Any:
        """Return −½ (dᵀ C⁻¹ d + log det C + n_features log 2π), d the row less the mean."""
        d = self.n_features_in_
        constant = self._log_determinant() + d * np.log(2 * np.pi)
        components = beside(on_host(adopt(self.components_)), rows.X)
        variances = beside(self._variances(), rows.X)
        found = []
        for block in rows.blocks(ROWS_AT_A_TIME):
            X = block.X.toarray() if sparse.issparse(block.X) else block.X
            D = X - beside(self._centre, X)
            projected = D @ as_dtype(components.T, D.dtype)
            distances = (projected**2 / variances).sum(axis=1)
            if self.n_components_ < d:
                rest = D - projected @ as_dtype(components, D.dtype)
                distances = distances + (rest**2).sum(axis=1) / self.noise_variance_
            found.append(-0.5 * (distances + constant))
        return join(found)

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
        source = data.source(self, X, need=QUERIES, reset=False, task="score")
        answer: Callable[[Rows], Any] = self._log_likelihood
        total, n = source.fold_answers(answer, _sum_and_count)
        return float(total / n)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.sparse = self.svd_solver in _SPARSE
        return tags


def _sum_and_count(rows: Rows, found: NDArray) -> Matrix:
    return np.array([found.sum(dtype=np.float64), len(found)])
