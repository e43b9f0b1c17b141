"""Tables are read exactly, and what is wrong in them is named with its place."""

import csv
import math

import numpy as np
import pyarrow
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from rmodels.data.formats import read, reader_of
from rmodels.data.formats.writing import to_csv, write_table


@pytest.fixture
def written(tmp_path):
    """Write a text or a dictionary of columns to a file, and return its path."""

    def write(content, name=None):
        if isinstance(content, dict):
            path = tmp_path / (name or "a.parquet")
            parquet.write_table(pyarrow.table(content), path)
        else:
            path = tmp_path / (name or "a.csv")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def numbers(path, *columns):
    return np.asarray(read(reader_of(path), columns)[0])


def labels(path, column, **options):
    _, (found,) = read(reader_of(path), [], [column], **options)
    return found


def test_csv(written):
    path = written('﻿a,"b, b",c\r\n1,2.5,x\r\n\r\n-3e2, 4 ,"y\nz"\r\n')
    reader = reader_of(path)
    assert reader.columns == ["a", "b, b", "c"]
    found, (c,) = read(reader, ["b, b", "a"], ["c"])
    assert found.column_names == ["b, b", "a"]
    np.testing.assert_array_equal(np.asarray(found), [[2.5, 1.0], [4.0, -300.0]])
    assert c.tolist() == ["x", "y\nz"]


def test_parquet(written):
    path = written(
        {
            "i": np.array([1, 2], np.int8),
            "f": np.array([0.1, 0.2], np.float32),
            "b": [True, False],
            "d": pyarrow.array(["1.5", "2.25"]).cast(pyarrow.decimal128(5, 2)),
            "t": pyarrow.array(["x", "y"]).dictionary_encode(),
            "l": pyarrow.array(["01", "2"], pyarrow.large_string()),
        }
    )
    expected = [[1, np.float32(0.1), 1, 1.5], [2, np.float32(0.2), 0, 2.25]]
    np.testing.assert_array_equal(numbers(path, "i", "f", "b", "d"), expected)
    assert labels(path, "t").tolist() == ["x", "y"]
    assert labels(path, "l").tolist() == ["01", "2"]
    assert labels(path, "b").tolist() == [True, False]
    assert labels(path, "b", as_text=True).tolist() == ["true", "false"]
    assert labels(path, "i").dtype == np.int8
    assert labels(path, "i", as_text=True).tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["3", "-1"], np.array([3, -1])),
        (["1.5", "2"], np.array([1.5, 2.0])),
        (["1e3", "2"], np.array([1000.0, 2.0])),
        (["01", "2"], ["01", "2"]),
        (["true", "False"], np.array([True, False])),
        (["true", "0"], ["true", "0"]),
        (["T", "F"], ["T", "F"]),
        (["NA", "DE"], ["NA", "DE"]),
        (["2020-01-01", "2020-01-02"], ["2020-01-01", "2020-01-02"]),
        (["1", "x"], ["1", "x"]),
        (["1", "inf"], ["1", "inf"]),
        (["é", " "], ["é", " "]),
    ],
)
def test_labels_of_csv(written, cells, expected):
    path = written("y\n" + "\n".join(cells) + "\n")
    found = labels(path, "y")
    if isinstance(expected, list):
        assert found.dtype == object
        assert found.tolist() == expected
    else:
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    assert labels(path, "y", as_text=True).tolist() == cells


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n3,abc\n", "line 3, column 'b': 'abc' is not a number"),
        ("a,b\n1,2\n\n\n3,4\n5,1_0\n", "line 6, column 'b': '1_0' is not a number"),
        ('a,b,c\n1,2,"x\ny\nz"\nq,4,5\n', "line 5, column 'a': 'q' is not a number"),
        ("a,b\n1,\n", "line 2, column 'b': missing value"),
        ("a,b\n1,2\nNaN,2\n", "line 3, column 'a': missing value ('NaN')"),
        ("a,b\n1,2\n2,NA\nx,1\n", "line 3, column 'b': missing value ('NA')"),
        ("a,b\n1,inf\n", "line 2, column 'b': 'inf' is not finite"),
        ("a,b\n1,1e999\n", "line 2, column 'b': '1e999' is not finite"),
        ("a,b\n1,   \n", "line 2, column 'b': '   ' is not a number"),
        ("a,b\n1,2\n1,2,3\n", "line 3: 3 fields where the header has 2"),
        ("a,b\n1,2\n1\n", "line 3: 1 fields where the header has 2"),
        ("a,b\n0x10,2\n", "line 2, column 'a': '0x10' is not a number"),
        (b"a,b\n1,2\n\xe9,2\n", "line 3: 0xe9 is not UTF-8 text"),
        ("a,b\n", " has no rows"),
        ("a,b", " has no rows"),
        ("", " is empty"),
        ("\n\n", " is empty"),
        ("a,a\n1,2\n", "more than one column is named 'a'"),
        ("a,c\n1,2\n", "no column 'b'; it has 'a', 'c'"),
    ],
)
def test_faults_of_csv(written, content, said):
    path = written(content)
    with pytest.raises(ValueError, match=r"a\.csv") as caught:
        numbers(path, "a", "b")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("y,z\na,1\n,2\n", "line 3, column 'y': missing value"),
        ("y\n1\nNA\n", "line 3, column 'y': missing value"),
        ("y\nNA\nNA\n", "line 2, column 'y': missing value"),
        ("y\nTRUE\n\nnull\n", "line 4, column 'y': missing value"),
        ('y,z\n"a\nb",1\n\n"",2\n', "line 5, column 'y': missing value"),
        (b"y,z\na,1\nb\xff,2\n", "line 3: 0xff is not UTF-8 text"),
    ],
)
def test_faults_of_labels_of_csv(written, content, said):
    path = written(content)
    with pytest.raises(ValueError, match=r"a\.csv") as caught:
        labels(path, "y")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": [1.0, math.nan]}, "row 2, column 'a': nan is not finite"),
        ({"a": [1.0, math.inf]}, "row 2, column 'a': inf is not finite"),
        ({"a": [1, 2, None]}, "row 3, column 'a': missing value"),
        ({"b": [1.0, 2.0, None], "a": [1.0, math.nan, 2.0]}, "row 2, column 'a': nan"),
        ({"a": ["1", "x"]}, "column 'a': numbers are needed, and it holds string"),
        ({"a": [None, None]}, "row 1, column 'a': missing value"),
        ({"a": np.array(["2020-01-01"], "M8[s]")}, "column 'a': numbers are needed"),
        ({"a": np.zeros(0)}, " has no rows"),
        ({"c": [1]}, "no column 'a'; it has 'c'"),
    ],
)
def test_faults_of_parquet(written, columns, said):
    path = written(columns)
    with pytest.raises(ValueError, match=r"a\.parquet") as caught:
        numbers(path, "a", *(["b"] if "b" in columns else []))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (["x", None], "row 2, column 'a': missing value"),
        ([None, 1], "row 1, column 'a': missing value"),
        ([1.0, math.nan], "row 2, column 'a': missing value"),
        ([1.0, math.inf], "row 2, column 'a': inf is not finite"),
        ([None], "row 1, column 'a': missing value"),
        (np.array(["2020-01-01"], "M8[s]"), "labels are text or numbers, and it holds timestamp"),
        ([[1]], "labels are text or numbers, and it holds list"),
    ],
)
def test_faults_of_labels_of_parquet(written, column, said):
    path = written({"a": column})
    with pytest.raises(ValueError, match=r"a\.parquet") as caught:
        labels(path, "a")
    assert said in str(caught.value)


def test_files_that_are_not_tables(written, tmp_path):
    for name in ("a.xlsx", "a", "a.csv.gz"):
        with pytest.raises(ValueError, match=r"a table is a \.csv or \.parquet file"):
            reader_of(written("a\n1\n", name))
    with pytest.raises(ValueError, match=r"a\.parquet cannot be read: Parquet magic bytes"):
        reader_of(written("a,b\n1,2\n" * 9, "a.parquet"))
    with pytest.raises(ValueError, match=r"a\.parquet is empty"):
        reader_of(written("", "a.parquet"))
    whole = written({"a": np.arange(1000.0)}).read_bytes()
    altered = whole[:100] + bytes(100) + whole[200:]
    with pytest.raises(ValueError, match=r"a\.parquet, row group 1 of 1 cannot be read"):
        numbers(written(altered, "a.parquet"), "a")
    with pytest.raises(FileNotFoundError):
        reader_of(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="column 'a' is asked for twice"):
        numbers(written("a\n1\n"), "a", "a")


def test_a_late_fault_in_a_long_file(written):
    rows = [f"{i},{i / 7}" for i in range(60_000)]
    rows[50_000] = "50000,oops"
    path = written("a,b\n" + "\n".join(rows))
    with pytest.raises(ValueError, match="line 50002, column 'b': 'oops' is not a number"):
        numbers(path, "a", "b")
    rows[50_000] = "50000,nan"
    path = written("a,b\n" + "\n".join(rows))
    with pytest.raises(ValueError, match="line 50002, column 'b': missing value"):
        numbers(path, "a", "b")


def test_wide_rows(written):
    names = [f"column{i}" for i in range(20_000)]
    row = np.random.default_rng(0).normal(size=20_000)
    path = written(",".join(names) + "\n" + ",".join(map(repr, row.tolist())) + "\n")
    np.testing.assert_array_equal(numbers(path, *names), row[np.newaxis])


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=50)
@given(values=st.lists(finite, min_size=1, max_size=20), single=st.booleans(), data=st.data())
def test_numbers_come_back(tmp_path_factory, values, single, data):
    folder = tmp_path_factory.mktemp("numbers")
    array = np.array(values, np.float64)
    if single:
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
        assume(np.isfinite(array).all())
    for path in (folder / "a.csv", folder / "a.parquet"):
        write_table(path, [{"x": array[:1]}, {"x": array[1:]}])
        found = numbers(path, "x")[:, 0]
        np.testing.assert_array_equal(found.astype(array.dtype), array)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(array))


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1)


@settings(max_examples=50)
@given(words=st.lists(text, min_size=1, max_size=8), name=text)
def test_text_comes_back(tmp_path_factory, words, name):
    assume(not name.startswith("﻿"))
    folder = tmp_path_factory.mktemp("text")
    for path in (folder / "a.csv", folder / "a.parquet"):
        write_table(path, [{name: np.array(words, dtype=object)}])
        assert reader_of(path).columns == [name]
        assert labels(path, name, as_text=True).tolist() == words


@settings(max_examples=100)
@given(
    rows=st.lists(
        st.lists(st.sampled_from(["1", "-2.5", "", "x", "nan", "inf", '"3"', "4 "]), max_size=4),
        max_size=5,
    )
)
def test_csv_agrees_with_another_reader(tmp_path_factory, rows):
    """Either all cells are those of Python's csv, or the error names the first faulty line."""
    path = tmp_path_factory.mktemp("agrees") / "a.csv"
    path.write_text("a,b\n" + "".join(",".join(row) + "\n" for row in rows))
    records, faulty = [], None
    with path.open(newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for record in reader:
            if not record:
                continue
            records.append(record)
            cells = [cell.strip() for cell in record]
            if faulty is None and (len(cells) != 2 or set(cells) & {"", "x", "nan", "inf"}):
                faulty = reader.line_num
    if faulty is None and records:
        np.testing.assert_array_equal(numbers(path, "a", "b"), np.array(records, float))
    else:
        with pytest.raises(ValueError, match=f"line {faulty}\\b" if records else "has no rows"):
            numbers(path, "a", "b")


def test_printed_as_csv():
    batches = [
        {"y": np.array([0.1 + 0.2]), "s": np.array(['a"b'])},
        {"y": np.array([-0.0]), "s": np.array(["c,d"])},
    ]
    assert list(to_csv(batches)) == ['"y","s"\n0.30000000000000004,"a""b"\n', '-0,"c,d"\n']


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_written_whole_or_not_at_all(tmp_path, name):
    path = tmp_path / name
    path.write_text("before")

    def batches():
        yield {"a": np.zeros(2), "b": np.zeros(2)}
        yield {"a": np.zeros(2), "b": np.zeros(3)}

    with pytest.raises(pyarrow.ArrowInvalid):
        write_table(path, batches())
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
