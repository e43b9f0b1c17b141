"""What the compiled modules say when the interpreter ends."""

import subprocess
import sys

import pytest

from rmodels import native

KEPT = """
import ctypes
from rmodels import KNeighborsClassifier

model = KNeighborsClassifier(1).fit([[0.0], [1.0]], [0, 1])
assert model.predict([[0.9]]) == [1]
ctypes.pythonapi.Py_IncRef(ctypes.py_object(model))
"""


@pytest.mark.skipif(native.load() is None, reason="no compiled extension")
def test_a_model_that_is_kept_to_the_end_is_not_told_of():
    ended = subprocess.run(
        [sys.executable, "-c", KEPT], capture_output=True, text=True, timeout=120, check=True
    )
    assert not ended.stdout
    assert not ended.stderr
