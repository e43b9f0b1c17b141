"""Stochastic gradient descent: the steps of scikit-learn, one by one."""

import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
import sklearn
import sklearn.linear_model
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning

import rmodels
from rmodels import Perceptron, SGDClassifier, SGDOneClassSVM, SGDRegressor
from rmodels.config import config_context

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))
# Since 1.9 the stop watches the penalised objective, and steps are those of float32 in float32.
new = pytest.mark.skipif(SKLEARN < (1, 9), reason="scikit-learn before 1.9 stops otherwise")
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

LOSSES = {
    "SGDRegressor": (
        "squared_error",
        "huber",
        "epsilon_insensitive",
        "squared_epsilon_insensitive",
    ),
    "SGDClassifier": (
        "hinge",
        "log_loss",
        "modified_huber",
        "squared_hinge",
        "perceptron",
        "squared_error",
    ),
}


def data(rng, n, d, classes=0, dtype=np.float64):
    """Rows of norm about 1, so that small steps draw iterates together; numbers or labels."""
    X = rng.standard_normal((n, d)) / np.sqrt(d)
    y = X @ rng.standard_normal(d) * 3 + rng.standard_normal(n)
    if classes:
        y = np.array(["a", "b", "c", "d", "e"])[np.argsort(np.argsort(y)) * classes // n]
    return X.astype(dtype), y


def draw(rng):
    """Return an estimator's name, parameters, rows, targets and weights."""

    def one(*values):
        return values[rng.integers(len(values))]

    n, d = int(rng.integers(45, 130)), int(rng.integers(1, 20))
    name = one("SGDRegressor", "SGDClassifier", "SGDClassifier", "Perceptron", "SGDOneClassSVM")
    given = {
        "max_iter": one(1, 3, 15),
        "tol": one(None, 1e-3, 0.05),
        "shuffle": one(True, True, False),
        "random_state": int(rng.integers(100)),
        "fit_intercept": one(True, True, False),
        "eta0": one(0.003, 0.01, 0.03),
    }
    if name == "SGDOneClassSVM":
        given["nu"] = one(0.1, 0.5)
    else:
        given["penalty"] = one(None, "l1", "l2", "elasticnet")
        given["alpha"] = one(0.001, 0.02)
        given["l1_ratio"] = one(0.0, 0.3)
        given["early_stopping"] = one(False, False, False, True)
        given["n_iter_no_change"] = one(1, 5)
    if name != "Perceptron":
        given["average"] = one(False, False, True, 7, 3 * n)
        given["learning_rate"] = one("constant", "invscaling", "adaptive")
        given["power_t"] = one(0.25, 0.5, 0.4)
    classes = 0
    if name in LOSSES:
        given["loss"] = one(*LOSSES[name])
        if rng.random() < 0.15:
            given["learning_rate"] = one("pa1", "pa2")
            given["loss"] = "hinge" if name == "SGDClassifier" else "epsilon_insensitive"
    if name in ("SGDClassifier", "Perceptron"):
        classes = one(2, 2, 3, 5)
        given["class_weight"] = one(None, "balanced")
    X, y = data(rng, n, d, classes)
    if rng.random() < 0.3:
        X[rng.random(X.shape) < 0.6] = 0
        X = sparse.csr_matrix(X)
        given["tol"] = None  # scikit-learn's objective of sparse rows is another
    weights = rng.integers(0, 4, n) + 0.25 if rng.random() < 0.4 else None
    return name, given, X, None if name == "SGDOneClassSVM" else y, weights


def found(estimator):
    """Return coefficients and intercepts, one after the other."""
    intercept = getattr(estimator, "intercept_", getattr(estimator, "offset_", None))
    return np.concatenate([np.ravel(estimator.coef_), np.ravel(intercept)])


def assert_equal(ours, theirs, rtol=1e-12):
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.coef_.dtype == theirs.coef_.dtype
    assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)
    a, b = found(ours), found(theirs)
    assert abs(a - b).max() <= rtol * abs(b).max()


@new
@quiet
@pytest.mark.parametrize("seed", range(60))
def test_steps_are_scikit_learns(seed):
    name, given, X, y, weights = draw(np.random.default_rng(seed))
    ours, theirs = (
        getattr(home, name)(**given).fit(X, y, sample_weight=weights)
        for home in (rmodels, sklearn.linear_model)
    )
    assert_equal(ours, theirs)
    if name in ("SGDClassifier", "Perceptron"):
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@new
@quiet
@pytest.mark.parametrize("seed", range(8))
def test_steps_are_scikit_learns_on_the_reference_engine(seed):
    name, given, X, y, weights = draw(np.random.default_rng(1000 + seed))
    with config_context(engine="reference"):
        ours = getattr(rmodels, name)(**given).fit(X, y, sample_weight=weights)
    assert ours.engine_ == "reference"
    theirs = getattr(sklearn.linear_model, name)(**given).fit(X, y, sample_weight=weights)
    assert_equal(ours, theirs)


@new
@quiet
@pytest.mark.parametrize("name", ["SGDRegressor", "SGDClassifier"])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_float32(name, penalty):
    X, y = data(np.random.default_rng(3), 200, 9, 3 * (name == "SGDClassifier"), np.float32)
    given = {"penalty": penalty, "alpha": 0.01, "max_iter": 5, "tol": None, "random_state": 0}
    given["learning_rate"] = "invscaling"
    ours, theirs = (
        getattr(home, name)(**given).fit(X, y) for home in (rmodels, sklearn.linear_model)
    )
    # 1000 roundings of 2⁻²⁴ to where the sums of float64 are rounded otherwise
    assert_equal(ours, theirs, 1000 * 2.0**-24)


@new
@quiet
@pytest.mark.parametrize(
    ("name", "average"),
    [
        ("SGDRegressor", False),
        ("SGDRegressor", 150),
        ("SGDClassifier", False),
        ("SGDOneClassSVM", False),
        ("SGDOneClassSVM", 150),
    ],
)
def test_partial_fit_goes_on(name, average):
    rng = np.random.default_rng(4)
    X, y = data(rng, 90, 4, 3 * (name == "SGDClassifier"))
    ours, theirs = (
        getattr(home, name)(random_state=1, average=average, learning_rate="invscaling")
        for home in (rmodels, sklearn.linear_model)
    )
    for _ in range(2):
        for first in range(0, 90, 30):
            rows = slice(first, first + 30)
            for each in (ours, theirs):
                classes = {"classes": ["a", "b", "c"]} if name == "SGDClassifier" else {}
                each.partial_fit(X[rows], y[rows], **classes)
    assert_equal(ours, theirs)
    assert ours.t_ == 181.0


@quiet
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("average", [False, True, 70])
def test_epochs_one_by_one_are_those_of_fit(classes, average):
    """Also with averages, of which scikit-learn's classifiers lose the intercept in between."""
    X, y = data(np.random.default_rng(15), 40, 3, classes)
    given = {"shuffle": False, "average": average, "learning_rate": "invscaling", "tol": None}
    whole = SGDClassifier(max_iter=4, **given).fit(X, y)
    model = SGDClassifier(**given)
    for _ in range(4):
        model.partial_fit(X, y, classes=["a", "b", "c"][:classes])
    assert model.t_ == whole.t_
    assert abs(found(model) - found(whole)).max() <= 1e-12 * abs(found(whole)).max()


@new
@quiet
@pytest.mark.parametrize("name", ["SGDRegressor", "SGDClassifier", "SGDOneClassSVM"])
def test_begins_where_it_is_told(name):
    X, y = data(np.random.default_rng(5), 60, 3, 2 * (name == "SGDClassifier"))
    given = {"random_state": 0, "warm_start": True, "max_iter": 2, "learning_rate": "invscaling"}
    ours, theirs = (getattr(home, name)(**given) for home in (rmodels, sklearn.linear_model))
    for each in (ours, theirs):
        each.fit(X, y, coef_init=[1.0, 2.0, 3.0]).fit(X, y)
    assert_equal(ours, theirs)
    with pytest.raises(ValueError, match="coef_init does not match"):
        ours.fit(X, y, coef_init=[1.0, 2.0])


@new
@quiet
@pytest.mark.usefixtures("on_engine")
@pytest.mark.parametrize("average", [True, 7, 100, 500])
@pytest.mark.parametrize("name", ["SGDRegressor", "SGDClassifier", "SGDOneClassSVM"])
def test_a_warm_start_goes_on_from_where_averages_ended(name, average):
    X, y = data(np.random.default_rng(20), 60, 3, 3 * (name == "SGDClassifier"))
    given = {"average": average, "warm_start": True, "max_iter": 2, "tol": None}
    given |= {"random_state": 0, "learning_rate": "invscaling"}
    ours, theirs = (getattr(home, name)(**given) for home in (rmodels, sklearn.linear_model))
    for rows in (60, 60, 20, 60):  # of 20 rows, 40 steps end before the average of 100 begins
        assert_equal(ours.fit(X[:rows], y[:rows]), theirs.fit(X[:rows], y[:rows]))
    if name != "SGDClassifier":  # of which scikit-learn's loses the intercept
        assert_equal(ours.partial_fit(X, y), theirs.partial_fit(X, y))
        assert_equal(ours.fit(X, y), theirs.fit(X, y))


@quiet
def test_a_warm_start_from_what_is_given_takes_nothing_of_the_last_fit():
    X, y = data(np.random.default_rng(21), 60, 3)
    given = {"average": True, "max_iter": 2, "tol": None, "random_state": 0}
    begin = {"coef_init": [1.0, 2.0, 3.0], "intercept_init": [4.0]}
    expected = SGDRegressor(**given).fit(X, y, **begin)
    model = SGDRegressor(**given, warm_start=True).fit(X, y)
    np.testing.assert_array_equal(found(model.fit(X, y, **begin)), found(expected))


@new
def test_random_states_are_consumed_alike():
    X, y = data(np.random.default_rng(6), 60, 3, 2)
    given = {"max_iter": 3, "tol": None, "early_stopping": True}
    ours, theirs = (
        home.SGDClassifier(random_state=np.random.RandomState(3), **given)
        for home in (rmodels, sklearn.linear_model)
    )
    for _ in range(2):
        assert_equal(ours.fit(X, y), theirs.fit(X, y), 1e-9)  # the optimal rate begins large


@new
def test_norm_of_sparse_rows_is_the_true_one():
    X, y = data(np.random.default_rng(7), 200, 12)
    X[np.random.default_rng(8).random(X.shape) < 0.8] = 0
    given = {"alpha": 0.5, "random_state": 0, "learning_rate": "constant", "fit_intercept": False}
    dense = SGDRegressor(**given).fit(X, y)
    thin = SGDRegressor(**given).fit(sparse.csr_matrix(X), y)
    assert thin.n_iter_ == dense.n_iter_ < 1000
    np.testing.assert_allclose(thin.coef_, dense.coef_, rtol=1e-12, atol=1e-15)
    assert_equal(dense, sklearn.linear_model.SGDRegressor(**given).fit(X, y))


def test_any_number_of_threads_gives_the_same_bits():
    X, y = make_classification(
        3000, 10, n_informative=8, n_classes=6, n_clusters_per_class=1, random_state=0
    )
    one, two = (SGDClassifier(random_state=0, n_jobs=n).fit(X, y) for n in (1, 2))
    np.testing.assert_array_equal(one.coef_, two.coef_)
    assert one.n_iter_ == two.n_iter_


def test_probabilities():
    X, y = data(np.random.default_rng(9), 100, 3, 3)
    given = {"learning_rate": "constant", "eta0": 0.01, "tol": None, "max_iter": 5}
    for loss in ("log_loss", "modified_huber"):
        ours, theirs = (
            home.SGDClassifier(loss, random_state=0, **given)
            for home in (rmodels, sklearn.linear_model)
        )
        expected = theirs.fit(X, y).predict_proba(X)
        np.testing.assert_allclose(ours.fit(X, y).predict_proba(X), expected, atol=1e-10)
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(
                ours.predict_log_proba(X)[expected > 0], np.log(expected[expected > 0]), rtol=1e-7
            )
    with pytest.raises(AttributeError, match="predict_proba"):
        _ = SGDClassifier().predict_proba


def test_sparse_coefficients_predict_the_same():
    X, y = data(np.random.default_rng(10), 80, 5, 3)
    model = SGDClassifier(random_state=0, penalty="l1", alpha=0.01).fit(X, y)
    expected = model.decision_function(X)
    for rows in (X, sparse.csr_matrix(X)):
        np.testing.assert_allclose(model.sparsify().decision_function(rows), expected, rtol=1e-12)
    model.partial_fit(X, y)
    assert isinstance(model.coef_, np.ndarray)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (SGDRegressor(learning_rate="optimal", alpha=0.0), "alpha must be > 0"),
        (SGDRegressor(learning_rate="pa1"), "only works with loss 'epsilon_insensitive'"),
        (SGDClassifier("log_loss", learning_rate="pa2"), "only works with loss 'hinge'"),
        (SGDClassifier(penalty="elasticnet", l1_ratio=None), "l1_ratio must be set"),
        (SGDRegressor(eta0=0.0), "The 'eta0' parameter"),
        (Perceptron(eta0=-1.0), "The 'eta0' parameter"),
        (Perceptron(l1_ratio=None), "The 'l1_ratio' parameter"),
        (SGDOneClassSVM(nu=0.0), "The 'nu' parameter"),
    ],
)
def test_parameters_that_contradict_each_other(model, said):
    with pytest.raises(ValueError, match=said):
        model.fit([[0.0], [1.0]], [0, 1])


def test_bad_input():
    with pytest.raises(ValueError, match="greater than one; got 1 class"):
        SGDClassifier().fit([[0.0], [1.0]], [1, 1])
    with pytest.raises(ValueError, match="contains NaN"):
        SGDRegressor().fit([[np.nan], [1.0]], [1, 1])
    with pytest.raises(ValueError, match="classes must be passed"):
        SGDClassifier().partial_fit([[0.0]], [1])
    with pytest.raises(ValueError, match="early_stopping should be False"):
        SGDRegressor(early_stopping=True).partial_fit([[0.0]], [1])
    with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit"):
        Perceptron(class_weight="balanced").partial_fit([[0.0]], [1], classes=[0, 1])
    with pytest.raises(ValueError, match="'c', which is not among the classes"):
        Perceptron().partial_fit([[0.0]], ["c"], classes=["a", "b"])
    with pytest.raises(ValueError, match="weights for validation set are all zero"):
        Perceptron(early_stopping=True).fit(
            np.eye(40), np.arange(40) % 2, sample_weight=[1.0] + 39 * [0.0]
        )


def test_overflow_leaves_the_model_as_it_was():
    X, y = data(np.random.default_rng(11), 50, 3)
    model = SGDRegressor(random_state=0).partial_fit(X, y)
    before = found(model).tolist()
    with pytest.raises(ValueError, match=r"overflow occurred at epoch #1\. Scaling input"):
        model.partial_fit(X * 1e200, y)
    assert found(model).tolist() == before
    assert model.t_ == 51.0
    model.partial_fit(X, y)
    twice = SGDRegressor(random_state=0).partial_fit(X, y).partial_fit(X, y)
    assert found(model).tolist() == found(twice).tolist()


def test_warns_of_epochs_that_were_not_enough():
    X, y = data(np.random.default_rng(12), 50, 3)
    with pytest.warns(ConvergenceWarning, match="Maximum number of iteration reached"):
        SGDRegressor(max_iter=2).fit(X, y)


def test_tells_of_epochs(capsys):
    X, y = data(np.random.default_rng(13), 50, 3)
    model = SGDRegressor(max_iter=2, tol=None, verbose=1, random_state=0).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[::2] == ["-- Epoch 1", "-- Epoch 2"]
    bias, norm = model.intercept_[0], np.linalg.norm(model.coef_)
    assert lines[3].startswith(f"Norm: {norm:.2f}, NNZs: 3, Bias: {bias:.6f}, T: 100, Avg. loss: ")


FRAME = pd.DataFrame(np.random.default_rng(14).standard_normal((60, 2)), columns=["a", "b"])
FRAME["label"] = (FRAME["a"] > FRAME["b"]).astype(int)


def scan(rows=7):
    return rmodels.scan(lambda: (FRAME[i : i + rows] for i in range(0, len(FRAME), rows)))


def test_rows_in_parts_cannot_be_shuffled():
    with pytest.raises(ValueError, match="set shuffle=False"):
        SGDClassifier().fit(scan(), "label")
    with pytest.raises(ValueError, match="holds out rows of X, which must be in memory"):
        SGDClassifier(shuffle=False, early_stopping=True).fit(scan(), "label")


def test_partial_fit_to_a_scan_is_one_epoch():
    X, y = FRAME[["a", "b"]], FRAME["label"]
    expected = Perceptron(shuffle=False).partial_fit(X, y, classes=[0, 1])
    model = Perceptron(shuffle=False).partial_fit(scan(), "label", classes=[0, 1])
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert model.t_ == expected.t_ == 61.0


def test_balanced_weights_of_a_scan():
    X, y = FRAME[["a", "b"]], FRAME["label"]
    given = {"shuffle": False, "class_weight": "balanced"}
    expected = SGDClassifier(**given).fit(X, y)
    np.testing.assert_array_equal(SGDClassifier(**given).fit(scan(), "label").coef_, expected.coef_)


def walk(w, b, X, y, order, eta, alpha):
    """Make steps of the squared error one by one; return the iterates."""
    iterates = []
    for i in order:
        gap = X[i] @ w + b - y[i]
        w = (1 - eta * alpha) * w - eta * gap * X[i]
        b = b - eta * gap
        iterates.append(np.append(w, b))
    return iterates


@pytest.mark.parametrize("average", [1, 5, 60])
def test_average_is_the_mean_of_the_iterates_from_the_kth_on(average):
    X, y = data(np.random.default_rng(16), 30, 3)
    iterates = walk(np.zeros(3), 0.0, X, y, [*range(30)] * 3, 0.02, 0.1)
    given = {"learning_rate": "constant", "eta0": 0.02, "alpha": 0.1, "shuffle": False, "tol": None}
    model = SGDRegressor(**given, average=average, max_iter=3).fit(X, y)
    np.testing.assert_allclose(
        found(model), np.mean(iterates[average - 1 :], axis=0), rtol=1e-11, atol=1e-14
    )
    assert model.t_ == 91.0  # of the next step, and the first is 1
    early = SGDRegressor(**given, average=91, max_iter=3).fit(X, y)
    np.testing.assert_allclose(found(early), iterates[-1], rtol=1e-11, atol=1e-14)


def test_the_stop_watches_the_penalised_objective_whatever_the_weights():
    X, y = data(np.random.default_rng(17), 50, 3)
    weights = np.random.default_rng(18).integers(1, 4, 50).astype(float)
    alpha, eta, tol = 0.5, 0.005, 0.002
    w, b, best, unchanged, epochs = np.zeros(3), 0.0, np.inf, 0, 0
    while unchanged < 5:
        total = 0.0
        for i in range(50):
            gap = X[i] @ w + b - y[i]
            total += 0.5 * gap**2 + 0.5 * alpha * w @ w
            w = (1 - eta * alpha) * w - eta * weights[i] * gap * X[i]
            b -= eta * weights[i] * gap
        unchanged = unchanged + 1 if total / 50 > best - tol else 0
        best = min(best, total / 50)
        epochs += 1
    given = {"learning_rate": "constant", "eta0": eta, "alpha": alpha, "tol": tol}
    model = SGDRegressor(**given, shuffle=False).fit(X, y, sample_weight=weights)
    assert 5 < model.n_iter_ == epochs < 1000
    np.testing.assert_allclose(found(model), np.append(w, b), rtol=1e-11)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_is_answered_within_a_moment_and_takes_nothing_away():
    X, y = data(np.random.default_rng(19), 2000, 20)
    model = SGDRegressor(random_state=0, max_iter=10_000_000, tol=None, warm_start=True)
    model.partial_fit(X, y)
    before, t = found(model).tolist(), model.t_
    stop = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    stop.start()
    began = time.process_time()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert time.process_time() - began < 5  # all epochs take ten minutes or more
    assert found(model).tolist() == before
    assert model.t_ == t
    model.partial_fit(X, y)
    assert model.t_ == t + 2000


def test_an_order_that_cannot_be_drawn_is_refused_before_rows_are_read():
    reads = []

    def batches():
        reads.append(1)
        yield FRAME

    rows = rmodels.scan(batches)
    before = len(reads)
    with pytest.raises(ValueError, match="shuffle=True needs all rows in memory"):
        SGDRegressor().fit(rows, FRAME.columns[0])
    assert len(reads) == before


@quiet
@pytest.mark.parametrize("name", ["SGDRegressor", "SGDOneClassSVM"])
def test_the_norm_of_sparse_rows_where_coefficients_are_scaled_anew(on_engine, name):
    """It is of the coefficients after that, so that the epochs end where they are to."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1500, 20)) * (rng.random((1500, 20)) < 0.3)
    y = X @ rng.standard_normal(20) + 3
    given = {"alpha": 0.01} if name == "SGDRegressor" else {"nu": 0.9}
    given |= {"learning_rate": "constant", "eta0": 0.1, "max_iter": 100, "random_state": 0}
    model = getattr(rmodels, name)(**given, tol=1e-3).fit(sparse.csr_array(X), y)
    with rmodels.config_context(engine="reference"):
        expected = getattr(rmodels, name)(**given, tol=1e-3).fit(sparse.csr_array(X), y)
    assert expected.n_iter_ < 100
    assert_equal(model, expected)


@quiet
@pytest.mark.parametrize("scale", [1e-5, 1e-8, 1e-12, 1e-100, 1e-161])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("name", ["Perceptron", "SGDClassifier"])
def test_signs_of_small_predictions(name, intercept, scale):
    """Steps of the intercept cancel: what small features say then decides; products vanish."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X, y = rng.standard_normal((200, 8)) * scale, rng.integers(0, 2, 200)
        given = {"max_iter": 20, "tol": None, "random_state": 0, "fit_intercept": intercept}
        if name == "SGDClassifier":
            given |= {"learning_rate": "constant", "eta0": 1.0}
        ours, theirs = (
            getattr(home, name)(**given).fit(X, y) for home in (rmodels, sklearn.linear_model)
        )
        np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-12, atol=1e-12 * scale)
        np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-12, atol=1e-12)
