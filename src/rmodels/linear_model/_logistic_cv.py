"""Logistic regression whose penalty is chosen by cross-validation."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping, process_routing

from rmodels import data
from rmodels.base.classes import one_target, weigh_classes
from rmodels.base.estimator import all_or_nothing
from rmodels.base.scores import check_weight, route_parameters
from rmodels.base.sklearn import (
    Interval,
    StrOptions,
    check_method_params,
    is_routing_enabled,
    raise_for_params,
    take_rows,
)
from rmodels.base.sklearn.metrics import name_labels
from rmodels.base.splits import Splits, list_splits
from rmodels.base.warnings import warn
from rmodels.data import Need, Rows, Source
from rmodels.data.arrays import adopt, as_kind_of, convert_like, on_host
from rmodels.linear_model._base import check_some
from rmodels.linear_model._logistic import LogisticModel, family_of
from rmodels.linear_model._logistic_regression import LogisticRegression
from rmodels.linear_model._minimum import warn_of_minimum
from rmodels.linear_model._path_search import Fits, PathSearch
from rmodels.solvers.generalised import GeneralisedFit

__all__ = ["LogisticRegressionCV"]

Matrix = NDArray[np.float64]

_NEED = Need()
_SUMMED = ("accuracy", "neg_log_loss")  # what adds up over batches
_FLOAT64 = np.dtype(np.float64)


class LogisticRegressionCV(LogisticModel):
    """Logistic regression whose penalty is chosen by cross-validation.

    Of each fold and penalty the minimum that `LogisticRegression` would find for the other folds,
    each from its neighbour on the path of penalties; the mean score of the folds decides.

    Parameters
    ----------
    Cs : int or array-like of shape (n_cs,), default=10
        Values of C to try; a number of them stands for as many from 10⁻⁴ to 10⁴.
    l1_ratios : array-like of shape (n_l1_ratios,), default="warn"
        Shares of magnitudes in the penalty to try. The default and None are 0, with
        scikit-learn's warning.
    fit_intercept : bool, default=True
        Whether the model has intercepts.
    cv : int, cross-validation generator or iterable, default=None
        Stratified folds, 5 by default. Of a scan or a Dask collection, the splitter is given the
        labels alone.
    dual : bool, default=False
        Accepted for compatibility, as are `tol`, `max_iter`, `verbose` and `random_state`.
    penalty : {"l1", "l2", "elasticnet"}
        Deprecated by scikit-learn 1.8: use `l1_ratios`.
    scoring : str or callable, default="warn"
        As in scikit-learn; the default and None are "accuracy". Of a scan or a Dask collection
        "accuracy" or "neg_log_loss".
    solver : str, default="lbfgs"
        As in `LogisticRegression`.
    tol : float, default=1e-4
    max_iter : int, default=100
    class_weight : dict, "balanced" or None, default=None
        As in `LogisticRegression`; "balanced" is that of all rows.
    n_jobs : int, default=None
        Threads; None is the setting `n_threads`, -1 all processors.
    verbose : int, default=0
    refit : bool, default=True
        Whether all rows are fitted with the best penalty; else the coefficients, C and ratios are
        the means of the best of each fold.
    intercept_scaling : float, default=1
        As in `LogisticRegression`.
    random_state : int, RandomState instance, default=None
    use_legacy_attributes : bool, default="warn"
        Whether attributes have the shapes that they had before scikit-learn 1.10; the default is
        True, with scikit-learn's warning.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) of two classes
        In float64.
    intercept_ : ndarray of shape (n_classes,), or (1,) of two classes
    Cs_ : ndarray of shape (n_cs,)
    l1_ratios_ : ndarray of shape (n_l1_ratios,)
    C_ : float
        The best. With legacy attributes an array of it for each class, one for two.
    l1_ratio_ : float
        The best. With legacy attributes an array as `C_`.
    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_cs)
        With legacy attributes a dict of (n_folds, n_cs, n_l1_ratios) by classes, of two the second;
        without l1_ratios (n_folds, n_cs).
    coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_cs, n_outputs, n_coefficients)
        Last the intercept. With legacy attributes a dict of (n_folds, n_cs, n_l1_ratios,
        n_coefficients) by classes; without l1_ratios (n_folds, n_cs, n_coefficients).
    n_iter_ : ndarray of shape (n_folds, n_l1_ratios, n_cs), int32
        Steps that were made. With legacy attributes (1, n_folds, n_cs, n_l1_ratios), or without
        l1_ratios (1, n_folds, n_cs).
    n_reads_ : int
        How often all rows were read: a read serves all folds.
    engine_ : {"reference", "native", "gpu", "scipy"}
        As in `LogisticRegression`.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Warns
    -----
    ConvergenceWarning
        As in `LogisticRegression`, once for all folds.
    UserWarning
        If there are weights that the scorer of folds does not take.

    Notes
    -----
    Scores of folds are weighted by `sample_weight` if the scorer takes weights; losses are
    scikit-learn's, of probabilities that are at least 2⁻⁵². A read of the rows answers all folds,
    and no training set is copied, but of splits that name a row twice. Of rows in memory, the
    paths of the folds take about four reads for a penalty: each minimum leads near the next, by
    the curvature at hand. Of a scan or a Dask collection, all penalties, too, are searched side by
    side, and scored in one more read; the labels' places, 8 bytes a row, are kept in memory, and a
    byte a row for each fold.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import LogisticRegressionCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 2))
    >>> y = X[:, 0] + rng.standard_normal(60) > 0
    >>> given = {"scoring": "neg_log_loss", "l1_ratios": [0], "use_legacy_attributes": False}
    >>> model = LogisticRegressionCV(Cs=[0.01, 1.0, 100.0], **given).fit(X, y)
    >>> model.C_, model.scores_.mean(axis=0).round(3)
    (1.0, array([[-0.653, -0.518, -0.534]]))
    """

    C_: Any
    l1_ratio_: Any
    scores_: Any
    coefs_paths_: Any

    _attributes: ClassVar = {
        "Cs_": np.ndarray,
        "l1_ratios_": np.ndarray,
        "C_": float | np.ndarray,
        "l1_ratio_": float | np.ndarray,
        "scores_": dict | np.ndarray,
        "coefs_paths_": dict | np.ndarray,
        "n_iter_": np.ndarray,
        "n_reads_": int,
    }

    _parameter_constraints: dict = {
        name: allowed
        for name, allowed in LogisticRegression._parameter_constraints.items()
        if name not in ("C", "warm_start", "l1_ratio")
    } | {
        "Cs": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "l1_ratios": ["array-like", None, StrOptions({"warn"})],
        "cv": ["cv_object"],
        "scoring": [StrOptions({*get_scorer_names(), "warn"}), callable, None],
        "refit": ["boolean"],
        "penalty": [StrOptions({"l1", "l2", "elasticnet", "deprecated"})],
        "use_legacy_attributes": ["boolean", StrOptions({"warn"})],
    }

    # the scorer's, if it asks for them
    __metadata_request__score: ClassVar = {"sample_weight": UNUSED}

    def __init__(
        self,
        *,
        Cs: int | Sequence[float] | NDArray = 10,
        l1_ratios: Sequence[float] | NDArray | str | None = "warn",
        fit_intercept: bool = True,
        cv: int | Any | None = None,
        dual: bool = False,
        penalty: str = "deprecated",
        scoring: str | Callable[..., float] | None = "warn",
        solver: str = "lbfgs",
        tol: float = 1e-4,
        max_iter: int = 100,
        class_weight: dict | str | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        refit: bool = True,
        intercept_scaling: float = 1.0,
        random_state: int | np.random.RandomState | None = None,
        use_legacy_attributes: bool | str = "warn",
    ) -> None:
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.dual = dual
        self.penalty = penalty
        self.scoring = scoring
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.refit = refit
        self.intercept_scaling = intercept_scaling
        self.random_state = random_state
        self.use_legacy_attributes = use_legacy_attributes

    def _is_consistent(self) -> bool:
        K = len(self.classes_)
        return bool(self.coef_.shape == (1 if K == 2 else K, self.n_features_in_))

    def _fits_in_batches(self) -> bool:
        return self.scoring in ("warn", None, *_SUMMED)

    @all_or_nothing
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, **params: Any
    ) -> Self:
        """Choose the penalty, and fit the model with it.

        Parameters
        ----------
        X, y, sample_weight
            As in `LogisticRegression.fit`.
        **params
            For the scorer, and `groups` for the splitter, if scikit-learn's metadata routing is on.

        Returns
        -------
        LogisticRegressionCV
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape or a single class,
            parameters contradict each other, or splits name a row twice and X is no array.

        Examples
        --------
        >>> from rmodels import LogisticRegressionCV
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> given = {"scoring": "accuracy", "l1_ratios": [0], "use_legacy_attributes": False}
        >>> LogisticRegressionCV(cv=3, **given).fit(X, y).predict([[0.0], [5.0]])
        array([0, 1])
        """
        raise_for_params(params, self, "fit")
        ratios = self._ratios()
        legacy = self._warn_of_defaults()
        given: Any = np.logspace(-4, 4, int(self.Cs)) if isinstance(self.Cs, Integral) else self.Cs
        Cs = np.asarray(given, dtype=np.float64)
        if Cs.ndim != 1 or not len(Cs) or not (Cs > 0).all():
            raise ValueError(f"Cs must be numbers above 0; got {self.Cs!r}")
        sample_weight = on_host(adopt(sample_weight))
        source = one_target(data.source(self, X, y, sample_weight, targets="labels", need=_NEED))
        source.keep_rows()
        assert source.classes is not None
        classes = on_host(source.classes[0])
        self._check_classes(classes)
        self._check_class_weight(classes)
        factors = weigh_classes(source, self.class_weight)
        search = PathSearch(
            family_of(classes),
            [float(ratio or 0.0) for ratio in ratios],
            Cs,
            partial(self._penalties, source.n_features),
            fit_intercept=self.fit_intercept,
            class_weights=None if factors is None else factors[0],
            n_threads=source.threads(self.n_jobs),
        )
        if isinstance(source, Rows):
            rows = source.on_host()
            codes = rows.Y[:, 0].astype(np.intp)
            labels = classes[codes]
            if sample_weight is not None:
                params["sample_weight"] = sample_weight
            score_params, split_params = route_parameters(self, params, self._get_scorer())
            splits = self._split(rows.X, labels, split_params)
            fits = search.fit(source, [train for train, _ in splits])
            if self._fits_in_batches():
                weighed = rows if "sample_weight" in score_params else replace(rows, weights=None)
                scores = self._score(search, fits, weighed, splits)
            else:
                named = callable(self.scoring) and "feature_names_in_" in vars(self)
                frame = X if named else rows.X
                scores = self._score_rows(
                    search, fits, frame, labels, splits, classes, score_params
                )
        else:
            if not self._fits_in_batches():
                raise ValueError(
                    f"scoring={self.scoring!r} needs X as an array: what can be added up over "
                    f"batches is {', '.join(_SUMMED)}"
                )
            codes = _collect_labels(source)
            splits = self._split(np.zeros((len(codes), 1)), classes[codes], {})
            fits = search.fit(source, [train for train, _ in splits])
            scores = self._score(search, fits, source, splits)
        self.classes_ = source.classes[0]
        # what lacks a class has no minimum, but an intercept for which it has no probability
        whole = [len(np.unique(codes[train])) == len(classes) for train, _ in splits]
        warned = [
            fit
            for of_fold, all_there in zip(fits, whole, strict=True)
            if all_there
            for path in of_fold
            for fit in path
        ]
        self._keep(search, fits, scores, ratios, legacy, source, X, warned)
        return self

    def _ratios(self) -> list[Any]:
        """Return shares of magnitudes, None without; by scikit-learn's rules and warnings."""
        ratios: Any = self.l1_ratios
        if isinstance(ratios, str):
            ratios = None
            warn(
                "The default value for l1_ratios will change from None to (0.0,) in version 1.10. "
                "From version 1.10 onwards, only array-like with values in [0, 1] will be "
                "allowed, None will be forbidden. To avoid this warning, explicitly set a value, "
                "e.g. l1_ratios=(0,).",
                FutureWarning,
            )
        elif ratios is None and self.penalty == "deprecated":
            warn(
                "'l1_ratios=None' was deprecated in version 1.8 and will trigger an error in "
                "1.10. Use an array-like with values in [0, 1] instead.",
                FutureWarning,
            )
        penalty = self.penalty
        if penalty == "deprecated":
            given = np.asarray(0.0 if ratios is None else ratios)
            penalty = "l2" if np.all(given == 0) else "l1" if np.all(given == 1) else "elasticnet"
        else:
            warn(
                "'penalty' was deprecated in version 1.8 and will be removed in 1.10. To avoid "
                "this warning, leave 'penalty' set to its default value and use 'l1_ratios' and "
                "'Cs' instead. Use l1_ratios=(0,) instead of penalty='l2', l1_ratios=(1,) instead "
                "of penalty='l1', l1_ratios set to floats between 0 and 1 instead of "
                "penalty='elasticnet', and Cs=(np.inf,) instead of penalty=None.",
                FutureWarning,
            )
        self._check_solver(penalty)
        if penalty == "elasticnet":
            if (
                ratios is None
                or len(ratios) == 0
                or any(not isinstance(each, Real) or not 0 <= float(each) <= 1 for each in ratios)
            ):
                raise ValueError(
                    "l1_ratios must be an array-like of numbers between 0 and 1; got "
                    f"(l1_ratios={ratios!r})"
                )
            return list(ratios)
        check_some("l1_ratios", ratios)
        if ratios is not None and self.penalty != "deprecated":
            warn(
                "l1_ratios parameter is only used when penalty is 'elasticnet'. Got "
                f"(penalty={penalty})"
            )
        share = 1.0 if penalty == "l1" else 0.0
        return [None if penalty == "l2" else share] if ratios is None else [share] * len(ratios)

    def _warn_of_defaults(self) -> bool:
        """Warn of defaults that will change; return whether attributes are those of before."""
        if isinstance(self.scoring, str) and self.scoring == "warn":
            warn(
                "The default value of the parameter 'scoring' will change from None, i.e. "
                "accuracy, to 'neg_log_loss' in version 1.11. To silence this warning, explicitly "
                "set the scoring parameter: scoring='neg_log_loss' for the new, "
                "scoring='accuracy' or scoring=None for the old default.",
                FutureWarning,
            )
        if self.use_legacy_attributes == "warn":
            warn(
                f"The fitted attributes of {type(self).__name__} will be simplified in "
                "scikit-learn 1.10 to remove redundancy. Set`use_legacy_attributes=False` to "
                "enable the new behavior now, or set it to `True` to silence this warning during "
                "the transition period while keeping the deprecated behavior for the time being. "
                "The default value of use_legacy_attributes will change from True to False in "
                f"scikit-learn 1.10. See the docstring of {type(self).__name__} for more details.",
                FutureWarning,
            )
            return True
        return bool(self.use_legacy_attributes)

    def _check_class_weight(self, classes: NDArray) -> None:
        given = self.class_weight
        if isinstance(given, dict) and not set(given) <= set(classes.tolist()):
            raise ValueError(
                "The given class_weight dict must have the class labels as keys; "
                f"classes={classes} but key={given.keys()}"
            )

    def _split(self, X: Any, labels: NDArray, params: dict[str, Any]) -> Splits:
        splitter = check_cv(self.cv, labels, classifier=True)
        return list_splits(splitter.split(X, labels, **params), len(labels))

    def _get_scorer(self) -> Any:
        scoring: Any = self.scoring
        if scoring is None or (isinstance(scoring, str) and scoring == "warn"):
            scorer = get_scorer("accuracy")
            return scorer.set_score_request(sample_weight=True) if is_routing_enabled() else scorer
        return get_scorer(scoring)

    def _score(self, search: PathSearch, fits: Fits, source: Source, splits: Splits) -> Matrix:
        """Return the scores of folds by what adds up: (n_folds, n_l1_ratios, n_cs)."""
        by_losses = self.scoring == "neg_log_loss"
        return search.score(source, fits, [test for _, test in splits], by_losses=by_losses)

    def _score_rows(
        self,
        search: PathSearch,
        fits: Fits,
        X: Any,
        labels: NDArray,
        splits: Splits,
        classes: NDArray,
        params: dict[str, Any],
    ) -> Matrix:
        """Return the same by a scorer.

        A function that scores is given rows of the kind that was fitted, and models that have what
        `fit` leaves, as in a grid search.
        """
        scorer = name_labels(self._get_scorer(), classes)
        scores = np.empty((len(splits), len(search.ratios), len(search.Cs)))
        for fold, (_, test) in enumerate(splits):
            given = check_method_params(X, params, test)
            held = take_rows(X, test)
            if given.get("sample_weight") is not None:
                check_weight(float(np.sum(given["sample_weight"])))
            for place in np.ndindex(scores.shape[1:]):
                found = fits[fold][place[0]][place[1]]
                model = LogisticRegression(C=float(search.Cs[place[1]]), solver=self.solver)
                model.classes_, model.n_features_in_ = classes, self.n_features_in_
                if hasattr(X, "columns"):
                    model.feature_names_in_ = self.feature_names_in_
                model.coef_ = found.coefficients[:, :-1]
                model.intercept_ = found.coefficients[:, -1]
                scores[fold][place] = scorer(model, held, labels[test], **given)
        return scores

    def _keep(
        self,
        search: PathSearch,
        fits: Fits,
        scores: Matrix,
        ratios: list[Any],
        legacy: bool,
        source: Source,
        X: Any,
        warned: list[GeneralisedFit],
    ) -> None:
        """Choose, fit all rows, and set the attributes; warn if one of some fits has no minimum."""
        last = None if self.fit_intercept else -1
        paths = np.array([[[f.coefficients for f in path] for path in fold] for fold in fits])
        n_iter = np.array([[[f.steps for f in path] for path in fold] for fold in fits], np.int32)
        n_iter = np.maximum(n_iter, 1)  # where a path foretells the minimum, it is looked at
        by_C = scores.swapaxes(1, 2)  # of equal scores the first C, then the first ratio
        reads = search.reads
        if self.refit:
            sums = by_C.sum(axis=0)
            c, r = np.unravel_index(np.argmax(sums), sums.shape)
            C, ratio = search.Cs[c], ratios[r]
            found = search.fit_all(source, int(r), int(c), paths[:, r, c].mean(axis=0))
            warned.append(found)
            coefficients, reads = found.coefficients, reads + found.reads
        else:
            best = [np.unravel_index(np.argmax(each), each.shape) for each in by_C]
            C = np.mean([search.Cs[c] for c, _ in best])
            ratio = float(np.mean([search.ratios[r] for _, r in best]))
            coefficients = np.mean([paths[i, r, c] for i, (c, r) in enumerate(best)], axis=0)
        for worst in sorted(warned, key=lambda each: (each.separated, each.violation))[-1:]:
            warn_of_minimum(worst)
        self.coef_ = convert_like(coefficients[:, :-1], X, _FLOAT64)
        self.intercept_ = convert_like(coefficients[:, -1], X, _FLOAT64)
        self.Cs_, self.n_reads_, self.engine_ = search.Cs, reads, fits[0][0][0].engine
        self.l1_ratios_ = np.asarray(ratios)
        paths = paths[..., :last]
        if not legacy:
            self.C_, self.l1_ratio_ = float(C), float(ratio or 0.0)
            self.scores_, self.coefs_paths_, self.n_iter_ = scores, paths, n_iter
            return
        names = on_host(self.classes_)
        names = names[1:] if len(names) == 2 else names
        by_class = np.moveaxis(paths, 3, 0).swapaxes(2, 3)
        steps = n_iter.swapaxes(1, 2)[np.newaxis]
        if self.l1_ratios is None or isinstance(self.l1_ratios, str):
            by_C, by_class, steps = by_C[..., 0], by_class[..., 0, :], steps[..., 0]
        self.C_, self.l1_ratio_ = np.full(len(names), C), np.array([ratio] * len(names))
        self.scores_ = {name: by_C.copy() for name in names}
        self.coefs_paths_ = dict(zip(names, by_class, strict=True))
        self.n_iter_ = as_kind_of(steps, None)

    def score(
        self,
        X: ArrayLike | None,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **score_params: Any,
    ) -> float:
        """Return the score of the predictions, by `scoring`.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_queries, n_features)
            Of a scan or a Dask collection, `scoring` must be the accuracy.
        y : array-like of shape (n_queries,)
        sample_weight : array-like of shape (n_queries,), default=None
        **score_params
            For the scorer, if scikit-learn's metadata routing is on.

        Returns
        -------
        float

        Examples
        --------
        >>> from rmodels import LogisticRegressionCV
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 0, 1, 1, 1]
        >>> given = {"scoring": "accuracy", "l1_ratios": [0], "use_legacy_attributes": False}
        >>> LogisticRegressionCV(cv=3, **given).fit(X, y).score(X, y)
        1.0
        """
        raise_for_params(score_params, self, "score")
        scoring = self.scoring
        by_accuracy = scoring is None or (
            isinstance(scoring, str) and scoring in ("warn", "accuracy")
        )
        if not data.is_in_memory(X):
            if not by_accuracy:
                raise ValueError(f"scoring={scoring!r} needs X as an array; set scoring='accuracy'")
            return super().score(X, y, sample_weight)
        if sample_weight is not None:
            score_params["sample_weight"] = sample_weight
        if is_routing_enabled():
            score_params = process_routing(self, "score", **score_params).scorer.score
        elif by_accuracy:
            return super().score(X, y, sample_weight)
        return float(self._get_scorer()(self, X, y, **score_params))

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how scikit-learn's metadata routing hands on what `fit` is given.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        splitting = MethodMapping().add(caller="fit", callee="split")
        scoring = MethodMapping().add(caller="score", callee="score")
        scoring.add(caller="fit", callee="score")
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(splitter=self.cv, method_mapping=splitting)
            .add(scorer=self._get_scorer(), method_mapping=scoring)
        )


def _collect_labels(source: Source) -> NDArray[np.intp]:
    """Return the places of the labels of rows that are not in memory; number them."""
    source.number_rows()

    def collect(rows: Rows) -> list[tuple[int, NDArray]]:
        return [(rows.first, on_host(rows.Y)[:, 0].copy())]

    parts = sorted(source.fold(collect), key=lambda part: part[0])
    return np.concatenate([codes for _, codes in parts]).astype(np.intp)
