#!/usr/bin/env bash
# scikit-learn 1.9.1: a scorer given to `LogisticRegressionCV` sees neither the data frame nor a model that was fitted.
# What a good engineer would guess: `scoring=` of `LogisticRegressionCV` calls f(estimator, X, y) as `GridSearchCV` does
# with the same `LogisticRegression`: X the rows of the fold as they were given, the estimator one that `fit` returned.
# What happens: X is an array though a data frame was fitted, and the estimator is a new `LogisticRegression` into which
# only `coef_`, `intercept_` and `classes_` were put: it has no `n_features_in_`, `feature_names_in_` or `n_iter_`. So a scorer
# that weighs errors by a column (X["amount"]) or asks for `n_features_in_` works in a grid search and raises an IndexError or
# AttributeError here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1' 'pandas==2.3.3'
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sklearn
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV

X, y = load_iris(return_X_y=True, as_frame=True)
seen = []


def scorer(estimator, X, y):
    found = sorted(vars(estimator).keys() - estimator.get_params().keys())
    seen.append((type(X).__name__, found, float(estimator.C)))
    return estimator.score(X, y)


def by_column(estimator, X, y):
    return ((estimator.predict(X) == y) * X["petal length (cm)"]).sum()


print("scikit-learn", sklearn.__version__)
GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 10]}, cv=3, scoring=scorer).fit(X, y)
in_grid, seen = set(map(str, [s[:2] for s in seen])), []
LogisticRegressionCV(Cs=[0.1, 10], cv=3, scoring=scorer, max_iter=500).fit(X, y)
in_path = set(map(str, [s[:2] for s in seen]))
print("GridSearchCV:        ", *in_grid)
print("LogisticRegressionCV:", *in_path)
assert {s[2] for s in seen} == {0.1, 10.0}
assert in_path == {"('ndarray', ['classes_', 'coef_', 'intercept_'])"}
assert len(in_grid) == 1 and "DataFrame" in str(in_grid) and "n_features_in_" in str(in_grid)
GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1]}, cv=3, scoring=by_column).fit(X, y)
try:
    LogisticRegressionCV(Cs=[0.1], cv=3, scoring=by_column, max_iter=500).fit(X, y)
except IndexError as error:
    print("by a column:          IndexError:", error)
else:
    raise SystemExit("a scorer of LogisticRegressionCV gets the frame now")
PYTHON
