"""Values that are no numbers: text, dates, masked and missing ones, each called what it is."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy import sparse

__all__ = ["name_missing", "refuse_kinds", "refuse_missing", "refuse_sparse", "refuse_text"]

_GAPS = "Leave such rows out, or fill them in"


def refuse_kinds(A: Any, name: str) -> None:
    """Raise an error about dates and masks, which would become numbers without a word."""
    if isinstance(A, np.ma.MaskedArray) and np.ma.is_masked(A):
        raise ValueError(f"Input {name} contains masked values. {_GAPS}")
    for column, kind in _kinds(A):
        if str(kind).lower().startswith(("date", "time", "duration")):
            which = "" if column is None else f", column {column!r},"
            raise ValueError(
                f"{name}{which} holds {kind}: dates and times are no numbers. Give how far they "
                "are from one of them, such as (dates - dates.min()).dt.days"
            )


def refuse_text(A: Any, name: str) -> None:
    """Raise scikit-learn's error about an array or a list of text, also of digits.

    Text among objects becomes numbers, if it is of digits, and frames have columns of their own.
    """
    if isinstance(A, (list, tuple)):
        try:
            A = np.asarray(A)
        except ValueError:  # of rows that differ in length
            return
    if isinstance(A, np.ndarray) and A.dtype.kind in "UST":
        raise ValueError(
            f"Input {name} holds text: dtype='numeric' is not compatible with arrays of "
            "bytes/strings. Convert your data to numeric values explicitly instead."
        )


def refuse_sparse(A: Any, name: str) -> None:
    """Raise scikit-learn's error about what must be dense."""
    if sparse.issparse(A):
        raise TypeError(
            f"Sparse data was passed for {name}, but dense data is required. Use '.toarray()' to "
            "convert to a dense numpy array."
        )


def _kinds(A: Any) -> Iterable[tuple[Any, Any]]:
    """Return the columns of a frame or table with their types; of what has one type None and it."""
    if hasattr(A, "schema") and hasattr(A, "column_names"):
        return zip(A.column_names, A.schema.types, strict=True)
    if hasattr(A, "dtypes") and hasattr(A, "columns"):
        return zip(A.columns, A.dtypes, strict=True)
    return [(None, getattr(A, "dtype", getattr(A, "type", None)))]


def refuse_missing(A: Any, name: str) -> None:
    """Raise an error if one of some objects is None, NaN or NA."""
    given = np.asarray(A)
    if given.dtype == object and any(_is_missing(value) for value in given.flat):
        raise ValueError(f"Input {name} contains NaN: a value is None, NaN or NA. {_GAPS}")


@contextmanager
def name_missing(name: str) -> Iterator[None]:
    """Have pandas' NA, which is no float, called what it is."""
    try:
        yield
    except TypeError as error:
        if "NAType" not in str(error) and "NA is ambiguous" not in str(error):
            raise
        raise ValueError(f"Input {name} contains NaN: a value is pandas' NA. {_GAPS}") from error


def _is_missing(value: Any) -> bool:
    """Return whether an object is None, NaN or pandas' NA."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # NA is neither equal nor unequal to itself
        return True
    except ValueError:  # arrays are neither
        return False
