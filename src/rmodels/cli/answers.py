"""What saved models say of tables in files: predictions, transformed columns, scores."""

import inspect
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import rmodels
from rmodels import data as door
from rmodels import files
from rmodels.base.state import HasState
from rmodels.base.tasks import Predictor, tally
from rmodels.catalogue import CATALOGUE
from rmodels.cli.paths import check_apart, check_once, tables_in
from rmodels.cli.streams import STREAM, Streams
from rmodels.data import Need
from rmodels.data.formats import Column, check_names
from rmodels.data.formats.files import format_of
from rmodels.data.formats.writing import to_csv, write_table
from rmodels.data.preparation import preparation_of
from rmodels.data.scan import Missing, Scan, Unknown
from rmodels.files.writing import check_writable

__all__ = ["predict", "score", "transform"]

Columns = dict[str, Any]
Answer = Callable[[Any], Columns]
Reading = dict[str, Any]

_FLAGS = {"return_std": "--std", "interval": "--interval", "interval_of": "--interval"}


def predict(
    streams: Streams,
    model: str,
    data: Sequence[str],
    output: str | None = None,
    keep: Sequence[str] = (),
    *,
    proba: bool = False,
    std: bool = False,
    interval: float | None = None,
    interval_of: str = "observation",
    separator: str | None = None,
    missing: Missing | None = None,
    unknown: Unknown | None = None,
) -> None:
    """Predict with a saved model from tables, which are read in batches.

    Parameters
    ----------
    streams : Streams
    model : str
        Model file.
    data : sequence of str
        Files, folders and patterns of them, with the columns that the model was fitted to, in any
        order.
    output : str, default=None
        CSV or Parquet file to write, whole or not at all; without, or where it is -, the
        predictions are printed as CSV, batch by batch.
    keep : sequence of str
        Columns of the tables to write before them.
    proba : bool
        Whether to write the probability of each class, too.
    std : bool
        Whether to write the standard deviation of an observation about its prediction, too.
    interval : float, default=None
        Confidence of an interval whose ends are written, too.
    interval_of : {"observation", "mean"}
        What the interval holds.
    separator : str, default=None
        What parts the cells of CSV files.
    missing, unknown : str, default=None
        As of `rmodels.scan`.
    """
    spread: dict[str, Any] = {"return_std": True} if std else {}
    if interval is not None:
        spread |= {"interval": interval, "interval_of": interval_of}

    def answer_with(fitted: Any, names: list[str] | None) -> Answer:
        return _predictions(fitted, names, keep, spread, proba=proba)

    reading: Reading = {"separator": separator, "missing": missing, "unknown": unknown}
    _write(streams, model, data, output, keep, "predict", answer_with, reading)


def transform(
    streams: Streams,
    model: str,
    data: Sequence[str],
    output: str | None = None,
    keep: Sequence[str] = (),
    *,
    separator: str | None = None,
    missing: Missing | None = None,
    unknown: Unknown | None = None,
) -> None:
    """Transform tables with a saved model, a batch of rows at a time.

    Parameters
    ----------
    streams, model, data, output, keep, separator, missing, unknown
        As of `predict`. The columns are called as `get_feature_names_out` of the model says.
    """
    reading: Reading = {"separator": separator, "missing": missing, "unknown": unknown}
    _write(streams, model, data, output, keep, "transform", _transformed, reading)


def _write(
    streams: Streams,
    model: str,
    data: Sequence[str],
    output: str | None,
    keep: Sequence[str],
    method: str,
    answer_with: Callable[[Any, list[str] | None], Answer],
    reading: Reading,
) -> None:
    """Write what a saved model answers to tables.

    Parameters
    ----------
    streams, model, data, output, keep
        As of `predict`.
    method : {"predict", "transform"}
        Which the model must have.
    answer_with : callable
        Of the model and the names of its targets; returns what answers a batch of rows.
    reading : dict
        How the tables are read.
    """
    check_once({"kept": keep})
    printed = output is None or output == STREAM
    if output is not None and not printed:
        if os.path.isdir(output):
            raise ValueError(f"{output} is a folder: answers are written to a file")
        format_of(Path(output))
        check_writable(output)
    model_file, data = streams.file(model), streams.find_tables(data)
    if output is not None and not printed:
        check_apart(output, [model_file, *tables_in(data)], "read")
    fitted, names = _read(model_file)
    _check_method(model_file, fitted, method)
    source = data[0] if len(data) == 1 else data
    rows = rmodels.scan(source, separator=reading["separator"])
    check_names(rows.name, rows.columns, keep)
    columns = _needed(fitted, model, rows, ())
    batches = _beside(
        rmodels.scan(source, columns, **reading),
        fitted,
        answer_with(fitted, names),
        _Kept(rmodels.scan(source, separator=reading["separator"]), keep),
    )
    if printed:
        for text in to_csv(batches):
            sys.stdout.write(text)
        return
    assert output is not None
    first = next(batches)
    scanned = [0]
    write_table(output, _count(chain([first], batches), scanned))
    print(f"{output}: {', '.join(first)}, {scanned[0]} rows")


def _check_method(path: str, fitted: Any, method: str) -> None:
    """Raise if a model does not answer with columns by a method; say which command it takes."""
    kind = type(fitted).__name__
    if hasattr(fitted, "transform") and not CATALOGUE[kind].tabular:
        raise ValueError(
            f"{path} holds a {kind}, which makes graphs of points, and no columns of a table: use "
            "it from Python, by rmodels.load"
        )
    if hasattr(fitted, method):
        return
    other = {"predict": "transform", "transform": "predict"}[method]
    instead = f": use rmodels {other}" if hasattr(fitted, other) else ""
    raise ValueError(f"{path} holds a {kind}, which does not {method}{instead}")


def _count(batches: Iterator[Columns], count: list[int]) -> Iterator[Columns]:
    for batch in batches:
        count[0] += len(next(iter(batch.values())))
        yield batch


def _transformed(fitted: Any, names: list[str] | None) -> Answer:
    """Return what gives the columns of a batch of rows that is transformed."""
    columns = [*map(str, fitted.get_feature_names_out())]
    return lambda X: _name(columns, fitted.transform(X))


def _predictions(
    fitted: Any,
    names: list[str] | None,
    keep: Sequence[str],
    spread: dict[str, Any],
    *,
    proba: bool,
) -> Answer:
    """Return what gives named columns of predictions of a batch of rows."""
    kind = type(fitted).__name__
    if proba and not hasattr(fitted, "predict_proba"):
        raise ValueError(f"a {kind} gives no probabilities: --proba is of classifiers that do")
    if spread and not spread.keys() <= inspect.signature(fitted.predict).parameters.keys():
        flags = " and ".join(sorted({_FLAGS[name] for name in spread}))
        raise ValueError(f"a {kind} gives no standard deviations: {flags} is of linear regression")
    width = fitted._width() if hasattr(fitted, "_width") else 1
    several = [f"prediction_{i}" for i in range(width)]
    targets = names or (["prediction"] if width == 1 else several)
    endings = [""]
    endings += ["_std"] if "return_std" in spread else []
    endings += ["_low", "_high"] if "interval" in spread else []

    def answer(X: Any) -> Columns:
        given = fitted.predict(X, **spread)
        found: Columns = {}
        for ending, values in zip(endings, given if spread else (given,), strict=True):
            shown = [
                f"{name}_predicted" if not ending and name in keep else f"{name}{ending}"
                for name in targets
            ]
            found |= _name(shown, values)
        if proba:
            shares = fitted.predict_proba(X)
            each = shares if isinstance(shares, list) else [shares]
            classes = fitted.classes_ if isinstance(shares, list) else [fitted.classes_]
            for name, labels, share in zip(targets, classes, each, strict=True):
                found |= _name([f"{name}_{label}" for label in labels], share)
        return found

    return answer


def _name(names: Sequence[str], values: NDArray) -> Columns:
    return dict(zip(names, values.reshape(len(values), -1).T, strict=True))


def _beside(rows: Scan, fitted: Any, answer: Answer, kept: "_Kept") -> Iterator[Columns]:
    """Yield the columns that are kept and those of the answers, a batch of rows at a time."""
    need = fitted._need() if hasattr(fitted, "_need") else Need(missing="refuse")
    source = door.source(fitted, rows, need=need, reset=False, task="predict")
    for part in source.batches(whole=True):
        with warnings.catch_warnings():
            # the columns were found by their names
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            found = answer(part.X)
        before = kept.take(len(part.X))
        for name in found:
            if name in before:
                raise ValueError(f"column {name!r} is kept, and what is answered is called so too")
        yield before | found


class _Kept:
    """Columns of tables as they stand, read beside the batches of another scan."""

    def __init__(self, rows: Scan, names: Sequence[str]) -> None:
        self._names = list(names)
        texts = [] if rows.has_types else self._names
        self._batches = rows.read_tables(self._names, texts) if names else iter(())
        self._held: list[Any] = []

    def take(self, count: int) -> Columns:
        """Return the next rows: arrays of Arrow by the names of columns."""
        if not self._names:
            return {}
        import pyarrow

        held = self._held
        while sum(map(len, held)) < count:
            batch = next(self._batches).rows
            made = batch if isinstance(batch, pyarrow.Table) else pyarrow.table(batch)
            held.append(made.select(self._names))
        table = pyarrow.concat_tables(held)
        self._held = [table.slice(count)]
        return {name: table.column(name).slice(0, count) for name in self._names}


def score(
    streams: Streams,
    model: str,
    data: Sequence[str],
    targets: Sequence[str] = (),
    sample_weight: str | None = None,
    *,
    as_json: bool = False,
    separator: str | None = None,
    missing: Missing | None = None,
    unknown: Unknown | None = None,
) -> None:
    """Score a saved model on tables, which are read in batches, and print a line for each target.

    It is R² of numbers and the accuracy of classes.

    Parameters
    ----------
    streams : Streams
    model : str
        Model file.
    data : sequence of str
        Files, folders and patterns of them.
    targets : sequence of str
        Columns to compare the predictions with; if none, those that the model was fitted to.
    sample_weight : str, default=None
        Column of the weights.
    as_json : bool
        Whether to print all measures, as JSON.
    separator : str, default=None
        What parts the cells of CSV files.
    missing, unknown : str, default=None
        As of `rmodels.scan`.
    """
    model_file, data = streams.file(model), streams.find_tables(data)
    fitted, fitted_names = _read(model_file)
    if not isinstance(fitted, Predictor):
        raise ValueError(
            f"{model} holds a {type(fitted).__name__}, which is not fitted to a target: score is "
            "of classifiers and regressors"
        )
    names = list(targets) or fitted_names
    if not names:
        raise ValueError(f"{model} does not name its targets: give them with --target")
    weights = [] if sample_weight is None else [sample_weight]
    source = data[0] if len(data) == 1 else data
    rows = rmodels.scan(source, separator=separator)
    columns = list(map(str, _named(fitted, rows) or ()))
    check_once({"a feature of the model": columns, "a target": names, "the weights": weights})
    check_names(rows.name, rows.columns, [*names, *weights])
    width = fitted._width()
    if len(names) != width:
        raise ValueError(f"{model} predicts {width} targets; got {len(names)}")
    needed = _needed(fitted, model, rows, [*names, *weights])
    rows = rmodels.scan(source, needed, separator=separator, missing=missing, unknown=unknown)
    found = tally(fitted, rows, names, sample_weight)
    if as_json:
        print(json.dumps(_measures(found, names, rows.n_rows), ensure_ascii=False))
        return
    for name, value in zip(names, found.each.tolist(), strict=True):
        print(f"{found.measure} of {name}: {value:.6g}")


def _measures(found: Any, names: Sequence[str], n_rows: int | None) -> dict[str, Any]:
    """Return what JSON can hold of all measures of the predictions."""
    each = {measure: values.tolist() for measure, values in found.tabulate().items()}
    by_target = {
        name: {
            measure: values[place] if math.isfinite(values[place]) else None
            for measure, values in each.items()
        }
        for place, name in enumerate(names)
    }
    return {"rows": n_rows, "targets": by_target}


def _read(path: str) -> tuple[Any, list[str] | None]:
    """Return the model of a file, and the names of its targets."""
    model, names = files.read(path)
    if not isinstance(model, HasState):
        raise ValueError(
            f"{path} holds a {type(model).__name__} of scikit-learn: use it from Python, by "
            "rmodels.load"
        )
    return model, names


def _named(model: Any, rows: Scan) -> list[Column] | None:
    """Return the columns of a table that a model uses, if it was fitted with names."""
    names = getattr(model, "feature_names_in_", None)
    prepared = preparation_of(model)
    if prepared is not None and prepared.is_given(rows.columns):
        return prepared.columns
    return None if names is None else [str(name) for name in names]


def _needed(model: Any, path: str, rows: Scan, left: Sequence[str]) -> list[Column]:
    """Return the columns of a table that a model uses.

    By their names, or if it was fitted without, all but those left, in their order.
    """
    named = _named(model, rows)
    if named is not None:
        prepared = preparation_of(model)
        texts = [] if prepared is None else [each for each in named if each in prepared.categories]
        rows.check([each for each in named if each not in texts], texts)
        return named
    chosen = rows.features(left)
    if len(chosen) != model.n_features_in_:
        raise ValueError(
            f"{path} was fitted without names of columns, to {model.n_features_in_} of them; "
            f"{rows.name} has {len(chosen)} to predict from{rows.note()}"
        )
    return chosen
