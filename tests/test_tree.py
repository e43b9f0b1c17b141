"""The tree: files that can be read in one go, and tests where one looks for them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST = 600  # lines
SOURCES = [ROOT / "src" / "rmodels", ROOT / "evidence" / "src" / "rmodels_evidence"]
KINDS = {".py", ".pyi", ".cpp", ".hpp", ".js", ".css", ".html"}
# What the tests of a folder are about that are not in a folder of the same name: conventions over
# the catalogue, scikit-learn's own tests, and the package beside src.
BESIDE = {"shared", "conformance", "evidence"}


def test_no_file_is_long():
    files = [f for folder in SOURCES for f in folder.rglob("*") if f.suffix in KINDS]
    assert len(files) > 100
    lines = {str(f.relative_to(ROOT)): len(f.read_text("utf-8").splitlines()) for f in files}
    assert {name: count for name, count in lines.items() if count > MOST} == {}


def folders(root, pattern):
    """The folders below one that hold files of a pattern, but for those of an operation."""
    found = {f.parent.relative_to(root) for f in root.rglob(pattern)} - {Path()}
    return {Path("ops") if folder.parts[0] == "ops" else folder for folder in found}


@pytest.mark.parametrize("folder", sorted(folders(SOURCES[0], "*.py")), ids=str)
def test_every_folder_has_its_tests(folder):
    assert list((ROOT / "tests" / folder).glob("test_*.py"))


def test_every_folder_of_tests_has_sources():
    tests = {f for f in folders(ROOT / "tests", "test_*.py") if f.parts[0] not in BESIDE}
    assert tests <= folders(SOURCES[0], "*.py")


def test_every_operation_has_its_tests():
    operations = [f.parent.name for f in (SOURCES[0] / "ops").glob("*/__init__.py")]
    assert operations
    for operation in operations:
        assert (ROOT / "tests" / "ops" / f"test_{operation}.py").is_file()


def test_tests_replace_no_private_names():
    # setattr(module, "_NAME", …), setattr("module._NAME", …) and module._NAME = …
    private = re.compile(
        r"""(?:set|del)attr\(\s*(?:"[\w.]+\._[a-zA-Z]\w*"|[\w.]+,\s*"_[a-zA-Z]\w*")"""
        r"""|^\s*[a-z]\w*(?:\.[a-z]\w*)*\.(?:_[A-Z]\w*)\s=[^=]""",
        re.MULTILINE,
    )
    assert private.search('monkeypatch.setattr("rmodels.data.scan._SHARE", 1)')
    assert private.search('monkeypatch.setattr(\n    scan, "_SHARE", 1)')
    assert private.search("scan._SHARE = 1")
    found = {
        f"{path.relative_to(ROOT)}: {match[0].strip()}"
        for path in (ROOT / "tests").rglob("*.py")
        if path != Path(__file__)
        for match in private.finditer(path.read_text("utf-8"))
    }
    assert found == set()
