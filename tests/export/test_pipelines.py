"""Pipelines in graphs: the columns that each step takes, and the dtypes in which they meet."""

import numpy as np
import pandas as pd
import pytest
from graphs import METHODS, feeds_of, run
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from rmodels import PCA, KNeighborsRegressor, Ridge, to_onnx
from rmodels.exceptions import NotCoveredError

# Of scikit-learn before 1.7.
pytestmark = pytest.mark.filterwarnings(r"ignore:\s*The format of the columns:FutureWarning")

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "town": RNG.choice(["a", "b", "c"], 200),
        "seconds": np.arange(0, 2000, 10) + 1_700_000_000,
        "area": RNG.normal(1e5, 1.0, 200),
        "rooms": RNG.integers(1, 9, 200),
        "sold": RNG.random(200) < 0.5,
    }
)
Y = np.arange(200.0)
NUMBERS = FRAME.drop(columns="town").to_numpy(float)


def assert_same(model, X, given=None, dtype=np.float64):
    found = run(to_onnx(model, X if given is None else given, dtype=dtype), feeds_of(X))
    for name, value in found.items():
        wanted = np.asarray(getattr(model, METHODS[name])(X))
        assert value.shape == wanted.shape
        np.testing.assert_array_equal(value.astype(float), wanted.astype(float))


@pytest.mark.parametrize(
    "columns",
    [
        [1, 0],
        [3, 2, 1, 0],
        [-1, 1],
        slice(1, None, 2),
        slice(3, 0, -1),
        [False, True, False, True],
        2,
        np.array([2]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", [float, int, bool], ids=lambda kind: kind.__name__)
def test_columns_of_an_array(columns, kind):
    X = (NUMBERS % 2 > 0.5) if kind is bool else NUMBERS.astype(kind)
    columns = [columns] if isinstance(columns, int) else columns
    model = make_pipeline(make_column_transformer((StandardScaler(), columns)))
    assert_same(model.fit(X), X)
    passed = make_column_transformer(("passthrough", columns), remainder="passthrough")
    assert_same(make_pipeline(passed).fit(X), X)


@pytest.mark.parametrize(
    "columns",
    [
        ["sold", "seconds"],
        slice("seconds", "rooms"),
        [3, 1],
        make_column_selector(dtype_include=int),
    ],
    ids=["names", "slice", "places", "selector"],
)
def test_columns_of_a_frame(columns):
    model = make_pipeline(make_column_transformer((MaxAbsScaler(), columns)))
    assert_same(model.fit(FRAME), FRAME)


def test_all_kinds_are_scaled_together():
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["town"]), remainder=StandardScaler()
    )
    assert_same(make_pipeline(columns).fit(FRAME), FRAME)


def test_integers_that_pass_keep_their_digits():
    for part in (OneHotEncoder(sparse_output=False), OrdinalEncoder(dtype=np.float32)):
        columns = make_column_transformer((part, ["town"]), remainder="passthrough")
        model = make_pipeline(columns, MaxAbsScaler(), KNeighborsRegressor(1)).fit(FRAME, Y)
        assert_same(model, FRAME)
        assert (model.predict(FRAME) == Y).all()


def test_integers_beside_float32_keep_their_digits():
    X = FRAME.astype({"area": np.float32})[["area", "seconds"]]
    columns = make_column_transformer((StandardScaler(), ["area"]), remainder="passthrough")
    for first in (columns, MaxAbsScaler(), make_union("passthrough", MaxAbsScaler())):
        model = make_pipeline(first, KNeighborsRegressor(1)).fit(X, Y)
        assert_same(model, X, dtype=np.float32)


def test_parts_that_weigh():
    X = NUMBERS
    union = FeatureUnion(
        [("a", StandardScaler()), ("b", "passthrough")], transformer_weights={"a": 0.3}
    )
    assert_same(make_pipeline(union).fit(X), X)
    columns = ColumnTransformer(
        [("a", StandardScaler(), ["seconds"]), ("b", "passthrough", ["rooms"])],
        transformer_weights={"b": 0.3},
    )
    assert_same(make_pipeline(columns).fit(FRAME), FRAME)


def test_pipelines_in_pipelines():
    inner = make_column_transformer((StandardScaler(), ["rooms"]), remainder=MaxAbsScaler())
    outer = make_column_transformer(
        (make_pipeline(inner, StandardScaler()), ["seconds", "rooms"]),
        (make_union(OrdinalEncoder(), OneHotEncoder(sparse_output=False)), ["town"]),
    )
    assert_same(make_pipeline(outer).fit(FRAME), FRAME)
    model = make_pipeline(make_pipeline(StandardScaler(), "passthrough"), StandardScaler())
    assert_same(model.fit(NUMBERS), NUMBERS)


def test_an_estimator_takes_columns():
    columns = make_column_transformer((PCA(1), ["seconds", "rooms"]), ("passthrough", ["area"]))
    model = make_pipeline(columns).fit(FRAME)
    found = run(to_onnx(model, FRAME), feeds_of(FRAME))["transformed"]
    # Sums of two products, of which each is at most 1e3, here and there.
    np.testing.assert_allclose(found, model.transform(FRAME), rtol=0, atol=4 * np.spacing(1e3))


def test_text_and_numbers_are_imputed():
    X = FRAME[["town", "area"]].copy()
    X.loc[3, "area"] = np.nan
    X.loc[4, "town"] = "?"
    text = SimpleImputer(missing_values="?", strategy="most_frequent")
    columns = make_column_transformer(
        (make_pipeline(text, OneHotEncoder(sparse_output=False)), ["town"]),
        (SimpleImputer(), ["area"]),
    )
    assert_same(make_pipeline(columns).fit(X), X)


def test_nothing_to_give():
    model = make_pipeline(make_column_transformer(("drop", [0]))).fit(NUMBERS)
    with pytest.raises(NotCoveredError, match="makes no columns"):
        to_onnx(model, NUMBERS)


def test_frames_whose_columns_are_in_another_order():
    X = FRAME[["seconds", "area", "rooms"]]
    model = make_pipeline(StandardScaler(), Ridge()).fit(X, Y)
    other = X[["rooms", "seconds", "area"]].assign(more=1)
    found = run(to_onnx(model, other), feeds_of(X))["prediction"]
    same = run(to_onnx(model, X), feeds_of(X))["prediction"]
    np.testing.assert_array_equal(found, same)


def test_columns_that_are_not_there():
    model = make_pipeline(StandardScaler(), Ridge()).fit(FRAME[["seconds", "area"]], Y)
    with pytest.raises(ValueError, match="X lacks columns that the model was fitted to: area"):
        to_onnx(model, FRAME[["seconds"]])
    with pytest.raises(ValueError, match="fitted to 2 columns, and X has 3"):
        to_onnx(model, NUMBERS[:, :3])
