"""What a graph takes: all columns at once, or each of a table."""

from numbers import Number
from typing import Any

import numpy as np

from rmodels.data.formats.arrow import is_frame, names_of
from rmodels.export.operators import type_of
from rmodels.export.pipelines import parts_of

__all__ = ["find_inputs"]


def find_inputs(model: Any, X: Any, dtype: np.dtype) -> list[tuple[str, Any]]:
    """Return names and types of what a graph takes: of all columns, or of each of a frame.

    Raises
    ------
    ValueError
        If the model needs X, or X is not of the columns that it was fitted to.
    """
    width = getattr(model, "n_features_in_", None)
    if X is None:
        for part, _ in parts_of(model):
            chosen = [columns for *_, columns in getattr(part, "transformers_", [])]
            if any(isinstance(each, str) for of in chosen for each in np.ravel(of)):
                raise ValueError(
                    f"{type(part).__name__} takes columns by name: give to_onnx some rows of the "
                    "table as X"
                )
        if width is None:
            raise ValueError(
                f"{type(model).__name__} does not say how many columns it takes: give to_onnx some "
                "rows as X"
            )
        return [("X", type_of(dtype, int(width)))]
    if not is_frame(X):
        array = np.asarray(X)
        _check_width(model, array.shape[1])
        return [("X", type_of(_kind_of(array, dtype), array.shape[1]))]
    there = names_of(X)
    names = list(getattr(model, "feature_names_in_", there))
    absent = [str(name) for name in names if name not in there]
    if absent:
        raise ValueError(f"X lacks columns that the model was fitted to: {', '.join(absent)}")
    _check_width(model, len(names))
    return [(str(name), type_of(_kind_of(np.asarray(X[name]), dtype), 1)) for name in names]


def _check_width(model: Any, found: int) -> None:
    width = getattr(model, "n_features_in_", found)
    if width != found:
        raise ValueError(f"the model was fitted to {width} columns, and X has {found}")


def _kind_of(values: np.ndarray, dtype: np.dtype) -> np.dtype:
    """Return the dtype in which a graph takes values."""
    numbers = all(isinstance(each, Number) for each in values.ravel() if each is not None)
    if values.dtype.kind == "f" or (values.dtype.kind == "O" and numbers):
        return dtype
    return np.dtype({"b": np.bool_, "i": np.int64, "u": np.int64}.get(values.dtype.kind, object))
