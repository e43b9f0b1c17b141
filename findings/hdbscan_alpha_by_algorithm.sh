#!/usr/bin/env bash
# scikit-learn 1.9.1: what `alpha` does in `HDBSCAN` depends on `algorithm`. What a good engineer would guess: the algorithm
# says how neighbours are found, and clusters are the same. What happens: trees divide the distances of pairs by alpha,
# as the definition of robust single linkage; brute force divides all distances before it looks for core distances,
# too, so that alpha only changes the scale of the tree, and labels are those of alpha=1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import sklearn
from sklearn.cluster import HDBSCAN

X = np.array([[0.0], [1.0], [3.0], [6.0], [10.0]])
print("scikit-learn", sklearn.__version__)
heights = {}
for algorithm in ("kd_tree", "brute"):
    model = HDBSCAN(min_cluster_size=2, min_samples=4, alpha=2.0, algorithm=algorithm, copy=True)
    heights[algorithm] = model.fit(X)._single_linkage_tree_["value"].tolist()
    print(algorithm, heights[algorithm])
assert heights["kd_tree"] == [5.0, 5.0, 6.0, 9.0]  # the core distances are 6, 5, 5, 6 and 9
assert heights["brute"] == [2.5, 2.5, 3.0, 4.5], "the algorithms agree now"
PYTHON
