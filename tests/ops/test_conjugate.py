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
    """A CSR matrix, the mean and the roots of weights; and D as an array."""
    rng = np.random.default_rng(seed)
    X = sparse.csr_array(sparse.random(n, d, density, random_state=rng))
    w = rng.integers(0, 3, n) + 0.5 if weighted else np.ones(n)
    mean = w @ X / w.sum() if centred else np.zeros(d)
    D = np.sqrt(w)[:, np.newaxis] * (X.toarray() - mean)
    return X, mean, np.sqrt(w) if weighted else None, D


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
    equations = NormalEquations(X, np.zeros(2), engine=engine)
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
    X, mean, root, D = problem(*shape, weighted=weighted, centred=centred)
    rng = np.random.default_rng(1)
    size = shape[0] if dual else shape[1]
    scale, right = 1 + rng.random(size), rng.standard_normal((size, sides))
    equations = NormalEquations(X, mean, root, dual=dual, engine=engine)
    A = matrix(D, scale, 2.0, dual)
    enough = 1e-10 * np.linalg.norm(right, axis=0)
    assert_solved(equations.descend(scale, 2.0, right, enough, 500), A, right, enough)


@on_processor
@few
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 2**32))
def test_any_density(engine, n, d, density, seed):
    X, mean, root, D = problem(n, d, density, seed, weighted=True)
    right = np.random.default_rng(seed).standard_normal((d, 2))
    A, enough = matrix(D, np.ones(d), 1.0, False), np.full(2, 1e-9)
    found = NormalEquations(X, mean, root, engine=engine).descend(
        np.ones(d), 1.0, right, enough, 2000
    )
    assert_solved(found, A, right, enough)


@on_processor
def test_places_of_an_infinite_scale_stay_zero(engine):
    X, mean, root, _ = problem(30, 6)
    scale = np.array([1.0, np.inf, 1.0, 1.0, np.inf, 1.0])
    right = np.arange(6.0)[:, np.newaxis] * np.isfinite(scale)[:, np.newaxis]
    found = NormalEquations(X, mean, root, engine=engine).descend(
        scale, 0.0, right, np.full(1, 1e-9), 50
    )
    assert found.converged.all()
    np.testing.assert_array_equal(found.solutions[[1, 4]], 0)
    assert found.solutions[[0, 2, 3, 5]].all()


@on_processor
@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_right_hand_sides_of_any_size(engine, size):
    X, mean, root, D = problem(30, 6)
    right = np.arange(6.0)[:, np.newaxis]
    enough = np.full(1, 1e-9)
    found = NormalEquations(X, mean, root, engine=engine).descend(
        np.ones(6), 0.0, right * size, enough * size, 50
    )
    A = matrix(D, np.ones(6), 0.0, False)
    np.testing.assert_allclose(A @ (found.solutions / size), right, atol=1e-8)


@on_processor
def test_sides_that_do_not_converge_say_so(engine):
    X, mean, root, D = problem(30, 6)
    right = np.column_stack([np.arange(6.0), np.linalg.eigh(D.T @ D)[1][:, 0]])
    equations = NormalEquations(X, mean, root, engine=engine)
    found = equations.descend(np.ones(6), 0.0, right, np.full(2, 1e-9), 2)
    np.testing.assert_array_equal(found.converged, [False, True])  # an eigenvector takes a step
    assert len(found.lengths[0]) == 2
    # no length of a vector of zeros leads anywhere
    empty = NormalEquations(sparse.csr_array((5, 6)), np.zeros(6), engine=engine)
    found = empty.descend(np.ones(6), 0.0, right, np.zeros(2), 50)
    assert not found.converged.any()
    large = NormalEquations(X * 1e200, np.zeros(6), engine=engine)
    assert not large.descend(np.ones(6), 0.0, right, np.zeros(2), 50).converged.any()


@on_processor
@pytest.mark.parametrize("dual", [False, True])
def test_threads_give_the_same_bits(engine, dual, monkeypatch):
    from rmodels.ops.conjugate import native as implementation

    monkeypatch.setattr(implementation, "ALONE", 0)
    X, mean, root, _ = problem(5000, 500, 0.9, weighted=True)  # blocks of rows
    size = 5000 if dual else 500
    right = np.random.default_rng(0).standard_normal((size, 2))

    def solve(threads):
        equations = NormalEquations(X, mean, root, dual=dual, engine=engine, n_threads=threads)
        return equations.descend(np.full(size, 40.0), 100.0, right, np.zeros(2), 4).lengths

    alone = solve(1)
    for threads in (2, 3):
        np.testing.assert_array_equal(solve(threads), alone)


@pytest.mark.skipif(len(native.instruction_sets()) < 2, reason="one instruction set only")
def test_instruction_sets_give_the_same_bits(monkeypatch):
    X, mean, root, _ = problem(300, 40, weighted=True)
    right = np.random.default_rng(0).standard_normal((40, 3))
    found = []
    for name in native.instruction_sets():
        monkeypatch.setenv("RMODELS_ISA", name)
        equations = NormalEquations(X, mean, root, engine="native")
        found.append(equations.descend(np.ones(40), 1.0, right, np.full(3, 1e-9), 99).solutions)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@on_processor
def test_long_calls_come_in_chunks(engine, monkeypatch):
    from rmodels.ops.conjugate import native as implementation

    X, mean, root, _ = problem(300, 40)
    right = np.random.default_rng(0).standard_normal((40, 2))
    equations = NormalEquations(X, mean, root, engine=engine)
    whole = equations.descend(np.ones(40), 1.0, right, np.full(2, 1e-9), 99)
    monkeypatch.setattr(implementation, "CALL", 1.0)
    parts = equations.descend(np.ones(40), 1.0, right, np.full(2, 1e-9), 99)
    np.testing.assert_array_equal(parts.solutions, whole.solutions)


def test_there_is_none_for_the_gpu():
    with pytest.raises(RuntimeError, match="engine='gpu' cannot run"):
        NormalEquations(sparse.csr_array((3, 3)), np.zeros(3), engine="gpu")
