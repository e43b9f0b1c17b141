"""Which files are read, and which of their columns: of folders, patterns, indices and keys."""

import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

import rmodels
from rmodels import KNeighborsClassifier, KNeighborsRegressor, LinearRegression, scan
from rmodels.cli import main
from rmodels.data.formats import files_of


def write(frame, path, **options):
    """Write a frame as the name says, with the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False, **options)
    else:
        frame.to_parquet(path, **options)


def coefficients(source, tmp_path, columns=None, target="y"):
    """Fit to a source from Python and from a shell; return the coefficients by name."""
    model = LinearRegression().fit(scan(source, columns), target)
    found = dict(zip(model.feature_names_in_.tolist(), model.coef_.tolist(), strict=True))
    saved = tmp_path / "command.rmodel"
    named = [word for name in columns or () for word in ("--feature", name)]
    fit = ["fit", "linear-regression", str(source), "--target", target, "-o", str(saved)]
    assert main([*fit, *named]) == 0
    loaded = rmodels.load(saved)
    np.testing.assert_array_equal(loaded.coef_, model.coef_)
    assert loaded.feature_names_in_.tolist() == model.feature_names_in_.tolist()
    return found


def error(source, tmp_path, capsys, estimator="linear-regression"):
    """Fit to a source in both ways, which fails; return what is said, the same."""
    model = {
        "linear-regression": LinearRegression,
        "k-neighbors-regressor": KNeighborsRegressor,
    }[estimator]()
    with pytest.raises(ValueError, match=r"column|no Parquet") as caught:
        model.fit(scan(source), "y")
    capsys.readouterr()
    saved = tmp_path / "none.rmodel"
    assert main(["fit", estimator, str(source), "--target", "y", "-o", str(saved)]) == 1
    assert capsys.readouterr().err == f"rmodels: error: {caught.value}\n"
    assert not saved.exists()
    return str(caught.value)


LINE = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [3.0, 5.0, 7.0]})
WRONG = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [99.0, 5.0, -9.0]})


@pytest.mark.parametrize("kind", ["csv", "parquet", "pq"])
class TestHiddenNames:
    @pytest.fixture
    def folder(self, tmp_path, kind):
        folder = tmp_path / "_data"  # what is named may begin with anything
        write(LINE, folder / "deep" / f"a.{kind}")
        for hidden in (".a", "_a", ".b/a", "_temporary/0/a", "deep/.ipynb_checkpoints/a"):
            write(WRONG, folder / f"{hidden}.{kind}")
        (folder / f"a_folder.{kind}").mkdir()
        return folder

    def test_are_passed_by(self, folder, kind, tmp_path):
        assert files_of(folder) == [folder / "deep" / f"a.{kind}"]
        assert coefficients(folder, tmp_path) == pytest.approx({"x": 2.0})
        for pattern in ("**/*", f"**/*.{kind}", "d*", "*/a*", f"deep/*.{kind}"):
            assert files_of(folder / pattern) == [folder / "deep" / f"a.{kind}"], pattern

    def test_are_read_if_named(self, folder, kind, tmp_path):
        for named in (f"_a.{kind}", f".a.{kind}", f"_a.{kind[:1]}*", "_temporary", "_t*/0/*"):
            found = coefficients(folder / named, tmp_path)
            assert found == pytest.approx({"x": -54.0}), named

    def test_a_folder_of_them_alone(self, folder, kind, tmp_path, capsys):
        (folder / "deep" / f"a.{kind}").unlink()
        assert "there is no table, a .csv or .parquet file" in error(folder, tmp_path, capsys)


def test_links_to_folders(tmp_path):
    write(LINE, tmp_path / "elsewhere" / "a.csv")
    write(LINE.assign(y=LINE.y + 1), tmp_path / "data" / "b.csv")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "data")
    assert files_of(tmp_path / "data") == [
        tmp_path / "data" / "b.csv",
        tmp_path / "data" / "link" / "a.csv",
    ]
    assert coefficients(tmp_path / "data", tmp_path) == pytest.approx({"x": 2.0})
    (tmp_path / "data" / "gone.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(FileNotFoundError, match=r"gone\.csv"):
        scan(tmp_path / "data")


def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    write(LINE, tmp_path / "a.csv")
    write(LINE, tmp_path / "deep" / "a.csv")
    listed = os.scandir

    def scandir(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)  # to the owner of a machine all is permitted
    with pytest.raises(PermissionError, match="deep"):
        scan(tmp_path)


INDEXED = pd.DataFrame({"x": [4.0, 1, 7, 2, 9, 3], "y": [9.0, 3, 15, 6, 19, 7]})
INDEXED = INDEXED[INDEXED.x > 1.5]


class TestIndex:
    def test_of_a_filtered_frame(self, tmp_path):
        path = tmp_path / "a.parquet"
        INDEXED.to_parquet(path)
        assert "__index_level_0__" in pq.read_schema(path).names
        expected = LinearRegression().fit(INDEXED[["x"]], INDEXED.y).coef_[0]
        assert coefficients(path, tmp_path) == pytest.approx({"x": expected})
        for source in (
            INDEXED,
            lambda: [INDEXED[:2], INDEXED[2:]],
            lambda: [pa.Table.from_pandas(INDEXED)],
            pa.Table.from_pandas(INDEXED),
            pa.dataset.dataset(path),
            pa.dataset.dataset(pa.Table.from_pandas(INDEXED)),
        ):
            model = LinearRegression().fit(scan(source), "y")
            assert model.feature_names_in_.tolist() == ["x"]
            assert model.coef_ == pytest.approx([expected])

    def test_with_a_name(self, tmp_path):
        path = tmp_path / "a.parquet"
        INDEXED.assign(id=[5, 3, 8, 1, 9]).set_index("id").to_parquet(path)
        assert set(coefficients(path, tmp_path)) == {"x"}
        assert set(coefficients(path, tmp_path, ["x", "id"])) == {"x", "id"}  # it can be asked for

    def test_that_is_a_column_elsewhere(self, tmp_path, capsys):
        frame = INDEXED.assign(id=[5, 3, 8, 1, 9])
        write(frame.reset_index(drop=True), tmp_path / "data" / "1.parquet")
        write(frame.set_index("id"), tmp_path / "data" / "2.parquet")
        said = error(tmp_path / "data", tmp_path, capsys)
        assert "2.parquet has 'id' as an index" in said
        assert set(coefficients(tmp_path / "data", tmp_path, ["x"])) == {"x"}

    def test_column_without_a_name(self, tmp_path, capsys):
        path = tmp_path / "a.csv"
        INDEXED.to_csv(path)
        said = error(path, tmp_path, capsys)
        assert "a.csv: column 1 has no name. If it numbers the rows, leave it out" in said
        assert set(coefficients(path, tmp_path, ["x"])) == {"x"}
        assert main(["fit", "linear-regression", str(path), "--target", "y", "--ignore", "",
                     "-o", str(tmp_path / "a.rmodel")]) == 0  # fmt: skip
        with pytest.raises(ValueError, match="column 1 has no name"):
            KNeighborsRegressor(1).fit([[0.0, 1.0], [1.0, 2.0]], [0, 1]).predict(scan(path))

    def test_a_model_of_it_still_predicts(self, tmp_path):
        path = tmp_path / "a.parquet"
        INDEXED.to_parquet(path)
        named = INDEXED.reset_index(names="__index_level_0__")[["x", "__index_level_0__"]]
        model = LinearRegression().fit(named, INDEXED.y)
        np.testing.assert_allclose(model.predict(scan(path)), model.predict(named), rtol=1e-12)
        rmodels.save(model, tmp_path / "old.rmodel", target_names=["y"])
        assert main(["score", str(tmp_path / "old.rmodel"), str(path)]) == 0


@pytest.mark.parametrize("kind", ["csv", "parquet"])
class TestColumnsOfLaterFiles:
    @pytest.fixture
    def folder(self, tmp_path, kind):
        frame = pd.DataFrame(np.random.default_rng(0).random((40, 3)), columns=["a", "c", "y"])
        write(frame.drop(columns="c"), tmp_path / "data" / f"1.{kind}")
        write(frame, tmp_path / "data" / f"2.{kind}")
        return tmp_path / "data"

    def test_are_not_dropped(self, folder, kind, tmp_path, capsys):
        for estimator in ("linear-regression", "k-neighbors-regressor"):
            said = error(folder, tmp_path, capsys, estimator)
            assert f"2.{kind} has a column 'c', and {folder}/1.{kind} has not" in said

    def test_matter_not_if_columns_are_named(self, folder, kind, tmp_path):
        assert set(coefficients(folder, tmp_path, ["a"])) == {"a"}
        saved = tmp_path / "a.rmodel"
        fit = ["fit", "linear-regression", str(folder), "--target", "y", "-o", str(saved)]
        assert main([*fit, "--ignore", "c"]) == 0
        model = rmodels.load(saved)
        assert model.feature_names_in_.tolist() == ["a"]
        assert model.predict(scan(folder)).shape == (80,)  # the model names them

    def test_of_a_dataset(self, folder, kind, tmp_path):
        dataset = pa.dataset.dataset(folder, format=kind)
        with pytest.raises(ValueError, match=f"2.{kind} has a column 'c', and the dataset has not"):
            LinearRegression().fit(scan(dataset), "y")
        assert LinearRegression().fit(scan(dataset, ["a"]), "y").n_features_in_ == 1


def test_columns_of_later_batches():
    frames = [pd.DataFrame({"a": [1.0, 2.0], "y": [1.0, 2.0]})] * 2
    frames[1] = frames[1].assign(c=1.0)
    with pytest.raises(ValueError, match="batch 2 has a column 'c', and batch 1 has not"):
        LinearRegression().fit(scan(lambda: frames), "y")
    assert LinearRegression().fit(scan(lambda: frames, ["a"]), "y").coef_ == pytest.approx([1.0])
    arrays = [np.eye(2), np.ones((2, 3))]
    with pytest.raises(ValueError, match="batch 2 has a column 2, and batch 1 has not"):
        LinearRegression().fit(scan(lambda: arrays), 1)


PARTS = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.5], "year": [0, 0, 1, 1]})
PARTS["y"] = PARTS.x + 10 * PARTS.year


class TestKeys:
    @pytest.fixture(params=["csv", "parquet"])
    def folder(self, tmp_path, request):
        folder = tmp_path / "data"
        if request.param == "parquet":
            PARTS.to_parquet(folder, partition_cols=["year"])
        else:
            for year, part in PARTS.groupby("year"):
                write(part.drop(columns="year"), folder / f"year={year}" / "a.csv")
        return folder

    def test_are_columns(self, folder, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        expected = pytest.approx({"x": 1.0, "year": 10.0})
        for source in (folder, "data", "data/year=*", "data/**/*.*", "./data/y*/*"):
            assert coefficients(source, tmp_path) == expected, source
        files = files_of(folder)
        for several in (
            files,
            [folder / "year=0", folder / "year=1"],
            [os.path.relpath(files[0]), files[1]],
        ):
            model = LinearRegression().fit(scan(several), "y")
            found = dict(zip(model.feature_names_in_, model.coef_, strict=True))
            assert found == expected

    def test_above_what_is_named_are_none(self, folder, tmp_path):
        assert set(coefficients(folder / "year=1", tmp_path)) == {"x"}
        assert set(coefficients(files_of(folder)[0], tmp_path)) == {"x"}
        assert set(coefficients(folder / "year=1" / "*", tmp_path)) == {"x"}

    def test_of_one_folder_are_asked_for_above_it(self, folder, tmp_path, capsys):
        model = LinearRegression().fit(scan(folder), "y")
        rmodels.save(model, tmp_path / "model")
        with pytest.raises(ValueError, match=r"no column 'year'; .*: name the folder above"):
            model.predict(scan(folder / "year=1"))
        assert main(["predict", str(tmp_path / "model"), str(folder / "year=1")]) == 1
        assert "no column 'year'" in capsys.readouterr().err
        assert model.predict(scan(folder / "year=[1]")) == pytest.approx([13.0, 14.5])

    def test_as_targets_and_as_labels(self, folder, tmp_path):
        model = KNeighborsClassifier(1).fit(scan(folder, ["x"]), "year")
        assert model.classes_.tolist() == [0, 1]
        assert model.score(scan(folder), "year") == 1.0
        regressor = KNeighborsRegressor(1).fit(scan(folder, ["x"]), "year")
        assert regressor.predict(pd.DataFrame({"x": [1.0, 4.5]})).tolist() == [0.0, 1.0]
        only = LinearRegression().fit(scan(folder, ["year"]), "y")  # nothing of the files but y
        assert only.predict(scan(folder)) == pytest.approx([1.5, 1.5, 13.75, 13.75])
        assert only.predict(scan(folder, ["year"])).shape == (4,)

    def test_a_file_without_one(self, folder, tmp_path, capsys):
        file = files_of(folder)[0]
        (folder / f"z{file.suffix}").write_bytes(file.read_bytes())
        assert f"z{file.suffix}: no column 'year'" in error(folder, tmp_path, capsys)

    def test_a_model_without_names_says_what_changed(self, folder, tmp_path, capsys):
        model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
        said = r"From this version on, the names of folders are columns \('year'\)"
        with pytest.raises(ValueError, match=said):
            model.predict(scan(folder, ["x", "year"]))
        rmodels.save(model, tmp_path / "old.rmodel")
        target = ["--target", "y"]
        assert main(["score", str(tmp_path / "old.rmodel"), str(folder), *target]) == 1
        assert "the names of folders are columns ('year')" in capsys.readouterr().err


def test_keys_of_a_dataset(tmp_path):
    PARTS.to_parquet(tmp_path, partition_cols=["year"])
    dataset = pa.dataset.dataset(tmp_path, partitioning="hive")
    model = LinearRegression().fit(scan(dataset), "y")
    found = dict(zip(model.feature_names_in_, model.coef_, strict=True))
    assert found == pytest.approx({"x": 1.0, "year": 10.0})
    without = pa.dataset.dataset(tmp_path)
    with pytest.raises(ValueError, match="has a column 'year', and the dataset has not"):
        LinearRegression().fit(scan(without), "y")
    assert LinearRegression().fit(scan(without, ["x"]), "y").n_features_in_ == 1


def test_keys_that_are_text_or_missing(tmp_path, capsys):
    frame = PARTS.rename(columns={"year": "place"}).assign(place=["a b", "a b", "01", "01"])
    frame.to_parquet(tmp_path / "text", partition_cols=["place"])
    said = error(tmp_path / "text", tmp_path, capsys)
    assert "column 'place': numbers are needed, and it holds string" in said
    model = KNeighborsClassifier(1).fit(scan(tmp_path / "text", ["x"]), "place")
    assert model.classes_.tolist() == ["01", "a b"]
    PARTS.assign(year=[1, 1, None, None]).to_parquet(tmp_path / "missing", partition_cols=["year"])
    said = error(tmp_path / "missing", tmp_path, capsys)
    assert "__HIVE_DEFAULT_PARTITION__" in said
    assert "column 'year': missing value" in said


def test_months_are_numbers(tmp_path):
    for month in (1, 2, 12):
        frame = pd.DataFrame({"x": [1.0, 2.5], "y": [month + 2.0, month + 5.0]})
        write(frame, tmp_path / "data" / f"month={month:02}" / "a.csv")
    assert coefficients(tmp_path / "data", tmp_path) == pytest.approx({"x": 2.0, "month": 1.0})
    model = KNeighborsClassifier(1).fit(scan(tmp_path / "data", ["x", "y"]), "month")
    assert model.classes_.tolist() == [1, 2, 12]


def test_a_column_of_the_file_is_not_told_by_its_folder(tmp_path):
    write(PARTS, tmp_path / "data" / "year=7" / "a.parquet")
    write(PARTS, tmp_path / "data" / "year=7" / "b.parquet")
    found = coefficients(tmp_path / "data", tmp_path)
    assert found == pytest.approx({"x": 1.0, "year": 10.0})


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_of_capital_and_short_endings(tmp_path, kind):
    write(LINE, tmp_path / f"a.{kind}")
    path = (tmp_path / f"a.{kind}").rename(tmp_path / ("A.CSV" if kind == "csv" else "A.PQ"))
    assert coefficients(path, tmp_path) == pytest.approx({"x": 2.0})
    assert coefficients(tmp_path / "*", tmp_path) == pytest.approx({"x": 2.0})


def test_predictions_to_a_short_ending(tmp_path):
    write(LINE, tmp_path / "a.pq")
    rmodels.save(LinearRegression().fit(LINE[["x"]], LINE.y), tmp_path / "m", target_names=["y"])
    given = ["predict", str(tmp_path / "m"), str(tmp_path / "a.pq"), "-o", str(tmp_path / "b.pq")]
    assert main(given) == 0
    assert pd.read_parquet(tmp_path / "b.pq").y.tolist() == pytest.approx([3.0, 5.0, 7.0])
