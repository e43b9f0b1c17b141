"""Tables that are compressed, parted by other signs, or Arrow files; here and by a URL."""

import gzip
import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import csv, dataset, feather, ipc

from rmodels import KNeighborsClassifier, LinearRegression, scan
from rmodels.cli import main
from rmodels.data.formats.arrow import DatasetReader
from rmodels.data.formats.files import find_format
from rmodels.data.formats.writing import write_table

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(300, 3)), columns=["a", "b", "y"]).round(6)
FRAME["word"] = RNG.choice(["red", "blue;green"], 300)
EXPECTED = LinearRegression().fit(FRAME[["a", "b"]], FRAME["y"])


def write(frame, path):
    """Write a frame by pandas or pyarrow, not by what is tested."""
    name = path.name
    if name.endswith((".arrow", ".feather")):
        feather.write_feather(frame, str(path), chunksize=70)
    elif name.endswith(".parquet"):
        frame.to_parquet(path, row_group_size=70)
    else:
        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        options = csv.WriteOptions(delimiter="\t" if ".tsv" in name else ",")
        with pyarrow.output_stream(str(path), compression="detect") as stream:
            csv.write_csv(table, stream, options)


ENDINGS = (".csv", ".csv.gz", ".csv.zst", ".csv.bz2", ".tsv", ".tsv.gz", ".arrow", ".feather",
           ".parquet")  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_is_fitted(tmp_path, ending, monkeypatch):
    write(FRAME, tmp_path / f"a{ending}")
    monkeypatch.setattr("rmodels.data.scan.LARGEST_BATCH", 8 * 3 * 50)
    model = LinearRegression().fit(scan(tmp_path / f"a{ending}", ["a", "b"]), "y")
    np.testing.assert_allclose(model.coef_, EXPECTED.coef_, rtol=1e-10)
    rows = scan(tmp_path / f"a{ending}", ["a", "b"])
    np.testing.assert_allclose(model.predict(rows), EXPECTED.predict(FRAME[["a", "b"]]), rtol=1e-9)
    words = KNeighborsClassifier(1).fit(scan(tmp_path / f"a{ending}", ["a", "b"]), "word")
    assert words.classes_.tolist() == ["blue;green", "red"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_reads_back(tmp_path, ending):
    parts = [{"a": FRAME["a"].to_numpy()[i : i + 100]} for i in range(0, 300, 100)]
    write_table(tmp_path / f"a{ending}", parts)
    batches = scan(tmp_path / f"a{ending}").read_tables(["a"])
    found = np.concatenate([batch.rows.column("a") for batch in batches])
    np.testing.assert_array_equal(found, FRAME["a"])
    if ending == ".csv.gz":
        assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()).startswith(b'"a"\n')


@pytest.mark.parametrize("separator", [";", "|", "\t", " "])
def test_separators(tmp_path, separator):
    FRAME.to_csv(tmp_path / "a.csv", index=False, sep=separator)
    rows = scan(tmp_path / "a.csv", ["a", "b"], separator=separator)
    model = LinearRegression().fit(rows, "y")
    np.testing.assert_allclose(model.coef_, EXPECTED.coef_, rtol=1e-10)
    bad = FRAME.astype({"a": object})
    bad.loc[7, "a"] = "x"
    bad.to_csv(tmp_path / "bad.csv", index=False, sep=separator)
    with pytest.raises(ValueError, match=r"bad.csv, line 9, column 'a': 'x' is not a number"):
        LinearRegression().fit(scan(tmp_path / "bad.csv", ["a"], separator=separator), "y")


@pytest.mark.parametrize("separator", ["", ";;", "\n", '"', "é"])
def test_what_is_no_separator(tmp_path, separator):
    with pytest.raises(ValueError, match="separator must be one sign of ASCII"):
        scan(tmp_path / "a.csv", separator=separator)


@pytest.mark.parametrize("packing", ["gz", "zst", "bz2"])
def test_faults_of_compressed_files_have_a_place(tmp_path, packing):
    path = tmp_path / f"a.csv.{packing}"
    bad = FRAME.astype({"a": object})
    bad.loc[7, "a"] = "x"
    write(bad.astype({"a": str}), path)
    with pytest.raises(ValueError, match=rf"a.csv.{packing}, line 9, column 'a': 'x' is not"):
        LinearRegression().fit(scan(path, ["a"]), "y")
    write(pd.concat([FRAME] * 50), path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=rf"a.csv.{packing} cannot be read"):
        LinearRegression().fit(scan(path, ["a"]), "y")
    path.write_bytes(b"a,y\n1,2\n")
    with pytest.raises(ValueError, match=rf"a.csv.{packing} cannot be read"):
        scan(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.CSV.GZ", "csv"), ("a.parquet.gz", None), ("a.gz", None), ("a", None), ("a.xls", None)],
)
def test_names(name, kind):
    assert find_format(name) == kind


def test_arrow_files_in_folders(tmp_path):
    for year in (2024, 2025):
        (tmp_path / f"year={year}").mkdir()
        write(FRAME[year % 2 :: 2], tmp_path / f"year={year}" / "a.arrow")
    rows = scan(tmp_path)
    assert sorted(rows.columns) == ["a", "b", "word", "y", "year"]
    model = LinearRegression().fit(scan(tmp_path, ["a", "b", "year"]), "y")
    X = FRAME[["a", "b"]].assign(year=2024 + np.arange(300) % 2)
    np.testing.assert_allclose(model.coef_, LinearRegression().fit(X, FRAME["y"]).coef_, rtol=1e-6)
    with ipc.new_stream(str(tmp_path / "stream.arrow"), pyarrow.schema([("a", "f8")])):
        pass
    with pytest.raises(ValueError, match=r"stream\.arrow cannot be read"):
        scan(tmp_path / "stream.arrow")


NUMBERS = itertools.count()


@pytest.fixture
def memory():
    """A folder of fsspec's filesystem in memory, and its URL."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    system = fsspec.filesystem("memory")
    folder = f"/tables{next(NUMBERS)}"
    yield system, folder, f"memory:/{folder}"
    system.rm(folder, recursive=True)


@pytest.fixture(scope="module")
def s3():
    """A folder on a server that answers as S3, and its URL."""
    reason = "moto is not installed: pip install 'moto[server]'"
    moto = pytest.importorskip("moto.server", reason=reason)
    from pyarrow import fs

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    system = fs.S3FileSystem(
        access_key="key", secret_key="secret", endpoint_override=f"{host}:{port}", scheme="http",
        region="us-east-1", allow_bucket_creation=True)  # fmt: skip
    system.create_dir("bucket")
    query = f"?scheme=http&endpoint_override={host}%3A{port}&region=us-east-1"
    yield system, "s3://key:secret@bucket", query
    server.stop()


def check_folder(put, base, query=""):
    """Fit to files by URLs: one, a folder, a pattern; of each format."""
    expected = EXPECTED.coef_
    for ending in (".csv", ".csv.gz", ".parquet", ".arrow"):
        kind = ending.strip(".").replace(".", "-")
        for i in range(2):
            put(FRAME[i::2], f"{kind}/part={i}/t{ending}")
        put(FRAME, f"{kind}-whole/t{ending}")
        put(FRAME.iloc[:0], f"{kind}/_hidden/t{ending}")
        url = f"{base}/{kind}-whole/t{ending}{query}"
        model = LinearRegression().fit(scan(url, ["a", "b"]), "y")
        np.testing.assert_allclose(model.coef_, expected, rtol=1e-10)
        for url in (f"{base}/{kind}{query}", f"{base}/{kind}/part=*/t*{query}",
                    f"{base}/{kind}/**/t{ending}{query}"):  # fmt: skip
            rows = scan(url, ["a", "b", "part"])
            assert set(rows.columns) == {"a", "b", "y", "word", "part"}
            model = LinearRegression().fit(scan(url, ["a", "b"]), "y")
            np.testing.assert_allclose(model.coef_, expected, rtol=1e-10)
            assert rows.state() == scan(url).state() is not None
        with pytest.raises(FileNotFoundError, match="No such file or directory"):
            scan(f"{base}/{kind}/none{ending}{query}")


def test_fsspec(memory, tmp_path):
    system, folder, base = memory

    def put(frame, name):
        write(frame, tmp_path / name.rsplit("/", 1)[-1])
        system.pipe(f"{folder}/{name}", (tmp_path / name.rsplit("/", 1)[-1]).read_bytes())

    check_folder(put, base)


@pytest.mark.slow
def test_s3(s3, tmp_path):
    system, base, query = s3

    def put(frame, name):
        write(frame, tmp_path / name.rsplit("/", 1)[-1])
        with system.open_output_stream(f"bucket/{name}", compression=None) as stream:
            stream.write((tmp_path / name.rsplit("/", 1)[-1]).read_bytes())

    check_folder(put, base, query)
    for name in ("none.csv", "csv-whole/t.csv"):
        with pytest.raises((FileNotFoundError, ValueError)) as error:
            LinearRegression().fit(scan(f"{base}/{name}{query}"), "y")  # the words are no numbers
        assert "s3://bucket/" in str(error.value)
        assert "secret" not in str(error.value)


def test_urls_that_name_nothing():
    with pytest.raises(ValueError, match=r"nonsense://a/b\.csv"):
        scan("nonsense://a/b.csv")


def test_on_the_command_line(memory, tmp_path, monkeypatch, capsys):
    system, folder, base = memory
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("a.csv", index=False, sep=";")
    system.pipe(f"{folder}/a.csv", (tmp_path / "a.csv").read_bytes())
    assert main(["fit", "ridge", f"{base}/a.csv", "--target", "y", "--ignore", "word", "-o", "m",
                 "--separator", ";"]) == 0  # fmt: skip
    for name in ("out.csv.zst", "out.tsv", "out.arrow"):
        assert (
            main(["predict", "m", "a.csv", "--separator", ";", "--keep", "word", "-o", name]) == 0
        )
        assert main(["score", "m", "a.csv", "--separator", ";"]) == 0
        rows = scan(name, ["y"])
        found = np.concatenate([batch.rows.column("y") for batch in rows.read_tables(["y"])])
        assert len(found) == 300


class Watched:
    """A fragment of a dataset that tells how it is read."""

    def __init__(self, fragment):
        self.fragment, self.told = fragment, []

    def __getattr__(self, name):
        return getattr(self.fragment, name)

    def to_batches(self, **options):
        self.told.append(options["use_threads"])
        return self.fragment.to_batches(**options)


@pytest.mark.parametrize(
    ("ending", "threads"), [("arrow", False), ("feather", False), ("csv", True)]
)
def test_no_thread_reads_on_in_an_arrow_file_whose_read_ends_early(tmp_path, ending, threads):
    path = tmp_path / f"rows.{ending}"
    table = pyarrow.table({"a": np.arange(500.0)})
    if ending == "csv":
        csv.write_csv(table, path)
    else:
        feather.write_feather(table, path, chunksize=70)
    found = dataset.dataset(path, format="csv" if ending == "csv" else "ipc")
    watched = [Watched(fragment) for fragment in found.get_fragments()]
    given = SimpleNamespace(schema=found.schema, get_fragments=lambda: watched)
    batches = DatasetReader(given).batches(["a"], 50, 0)
    assert next(batches).rows.num_rows == 50
    batches.close()
    rows = sum(batch.rows.num_rows for batch in DatasetReader(given).batches(["a"], 50, 0))
    assert rows == 500
    assert watched[0].told == [threads, threads]
