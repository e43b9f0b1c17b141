"""Memory of large results: matrices as NumPy makes them, that begin where a large page does."""

import numpy as np
import pytest

from rmodels.ops.large_pages import empty


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 3), (724, 724), (725, 724), (1000, 1000)])
def test_matrices(shape):
    found = empty(*shape)
    assert (found.shape, found.dtype) == (shape, np.float64)
    assert found.flags.c_contiguous
    assert found.flags.writeable
    if found.nbytes >= 4 << 20:
        assert found.ctypes.data % (2 << 20) == 0
    found[:] = 1.0
    assert found.sum() == found.size
