"""Ridge regression whose penalty is chosen by cross-validation."""

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, is_classifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import KFold, check_cv
from sklearn.utils import check_scalar
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from rmodels import data
from rmodels.base.estimator import all_or_nothing
from rmodels.base.scores import SUMMED, Residuals, check_weight, route_parameters
from rmodels.base.sklearn import (
    Interval,
    StrOptions,
    check_method_params,
    is_routing_enabled,
    raise_for_params,
)
from rmodels.base.splits import list_splits
from rmodels.base.state import Absent
from rmodels.base.warnings import warn
from rmodels.data import Rows, Source
from rmodels.data.arrays import adopt, as_kind_of, on_host
from rmodels.linear_model._base import LinearModel, check_some
from rmodels.linear_model._ridge import Ridge, RidgeModel
from rmodels.ops.moments import Gram, Moments
from rmodels.solvers import spectrum
from rmodels.solvers.blas import blas_threads
from rmodels.solvers.plan import smaller_side

__all__ = ["RidgeCV", "RidgeSearch"]


class _Predicted(RegressorMixin, BaseEstimator):
    """What a scorer is given for predictions that are already there."""

    def fit(self, X: Any, y: Any = None) -> "_Predicted":
        return self

    def predict(self, X: Any) -> Any:
        return X

    def __sklearn_is_fitted__(self) -> bool:
        return True


def _residuals(rows: Rows, folds: list[tuple[range, list[Ridge]]]) -> list[Residuals | None]:
    """Return the residuals of each fold's rows here for each of its models."""
    found: list[Residuals | None] = []
    for numbers, models in folds:
        part = rows.take(rows.within(numbers))
        found += [
            Residuals.of(part.Y, model._predict(part), part.weights) if len(part.Y) else None
            for model in models
        ]
    return found


def _tally(
    blocks: spectrum.Blocks, n_penalties: int, weighted: bool, rows: Rows
) -> list[Residuals | None]:
    """Return the residuals of rows left out, for each penalty."""
    total: list[Residuals | None] = [None] * n_penalties
    for part, block in blocks(rows):
        Y = np.asarray(rows.Y[part], np.float64)
        w = block.weights[:, 0] if weighted else None
        found = [Residuals.of(Y, Y - each, w) for each in block.residuals]
        total = spectrum.add_each(total, found)
    return total


class RidgeSearch(RidgeModel):
    """What chooses a penalty by cross-validation, and fits coefficients with it."""

    _attributes: ClassVar = {
        "alpha_": float | np.ndarray,
        "best_score_": float | np.ndarray,
        "cv_results_": np.ndarray | Absent,
    }

    _parameter_constraints: dict = {
        "alphas": ["array-like", Interval(Real, 0, None, closed="neither")],
        "fit_intercept": ["boolean"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "cv": ["cv_object"],
        "store_cv_results": ["boolean"],
    }

    _default_scoring: ClassVar[str] = "r2"

    alphas: Any
    scoring: Any
    cv: Any
    store_cv_results: bool
    alpha_per_target: bool = False
    n_features_in_: int

    def _fits_in_batches(self) -> bool:
        return not self.store_cv_results and self.scoring in (None, *SUMMED)

    def _identity(self) -> BaseEstimator:
        """Return what a scorer is given for predictions that are already there."""
        return _Predicted()

    def _tell(self, Y: Any, one_target: bool) -> Any:
        """Return what a scorer is given for targets."""
        return Y[:, 0] if one_target else Y

    def _new_model(self, penalty: float) -> Any:
        """Return a model for a fold, without coefficients."""
        return Ridge(penalty, fit_intercept=self.fit_intercept)

    def _search(
        self,
        source: Source,
        penalties: NDArray[np.float64],
        X: Any,
        y: Any,
        params: dict[str, Any],
        one_target: bool,
    ) -> None:
        """Choose the penalty, and fit the model with it."""
        if not isinstance(source, Rows):
            self._check_batches()
        score_params: dict[str, Any] = params
        split_params: dict[str, Any] = {}
        if self.cv is not None or is_routing_enabled():
            score_params, split_params = route_parameters(self, params, self._get_scorer())
        self.__dict__.pop("cv_results_", None)
        with blas_threads(smaller_side(source), source.threads(None) or 1):
            if self.cv is None:
                scores, known = self._leave_one_out(source, penalties, one_target, score_params, X)
            elif isinstance(source, Rows):
                params = {"score": score_params, "split": split_params}
                scores, known = self._k_fold(source, penalties, one_target, y, params), None
            else:
                scores, known = self._k_fold_of_batches(source, penalties, one_target)
        best = np.argmax(scores, axis=0)
        if scores.ndim == 2 and source.n_targets > 1:
            self.alpha_ = penalties[best]
            self.best_score_ = np.take_along_axis(scores, best[np.newaxis], axis=0)[0]
        else:
            chosen = int(np.ravel(best)[0])
            self.alpha_ = float(penalties[chosen])
            self.best_score_ = float(np.ravel(scores[chosen])[0])
        chosen_penalties = np.broadcast_to(np.asarray(self.alpha_), source.n_targets)
        self._fit_penalties(source, chosen_penalties, False, one_target, X, known)

    def _check_batches(self) -> None:
        """Raise an error if choosing the penalty needs all rows at once."""
        if self.store_cv_results:
            raise ValueError("store_cv_results=True needs X as an array: it keeps every row's")
        if self.scoring is not None and self.scoring not in SUMMED:
            raise ValueError(
                f"scoring={self.scoring!r} needs X as an array: what can be added up over batches "
                f"is {', '.join(SUMMED)}"
            )
        if self.cv is not None:
            splitter = check_cv(self.cv)
            if type(splitter) is not KFold or splitter.shuffle:
                raise ValueError(
                    f"cv={self.cv!r} needs X as an array: of batches, folds are consecutive rows, "
                    "an integer or KFold without shuffle"
                )

    def _penalties(self) -> NDArray[np.float64]:
        """Return the penalties: (n_alphas,); raise an error if parameters contradict each other."""
        given: Any = self.alphas
        alphas = [given] if np.ndim(given) == 0 else list(given)
        check_some("alphas", alphas)
        for index, alpha in enumerate(alphas):
            check_scalar(
                alpha,
                f"alphas[{index}]" if len(alphas) > 1 else "alphas",
                target_type=Real,
                min_val=0.0,
                include_boundaries="neither" if self.cv is None else "left",
            )
        for name in ("store_cv_results", "alpha_per_target"):
            if self.cv is not None and getattr(self, name):
                raise ValueError(f"cv!=None and {name}=True are incompatible")
        return np.asarray(alphas, dtype=np.float64)

    def _leave_one_out(
        self,
        source: Source,
        penalties: NDArray[np.float64],
        one_target: bool,
        score_params: dict[str, Any],
        X: Any,
    ) -> tuple[NDArray[np.float64], Moments | Gram]:
        """Return the score of each penalty, and the moments of all rows or their products.

        Scores are (n_alphas,), or (n_alphas, n_targets) for each target.
        """
        blocks, known = spectrum.leave_one_out(
            source, penalties, self.fit_intercept, source.threads(None)
        )
        if self.fit_intercept and source.count == 1:
            warn(
                "without the only row that has a weight there is nothing to fit to: scores are "
                "NaN, and alpha_ is the first of alphas",
                UndefinedMetricWarning,
            )
        if self.scoring is None and not self.store_cv_results:
            scores = -spectrum.average_squares(source, blocks, len(penalties))
            return (scores if self.alpha_per_target else scores.mean(axis=1)), known
        if not isinstance(source, Rows):
            weighted = "sample_weight" in score_params
            tally = partial(_tally, blocks, len(penalties), weighted)
            added = source.fold(tally, spectrum.add_each)
            by_target = np.array([each.choose(self.scoring) for each in added])
            return (by_target if self.alpha_per_target else by_target.mean(axis=1)), known
        residuals, weights = spectrum.collect(source, blocks, len(penalties))
        targets = on_host(source.Y)
        results = weights * residuals**2 if self.scoring is None else targets - residuals
        if self.store_cv_results:
            kept = np.moveaxis(results, 0, -1).astype(source.dtype)
            self.cv_results_ = as_kind_of(kept[:, 0] if one_target else kept, X)
        if self.scoring is None:
            scores = -results.mean(axis=1)
            return (scores if self.alpha_per_target else scores.mean(axis=1)), known
        scorer, identity = self._get_scorer(), self._identity()
        Y = self._tell(targets, one_target)
        if one_target:
            results = results[:, :, 0]
        if self.alpha_per_target and source.n_targets > 1:
            columns = range(source.n_targets)
            found_scores = [
                [scorer(identity, each[:, j], Y[:, j], **score_params) for j in columns]
                for each in results
            ]
        else:
            found_scores = [scorer(identity, each, Y, **score_params) for each in results]
        return np.asarray(found_scores, dtype=np.float64), known

    def _k_fold(
        self,
        source: Rows,
        penalties: NDArray[np.float64],
        one_target: bool,
        y: Any,
        params: dict[str, dict[str, Any]],
    ) -> NDArray[np.float64]:
        """Return the mean score of each penalty over the folds."""
        rows = source.on_host()  # what a splitter and a scorer get
        splitter = check_cv(self.cv, y, classifier=is_classifier(self))
        splits = list_splits(splitter.split(rows.X, y, **params["split"]), rows.X.shape[0])
        scorer = self._get_scorer()
        scores = np.empty((len(splits), len(penalties)))
        decomposed = spectrum.decompose_splits(
            source, splits, self.fit_intercept, float(penalties.min()), source.threads(None)
        )
        for fold, ((_, test), found) in enumerate(zip(splits, decomposed, strict=True)):
            X, Y = rows.X[test], self._tell(rows.Y[test], one_target)
            given = check_method_params(rows.X, params["score"], test)
            if given.get("sample_weight") is not None:
                check_weight(float(np.sum(given["sample_weight"])))
            models = self._models(found, penalties, source, one_target)
            scores[fold] = [scorer(model, X, Y, **given) for model in models]
        return scores.mean(axis=0)

    def _models(
        self,
        found: spectrum.Spectrum,
        penalties: NDArray[np.float64],
        source: Source,
        one_target: bool,
    ) -> list[Any]:
        """Return a model for each penalty."""
        models = [self._new_model(float(penalty)) for penalty in penalties]
        for model, penalty in zip(models, penalties, strict=True):
            model.n_features_in_ = source.n_features
            model._set_coefficients(found.coefficients(penalty), source.dtype, one_target)
        return models

    def _k_fold_of_batches(
        self, source: Source, penalties: NDArray[np.float64], one_target: bool
    ) -> tuple[NDArray[np.float64], Moments]:
        """Return the same from three passes: the rows' number, their moments, the residuals."""
        k = check_cv(self.cv).get_n_splits()
        ranges = spectrum.cut_ranges(source.number_rows(), k)
        decomposed, whole = spectrum.decompose_ranges(
            source, ranges, self.fit_intercept, float(penalties.min()), source.threads(None)
        )
        folds = [
            (numbers, self._models(found, penalties, source, one_target))
            for numbers, found in zip(ranges, decomposed, strict=True)
        ]
        added = source.fold(partial(_residuals, folds=folds), spectrum.add_each)
        scores = [each.choose(self.scoring or "r2").mean() for each in added]
        return np.reshape(scores, (k, -1)).mean(axis=0), whole

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how scikit-learn's metadata routing hands on what `fit` is given.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        caller = MethodMapping().add(caller="fit", callee="score")
        splitting = MethodMapping().add(caller="fit", callee="split")
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(scorer=self._get_scorer(), method_mapping=caller)
            .add(splitter=self.cv, method_mapping=splitting)
        )

    def _get_scorer(self) -> Any:
        """Return the scorer; scikit-learn's default gets the weights that `fit` gets."""
        scorer = check_scoring(self, scoring=self.scoring or self._default_scoring)
        if self.scoring is None and is_routing_enabled():
            scorer.set_score_request(sample_weight=True)
        return scorer

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.sparse = True
        return tags


class RidgeCV(RidgeSearch, LinearModel):
    """Ridge regression whose penalty is chosen by cross-validation.

    Every α is tried from one eigendecomposition of the moments, or of the products of the rows if
    they are at most as many as the columns.

    Parameters
    ----------
    alphas : float or array-like of shape (n_alphas,), default=(0.1, 1.0, 10.0)
        Penalties to try, above 0; with `cv`, at least 0.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    scoring : str, callable, default=None
        As in scikit-learn; None is the negative mean squared error if `cv` is None, else R². Of a
        scan or a Dask collection "r2" or the negative mean squared, root mean squared or mean
        absolute error.
    cv : int, cross-validation generator or iterable, default=None
        None leaves out each row in turn, by the exact formula. Of a scan or a Dask collection an
        integer, or KFold without shuffle.
    gcv_mode : {"auto", "svd", "eigen"}, default=None
        Accepted for compatibility.
    store_cv_results : bool, default=False
        Whether to keep `cv_results_`; with cv=None only.
    alpha_per_target : bool, default=False
        Whether each target has its own α; with cv=None only.

    Attributes
    ----------
    alpha_ : float or ndarray of shape (n_targets,)
        The first of the best.
    best_score_ : float or ndarray of shape (n_targets,)
        Its score.
    cv_results_ : ndarray of shape (n_samples, n_alphas) or (n_samples, n_targets, n_alphas)
        If stored: without `scoring` the weighted squares of the errors of rows left out, else their
        predictions.
    coef_, intercept_, engine_, n_features_in_, feature_names_in_
        As in `Ridge`.

    Notes
    -----
    Leave one out: with h the leverage of a row, its error is its residual over 1 − h. That takes
    one more pass over the rows. K-fold: the moments of the training rows are those of all rows less
    those of the fold, or where that would lose more than a digit, the sum of the other folds'.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import RidgeCV
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> RidgeCV(alphas=[1e-3, 1.0, 1e3]).fit(X, X @ [1.0, 2.0, 3.0]).alpha_
    0.001
    """

    _parameter_constraints: dict = {
        **RidgeSearch._parameter_constraints,
        "gcv_mode": [StrOptions({"auto", "svd", "eigen"}), None],
        "alpha_per_target": ["boolean"],
    }

    def __init__(
        self,
        alphas: float | Sequence[float] | NDArray = (0.1, 1.0, 10.0),
        *,
        fit_intercept: bool = True,
        scoring: str | Callable[..., float] | None = None,
        cv: int | Any | None = None,
        gcv_mode: str | None = None,
        store_cv_results: bool = False,
        alpha_per_target: bool = False,
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.gcv_mode = gcv_mode
        self.store_cv_results = store_cv_results
        self.alpha_per_target = alpha_per_target

    @all_or_nothing
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, **params: Any
    ) -> Self:
        """Choose the penalty, and fit the model with it.

        Parameters
        ----------
        X, y, sample_weight
            As in `LinearRegression.fit`.
        **params
            For the scorer, and `groups` for the splitter, if scikit-learn's metadata routing is on.
            Then the scorer gets weights if it asks for them; else if it takes them.

        Returns
        -------
        RidgeCV
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, an α is too small, or
            parameters contradict each other.

        Warns
        -----
        UserWarning
            If there are weights that the scorer of folds does not take.
        UndefinedMetricWarning
            If the only row that has a weight is left out: `best_score_` is NaN, `alpha_` the first.

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels import RidgeCV
        >>> X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
        >>> float(RidgeCV(alphas=(0.01, 100.0)).fit(X, 3.0 * X[:, 0]).alpha_)
        0.01
        """
        raise_for_params(params, self, "fit")
        penalties = self._penalties()
        if self.cv is None and self.gcv_mode == "svd" and sparse.issparse(X):
            warn(
                "The 'svd' mode is not supported for sparse X: set gcv_mode to 'auto'.",
                FutureWarning,
            )
        y, sample_weight = on_host(adopt(y)), on_host(adopt(sample_weight))
        source = data.source(self, X, y, sample_weight, targets="numbers")
        if sample_weight is not None:
            params["sample_weight"] = sample_weight
        self._search(source, penalties, X, y, params, source.one_target)
        return self
