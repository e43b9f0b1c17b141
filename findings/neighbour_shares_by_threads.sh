#!/usr/bin/env bash
# scikit-learn 1.9.1: probabilities of `KNeighborsClassifier` depend on how many threads search.
# What a good engineer would guess: where neighbours tie, the order of the training rows decides, as its user guide warns;
# on one machine, with the same rows in the same order, the answer is the same. What happens: the bundled digits are whole
# numbers, so that distances tie exactly. The training rows are shared out among the threads; each keeps the nearest of
# its own, and these are merged: with another number of threads another of the rows that tie is dropped.
# `OMP_NUM_THREADS=1`, as in many containers, gives other probabilities than 2.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1'
cat > "$folder/classify.py" <<'PYTHON'
import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, _ = train_test_split(X, y, random_state=0)
model = KNeighborsClassifier().fit(X_train, y_train)
distances, neighbours = model.kneighbors(X_test)
np.savez(sys.argv[1], distances=distances, neighbours=neighbours, shares=model.predict_proba(X_test))
PYTHON
for threads in 1 2; do
  OMP_NUM_THREADS=$threads "$folder/venv/bin/python" "$folder/classify.py" "$folder/$threads.npz"
done
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np

one, two = (np.load(f"{sys.argv[1]}/{threads}.npz") for threads in (1, 2))
print("scikit-learn", version("scikit-learn"))
print("distances the same:", np.array_equal(one["distances"], two["distances"]))
others = (np.sort(one["neighbours"]) != np.sort(two["neighbours"])).any(axis=1)
print("queries with other neighbours:", others.sum(), "of", len(others))
change = abs(one["shares"] - two["shares"]).max()
print("largest change of a probability:", change)
assert np.array_equal(one["distances"], two["distances"]), "distances differ, too"
assert change > 0.1, "threads do not matter now"
PYTHON
