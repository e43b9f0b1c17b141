"""Every estimator that a table can be given is fitted, asked and scored on the command line."""

import numpy as np
import pandas as pd
import pytest
from cases import CASES, QUERIES, X

import rmodels
from rmodels.cli import main
from rmodels.cli.options import ALGORITHMS

COMMANDS = {name: command for command, name in ALGORITHMS.items()}


def _options(parameters):
    for name, value in parameters.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            yield flag if value else "--no-" + flag.removeprefix("--")
        else:
            yield from [flag, *map(str, value if isinstance(value, list) else [value])]


@pytest.mark.parametrize("case", [c for c in CASES if c.entry.predicts], ids=str)
def test_fit_predict_and_score(case, tmp_path, monkeypatch, capsys):
    pytest.importorskip("pyarrow", reason="the extra files is not installed: PyArrow")
    monkeypatch.chdir(tmp_path)
    names = ["a", "b", "c"]
    table = pd.DataFrame(X, columns=names)
    table[case.columns] = case.y.reshape(len(X), -1)
    table.to_csv("train.csv", index=False)
    pd.DataFrame(QUERIES, columns=names).to_csv("queries.csv", index=False)
    options = list(_options(case.parameters))
    targets = [text for name in case.columns for text in ("--target", name)]
    fit = ["fit", COMMANDS[case.name], "train.csv", *targets, "-o", "m", *options]
    assert main(fit) == 0, capsys.readouterr().err
    assert {k: rmodels.load("m").get_params()[k] for k in case.parameters} == case.parameters
    expected = case.fit()
    assert main(["predict", "m", "queries.csv", "-o", "said.csv"]) == 0
    said = pd.read_csv("said.csv")
    assert list(said) == case.columns
    predicted = expected.predict(QUERIES)
    assert said.to_numpy() == pytest.approx(
        predicted.reshape(len(QUERIES), -1), rel=1e-9, abs=1e-12
    )
    capsys.readouterr()
    assert main(["score", "m", "train.csv"]) == 0
    lines = capsys.readouterr().out.splitlines()[-len(case.columns) :]
    scores = [float(line.split()[-1]) for line in lines]
    assert np.mean(scores) == pytest.approx(expected.score(X, case.y), abs=1e-6)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.entry.has_command and not c.entry.predicts], ids=str
)
def test_fit_and_transform(case, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow", reason="the extra files is not installed: PyArrow")
    monkeypatch.chdir(tmp_path)
    train, queries = (pd.DataFrame(A, columns=["a", "b", "c"]) for A in (X, QUERIES))
    train.to_csv("train.csv", index=False)
    queries.assign(d=1).to_csv("queries.csv", index=False)
    options = list(_options(case.parameters))
    assert main(["fit", COMMANDS[case.name], "train.csv", "-o", "m", *options]) == 0
    expected = case.make().fit(train)
    assert main(["transform", "m", "queries.csv", "-o", "said.csv"]) == 0
    said = pd.read_csv("said.csv")
    assert list(said) == expected.get_feature_names_out().tolist()
    found = said.to_numpy()
    assert found == pytest.approx(expected.transform(queries), rel=1e-9, abs=1e-12)
    if case.entry.task == "cluster":
        assert main(["predict", "m", "queries.csv", "-o", "said.csv"]) == 0
        assert pd.read_csv("said.csv").prediction.tolist() == expected.predict(queries).tolist()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_model_lacks_is_one_line(case, tmp_path, monkeypatch, capsys):
    """Of each model that a file can hold; fitted from Python, as not all have a command."""
    pytest.importorskip("pyarrow", reason="the extra files is not installed: PyArrow")
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    table.to_csv("rows.csv", index=False)
    model = case.make().fit(table, case.y) if case.entry.predicts else case.make().fit(table)
    rmodels.save(model, "m")
    columns = {
        "predict": hasattr(model, "predict") and ["prediction"],
        "transform": case.entry.tabular
        and hasattr(model, "transform")
        and model.get_feature_names_out().tolist(),
    }
    if case.entry.together:
        columns["predict"] = ["prediction_0", "prediction_1"]
    for command, names in columns.items():
        status = main([command, "m", "rows.csv"])
        said = capsys.readouterr()
        assert status == (not names)
        if names:
            assert said.out.splitlines()[0] == ",".join(f'"{name}"' for name in names)
            continue
        (error,) = said.err.splitlines()
        assert error.startswith(f"rmodels: error: m holds a {case.name}, which ")
        others = [other for other in columns if columns[other]]
        assert all(error.endswith(f": use rmodels {other}") for other in others)
    if not case.entry.predicts:
        assert main(["score", "m", "rows.csv", "--target", "c"]) == 1
        (error,) = capsys.readouterr().err.splitlines()
        assert error.endswith("is not fitted to a target: score is of classifiers and regressors")
    assert main(["summary", "m"]) == 0
