"""Every warning names the line of the program that called."""

import ast
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import linalg, sparse
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    InconsistentVersionWarning,
    UndefinedMetricWarning,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

import rmodels
from rmodels import (
    HDBSCAN,
    IncrementalPCA,
    KMeans,
    KNeighborsClassifier,
    KNeighborsRegressor,
    Lasso,
    LassoCV,
    LinearDiscriminantAnalysis,
    LinearRegression,
    LocalOutlierFactor,
    LogisticRegression,
    LogisticRegressionCV,
    MiniBatchKMeans,
    NearestCentroid,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    Ridge,
    RidgeCV,
    SGDRegressor,
    config_context,
    native,
    scan,
    to_onnx,
)
from rmodels.base.warnings import warn
from rmodels.files.container import read_container, write_container

X = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 2.0], [4.0, 7.0]])
y = np.array([0, 1, 1, 0])
NEAR = np.column_stack([X[:, 0], X[:, 0] + 1e-6 * X[:, 1]])
CHOSEN = {"Cs": 2, "cv": 2, "l1_ratios": [0.0], "use_legacy_attributes": False}
DUMMY = np.array([[0.0], [0.0], [0.0], [1.0]])
APART = np.where(np.kron(np.eye(2), np.ones((3, 3))) > 0, 1.0 - np.eye(6), np.inf)
POWERS = sparse.csr_array(np.linspace(0, 1, 1000)[:, None] ** np.linspace(1, 30, 200))


def outlier():
    model = RadiusNeighborsClassifier(0.5, outlier_label=7).fit(X, y)
    model.predict_proba([[90.0, 0.0]])


def ill_conditioned():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((60, 2))
    A = np.column_stack([A, A.sum(axis=1) + 1e-6 * rng.standard_normal(60)])
    LinearRegression().partial_fit(A, A[:, 0])


def unconverged():
    with config_context(memory_limit=1 << 20):
        LinearRegression().fit(POWERS, np.cos(9 * POWERS[:, [0]].toarray().ravel()))


def unconverged_ridge():
    rng = np.random.default_rng(0)
    A = np.where(rng.random((400, 300)) < 0.02, rng.random((400, 300)), 0.0)
    A = sparse.csr_array(A * 10.0 ** rng.uniform(-9, 9, (400, 1)))
    with config_context(memory_limit=1 << 20):
        Ridge(alpha=1e-12).fit(A, rng.standard_normal(400))


def of_another_version():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        rmodels.save(make_pipeline(StandardScaler(), Ridge()).fit(X, y), path)
        description, arrays = read_container(path)
        write_container(path, description | {"sklearn": "0.1"}, arrays)
        rmodels.load(path)


def nearly_dependent_rows():
    rng = np.random.default_rng(6)
    A = rng.standard_normal((200, 1))
    A = np.hstack([A, A + 1e-9 * rng.standard_normal((200, 1))])
    return A, A @ [1e9, -1e9] + rng.standard_normal(200)


def nearly_dependent():
    Lasso(1e-12).fit(*nearly_dependent_rows())


def taken_over():
    rmodels.patch_sklearn(fallback=True)
    try:
        with config_context(engine="native"):
            NearestNeighbors(metric="canberra").fit(X)
    finally:
        rmodels.unpatch_sklearn()


# By the function of src that warns: what calls it, and what comes of that.
CASES = {
    "warn_of_a_column": (
        lambda: KNeighborsClassifier(1).fit(X, y[:, None]),
        DataConversionWarning,
    ),
    "Residuals.each": (
        lambda: LinearRegression().fit(X, y).score(scan(X[:1]), y[:1]),
        UndefinedMetricWarning,
    ),
    "LocalOutlierFactor.fit of neighbours": (
        lambda: LocalOutlierFactor(20).fit(X),
        UserWarning,
    ),
    "LocalOutlierFactor.fit of duplicates": (
        lambda: LocalOutlierFactor(2).fit([[0.0]] * 4 + [[1.0]]),
        UserWarning,
    ),
    "convert": (
        lambda: to_onnx(KNeighborsClassifier(1, p=3).fit(X, y)),
        UserWarning,
    ),
    "Foreign.warn_of_float32": (
        lambda: to_onnx(make_pipeline(SVR()).fit(X, y)),
        UserWarning,
    ),
    "LinearRegression._set_fit": (ill_conditioned, linalg.LinAlgWarning),
    "LinearRegression._set_fit of rank": (
        lambda: LinearRegression().fit(X[:, [0, 0]], y),
        UserWarning,
    ),
    "LinearRegression._set_fit of LSQR": (unconverged, ConvergenceWarning),
    "LinearRegression._set_fit of descent": (
        lambda: LinearRegression(iterations=3, learning_rate=2.0).fit(X, y),
        ConvergenceWarning,
    ),
    "TestedLinearModel.summary": (
        lambda: LinearRegression().fit(DUMMY, y).summary(DUMMY, y, robust="HC3"),
        UserWarning,
    ),
    "RidgeSearch._leave_one_out": (lambda: RidgeCV().fit(X[:1], [3.0]), UndefinedMetricWarning),
    "RidgeModel._fit_penalties": (unconverged_ridge, ConvergenceWarning),
    "route_parameters of ridge regression": (
        lambda: RidgeCV(cv=2, scoring=lambda model, X, y: 0.0).fit(X, y, [1, 2, 1, 1]),
        UserWarning,
    ),
    "RidgeCV.fit": (
        lambda: RidgeCV(gcv_mode="svd").fit(sparse.csr_array(X), y),
        FutureWarning,
    ),
    "check_sparse": (
        lambda: NearestNeighbors(algorithm="kd_tree").fit(sparse.csr_array(X)),
        UserWarning,
    ),
    "truths": (lambda: NearestNeighbors(metric="jaccard").fit(X), DataConversionWarning),
    "choose_metric": (
        lambda: NearestNeighbors(p=3, metric_params={"p": 1}).fit(X),
        SyntaxWarning,
    ),
    "new_search": (lambda: NearestNeighbors(p=0.5).fit(X), UserWarning),
    "RadiusNeighborsClassifier._shares": (outlier, UserWarning),
    "NeighborsRegressor._decide": (
        lambda: KNeighborsRegressor(2, weights=np.zeros_like).fit(X, y).predict(X),
        UserWarning,
    ),
    "StochasticModel._warn_of_end": (
        lambda: SGDRegressor(max_iter=1).fit(X, y),
        ConvergenceWarning,
    ),
    "hand_on": (taken_over, UserWarning),
    "Projection._warn_of_digits": (
        lambda: IncrementalPCA().partial_fit(X[:, [0, 0]]),
        linalg.LinAlgWarning,
    ),
    "Discriminant._find_priors": (
        lambda: LinearDiscriminantAnalysis(priors=[1, 1]).fit(X, y),
        UserWarning,
    ),
    "NearestCentroid._find_priors": (
        lambda: NearestCentroid(priors=[1, 1]).fit(X, y),
        UserWarning,
    ),
    "NearestCentroid._set_centroids": (
        lambda: NearestCentroid().fit([[0, 1], [1, 1], [2, 1], [3, 1]], y > 0),
        UserWarning,
    ),
    "_find_directions": (
        lambda: LinearDiscriminantAnalysis(tol=0).fit(NEAR, y),
        linalg.LinAlgWarning,
    ),
    "restore": (of_another_version, InconsistentVersionWarning),
    "warn_of": (lambda: Lasso(0.0).fit(X[:, [0, 0]], y), UserWarning),
    "warn_if_missed": (nearly_dependent, ConvergenceWarning),
    "warn_if_missed of a path": (
        lambda: rmodels.lasso_path(*nearly_dependent_rows(), alphas=[1e-12]),
        ConvergenceWarning,
    ),
    "check_gram": (lambda: Lasso(precompute=X.T @ X).fit(X, y), UserWarning),
    "CrossValidated._check_targets": (
        lambda: LassoCV(cv=2).fit(X, y[:, None]),
        DataConversionWarning,
    ),
    "HDBSCAN.fit": (lambda: HDBSCAN(2).fit(X), FutureWarning),
    "HDBSCAN._cluster": (
        lambda: HDBSCAN(2, metric="precomputed", copy=True).fit(APART),
        UserWarning,
    ),
    "KMeans.fit": (lambda: KMeans(1, algorithm="elkan").fit(X), RuntimeWarning),
    "KMeans._set_clusters": (
        lambda: KMeans(2, random_state=0).fit([[0.0], [0.0], [0.0]]),
        ConvergenceWarning,
    ),
    "MiniBatchKMeans._count_first": (
        lambda: MiniBatchKMeans(2, init_size=1).fit(X),
        RuntimeWarning,
    ),
    "SeededCentres._tell_of_weights": (
        lambda: KMeans(1).fit([[0.0], [1.0]], sample_weight=[1.0, 1e-20]),
        UserWarning,
    ),
    "SeededCentres._count_runs": (lambda: KMeans(2, init=X[:2], n_init=3).fit(X), RuntimeWarning),
    "LogisticRegression._check_combination": (
        lambda: LogisticRegression(n_jobs=1).fit(X, y),
        FutureWarning,
    ),
    "LogisticRegression._check_combination of l1_ratio": (
        lambda: LogisticRegression(l1_ratio=None).fit(X, y),
        FutureWarning,
    ),
    "route_parameters of logistic regression": (
        lambda: LogisticRegressionCV(**CHOSEN, scoring=lambda model, X, y: 0.0).fit(
            X, y > 0, [1, 2, 1, 1]
        ),
        UserWarning,
    ),
    "LogisticRegressionCV._ratios": (
        lambda: LogisticRegressionCV(**CHOSEN | {"l1_ratios": None}, scoring="accuracy").fit(
            X, y > 0
        ),
        FutureWarning,
    ),
    "LogisticRegressionCV._warn_of_defaults": (
        lambda: LogisticRegressionCV(**CHOSEN).fit(X, y > 0),
        FutureWarning,
    ),
    "warn_of_minimum": (
        lambda: LogisticRegression(C=np.inf).fit([[0.0], [1.0]], [0, 1]),
        ConvergenceWarning,
    ),
    "_choose": (lambda: rmodels.lasso_path(X, y, alphas=None), FutureWarning),
    "_choose of n_alphas": (lambda: rmodels.lasso_path(X, y, n_alphas=3), FutureWarning),
}


def warned(call):
    """Return the warnings that a call raises."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return found


@pytest.mark.parametrize("name", CASES)
def test_names_the_line_of_the_caller(name):
    if name == "hand_on" and native.load() is None:
        pytest.skip("built without the native engine")
    call, category = CASES[name]
    (found,) = warned(call)
    assert (found.category, found.filename) == (category, __file__)
    written = Path(__file__).read_text(encoding="utf-8").splitlines()[found.lineno - 1]
    assert any(
        method in written
        for method in (
            ".fit(",
            ".partial_fit(",
            ".predict",
            ".score(",
            ".summary(",
            ".load(",
            "_path(",
            "to_onnx(",
        )
    )


class Sites(ast.NodeVisitor):
    """The functions of a module that call warn(...), and its calls of warnings.warn(...)."""

    def __init__(self):
        self.inside, self.found, self.others = [], [], []

    def visit(self, node):
        named = isinstance(node, (ast.ClassDef, ast.FunctionDef))
        if named:
            self.inside.append(node.name)
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called == "warn":
            self.found.append(".".join(self.inside))
        elif called.startswith("warnings.warn"):
            self.others.append(node.lineno)
        self.generic_visit(node)
        if named:
            self.inside.pop()


def test_every_warning_of_the_package_is_here():
    package = Path(rmodels.__file__).parent
    found = []
    for path in sorted(package.rglob("*.py")):
        sites = Sites()
        sites.visit(ast.parse(path.read_text(encoding="utf-8")))
        if path != package / "base" / "warnings.py":
            assert not sites.others, f"{path}: use rmodels.base.warnings.warn"
        found += sites.found
    assert set(found) == {name.partition(" of ")[0] for name in CASES}


def test_scikit_learn_between_is_not_the_caller():
    one = np.column_stack([X[:, 0], X[:, 0]])
    pipeline = make_pipeline(StandardScaler(), LinearRegression())
    search = GridSearchCV(pipeline, {"linearregression__copy_X": [True]}, cv=2)
    for fit in (
        lambda: pipeline.fit(one, y),
        lambda: search.fit(np.tile(one, (3, 1)), np.tile(y, 3)),
    ):
        found = warned(fit)
        assert {each.filename for each in found} == {__file__}
        assert {each.lineno for each in found} == {fit.__code__.co_firstlineno}
    found = warned(lambda: rmodels.kneighbors_graph(X, 1, metric="jaccard"))
    assert [each.filename for each in found] == [__file__] * len(found) != []


def test_callbacks_between_are_not_the_caller():
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9")

    class Silent(callback.ProgressBar):
        def setup(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context, **kwargs): ...
        def on_fit_task_end(self, estimator, context, **kwargs): ...
        def teardown(self, estimator, context): ...

    model = LinearRegression().set_callbacks(Silent())
    (found,) = warned(lambda: model.fit(X[:, [0, 0]], y))
    assert (found.filename, found.category) == (__file__, UserWarning)


def test_once_for_a_line():
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        for _ in range(3):
            warn("first")
        warn("second", FutureWarning)
    assert [(str(each.message), each.category) for each in found] == [
        ("first", UserWarning),
        ("second", FutureWarning),
    ]
    assert found[1].lineno == found[0].lineno + 1
