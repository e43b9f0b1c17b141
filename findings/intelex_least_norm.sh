#!/usr/bin/env bash
# scikit-learn-intelex 2026.2.0: `LinearRegression` of as many rows as columns, or fewer, does not give the least norm.
# What a good engineer would guess: that of scikit-learn 1.9.1, which solves by LAPACK's gelsd: of all coefficients that
# fit, the shortest. What happens: the coefficients fit the rows, but of 1000 x 2000 normal numbers and a random target
# they are longer than the shortest by a sixth, and predict something else for new rows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'scikit-learn-intelex==2026.2.0' 'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from sklearn.linear_model import LinearRegression as Right
from sklearnex.linear_model import LinearRegression

rng = np.random.default_rng(0)
X, y = rng.standard_normal((1000, 2000)), rng.standard_normal(1000)
found, right = (each().fit(X, y) for each in (LinearRegression, Right))
print("scikit-learn-intelex", version("scikit-learn-intelex"))
print("largest residuals", abs(found.predict(X) - y).max(), abs(right.predict(X) - y).max())
share = np.linalg.norm(found.coef_) / np.linalg.norm(right.coef_)
print("norm of the coefficients over the least", share)
assert share > 1.01, "it is the least norm now"
PYTHON
