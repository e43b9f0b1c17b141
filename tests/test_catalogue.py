"""The catalogue is the only list of estimators; what else names them is equal to it."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
import stub

import rmodels
from rmodels.catalogue import CATALOGUE, FAMILIES

SOURCE = Path(rmodels.__file__).parent
ROOT = Path(__file__).parents[1]
FILES = sorted(SOURCE.rglob("*.py"))


def test_entries_name_what_is_there():
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        value = getattr(importlib.import_module(entry.module), name)
        assert getattr(rmodels, name) is value
        assert inspect.isclass(value) == (entry.task != "function")
        assert value.__module__ == f"{entry.module}.{entry.file}"
        found = getattr(importlib.import_module(entry.home), name, None)
        assert (found is not None) == entry.in_sklearn
        assert entry.in_sklearn or not entry.patch
        assert entry.abstract == hasattr(found, "register")


def test_tasks_are_what_the_classes_do():
    for entry in CATALOGUE.values():
        estimator = getattr(rmodels, entry.name)
        methods = [each for each in ("predict", "transform") if hasattr(estimator, each)]
        expected = {
            "classify": ["predict"],
            "regress": ["predict"],
            "cluster": ["predict", "transform"],
            "transform": ["transform"],
            "group": [],
            "detect": ["predict"],
            "density": [],
            "search": [],
            "function": [],
        }
        if entry.predicts:  # discriminants project, too
            methods = methods[:1]
        assert methods == expected[entry.task]
        kinds = {
            "classify": "classifier",
            "regress": "regressor",
            "cluster": "clusterer",
            "group": "clusterer",
            "detect": "outlier_detector",
        }
        if entry.task in kinds:
            kind = kinds[entry.task]
            assert estimator().__sklearn_tags__().estimator_type == kind


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_the_names_of_its_entries(family):
    names = sorted(entry.name for entry in CATALOGUE.values() if entry.family == family)
    package = importlib.import_module(f"rmodels.{family}")
    assert package.__all__ == dir(package) == names
    taken = {}
    exec(f"from rmodels.{family} import *", taken)
    assert {name: getattr(rmodels, name) for name in names}.items() <= taken.items()
    with pytest.raises(AttributeError, match=f"module 'rmodels.{family}' has no attribute 'no'"):
        _ = package.no


def test_families_import_neither_each_other_nor_an_engine():
    graph = grimp.build_graph("rmodels")
    for family in FAMILIES:
        folder = f"rmodels.{family}"
        for module in {folder} | graph.find_descendants(folder):
            parts = {name.split(".")[1] for name in graph.find_modules_directly_imported_by(module)}
            assert not parts & ({*FAMILIES, "native"} - {family}), module


def test_every_family_has_entries():
    assert {entry.family for entry in CATALOGUE.values()} == set(FAMILIES)


def test_type_checkers_are_told_the_same():
    for path, lines in stub.stubs().items():
        assert path.read_text("utf-8") == "\n".join(lines), "say `make stub`"


def test_the_catalogue_takes_no_time():
    code = (
        "import sys; before = set(sys.modules); import rmodels.catalogue;"
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before}"
        " - set(sys.stdlib_module_names)))"
    )
    run = [sys.executable, "-c", code]
    assert subprocess.check_output(run, text=True, timeout=60).strip() == "['rmodels']"


def _docstrings(tree):
    """The nodes that hold docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            yield node.body[0].value


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_name_is_listed_elsewhere(path):
    """Neither as text nor imported, but in the catalogue and in the folder of its family."""
    place = path.relative_to(SOURCE).parts
    if place == ("catalogue.py",):
        return
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = set(_docstrings(tree))
    found = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node not in docstrings
    } | {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    own = {name for name, entry in CATALOGUE.items() if entry.family == place[0]}
    assert not found & CATALOGUE.keys() - own


def _imported(path):
    """The modules that a module imports, and the names from them."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_imported_by_itself_alone(family):
    """So that families do not know each other, and what they are made of knows none of them."""
    importers = {
        path.relative_to(SOURCE).as_posix()
        for path in FILES
        for name in _imported(path)
        if f"{name}.".startswith(f"rmodels.{family}.")
    }
    assert importers or len(list((SOURCE / family).glob("_*.py"))) == 2  # __init__ and one file
    assert all(place.startswith(f"{family}/") for place in importers)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_family_imports_an_engine(family):
    engine = re.compile(r"rmodels\.native\b|rmodels\.ops\.\w+\.(reference|native|gpu|kernels)\b")
    for path in (SOURCE / family).glob("*.py"):
        assert not list(filter(engine.match, _imported(path))), path
