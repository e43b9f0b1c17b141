"""Fitting a model to tables in files, and writing it."""

import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier

import rmodels
from rmodels import data as door
from rmodels import files
from rmodels.base.sklearn import check_parameters
from rmodels.cli.paths import check_apart, check_once, tables_in
from rmodels.cli.streams import STREAM, Streams
from rmodels.data.checks import Targets
from rmodels.data.formats import Column, Reader, check_names, read, reader_of
from rmodels.files.checkpoint import check_checkpoint, is_checkpoint
from rmodels.files.writing import check_writable

__all__ = ["fit"]


def fit(
    streams: Streams,
    estimator: str,
    parameters: dict[str, Any],
    data: Sequence[str],
    output: str,
    targets: Sequence[str] = (),
    features: Sequence[str] = (),
    ignored: Sequence[str] = (),
    sample_weight: str | None = None,
    checkpoint: str | None = None,
    separator: str | None = None,
    missing: str | None = None,
    encode: str | None = None,
    unknown: str | None = None,
) -> None:
    """Fit an estimator to tables and save it, in batches if it can be; print what was done.

    Parameters
    ----------
    streams : Streams
    estimator : str
        Name of the class.
    parameters : dict
        Of the estimator.
    data : sequence of str
        Files, folders and patterns of them.
    output : str
        Model file.
    targets : sequence of str
        Columns to predict; none of what is fitted without.
    features : sequence of str
        Columns to use; if none, all that are not named otherwise.
    ignored : sequence of str
        Columns to leave out.
    sample_weight : str, default=None
        Column of the weights.
    checkpoint : str, default=None
        Where a model keeps what it knows of the rows read so far; removed at the end if it was
        written.
    separator : str, default=None
        What parts the cells of CSV files.
    missing, encode, unknown : str, default=None
        As of `rmodels.scan`.
    """
    used = {"a target": targets, "a feature": features, "ignored": ignored}
    check_once(used | {"the weights": [] if sample_weight is None else [sample_weight]})
    written = streams.output(output)
    check_writable(written)
    data = streams.find_tables(data)
    tables = tables_in(data)
    check_apart(written, tables, "read")
    if checkpoint is not None:
        check_apart(checkpoint, tables, "read")
        check_apart(checkpoint, [written], "written")
        check_checkpoint(checkpoint)
    before = _identity(checkpoint)
    model = getattr(rmodels, estimator)(**parameters)
    try:
        check_parameters(model)
    except ValueError as error:
        if "'weights'" not in str(error):
            raise
        raise ValueError(f"{error} A column of weights is given by --sample-weight.") from None
    in_batches = model._fits_in_batches()
    if checkpoint is not None and not in_batches:
        raise ValueError(f"this {estimator} needs all rows in memory: it has no checkpoint")
    source = data[0] if len(data) == 1 else data
    reader = reader_of(source, separator)
    left = [*targets, *([] if sample_weight is None else [sample_weight])]
    check_names(reader.name, reader.columns, left)
    chosen = _features(reader, left, features, ignored)
    prepares: dict[str, Any] = {"missing": missing, "encode": encode, "unknown": unknown}
    rows = rmodels.scan(source, chosen, checkpoint=checkpoint, separator=separator, **prepares)
    X: Any = rows
    y: Any = targets[0] if len(targets) == 1 else list(targets)
    weights: Any = sample_weight
    prepared = None
    scanned = in_batches or model._reads_missing()
    if not scanned and any(prepares.values()):
        kind: Targets = "labels" if is_classifier(model) else "numbers" if targets else "none"
        X, y, weights, prepared = door.gather(clone(model), rows, y, weights, kind)
    elif not scanned:
        reader.encodable = chosen
        X, y, weights = _samples(reader, chosen, targets, sample_weight, is_classifier(model))
    weighted = {} if weights is None else {"sample_weight": weights}
    model.fit(X, *([y] if targets else []), **weighted)
    if prepared is not None:
        vars(model)["_preparation"] = prepared
    count = X.n_rows if scanned else X.num_rows
    left_out = f" ({rows.n_left_out} more lack a value)" if rows.n_left_out else ""
    files.save(model, written, target_names=targets or None)
    streams.finish(output, written)
    after = _identity(checkpoint)
    if checkpoint is not None and after not in (None, before) and is_checkpoint(checkpoint):
        pathlib.Path(os.path.realpath(checkpoint)).unlink(missing_ok=True)
    print(
        f"{output}: {model}{' of ' if targets else ''}{', '.join(targets)} from {len(chosen)} "
        f"{'column' if len(chosen) == 1 else 'columns'}, {count} rows{left_out}",
        file=sys.stderr if output == STREAM else sys.stdout,
    )


def _identity(path: str | None) -> tuple[int, ...] | None:
    """Return what changes if a file is replaced; None if there is none."""
    if path is None or not os.path.exists(path):
        return None
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _features(
    reader: Reader, left: Sequence[str], features: Sequence[str], ignored: Sequence[str]
) -> list[str]:
    """Return the columns to use."""
    for name in ignored:
        if not any(name in part.types for part in reader.parts):
            raise ValueError(f"{reader.name}: no column {name!r} to ignore")
    if features:
        return list(features)
    chosen = list(map(str, reader.others([*left, *ignored])))
    if not chosen:
        purpose = f"predict {', '.join(left)} from" if left else "fit to"
        raise ValueError(f"{reader.name} has no columns to {purpose}")
    return chosen


def _samples(
    reader: Reader,
    features: Sequence[Column],
    targets: Sequence[Column],
    weight: Column | None,
    classes: bool,
) -> tuple[Any, Any, Any]:
    """Return the features, a table, the targets and the weights.

    Classes are text in all columns if they are in one of them.
    """
    weights = [] if weight is None else [weight]
    numbers = [*features, *weights, *([] if classes else targets)]
    labels = targets if classes else ()
    table, found = read(reader, numbers, labels)
    texts = [each.dtype == object for each in found]
    if any(texts) and not all(texts):
        table, found = read(reader, numbers, labels, as_text=True)
    Y = np.stack(found, axis=1) if found else np.asarray(table.select(list(map(str, targets))))
    y = Y[:, 0] if len(targets) == 1 else Y
    weighed = None if weight is None else np.asarray(table.column(str(weight)))
    return table.select(list(map(str, features))), y, weighed
