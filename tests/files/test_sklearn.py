"""Pipelines of our estimators with scikit-learn's scalers and encoders, and splits, in files."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import preprocessing
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, LeaveOneOut, RepeatedKFold, ShuffleSplit
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tables import columns

from rmodels import PCA, KNeighborsClassifier, KNeighborsRegressor, LinearRegression, Ridge, RidgeCV
from rmodels.cli import main
from rmodels.files import load, save
from rmodels.files.container import read_container, write_container

pytest.importorskip("safetensors", reason="the extra files is not installed: safetensors")

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "colour": RNG.choice(["red", "green", "blue"], 60),
        "size": RNG.choice(["s", "m", "l"], 60),
        "n": RNG.normal(size=60),
        "k": RNG.normal(size=60),
    }
)
FRAME.loc[3, "n"] = np.nan
Y = RNG.normal(size=60)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(columns(), Ridge(2.0)),
        make_pipeline(columns(sparse_output=False, dtype=np.float32), PCA(3), LinearRegression()),
        make_pipeline(columns(), KNeighborsRegressor(3)),
        make_pipeline(columns(), make_union(PCA(2), StandardScaler()), Ridge()),
        make_pipeline(columns(), "passthrough", RidgeCV(cv=KFold(3))),
    ],
    ids=["ridge", "pca", "neighbours", "union", "splits"],
)
def test_a_pipeline_predicts_the_same(tmp_path, model):
    model.fit(FRAME, Y)
    save(model, tmp_path / "a")
    loaded = load(tmp_path / "a")
    assert repr(loaded) == repr(model)
    np.testing.assert_array_equal(loaded.predict(FRAME), model.predict(FRAME))
    names = model[:-1].get_feature_names_out().tolist() if "union" not in model.named_steps else []
    assert not names or loaded[:-1].get_feature_names_out().tolist() == names
    np.testing.assert_array_equal(loaded.fit(FRAME, Y).predict(FRAME), model.predict(FRAME))
    assert loaded.feature_names_in_.tolist() == FRAME.columns.tolist()


@pytest.mark.parametrize(
    "step",
    [
        preprocessing.Binarizer(),
        preprocessing.KBinsDiscretizer(strategy="uniform"),
        preprocessing.MaxAbsScaler(),
        preprocessing.MinMaxScaler(),
        preprocessing.Normalizer(),
        preprocessing.PolynomialFeatures(),
        preprocessing.PowerTransformer(),
        preprocessing.QuantileTransformer(n_quantiles=10),
        preprocessing.RobustScaler(),
        preprocessing.StandardScaler(with_mean=False),
        SimpleImputer(strategy="median", add_indicator=True),
        FunctionTransformer(),
        FeatureUnion([("a", StandardScaler()), ("b", "drop")]),
    ],
    ids=lambda step: type(step).__name__,
)
def test_every_scaler(tmp_path, step):
    X, y = FRAME[["k", "k"]].to_numpy(), Y > 0
    model = make_pipeline(step, KNeighborsClassifier(3)).fit(X, y)
    save(model, tmp_path / "a")
    loaded = load(tmp_path / "a")
    found, expected = (each[:-1].transform(X) for each in (loaded, model))
    np.testing.assert_array_equal(
        *(each.toarray() if hasattr(each, "toarray") else each for each in (found, expected))
    )
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    "cv",
    [KFold(3, shuffle=True, random_state=0), ShuffleSplit(3, random_state=1), LeaveOneOut(),
     [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]],
    ids=["folds", "shuffles", "one", "rows"],
)  # fmt: skip
def test_ridge_cv_with_a_splitter(tmp_path, cv):
    model = RidgeCV(cv=cv, scoring="neg_mean_squared_error").fit(FRAME[["k"]], Y)
    save(model, tmp_path / "a")
    loaded = load(tmp_path / "a")
    again = loaded.fit(FRAME[["k"]], Y)
    assert again.alpha_ == model.alpha_
    assert again.best_score_ == model.best_score_
    if not isinstance(cv, list):
        assert type(loaded.cv) is type(cv)
        assert vars(loaded.cv) == vars(cv)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (make_pipeline(FunctionTransformer(np.log1p), Ridge()), "func=<ufunc 'log1p'> of Function"),
        (make_pipeline(StandardScaler(), RandomForestRegressor(2)), "a model file does not hold"),
        (make_pipeline(StandardScaler(), KNeighborsRegressor(weights=lambda d: d + 1)),
         "a model file holds no code"),
        (RidgeCV(cv=RepeatedKFold(n_splits=2)), "a model file does not hold"),
    ],
    ids=["function", "forest", "weights", "repeated"],
)  # fmt: skip
def test_what_a_file_does_not_hold(tmp_path, model, said):
    model.fit(FRAME[["k"]] ** 2, Y)
    with pytest.raises(TypeError, match=said):
        save(model, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_not_fitted(tmp_path):
    with pytest.raises(NotFittedError):
        save(make_pipeline(StandardScaler(), Ridge()), tmp_path / "a")


def altered(path, change):
    description, arrays = read_container(path)
    change(description)
    write_container(path, description, arrays)


def test_forged_files(tmp_path):
    path = tmp_path / "a"
    save(make_pipeline(StandardScaler(), Ridge()).fit(FRAME[["k"]], Y), path)
    altered(path, lambda description: description.update(sklearn="0.1"))
    with pytest.warns(InconsistentVersionWarning, match="Pipeline from version 0.1"):
        load(path)
    save(make_pipeline(StandardScaler(), Ridge()).fit(FRAME[["k"]], Y), path)

    def forge(description):
        text = json.dumps(description).replace("StandardScaler", "RandomForestRegressor")
        description.update(json.loads(text))

    altered(path, forge)
    with pytest.raises(ValueError, match="'RandomForestRegressor' of scikit-learn is not"):
        load(path)


def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(make_pipeline(StandardScaler(), Ridge()).fit(FRAME[["k"]], Y), "a")
    FRAME.to_csv("a.csv", index=False)
    assert main(["predict", "a", "a.csv"]) == 1
    assert "a holds a Pipeline of scikit-learn: use it from Python" in capsys.readouterr().err
    assert main(["summary", "a"]) == 0
    assert "columns: k\n" in capsys.readouterr().out
