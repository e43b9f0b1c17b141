"""Fitting and predicting from files and other sources that are read in batches."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import rich.console
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.model_selection import KFold

import rmodels
from rmodels import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    LinearRegression,
    NearestNeighbors,
    RadiusNeighborsRegressor,
    Ridge,
    RidgeCV,
    data,
    scan,
)

N, D = 900, 4
NAMES = [f"x{i}" for i in range(D)]


def _data(dtype=np.float64, offset=0.0):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((N, D)) + offset).astype(dtype)
    y = X.astype(float) @ [1.0, -2.0, 3.0, 0.5] + rng.standard_normal(N) + 2.0
    return X, y, rng.random(N) + 0.1


def _table(**kwargs):
    X, y, w = _data(**kwargs)
    return pa.table({**dict(zip(NAMES, X.T, strict=True)), "y": y, "w": w})


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr("rmodels.data.scan.LARGEST_BATCH", 8 * 6 * 100)


@pytest.fixture
def folder(tmp_path):
    """Three Parquet files, and the same in CSV."""
    table = _table()
    for i, first in enumerate((0, 250, 600)):
        part = table.slice(first, (250, 350, 300)[i])
        pq.write_table(part, tmp_path / f"part{i}.parquet", row_group_size=120)
    (tmp_path / "csv").mkdir()
    table.to_pandas().iloc[:400].to_csv(tmp_path / "csv" / "a.csv", index=False)
    table.to_pandas().iloc[400:].to_csv(tmp_path / "csv" / "b.csv", index=False)
    return tmp_path


def _memmap(folder, name, array):
    np.save(folder / name, array)
    return np.load(folder / name, mmap_mode="r")


def _assert_predictions(found, expected, tolerance):
    """Hold them together as a share of the largest: the terms of a smaller one cancel."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


SOURCES = {
    "pattern": lambda folder: scan(str(folder / "*.parquet"), NAMES),
    "folder": lambda folder: scan(folder / "csv"),
    "list": lambda folder: scan([folder / f"part{i}.parquet" for i in range(3)], NAMES),
    "dataset": lambda folder: scan(
        pa.dataset.dataset([str(folder / f"part{i}.parquet") for i in range(3)])
    ),
    "tables": lambda folder: scan(lambda: (_table().slice(i, 90) for i in range(0, N, 90))),
    "frames": lambda folder: scan(lambda: [_table().to_pandas()]),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_array(folder, source, weighted):
    X, y, w = _data()
    rows = SOURCES[source](folder)
    given = {"sample_weight": "w"} if weighted else {}
    if not weighted and source not in ("list", "pattern"):
        X = np.column_stack([X, w])  # all columns that are not the target
    model = LinearRegression().fit(rows, "y", **given)
    expected = LinearRegression().fit(X, y, w if weighted else None)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=1e-12)
    assert model.feature_names_in_.tolist() == [*NAMES, "w"][: X.shape[1]]
    assert rows.n_rows == N
    _assert_predictions(model.predict(rows), expected.predict(X), 1e-12)


def test_memmap(tmp_path):
    X, y, w = _data()
    rows = scan(_memmap(tmp_path, "x.npy", X))
    expected = LinearRegression().fit(X, y, w)
    model = LinearRegression().fit(rows, _memmap(tmp_path, "y.npy", y), w)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
    numbered = LinearRegression().fit(scan(np.column_stack([X, y, w])), D, D + 1)
    np.testing.assert_allclose(numbered.coef_, expected.coef_, rtol=1e-12)
    with pytest.raises(ValueError, match="y has 899 rows"):
        LinearRegression().fit(rows, y[:-1])


ALPHAS = [0.1, 1.0, 10.0, 100.0]
RIDGES = [
    RidgeCV(ALPHAS),
    RidgeCV(ALPHAS, scoring="r2"),
    RidgeCV(ALPHAS, scoring="neg_mean_absolute_error", fit_intercept=False),
    RidgeCV(ALPHAS, cv=4),
    RidgeCV(ALPHAS, cv=KFold(7), fit_intercept=False),
    RidgeCV(ALPHAS, cv=3, scoring="neg_root_mean_squared_error"),
    RidgeCV(ALPHAS, cv=3, scoring="neg_mean_squared_error"),
]


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(iterations=50),
        LinearRegression(iterations=50, solver="stream"),
        LinearRegression(iterations=50, solver="stream", learning_rate=0.1, fit_intercept=False),
        LinearRegression(positive=True),
        LinearRegression(positive=True, fit_intercept=False),
        LinearRegression(solver="rows"),
        Ridge(3.0),
        Ridge(3.0, positive=True),
        *RIDGES,
    ],
)
def test_every_linear_model(folder, model):
    X, y, w = _data()
    expected = model.__class__(**model.get_params()).fit(X, y, w)
    model.fit(scan(str(folder / "*.parquet"), NAMES), "y", "w")
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-11, atol=1e-14)
    if getattr(model, "solver", "") == "stream":
        assert (model.solver_, model.engine_) == ("stream", expected.engine_)
        np.testing.assert_allclose(model.loss_history_, expected.loss_history_, rtol=1e-12)
    if isinstance(model, RidgeCV):
        assert model.alpha_ == expected.alpha_
        assert model.best_score_ == pytest.approx(expected.best_score_, rel=1e-12)


@pytest.mark.parametrize("cv", [None, 3])
def test_ridge_of_ill_conditioned_columns_and_several_targets(tmp_path, cv):
    X, y, w = _data()
    X[:, 1] = X[:, 0] + 1e-7 * X[:, 1]
    Y = np.column_stack([y, y**2])
    model, scoring = RidgeCV([1e-10, 1e-3], cv=cv), None if cv else "r2"
    given = {"scoring": scoring, "alpha_per_target": cv is None}
    expected = RidgeCV([1e-10, 1e-3], cv=cv, **given).fit(X, Y, w)
    model.set_params(**given).fit(scan(X), Y, w)
    np.testing.assert_array_equal(model.alpha_, expected.alpha_)
    np.testing.assert_allclose(model.best_score_, expected.best_score_, rtol=1e-9)
    _assert_predictions(model.predict(X), expected.predict(X), 1e-8)


def test_passes_over_the_rows(folder, monkeypatch):
    passes = []
    arrays = rmodels.data.scan.Scan.arrays

    def counted(self, *args):
        passes.append(args)
        return arrays(self, *args)

    monkeypatch.setattr(rmodels.data.scan.Scan, "arrays", counted)
    for model, expected in (
        (LinearRegression(), 1),
        (LinearRegression(iterations=9), 1),
        (LinearRegression(iterations=9, solver="stream", learning_rate=0.1), 1),  # all are kept
        (Ridge(positive=True), 3),
        (LinearRegression(positive=True), 3),
        (Ridge(), 1),
        (RidgeCV(), 2),
        (RidgeCV(cv=5), 3),
    ):
        passes.clear()
        model.fit(scan(folder / "*.parquet"), "y")
        assert len(passes) == expected, model
    monkeypatch.setattr("rmodels.data.scan_source.KEPT_SHARE", np.inf)
    passes.clear()
    LinearRegression(iterations=9, solver="stream", learning_rate=0.1).fit(
        scan(folder / "*.parquet"), "y"
    )
    assert len(passes) == 10


def test_streams_diverge_and_name_a_rate(folder):
    model = LinearRegression(iterations=5, solver="stream", learning_rate=5.0)
    with pytest.warns(ConvergenceWarning, match="the largest stable one is"):
        model.fit(scan(folder / "*.parquet"), "y")
    model.set_params(iterations=500)
    with pytest.raises(ValueError, match="overflowed in 500 iterations"):
        model.fit(scan(folder / "part0.parquet"), "y")


def test_ill_conditioned_columns_are_refined_in_further_passes(tmp_path):
    X, y, _ = _data()
    X[:, 1] = X[:, 0] + 2e-5 * X[:, 1]
    pq.write_table(pa.table({**dict(zip(NAMES, X.T, strict=True)), "y": y}), tmp_path / "a.parquet")
    model = LinearRegression().fit(scan(tmp_path), "y")
    expected = LinearRegression().fit(X, y)
    assert model.solver_ == expected.solver_ == "rows"
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
    found = model.summary(scan(tmp_path), "y")
    np.testing.assert_allclose(
        found.standard_errors, expected.summary(X, y).standard_errors, rtol=1e-8
    )
    robust = model.summary(scan(tmp_path), "y", robust="HC3")
    np.testing.assert_allclose(
        robust.standard_errors, expected.summary(X, y, robust="HC3").standard_errors, rtol=1e-8
    )


def test_sorted_files_far_from_zero(tmp_path):
    X, y, _ = _data(offset=1e6)
    order = np.argsort(X[:, 0])
    columns = {**dict(zip(NAMES, X[order].T, strict=True)), "y": y[order]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    model = LinearRegression().fit(scan(tmp_path), "y")
    np.testing.assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-12)


def test_float32_and_several_targets(tmp_path):
    table = _table(dtype=np.float32)
    pq.write_table(table, tmp_path / "a.parquet")
    X, y, w = _data(dtype=np.float32)
    model = LinearRegression().fit(scan(tmp_path, NAMES), ["y", "w"])
    expected = LinearRegression().fit(X, np.column_stack([y, w]))
    assert model.coef_.dtype == np.float32
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-6)
    assert model.predict(scan(tmp_path)).shape == (N, 2)


def test_partial_fit_goes_on_with_a_scan(folder):
    X, y, _ = _data()
    model = LinearRegression().fit(scan(folder / "part0.parquet", NAMES), "y")
    model.partial_fit(scan([folder / f"part{i}.parquet" for i in (1, 2)]), "y")
    np.testing.assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("model", [LinearRegression(), Ridge(), RidgeCV(), KNeighborsRegressor()])
def test_score_of_numbers(folder, model, weighted):
    X, y, w = _data()
    model.fit(pd.DataFrame(X, columns=NAMES), y)
    given = w if weighted else None
    expected = model.score(pd.DataFrame(X, columns=NAMES), y, given)
    for source in (folder / "*.parquet", folder / "csv"):
        rows = scan(source, NAMES)
        assert model.score(rows, "y", "w" if weighted else None) == pytest.approx(
            expected, rel=1e-12
        )
        assert model.score(rows, y, given) == pytest.approx(expected, rel=1e-12)


def test_score_far_from_zero_and_of_several_targets(tmp_path):
    X, y, _ = _data()
    Y = np.column_stack([y + 1e8, np.full(N, 3.0)])
    columns = {**dict(zip(NAMES, X.T, strict=True)), "y": Y[:, 0], "z": Y[:, 1]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    frame = pd.DataFrame(X, columns=NAMES)
    model = KNeighborsRegressor(3).fit(frame, Y)
    found = model.score(scan(tmp_path, NAMES), ["y", "z"])
    assert found == pytest.approx(model.score(frame, Y), rel=1e-12)
    with pytest.raises(ValueError, match="y has 1 columns, and predictions 2"):
        model.score(scan(tmp_path, NAMES), "y")
    with pytest.warns(UndefinedMetricWarning, match="less than two samples"):
        assert np.isnan(model.score(scan(frame[:1]), Y[:1]))


@pytest.mark.parametrize("kind", ["*.parquet", "csv"])
@pytest.mark.parametrize("text", [False, True])
def test_score_of_classes(tmp_path, kind, text):
    X, _, w = _data()
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, (N, 2))
    if text:
        labels = np.array(["a", "b", "NA"], dtype=object)[labels]
    frame = pd.DataFrame(X, columns=NAMES).assign(
        p=labels[:, 0], q=labels[:, 1], r=labels[:, 1], w=w
    )
    for i, part in enumerate((frame[:400], frame[400:])):
        part.to_parquet(tmp_path / f"{i}.parquet", row_group_size=150)
        (tmp_path / "csv").mkdir(exist_ok=True)
        part.to_csv(tmp_path / "csv" / f"{i}.csv", index=False)
    rows = scan(tmp_path / kind, NAMES)
    flipped = np.where(rng.random(N) < 0.3, np.roll(labels[:, 0], 1), labels[:, 0])
    model = KNeighborsClassifier(1).fit(frame[NAMES], flipped)
    for given, weights in ((None, None), ("w", w)):
        expected = model.score(frame[NAMES], labels[:, 0], weights)
        assert 0.5 < expected < 0.95
        assert model.score(rows, "p", given) == pytest.approx(expected, rel=1e-12)
        assert model.score(rows, labels[:, 0], weights) == pytest.approx(expected, rel=1e-12)
    model = KNeighborsClassifier(1).fit(rows, "p")  # labels from the files
    assert model.classes_.tolist() == np.unique(labels[:, 0]).tolist()
    assert model.score(rows, "p") == 1.0
    both = KNeighborsClassifier(1).fit(frame[NAMES], np.column_stack([labels[:, 0], flipped]))
    expected = np.mean((labels[:, 0] == labels[:, 1]) & (flipped == labels[:, 1]))
    found = both.score(rows, ["q", "r"])
    assert found == pytest.approx(expected, rel=1e-12)


def test_faults_of_labels(tmp_path):
    columns = {"x": np.arange(6.0), "y": ["a", "b", None, "a", "b", "a"]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=2)
    with pytest.raises(ValueError, match=r"a\.parquet, row 3, column 'y': missing value"):
        KNeighborsClassifier().fit(scan(tmp_path), "y")
    model = KNeighborsClassifier(1).fit(pd.DataFrame({"x": [0.0, 1.0]}), ["a", "b"])
    with pytest.raises(ValueError, match=r"a\.parquet, row 3, column 'y': missing value"):
        model.score(scan(tmp_path), "y")
    with pytest.raises(ValueError, match="column 'y': numbers are needed, and it holds string"):
        KNeighborsRegressor().fit(scan(tmp_path), "y")
    (tmp_path / "a.csv").write_text("x,y\n0,1\n1,inf\n")
    with pytest.raises(ValueError, match=r"a\.csv, line 3, column 'y': 'inf' is not finite"):
        KNeighborsRegressor().fit(scan(tmp_path / "a.csv"), "y")
    with pytest.raises(ValueError, match="y has 4 rows, and the scan has more"):
        KNeighborsRegressor().fit(scan(tmp_path / "a.parquet", ["x"]), np.zeros(4))


def test_reads_ahead():
    X, y, _ = _data()
    asked, computed = [], []

    def batches():
        for i in range(0, N, 90):
            asked.append(i)
            yield pa.table({"x": X[i : i + 90, 0], "y": y[i : i + 90]})

    rows = data.source(LinearRegression(), scan(batches), "y", targets="numbers")
    assert asked == [0]  # for its columns; the pass goes on with it

    def slow(part):
        ahead = min(len(computed) + 2, 10)
        until = time.monotonic() + 60
        while len(asked) < ahead and time.monotonic() < until:
            time.sleep(0.001)
        computed.append(len(asked))  # batches asked for when this one has been computed with
        return len(part.Y)

    assert rows.fold(slow) == N
    assert computed == [*range(2, 11), 10]


@pytest.mark.parametrize("kind", ["*.parquet", "csv"])
def test_progress(folder, kind, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(rich.get_console(), "__dict__", vars(rich.console.Console()))
    with rmodels.config_context(progress=True):
        LinearRegression().fit(scan(folder / kind), "y")
        assert rmodels.get_config()["progress"]
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert re.search(r"fit .*100% .*0:00:00", shown)  # the share that is done, and the time left


class TestNeighbours:
    @pytest.fixture(autouse=True)
    def small_blocks(self, monkeypatch):
        monkeypatch.setattr("rmodels.data.scan_source.BLOCK_SHARE", (1 << 30) // (8 * D * 150))

    def _points(self, tmp_path):
        rng = np.random.default_rng(0)
        X = rng.integers(0, 4, (N, D)).astype(float)  # many equal distances
        y = rng.standard_normal(N)
        labels = np.array(["a", "b", "c"])[rng.integers(0, 3, N)]
        columns = {**dict(zip(NAMES, X.T, strict=True)), "y": y, "label": labels}
        pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=200)
        return scan(tmp_path / "a.parquet", NAMES), X, y, labels

    @pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine"])
    @pytest.mark.parametrize("algorithm", ["auto", "kd_tree"])
    def test_kneighbors(self, tmp_path, metric, algorithm):
        if (metric, algorithm) == ("cosine", "kd_tree"):
            algorithm = "brute"
        rows, X, *_ = self._points(tmp_path)
        model = NearestNeighbors(n_neighbors=17, metric=metric, algorithm=algorithm)
        expected = model.fit(X).kneighbors(X[:50] + 0.25)
        found = model.fit(rows).kneighbors(pd.DataFrame(X[:50] + 0.25, columns=NAMES))
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
        assert model.n_samples_fit_ == N

    def test_more_neighbours_than_a_block_has(self, tmp_path):
        rows, X, *_ = self._points(tmp_path)
        expected = NearestNeighbors(n_neighbors=N).fit(X).kneighbors(X[:3])
        found = NearestNeighbors(n_neighbors=N).fit(rows)
        found = found.kneighbors(pd.DataFrame(X[:3], columns=NAMES))
        np.testing.assert_array_equal(found[1], expected[1])

    def test_predictions(self, tmp_path):
        rows, X, y, labels = self._points(tmp_path)
        Q = X[:40] + 0.25
        for model, column, target in (
            (KNeighborsRegressor(5, weights="distance"), "y", y),
            (KNeighborsClassifier(5), "label", labels),
            (RadiusNeighborsRegressor(1.5), "y", y),
        ):
            expected = model.fit(X, target).predict(Q)
            frame = pd.DataFrame(Q, columns=NAMES)
            np.testing.assert_array_equal(model.fit(rows, column).predict(frame), expected)

    def test_queries_from_files(self, tmp_path):
        rows, X, y, _ = self._points(tmp_path)
        model = KNeighborsRegressor(3).fit(pd.DataFrame(X, columns=NAMES), y)
        np.testing.assert_array_equal(
            model.predict(rows), model.predict(pd.DataFrame(X, columns=NAMES))
        )
        assert model.kneighbors(rows)[1].shape == (N, 3)

    def test_what_a_scan_cannot_do(self, tmp_path):
        rows, *_ = self._points(tmp_path)
        with pytest.raises(ValueError, match="searched by the metrics"):
            NearestNeighbors(metric="canberra").fit(rows)
        with pytest.raises(ValueError, match="give queries"):
            NearestNeighbors().fit(rows).kneighbors()


class TestErrors:
    def _assert_nothing_fitted(self, rows, message, y="y"):
        model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
        before = dict(vars(model))
        with pytest.raises(ValueError, match=message):
            model.fit(rows, y)
        assert vars(model) == before

    def test_damaged_file(self, folder):
        path = folder / "part1.parquet"
        content = bytearray(path.read_bytes())
        place = pq.ParquetFile(path).metadata.row_group(1).column(0)
        first = place.data_page_offset if place.dictionary_page_offset is None else (
            place.dictionary_page_offset
        )  # fmt: skip
        content[first : first + 200] = os.urandom(200)
        path.write_bytes(content)
        self._assert_nothing_fitted(
            scan(folder / "*.parquet"), r"part1\.parquet, row group 2 of 3 cannot be read"
        )

    def test_no_parquet_file_at_all(self, folder):
        (folder / "part1.parquet").write_bytes(b"something else")
        with pytest.raises(ValueError, match=r"part1\.parquet cannot be read"):
            scan(folder / "*.parquet")

    @pytest.mark.parametrize("kind", ["parquet", "csv", "dataset"])
    def test_column_missing_in_one_file(self, folder, kind):
        table = _table().drop_columns(["x2"])
        pq.write_table(table, folder / "part1.parquet")
        table.to_pandas().to_csv(folder / "csv" / "b.csv", index=False)
        if kind == "dataset":
            files = [str(folder / f"part{i}.parquet") for i in range(3)]
            rows = scan(pa.dataset.dataset(files))
        else:
            rows = scan(folder / "csv" if kind == "csv" else folder / "*.parquet")
        place = r"b\.csv" if kind == "csv" else r"part1\.parquet"
        self._assert_nothing_fitted(rows, place + ": no column 'x2'")

    @pytest.mark.parametrize("column", ["x1", "y"])
    def test_nan(self, folder, column):
        table = _table().slice(250, 350).to_pandas()
        table.loc[130, column] = np.nan
        pq.write_table(pa.Table.from_pandas(table), folder / "part1.parquet", row_group_size=120)
        rows = scan(folder / "*.parquet", NAMES)
        place = rf"part1\.parquet, row 131, column '{column}'"
        self._assert_nothing_fitted(rows, place)

    def test_text_and_nan_in_csv(self, folder):
        path = folder / "csv" / "b.csv"
        lines = path.read_text().splitlines()
        for cell, fault in (("large", "'large' is not a number"), ("", "missing value")):
            cells = lines[30].split(",")
            cells[2] = cell
            path.write_text("\n".join([*lines[:30], ",".join(cells), *lines[31:]]))
            place = rf"b\.csv, line 31, column 'x2': {fault}"
            self._assert_nothing_fitted(scan(folder / "csv"), place)

    def test_text_column(self, folder):
        table = _table().append_column("name", pa.array(["a"] * N))
        pq.write_table(table, folder / "part0.parquet")
        rows = scan(folder / "part0.parquet")
        self._assert_nothing_fitted(rows, r"part0\.parquet, column 'name': numbers are needed")

    def test_negative_weights(self, folder):
        table = _table()
        w = table.column("w").to_numpy().copy()
        w[700] = -1.0
        table = table.set_column(table.column_names.index("w"), "w", pa.array(w))
        pq.write_table(table, folder / "part0.parquet", row_group_size=300)
        with pytest.raises(ValueError, match=r"row 701, column 'w': -1.0 is negative"):
            LinearRegression().fit(scan(folder / "part0.parquet"), "y", "w")

    def test_bad_sources(self, folder):
        for source, message in (
            ([folder / "part0.parquet", folder / "csv" / "a.csv"], "one format"),
            (folder / "*.orc", "there is no table"),
            (np.zeros(3), "two dimensions"),
            (list, "no batches"),
        ):
            with pytest.raises(ValueError, match=message):
                scan(source)
        with pytest.raises(ValueError, match="no column 'z'"):
            scan(folder / "part0.parquet", ["z"])
        with pytest.raises(ValueError, match="expecting 4 features"):
            LinearRegression().fit(np.eye(4), np.arange(4)).predict(scan(folder / "*.parquet"))

    @pytest.mark.parametrize(
        "model",
        [
            LinearRegression(solver="gram"),
            LinearRegression(solver="gram", iterations=5),
            RidgeCV(cv=KFold(3, shuffle=True)),
            RidgeCV(cv=[([0], [1])]),
            RidgeCV(scoring="explained_variance"),
            RidgeCV(store_cv_results=True),
        ],
    )
    def test_what_batches_cannot_do(self, folder, model, monkeypatch):
        monkeypatch.delattr("rmodels.data.scan.Scan.read_tables")  # nothing is read
        with pytest.raises(ValueError, match="needs X as an array"):
            model.fit(scan(folder / "*.parquet"), "y")

    def test_more_folds_than_rows(self):
        with pytest.raises(ValueError, match="n_splits=4 greater than the number of samples"):
            RidgeCV(cv=4).fit(scan(np.eye(3)), np.arange(3.0))


def _run(code, *arguments, **kwargs):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **kwargs,
    )


class TestCheckpoint:
    KILLED = """
        import os, signal, sys
        import rmodels, rmodels.data.scan
        from rmodels.files import checkpoint
        checkpoint.SECONDS = 0.0
        rmodels.data.scan.LARGEST_BATCH = 8 * 6 * 100
        write = checkpoint.Checkpoint.write_if_due
        def killed(self, moments, size, row):
            write(self, moments, size, row)
            if row >= 500:
                os.kill(os.getpid(), signal.SIGKILL)
        checkpoint.Checkpoint.write_if_due = killed
        rows = rmodels.scan(sys.argv[1], checkpoint=sys.argv[2])
        rmodels.LinearRegression().fit(rows, "y", "w")
    """

    @pytest.mark.parametrize("kind", ["*.parquet", "csv"])
    def test_goes_on_after_a_kill(self, folder, kind, monkeypatch):
        kept = folder / "fit.checkpoint"
        done = _run(self.KILLED, folder / kind, kept)
        assert done.returncode == -signal.SIGKILL, done.stderr
        read = []
        arrays = rmodels.data.scan.Scan.arrays

        def counted(self, columns, task, start=0, *labels):
            for batch, X in arrays(self, columns, task, start, *labels):
                read.append(len(X))
                yield batch, X

        monkeypatch.setattr(rmodels.data.scan.Scan, "arrays", counted)
        model = LinearRegression().fit(scan(folder / kind, checkpoint=kept), "y", "w")
        assert 0 < sum(read) <= N - 500
        whole = LinearRegression().fit(scan(folder / kind), "y", "w")
        np.testing.assert_array_equal(model.coef_, whole.coef_)
        assert model.intercept_ == whole.intercept_

    def test_of_other_data_is_refused(self, folder):
        kept = folder / "fit.checkpoint"
        LinearRegression().fit(scan(folder / "*.parquet", checkpoint=kept), "y")
        with pytest.raises(ValueError, match="not a checkpoint of this fit"):
            LinearRegression().fit(scan(folder / "*.parquet", NAMES, checkpoint=kept), "y")
        pq.write_table(_table(), folder / "part0.parquet")
        with pytest.raises(ValueError, match="not a checkpoint of this fit"):
            LinearRegression().fit(scan(folder / "*.parquet", checkpoint=kept), "y")
        with pytest.raises(ValueError, match="needs files"):
            LinearRegression().fit(scan(np.eye(5), checkpoint=folder / "b"), 4)

    def test_command_removes_it(self, folder):
        arguments = ["fit", "linear-regression", str(folder / "*.parquet"), "--target", "y"]
        arguments += ["-o", str(folder / "m.rmodel"), "--checkpoint", str(folder / "c")]
        from rmodels.cli import main

        assert main(arguments) == 0
        assert not (folder / "c").exists()
        model = rmodels.load(folder / "m.rmodel")
        assert model.n_features_in_ == D + 1


LARGE = 3_000_000


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """380 MB of numbers, a million rows in each row group."""
    path = tmp_path_factory.mktemp("large") / "a.parquet"
    schema = pa.schema([(f"x{i}", pa.float64()) for i in range(16)])
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(path, schema, use_dictionary=False, compression="NONE") as writer:
        for _ in range(3):
            arrays = [pa.array(rng.standard_normal(1_000_000)) for _ in range(16)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), 1_000_000)
    return path


PEAK = """
import json, sys
import numpy as np, pyarrow.parquet
import rmodels
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * next(int(x.split()[1]) for x in lines if x.startswith("VmHWM"))
rmodels.set_config(memory_limit=100 << 20)
warm = np.random.default_rng(0).standard_normal((2000, 16))
rows = rmodels.scan(sys.argv[1], [f"x{i}" for i in range(15)])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
class TestMemory:
    """A process that may use 100 MB for 380 MB of numbers."""

    def test_of_a_fit_and_a_score(self, large):
        code = """
            rmodels.LinearRegression().fit(rmodels.scan(warm), 15)
            before = peak()
            model = rmodels.LinearRegression().fit(rows, "x15")
            score = model.score(rows, "x15")
            print(json.dumps([peak() - before, model._counted, score]))
        """
        done = _run(PEAK + textwrap.dedent(code), large)
        assert done.returncode == 0, done.stderr
        used, rows, score = json.loads(done.stdout)
        assert rows == LARGE
        assert 0 < score < 1e-4
        assert used < 100 << 20

    def test_of_a_fit_that_reads_several_times(self, large):
        code = """
            start = np.random.default_rng(1).standard_normal((20, 15))
            given = {"init": start, "n_init": 1, "max_iter": 3, "n_clusters": 20}
            rmodels.KMeans(**given).fit(rmodels.scan(warm, list(range(15))))
            before = peak()
            model = rmodels.KMeans(**given).fit(rows)
            print(json.dumps([peak() - before, len(model.labels_)]))
        """
        done = _run(PEAK + textwrap.dedent(code), large)
        assert done.returncode == 0, done.stderr
        used, rows = json.loads(done.stdout)
        assert rows == LARGE
        assert used < (100 << 20) + 4 * LARGE  # beyond the result

    def test_of_neighbours_of_points_on_disk(self, large):
        code = """
            rmodels.NearestNeighbors(n_neighbors=3).fit(warm).kneighbors(warm[:20])
            before = peak()
            model = rmodels.NearestNeighbors(n_neighbors=3, radius=2.0).fit(rows)
            distances, indices = model.kneighbors(warm[:20, :15])
            within = model.radius_neighbors(warm[:5, :15], return_distance=False)
            used = peak() - before
            print(json.dumps([used, distances.tolist(), indices.tolist(),
                              [each.tolist() for each in within]]))
        """
        done = _run(PEAK + textwrap.dedent(code), large)
        assert done.returncode == 0, done.stderr
        used, distances, indices, within = json.loads(done.stdout)
        assert used < 100 << 20
        names = [f"x{i}" for i in range(15)]
        columns = [pq.read_table(large, columns=[name])[name].to_numpy() for name in names]
        queries = np.random.default_rng(0).standard_normal((2000, 16))[:20, :15]
        model = NearestNeighbors(n_neighbors=3, radius=2.0).fit(np.stack(columns, axis=1))
        expected = model.kneighbors(queries)
        np.testing.assert_array_equal(distances, expected[0])
        np.testing.assert_array_equal(indices, expected[1])
        expected = model.radius_neighbors(queries[:5], return_distance=False)
        assert within == [each.tolist() for each in expected]
        assert any(within)

    def test_of_a_prediction_by_the_command(self, large, tmp_path):
        model = LinearRegression().fit(np.eye(16)[:, :15], np.arange(16.0))
        model.feature_names_in_ = np.array([f"x{i}" for i in range(15)], dtype=object)
        rmodels.save(model, tmp_path / "a.rmodel")
        code = """
            from rmodels.cli import main
            rmodels.LinearRegression().fit(rmodels.scan(warm), 15)
            before = peak()
            assert main(["predict", sys.argv[2], sys.argv[1], "-o", sys.argv[3]]) == 0
            print(json.dumps(peak() - before))
        """
        output = tmp_path / "out.parquet"
        done = _run(PEAK + textwrap.dedent(code), large, tmp_path / "a.rmodel", output)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) < 100 << 20
        assert pq.read_metadata(output).num_rows == LARGE


RNG = np.random.default_rng(0)


def test_labels_of_a_function_that_fills_one_array():
    def batches():
        rng = np.random.default_rng(0)
        held = np.empty((20, 3))
        for label in range(3):
            held[:, :2] = rng.standard_normal((20, 2)) + 10 * label
            held[:, 2] = label
            yield held

    model = KNeighborsClassifier().fit(scan(batches), 2)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])


def test_a_batch_of_a_wider_dtype_than_the_first():
    def batches():
        yield np.ones((5, 3), np.float32)
        yield np.ones((5, 3))

    with pytest.raises(ValueError, match="batch 2 is of float64, wider than the first: float32"):
        LinearRegression().fit(scan(batches), 2)


def test_text_labels_of_a_function_that_gives_tables():
    def batches():
        rng = np.random.default_rng(0)
        for label in "ab":
            x = rng.standard_normal(20) + 10 * (label == "b")
            yield pd.DataFrame({"x": x, "y": [label] * 20})

    model = KNeighborsClassifier().fit(scan(batches), "y")
    assert model.score(scan(batches), "y") == 1.0


def test_columns_with_and_without_names_are_warned_of_as_in_memory():
    frame = pd.DataFrame(RNG.standard_normal((20, 3)), columns=list("aby"))
    X = frame[["a", "b"]].to_numpy()
    named = LinearRegression().fit(frame[["a", "b"]], frame["y"])
    nameless = LinearRegression().fit(X, frame["y"])
    for model, said, queries in (
        (named, "X does not have valid feature names", [X, scan(X), scan(lambda: [X])]),
        (
            nameless,
            "X has feature names, but LinearRegression was fitted without",
            [frame[["a", "b"]], scan(frame, ["a", "b"])],
        ),
    ):
        for each in queries:
            with pytest.warns(UserWarning, match=said):
                predicted = model.predict(each)
            # BLAS adds products of rows that lie otherwise in memory in another order
            expected, most = named.predict(frame[["a", "b"]]), 4 * 2.0**-53
            terms = abs(X) @ abs(named.coef_) + abs(named.intercept_)
            assert (abs(predicted - expected) <= 2 * most * terms).all()
    with (
        pytest.warns(UserWarning, match="X does not have valid feature names"),
        pytest.raises(ValueError, match="X has 3 features, but LinearRegression is expecting 2"),
    ):
        named.predict(scan(frame.to_numpy()))


def test_columns_that_are_no_list_or_are_there_twice():
    frame = pd.DataFrame(RNG.standard_normal((20, 3)), columns=list("aby"))
    with pytest.raises(ValueError, match=r"columns='ab' must be a list of columns: \['ab'\]"):
        scan(frame, "ab")
    with pytest.raises(ValueError, match="column 'a' is asked for twice"):
        scan(frame, ["a", "b", "a"])


def test_numbered_columns_twice():
    A = RNG.standard_normal((50, 4))
    model = LinearRegression().fit(scan(lambda: iter([A])), 3)
    assert model.score(scan(lambda: iter([A])), 3) == pytest.approx(model.score(A[:, :3], A[:, 3]))
    with pytest.raises(ValueError, match="expecting 3"):
        model.predict(scan(lambda: iter([A])))


def test_one_column_of_a_wide_csv(tmp_path):
    pd.DataFrame(RNG.standard_normal((40, 600))).rename(columns="c{}".format).to_csv(
        tmp_path / "wide.csv", index=False
    )
    with rmodels.config_context(memory_limit=1 << 30):
        model = LinearRegression().fit(scan(tmp_path / "wide.csv", ["c1"]), "c2")
    assert model.n_features_in_ == 1


def test_damaged_values_in_pages_with_checksums(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"x": RNG.standard_normal(5000), "y": RNG.standard_normal(5000)})
    pq.write_table(table, path, write_page_checksum=True, compression="none", use_dictionary=False)
    damaged = bytearray(path.read_bytes())
    damaged[20_000:20_400] = bytes(400)
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"a\.parquet, row group 1 of 1"):
        LinearRegression().fit(scan(path), "y")


def _reading():
    return [thread for thread in threading.enumerate() if "rmodels-scan" in thread.name]


def test_an_error_of_a_batch_that_is_kept_keeps_no_thread(monkeypatch):
    monkeypatch.setattr("rmodels.data.scan.LARGEST_BATCH", 8)  # a row at a time
    frame = pd.DataFrame({"a": np.arange(9.0), "town": ["b", "c", "d"] * 3})
    model = LinearRegression().fit(scan(frame, encode="onehot"), "a")
    unknown = frame.assign(town="e")
    with pytest.raises(ValueError, match="'e' is none of the categories") as kept:
        model.score(scan(unknown), "a")
    assert kept.traceback
    assert not _reading()


def test_an_error_that_is_kept_keeps_no_thread(folder):
    def fails(rows):
        raise RuntimeError("of the consumer")

    rows = data.source(LinearRegression(), scan(folder / "*.parquet"), "y", targets="numbers")
    with rmodels.config_context(progress=True):
        with pytest.raises(RuntimeError, match="of the consumer") as kept:
            rows.fold(fails)
        assert rmodels.get_config()["progress"]
    assert kept.traceback
    assert not _reading()


def test_a_boolean_is_no_column():
    X = np.arange(12.0).reshape(6, 2)
    with pytest.raises(ValueError, match="y is True, which is no column of X"):
        rmodels.LinearRegression().fit(rmodels.scan(X), True)
    weighted = rmodels.LinearRegression().fit(rmodels.scan(X), 0, sample_weight=True)
    assert weighted.n_features_in_ == 1  # a weight of 1 for every row, as of an array


@pytest.mark.parametrize(
    "model",
    [
        rmodels.LogisticRegression(),
        rmodels.PoissonRegressor(),
        rmodels.SGDRegressor(shuffle=False),
        rmodels.RidgeClassifier(),
        rmodels.KMeans(2),
        rmodels.KNeighborsClassifier(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_reads_rows_several_times_has_no_checkpoint(model, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a,y\n" + "\n".join(f"{i},{i % 2}" for i in range(20)))
    rows = rmodels.scan(file, checkpoint=tmp_path / "c")
    with pytest.raises(ValueError, match="has no sums that a checkpoint could hold"):
        model.fit(rows) if isinstance(model, rmodels.KMeans) else model.fit(rows, "y")
    assert not (tmp_path / "c").exists()
