"""Steps of scikit-learn that skl2onnx writes otherwise than they are, in one dtype or in all.

Of skl2onnx 1.20 and float64: `Binarizer` makes 1 of what equals the threshold, `Normalizer` NaN of
a row of zeros, and what it makes of `SimpleImputer` and `PolynomialFeatures` does not run; in each
dtype it leaves out the columns that `add_indicator` adds.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import Binarizer, Normalizer, PolynomialFeatures

from rmodels.export.graph import Value

__all__ = ["STEPS", "takes_text"]


def takes_text(step: Any) -> bool:
    """Return whether a step was fitted to text, of which skl2onnx writes what it is."""
    return getattr(step, "statistics_", np.empty(0)).dtype.kind == "O"


def _binarize(step: Any, X: Value) -> Value:
    return X.graph.where(step.threshold < X, 1.0, 0.0).astype(X.dtype)


def _normalize(step: Any, X: Value) -> Value:
    if step.norm == "max":
        norms = X.abs().max(1, keep=True)
    elif step.norm == "l1":
        norms = X.abs().sum(1, keep=True)
    else:
        norms = (X * X).sum(1, keep=True).sqrt()
    return X / X.graph.where(norms.equals(0.0), 1.0, norms).astype(X.dtype)


def _impute(step: Any, X: Value) -> Value:
    graph, missing = X.graph, step.missing_values
    gaps = X.is_nan() if np.isnan(missing) else X.equals(missing)
    found = step.statistics_.astype(X.dtype)
    kept = np.ones(len(found), bool) if step.keep_empty_features else ~np.isnan(found)
    filled = graph.where(gaps, found, X)
    if not kept.all():
        filled = _columns(filled, np.flatnonzero(kept))
    if not step.add_indicator:
        return filled
    added = _columns(gaps, step.indicator_.features_).astype(X.dtype)
    return graph.concatenate([filled, added], 1)


def _raise_powers(step: Any, X: Value) -> Value:
    graph, made = X.graph, []
    for powers in step.powers_:
        places = np.repeat(np.arange(len(powers)), powers)
        if not len(places):
            made.append(graph.full(X, 1, X.dtype.type(1)))
            continue
        product = _columns(X, places[:1])
        for place in places[1:]:
            product = product * _columns(X, [place])
        made.append(product)
    return graph.concatenate(made, 1)


def _columns(X: Value, places: Any) -> Value:
    """Return some columns."""
    numbers = X.graph.constant(np.asarray(places, dtype=np.int64))
    return X.graph.add("Gather", [X, numbers], X.dtype, axis=1)[0]


STEPS: dict[type, Callable[[Any, Value], Value]] = {
    Binarizer: _binarize,
    Normalizer: _normalize,
    PolynomialFeatures: _raise_powers,
    SimpleImputer: _impute,
}
