"""Tables whose columns lack values or hold text, from the shell."""

import numpy as np
import pandas as pd
import pytest

import rmodels
from rmodels import Ridge, scan
from rmodels.cli import main

ROWS = 60
RNG = np.random.default_rng(0)
HOUSES = pd.DataFrame(
    {"area": RNG.uniform(40, 90, ROWS), "town": RNG.choice(["Ulm", "Bonn"], ROWS)}
)
HOUSES["price"] = 3 * HOUSES.area + 20 * (HOUSES.town == "Ulm") + RNG.normal(size=ROWS)
HOUSES["dear"] = np.where(HOUSES.price > 200, "yes", "no")
HOUSES.loc[[4, 30], "area"] = np.nan
PRICE = ("--target", "price", "--ignore", "dear")
DEAR = ("--target", "dear", "--ignore", "price")


@pytest.fixture(params=["csv", "parquet", "tsv.gz"])
def data(request, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow", reason="the extra files is not installed: PyArrow")
    monkeypatch.chdir(tmp_path)
    name = f"houses.{request.param}"
    if request.param == "parquet":
        HOUSES.to_parquet(name)
    else:
        HOUSES.to_csv(name, index=False, sep="\t" if "tsv" in name else ",")
    return name


@pytest.fixture
def run(capsys):
    """Run a command line that must end with a status, and return what it printed."""

    def run(*arguments, status=0):
        ended = main([str(each) for each in arguments])
        printed = capsys.readouterr()
        assert ended == status, printed.err
        return printed.err if status else printed.out

    return run


def _predictions(text):
    return np.array(text.split()[1:], float)


@pytest.mark.parametrize("missing", ["mean", "drop"])
def test_fit_predict_and_score(data, run, missing):
    prepared = ("--missing", missing, "--encode", "onehot")
    said = run("fit", "ridge", data, *PRICE, "-o", "m", *prepared)
    more = " (2 more lack a value)" if missing == "drop" else ""
    rows = ROWS if missing == "mean" else ROWS - 2
    assert said == f"m: Ridge() of price from 2 columns, {rows} rows{more}\n"
    expected = Ridge().fit(
        scan(HOUSES, ["area", "town"], missing=missing, encode="onehot"), "price"
    )
    whole = HOUSES.dropna()
    whole.to_csv("whole.csv", index=False)
    np.testing.assert_array_equal(
        _predictions(run("predict", "m", "whole.csv")), expected.predict(whole[["area", "town"]])
    )
    score = expected.score(scan(HOUSES), "price")
    assert run("score", "m", data) == f"R² of price: {score:.6g}\n"
    score = expected.score(whole[["area", "town"]], whole.price)
    assert run("score", "m", data, "--missing", "drop") == f"R² of price: {score:.6g}\n"
    if missing == "mean":
        np.testing.assert_array_equal(
            _predictions(run("predict", "m", data)), expected.predict(HOUSES[["area", "town"]])
        )
        assert "column 'area': missing value" in run(
            "predict", "m", data, "--missing", "error", status=1
        )
    else:
        assert "column 'area': missing value" in run("predict", "m", data, status=1)


@pytest.mark.parametrize("algorithm", ["k-neighbors-classifier", "gaussian-nb"])
@pytest.mark.parametrize("missing", ["mean", "drop"])
def test_labels(data, run, algorithm, missing):
    """Neighbours are fitted to rows in memory."""
    prepared = {"missing": missing, "encode": "onehot"}
    run("fit", algorithm, data, *DEAR, "-o", "m", "--missing", missing, "--encode", "onehot")
    model = rmodels.load("m")
    expected = type(model)().fit(scan(HOUSES, ["area", "town"], **prepared), "dear")
    assert model.feature_names_in_.tolist() == ["area", "town_Bonn", "town_Ulm"]
    assert model.classes_.tolist() == ["no", "yes"]
    whole = HOUSES[["area", "town"]].dropna()
    np.testing.assert_array_equal(model.predict(whole), expected.predict(whole))
    accuracy = expected.score(scan(HOUSES), "dear")
    assert run("score", "m", data) == f"accuracy of dear: {accuracy:.6g}\n"


def test_transform(data, run):
    columns = ("--feature", "area", "--feature", "town")
    run("fit", "pca", data, *columns, "-o", "m", "--missing", "mean", "--encode", "onehot")
    lines = run("transform", "m", data).splitlines()
    assert lines[0] == '"pca0","pca1","pca2"'
    found = np.array([line.split(",") for line in lines[1:]], float)
    np.testing.assert_array_equal(found, rmodels.load("m").transform(HOUSES[["area", "town"]]))


def test_text_that_was_not_in_the_fit(data, run):
    run("fit", "ridge", data, *PRICE, "-o", "m", "--missing", "mean", "--encode", "onehot")
    HOUSES.assign(town="Wien").to_csv("wien.csv", index=False)
    said = run("predict", "m", "wien.csv", status=1)
    assert "wien.csv, line 2, column 'town': 'Wien' is none of the categories of the fit" in said
    found = _predictions(run("predict", "m", "wien.csv", "--unknown", "zeros"))
    zeros = HOUSES[["area"]].assign(town_Bonn=0.0, town_Ulm=0.0)
    np.testing.assert_array_equal(found, rmodels.load("m").predict(zeros))
    run(
        "fit",
        "ridge",
        data,
        *PRICE,
        "-o",
        "z",
        *["--missing", "mean", "--encode", "onehot"],
        "--unknown",
        "zeros",
    )
    np.testing.assert_array_equal(_predictions(run("predict", "z", "wien.csv")), found)


@pytest.mark.parametrize("algorithm", ["ridge", "k-neighbors-regressor"])
def test_text_says_how_it_is_encoded(data, run, algorithm):
    said = run("fit", algorithm, data, *PRICE, "-o", "m", "--feature", "town", status=1)
    assert "column 'town'" in said
    assert "in a shell --encode onehot, makes columns of 0 and 1 of text" in said
    said = run(
        "fit", algorithm, data, "--target", "town", "-o", "m", "--feature", "price", status=1
    )
    assert "column 'town'" in said
    assert "encode" not in said


def test_summary(data, run):
    run("fit", "ridge", data, *PRICE, "-o", "m", "--missing", "drop", "--encode", "onehot")
    lines = run("summary", "m").splitlines()
    assert lines[1:4] == [
        "columns: area, town_Bonn, town_Ulm",
        "text: town, which is Bonn, Ulm",
        "missing values: rows left out",
    ]
