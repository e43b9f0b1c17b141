#!/usr/bin/env bash
# scikit-learn 1.9.1 with NumPy 2.4: `HDBSCAN(cluster_selection_epsilon=...)` raises "TypeError: only 0-dimensional
# arrays can be converted to Python scalars" as soon as it looks for the cluster above another. What a good
# engineer would guess: the versions go together, as pip installs them and scikit-learn's own tests pass. What happens: the
# search takes the parent from an array of one element, which NumPy made an error in 2.4; no test climbs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import sklearn
from sklearn.cluster import HDBSCAN

line = np.concatenate([start + 0.1 * np.arange(5) for start in (0.0, 1.0, 20.0, 22.0, 90.0)])
print("scikit-learn", sklearn.__version__, "NumPy", np.__version__)
model = HDBSCAN(min_samples=2, cluster_selection_epsilon=2.0, copy=True)
try:
    print(model.fit_predict(line[:, np.newaxis]))
except TypeError as error:
    print("TypeError:", error)
else:
    raise SystemExit("it climbs now")
PYTHON
