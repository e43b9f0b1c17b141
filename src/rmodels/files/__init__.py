"""Fitted models in files: arrays and JSON, nothing that is executed when it is read.

`rmodels.files.container` says what the bytes are, `rmodels.files.state` how an estimator becomes
arrays and JSON.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from rmodels import __version__
from rmodels.files.container import read_container, write_container

__all__ = ["SavedModel", "load", "read", "save"]


class SavedModel(NamedTuple):
    """What a model file holds.

    Attributes
    ----------
    model : estimator
    target_names : list of str or None
        The targets that the model predicts, if they were named.
    """

    model: Any
    target_names: list[str] | None


def save(
    model: Any, path: str | os.PathLike[str], *, target_names: Sequence[str] | None = None
) -> None:
    """Write a fitted model to a file.

    The file is written beside `path` and then put in its place: whatever goes wrong, `path` holds
    what it held before.

    Parameters
    ----------
    model : estimator of rmodels or Pipeline
        Not of a subclass. A pipeline of scikit-learn may hold, beside estimators of rmodels,
        scikit-learn's scalers, encoders and imputers, and a ColumnTransformer of them.
    path : str or path-like
    target_names : sequence of str, default=None
        Names of the targets, which the command line uses.

    Raises
    ------
    TypeError
        If the model, or a part of it, is of another class, or has a parameter or attribute that is
        not data, such as a function for `weights` or `metric`.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    ImportError
        If safetensors is not installed.

    Notes
    -----
    Tensors and other arrays with DLPack are written as NumPy arrays: what `load` returns holds
    arrays on the processor, and answers tensors with tensors as any model does.

    Neighbours estimators keep their points: the file is as large as they are. Saving and loading
    take memory for the file twice.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import rmodels
    >>> model = rmodels.LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rmodels.save(model, Path(folder, "line.rmodel"))
    ...     rmodels.load(Path(folder, "line.rmodel")).predict([[10.0]])
    array([21.])
    """
    from rmodels.files import state  # which imports every family

    description, arrays = state.describe(model)
    description["rmodels"] = __version__
    description["target_names"] = None if target_names is None else list(map(str, target_names))
    write_container(path, description, arrays)


def load(path: str | os.PathLike[str]) -> Any:
    """Read a model that `save` wrote.

    It predicts bitwise what the saved one did, on the engine that fitted it; one that was fitted to
    tensors on the GPU predicts on the processor, within rounding. Nothing in the file is
    executed: it can name one of the estimators of rmodels, parameters and arrays, and no more.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    estimator

    Raises
    ------
    ValueError
        If the file is foreign, truncated, altered or of another version of the format.
    OSError
        If it cannot be read.
    ImportError
        If safetensors is not installed.

    Warns
    -----
    sklearn.exceptions.InconsistentVersionWarning
        If a pipeline was written with another version of scikit-learn.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import rmodels
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "notes.rmodel")
    ...     size = path.write_text("not a model")
    ...     rmodels.load(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: ...notes.rmodel is not a model file of rmodels: it does not begin with 'rmodels'
    """
    return read(path).model


def read(path: str | os.PathLike[str]) -> SavedModel:
    """Read all that `save` wrote; see `load`."""
    description, arrays = read_container(path)
    try:
        from rmodels.files import state

        model = state.restore(description, arrays)
    except ValueError as error:
        written = description.get("rmodels") if isinstance(description, dict) else None
        raise ValueError(
            f"{path} is not a model that rmodels {__version__} can read "
            f"(it was written by {written}): {error}"
        ) from error
    names = description.get("target_names")
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    ):
        raise ValueError(f"{path}: target_names must be a list of strings or null")
    return SavedModel(model, names)
