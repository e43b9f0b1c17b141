#!/usr/bin/env bash
# skl2onnx 1.20.0: `Binarizer` and `Normalizer` exported with double inputs do not do what they do with float inputs, nor
# what scikit-learn does. What a good engineer would guess: a graph with `DoubleTensorType` gives what the one with
# `FloatTensorType` gives, with more digits. What happens: in double, `Binarizer` is written as `Less` and `Where`, so that
# a value that equals the threshold becomes 1 (with the default threshold every 0, so a table of counts becomes all ones); and
# `Normalizer` divides by the norm as it is, so that a row of zeros becomes NaN. In float both are right, and nothing warns.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'skl2onnx==1.20.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'scikit-learn==1.9.1' \
  'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
import skl2onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.preprocessing import Binarizer, Normalizer

print("skl2onnx", skl2onnx.__version__, "onnxruntime", onnxruntime.__version__)
X = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])


def run(step, dtype):
    kind = DoubleTensorType if dtype is np.float64 else FloatTensorType
    graph = skl2onnx.convert_sklearn(step, initial_types=[("X", kind([None, 2]))])
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    return session.run(None, {"X": X.astype(dtype)})[0]


for step in (Binarizer().fit(X), Normalizer().fit(X)):
    right = step.transform(X)
    single, double = run(step, np.float32), run(step, np.float64)
    print(step, "\n scikit-learn", right.tolist(), "\n float", single.tolist(), "\n double", double.tolist())
    np.testing.assert_allclose(single, right, rtol=1e-6)
    differs = ~np.isclose(double, right)
    assert (differs == (X == 0)).all() if isinstance(step, Binarizer) else differs.tolist() == [[True] * 2] + [[False] * 2] * 2
PYTHON
