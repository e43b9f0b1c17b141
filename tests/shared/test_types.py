"""What a type checker says of code outside of the package that uses it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cases import ENTRIES

import rmodels

HOME = Path(rmodels.__file__).parents[1]


def reveal(lines, expressions, folder):
    """Return the types that mypy finds for expressions after some lines, in a file of a folder."""
    asked = [f"reveal_type({each})" for each in expressions]
    (folder / "use.py").write_text("\n".join([*lines, *asked, ""]), "utf-8")
    # it finds what is installed, but for an editable install
    path = {} if "site-packages" in HOME.parts else {"MYPYPATH": str(HOME)}
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "use.py"],
        cwd=folder, env=os.environ | path,
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    notes = re.findall(r'^use\.py:(\d+): note: Revealed type is "(.*)"$', found.stdout, re.M)
    types = {int(line): type_ for line, type_ in notes}
    return [types[i] for i, _ in enumerate(asked, start=len(lines) + 1)]


@pytest.mark.slow
def test_fits_return_their_own_class(tmp_path):
    pytest.importorskip("mypy", reason="the extra test is not installed: mypy")
    lines = ["import numpy as np", "import rmodels", "X, y = np.zeros((9, 2)), np.zeros(9)"]
    lines += [f"one_{entry.name}: rmodels.{entry.name}" for entry in ENTRIES]
    expected = {}
    for entry in ENTRIES:
        own = getattr(rmodels, entry.name)
        for method in ("fit", "partial_fit"):
            if hasattr(own, method):
                call = f"one_{entry.name}.{method}(X, y)"
                expected[call] = f"{own.__module__}.{own.__name__}"
    expected["rmodels.scan('rows.csv')"] = "rmodels.data.scan.Scan"
    expected["rmodels.__version__"] = "str"
    found = dict(zip(expected, reveal(lines, expected, tmp_path), strict=True))
    assert {each: type_.removeprefix("builtins.") for each, type_ in found.items()} == expected
