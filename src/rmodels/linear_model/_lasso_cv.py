"""Lasso and elastic net whose penalty is chosen by cross-validation."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import KFold, check_cv
from sklearn.utils import check_scalar
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from rmodels import data
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions, is_routing_enabled, raise_for_params
from rmodels.base.splits import list_splits
from rmodels.base.warnings import warn
from rmodels.data import Rows, Source
from rmodels.data.arrays import adopt, on_host
from rmodels.linear_model._base import check_some
from rmodels.linear_model._lasso import LassoModel, check_gram
from rmodels.linear_model._paths import (
    check_precompute,
    enet_path,
    lasso_path,
    space_alphas,
    warn_if_missed,
)
from rmodels.solvers.cross_validation import average_squares, find_largest_of, read_folds
from rmodels.solvers.penalized import Form, Penalties
from rmodels.solvers.smooth import fit_any
from rmodels.solvers.spectrum import cut_ranges

__all__ = ["CrossValidated", "ElasticNetCV", "LassoCV"]


class CrossValidated(LassoModel):
    """What chooses the penalty of a lasso or elastic net by cross-validation."""

    _attributes: ClassVar = {
        "alpha_": float | np.floating,
        "alphas_": np.ndarray,
        "mse_path_": np.ndarray,
    }

    _parameter_constraints: dict = {
        "eps": [Interval(Real, 0, None, closed="neither")],
        "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "fit_intercept": ["boolean"],
        "precompute": [StrOptions({"auto"}), "array-like", "boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "copy_X": ["boolean"],
        "cv": ["cv_object"],
        "verbose": ["verbose"],
        "n_jobs": [Integral, None],
        "positive": ["boolean"],
        "random_state": ["random_state"],
        "selection": [StrOptions({"cyclic", "random"})],
    }

    eps: float
    alphas: Any
    cv: Any
    n_jobs: int | None
    _together = False  # whether the penalty is on all targets' coefficients of a column

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, **params: Any
    ) -> Self:
        """Choose the penalty, and fit the model with it.

        Parameters
        ----------
        X, y, sample_weight
            As in `LinearRegression.fit`. Errors of rows left out are weighted, too.
        **params
            `groups` and the like for the splitter, if scikit-learn's metadata routing is on.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, its squares overflow, an α is
            below 0, or `cv` needs rows that are not in memory.
        TypeError
            If an α is no number.

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels import LassoCV
        >>> x = np.linspace(0.0, 1.0, 20)
        >>> LassoCV(alphas=[1.0, 0.001], cv=2).fit(x[:, np.newaxis], 2 * x + 1).alpha_
        0.001
        """
        return self._fit(X, y, sample_weight, params)

    @all_or_nothing
    def _fit(self, X: Any, y: Any, sample_weight: Any, params: dict[str, Any]) -> Any:
        raise_for_params(params, self, "fit")
        check_precompute(getattr(self, "precompute", None))
        check_some("alphas", self.alphas)
        check_some("l1_ratio", getattr(self, "l1_ratio", 1.0))
        y = on_host(adopt(y)) if data.is_in_memory(X) else y
        source = data.source(self, X, y, sample_weight, targets="numbers")
        one_target = self._check_targets(source)
        form = Form(
            bool(self.fit_intercept), self._together, bool(getattr(self, "positive", False))
        )
        ratios = np.atleast_1d(getattr(self, "l1_ratio", 1.0))
        threads = source.threads(self.n_jobs)
        given = None if isinstance(self.alphas, Integral) else self._given_alphas()
        ranges, splits = self._split(source, y, sample_weight, params)
        count = int(self.alphas) if given is None else len(given)
        folds = read_folds(source, ranges, splits, count, threads)
        moments = folds.whole
        if given is None:
            largest, moments = find_largest_of(folds, form, threads)
            grids = [space_alphas(largest, ratio, self.eps, count) for ratio in ratios]
        else:
            grids = [given] * len(ratios)
        paths = [Penalties.of(*each) for each in zip(grids, ratios, strict=True)]
        errors, violation = average_squares(folds, paths, form, threads)
        warn_if_missed(violation, " on the training rows of a fold")
        averages = errors.mean(axis=1)
        # the first of the best: of each ratio, and of the ratios
        best = [int(np.argmin(each)) for each in averages]
        ratio = int(np.argmin([each[k] for each, k in zip(averages, best, strict=True)]))
        self.mse_path_ = np.squeeze(np.moveaxis(errors, 2, 1))
        self.alpha_ = float(grids[ratio][best[ratio]])
        one_grid = given is not None or len(ratios) == 1
        self.alphas_ = grids[0] if one_grid else np.asarray(grids)
        if hasattr(self, "l1_ratio"):
            self.l1_ratio_ = ratios[ratio]
        chosen = Penalties.of([self.alpha_], float(ratios[ratio]))
        found = fit_any(source, chosen, form, threads, moments=moments)
        check_gram(getattr(self, "precompute", None), source, found.mean, form.fit_intercept)
        self._set_path_fit(found, source, X, one_target)
        return self

    def _check_targets(self, source: Source) -> bool:
        """Return whether there is one target, in one dimension; raise if there are too many."""
        name = type(self).__name__
        if self._together:
            if source.one_target:
                raise ValueError(f"For mono-task outputs, use {name.removeprefix('MultiTask')}")
            return False
        if source.n_targets > 1:
            raise ValueError(f"For multi-task outputs, use MultiTask{name}")
        if not source.one_target:
            warn(
                "A column-vector y was passed when a 1d array was expected. Please change the "
                "shape of y to (n_samples, ), for example using ravel().",
                DataConversionWarning,
            )
        return True

    def _given_alphas(self) -> NDArray[np.float64]:
        """Return the checked penalties, descending."""
        for index, alpha in enumerate(self.alphas):
            check_scalar(
                alpha,
                f"alphas[{index}]",
                target_type=Real,
                min_val=0.0,
                include_boundaries="left",
            )
        return np.sort(np.asarray(self.alphas, dtype=np.float64))[::-1]

    def _split(
        self, source: Source, y: Any, sample_weight: Any, params: dict[str, Any]
    ) -> tuple[list[range] | None, list[Any] | None]:
        """Return the rows that are left out: ranges of them where folds are consecutive."""
        splitter = check_cv(self.cv)
        given: dict[str, Any] = {}
        if is_routing_enabled():
            if sample_weight is not None:
                params = params | {"sample_weight": sample_weight}
            given = process_routing(self, "fit", **params).splitter.split
        if type(splitter) is KFold and not splitter.shuffle:
            return cut_ranges(source.number_rows(), splitter.get_n_splits()), None
        if not isinstance(source, Rows):
            raise ValueError(
                f"cv={self.cv!r} needs X as an array: of batches, folds are consecutive rows, an "
                "integer or KFold without shuffle"
            )
        X = source.X if source.given is None else source.given
        return None, list_splits(splitter.split(X, y, **given), source.number_rows())

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how scikit-learn's metadata routing hands on what `fit` is given.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        splitting = MethodMapping().add(caller="fit", callee="split")
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(splitter=check_cv(self.cv), method_mapping=splitting)
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.single_output = not self._together
        tags.target_tags.multi_output = self._together
        return tags


class LassoCV(CrossValidated):
    """Lasso whose penalty is chosen by cross-validation.

    The moments of all folds come from one read of X; the minima of every fold and α, each as exact
    as `Lasso`'s, from the moments.

    Parameters
    ----------
    eps : float, default=1e-3
        The smallest α over the largest, if `alphas` is a number of them.
    alphas : int or array-like, default=100
        How many penalties to try, in equal steps of their logarithm from the smallest without a
        coefficient on; or which.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    precompute : "auto", bool or array-like, default="auto"
        As in `ElasticNet`, as are `max_iter`, `tol`, `copy_X`, `positive`, `random_state` and
        `selection`.
    max_iter : int, default=1000
    tol : float, default=1e-4
    copy_X : bool, default=True
    cv : int, cross-validation generator or iterable, default=None
        None is 5 folds. Of a scan or a Dask collection an integer, or KFold without shuffle.
    verbose : bool or int, default=False
        Accepted for compatibility: see the setting progress.
    n_jobs : int, default=None
        Most threads; None means the setting `n_threads`, -1 all processors.
    positive : bool, default=False
    random_state : int, RandomState instance, default=None
    selection : {"cyclic", "random"}, default="cyclic"

    Attributes
    ----------
    alpha_ : float
        The first, and so the largest, of the best.
    alphas_ : ndarray of shape (n_alphas,)
        Descending.
    mse_path_ : ndarray of shape (n_alphas, n_folds)
        Mean squared errors on the rows that each fold leaves out.
    coef_, sparse_coef_, intercept_, dual_gap_, n_iter_, engine_, n_features_in_, feature_names_in_
        As in `ElasticNet`, of the fit to all rows with `alpha_`.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import LassoCV
    >>> X = np.random.default_rng(0).standard_normal((100, 4))
    >>> model = LassoCV(alphas=[1.0, 0.1, 0.01]).fit(X, X @ [3.0, 0.0, 0.0, 1.0])
    >>> model.alpha_, model.coef_.round(1)
    (0.01, array([3., 0., 0., 1.]))
    """

    path = staticmethod(lasso_path)

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        alphas: int | Sequence[float] | NDArray = 100,
        fit_intercept: bool = True,
        precompute: str | bool | NDArray = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        copy_X: bool = True,
        cv: int | Any | None = None,
        verbose: bool | int = False,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: int | np.random.RandomState | None = None,
        selection: str = "cyclic",
    ) -> None:
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection


class ElasticNetCV(CrossValidated):
    """Elastic net whose penalty is chosen by cross-validation.

    Parameters
    ----------
    l1_ratio : float or list of float, default=0.5
        ρ of `ElasticNet`, or those to try. At 0, `alphas` must be given.
    eps, alphas, fit_intercept, precompute, max_iter, tol, cv, copy_X, verbose, n_jobs, positive
        As in `LassoCV`.
    random_state, selection
        As in `ElasticNet`.

    Attributes
    ----------
    alpha_ : float
        The first of the best.
    l1_ratio_ : float
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        Descending.
    mse_path_ : ndarray of shape (n_alphas, n_folds) or (n_l1_ratios, n_alphas, n_folds)
        Mean squared errors on the rows that each fold leaves out.
    coef_, sparse_coef_, intercept_, dual_gap_, n_iter_, engine_, n_features_in_, feature_names_in_
        As in `ElasticNet`, of the fit to all rows with `alpha_` and `l1_ratio_`.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import ElasticNetCV
    >>> X = np.random.default_rng(0).standard_normal((100, 4))
    >>> model = ElasticNetCV(l1_ratio=[0.2, 0.9]).fit(X, X @ [3.0, 0.0, 0.0, 1.0])
    >>> float(model.l1_ratio_), model.mse_path_.shape
    (0.9, (2, 100, 5))
    """

    _attributes: ClassVar = {"l1_ratio_": float | np.floating | int | np.integer}

    _parameter_constraints: dict = {
        **CrossValidated._parameter_constraints,
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), "array-like"],
    }

    path = staticmethod(enet_path)

    def __init__(
        self,
        *,
        l1_ratio: float | Sequence[float] | NDArray = 0.5,
        eps: float = 1e-3,
        alphas: int | Sequence[float] | NDArray = 100,
        fit_intercept: bool = True,
        precompute: str | bool | NDArray = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        cv: int | Any | None = None,
        copy_X: bool = True,
        verbose: bool | int = 0,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: int | np.random.RandomState | None = None,
        selection: str = "cyclic",
    ) -> None:
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
