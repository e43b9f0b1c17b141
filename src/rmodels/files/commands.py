"""Fitting, predicting and scoring with models and tables in files."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.metrics import r2_score

import rmodels
from rmodels import files, tables
from rmodels.files.writing import check_writable
from rmodels.linear_model._base import LinearModel
from rmodels.readers import check_names

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
        Where a linear model keeps what it knows of the rows read so far; removed at the end.

    Returns
    -------
    str
        What was done.
    """
    check_writable(output)
    model = getattr(rmodels, estimator)(**parameters)
    model._validate_params()
    if _reads_batches(model):
        rows = rmodels.scan(data)
        chosen = _features(data, list(map(str, rows.columns)), targets, features, ignored)
        X = rmodels.scan(data, chosen, checkpoint=checkpoint)
        check_names(str(data), rows.columns, targets)
        model.fit(X, targets[0] if len(targets) == 1 else list(targets))
        count = X.n_rows
    else:
        if checkpoint is not None:
            raise ValueError(f"this {estimator} needs all rows in memory: it has no checkpoint")
        table = tables.open_table(data)
        chosen = _features(data, table.names, targets, features, ignored)
        X, Y = _samples(table, chosen, targets, is_classifier(model))
        model.fit(X, Y[:, 0] if len(targets) == 1 else Y)
        count = len(Y)
    files.save(model, output, target_names=targets)
    if checkpoint is not None:
        os.unlink(checkpoint)
    return (
        f"{output}: {model} of {', '.join(targets)} from {len(chosen)} "
        f"{'column' if len(chosen) == 1 else 'columns'}, {count} rows\n"
    )


def _reads_batches(model: Any) -> bool:
    """Return whether a model is fitted to batches; else it needs all rows at once."""
    needs = ("cv", "scoring", "store_cv_results")
    return (
        isinstance(model, LinearModel)
        and getattr(model, "solver", "auto") not in ("gram", "stream")
        and not any(getattr(model, name, None) for name in needs)
    )


def _features(
    data: Path,
    names: Sequence[str],
    targets: Sequence[str],
    features: Sequence[str],
    ignored: Sequence[str],
) -> list[str]:
    """Return the columns to predict from."""
    for name in ignored:
        if name not in names:
            raise ValueError(f"{data}: no column {name!r} to ignore")
        if name in targets or name in features:
            raise ValueError(f"column {name!r} is both ignored and used")
    if features:
        return list(features)
    left_out = {*targets, *ignored}
    chosen = [name for name in names if name not in left_out]
    if "" in chosen:
        raise ValueError(
            f"{data}: column {names.index('') + 1} has no name. If it numbers the "
            "rows, leave it out: --ignore ''"
        )
    if not chosen:
        raise ValueError(f"{data} has no columns to predict {', '.join(targets)} from")
    return chosen


def _samples(
    table: tables.DataFile, features: Sequence[str], targets: Sequence[str], classes: bool
) -> tuple[Any, NDArray]:
    """Return the features, a table, and the targets: (rows, targets).

    Classes are text in all columns if they are in one of them.
    """
    if not classes:
        both, _ = table.read([*features, *targets])
        return both.select(list(features)), np.asarray(both.select(list(targets)))
    X, labels = table.read(features, targets)
    texts = [each.dtype == object for each in labels]
    if any(texts) and not all(texts):
        X, labels = table.read(features, targets, as_text=True)
    return X, np.stack(labels, axis=1)


def predict(model: Path, data: Path, output: Path | None = None) -> str:
    """Predict with a saved model from a table.

    Parameters
    ----------
    model : str or path-like
        Model file.
    data : str or path-like
        CSV or Parquet file with the columns that the model was fitted to, in any order.
    output : str or path-like, default=None
        CSV or Parquet file to write.

    Returns
    -------
    str
        What was done, or without `output` the predictions as CSV.
    """
    if output is not None:
        tables.check_format(output)
        check_writable(output)
    fitted, names = _predictor(model)
    table = tables.open_table(data)
    X, _ = table.read(_needed(fitted, model, table, ()))
    predicted = fitted.predict(_as_fitted(fitted, X))
    columns = predicted.reshape(len(predicted), -1).T
    if names is None:
        several = [f"prediction_{i}" for i in range(len(columns))]
        names = ["prediction"] if len(columns) == 1 else several
    named = dict(zip(names, columns, strict=True))
    if output is None:
        return tables.to_csv(named)
    tables.write_table(output, named)
    return f"{output}: {', '.join(names)}, {len(predicted)} rows\n"


def score(model: Path, data: Path, targets: Sequence[str] = ()) -> str:
    """Score a saved model on a table: R² of numbers, accuracy of classes, for each target.

    Parameters
    ----------
    model : str or path-like
        Model file.
    data : str or path-like
        CSV or Parquet file.
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
    table = tables.open_table(data)
    needed = _needed(fitted, model, table, names)
    if not is_classifier(fitted):
        X, Y = _samples(table, needed, names, classes=False)
    else:
        outputs = fitted.classes_ if isinstance(fitted.classes_, list) else [fitted.classes_]
        as_text = outputs[0].dtype.kind in "OSU"
        X, labels = table.read(needed, names, as_text=as_text)
        texts = [name for name, each in zip(names, labels, strict=True) if each.dtype == object]
        if texts and not as_text:
            table.read(texts)  # raises: it says where the first text is
        Y = np.stack(labels, axis=1)
    predicted = fitted.predict(_as_fitted(fitted, X)).reshape(len(Y), -1)
    if predicted.shape != Y.shape:
        raise ValueError(f"{model} predicts {predicted.shape[1]} targets; got {len(names)}")
    if is_classifier(fitted):
        measure, values = "accuracy", np.mean(predicted == Y, axis=0)
    else:
        measure, values = "R²", r2_score(Y, predicted, multioutput="raw_values")
    lines = zip(names, values.tolist(), strict=True)
    return "".join(f"{measure} of {name}: {value:.6g}\n" for name, value in lines)


def _predictor(path: Path) -> tuple[Any, list[str] | None]:
    """Return the model of a file and the names of its targets."""
    model, names = files.read(path)
    if not hasattr(model, "predict"):
        raise ValueError(f"{path} holds a {type(model).__name__}, which does not predict")
    return model, names


def _needed(model: Any, path: Path, table: tables.DataFile, left: Sequence[str]) -> list[str]:
    """Return the columns of a table that a model predicts from.

    By their names, or if it was fitted without, all but those left, in their order.
    """
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        return [str(name) for name in names]
    chosen = [name for name in table.names if name not in left]
    if len(chosen) != model.n_features_in_:
        raise ValueError(
            f"{path} was fitted without names of columns, to {model.n_features_in_} of them; "
            f"{table.path} has {len(chosen)} to predict from"
        )
    return chosen


def _as_fitted(model: Any, X: Any) -> Any:
    """Return a table as it is if the model was fitted with names of columns, else an array."""
    return X if hasattr(model, "feature_names_in_") else np.asarray(X)
