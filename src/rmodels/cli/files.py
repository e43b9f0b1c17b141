"""Fitting, predicting and scoring with models and tables in files."""

import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

import rmodels
from rmodels import data, files
from rmodels.base import scores
from rmodels.base.sklearn import check_parameters
from rmodels.base.tasks import tally
from rmodels.data.formats import Column, Reader, check_names, files_of, read, reader_of
from rmodels.data.formats.writing import check_format, to_csv, write_table
from rmodels.data.scan import Scan
from rmodels.files.checkpoint import check_checkpoint, is_checkpoint
from rmodels.files.writing import check_writable
from rmodels.linear_model._base import LinearModel

__all__ = ["fit", "predict", "score"]

Path = str | os.PathLike[str]


def fit(
    estimator: str,
    parameters: dict[str, Any],
    data: Path,
    output: Path,
    targets: Sequence[str],
    features: Sequence[str] = (),
    ignored: Sequence[str] = (),
    checkpoint: Path | None = None,
) -> str:
    """Fit an estimator to a table and save it; linear models read it in batches.

    Parameters
    ----------
    estimator : str
        Name of the class.
    parameters : dict
        Of the estimator.
    data : str or path-like
        CSV or Parquet file; for a linear model also a folder or pattern of them.
    output : str or path-like
        Model file.
    targets : sequence of str
        Columns to predict.
    features : sequence of str
        Columns to predict from; if none, all columns that are neither targets nor ignored.
    ignored : sequence of str
        Columns to leave out.
    checkpoint : str or path-like, default=None
        Where a linear model keeps what it knows of the rows read so far; removed at the end if it
        was written.

    Returns
    -------
    str
        What was done.
    """
    _check_once([*targets, *features])
    check_writable(output)
    tables_read = files_of(data)
    _check_apart(output, tables_read, "read")
    if checkpoint is not None:
        _check_apart(checkpoint, tables_read, "read")
        _check_apart(checkpoint, [output], "written")
        check_checkpoint(checkpoint)
    before = _identity(checkpoint)
    model = getattr(rmodels, estimator)(**parameters)
    check_parameters(model)
    if checkpoint is not None and not _reads_batches(model):
        raise ValueError(f"this {estimator} needs all rows in memory: it has no checkpoint")
    reader = reader_of(data)
    chosen = _features(data, reader, targets, features, ignored)
    if _reads_batches(model):
        X = rmodels.scan(data, chosen, checkpoint=checkpoint)
        check_names(str(data), reader.columns, targets)
        model.fit(X, targets[0] if len(targets) == 1 else list(targets))
        count = X.n_rows
    else:
        X, Y = _samples(reader, chosen, targets, is_classifier(model))
        model.fit(X, Y[:, 0] if len(targets) == 1 else Y)
        count = len(Y)
    files.save(model, output, target_names=targets)
    after = _identity(checkpoint)
    if checkpoint is not None and after not in (None, before) and is_checkpoint(checkpoint):
        pathlib.Path(os.path.realpath(checkpoint)).unlink(missing_ok=True)
    return (
        f"{output}: {model} of {', '.join(targets)} from {len(chosen)} "
        f"{'column' if len(chosen) == 1 else 'columns'}, {count} rows\n"
    )


def _check_once(names: Sequence[str]) -> None:
    """Raise an error if a column is among the names twice."""
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ValueError(f"column {name!r} is asked for twice")


def _check_apart(path: Path, others: Sequence[Path], use: str) -> None:
    """Raise an error if what is to be written is one of other files, by whatever name."""
    for other in others:
        if os.path.realpath(path) == os.path.realpath(other) or (
            os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)
        ):
            raise ValueError(f"{path} would be overwritten: it is {use} by the same command")


def _identity(path: Path | None) -> tuple[int, ...] | None:
    """Return what changes if a file is replaced; None if there is none."""
    if path is None or not os.path.exists(path):
        return None
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _reads_batches(model: Any) -> bool:
    """Return whether a model is fitted to batches; else it needs all rows at once."""
    return (
        isinstance(model, LinearModel)
        and getattr(model, "solver", "auto") != "gram"
        and not getattr(model, "store_cv_results", False)
        and getattr(model, "scoring", None) in (None, *scores.SUMMED)
    )


def _features(
    data: Path,
    reader: Reader,
    targets: Sequence[str],
    features: Sequence[str],
    ignored: Sequence[str],
) -> list[str]:
    """Return the columns to predict from."""
    for name in ignored:
        if not any(name in part.types for part in reader.parts):
            raise ValueError(f"{data}: no column {name!r} to ignore")
        if name in targets or name in features:
            raise ValueError(f"column {name!r} is both ignored and used")
    if features:
        return list(features)
    chosen = list(map(str, reader.others([*targets, *ignored])))
    if not chosen:
        raise ValueError(f"{data} has no columns to predict {', '.join(targets)} from")
    return chosen


def _samples(
    reader: Reader, features: Sequence[str], targets: Sequence[str], classes: bool
) -> tuple[Any, NDArray]:
    """Return the features, a table, and the targets: (rows, targets).

    Classes are text in all columns if they are in one of them.
    """
    if not classes:
        both, _ = read(reader, [*features, *targets])
        return both.select(list(features)), np.asarray(both.select(list(targets)))
    X, labels = read(reader, features, targets)
    texts = [each.dtype == object for each in labels]
    if any(texts) and not all(texts):
        X, labels = read(reader, features, targets, as_text=True)
    return X, np.stack(labels, axis=1)


def predict(model: Path, data: Path, output: Path | None = None) -> str:
    """Predict with a saved model from a table, which is read in batches.

    Parameters
    ----------
    model : str or path-like
        Model file.
    data : str or path-like
        CSV or Parquet file with the columns that the model was fitted to, in any order; also a
        folder or pattern of them.
    output : str or path-like, default=None
        CSV or Parquet file to write, whole or not at all; without, the predictions are printed as
        CSV, batch by batch.

    Returns
    -------
    str
        What was done; empty without `output`.
    """
    if output is not None:
        check_format(output)
        check_writable(output)
        _check_apart(output, [model, *files_of(data)], "read")
    fitted, names = _predictor(model)
    rows = rmodels.scan(data)
    batches = _predictions(fitted, names, rows, _needed(fitted, model, data, rows, ()))
    if output is None:
        for text in to_csv(batches):
            sys.stdout.write(text)
        return ""
    first = next(batches)
    write_table(output, chain([first], batches))
    return f"{output}: {', '.join(first)}, {rows.n_rows} rows\n"


def _predictions(
    fitted: Any, names: list[str] | None, rows: Scan, features: list[Column]
) -> Iterator[dict[str, NDArray]]:
    """Yield named columns of predictions, a batch of rows at a time."""
    answer = fitted._prediction()
    source = data.source(fitted, rows, need=fitted._need(), reset=False, task="predict")
    for part in source.batches():
        predicted = answer(part)
        columns = predicted.reshape(len(predicted), -1).T
        if names is None:
            several = [f"prediction_{i}" for i in range(len(columns))]
            names = ["prediction"] if len(columns) == 1 else several
        yield dict(zip(names, columns, strict=True))


def score(model: Path, data: Path, targets: Sequence[str] = ()) -> str:
    """Score a saved model on a table, which is read in batches.

    It is R² of numbers and the accuracy of classes, for each target.

    Parameters
    ----------
    model : str or path-like
        Model file.
    data : str or path-like
        CSV or Parquet file; also a folder or pattern of them.
    targets : sequence of str
        Columns to compare the predictions with; if none, those that the model was fitted to.

    Returns
    -------
    str
        A line for each target.
    """
    fitted, names = _predictor(model)
    names = list(targets) or names
    if names is None:
        raise ValueError(f"{model} does not name its targets: give them with --target")
    _check_once(names)
    rows = rmodels.scan(data)
    check_names(str(data), rows.columns, names)
    width = _n_targets(fitted)
    if len(names) != width:
        raise ValueError(f"{model} predicts {width} targets; got {len(names)}")
    rows = rmodels.scan(data, _needed(fitted, model, data, rows, names))
    found = tally(fitted, rows, names)
    lines = zip(names, found.each.tolist(), strict=True)
    return "".join(f"{found.measure} of {name}: {value:.6g}\n" for name, value in lines)


def _n_targets(model: Any) -> int:
    """Return how many targets a model predicts."""
    if isinstance(model, LinearModel):
        return 1 if np.ndim(model.intercept_) == 0 and model.coef_.ndim == 1 else len(model.coef_)
    if is_classifier(model):
        return len(model.classes_) if isinstance(model.classes_, list) else 1
    return 1 if model._y.ndim == 1 else int(model._y.shape[1])


def _predictor(path: Path) -> tuple[Any, list[str] | None]:
    """Return the model of a file and the names of its targets."""
    model, names = files.read(path)
    if not hasattr(model, "predict"):
        raise ValueError(f"{path} holds a {type(model).__name__}, which does not predict")
    return model, names


def _needed(model: Any, path: Path, data: Path, rows: Scan, left: Sequence[str]) -> list[Column]:
    """Return the columns of a table that a model predicts from.

    By their names, or if it was fitted without, all but those left, in their order.
    """
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        chosen: list[Column] = [str(name) for name in names]
        rows.check(chosen)
        return chosen
    chosen = rows.features(left)
    if len(chosen) != model.n_features_in_:
        raise ValueError(
            f"{path} was fitted without names of columns, to {model.n_features_in_} of them; "
            f"{data} has {len(chosen)} to predict from{reader_of(data).note()}"
        )
    return chosen
