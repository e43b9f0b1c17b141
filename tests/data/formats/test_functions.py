"""Functions that give batches: what they may give, and that none of it is lost or kept."""

import gc
import sys
import weakref

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rmodels import KNeighborsRegressor, LinearRegression, RidgeCV, scan
from rmodels.data.scan import Asked

ROWS = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 4.0], [3.0, 8.0], [4.0, 2.0], [5.0, 7.0]])
EXPECTED = LinearRegression().fit(ROWS[:, :1], ROWS[:, 1])


def frames():
    # pandas before 3 would look into the array
    return [pd.DataFrame(part.copy(), columns=["x", "y"]) for part in (ROWS[:2], ROWS[2:])]


def same_list_iterator():
    held = iter(frames())
    return lambda: held


def same_generator():
    held = (frame for frame in frames())
    return lambda: held


def new_generator_of_the_same_iterator():
    held = iter(frames())
    return lambda: (frame for frame in held)


def map_of_the_same_iterator():
    held = iter(frames())
    return lambda: map(pa.Table.from_pandas, held)


SHARED = [
    same_list_iterator,
    same_generator,
    new_generator_of_the_same_iterator,
    map_of_the_same_iterator,
]


@pytest.mark.parametrize("shared", SHARED)
def test_an_iterator_that_cannot_begin_anew_loses_nothing(shared):
    rows = scan(shared())
    model = LinearRegression().fit(rows, "y")
    np.testing.assert_allclose(model.coef_, EXPECTED.coef_, rtol=1e-12)
    assert rows.n_rows == len(ROWS)
    with pytest.raises(ValueError, match="each call must begin anew"):
        model.predict(rows)


@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("model", [RidgeCV(), KNeighborsRegressor(1)])
def test_nor_where_there_are_several_passes(shared, model):
    with pytest.raises(ValueError, match="each call must begin anew"):
        model.fit(scan(shared()), "y").predict(
            pd.DataFrame(ROWS[:, :1], columns=["x"])  # neighbours make the second pass
        )


def test_the_same_iterator_after_a_pass_that_failed():
    broken = frames()
    broken[0].loc[1, "x"] = np.nan
    held = iter(broken)
    rows = scan(lambda: held)
    with pytest.raises(ValueError, match="column 'x'"):
        LinearRegression().fit(rows, "y")
    with pytest.raises(ValueError, match="gave the same iterator twice"):
        LinearRegression().fit(rows, "y")


@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("met", [1, 2])
def test_no_rows_are_lost_after_a_pass_that_stopped(shared, met, monkeypatch):
    rows = scan(shared())
    monkeypatch.setattr("rmodels.data.scan.read_ahead", lambda batches: batches)
    batches = rows.arrays(Asked(["x", "y"]), "fit")
    for _ in range(met):
        next(batches)
    batches.close()
    with pytest.raises(ValueError, match="each call must begin anew"):
        LinearRegression().fit(rows, "y")


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (ROWS[:4], "gave 4 rows, and 6 when called before"),
        (np.vstack([ROWS, ROWS]), "gave 12 rows, and 6 when called before"),
        (ROWS[::-1], "gave other rows than when called before"),
    ],
)
@pytest.mark.parametrize("kind", [np.array, lambda A: pd.DataFrame(A, columns=["x", "y"])])
def test_each_pass_must_give_the_same_rows(later, said, kind):
    given = iter([ROWS, later])
    rows = scan(lambda: [kind(next(given))])
    model = KNeighborsRegressor(1).fit(rows, rows.columns[1])
    queries = np.array(ROWS[:, :1])
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        model.predict(pd.DataFrame(queries, columns=["x"]) if "x" in rows.columns else queries)
    assert said in str(caught.value)


def test_batches_may_be_cut_elsewhere_in_each_pass():
    cuts = iter([1, 5, 3, 2, 4])

    def batches():
        cut = next(cuts)
        return [ROWS[:0], ROWS[:cut], ROWS[cut:]]

    rows = scan(batches)
    model = KNeighborsRegressor(1).fit(rows, 1)
    assert model.predict(ROWS[:, :1]).tolist() == ROWS[:, 1].tolist()


def test_batches_anew_are_read_as_often_as_needed():
    for function in (frames, lambda: iter(frames()), lambda: (each for each in frames())):
        rows = scan(function)
        model = LinearRegression().fit(rows, "y")
        np.testing.assert_allclose(model.coef_, EXPECTED.coef_, rtol=1e-12)
        assert model.score(rows, "y") == pytest.approx(EXPECTED.score(ROWS[:, :1], ROWS[:, 1]))
        assert KNeighborsRegressor(1).fit(rows, "y").score(rows, "y") == 1.0


def test_no_batch_is_kept():
    class Kept(np.ndarray):
        """An array that can be referred to weakly."""

    made = []

    def batches():
        for part in (ROWS[:2], ROWS[2:4], ROWS[4:]):
            batch = np.array(part).view(Kept)
            made.append(weakref.ref(batch))
            yield batch
            del batch

    rows = scan(batches)
    LinearRegression().fit(rows, 1)
    gc.collect()
    assert len(made) == 3
    assert not any(each() is not None for each in made)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (frames()[0], "gives one DataFrame: give a list of it"),
        (pa.table({"x": [1.0]}), "gives one Table: give a list of it"),
        (ROWS, "gives one ndarray: give a list of it"),
        ({"x": ROWS[:, 0]}, "gives one dict: give a list of it"),
        ("a.parquet", "gives one str: give a list of it"),
        (3, "gives a int"),
        (None, "gives a NoneType"),
        ([], "gives no batches"),
        ([ROWS[0]], "batch 1: an array of two dimensions and of numbers is needed"),
        ([ROWS.astype(object)], "batch 1: an array of two dimensions and of numbers is needed"),
        ([ROWS.tolist()], "batch 1 is a list that cannot be read as a table"),
        (["a.parquet"], "batch 1 is a str that cannot be read as a table"),
        ([{"x": [1.0, 2.0], "y": [1.0]}], "batch 1 is a dict that cannot be read as a table"),
    ],
)
def test_what_is_not_batches(given, said):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        scan(lambda: given)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (ROWS[0], "batch 2: an array of two dimensions"),
        (frames()[0], "batch 2: no column 0"),
        (ROWS.astype(np.longdouble), "wider than the first: float64"),
        ([1.0], "batch 2 is a list that cannot be read"),
    ],
)
def test_later_batches_that_are_not_like_the_first(later, said):
    if said.startswith("wider") and np.dtype(np.longdouble) == np.float64:
        pytest.skip("long double is double here")
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        LinearRegression().fit(scan(lambda: [ROWS, later]), 1)
    assert said in str(caught.value)


def test_later_tables_that_are_wider_or_of_another_kind():
    narrow = pa.table({"x": ROWS[:, 0].astype(np.float32), "y": ROWS[:, 1].astype(np.float32)})
    wide = pa.table({"x": ROWS[:, 0] + 1e-9, "y": ROWS[:, 1]})
    with pytest.raises(ValueError, match="batch 2 is of float64, wider than the first: float32"):
        LinearRegression().fit(scan(lambda: [narrow, wide]), "y")
    texts = pa.table({"x": ["1"], "y": [2.0]})
    with pytest.raises(ValueError, match="batch 2, column 'x': numbers are needed"):
        LinearRegression().fit(scan(lambda: [wide, texts]), "y")


@pytest.mark.parametrize("source", [ROWS, lambda: [ROWS[:2], ROWS[2:]]], ids=["array", "function"])
def test_arrays_are_read_without_pyarrow(source, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = LinearRegression().fit(scan(source, columns=[0]), 1)
    np.testing.assert_allclose(found.coef_, EXPECTED.coef_, rtol=1e-12)  # of six rows
