"""What a person without the tools is told, and of which versions the tools are."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path):
    """A copy without virtual environment, in a folder with a space, and a PATH that has only..."""
    folder = tmp_path / "a copy"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "CMakeLists.txt"):
        shutil.copy(ROOT / name, folder)
    for name in ("cmake", "evidence", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "sh", "make", "find", "sed", "touch", "rm", "mkdir"):
        (tools / tool).symlink_to(shutil.which(tool))
    return folder, tools


def _make(folder, tools, *arguments):
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env={"PATH": str(tools), "HOME": os.environ["HOME"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_no_python(checkout):
    found = _make(*checkout, "demo", "PYTHON=python3")
    assert found.returncode != 0
    assert "rmodels needs Python 3.11 or newer; python3 is missing." in found.stdout


def test_no_compiler(checkout):
    folder, tools = checkout
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "tools").touch()  # as if the virtual environment were made
    found = _make(folder, tools, "demo")
    assert found.returncode != 0
    assert "No C++ compiler found" in found.stdout
    assert "make RMODELS_BUILD=pure demo" in found.stdout


def test_help(checkout):
    shown = set(re.findall(r"^make ([a-z-]+): \w", _make(*checkout, "help").stdout, re.M))
    phony = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert shown == {target for targets in phony for target in targets.split()}


def test_tools_of_the_build_are_the_same_everywhere():
    line = re.search(r"^BUILD_TOOLS := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    tools = re.findall(r"'([^']+)'", line[1])
    (cmake,) = (each.removeprefix("cmake>=") for each in tools if each.startswith("cmake>="))
    for folder in (ROOT, ROOT / "evidence"):
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
        assert set(project["build-system"]["requires"]) < set(tools)
        lists = (folder / "CMakeLists.txt").read_text("utf-8")
        assert f"cmake_minimum_required(VERSION {cmake}..." in lists
