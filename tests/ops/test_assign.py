"""The contract of nearest centres, their sums and the seeds of k-means, on every engine."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from combinations import each
from test_moments import LAYOUTS

from rmodels.ops.assign import (
    Assignment,
    Seeding,
    Sums,
    add_centre,
    add_sums,
    assign,
    estimate_gains,
    find_farthest,
    find_gains,
    find_range,
    own_squares,
    read_sums,
    reassign,
    take_steps,
)
from rmodels.ops.assign.farthest import order_farthest


def squares(X, centres):
    """Return the squares as they are defined, one operation after the other."""
    found = np.zeros((len(X), len(centres)))
    with np.errstate(over="ignore"):
        for j in range(X.shape[1]):
            gaps = X[:, j, np.newaxis].astype(np.float64) - centres[:, j]
            found = found + gaps * gaps
    return found


def assert_assigned(engine, X, centres, known=None, n_threads=None):
    found = assign(X, centres, known, engine=engine, n_threads=n_threads)
    assert found.dtype == np.int32
    expected = squares(X, centres)
    np.testing.assert_array_equal(found, expected.argmin(axis=1))
    own = own_squares(X, centres, found, engine=engine)
    np.testing.assert_array_equal(own, expected[np.arange(len(X)), found])


def data(n, d, k, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(k, d))


def test_by_hand(engine):
    X, centres = np.array([[0.0, 1.0], [5.0, 5.0], [3.0, 3.0]]), np.array([[6.0, 6.0], [0.0, 0.0]])
    found = assign(X, centres, engine=engine)
    np.testing.assert_array_equal(found, [1, 0, 0])  # the last is as near to both
    np.testing.assert_array_equal(own_squares(X, centres, found, engine=engine), [1, 2, 18])


@pytest.mark.parametrize("d", [0, 1, 3, 4, 23])
@each(n=[0, 1, 63, 64, 65, 200], k=[1, 3, 4, 5, 7, 50])
def test_shapes(engine, n, d, k):
    assert_assigned(engine, *data(n, d, k))


@pytest.mark.parametrize(("n", "d", "k"), [(3000, 20, 40), (70, 900, 9), (3000, 2, 300)])
def test_many_rows_columns_and_centres(engine, n, d, k):
    assert_assigned(engine, *data(n, d, k))


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_and_dtypes(engine, layout, dtype):
    X, centres = data(133, 29, 12)
    X = LAYOUTS[layout](X.astype(dtype))
    assert_assigned(engine, X, centres)
    sums = Sums.of(12, np.zeros(29), abs(X).max(axis=0))
    labels = assign(X, centres, engine=engine)
    expected = add_sums(sums, np.array(X), labels, engine="reference")
    np.testing.assert_array_equal(add_sums(sums, X, labels, engine=engine).limbs, expected.limbs)


@pytest.mark.parametrize(("dtype", "offset"), [("f", 1e4), ("d", 1e6), ("d", 1e12)])
def test_offsets_where_an_expanded_square_has_no_digits(engine, dtype, offset):
    X, centres = data(2000, 6, 30)
    assert_assigned(engine, (X + offset).astype(dtype), centres + offset)


@pytest.mark.parametrize("spread", [1e-200, 1e-160, 1e-30, 1e-9, 1e30, 1e150, 1e200])
def test_scales_where_squares_overflow_or_vanish(engine, spread):
    X, centres = data(500, 5, 20)
    assert_assigned(engine, X * spread, centres * spread)
    far = np.concatenate([X, X * spread])
    assert_assigned(engine, far, centres)
    assert_assigned(engine, X, np.concatenate([centres, centres * spread]))


def hard_for_integers(d, k):
    """Yield rows and centres that scores of 16-bit integers tell apart badly, or hardly hold.

    There are so many rows that rounding the centres is worth it.
    """
    rng = np.random.default_rng(d)
    X, centres = rng.normal(size=(1100, d)), rng.normal(size=(k, d))
    yield "normal", X, centres
    for gap in (1e-2, 1e-4, 1e-7):
        twins = centres + gap * rng.normal(size=centres.shape)
        between = 0.5 * (centres + twins)[rng.integers(0, k, len(X))]
        yield f"twins {gap}", between + 0.1 * gap * X, np.concatenate([centres, twins])
        yield f"far from twins {gap}", between + 30 * X, np.concatenate([centres, twins])
    yield "integers", rng.integers(-2, 3, X.shape), rng.integers(-2, 3, centres.shape) * 1.0
    large = np.where(np.arange(d) == d // 2, 1e3, 1.0)
    yield "one large column", X * large, centres * large
    yield "one large value", X * np.where(rng.random(X.shape) < 0.1, 1e3, 1.0), centres
    yield "one far centre", X, np.concatenate([1e4 * centres[:1], centres[1:]])
    yield "far rows", X + 1e3, centres
    yield "rows of all sizes", X * 10.0 ** rng.uniform(-45, 30, (len(X), 1)), centres
    yield "centres of all sizes", X, centres * 10.0 ** rng.uniform(-30, 3, (k, 1))
    yield "rows that are centres", centres[rng.integers(0, k, len(X))], centres
    yield "zeros", np.zeros(X.shape), np.concatenate([centres, np.zeros((1, d))])
    yield "all the same", np.ones(X.shape), np.ones((k, d))
    yield "offset", X + 1e6, centres + 1e6
    for scale in (1e-30, 1e30):
        yield f"times {scale}", X * scale, centres * scale


@pytest.mark.parametrize("d", [12, 13, 97])
@pytest.mark.parametrize("k", [32, 65])
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_scores_of_integers_change_no_label(engine, d, k, dtype):
    if engine == "gpu":
        return  # has none, and these are many rows for the interpreter
    for name, X, centres in hard_for_integers(d, k):
        X = np.array(X, dtype)
        expected = squares(X, centres).argmin(axis=1)
        found = assign(X, centres, engine=engine)
        np.testing.assert_array_equal(found, expected, err_msg=name)
        known = Assignment.of(len(X))
        for step in (0.0, 1e-3, 0.3, 1e-6):  # the bounds that they leave hold, too
            moved = centres + step * np.roll(centres, 1, axis=0)
            found = assign(X, moved, known, engine=engine)
            np.testing.assert_array_equal(found, squares(X, moved).argmin(axis=1), err_msg=name)


def test_rows_are_scored_about_another_point_where_centres_go_elsewhere(engine):
    """What was kept of rows holds about the point of the call before, or not at all."""
    X, centres = data(1500, 20, 40)
    known = Assignment.of(len(X))
    for offset in (0.0, 0.01, 0.3, 40.0, 40.01, 0.0, 0.02):
        moved = centres + offset + 0.01 * np.roll(centres, 1, axis=0)
        assert_assigned(engine, X, moved, known)


def test_ties_go_to_the_first(engine):
    grid = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0)), axis=-1).reshape(-1, 2)
    assert_assigned(engine, grid, grid[::7] + 0.5)
    assert_assigned(engine, grid, np.tile(grid[5:9], (4, 1)))
    assert_assigned(engine, np.zeros((100, 3)), np.zeros((9, 3)))


def moves(k, d):
    """Yield centres that move ever less, then jump, then stay."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(k, d))
    for size in (0.3, 0.1, 0.03, 1e-3, 1e-9, 0.0, 5.0, 0.0):
        centres = centres + size * rng.normal(size=centres.shape)
        yield centres
    centres[0] = 1e3
    yield centres


@pytest.mark.parametrize("d", [1, 2, 9])
def test_what_is_known_changes_no_label(engine, d):
    X = np.concatenate([data(3000, d, 1)[0], np.repeat(data(5, d, 1, 3)[0], 100, axis=0)])
    known = Assignment.of(len(X))
    for centres in moves(40, d):
        assert_assigned(engine, X, centres, known)


def few_move(centres):
    """Yield centres of which few move, and more where all do, to some of the others and back."""
    rng = np.random.default_rng(3)
    for size in (0.1, 1e-3, 2.0, 1e-12, 0.0, 30.0):
        centres = centres.copy()
        centres[rng.integers(0, len(centres), 7)] += size * rng.normal(size=centres.shape[1])
        yield centres
    centres = centres.copy()
    centres[5:9] = centres[20:24]  # ties with centres that have not moved, before and after them
    centres[30:34] = centres[24:28]
    yield centres
    yield centres + 0.01
    yield centres * 1e3  # the bounds lose their digits
    yield centres


def few_move_far(centres):
    """Yield centres that all move, few of them far: others than before, some there and back."""
    rng = np.random.default_rng(4)
    start = centres
    for far, near in ((1.0, 1e-3), (0.3, 1e-6), (0.3, 0.05), (3.0, 1e-3), (0.1, 1e-12), (0.1, 0.1)):
        sizes = np.full((len(centres), 1), near)
        sizes[rng.integers(0, len(centres), 9)] = far
        centres = centres + sizes * rng.normal(size=centres.shape)
        yield centres
    centres = np.where(rng.random((len(centres), 1)) < 0.1, start, centres + 1e-3)
    centres[5:9] = centres[20:24]
    yield centres


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize(("d", "k"), [(2, 600), (9, 400), (70, 60)])
@pytest.mark.parametrize("steps", [few_move, few_move_far])
@pytest.mark.parametrize("layout", ["by row", "by column"])
def test_centres_that_hardly_move_are_not_asked_again(engine, d, k, dtype, steps, layout):
    if engine == "gpu":
        return  # asks all, and these are many for the interpreter
    X, centres = data(2100, d, k)
    X = np.concatenate([X, centres[:50] + 1e-9, centres[20:24], [[1e30] * d]]).astype(dtype)
    X = X if layout == "by row" else np.asfortranarray(X)
    known = Assignment.of(len(X))
    for each_centres in steps(centres):
        assert_assigned(engine, X, each_centres, known)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("d", [3, 8, 17])
def test_rows_move_between_sums_as_they_are_assigned(engine, d, layout, weighted):
    X, centres = data(1100, d, 250)
    X = LAYOUTS[layout](X)
    w = np.random.default_rng(9).random(len(X)) if weighted else None
    none = Sums.of(250, np.full(d, 0.1), abs(X).max(axis=0) + 0.1)
    sums, known = none, Assignment.of(len(X))
    for each_centres in few_move(centres):
        sums = reassign(sums, X, each_centres, known, w, engine=engine, n_threads=2)
        labels = assign(X, each_centres, engine="reference")
        np.testing.assert_array_equal(known.labels, labels)
        expected = add_sums(none, np.array(X), labels, w, engine="reference")
        np.testing.assert_array_equal(sums.limbs, expected.limbs)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("d", "k"), [(1, 3), (8, 40), (17, 250), (80, 60)])
def test_rows_are_measured_as_they_are_assigned(engine, d, k, layout):
    """The same bits, whether or not a row is read for the first time."""
    X, centres = data(1100, d, k)
    X = LAYOUTS[layout](X)
    sums, known = Sums.of(k, np.full(d, 0.1), abs(X).max(axis=0) + 0.1), Assignment.of(len(X))
    one = np.zeros(len(X), dtype=np.int32)
    expected = own_squares(X, sums.shift[np.newaxis], one, engine="reference")
    for n_threads in (1, 3):
        squares = np.full(len(X), np.nan)
        sums = reassign(sums, X, centres, known, None, squares, engine=engine, n_threads=n_threads)
        np.testing.assert_array_equal(squares, expected)


def test_rows_of_one_centre_that_follow_each_other(engine):
    """They are added together, as many as fit."""
    X, _ = data(700, 5, 1)
    w = np.random.default_rng(9).random(700)
    labels = np.repeat([0, 2, -1, 1], [100, 1, 17, 582]).astype(np.int32)
    sums = Sums.of(3, np.zeros(5), abs(X).max(axis=0))
    for weights, rows in ((None, X), (w, X), (w, np.asfortranarray(X))):
        found = add_sums(sums, rows, labels, weights, engine=engine)
        expected = add_sums(sums, X, labels, weights, engine="reference")
        np.testing.assert_array_equal(found.limbs, expected.limbs)


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_sums_of_many_rows_of_one_centre(engine, n_threads):
    """More of the largest rows than 64 bits of one half hold."""
    n = 2**18 + 5
    X, labels = np.full((n, 1), 3.0), np.zeros(n, dtype=np.int32)
    none = Sums.of(1, np.array([-1.0]), np.array([4.0]))
    sums = add_sums(none, X, labels, engine=engine, n_threads=n_threads)
    moved = reassign(
        none, X, np.zeros((1, 1)), Assignment.of(n), engine=engine, n_threads=n_threads
    )
    for found in (sums, moved):
        np.testing.assert_array_equal(found.totals(), [[4.0 * n]])
        np.testing.assert_array_equal(found.weights(), [n])


def test_equal_sums_have_equal_limbs(engine):
    rng = np.random.default_rng(12)
    X, labels = rng.normal(size=(900, 3)), rng.integers(0, 5, 900).astype(np.int32)
    none = Sums.of(5, np.zeros(3), abs(X).max(axis=0))
    whole = add_sums(none, X, labels, engine=engine)
    assert whole.limbs[:, 1:].min() >= 0
    assert whole.limbs[:, 1:].max() < 2**30
    some = add_sums(none, X[:100], labels[:100], engine=engine)
    rest = add_sums(none, X[100:], labels[100:], engine=engine)
    for same in (some + rest, rest + some, whole - rest + rest, whole + (some - some)):
        np.testing.assert_array_equal(same.limbs, whole.limbs)
    np.testing.assert_array_equal((whole - whole).limbs, none.limbs)


def order(squares, count):
    return np.lexsort((np.arange(len(squares)), -squares))[:count]


def test_of_a_call_that_does_not_end_nothing_is_known(engine, monkeypatch):
    if engine != "native":
        return
    from rmodels.ops.assign import native

    def stop(n, *_, **__):
        yield slice(0, n // 3)
        raise KeyboardInterrupt

    X, centres = data(3000, 20, 40)
    for before in ((), (centres,), (centres, centres + 0.1)):
        known = Assignment.of(len(X))
        for each_centres in before:
            assign(X, each_centres, known, engine=engine)
        with monkeypatch.context() as patched:
            patched.setattr(native, "chunks", stop)
            with pytest.raises(KeyboardInterrupt):
                assign(X, centres + 1e5, known, engine=engine)
        assert_assigned(engine, X, centres + 1e5, known)
        assert_assigned(engine, X, centres, known)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("n", "d", "k"), [(0, 2, 3), (1, 1, 1), (1100, 17, 250), (1100, 80, 60)])
def test_the_farthest_rows(engine, n, d, k, layout):
    X, centres = data(n, d, k)
    X[n // 2 :: 7] = X[:1]  # rows that tie
    X = LAYOUTS[layout](X)
    known = Assignment.of(n)
    for each_centres in (*few_move(centres), centres):
        assign(X, each_centres, known, engine=engine)
        own = own_squares(X, each_centres, known.labels, engine="reference")
        for count in (0, 1, 2, 9, 2000):
            places, found = find_farthest(X, each_centres, known, count, engine=engine)
            np.testing.assert_array_equal(places, order(own, count))
            np.testing.assert_array_equal(found, own[places])


@pytest.mark.parametrize("spread", [1e-200, 1e-30, 1e30, 1e150, 1e200])
def test_the_farthest_rows_where_squares_overflow_or_vanish(engine, spread):
    X, centres = data(500, 60, 60)
    X, centres, known = X * spread, centres * spread, Assignment.of(500)
    for moved in (centres, centres * 1.001, centres * 1.001):
        assign(X, moved, known, engine=engine)
        own = own_squares(X, moved, known.labels, engine="reference")
        places, _ = find_farthest(X, moved, known, 3, engine=engine)
        np.testing.assert_array_equal(places, order(own, 3))


def test_the_farthest_rows_of_other_centres_than_are_known(engine):
    X, centres = data(300, 60, 60)
    known = Assignment.of(300)
    labels = assign(X, centres, known, engine=engine)
    places, _ = find_farthest(X, centres[::-1] * 2, known, 300, engine=engine)
    own = own_squares(X, centres[::-1] * 2, labels, engine="reference")
    np.testing.assert_array_equal(places, order(own, 300))


def test_rows_that_are_not_the_farthest_are_not_read(engine):
    """One that goes far away meanwhile is not found."""
    if engine != "native":
        return
    X, centres = data(300, 60, 60)
    known = Assignment.of(300)
    assign(X, centres, known, engine=engine)
    first = find_farthest(X, centres, known, 1, engine=engine)[0][0]
    X[first - 1] = 1e6
    assert find_farthest(X, centres, known, 1, engine=engine)[0][0] == first


@pytest.mark.parametrize("d", [0, 1, 5, 8])
def test_reading_sums(engine, d):
    rng = np.random.default_rng(10)
    sums = Sums.of(40, np.zeros(d), 10.0 ** rng.integers(-200, 200, d))
    sums.limbs[:] = rng.integers(-(2**61), 2**61, sums.limbs.shape) >> rng.integers(
        0, 62, (40, 1, 1)
    )
    sums.limbs[:, 0] >>= rng.integers(0, 62, (40, 1))
    sums.limbs[::7] = 0
    weights, totals = read_sums(sums, engine=engine, n_threads=2)
    np.testing.assert_array_equal(weights, sums.weights())
    np.testing.assert_array_equal(totals, sums.totals())


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (7, 3), (65, 8), (3001, 20), (40, 70), (0, 2)])
def test_range_of_columns(engine, n, d, layout, dtype):
    X = LAYOUTS[layout](data(n, d, 1)[0].astype(dtype))
    low, high = find_range(X, engine=engine, n_threads=3)
    np.testing.assert_array_equal(low, X.min(axis=0, initial=np.inf))
    np.testing.assert_array_equal(high, X.max(axis=0, initial=-np.inf))
    assert low.dtype == high.dtype == np.float64
    for bad in (np.nan, np.inf, -np.inf):
        for place in {0, n // 2, n - 1} if n else ():
            spoilt = np.array(X)
            spoilt[place, d // 2] = bad
            spoilt = LAYOUTS[layout](spoilt)
            assert np.isnan(find_range(spoilt, engine=engine)).all()


def test_what_is_known_is_used(engine):
    """Rows whose bounds hold are not read: a row that changes meanwhile keeps its label."""
    if engine != "native":
        return
    X, known = np.array([[0.0], [1.0], [9.0]]), Assignment.of(3)
    centres = np.array([[0.5], [9.0]])
    assign(X, centres, known, engine=engine)
    X[0] = 9.0
    assert assign(X, centres + 0.01, known, engine=engine)[0] == 0


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_bits_do_not_depend_on_threads_or_batches(engine, n_threads):
    X, centres = data(20_000, 7, 30)
    w = np.random.default_rng(2).random(len(X))
    assert_assigned(engine, X, centres, n_threads=n_threads)
    labels = assign(X, centres, engine="reference")
    sums = Sums.of(30, np.full(7, 0.1), abs(X).max(axis=0) + 0.1, 1.0)
    whole = add_sums(sums, X, labels, w, engine="reference")
    parts = [
        add_sums(
            sums,
            X[i : i + 777],
            labels[i : i + 777],
            w[i : i + 777],
            engine=engine,
            n_threads=n_threads,
        )
        for i in range(0, len(X), 777)
    ]
    np.testing.assert_array_equal(sum(parts[1:], parts[0]).limbs, whole.limbs)
    own = own_squares(X, centres, labels, engine=engine, n_threads=n_threads)
    np.testing.assert_array_equal(own, own_squares(X, centres, labels, engine="reference"))


def test_rows_that_move_leave_nothing_behind(engine):
    X, centres = data(500, 6, 9)
    before, after = (assign(X, to, engine="reference") for to in (centres, centres[::-1] * 0.7))
    sums = Sums.of(9, np.zeros(6), abs(X).max(axis=0))
    first = add_sums(sums, X, before, engine=engine)
    moved = add_sums(first, X, after, previous=before, engine=engine)
    again = add_sums(sums, X, after, engine=engine)
    np.testing.assert_array_equal(moved.limbs, again.limbs)
    assert not np.array_equal(first.limbs, again.limbs)


@pytest.mark.parametrize("weighted", [False, True])
def test_sums_are_those_of_exact_arithmetic(engine, weighted):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(300, 3)) * [1.0, 1e-8, 1e9] + [0.0, 5.0, 1e6]
    X[0, 0] = 1e12  # beside which the others are small
    w = rng.random(300) * np.where(rng.random(300) < 0.5, 1e-9, 1.0) if weighted else None
    labels = rng.integers(0, 4, 300).astype(np.int32)
    shift = (X.min(axis=0) + X.max(axis=0)) / 2
    heaviest = 1.0 if w is None else w.max()
    sums = Sums.of(4, shift, abs(X - shift).max(axis=0), heaviest)
    sums = add_sums(sums, X, labels, w, engine=engine)
    weights = np.ones(300) if w is None else w
    for c in range(4):
        here = np.flatnonzero(labels == c)
        exact = sum(Fraction(weights[i]) for i in here)
        # two units of the last place, and the grid
        assert abs(Fraction(sums.weights()[c]) - exact) <= exact * Fraction(1, 2**51)
        for j in range(3):
            values = [Fraction(float((X[i, j] - shift[j]) * weights[i])) for i in here]
            bound = abs(sum(values)) / 2**51 + 300 * Fraction(abs(X - shift).max(axis=0)[j]) / 2**89
            assert abs(Fraction(sums.totals()[c, j]) - sum(values)) <= bound


def test_sums_of_a_row(engine):
    X, sums = np.array([[3.0, -4.0]]), Sums.of(1, np.ones(2), np.array([7.0, 9.0]), 2.5)
    found = add_sums(sums, X, np.zeros(1, dtype=np.int32), np.array([2.5]), engine=engine)
    np.testing.assert_array_equal(found.limbs[0], sums.of_row(X[0], 2.5))
    np.testing.assert_array_equal(found.totals(), [[5.0, -12.5]])
    np.testing.assert_array_equal((found - found).totals(), [[0, 0]])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (7, 3), (1024, 2), (3001, 10), (1030, 0)])
def test_seeds_have_the_same_bits(engine, n, d, weighted):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, d)) + 5 * rng.integers(0, 3, (n, 1))
    w = rng.random(n) if weighted else None
    state, expected = Seeding.of(X, w), Seeding.of(X, w)
    for _ in range(6):
        centre = X[rng.integers(n)].astype(np.float64)
        state = add_centre(state, centre, engine=engine, n_threads=2)
        expected = add_centre(expected, centre, engine="reference")
        np.testing.assert_array_equal(state.closest, expected.closest)
        np.testing.assert_array_equal(state.nearest, expected.nearest)
        np.testing.assert_array_equal(state.potentials, expected.potentials)
        candidates = X[rng.integers(n, size=5)].astype(np.float64)
        gains = find_gains(expected, candidates, engine="reference")
        np.testing.assert_array_equal(find_gains(state, candidates, engine=engine), gains)
        for c in range(5):  # whatever stands beside a candidate
            alone = find_gains(state, candidates[[c]], engine=engine)
            np.testing.assert_array_equal(alone, gains[[c]])
    np.testing.assert_array_equal(state.closest, squares(X, state.centres).min(axis=1))
    np.testing.assert_allclose(
        state.potentials.sum(),
        np.sum(state.closest if w is None else w * state.closest),
        rtol=1e-12,  # n roundings at most
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("spread", [1.0, 1e-9, 1e80])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_gains_are_within_their_error(engine, offset, spread, weighted):
    """And rows that gain are among the gainers, so that a state is the same with and without."""
    rng = np.random.default_rng(6)
    X = spread * (rng.normal(size=(2100, 7)) + 5 * rng.integers(0, 9, (2100, 1)) + offset)
    state = Seeding.of(X, rng.random(2100) if weighted else None)
    for start in X[:3]:
        state = add_centre(state, start, engine=engine)
    for _ in range(4):
        candidates = X[rng.integers(2100, size=9)]
        found = estimate_gains(state, candidates, engine=engine)
        exact = find_gains(state, candidates, engine="reference")
        assert (abs(found.values - exact) <= found.error).all()
        if offset == 0:  # 12 units in the last place of float32 a column, of squares 50 times these
            assert found.error <= 1e-3 * state.potentials.sum()
        best = int(np.argmax(exact))
        again = replace(state, **{k: getattr(state, k).copy() for k in ("closest", "nearest")})
        again = add_centre(replace(again, potentials=state.potentials.copy()), candidates[best])
        state = add_centre(state, candidates[best], found, best, engine=engine)
        for name in ("closest", "nearest", "potentials"):
            np.testing.assert_array_equal(getattr(state, name), getattr(again, name))


def step_by_definition(state, numbers):
    """Return the state after a step of greedy k-means++, and the row that becomes a centre."""
    w = np.ones(len(state.X)) if state.weights is None else state.weights.astype(np.float64)
    limits, drawn = np.cumsum(state.potentials), []
    for wanted in numbers * limits[-1]:
        block = min(int(np.searchsorted(limits, wanted)), len(limits) - 1)
        rows = slice(1024 * block, min(1024 * block + 1024, len(w)))
        up_to = np.cumsum(w[rows] * state.closest[rows])
        place = np.searchsorted(up_to, wanted - (limits[block - 1] if block else 0.0))
        drawn.append(rows.start + min(int(place), len(up_to) - 1))
    gains = find_gains(state, state.X[drawn].astype(np.float64), engine="reference")
    row = drawn[int(np.argmax(gains))]
    return add_centre(state, state.X[row].astype(np.float64), engine="reference"), row


def assert_steps(engine, X, w=None, *, n_steps=12, trials=5, n_threads=2):
    numbers = np.random.default_rng(11).random((n_steps, trials))
    states = [add_centre(Seeding.of(X, w), X[0].astype(np.float64), engine=engine) for _ in "12"]
    state, places = take_steps(states[0], numbers, engine=engine, n_threads=n_threads)
    if engine != "native":
        assert len(places) == 0  # the definition, which takes a step after the other, is elsewhere
        return
    assert len(places) == n_steps
    expected = states[1]
    for number, place in zip(numbers, places, strict=True):
        expected, row = step_by_definition(expected, number)
        assert place == row
    for name in ("closest", "nearest", "potentials", "centres"):
        np.testing.assert_array_equal(getattr(state, name), getattr(expected, name))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (7, 3), (1024, 2), (1100, 0), (3001, 10), (2100, 64)])
def test_steps_are_those_of_the_definition(engine, n, d, weighted, dtype):
    rng = np.random.default_rng(5)
    X = (rng.normal(size=(n, d)) + 5 * rng.integers(0, 6, (n, 1))).astype(dtype)
    w = rng.random(n).astype(dtype) * rng.integers(0, 2, n) + (np.arange(n) == 0)
    assert_steps(engine, X, w if weighted else None)


@pytest.mark.parametrize("trials", [1, 6, 7, 32])
@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_steps_of_any_threads_and_candidates(engine, n_threads, trials):
    X = np.random.default_rng(6).normal(size=(30_000, 3))
    assert_steps(engine, X, trials=trials, n_threads=n_threads)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_steps_of_rows_that_tie(engine, layout):
    """On a grid with duplicates, candidates gain as much or are the same: the first is taken."""
    X = np.random.default_rng(7).integers(0, 3, (2500, 2)).astype(np.float64)
    assert_steps(engine, LAYOUTS[layout](X))


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e12])
@pytest.mark.parametrize("spread", [1.0, 1e-9, 1e80])
def test_steps_where_float32_tells_little(engine, offset, spread):
    rng = np.random.default_rng(8)
    X = spread * (rng.normal(size=(2100, 4)) + 5 * rng.integers(0, 9, (2100, 1)) + offset)
    X[::500] *= 1e9  # far beyond what the others are scaled to
    assert_steps(engine, X)


def test_no_steps_where_potentials_overflow_or_candidates_are_many(engine):
    X = np.random.default_rng(9).normal(size=(50, 2))
    for rows, trials in ((1e200 * X, 5), (X, 33)):
        with np.errstate(over="ignore"):
            state = add_centre(Seeding.of(rows), rows[0], engine=engine)
            after, places = take_steps(state, np.full((3, trials), 0.5), engine=engine)
        assert len(places) == 0
        np.testing.assert_array_equal(after.centres, state.centres)


def test_more_candidates_than_bits(engine):
    X = np.random.default_rng(7).normal(size=(500, 2))
    state = add_centre(Seeding.of(X), X[0], engine=engine)
    found = estimate_gains(state, X[:40], engine=engine)
    np.testing.assert_array_equal(found.values, find_gains(state, X[:40], engine="reference"))
    assert found.error == 0


def test_gains_of_what_float32_does_not_hold(engine):
    """A row 2^60 times as far as the candidates: it may gain by any, and the error is not known."""
    X = np.concatenate([np.random.default_rng(8).normal(size=(50, 2)), [[2.0**60, 0.0]]])
    state = add_centre(Seeding.of(X), X[0], engine=engine)
    found = estimate_gains(state, X[1:4], engine=engine)
    assert found.gainers is None or found.gainers[-1] & 7 == 7
    assert abs(found.values - find_gains(state, X[1:4], engine="reference")).max() <= found.error


@pytest.mark.parametrize("n", [0, 1, 5, 1023, 3000, 9000])
@pytest.mark.parametrize("values", ["apart", "few", "same", "infinite"])
def test_the_largest_come_first_and_of_ties_the_first(n, values):
    rng = np.random.default_rng(n)
    squares = {
        "apart": rng.random(n),
        "few": rng.integers(0, 4, n) * 1.0,
        "same": np.zeros(n),
        "infinite": np.where(rng.random(n) < 0.01, np.inf, rng.random(n)),
    }[values]
    for count in (0, 1, 2, 7, 40, n, n + 3):
        found = order_farthest(squares, count)
        np.testing.assert_array_equal(found, np.argsort(-squares, kind="stable")[:count])
