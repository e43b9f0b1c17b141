#!/usr/bin/env bash
# skl2onnx 1.20.0: `SimpleImputer(add_indicator=True)` is exported without the columns of the indicator. What a good engineer
# would guess: the graph gives the columns that `transform` gives, or the conversion raises, as it does of other options that
# it does not know. What happens: it gives the imputed columns alone, without an error or a warning; a pipeline with
# a linear model after it gives an error about shapes only when it runs, and one that ends there is of another width.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'skl2onnx==1.20.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'scikit-learn==1.9.1' \
  'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" -W error - <<'PYTHON'
import numpy as np
import onnxruntime
import skl2onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.impute import SimpleImputer

print("skl2onnx", skl2onnx.__version__)
X = np.array([[1.0, np.nan], [3.0, 4.0], [np.nan, 8.0]], dtype=np.float32)
step = SimpleImputer(add_indicator=True).fit(X)
graph = skl2onnx.convert_sklearn(step, initial_types=[("X", FloatTensorType([None, 2]))])
session = onnxruntime.InferenceSession(graph.SerializeToString())
(found,) = session.run(None, {"X": X})
wanted = step.transform(X)
print("scikit-learn", wanted.shape, "graph", found.shape)
assert wanted.shape == (3, 4)
assert found.shape == (3, 2), "the indicator is part of the graph now"
np.testing.assert_allclose(found, wanted[:, :2])
PYTHON
