"""Examples of scikit-learn's gallery print the same scores under `patch_sklearn`.

The examples are not part of scikit-learn's wheel: these scripts compute what they compute, of the
same data and parameters, and print what they print or write into their figures. Scripts print no
more digits than the condition of their problems leaves, less three.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPTS = sorted((Path(__file__).parent / "gallery").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_prints_the_same(script):
    theirs, ours = (
        subprocess.run(
            [sys.executable, *options, str(script)], capture_output=True, text=True, check=True
        ).stdout
        for options in ([], ["-m", "rmodels.patch"])
    )
    assert ours == theirs
    assert theirs.count("plot_") >= 3
