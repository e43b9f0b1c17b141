"""Steps of scikit-learn in graphs: the numbers of `transform`, of integers and of floats."""

import numpy as np
import pandas as pd
import pytest
from graphs import feeds_of, run
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
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

from rmodels import KNeighborsRegressor, LinearRegression, to_onnx
from rmodels.exceptions import NotCoveredError

RNG = np.random.default_rng(0)
SECONDS = np.arange(0, 4000, 10) + 1_700_000_000  # which float32 does not tell apart
COUNTS = RNG.integers(-50, 50, 400)
Y = np.arange(400.0)
ROWS = {
    "seconds": SECONDS[:, np.newaxis],
    "counts": COUNTS[:, np.newaxis],
    "integers": np.column_stack([SECONDS, COUNTS, RNG.integers(0, 3, 400)]),
    "unsigned": np.column_stack([COUNTS + 50, COUNTS % 7]).astype(np.uint8),
    "truths": np.column_stack([COUNTS > 0, SECONDS % 3 == 0]),
    "floats": np.column_stack([SECONDS + 0.5, COUNTS / 3]),
    "frame of integers": pd.DataFrame({"a": SECONDS, "b": COUNTS}),
    "frame of all kinds": pd.DataFrame(
        {"a": SECONDS, "b": COUNTS / 3, "c": COUNTS > 0, "d": COUNTS.astype(np.int8)}
    ),
}
EXACT = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    MinMaxScaler(),
    MinMaxScaler((-2, 0.5), clip=True),
    MaxAbsScaler(),
    RobustScaler(),
    RobustScaler(with_centering=False),
    RobustScaler(with_scaling=False),
    KBinsDiscretizer(3, encode="ordinal", strategy="uniform"),
    KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform"),
    KBinsDiscretizer(2, encode="ordinal", strategy="uniform", dtype=np.float32),
    Binarizer(threshold=3),
    FunctionTransformer(),
    OneHotEncoder(sparse_output=False),
    OrdinalEncoder(),
    TargetEncoder(target_type="continuous"),
]


def transformed(model, X, given=None, dtype=np.float64):
    """Return what a graph makes of rows, alone."""
    (found,) = run(to_onnx(model, X if given is None else given, dtype=dtype), feeds_of(X)).values()
    return found


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("step", EXACT, ids=repr)
def test_numbers_are_those_of_transform_bit_for_bit(step, name):
    X = ROWS[name]
    model = make_pipeline(step).fit(X, Y)
    wanted = np.asarray(model.transform(X)).astype(float)
    np.testing.assert_array_equal(transformed(model, X).astype(float), wanted)


@pytest.mark.parametrize("step", EXACT[:-3], ids=repr)
def test_integers_keep_their_digits_beside_rows_of_float32(step):
    """As in scikit-learn integers are float64, whatever the dtype of floats."""
    X = pd.DataFrame({"a": SECONDS, "b": COUNTS})
    model = make_pipeline(step).fit(X)
    wanted = np.asarray(model.transform(X)).astype(float)
    np.testing.assert_array_equal(transformed(model, X, dtype=np.float32).astype(float), wanted)


@pytest.mark.parametrize("step", EXACT, ids=repr)
def test_float32_is_rounded_where_scikit_learn_rounds(step):
    X = np.column_stack([COUNTS / 3, COUNTS**2]).astype(np.float32)
    model = make_pipeline(step).fit(X, Y)
    found, wanted = transformed(model, X, dtype=np.float32), model.transform(X)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "step", [StandardScaler(), MinMaxScaler(), MaxAbsScaler(), RobustScaler()], ids=repr
)
@pytest.mark.parametrize("frame", [False, True], ids=["array", "frame"])
@pytest.mark.parametrize("last", [LinearRegression(), KNeighborsRegressor(1)], ids=repr)
def test_what_is_predicted_of_large_integers(step, frame, last):
    X = pd.DataFrame({"a": SECONDS}) if frame else SECONDS[:, np.newaxis]
    model = make_pipeline(step, last).fit(X, Y)
    found = transformed(model, X)
    # MaxAbsScaler makes numbers near 1 with a slope of 2e8 targets: the product and its sum with
    # the intercept, there and here, are each rounded to spacings of that.
    np.testing.assert_allclose(found, model.predict(X), rtol=0, atol=4 * np.spacing(2e8))
    if isinstance(last, KNeighborsRegressor):
        np.testing.assert_array_equal(found, Y)


POWERS = [
    (PowerTransformer(standardize=False), COUNTS / 7),
    (PowerTransformer(standardize=False), COUNTS),
    (PowerTransformer(standardize=False), np.where(COUNTS % 2, 1e-9, -1e-9) * SECONDS),
    (PowerTransformer("box-cox", standardize=False), COUNTS + 51.0),
    (PowerTransformer("box-cox", standardize=False), np.exp(COUNTS / 9)),
]


@pytest.mark.parametrize(("step", "column"), POWERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_powers(step, column, dtype):
    X = column[:, np.newaxis]
    X = X if dtype == np.float64 else X.astype(np.float32)
    model = make_pipeline(step).fit(X)
    found, wanted = transformed(model, X, dtype=dtype), model.transform(X)
    assert found.dtype == wanted.dtype
    # An exponent e is rounded, which is e spacings of its exponential; the logarithm and the
    # exponential, each with one subtraction made good, are a few, there and here.
    (power,) = model[0].lambdas_
    exponents = np.maximum(abs(power), abs(2 - power)) * np.log1p(np.abs(X).max())
    digits = np.spacing(dtype(1)) * 2 * (exponents + 8)
    np.testing.assert_allclose(found, wanted, rtol=digits)


def test_powers_that_are_scaled():
    X = COUNTS[:, np.newaxis] / 7
    model = make_pipeline(PowerTransformer()).fit(X)
    # Of numbers of size 1: raised to powers between 0 and 2 that are some spacings apart.
    np.testing.assert_allclose(transformed(model, X), model.transform(X), rtol=0, atol=1e-13)


def test_missing_numbers_remain_missing():
    X = np.array([[1.0, 5.0], [np.nan, 2.0], [4.0, np.nan], [2.0, 3.0]])
    for step in (
        StandardScaler(),
        MinMaxScaler(clip=True),
        MaxAbsScaler(),
        RobustScaler(),
        QuantileTransformer(n_quantiles=4),
        PowerTransformer(),
    ):
        model = make_pipeline(step).fit(X)
        found = transformed(model, X)
        np.testing.assert_allclose(found, model.transform(X), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", ROWS)
def test_quantiles(name):
    X = ROWS[name]
    model = make_pipeline(QuantileTransformer(n_quantiles=50)).fit(X)
    # Shares of at most 1 by two interpolations, of which some processors round a product less.
    found, wanted = transformed(model, X), model.transform(X)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2 * np.spacing(1.0))


def test_quantiles_of_what_is_outside_and_between():
    X = np.array([[0.0], [1.0], [1.0], [1.0], [2.0], [7.0]])
    queries = np.array([[-1.0], [0.0], [0.5], [1.0], [1.5], [7.0], [8.0]])
    for count in (6, 2, 1):
        model = make_pipeline(QuantileTransformer(n_quantiles=count)).fit(X)
        found = transformed(model, queries, X)
        np.testing.assert_array_equal(found, model.transform(queries))


def test_quantiles_of_the_normal_distribution():
    model = make_pipeline(QuantileTransformer(n_quantiles=5, output_distribution="normal")).fit(
        ROWS["floats"]
    )
    with pytest.raises(NotCoveredError, match="output_distribution='uniform'"):
        to_onnx(model)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "step",
    [
        Binarizer(threshold=2.0),
        Normalizer("l1"),
        Normalizer("l2"),
        Normalizer("max"),
        PolynomialFeatures(3),
        PolynomialFeatures(interaction_only=True, include_bias=False),
        SimpleImputer(strategy="median"),
        SimpleImputer(missing_values=0.0, add_indicator=True),
        SimpleImputer(keep_empty_features=True, add_indicator=True),
    ],
    ids=repr,
)
def test_steps_of_scikit_learn(step, dtype):
    X = np.array([[0, 0, 0], [2, 1, np.nan], [3, 0, np.nan], [np.nan, 5, np.nan]], dtype)
    X = (
        X
        if isinstance(step, SimpleImputer) and np.isnan(step.missing_values)
        else np.nan_to_num(X, nan=7.0)
    )
    model = make_pipeline(step).fit(X)
    found = run(to_onnx(model, dtype=dtype), {"X": X})["transformed"]
    np.testing.assert_allclose(found, model.transform(X), rtol=1e-6)
