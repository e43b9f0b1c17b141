"""Model files of every version so far are read, and say what they said.

`models/write.py` writes them: once for each version, into a folder of its name.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
from cases import ENTRIES, answers
from numpy.testing import assert_allclose, assert_array_equal

import rmodels
from rmodels import native

FOLDER = Path(__file__).parent / "models"
MODELS = sorted(FOLDER.glob("*/*.rmodel"))


def assert_same(found, expected):
    """Numbers that are computed anew differ by the rounding of another order of sums."""
    found = np.asarray(found)
    expected = np.asarray(expected, found.dtype if found.dtype == object else None)
    if found.dtype.kind != "f":
        assert_array_equal(found, expected)
    else:
        digits = 1e-6 if found.dtype == np.float32 else 1e-12
        assert_allclose(found.tolist(), expected, rtol=digits, atol=digits)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_says_what_it_said(path):
    check(path)


def check(path):
    """What a model of a file says and knows is what stands beside it."""
    if path.stem.endswith("-native") and native.load() is None:
        pytest.skip("built without the native engine, which this model asks for")
    expected = json.loads((path.parent / "expected.json").read_text("utf-8"))[path.stem]
    model = rmodels.load(path)
    rows = np.array(expected["rows"])
    if hasattr(model, "feature_names_in_"):
        rows = pandas.DataFrame(rows, columns=model.feature_names_in_)
    said = answers(model, rows)
    assert said.keys() >= expected["says"].keys()
    for method, arrays in expected["says"].items():
        for found, wanted in zip(said[method], arrays, strict=True):
            assert_same(found, wanted)
    for name, wanted in expected["knows"].items():
        assert_same(getattr(model, name), wanted)


def test_every_file_is_read():
    for folder in FOLDER.glob("*.*.*"):
        names = {path.stem for path in folder.glob("*.rmodel")}
        assert json.loads((folder / "expected.json").read_text("utf-8")).keys() == names
    assert any(path.parent.name == "0.1.0" for path in MODELS)


@pytest.mark.slow
def test_this_version_writes_what_it_reads(tmp_path):
    """As for a release, but elsewhere than into the folder of the version."""
    if native.load() is None:
        pytest.skip("built without the native engine, on which some models are fitted")
    script = [sys.executable, str(FOLDER / "write.py"), str(tmp_path)]
    subprocess.run(script, check=True, timeout=240)
    written = sorted(tmp_path.glob("*.rmodel"))
    assert {path.stem for path in written} >= {f"{entry.name}-native" for entry in ENTRIES}
    for path in written:
        check(path)
