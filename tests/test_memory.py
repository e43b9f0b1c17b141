"""Fits to many rows of few columns copy no X: 64 MB of rows, and at most 40 MB on top of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MOST = 40e6
RESET = Path("/proc/self/clear_refs")

MEASURE = """
import json
from pathlib import Path

import numpy as np
import rmodels


def status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def extra(call):
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS:")
    answer = call()
    return status("VmHWM:") - before


rng = np.random.default_rng(0)
labels = rng.integers(0, 5, 200_000)
X = rng.standard_normal((200_000, 40)) + 0.5 * labels[:, np.newaxis]
y = X[:, 0] + rng.standard_normal(200_000)
found = {}
for name, parameters, target in [
    ("PCA", {}, None),
    ("IncrementalPCA", {"n_components": 10}, None),
    ("TruncatedSVD", {"n_components": 10}, None),
    ("KMeans", {"n_clusters": 50, "max_iter": 3, "random_state": 0}, None),
    ("MiniBatchKMeans", {"n_clusters": 50, "max_iter": 1, "random_state": 0}, None),
    ("GaussianNB", {}, labels),
    ("NearestCentroid", {}, labels),
    ("LinearDiscriminantAnalysis", {}, labels),
    ("QuadraticDiscriminantAnalysis", {}, labels),
    ("Lasso", {"alpha": 0.01}, y),
    ("ElasticNet", {"alpha": 0.01}, y),
    ("LassoCV", {}, y),
    ("ElasticNetCV", {}, y),
]:
    model = getattr(rmodels, name)(**parameters)
    few = slice(None, None, 400)
    model.fit(X[few], None if target is None else target[few])  # what is imported, and buffers
    found[name] = extra(lambda: model.fit(X, target))
    if target is not None:
        model.predict(X[few])
        found[name + ".predict"] = extra(lambda: model.predict(X))
model = rmodels.NearestNeighbors().fit(X[few])
model.kneighbors(X[:5])
found["NearestNeighbors, 5 queries"] = extra(lambda: model.fit(X).kneighbors(X[:5]))
some = np.ascontiguousarray(X[:20_000, :8])
gaps = np.where(rng.random(some.shape) < 0.1, np.nan, some)
for name, method, rows in [
    ("KernelDensity", "score_samples", some),
    ("KNNImputer", "transform", gaps),
]:
    answer = getattr(getattr(rmodels, name)().fit(rows), method)
    answer(rows[:200])
    found[f"{name}.{method}"] = extra(lambda: answer(rows))
found["a copy"] = extra(X.copy)
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(not RESET.exists(), reason="the peak of memory is told and reset by Linux only")
def test_fits_copy_no_rows():
    run = [sys.executable, "-c", MEASURE]
    found = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    assert found.pop("a copy") > 1.5 * MOST  # so a copy would show
    assert {name: size for name, size in found.items() if size > MOST} == {}
    assert len(found) == 24
