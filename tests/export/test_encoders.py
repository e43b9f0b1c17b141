"""Encoders of scikit-learn in graphs: the same categories, of text and of numbers."""

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from graphs import feeds_of, run
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from rmodels import to_onnx
from rmodels.exceptions import NotCoveredError

RNG = np.random.default_rng(0)
PLACES = RNG.choice(6, 300, p=[0.4, 0.3, 0.2, 0.05, 0.03, 0.02])
KINDS = {
    "text": np.array(["a", "b", "c", "d", "e", "f"], dtype=object),
    "integers": np.array([3, -7, 0, 1_700_000_000, 1_700_000_001, 2**40 + 1]),
    "floats": np.array([0.1, 1.0, 1.5, 1e9, 1e9 + 1, -0.25]),
    "gaps": np.array([0.1, 1.0, 1.5, 1e9, 1e9 + 1, np.nan]),
}
TARGETS = {
    "continuous": PLACES + RNG.random(300),
    "binary": (RNG.random(300) < 0.2 + 0.1 * PLACES).astype(int),
    "multiclass": RNG.integers(0, 3, 300),
}


def rows_of(kind, frame):
    """Return two columns, of six categories and of five."""
    values = KINDS[kind]
    first, second = values[PLACES], values[:5][np.minimum(PLACES[::-1], 4)]
    X = pd.DataFrame({"one": first, "two": second})
    return X if frame else X.to_numpy()


def made(model, X, queries=None):
    """Return what a graph of an encoder makes."""
    feeds = feeds_of(X if queries is None else queries)
    (found,) = run(to_onnx(model, X), feeds).values()
    return found


def assert_same(model, X, queries=None):
    found = made(model, X, queries)
    wanted = model.transform(X if queries is None else queries)
    wanted = wanted.toarray() if hasattr(wanted, "toarray") else wanted
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("frame", [False, True], ids=["array", "frame"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "step",
    [
        OneHotEncoder(),
        OneHotEncoder(sparse_output=False, dtype=np.float32),
        OneHotEncoder(dtype=np.int64),
        OneHotEncoder(drop="first"),
        OneHotEncoder(drop="if_binary"),
        OneHotEncoder(min_frequency=20),
        OneHotEncoder(min_frequency=20, drop="first"),
        OneHotEncoder(max_categories=3, handle_unknown="infrequent_if_exist"),
        OrdinalEncoder(),
        OrdinalEncoder(dtype=np.float32),
        OrdinalEncoder(max_categories=3),
        OrdinalEncoder(encoded_missing_value=-3.0),
        OrdinalEncoder(max_categories=3, encoded_missing_value=-3.0),
    ],
    ids=repr,
)
def test_categories_are_the_same(step, kind, frame):
    X = rows_of(kind, frame)
    assert_same(make_pipeline(step).fit(X), X)


@pytest.mark.parametrize("frame", [False, True], ids=["array", "frame"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", TARGETS)
def test_means_of_targets_are_the_same(target, kind, frame):
    X = rows_of(kind, frame)
    assert_same(make_pipeline(TargetEncoder()).fit(X, TARGETS[target]), X)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "step",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(handle_unknown="ignore", min_frequency=20),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20),
        OneHotEncoder(handle_unknown="infrequent_if_exist"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20, drop=["x", "y"]),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=3),
        TargetEncoder(),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_categories_that_were_not_in_the_fit(step, kind):
    values = KINDS[kind]
    if isinstance(step, OneHotEncoder) and step.drop is not None:
        step = OneHotEncoder(**step.get_params() | {"drop": [values[0], values[4]]})
    X = rows_of(kind, False)
    model = make_pipeline(step).fit(X, TARGETS["binary"])
    others = {"text": "z", "integers": 1_700_000_002, "floats": 1.25, "gaps": 1e9 + 2}
    queries = X[:3].copy()
    queries[0, 0] = queries[1, 1] = others[kind]
    assert_same(model, X, queries)


@pytest.mark.parametrize("step", [OneHotEncoder(), OrdinalEncoder()], ids=repr)
@pytest.mark.parametrize("kind", ["text", "integers", "floats"])
def test_what_is_unknown_is_an_error_of_the_runtime(step, kind):
    X = rows_of(kind, False)
    model = make_pipeline(step).fit(X)
    queries = X[:3].copy()
    queries[0, 0] = {"text": "z", "integers": 9, "floats": 1.25}[kind]
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="bounds"):
        made(model, X, queries)


def test_columns_of_all_kinds():
    X = pd.DataFrame({kind: values[PLACES] for kind, values in KINDS.items()})
    X["truths"] = PLACES > 2
    for step in (OneHotEncoder(), OrdinalEncoder(), TargetEncoder()):
        assert_same(make_pipeline(step).fit(X, TARGETS["binary"]), X)


@pytest.mark.parametrize("gap", [None, np.nan], ids=repr)
def test_text_that_is_missing(gap):
    X = pd.DataFrame({"a": np.array(["x", "y", gap, "x"], dtype=object)})
    for step in (OneHotEncoder(), OrdinalEncoder(), OrdinalEncoder(encoded_missing_value=-1.0)):
        assert_same(make_pipeline(step).fit(X), X)


def test_float32_is_compared_as_it_is():
    X = np.array([[0.5], [1.0], [0.1]])
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore")).fit(X)
    rows = X.astype(np.float32)  # of which 0.1 is another number
    (found,) = run(to_onnx(model, dtype=np.float32), {"X": rows}).values()
    np.testing.assert_array_equal(found, model.transform(rows).toarray())
    assert found.sum() == 2


def test_nothing_that_is_left():
    model = make_pipeline(OneHotEncoder(drop="first")).fit([[1.0], [1.0]])
    with pytest.raises(NotCoveredError, match="drops all categories"):
        to_onnx(model)


def test_numbers_in_the_place_of_text():
    model = make_pipeline(OrdinalEncoder()).fit(rows_of("text", False))
    with pytest.raises(NotCoveredError, match="give to_onnx rows as those of the fit as X"):
        to_onnx(model)
