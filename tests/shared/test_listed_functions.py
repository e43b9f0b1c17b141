"""Every function of the catalogue gives what scikit-learn's gives."""

import importlib

import numpy as np
import pandas as pd
import pytest
from cases import X
from numpy.testing import assert_allclose

import rmodels
from rmodels.catalogue import CATALOGUE

FUNCTIONS = [entry for entry in CATALOGUE.values() if entry.task == "function"]


@pytest.mark.parametrize("entry", FUNCTIONS, ids=lambda entry: entry.name)
def test_gives_what_scikit_learns_gives(entry, on_engine):
    ours = getattr(rmodels, entry.name)
    theirs = getattr(importlib.import_module(entry.home), entry.name)
    expected = theirs(X, **entry.example).toarray()
    for given in (X, X.tolist(), pd.DataFrame(X)):
        assert_allclose(ours(given, **entry.example).toarray(), expected, rtol=1e-12)
    assert expected.any()


@pytest.mark.parametrize("entry", FUNCTIONS, ids=lambda entry: entry.name)
def test_refuses_what_is_not_finite(entry):
    with pytest.raises(ValueError, match="contains NaN"):
        getattr(rmodels, entry.name)(np.where(X > 1, np.nan, X), **entry.example)
