#!/usr/bin/env bash
# scikit-learn 1.9.1: `PCA()` of a table with many rows depends on where its columns' origin is, and loses the result there.
# What a good engineer would guess: a constant that is added to a column changes `mean_`, and nothing else but the rounding of
# the values. The documentation says of the solver that "auto" takes from ten times as many rows as columns on,
# "covariance_eigh", that it takes the covariance "on centered data", and warns only where singular values differ much in
# size. What happens: it takes X'X and subtracts n times the product of the means, in the type of the table, so that what is
# left are the errors of the squares of the means. Of places in a town, in metres of UTM (500000 east, 5400000 north) in
# float32, which holds them to half a metre, it finds a first direction tens of degrees off and a second variance of 0; of
# four independent columns of variance 1 around 1000 a first variance above 1.5 instead of 1.1, and in float64 so around 1e8.
# `svd_solver="full"` of the same rows, and so "auto" of less than ten times as many rows as columns, is right to three digits
# or more. No warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
import sklearn
from sklearn.decomposition import PCA

warnings.simplefilter("error")
np.set_printoptions(precision=4, suppress=True)
print("scikit-learn", sklearn.__version__)


def fit_both(X):
    """Variances by the definition, in float64 of the same values, and the fits of "auto" and "full"."""
    centred = X.astype(np.float64)
    centred = centred - centred.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    right = singular**2 / (len(X) - 1)
    auto, full = PCA().fit(X), PCA(svd_solver="full").fit(X)
    assert np.allclose(full.explained_variance_, right, rtol=1e-3)
    return right, directions[0], auto, full


rng = np.random.default_rng(0)
along, across = rng.standard_normal((2, 1000, 1)) * [[[1000.0]], [[100.0]]]
town = (along * [0.6, 0.8] + across * [0.8, -0.6] + [500000, 5400000]).astype(np.float32)
right, first, auto, full = fit_both(town)
cosines = [abs(each.components_[0] @ first) for each in (auto, full)]
degrees = np.degrees(np.arccos(np.minimum(cosines, 1)))
print("town: variances", right, "auto", auto.explained_variance_, "full", full.explained_variance_)
print(f"  the first direction of auto is {degrees[0]:.1f} degrees off, that of full {degrees[1]:.3f}")
assert degrees[1] < 0.1
assert degrees[0] > 5, "PCA finds the direction now"

table = rng.standard_normal((1000, 4))
for kind, origin in ((np.float32, 1000), (np.float64, 1e8)):
    for origin, rows in ((0, 1000), (origin, 39), (origin, 1000)):
        right, _, auto, full = fit_both((table[:rows] + origin).astype(kind))
        error = np.abs(auto.explained_variance_ / right - 1).max()
        print(f"{kind.__name__}, {rows} rows around {origin:g}: {right}, auto {auto.explained_variance_}")
        if origin and rows == 1000:
            assert error > 0.1, "PCA finds the variances now"
        else:
            assert error < 1e-3
PYTHON
