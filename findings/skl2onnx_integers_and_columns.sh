#!/usr/bin/env bash
# skl2onnx 1.20.0: graphs of double inputs beside integers are not of double, and `ColumnTransformer` may take other columns.
# What a good engineer would guess: integer columns are taken as scikit-learn takes them, in float64, and the columns [1, 0]
# come in that order. What happens: scalers compute what has `Int64TensorType` in float32, where timestamps of seconds are 128
# apart, so that `MaxAbsScaler` tells few of them apart; integers that pass beside a `OneHotEncoder` are concatenated in float32;
# `OneHotEncoder` of double inputs takes 1.5 for 1; `TargetEncoder` and `OrdinalEncoder` look numbers up in float32; and a list
# of as many columns as there are is taken for all in order, whatever its order. Nothing warns.
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
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder

print("skl2onnx", skl2onnx.__version__, "onnxruntime", onnxruntime.__version__)


def run(step, kind, X, width):
    graph = skl2onnx.convert_sklearn(step, initial_types=[("X", kind([None, width]))])
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    return session.run(None, {"X": X})[0]


seconds = np.arange(0, 100, 10)[:, np.newaxis] + 1_700_000_000
step = MaxAbsScaler().fit(seconds)
found = run(step, Int64TensorType, seconds, 1)
print("MaxAbsScaler of integers:", found.dtype, "distinct", len(np.unique(found)), "of", len(np.unique(step.transform(seconds))))
assert found.dtype == np.float32
assert len(np.unique(found)) < len(seconds)

rows = np.column_stack([np.arange(10) % 2, seconds])
step = make_column_transformer((OneHotEncoder(sparse_output=False), [0]), remainder="passthrough").fit(rows)
found = run(step, Int64TensorType, rows, 2)
print("integers that pass:", found.dtype, "largest error", np.abs(found - step.transform(rows)).max())
assert np.abs(found - step.transform(rows)).max() > 1

step = OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit([[0.0], [1.0]])
found, right = run(step, DoubleTensorType, np.array([[1.5]]), 1), step.transform([[1.5]])
print("OneHotEncoder of 1.5:", found.tolist(), "scikit-learn", right.tolist())
assert found.tolist() == [[0.0, 1.0]] and right.tolist() == [[0.0, 0.0]]

rows = np.array([[1.0, 2.0]])
step = make_column_transformer(("passthrough", [1, 0])).fit(rows)
found = run(step, DoubleTensorType, rows, 2)
print("columns [1, 0]:", found.tolist(), "scikit-learn", step.transform(rows).tolist())
assert found.tolist() == rows.tolist() != step.transform(rows).tolist()
PYTHON
