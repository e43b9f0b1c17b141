#!/usr/bin/env bash
# scikit-learn 1.9.1: `KMeans` and `BisectingKMeans` fitted on float32 far from the origin predict other clusters than they
# found. What a good engineer would guess: `predict` of the rows that were fitted gives `labels_`, and `score` minus
# `inertia_`, but for rows between two centres, as `fit_predict` is documented to be fit and predict. What happens: `fit`
# subtracts the columns' means first, but `predict` and `score` take |c|^2 - 2 x.c in float32 of rows and centres as they are,
# where their differences have no digits left. Of places in a town, in metres of UTM, which float32 holds to half a metre, the
# `labels_` are right, and so is `transform`, whose smallest distances are at `labels_`; `predict` puts four of five rows
# elsewhere, hundreds of metres away, and `score` is eight times `inertia_` and more. Rows in float64 help nothing: `predict`
# of them raises "Buffer dtype mismatch", as the centres are float32. In float64 from the start all agree. Around 100,
# deviations of 0.3 are enough for some rows. No warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
import sklearn
from sklearn.cluster import BisectingKMeans, KMeans

warnings.simplefilter("error")
print("scikit-learn", sklearn.__version__)


def look(cls, X, k):
    """Shares of rows that `predict` puts elsewhere than `fit`, and than the nearest centre, and what they cost."""
    model = cls(n_clusters=k, random_state=0).fit(X)
    differences = X.astype(np.float64)[:, None] - model.cluster_centers_.astype(np.float64)
    distances = np.sqrt((differences**2).sum(axis=2))
    predicted = model.predict(X)
    assert np.allclose(model.transform(X), distances, rtol=1e-3, atol=0.01)
    own, given = (np.take_along_axis(distances, each[:, None], axis=1) for each in (model.labels_, predicted))
    assert np.isclose(model.inertia_, (own**2).sum(), rtol=1e-4)  # of the labels that it found
    elsewhere, score = (predicted != model.labels_).mean(), -model.score(X) / model.inertia_
    print(f"{cls.__name__}, {X.dtype}, {k} clusters: predict puts {elsewhere:.1%} of the rows elsewhere,", end=" ")
    print(f"{given.mean():.4g} from the centre, labels_ {own.mean():.4g}; -score / inertia_ {score:.4g}")
    if cls is KMeans:
        assert (distances.argmin(axis=1) == model.labels_).mean() > 0.999  # the labels are right
    return elsewhere, score, model


rng = np.random.default_rng(0)
town = rng.random((2000, 2)) * 1000 + [500000, 5400000]
near = rng.random((5000, 6)) + 100
for cls in (KMeans, BisectingKMeans):
    for k in (8, 20):
        elsewhere, score, model = look(cls, town.astype(np.float32), k)
        assert elsewhere > 0.5 and score > 3, "predict agrees with labels_ now"
        try:
            model.predict(town)
        except ValueError as error:
            assert "Buffer dtype mismatch" in str(error)
        else:
            raise AssertionError("it predicts rows of float64 now")
    exact, score, _ = look(cls, town, 8)
    assert exact == 0
elsewhere, *_ = look(KMeans, near.astype(np.float32), 12)
assert elsewhere > 0
PYTHON
