"""Linear regression, by gradient descent or by its limit, least squares."""

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmodels import data, plot
from rmodels.base.estimator import all_or_nothing, available_if
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.state import Absent
from rmodels.base.warnings import warn
from rmodels.data import WEIGHTLESS, Need, Source
from rmodels.data.arrays import adopt, as_kind_of, beside, on_host
from rmodels.linear_model._inference import TestedLinearModel
from rmodels.ops.moments import Moments
from rmodels.solvers import descent, least_squares
from rmodels.solvers.closed_form import ClosedForm
from rmodels.solvers.conditioning import Conditioning
from rmodels.solvers.moments import TOO_LARGE, compute_moments
from rmodels.solvers.result import LinearFit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LinearRegression"]

Matrix = NDArray[np.float64]


class LinearRegression(TestedLinearModel):
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
        Directions of the centred X that can be told from rounding. Not after "krylov"
        or "lsqr", nor after "stream" with a learning rate that is given, nor after gradient
        descent on an X whose condition number is above 10⁵: the moments do not tell it.
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
    solver_ : {"moments", "gram", "stream", "rows", "krylov", "lsqr"}
        What was used. "krylov": conjugate gradients of a sparse X, where they take the fewest
        operations and lead to all digits. "lsqr": a sparse X whose moments do not keep the setting
        `memory_limit`, where they do not.
    engine_ : {"reference", "native", "gpu", "scipy"}
        What computed the moments, products or steps; "scipy" all of "lsqr", moments and products
        of a sparse X without the native engine, and those of solver="rows" or positive=True, which
        need none of them. Refinement and "rows" use NumPy and LAPACK on the processor with any
        engine.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Warns
    -----
    ConvergenceWarning
        If the learning rate is too large for gradient descent to converge.
    UserWarning
        If the rank of X leaves least squares more than one solution though there are enough rows,
        and not only because dummies of categories sum to one.

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

    _attributes: ClassVar = {
        "n_iter_": int | np.integer | None,
        "learning_rate_": float | None,
        "solver_": str,
        "_history": np.ndarray | ClosedForm,
        "_conditioning": Conditioning | None,
        "_targets": int | None,
        "_moments": Moments | Absent,
        "_counted": int | Absent,
    }

    engine_: str
    solver_: str
    learning_rate_: float | None
    _conditioning: Conditioning | None
    _history: Any
    _moments: Moments
    _counted: int

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
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
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
        source = data.source(
            self, X, y, sample_weight, targets="numbers", need=Need(sparse=self._accepts_sparse())
        )
        self.__dict__.pop("_moments", None)
        self.__dict__.pop("_counted", None)
        threads = source.threads(self.n_jobs)
        if self.iterations is None:
            found = least_squares.solve(
                source,
                self.fit_intercept,
                solver=self.solver,
                positive=self.positive,
                n_threads=threads,
            )
        else:
            found = descent.descend(
                source,
                self.iterations,
                self.learning_rate,
                self.fit_intercept,
                solver=self.solver,
                n_threads=threads,
            )
        if found.moments is not None:
            self._moments, self._counted = found.moments, int(source.count)
        return self._set_fit(found, source, source.dtype, X)

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
    ) -> Self:
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
        source = data.source(
            self,
            X,
            y,
            sample_weight,
            targets="numbers",
            need=Need(sparse=self._accepts_sparse()),
            reset=not begun,
            part=True,
        )
        shape = source.one_target, source.n_targets
        if begun and (self._targets is None, self._targets or 1) != shape:
            raise ValueError("y must have the shape of the batches before, but for its rows")
        moments = compute_moments(source, source.threads(self.n_jobs), added=True)
        counted, dtype = int(source.count), source.dtype
        if begun:
            moments, counted = self._moments + moments, self._counted + counted
            dtype = np.result_type(dtype, on_host(adopt(self.coef_)).dtype)
        if not moments.is_finite:
            raise ValueError(TOO_LARGE)
        if not moments.weight:
            raise ValueError(WEIGHTLESS)
        if self.iterations is None:
            found = least_squares.solve_moments_alone(
                moments, counted, self.fit_intercept, self.positive
            )
        else:
            found = descent.descend_moments(
                moments, self.iterations, self.learning_rate, self.fit_intercept
            )
        self._moments, self._counted = moments, counted
        return self._set_fit(found, source, dtype, X)

    def _set_fit(self, found: LinearFit, source: Source, dtype: Any, X: Any) -> "LinearRegression":
        """Set what `fit` and `partial_fit` both set; return the estimator."""
        for warning in found.warnings:
            warn(str(warning), type(warning))
        self._set_coefficients(found.coefficients, dtype, source.one_target, X)
        self.n_iter_ = self.iterations
        self.solver_, self.engine_ = found.solver, found.engine
        self.learning_rate_ = found.learning_rate
        self._conditioning = found.conditioning
        nothing = np.empty((0, source.n_targets))
        self._history = nothing if found.history is None else found.history
        self._targets = None if source.one_target else source.n_targets
        return self

    def _fits_in_batches(self) -> bool:
        return self.solver != "gram"

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

    @property
    def loss_history_(self) -> Matrix:
        """Half the weighted mean squared error after each iteration."""
        history = self._require("loss_history_", "_history")
        losses: Matrix = history.losses if isinstance(history, ClosedForm) else history
        losses = beside(losses, adopt(self.coef_))
        return as_kind_of(losses[:, 0] if self._targets is None else losses, self.coef_)

    @property
    def rank_(self) -> int:
        """Directions of the centred X that can be told from rounding."""
        rank: int = self._require("rank_", "_conditioning").rank
        return rank

    @property
    def singular_(self) -> Matrix:
        """Singular values of the centred X, descending."""
        singular: Matrix = self._require("singular_", "_conditioning").singular
        return as_kind_of(singular, self.coef_)

    @property
    def condition_number_(self) -> float:
        """Condition number of the centred X with its columns scaled alike."""
        number: float = self._require("condition_number_", "_conditioning").number
        return number

    def _require(self, attribute: str, source: str) -> Any:
        """Return what an attribute is computed from."""
        value = vars(self).get(source)
        if value is None or (isinstance(value, Conditioning) and not value.decided):
            if source not in vars(self):
                reason = "it is not fitted"
            elif value is None and self.solver_ in ("stream", "krylov", "lsqr"):
                reason = f"solver_={self.solver_!r} does not form the moments that it needs"
            else:
                reason = "X is too ill-conditioned for its moments to tell; iterations=None tells"
            raise AttributeError(f"{type(self).__name__} has no attribute {attribute!r}: {reason}")
        return value

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
