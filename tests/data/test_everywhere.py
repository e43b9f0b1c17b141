"""What is right for an array is right for a scan, a Dask frame and the command line alike."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

pytest.importorskip("pyarrow", reason="the extra files is not installed: pyarrow")
pytest.importorskip("safetensors", reason="the extra files is not installed: safetensors")
dask = pytest.importorskip("dask", reason="the extra dask is not installed: Dask")

import dask.array as da  # noqa: E402
import dask.dataframe as dd  # noqa: E402
import pyarrow as pa  # noqa: E402

from rmodels import (  # noqa: E402
    KNeighborsClassifier,
    KNeighborsRegressor,
    LinearRegression,
    load,
    save,
    scan,
)
from rmodels.cli import main  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # of Dask

WAYS = ["memory", "parquet", "csv", "frame", "function", "dask", "command"]


@pytest.fixture(autouse=True)
def in_this_process():
    with dask.config.set({"scheduler": "synchronous", "dataframe.convert-string": False}):
        yield


class Way:
    """A data frame with a feature x, on one of the ways to a model."""

    def __init__(self, kind, folder, capsys):
        self.kind, self.folder, self._capsys = kind, folder, capsys

    def given(self, frame, target):
        """Return X and y."""
        if self.kind == "memory":
            return frame[["x"]], frame[target]
        if self.kind == "dask":
            parts = dd.from_pandas(frame, npartitions=2)
            return parts[["x"]], parts[target]
        if self.kind == "frame":
            return scan(frame, ["x"]), target
        if self.kind == "function":
            return scan(lambda: [frame[:2], frame[2:]], ["x"]), target
        return scan(self.file(frame), ["x"]), target

    def file(self, frame):
        """Write a file; for the command line, of Parquet."""
        number = len(list(self.folder.iterdir()))  # a file that changes is one of another fit
        path = self.folder / f"rows{number}.{'csv' if self.kind == 'csv' else 'parquet'}"
        frame.to_csv(path, index=False) if self.kind == "csv" else frame.to_parquet(path)
        return path

    def fit(self, model, frame, target):
        """Fit; on the command line, to a file."""
        if self.kind != "command":
            return model.fit(*self.given(frame, target))
        name = {"LinearRegression": "linear-regression"}.get(
            type(model).__name__, "k-neighbors-classifier"
        )
        options = [] if name == "linear-regression" else ["--n-neighbors", model.n_neighbors]
        data, output = self.file(frame), self.folder / "model"
        self._run("fit", name, data, "--feature", "x", "--target", target, "-o", output, *options)
        return load(output)

    def score(self, model, frame, target):
        """Return the score; of the command line, read from what it prints, or its error."""
        if self.kind != "command":
            return model.score(*self.given(frame, target))
        save(model, self.folder / "model")
        said = self._run("score", self.folder / "model", self.file(frame), "--target", target)
        return float(said.rpartition(": ")[2])

    def _run(self, *arguments):
        status = main(list(map(str, arguments)))
        said = self._capsys.readouterr()
        if status:
            raise ValueError(said.err)
        return said.out


@pytest.fixture(params=WAYS)
def way(request, tmp_path, capsys):
    return Way(request.param, tmp_path, capsys)


LABELS = pd.DataFrame(
    {
        "x": [0.0, 1.0, 2.0, 3.0],
        "numbers": [1, 2, 1, 2],
        "truths": [True, False, True, False],
        "texts": ["b", "a", "b", "a"],
        "truths_as_text": ["true", "false", "true", "false"],
    }
)


# In memory, scikit-learn's score says so; before it had words for it, by a TypeError.
OF_ANOTHER_KIND = "Mix of label input types|Labels in y_true and y_pred should be of the same type"


class TestLabels:
    @pytest.mark.parametrize("target", ["numbers", "truths", "texts"])
    def test_are_found_again(self, way, target):
        model = KNeighborsClassifier(1).fit(LABELS[["x"]], LABELS[target])
        assert way.score(model, LABELS, target) == 1.0

    @pytest.mark.parametrize(
        ("known", "target"),
        [
            ("texts", "numbers"),
            ("texts", "truths"),
            ("truths_as_text", "truths"),
            ("truths_as_text", "numbers"),
        ],
    )
    def test_of_another_kind_are_no_misses(self, way, known, target):
        model = KNeighborsClassifier(1).fit(LABELS[["x"]], LABELS[known])
        with pytest.raises((ValueError, TypeError), match=OF_ANOTHER_KIND) as caught:
            way.score(model, LABELS, target)
        assert way.kind == "memory" or isinstance(caught.value, ValueError)

    def test_numbers_do_not_find_text(self, way):
        model = KNeighborsClassifier(1).fit(LABELS[["x"]], LABELS["numbers"])
        with pytest.raises(
            (ValueError, TypeError), match=f"{OF_ANOTHER_KIND}|is not a number"
        ) as caught:
            way.score(model, LABELS, "texts")
        assert way.kind == "memory" or isinstance(caught.value, ValueError)

    def test_are_those_of_the_frame(self, way):
        for target, classes in (("numbers", [1, 2]), ("truths", [False, True])):
            model = way.fit(KNeighborsClassifier(1), LABELS, target)
            assert model.classes_.tolist() == classes
            assert model.classes_.dtype == LABELS[target].dtype

    def test_text_may_be_empty_but_in_csv(self, way):
        frame = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "k": ["", "a", "a", ""]})
        if way.kind == "csv":
            with pytest.raises(ValueError, match=r"rows0.csv, line 2, column 'k': missing value"):
                way.fit(KNeighborsClassifier(1), frame, "k")
        else:
            model = way.fit(KNeighborsClassifier(1), frame, "k")
            assert model.classes_.tolist() == ["", "a"]
            assert way.score(model, frame, "k") == 1.0


MISSING = {
    "Int64": pd.array([1, 2, None, 1], dtype="Int64"),
    "boolean": pd.array([True, False, None, True], dtype="boolean"),
    "string": pd.array(["1", "2", None, "1"], dtype="string"),
    "objects": np.array(["1", "2", None, "1"], object),
    "categories": pd.Categorical([1, 2, None, 1]),
    "floats": [1.0, 2.0, np.nan, 1.0],
    "arrow": pd.array([1, 2, None, 1], dtype="int64[pyarrow]"),
}


@pytest.mark.parametrize("kind", MISSING)
class TestMissing:
    """A value that is not there is an error which says so."""

    def test_labels(self, way, kind):
        frame = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "k": MISSING[kind]})
        with pytest.raises(ValueError, match=r"missing value|Input y.* contains NaN"):
            way.fit(KNeighborsClassifier(1), frame, "k")

    def test_targets(self, way, kind):
        frame = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": MISSING[kind]})
        said = r"missing value|Input y.* contains NaN|numbers are needed, and it holds .*string"
        with pytest.raises(ValueError, match=said):
            way.fit(LinearRegression(), frame, "y")

    def test_features(self, way, kind):
        frame = pd.DataFrame({"x": MISSING[kind], "y": [0.0, 1.0, 2.0, 3.0]})
        said = r"missing value|Input X.* contains NaN|numbers are needed, and it holds .*string"
        for model, target in ((LinearRegression(), "y"), (KNeighborsClassifier(1), "y")):
            with pytest.raises(ValueError, match=said):
                way.fit(model, frame, target)


@pytest.mark.parametrize(
    "times", [pd.to_datetime(["2020-01-01", "2021-01-01"] * 2), pd.to_timedelta([1, 2, 3, 4])]
)
def test_dates_and_times_are_no_numbers(way, times):
    said = r"dates and times are no numbers|numbers are needed, and it holds|is not a number"
    with pytest.raises(ValueError, match=said):
        way.fit(LinearRegression(), pd.DataFrame({"x": times, "y": [0.0, 1.0, 2.0, 3.0]}), "y")
    with pytest.raises(ValueError, match=said):
        way.fit(LinearRegression(), pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": times}), "y")
    two = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "t": times})
    table = pa.Table.from_pandas(two)
    for X in (two, dd.from_pandas(two, npartitions=2), pl.from_pandas(two), table):
        with pytest.raises(ValueError, match="column 't', holds"):
            LinearRegression().fit(X, two["a"])
    for y in (pl.Series(times), pa.array(times)):
        with pytest.raises(ValueError, match="y holds"):
            LinearRegression().fit(two[["a"]], y)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.nan, "missing value|contains NaN|finite and at least 0; one is nan"),
        (-1.0, "egative|finite and at least 0; one is -1.0"),
        (np.inf, "not finite|contains infinity|finite and at least 0; one is inf"),
        (pd.NA, "missing value|contains NaN"),
    ],
)
def test_weights_that_are_none(bad, said, tmp_path):
    frame = pd.DataFrame({"x": [0.0, 1.0, 3.0, 2.0], "y": [1.0, 0.0, 2.0, 5.0]})
    frame["w"] = pd.Series([1.0, 2.0, bad, 1.0], dtype=object if bad is pd.NA else float)
    parts = dd.from_pandas(frame, npartitions=2)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    given = [
        (frame[["x"]], frame.y, frame.w),
        (parts[["x"]], parts.y, parts.w),
        (parts, "y", "w"),
        (scan(frame[["x"]]), frame.y, frame.w),
        (scan(frame), "y", "w"),
        (scan(tmp_path / "rows.csv"), "y", "w"),
    ]
    for model in (LinearRegression(), KNeighborsRegressor(1)):
        for X, y, w in given:
            with pytest.raises(ValueError, match=said):
                model.fit(X, y, sample_weight=w)
        with pytest.raises(ValueError, match=r"rows.csv, line 4, column 'w'"):
            model.fit(*given[-1])
        with pytest.raises(ValueError, match="the frame, row 3, column 'w'"):
            model.fit(*given[-2])


def test_values_behind_a_mask_are_not_there():
    values = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 1.0], [3.0, 2.0]])
    A, y = np.ma.masked_array(values, mask=np.eye(4, 2, dtype=bool)), values @ [1.0, 2.0]
    whole = np.ma.masked_array(values)
    for X in (A, da.from_array(A, chunks=(2, 2)), lambda: scan(A), lambda: scan(lambda: [A])):
        with pytest.raises(ValueError, match="masked values"):
            LinearRegression().fit(X() if callable(X) else X, y)
    some = np.ma.masked_array(y, mask=[0, 0, 1, 0])
    with pytest.raises(ValueError, match="Input y contains masked values"):
        LinearRegression().fit(whole, some)
    for X in (values, scan(values), da.from_array(values, chunks=(2, 2))):
        with pytest.raises(ValueError, match=r"Input sample_weight.* contains masked values"):
            LinearRegression().fit(X, y, some)
    np.testing.assert_allclose(LinearRegression().fit(whole, y).coef_, [1.0, 2.0])


def test_objects_beside_a_scan_are_labels_as_beside_an_array():
    X = np.arange(4.0)[:, np.newaxis]
    for labels in (np.array([1, "a", 1, "a"], object), np.array([1, 2, 1, 2], object)):
        for rows in (X, scan(X)):
            with pytest.raises(ValueError, match="Unknown label type"):
                KNeighborsClassifier(1).fit(rows, labels)


def test_cells_that_are_like_labels_that_are_text(tmp_path):
    model = KNeighborsClassifier(1).fit([[0.0], [1.0]], ["1", "a"])
    for cells, score in (("1,2,2", 1 / 3), ("2,3,4", 0.0), ("2,1,a", 1 / 3), ("x,NA,2", 0.0)):
        lines = [f"{x},{cell}" for x, cell in zip((0, 1, 1), cells.split(","), strict=True)]
        (tmp_path / "rows.csv").write_text("\n".join(["x,k", *lines]))
        assert model.score(scan(tmp_path / "rows.csv", ["x"]), "k") == pytest.approx(score)


def test_cells_are_of_one_kind_however_they_are_cut(tmp_path):
    from rmodels import config_context

    words = KNeighborsClassifier(1).fit([[0.0], [1.0]], ["a", "b"])
    for cells in (
        ["1"] * 5000 + ["c"],
        ["true"] * 5000 + ["1"],
        ["NA"] * 401,
        ["1"] * 5000 + ["b"],
    ):
        (tmp_path / "rows.csv").write_text("\n".join(["x,k", *(f"1,{cell}" for cell in cells)]))
        rows = scan(tmp_path / "rows.csv", ["x"])
        for limit in (1 << 20, 1 << 26):
            with config_context(memory_limit=limit):
                assert words.score(rows, "k") == cells.count("b") / 5001
    (tmp_path / "rows.csv").write_text("\n".join(["x,k", *["1,1"] * 5000, "1,NA"]))
    for limit in (1 << 20, 1 << 26):
        with (
            config_context(memory_limit=limit),
            pytest.raises(ValueError, match=r"rows.csv, column 'k': Mix of label input types"),
        ):
            words.score(scan(tmp_path / "rows.csv", ["x"]), "k")
