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
    for command in ("transform", "predict"):
        assert main([command, "m", "queries.csv", "-o", "said.csv"]) == 0
        said = pd.read_csv("said.csv")
        if case.entry.task == "cluster":
            assert said.prediction.tolist() == expected.predict(queries).tolist()
            continue
        assert list(said) == expected.get_feature_names_out().tolist()
        found = said.to_numpy()
        assert found == pytest.approx(expected.transform(queries), rel=1e-9, abs=1e-12)
