"""The documentation of several versions, side by side."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import rmodels

SCRIPT = Path(__file__).parents[1] / "docs" / "by_version.py"


@pytest.fixture
def put():
    return runpy.run_path(SCRIPT)["put"]


@pytest.fixture
def built(tmp_path):
    folder = tmp_path / "built"
    (folder / "notebooks").mkdir(parents=True)
    (folder / ".doctrees").mkdir()
    for page in ("index.html", "notebooks/index.html", ".doctrees/index.doctree"):
        (folder / page).write_text(page)
    return folder


def versions_of(site):
    text = (site / "versions.js").read_text()
    assert text.startswith("window.VERSIONS = ")
    return json.loads(text.removeprefix("window.VERSIONS = ").removesuffix(";\n"))


def test_each_version_has_its_folder(put, built, tmp_path):
    site = tmp_path / "site"
    put(built, site, "0.9.0")
    assert versions_of(site) == ["0.9.0"]
    assert (site / "0.9.0" / "notebooks" / "index.html").exists()
    assert not (site / "0.9.0" / ".doctrees").exists()
    (site / "assets").mkdir()  # of whoever serves it
    (site / "assets" / "index.html").touch()
    for version in ("0.10.0", "0.2.0", "0.11.0rc1"):
        put(built, site, version)
    assert versions_of(site) == ["0.10.0", "0.9.0", "0.2.0", "0.11.0rc1"]
    assert "url=./0.10.0/index.html" in (site / "index.html").read_text()


def test_a_version_is_put_again_in_its_own_place(put, built, tmp_path):
    site = tmp_path / "site"
    put(built, site, "1.0")
    (site / "1.0" / "gone.html").touch()
    put(built, site, "1.0")
    assert versions_of(site) == ["1.0"]
    assert not (site / "1.0" / "gone.html").exists()


def test_the_script_puts_the_version_that_is_installed(built, tmp_path):
    command = [sys.executable, str(SCRIPT), str(built), str(tmp_path / "site")]
    subprocess.run(command, check=True, timeout=60)
    assert versions_of(tmp_path / "site") == [rmodels.__version__]
