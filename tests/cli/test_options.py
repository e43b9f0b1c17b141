"""What the options of the commands do."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris

import rmodels
from rmodels import SGDOneClassSVM
from rmodels.catalogue import CATALOGUE
from rmodels.cli import main
from rmodels.cli.options import ALGORITHMS, Size
from rmodels.config import get_config
from rmodels.data.scan import Scan


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a table of flowers, in one file and in parts."""
    pytest.importorskip("pyarrow", reason="the extra files is not installed: PyArrow")
    monkeypatch.chdir(tmp_path)
    data = load_iris(as_frame=True).frame
    data.columns = ["sl", "sw", "pl", "pw", "species"]
    data["species"] = np.array(["setosa", "versicolor", "virginica"])[data["species"]]
    data["w"] = np.arange(len(data)) % 3 + 1.0
    data["day"] = pd.date_range("2026-01-01", periods=len(data))
    data.to_csv("iris.csv", index=False)
    data.to_parquet("iris.parquet", index=False)
    (tmp_path / "parts").mkdir()
    for i in range(3):
        part = data.iloc[50 * i : 50 * i + 50].drop(columns="day")
        part.to_csv(f"parts/{i}.csv", index=False)
    return data


@pytest.fixture
def run(capsys):
    def run(line, status=0):
        try:
            ended = main(line.split())
        except SystemExit as exit:
            ended = exit.code
        printed = capsys.readouterr()
        assert ended == status, printed.err
        return printed.err if status else printed.out

    return run


NUMBERS = "--ignore species --ignore day"
WORDS = "--target species --ignore day --ignore w"


@pytest.mark.parametrize(
    ("text", "size"),
    [("1048576", 1 << 20), ("500MB", 500_000_000), ("2GiB", 2 << 30), ("1.5 gb", 1_500_000_000)],
)
def test_sizes(text, size):
    assert Size().convert(text, None, None) == size


def test_settings_hold_during_the_command(folder, run, monkeypatch):
    seen = []
    read = Scan.arrays
    monkeypatch.setattr(
        Scan,
        "arrays",
        lambda self, *given, **more: seen.append(get_config()) or read(self, *given, **more),
    )
    before = get_config()
    settings = "--memory-limit 64MiB --threads 1 --engine reference"
    run(f"fit linear-regression iris.csv --target pw {NUMBERS} -o m {settings}")
    assert rmodels.load("m").engine_ == "reference"
    run(f"predict m iris.csv {settings}")
    run(f"score m iris.csv {settings}")
    assert len(seen) >= 3  # a fit may read more than once
    for each in seen:
        assert (each["memory_limit"], each["n_threads"], each["engine"]) == (
            64 << 20,
            1,
            "reference",
        )
    assert get_config() == before
    error = run("score m iris.csv --memory-limit 10", status=1)
    assert "memory_limit must be a number of bytes, at least 2**20; got 10" in error


def test_priors(folder, run):
    run(f"fit gaussian-nb iris.csv {WORDS} -o m --priors 0.5 0.3 0.2")
    assert rmodels.load("m").priors == [0.5, 0.3, 0.2]


def test_weights(folder, run):
    run(f"fit linear-regression iris.csv --target pw {NUMBERS} --weights w -o m")
    X, y, w = folder[["sl", "sw", "pl"]], folder["pw"], folder["w"]
    model = rmodels.LinearRegression().fit(X, y, w)
    np.testing.assert_allclose(rmodels.load("m").coef_, model.coef_, rtol=1e-12)
    found = json.loads(run("score m iris.csv --weights w --json"))["targets"]["pw"]
    assert found["r2"] == pytest.approx(model.score(X, y, w), rel=1e-12)
    error = y - model.predict(X)
    assert found["rmse"] == pytest.approx(np.sqrt((w * error**2).sum() / w.sum()), rel=1e-9)
    assert found["mae"] == pytest.approx((w * abs(error)).sum() / w.sum(), rel=1e-9)
    # of neighbours, --weights is a parameter
    run("fit k-neighbors-classifier iris.csv --target species --ignore day --sample-weight w"
        " --weights distance -o n")  # fmt: skip
    model = rmodels.KNeighborsClassifier(weights="distance")
    model.fit(folder[["sl", "sw", "pl", "pw"]], folder["species"], w)
    expected = model.predict(folder[["sl", "sw", "pl", "pw"]]).tolist()
    assert [each.strip('"') for each in run("predict n iris.csv").split()[1:]] == expected
    found = json.loads(run("score n iris.csv --json"))
    assert found == {"rows": 150, "targets": {"species": {"accuracy": 1.0}}}
    error = run(f"fit k-neighbors-classifier iris.csv {WORDS} --weights w -o n", status=1)
    assert "Got 'w' instead. A column of weights is given by --sample-weight." in error


def test_probabilities(folder, run):
    run(f"fit k-neighbors-classifier iris.csv {WORDS} -o m")
    run("predict m iris.csv --proba -o out.parquet")
    out = pd.read_parquet("out.parquet")
    labels = ["setosa", "versicolor", "virginica"]
    assert list(out) == ["species", *(f"species_{label}" for label in labels)]
    X = folder[["sl", "sw", "pl", "pw"]]
    model = rmodels.KNeighborsClassifier().fit(X, folder["species"])
    np.testing.assert_array_equal(out.iloc[:, 1:], model.predict_proba(X))
    run(f"fit ridge iris.csv --target pw {NUMBERS} -o r")
    assert "a Ridge gives no probabilities" in run("predict r iris.csv --proba", status=1)
    assert "a Ridge gives no standard deviations" in run("predict r iris.csv --std", status=1)
    error = run("predict r iris.csv --interval 0.9", status=1)
    assert "a Ridge gives no standard deviations: --interval is of linear regression" in error


def test_deviations_and_what_is_kept(folder, run):
    run(f"fit linear-regression iris.csv --target pw {NUMBERS} --ignore w -o m")
    run("predict m iris.parquet --std --keep day --keep pw -o out.parquet")
    out = pd.read_parquet("out.parquet")
    assert list(out) == ["day", "pw", "pw_predicted", "pw_std"]
    X = folder[["sl", "sw", "pl"]]
    predicted, std = rmodels.LinearRegression().fit(X, folder["pw"]).predict(X, return_std=True)
    np.testing.assert_allclose(out["pw_predicted"], predicted, rtol=1e-12)
    np.testing.assert_allclose(out["pw_std"], std, rtol=1e-12)
    run("predict m iris.csv --interval 0.9 --interval-of mean -o out.csv")
    out_mean = pd.read_csv("out.csv")
    assert list(out_mean) == ["pw", "pw_low", "pw_high"]
    expected = rmodels.load("m").predict(X, interval=0.9, interval_of="mean")
    np.testing.assert_allclose(out_mean, np.column_stack(expected), rtol=1e-12)
    assert out["day"].tolist() == folder["day"].tolist()
    assert out["pw"].tolist() == folder["pw"].tolist()
    assert "no column 'none'; it has" in run("predict m iris.csv --keep none", status=1)
    assert "column 'day' is kept twice" in run("predict m iris.csv --keep day --keep day", status=1)


def test_what_is_kept_of_csv_stands_as_it_was(folder, run, monkeypatch):
    run("fit ridge parts --target pw --ignore species --ignore w -o m")
    monkeypatch.setattr("rmodels.data.scan.LARGEST_BATCH", 8 * 3 * 20)  # 20 rows
    run("predict m parts --keep species --keep sl -o out.csv")
    out = pd.read_csv("out.csv", dtype=str)
    assert list(out) == ["species", "sl", "pw"]
    given = pd.concat([pd.read_csv(f"parts/{i}.csv", dtype=str) for i in range(3)])
    assert out["species"].tolist() == given["species"].tolist()
    assert out["sl"].tolist() == given["sl"].tolist()
    np.testing.assert_allclose(
        out["pw"].astype(float), rmodels.load("m").predict(folder[["sl", "sw", "pl"]])
    )


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_folders_patterns_and_several_files(folder, run, algorithm):
    task = CATALOGUE[ALGORITHMS[algorithm]].task
    target = {"classify": "--target species", "regress": "--target pw --ignore species"}
    if CATALOGUE[ALGORITHMS[algorithm]].together:
        target["regress"] = "--target pw --target pl --ignore species"
    fit = f"fit {algorithm} {{}} {target.get(task, '--ignore species')} --ignore w -o m"
    if algorithm.startswith("radius"):
        fit += " --radius 9"
    parameters = getattr(rmodels, ALGORITHMS[algorithm])().get_params()
    if "shuffle" in parameters:  # which files in batches cannot
        fit += " --no-shuffle"
    if "random_state" in parameters:
        fit += " --random-state 0"
    said = run(fit.format("parts"))
    command = "transform" if task == "transform" else "predict"
    predicted = run(f"{command} m parts")
    assert predicted.count("\n") == 151
    # how paths are found is the same for all
    every = ("parts/*.csv", "./parts/") if algorithm == "linear" else ()
    for data in ("parts/0.csv parts/1.csv parts/2.csv", *every):
        assert run(fit.format(data)) == said
        assert run(f"{command} m {data}") == predicted
        if task in target:
            assert run(f"score m {data}") == run("score m parts")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("predict m iris.csv -o parts", "parts is a folder: answers are written to a file"),
        ("fit ridge iris.csv --target pw -o parts", "parts is a folder: it cannot be replaced"),
        ("score m iris.csv --target sl", "column 'sl' is both a feature of the model and a target"),
        ("score m iris.csv --target pw --weights sl",
         "column 'sl' is both a feature of the model and the weights"),
        ("fit ridge empty --target pw -o n", "empty: there is no table"),
        ("fit ridge noending --target pw -o n", "noending: the name has no ending"),
        ("fit ridge iris.xls --target pw -o n", "iris.xls: unknown format '.xls'"),
        ("fit ridge nothere --target pw -o n", "No such file or directory: 'nothere'"),
        ("score m odd.csv", "odd.csv: no column 'pw'; it has 'sl;pw'. Its cells may be parted by "
         "';': separator=, or --separator"),
        ("predict parts iris.csv", "parts is a folder, not a model file"),
        (f"fit radius-neighbors-classifier iris.csv --target w {NUMBERS} --outlier-label two -o n",
         "The dtype of outlier_label two is inconsistent with classes"),
    ],
)  # fmt: skip
def test_messages_name_the_cause(folder, run, tmp_path, line, said):
    run(f"fit ridge iris.csv --target pw {NUMBERS} --ignore w -o m")
    (tmp_path / "empty").mkdir()
    for name in ("noending", "iris.xls"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    (tmp_path / "odd.csv").write_text("sl;pw\n1;2\n")
    assert said in run(line, status=1)


def test_summary(folder, run):
    load_diabetes(as_frame=True).frame.to_csv("diabetes.csv", index=False)
    run("fit linear-regression diabetes.csv --target target -o m")
    said = run("summary m")
    assert said.startswith("LinearRegression(), fitted by the engine ")
    assert "columns: age, sex, bmi, bp, s1, s2, s3, s4 and 2 more\ntargets: target\n" in said
    assert str(rmodels.load("m").summary()) in said
    run("fit poisson-regressor diabetes.csv --target target --alpha 0 -o m")
    assert str(rmodels.load("m").summary()) in run("summary m")
    run("fit poisson-regressor diabetes.csv --target target -o m")
    assert "no tests of the coefficients: summary tests" in run("summary m")
    run(f"fit ridge iris.csv --target pw --target pl {NUMBERS} -o m")
    model = rmodels.load("m")
    said = run("summary m").splitlines()
    assert said[-4].split() == ["sl", *(f"{value:.5g}" for value in model.coef_[:, 0])]
    assert said[-1].split() == ["intercept", *(f"{value:.5g}" for value in model.intercept_)]
    run(f"fit linear-discriminant-analysis iris.csv {WORDS} -o m")
    said, model = run("summary m").splitlines(), rmodels.load("m")
    assert said[-1].split() == ["intercept", *(f"{value:.5g}" for value in model.intercept_)]
    rmodels.save(SGDOneClassSVM(shuffle=False).fit(load_iris().data), "m")
    assert run("summary m").splitlines()[-1].startswith("offset ")
    run(f"fit k-neighbors-classifier iris.csv {WORDS} -o m")
    assert "classes: setosa, versicolor, virginica\n" in run("summary m")


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_words_stand_once(run, algorithm):
    for words in re.findall(r"^  --\S+ (\S*[|]\S*)", run(f"fit {algorithm} --help"), re.MULTILINE):
        assert len(set(words.split("|"))) == len(words.split("|"))
