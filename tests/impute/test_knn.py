"""KNNImputer: right values, and what is special; the conventions are tests of the catalogue."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import impute
from sklearn.pipeline import make_pipeline

import rmodels
from rmodels import KNNImputer, LinearRegression, to_onnx
from rmodels.exceptions import NotCoveredError

nan = np.nan
RNG = np.random.default_rng(0)
WHOLE = RNG.standard_normal((300, 4))
X = np.where(RNG.random(WHOLE.shape) < 0.2, nan, WHOLE)
Q = np.where(RNG.random((40, 4)) < 0.4, nan, RNG.standard_normal((40, 4)))


def squared_inverse(distances):
    return 1.0 / (1e-3 + distances**2)


def without_weights(distances):
    return None


def define(X, Q, k, weights):
    """Fill in value by value, as the formula says."""
    filled = Q.copy()
    for row, q in enumerate(Q):
        away = np.sqrt([_square(q, x) for x in X])
        for column in np.flatnonzero(np.isnan(q)):
            able = np.flatnonzero(~np.isnan(X[:, column]) & ~np.isnan(away))
            near = able[np.argsort(away[able], kind="stable")[:k]]
            w = {"uniform": np.ones_like, "distance": lambda d: 1 / d}.get(weights, weights)(
                away[near]
            )
            known = X[~np.isnan(X[:, column]), column]
            filled[row, column] = (
                np.average(X[near, column], weights=w) if len(near) else known.mean()
            )
    return filled


def _square(q, x):
    gaps = (q - x)[~np.isnan(q - x)]
    return len(q) / len(gaps) * (gaps**2).sum() if len(gaps) else nan


@pytest.mark.parametrize("weights", ["uniform", "distance", squared_inverse])
@pytest.mark.parametrize("k", [1, 5, 300])
def test_by_definition(on_engine, weights, k):
    model = KNNImputer(n_neighbors=k, weights=weights).fit(X)
    assert model.engine_ == on_engine
    for rows in (X, Q):
        rounding = 1e-14 * np.nanmax(np.abs(X))  # of a mean of at most 300 values of this size
        expected = define(X, rows, k, weights)
        np.testing.assert_allclose(model.transform(rows), expected, rtol=0, atol=rounding)


@pytest.mark.parametrize("weights", ["uniform", without_weights])
@pytest.mark.parametrize("k", [1, 5, 300])
def test_as_scikit_learn(on_engine, weights, k):
    """Distances of normal numbers do not tie, so that the donors are the same."""
    given = {"n_neighbors": k, "weights": weights}
    ours, theirs = KNNImputer(**given).fit(X), impute.KNNImputer(**given).fit(X)
    for rows in (X, Q):
        np.testing.assert_allclose(ours.transform(rows), theirs.transform(rows), rtol=1e-12)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("indicate", [False, True])
def test_columns(on_engine, keep, indicate):
    """A column without values in the fit, and one that lacks them in the queries only."""
    points, queries = X.copy(), Q.copy()
    points[:, 1], points[:, 2] = nan, WHOLE[:, 2]
    for missing in (nan, -1.0):
        A, B = (np.where(np.isnan(each), missing, each) for each in (points, queries))
        given = {"missing_values": missing, "keep_empty_features": keep, "add_indicator": indicate}
        ours, theirs = KNNImputer(**given).fit(A), impute.KNNImputer(**given).fit(A)
        found, expected = ours.transform(B), theirs.transform(B)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        for names in (None, ["a", "b", "c", "d"]):
            named = ours.get_feature_names_out(names).tolist()
            if not keep:  # scikit-learn leaves the name of a column out that it keeps
                assert named == theirs.get_feature_names_out(names).tolist()
            assert len(named) == found.shape[1]


def test_ties_go_to_the_first_rows(on_engine):
    points = np.array([[0.0, 1.0], [2.0, 2.0], [0.0, 4.0], [2.0, 8.0], [1.0, nan]])
    for k, expected in ((1, 1.0), (2, 1.5), (3, 7 / 3), (4, 3.75)):
        found = KNNImputer(n_neighbors=k).fit(points).transform([[1.0, nan]])
        np.testing.assert_allclose(found, [[1.0, expected]], rtol=1e-15)


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9])
def test_far_from_the_origin(on_engine, offset):
    """Whole numbers, whose differences no offset changes: so neither do donors."""
    points = RNG.integers(0, 4, (200, 3)).astype(float)
    points[RNG.random(points.shape) < 0.2] = nan
    expected = KNNImputer(n_neighbors=3).fit(points).transform(points)
    found = KNNImputer(n_neighbors=3).fit(points + offset).transform(points + offset) - offset
    np.testing.assert_allclose(found, expected, atol=offset * 2**-51 + 1e-15)


def test_a_row_that_is_known_fills_itself_in(on_engine):
    """At distance 0, where products of rows would leave rounding."""
    points = WHOLE + 1e5
    lacking = RNG.random(points.shape) < 0.3
    lacking[lacking.all(axis=1), 0] = False
    asked = np.where(lacking, nan, points)
    filled = KNNImputer(n_neighbors=3, weights="distance").fit(points).transform(asked)
    np.testing.assert_array_equal(filled, points)


def test_float32(on_engine):
    model = KNNImputer().fit(X.astype(np.float32))
    found = model.transform(Q.astype(np.float32))
    assert found.dtype == np.float32
    wide = KNNImputer().fit(X.astype(np.float32).astype(float))
    expected = wide.transform(Q.astype(np.float32).astype(float))
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_a_metric_of_ones_own():
    def manhattan(x, z, missing_values=nan):
        gaps = np.abs(x - z)
        return nan if np.isnan(gaps).all() else np.nansum(gaps)

    given = {"metric": manhattan, "n_neighbors": 4, "weights": "distance"}
    ours, theirs = KNNImputer(**given).fit(X), impute.KNNImputer(**given).fit(X)
    assert ours.engine_ == "scipy"
    found = ours.transform(Q)
    np.testing.assert_allclose(found, theirs.transform(Q), rtol=1e-12)
    with rmodels.config_context(memory_limit=2**20):
        np.testing.assert_array_equal(ours.transform(Q), found)
    with (
        rmodels.config_context(engine="native"),
        pytest.raises(NotCoveredError, match="function of Python"),
    ):
        KNNImputer(metric=manhattan).fit(X)


def test_weights_that_are_all_zero_leave_the_mean():
    model = KNNImputer(weights=np.zeros_like).fit(X)
    found = model.transform([[0.0, 0.0, 0.0, nan]])
    np.testing.assert_allclose(found[0, 3], np.nanmean(X[:, 3]), rtol=1e-14)


def test_copies():
    given = X.copy()
    assert KNNImputer().fit(given).transform(given) is not given
    np.testing.assert_array_equal(given, X)
    model = KNNImputer(copy=False).fit(X)
    filled = model.transform(given)
    assert np.shares_memory(filled, given)
    np.testing.assert_array_equal(filled, KNNImputer().fit(X).transform(X))
    given.flags.writeable = False
    assert not np.shares_memory(model.transform(given), given)


def test_what_was_filled_in_is_no_donor():
    model = KNNImputer(copy=False)
    given = X.copy()
    model.fit_transform(given)
    np.testing.assert_array_equal(model.transform(X.copy()), KNNImputer().fit(X).transform(X))


def test_what_is_not_a_number():
    for bad, message in ((np.inf, "infinity"), (nan, "NaN")):
        rows = np.where(np.arange(4) == 1, bad, WHOLE[:5])
        with pytest.raises(ValueError, match=message):
            KNNImputer(missing_values=-1).fit(rows)
    infinite = np.array([[0.0, np.inf, 0.0, 0.0]])
    scanned = rmodels.scan(lambda: iter([infinite]))
    for rows, message in ((infinite, "infinity"), (scanned, "row 1, column 1: inf is not finite")):
        with pytest.raises(ValueError, match=message):
            KNNImputer().fit(X).transform(rows)
        with pytest.raises(ValueError, match=message):
            KNNImputer().fit(rows)
    assert KNNImputer().__sklearn_tags__().input_tags.allow_nan
    assert not KNNImputer(missing_values=0).__sklearn_tags__().input_tags.allow_nan


def test_frames_and_pipelines(on_engine):
    frame = pd.DataFrame(X, columns=list("abcd"))
    y = WHOLE.sum(axis=1)
    model = make_pipeline(KNNImputer(add_indicator=True), LinearRegression()).fit(frame, y)
    assert model.score(frame, y) > 0.5
    filled = KNNImputer().set_output(transform="pandas").fit_transform(frame)
    assert filled.columns.tolist() == list("abcd")
    assert not filled.isna().any(axis=None)
    whole = pd.DataFrame(np.rint(10 * WHOLE[:, :2]), columns=["a", "b"]).astype("Int64")
    whole.iloc[::7, 0] = pd.NA
    expected = KNNImputer().fit_transform(whole.to_numpy(float, na_value=nan))
    np.testing.assert_array_equal(KNNImputer().fit_transform(whole), expected)


def test_scans_and_copies(on_engine, tmp_path):
    model = KNNImputer().fit(X)
    expected = model.transform(Q)
    scanned = rmodels.scan(lambda: iter([Q[:7], Q[7:]]))
    np.testing.assert_array_equal(model.transform(scanned), expected)
    from_scan = KNNImputer().fit(rmodels.scan(lambda: iter([X[:100], X[100:]])))
    np.testing.assert_array_equal(from_scan.transform(Q), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(Q), expected)
    rmodels.save(model, tmp_path / "m")
    np.testing.assert_array_equal(rmodels.load(tmp_path / "m").transform(Q), expected)
    with (
        rmodels.config_context(memory_limit=2**20),
        pytest.raises(NotCoveredError, match="memory_limit"),
    ):
        KNNImputer().fit(rmodels.scan(lambda: iter([WHOLE] * 150)))


def test_rows_on_dask(on_engine):
    dask = pytest.importorskip("dask.array", reason="the extra dask is not installed: Dask")
    rows = dask.from_array(Q, chunks=(11, 4))
    found = KNNImputer().fit(dask.from_array(X, chunks=(90, 4))).transform(rows)
    np.testing.assert_array_equal(found.compute(), KNNImputer().fit(X).transform(Q))


def test_files_whose_cells_are_empty(tmp_path):
    pytest.importorskip("pyarrow", reason="the extra files is not installed: PyArrow")
    table = pd.DataFrame(X, columns=list("abcd"))
    table.to_parquet(tmp_path / "rows.parquet", index=False)
    table.to_csv(tmp_path / "rows.csv", index=False, na_rep="NaN")
    table.to_csv(tmp_path / "empty.csv", index=False)
    expected = KNNImputer().fit(table).transform(table)
    for name in ("rows.parquet", "rows.csv", "empty.csv"):
        rows = rmodels.scan(tmp_path / name)
        np.testing.assert_array_equal(KNNImputer().fit(rows).transform(rows), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("missing", [nan, -1.0])
def test_graphs(dtype, missing):
    onnxruntime = pytest.importorskip("onnxruntime", reason="not installed: onnxruntime")
    A, B = (np.where(np.isnan(each), missing, each).astype(dtype) for each in (X, Q))
    A[:, 1] = missing
    B[0] = missing
    for given in ({}, {"weights": "distance", "keep_empty_features": True, "add_indicator": True}):
        model = KNNImputer(missing_values=missing, **given).fit(A)
        graph = to_onnx(model, dtype=dtype).SerializeToString()
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        (found,) = session.run(["transformed"], {"X": B})
        expected = model.transform(B)
        assert found.dtype == expected.dtype
        # sums of five values of this size
        rounding = 8 * np.finfo(dtype).eps * np.nanmax(np.abs(A))
        np.testing.assert_allclose(found, expected, rtol=0, atol=rounding)
    with pytest.raises(NotCoveredError, match="ONNX cannot call"):
        to_onnx(KNNImputer(weights=squared_inverse).fit(A))


def test_a_row_of_zeros_is_not_asked_about_on_dask():
    """Where 0 is missing: no feature was in the fit, and a function of rows would meet it."""
    dask = pytest.importorskip("dask.array", reason="the extra dask is not installed: Dask")

    def measure(a, b, *, missing_values):
        assert a.any()
        return abs(a - b).max()

    A = np.where(np.arange(40) % 7 == 0, 0, np.arange(1.0, 41.0)).reshape(10, 4)
    for given in ({}, {"metric": measure}):
        model = KNNImputer(missing_values=0, add_indicator=True, **given).fit(A[:, :3])
        found = model.transform(dask.from_array(A[:, :3], chunks=(4, 3)))
        expected = model.transform(A[:, :3])
        assert found.shape[1] == expected.shape[1]
        np.testing.assert_array_equal(found.compute(scheduler="synchronous"), expected)


def test_true_is_one_neighbour():
    X = np.array([[0.0, 1.0], [5.0, np.nan], [4.0, 7.0]])
    one = KNNImputer(n_neighbors=1).fit_transform(X)
    np.testing.assert_array_equal(KNNImputer(n_neighbors=True).fit_transform(X), one)
