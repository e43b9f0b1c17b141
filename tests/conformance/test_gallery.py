"""Computations of scikit-learn's gallery examples print the same under `patch_sklearn`.

The examples are not part of scikit-learn's wheel: these are what their scripts compute and print,
without the plots.
"""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent / "gallery").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_prints_the_same(example):
    theirs, ours = (
        subprocess.run(
            [sys.executable, *options, str(example)], capture_output=True, text=True, check=True
        ).stdout
        for options in ([], ["-m", "rmodels.patch"])
    )
    assert ours == theirs
    assert len(theirs.splitlines()) >= 2
