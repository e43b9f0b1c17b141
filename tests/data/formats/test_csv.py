"""CSV files: blocks within the limit of memory, booleans, and labels."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest

import rmodels
from rmodels import KNeighborsClassifier, LinearRegression, config_context, scan
from rmodels.cli import main
from rmodels.data.formats import read, reader_of

WIDTH = 16


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of 120 MB."""
    path = tmp_path_factory.mktemp("large") / "a.csv"
    names = [f"x{i}" for i in range(WIDTH)]
    rng = np.random.default_rng(0)
    with pa.csv.CSVWriter(path, pa.schema([(name, pa.float64()) for name in names])) as writer:
        for _ in range(4):
            writer.write_table(pa.table(list(rng.standard_normal((WIDTH, 100_000))), names=names))
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("limit", [48, 64])
@pytest.mark.xdist_group("large")  # one file
def test_memory(large, tmp_path, limit):
    """A fit and a score take no more than the limit, which is less than the file."""
    code = """
        import json, sys
        import numpy as np
        import rmodels
        def peak():
            lines = open("/proc/self/status").read().splitlines()
            return 1024 * next(int(x.split()[1]) for x in lines if x.startswith("VmHWM"))
        small, large, limit = sys.argv[1:]
        rmodels.set_config(memory_limit=int(limit) << 20)
        rmodels.LinearRegression().fit(rmodels.scan(small), "x15")
        before = peak()
        model = rmodels.LinearRegression().fit(rmodels.scan(large), "x15")
        used = peak() - before
        model.score(rmodels.scan(large), "x15")
        print(json.dumps([used, peak() - before, model._counted]))
    """
    assert large.stat().st_size > 110e6
    small = tmp_path / "small.csv"
    values = np.random.default_rng(1).standard_normal((500, WIDTH))
    pd.DataFrame(values).rename(columns="x{}".format).to_csv(small, index=False)
    command = [sys.executable, "-c", textwrap.dedent(code), str(small), str(large), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    fit, score, rows = json.loads(done.stdout)
    assert rows == 400_000
    assert fit <= score <= limit << 20


@pytest.mark.parametrize("place", ["header", "first", "later", "last"])
def test_a_cell_longer_than_a_block(tmp_path, place):
    path, long = tmp_path / "a.csv", "w" * 200_000
    rows = [f'{i},"w{i}",{2 * i}' for i in range(30_000)]
    line = {"header": 1, "first": 2, "later": 15_002, "last": 30_001}[place]
    if place != "header":
        rows[line - 2] = f'5,"{long}\n",10'
    header = "x,w,y" if place != "header" else f"x,{'w' * 200_000},y"
    path.write_text("\n".join([header, *rows]))
    with (
        config_context(memory_limit=16 << 20),
        pytest.raises(ValueError, match=rf"a\.csv, line {line}: .* Raise memory_limit"),
    ):
        LinearRegression().fit(scan(path, ["x"]), "y")
    with config_context(memory_limit=64 << 20):
        assert LinearRegression().fit(scan(path, ["x"]), "y").coef_ == pytest.approx([2.0])


def test_a_fault_behind_a_long_cell(tmp_path):
    """Of more than the 131,072 characters that Python's csv module takes by default."""
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["x,w,y", f"1,{'w' * 200_000},2", "2,w,4", "oops,w,5"]))
    with pytest.raises(ValueError, match=r"a\.csv, line 4, column 'x': 'oops' is not a number"):
        LinearRegression().fit(scan(path, ["x"]), "y")


def test_a_quote_that_is_left_open(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('x,w,y\n1,a,2\n2,"b,4\n' + "3,c,6\n" * 200_000)
    with (
        config_context(memory_limit=16 << 20),
        pytest.raises(ValueError, match=r"a\.csv, line 3: .* if no quote is left open"),
    ):
        LinearRegression().fit(scan(path, ["x"]), "y")


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_batches_are_the_same_whatever_the_blocks(tmp_path, rows):
    path = tmp_path / "a.csv"
    values = np.random.default_rng(0).standard_normal((30_000, 3))
    pd.DataFrame(values, columns=list("abc")).to_csv(path, index=False)  # of many blocks
    with config_context(memory_limit=1 << 20):
        found = list(reader_of(path).batches(["c", "a"], 1000 * rows, 0))
        later = list(reader_of(path).batches(["c", "a"], 1000 * rows, 7000 if rows == 7 else 0))
    sizes = [batch.rows.num_rows for batch in found]
    assert sizes[:-1] == [1000 * rows] * (len(sizes) - 1)
    assert sum(sizes) == 30_000
    assert [batch.row for batch in found] == [1000 * rows * i for i in range(len(found))]
    whole = np.concatenate([np.column_stack(batch.rows.columns) for batch in found])
    np.testing.assert_array_equal(whole, values[:, [2, 0]])
    assert [batch.row for batch in later] == [batch.row for batch in found][rows == 7 :]


SPELLINGS = [("True", "False"), ("true", "false"), ("TRUE", "FALSE")]


class TestBooleans:
    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_are_numbers(self, tmp_path, spelling):
        frame = pd.DataFrame({"x": [0.0, 1, 2, 4], "flag": [True, False, False, True]})
        frame["y"] = frame.x + 3 * frame.flag
        (tmp_path / "parts").mkdir()
        frame.to_parquet(tmp_path / "a.parquet")
        cells = frame.flag.map(dict(zip([True, False], spelling, strict=True)))
        frame.assign(flag=cells).to_csv(tmp_path / "parts" / "a.csv", index=False)
        frame.astype({"flag": int}).to_csv(tmp_path / "parts" / "b.csv", index=False)
        for source in (tmp_path / "a.parquet", tmp_path / "parts", frame):
            model = LinearRegression().fit(scan(source), "y")
            np.testing.assert_allclose(model.coef_, [1.0, 3.0], rtol=1e-12)
        saved = tmp_path / "m"
        for algorithm in ("linear-regression", "k-neighbors-regressor"):
            fit = ["fit", algorithm, str(tmp_path / "parts"), "--target", "y", "-o", str(saved)]
            assert main([*fit, *(["--n-neighbors", "1"] if algorithm[0] == "k" else [])]) == 0
            assert rmodels.load(saved).score(frame[["x", "flag"]], frame.y) == pytest.approx(1.0)

    @pytest.mark.parametrize(
        ("cells", "said"),
        [
            (["True", "maybe"], "line 3, column 'flag': 'maybe' is neither true nor false"),
            (["True", "1"], "line 3, column 'flag': '1' is neither true nor false"),
            (["True", "NA"], "line 3, column 'flag': missing value ('NA')"),
            (["1", "True"], "line 3, column 'flag': 'True' is not a number"),
            (["yes", "no"], "line 2, column 'flag': 'yes' is not a number"),
        ],
    )
    def test_faults(self, tmp_path, cells, said):
        path = tmp_path / "a.csv"
        path.write_text("flag,y\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells)))
        for fit in (
            lambda: LinearRegression().fit(scan(path), "y"),
            lambda: read(reader_of(path), ["flag"]),
        ):
            with pytest.raises(ValueError, match=r"a\.csv") as caught:
                fit()
            assert said in str(caught.value)

    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_are_labels_as_in_memory(self, tmp_path, spelling, capsys):
        frame = pd.DataFrame({"x": np.arange(6.0), "y": [True, True, False, False, True, False]})
        frame.to_parquet(tmp_path / "a.parquet")
        cells = frame.y.map(dict(zip([True, False], spelling, strict=True)))
        frame.assign(y=cells).to_csv(tmp_path / "a.csv", index=False)
        expected = KNeighborsClassifier(1).fit(frame[["x"]], frame.y)
        for name in ("a.csv", "a.parquet"):
            rows = scan(tmp_path / name)
            model = KNeighborsClassifier(1).fit(rows, "y")
            assert model.classes_.dtype == expected.classes_.dtype == bool
            saved, path = str(tmp_path / "m"), str(tmp_path / name)
            fit = ["fit", "k-neighbors-classifier", path, "--target", "y", "-o", saved]
            assert main([*fit, "--n-neighbors", "1"]) == 0
            assert rmodels.load(saved).classes_.tolist() == [False, True]
            for other in ("a.csv", "a.parquet"):  # each by each
                assert model.score(scan(tmp_path / other), "y") == 1.0
                capsys.readouterr()
                assert main(["score", saved, str(tmp_path / other)]) == 0
                assert capsys.readouterr().out == "accuracy of y: 1\n"
            out = tmp_path / f"out-{name}"
            assert main(["predict", saved, path, "-o", str(out)]) == 0
            _, (predicted,) = read(reader_of(out), [], ["y"])
            np.testing.assert_array_equal(predicted, frame.y)


class TestMissingLabels:
    """Empty is missing; NA is among numbers and booleans, and among text a word."""

    @pytest.mark.parametrize(
        ("cells", "line"),
        [
            (["1", "2", "NA"], 4),
            (["1", "2", ""], 4),
            (["1", "nan", "2"], 3),
            (["True", "NA", "False"], 3),
            (["a", "", "NA"], 3),
            (["NA", "NA", "NA"], 2),
        ],
    )
    def test_are_errors(self, tmp_path, cells, line, capsys):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "1.csv").write_text("x,y\n9,1\n")
        text = "x,y\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells))
        (tmp_path / "a" / "2.csv").write_text(text)
        (tmp_path / "b.csv").write_text(text)
        with pytest.raises(ValueError, match=rf"b\.csv, line {line}, column 'y': missing value"):
            KNeighborsClassifier(1).fit(scan(tmp_path / "b.csv"), "y")
        fit = ["fit", "k-neighbors-classifier", str(tmp_path / "b.csv"), "--target", "y"]
        assert main([*fit, "-o", str(tmp_path / "m")]) == 1
        assert f"b.csv, line {line}, column 'y': missing value" in capsys.readouterr().err
        model = KNeighborsClassifier(1).fit(pd.DataFrame({"x": [0.0, 1.0]}), [1, 2])
        if cells[0].isdigit():  # in a later file, and in a score
            said = rf"2\.csv, line {line}, column 'y': missing value"
            with pytest.raises(ValueError, match=said):
                KNeighborsClassifier(1).fit(scan(tmp_path / "a"), "y")
            with pytest.raises(ValueError, match=said):
                model.score(scan(tmp_path / "a"), "y")

    def test_na_among_text_is_a_label(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_text("x,y\n0,NA\n1,DE\n2,FR\n")
        model = KNeighborsClassifier(1).fit(scan(path), "y")
        assert model.classes_.tolist() == ["DE", "FR", "NA"]
        assert model.score(scan(path), "y") == 1.0

    def test_labels_that_are_not_numbers_for_a_model_of_numbers(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_text("x,y\n" + "0,1\n" * 700 + "1,two\n" + "1,2\n" * 500)
        model = KNeighborsClassifier(1).fit(pd.DataFrame({"x": [0.0, 1.0]}), [1, 2])
        with pytest.raises(ValueError, match=r"line 702, column 'y': 'two' is not a number"):
            model.score(scan(path), "y")
