"""The command as a program of a shell: streams, signals, statuses, completion."""

import inspect
import io
import os
import pty
import signal
import subprocess
import sys

import pandas as pd
import pytest
from click.shell_completion import BashComplete

import rmodels
from rmodels.catalogue import CATALOGUE
from rmodels.cli import main
from rmodels.cli.commands import command_line
from rmodels.cli.options import ALGORITHMS, parameters_of
from rmodels.cli.sketches import sketch

pytestmark = pytest.mark.slow

RUN = "import sys; from rmodels.cli import main; sys.exit(main())"
COMMAND = [sys.executable, "-c", RUN]
HOUSES = "area,rooms,price\n50,2,180\n70,3,250\n90,3,291\n60,4,262\n80,1,240\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow", reason="the extra files is not installed: PyArrow")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "houses.csv").write_text(HOUSES)
    assert main(["fit", "linear-regression", "houses.csv", "--target", "price", "-o", "m"]) == 0
    return tmp_path


def run(*arguments, **given):
    given = {"capture_output": True, "check": False, "timeout": 120} | given
    return subprocess.run([*COMMAND, *arguments], **given)


@pytest.fixture
def streamed(monkeypatch, capfdbinary):
    """Run a command line in this process, with bytes as its standard input."""

    def streamed(given, *arguments, status=0):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        ended = main(list(arguments))
        sys.stdout.flush()
        printed = capfdbinary.readouterr()
        assert ended == status, printed.err
        return printed.err if status else printed.out

    return streamed


def test_streams_in_the_place_of_files(folder, streamed):
    model = (folder / "m").read_bytes()
    houses = HOUSES.encode()
    fit = ("fit", "linear-regression", "-", "--target", "price", "-o", "-")
    assert streamed(houses, *fit) == model
    predicted = streamed(b"", "predict", "m", "houses.csv")
    assert predicted.startswith(b'"price"\n')
    assert streamed(model, "predict", "-", "houses.csv") == predicted
    assert streamed(houses, "predict", "m", "-") == predicted
    assert streamed(houses, "predict", "m", "-", "-o", "-") == predicted
    assert streamed(houses, "score", "m", "-") == streamed(b"", "score", "m", "houses.csv")
    assert streamed(model, "summary", "-") == streamed(b"", "summary", "m")
    pd.read_csv("houses.csv").to_parquet("houses.parquet")
    given = (folder / "houses.parquet").read_bytes()
    assert streamed(given, "predict", "m", "-") == predicted


def test_errors_name_standard_input(folder, streamed):
    error = streamed(b"area,rooms\n1,x\n", "predict", "m", "-", status=1)
    assert error.decode() == (
        "rmodels: error: standard input, line 2, column 'rooms': 'x' is not a number\n"
    )
    error = streamed(b"area,rooms\n1,2\n", "predict", "-", "-", status=1)
    assert error == b"rmodels: error: standard input is one file: - can be given once\n"


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "m", "houses.csv"]])
def test_a_closed_pipe_is_silent(folder, arguments):
    read, write = os.pipe()
    os.close(read)
    ended = run(*arguments, capture_output=False, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert ended.returncode == 141
    assert ended.stderr == b""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_pipe_that_closes_later(folder, monkeypatch, unbuffered):
    """Python without buffers takes a part that is written for the whole."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    (folder / "many.csv").write_text("area,rooms\n" + "50,2\n" * 30_000)
    with subprocess.Popen(
        [*COMMAND, "predict", "m", "many.csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as begun:
        assert begun.stdout.readline() == b'"price"\n'
        begun.stdout.close()  # more is written than a pipe holds
        assert begun.stderr.read() == b""
        assert begun.wait(timeout=60) == 141


# What is imported on the way, in this order; a signal comes at the import of one of them.
IMPORTED = ("click", "rmodels.catalogue", "numpy", "sklearn", "rmodels.linear_model", "pyarrow")
INTERRUPTED = """
import os, signal, sys
wanted = sys.argv.pop(1)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.{signal})

signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever began this
sys.meta_path.insert(0, Finder())
from rmodels.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("module", IMPORTED)
def test_an_interrupt_is_one_line_wherever_it_comes(folder, module):
    code = INTERRUPTED.format(signal="SIGINT")
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    ended = subprocess.run(
        [sys.executable, "-c", code, module, "fit", "ridge", "houses.csv", "--target", "price",
         "-o", "new"], capture_output=True, check=False, timeout=120)  # fmt: skip
    assert ended.returncode == 130
    assert ended.stderr == b"rmodels: interrupted\n"
    assert ended.stdout == b""
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


WRITING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever began this
from rmodels.cli import answers, main

beside = answers._beside
def slow(*given):
    yield from beside(*given)
    print("written", flush=True)
    import time
    time.sleep(60)
answers._beside = slow
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGTERM, 143, b""), (signal.SIGINT, 130, b"rmodels: interrupted\n")],
)
def test_a_signal_removes_what_is_written_in_part(folder, number, status, said):
    (folder / "out.csv").write_text("before")
    before = sorted(each.name for each in folder.iterdir())
    process = subprocess.Popen(
        [sys.executable, "-c", WRITING, "predict", "m", "houses.csv", "-o", "out.csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"written\n"
    assert sorted(each.name for each in folder.iterdir()) != before
    process.send_signal(number)
    assert process.wait(60) == status
    assert process.stderr.read() == said
    process.stdout.close()
    process.stderr.close()
    assert sorted(each.name for each in folder.iterdir()) == before
    assert (folder / "out.csv").read_text() == "before"


THREE = """
import sys
from rmodels.cli import main
for line in ("fit linear-regression houses.csv --target price -o n", "predict n houses.csv",
             "score n houses.csv"):
    assert not main(line.split())
"""


@pytest.mark.parametrize("plain", [False, True])
def test_progress_is_on_standard_error_alone(folder, plain):
    pytest.importorskip("rich", reason="the extra progress is not installed: rich")
    ours, theirs = pty.openpty()
    environment = {
        "TERM": "xterm-256color",
        "COLUMNS": "80",
        **({"NO_COLOR": "1"} if plain else {}),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", THREE],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, **environment},
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 1 << 16):
            shown += part
    except OSError:  # Linux: nobody has the terminal any more
        pass
    os.close(ours)
    with process.stdout:
        printed = process.stdout.read().decode().splitlines()
    assert process.wait(60) == 0, shown
    for task in ("fit", "predict", "score"):
        assert task.encode() in shown
    assert "━".encode() in shown
    assert (b"\x1b[38;" in shown) == (not plain)
    assert printed[0] == "n: LinearRegression() of price from 2 columns, 5 rows"
    assert printed[1] == '"price"'
    assert len(list(map(float, printed[2:7]))) == 5
    assert printed[7].startswith("R² of price: 0.9")
    assert len(printed) == 8


def complete(*words):
    """Return what bash is offered, of which the last word is begun."""
    found = BashComplete(command_line(), {}, "rmodels", "_RMODELS_COMPLETE")
    return [each.value for each in found.get_completions(list(words[:-1]), words[-1])]


def test_completion(folder):
    assert complete("s") == ["score", "summary"]
    assert complete("fit", "k-n") == ["k-neighbors-classifier", "k-neighbors-regressor"]
    assert complete("fit", "ridge", "houses.csv", "--sol") == ["--solver"]
    solvers = complete("fit", "linear-regression", "houses.csv", "--solver", "")
    assert solvers == ["auto", "moments", "gram", "stream", "rows"]
    assert complete("fit", "lasso", "houses.csv", "--selection", "") == ["cyclic", "random"]
    assert complete("fit", "ridge", "houses.csv", "--missing", "") == ["error", "drop", "mean"]
    assert complete("fit", "ridge", "houses.csv", "--target", "") == ["area", "rooms", "price"]
    assert complete("predict", "m", "houses.csv", "--keep", "r") == ["rooms"]
    assert complete("fit", "ridge", "none.csv", "--target", "") == []
    (folder / "odd.csv").write_text("area;price\n1;2\n")
    for given in (["odd.csv", "--separator", ";"], ["--separator", ";", "odd.csv"]):
        assert complete("fit", "ridge", *given, "--target", "") == ["area", "price"]


def test_options_are_completed_without_an_import():
    heavy = "{'numpy', 'scipy', 'sklearn', 'pandas', 'pyarrow'} & set(sys.modules)"
    code = f"{RUN.replace('sys.exit(main())', 'ended = main()')}; print(ended, sorted({heavy}))"
    for typed, found in (
        ("rmodels fit k-n", b"plain,k-neighbors-classifier\nplain,k-neighbors-regressor\n"),
        ("rmodels fit ridge houses.csv --alp", b"plain,--alpha\n"),
        ("rmodels fit linear-regression houses.csv --solver gr", b"plain,gram\n"),
        ("rmodels predict m houses.csv --int", b"plain,--interval\nplain,--interval-of\n"),
    ):
        environment = {
            "_RMODELS_COMPLETE": "bash_complete",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(typed.split()) - 1),
        }
        ended = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, check=False, timeout=120, env={**os.environ, **environment},
        )  # fmt: skip
        assert (ended.stdout, ended.stderr) == (found + b"0 []\n", b"")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_what_is_completed_is_what_there_is(name):
    entry = CATALOGUE[ALGORITHMS[name]]
    found, real = sketch(entry), getattr(rmodels, entry.name)
    offered, wanted = ({each.name: each for each in parameters_of(k)} for k in (found, real))
    assert offered.keys() == wanted.keys()
    for name, each in wanted.items():
        assert offered[name].opts + offered[name].secondary_opts == each.opts + each.secondary_opts
    fits = [set(inspect.signature(kind.fit).parameters) for kind in (found, real)]
    assert fits[0] == fits[1]


def test_a_shell_asks_by_a_variable():
    environment = {
        "_RMODELS_COMPLETE": "bash_complete",
        "COMP_WORDS": "rmodels sc",
        "COMP_CWORD": "1",
    }
    found = run(env={**os.environ, **environment})
    assert (found.returncode, found.stdout, found.stderr) == (0, b"plain,score\n", b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_for_shells(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_RMODELS_COMPLETE={shell}_complete" in script
    assert "rmodels" in script


def test_what_is_ignored_stays_ignored(folder):
    """As under nohup, or in the background of a script."""
    code = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {RUN}"
    code = code.replace("sys.exit(main())", "import os; os.kill(os.getpid(), 2); sys.exit(main())")
    ended = subprocess.run(
        [sys.executable, "-c", code, "score", "m", "houses.csv"],
        capture_output=True, check=False, timeout=120)  # fmt: skip
    assert ended.returncode == 0, ended.stderr
