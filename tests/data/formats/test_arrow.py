"""Types of Arrow, and sources that are tables, frames and datasets, or are refused in a line."""

import decimal

import dask.array
import dask.dataframe
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from scipy import sparse

import rmodels
from rmodels import KNeighborsClassifier, KNeighborsRegressor, LinearRegression, scan
from rmodels.cli import main

N = 30
X = np.random.default_rng(0).integers(0, 40, (N, 2)) / 4
Y = X @ [2.0, -1.0] + 3.0
WORDS = np.where(X[:, 0] > 5, "high", "low")

FLAGS = pa.array((X[:, 1] > 5).astype(np.int8))
NUMBERS = {
    "decimal32": lambda v: v.cast(pa.decimal32(9, 2)),
    "decimal64": lambda v: v.cast(pa.decimal64(12, 2)),
    "decimal128": lambda v: v.cast(pa.decimal128(20, 2)),
    "decimal256": lambda v: v.cast(pa.decimal256(40, 2)),
    "dictionary": lambda v: v.dictionary_encode(),
    "chunked dictionary": lambda v: pa.chunked_array([v[:7], v[7:]]).dictionary_encode(),
    "runs": pc.run_end_encode,
    "float16": lambda v: v.cast(pa.float16()),
}
TEXTS = {
    "string_view": lambda v: v.cast(pa.string_view()),
    "large_string": lambda v: v.cast(pa.large_string()),
    "dictionary": lambda v: v.dictionary_encode(),
    "dictionary of views": lambda v: pa.DictionaryArray.from_arrays(
        v.dictionary_encode().indices, v.dictionary_encode().dictionary.cast(pa.string_view())
    ),
    "runs": pc.run_end_encode,
}


def sources(table, tmp_path):
    """Yield a table as the sources that hold its types."""
    yield "table", table
    yield "function", lambda: [table[:11], table[11:]]
    yield "dataset", pa.dataset.dataset(table)
    try:
        pq.write_table(table, tmp_path / "a.parquet")
    except pa.ArrowNotImplementedError:  # runs, and dictionaries of views, have no Parquet type
        return
    yield "parquet", tmp_path / "a.parquet"


@pytest.mark.parametrize("kind", NUMBERS)
def test_types_of_numbers(tmp_path, kind):
    codes = np.floor(X[:, 0] / 3)
    if kind.startswith("decimal") and not hasattr(pa, kind):
        pytest.skip(f"pyarrow before 19 has no {kind}")
    made = [NUMBERS[kind](pa.array(column)) for column in (*X.T, Y, codes)]
    table = pa.table(made, names=["a", "b", "y", "code"])
    for name, source in sources(table, tmp_path):
        model = LinearRegression().fit(scan(source, ["a", "b"]), "y")
        np.testing.assert_allclose(model.coef_, [2.0, -1.0], rtol=1e-5, err_msg=name)
        targets = KNeighborsRegressor(1).fit(scan(source, ["a", "b"]), "y")
        assert targets.score(scan(source, ["a", "b"]), "y") > 0.9, name
        labels = KNeighborsClassifier(1).fit(scan(source, ["a", "b"]), "code")
        assert labels.classes_.dtype.kind == "f"
        assert labels.classes_.tolist() == np.unique(codes).tolist(), name


@pytest.mark.parametrize("kind", ["bool", "bool8"])
def test_booleans(tmp_path, kind):
    made = FLAGS.cast(pa.bool_())
    if kind == "bool8":
        made = pa.ExtensionArray.from_storage(pa.bool8(), FLAGS)
    table = pa.table({"a": X[:, 0], "b": made, "y": X[:, 0] + 5 * FLAGS.to_numpy()})
    for name, source in sources(table, tmp_path):
        model = LinearRegression().fit(scan(source), "y")
        np.testing.assert_allclose(model.coef_, [1.0, 5.0], rtol=1e-10, err_msg=name)
        labels = KNeighborsClassifier(1).fit(scan(source, ["a", "y"]), "b")
        assert labels.classes_.tolist() == [False, True]
        assert labels.classes_.dtype == bool
        assert labels.score(scan(source, ["a", "y"]), "b") == 1.0


@pytest.mark.parametrize("kind", TEXTS)
def test_types_of_text(tmp_path, kind):
    table = pa.table({"a": X[:, 0], "word": TEXTS[kind](pa.array(WORDS))})
    for name, source in sources(table, tmp_path):
        model = KNeighborsClassifier(1).fit(scan(source), "word")
        assert model.classes_.tolist() == ["high", "low"], name
        assert model.score(scan(source), "word") == 1.0
        with pytest.raises(ValueError, match="column 'word': numbers are needed, and it holds"):
            LinearRegression().fit(scan(source), "a")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"a", b"b"]),
        pa.array([b"a", b"b"], pa.binary_view()),
        pa.array([[1], [2]]),
        pa.array([1, 2], pa.timestamp("s")),
        pa.array([b"a" * 16, b"b" * 16], pa.binary(16)).cast(pa.uuid()),
    ],
    ids=lambda column: str(column.type),
)
def test_types_that_are_refused(tmp_path, column):
    table = pa.table({"x": [1.0, 2.0], "c": column})
    for _, source in sources(table, tmp_path):
        with pytest.raises(ValueError, match="column 'c': numbers are needed, and it holds"):
            LinearRegression().fit(scan(source), "x")
        with pytest.raises(ValueError, match="column 'c': labels are text or numbers, and it hold"):
            KNeighborsClassifier(1).fit(scan(source), "c")


def test_missing_values_of_encoded_types(tmp_path):
    for made in (
        pa.array([1.0, None, 2.0]).dictionary_encode(),
        pa.array(["1", None, "2"]).cast(pa.decimal128(5, 2)),
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0], pa.int8())),
    ):
        for _, source in sources(pa.table({"x": made, "y": [1.0, 2.0, 3.0]}), tmp_path):
            with pytest.raises(ValueError, match="column 'x': missing value"):
                LinearRegression().fit(scan(source), "y")
            with pytest.raises(ValueError, match="row 2, column 'x': missing value"):
                KNeighborsClassifier(1).fit(scan(source, ["y"]), "x")


FRAME = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "word": WORDS, "y": Y})
FRAMES = {
    "pandas": FRAME,
    "pandas, shuffled": FRAME.sample(frac=1, random_state=0),
    "pandas, of Arrow": FRAME.convert_dtypes(dtype_backend="pyarrow"),
    "pandas, nullable": FRAME.convert_dtypes(),
    "pandas, categories": FRAME.astype({"word": "category", "a": "category"}),
    "pandas, objects": FRAME.assign(y=[decimal.Decimal(str(value)) for value in Y]),
    "polars": pl.from_pandas(FRAME),
    "polars, decimals": pl.from_pandas(FRAME).with_columns(pl.col("y").cast(pl.Decimal(12, 4))),
    "polars, categories": pl.from_pandas(FRAME).with_columns(pl.col("word").cast(pl.Categorical)),
    "table": pa.Table.from_pandas(FRAME),
    "batch": pa.RecordBatch.from_pandas(FRAME),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_tables_and_frames(kind, monkeypatch):
    monkeypatch.setattr("rmodels.data.scan._LARGEST_BATCH", 8 * 4 * 7)  # a few rows
    for source in (FRAMES[kind], lambda: [FRAMES[kind]]):
        rows = scan(source, ["a", "b"])
        model = LinearRegression().fit(rows, "y")
        np.testing.assert_allclose(model.coef_, [2.0, -1.0], rtol=1e-10)
        assert rows.n_rows == N
        classes = KNeighborsClassifier(1).fit(rows, "word")
        assert classes.classes_.tolist() == ["high", "low"]
        assert classes.score(rows, "word") == 1.0


def test_names_of_columns_that_are_numbers():
    rows = pd.DataFrame(np.column_stack([X, Y]))
    for source in (rows, lambda: [rows]):
        model = LinearRegression().fit(scan(source), "2")
        assert model.feature_names_in_.tolist() == ["0", "1"]
        np.testing.assert_allclose(model.coef_, [2.0, -1.0], rtol=1e-10)
        with pytest.raises(ValueError, match="no column 2; it has '0', '1', '2'"):
            LinearRegression().fit(scan(source), 2)


def test_places_in_frames():
    broken = FRAME.drop(columns="word")
    broken.loc[17, "b"] = np.nan
    with pytest.raises(ValueError, match="the frame, row 18, column 'b': missing value or NaN"):
        LinearRegression().fit(scan(broken), "y")
    labels = FRAME.assign(word=FRAME.word.where(FRAME.index != 17))
    with pytest.raises(ValueError, match="the frame, row 18, column 'word': missing value"):
        KNeighborsClassifier().fit(scan(labels, ["a"]), "word")


def test_integers_of_numpy_as_columns():
    rows = np.column_stack([X, Y])
    expected = LinearRegression().fit(X, Y)
    for source in (rows, lambda: [rows]):
        model = LinearRegression().fit(scan(source, np.arange(2)), np.int64(2))
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
        weighted = LinearRegression().fit(scan(source, [np.int32(0)]), np.int64(2), np.uint8(1))
        again = LinearRegression().fit(X[:, :1], Y, X[:, 1])
        np.testing.assert_allclose(weighted.coef_, again.coef_, rtol=1e-10)
        neighbors = KNeighborsRegressor(1).fit(scan(source, np.arange(2)), np.int64(2))
        assert neighbors.score(scan(source, np.arange(2)), np.int64(2)) > 0.9


BATCHES = hasattr(pl.LazyFrame, "collect_batches")  # not in old versions of polars


def lazy():
    return pl.from_pandas(FRAME).lazy()


DATASET = pa.dataset.dataset(pa.Table.from_pandas(FRAME))


class Stream:
    def __arrow_c_stream__(self, requested_schema=None):
        raise AssertionError("it must not be read")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            lazy(),
            "LazyFrame cannot be scanned: give the files that it reads, or "
            + ("lambda: frame.collect_batches()" if BATCHES else "frame.collect()"),
        ),
        (DATASET.filter(pc.field("a") > 2), "with a filter cannot be read: give a function"),
        (DATASET.scanner(columns=["a"]), "a Scanner cannot be scanned: it can be read once"),
        (pa.Table.from_pandas(FRAME).to_reader(), "a RecordBatchReader cannot be scanned: it can"),
        ((each for each in [FRAME]), "a generator cannot be scanned: it can be read once"),
        ([], "no files were given"),
        ((), "no files were given"),
        ([FRAME, FRAME], "a list is one of paths. Of batches, give a function"),
        ([[1.0, 2.0]], "a list is one of paths"),
        (sparse.eye(3), "a dia_matrix cannot be scanned: estimators take sparse matrices"),
        (sparse.csr_array(np.eye(3)), "a csr_array cannot be scanned: estimators take sparse"),
        ({"a": [1.0]}, "a dict cannot be scanned: give pyarrow.table of it"),
        (Stream(), "give lambda: pyarrow.RecordBatchReader.from_stream"),
        (FRAME["a"], "a Series cannot be scanned: give a frame"),
        (dask.dataframe.from_pandas(FRAME), "estimators take what is of Dask itself"),
        (dask.array.ones((4, 2)), "estimators take what is of Dask itself"),
        (3, "a int cannot be scanned: give a path"),
        (None, "a NoneType cannot be scanned: give a path"),
        (pd.DataFrame({"a": [1, "x"]}), "the frame cannot be read"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Duplicate column names"),
        pytest.param(
            pl.DataFrame({"a": pl.Series([1], dtype=getattr(pl, "Int128", None))}),
            "a DataFrame that cannot be read as",
            marks=pytest.mark.skipif(not hasattr(pl, "Int128"), reason="polars before 1.18"),
        ),
    ],
)
def test_sources_that_are_refused(source, said):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        scan(source)
    assert said in str(caught.value)


def test_what_is_advised_is_read():
    table = pa.Table.from_pandas(FRAME)
    some = DATASET.filter(pc.field("a") > 2)
    held = FRAME.a > 2
    for function, kept in (
        (lambda: lazy().collect_batches() if BATCHES else [lazy().collect()], slice(None)),
        (lambda: some.to_batches(), held),
        (lambda: DATASET.scanner(filter=pc.field("a") > 2).to_batches(), held),
        (lambda: table.to_reader(), slice(None)),
        (lambda: pa.RecordBatchReader.from_stream(table), slice(None)),
        (lambda: [FRAME[:9], FRAME[9:]], slice(None)),
    ):
        model = LinearRegression().fit(scan(function, ["a", "b"]), "y")
        expected = LinearRegression().fit(FRAME[["a", "b"]][kept], FRAME.y[kept])
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-10)
        assert model.predict(scan(function, ["a", "b"])).shape == (len(FRAME[kept]),)


def test_paths_from_an_iterator(tmp_path):
    FRAME[["a", "b", "y"]].to_parquet(tmp_path / "a.parquet")
    assert scan(tmp_path.glob("*.parquet")).columns == ["a", "b", "y"]


def test_models_of_booleans_and_decimals_by_the_command(tmp_path, capsys):
    table = pa.table(
        {
            "a": X[:, 0],
            "b": pa.array(X[:, 1]).cast(pa.decimal128(9, 2)),
            "flag": pa.array(X[:, 0] > 5),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    saved = tmp_path / "m"
    fit = ["fit", "k-neighbors-classifier", str(tmp_path / "a.parquet"), "--target", "flag"]
    assert main([*fit, "-o", str(saved), "--n-neighbors", "1"]) == 0
    assert rmodels.load(saved).classes_.tolist() == [False, True]
    capsys.readouterr()
    assert main(["score", str(saved), str(tmp_path / "a.parquet")]) == 0
    assert capsys.readouterr().out == "accuracy of flag: 1\n"
