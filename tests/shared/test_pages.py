"""Every estimator and function is in the documentation, where its entry says."""

import inspect
import re
from pathlib import Path

import pytest

import rmodels
from rmodels.catalogue import CATALOGUE

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", CATALOGUE)
def test_its_page_is_about_it(name):
    text = (DOCS / f"{CATALOGUE[name].page}.md").read_text("utf-8")
    assert re.search(rf"\b{name}\b", text)


@pytest.mark.parametrize("name", CATALOGUE)
def test_it_documents_its_parameters(name):
    """By name, in the order of the signature, or by reference to another that has them."""
    value = getattr(rmodels, name)
    text = inspect.getdoc(value)
    section = text.partition("Parameters\n---")[2].partition("\n\n")[0]
    documented = re.findall(r"^\**(\w[\w, ]*?)(?: : .*)?$", section, re.MULTILINE)
    words = {word for line in documented for word in line.split(", ")}
    assert words >= inspect.signature(value).parameters.keys()
    assert ">>>" in text
