"""Ours in scikit-learn's place, in this process and in a script's."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn import linear_model, neighbors
from sklearn.cluster import DBSCAN, _dbscan

import rmodels
from rmodels import exceptions, native, patch_sklearn, patched, unpatch_sklearn
from rmodels.base.estimator import all_or_nothing
from rmodels.catalogue import CATALOGUE

PATCHED = [entry for entry in CATALOGUE.values() if entry.patch]
HOMES = {entry.name: importlib.import_module(entry.home) for entry in PATCHED}
THEIRS = {name: getattr(home, name) for name, home in HOMES.items()}


@pytest.fixture(autouse=True)
def unpatched():
    yield
    unpatch_sklearn()
    for name, original in THEIRS.items():
        assert getattr(HOMES[name], name) is original


def test_all_names_in_all_modules():
    assert patched() == {}
    patch_sklearn()
    patch_sklearn()  # again changes nothing
    assert set(patched()) == set(THEIRS)
    for name in THEIRS:
        assert getattr(HOMES[name], name) is getattr(rmodels, name)
    assert _dbscan.NearestNeighbors is rmodels.NearestNeighbors
    assert "sklearn.cluster._dbscan" in patched()["NearestNeighbors"]
    unpatch_sklearn()
    assert patched() == {}
    assert _dbscan.NearestNeighbors is THEIRS["NearestNeighbors"]


@pytest.mark.parametrize("name", THEIRS)
def test_one_name(name):
    patch_sklearn([name])
    assert list(patched()) == [name]
    assert getattr(HOMES[name], name) is getattr(rmodels, name)
    for other in THEIRS.keys() - {name}:
        assert getattr(HOMES[other], other) is THEIRS[other]


def test_some_names():
    patch_sklearn(["LinearRegression", "NearestNeighbors"])
    assert set(patched()) == {"LinearRegression", "NearestNeighbors"}
    assert neighbors.KNeighborsClassifier is THEIRS["KNeighborsClassifier"]
    unpatch_sklearn(["LinearRegression"])
    assert set(patched()) == {"NearestNeighbors"}
    assert linear_model.LinearRegression is THEIRS["LinearRegression"]


def test_unknown_names_change_nothing():
    with pytest.raises(
        ValueError, match=r"rmodels has no 'LassoLars' that .* it has LinearRegression"
    ):
        patch_sklearn(["LinearRegression", "LassoLars"])
    assert patched() == {}


def test_what_is_not_covered_raises():
    patch_sklearn()
    with rmodels.config_context(engine="native"), pytest.raises(RuntimeError, match="canberra"):
        neighbors.NearestNeighbors(metric="canberra").fit([[0.0], [1.0]])


def test_estimators_of_scikit_learn_use_ours():
    X = [[0.0], [0.1], [5.0], [5.1], [9.0]]
    expected = DBSCAN(eps=0.5, min_samples=2).fit_predict(X)
    patch_sklearn()
    assert (DBSCAN(eps=0.5, min_samples=2).fit_predict(X) == expected).all()


def test_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from sklearn.neighbors import KNeighborsClassifier\n"
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.model_selection import GridSearchCV\n"
        "import rmodels\n"
        "search = GridSearchCV(make_pipeline(KNeighborsClassifier()), "
        "{'kneighborsclassifier__n_neighbors': [1, 2]}, cv=2)\n"
        "best = search.fit([[0], [1], [8], [9]] * 2, [0, 0, 1, 1] * 2).best_estimator_\n"
        "print(__name__, sys.argv[1:], type(best[-1]).__module__, len(rmodels.patched()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "rmodels.patch", str(script), "--option", "value"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (
        done.stdout
        == f"__main__ ['--option', 'value'] rmodels.neighbors._classification {len(PATCHED)}\n"
    )
    assert done.stderr == ""


@pytest.mark.skipif(native.load() is None, reason="built without the native engine")
def test_what_is_not_covered_goes_to_scikit_learn_if_asked_for():
    X, y = [[1.0], [2.0], [4.0]], [0, 1, 1]
    patch_sklearn(fallback=True)
    covered, rare = neighbors.KNeighborsClassifier(1), neighbors.KNeighborsClassifier(1)
    rare.set_params(metric="canberra", leaf_size=7)
    with rmodels.config_context(engine="native"):
        assert type(covered.fit(X, y)) is rmodels.KNeighborsClassifier
        with pytest.warns(UserWarning, match=r"scikit-learn's own KNeighborsClassifier .*canberra"):
            rare.fit(X, y)
        assert type(rare) is THEIRS["KNeighborsClassifier"]
        assert rare.get_params()["leaf_size"] == 7
        assert rare.predict([[3.5]]) == [1]
        with pytest.warns(UserWarning, match="scikit-learn's own NearestNeighbors"):
            graph = neighbors.kneighbors_graph(X, 1, metric="canberra")
        assert graph.indices.tolist() == [1, 0, 1]
        patch_sklearn()  # without it
        with pytest.raises(exceptions.NotCoveredError, match="canberra"):
            neighbors.NearestNeighbors(metric="canberra").fit(X)


@pytest.mark.skipif(native.load() is None, reason="built without the native engine")
def test_sparse_samples_whose_moments_do_not_fit():
    X = sparse.csr_array(np.where(np.random.default_rng(0).random((400, 300)) < 0.02, 1.5, 0.0))
    patch_sklearn(fallback=True)
    with rmodels.config_context(engine="native", memory_limit=1 << 20):
        with pytest.warns(UserWarning, match="memory_limit"):
            model = linear_model.LinearRegression().fit(X, X[:, :1].toarray().ravel())
        assert type(model) is THEIRS["LinearRegression"]
        # scikit-learn's has no such parameter
        with pytest.raises(exceptions.NotCoveredError, match="memory_limit"):
            linear_model.LinearRegression(learning_rate=0.5).fit(X, X[:, :1].toarray().ravel())


def test_a_batch_is_not_handed_on(monkeypatch):
    class LinearRegression(rmodels.LinearRegression):
        @all_or_nothing
        def partial_fit(self, X, y):
            self.coef_ = None
            raise exceptions.NotCoveredError("refused")

    model = LinearRegression()
    with monkeypatch.context() as patched_home:
        patched_home.setattr("rmodels.linear_model.LinearRegression", LinearRegression)
        patch_sklearn(["LinearRegression"], fallback=True)
        with pytest.raises(exceptions.NotCoveredError, match="refused"):
            model.partial_fit([[0.0], [1.0]], [0.0, 1.0])
        unpatch_sklearn()
    assert type(model) is LinearRegression
    assert not hasattr(model, "coef_")


def test_script_with_fallback(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from sklearn.neighbors import NearestNeighbors\n"
        "print(type(NearestNeighbors(metric='canberra').fit([[1.0], [2.0]])).__module__)\n"
    )
    run = [sys.executable, "-m", "rmodels.patch", "--fallback", str(script)]
    environment = os.environ | {"RMODELS_ENGINE": "native"}
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "sklearn.neighbors._unsupervised\n"
    assert "UserWarning: scikit-learn's own NearestNeighbors" in done.stderr
