"""The only place that checks, casts or copies what a user passes in."""

import functools
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.neighbors._base import _check_precomputed
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    assert_all_finite,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from rmodels import patch
from rmodels.arrays import adopted, as_dtype, beside, namespace, on_gpu, on_host
from rmodels.base.warnings import warn
from rmodels.callbacks import with_callbacks
from rmodels.exceptions import NotCoveredError
from rmodels.partitions import DaskRows, Partitions, answered, applied, is_dask
from rmodels.rows import WEIGHTLESS, Rows, Source
from rmodels.scans import Scan

__all__ = [
    "Checked",
    "all_or_nothing",
    "assert_finite_samples",
    "by_batches",
    "class_targets",
    "point_weights",
    "precomputed_distances",
    "prediction_samples",
    "regression_source",
    "search_samples",
    "search_targets",
]

Method = TypeVar("Method", bound=Callable[..., Any])

_FLOATS = [np.float64, np.float32]


_MOST_KNOWN = 1024
_known_parameters: set[tuple] = set()


def _check_parameters(estimator: Any) -> None:
    """Raise scikit-learn's error if a parameter is not valid.

    Checking takes longer than fitting a small model, so that values known to be valid are
    remembered, if they are plain ones.
    """
    values = [getattr(estimator, name) for name in estimator._parameter_constraints]
    types = [type(value) for value in values]
    if not {bool, int, float, str, type(None)}.issuperset(types):
        estimator._validate_params()
        return
    key = (type(estimator), *types, *values)
    if key not in _known_parameters:
        estimator._validate_params()
        if len(_known_parameters) < _MOST_KNOWN:
            _known_parameters.add(key)


def all_or_nothing(fit: Method) -> Method:
    """Check an estimator's parameters before `fit`, and restore the estimator if it does not end.

    Whatever stops `fit` (an error, Ctrl-C) leaves the estimator's attributes as they were.
    scikit-learn's callbacks are told of its progress. What ours do not cover is handed on to
    scikit-learn's if `patch_sklearn` was asked for that.
    """
    told = with_callbacks(fit)

    @functools.wraps(fit)
    def fitted(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not sklearn.get_config()["skip_parameter_validation"]:
            _check_parameters(self)
        before = dict(vars(self))
        try:
            return told(self, *args, **kwargs)
        except BaseException as error:
            vars(self).clear()
            vars(self).update(before)
            # a part of the rows is not handed on: a fit that begins with it forgets those before
            whole = isinstance(error, NotCoveredError) and fit.__name__ == "fit"
            substitute = patch.theirs(self) if whole else None
            if substitute is None:
                raise
            return patch.hand_on(self, substitute, error, *args, **kwargs)

    return fitted  # type: ignore[return-value]


def _is_plain(A: Any) -> bool:
    """Return whether A is an array that needs no conversion: validating it would cost more."""
    return type(A) is np.ndarray and A.dtype in _FLOATS and A.ndim in (1, 2) and A.size > 0


def _is_surely_finite(A: NDArray) -> bool:
    """Return whether the sum of an array shows that all of it is finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(A.sum()))


def _record_columns(estimator: Any, X: NDArray) -> None:
    """Set the number of columns of an array, which have no names."""
    estimator.n_features_in_ = X.shape[1]
    vars(estimator).pop("feature_names_in_", None)


def _has_columns(estimator: Any, X: NDArray) -> bool:
    """Return whether an array has the columns that `fit` saw, if those had no names."""
    fitted = vars(estimator)
    return (
        X.ndim == 2 and X.shape[1] == fitted["n_features_in_"] and "feature_names_in_" not in fitted
    )


def _checked_tensor(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return X on the GPU as a tensor of floats in two dimensions, none of them empty."""
    name = type(estimator).__name__
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D tensor instead: reshape the data, for example with "
            f"X.reshape(-1, 1) if it has a single feature. (input of {name})"
        )
    for size, what in zip(X.shape, ("sample", "feature"), strict=True):
        if not size:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={tuple(X.shape)}) while a minimum of 1 is "
                f"required by {name}."
            )
    if X.is_complex():
        raise ValueError(f"Complex data not supported: X of {name}")
    _check_feature_names(estimator, X, reset=reset)
    _check_n_features(estimator, X, reset=reset)
    return X if X.is_floating_point() else X.double()


def _target_tensor(estimator: Any, y: Any, X: Any, name: str = "y") -> Any:
    """Return y beside X on the GPU, checked for its shape, NaN and infinity."""
    y = beside(y if hasattr(y, "dtype") else np.asarray(y), X)
    if y.ndim not in (1, 2):
        raise ValueError(f"{name} should be a 1d array, got an array of shape {tuple(y.shape)}")
    check_consistent_length(X, y)
    if y.is_floating_point():
        _assert_finite_tensor(estimator, y, name)
    return y


def _assert_finite_tensor(estimator: Any, A: Any, name: str) -> None:
    """Raise scikit-learn's error if a tensor holds a NaN or an infinity."""
    if math.isfinite(float(A.sum())):  # one kernel; the sum may overflow
        return
    finite = namespace(A).isfinite(A)
    if not bool(finite.all()):
        assert_all_finite(
            on_host(A[~finite][:1]), input_name=name, estimator_name=type(estimator).__name__
        )


def _regression_tensors(
    estimator: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool, part: bool
) -> tuple[Any, Any, Any | None]:
    """Return checked X, y and weights as tensors on the GPU, where X is."""
    X = _checked_tensor(estimator, X, reset=reset)
    y = _target_tensor(estimator, y, X)
    if not y.is_floating_point():
        y = y.double()
    if sample_weight is None:
        return X, y, None
    weights = _target_tensor(estimator, sample_weight, X, "sample_weight")
    if weights.ndim != 1:
        raise ValueError("Sample weights must be 1D array or scalar")
    if bool((weights < 0).any()):
        raise ValueError("Negative values in data passed to `sample_weight`")
    if not part and not bool(weights.any()):
        raise ValueError(WEIGHTLESS)
    return X, y, as_dtype(weights, X.dtype)


def regression_source(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    accept_sparse: bool = True,
    reset: bool = True,
    part: bool = False,
) -> tuple[Source, bool]:
    """Return X, y and weights as float32 or float64 rows, not copied where they are already.

    Records `n_features_in_` and `feature_names_in_`, or compares them if not `reset`. X is not
    searched for NaN and infinity: the operations meet every value anyway, and the rows'
    `assert_finite` names what they met. The weights may all be 0 if these are a `part` of the rows.
    An X on the GPU stays there, as a tensor.

    Returns
    -------
    source : Source
        `Rows` of an array, CSR matrix or tensor; or what a scan or a Dask collection gives.
    one_target : bool
        Whether y has one dimension.
    """
    if isinstance(X, Scan):
        return X.with_targets(estimator, y, sample_weight, reset=reset)
    if is_dask(X):
        parts = DaskRows(estimator, X, y, sample_weight, reset)
        return parts, parts.one_target
    X, y, sample_weight = adopted(X), adopted(y), adopted(sample_weight)
    if on_gpu(X):
        X, y, weights = _regression_tensors(estimator, X, y, sample_weight, reset=reset, part=part)
        return _rows(estimator, X, y, weights)
    y, sample_weight = on_host(y), on_host(sample_weight)
    if (
        _is_plain(X)
        and _is_plain(y)
        and X.ndim == 2
        and len(y) == len(X)
        and (reset or _has_columns(estimator, X))
    ):
        if reset:
            _record_columns(estimator, X)
    else:
        X, y = validate_data(
            estimator,
            X,
            y,
            reset=reset,
            accept_sparse="csr" if accept_sparse else False,
            dtype=_FLOATS,
            y_numeric=True,
            multi_output=True,
            ensure_all_finite=False,
        )
        if y.dtype not in _FLOATS:
            y = y.astype(np.float64)
    if not _is_surely_finite(y):
        assert_all_finite(y, input_name="y", estimator_name=type(estimator).__name__)
    weights = None
    if sample_weight is not None:
        blank = part and not np.any(sample_weight)  # which scikit-learn 1.9 does not let pass
        weights = _check_sample_weight(
            np.ones_like(sample_weight) if blank else sample_weight,
            X,
            dtype=X.dtype,
            ensure_non_negative=True,
        )
        if blank:
            weights = np.zeros_like(weights)
        elif not weights.any():
            raise ValueError(WEIGHTLESS)
    return _rows(estimator, X, y, weights)


def _rows(estimator: Any, X: Any, y: Any, weights: Any) -> tuple[Rows, bool]:
    """Return checked X, y and weights as rows, and whether y has one dimension."""
    finite = functools.partial(assert_finite_samples, estimator, X)
    return Rows(X, y[:, np.newaxis] if y.ndim == 1 else y, weights, finite), y.ndim == 1


def assert_finite_samples(estimator: Any, X: NDArray) -> None:
    """Raise scikit-learn's error if X holds a NaN or an infinity."""
    if on_gpu(X):
        _assert_finite_tensor(estimator, X, "X")
        return
    assert_all_finite(X, input_name="X", estimator_name=type(estimator).__name__)


@dataclass(frozen=True, eq=False)
class Checked:
    """An array that is finite and has the columns that `fit` saw."""

    X: NDArray


def by_batches(method: Method) -> Method:
    """Have a method of X give its result for all batches of a scan, one after the other.

    Of a Dask collection, the result is lazy.
    """

    @functools.wraps(method)
    def batched(self: Any, X: Any = None, *args: Any, **kwargs: Any) -> Any:
        if is_dask(X):
            check_is_fitted(self)
            return applied(self, method.__name__, X, *args, **kwargs)
        if not isinstance(X, Scan):
            if isinstance(search := vars(self).get("_search"), Partitions):
                queries = search.X if X is None else _dense_queries(self, X)
                return answered(self, method.__name__, queries, *args, **kwargs)
            return method(self, X, *args, **kwargs)
        check_is_fitted(self)
        with closing(X.samples(X.fitted(self), method.__name__)) as batches:
            found = [batched(self, Checked(samples), *args, **kwargs) for samples in batches]
        if isinstance(found[0], (tuple, list)):
            return type(found[0])(np.concatenate(parts) for parts in zip(*found, strict=True))
        return np.concatenate(found)

    return batched  # type: ignore[return-value]


def _dense_queries(estimator: Any, X: Any) -> NDArray:
    """Return queries as an array of floats on the processor."""
    queries = search_samples(estimator, X, floats=True, allow_nan=False)
    found: NDArray = queries.toarray() if sparse.issparse(queries) else on_host(queries)
    return found


def prediction_samples(estimator: Any, X: Any) -> NDArray:
    """Return X as a finite array or CSR matrix of floats with the columns that `fit` saw."""
    check_is_fitted(estimator)
    if isinstance(X, Checked):
        return X.X
    X = adopted(X)
    if on_gpu(X):
        X = _checked_tensor(estimator, X, reset=False)
        _assert_finite_tensor(estimator, X, "X")
        return X
    if _is_plain(X) and _has_columns(estimator, X) and _is_surely_finite(X):
        plain: NDArray = X
        return plain
    checked: NDArray = validate_data(estimator, X, accept_sparse="csr", dtype=_FLOATS, reset=False)
    return checked


def search_samples(
    estimator: Any, X: Any, *, floats: bool, allow_nan: bool, reset: bool = False
) -> Any:
    """Return points or queries as a C-contiguous array or a CSR matrix.

    Parameters
    ----------
    estimator : object
        Its `n_features_in_` and `feature_names_in_` are compared or, with `reset`, recorded.
    X : array-like or sparse matrix
    floats : bool
        Whether all but float32 becomes float64; else numbers and booleans stay what they are.
    allow_nan, reset : bool

    Returns
    -------
    ndarray, CSR matrix or, on the GPU, tensor of shape (n_samples, n_features)
    """
    if isinstance(X, Checked):
        return np.ascontiguousarray(X.X)
    X = adopted(X)
    if on_gpu(X):
        X = _checked_tensor(estimator, X, reset=reset)
        _assert_finite_tensor(estimator, X, "X")
        return X.contiguous()
    if _is_plain(X) and X.ndim == 2:
        X = np.ascontiguousarray(X)
        if _is_surely_finite(X):
            if reset:
                _record_columns(estimator, X)
                return X
            if _has_columns(estimator, X):
                return X
    return validate_data(
        estimator,
        X,
        dtype=_FLOATS if floats else "numeric",
        order="C",
        accept_sparse="csr",
        ensure_all_finite="allow-nan" if allow_nan else True,
        reset=reset,
    )


def search_targets(estimator: Any, X: Any, y: Any) -> NDArray:
    """Return y as an array of one or two dimensions with a row for each row of X."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None."
        )
    y = adopted(y)
    if on_gpu(X) and (on_gpu(y) or np.asarray(y).dtype.kind in "biuf"):
        return _target_tensor(estimator, y, X)
    checked: NDArray = check_array(
        on_host(y), dtype=None, ensure_2d=False, input_name="y", estimator=estimator
    )
    check_consistent_length(X, checked)
    return checked


def precomputed_distances(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return distances, at least 0, as an array or as a CSR matrix sorted by row values.

    Parameters
    ----------
    estimator : object
    X : array-like or sparse matrix
        A column for each point.
    reset : bool
        Whether the rows are the points, too, and their number is recorded, or compared.
    """
    X = adopted(X)
    if on_gpu(X):
        raise RuntimeError("metric='precomputed' cannot run on the GPU: copy X to NumPy")
    X = _check_precomputed(X)
    if reset and X.shape[0] != X.shape[1]:
        raise ValueError(
            f"Precomputed matrix must be square. Input is a {X.shape[0]}x{X.shape[1]} matrix."
        )
    _check_n_features(estimator, X, reset=reset)
    return X


def point_weights(sample_weight: Any, n_points: int) -> NDArray[np.float64]:
    """Return weights of points as float64, at least 0, not all 0."""
    rows = np.empty((n_points, 0))
    weights = _check_sample_weight(
        on_host(adopted(sample_weight)), rows, dtype=np.float64, ensure_non_negative=True
    )
    if not weights.any():
        raise ValueError(WEIGHTLESS)
    return weights


def class_targets(y: Any) -> tuple[bool, list[Any], Any]:
    """Encode labels as positions among the sorted classes of each output.

    Returns
    -------
    outputs_2d : bool
        False if y is a vector or, which is warned of, a single column.
    classes : list of ndarray or tensor
        The sorted labels of each output.
    codes : ndarray or tensor of shape (n_samples, n_outputs)
        Where y is.
    """
    outputs_2d = y.ndim == 2 and y.shape[1] != 1
    if y.ndim == 2 and not outputs_2d:
        warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of "
            "y to (n_samples,), for example using ravel().",
            DataConversionWarning,
        )
    columns = y.reshape(len(y), -1)
    if on_gpu(y):
        found = [namespace(y).unique(column, return_inverse=True) for column in columns.T]
        for labels, _ in found:
            check_classification_targets(on_host(labels))
        return outputs_2d, [f[0] for f in found], namespace(y).stack([f[1] for f in found], 1)
    check_classification_targets(y)
    classes, codes = [], np.empty(columns.shape, dtype=np.intp)
    for output, column in enumerate(columns.T):
        labels, codes[:, output] = np.unique(column, return_inverse=True)
        classes.append(labels)
    return outputs_2d, classes, codes
