"""The contract of stochastic gradient descent, on every engine."""

import numpy as np
import pytest
from scipy import sparse

from rmodels.ops.ordered import (
    LOSSES,
    PENALTIES,
    RATES,
    Epoch,
    NotFiniteError,
    Place,
    Problem,
    Rule,
    begin,
)

UNIT = 2.0**-53
DTYPES = [np.float64, np.float32]


def rows(n=60, d=5, dtype=np.float64, seed=0):
    """Rows of norm about 1, so that small steps draw iterates together, and targets ±1."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) / np.sqrt(d)
    y = np.where(X @ np.ones(d) + 0.3 * rng.standard_normal(n) > 0, 1.0, -1.0)
    return X.astype(dtype), y.astype(dtype)


def descend(rule, X, y, weights=None, *, problems=None, start=None, engine=None, **how):
    problems = problems or [Problem(seed=5)]
    start = start or Place.zeros(len(problems), X.shape[1], X.dtype)
    walk = begin(rule, problems, start, engine=engine)
    held_out, score, tell, threads = (
        how.get(name) for name in ("held_out", "score", "tell", "n_threads")
    )
    walk.run(X, y, weights, held_out, score, tell, threads)
    return walk.place()


def assert_close(found, expected, rtol):
    for name in ("coefficients", "intercepts", "average", "average_intercepts"):
        a, b = getattr(found, name), getattr(expected, name)
        assert a.dtype == b.dtype
        assert abs(a - b).max() <= rtol * max(abs(b).max(), abs(expected.coefficients).max())
    np.testing.assert_array_equal(found.epochs, expected.epochs)


def test_by_hand(engine):
    X, y = np.array([[1.0], [2.0]]), np.array([1.0, 3.0])
    rule = Rule("squared_error", eta0=0.25, fit_intercept=False)
    found = descend(rule, X, y, engine=engine)
    assert found.coefficients.tolist() == [[0.25 * 1 + 0.25 * 2 * 2.5]]
    # with an intercept and weights: p = 0 and then 0.5 * 2 + 0.5
    rule = Rule("squared_error", eta0=0.25)
    found = descend(rule, X, y, np.array([2.0, 1.0]), engine=engine)
    assert found.coefficients.tolist() == [[0.5 + 0.25 * 1.5 * 2]]
    assert found.intercepts.tolist() == [0.5 + 0.25 * 1.5]


def test_penalties_by_hand(engine):
    X, y = np.array([[1.0], [1.0]]), np.array([1.0, 1.0])
    # a hinge pulls by η each step; l2 shrinks by 1 - η α before that
    rule = Rule("hinge", 1.0, "l2", alpha=0.5, eta0=0.5, fit_intercept=False)
    found = descend(rule, X, y, engine=engine)
    assert found.coefficients[0, 0] == pytest.approx(0.5 * 0.75 + 0.5, rel=4 * UNIT)
    # l1 draws by η α after each step
    rule = Rule("hinge", 1.0, "l1", alpha=0.5, eta0=0.5, fit_intercept=False)
    found = descend(rule, X, y, engine=engine)
    assert found.coefficients.tolist() == [[0.5 - 0.25 + 0.5 - 0.25]]
    # and cuts off at 0: 4 η α is more than one step
    rule = Rule("hinge", 1.0, "l1", alpha=4.0, eta0=0.5, fit_intercept=False)
    assert descend(rule, X, y, engine=engine).coefficients.tolist() == [[0.0]]


def test_average_begins_with_the_step_it_names(engine):
    X, y = np.ones((4, 1)), np.zeros(4)
    start = Place(np.array([[1.0]]), np.zeros(1), np.zeros((1, 1)), np.zeros(1))
    rule = Rule("squared_error", eta0=0.5, average=3, fit_intercept=False)
    found = descend(rule, X, y, start=start, engine=engine)
    assert found.coefficients.tolist() == [[0.0625]]
    assert found.average.tolist() == [[(0.125 + 0.0625) / 2]]


def test_order(engine):
    # the draws of the generator with seed 1: 270369, 67634689 mod n - i
    X, y = np.eye(3), np.array([1.0, 2.0, 4.0])
    order = [0, 1, 2]
    for i, draw in enumerate((270369, 67634689)):
        j = i + draw % (3 - i)
        order[i], order[j] = order[j], order[i]
    seen = []
    start = Place.zeros(1, 3, np.float64)
    # the intercept tells the order: b ← b / 2 + target / 2 minus what the own column gives
    rule = Rule("squared_error", eta0=0.5, shuffle=True)
    b = 0.0
    for row in order:
        gap = b - y[row]
        b -= 0.5 * gap
        seen.append(-0.5 * gap)
    found = descend(rule, X, y, problems=[Problem(seed=1)], start=start, engine=engine)
    assert found.intercepts.tolist() == [b]
    assert found.coefficients[0, order].tolist() == seen
    zero = descend(rule, X, y, problems=[Problem(seed=0)], start=start, engine=engine)
    assert_close(zero, found, 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [1, 2, 3, 7, 8, 9, 17, 40, 64, 65])
def test_engines_agree(engine, d, dtype):
    """Every loss with another penalty and rate, over widths about those of vectors."""
    X, y = rows(50, d, dtype, seed=d)
    weights = np.random.default_rng(1).integers(0, 3, 50).astype(dtype)
    rtol = 1e-12 if dtype == np.float64 else 1e-4
    for i, loss in enumerate(LOSSES):
        penalty = PENALTIES[(i + d) % len(PENALTIES)]
        rate = RATES[i % 4]
        rule = Rule(
            loss,
            0.9,
            penalty,
            0.1,
            0.3,
            rate,
            0.02,
            (0.25, 0.5, 0.3)[i % 3],
            average=(0, 1, 30)[i % 3],
            shuffle=True,
            max_iter=6,
        )
        expected = descend(rule, X, y, weights, engine="reference")
        assert_close(descend(rule, X, y, weights, engine=engine), expected, rtol)


@pytest.mark.parametrize("rate", ["pa1", "pa2"])
@pytest.mark.parametrize("loss", ["hinge", "epsilon_insensitive"])
def test_aggressive_steps_agree(engine, loss, rate):
    X, y = rows()
    X[3] = 0.0
    rule = Rule(loss, 1.0, None, rate=rate, eta0=0.1, shuffle=True, max_iter=5)
    expected = descend(rule, X, y, engine="reference")
    assert_close(descend(rule, X, y, engine=engine), expected, 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_sparse_matrix_is_its_array(engine, dtype):
    X, y = rows(40, 13, dtype)
    X[np.random.default_rng(2).random(X.shape) < 0.7] = 0
    rule = Rule(
        "log_loss", penalty="l2", alpha=0.01, eta0=0.1, shuffle=True, max_iter=200, tol=1e-3
    )
    problems = [Problem(1, 0.0, seed=9)]
    rtol = 1e-12 if dtype == np.float64 else 1e-4
    dense = descend(rule, X, y, problems=problems, engine=engine)
    assert dense.epochs[0] < 200  # the objectives, with ‖w‖, are the same
    assert_close(
        descend(rule, sparse.csr_matrix(X), y, problems=problems, engine=engine), dense, rtol
    )


def test_strides_do_not_matter(engine):
    X, y = rows(30, 6)
    wide = np.zeros((60, 9))
    wide[::2, 2:8] = X
    rule = Rule("hinge", 1.0, "l2", 0.01, eta0=0.1, shuffle=True, max_iter=3)
    expected = descend(rule, X, y, engine=engine)
    for each in (wide[::2, 2:8], np.asfortranarray(X), X[::-1][::-1]):
        assert_close(descend(rule, each, y, engine=engine), expected, 0)


def test_problems_are_one_against_the_rest(engine):
    X, _ = rows(50, 4)
    codes = np.arange(50.0) % 3
    rule = Rule("hinge", 1.0, "l2", 0.01, eta0=0.1, shuffle=True, max_iter=4)
    problems = [Problem(label, -1.0, 2.0, 0.5, seed=label + 3) for label in range(3)]
    found = descend(rule, X, codes, problems=problems, engine=engine)
    for label in range(3):
        y = np.where(codes == label, 1.0, -1.0)
        alone = descend(
            rule, X, y, np.where(y > 0, 2.0, 0.5), problems=[Problem(seed=label + 3)], engine=engine
        )
        np.testing.assert_array_equal(found.coefficients[label], alone.coefficients[0])


def test_threads_give_the_same_bits(engine):
    X, _ = rows(6000, 4)
    codes = np.arange(6000.0) % 5
    rule = Rule("hinge", 1.0, "l2", 0.01, eta0=0.1, shuffle=True, max_iter=3, tol=1e-3)
    problems = [Problem(label, seed=label) for label in range(5)]
    one, three = (
        descend(rule, X, codes, problems=problems, n_threads=n, engine=engine) for n in (1, 3)
    )
    assert_close(three, one, 0)


def test_parts_of_an_epoch_are_the_epoch(engine):
    X, y = rows(70, 6)
    rule = Rule("squared_error", penalty="elasticnet", alpha=0.01, l1_ratio=0.4, average=5,
                eta0=0.1, max_iter=9, tol=1e-4)  # fmt: skip
    whole = descend(rule, X, y, engine=engine)
    walk = begin(rule, [Problem()], Place.zeros(1, 6, np.float64), engine=engine)
    goes_on = True
    while goes_on:
        for first in range(0, 70, 11):
            walk.step(X[first : first + 11], y[first : first + 11], None, 1)
        goes_on = walk.end_epoch()
    assert_close(walk.place(), whole, 0)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("batch", [1, 3, 10])
def test_where_batches_begin_does_not_matter(engine, loss, batch):
    """Rows whose steps are made together may be of several batches, and be no more than wait."""
    X, y = rows(50, 6)
    weights = np.random.default_rng(1).random(50)
    rule = Rule(loss, 0.5, "l2", 0.1, rate="invscaling", eta0=0.1, max_iter=3)
    whole = descend(rule, X, y, weights, engine=engine)
    walk = begin(rule, [Problem()], Place.zeros(1, 6, np.float64), engine=engine)
    goes_on = True
    while goes_on:
        for first in range(0, 50, batch):
            part = slice(first, first + batch)
            walk.step(X[part].copy(), y[part].copy(), weights[part].copy(), 1)
        goes_on = walk.end_epoch()
    assert_close(walk.place(), whole, 0)
    np.testing.assert_array_equal(walk.place().objectives, whole.objectives)


def logistic(**given):
    """A rule whose problems may be walked side by side."""
    return Rule(
        "log_loss", **({"penalty": "l2", "alpha": 0.01, "eta0": 0.1, "shuffle": True} | given)
    )


@pytest.mark.parametrize("classes", [2, 3, 9])
@pytest.mark.parametrize("d", [1, 8, 41])
@pytest.mark.parametrize(
    "given",
    [
        {"rate": "optimal"},
        {"tol": 1e-2, "max_iter": 60, "penalty": None},  # classes end after different epochs
        {"tol": 1e-2, "max_iter": 60, "rate": "adaptive"},  # and are at different rates
        {"alpha": 1.0, "eta0": 0.5},  # 30 steps are a scale below 10⁻⁹
    ],
)
def test_side_by_side_is_each_alone(engine, classes, d, given):
    X, _ = rows(103, d, seed=d)
    codes = np.arange(103.0) % classes
    rule = logistic(**{"max_iter": 5} | given)
    problems = [Problem(label, 0.0, 1.5, seed=label + 3) for label in range(classes)]
    together = [
        descend(rule, X, codes, problems=problems, n_threads=n, engine=engine) for n in (1, 2)
    ]
    for label, problem in enumerate(problems):
        alone = descend(rule, X, codes, problems=[problem], engine=engine)
        for found in together:
            for name in ("coefficients", "intercepts", "epochs", "objectives"):
                np.testing.assert_array_equal(getattr(found, name)[label], getattr(alone, name)[0])
    expected = descend(rule, X, codes, problems=problems, engine="reference")
    assert_close(together[0], expected, 1e-12)


def test_exponentials_that_underflow(engine):
    """Scores of hundreds: the loss of one is e⁻ˢ, whose last bits are lost before it is 0."""
    X = np.linspace(-1.0, 1.0, 97)[:, None] * 750
    codes = (X[:, 0] > 0) + 0.0
    start = Place(np.array([[1.0], [-1.0]]), np.zeros(2), np.zeros((2, 1)), np.zeros(2))
    rule = logistic(penalty=None, eta0=1e-9, max_iter=2)
    problems = [Problem(label, 0.0, seed=label) for label in (1, 0)]
    found = descend(rule, X, codes, problems=problems, start=start, engine=engine)
    expected = descend(rule, X, codes, problems=problems, start=start, engine="reference")
    assert_close(found, expected, 1e-12)
    np.testing.assert_allclose(found.objectives, expected.objectives, rtol=1e-12)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_products_of_rows_may_be_too_large(engine, loss):
    """No step is needed, though one would change the next prediction by more than float64 holds."""
    start = Place(np.array([[1e-100, 0.0]]), np.zeros(1), np.zeros((1, 2)), np.zeros(1))
    rule = Rule(loss, 1.0, "l2", 0.0, eta0=0.1, max_iter=3)
    found = descend(rule, np.full((11, 2), 1e200), np.ones(11), start=start, engine=engine)
    assert found.coefficients.tolist() == [[1e-100, 0.0]]
    assert found.objectives.tolist() == [0.0]


def test_coefficients_are_multiplied_where_their_scale_is_small(engine):
    X, y = rows(200, 3)
    rule = Rule("hinge", 1.0, "l2", alpha=1.0, eta0=0.5, average=1, max_iter=2)
    # each step halves: 30 of them are below 1e-9
    expected = descend(rule, X, y, engine="reference")
    found = descend(rule, X, y, engine=engine)
    w, b = np.zeros(3), 0.0
    for x, t in [*zip(X, y, strict=True)] * 2:
        margin = t * (x @ w + b)
        w *= 0.5
        if margin <= 1:
            w, b = w + 0.5 * t * x, b + 0.5 * t
    np.testing.assert_allclose(found.coefficients[0], w, rtol=1e-12)
    np.testing.assert_allclose(found.intercepts, [b], rtol=1e-12)
    # the mean is kept as a sum that grows as the scale shrinks, by up to 1e9
    assert_close(found, expected, 1e9 * 64 * UNIT)
    zero = Rule("hinge", 1.0, "l2", alpha=4.0, eta0=0.5)  # 1 - η α is below 0
    assert np.isfinite(descend(zero, X, y, engine=engine).coefficients).all()


def test_held_out_rows_are_not_stepped_on(engine):
    X, y = rows(40, 3)
    mask = np.zeros(40, bool)
    mask[::4] = True
    scores, told = iter([0.5, 0.7, 0.7, 0.69, 0.9]), []
    rule = Rule("hinge", 1.0, eta0=0.1, max_iter=50, tol=0.05, n_iter_no_change=2, scored=True)
    seen = []

    def score(number, w, intercept):
        seen.append((number, w.copy(), intercept))
        return next(scores)

    found = descend(
        rule, X, y, held_out=mask, score=score, tell=lambda i, e: told.append(e), engine=engine
    )
    # 0.5 and 0.7 are better; 0.7 and 0.69 are not by 0.05
    assert found.epochs.tolist() == [4]
    assert [epoch.number for epoch in told] == [1, 2, 3, 4]
    assert told[-1] == Epoch(
        4, told[-1].norm, 3, seen[-1][2], 4 * 30, told[-1].loss, told[-1].objective
    )
    assert told[-1].norm == pytest.approx(np.linalg.norm(found.coefficients), rel=1e-12)
    kept = descend(Rule("hinge", 1.0, eta0=0.1, max_iter=4), X[~mask], y[~mask], engine=engine)
    np.testing.assert_array_equal(found.coefficients, kept.coefficients)
    np.testing.assert_array_equal(seen[-1][1], found.coefficients[0])


def test_stop_watches_loss_and_penalty(engine):
    """The objective by its definition, of a walk in steps of one epoch each."""
    X, y = rows(80, 4)
    settings = {"edge": 1.0, "penalty": "l2", "alpha": 0.2, "eta0": 0.05}
    rule = Rule("hinge", **settings, max_iter=500, tol=1e-3, n_iter_no_change=3)
    found = descend(rule, X, y, engine=engine)
    w, b, best, unchanged, epochs = np.zeros(4), 0.0, np.inf, 0, 0
    while unchanged < 3:
        total = 0.0
        for x, t in zip(X, y, strict=True):
            margin = t * (x @ w + b)
            total += max(0.0, 1 - margin) + 0.5 * 0.2 * w @ w
            w = w * (1 - 0.05 * 0.2)
            if margin <= 1:
                w, b = w + 0.05 * t * x, b + 0.05 * t
        unchanged = unchanged + 1 if total / 80 > best - 1e-3 else 0
        best = min(best, total / 80)
        epochs += 1
    assert found.epochs.tolist() == [epochs]
    np.testing.assert_allclose(found.coefficients[0], w, rtol=1e-12)


def test_adaptive_rate_is_divided(engine):
    X, y = rows(50, 3)
    rule = Rule("squared_error", rate="adaptive", eta0=0.5, max_iter=1000, tol=1e-3)
    adaptive = descend(rule, X, y, engine=engine)
    constant = descend(
        Rule("squared_error", eta0=0.5, max_iter=1000, tol=1e-3), X, y, engine=engine
    )
    assert constant.epochs[0] < adaptive.epochs[0] < 1000


@pytest.mark.parametrize("dtype", DTYPES)
def test_overflow_names_the_epoch(engine, dtype):
    X, y = rows(20, 3, dtype)
    X *= dtype(1e200 if dtype == np.float64 else 1e30)
    rule = Rule("squared_error", eta0=1.0, max_iter=1000)
    with np.errstate(all="raise"), pytest.raises(NotFiniteError, match=r"epoch #\d+\. Scaling"):
        descend(rule, X, y, engine=engine)


def test_begins_where_it_is_told(engine):
    X, y = rows(40, 3)
    rule = Rule("log_loss", penalty="l2", alpha=0.01, rate="invscaling", eta0=0.1, average=10)
    two = Rule(**{**vars(rule), "max_iter": 2})
    first = descend(rule, X, y, engine=engine)
    before = first.coefficients.copy()
    first.t += 40
    second = descend(rule, X, y, start=first, engine=engine)
    np.testing.assert_array_equal(first.coefficients, before)
    assert_close(Place(*list(vars(second).values())[:4], second.t, np.array([2])),
                 descend(two, X, y, engine=engine), 1e-12)  # fmt: skip
