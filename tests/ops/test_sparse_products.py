"""The contract of products of the columns of sparse rows, on every engine of the processor."""

import numpy as np
import pytest
from combinations import each
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from rmodels import native
from rmodels.ops.moments import sparse_products

UNIT = 2.0**-53
engines = ["reference", *(f"native-{name}" for name in native.instruction_sets())]
on_processor = pytest.mark.parametrize("engine", engines, indirect=True)
few = settings(max_examples=25)


def rows_of(n, d, density, seed=0, dtype=np.float64):
    return sparse.random_array(
        (n, d), density=density, random_state=seed, dtype=dtype, format="csr"
    )


def assert_accurate(found, X, weights=None):
    Z = X.toarray().astype(np.float64)
    w = np.ones(len(Z)) if weights is None else weights.astype(np.float64)
    exact = Z.T.astype(np.longdouble) @ (w[:, np.newaxis] * Z.astype(np.longdouble))
    most = max(1, (Z != 0).sum(axis=0).max(initial=0)) + 2
    assert found.dtype == np.float64
    assert (np.abs(found - exact) <= most * UNIT * (abs(Z).T @ (w[:, np.newaxis] * abs(Z)))).all()
    np.testing.assert_array_equal(found, found.T)


@on_processor
def test_by_hand(engine):
    X = sparse.csr_array(np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [3.0, 2.0, 0.0]]))
    found = sparse_products(X, np.array([2.0, 9.0, 1.0]), engine=engine)
    np.testing.assert_array_equal(found, [[11, 6, 4], [6, 4, 0], [4, 0, 8]])


@on_processor
@pytest.mark.parametrize(
    "shape", [(0, 3), (3, 0), (1, 1), (5, 40), (300, 15), (300, 16), (300, 17), (100, 130)]
)
@each(dtype=[np.float32, np.float64], index=[np.int32, np.int64], weighted=[False, True])
def test_shapes(engine, shape, dtype, index, weighted):
    X = rows_of(*shape, 0.2, dtype=dtype)
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    weights = np.random.default_rng(1).random(shape[0]).astype(dtype) if weighted else None
    assert_accurate(sparse_products(X, weights, engine=engine), X, weights)


@on_processor
@few
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 1), st.integers(0, 99))
def test_any_density(engine, n, d, density, seed):
    X = rows_of(n, d, density, seed)
    assert_accurate(sparse_products(X, engine=engine), X)


@on_processor
@pytest.mark.parametrize(("n", "d", "density"), [(6000, 30, 0.5), (50, 2100, 0.02)])
def test_many_rows_and_many_columns(engine, n, d, density):
    """Blocks of rows that are added up, and products that are larger than caches."""
    X = rows_of(n, d, density)
    found = sparse_products(X, engine=engine)
    Z, some = X.toarray(), slice(d - 30, d)
    exact = Z[:, some].T.astype(np.longdouble) @ Z.astype(np.longdouble)
    most = (Z != 0).sum(axis=0).max() + 2
    assert (abs(found[some] - exact) <= most * UNIT * (abs(Z[:, some]).T @ abs(Z))).all()
    np.testing.assert_array_equal(found, found.T)


@on_processor
@pytest.mark.parametrize(
    ("n", "d", "density"), [(3000, 200, 0.1), (6000, 30, 0.5), (50, 2100, 0.02)]
)
def test_threads_give_the_same_bits(engine, n, d, density):
    X = rows_of(n, d, density)
    w = np.random.default_rng(0).random(n)
    alone = sparse_products(X, w, engine=engine, n_threads=1)
    for threads in (2, 3, 5):
        np.testing.assert_array_equal(
            sparse_products(X, w, engine=engine, n_threads=threads), alone
        )


@on_processor
def test_columns_in_any_order_and_twice(engine):
    rows = np.array([0, 0, 0, 1]), np.array([2, 0, 2, 1])
    X = sparse.coo_array((np.array([1.0, 2.0, 3.0, 5.0]), rows), shape=(2, 3))
    raw = sparse.csr_array(
        (X.data.copy(), X.coords[1].astype(np.int32), np.array([0, 3, 4], np.int32)), shape=(2, 3)
    )
    before = raw.data.copy(), raw.indices.copy()
    found = sparse_products(raw, engine=engine)
    np.testing.assert_array_equal(found, [[4, 0, 8], [0, 25, 0], [8, 0, 16]])
    np.testing.assert_array_equal(raw.data, before[0])
    np.testing.assert_array_equal(raw.indices, before[1])


@on_processor
def test_what_is_not_finite_shows_on_the_diagonal(engine):
    X = sparse.csr_array(np.array([[1.0, 0.0], [np.nan, 2.0], [0.0, 1e200]]))
    with np.errstate(over="ignore"):
        found = sparse_products(X, engine=engine).diagonal()
    assert np.isnan(found[0])
    assert np.isinf(found[1])


@on_processor
def test_many_entries_come_in_chunks(engine, monkeypatch):
    from rmodels.ops.moments import native

    X = rows_of(500, 40, 0.2)
    whole = sparse_products(X, engine=engine)
    monkeypatch.setattr(native, "CALL", 1000.0)
    np.testing.assert_array_equal(sparse_products(X, engine=engine), whole)


def test_there_is_none_for_the_gpu():
    with pytest.raises(RuntimeError, match="engine='gpu' cannot run"):
        sparse_products(rows_of(3, 3, 0.5), engine="gpu")
