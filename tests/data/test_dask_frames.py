"""Frames of Dask as people have them: folders, filters, empty partitions, kinds of labels."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

dask = pytest.importorskip("dask", reason="the extra dask is not installed: Dask")

import dask.array as da  # noqa: E402
import dask.dataframe as dd  # noqa: E402

from rmodels import (  # noqa: E402
    KNeighborsClassifier,
    KNeighborsRegressor,
    LinearRegression,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    Ridge,
    RidgeCV,
)

pytestmark = pytest.mark.filterwarnings("default")  # of Dask

RNG = np.random.default_rng(0)
WHOLE = pd.DataFrame(RNG.normal(size=(300, 6)), columns=list("abcyvw"))
WHOLE["w"] = WHOLE["w"].abs()


@pytest.fixture(autouse=True)
def in_this_process():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(params=["parquet", "csv"])
def files(request, tmp_path):
    """A folder of six files, of which Dask joins some when few columns are read."""
    for i, part in enumerate(np.split(np.arange(300), 6)):
        rows = WHOLE.iloc[part]
        if request.param == "parquet":
            rows.to_parquet(tmp_path / f"{i}.parquet", index=False)
        else:
            rows.to_csv(tmp_path / f"{i}.csv", index=False)
    if request.param == "parquet":
        return dd.read_parquet(tmp_path)
    return dd.read_csv(tmp_path / "*.csv")


CHANGES = {
    "whole": lambda frame: frame,
    "filtered": lambda frame: frame[frame.v > 0],
    "merged": lambda frame: frame.merge(frame[["a"]].drop_duplicates(), on="a"),
    "repartitioned": lambda frame: frame.repartition(npartitions=4),
    "persisted": lambda frame: frame.persist(),
}


class TestFiles:
    @pytest.mark.parametrize("change", CHANGES)
    def test_targets_and_weights_belong_to_their_rows(self, files, change):
        frame = CHANGES[change](files)
        here = frame.compute()
        X, features = here[list("abc")], frame[["a", "b", "c"]]
        expected = LinearRegression().fit(X, here.y, here.w)
        model = LinearRegression().fit(features, frame.y, frame.w)
        assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
        score = expected.score(X, here.y, here.w)
        assert model.score(features, frame.y, frame.w) == pytest.approx(score, rel=1e-9)
        by_name = LinearRegression().fit(frame[["a", "b", "c", "y"]], "y")
        unweighted = LinearRegression().fit(X, here.y)
        assert_allclose(by_name.coef_, unweighted.coef_, rtol=1e-9)
        assert_allclose(model.predict(features).compute(), model.predict(X), rtol=1e-12)

    def test_neighbours(self, files):
        model = KNeighborsRegressor(3).fit(files[["a", "b"]], files.y)
        expected = KNeighborsRegressor(3).fit(WHOLE[["a", "b"]], WHOLE.y)
        Q = WHOLE[["a", "b"]][:20] + 0.1
        assert_allclose(model.predict(Q), expected.predict(Q), rtol=1e-9)
        graph = model.kneighbors_graph(files[["a", "b"]]).compute()
        assert (graph != expected.kneighbors_graph(WHOLE[["a", "b"]])).nnz == 0

    def test_an_array_of_targets(self, files):
        features = files[["a", "b"]]
        expected = LinearRegression().fit(WHOLE[["a", "b"]], WHOLE.y)
        for y in (WHOLE.y, WHOLE.y.to_numpy(), WHOLE.y.tolist()):
            assert_allclose(LinearRegression().fit(features, y).coef_, expected.coef_, rtol=1e-9)
        with pytest.raises(ValueError, match="y has 299 rows, and X 300"):
            LinearRegression().fit(features, WHOLE.y[:-1])


def test_targets_in_a_folder_of_their_own(tmp_path):
    # of which Dask joins other files than of the features, as fewer of its columns are read
    for i, rows in enumerate(np.split(np.arange(300), 6)):
        WHOLE.iloc[rows].to_parquet(tmp_path / f"features-{i}.parquet", index=False)
        WHOLE.iloc[rows].to_parquet(tmp_path / f"targets-{i}.parquet", index=False)
    features = dd.read_parquet(tmp_path / "features-*.parquet")[["a", "b", "c"]]
    targets = dd.read_parquet(tmp_path / "targets-*.parquet")["y"]
    model = LinearRegression().fit(features, targets)
    assert_allclose(model.coef_, LinearRegression().fit(WHOLE[list("abc")], WHOLE.y).coef_, 1e-9)


def test_rows_that_do_not_belong_together():
    frame = pd.DataFrame(RNG.normal(size=(2000, 2)), columns=["a", "b"])
    y = frame.a + 2 * frame.b
    half, whole = dd.from_pandas(frame[:1000], npartitions=2), dd.from_pandas(y, npartitions=2)
    with pytest.raises(ValueError, match=r"partition [01]: y has 1000 rows, and X 500"):
        LinearRegression().fit(half, whole)
    with pytest.raises(ValueError, match="y has 3 partitions, and X 2"):
        LinearRegression().fit(half, dd.from_pandas(y[:1000], npartitions=3))
    D = da.from_array(frame.to_numpy(), chunks=(500, 2))
    with pytest.raises(ValueError, match="y has 1999 rows, and X 2000"):
        LinearRegression().fit(D, da.from_array(y.to_numpy()[:-1], chunks=500))
    with pytest.raises(ValueError, match="requires y to be passed"):
        LinearRegression().fit(D, None)


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        LinearRegression(iterations=9),
        Ridge(alpha=1e-12),
        RidgeCV([1e-12, 1.0]),
        RidgeCV([1e-12, 1.0], cv=2),
    ],
    ids=repr,
)
def test_empty_partitions(model):
    frame = pd.DataFrame({"x": np.arange(12.0), "y": np.arange(12.0) ** 2})
    parts = dd.from_pandas(frame, npartitions=4)
    parts, here = parts[parts.x < 5], frame[frame.x < 5]
    expected = type(model)(**model.get_params()).fit(here[["x"]], here.y)
    model.fit(parts[["x"]], parts.y)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
    if isinstance(model, LinearRegression):
        assert_allclose(model.partial_fit(parts[["x"]], parts.y).coef_, model.coef_, rtol=1e-9)
    if isinstance(model, LinearRegression) and model.iterations is None:
        errors = model.fit(parts[["x"]], parts.y).summary(parts[["x"]], parts.y, robust="HC1")
        expected = expected.summary(here[["x"]], here.y, robust="HC1")
        assert_allclose(errors.standard_errors, expected.standard_errors, rtol=1e-9)
    none = parts[parts.x < 0]
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        model.fit(none[["x"]], none.y)


LABELS = {
    "Int64": lambda codes: pd.array(codes, dtype="Int64"),
    "boolean": lambda codes: pd.array(codes, dtype="boolean"),
    "int64[pyarrow]": lambda codes: pd.Series(codes, dtype="int64[pyarrow]"),
    "category of int": lambda codes: pd.Series(codes).astype("category"),
    "category of text": lambda codes: pd.Series(np.array(["n", "y"])[codes]).astype("category"),
    "text": lambda codes: pd.Series(np.array(["n", "y"])[codes]),
    "bool": lambda codes: codes.astype(bool),
    "float": lambda codes: codes.astype(float),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("model", [KNeighborsClassifier(3), RadiusNeighborsClassifier(0.5)])
def test_labels_are_those_in_memory(kind, model):
    frame = pd.DataFrame(RNG.random((40, 2)), columns=["a", "b"])
    frame["t"] = LABELS[kind](np.asarray(frame.a > 0.5).astype(int))
    parts = dd.from_pandas(frame, npartitions=3)
    expected = type(model)(**model.get_params()).fit(frame[["a", "b"]], frame.t)
    model.fit(parts[["a", "b"]], parts.t)
    assert model.classes_.tolist() == expected.classes_.tolist()
    assert_array_equal(model.predict(frame[["a", "b"]]), expected.predict(frame[["a", "b"]]))
    score = expected.score(frame[["a", "b"]], frame.t)
    assert model.score(parts[["a", "b"]], parts.t) == pytest.approx(score)


def test_what_cannot_be_a_number_or_a_label():
    frame = pd.DataFrame(RNG.random((40, 2)), columns=["a", "b"])
    frame["t"] = np.where(frame.a > 0.5, "yes", None)
    frame["n"] = pd.array([None, *range(39)], dtype="Int64")
    frame["y"] = RNG.random(40)
    parts = dd.from_pandas(frame, npartitions=4)
    with pytest.raises(ValueError, match=r"y, partition \d"):
        KNeighborsClassifier(1).fit(parts[["a", "b"]], parts.t)
    with pytest.raises(ValueError, match=r"partition 0, contains NaN in column 'n'"):
        LinearRegression().fit(parts[["a", "n"]], parts.y)
    with pytest.raises(ValueError, match=r"y, partition 0, contains NaN"):
        LinearRegression().fit(parts[["a", "b"]], parts.n)
    parts["s"] = parts.a.map(lambda value: f"{value} m", meta=("s", "object"))
    with pytest.raises(ValueError, match=r"partition \d: sample_weight: could not convert string"):
        LinearRegression().fit(parts[["a", "b"]], parts.y, parts.s)
    with pytest.raises(ValueError, match=r"partition \d, column 's'.*could not convert string"):
        LinearRegression().fit(parts[["a", "s"]], parts.y)
    A = da.from_array(frame[["a", "b"]].to_numpy(), chunks=(10, 2)).map_blocks(sparse.csr_matrix)
    with pytest.raises(TypeError, match="Sparse data was passed for X, partition"):
        LinearRegression().fit(A, frame.y.to_numpy())


def test_tuples_of_names_and_one_weight_for_all():
    parts = dd.from_pandas(WHOLE, npartitions=3)
    several = LinearRegression().fit(parts, ("y", "v"), 2.0)
    expected = LinearRegression().fit(WHOLE[list("abcw")], WHOLE[["y", "v"]], 2.0)
    assert_allclose(several.coef_, expected.coef_, rtol=1e-9)
    with pytest.raises(ValueError, match="X has no column 'z'"):
        LinearRegression().fit(parts, "z")


def test_names_that_name_nothing():
    parts = dd.from_pandas(WHOLE, npartitions=3)
    array = parts.to_dask_array(lengths=True)
    with pytest.raises(ValueError, match="y is 0, which is no column of X"):
        LinearRegression().fit(parts, 0)
    with pytest.raises(ValueError, match=r"y is 'y', and X, a Dask array, has no names"):
        LinearRegression().fit(array, "y")
    with pytest.raises(ValueError, match=r"sample_weight is 'w', and X, a Dask array, has no"):
        LinearRegression().fit(array, WHOLE["y"], "w")
    with pytest.raises(ValueError, match="column 'y' is asked for twice"):
        LinearRegression().fit(parts, ["y", "y"])
    with pytest.raises(ValueError, match="column 'w' is asked for twice"):
        LinearRegression().fit(parts, "w", "w")
    with pytest.raises(ValueError, match="no column 'no'; y, a list of text, names columns"):
        KNeighborsClassifier().fit(parts, ["no"] * 300)
    numbered = dd.from_pandas(WHOLE.set_axis(range(6), axis=1), npartitions=3)
    expected = LinearRegression().fit(WHOLE[list("abcyv")].to_numpy(), WHOLE["w"])
    assert_allclose(LinearRegression().fit(numbered, 5).coef_, expected.coef_, rtol=1e-9)


def test_one_column_of_labels_is_warned_of():
    frame = WHOLE[["a"]].assign(k=WHOLE.y > 0)
    parts = dd.from_pandas(frame, npartitions=3)
    for X, y in ((frame[["a"]], frame[["k"]]), (parts[["a"]], parts[["k"]])):
        with pytest.warns(DataConversionWarning, match="column-vector y"):
            KNeighborsClassifier().fit(X, y)


def test_outputs_of_several_kinds():
    frame = pd.DataFrame({"x": [0.0, 1, 2, 3], "k": [1, 2, 1, 2], "s": list("abab")})
    parts = dd.from_pandas(frame, npartitions=2)
    for X, y in ((frame[["x"]], frame[["k", "s"]]), (parts[["x"]], parts[["k", "s"]])):
        with pytest.raises(ValueError, match="Mix of label input types"):
            KNeighborsClassifier().fit(X, y)


def test_labels_of_another_kind_are_no_misses():
    frame = pd.DataFrame({"x": [0.0, 1, 2, 3], "k": [1, 2, 1, 2], "s": list("1212")})
    parts = dd.from_pandas(frame, npartitions=2)
    model = KNeighborsClassifier(1).fit(frame[["x"]], frame.k)
    with pytest.raises(ValueError, match="Mix of label input types"):
        model.score(parts[["x"]], parts.s)
    mixed = dd.concat([parts[["x"]].assign(t=parts.k), parts[["x"]].assign(t=parts.s)])
    with pytest.raises(ValueError, match=r"Mix of label input types|y, partition"):
        KNeighborsClassifier(1).fit(mixed[["x"]], mixed.t)


def test_batches_of_no_weight_add_nothing():
    parts = dd.from_pandas(WHOLE, npartitions=3)
    model = LinearRegression().partial_fit(parts[["a", "b"]], parts.y)
    before = model.coef_.copy()
    for rows in (WHOLE, parts):
        for weights in (rows.w * 0, 0.0, False):
            model.partial_fit(rows[["a", "b"]], rows.y, weights)
            assert_allclose(model.coef_, before, rtol=1e-12)
    with pytest.raises(ValueError, match="sample_weight is 0 for every sample"):
        LinearRegression().fit(parts[["a", "b"]], parts.y, parts.w * 0)


def test_weighted_neighbours_of_points_in_partitions():
    frame = WHOLE.assign(w=np.where(WHOLE.v > 0, WHOLE.w, 0.0))
    parts = dd.from_pandas(frame, npartitions=4)
    model = KNeighborsRegressor(4).fit(parts[["a", "b"]], parts.y, parts.w)
    expected = KNeighborsRegressor(4).fit(frame[["a", "b"]], frame.y, frame.w)
    assert_allclose(
        model.predict(frame[["a", "b"]]), expected.predict(frame[["a", "b"]]), rtol=1e-12
    )


def test_models_of_points_elsewhere_can_be_looked_at():
    D = da.from_array(RNG.random((100, 2)), chunks=(30, 2))
    model = NearestNeighbors().fit(D)
    assert "kneighbors" in dir(model)
    assert "NearestNeighbors" in model._repr_html_()
    with pytest.raises(ValueError, match="give queries"):
        model.kneighbors()
