"""Classification by ridge regression on ±1."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin

from rmodels import data
from rmodels.base.classes import weigh_classes
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import StrOptions, raise_for_params
from rmodels.data import Rows, Source
from rmodels.data.arrays import adopt, beside, on_gpu, on_host
from rmodels.data.checks import warn_of_a_column
from rmodels.data.source import Changed
from rmodels.linear_model._base import dense_coefficients, predict_in_graph
from rmodels.linear_model._linear_classifier import LinearClassifier
from rmodels.linear_model._ridge import PenalisedModel
from rmodels.linear_model._ridge_cv import RidgeSearch

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["RidgeClassifier", "RidgeClassifierCV"]

_PAIRS = (0, 1), (-1, 1)  # of several labels
_CLASS_WEIGHT = [dict, StrOptions({"balanced"}), None]


@dataclass(frozen=True, eq=False)
class _Signs:
    """What makes targets ±1 of places among classes; it travels to the rows of a cluster."""

    classes: list[NDArray]
    factors: list[NDArray[np.float64]] | None

    @property
    def n_targets(self) -> int:
        """Columns of ±1: a label's of several, else a class's; of two classes one."""
        if len(self.classes) > 1:
            return len(self.classes)
        return len(self.classes[0]) if len(self.classes[0]) > 2 else 1

    def __call__(self, rows: Rows) -> Rows:
        codes = on_host(rows.Y).astype(np.intp)
        if len(self.classes) > 1:
            labels = [of[column] for of, column in zip(self.classes, codes.T, strict=True)]
            positive = np.stack(labels, axis=1) > 0
        elif len(self.classes[0]) > 2:
            positive = codes == np.arange(len(self.classes[0]))
        else:
            positive = codes == 1
        signs = np.where(positive, 1.0, -1.0).astype(rows.dtype)
        weights = rows.weights
        if self.factors is not None:
            each = [of[column] for of, column in zip(self.factors, codes.T, strict=True)]
            factor = np.prod(each, axis=0)
            given = None if weights is None else on_host(weights).astype(np.float64)
            weights = factor if given is None else given * factor
            weights = beside(weights, rows.X) if on_gpu(rows.X) else weights
        Y = beside(signs, rows.X) if on_gpu(rows.X) else signs
        return replace(rows, Y=Y, weights=weights, one_target=False, classes=None)


class _Decided(ClassifierMixin, BaseEstimator):
    """What a scorer is given for decisions that are already there."""

    def __init__(self, classes: NDArray, decode: Callable[[Any], Any]) -> None:
        self.classes = classes
        self.decode = decode
        self.classes_ = classes

    def fit(self, X: Any, y: Any = None) -> "_Decided":
        return self

    def decision_function(self, X: Any) -> Any:
        return X[:, 0] if X.shape[1] == 1 else X

    def predict(self, X: Any) -> Any:
        return self.decode(X)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class SignClassifier(LinearClassifier):
    """A linear classifier by regression on ±1: of a class against the others, or of each label."""

    _attributes: ClassVar = {"intercept_": float | np.ndarray, "_several_labels": bool}

    class_weight: Any
    _several_labels: bool

    def _is_consistent(self) -> bool:
        K, d = len(self.classes_), self.n_features_in_
        return bool(self.coef_.shape == ((K, d) if K > 2 or self._several_labels else (d,)))

    def _label_sets(self) -> list[Any]:
        return [np.array([0, 1])] * len(self.classes_) if self._several_labels else [self.classes_]

    def _read(self, X: Any, y: Any, sample_weight: Any) -> Source:
        """Return the rows with targets ±1 and weights times those of the classes."""
        source = data.source(self, X, y, sample_weight, targets="labels")
        assert source.classes is not None
        classes = [on_host(each) for each in source.classes]
        several = source.n_targets > 1
        if several and not any(np.isin(np.concatenate(classes), of).all() for of in _PAIRS):
            raise ValueError(
                "Multioutput target data is not supported with label binarization: of several "
                "columns, labels must be 0 and 1, or -1 and 1"
            )
        if isinstance(source, Rows) and not several and not source.one_target:
            warn_of_a_column(source.Y)
        signs = _Signs(classes, weigh_classes(source, self.class_weight))
        self._several_labels = several
        self.classes_ = np.arange(source.n_targets) if several else source.classes[0]
        if isinstance(source, Rows):
            return signs(source)
        has_weights = source.has_weights or signs.factors is not None
        return Changed(source, signs, signs.n_targets, has_weights)

    def _decode(self, scores: Any) -> Any:
        """Return the labels of scores (n_samples,) or (n_samples, n_outputs)."""
        if self._several_labels:
            return (on_host(scores) > 0).astype(np.int64)
        alone = scores.ndim == 2 and scores.shape[1] == 1
        return super()._decode(scores[:, 0] if alone else scores)

    def predict(self, X: ArrayLike) -> Any:
        """Predict the class of each row, that of the largest score; of several labels, each.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,), or (n_queries, n_labels) of 0 and 1

        Examples
        --------
        >>> from rmodels import RidgeClassifier
        >>> RidgeClassifier().fit([[-1.0], [1.0]], ["left", "right"]).predict([[0.2]]).tolist()
        ['right']
        """
        return super().predict(X)

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        if not self._several_labels:
            return super()._to_graph(X)
        scores = predict_in_graph(X, *dense_coefficients(self))
        return {"label": (scores > 0).astype(np.int64), "scores": scores}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class RidgeClassifier(PenalisedModel, SignClassifier):
    """Classification by ridge regression on 1 in a class and −1 outside of it.

    Minimises Σᵢ wᵢ (xᵢ·coef + intercept − yᵢ)² + α Σ coef² for each class, of two for the second,
    and of several labels for each; the intercept has no penalty.

    Parameters
    ----------
    alpha : float or array-like of shape (n_outputs,), default=1.0
        α, at least 0.
    fit_intercept : bool, default=True
        Whether the model has intercepts.
    copy_X : bool, default=True
        Accepted for compatibility. X is never changed, and not copied.
    max_iter : int, default=None
        Accepted for compatibility, as are `tol` and `random_state`.
    tol : float, default=1e-4
    class_weight : dict, "balanced" or None, default=None
        What the weights of rows of a class are multiplied by; "balanced" is Σ w / (n_classes · that
        of the class).
    solver : str, default="auto"
        As in `Ridge`: whichever is named, the coefficients are the exact minimum.
    positive : bool, default=False
        Whether the coefficients must be at least 0. With solver="auto" or "lbfgs" only.
    random_state : int, RandomState instance, default=None

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Of several labels their numbers.
    coef_ : ndarray of shape (n_outputs, n_features), or (n_features,) of two classes
        In the dtype of X.
    intercept_ : float or ndarray of shape (n_outputs,)
    n_iter_ : None
    solver_ : str
        As in `Ridge`.
    engine_ : {"reference", "native", "gpu", "scipy"}
        As in `Ridge`.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Notes
    -----
    All classes come from the same read of X: n_samples · (n_features + n_outputs)² / 2
    multiply-adds.

    Examples
    --------
    >>> from rmodels import RidgeClassifier
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]
    >>> model = RidgeClassifier().fit(X, y)
    >>> model.decision_function([[1.4], [1.6]]).round(3), model.predict([[1.4], [1.6]]).tolist()
    (array([ 0.067, -0.067]), ['low', 'high'])
    """

    _parameter_constraints: dict = {
        **PenalisedModel._parameter_constraints,
        "class_weight": _CLASS_WEIGHT,
    }

    def __init__(
        self,
        alpha: float | Sequence[float] | NDArray = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        class_weight: dict | str | None = None,
        solver: str = "auto",
        positive: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of classes, or 0 and 1 of several labels. Of a scan also a column, or a list of
            columns.
        sample_weight : array-like of shape (n_samples,), default=None
            w, at least 0. Of a scan also a column.

        Returns
        -------
        RidgeClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, there are not as many
            penalties as outputs, or parameters contradict each other.

        Examples
        --------
        >>> from rmodels import RidgeClassifier
        >>> model = RidgeClassifier().fit([[-1.0], [1.0]], ["left", "right"])
        >>> model.coef_.round(3)  # 2 / (2 + alpha)
        array([0.667])
        """
        self._check_solver(sparse.issparse(X))
        self._fit_alpha(self._read(X, y, sample_weight), False, X)
        return self


class RidgeClassifierCV(RidgeSearch, SignClassifier):
    """Classification by ridge regression on ±1 whose penalty is chosen by cross-validation.

    Every α is tried from one eigendecomposition, as in `RidgeCV`.

    Parameters
    ----------
    alphas : float or array-like of shape (n_alphas,), default=(0.1, 1.0, 10.0)
        Penalties to try, above 0; with `cv`, at least 0.
    fit_intercept : bool, default=True
        Whether the model has intercepts.
    scoring : str, callable, default=None
        As in scikit-learn; None is the negative mean squared error of ±1 if `cv` is None, else
        the accuracy. Needs X as an array.
    cv : int, cross-validation generator or iterable, default=None
        None leaves out each row in turn, by the exact formula. Else X must be an array; an integer
        is that of stratified folds.
    class_weight : dict, "balanced" or None, default=None
        As in `RidgeClassifier`.
    store_cv_results : bool, default=False
        Whether to keep `cv_results_`; with cv=None only.

    Attributes
    ----------
    alpha_ : float
        The first of the best.
    best_score_ : float
        Its score.
    cv_results_ : ndarray of shape (n_samples, n_outputs, n_alphas)
        If stored: without `scoring` the weighted squares of the errors of rows left out, else their
        decisions.
    classes_, coef_, intercept_, engine_, n_features_in_, feature_names_in_
        As in `RidgeClassifier`.

    Notes
    -----
    With `scoring`, the scores of rows left out are of the labels; scikit-learn 1.9 scores, of two
    classes, a constant. Scores are weighted by `sample_weight` times the weights of the classes.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import RidgeClassifierCV
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> RidgeClassifierCV(alphas=[1e-3, 1.0, 1e3]).fit(X, X[:, 0] > 0).alpha_
    1.0
    """

    _default_scoring: ClassVar[str] = "accuracy"

    _parameter_constraints: dict = {
        **RidgeSearch._parameter_constraints,
        "class_weight": _CLASS_WEIGHT,
    }

    def __init__(
        self,
        alphas: float | Sequence[float] | NDArray = (0.1, 1.0, 10.0),
        *,
        fit_intercept: bool = True,
        scoring: str | Callable[..., float] | None = None,
        cv: int | Any | None = None,
        class_weight: dict | str | None = None,
        store_cv_results: bool = False,
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.class_weight = class_weight
        self.store_cv_results = store_cv_results

    def _fits_in_batches(self) -> bool:
        return not self.store_cv_results and self.scoring is None and self.cv is None

    def _check_batches(self) -> None:
        for name in ("store_cv_results", "scoring", "cv"):
            value = getattr(self, name)
            if value is not None and value is not False:
                raise ValueError(
                    f"{name}={value!r} needs X as an array: of batches, the penalty is chosen by "
                    "the squared errors of rows left out"
                )

    def _identity(self) -> BaseEstimator:
        return _Decided(on_host(self.classes_), self._decode)

    def _tell(self, Y: Any, one_target: bool) -> Any:
        return on_host(self._decode(Y))

    def _new_model(self, penalty: float) -> RidgeClassifier:
        model = RidgeClassifier(penalty, fit_intercept=self.fit_intercept)
        model.classes_, model._several_labels = on_host(self.classes_), self._several_labels
        return model

    @all_or_nothing
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, **params: Any
    ) -> Self:
        """Choose the penalty, and fit the model with it.

        Parameters
        ----------
        X, y, sample_weight
            As in `RidgeClassifier.fit`.
        **params
            For the scorer, and `groups` for the splitter, if scikit-learn's metadata routing is on.

        Returns
        -------
        RidgeClassifierCV
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

        Examples
        --------
        >>> from rmodels import RidgeClassifierCV
        >>> X, y = [[-2.0], [-1.0], [1.0], [2.0]], ["left", "left", "right", "right"]
        >>> RidgeClassifierCV(alphas=(0.01, 100.0)).fit(X, y).alpha_
        0.01
        """
        raise_for_params(params, self, "fit")
        penalties = self._penalties()
        y, sample_weight = on_host(adopt(y)), on_host(adopt(sample_weight))
        source = self._read(X, y, sample_weight)
        if isinstance(source, Rows) and source.weights is not None:
            params["sample_weight"] = on_host(source.weights)
        elif sample_weight is not None:
            params["sample_weight"] = sample_weight
        self._search(source, penalties, X, y, params, False)
        return self
