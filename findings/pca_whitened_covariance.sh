#!/usr/bin/env bash
# scikit-learn 1.9.1: `PCA(whiten=True).get_covariance()` is not a covariance of the rows, nor of what `transform`
# gives. What a good engineer would guess: whitening changes the results of `transform`, and the probabilistic model of the
# rows is the same with and without it; with all components its covariance is that of the rows. What happens: since
# `components_` are unit vectors whether or not `whiten` is set, the variances are multiplied in twice: each
# direction has λ² (less the noise times λ) in the place of λ. `get_precision`, `score` and `score_samples` follow. For 100 rows of
# four columns with variances of about 1, 4, 9 and 16 the diagonal is about 0.9, 9.7, 87.7 and 418.7, where the
# rows have 0.9, 3.1, 9.3 and 20.4, and the mean log-likelihood of the rows falls from -8.77 to -10.71.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import sklearn
from sklearn.decomposition import PCA

X = np.random.default_rng(0).normal(size=(100, 4)) * [1, 2, 3, 4]
plain, white = PCA().fit(X), PCA(whiten=True).fit(X)
rows = np.cov(X.T)
print("scikit-learn", sklearn.__version__)
print("rows:     ", rows.diagonal().round(2))
print("plain:    ", plain.get_covariance().diagonal().round(2), round(plain.score(X), 2))
print("whitened: ", white.get_covariance().diagonal().round(2), round(white.score(X), 2))
np.testing.assert_allclose(plain.get_covariance(), rows, rtol=1e-10)
np.testing.assert_array_equal(abs(white.components_), abs(plain.components_))
V = white.components_
np.testing.assert_allclose(white.get_covariance(), (V.T * white.explained_variance_**2) @ V, rtol=1e-10)
assert np.abs(np.cov(white.transform(X).T) - np.eye(4)).max() < 1e-10
assert white.score(X) < plain.score(X) - 1, "the model of whitened components is that of the rows now"
PYTHON
