#!/usr/bin/env bash
# scikit-learn 1.9.1: log densities of `KernelDensity` are wrong between clusters, at the default atol=0, rtol=0.
# What a good engineer would guess: with both tolerances 0 the sum is computed as it is written, in logarithms.
# What happens: the search starts from bounds of the whole sum and subtracts (in logarithms) the bounds of each node that it
# opens. What rounding leaves of them, about 1e-16 of the largest, is taken to be density: where the true log density is
# -335.7, the answer is -319.0. Deep inside of a cloud nothing shows, as the true density is far above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import sklearn
from scipy.special import logsumexp
from sklearn.neighbors import KernelDensity

rng = np.random.default_rng(0)
X = np.vstack([rng.standard_normal((500, 2)) - 20, rng.standard_normal((500, 2)) + 20])
found = KernelDensity().fit(X).score_samples([[0.0, 0.0]])[0]
right = logsumexp(-(X**2).sum(axis=1) / 2) - np.log(1000 * 2 * np.pi)
print("scikit-learn", sklearn.__version__)
print("found", found, "and the sum is", right)
assert abs(found - right) > 1, "the sum is right now"
PYTHON
