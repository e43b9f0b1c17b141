"""Every example in the documentation runs and prints what it says."""

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from dataclasses import replace
from itertools import islice
from pathlib import Path

import click
import matplotlib as mpl
import polars
import pytest
from matplotlib import pyplot

import rmodels
from rmodels.cli import main
from rmodels_evidence import bench, families, gpu
from rmodels_evidence.families.linear_model.cases import linear_cases
from rmodels_evidence.families.linear_model.problems import linear_problems
from rmodels_evidence.limits import Limits
from rmodels_evidence.measure import Effort
from rmodels_evidence.problem import Options, Series

mpl.use("Agg")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.py"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(rmodels.__path__, "rmodels.")
    if not module.name.startswith(("rmodels.native._", "rmodels.__main__"))
)
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
EXTRAS = {
    package: tomllib.loads((ROOT / package / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    for package in (".", "./evidence")
}
ON_GPU = {"gpu", "kernels", "packing"}


CHECKED = {"python", "console", "sh"}  # kinds of fences; {toctree} and the like are Sphinx's


def text_of(path):
    """The text of a page, or of a notebook."""
    text = path.read_text("utf-8")
    return re.sub(r"^# ?", "", text, flags=re.MULTILINE) if path.suffix == ".py" else text


def blocks(path, language):
    """The fenced blocks of a language."""
    text = text_of(path)
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def named(path):
    return str(path.relative_to(ROOT))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    if name.startswith("rmodels.ops.") and name.rpartition(".")[2] in ON_GPU:
        pytest.importorskip("torch", reason="the extra gpu is not installed: PyTorch")
        pytest.importorskip("triton", reason="the extra gpu is not installed: Triton")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_examples_with_a_prompt(page):
    if "collect_batches" in text_of(page) and not hasattr(polars.LazyFrame, "collect_batches"):
        pytest.skip("this version of polars has no LazyFrame.collect_batches")
    assert doctest.testfile(str(page), module_relative=False, encoding="utf-8").failed == 0


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_examples_without_a_prompt(page, tmp_path):
    """They have nothing to compare with, and may change the process: each runs in its own."""
    for block in blocks(page, "python"):
        if ">>>" not in block:
            command = [sys.executable, "-W", "error", "-c", block]
            subprocess.run(command, cwd=tmp_path, check=True, timeout=120)


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=named)
def test_console(page, tmp_path, monkeypatch, capsys):
    """What `cat` shows of a file that is not there yet is its content."""
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "console"):
        for command, printed in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", block, flags=re.MULTILINE):
            program, *arguments = shlex.split(command)
            if program == "cat":
                (path,) = map(Path, arguments)
                if not path.exists():
                    path.write_text(printed)
                assert path.read_text() == printed
            elif program == "python":
                run = [sys.executable, *arguments]
                assert subprocess.check_output(run, text=True, timeout=120) == printed
            elif not printed:  # a command that takes long, or whose output is the machine's
                assert_is_command(command)
            else:
                assert program == "rmodels"
                status = main(arguments)
                said = capsys.readouterr()
                assert said.out + said.err == printed
                assert status == int(said.err.startswith("rmodels: error"))


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=named)
def test_every_block_is_of_a_kind_that_is_checked(page):
    fences = re.findall(r"^ *`{3,}(.*)$", text_of(page), flags=re.MULTILINE)
    assert not any(fences[1::2])  # what closes
    others = re.compile(r"\{(toctree|include|literalinclude)\}")
    assert {kind for kind in fences[::2] if not others.match(kind)} <= CHECKED
    if page in PAGES:
        assert not re.search(r"^\s*\n {4,}\S", page.read_text("utf-8"), flags=re.MULTILINE)


@pytest.fixture
def tiny_evidence(monkeypatch):
    """What `rmodels validate`, `bench` and `report` work through, cut down to a moment."""
    options = Options(threads=1)
    small = next(each for each in linear_problems(options) if each.name == "least-squares-diabetes")
    suites = [replace(small, name=suite, suite=suite) for suite in ("small", "ladder")]
    series = Series("rows", "time against rows", "rows", (1, 2), lambda n: small, 1)
    monkeypatch.setattr(families, "problems", lambda options: suites)
    monkeypatch.setattr(families, "series", lambda options: [series])
    monkeypatch.setattr(bench, "measure_limits", lambda *given: Limits(1e10, 1e11, 5e10, 1, "test"))
    for effort in ("FULL", "QUICK"):
        monkeypatch.setattr(bench, effort, Effort(0.0, 1, memory=False))
    monkeypatch.setattr(gpu, "unavailable", lambda rehearsal=False: "it is not looked for")
    monkeypatch.setattr(families, "cases", lambda quick: islice(linear_cases(True), 1))


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=named)
def test_shell(page, tmp_path, monkeypatch, tiny_evidence):
    """Our commands are run, on little; what installs or builds is not, but names what is there."""
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            assert_is_command(line)
            words = shlex.split(line, comments=True)
            if words[:1] == ["rmodels"]:
                assert main(words[1:]) == ("gpu" in words)  # which says that there is none


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=named)
def test_commands_within_text(page):
    starts = r"RMODELS_BUILD=|make |pip install |python -m |rmodels "
    for command in re.findall(rf"`((?:{starts})[^`]*)`", text_of(page)):
        assert_is_command(command, whole=False)


def assert_is_command(line, whole=True):
    """What is not whole may lack required arguments."""
    words = shlex.split(line, comments=True)
    while words and re.match(r"[A-Z_]+=", words[0]):
        assert_is_variable(words.pop(0))
    match words:
        case []:  # a comment, or variables by themselves
            pass
        case ["make", *given]:
            for word in given:
                if "=" in word:
                    assert_is_variable(word)
                else:
                    assert re.search(rf"^{re.escape(word)}:", MAKEFILE, flags=re.MULTILINE)
        case ["pip", "install", *what] if what:
            for each in what:
                package, extras = re.fullmatch(
                    r"(\.|\./evidence|rmodels)(?:\[(.*)\])?", each
                ).groups()
                known = EXTRAS["." if package == "rmodels" else package]
                assert set((extras or "").split(",")) <= {"", *known}
        case ["python", "-m", module, *_]:
            assert importlib.util.find_spec(module) is not None
        case ["rmodels", *arguments] if whole:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(click.Command, "invoke", lambda command, context: 0)
                assert main(arguments) == 0  # what it takes is understood; it is not run
        case ["rmodels", *arguments]:  # --help is answered if all that stands before it is known
            with pytest.raises(SystemExit) as ended:
                main([*arguments, "--help"])
            assert ended.value.code == 0
        case _:
            pytest.fail(f"not known how to check: {line}")


def assert_is_variable(assignment):
    """One that the Makefile reads."""
    assert f"$({assignment.partition('=')[0]})" in MAKEFILE


def test_every_extra_is_shown():
    table = re.findall(r"^\| `(\S+\])` \|", (ROOT / "docs" / "start.md").read_text("utf-8"), re.M)
    shown = {f"{package}[{extra}]" for package, extras in EXTRAS.items() for extra in extras}
    assert set(table) == shown - {
        ".[docs]",
        ".[gpu-test]",
        ".[s3-test]",
        ".[test]",
        "./evidence[test]",
    }


def names_in_reference():
    """The names in the API reference: it includes what `conf.py` writes of the catalogue."""
    text = (ROOT / "docs" / "api.rst").read_text("utf-8")
    assert ".. include:: estimators.rst" in text
    lists = [*text.splitlines(), *runpy.run_path(ROOT / "docs" / "conf.py")["estimators"]()]
    return re.findall(r"^   ([\w.]+)$", "\n".join(lists), re.M)


def test_every_notebook_and_public_name_is_shown():
    gallery = (ROOT / "docs" / "notebooks" / "index.md").read_text("utf-8")
    cards = re.findall(r"^:link: (\w+)\n:link-type: doc\n<img ", gallery, re.M)
    assert sorted(cards) == sorted(path.stem for path in NOTEBOOKS)
    assert gallery.count(":::{grid-item-card}") == len(cards)
    listed = names_in_reference()
    modules = {f"{each}.{name}" for each in ("exceptions", "plot") for name in public(each)}
    operations = {name for name in listed if name.startswith("ops.")}
    assert set(listed) - operations == set(rmodels.__all__) - {"plot"} | modules


def test_every_public_function_and_method_has_an_example():
    names = names_in_reference()
    lacking = set()
    for name in names:
        module, _, last = f"rmodels.{name}".rpartition(".")
        found = getattr(importlib.import_module(module), last)
        members = {name: found}
        if inspect.isclass(found) and not issubclass(found, Exception):
            members |= {
                f"{name}.{method}": function
                for method, function in inspect.getmembers(found, inspect.isfunction)
                if not method.startswith("_") and function.__module__.startswith("rmodels.")
            }
        lacking |= {each for each, value in members.items() if ">>>" not in value.__doc__}
    # Results of functions that have an example, an error, and what scikit-learn itself calls.
    assert lacking == {
        "ops.moments.Gram",
        "ops.moments.GroupMoments",
        "ops.moments.Moments",
        "ops.descent.Descent",
        "ops.descent.Gradient",
        "ops.nearest.Index",
        "exceptions.NotCoveredError",
        *(f"{name}.get_metadata_routing" for name in rmodels.__all__ if name.endswith("CV")),
    }


def public(module):
    return importlib.import_module(f"rmodels.{module}").__all__


def test_readme_has_examples():
    parsed = doctest.DocTestParser().get_examples((ROOT / "README.md").read_text("utf-8"))
    assert len(parsed) >= 5
