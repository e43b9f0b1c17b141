"""Steps of scikit-learn, as it takes them: integers in float64, float32 in float32.

What skl2onnx 1.20 makes of them is otherwise. It scales integers in float32; `TargetEncoder` and
`OrdinalEncoder` look numbers up in float32, and `OneHotEncoder` without what follows the point. In
float64 `Binarizer` makes 1 of what equals the threshold, `Normalizer` NaN of a row of zeros, and
what it makes of `SimpleImputer` and `PolynomialFeatures` does not run; in each dtype it leaves out
the columns that `add_indicator` adds.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
from numpy.typing import ArrayLike
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from rmodels.base.sklearn import scaler_of_powers
from rmodels.export.encoders import encode_means, encode_one_hot, encode_places
from rmodels.export.graph import Graph, Value
from rmodels.export.operators import read, read_numbers, widths_of
from rmodels.export.shapes import cut, raise_power, rank

__all__ = ["STEPS", "is_ours", "write_step"]

# From 1.9 on scikit-learn rounds the means and scales of StandardScaler to the dtype of the rows.
_ROUNDS = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)


def is_ours(step: Any) -> bool:
    """Return whether a step is ours to write; skl2onnx writes what a fit to text imputes."""
    if isinstance(step, FunctionTransformer):
        return step.func is None
    text = getattr(step, "statistics_", np.empty(0)).dtype.kind == "O"
    return type(step) in STEPS and not text


def write_step(graph: Graph, operator: Any) -> Value:
    """Return what a step makes of its inputs."""
    step = operator.raw_operator
    write = STEPS[type(step)]
    if write is _pass:
        return _pass(step, graph.concatenate(read(graph, operator), 1))
    if write in _ENCODERS:
        return write(step, _columns(graph, operator))
    return write(step, read_numbers(graph, operator))


def _columns(graph: Graph, operator: Any) -> list[Value]:
    """Return the inputs of a step, column by column."""
    values = read(graph, operator)
    alone = len(values) == 1
    widths = [operator.raw_operator.n_features_in_] if alone else widths_of(operator.inputs)
    return [
        value if width == 1 else value.columns([place])
        for value, width in zip(values, widths, strict=True)
        for place in range(width)
    ]


def _pass(step: Any, X: Value) -> Value:
    return X


def _shift(X: Value, operate: Callable[[Value, Any], Value], by: ArrayLike | None) -> Value:
    """Return X after an operation with a number for each column, rounded to the dtype of X."""
    return X if by is None else operate(X, by).astype(X.dtype)


def _clip(X: Value, low: float, high: float) -> Value:
    """Return X no less than one number and no more than another; NaN remains NaN."""
    ends = X.dtype.type(low), X.dtype.type(high)
    raised = X.graph.where(ends[0] > X, ends[0], X)
    return X.graph.where(raised > ends[1], ends[1], raised)


def _standardise(step: Any, X: Value) -> Value:
    mean = step.mean_ if step.with_mean else None
    scale = step.scale_ if step.with_std else None
    if _ROUNDS:
        mean, scale = (each if each is None else each.astype(X.dtype) for each in (mean, scale))
    return _shift(_shift(X, Value.__sub__, mean), Value.__truediv__, scale)


def _scale_robustly(step: Any, X: Value) -> Value:
    centred = _shift(X, Value.__sub__, step.center_ if step.with_centering else None)
    return _shift(centred, Value.__truediv__, step.scale_ if step.with_scaling else None)


def _scale_to_range(step: Any, X: Value) -> Value:
    scaled = _shift(_shift(X, Value.__mul__, step.scale_), Value.__add__, step.min_)
    return _clip(scaled, *step.feature_range) if step.clip else scaled


def _scale_to_largest(step: Any, X: Value) -> Value:
    scaled = _shift(X, Value.__truediv__, step.scale_)
    return _clip(scaled, -1.0, 1.0) if getattr(step, "clip", False) else scaled  # from 1.9 on


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
        filled = filled.columns(np.flatnonzero(kept))
    if not step.add_indicator:
        return filled
    added = gaps.columns(step.indicator_.features_).astype(X.dtype)
    return graph.concatenate([filled, added], 1)


def _raise_powers(step: Any, X: Value) -> Value:
    graph, made = X.graph, []
    for powers in step.powers_:
        places = np.repeat(np.arange(len(powers)), powers)
        if not len(places):
            made.append(graph.full(X, 1, X.dtype.type(1)))
            continue
        product = X.columns(places[:1])
        for place in places[1:]:
            product = product * X.columns([place])
        made.append(product)
    return graph.concatenate(made, 1)


def _even_out(step: Any, X: Value) -> Value:
    raised = raise_power(step, X)
    return _standardise(scaler_of_powers(step), raised) if step.standardize else raised


_ENCODERS = {encode_means, encode_one_hot, encode_places}

STEPS: dict[type, Callable[[Any, Any], Value]] = {
    Binarizer: _binarize,
    FunctionTransformer: _pass,
    KBinsDiscretizer: cut,
    MaxAbsScaler: _scale_to_largest,
    MinMaxScaler: _scale_to_range,
    Normalizer: _normalize,
    OneHotEncoder: encode_one_hot,
    OrdinalEncoder: encode_places,
    PolynomialFeatures: _raise_powers,
    PowerTransformer: _even_out,
    QuantileTransformer: rank,
    RobustScaler: _scale_robustly,
    SimpleImputer: _impute,
    StandardScaler: _standardise,
    TargetEncoder: encode_means,
}
