"""The run on a machine with a GPU, rehearsed: what is there, what is left out, when it stops."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rmodels.ops import device

TESTS = Path(__file__).parents[1]
SCRIPT = TESTS / "on_a_gpu.py"


@pytest.fixture
def on_a_gpu(monkeypatch):
    monkeypatch.syspath_prepend(TESTS)
    import on_a_gpu

    return on_a_gpu


def run(*arguments, **environment):
    # the run starts workers of its own
    given = {name: value for name, value in os.environ.items() if "PYTEST_XDIST" not in name}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env=given | environment,
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


def test_says_what_is_not_there(tmp_path):
    (tmp_path / "click.py").write_text("raise ImportError('no click')")
    (tmp_path / "torch.py").write_text("raise OSError('no library')")
    found = run(tmp_path / "results", PYTHONPATH=str(tmp_path), TRITON_INTERPRET="0")
    assert found.returncode == 2, found.stderr
    # what it takes along may hold one of them
    assert "  torch: OSError: no library" in found.stdout
    assert "cannot start without torch" in found.stdout
    assert (tmp_path / "results" / "summary.txt").read_text() == found.stdout


def test_the_interpreter_is_for_rehearsals(tmp_path):
    found = run(tmp_path / "results", TRITON_INTERPRET="1")
    assert found.returncode == 1
    assert "far too slow for all: add --rehearse" in found.stderr


def test_a_step_ends_with_its_time(on_a_gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(on_a_gpu, "GRACE", 4.0)
    steps = on_a_gpu.Run(tmp_path, 6.0)
    # deaf to SIGINT, and with a child of its own
    program = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    began = time.monotonic()
    assert not steps.step("deaf", [sys.executable, "-c", program], os.environ)
    assert time.monotonic() - began < 30  # neither of the two minutes
    assert steps.failed
    assert "stopped as its time was spent" in (tmp_path / "summary.txt").read_text()
    child = int((tmp_path / "deaf.txt").read_text())
    gone = time.monotonic() + 20
    while time.monotonic() < gone and is_running(child):
        time.sleep(0.05)
    assert not is_running(child)


def is_running(process):
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_steps_go_on_after_a_failure(on_a_gpu, tmp_path):
    steps = on_a_gpu.Run(tmp_path, 600.0)
    assert not steps.step("first", [sys.executable, "-c", "raise SystemExit(3)"], os.environ)
    assert steps.step("second", [sys.executable, "-c", "print('done')"], os.environ)
    assert steps.failed
    assert (tmp_path / "second.txt").read_text() == "done\n"
    assert "first: exit status 3, " in (tmp_path / "summary.txt").read_text()


def test_files_that_need_other_packages_are_left_out(on_a_gpu, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(on_a_gpu, "TESTS", tmp_path)
    (tmp_path / "beside.py").touch()
    file = tmp_path / "test_it.py"
    file.write_text("import os\nimport beside\nfrom no_such_package.part import name\n")
    on_a_gpu.print_lacking()
    assert capsys.readouterr().out == "test_it.py: no_such_package\n"
    file.write_text("import os\nimport beside\n\ndef f():\n    import no_such_package\n")
    on_a_gpu.print_lacking()
    assert capsys.readouterr().out == ""


def test_a_file_needs_what_the_files_beside_it_import(on_a_gpu, tmp_path):
    (tmp_path / "beside.py").write_text("import further")
    (tmp_path / "further.py").write_text("import beside, no_such_package")
    file = tmp_path / "test_it.py"
    file.write_text("import os, beside")
    assert on_a_gpu.needs(file) == {"os", "no_such_package"}


def test_no_test_of_the_gpu_is_left_out(on_a_gpu):
    ours = {"rmodels", "rmodels_evidence", "on_a_gpu"}
    there = ours | {*on_a_gpu.REQUIRED, *sys.stdlib_module_names, "joblib"}  # scikit-learn's
    files = [each for each in TESTS.rglob("test_*.py") if on_a_gpu.OF_GPU.search(each.read_text())]
    lacking = {str(each): found for each in files if (found := on_a_gpu.needs(each) - there)}
    assert not lacking
    for name in ("linear_model/test_ridge.py", "neighbors/test_neighbors.py", "ops/test_glm.py"):
        assert TESTS / name in files


def test_tests_of_the_gpu_are_recognised(request, on_a_gpu):
    """Those of this session that have the mark, or that run on every engine."""
    files = {
        item.path
        for item in request.session.items
        if item.get_closest_marker("gpu") or "engine" in item.fixturenames
    }
    assert not [str(each) for each in files if not on_a_gpu.OF_GPU.search(each.read_text())]


def test_brings_what_it_needs(on_a_gpu):
    text = (TESTS.parent / "Makefile").read_text().replace("\\\n", " ")
    brought = re.search(r"^GPU_PACKAGES := (.*)$", text, re.MULTILINE)[1].replace("-", "_").split()
    needed = on_a_gpu.REQUIRED[on_a_gpu.REQUIRED.index("triton") + 1 :]
    assert "pytest" in needed
    assert set(needed) <= set(brought)


@pytest.mark.parametrize(
    "line", ["{name} {outcome}   [ 33%]", "[gw0] [ 33%] {outcome} {name} "], ids=["alone", "xdist"]
)
def test_counts_what_ran(on_a_gpu, line):
    ran = {"tests/a/test_x.py::test_y[a b]": "PASSED", "tests/a/test_x.py::test_z": "FAILED"}
    lines = [line.format(name=name, outcome=outcome) for name, outcome in ran.items()]
    printed = ["collected 3 items", *lines, "FAILED tests/a/test_x.py::test_z - assert 0"]
    assert on_a_gpu.count(printed) == "2 tests in 1 files: 1 passed, 1 failed"
    assert on_a_gpu.count([]) == "0 tests in 0 files"


def test_our_packages_are_those_of_the_checkout(on_a_gpu, tmp_path):
    """An editable install has a finder of its own, which comes first."""
    for name in ("rmodels", "rmodels_evidence"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    site = tmp_path / "site"
    on_a_gpu.lay_out(site)
    environment = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{tmp_path}"}
    assert on_a_gpu.elsewhere(site, environment) == []
    found = on_a_gpu.elsewhere(site, os.environ | {"PYTHONPATH": str(tmp_path)})
    assert [each.partition(":")[0] for each in found] == ["rmodels", "rmodels_evidence"]


def test_it_takes_no_test_for_another(on_a_gpu):
    for place in (*on_a_gpu.FIRST, *on_a_gpu.SHORT, *on_a_gpu.LEFT_OUT):
        assert (TESTS / place).exists(), place


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not device.is_interpreted(), reason="for Triton's interpreter")
def test_rehearsal(tmp_path):
    found = run(tmp_path, "--rehearse", "--limit", "560")
    assert found.returncode == 0, found.stdout
    for said in ("  torch ", "  triton ", "tests: exit status 0, ", "bench: exit status 0, ",
                 " tests in 3 files: "):  # fmt: skip
        assert said in found.stdout
    assert " passed" in (tmp_path / "tests.txt").read_text()
    assert "REHEARSAL of the suite gpu" in (tmp_path / "bench.txt").read_text()
    assert (tmp_path / "bench.json").exists()
