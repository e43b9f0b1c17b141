"""Scans whose columns lack values or hold text: what a fit makes of them, and predictions after it.

What is expected is scikit-learn's: SimpleImputer and OneHotEncoder in a ColumnTransformer, before
the estimator.
"""

import pickle

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn.linear_model
import sklearn.naive_bayes
from pyarrow import feather
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import rmodels
from rmodels import (
    GaussianNB,
    IncrementalPCA,
    KNeighborsClassifier,
    KNeighborsRegressor,
    LinearRegression,
    Ridge,
    RidgeCV,
    config_context,
    scan,
)

N = 240
RAW = ["area", "town", "age", "kind"]
MADE = ["area", "town_Bonn", "town_Köln", "town_Ulm", "age", "kind_flat", "kind_house"]
RNG = np.random.default_rng(0)


def _frame():
    """Return a table of which areas, ages, and in a few rows prices and weights are missing."""
    frame = pd.DataFrame(
        {
            "area": RNG.uniform(40, 90, N),
            "town": RNG.choice(["Ulm", "Bonn", "Köln"], N),
            "age": RNG.integers(0, 60, N).astype(float),
            "kind": RNG.choice(["house", "flat"], N),
        }
    )
    frame["price"] = 3 * frame.area - frame.age + 20 * (frame.town == "Ulm") + RNG.normal(size=N)
    frame["dear"] = np.where(frame.price > 170, "yes", "no")
    frame["weight"] = RNG.integers(1, 4, N).astype(float)
    frame.loc[[3, 100, 101, 239], "area"] = np.nan
    frame.loc[[100, 150], "age"] = np.nan
    return frame


FRAME = _frame()
GAPS = FRAME.assign(
    price=FRAME.price.where(FRAME.index != 7),
    dear=FRAME.dear.where(FRAME.index != 8),
    weight=FRAME.weight.where(FRAME.index != 9),
    town=FRAME.town.where(FRAME.index != 10),
)


def transformer():
    """Return scikit-learn's transformer, whose columns are in the order of ours."""
    steps = [
        (name, OneHotEncoder(sparse_output=False) if name in ("town", "kind") else SimpleImputer())
        for name in RAW
    ]
    return ColumnTransformer(
        [(name, step, [name]) for name, step in steps], verbose_feature_names_out=False
    ).set_output(transform="pandas")


def in_batches(frame, rows=50, **options):
    return scan(lambda: [frame[i : i + rows] for i in range(0, len(frame), rows)], RAW, **options)


def _write_parts(folder, frame, write, ending):
    for i in range(3):
        write(frame[i * 80 : (i + 1) * 80], folder / f"{i}.{ending}")
    return folder


def _to_feather(part, path):
    feather.write_feather(pa.Table.from_pandas(part, preserve_index=False), path)


FORMATS = {
    "parquet": lambda folder, frame: _write_parts(
        folder,
        frame,
        lambda part, path: part.to_parquet(path, row_group_size=30, index=False),
        "parquet",
    ),
    "csv": lambda folder, frame: _write_parts(
        folder, frame, lambda part, path: part.to_csv(path, index=False), "csv"
    ),
    "csv.gz": lambda folder, frame: _write_parts(
        folder, frame, lambda part, path: part.to_csv(path, index=False), "csv.gz"
    ),
    "feather": lambda folder, frame: _write_parts(folder, frame, _to_feather, "feather"),
    "dataset": lambda folder, frame: pa.dataset.dataset(
        _write_parts(folder, frame, lambda part, path: part.to_parquet(path), "parquet")
    ),
    "frame": lambda folder, frame: frame,
    "polars": lambda folder, frame: pl.from_pandas(frame),
    "table": lambda folder, frame: pa.Table.from_pandas(frame),
    "categories": lambda folder, frame: frame.astype({"town": "category", "kind": "category"}),
    "batches": lambda folder, frame: lambda: [frame[i : i + 50] for i in range(0, N, 50)],
    "dictionaries": lambda folder, frame: (
        lambda: [
            {name: pa.array(part[name], from_pandas=True).dictionary_encode() for name in part}
            for part in (frame[:130], frame[130:])
        ]
    ),
}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr("rmodels.data.scan.LARGEST_BATCH", 8 * 10 * 35)


def _assert_equal(model, expected, X):
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=1e-9)
    np.testing.assert_allclose(model.predict(X), expected.predict(X), rtol=1e-10)


@pytest.mark.parametrize("kind", FORMATS)
def test_means_and_categories_in_every_format(tmp_path, kind):
    rows = scan(FORMATS[kind](tmp_path, FRAME), RAW, missing="mean", encode="onehot")
    model = Ridge(0.5).fit(rows, "price", "weight")
    ours = transformer()
    X = ours.fit_transform(FRAME)
    assert model.feature_names_in_.tolist() == MADE == ours.get_feature_names_out().tolist()
    assert model.n_features_in_ == len(MADE)
    expected = sklearn.linear_model.Ridge(0.5).fit(X, FRAME.price, FRAME.weight)
    _assert_equal(model, expected, X)
    wanted = expected.predict(X)
    np.testing.assert_allclose(model.predict(scan(rows_of(tmp_path, kind))), wanted, rtol=1e-10)
    np.testing.assert_allclose(model.predict(rows), wanted, rtol=1e-10)
    assert model.score(rows, "price") == pytest.approx(expected.score(X, FRAME.price), rel=1e-10)


def rows_of(folder, kind):
    """Return the source again, as it is after a fit."""
    return FORMATS[kind](folder, FRAME)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("target", ["price", "dear"])
def test_rows_left_out_in_every_format(tmp_path, kind, target):
    rows = scan(FORMATS[kind](tmp_path, GAPS), RAW, missing="drop", encode="onehot")
    used = GAPS.dropna(subset=[*RAW, target, "weight"])
    X = transformer().fit_transform(used)
    if target == "price":
        model = LinearRegression().fit(rows, target, "weight")
        expected = sklearn.linear_model.LinearRegression().fit(X, used.price, used.weight)
        _assert_equal(model, expected, X)
    else:
        model = GaussianNB().fit(rows, target, "weight")
        expected = sklearn.naive_bayes.GaussianNB().fit(X, used.dear, used.weight)
        assert model.classes_.tolist() == ["no", "yes"]
        np.testing.assert_allclose(model.theta_, expected.theta_, rtol=1e-10)
        np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    assert model.feature_names_in_.tolist() == MADE
    wanted = expected.score(X, used[target], used.weight)
    assert model.score(rows, target, "weight") == pytest.approx(wanted, rel=1e-10)
    assert rows.n_rows == len(used)
    assert rows.n_left_out == N - len(used)


def test_what_only_rows_that_are_left_out_hold():
    """Is neither a category nor a class."""
    frame = FRAME.fillna({"area": 60.0, "age": 5.0})
    frame.loc[4, ["area", "town", "dear"]] = [np.nan, "Wien", "maybe"]
    model = GaussianNB().fit(in_batches(frame, missing="drop", encode="onehot"), "dear")
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.feature_names_in_.tolist() == MADE


@pytest.mark.parametrize("options", [{"missing": "mean"}, {"missing": "drop"}])
def test_arrays_on_disk(tmp_path, options):
    A = FRAME[["area", "age", "price"]].to_numpy()
    np.save(tmp_path / "a.npy", A)
    rows = scan(np.load(tmp_path / "a.npy", mmap_mode="r"), **options)
    model = LinearRegression().fit(rows, 2)
    used = A if options["missing"] == "mean" else A[~np.isnan(A).any(axis=1)]
    X = SimpleImputer().fit_transform(used[:, :2])
    expected = sklearn.linear_model.LinearRegression().fit(X, used[:, 2])
    _assert_equal(model, expected, X)


def test_float32_stays_float32():
    A = FRAME[["area", "age"]].to_numpy(np.float32)
    model = KNeighborsRegressor(1).fit(scan(A, missing="mean"), FRAME.price.to_numpy())
    X = SimpleImputer().fit_transform(A)
    assert X.dtype == np.float32
    found = model.kneighbors(X, return_distance=False)
    wanted = KNeighborsRegressor(1).fit(X, FRAME.price).kneighbors(X, return_distance=False)
    np.testing.assert_array_equal(found, wanted)


class TestPasses:
    """A pass for the means only if a value is missing."""

    def _passes(self, frame, **options):
        calls = []

        def batches():
            calls.append(1)
            return [frame[i : i + 50] for i in range(0, len(frame), 50)]

        model = Ridge().fit(scan(batches, RAW, **options), "price")
        return model, len(calls)

    def test_none_is_missing(self):
        whole = FRAME.fillna({"area": 60.0, "age": 5.0})
        _, plain = self._passes(whole[["area", "age", "price"]].assign(town=1, kind=2))
        model, passes = self._passes(
            whole[["area", "age", "price"]].assign(town=1, kind=2), missing="mean"
        )
        assert passes == plain
        # the means are known all the same, as the mean of what is there
        asked = pd.DataFrame([[np.nan, 1, np.nan, 2]], columns=RAW)
        filled = asked.fillna(whole[["area", "age"]].mean())
        np.testing.assert_allclose(model.predict(asked), model.predict(filled), rtol=1e-12)

    def test_some_are_missing(self):
        numbers = FRAME[["area", "age", "price"]].assign(town=1, kind=2)
        _, plain = self._passes(numbers.fillna(0.0))
        _, passes = self._passes(numbers, missing="mean")
        assert passes == plain + 1

    def test_text(self):
        whole = FRAME.fillna({"area": 60.0, "age": 5.0})
        _, plain = self._passes(whole[["area", "age", "price"]].assign(town=1, kind=2))
        _, passes = self._passes(whole, encode="onehot")
        assert passes == plain + 1


class TestPredictions:
    model = Ridge().fit(in_batches(FRAME, missing="mean", encode="onehot"), "price")
    strict = Ridge().fit(in_batches(FRAME, missing="drop", encode="onehot"), "price")
    X = transformer().fit_transform(FRAME)

    @pytest.mark.parametrize(
        "kind", [lambda f: f, pl.from_pandas, pa.Table.from_pandas, pa.RecordBatch.from_pandas]
    )
    def test_tables_with_text(self, kind):
        wanted = self.model.predict(self.X)
        np.testing.assert_allclose(self.model.predict(kind(FRAME[RAW])), wanted, rtol=1e-12)
        assert self.model.score(kind(FRAME[RAW]), FRAME.price) == self.model.score(
            self.X, FRAME.price
        )

    def test_arrays(self):
        gaps = self.X.mask(self.X.area.iloc[3] == self.X)  # where the mean stands
        assert np.isnan(gaps.area[[3, 100]]).all()
        assert np.isnan(self.model.predict(self.X)).sum() == 0
        np.testing.assert_allclose(self.model.predict(gaps), self.model.predict(self.X), rtol=1e-12)
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            found = self.model.predict(gaps.to_numpy())
        np.testing.assert_allclose(found, self.model.predict(self.X), rtol=1e-12)
        assert np.isnan(gaps.area[3])  # what was given is as it was
        with pytest.raises(ValueError, match="Input X contains NaN"):
            self.model.predict(gaps.assign(town_Ulm=np.nan))

    def test_a_cluster(self):
        frame = dd.from_pandas(FRAME, npartitions=4)
        found = self.model.predict(frame[RAW])
        np.testing.assert_allclose(found.compute(), self.model.predict(self.X), rtol=1e-12)
        score = self.model.score(frame[[*RAW, "price"]], "price")
        assert score == pytest.approx(self.model.score(self.X, FRAME.price), rel=1e-12)
        prepared = dd.from_pandas(self.X.where(self.X.area.iloc[3] != self.X), npartitions=2)
        np.testing.assert_allclose(self.model.predict(prepared).compute(), found.compute())
        told = "partition [01], row 1, column 'town': 'Wien' is none"
        with pytest.raises(ValueError, match=told):
            self.model.predict(
                dd.from_pandas(FRAME[RAW].assign(town="Wien"), npartitions=2)
            ).compute()

    def test_a_row_is_not_left_out_of_predictions(self):
        with pytest.raises(ValueError, match=r"row 4, column 'area': missing value.*an answer"):
            self.strict.predict(scan(FRAME))
        with pytest.raises(ValueError, match=r"row 4, column 'area': missing value.*an answer"):
            self.strict.predict(FRAME[RAW])
        with pytest.raises(ValueError, match="row 11, column 'town': missing value"):
            self.strict.predict(scan(GAPS[:11].fillna({"area": 1.0})))
        whole = FRAME.dropna()
        assert self.strict.predict(scan(whole, missing="drop")).shape == (len(whole),)

    def test_text_that_was_not_in_the_fit(self):
        asked = FRAME[RAW][:4].assign(town=["Ulm", "Wien", "Bonn", "Köln"])
        with pytest.raises(ValueError, match="row 2, column 'town': 'Wien' is none of the categor"):
            self.model.predict(asked)
        zeros = Ridge().fit(
            in_batches(FRAME, missing="mean", encode="onehot", unknown="zeros"), "price"
        )
        encoded = self.X[:4].copy()
        encoded.loc[1, ["town_Bonn", "town_Köln", "town_Ulm"]] = 0.0
        encoded.loc[[0, 2, 3], ["town_Bonn", "town_Köln", "town_Ulm"]] = [
            [0, 0, 1], [1, 0, 0], [0, 1, 0],
        ]  # fmt: skip
        wanted = self.model.predict(encoded)
        np.testing.assert_allclose(zeros.predict(asked), wanted, rtol=1e-12)
        np.testing.assert_allclose(self.model.predict(scan(asked, unknown="zeros")), wanted)

    @pytest.mark.parametrize(
        "kind",
        [
            lambda f: f,
            pl.from_pandas,
            lambda f: pa.Table.from_pandas(f, preserve_index=False),
            lambda f: dd.from_pandas(f, npartitions=2),
            lambda f: scan(f, list(f.columns)),
        ],
        ids=["pandas", "polars", "arrow", "dask", "scan"],
    )
    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            (["area", "town", "kind"], "yet now missing:\n- age\n"),
            (["area", "age", "kind"], "yet now missing:\n- town\n"),
            ([*RAW, "weight"], "unseen at fit time:\n- weight\n"),
            ([*RAW, "dear"], "unseen at fit time:\n- dear\n"),
            (["town", "area", "age", "kind"], "must be in the same order as they were in fit"),
        ],
    )
    def test_other_columns(self, kind, columns, said):
        """Are an error, as of a model of numbers; a scan finds its own by their names."""
        frame = FRAME[columns]
        numbers = Ridge().fit(FRAME[["area", "age"]].fillna(0.0), FRAME.price)
        for model in (self.model, numbers):
            with pytest.raises(ValueError, match="feature names should match") as caught:
                model.predict(kind(frame))
            if model is self.model:
                assert said in str(caught.value)
        if {*RAW} <= {*columns}:
            wanted = self.model.predict(self.X)
            np.testing.assert_allclose(self.model.predict(scan(frame)), wanted, rtol=1e-12)

    def test_columns_that_lack(self):
        with pytest.raises(ValueError, match="the frame: no column 'age'"):
            self.model.predict(scan(FRAME.drop(columns="age")))
        with pytest.raises(ValueError, match=r"column 'town': numbers.*encode=.onehot.*makes"):
            LinearRegression().fit(scan(FRAME, RAW), "price")

    def test_copies(self, tmp_path):
        wanted = self.model.predict(FRAME[RAW])
        rmodels.save(self.model, tmp_path / "m")
        for again in (rmodels.load(tmp_path / "m"), pickle.loads(pickle.dumps(self.model))):
            np.testing.assert_array_equal(again.predict(FRAME[RAW]), wanted)
        assert "_preparation" not in vars(clone(self.model))

    def test_a_later_fit_forgets(self):
        model = clone(self.model).fit(in_batches(FRAME, missing="mean", encode="onehot"), "price")
        model.fit(self.X, FRAME.price)
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(FRAME[RAW])
        with pytest.raises(ValueError, match="NaN"):
            model.predict(self.X.assign(area=np.nan))
        with pytest.raises(ValueError, match='not fitted with missing="mean"'):
            model.predict(scan(self.X, missing="mean"))

    def test_a_fit_that_fails_changes_nothing(self):
        model = clone(self.model).fit(in_batches(FRAME, missing="mean", encode="onehot"), "price")
        before = model.predict(FRAME[RAW])
        with pytest.raises(ValueError, match="no mean"):
            model.fit(
                scan(FRAME.assign(area=np.nan), RAW, missing="mean", encode="onehot"), "price"
            )
        np.testing.assert_array_equal(model.predict(FRAME[RAW]), before)


class TestMissingText:
    frame = FRAME.assign(town=FRAME.town.where(FRAME.index % 50 != 20)).fillna(
        {"area": 60.0, "age": 5.0}
    )

    def test_is_a_category_beside_means(self):
        model = Ridge().fit(in_batches(self.frame, missing="mean", encode="onehot"), "price")
        ours = transformer()
        X = ours.fit_transform(self.frame)
        names = ours.get_feature_names_out().tolist()
        assert model.feature_names_in_.tolist() == [
            name.replace("None", "nan")
            for name in names  # as pandas has what is missing
        ]
        assert "town_nan" in model.feature_names_in_
        expected = sklearn.linear_model.Ridge().fit(X.to_numpy(), self.frame.price)
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(
            model.predict(self.frame[RAW]), expected.predict(X.to_numpy()), rtol=1e-10
        )

    @pytest.mark.parametrize("kind", ["parquet", "csv", "batches"])
    def test_is_an_error_with_its_place(self, tmp_path, kind):
        place = {"parquet": "0.parquet, row 21", "csv": "0.csv, line 22", "batches": "batch 1, row"}
        rows = scan(FORMATS[kind](tmp_path, self.frame), RAW, encode="onehot")
        with pytest.raises(ValueError, match=f"{place[kind]}.* column 'town': missing value"):
            Ridge().fit(rows, "price")

    def test_which_the_fit_has_not_met(self):
        model = Ridge().fit(in_batches(FRAME, missing="mean", encode="onehot"), "price")
        with pytest.raises(ValueError, match="row 21, column 'town': missing value, and none was"):
            model.predict(self.frame[RAW])
        zeros = model.predict(scan(self.frame, unknown="zeros"))
        X = transformer().fit_transform(self.frame)
        missing = [name for name in X.columns if name in ("town_nan", "town_None")]
        np.testing.assert_allclose(zeros, model.predict(X.drop(columns=missing)), rtol=1e-12)


class TestErrors:
    def test_rows_on_a_cluster(self):
        with pytest.raises(ValueError, match="rows on Dask are none"):
            scan(dd.from_pandas(FRAME, npartitions=2), missing="mean")

    def test_options(self):
        for name, said in (("missing", "'drop'"), ("encode", "'onehot'"), ("unknown", "'zeros'")):
            with pytest.raises(
                ValueError, match=f"{name} must be None or one of .*{said}.*; got 'x'"
            ):
                scan(FRAME, **{name: "x"})

    def test_targets_and_weights_must_be_there_beside_means(self):
        rows = in_batches(GAPS.assign(area=1.0), missing="mean", encode="onehot")
        with pytest.raises(ValueError, match="row 8, column 'price': missing value"):
            Ridge().fit(rows, "price")
        with pytest.raises(ValueError, match="row 10, column 'weight': missing value"):
            Ridge().fit(rows, RNG.normal(size=N), "weight")

    def test_no_row_is_left(self):
        rows = scan(FRAME.assign(area=np.nan), RAW, missing="drop", encode="onehot")
        with pytest.raises(ValueError, match="no row in which no value is missing"):
            Ridge().fit(rows, "price")
        with pytest.raises(ValueError, match="no row in which no value is missing"):
            Ridge().fit(scan(FRAME.assign(area=np.nan), ["area"], missing="drop"), "price")

    def test_infinity_is_no_missing_value(self, tmp_path):
        frame = FRAME.assign(age=FRAME.age.where(FRAME.index != 5, np.inf))
        frame.to_csv(tmp_path / "a.csv", index=False)
        for missing in ("mean", "drop"):
            rows = scan(tmp_path / "a.csv", RAW, missing=missing, encode="onehot")
            with pytest.raises(
                ValueError, match=r"a\.csv, line 7, column 'age': 'inf' is not finite"
            ):
                Ridge().fit(rows, "price")

    def test_text_among_the_numbers_of_a_csv_file(self, tmp_path):
        lines = FRAME.to_csv(index=False).splitlines()
        lines[20] = lines[20].replace(lines[20].split(",")[0], "large", 1)
        (tmp_path / "a.csv").write_text("\n".join(lines))
        rows = scan(tmp_path / "a.csv", RAW, missing="mean", encode="onehot")
        said = "line 21, column 'area': 'large' is not a number$"
        with pytest.raises(ValueError, match=said):
            Ridge().fit(rows, "price")
        with pytest.raises(ValueError, match=said):  # and is not encoded either
            Ridge().fit(scan(tmp_path / "a.csv", ["area", "age"], missing="mean"), "price")

    @pytest.mark.parametrize("kind", FORMATS)
    def test_text_says_how_it_is_encoded_where_it_can_be(self, tmp_path, kind):
        how = 'encode="onehot", in a shell --encode onehot, makes columns of 0 and 1 of text'

        def rows(frame, columns):
            return scan(FORMATS[kind](tmp_path, frame), columns, missing="drop")

        with pytest.raises(ValueError, match=f"column 'town'.*{how}$"):
            Ridge().fit(rows(FRAME, ["area", "town"]), "price")
        first = FRAME.assign(town=FRAME.town.where(FRAME.index > 1))  # none there says nothing
        with pytest.raises(ValueError, match=f"column 'town'.*{how}$"):
            Ridge().fit(rows(first, ["area", "town"]), "price")
        # what is encoded are columns to predict from, in a fit
        fitted = Ridge().fit(scan(FRAME, ["area", "age"], missing="drop"), "price")
        for work in (
            lambda: Ridge().fit(rows(FRAME, ["area"]), "town"),
            lambda: Ridge().fit(rows(FRAME, ["area"]), "price", sample_weight="town"),
            lambda: fitted.predict(rows(FRAME.assign(area="large"), ["area", "age"])),
        ):
            with pytest.raises(ValueError, match=r"column '(town|area)'") as caught:
                work()
            assert "encode" not in str(caught.value)

    def test_two_columns_of_one_name(self):
        frame = FRAME.assign(town_Ulm=1.0)
        with pytest.raises(ValueError, match="two columns would be named 'town_Ulm'"):
            Ridge().fit(scan(frame, ["town", "town_Ulm"], encode="onehot"), "price")

    def test_more_categories_than_the_memory_limit_allows(self):
        frame = pd.DataFrame({"name": [f"n{i}" for i in range(3000)], "y": np.arange(3000.0)})
        with (
            config_context(memory_limit=1 << 24),  # 2²⁴ bytes are 1448² floats
            pytest.raises(ValueError, match=r"column 'name' has .* more than 1448 columns"),
        ):
            Ridge().fit(scan(frame, encode="onehot"), "y")

    def test_text_in_one_file_and_numbers_in_another(self, tmp_path):
        FRAME.to_parquet(tmp_path / "a.parquet")
        FRAME.assign(town=3).to_parquet(tmp_path / "b.parquet")
        with pytest.raises(ValueError, match=r"b\.parquet, column 'town' holds int64, and text in"):
            Ridge().fit(scan(tmp_path, RAW, encode="onehot"), "price")

    def test_a_target_among_the_columns(self):
        for target in ("price", "dear"):
            rows = scan(FRAME, ["area", target])
            with pytest.raises(
                ValueError, match=f"'{target}' is asked for twice: it is a target.*"
            ):
                KNeighborsClassifier().fit(rows, target)


def test_cells_of_csv_files(tmp_path):
    """Booleans and text whose first cells are missing; NA is a word among text."""
    (tmp_path / "a.csv").write_text(
        "lift,land,x,y\n,,1,1\nTrue,NA,2,4\nFalse,DE,4,2\nTrue,DE,,9\nFalse,NA,3,3\n"
    )
    rows = scan(tmp_path / "a.csv", missing="drop", encode="onehot")
    model = Ridge().fit(rows, "y")
    assert model.feature_names_in_.tolist() == ["lift", "land_DE", "land_NA", "x"]
    expected = sklearn.linear_model.Ridge().fit(
        [[1, 0, 1, 2], [0, 1, 0, 4], [0, 0, 1, 3]], [4, 2, 3]
    )
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)


def test_labels_that_are_missing_in_csv_files(tmp_path):
    """Among numbers NA is missing, among words it is one."""
    (tmp_path / "a.csv").write_text("x,n,t\n1,1,NA\n2,NA,a\n3,2,a\n4,2,\n5,,b\n6,1,b\n")
    rows = scan(tmp_path / "a.csv", ["x"], missing="drop")
    numbers = KNeighborsClassifier(1).fit(rows, "n")
    assert numbers.classes_.tolist() == [1, 2]
    assert rows.n_rows == 4
    assert numbers.score(rows, "n") == 1.0
    words = KNeighborsClassifier(1).fit(rows, "t")
    assert words.classes_.tolist() == ["NA", "a", "b"]
    assert words.predict(pd.DataFrame({"x": [4.6]})).tolist() == ["b"]
    assert words.score(rows, "t") == 1.0


def test_keys_of_folders_are_categories(tmp_path):
    whole = FRAME.fillna({"area": 60.0, "age": 5.0})
    whole.to_parquet(tmp_path / "houses", partition_cols=["town"])
    rows = scan(tmp_path / "houses", ["area", "town"], encode="onehot")
    model = Ridge().fit(rows, "price")
    dummies = pd.get_dummies(whole[["area", "town"]], dtype=float)
    expected = sklearn.linear_model.Ridge().fit(dummies, whole.price)
    assert model.feature_names_in_.tolist() == expected.feature_names_in_.tolist()
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)


def test_arrays_beside_rows_that_are_left_out():
    used = GAPS.dropna(subset=RAW)
    rows = in_batches(GAPS.drop(columns="price"), missing="drop", encode="onehot")
    model = Ridge().fit(rows, FRAME.price.to_numpy(), FRAME.weight.to_numpy())
    price, weight = FRAME.price[used.index], FRAME.weight[used.index]
    expected = sklearn.linear_model.Ridge().fit(transformer().fit_transform(used), price, weight)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="y has 239 rows, and the scan has more"):
        Ridge().fit(rows, FRAME.price.to_numpy()[:-1])


def test_classes_are_those_of_the_rows_that_are_kept():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0, np.nan]})
    y = np.array(["p", "p", "q", "q", "r"])
    for model in (GaussianNB(), rmodels.LinearDiscriminantAnalysis(), rmodels.NearestCentroid()):
        assert model.fit(scan(frame, missing="drop"), y).classes_.tolist() == ["p", "q"]
        found = model.fit(scan(frame.assign(y=y), ["a"], missing="drop"), "y").classes_
        assert found.tolist() == ["p", "q"]
    with pytest.raises(ValueError, match="y has 4 rows, and the scan 5"):
        GaussianNB().fit(scan(frame, missing="drop"), y[:4])


def test_on_a_cluster_a_row_that_lacks_text_is_an_error():
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0], "c": ["x", "y", "x"], "y": [1.0, 2.0, 4.0]})
    model = LinearRegression().fit(scan(frame, ["a", "c"], missing="drop", encode="onehot"), "y")
    asked = dd.from_pandas(pd.DataFrame({"a": [1.0, 2.0], "c": ["x", None]}), npartitions=1)
    with pytest.raises(ValueError, match="column 'c': missing value"):
        model.predict(asked).compute()
    with pytest.raises(ValueError, match="column 'c': missing value"):
        model.score(asked, dd.from_pandas(pd.Series([1.0, 2.0]), npartitions=1))


def test_folds_are_of_the_rows_that_are_kept():
    used = GAPS.dropna(subset=[*RAW, "price"])
    alphas = [0.01, 1.0, 100.0]
    rows = in_batches(GAPS, missing="drop", encode="onehot")
    model = RidgeCV(alphas, cv=4).fit(rows, "price")
    X = transformer().fit_transform(used)
    expected = sklearn.linear_model.RidgeCV(alphas, cv=4).fit(X, used.price)
    assert model.alpha_ == expected.alpha_
    assert model.best_score_ == pytest.approx(expected.best_score_, rel=1e-8)


def test_neighbours_read_again_what_the_fit_read():
    used = GAPS.dropna(subset=[*RAW, "dear"])
    model = KNeighborsClassifier(3).fit(in_batches(GAPS, missing="drop", encode="onehot"), "dear")
    X = transformer().fit_transform(used)
    expected = KNeighborsClassifier(3).fit(X, used.dear)
    assert model.n_samples_fit_ == len(used)
    for found, wanted in zip(model.kneighbors(used[RAW]), expected.kneighbors(X), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_parts_go_on_as_the_first_part(tmp_path):
    model = LinearRegression(fit_intercept=False)
    model.partial_fit(scan(FRAME[:120], RAW, missing="drop", encode="onehot"), "price")
    model.partial_fit(scan(FRAME[120:], RAW), "price")  # rows of it are left out, too
    used = FRAME.dropna(subset=RAW)
    X = transformer().fit_transform(used)
    expected = sklearn.linear_model.LinearRegression(fit_intercept=False).fit(X, used.price)
    np.testing.assert_allclose(model.predict(used[RAW]), expected.predict(X), rtol=1e-9)
    parts = IncrementalPCA(2)
    for part in (FRAME[:120], FRAME[120:]):
        parts.partial_fit(scan(part, ["area", "age"], missing="drop"))
    whole = IncrementalPCA(2).fit(FRAME[["area", "age"]].dropna())
    np.testing.assert_allclose(parts.explained_variance_, whole.explained_variance_, rtol=1e-10)


@pytest.mark.parametrize("missing", ["mean", "drop"])
def test_a_fit_goes_on_from_a_checkpoint(tmp_path, monkeypatch, missing):
    FORMATS["parquet"](tmp_path, FRAME)
    options = {"missing": missing, "encode": "onehot"}
    whole = LinearRegression().fit(scan(tmp_path, RAW, **options), "price")
    monkeypatch.setattr("rmodels.files.checkpoint.SECONDS", 0.0)
    kept = tmp_path / "checkpoint"
    arrays = rmodels.data.scan.Scan.arrays

    def stopped(self, *args):
        for number, found in enumerate(arrays(self, *args)):
            if number == 4 and args[1] == "fit":
                raise KeyboardInterrupt
            yield found

    with monkeypatch.context() as patched:
        patched.setattr(rmodels.data.scan.Scan, "arrays", stopped)
        with pytest.raises(KeyboardInterrupt):
            LinearRegression().fit(scan(tmp_path, RAW, checkpoint=kept, **options), "price")
    assert kept.exists()
    rows = scan(tmp_path, RAW, checkpoint=kept, **options)
    model = LinearRegression().fit(rows, "price")
    np.testing.assert_array_equal(model.coef_, whole.coef_)
    gaps = FRAME[[*RAW, "price"]].isna().any(axis=1).sum() if missing == "drop" else 0
    for _ in range(2):  # the second fit goes on from the end
        assert (rows.n_rows, rows.n_left_out) == (N - gaps, gaps)
        rows = scan(tmp_path, RAW, checkpoint=kept, **options)
        LinearRegression().fit(rows, "price")
    if missing == "mean":
        np.testing.assert_allclose(model.predict(FRAME[RAW]), whole.predict(FRAME[RAW]), rtol=1e-14)


def test_the_rank_of_dummies_is_no_warning():
    """Warnings are errors here."""
    whole = FRAME.fillna({"area": 60.0, "age": 5.0})
    model = LinearRegression().fit(in_batches(whole, encode="onehot"), "price")
    assert model.rank_ == len(MADE) - 2
    pipeline = make_pipeline(transformer(), sklearn.linear_model.LinearRegression())
    pipeline.fit(whole[RAW], whole.price)
    np.testing.assert_allclose(model.predict(whole[RAW]), pipeline.predict(whole[RAW]), rtol=1e-10)


def test_summary_names_the_categories():
    whole = FRAME.dropna()
    model = LinearRegression(fit_intercept=False)
    model.fit(scan(whole, ["area", "town"], encode="onehot"), "price")
    frame = model.summary().to_frame()
    assert frame.index.tolist() == ["area", "town_Bonn", "town_Köln", "town_Ulm"]
