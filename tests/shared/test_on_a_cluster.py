"""Fitted to a Dask collection, an estimator says what it says fitted to the array; asked, too."""

import warnings

import pytest
from cases import CASES, QUERIES, W, X, answers, assert_close

pytest.importorskip("dask", reason="the extra dask is not installed: Dask")
distributed = pytest.importorskip("distributed", reason="the extra dask is not installed: Dask")

import dask.array as da  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # of Dask and its processes


@pytest.fixture(scope="module", autouse=True)
def client():
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def partitions(array, rows=25):
    return da.from_array(array, chunks=(rows, *array.shape[1:]))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fit_to_partitions(case):
    y = partitions(case.y) if case.entry.predicts else None
    model = case.make().fit(partitions(X), y)
    assert model.n_features_in_ == 3
    assert_close(answers(model, QUERIES), answers(case.fit(), QUERIES))


@pytest.mark.parametrize("case", [c for c in CASES if c.entry.predicts], ids=str)
def test_weights_in_partitions(case):
    model = case.make().fit(partitions(X), partitions(case.y), sample_weight=partitions(W))
    expected = case.fit(X, case.y, W)
    assert_close(answers(model, QUERIES), answers(expected, QUERIES))
    for each in (model, expected):
        computed = {"predict": [_ask(each, "predict").compute()]}
        assert_close(computed, answers(expected, QUERIES, "predict"))
    score = expected.score(partitions(X), partitions(case.y), partitions(W))
    assert score == pytest.approx(expected.score(X, case.y, W), rel=1e-12)


def _ask(model, method):
    """Return what a model will say of partitions; nothing is said of rows that are made up."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return getattr(model, method)(partitions(QUERIES, 5))


def _assert_answers_in_partitions(case, method):
    model = case.fit()
    found = _ask(model, method)
    assert all(isinstance(each, da.Array) for each in (found if type(found) is tuple else [found]))
    computed = answers(model, partitions(QUERIES, 5), method)
    assert_close(computed, answers(model, QUERIES, method))


def _having(method):
    having = [case for case in CASES if hasattr(case.make(), method)]
    return pytest.mark.parametrize("case", having, ids=str)


@_having("predict")
def test_predict_partitions(case):
    _assert_answers_in_partitions(case, "predict")


@_having("predict_proba")
def test_predict_proba_partitions(case):
    _assert_answers_in_partitions(case, "predict_proba")


@_having("transform")
def test_transform_partitions(case):
    _assert_answers_in_partitions(case, "transform")


@_having("kneighbors")
def test_kneighbors_partitions(case):
    _assert_answers_in_partitions(case, "kneighbors")


@_having("radius_neighbors")
def test_radius_neighbors_partitions(case):
    _assert_answers_in_partitions(case, "radius_neighbors")
