#!/usr/bin/env bash
# skglm 0.5 and glum 3.4.1: with the target in small units, fits end where they began, without a warning.
# What a good engineer would guess: the units of y do not matter: a lasso of y in millionths, with a penalty in millionths,
# has the coefficients in millionths, as celer 0.7.4 and scikit-learn 1.9.1 find, whose tolerances are relative to y. What
# happens: the tolerances of skglm (violation of optimality, 1e-4) and glum (gradient, 1e-4) are absolute. Of a target of
# size 1e-3 skglm keeps two digits; of one of size 1e-6 all coefficients of skglm's lasso are 0 after no iteration, and
# those of glum's Poisson regression where the search starts. With X in small units, too. Neither warns: the
# tolerance was met.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'skglm==0.5' 'glum==3.4.1' 'celer==0.7.4' 'scikit-learn==1.9.1' 'numpy==2.4.6' \
  'scipy==1.17.1'
"$folder/venv/bin/python" - <<'PYTHON'
import warnings
from importlib.metadata import version

import celer
import numpy as np
import skglm
from glum import GeneralizedLinearRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso

warnings.simplefilter("error", ConvergenceWarning)
rng = np.random.default_rng(0)
X = rng.standard_normal((200, 50))
truth = np.r_[3.0, -2.0, 1.5, 1.0, -1.0, np.zeros(45)]
y = X @ truth + 0.5 * rng.standard_normal(200)
alpha = 0.05 * abs(X.T @ (y - y.mean())).max() / 200
right = Lasso(alpha=alpha, tol=1e-12).fit(X, y).coef_
missed = {}
for kind in (Lasso, celer.Lasso, skglm.Lasso):
    name = kind.__module__.partition(".")[0]
    for unit in (1.0, 1e-3, 1e-6):
        model = kind(alpha=alpha * unit).fit(X, y * unit)
        missed[name, unit] = abs(model.coef_ / unit - right).max()
        print(f"lasso, {name}, y times {unit:g}: coefficients off by {missed[name, unit]:.1e}")
counts = rng.poisson(np.exp(X[:, :5] @ [0.3, -0.2, 0.15, 0.1, -0.1] + 0.5)).astype(float)
few = X[:, :5].copy()
for unit in (1.0, 1e-6):
    model = GeneralizedLinearRegressor(family="poisson", alpha=0).fit(few, counts * unit)
    missed["glum", unit] = abs(model.coef_).max()
    print(f"Poisson, glum, y times {unit:g}: {model.n_iter_} iterations, largest coefficient {missed['glum', unit]:.3f}")
print("skglm", version("skglm"), "glum", version("glum"), "celer", version("celer"))
assert missed["skglm", 1.0] < 1e-3 < missed["skglm", 1e-3], "the unit does not matter now"
assert np.isclose(missed["skglm", 1e-6], abs(right).max()), "coefficients are not 0 now"
assert max(missed[name, unit] for name in ("sklearn", "celer") for unit in (1e-3, 1e-6)) < 1e-4
assert missed["glum", 1.0] > 0.1 and missed["glum", 1e-6] < 1e-6, "the unit does not matter now"
PYTHON
