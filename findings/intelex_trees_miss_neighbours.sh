#!/usr/bin/env bash
# scikit-learn-intelex 2026.2.0: `NearestNeighbors`, `KNeighborsClassifier` and `KNeighborsRegressor`, which take its k-d tree
# for euclidean distances of up to 15 columns by default, miss neighbours. What a good engineer would guess: a k-d tree is
# exact, as the same search by brute force is; a row that was fitted finds itself, at distance 0. What happens: two rows of
# iris, and one of wine, do not find themselves: the nearest of wine's is said to be 15.6 away. Distances are those of the
# rows that it names, so nothing looks wrong. Where values repeat, as whole numbers do, up to a tenth of the searches for five
# neighbours miss some. By its source, rows are sorted by a cut in pairs, and one of a pair is moved without a look when the
# other equals the cut, so that it lies on the wrong side; and the bound of a part adds up the squares of the ways to all cuts
# before it, of the same column, too, so that it is too large: without any repeated value, too, searches for many neighbours
# miss the last of them. On one thread and on more alike. `algorithm="brute"` is right (within the rounding of its products),
# and so is scikit-learn.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'scikit-learn-intelex==2026.2.0' 'numpy==2.4.6' 'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from sklearn.datasets import load_iris, load_wine
from sklearn.neighbors import NearestNeighbors as Right
from sklearnex.neighbors import KNeighborsRegressor, NearestNeighbors

print("scikit-learn-intelex", version("scikit-learn-intelex"))
rng = np.random.default_rng(0)


def missed(X, queries, k, **options):
    """How many queries are given neighbours that are farther away than the nearest, by the definition."""
    named, found = NearestNeighbors(n_neighbors=k, **options).fit(X).kneighbors(queries)
    distances = np.sqrt(((queries[:, None] - X) ** 2).sum(axis=2))
    right = np.sort(distances, axis=1)[:, :k]
    assert np.allclose(right, Right(n_neighbors=k, algorithm="kd_tree").fit(X).kneighbors(queries)[0])
    own = np.take_along_axis(distances, found, axis=1)  # of the rows that it names
    if options:
        assert np.allclose(own, named, atol=1e-5)  # products round
    else:
        assert np.allclose(own, named)
    return int((own > right + 1e-5).any(axis=1).sum()), (own - right).max()


counts = {}
for name, load in {"iris": load_iris, "wine": load_wine}.items():
    X = load().data
    counts[name], farther = missed(X, X, 1)
    print(f"{name}: {counts[name]} of {len(X)} rows do not find themselves, but one that is {farther:.4g} away")
    assert missed(X, X, 1, algorithm="brute")[0] == 0
    named = KNeighborsRegressor(n_neighbors=1).fit(X, np.arange(len(X))).predict(X)
    assert (np.abs(X[named.astype(int)] - X).sum(axis=1) > 0).sum() == counts[name]
whole = rng.integers(0, 10, (400, 2)).astype(float)
counts["whole"], farther = missed(whole, whole[:200], 5)
print(f"whole numbers: {counts['whole']} of 200 searches for 5 miss neighbours, by up to {farther:.4g}")
normal = rng.standard_normal((512, 1))
assert len(np.unique(normal)) == 512
counts["normal"], farther = missed(normal, rng.standard_normal((200, 1)), 200)
print(f"normal numbers: {counts['normal']} of 200 searches for 200 of 512 miss neighbours, by up to {farther:.4g}")
assert missed(whole, whole[:200], 5, algorithm="brute")[0] == 0
assert all(counts.values()), "it finds the nearest now"
PYTHON
