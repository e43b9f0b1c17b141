"""Constructors and functions are called as scikit-learn 1.9's, whichever version is installed.

`signatures.txt` has a line for each, as scikit-learn 1.9 declares it. What ours have besides comes
after it, by keyword only.
"""

import inspect
from pathlib import Path

import pytest
import sklearn
from sklearn import linear_model, neighbors

import rmodels

LINES = Path(__file__).with_name("signatures.txt").read_text("utf-8").splitlines()
SIGNATURES = {line.partition("(")[0]: line for line in LINES}
OURS = {"LinearRegression": {"iterations": None, "learning_rate": "auto", "solver": "auto"}}
NEW = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)


def declared(name, parameters):
    """Return a signature without annotations."""
    return name + str(inspect.Signature([p.replace(annotation=p.empty) for p in parameters]))


def test_every_one_has_a_line():
    public = {name: getattr(rmodels, name) for name in rmodels.__all__}
    called = {name for name, found in public.items() if hasattr(found, "get_params")}
    assert set(SIGNATURES) == called | {name for name in public if name.endswith("_graph")}


@pytest.mark.parametrize("name", SIGNATURES)
def test_ours(name):
    parameters = list(inspect.signature(getattr(rmodels, name)).parameters.values())
    added = OURS.get(name, {})
    count = len(parameters) - len(added)
    shared, ours = parameters[:count], parameters[count:]
    assert declared(name, shared) == SIGNATURES[name]
    assert {each.name: each.default for each in ours} == added
    assert all(each.kind is each.KEYWORD_ONLY for each in ours)


@pytest.mark.skipif(not NEW, reason="scikit-learn before 1.9")
@pytest.mark.parametrize("name", SIGNATURES)
def test_theirs(name):
    function = getattr(linear_model, name, None) or getattr(neighbors, name)
    assert declared(name, inspect.signature(function).parameters.values()) == SIGNATURES[name]
