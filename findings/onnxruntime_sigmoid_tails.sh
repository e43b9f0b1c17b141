#!/usr/bin/env bash
# onnxruntime 1.32.0, x86-64: `Sigmoid` has no digits where the result is small, in float32 and in float64. What a good
# engineer would guess: as `Exp`, it is right to a few units in the last place, so that logarithms of small probabilities
# make sense. What happens: it is right to the rounding of 1, not of itself. In float32 it gives 8.9e-08 at -17, in the place
# of 4.1e-08, and from -18 down exactly 0, where 1.5e-08 and less are right; in float64 one part in a thousand is wrong at
# -30, and at -60 it is 0, not 8.8e-27. So a log-likelihood of a logistic model is infinite. `Softmax` of [0, x] and `Exp` keep
# the digits in both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'onnx==1.23.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import helper

x = np.array([-60, -30, -20, -18.5, -17, -12, -8, -1], dtype=np.float32)
right = 1 / (1 + np.exp(-x.astype(np.float64)))


def run(operator, values):
    kind = helper.np_dtype_to_tensor_dtype(values.dtype)
    shape = [None] * values.ndim
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": values})[0]


single, double = run("Sigmoid", x), run("Sigmoid", x.astype(np.float64))
soft = run("Softmax", np.column_stack([0 * x, x]))[:, 1]
soft_double = run("Softmax", np.column_stack([0 * x, x]).astype(np.float64))[:, 1]
print("onnxruntime", onnxruntime.__version__)
answers = {"Sigmoid float32": single, "Sigmoid float64": double, "Softmax float32": soft, "Softmax float64": soft_double}
for name, found in answers.items():
    print(f"{name}: relative errors", np.abs(found / right - 1).round(16).tolist())
np.testing.assert_allclose(soft, right, rtol=1e-5)
np.testing.assert_allclose(soft_double, right, rtol=1e-14)
np.testing.assert_allclose(single, right, atol=1e-6)
np.testing.assert_allclose(double, right, rtol=0, atol=1e-15)
assert (single[x < -18] == 0).all() and abs(single[4] / right[4] - 1) > 0.5, "float32 keeps its digits now"
assert double[0] == 0 and abs(double[1] / right[1] - 1) > 1e-4, "float64 keeps its digits now"
PYTHON
