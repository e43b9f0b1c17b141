"""Rows of files that are read several times stay in memory, as many as may."""

import os
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

import rmodels
from rmodels import KMeans, LinearRegression, LogisticRegression, SGDRegressor
from rmodels.config import config_context
from rmodels.data import source
from rmodels.data.formats.parquet import ParquetReader
from rmodels.files.checkpoint import Checkpoint

N, NAMES = 3000, list("abcd")
BATCH = 100  # rows
ATTRIBUTES = ("coef_", "intercept_", "cluster_centers_", "labels_", "inertia_", "n_iter_")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr("rmodels.data.scan.LARGEST_BATCH", 8 * 4 * BATCH)


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return rng.standard_normal((N, 4)) + 3 * rng.integers(0, 5, (N, 1))


@pytest.fixture
def path(tmp_path, X):
    """Rows in Parquet, some hundred in each row group."""
    path = tmp_path / "rows.parquet"
    pd.DataFrame(X, columns=NAMES).to_parquet(path, row_group_size=350)
    return path


@pytest.fixture
def reads(monkeypatch):
    """Where each pass over a file began, and how many rows it read."""
    found = []
    read = ParquetReader.batches

    def count(self, columns, size, start, texts=()):
        found.append([start, 0])
        mine = found[-1]
        for batch in read(self, columns, size, start, texts):
            mine[1] += batch.rows.num_rows
            yield batch

    monkeypatch.setattr(ParquetReader, "batches", count)
    return found


def _share(monkeypatch, bytes_):
    """Let rows that are kept take so many bytes."""
    monkeypatch.setattr("rmodels.data.scan_source.KEPT_SHARE", (1 << 30) / bytes_)


def _rows(path, **kwargs):
    model = KMeans()
    return source(model, rmodels.scan(path, **kwargs))


def _fold(rows):
    return rows.fold(lambda part: [(part.first, part.X.copy())])


@pytest.mark.parametrize("kept", [0, 1, 7, 12, 29, 30])
def test_the_first_batches_are_read_once(monkeypatch, path, X, reads, kept):
    _share(monkeypatch, 8 * 4 * BATCH * kept + 1)
    rows = _rows(path)
    assert _fold(rows)[0][0] == 0
    rows.keep_rows()
    reads.clear()
    for _ in range(3):
        found = _fold(rows)
        assert [first for first, _ in found] == np.cumsum([0, *map(len, dict(found).values())])[
            :-1
        ].tolist()
        np.testing.assert_array_equal(np.concatenate([part for _, part in found]), X)
        assert rows.count == N
    whole = [0, N]
    again = reads[1:]
    assert reads[0] == whole
    if sum(len(part.X) for part, *_ in rows._kept.parts) == N:
        assert again == []
    else:
        left = rows._kept.place[0]
        assert again == [[left, N - left]] * 2
        assert (left > 0) == (kept > 0)
    size = sum(part.X.nbytes for part, *_ in rows._kept.parts)
    assert size <= 8 * 4 * BATCH * kept + 1


def test_all_that_has_room_is_kept_and_no_more(monkeypatch, path):
    _share(monkeypatch, X_BYTES := 8 * 4 * N)
    rows = _rows(path)
    rows.keep_rows()
    _fold(rows)
    assert rows._kept.is_whole
    _share(monkeypatch, X_BYTES - 1)
    rows = _rows(path)
    rows.keep_rows()
    _fold(rows)
    assert not rows._kept.is_whole
    for part, *_ in rows._kept.parts:
        with pytest.raises(ValueError, match="read-only"):
            part.X[0, 0] = 1.0


@pytest.mark.parametrize("share", [None, 40_000, 1])
def test_fits_are_the_same_whatever_is_kept(monkeypatch, path, X, share):
    y = (X[:, 0] + np.random.default_rng(1).standard_normal(N) > 6).astype(int)
    pd.DataFrame(np.column_stack([X, y]), columns=[*NAMES, "y"]).to_parquet(path)
    fits = {
        "KMeans": lambda: KMeans(5, random_state=0).fit(rmodels.scan(path, columns=NAMES)),
        "LogisticRegression": lambda: LogisticRegression().fit(rmodels.scan(path), "y"),
        "SGDRegressor": lambda: SGDRegressor(shuffle=False, tol=None, max_iter=4).fit(
            rmodels.scan(path), "y"
        ),
    }
    with monkeypatch.context() as nothing:
        nothing.setattr("rmodels.data.scan_source.ScanSource.keep_rows", lambda self: None)
        expected = {name: fit() for name, fit in fits.items()}
    if share is not None:
        _share(monkeypatch, share)
    for name, fit in fits.items():
        found = fit()
        for attribute in ATTRIBUTES:
            if hasattr(found, attribute):
                np.testing.assert_array_equal(
                    getattr(found, attribute), getattr(expected[name], attribute), err_msg=name
                )


@pytest.mark.parametrize("missing", ["drop", "mean"])
@pytest.mark.parametrize("share", [1 << 28, 30_000])
def test_rows_that_lack_a_value(monkeypatch, path, X, reads, missing, share):
    gaps = X.copy()
    rng = np.random.default_rng(2)
    gaps[rng.integers(0, N, 200), rng.integers(0, 4, 200)] = np.nan
    gaps[BATCH : 3 * BATCH, 0] = np.nan  # batches of which none is left
    pd.DataFrame(gaps, columns=NAMES).to_parquet(path, row_group_size=350)
    lacks = np.isnan(gaps)
    expected = gaps[~lacks.any(axis=1)]
    if missing == "mean":
        expected = np.where(lacks, np.nanmean(gaps, axis=0), gaps)
    _share(monkeypatch, share)
    rows = _rows(path, missing=missing)
    rows.keep_rows()
    for _ in range(3):
        found = _fold(rows)
        np.testing.assert_allclose(
            np.concatenate([part for _, part in found]), expected, rtol=1e-14
        )
        assert rows.count == len(expected)
    assert rows._kept.is_whole == (share > 1e6)
    model = KMeans(3, random_state=0).fit(rmodels.scan(path, missing=missing))
    assert len(model.labels_) == len(expected)


def test_a_value_that_is_not_finite_is_told_with_its_place(path, X):
    X[1234, 2] = np.inf
    pd.DataFrame(X, columns=NAMES).to_parquet(path)
    with pytest.raises(ValueError, match=r"rows\.parquet, row 1235, column 'c': inf is not finite"):
        KMeans(3, random_state=0).fit(rmodels.scan(path))


def test_a_file_that_changes_is_told_though_its_rows_are_kept(path, X):
    rows = _rows(path)
    rows.keep_rows()
    _fold(rows)
    assert rows._kept.is_whole
    pd.DataFrame(X + 1, columns=NAMES).to_parquet(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(ValueError, match="has changed since the fit began"):
        _fold(rows)


def test_rows_that_are_costly_to_pass_by_are_kept_if_all_are(monkeypatch, tmp_path, X):
    path = tmp_path / "rows.csv"
    pd.DataFrame(X, columns=NAMES).to_csv(path, index=False)
    for share in (1, 8 * 4 * BATCH * 5, 1 << 28):
        _share(monkeypatch, share)
        rows = _rows(path)
        rows.keep_rows()
        for _ in range(3):
            read = np.concatenate([part for _, part in _fold(rows)])
            np.testing.assert_array_equal(read, X)
        whole = share > X.nbytes
        assert rows._kept.is_whole == whole
        assert sum(len(part.X) for part, *_ in rows._kept.parts) == N * whole


@pytest.mark.parametrize("share", [1 << 28, 30_000])
def test_a_checkpoint_tells_how_far_kept_rows_have_come(monkeypatch, tmp_path, X, share):
    """A fold that stops among rows that are kept goes on behind them."""
    path, checkpoint = tmp_path / "rows.parquet", tmp_path / "fit"
    y = np.where(np.arange(N) < 500, -5.0, 2.0) * X[:, 0]
    pd.DataFrame(np.column_stack([X, y]), columns=[*NAMES, "y"]).to_parquet(path)
    _share(monkeypatch, share)
    write, told = Checkpoint.write, []

    def stop(self, total, totals, read):
        write(self, total, totals, read)
        told.append(read)
        if len(told) == 5:
            raise KeyboardInterrupt

    def fit(**parameters):
        rows = rmodels.scan(path, checkpoint=checkpoint)
        return LinearRegression(**parameters).fit(rows, "y")

    with monkeypatch.context() as stopped:
        stopped.setattr(Checkpoint, "write_if_due", stop)
        with pytest.raises(KeyboardInterrupt):
            fit(solver="stream", learning_rate=2.2, iterations=3)
    assert np.diff(told).min() > 0
    np.testing.assert_allclose(fit().coef_, LinearRegression().fit(X, y).coef_, rtol=1e-9)


def test_means_are_those_of_a_whole_pass(monkeypatch, path, X):
    """Also where a fit has looked at the first rows before."""
    X[:, 0] *= 10.0 ** np.random.default_rng(3).integers(-8, 9, N)
    y = (X[:, 1] > 6).astype(int)
    pd.DataFrame(np.column_stack([X, y]), columns=[*NAMES, "y"]).to_parquet(path)

    def fit():
        return LogisticRegression(max_iter=5).fit(rmodels.scan(path, missing="mean"), "y")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        with monkeypatch.context() as nothing:
            nothing.setattr("rmodels.data.scan_source.ScanSource.keep_rows", lambda self: None)
            expected = fit()
        found = fit()
    np.testing.assert_array_equal(found._preparation.means, expected._preparation.means)


def test_what_is_in_memory_is_not_kept(X):
    for given in (X, pd.DataFrame(X, columns=NAMES), lambda: [X[:1000], X[1000:]]):
        rows = _rows(given)
        rows.keep_rows()
        _fold(rows)
        assert rows._kept is None
    with config_context(memory_limit=1 << 20):
        assert len(KMeans(3, random_state=0).fit(rmodels.scan(X)).labels_) == N
