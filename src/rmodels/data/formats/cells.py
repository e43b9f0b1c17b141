"""Cells of CSV files, by pyarrow's rules: which are numbers, booleans or missing."""

from typing import Any

import numpy as np

from rmodels.extras import require

__all__ = [
    "FALSE",
    "TRUE",
    "absent",
    "all_boolean",
    "all_finite",
    "booleans",
    "fault_of",
    "reads_as_number",
]

TRUE = ("true", "True", "TRUE")
FALSE = ("false", "False", "FALSE")


def absent() -> list[str]:
    """Return what stands for a missing value, among numbers and booleans."""
    found: list[str] = require("pyarrow.csv", "files").ConvertOptions().null_values
    return found


def booleans(column: Any) -> Any:
    """Return a column of text as booleans, or None if there is something else, or nothing."""
    pyarrow, compute = require("pyarrow", "files"), require("pyarrow.compute", "files")
    if (
        not len(column)
        or not compute.all(compute.is_in(column, pyarrow.array(TRUE + FALSE))).as_py()
    ):
        return None
    return compute.is_in(column, pyarrow.array(TRUE))


def all_boolean(texts: list[str]) -> bool:
    """Return whether all cells are true or false."""
    return set(texts) <= {*TRUE, *FALSE}


def all_finite(texts: list[str]) -> bool:
    """Return whether all cells are finite numbers."""
    pyarrow = require("pyarrow", "files")
    stripped = pyarrow.array([text.strip(" \t") for text in texts], pyarrow.string())
    try:
        return bool(np.isfinite(np.asarray(stripped.cast(pyarrow.float64()))).all())
    except pyarrow.ArrowInvalid:
        return False


def fault_of(text: str, boolean: bool = False) -> str:
    """Return why a cell is not a finite number, or a boolean."""
    if text in absent():
        return f"missing value ({text!r})" if text else "missing value"
    if boolean:
        return f"{text!r} is neither true nor false, as the first row is"
    return f"{text!r} is not {'finite' if reads_as_number(text) else 'a number'}"


def reads_as_number(text: str) -> bool:
    """Return whether a cell that is there is a number, maybe not a finite one."""
    pyarrow = require("pyarrow", "files")
    try:
        pyarrow.scalar(text.strip(" \t")).cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        return False
    return True
