"""Every example in the documentation runs and prints what it says."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import rmodels

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(rmodels.__path__, "rmodels.")
    if not module.name.startswith(("rmodels.native._", "rmodels.__main__"))
)


ON_GPU = {"gpu", "kernels", "packing"}


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    if name.startswith("rmodels.ops.") and name.rpartition(".")[2] in ON_GPU:
        pytest.importorskip("torch", reason="the extra gpu is not installed: PyTorch")
        pytest.importorskip("triton", reason="the extra gpu is not installed: Triton")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages(page):
    assert doctest.testfile(str(page), module_relative=False, encoding="utf-8").failed == 0


def test_readme_has_examples():
    parsed = doctest.DocTestParser().get_examples((ROOT / "README.md").read_text("utf-8"))
    assert len(parsed) >= 5
