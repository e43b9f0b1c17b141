"""Graphs of ONNX say what the models say, in a runtime without Python."""

import sys
from contextlib import nullcontext
from functools import partial

import cases
import numpy as np
import pandas as pd
import pytest
from graphs import METHODS, feeds_of, run
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression as Theirs
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler
from tables import columns

from rmodels import (
    PCA,
    GaussianNB,
    KMeans,
    KNeighborsClassifier,
    KNeighborsRegressor,
    KNeighborsTransformer,
    LinearDiscriminantAnalysis,
    LinearRegression,
    LocalOutlierFactor,
    LogisticRegression,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    scan,
    to_onnx,
)
from rmodels.exceptions import NotCoveredError
from rmodels.export import operators

X, Y = cases.X, cases.LABELS

# What cannot be said, and why; and the parameters with which it can.
REFUSED = {
    "KNeighborsTransformer": "sparse matrices",
    "RadiusNeighborsTransformer": "sparse matrices",
    "DBSCAN": "its own rows",
    "HDBSCAN": "its own rows",
}
CHANGED = {
    "RadiusNeighborsClassifier": {"outlier_label": 1},
    "LocalOutlierFactor": {"novelty": True},
}


def assert_same(model, X, feeds=None, given=None, dtype=np.float64):
    """The graph gives labels exactly, and numbers to the rounding of products; return it."""
    found = run(to_onnx(model, given, dtype=dtype), {"X": X} if feeds is None else feeds)
    assert found
    for name, value in found.items():
        wanted = getattr(model, METHODS[name])(X)
        assert value.shape == wanted.shape
        if wanted.dtype.kind == "f":
            assert value.dtype == wanted.dtype
            digits = 1e-14 if value.dtype == np.float64 else 3e-6
            np.testing.assert_allclose(value, wanted, rtol=digits, atol=digits)
        else:
            np.testing.assert_array_equal(value, wanted)
    return found


@pytest.mark.parametrize("case", cases.CASES, ids=str)
def test_a_graph_says_what_the_model_says(case):
    if case.name in REFUSED:
        with pytest.raises(NotCoveredError, match=REFUSED[case.name]):
            to_onnx(case.fit())
        return
    model = case.make().set_params(**CHANGED.get(case.name, {})).fit(cases.X, case.y)
    if case.entry.task == "search":
        found = run(to_onnx(model), {"X": cases.QUERIES})
        for value, wanted in zip(found.values(), model.kneighbors(cases.QUERIES), strict=True):
            np.testing.assert_array_equal(value, wanted)
    else:
        assert_same(model, cases.QUERIES)


@pytest.mark.parametrize(
    "case",
    [each for each in cases.EXAMPLES if each.name not in REFUSED and each.entry.task != "search"],
    ids=str,
)
def test_a_graph_takes_float32(case):
    model = case.make().set_params(**CHANGED.get(case.name, {}))
    model.fit(cases.X.astype(np.float32), case.y)
    assert_same(model, cases.QUERIES.astype(np.float32), dtype=np.float32)


GRID = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)  # all ties


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "cosine"])
def test_neighbours_are_the_same_bit_for_bit(metric):
    weights = np.arange(len(GRID)) % 3 * 0.3  # some of them 0
    y = np.arange(len(GRID)) % 5
    queries = np.concatenate([GRID[:20], GRID[:20] + 0.5])
    for name in ("uniform", "distance"):
        for kind, last in ((KNeighborsClassifier, "label"), (KNeighborsRegressor, "prediction")):
            model = kind(9, metric=metric, weights=name).fit(
                GRID, y * 0.1 if last != "label" else y, weights
            )
            found = run(to_onnx(model), {"X": queries})[last]
            np.testing.assert_array_equal(found, model.predict(queries))
        model = RadiusNeighborsRegressor(1.0, metric=metric, weights=name).fit(
            GRID, y * 0.1, weights
        )
        found = run(to_onnx(model), {"X": GRID})["prediction"]
        np.testing.assert_array_equal(found, model.predict(GRID))
    model = NearestNeighbors(n_neighbors=11, metric=metric).fit(GRID)
    found = run(to_onnx(model), {"X": queries})
    np.testing.assert_array_equal(found["distances"], model.kneighbors(queries)[0])
    np.testing.assert_array_equal(found["indices"], model.kneighbors(queries)[1])


def test_roots_are_warned_of():
    model = NearestNeighbors(n_neighbors=3, p=3).fit(cases.X)
    with pytest.warns(UserWarning, match=r"no exact root.*p=3: .* another order"):
        graph = to_onnx(model)
    found = run(graph, {"X": cases.QUERIES})["distances"]
    np.testing.assert_allclose(found, model.kneighbors(cases.QUERIES)[0], rtol=1e-13)


@pytest.mark.parametrize("label", [1, 7])
def test_rows_without_neighbours(label):
    model = RadiusNeighborsClassifier(1.0, outlier_label=label).fit(cases.X, cases.LABELS)
    rows = np.array([[0.0, 0.0, 0.0], [90.0, 0.0, 0.0]])
    known = nullcontext()
    with pytest.warns(UserWarning, match="not in training") if label == 7 else known:
        found = assert_same(model, rows)
    assert found["label"][1] == label
    model = RadiusNeighborsRegressor(1.0).fit(cases.X, cases.LABELS)
    assert np.isnan(run(to_onnx(model), {"X": rows})["prediction"]).tolist() == [False, True]


@pytest.mark.parametrize("labels", [["b", "a", "c"], [2.0, -1.0, 3.0], [True, False]], ids=str)
def test_labels_are_those_of_the_fit(labels):
    y = np.array(labels)[np.arange(90) % len(labels)]
    for model in (
        LogisticRegression(),
        GaussianNB(),
        SGDClassifier("modified_huber", shuffle=False),
    ):
        assert_same(model.fit(cases.X, y), cases.QUERIES)


@pytest.mark.parametrize("smoothing", [0.0, 1e-9])
def test_classes_of_which_columns_do_not_vary(smoothing):
    X, y = np.array([[1.0, 0.0], [1.0, 2.0], [3.0, 5.0], [4.0, 5.0], [9.0, 9.0]]), [0, 0, 1, 1, 2]
    model = GaussianNB(var_smoothing=smoothing).fit(X, y, [1, 1, 1, 1, 0])
    assert_same(model, np.concatenate([X, X + 0.5, [[1e200, 0.0]]]))


def test_several_labels():
    assert_same(RidgeClassifier().fit(cases.X, cases.TARGETS), cases.QUERIES)
    model = KNeighborsClassifier(3).fit(cases.X, cases.TARGETS + np.array([0, 4]))
    found = run(to_onnx(model), {"X": cases.QUERIES})
    np.testing.assert_array_equal(found.pop("label"), model.predict(cases.QUERIES))
    assert list(found) == ["probabilities_0", "probabilities_1"]
    for value, wanted in zip(found.values(), model.predict_proba(cases.QUERIES), strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-15)


def test_small_probabilities_keep_their_digits():
    """The runtime's Sigmoid takes scores of float32 below -18 for -18."""
    model = LogisticRegression().fit(np.float32([[0], [1]]), [0, 1])
    model.coef_, model.intercept_ = np.float32([[1]]), np.float32([0])
    rows = np.float32([[-60], [-30], [30]])
    found = run(to_onnx(model, dtype=np.float32), {"X": rows})["probabilities"]
    np.testing.assert_allclose(found[:, 1], 1 / (1 + np.exp(-rows[:, 0].astype(float))), rtol=1e-5)


def test_means_stand_in_for_what_is_missing():
    pytest.importorskip("pyarrow", reason="the extra files is not installed: pyarrow")
    frame = pd.DataFrame(
        {"a": [0.0, 1.0, np.nan, 4.0], "b": [1.0, 0.0, 2.0, 3.0], "y": [1, 2, 3, 4]}
    )
    model = LinearRegression().fit(scan(frame, missing="mean"), "y")
    rows = frame[["a", "b"]]
    assert_same(model, rows, {"X": rows.to_numpy()})


def test_coefficients_that_are_sparse():
    assert_same(LogisticRegression().fit(cases.X, cases.LABELS).sparsify(), cases.QUERIES)


RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "colour": RNG.choice(["red", "green", "blue"], 60),
        "size": RNG.choice(["s", "m", "l"], 60),
        "n": RNG.normal(1e6, 1.0, 60),
        "k": RNG.integers(0, 4, 60),
    }
)
FRAME.loc[3, "n"] = np.nan

dense = partial(columns, sparse_output=False)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(dense(), Ridge(2.0)),
        make_pipeline(dense(), PCA(3), KNeighborsClassifier(3)),
        make_pipeline(dense(), make_union(PCA(2), StandardScaler()), GaussianNB()),
    ],
    ids=["ridge", "neighbours", "union"],
)
@pytest.mark.filterwarnings(r"ignore:\s*The format of the columns:FutureWarning")  # before 1.7
def test_pipelines_of_tables(model):
    y = np.where(RNG.random(60) < 0.5, "up", "down")
    model.fit(FRAME, RNG.random(60) if isinstance(model[-1], Ridge) else y)
    assert_same(model, FRAME, feeds_of(FRAME), FRAME)


@pytest.mark.parametrize(
    "middle", [KMeans(3, random_state=0), LinearDiscriminantAnalysis(), PCA(2)]
)
def test_what_follows_takes_what_is_transformed(middle):
    model = make_pipeline(StandardScaler(), middle, StandardScaler(), Ridge())
    for dtype in (np.float64, np.float32):
        X = cases.X.astype(dtype)
        assert_same(model.fit(X, cases.LABELS), X, dtype=dtype)


def test_steps_that_are_names():
    model = make_pipeline("passthrough", make_union(PCA(2), "passthrough", "drop"), None, Ridge())
    assert_same(model.fit(X, Y), X, given=X)
    assert model.steps[0][1] == "passthrough"


def test_text_is_imputed():
    rows = np.array([["a", "b"], ["a", "?"], ["?", "b"]], dtype=object)
    model = make_pipeline(
        SimpleImputer(missing_values="?", strategy="most_frequent"),
        OneHotEncoder(sparse_output=False),
        Ridge(),
    ).fit(rows, [1.0, 2.0, 4.0])
    assert_same(model, rows, given=rows)


class Own(Ridge):
    pass


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        (Ridge(), NotFittedError, "not fitted"),
        (Own().fit(X, Y), TypeError, "an estimator of rmodels, or a Pipeline of them; got Own"),
        (Theirs().fit(X, Y), TypeError, "got LogisticRegression"),
        (make_pipeline(PCA(), Theirs()), NotFittedError, "not fitted"),
        (KNeighborsRegressor(weights=np.ones_like).fit(X, Y), NotCoveredError, "a function of Py"),
        (KNeighborsRegressor(metric="canberra").fit(X, Y), NotCoveredError, "'canberra' of these"),
        (
            NearestNeighbors(metric="l1").fit(sparse.random_array((300, 99), density=0.01)),
            NotCoveredError,
            "'l1' of sparse points",
        ),
        (LocalOutlierFactor(3).fit(X), NotCoveredError, "fit with novelty=True"),
        (KNeighborsTransformer().fit(X), NotCoveredError, "export the estimator that takes them"),
        (RadiusNeighborsClassifier().fit(X, Y), NotCoveredError, "set outlier_label"),
        (make_pipeline(SplineTransformer(), Ridge()).fit(X, Y), NotCoveredError,
         r"skl2onnx cannot write this Pipeline.*prepare the rows before the graph"),
        (make_pipeline(Own()).fit(X, Y), NotCoveredError, "Own"),
        (make_pipeline(dense()).fit(FRAME), ValueError, "give to_onnx some rows of the table"),
        (make_pipeline("passthrough", PCA()).fit(X), ValueError, "give to_onnx some rows as X"),
    ],
    ids=lambda value: value.__class__.__name__,
)  # fmt: skip
def test_what_has_no_graph(model, error, said):
    with pytest.raises(error, match=said):
        to_onnx(model)


def test_points_that_are_not_in_memory():
    pytest.importorskip("pyarrow", reason="the extra files is not installed: pyarrow")
    model = KNeighborsRegressor().fit(scan(pd.DataFrame(X, columns=list("abc")).assign(y=Y)), "y")
    with pytest.raises(NotCoveredError, match="a graph has all points: the points are read anew"):
        to_onnx(model)


def test_other_dtypes():
    with pytest.raises(ValueError, match="dtype must be float32 or float64, got int64"):
        to_onnx(Ridge().fit(X, Y), dtype=int)


def test_text_where_numbers_are_needed():
    model = make_pipeline(Ridge()).fit(X, Y)
    with pytest.raises(NotCoveredError, match="Ridge takes numbers, and 'X' is text"):
        to_onnx(model, np.array([["a", "b", "c"]]))


def test_more_than_a_graph_holds(monkeypatch):
    monkeypatch.setattr(operators, "LARGEST", 1000)
    with pytest.raises(NotCoveredError, match="holds 2 GiB: fit to fewer points"):
        to_onnx(NearestNeighbors().fit(X))


def test_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'rmodels\[onnx\]'"):
        to_onnx(Ridge().fit(X, Y))
