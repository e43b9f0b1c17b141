"""Linear regression, by gradient descent or by its limit, least squares."""

from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, sparse
from scipy.sparse import linalg as sparse_linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from rmodels import plot
from rmodels.arrays import adopted, answered_in_kind, as_kind_of, beside, on_gpu, on_host
from rmodels.base.warnings import warn
from rmodels.blas import blas_threads
from rmodels.config import get_config
from rmodels.linear_model import _gradient_descent, _inference, _least_squares, _statistics
from rmodels.linear_model._base import LinearModel
from rmodels.linear_model._gradient_descent import ClosedForm
from rmodels.linear_model._inference import ROBUST, Factor, Summary
from rmodels.linear_model._least_squares import Conditioning
from rmodels.ops.moments import Gram, Moments
from rmodels.rows import WEIGHTLESS, Rows, Source
from rmodels.validation import (
    all_or_nothing,
    by_batches,
    prediction_samples,
    regression_source,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LinearRegression"]

Matrix = NDArray[np.float64]

# Cost of a multiply-add: a stream waits for memory, eigenvectors for LAPACK.
_STREAM_PENALTY = 4
_EIGEN_PENALTY = 50
_FEW = 256  # columns: their eigenvectors take LAPACK less time than it takes to start kernels
_MOST_DECOMPOSED = 1024  # columns: more take LAPACK longer than Lanczos takes for one eigenvalue
_MOST_SQUARED = 1e8  # κ²: above, moments alone may lose half of the digits


class LinearRegression(LinearModel):
    """Linear regression by gradient descent, or by its limit, least squares.

    Minimises ½ Σᵢ wᵢ (xᵢ·coef + intercept − yᵢ)² / Σᵢ wᵢ, each target on its own. With
    `iterations`, the coefficients are those of exactly that many steps of full-batch gradient
    descent from zero, intercept included:

        coef ← coef − α Σ wᵢ rᵢ xᵢ / Σ wᵢ,   intercept ← intercept − α Σ wᵢ rᵢ / Σ wᵢ,

    with rᵢ = xᵢ·coef + intercept − yᵢ. All of them cost one read of X: see `solver`. With
    `iterations=None` they are the limit: least squares, of minimum norm where it is not unique.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    copy_X : bool, default=True
        Accepted for compatibility. X is never changed, and not copied.
    tol : float, default=1e-6
        Accepted for compatibility. The solvers here do not need a tolerance: no direction of X is
        dropped because its singular value is small, only those that rounding cannot tell from 0.
    n_jobs : int, default=None
        Most threads; None means the setting `n_threads`, -1 all processors.
    positive : bool, default=False
        Whether the coefficients must be at least 0. Least squares only.
    iterations : int, default=None
        Steps of gradient descent; None for least squares.
    learning_rate : float or "auto", default="auto"
        α. "auto" is 1 / λ_max, with λ_max the largest eigenvalue of the second moments of [X 1]. A
        rate above 2 / λ_max diverges.
    solver : {"auto", "moments", "gram", "stream", "rows"}, default="auto"
        How to get there; the coefficients are the same to rounding.

        - "moments": from the second moments of [X y], one read of X. Gradient descent in closed
          form; least squares by Cholesky factors, refined with the residuals of the rows where
          that gains digits.
        - "gram": from the inner products of the rows, for fewer rows than columns. Not of a scan or
          a Dask collection.
        - "stream": gradient descent that reads every row in every iteration.
        - "rows": least squares by orthogonal transformations of the rows.
        - "auto": gradient descent by whichever of the first three costs the fewest
          operations, least squares by the first, second or fourth.

        Least squares by "moments" or "gram" goes on to "rows" when they are too ill-conditioned to
        decide; `solver_` tells.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        In the dtype of X. If X is a tensor or another array with DLPack, this, `intercept_`,
        `loss_history_` and `singular_` are of its kind, on its device.
    intercept_ : float or ndarray of shape (n_targets,)
    rank_ : int
        Directions of the centred X that can be told from rounding. Not after "lsqr", nor after
        "stream" with a learning rate that is given, nor after gradient descent on an X whose
        condition number is above 10⁵: the moments do not tell it.
    singular_ : ndarray of shape (min(n_samples, n_features),)
        Singular values of the centred X, descending. There if `rank_` is.
    condition_number_ : float
        Largest over smallest singular value of the centred X, its columns scaled to unit norm
        unless solver_="gram". There if `rank_` is.
    n_iter_ : int or None
        `iterations`.
    loss_history_ : ndarray of shape (iterations,) or (iterations, n_targets)
        Half the weighted mean squared error after each iteration; empty for least squares.
        Computed when first asked for.
    learning_rate_ : float or None
        α; None for least squares.
    solver_ : {"moments", "gram", "stream", "rows", "lsqr"}
        What was used. "lsqr": a sparse X whose moments do not keep the setting `memory_limit`.
    engine_ : {"reference", "native", "gpu", "scipy"}
        What computed the moments, products or steps; "scipy" those of a sparse X, and all of "lsqr"
        and of solver="rows" or positive=True, which need none of them. Refinement and "rows" use
        NumPy and LAPACK on the processor with any engine.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Warns
    -----
    ConvergenceWarning
        If the learning rate is too large for gradient descent to converge.
    UserWarning
        If the rank of X leaves least squares more than one solution though there are enough rows.

    Notes
    -----
    "moments" takes n_samples · n_features² / 2 multiply-adds, and memory for a few matrices of
    n_features by n_features; a fitted model keeps one of them.

    Closed form: with H and c the second moments of [X 1] and with y, and H = V Λ Vᵀ, step t is
    V φ_t(Λ) Vᵀ c with φ_t(λ) = (1 − (1 − αλ)^t) / λ.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import LinearRegression
    >>> X = np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 3.0]])
    >>> y = X @ [1.0, 2.0] + 3.0
    >>> LinearRegression().fit(X, y).coef_.round(6)
    array([1., 2.])
    >>> model = LinearRegression(iterations=3, learning_rate=0.1).fit(X, y)
    >>> model.loss_history_.round(3)
    array([1.958, 0.25 , 0.166])
    """

    _moments: Moments
    _counted: int
    solver_: str

    _parameter_constraints: dict = {
        "fit_intercept": ["boolean"],
        "copy_X": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_jobs": [None, Integral],
        "positive": ["boolean"],
        "iterations": [None, Interval(Integral, 0, None, closed="left")],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "solver": [StrOptions({"auto", "moments", "gram", "stream", "rows"})],
    }

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        tol: float = 1e-6,
        n_jobs: int | None = None,
        positive: bool = False,
        iterations: int | None = None,
        learning_rate: float | str = "auto",
        solver: str = "auto",
    ) -> None:
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.tol = tol
        self.n_jobs = n_jobs
        self.positive = positive
        self.iterations = iterations
        self.learning_rate = learning_rate
        self.solver = solver

    @all_or_nothing
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "LinearRegression":
        """Fit the model.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
            float32 and float64 are used as they are, with any strides; all else becomes float64,
            but for float16 and bfloat16 on the GPU.
            A sparse matrix stays one; not with positive=True or solver="stream". What
            `rmodels.scan` returns is read in batches.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Of a scan also a column, or a list of columns.
        sample_weight : array-like of shape (n_samples,), default=None
            Of a scan also a column. At least 0, not all 0.

        Returns
        -------
        LinearRegression
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, if parameters contradict each
            other, or if gradient descent overflows.

        Examples
        --------
        >>> from rmodels import LinearRegression
        >>> model = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
        >>> model.coef_.round(6), round(float(model.intercept_), 6)
        (array([2.]), 1.0)
        """
        self._check_combination()
        source, one_target = regression_source(
            self, X, y, sample_weight, accept_sparse=self._accepts_sparse()
        )
        self.__dict__.pop("_moments", None)
        self.__dict__.pop("_counted", None)
        threads = source.threads(self.n_jobs)
        side = min(source.X.shape) if isinstance(source, Rows) else source.n_features
        with blas_threads(side, threads or 1):
            if self.iterations is None:
                coefficients = self._fit_least_squares(source, threads)
            else:
                coefficients = self._fit_gradient_descent(source, threads)
        return self._fitted_to(source, coefficients, source.dtype, one_target, X)

    def _adds_up(self) -> bool:
        if self.solver in ("auto", "moments"):
            return True
        raise AttributeError(
            f"solver={self.solver!r} needs all rows at once: partial_fit adds up moments"
        )

    @available_if(_adds_up)
    @all_or_nothing
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "LinearRegression":
        """Fit the model to all rows so far and these: the moments of batches add up.

        Batches of any size in any order lead to the coefficients of `fit` on all rows together, to
        rounding: a relative error of κ² 2⁻⁵³, with κ the condition number. The rows are not kept,
        so that it cannot be refined with them as `fit` does. `fit` starts anew; `partial_fit` after
        `fit` goes on from its moments.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`, with the same columns each time. Weights may be 0 for all of a batch, but
            not for all so far.

        Returns
        -------
        LinearRegression
            The estimator itself.

        Raises
        ------
        ValueError
            As in `fit`, and if an earlier fit kept no moments.
        AttributeError
            If `solver` is neither "auto" nor "moments".

        Warns
        -----
        scipy.linalg.LinAlgWarning
            If the moments are so ill-conditioned that half of the digits may be lost.
        ConvergenceWarning, UserWarning
            As in `fit`.

        Examples
        --------
        >>> from rmodels import LinearRegression
        >>> model = LinearRegression()
        >>> for X, y in [([[0.0], [1.0]], [1.0, 3.0]), ([[4.0]], [9.0])]:
        ...     model = model.partial_fit(X, y)
        >>> model.coef_.round(6)
        array([2.])
        """
        self._check_combination()
        begun = hasattr(self, "coef_")
        if begun and "_moments" not in vars(self):
            raise ValueError(
                f"solver_={self.solver_!r} kept no moments to go on from: fit with "
                "solver='moments', or begin with partial_fit"
            )
        source, one_target = regression_source(
            self,
            X,
            y,
            sample_weight,
            accept_sparse=self._accepts_sparse(),
            reset=not begun,
            part=True,
        )
        if begun and (self._targets is None, self._targets or 1) != (one_target, source.n_targets):
            raise ValueError("y must have the shape of the batches before, but for its rows")
        moments = _statistics.moments(source, source.threads(self.n_jobs), added=True)
        counted, dtype = int(source.size[0]), source.dtype
        if begun:
            moments, counted = self._moments + moments, self._counted + counted
            dtype = np.result_type(dtype, on_host(adopted(self.coef_)).dtype)
        if not moments.is_finite:
            raise ValueError(_TOO_LARGE)
        if not moments.weight:
            raise ValueError(WEIGHTLESS)
        self.engine_, self.solver_ = moments.engine, "moments"
        if self.iterations is None:
            coefficients = self._solve_moments(moments, counted)
        else:
            coefficients = self._descend_moments(moments, None)
        self._moments, self._counted = moments, counted
        return self._fitted_to(source, coefficients, dtype, one_target, X)

    def _fitted_to(
        self, source: Source, coefficients: Matrix, dtype: Any, one_target: bool, X: Any
    ) -> "LinearRegression":
        """Set what `fit` and `partial_fit` both set; return the estimator."""
        self._set_coefficients(coefficients, dtype, one_target, X)
        self.n_iter_ = self.iterations
        self._targets = None if one_target else source.n_targets
        return self

    def _solve_moments(self, moments: Moments, counted: int) -> Matrix:
        """Return what least squares finds in moments alone: (n_features + 1, n_targets)."""
        d = moments.n_features
        self.learning_rate_: float | None = None
        self._history: Matrix | ClosedForm = np.empty((0, len(moments.mean) - d))
        solution, squared = _least_squares.from_moments_alone(moments, self.fit_intercept)
        self._conditioning: Conditioning | None = solution.conditioning
        if squared > _MOST_SQUARED:
            warn(
                f"the moments of X are ill-conditioned (κ² = {squared:.2g}): about "
                f"{max(0, int(15.6 - np.log10(squared)))} digits of the coefficients are right. "
                "Scale or remove columns, or fit the rows at once.",
                linalg.LinAlgWarning,
            )
        coefficients = solution.coefficients
        if self.positive:
            R, scale = _least_squares.root(moments, self.fit_intercept)
            coefficients = _least_squares.nonnegative(R, scale, d)
        elif solution.conditioning.rank < min(counted - self.fit_intercept, d):
            self._warn_of_rank(solution.conditioning.rank, min(counted - self.fit_intercept, d))
        intercept = np.zeros(coefficients.shape[1])
        if self.fit_intercept:
            intercept = moments.mean[d:] - moments.mean[:d] @ coefficients
        return np.vstack([coefficients, intercept])

    def _accepts_sparse(self) -> bool:
        return not self.positive and self.solver != "stream"

    def _check_combination(self) -> None:
        if self.iterations is None and self.solver == "stream":
            raise ValueError(
                "solver='stream' is gradient descent: give the number of iterations, or choose "
                "another solver for least squares"
            )
        if self.iterations is not None and self.solver == "rows":
            raise ValueError(
                "solver='rows' is least squares: set iterations=None, or choose another solver for "
                "gradient descent"
            )
        if self.positive and self.iterations is not None:
            raise ValueError("positive=True needs iterations=None: it is solved as least squares")
        if self.positive and self.solver not in ("auto", "rows"):
            raise ValueError("positive=True needs solver='auto' or 'rows'")

    def _fit_least_squares(self, source: Source, threads: int | None) -> Matrix:
        """Return the coefficients and, last, the intercept: (n_features + 1, n_targets)."""
        self.learning_rate_ = None
        self._history = np.empty((0, source.n_targets))
        d = source.n_features
        solution = sums = None
        solver = "rows" if self.positive else self.solver
        if solver == "auto":
            solver = "moments"
            if isinstance(source, Rows):
                if not _statistics.fits_moments(source.X):
                    return self._fit_lsqr(source)
                solver = "gram" if source.X.shape[0] < d else "moments"
        if solver == "gram":
            products, rows = self._products(source, threads)
            if not np.isfinite(products.products.diagonal()).all():
                rows.assert_finite()
            solution = _least_squares.from_gram(products, rows, self.fit_intercept)
            offset = np.concatenate([products.mean, _mean(rows.Y, rows.weights)])
        elif solver == "moments" or not isinstance(source, Rows):
            sums = _statistics.moments(source, threads)
            self.engine_ = sums.engine
            self._keep(sums, source)
            if solver == "moments":
                solution = _least_squares.from_moments(sums, source, self.fit_intercept, threads)
            offset = sums.mean
        else:
            source.assert_finite()
            if self.solver == "auto":  # positive=True: one read to six of "rows", for partial_fit
                self._keep(_statistics.moments(source, threads), source)
            self.engine_ = "scipy"
        self.solver_ = solver
        if solution is None:
            self.solver_ = "rows"
            solution, offset = _least_squares.from_rows(
                source,
                self.fit_intercept,
                positive=self.positive,
                moments=None if self.solver == "rows" else sums,
            )
        self._conditioning = solution.conditioning
        rank = solution.conditioning.rank
        coefficients = solution.coefficients
        full_rank = min(int(source.size[0]) - self.fit_intercept, d)
        if rank < full_rank and not self.positive:
            self._warn_of_rank(rank, full_rank)
        intercept = solution.intercept
        if intercept is None:
            intercept = offset[d:] - offset[:d] @ coefficients
        if not self.fit_intercept:
            intercept = np.zeros(source.n_targets)
        return np.vstack([coefficients, intercept])

    def _keep(self, moments: Moments, source: Source) -> None:
        """Keep what `partial_fit` goes on from and `summary` needs."""
        if moments.is_finite:
            self._moments, self._counted = moments, int(source.size[0])

    def _products(self, source: Source, threads: int | None) -> tuple[Gram, Rows]:
        """Return the inner products of the rows, and the rows, both on the processor."""
        rows = self._in_memory(source)
        products = _statistics.gram(rows.X, rows.weights, self.fit_intercept, threads)
        self.engine_ = products.engine
        return products, rows.on_host()

    def _in_memory(self, source: Source) -> Rows:
        if not isinstance(source, Rows):
            raise ValueError(
                f"solver={self.solver!r} needs X as an array: the products of rows of different "
                "batches do not add up. Choose 'auto' or 'moments'"
            )
        return source

    def _warn_of_rank(self, rank: int, full_rank: int) -> None:
        warn(
            f"X has rank {rank} where {full_rank} is possible: some columns are constant "
            "or a combination of others. The coefficients are not unique; those of minimum "
            "norm are returned.",
            UserWarning,
        )

    def _fit_lsqr(self, rows: Rows) -> Matrix:
        """Return the coefficients and, last, the intercept: (n_features + 1, n_targets)."""
        rows.assert_finite()
        self._conditioning = None
        self.engine_, self.solver_ = "scipy", "lsqr"
        coefficients, offset, converged = _statistics.lsqr(
            rows.X, rows.Y, rows.weights, self.fit_intercept
        )
        if not converged:
            warn(
                "LSQR stopped before it converged: X is ill-conditioned. Scale or remove columns, "
                "or raise memory_limit so that the moments of X fit.",
                ConvergenceWarning,
            )
        d = rows.n_features
        return np.vstack([coefficients, offset[d:] - offset[:d] @ coefficients])

    def _fit_gradient_descent(self, source: Source, threads: int | None) -> Matrix:
        """Return the coefficients and, last, the intercept: (n_features + 1, n_targets)."""
        assert self.iterations is not None
        self.solver_ = self._choose_descent(source)
        rate = self.learning_rate
        if self.solver_ == "stream" and rate != "auto":
            self._conditioning = None
            return self._stream(source, float(rate), threads)
        if self.solver_ == "gram":
            products, rows = self._products(source, threads)
            if not np.isfinite(products.products.diagonal()).all():
                rows.assert_finite()
                raise ValueError(_TOO_LARGE)
            coefficients, closed_form = _gradient_descent.coefficients_from_gram(
                products,
                rows.X,
                rows.Y,
                rows.weights,
                self.fit_intercept,
                rate,
                self.iterations,
            )
            self._conditioning = _least_squares.conditioning_of_gram(
                products, rows.n_features, rows.weights, self.fit_intercept
            )
            return self._descended(coefficients, closed_form)
        sums = _statistics.moments(source, threads)
        self.engine_ = sums.engine
        if not sums.is_finite:
            raise ValueError(_TOO_LARGE)
        self._keep(sums, source)
        if self._belongs_on_gpu(source):
            return self._steps_on_gpu(sums, source)
        coefficients = self._descend_moments(sums, source)
        if self.solver_ == "stream":
            assert self.learning_rate_ is not None
            return self._stream(source, self.learning_rate_, threads)
        return coefficients

    def _belongs_on_gpu(self, source: Source) -> bool:
        """Return whether X is on the GPU, and eigenvectors on the processor would take longer.

        All iterations' coefficients are computed there, which have to keep the memory limit.
        """
        assert self.iterations is not None
        if not isinstance(source, Rows) or not on_gpu(source.X) or self.solver_ != "moments":
            return False
        size = 24 * (source.n_features + 1) * source.n_targets * self.iterations
        return source.n_features > _FEW and bool(size <= get_config()["memory_limit"])

    def _steps_on_gpu(self, sums: Moments, source: Source) -> Any:
        """Return the coefficients, and keep the losses, as tensors where X is."""
        from rmodels.ops.descent.gpu import largest_eigenvalue, steps_from_moments

        assert self.iterations is not None
        assert isinstance(source, Rows)
        mean, scatter = beside(sums.mean, source.X), beside(sums.scatter, source.X)
        there = replace(sums, mean=mean, scatter=scatter)
        largest = largest_eigenvalue(there, self.fit_intercept)
        rate = self.learning_rate
        if rate == "auto":
            rate = 1.0 / largest if largest else 1.0
        self.learning_rate_ = float(rate)
        found = steps_from_moments(there, float(rate), self.iterations, self.fit_intercept)
        self._history = found.losses
        self._conditioning = _least_squares.conditioning_of_moments(
            sums, source, self.fit_intercept
        )
        self._check_convergence(on_host(found.coefficients), largest)
        return found.coefficients

    def _descend_moments(self, moments: Moments, source: Source | None) -> Matrix:
        """Return what gradient descent leads to: (n_features + 1, n_targets)."""
        assert self.iterations is not None
        coefficients, closed_form = _gradient_descent.coefficients_from_moments(
            moments, self.fit_intercept, self.learning_rate, self.iterations
        )
        self._conditioning = _least_squares.conditioning_of_moments(
            moments, source, self.fit_intercept
        )
        self.learning_rate_ = closed_form.learning_rate
        if self.solver_ == "stream":
            return coefficients
        return self._descended(coefficients, closed_form)

    def _descended(self, coefficients: Matrix, closed_form: ClosedForm) -> Matrix:
        """Keep the history; return the coefficients, or say that they diverge."""
        self.learning_rate_ = closed_form.learning_rate
        self._history = closed_form
        self._check_convergence(coefficients, float(closed_form.eigenvalues[-1:].sum()))
        return coefficients

    def _choose_descent(self, source: Source) -> str:
        """Return the cheapest way by its number of operations, or the one asked for."""
        if self.solver != "auto":
            return self.solver
        if not isinstance(source, Rows):
            return "moments"
        assert self.iterations is not None
        n, d = source.X.shape
        costs = {
            "moments": n * d**2 / 2 + _EIGEN_PENALTY * d**3,
            "gram": n**2 * d / 2 + _EIGEN_PENALTY * n**3,
        }
        if self.learning_rate != "auto" and not sparse.issparse(source.X):
            steps = (self.iterations + 1) * source.n_targets
            costs["stream"] = 2.0 * n * d * steps * _STREAM_PENALTY
        return min(costs, key=lambda name: costs[name])

    def _stream(self, source: Source, rate: float, threads: int | None) -> Matrix:
        """Return what the literal loop leads to."""
        assert self.iterations is not None
        found, first = _statistics.descent(
            source, rate, self.iterations, self.fit_intercept, threads
        )
        self.engine_ = found.engine
        self.learning_rate_ = rate
        self._history = found.losses
        coefficients: Matrix = on_host(found.coefficients)
        if isinstance(source, Rows) and not (np.isfinite(coefficients).all() and self.iterations):
            source.assert_finite()
        with np.errstate(over="ignore", invalid="ignore"):
            losses = np.vstack([first, on_host(found.losses)])
            falls = losses[1:] <= losses[:-1] * (1 + 1e-9)
        if not falls.all():
            largest = _largest_eigenvalue(source, self.fit_intercept, threads)
            self._check_convergence(coefficients, largest)
        return coefficients

    def _check_convergence(self, coefficients: Matrix, largest: float) -> None:
        """Warn if α is above 2 / λ_max; raise if that made the coefficients overflow."""
        rate = self.learning_rate_
        assert rate is not None
        if rate * largest <= 2 * (1 + 1e-12):
            return
        advice = (
            f"learning_rate={rate:g} is too large for gradient descent to converge on this data: "
            f"the largest stable one is {2 / largest:.6g}. Choose a smaller one, or 'auto'."
        )
        if not np.isfinite(coefficients).all():
            raise ValueError(
                f"The coefficients overflowed in {self.iterations} iterations: {advice}"
            )
        warn(advice, ConvergenceWarning)

    @property
    def loss_history_(self) -> Matrix:
        """Half the weighted mean squared error after each iteration."""
        history = self._fitted("loss_history_", "_history")
        losses: Matrix = history.losses if isinstance(history, ClosedForm) else history
        losses = beside(losses, adopted(self.coef_))
        return as_kind_of(losses[:, 0] if self._targets is None else losses, self.coef_)

    @property
    def rank_(self) -> int:
        """Directions of the centred X that can be told from rounding."""
        rank: int = self._fitted("rank_", "_conditioning").rank
        return rank

    @property
    def singular_(self) -> Matrix:
        """Singular values of the centred X, descending."""
        singular: Matrix = self._fitted("singular_", "_conditioning").singular
        return as_kind_of(singular, self.coef_)

    @property
    def condition_number_(self) -> float:
        """Condition number of the centred X with its columns scaled alike."""
        number: float = self._fitted("condition_number_", "_conditioning").number
        return number

    def _fitted(self, attribute: str, source: str) -> Any:
        """Return what an attribute is computed from."""
        value = vars(self).get(source)
        if value is None or (isinstance(value, Conditioning) and not value.decided):
            if source not in vars(self):
                reason = "it is not fitted"
            elif value is None and self.solver_ in ("stream", "lsqr"):
                reason = f"solver_={self.solver_!r} does not form the moments that it needs"
            else:
                reason = "X is too ill-conditioned for its moments to tell; iterations=None tells"
            raise AttributeError(f"{type(self).__name__} has no attribute {attribute!r}: {reason}")
        return value

    def summary(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        confidence: float = 0.95,
        robust: str | None = None,
    ) -> Summary:
        """Test the coefficients of least squares: standard errors, t, p, intervals, R² and F.

        All of it follows from the moments that `fit` or `partial_fit` kept, unless those have too
        few digits: κ² or Σ (y − ȳ)² over that of the residuals is 10⁶ or more. Then the rows are
        needed, once more, and `computed_from` of the result says so. Weights are taken as inverse
        variances, up to a factor.

        Parameters
        ----------
        X, y, sample_weight : array-like, default=None
            The rows that the model was fitted to: for `robust`, and where the moments need them.
        confidence : float, default=0.95
            Of the intervals, between 0 and 1.
        robust : {None, "HC0", "HC1", "HC2", "HC3"}, default=None
            Errors that hold if the rows' variances differ; one more pass over the rows. MacKinnon
            and White, "Some heteroskedasticity-consistent covariance matrix estimators with
            improved finite sample properties", 1985.

        Returns
        -------
        Summary
            Its attributes are the figures; printed, it is a table.

        Raises
        ------
        ValueError
            If the model is not unconstrained least squares, there are no more rows than
            coefficients, the columns are dependent, or the rows are needed and not given.

        Warns
        -----
        UserWarning
            If robust="HC2" or "HC3" and a row has a leverage of 1, such as the only one of its
            category: the standard errors are NaN.

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels import LinearRegression
        >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> model = LinearRegression().fit(X, [1.0, 2.9, 5.1, 7.0])
        >>> model.summary().standard_errors.round(4)
        array([0.0424, 0.0794])
        """
        check_is_fitted(self)
        if self.iterations is not None or self.positive:
            raise ValueError("summary tests least squares: without iterations and positive=True")
        if robust is not None and robust not in ROBUST:
            raise ValueError(f"robust must be None or one of {', '.join(ROBUST)}; got {robust!r}")
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must be between 0 and 1; got {confidence!r}")
        source = None
        if X is not None:
            source, _ = regression_source(self, X, y, sample_weight, reset=False)
        elif robust is not None:
            raise ValueError(f"robust={robust!r} needs the rows: summary(X, y)")
        factor = self._factor(source)
        inner = _inference.meat(factor, source, robust)
        if source is not None and robust in ("HC2", "HC3") and np.isnan(inner).any():
            self._warn_of_leverage(_inference.rows_of_full_leverage(factor, source), robust)
        names = getattr(self, "feature_names_in_", None)
        labels = [f"x{i}" for i in range(self.n_features_in_)] if names is None else list(names)
        labels += ["intercept"] * self.fit_intercept
        one_target = self._targets is None
        return _inference.summarised(factor, labels, inner, confidence, robust, one_target)

    def _warn_of_leverage(self, rows: list[int], robust: str) -> None:
        if rows:
            which = f"row {rows[0]} has" if len(rows) == 1 else f"rows {_listed(rows)} have"
            warn(
                f"{which} a leverage of 1: {robust} divides by what is left of 1, 0, and the "
                "standard errors are NaN. Choose 'HC0' or 'HC1', or leave out what only such a row "
                "tells: the row, and the column that is its own."
            )

    def _factor(self, source: Source | None) -> Factor:
        """Return what inference needs, from the moments if they can decide, else from the rows."""
        found = None
        if hasattr(self, "_moments"):
            if self._counted <= self.n_features_in_ + self.fit_intercept:
                raise ValueError("standard errors need more rows than coefficients")
            found = _inference.factor_of_moments(self._moments, self._counted, self.fit_intercept)
        if found is not None:
            return found
        if source is None:
            raise ValueError(
                "the moments are too ill-conditioned for standard errors, or were not kept: give "
                "the rows, summary(X, y)"
            )
        if source.size[0] <= self.n_features_in_ + self.fit_intercept:
            raise ValueError("standard errors need more rows than coefficients")
        return _inference.factor_of_rows(source, self.fit_intercept)

    @by_batches
    @answered_in_kind
    def predict(self, X: ArrayLike, return_std: bool = False) -> Any:
        """Predict by X · coef + intercept.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return the standard deviation of a new observation of weight 1 about its
            prediction, too: σ √(1 + leverage). Least squares only, from the moments.

        Returns
        -------
        prediction : ndarray of shape (n_samples,) or (n_samples, n_targets)
        std : ndarray of the same shape
            Only if `return_std`.

        Examples
        --------
        >>> from rmodels import LinearRegression
        >>> model = LinearRegression().fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 8.0])
        >>> prediction, std = model.predict([[4.0]], return_std=True)
        >>> prediction.round(2), std.round(2)
        (array([10.]), array([0.61]))
        """
        prediction = super().predict(X)
        if not return_std:
            return prediction
        if self.iterations is not None or self.positive:
            raise ValueError("return_std needs least squares without positive=True")
        factor = self._factor(None)
        leverages = factor.leverages(_statistics.array(prediction_samples(self, X)))
        std = np.sqrt(factor.variance * (1 + leverages[:, np.newaxis]))
        return prediction, std[:, 0] if self._targets is None else std

    def plot_loss(self, ax: "Axes | None" = None, *, yscale: str = "linear") -> "Axes":
        """Draw the loss after each iteration; `rmodels.plot.loss` says more.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; the default is a new figure.
        yscale : {"linear", "log"}, default="linear"
            Scale of the losses.

        Returns
        -------
        matplotlib.axes.Axes

        Examples
        --------
        >>> import matplotlib
        >>> matplotlib.use("Agg")  # no window
        >>> from rmodels import LinearRegression
        >>> model = LinearRegression(iterations=50).fit([[0.0], [1.0]], [0.0, 1.0])
        >>> model.plot_loss(yscale="log").get_xlabel()
        'iteration'
        """
        return plot.loss(self, ax, yscale=yscale)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._accepts_sparse()
        return tags


_TOO_LARGE = "X or y holds values so large that their squares overflow: scale the columns"


def _listed(rows: list[int]) -> str:
    """Return the first of some numbers, and how many there are more."""
    if len(rows) <= 5:
        return f"{', '.join(map(str, rows[:-1]))} and {rows[-1]}"
    return f"{', '.join(map(str, rows[:5]))} and {len(rows) - 5} more"


def _mean(Y: NDArray, weights: NDArray | None) -> Matrix:
    return np.average(Y.astype(np.float64), axis=0, weights=weights)


def _largest_eigenvalue(source: Source, fit_intercept: bool, threads: int | None) -> float:
    """Return λ_max of the second moments of [X 1]: of few columns from these, else by Lanczos."""
    d = source.n_features
    if d <= _MOST_DECOMPOSED:
        sums = _statistics.moments(source, threads)
        second = np.zeros((d + 1, d + 1))
        with np.errstate(over="ignore", invalid="ignore"):
            second[:d, :d] = sums.about_zero()[:d, :d] / sums.weight
        if fit_intercept:
            second[d, :d] = second[:d, d] = sums.mean[:d]
            second[d, d] = 1.0
        return float(np.linalg.eigvalsh(second)[-1]) if np.isfinite(second).all() else np.inf

    def product(vector: Matrix) -> Matrix:
        vector = vector.reshape(-1, 1).copy()
        if not fit_intercept:
            vector[-1] = 0
        found = _statistics.curvature(source, vector, threads)[:, 0]
        if not fit_intercept:
            found[-1] = 0
        return found

    start = product(np.random.default_rng(0).standard_normal(d + 1))
    if not np.isfinite(start).all():
        return np.inf
    if not start.any():
        return 0.0
    operator = sparse_linalg.LinearOperator((d + 1, d + 1), matvec=product, dtype=np.float64)
    values = sparse_linalg.eigsh(
        operator, k=1, which="LA", v0=start, tol=1e-13, return_eigenvectors=False
    )
    return float(values[0])
