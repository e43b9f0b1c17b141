"""scikit-learn's private names are in `rmodels/base/sklearn` and nowhere else."""

import ast
from pathlib import Path

import pytest

import rmodels

SOURCE = Path(rmodels.__file__).parent
FILES = sorted(set(SOURCE.rglob("*.py")) - set((SOURCE / "base" / "sklearn").glob("*.py")))


def _is_private(name):
    return name.startswith("_") and not name.startswith("__")


def private_imports(tree):
    """The private modules and names of scikit-learn that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            first, *rest = name.split(".")
            if first == "sklearn" and any(map(_is_private, rest)):
                yield name


def names_of(tree):
    """The names that a module makes, and the private attributes that it reads."""
    made, read = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            made.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            made.add(node.attr)
        elif isinstance(node, ast.Attribute) and _is_private(node.attr):
            read.add(node.attr)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("getattr", "hasattr", "setattr")
            and isinstance(node.args[1], ast.Constant)
        ):
            read.add(node.args[1].value)
    return made, {name for name in read if _is_private(name)}


# Private attributes of others that are read, and whose they are.
OTHERS = {"_getframe": "sys", "_meta": "Dask", "_parse_sklearn": "skl2onnx"}
TREES = {path: ast.parse(path.read_text("utf-8")) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_private_name_is_imported(path):
    assert list(private_imports(TREES[path])) == []


def test_private_imports_are_seen():
    code = "import sklearn.tree._classes\nfrom sklearn.utils import _safe, check_array\n"
    assert list(private_imports(ast.parse(code))) == [
        "sklearn.tree._classes",
        "sklearn.utils._safe",
    ]
    assert list(private_imports(ast.parse("from sklearn.utils._tags import Tags")))


def test_no_private_attribute_of_others_is_read():
    """What no module of rmodels makes is scikit-learn's, or of those others."""
    names = {path: names_of(tree) for path, tree in TREES.items()}
    ours = set().union(*(made for made, _ in names.values()))
    # of Python, named tuples and Dask, which document them
    ours |= {"_exit", "_getframe", "_replace", "_meta"}
    foreign = {
        f"{path.relative_to(SOURCE)}: {name}"
        for path, (_, read) in names.items()
        for name in read - ours - OTHERS.keys()
    }
    assert foreign == set()
