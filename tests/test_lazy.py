"""Importing an estimator loads what it is made of, and nothing else."""

import json
import pickle
import subprocess
import sys

import grimp
import pytest

import rmodels
from rmodels.catalogue import CATALOGUE

# What any estimator takes of scikit-learn beside its base: callbacks, where the version has them,
# and what checks parameters and labels.
_BY_ALL = ("callback", "utils.metadata_routing", "utils.metaestimators", "utils.multiclass")

# What else the files of some take, when they are imported: classes that they inherit, and names
# of metrics, folds and scores that are valid.
_TAKEN = {
    "cluster._dbscan": ("neighbors",),
    "cluster._hdbscan": ("neighbors",),
    "impute._knn": ("impute", "metrics"),
    "linear_model._lasso_cv": ("model_selection",),
    "linear_model._logistic_cv": ("linear_model",),
    "linear_model._logistic_regression": ("linear_model",),
    "linear_model._one_class": ("linear_model",),
    "linear_model._perceptron": ("linear_model",),
    "linear_model._ridge_classifier": ("model_selection",),
    "linear_model._ridge_cv": ("model_selection",),
    "linear_model._stochastic_classifier": ("linear_model",),
    "linear_model._stochastic_regressor": ("linear_model",),
    "linear_model._multi_task": ("model_selection",),
    "neighbors._classification": ("neighbors",),
    "neighbors._graph": ("neighbors",),
    "neighbors._kde": ("neighbors",),
    "neighbors._lof": ("neighbors",),
    "neighbors._nearest_centroid": ("neighbors",),
    "neighbors._regression": ("neighbors",),
    "neighbors._unsupervised": ("neighbors",),
}
GRAPH = grimp.build_graph("rmodels")
# One of the names of each file.
NAMES = {f"{entry.family}.{entry.file}": name for name, entry in CATALOGUE.items()}

# Says what importing each loads, in a process that has loaded no more than it is allowed.
CODE = """
import importlib, json, os, sys
import sklearn.base
for name, allowed in json.load(sys.stdin):
    if os.fork() == 0:
        for part in allowed:
            try:
                importlib.import_module(f"sklearn.{part}")
            except ModuleNotFoundError:  # callbacks, before scikit-learn 1.9
                pass
        before = set(sys.modules)
        import rmodels
        getattr(rmodels, name)
        print(json.dumps(sorted(set(sys.modules) - before)), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


@pytest.fixture(scope="module")
def loaded():
    """The modules that each file loads, after what it is allowed, and without."""
    cases = [
        (name, parts)
        for file, name in NAMES.items()
        for parts in ([*_BY_ALL, *_TAKEN.get(file, ())], [])
    ]
    run = [sys.executable, "-c", CODE]
    lines = subprocess.check_output(run, input=json.dumps(cases), text=True, timeout=300)
    found = [set(json.loads(line)) for line in lines.splitlines()]
    return dict(zip(NAMES, zip(found[::2], found[1::2], strict=True), strict=True))


def of(package, modules):
    return {name for name in modules if name == package or name.startswith(f"{package}.")}


@pytest.mark.slow
@pytest.mark.parametrize("file", NAMES)
def test_loads_what_it_uses(file, loaded):
    others, all_of_them = loaded[file]
    assert of("sklearn", others) == set()
    # no more is allowed than it takes
    assert {f"sklearn.{part}" for part in _TAKEN.get(file, ())} <= all_of_them
    family = f"rmodels.{file.partition('.')[0]}"
    used = GRAPH.find_upstream_modules(f"rmodels.{file}") | {f"rmodels.{file}", family}
    assert of(family, all_of_them) <= used


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LinearRegression", "LogisticRegression", "KMeans"])
@pytest.mark.parametrize("way", ["{name}()", "pickle.loads({pickled!r})"])
def test_one_made_before_scikit_learns_is_imported_is_an_instance_of_it(name, way):
    entry = CATALOGUE[name]
    way = way.format(name=f"rmodels.{name}", pickled=pickle.dumps(getattr(rmodels, name)()))
    code = f"""
import pickle, sys
import rmodels
rmodels.{name}
assert {entry.home!r} not in sys.modules or not {entry.abstract}
model = {way}
import {entry.home}
print(isinstance(model, {entry.home}.{name}))
"""
    run = [sys.executable, "-c", code]
    assert subprocess.check_output(run, text=True, timeout=120).strip() == str(entry.abstract)


@pytest.mark.slow
def test_what_a_program_imported_before_the_patch_takes_ours():
    code = """
from sklearn.linear_model import LinearRegression as Theirs
import rmodels
rmodels.patch_sklearn()
print(isinstance(rmodels.LinearRegression(), Theirs))
"""
    run = [sys.executable, "-c", code]
    assert subprocess.check_output(run, text=True, timeout=120).strip() == "True"
