#!/usr/bin/env bash
# scikit-learn 1.9.1: `KernelDensity(kernel="cosine")` is no density in an even number of dimensions.
# What a good engineer would guess: exp(score_samples) integrates to 1, as for the other kernels and as documented.
# What happens: the recursion for the integral of cos(pi r / 2) r^(d - 1) ends in a wrong last term when d is even, so that
# densities add up to 0.363 with two features, 0.0045 with six, and are NaN, with a RuntimeWarning at most, with four or
# eight. With odd d it is right, but goes up an unstable recursion: 6 digits are left with 15 features. Its own tests use three.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import sklearn
from sklearn.neighbors import KernelDensity

line = np.linspace(-1, 1, 801)[:-1] + 1 / 800
grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
print("scikit-learn", sklearn.__version__)
for kernel in ("epanechnikov", "cosine"):
    density = np.exp(KernelDensity(kernel=kernel).fit(np.zeros((1, 2))).score_samples(grid))
    total = density.sum() * (2 / 800) ** 2
    print(kernel, "in the plane adds up to", total)
    assert abs(total - 1) < 1e-3 if kernel == "epanechnikov" else abs(total - 0.3634) < 1e-3
four = KernelDensity(kernel="cosine").fit(np.zeros((1, 4))).score_samples(np.zeros((1, 4)))
print("with four features:", four)
assert np.isnan(four).all(), "the integral is right now"
PYTHON
