#!/usr/bin/env bash
# skl2onnx 1.20.0: three exported classifiers and a regressor give other probabilities or votes than they were fitted to. What
# a good engineer would guess: a graph gives what the model gives, but for rounding, or the conversion raises, as it does for
# a metric that it does not know. What happens: (1) of `KNeighborsClassifier` and `KNeighborsRegressor` with
# weights="distance" the graph counts all neighbours alike: it takes the largest of each distance and 1e-6, but the distances
# that it has are negative. A row that was fitted gets the mean of its neighbours, not its own value. (2)
# `LinearDiscriminantAnalysis` of two classes has the softmax of minus the decision and the decision, which is the probability
# for twice the log odds: 0.73 becomes 0.88. Of three classes it is right. (3) `CalibratedClassifierCV(method="isotonic")`
# takes the nearest threshold's value in the place of interpolating between two. In (2) labels are right, so that accuracy
# shows nothing. The graphs say so: ONNX's reference evaluator gives the same as onnxruntime. No error and no warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'skl2onnx==1.20.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' \
  'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
import onnxruntime
import skl2onnx
from onnx.reference import ReferenceEvaluator
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

warnings.simplefilter("error")
print("skl2onnx", skl2onnx.__version__, "onnxruntime", onnxruntime.__version__)
X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
two, label = X[50:], y[50:]


def run(model, rows):
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    graph = skl2onnx.to_onnx(model, rows[:1], options=options)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    results = session.run(None, {"X": rows})
    reference = ReferenceEvaluator(graph).run(None, {"X": rows})
    assert np.allclose(results[-1], reference[-1], atol=1e-3), "the runtime differs from the reference"
    return results


def largest(a, b):
    return np.abs(a - b).max()


near = KNeighborsRegressor(weights="distance", algorithm="brute").fit(X, X[:, 0] ** 2)
alike = KNeighborsRegressor(weights="uniform", algorithm="brute").fit(X, X[:, 0] ** 2)
found = run(near, X)[0].ravel()
regressor = largest(found, near.predict(X)), largest(found, alike.predict(X))
print("neighbours' mean: error", regressor[0], "from that of equal weights", regressor[1])
assert largest(run(alike, X)[0].ravel(), alike.predict(X)) < 1e-4
votes = KNeighborsClassifier(weights="distance", algorithm="brute").fit(X, y)
labels, shares = run(votes, X)
wrong = int((labels != votes.predict(X)).sum())
print("neighbours' votes: error", largest(shares, votes.predict_proba(X)), "labels changed", wrong)

discriminant = LinearDiscriminantAnalysis().fit(two, label)
labels, shares = run(discriminant, two)
decision = discriminant.decision_function(two)
assert largest(discriminant.predict_proba(two)[:, 1], expit(decision)) < 1e-6
error, twice = (largest(shares[:, 1], expit(factor * decision)) for factor in (1, 2))
print("two classes: error", error, "from the probabilities of twice the log odds", twice)
assert (labels == discriminant.predict(two)).all()
three = LinearDiscriminantAnalysis().fit(X, y)
assert largest(run(three, X)[1], three.predict_proba(X)) < 1e-5

calibrated = CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=3).fit(two, label)
smooth = CalibratedClassifierCV(LogisticRegression(), method="sigmoid", cv=3).fit(two, label)
isotonic = largest(run(calibrated, two)[1], calibrated.predict_proba(two))
print("isotonic calibration: error", isotonic, "sigmoid", largest(run(smooth, two)[1], smooth.predict_proba(two)))
assert largest(run(smooth, two)[1], smooth.predict_proba(two)) < 1e-5

assert regressor[0] > 1 and regressor[1] < 1e-4, "distances weigh now"
assert wrong > 0 and error > 0.1, "votes or probabilities are right now"
assert twice < 1e-5
assert isotonic > 0.05, "it interpolates now"
PYTHON
