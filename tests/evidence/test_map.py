"""The map: what a cell is judged by, and that the cells are what they say."""

import numpy as np
import pytest

from rmodels_evidence import families, measure
from rmodels_evidence.peers import is_installed
from rmodels_evidence.problem import Agreement, Contender, Options, Problem
from rmodels_evidence.results import Finding, Outcome
from rmodels_evidence.standing import Standing, compare, is_lost, stand
from rmodels_evidence.table import plain_text, tables
from rmodels_evidence.timing import Times

OPTIONS = Options(threads=1, peers=True)
CELLS = {each.name: each for each in families.problems(OPTIONS) if each.suite == "map"}


def outcome(ours, **peers):
    """A cell whose peers have an error and times."""

    def find(name, error, seconds, **given):
        contender = Contender(name, lambda data: data, **given)
        times = None if seconds is None else Times(tuple(seconds))
        return Finding(contender, Agreement(error, 1e-9 if given else 1e-3, "error"), times)

    problem = Problem("cell", "a cell", "map", lambda: 0, (), lambda data, answers: {})
    found = [find("rmodels", 1e-16, ours, ours=True)]
    return Outcome(problem, (*found, *(find(name, *each) for name, each in peers.items())))


def test_intervals_come_from_the_order_of_samples():
    ones, twos = Times((1.0,) * 30), Times((2.0,) * 30)
    assert compare(ones, twos) == (2.0, 2.0, 2.0)
    few = Times((1.0, 3.0, 2.0))  # of which nothing is left out
    assert compare(few, Times((6.0,))) == (3.0, 2.0, 6.0)
    many = Times(tuple(np.linspace(0, 2, 101)))
    ratio, low, high = compare(ones, many)
    assert ratio == pytest.approx(1.0)
    # 1.386 standard deviations of the place of a median of 101, half of √101 each
    assert (low, high) == (pytest.approx(0.84), pytest.approx(1.16))


def test_a_median_lies_in_its_interval_as_often_as_is_said():
    """83.4 % of intervals hold the median of what they are of: binomial, whatever it is."""
    rng = np.random.default_rng(0)
    ones, held = Times((1.0,) * 50), 0
    for _ in range(2000):
        _, low, high = compare(ones, Times(tuple(rng.standard_normal(50))))
        held += int(low <= 0 <= high)
    assert 0.834 < held / 2000 < 0.92  # whole places: at least as often


def test_the_best_peers_count():
    found = stand(
        outcome(
            [1.0] * 9,
            slow=(1e-12, [4.0] * 9),
            exact=(1e-12, [3.0] * 9),
            loose=(1e-6, [0.9] * 9),
            wrong=(1e-2, None),
        )
    )
    assert found == (
        Standing("exact", True, 3.0, 3.0, 3.0),
        Standing("loose", False, 0.9, 0.9, 0.9),
    )
    assert not is_lost(found)


@pytest.mark.parametrize(
    ("peers", "lost"),
    [
        ({"exact": (1e-12, [0.9] * 9)}, True),
        ({"exact": (1e-12, [0.5, 0.9, 1.1])}, False),
        ({"loose": (1e-6, [0.79] * 9)}, True),
        ({"loose": (1e-6, [0.81] * 9)}, False),
        ({}, False),
    ],
)
def test_cells_that_are_lost(peers, lost):
    assert is_lost(stand(outcome([1.0] * 9, **peers))) is lost


def test_a_cell_that_was_not_measured_has_no_standing():
    assert stand(outcome(None, exact=(1e-12, [1.0]))) == ()


def test_there_are_cells_enough_and_none_has_a_goal():
    assert len(CELLS) >= 400
    assert not any(each.goals for each in CELLS.values())
    shapes = " ".join(CELLS)
    for part in ("sparse", "clustered", "float32", "1000-1000", "50-20000", "built"):
        assert part in shapes


SMALL = [
    *(
        f"map-{name}-{dtype}"
        for name in (
            "LinearRegression-20-5",
            "LinearRegression-50-200",
            "LinearRegression-1000-100-sparse",
            "Ridge-20-1",
            "Ridge-1000-100-sparse",
            "RidgeCV-442-10",
            "LogisticRegression-100-4",
            "predict-100-10",
        )
        for dtype in ("float64", "float32")
    ),
    *(
        f"map-knn-{name}"
        for name in (
            "20-2-10-5-normal-float64",
            "100-4-10-5-clustered-float32",
            "100-4-10-5-clustered-float32-built",
            "2000-20-2000-50-normal-float64",
        )
    ),
]


@pytest.mark.parametrize("name", SMALL)
def test_answers_of_cells_are_right(name):
    effort = measure.Effort(0.0, 1, memory=False)
    found = measure.measure(CELLS[name], OPTIONS, effort)
    ours, *others = found.findings
    assert not ours.failure
    assert ours.agreement.holds
    assert any(each.times is not None for each in others)
    names = {each.contender.name for each in others}
    assert ("intelex" in names) is (is_installed("scikit-learn-intelex") and "RidgeCV" not in name)


def test_the_table_counts_what_is_lost():
    from rmodels_evidence.limits import Limits
    from rmodels_evidence.machine import describe_machine
    from rmodels_evidence.results import Run

    cells = (
        outcome([1.0] * 9, exact=(1e-12, [3.0] * 9)),
        outcome([1.0] * 9, exact=(1e-12, [0.5] * 9), loose=(1e-6, [0.9] * 9)),
        outcome(None, exact=(1e-12, [0.5] * 9)),
    )
    limits = Limits(1e10, 1e11, 5e10, 1, "native")
    run = Run("", describe_machine(), OPTIONS, limits, cells, (), (), 1.0)
    cells_table, summary = tables(run)
    assert [row[-1] for row in cells_table.rows] == ["", "lost", ""]
    assert summary.rows == [
        ("as exact", "2", "1.75 ×", "0.500 ×", "1"),
        ("less exact", "1", "0.900 ×", "0.900 ×", "0"),
    ]
    assert "3.00 ×" in plain_text(cells_table)
