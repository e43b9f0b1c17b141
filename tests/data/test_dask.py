"""Fitting and predicting on a real Dask cluster of worker processes."""

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

dask = pytest.importorskip("dask", reason="the extra dask is not installed: Dask")
distributed = pytest.importorskip("distributed", reason="the extra dask is not installed: Dask")

import dask.array as da  # noqa: E402
import dask.dataframe as dd  # noqa: E402

from rmodels import (  # noqa: E402
    KNeighborsClassifier,
    KNeighborsRegressor,
    LinearRegression,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
    Ridge,
    RidgeCV,
    config_context,
    data,
)
from rmodels.base.scores import Hits, Residuals  # noqa: E402
from rmodels.config import thread_count  # noqa: E402
from rmodels.data.dask_source import DaskSource  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of Dask and its processes
    pytest.mark.xdist_group("dask"),  # one cluster
]

N, D = 1000, 4
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D)) + 3.0
Y = X @ RNG.standard_normal((D, 2)) + RNG.standard_normal((N, 2)) + 1.0
W = RNG.random(N) + 0.1


@pytest.fixture(scope="module", autouse=True)
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _chunked(A, rows=130):
    return da.from_array(A, chunks=(rows, *A.shape[1:]))


def _assert_predictions(found, expected):
    """Hold them together as a share of the largest: the terms of a smaller one cancel."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        LinearRegression(fit_intercept=False),
        LinearRegression(iterations=20),
        LinearRegression(iterations=4, learning_rate=0.01, solver="stream"),
        LinearRegression(positive=True),
        Ridge(2.0),
        RidgeCV(),
        RidgeCV(scoring="neg_mean_absolute_error", alpha_per_target=True),
        RidgeCV(cv=3),
    ],
)
def test_linear_models(model):
    expected = model.__class__(**model.get_params()).fit(X, Y, W)
    model.fit(_chunked(X), _chunked(Y), _chunked(W))
    if isinstance(model, RidgeCV):
        np.testing.assert_array_equal(model.alpha_, expected.alpha_)
        np.testing.assert_allclose(model.best_score_, expected.best_score_, rtol=1e-12)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=1e-12, atol=1e-14)
    predicted = model.predict(_chunked(X, 300))
    assert isinstance(predicted, da.Array)
    assert predicted.chunks[0] == (300, 300, 300, 100)
    _assert_predictions(predicted.compute(), expected.predict(X))


@pytest.mark.parametrize("cv", [None, 3])
@pytest.mark.parametrize("far", [0.0, 1e7])
def test_tasks_do_not_hold_the_collection(monkeypatch, cv, far):
    cloudpickle = pytest.importorskip("cloudpickle")
    sizes = []
    fold = DaskSource.fold

    def weighed(self, compute, *args, **options):
        sizes.append(len(cloudpickle.dumps((compute, args))))
        return fold(self, compute, *args, **options)

    monkeypatch.setattr(DaskSource, "fold", weighed)
    Z = X.copy()
    Z[:, 1] = Z[:, 0] + 1e-7 * Z[:, 1]  # decided by the rows that are not in the fold
    RidgeCV([1e-9, 1.0], cv=cv).fit(_chunked(Z + far), _chunked(Y))
    assert len(sizes) > 1
    assert max(sizes) < X.nbytes / 2


@pytest.mark.parametrize("scoring", [None, "neg_mean_squared_error", "neg_mean_absolute_error"])
def test_folds_without_weight_are_refused(scoring):
    weights = np.where(np.arange(N) < N // 2, 0.0, 1.0)
    model = RidgeCV(cv=4, scoring=scoring)
    for given in ((X, Y, weights), tuple(map(_chunked, (X, Y, weights)))):
        with pytest.raises(ValueError, match=r"(?i)sample.weight"):
            model.fit(*given)


def test_scores_without_weight_are_refused():
    for tally in (Residuals, Hits):
        found = tally.of(Y, Y, np.zeros(N))
        for value in ("each", "score"):
            with pytest.raises(ValueError, match="at least one must be positive"):
                getattr(found, value)


def test_columns_in_several_chunks_and_arrays_beside():
    expected = LinearRegression().fit(X, Y[:, 0])
    model = LinearRegression().fit(da.from_array(X, chunks=(200, 2)), Y[:, 0])
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
    assert model.coef_.shape == (D,)


def test_ill_conditioned_columns_go_to_the_rows():
    Z = X.copy()
    Z[:, 1] = Z[:, 0] + 1e-7 * Z[:, 1]
    expected = LinearRegression().fit(Z, Y[:, 0])
    model = LinearRegression().fit(_chunked(Z), _chunked(Y[:, 0]))
    assert model.solver_ == expected.solver_ == "rows"
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)


def test_frames():
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=Y[:, 0], w=W)
    parts = dd.from_pandas(frame, npartitions=5)
    expected = LinearRegression().fit(frame[list("abcd")], frame["y"], W)
    by_name = LinearRegression().fit(parts, "y", "w")
    by_series = LinearRegression().fit(parts[list("abcd")], parts["y"], parts["w"])
    for model in (by_name, by_series):
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
        assert model.feature_names_in_.tolist() == list("abcd")
    found = by_name.predict(parts[list("abcd")])
    _assert_predictions(found.compute(), expected.predict(frame[list("abcd")]))
    std = by_name.predict(parts[list("abcd")], return_std=True)[1]
    np.testing.assert_allclose(std.compute()[:3], by_name.predict(frame[list("abcd")][:3], True)[1])
    with pytest.raises(ValueError, match="feature names should match"):
        by_name.predict(parts[list("bacd")])


def test_summary_with_robust_errors():
    model = LinearRegression().fit(_chunked(X), _chunked(Y[:, 0]))
    found = model.summary(_chunked(X), _chunked(Y[:, 0]), robust="HC2")
    expected = LinearRegression().fit(X, Y[:, 0]).summary(X, Y[:, 0], robust="HC2")
    np.testing.assert_allclose(found.standard_errors, expected.standard_errors, rtol=1e-10)


class TestNeighbours:
    points = RNG.integers(0, 5, (N, D)).astype(float)  # many equal distances
    queries = RNG.integers(0, 5, (60, D)) + 0.25

    @pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
    def test_points_and_queries_in_partitions(self, metric):
        model = NearestNeighbors(n_neighbors=9, metric=metric)
        expected = model.fit(self.points).kneighbors(self.queries)
        model.fit(_chunked(self.points, 150))
        for queries in (self.queries, _chunked(self.queries, 25)):
            distances, indices = model.kneighbors(queries)
            np.testing.assert_array_equal(np.asarray(distances), expected[0])
            np.testing.assert_array_equal(np.asarray(indices), expected[1])
        three = model.kneighbors(_chunked(self.queries, 25), n_neighbors=3, return_distance=False)
        assert isinstance(three, da.Array)
        np.testing.assert_array_equal(three.compute(), expected[1][:, :3])

    labels = np.array(["a", "b", "c"])[RNG.integers(0, 3, (N, 2))]

    @pytest.mark.parametrize("points", ["array", "partitions", "targets", "queries"])
    @pytest.mark.parametrize(
        ("model", "target"),
        [
            (KNeighborsRegressor(5, weights="distance"), Y),
            (KNeighborsRegressor(5), Y[:, 0].astype("f4")),
            (KNeighborsClassifier(5), labels[:, 0]),
            (KNeighborsClassifier(5), labels),
            (RadiusNeighborsRegressor(1.2, weights="distance"), Y),
            (RadiusNeighborsClassifier(1.2), labels[:, 0]),
            (RadiusNeighborsClassifier(0.1, outlier_label="most_frequent"), labels),
        ],
        ids=lambda given: type(given).__name__ if hasattr(given, "fit") else None,
    )
    def test_predictions(self, points, model, target):
        expected = model.fit(self.points, target).predict(self.queries)
        if hasattr(model, "predict_proba"):
            shares = model.predict_proba(self.queries)
        if points != "array":
            given = target if points == "partitions" else _chunked(target, 90)
            model.fit(_chunked(self.points, 150), given)
        queries = self.queries if points == "queries" else _chunked(self.queries, 25)
        found = model.predict(queries)
        assert isinstance(found, np.ndarray if points == "queries" else da.Array)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(np.asarray(found), expected)
        if hasattr(model, "predict_proba"):
            np.testing.assert_array_equal(np.asarray(model.predict_proba(queries)), shares)
            assert np.shape(model.classes_)[-1] == 3

    @pytest.mark.parametrize("points", ["array", "partitions"])
    @pytest.mark.parametrize(
        ("model", "target"),
        [
            (KNeighborsClassifier(2), labels[:, 0]),
            (RadiusNeighborsClassifier(2.0), labels),
            (KNeighborsRegressor(2), Y[:, 0].astype("f4")),
            (RadiusNeighborsRegressor(2.0), Y),
        ],
        ids=lambda given: type(given).__name__ if hasattr(given, "fit") else None,
    )
    def test_the_first_point_has_no_weight(self, points, model, target):
        """The kind of an answer is told without neighbours: those of no weight would be errors."""
        weights = np.arange(N) % 7.0
        expected = model.fit(self.points, target, weights).predict(self.queries)
        if points == "partitions":
            given = (_chunked(A, 150) for A in (self.points, target, weights))
            model.fit(*given)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            found = model.predict(_chunked(self.queries, 25))
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.compute(), expected)

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_functions_meet_no_distances_that_are_made_up(self, dtype):
        def weigh(distances):
            assert len(distances)
            assert not (distances == 1.0).any()
            return np.maximum(0.0, 9.0 - distances)

        target = Y[:, 0].astype(dtype)
        for model, y in ((KNeighborsRegressor, target), (KNeighborsClassifier, self.labels[:, 0])):
            fitted = model(3, weights=weigh).fit(self.points, y)
            found = fitted.predict(_chunked(self.queries, 25))
            expected = fitted.predict(self.queries)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found.compute(scheduler="synchronous"), expected)

    def test_within_a_radius(self):
        model = NearestNeighbors(radius=1.3)
        expected = model.fit(self.points).radius_neighbors(self.queries, sort_results=True)
        by_index = model.radius_neighbors(self.queries, return_distance=False)
        assert max(map(len, expected[0])) > 20
        queries = _chunked(self.queries, 25)
        found = [model.radius_neighbors(queries, sort_results=True)]  # of points in memory
        model.fit(_chunked(self.points, 150))
        found.append(model.radius_neighbors(queries, sort_results=True))
        found.append(model.radius_neighbors(self.queries, sort_results=True))
        for both in found:
            for parts, wanted in zip(both, expected, strict=True):
                for part, one in zip(np.asarray(parts), wanted, strict=True):
                    np.testing.assert_array_equal(part, one)
        indices = model.radius_neighbors(queries, return_distance=False).compute()
        for part, one in zip(indices, by_index, strict=True):
            np.testing.assert_array_equal(part, one)
        graph = model.radius_neighbors_graph(self.queries)
        assert graph.sum() == sum(map(len, expected[0]))

    def test_frames(self):
        frame = pd.DataFrame(self.points, columns=list("abcd"))
        frame["label"] = self.labels[:, 0]
        queries = pd.DataFrame(self.queries, columns=list("abcd"))
        expected = KNeighborsClassifier(3).fit(frame[list("abcd")], frame["label"])
        parts = dd.from_pandas(frame, npartitions=4)
        for model in (
            KNeighborsClassifier(3).fit(parts, "label"),
            KNeighborsClassifier(3).fit(parts[list("abcd")], parts["label"]),
        ):
            assert model.classes_.tolist() == ["a", "b", "c"]
            found = model.predict(dd.from_pandas(queries, npartitions=2)).compute()
            assert found.tolist() == expected.predict(queries).tolist()
            share = expected.score(frame[list("abcd")], frame["label"])
            assert model.score(parts, "label") == share
            assert model.score(parts, ["label"]) == share
            with pytest.raises(ValueError, match="y has 2 columns, and predictions 1"):
                model.score(parts[list("abcd")], parts[["a", "label"]])

    def test_empty_partitions(self):
        frame = pd.DataFrame(self.points, columns=list("abcd"))
        frame = frame.assign(label=self.labels[:, 0], row=np.arange(N))
        parts = dd.from_pandas(frame, npartitions=4)
        rest = parts[parts["row"] >= 300].drop(columns="row")  # nothing of the first partition
        for model in (KNeighborsClassifier(3), RadiusNeighborsClassifier(1.5)):
            expected = model.fit(self.points[300:], self.labels[300:, 0]).predict(self.points[300:])
            model.fit(rest, "label")
            found = model.predict(rest[list("abcd")]).compute()
            assert found.tolist() == expected.tolist()
            assert model.score(rest, "label") == np.mean(expected == self.labels[300:, 0])

    def test_targets_stay_on_the_workers(self):
        model = KNeighborsRegressor(3).fit(_chunked(self.points, 150), _chunked(Y, 150))
        assert model._y.shape == (0, 2)
        expected = KNeighborsRegressor(3).fit(self.points, Y)
        weights = _chunked(W, 150)
        assert model.score(_chunked(self.points, 150), _chunked(Y, 150), weights) == pytest.approx(
            expected.score(self.points, Y, W), rel=1e-12
        )

    def test_what_partitions_cannot_do(self):
        rows = _chunked(self.points)
        with pytest.raises(ValueError, match="searched by the metrics"):
            NearestNeighbors(metric="canberra").fit(rows)
        with pytest.raises(ValueError, match="requires y"):
            KNeighborsRegressor().fit(rows, None)
        with pytest.raises(ValueError, match="Unknown label type"):
            KNeighborsClassifier().fit(rows, _chunked(Y[:, 0]))
        with pytest.raises(ValueError, match=r"y, partition \d, contains NaN"):
            KNeighborsRegressor().fit(rows, _chunked(np.where(Y > 0, np.nan, Y)))
        model = NearestNeighbors().fit(rows)
        with pytest.raises(ValueError, match="n_neighbors = 2000"):
            model.kneighbors(_chunked(self.points), 2000)
        with pytest.raises(ValueError, match="give queries"):
            model.radius_neighbors()
        with pytest.raises(ValueError, match="radius must be one number"):
            model.radius_neighbors(_chunked(self.queries), np.ones(60))


@pytest.mark.parametrize("model", [LinearRegression(), Ridge(), RidgeCV()])
def test_scores(model):
    expected = model.fit(X, Y).score(X, Y, W)
    assert model.score(_chunked(X), _chunked(Y), _chunked(W)) == pytest.approx(expected, rel=1e-12)
    assert model.score(_chunked(X), Y) == pytest.approx(model.score(X, Y), rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda A: np.where(A > 5.5, np.nan, A), r"X, partition \d, contains NaN"),
        (lambda A: A[:-1], "y has"),
    ],
)
def test_errors_leave_the_model_as_it_was(change, message):
    model = LinearRegression().fit(X, Y)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(_chunked(change(X)), Y)
    assert vars(model) == before


def _killing(rows, marker):
    """Return rows, but end the worker the first time."""
    if not Path(marker).exists():
        Path(marker).touch()
        os._exit(1)
    return rows


def test_a_killed_worker_costs_only_time(tmp_path):
    blocks = []
    for i, rows in enumerate(np.array_split(X, 6)):
        made = dask.delayed(_killing)(rows, tmp_path / "killed") if i == 4 else rows
        block = da.from_delayed(dask.delayed(made), rows.shape, rows.dtype)
        blocks.append(block)
    model = LinearRegression().fit(da.concatenate(blocks), Y)
    assert (tmp_path / "killed").exists()
    expected = LinearRegression().fit(_chunked(X, 167), Y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-14)


def test_threads_of_a_worker(client):
    rows = data.source(LinearRegression(), _chunked(X), _chunked(Y), targets="numbers")
    allowed = rows.fold(lambda part: [thread_count()])
    assert allowed == [thread_count()] * 8  # one task at a time on each worker
    with config_context(n_threads=1):
        assert rows.fold(lambda part: [thread_count()]) == [1] * 8
    with config_context(engine="reference"):
        assert LinearRegression().fit(_chunked(X), _chunked(Y)).engine_ == "reference"


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_the_client_holds_no_rows():
    # 128 MB of rows on the workers
    rows = da.random.default_rng(0).standard_normal((1_000_000, 16), chunks=(125_000, 16))
    LinearRegression().fit(rows[:1000].rechunk((500, 16)), rows[:1000, 0].rechunk(500))
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far

    def memory(field):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))

    before = memory("VmRSS")
    LinearRegression().fit(rows, rows @ np.arange(16.0))
    assert memory("VmHWM") - before < 30 << 20
