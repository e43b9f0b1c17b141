"""Linear regression, by gradient descent or by its limit, least squares."""

import warnings
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, MultiOutputMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from rmodels import plot
from rmodels.arrays import (
    adopted,
    answered_in_kind,
    as_dtype_of,
    as_kind_of,
    beside,
    contiguous,
    namespace,
    on_gpu,
    on_host,
)
from rmodels.blas import blas_threads
from rmodels.callbacks import CallbackSupport
from rmodels.config import get_config, thread_count
from rmodels.exceptions import NotCoveredError
from rmodels.linear_model import _gradient_descent, _least_squares, _statistics
from rmodels.linear_model._gradient_descent import ClosedForm
from rmodels.linear_model._least_squares import Conditioning
from rmodels.ops.descent import descent, gradient
from rmodels.ops.moments import Moments
from rmodels.scores import Regressor
from rmodels.validation import (
    all_or_nothing,
    assert_finite_samples,
    prediction_samples,
    regression_samples,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LinearRegression"]

Matrix = NDArray[np.float64]

# Cost of a multiply-add: a stream waits for memory, eigenvectors for LAPACK.
_STREAM_PENALTY = 4
_EIGEN_PENALTY = 50


class LinearRegression(CallbackSupport, MultiOutputMixin, Regressor, BaseEstimator):
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
        - "gram": from the inner products of the rows, for fewer rows than columns.
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
        Directions of the centred X that can be told from rounding. Not after "stream" or "lsqr",
        nor after gradient descent on an X whose condition number is above 10⁵: the moments do not
        tell it.
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
    n_features by n_features; a fitted model keeps one of them until it is pickled.

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
        X : array-like or sparse matrix of shape (n_samples, n_features)
            float32 and float64 are used as they are, with any strides; all else becomes float64,
            but for float16 and bfloat16 on the GPU.
            A sparse matrix stays one; not with positive=True or solver="stream".
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None
            At least 0, not all 0.

        Returns
        -------
        LinearRegression
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, if parameters contradict each
            other, or if gradient descent overflows.
        """
        self._check_combination()
        samples, target, weights = regression_samples(
            self, X, y, sample_weight, accept_sparse=self._accepts_sparse()
        )
        Y = target[:, np.newaxis] if target.ndim == 1 else target
        threads = thread_count(self.n_jobs)
        with blas_threads(min(samples.shape), threads):
            if self.iterations is None:
                coefficients = self._fit_least_squares(samples, Y, weights, threads)
            else:
                coefficients = self._fit_gradient_descent(samples, Y, weights, threads)
        self.n_iter_ = self.iterations
        self._targets = None if target.ndim == 1 else Y.shape[1]
        kept = as_dtype_of(beside(coefficients, samples), samples)
        if target.ndim == 1:
            slopes, intercept = kept[:-1, 0], kept[-1, 0]
        else:
            slopes, intercept = kept[:-1].T, kept[-1]
        self.coef_ = as_kind_of(contiguous(slopes), X)
        self.intercept_ = as_kind_of(intercept, X) if self.fit_intercept else 0.0
        return self

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

    def _fit_least_squares(
        self, X: NDArray, Y: NDArray, weights: NDArray | None, threads: int
    ) -> Matrix:
        """Return the coefficients and, last, the intercept: (n_features + 1, n_targets)."""
        self.learning_rate_: float | None = None
        self._history: Matrix | ClosedForm = np.empty((0, Y.shape[1]))
        n, d = X.shape
        solution = None
        solver = self.solver
        if self.positive:
            solver = "rows"
        elif solver == "auto" and not _statistics.fits_moments(X):
            return self._fit_lsqr(X, Y, weights)
        elif solver == "auto":
            solver = "gram" if n < d else "moments"
        if solver == "gram":
            products = _statistics.gram(X, weights, self.fit_intercept, threads)
            self.engine_ = products.engine
            X, Y, weights = on_host(X), on_host(Y), on_host(weights)
            products = _statistics.copied(products)
            if not np.isfinite(products.products.diagonal()).all():
                assert_finite_samples(self, X)
            solution = _least_squares.from_gram(products, X, Y, weights, self.fit_intercept)
            offset = np.concatenate([products.mean, _mean(Y, weights)])
        elif solver == "moments":
            sums = _statistics.moments(X, Y, weights, threads)
            self.engine_ = sums.engine
            if not sums.is_finite:
                assert_finite_samples(self, X)
            sums = _statistics.copied(sums)
            solution = _least_squares.from_moments(sums, X, Y, weights, self.fit_intercept, threads)
            offset = sums.mean
        else:
            self.engine_ = "scipy"
            assert_finite_samples(self, X)
        self.solver_ = solver
        if solution is None:
            self.solver_ = "rows"
            solution, offset = _least_squares.from_rows(
                X, Y, weights, self.fit_intercept, self.positive
            )
        self._conditioning: Conditioning | None = solution.conditioning
        rank = solution.conditioning.rank
        coefficients = solution.coefficients
        counted = n if weights is None else int((weights != 0).sum())
        full_rank = min(counted - self.fit_intercept, d)
        if rank < full_rank and not self.positive:
            warnings.warn(
                f"X has rank {rank} where {full_rank} is possible: some columns are constant "
                "or a combination of others. The coefficients are not unique; those of minimum "
                "norm are returned.",
                UserWarning,
                stacklevel=4,
            )
        intercept = solution.intercept
        if intercept is None:
            intercept = offset[d:] - offset[:d] @ coefficients
        if not self.fit_intercept:
            intercept = np.zeros(Y.shape[1])
        return np.vstack([coefficients, intercept])

    def _fit_lsqr(self, X: NDArray, Y: NDArray, weights: NDArray | None) -> Matrix:
        """Return the coefficients and, last, the intercept: (n_features + 1, n_targets)."""
        engine = get_config()["engine"]
        if engine not in ("auto", "reference"):
            raise NotCoveredError(
                f"engine={engine!r} cannot run: the moments of {X.shape[0]} x {X.shape[1]} sparse "
                "samples do not keep memory_limit. Raise it, or choose engine='auto', which solves "
                "by SciPy's LSQR"
            )
        assert_finite_samples(self, X)
        self._conditioning = None
        self.engine_, self.solver_ = "scipy", "lsqr"
        coefficients, offset, converged = _statistics.lsqr(X, Y, weights, self.fit_intercept)
        if not converged:
            warnings.warn(
                "LSQR stopped before it converged: X is ill-conditioned. Scale or remove columns, "
                "or raise memory_limit so that the moments of X fit.",
                ConvergenceWarning,
                stacklevel=5,
            )
        d = X.shape[1]
        return np.vstack([coefficients, offset[d:] - offset[:d] @ coefficients])

    def _fit_gradient_descent(
        self, X: NDArray, Y: NDArray, weights: NDArray | None, threads: int
    ) -> Matrix:
        """Return the coefficients and, last, the intercept: (n_features + 1, n_targets)."""
        assert self.iterations is not None
        self.solver_ = self._choose_descent(X, Y)
        rate = self.learning_rate
        if self.solver_ == "stream" and rate != "auto":
            self._conditioning = None
            return self._stream(X, Y, weights, float(rate), threads)
        arguments = (self.fit_intercept, rate, self.iterations)
        if self.solver_ == "gram":
            products = _statistics.gram(X, weights, self.fit_intercept, threads)
            self.engine_ = products.engine
            X, Y, weights = on_host(X), on_host(Y), on_host(weights)
            products = _statistics.copied(products)
            if not np.isfinite(products.products.diagonal()).all():
                assert_finite_samples(self, X)
                raise ValueError(_TOO_LARGE)
            coefficients, closed_form = _gradient_descent.coefficients_from_gram(
                products, X, Y, weights, *arguments
            )
            self._conditioning = _least_squares.conditioning_of_gram(
                products, X.shape[1], weights, self.fit_intercept
            )
        else:
            sums = _statistics.moments(X, Y, weights, threads)
            self.engine_ = sums.engine
            if not sums.is_finite:
                assert_finite_samples(self, X)
                raise ValueError(_TOO_LARGE)
            if on_gpu(X) and self.solver_ == "moments" and self._fits_steps(X, Y):
                return self._steps_on_gpu(sums, X)
            sums = _statistics.copied(sums)
            coefficients, closed_form = _gradient_descent.coefficients_from_moments(
                sums, *arguments
            )
            self._conditioning = _least_squares.conditioning_of_moments(sums, X, self.fit_intercept)
        self.learning_rate_ = closed_form.learning_rate
        if self.solver_ == "stream":
            return self._stream(X, Y, weights, closed_form.learning_rate, threads)
        self._history = closed_form
        self._check_convergence(coefficients, float(closed_form.eigenvalues[-1:].sum()))
        return coefficients

    def _fits_steps(self, X: Any, Y: Any) -> bool:
        """Return whether the coefficients of all iterations keep the memory limit."""
        assert self.iterations is not None
        size = 24 * (X.shape[1] + 1) * Y.shape[1] * self.iterations
        return bool(size <= get_config()["memory_limit"])

    def _steps_on_gpu(self, sums: Moments, X: Any) -> Any:
        """Return the coefficients, and keep the losses, as tensors where the moments are."""
        from rmodels.ops.descent.gpu import largest_eigenvalue, steps_from_moments

        assert self.iterations is not None
        largest = largest_eigenvalue(sums, self.fit_intercept)
        rate = self.learning_rate
        if rate == "auto":
            rate = 1.0 / largest if largest else 1.0
        self.learning_rate_ = float(rate)
        found = steps_from_moments(sums, float(rate), self.iterations, self.fit_intercept)
        self._history = found.losses
        self._conditioning = _least_squares.conditioning_of_moments(
            _statistics.copied(sums), X, self.fit_intercept
        )
        self._check_convergence(on_host(found.coefficients), largest)
        return found.coefficients

    def _choose_descent(self, X: NDArray, Y: NDArray) -> str:
        """Return the cheapest way by its number of operations, or the one asked for."""
        if self.solver != "auto":
            return self.solver
        assert self.iterations is not None
        n, d = X.shape
        costs = {
            "moments": n * d**2 / 2 + _EIGEN_PENALTY * d**3,
            "gram": n**2 * d / 2 + _EIGEN_PENALTY * n**3,
        }
        if self.learning_rate != "auto" and not sparse.issparse(X):
            costs["stream"] = 2.0 * n * d * (self.iterations + 1) * Y.shape[1] * _STREAM_PENALTY
        return min(costs, key=lambda name: costs[name])

    def _stream(
        self, X: NDArray, Y: NDArray, weights: NDArray | None, rate: float, threads: int
    ) -> Matrix:
        """Return what the literal loop leads to."""
        assert self.iterations is not None
        start = np.zeros((X.shape[1] + 1, Y.shape[1]))
        found = descent(
            X,
            Y,
            start,
            rate,
            self.iterations,
            weights,
            fit_intercept=self.fit_intercept,
            n_threads=threads,
        )
        self.engine_ = found.engine
        self.learning_rate_ = rate
        self._history = found.losses
        coefficients: Matrix = on_host(found.coefficients)
        if not np.isfinite(coefficients).all() or self.iterations == 0:
            assert_finite_samples(self, X)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.square(on_host(Y), dtype=np.float64)
            first = 0.5 * np.average(squares, axis=0, weights=on_host(weights))
            losses = np.vstack([first, on_host(found.losses)])
            falls = losses[1:] <= losses[:-1] * (1 + 1e-9)
        if not falls.all():
            largest = _largest_eigenvalue(X, weights, self.fit_intercept, threads)
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
        warnings.warn(advice, ConvergenceWarning, stacklevel=6)

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
        if value is None:
            if source not in vars(self):
                reason = "it is not fitted"
            elif self.solver_ in ("stream", "lsqr"):
                reason = f"solver_={self.solver_!r} does not form the moments that it needs"
            else:
                reason = "X is too ill-conditioned for its moments to tell; iterations=None tells"
            raise AttributeError(f"{type(self).__name__} has no attribute {attribute!r}: {reason}")
        return value

    @answered_in_kind
    def predict(self, X: ArrayLike) -> NDArray:
        """Predict by X · coef + intercept.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
        """
        samples: Any = prediction_samples(self, X)
        coef, intercept = adopted(self.coef_), adopted(self.intercept_)
        if on_gpu(samples):
            coef, intercept = beside(coef, samples), beside(intercept, samples)
            dtype = namespace(samples).promote_types(samples.dtype, coef.dtype)
            samples, coef = samples.to(dtype), coef.to(dtype)
        else:
            coef, intercept = on_host(coef), on_host(intercept)
        predicted: NDArray = samples @ (coef if coef.ndim == 1 else coef.T)
        predicted += intercept
        return predicted

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
        """
        return plot.loss(self, ax, yscale=yscale)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._accepts_sparse()
        return tags


_TOO_LARGE = "X or y holds values so large that their squares overflow: scale the columns"


def _mean(Y: NDArray, weights: NDArray | None) -> Matrix:
    return np.average(Y.astype(np.float64), axis=0, weights=weights)


def _largest_eigenvalue(
    X: NDArray, weights: NDArray | None, fit_intercept: bool, threads: int
) -> float:
    """Return λ_max of the second moments of [X 1], to about a percent, by power iteration."""
    vector = np.random.default_rng(0).standard_normal((X.shape[1] + 1, 1))
    zeros = beside(np.zeros((len(X), 1)), X)
    largest = 0.0
    for _ in range(50):
        if not fit_intercept:
            vector[-1] = 0
        norm = float(np.linalg.norm(vector))
        if not norm:
            break
        vector = on_host(gradient(X, zeros, vector / norm, weights, n_threads=threads).gradient)
        previous, largest = largest, float(np.linalg.norm(vector))
        if abs(largest - previous) <= 1e-3 * largest:
            break
    return largest
