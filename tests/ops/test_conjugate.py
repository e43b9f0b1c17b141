"""The contract of systems of sparse rows, on every engine of the processor."""

import numpy as np
import pytest
from combinations import each
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, sparse

from rmodels import native
from rmodels.ops.conjugate import NormalEquations

UNIT = 2.0**-53
engines = ["reference", *(f"native-{name}" for name in native.instruction_sets())]
on_processor = pytest.mark.parametrize("engine", engines, indirect=True)
few = settings(max_examples=25)


def problem(n, d, density=0.3, seed=0, weighted=False, centred=True):
    """A CSR matrix and weights; and D as an array."""
    rng = np.random.default_rng(seed)
    X = sparse.csr_array(sparse.random(n, d, density, random_state=rng))
    w = rng.integers(0, 3, n) + 0.5 if weighted else np.ones(n)
    mean = w @ X / w.sum() if centred else np.zeros(d)
    D = np.sqrt(w)[:, np.newaxis] * (X.toarray() - mean)
    return X, w if weighted else None, D


def matrix(D, scale, penalty, dual):
    products = D @ D.T if dual else D.T @ D
    return (products + penalty * np.eye(len(products))) / scale / scale[:, np.newaxis]


def assert_solved(found, A, right, enough):
    """Residuals are as small as was asked for, but for what the recursion's rounding adds."""
    assert found.solutions.shape == right.shape
    assert found.converged.all()
    for side, (lengths, kept) in enumerate(zip(found.lengths, found.kept, strict=True)):
        assert len(lengths) == len(kept)
        rest = np.linalg.norm(A @ found.solutions[:, side] - right[:, side])
        size = np.linalg.norm(A, 2) * np.linalg.norm(found.solutions[:, side])
        # a step adds at most a few roundings of sums as long as the matrix
        rounding = 8 * (len(lengths) + 1) * len(A) * UNIT * (size + np.linalg.norm(right[:, side]))
        assert rest <= enough[side] * (1 + 1e-6) + rounding


@on_processor
def test_by_hand(engine):
    X = sparse.csr_array(np.array([[1.0, 0.0], [3.0, 2.0]]))
    right = np.array([[16.0, 10.0, 0.0], [10.0, 6.0, 0.0]])  # XᵀX is ((10, 6), (6, 4))
    equations = NormalEquations(X, centred=False, engine=engine)
    assert equations.engine == engine
    found = equations.descend(np.ones(2), 0.0, right, np.full(3, 1e-12), 5)
    np.testing.assert_allclose(found.solutions, [[1, 1, 0], [1, 0, 0]], atol=1e-12)
    assert [len(lengths) for lengths in found.lengths] == [2, 2, 0]
    # the diagonal of a tridiagonal matrix of the same eigenvalues
    lengths, kept = found.lengths[0], found.kept[0]
    diagonal = 1 / lengths
    diagonal[1:] += kept[:-1] / lengths[:-1]
    values = linalg.eigvalsh_tridiagonal(diagonal, np.sqrt(kept[:-1]) / lengths[:-1])
    np.testing.assert_allclose(values, 7 + np.sqrt(45) * np.array([-1, 1]), rtol=1e-12)


@on_processor
@each(
    shape=[(1, 1), (7, 1), (40, 9), (9, 40), (63, 64), (65, 8)],
    dual=[False, True],
    weighted=[False, True],
    centred=[False, True],
    sides=[1, 2, 3, 9],
)
def test_shapes(engine, shape, dual, weighted, centred, sides):
    X, w, D = problem(*shape, weighted=weighted, centred=centred)
    rng = np.random.default_rng(1)
    size = shape[0] if dual else shape[1]
    scale, right = 1 + rng.random(size), rng.standard_normal((size, sides))
    equations = NormalEquations(X, w, centred=centred, dual=dual, engine=engine)
    A = matrix(D, scale, 2.0, dual)
    enough = 1e-10 * np.linalg.norm(right, axis=0)
    assert_solved(equations.descend(scale, 2.0, right, enough, 500), A, right, enough)


def spread_out(n, d, seed=0):
    """Rows of every length from 0 to d, in no order, with entries in any order."""
    rng = np.random.default_rng(seed)
    columns = [rng.permutation(d)[: int(rng.integers(0, d + 1))] for _ in range(n)]
    columns[n // 2] = rng.permutation(d)
    starts = np.concatenate([[0], np.cumsum([len(each) for each in columns])])
    values = rng.integers(-8, 9, starts[-1]).astype(np.float64)
    return sparse.csr_array((values, np.concatenate(columns), starts), shape=(n, d))


@on_processor
@each(
    shape=[(1, 1), (1, 9), (7, 200), (8, 64), (9, 65), (64, 70), (65, 3), (200, 150)],
    dtype=[np.float32, np.float64],
    sides=[1, 2, 3, 4, 5, 9],
    weighted=[False, True],
)
def test_products_of_whole_numbers_have_no_rounding(engine, shape, dtype, sides, weighted):
    n, d = shape
    rng = np.random.default_rng(1)
    X, w = spread_out(n, d), 4.0 ** rng.integers(-1, 2, n) if weighted else None
    equations = NormalEquations(X.astype(dtype), w, centred=False, engine=engine)
    D = X.toarray() * (1.0 if w is None else np.sqrt(w)[:, np.newaxis])
    np.testing.assert_array_equal(equations.mean, 0)
    np.testing.assert_array_equal(equations.squares, (D**2).sum(axis=0))
    np.testing.assert_array_equal(equations.diagonal, equations.squares)
    across = NormalEquations(X.astype(dtype), w, centred=False, dual=True, engine=engine)
    np.testing.assert_array_equal(across.diagonal, (D**2).sum(axis=1))
    B, R = (rng.integers(-8, 9, (size, sides)).astype(np.float64) for size in (d, n))
    for each_way in (equations, across):
        np.testing.assert_array_equal(each_way.along_rows(B), D @ B)
        np.testing.assert_array_equal(each_way.along_columns(R), D.T @ R)
        # any strides
        np.testing.assert_array_equal(
            each_way.along_rows(np.asfortranarray(B)[:, ::-1]), D @ B[:, ::-1]
        )


@on_processor
@each(dual=[False, True], weighted=[False, True])
def test_products_of_centred_rows(engine, dual, weighted):
    n, d = 70, 90
    X, w, D = problem(n, d, weighted=weighted)
    equations = NormalEquations(X, w, centred=True, dual=dual, engine=engine)
    rng = np.random.default_rng(0)
    B, R = rng.standard_normal((d, 3)), rng.standard_normal((n, 3))
    total = n if w is None else w.sum()
    mean = X.sum(axis=0) / n if w is None else w @ X / total
    # sums of at most 90 products of numbers whose sizes sum up to at most these
    np.testing.assert_allclose(equations.mean, mean, rtol=100 * UNIT)
    most = 100 * UNIT * np.abs(D).max() * 90 * 4
    np.testing.assert_allclose(equations.along_rows(B), D @ B, atol=most)
    np.testing.assert_allclose(equations.along_columns(R), D.T @ R, atol=most)
    squares = (D**2).sum(axis=0)
    np.testing.assert_allclose(equations.squares, squares, atol=most)
    diagonal = (D**2).sum(axis=1) if dual else squares
    np.testing.assert_allclose(equations.diagonal, diagonal, atol=most)


@on_processor
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
def test_what_is_not_finite_shows_in_the_squares(engine, value):
    X, w, _ = problem(30, 6, weighted=True)
    row = np.flatnonzero(np.diff(X.indptr))[-1]
    X.data[-1] = value
    w[row] = 1.0 if np.isfinite(value) else 0.0
    equations = NormalEquations(X, w, centred=True, engine=engine)
    assert not np.isfinite(equations.squares).all()


@pytest.mark.skipif(native.load() is None, reason="built without the native engine")
@pytest.mark.parametrize("column", [-1, 6, 2**31 - 1])
def test_an_entry_that_stands_in_no_column_is_an_error(column):
    X = sparse.csr_array(np.eye(6))
    X.indices[3] = column
    with pytest.raises(ValueError, match="X has column indices"):
        NormalEquations(X, centred=True, engine="native")


@pytest.mark.skipif(native.load() is None, reason="built without the native engine")
def test_wide_indices_do_not_wrap_around():
    X = sparse.csr_array(np.eye(3))
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    right = NormalEquations(X, centred=True, engine="native").squares
    np.testing.assert_array_equal(
        right, NormalEquations(sparse.csr_array(np.eye(3)), centred=True, engine="native").squares
    )
    X.indices[1] += 2**32
    with pytest.raises(ValueError, match="X has column indices"):
        NormalEquations(X, centred=True, engine="native")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dual", [False, True])
@pytest.mark.parametrize("times", [1, 3])
def test_entries_of_a_column_count_as_their_sum(engine, dtype, dual, times):
    """Also where they are in no order."""
    rng = np.random.default_rng(5)
    summed = sparse.random(40, 30, 0.2, format="csr", dtype=dtype, random_state=5)
    summed.data[:] = times * rng.integers(1, 9, summed.nnz)
    entries = summed.tocoo()
    order = np.argsort(np.tile(entries.row, times), kind="stable")[::-1]
    order = order[np.argsort(np.tile(entries.row, times)[order], kind="stable")]
    parts = sparse.csr_array(summed.shape, dtype=dtype)
    parts.data = np.tile(entries.data / times, times)[order].astype(dtype)
    parts.indices = np.tile(entries.col, times)[order]
    parts.indptr = times * summed.indptr
    before = parts.data.copy(), parts.indices.copy()
    w = rng.random(40)
    found = NormalEquations(parts, w, centred=True, dual=dual, engine=engine)
    expected = NormalEquations(sparse.csr_array(summed), w, centred=True, dual=dual, engine=engine)
    for name in ("mean", "squares", "diagonal"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    B = rng.normal(size=(30, 2))
    np.testing.assert_array_equal(found.along_rows(B), expected.along_rows(B))
    np.testing.assert_array_equal(before[0], parts.data)
    np.testing.assert_array_equal(before[1], parts.indices)


@on_processor
@few
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 2**32))
def test_any_density(engine, n, d, density, seed):
    X, w, D = problem(n, d, density, seed, weighted=True)
    right = np.random.default_rng(seed).standard_normal((d, 2))
    A, enough = matrix(D, np.ones(d), 1.0, False), np.full(2, 1e-9)
    found = NormalEquations(X, w, centred=True, engine=engine).descend(
        np.ones(d), 1.0, right, enough, 2000
    )
    assert_solved(found, A, right, enough)


@on_processor
def test_places_of_an_infinite_scale_stay_zero(engine):
    X, w, _ = problem(30, 6)
    scale = np.array([1.0, np.inf, 1.0, 1.0, np.inf, 1.0])
    right = np.arange(6.0)[:, np.newaxis] * np.isfinite(scale)[:, np.newaxis]
    found = NormalEquations(X, w, centred=True, engine=engine).descend(
        scale, 0.0, right, np.full(1, 1e-9), 50
    )
    assert found.converged.all()
    np.testing.assert_array_equal(found.solutions[[1, 4]], 0)
    assert found.solutions[[0, 2, 3, 5]].all()


@on_processor
@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_right_hand_sides_of_any_size(engine, size):
    X, w, D = problem(30, 6)
    right = np.arange(6.0)[:, np.newaxis]
    enough = np.full(1, 1e-9)
    found = NormalEquations(X, w, centred=True, engine=engine).descend(
        np.ones(6), 0.0, right * size, enough * size, 50
    )
    A = matrix(D, np.ones(6), 0.0, False)
    np.testing.assert_allclose(A @ (found.solutions / size), right, atol=1e-8)


@on_processor
def test_sides_that_do_not_converge_say_so(engine):
    X, w, D = problem(30, 6)
    right = np.column_stack([np.arange(6.0), np.linalg.eigh(D.T @ D)[1][:, 0]])
    equations = NormalEquations(X, w, centred=True, engine=engine)
    found = equations.descend(np.ones(6), 0.0, right, np.full(2, 1e-9), 2)
    np.testing.assert_array_equal(found.converged, [False, True])  # an eigenvector takes a step
    assert len(found.lengths[0]) == 2
    # no length of a vector of zeros leads anywhere
    empty = NormalEquations(sparse.csr_array((5, 6)), centred=True, engine=engine)
    found = empty.descend(np.ones(6), 0.0, right, np.zeros(2), 50)
    assert not found.converged.any()
    large = NormalEquations(X * 1e200, centred=False, engine=engine)
    assert not large.descend(np.ones(6), 0.0, right, np.zeros(2), 50).converged.any()


@on_processor
@pytest.mark.parametrize("dual", [False, True])
def test_threads_give_the_same_bits(engine, dual, monkeypatch):
    from rmodels.ops.conjugate import native as implementation

    monkeypatch.setattr(implementation, "MANY", 0)
    X, w, _ = problem(5000, 500, 0.9, weighted=True)  # blocks of rows
    size = 5000 if dual else 500
    rng = np.random.default_rng(0)
    right, B, R = (rng.standard_normal((each, 2)) for each in (size, 500, 5000))

    def solve(threads):
        equations = NormalEquations(X, w, centred=True, dual=dual, engine=engine, n_threads=threads)
        found = equations.descend(np.full(size, 40.0), 100.0, right, np.zeros(2), 4).lengths
        return [*found, equations.along_rows(B), equations.along_columns(R)]

    alone = solve(1)
    for threads in (2, 3):
        for found, expected in zip(solve(threads), alone, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(len(native.instruction_sets()) < 2, reason="one instruction set only")
def test_instruction_sets_give_the_same_bits(monkeypatch):
    X, w, _ = problem(300, 40, weighted=True)
    right = np.random.default_rng(0).standard_normal((40, 3))
    found = []
    for name in native.instruction_sets():
        monkeypatch.setenv("RMODELS_ISA", name)
        equations = NormalEquations(X, w, centred=True, engine="native")
        found.append(equations.descend(np.ones(40), 1.0, right, np.full(3, 1e-9), 99).solutions)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@on_processor
def test_long_calls_come_in_chunks(engine, monkeypatch):
    from rmodels.ops.conjugate import native as implementation

    X, w, _ = problem(300, 40)
    right = np.random.default_rng(0).standard_normal((40, 2))
    equations = NormalEquations(X, w, centred=True, engine=engine)
    whole = equations.descend(np.ones(40), 1.0, right, np.full(2, 1e-9), 99)
    monkeypatch.setattr(implementation, "CALL", 1.0)
    parts = equations.descend(np.ones(40), 1.0, right, np.full(2, 1e-9), 99)
    np.testing.assert_array_equal(parts.solutions, whole.solutions)


def test_there_is_none_for_the_gpu():
    with pytest.raises(RuntimeError, match="engine='gpu' cannot run"):
        NormalEquations(sparse.csr_array((3, 3)), centred=True, engine="gpu")
