"""What a model file holds, in words."""

from typing import Any

import numpy as np

from rmodels import files
from rmodels.cli.streams import Streams
from rmodels.data.preparation import Preparation, preparation_of

__all__ = ["summary"]

_SHOWN = 8  # of many names


def summary(streams: Streams, model: str) -> None:
    """Print what a model file holds: parameters, columns, and of some the tests of coefficients.

    Parameters
    ----------
    streams : Streams
    model : str
        Model file.
    """
    fitted, targets = files.read(streams.file(model))
    names = list(map(str, getattr(fitted, "feature_names_in_", ())))
    engine = getattr(fitted, "engine_", None)
    lines = [f"{fitted}" if engine is None else f"{fitted}, fitted by the engine {engine}"]
    lines.append(f"columns: {_list(names) if names else fitted.n_features_in_}")
    prepared = preparation_of(fitted)
    if prepared is not None:
        lines += _describe(prepared)
    if targets:
        lines.append(f"targets: {_list(targets)}")
    classes = None if engine is None else getattr(fitted, "classes_", None)
    if classes is not None:
        each = classes if isinstance(classes, list) else [classes]
        lines += [f"classes: {_list(list(map(str, labels)))}" for labels in each]
    print("\n".join(lines))
    if hasattr(fitted, "summary"):
        _print_tests(fitted)
    elif hasattr(fitted, "coef_"):
        _print_coefficients(fitted, names)


def _describe(prepared: Preparation) -> list[str]:
    """Return what is done to columns of text, and where a value is missing."""
    lines = [
        f"text: {name}, which is {_list(['missing' if each is None else each for each in kinds])}"
        for name, kinds in prepared.categories.items()
    ]
    if prepared.missing != "error":
        mean = prepared.missing == "mean"
        lines.append(f"missing values: {'the mean of the column' if mean else 'rows left out'}")
    return lines


def _print_tests(fitted: Any) -> None:
    """Print the tests of the coefficients; where there are none, why, and the coefficients."""
    try:
        print(fitted.summary())
    except ValueError as error:
        names = list(map(str, getattr(fitted, "feature_names_in_", ())))
        print(f"no tests of the coefficients: {error}")
        _print_coefficients(fitted, names)


def _print_coefficients(fitted: Any, names: list[str]) -> None:
    rows = np.atleast_2d(fitted.coef_)
    named = names or [f"x{i}" for i in range(rows.shape[1])]
    width = max(map(len, [*named, "intercept"]))
    for name, values in zip(named, rows.T, strict=True):
        print(f"{name:{width}} {' '.join(f'{value:12.5g}' for value in values)}")
    if getattr(fitted, "fit_intercept", True):  # which an estimator that always has one lacks
        name = "intercept" if hasattr(fitted, "intercept_") else "offset"
        constants = np.broadcast_to(getattr(fitted, f"{name}_"), len(rows))
        print(f"{name:{width}} {' '.join(f'{value:12.5g}' for value in constants)}")


def _list(names: list[str]) -> str:
    """Return names; of many the first, and how many there are more."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
