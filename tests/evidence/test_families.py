"""A family is found because its file is there."""

import sys

import pytest

from rmodels import cli
from rmodels.native import instruction_sets
from rmodels_evidence import families, native
from rmodels_evidence.ladder import use_instruction_set
from rmodels_evidence.problem import Options

FAMILY = """
import numpy as np
from rmodels_evidence.case import Case, differences
from rmodels_evidence.comparison import Comparison
from rmodels_evidence.families import Family
from rmodels_evidence.problem import Agreement, Contender, Problem


class Mean:
    def fit(self, X, y):
        self.mean_ = np.mean(y)

    def predict(self, X):
        return np.full(len(X), self.mean_)

    def score(self, X, y):
        return 1.0


def check(data, answers):
    return {each: Agreement(abs(answer - 1.5), 0.0, "error") for each, answer in answers.items()}


X, y = np.zeros((2, 1)), np.array([1.0, 2.0])
FAMILY = Family(
    comparisons=lambda: [
        Comparison("mean", "two rows", "mean", (X, X, y, y), Mean, Mean, Mean.predict, 0.0)
    ],
    cases=lambda quick: [
        Case("Mean", "two rows", "mean", "known", 0.0, lambda: y.mean(), differences(lambda: 1.5))
    ],
    suite="means",
    problems=lambda options: [
        Problem(
            "mean-of-two",
            "the mean of two rows",
            "means",
            lambda: y,
            (Contender("rmodels", lambda data: data.mean, True),),
            check,
        )
    ],
)
"""


@pytest.fixture
def one_file(tmp_path, monkeypatch):
    """A folder with one family, in the place of that of the families."""
    (tmp_path / "means.py").write_text(FAMILY)
    monkeypatch.setattr(families, "__path__", [str(tmp_path)])
    yield
    sys.modules.pop("rmodels_evidence.families.means", None)


def test_a_new_family_is_one_file(one_file, capsys):
    expected = ("headline", "means", "small", "ladder", "scaling", "map", "gpu")
    assert families.suites() == expected
    assert cli.main(["demo"]) == 0
    assert "mean                          two rows" in capsys.readouterr().out
    assert cli.main(["validate"]) == 0
    assert "1 cases, " in capsys.readouterr().out
    assert cli.main(["bench", "--suite", "means", "--quick"]) == 0
    assert "the mean of two rows" in capsys.readouterr().out


def test_every_family_has_every_part():
    found = families.families()
    assert {"linear", "neighbors"} < {family.suite for family in found}
    options = Options(threads=1, quick=True)
    names = [problem.name for problem in families.problems(options)]
    for family in found:
        assert list(family.comparisons())
        assert list(family.cases(True))
        problems = {problem.name: problem for problem in family.problems(options)}
        suites = {problem.suite for problem in problems.values()}
        assert family.suite in suites
        if family.suite in ("linear", "neighbors"):  # which have ladders, and grow
            assert "ladder" in suites
            assert family.series(options)
        for headline in family.headlines:
            contenders = [each.name for each in problems[headline.problem].contenders]
            assert headline.peer in contenders
            assert names.count(headline.problem) == 1


@pytest.mark.skipif(not instruction_sets(), reason="needs the compiled extension")
@pytest.mark.parametrize("name", instruction_sets())
def test_rungs_are_labelled_by_the_instruction_set_that_they_run_on(name):
    """Whatever `--isa` says, none is labelled by a set that is faster."""
    every = instruction_sets()
    slower = every[every.index(name) :]
    with use_instruction_set(name):
        ladders = [each for each in families.problems(Options(threads=2)) if each.suite == "ladder"]
    for ladder in ladders:
        labels = [each.name.rpartition(", ")[2] for each in ladder.contenders if "C++" in each.name]
        threads = [each.name for each in ladder.contenders if "2 threads" in each.name]
        assert bool(threads) is (ladder.name != "ladder-stochastic")  # whose steps have an order
        assert all(each.endswith(f", {name}") for each in threads)
        assert set(labels) <= {*slower, "scalar"}
        one_thread = [label for label in labels if label != "scalar"][: len(slower)]
        if ladder.name == "ladder-neighbors":
            assert one_thread == [*reversed(slower)]


@pytest.mark.skipif(not instruction_sets(), reason="needs the compiled extension")
def test_rungs_without_the_extension_of_the_measurements_say_so(monkeypatch):
    monkeypatch.setattr(native, "load", lambda: None)
    rungs = [
        contender
        for problem in families.problems(Options(threads=2))
        for contender in problem.contenders
        if contender.name.startswith("C++, two passes")
    ]
    assert len(rungs) == 3
    assert {rung.unavailable for rung in rungs} == {f"not measured: {native.ABSENT}"}
