"""Linear predictions on the GPU: by PyTorch's product of matrices."""

from typing import Any

import numpy as np
import torch

from rmodels.ops import device

_BLOCK_BYTES = 1 << 28  # of rows that travel at a time


@device.beside_its_data
def affine(X: Any, coefficients: Any, intercepts: Any, n_threads: int | None) -> Any:
    """X wᵀ + b in the dtype that they have together."""
    where = device.device(X)
    w, b = (device.upload(each, where) for each in (coefficients, intercepts))
    of_X = X.dtype if device.holds(X) else torch.from_numpy(np.empty(0, X.dtype)).dtype
    dtype = torch.promote_types(torch.promote_types(of_X, w.dtype), b.dtype)
    found = torch.empty((len(X), len(w)), dtype=dtype, device=where)
    step = max(1, _BLOCK_BYTES // (8 * max(1, X.shape[1])))
    for rows, (x,) in device.stage([X], step, "predict", where):
        torch.addmm(b.to(dtype), x.to(dtype), w.to(dtype).T, out=found[rows])
    return device.like(found, X)
