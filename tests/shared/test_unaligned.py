"""Arrays that begin at any byte, as they come over a network."""

import pickle

import numpy as np
import pytest
from cases import CASES, QUERIES, W, X, answers
from identical import assert_same_model
from scipy import sparse

from rmodels.data.arrays import aligned
from rmodels.data.source import Rows


def unaligned(A):
    """A copy that begins one byte late."""
    bytes_ = np.empty(A.nbytes + 1, np.uint8)[1:]
    copy = np.frombuffer(bytes_, A.dtype).reshape(A.shape)
    copy.flags.writeable = True
    copy[...] = A
    assert not copy.flags.aligned
    return copy


def over_a_network(value):
    """A copy of which each array begins one byte late."""
    pieces = []
    packed = pickle.dumps(value, protocol=5, buffer_callback=pieces.append)
    late = [bytearray(b" " + piece.raw()) for piece in pieces]
    return pickle.loads(packed, buffers=[memoryview(each)[1:] for each in late]), len(pieces)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_estimator_takes_them(on_engine, case, dtype):
    A, Q = X.astype(dtype), QUERIES.astype(dtype)
    model, expected = case.make().fit(unaligned(A), unaligned(case.y)), case.fit(A)
    assert_same_model(model, expected)
    copy, _ = over_a_network(expected)
    found, wanted = answers(copy, unaligned(Q)), answers(expected, Q)
    for name, arrays in wanted.items():
        for a, b in zip(found[name], arrays, strict=True):
            np.testing.assert_array_equal(a, b)


def test_rows_over_a_network():
    rows, count = over_a_network(Rows(X, X[:, :1].copy(), W))
    assert count == 3
    assert all(A.flags.aligned for A in (rows.X, rows.Y, rows.weights))


def test_sparse_matrices():
    A = sparse.random_array((30, 4), density=0.5, format="csr", random_state=0)
    B = A.copy()
    B.data, B.indices, B.indptr = map(unaligned, (B.data, B.indices, B.indptr))
    B = aligned(B)
    assert B.data.flags.aligned
    assert B.indices.flags.aligned
    assert (A != B).nnz == 0
    assert aligned(A) is A
