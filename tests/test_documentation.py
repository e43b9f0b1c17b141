"""Every example in the documentation runs and prints what it says."""

import doctest
import importlib
import pkgutil
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import pyplot

import rmodels
from rmodels import native
from rmodels.cli import main

mpl.use("Agg")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.py"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(rmodels.__path__, "rmodels.")
    if not module.name.startswith(("rmodels.native._", "rmodels.__main__"))
)
ON_GPU = {"gpu", "kernels", "packing"}


def blocks(path, language):
    """The fenced blocks of a page, or of a notebook's text, in a language."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def named(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    if name.startswith("rmodels.ops.") and name.rpartition(".")[2] in ON_GPU:
        pytest.importorskip("torch", reason="the extra gpu is not installed: PyTorch")
        pytest.importorskip("triton", reason="the extra gpu is not installed: Triton")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_examples_with_a_prompt(page):
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
            elif not printed:  # a command that takes long, or whose output is the machine's
                assert_is_understood(program, arguments)
            else:
                assert program == "rmodels"
                status = main(arguments)
                said = capsys.readouterr()
                assert said.out + said.err == printed
                assert status == int(said.err.startswith("rmodels: error"))


def assert_is_understood(program, arguments):
    """--help is answered before anything runs, if all that stands before it is known."""
    assert program == "rmodels"
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0


@pytest.mark.skipif(native.load() is None, reason="they take minutes on the reference engine")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=named)
def test_notebooks(notebook, tmp_path, monkeypatch):
    """They assert that each algorithm they build is the library's."""
    shutil.copy(notebook, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pyplot, "show", lambda: None)  # the figures are kept, to be drawn below
    try:
        with mpl.rc_context(fname=notebook.parent / "matplotlibrc"):
            runpy.run_path(notebook.name)
            assert pyplot.get_fignums()
            for number in pyplot.get_fignums():
                pyplot.figure(number).canvas.draw()
    finally:
        pyplot.close("all")


def test_every_notebook_and_public_name_is_shown():
    gallery = (ROOT / "docs" / "notebooks" / "index.md").read_text("utf-8")
    assert {path.stem for path in NOTEBOOKS} == set(re.findall(r"^:link: (\w+)$", gallery, re.M))
    listed = re.findall(r"^   ([\w.]+)$", (ROOT / "docs" / "api.rst").read_text("utf-8"), re.M)
    modules = {f"{each}.{name}" for each in ("exceptions", "plot") for name in public(each)}
    operations = {name for name in listed if name.startswith("ops.")}
    assert set(listed) - operations == set(rmodels.__all__) - {"plot"} | modules


def public(module):
    return importlib.import_module(f"rmodels.{module}").__all__


def test_readme_has_examples():
    parsed = doctest.DocTestParser().get_examples((ROOT / "README.md").read_text("utf-8"))
    assert len(parsed) >= 5
