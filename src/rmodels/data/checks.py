"""The only place that checks, casts or copies what a user passes in, with `parts.py`.

Arrays, frames, sparse matrices and tensors are checked at once; the parts of files and of clusters
by `parts.Part.rows`, where they are. Both give `Rows`.
"""

import copy
import functools
import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_consistent_length,
    validate_data,
)

from rmodels import native
from rmodels.base.sklearn import (
    check_feature_names,
    check_n_features,
    check_sample_weight,
)
from rmodels.base.warnings import warn
from rmodels.config import thread_count
from rmodels.data.arrays import (
    adopt,
    aligned,
    as_dtype,
    beside,
    contiguous,
    namespace,
    on_gpu,
    on_host,
)
from rmodels.data.labels import Encoding, check_kinds, encode, encode_by
from rmodels.data.preparation import Preparation
from rmodels.data.source import WEIGHTLESS, Rows
from rmodels.data.values import name_missing, refuse_kinds, refuse_missing, refuse_text

__all__ = [
    "Missing",
    "Need",
    "Targets",
    "array_rows",
    "assert_finite",
    "check_columns",
    "check_given",
    "check_list_of_columns",
    "check_target_given",
    "check_targets",
    "constant_weight",
    "plain_rows",
    "warn_of_a_column",
]

Targets = Literal["none", "numbers", "labels", "codes"]
Missing = Literal["later", "refuse", "allow"]

_FLOATS = [np.float64, np.float32]
_PLAIN = frozenset(map(np.dtype, _FLOATS))  # in the processor's order of bytes
_MUCH = 6 << 20  # bytes that take long enough for several threads


@dataclass(frozen=True)
class Need:
    """What an estimator needs of its X.

    Attributes
    ----------
    sparse : bool
        Whether a sparse matrix stays one, as CSR; else it is an error.
    floats : bool
        Whether all but float32 becomes float64; else numbers and booleans stay what they are.
    doubles : bool
        Whether float32 becomes float64, too.
    missing : {"later", "refuse", "allow"}
        What becomes of NaN and infinity: "later" leaves them to `Rows.assert_finite`, for
        operations that meet every value anyway; "allow" is of NaN.
    contiguous : bool
        Whether the rows must be C-contiguous.
    distances : bool
        Whether X holds distances to the points, which are its rows in a fit.
    signed : bool
        Whether weights of rows in memory may be negative.
    exact_weights : bool
        Whether weights of rows in float32 stay float64: if not, those of tensors do not, nor those
        of rows that are checked later.
    """

    sparse: bool = True
    floats: bool = True
    doubles: bool = False
    missing: Missing = "later"
    contiguous: bool = False
    distances: bool = False
    signed: bool = False
    exact_weights: bool = False


def is_plain(A: Any) -> bool:
    """Return whether A is an array that needs no conversion: validating it would cost more."""
    return type(A) is np.ndarray and A.dtype in _PLAIN and A.ndim in (1, 2) and A.size > 0


def _are_plain(X: Any, need: Need) -> bool:
    """Return whether rows, an array or a CSR matrix, need no conversion but to be contiguous."""
    if type(X) is np.ndarray:
        return X.ndim == 2 and X.dtype in _PLAIN and X.size > 0
    return (
        sparse.issparse(X)
        and need.sparse
        and X.format == "csr"
        and X.dtype in _FLOATS
        and X.indices.dtype == X.indptr.dtype == np.int32
        and X.ndim == 2
        and min(X.shape) > 0
    )


def is_surely_finite(A: NDArray) -> bool:
    """Return whether an array of numbers is seen to be finite.

    False is "not known" without the native engine: their sum may overflow.
    """
    extension: Any = native.load()
    if extension is not None:
        try:
            found: bool = extension.all_finite(A, thread_count() if A.nbytes >= _MUCH else 1)
            return found
        except TypeError:  # of numbers that are no floats, or lie where no float begins
            pass
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(A.sum())


def _record_columns(estimator: Any, X: NDArray) -> None:
    """Set the number of columns of an array, which have no names."""
    estimator.n_features_in_ = X.shape[1]
    vars(estimator).pop("feature_names_in_", None)


def _has_columns(estimator: Any, X: NDArray) -> bool:
    """Return whether an array has the columns that `fit` saw, if those had no names."""
    fitted = vars(estimator)
    return (
        X.ndim == 2
        and X.shape[1] == fitted.get("n_features_in_")
        and "feature_names_in_" not in fitted
    )


def check_columns(estimator: Any, header: Any, *, reset: bool) -> None:
    """Set an estimator's number and names of columns, or compare them.

    Parameters
    ----------
    estimator : object
    header : data frame or ndarray of no rows
        With the columns of X.
    reset : bool
        Whether to set them.
    """
    check_feature_names(estimator, header, reset=reset)
    check_n_features(estimator, header, reset=reset)


def check_given(estimator: Any, prepared: Preparation, header: Any) -> None:
    """Raise scikit-learn's error if a table has other columns than those that a fit prepared.

    Parameters
    ----------
    estimator : object
        Fitted.
    prepared : Preparation
    header : data frame or table
        With the columns as they are read, text among them.
    """
    asked = copy.copy(estimator)
    vars(asked)["feature_names_in_"] = np.array(prepared.columns, object)
    check_feature_names(asked, header, reset=False)


def check_list_of_columns(place: str, names: Sequence[Any], known: Container[Any]) -> None:
    """Raise an error if one of the texts that y is a list of is no column."""
    for name in names:
        if name not in known:
            raise ValueError(
                f"{place}: no column {name!r}; y, a list of text, names columns. Labels are given "
                "as an array, numpy.asarray(y)"
            )


def check_target_given(estimator: Any, y: Any) -> None:
    """Raise an error if there is no y, scikit-learn's, or if it is a number."""
    if isinstance(y, Real):
        raise ValueError(
            f"y is {y!r}, which is no column of X: give targets, or the name of a column"
        )
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None."
        )


def _check_tensor(estimator: Any, X: Any, *, reset: bool) -> Any:
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
    check_columns(estimator, X, reset=reset)
    return X if X.is_floating_point() else X.double()


def _check_target_tensor(estimator: Any, y: Any, X: Any, name: str = "y") -> Any:
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


def _assert_finite(estimator: Any, X: Any) -> None:
    """Raise scikit-learn's error if X holds a NaN or an infinity."""
    if on_gpu(X):
        _assert_finite_tensor(estimator, X, "X")
        return
    assert_all_finite(X, input_name="X", estimator_name=type(estimator).__name__)


def assert_finite(rows: Rows, found: Any) -> Any:
    """Return what was found of rows; raise an error if it is not finite because they are not.

    Parameters
    ----------
    rows : Rows
        Whose values were not checked, as `Need.missing` is "later".
    found : ndarray or tensor
        In which each value of the rows that is not finite leaves something that is not.
    """
    finite = (
        is_surely_finite(found)
        if isinstance(found, np.ndarray)
        else math.isfinite(float(found.sum()))
    )
    if not finite:
        rows.assert_finite()
    return found


def _check_distances(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return distances, at least 0, as an array or as a CSR matrix sorted by row values."""
    if on_gpu(X):
        raise RuntimeError("metric='precomputed' cannot run on the GPU: copy X to NumPy")
    refuse_text(X, "X")
    from rmodels.base.sklearn.neighbors import check_precomputed

    X = check_precomputed(X)
    if reset and X.shape[0] != X.shape[1]:
        raise ValueError(
            f"Precomputed matrix must be square. Input is a {X.shape[0]}x{X.shape[1]} matrix."
        )
    check_n_features(estimator, X, reset=reset)
    return X


def _check_samples(estimator: Any, X: Any, need: Need, *, reset: bool) -> Any:
    """Return X as an array, CSR matrix or tensor; set or compare the estimator's columns."""
    if need.distances:
        return _check_distances(estimator, X, reset=reset)
    dense = type(X) is np.ndarray
    if not dense and on_gpu(X):
        X = _check_tensor(estimator, X, reset=reset)
        if need.missing != "later":
            _assert_finite_tensor(estimator, X, "X")
        return contiguous(X) if need.contiguous else X
    narrow = need.doubles and getattr(X, "dtype", None) != np.float64
    if not narrow and _are_plain(X, need) and (reset or _has_columns(estimator, X)):
        plain = np.ascontiguousarray(X) if need.contiguous and dense else X
        values: Any = plain if dense else plain.data
        if need.missing == "later" or is_surely_finite(values):
            if reset:
                _record_columns(estimator, X)
            return plain
    refuse_kinds(X, "X")
    refuse_text(X, "X")
    with name_missing("X"):
        return validate_data(estimator, X, **_options(need), reset=reset)


def _options(need: Need) -> dict[str, Any]:
    """Return what scikit-learn's validation calls it."""
    return {
        "dtype": np.float64 if need.doubles else _FLOATS if need.floats else "numeric",
        "order": "C" if need.contiguous else None,
        "accept_sparse": "csr" if need.sparse else False,
        "ensure_all_finite": {"later": False, "refuse": True, "allow": "allow-nan"}[need.missing],
    }


def _check_numbers(estimator: Any, X: Any, y: Any, need: Need, *, reset: bool) -> tuple[Any, Any]:
    """Return X, and y as floats with a row for each of X."""
    if on_gpu(X):
        X = _check_samples(estimator, X, need, reset=reset)
        y = _check_target_tensor(estimator, y, X)
        return X, y if y.is_floating_point() else y.double()
    y = on_host(y)
    check_target_given(estimator, y)
    if need.distances:
        X = _check_distances(estimator, X, reset=reset)
        y = check_array(y, dtype=_FLOATS, ensure_2d=False, input_name="y", estimator=estimator)
        check_consistent_length(X, y)
    elif _are_plain(X, need) and is_plain(y) and len(y) == X.shape[0]:
        X = _check_samples(estimator, X, need, reset=reset)
    else:
        refuse_kinds(X, "X")
        refuse_text(X, "X")
        refuse_kinds(y, "y")
        refuse_missing(y, "y")
        with name_missing("X"):
            X, y = validate_data(
                estimator,
                X,
                y,
                reset=reset,
                **_options(need),
                y_numeric=True,
                multi_output=True,
            )
        if y.dtype not in _FLOATS:
            y = y.astype(np.float64)
    if not is_surely_finite(y):
        assert_all_finite(y, input_name="y", estimator_name=type(estimator).__name__)
    return X, y


def _are_whole(y: Any) -> bool:
    """Return whether y is a column of integers or booleans: labels that need no conversion."""
    return type(y) is np.ndarray and y.dtype.kind in "biu" and y.ndim == 1 and y.size > 0


def _check_label_array(estimator: Any, y: Any, name: str = "y") -> NDArray:
    """Return labels as an array, none of which is missing."""
    if _are_whole(y):
        found: NDArray = y
        return found
    refuse_missing(y, name)
    found = check_array(y, dtype=None, ensure_2d=False, input_name=name, estimator=estimator)
    if found.dtype == object and found.ndim == 2:
        check_kinds(*found.T)
    return found


def check_targets(estimator: Any, y: Any, targets: Targets) -> NDArray:
    """Return targets of rows that are not in memory, as an array."""
    if targets == "labels":
        return _check_label_array(estimator, y)
    refuse_kinds(y, "y")
    refuse_missing(y, "y")
    found: NDArray = check_array(
        y, dtype=np.float64, ensure_2d=False, input_name="y", estimator=estimator
    )
    return found


def _check_labels(estimator: Any, X: Any, y: Any) -> Any:
    """Return labels as an array or tensor with a row for each of X."""
    y = adopt(y)
    if on_gpu(X) and (on_gpu(y) or np.asarray(y).dtype.kind in "biuf"):
        return _check_target_tensor(estimator, y, X)
    checked = _check_label_array(estimator, on_host(y))
    check_consistent_length(X, checked)
    return checked


def warn_of_a_column(y: Any) -> None:
    """Warn as scikit-learn does of labels in a single column."""
    if y.ndim == 2 and y.shape[1] == 1:
        warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of "
            "y to (n_samples,), for example using ravel().",
            DataConversionWarning,
        )


def constant_weight(sample_weight: Any) -> bool:
    """Return whether weights are one number, the same for every row."""
    return isinstance(sample_weight, (Real, np.bool_))


def _check_weights(estimator: Any, X: Any, sample_weight: Any, need: Need, *, part: bool) -> Any:
    """Return weights, at least 0 unless signed, and not all 0 unless a part of the rows."""
    sample_weight = adopt(sample_weight)
    if on_gpu(X):
        if constant_weight(sample_weight):
            sample_weight = np.full(len(X), float(sample_weight))
        weights = _check_target_tensor(estimator, sample_weight, X, "sample_weight")
        if weights.ndim != 1:
            raise ValueError("Sample weights must be 1D array or scalar")
        if not need.signed and bool((weights < 0).any()):
            raise ValueError("Negative values in data passed to `sample_weight`")
        if not part and not bool(weights.any()):
            raise ValueError(WEIGHTLESS)
        return as_dtype(weights, np.dtype(np.float64) if need.exact_weights else X.dtype)
    sample_weight = on_host(sample_weight)
    refuse_kinds(sample_weight, "sample_weight")
    refuse_missing(sample_weight, "sample_weight")
    blank = part and not np.any(sample_weight)  # which scikit-learn 1.9 does not let pass
    checked = check_sample_weight(
        1.0 + np.asarray(sample_weight) if blank else sample_weight,
        X,
        dtype=X.dtype if need.missing == "later" and not need.exact_weights else np.float64,
        ensure_non_negative=not need.signed,
    )
    if blank:
        return np.zeros_like(checked)
    if not checked.any():
        raise ValueError(WEIGHTLESS)
    return checked


def _fill(estimator: Any, X: Any, need: Need, prepared: Preparation) -> Any:
    """Return checked X with means in the place of what is missing."""
    if not np.isnan(X).any():
        return X
    filled = X.copy()
    prepared.fill(filled)
    if need.missing != "allow":  # columns of 0 and 1 have no mean
        _assert_finite(estimator, filled)
    return filled


def plain_rows(estimator: Any, X: NDArray, need: Need, *, reset: bool) -> Rows:
    """Return what `array_rows` does of an array alone, in a part of the time that few rows take."""
    A = _check_samples(estimator, X, need, reset=reset)
    A = A if A.flags.aligned else A.copy()
    if need.missing == "refuse":
        return Rows(A, given=X)
    return Rows(A, assert_finite=functools.partial(_assert_finite, estimator, A), given=X)


def array_rows(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    need: Need,
    *,
    targets: Targets,
    reset: bool,
    part: bool,
    encoded: bool,
    classes: Sequence[NDArray] | None,
    prepared: Preparation | None = None,
) -> Rows:
    """Return an array, frame, sparse matrix or tensor as checked rows; see `rmodels.data.source`.

    What needs no conversion is not copied; sparse matrices become CSR arrays of the same memory.
    Where the fit `prepared` columns with their means, these stand for what is missing in an array.
    """
    given, X = X, adopt(X)
    fills = prepared is not None and prepared.means is not None
    fills = fills and not (sparse.issparse(X) or on_gpu(X))
    asked = replace(need, missing="allow") if fills else need
    labels, encoded = None, encoded and targets == "labels"
    if targets == "none":
        X, Y = _check_samples(estimator, X, asked, reset=reset), None
    elif targets == "numbers":
        X, Y = _check_numbers(estimator, X, adopt(y), asked, reset=reset)
    else:
        check_target_given(estimator, y)
        X = _check_samples(estimator, X, asked, reset=reset)
        Y = _check_labels(estimator, X, y)
    if isinstance(X, sparse.spmatrix):
        X = sparse.csr_array(X)  # whose powers are those of its entries
    if fills and prepared is not None and X.dtype.kind == "f":
        X = _fill(estimator, X, need, prepared)
    one_target = True
    if Y is not None:
        one_target = Y.ndim == 1
        if encoded:
            warn_of_a_column(Y)
            one_target = one_target or Y.shape[1] == 1
        Y = Y[:, np.newaxis] if Y.ndim == 1 else Y
        if encoded and classes is None:
            labels, Y = encode(Y)
        elif encoded:
            if not on_gpu(Y):
                check_classification_targets(Y)
            labels = list(classes or ())
            Y = encode_by(Y, [Encoding.of(each, each) for each in labels], "")
    weights = None
    if sample_weight is not None:
        weights = _check_weights(estimator, X, sample_weight, need, part=part)
    X = aligned(X)
    return Rows(
        X,
        aligned(Y),
        aligned(weights),
        functools.partial(_assert_finite, estimator, X),
        one_target=one_target,
        classes=labels,
        given=given,
    )
