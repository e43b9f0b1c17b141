"""Every function of the catalogue gives what scikit-learn's gives."""

import importlib
import inspect

import numpy as np
import pandas as pd
import pytest
from cases import LABELS, X
from numpy.testing import assert_allclose

import rmodels
from rmodels.catalogue import CATALOGUE


def _call(function, given, parameters):
    """Return the arrays that a function gives, of X or, if it takes them, X and targets."""
    targets = [LABELS] if "y" in inspect.signature(function).parameters else []
    found = function(given, *targets, **parameters)
    return found[:2] if isinstance(found, tuple) else [found.toarray()]


FUNCTIONS = [entry for entry in CATALOGUE.values() if entry.task == "function"]


@pytest.mark.parametrize("entry", FUNCTIONS, ids=lambda entry: entry.name)
def test_gives_what_scikit_learns_gives(entry, on_engine):
    ours = getattr(rmodels, entry.name)
    theirs = getattr(importlib.import_module(entry.home), entry.name)
    expected = _call(theirs, X, entry.example)
    for given in (X, X.tolist(), pd.DataFrame(X)):
        for found, wanted in zip(_call(ours, given, entry.example), expected, strict=True):
            assert_allclose(found, wanted, rtol=1e-12)
    assert all(each.any() for each in expected)


@pytest.mark.parametrize("entry", FUNCTIONS, ids=lambda entry: entry.name)
def test_refuses_what_is_not_finite(entry):
    with pytest.raises(ValueError, match="contains NaN"):
        _call(getattr(rmodels, entry.name), np.where(X > 1, np.nan, X), entry.example)
