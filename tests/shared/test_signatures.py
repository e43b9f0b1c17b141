"""Constructors and functions are called as scikit-learn 1.9's, whichever version is installed.

`signatures.txt` has a line for each, as scikit-learn 1.9 declares it, for the versions before it.
What ours have besides comes after it, by keyword only.
"""

import importlib
import inspect
from pathlib import Path

import pytest
import sklearn

import rmodels
from rmodels.catalogue import CATALOGUE

LINES = Path(__file__).with_name("signatures.txt").read_text("utf-8").splitlines()
SIGNATURES = {line.partition("(")[0]: line for line in LINES}
NEW = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)

every = pytest.mark.parametrize(
    "case",
    [entry for entry in CATALOGUE.values() if entry.in_sklearn],
    ids=lambda entry: entry.name,
)


def declared(name, parameters):
    """Return a signature without annotations."""
    return name + str(inspect.Signature([p.replace(annotation=p.empty) for p in parameters]))


def theirs(entry):
    """Return the signature that the installed scikit-learn declares."""
    function = getattr(importlib.import_module(entry.home), entry.name)
    return declared(entry.name, inspect.signature(function).parameters.values())


def wanted(entry):
    """Return the signature of scikit-learn 1.9."""
    if entry.name in SIGNATURES:
        return SIGNATURES[entry.name]
    if not NEW:
        pytest.skip("signatures.txt has no line for it, and this scikit-learn is before 1.9")
    return theirs(entry)


def parameters_of(entry):
    return list(inspect.signature(getattr(rmodels, entry.name)).parameters.values())


@every
def test_is_called_as_scikit_learns(case):
    parameters = parameters_of(case)
    starts = [declared(case.name, parameters[:i]) for i in range(len(parameters) + 1)]
    assert wanted(case) in starts
    ours = parameters[starts.index(wanted(case)) :]
    assert all(each.kind is each.KEYWORD_ONLY for each in ours)


@every
def test_has_no_other_parameters(case):
    assert declared(case.name, parameters_of(case)) == wanted(case)


@pytest.mark.skipif(not NEW, reason="scikit-learn before 1.9")
@pytest.mark.parametrize("name", SIGNATURES)
def test_lines_are_scikit_learns(name):
    assert theirs(CATALOGUE[name]) == SIGNATURES[name]
