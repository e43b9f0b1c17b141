"""The commands that another package holds."""

import importlib
import importlib.metadata
import subprocess
import sys

import pytest

from rmodels.cli import main
from rmodels.cli.outside import OUTSIDE


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("given", [[], ["--help"], ["--json", "a.json"]])
def test_what_to_install_where_the_package_is_missing(name, given, monkeypatch, capsys):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **given: [])
    with pytest.raises(SystemExit) as ended:
        main([name, *given])
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        f"rmodels {name}: this command is in the package rmodels-evidence, which is not installed: "
        "in a clone of the repository of rmodels, pip install ./evidence\n"
    )


def test_help_names_them_without_importing_them():
    code = (
        "import sys\nfrom rmodels.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n"
        "    print('rmodels_evidence' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.endswith("False\n")
    for name, text in OUTSIDE.items():
        assert name in found.stdout
        assert text[:30] in found.stdout


@pytest.mark.parametrize("name", OUTSIDE)
def test_the_package_has_them(name, monkeypatch):
    found = importlib.import_module(f"rmodels_evidence.{name}")
    ran = []
    monkeypatch.setattr(found, "run", lambda arguments: ran.append(arguments) or 3)
    assert main([name, *["-o", "a b.html"] * (name == "report")]) == 3
    assert ran[0].command == f"rmodels {name}" + " -o 'a b.html'" * (name == "report")


def test_the_package_has_no_others():
    found = importlib.metadata.entry_points(group="rmodels.commands")
    assert sorted(found.names) == sorted(OUTSIDE)
