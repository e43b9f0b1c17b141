import json
import math
from fractions import Fraction

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st

import rmodels
from rmodels import cli
from rmodels_evidence import families, validate
from rmodels_evidence.case import Case, differences, relative_to, share_differing
from rmodels_evidence.families.linear_model.cases import exact_least_squares, linear_cases
from rmodels_evidence.families.neighbors.cases import _find_untied, _radius, _rank, neighbors_cases
from rmodels_evidence.families.neighbors.problems import NeighborsData
from rmodels_evidence.table import digits_text

BEFORE_1_9 = tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9)


def case(ours, tolerance=1e-9, **parameters):
    """A case whose right answer is 1, 2."""
    truth = relative_to(lambda: np.array([1.0, 2.0]))
    return Case("Estimator", "data", "task", "truth", tolerance, ours, truth, **parameters)


def right():
    return np.array([1.0, 2.0])


def wrong():
    return np.array([1.0, 2.1])


def failing():
    raise ArithmeticError("cannot")


def checked(each, engines=("reference",)):
    return validate._check(each, [validate.Variant(name) for name in engines])


def test_exact_least_squares_of_thirds():
    # Sums by hand: Σx = 3, Σy = 1, Σxy = 2, Σx² = 5, and so slope 1/2 and intercept −1/6.
    X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 0.0, 1.0])
    assert exact_least_squares(X, y).tolist() == [0.5, float(Fraction(-1, 6))]
    both = exact_least_squares(X, np.column_stack([y, 2 * y]))
    assert both.tolist() == [[0.5, 1.0], [float(Fraction(-1, 6)), float(Fraction(-1, 3))]]
    assert exact_least_squares(X, y, fit_intercept=False).tolist() == [float(Fraction(2, 5))]
    doubled = exact_least_squares(X[[0, 1, 1, 2]], y[[0, 1, 1, 2]])
    weighted = exact_least_squares(X, y, np.array([1.0, 2.0, 1.0]))
    assert weighted.tolist() == doubled.tolist()


@given(
    st.lists(st.integers(-50, 50), min_size=3, max_size=3),
    st.integers(-300, 300),
    st.integers(0, 2**32 - 1),
)
def test_exact_least_squares_recovers_whole_numbers(coefficients, power, seed):
    X = np.random.default_rng(seed).integers(-9, 9, (20, 2)).astype(np.float64)
    if np.linalg.matrix_rank(np.column_stack([X, np.ones(20)])) < 3:
        return
    scaled = np.ldexp(X, power)  # powers of two change no digit
    y = X @ coefficients[:2] + coefficients[2]
    found = exact_least_squares(scaled, y)
    assert found.tolist() == [*np.ldexp(coefficients[:2], -power).tolist(), coefficients[2]]


def test_errors_are_those_of_the_worst_column():
    truth = np.array([[1.0, 1000.0], [2.0, 0.0]])
    errors = relative_to(lambda: truth)
    off, nowhere = truth.copy(), truth.copy()
    off[1, 0] += 0.1
    nowhere[0, 1] = math.nan
    assert errors([truth, off]) == [0.0, pytest.approx(0.05)]
    assert errors([truth[:1]]) == [math.inf]
    for compare in (errors, differences(lambda: truth)):
        assert math.isnan(compare([nowhere])[0])
    assert share_differing(lambda: (truth, truth))([(truth, off)]) == [0.125]


@pytest.mark.parametrize(
    ("error", "text"),
    [(0.0, "all"), (2e-15, "14.7"), (3.0, "0.0"), (math.inf, "none"), (math.nan, "none")],
)
def test_digits(error, text):
    assert digits_text(error) == text


def test_ranks_are_by_distance_then_index():
    points = np.array([[2.0], [1.0], [-1.0], [0.0], [1.0]])
    distances, indices = _rank(points, np.zeros((1, 1)), 4)
    assert indices.tolist() == [[3, 1, 2, 4]]
    assert distances.tolist() == [[0.0, 1.0, 1.0, 1.0]]


def test_ties_at_the_last_place_are_found():
    points = np.array([[0.0], [1.0], [3.0], [6.0]])
    data = NeighborsData(points, np.array([[0.4], [2.0]]), 1)
    assert _find_untied(data).tolist() == [True, False]
    assert 1.0 < _radius(data) < 2.0  # beyond 1, the farthest nearest; the next distance is 2


@pytest.mark.parametrize(
    "ours", [wrong, failing, lambda: np.array([1.0, math.nan]), lambda: np.ones(3)]
)
def test_what_is_not_right_is_a_breach(ours, monkeypatch, capsys):
    found = checked(case(ours))
    assert found.breaches == ["reference"]
    assert found.worst[0] == "reference"
    monkeypatch.setattr(families, "cases", lambda quick: iter([case(right), case(ours)]))
    assert cli.main(["validate"]) == 1
    shown = capsys.readouterr().out
    assert "BREACH on reference: Estimator, data: task: " in shown
    assert ("ArithmeticError: cannot" in shown) is (ours is failing)
    assert ", 1 cases in breach" in shown


def test_a_peer_may_fail_or_be_wrong(monkeypatch, capsys):
    peers = {"wrong": wrong, "failing": failing, "absent": None}
    found = checked(case(right, peers=peers))
    assert found.breaches == []
    assert found.peers == {"wrong": pytest.approx(0.05)}
    assert found.failures == {"failing": "ArithmeticError: cannot"}
    assert found.margin == 0.0
    monkeypatch.setattr(families, "cases", lambda quick: iter([case(right, peers=peers)]))
    assert cli.main(["validate"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "data: task" in line)
    assert row.split() == ["data:", "task", "truth", "9.0", "all", "1.3", "failed"]


def test_what_scipy_computes_runs_once():
    found = checked(case(right, by_scipy=True), ["reference", "native"])
    assert list(found.ours) == ["scipy"]


def test_each_engine_does_the_work():
    def engine():
        return np.array([1.0, 2.0 + (rmodels.get_config()["engine"] == "native")])

    assert checked(case(engine), ["reference", "native"]).breaches == ["native"]


@pytest.mark.parametrize("name", ["LinearRegression", "KNeighborsRegressor"])
def test_an_engine_that_is_slightly_wrong_is_found(name, monkeypatch):
    predict = getattr(rmodels, name).predict
    fit = rmodels.LinearRegression.fit

    def off(self, *samples):
        fit(self, *samples)
        self.coef_ = self.coef_ * (1 + 1e-9)
        return self

    monkeypatch.setattr(rmodels.LinearRegression, "fit", off)
    monkeypatch.setattr(getattr(rmodels, name), "predict", lambda *a: predict(*a) * (1 + 1e-9))
    cases = linear_cases if name == "LinearRegression" else neighbors_cases
    own = [each for each in cases(quick=True) if each.estimator == name][:8]
    assert len(own) >= 6
    assert all(checked(each).breaches for each in own if each.tolerance < 1e-10)


def test_cases_cover_estimators_and_data():
    cases = list(families.cases(quick=True))
    public = {
        name
        for name in rmodels.__all__
        if hasattr(getattr(rmodels, name), "get_params") or name.endswith("_graph")
    }
    without = {"SGDOneClassSVM"} if BEFORE_1_9 else set()  # scikit-learn took other steps
    assert {each.estimator.partition(",")[0] for each in cases} == public - without
    data = " ".join(each.data for each in cases)
    for name in ("diabetes", "iris", "wine", "breast cancer", "digits", "linnerud"):
        assert name in data
    assert all(each.tolerance <= 1.2e-7 for each in cases)
    peers = {name for each in cases for name in each.peers}
    assert peers == {"scikit-learn", "newton-cholesky", "SciPy", "statsmodels", "FAISS float32"}


@pytest.mark.skipif(
    BEFORE_1_9,
    reason="some of the right answers are the steps and draws of scikit-learn 1.9",
)
def test_command_line(tmp_path, capsys):
    """Every estimator on every engine and instruction set of this machine is right."""
    file = tmp_path / "found.json"
    assert cli.main(["validate", "--quick", "--json", str(file)]) == 0
    assert "0 cases in breach" in capsys.readouterr().out
    found = json.loads(file.read_text())
    assert found["kind"] == "validate"
    assert {"reference", *(f"native {isa}" for isa in rmodels.native.instruction_sets())} <= set(
        found["engines"]
    )
    for each in found["checks"]:
        assert each["holds"]
        assert each["ours"].keys() in ({"scipy"}, set(found["engines"]) - {"scipy"})
        assert all(error <= each["tolerance"] for error in each["ours"].values())
