"""Fitted to tensors, or asked about them, an estimator says what it says of arrays, as tensors."""

import numpy as np
import pytest
from cases import CASES, QUERIES, W, X, answers, assert_close
from scipy import sparse

from rmodels import ops
from rmodels.ops import device

torch = pytest.importorskip("torch", reason="the extra gpu is not installed: PyTorch")

pytestmark = pytest.mark.gpu

PLACES = ["cpu"]
if ops.unavailable("gpu") is None and not device.is_interpreted():
    PLACES.append("cuda")


@pytest.fixture(params=PLACES)
def place(request):
    return request.param


def _kinds(found):
    """The types of all arrays in an answer."""
    if isinstance(found, (list, tuple)):
        return set().union(*map(_kinds, found))
    if isinstance(found, np.ndarray) and found.dtype == object:
        return set().union(*map(_kinds, found))
    return {type(found)}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fit_to_tensors(case, place):
    given = [torch.tensor(part, device=place) for part in (X, case.y)]
    model = case.fit(*given)
    assert_close(answers(model, QUERIES), answers(case.fit(), QUERIES))


@pytest.mark.parametrize("case", [c for c in CASES if c.entry.predicts], ids=str)
def test_weights_on_tensors(case, place):
    given = [torch.tensor(part, device=place) for part in (X, case.y, W)]
    model, expected = case.fit(*given), case.fit(X, case.y, W)
    assert_close(answers(model, QUERIES), answers(expected, QUERIES))
    assert model.score(*given) == pytest.approx(expected.score(X, case.y, W), rel=1e-10)


def _assert_answers_tensors(case, method, place):
    queries = torch.tensor(QUERIES, device=place)
    for model in (case.fit(), case.fit(torch.tensor(X, device=place), case.y)):
        found = getattr(model, method)(queries)
        assert sparse.issparse(found) or _kinds(found) == {torch.Tensor}
        assert_close(answers(model, queries, method), answers(case.fit(), QUERIES, method))


def _having(method):
    having = [case for case in CASES if hasattr(case.make(), method)]
    return pytest.mark.parametrize("case", having, ids=str)


@_having("predict")
def test_predict_tensors(case, place):
    _assert_answers_tensors(case, "predict", place)


@_having("predict_proba")
def test_predict_proba_tensors(case, place):
    _assert_answers_tensors(case, "predict_proba", place)


@_having("transform")
def test_transform_tensors(case, place):
    _assert_answers_tensors(case, "transform", place)


@_having("kneighbors")
def test_kneighbors_tensors(case, place):
    _assert_answers_tensors(case, "kneighbors", place)


@_having("radius_neighbors")
def test_radius_neighbors_tensors(case, place):
    _assert_answers_tensors(case, "radius_neighbors", place)
