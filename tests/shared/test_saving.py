"""Every estimator comes back from a file as it was; `tests/files` has the kinds of values."""

import pytest
from cases import CASES, X
from identical import assert_same_model

import rmodels
from rmodels.base.state import Absent, attributes_of


@pytest.mark.parametrize("case", CASES, ids=str)
def test_round_trip_on_each_engine(case, tmp_path, on_engine):
    model = case.fit()
    path, again = tmp_path / "a.rmodel", tmp_path / "again"
    rmodels.save(model, path)
    loaded = rmodels.load(path)
    assert loaded.engine_ == model.engine_
    assert_same_model(model, loaded)
    rmodels.save(loaded, again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_fit_leaves_is_declared(case):
    """Each attribute is, with its type; and what is declared is left."""
    model = case.fit(X, case.y)
    left = {name: vars(model)[name] for name in vars(model).keys() - model.get_params().keys()}
    declared = attributes_of(type(model))
    assert left.keys() <= declared.keys()
    assert all(isinstance(value, declared[name]) for name, value in left.items())
    assert {name for name in declared if Absent not in declared[name]} <= left.keys()
