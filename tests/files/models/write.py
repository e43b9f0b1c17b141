"""Write small models in the format of this version of rmodels: `write.py [FOLDER]`.

Without FOLDER, into that of the version, beside this file. `expected.json` holds rows to ask each
model about, what it says of those, and what it knows. Every later version of rmodels reads these
files.
"""

import json
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas
from scipy import sparse
from scipy.spatial import distance

import rmodels
from rmodels import config_context, native

sys.path.insert(0, str(Path(__file__).parents[2] / "shared"))
from cases import CASES, EXAMPLES, LABELS, QUERIES, W, X, answers

FEW = X[:20]
NUMBERS = FEW @ np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]]) + W[:20, np.newaxis]
CLASSES = LABELS[:20]
WORDS = np.array(["no", "yes"])[CLASSES]
FRAME = pandas.DataFrame(FEW, columns=list("abc"))
DISTANCES = distance.cdist(FEW, FEW)
SPARSE = sparse.csr_matrix(np.where(abs(X) > 1.5, X, 0.0)[:40])
KEPT, VALUES = np.random.default_rng(1).random((2, 9, 300))
WIDE = sparse.csr_array(np.where(KEPT < 0.02, VALUES, 0.0))

# What the examples of the catalogue leave out: other kinds of data, and of what is kept.
OTHERS = {
    "LinearRegression-partial": lambda: rmodels.LinearRegression().partial_fit(FEW, NUMBERS),
    "LinearRegression-frame": lambda: rmodels.LinearRegression().fit(FRAME, NUMBERS, W[:20]),
    "LinearRegression-sparse": lambda: rmodels.LinearRegression().fit(SPARSE, X[:40, 0]),
    "LinearRegression-float32": lambda: rmodels.LinearRegression().fit(FEW.astype("f"), CLASSES),
    "Ridge-alphas": lambda: rmodels.Ridge([1.0, 2.0]).fit(FEW, NUMBERS),
    "RidgeCV-results": lambda: rmodels.RidgeCV(store_cv_results=True).fit(FEW, NUMBERS),
    "RidgeCV-targets": lambda: rmodels.RidgeCV(alpha_per_target=True).fit(FEW, NUMBERS),
    "KNeighborsClassifier-words": lambda: rmodels.KNeighborsClassifier().fit(FRAME, WORDS),
    "KNeighborsClassifier-objects": lambda: rmodels.KNeighborsClassifier(metric="cosine").fit(
        FEW, np.c_[WORDS, 1 - CLASSES].astype(object), W[:20]
    ),
    "KNeighborsRegressor-blocks": lambda: rmodels.KNeighborsRegressor(metric="canberra").fit(
        FEW, NUMBERS
    ),
    "KNeighborsRegressor-infinite": lambda: rmodels.KNeighborsRegressor(p=np.inf).fit(FEW, NUMBERS),
    "NearestNeighbors-precomputed": lambda: rmodels.NearestNeighbors(metric="precomputed").fit(
        DISTANCES
    ),
    "NearestNeighbors-sparse": lambda: rmodels.NearestNeighbors().fit(WIDE),
    "NearestNeighbors-cosine": lambda: rmodels.NearestNeighbors(metric="cosine").fit(WIDE),
    "RadiusNeighborsClassifier-outliers": lambda: rmodels.RadiusNeighborsClassifier(
        0.7, outlier_label="most_frequent"
    ).fit(FEW, CLASSES),
}


def rows_for(model):
    """Rows to ask a model about."""
    if model.n_features_in_ == 3:
        return QUERIES[::2]
    return DISTANCES[:5] if getattr(model, "metric", "") == "precomputed" else WIDE[:5].toarray()


def knowledge(model):
    """The public attributes of a fitted model that are numbers, text, or arrays of them."""
    for name in sorted(key for key in dir(model) if key.endswith("_") and key[0] != "_"):
        try:
            value = np.asarray(getattr(model, name))
        except (AttributeError, ValueError):  # not of this model, or a list of unequal arrays
            continue
        if value.dtype != object:
            yield name, value


def write(folder, models):
    """Write models, by the names of their files, and what is expected of them."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, model in models.items():
        rmodels.save(model, folder / f"{name}.rmodel")
        rows = asked = rows_for(model)
        if hasattr(model, "feature_names_in_"):
            asked = pandas.DataFrame(rows, columns=model.feature_names_in_)
        expected[name] = {
            "rows": rows.tolist(),
            "says": {
                method: [array.tolist() for array in arrays]
                for method, arrays in answers(model, asked).items()
            },
            "knows": {key: value.tolist() for key, value in knowledge(model)},
        }
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in expected.items())
    (folder / "expected.json").write_text(f"{{\n{lines}\n}}\n")


def fitted():
    """Models on the reference engine, which every installation has, and some on the native one."""
    warnings.simplefilter("ignore")  # of what few rows do to a fit
    with config_context(engine="reference"):
        models = {
            re.sub(r"\W+", "-", str(case)).rstrip("-"): case.fit(FEW, case.y[:20]) for case in CASES
        }
        models |= {name: fit() for name, fit in OTHERS.items()}
    if native.load() is None:
        sys.exit(native.ABSENT)
    with config_context(engine="native"):
        models |= {f"{case.name}-native": case.fit(FEW, case.y[:20]) for case in EXAMPLES}
    return models


def main():
    """Write what is fitted to the folder that is given, or to that of the version."""
    here = Path(__file__).parent / rmodels.__version__
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else here
    write(folder, fitted())
    print(folder)


if __name__ == "__main__":
    main()
