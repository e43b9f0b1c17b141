"""Sums of float64 by exponents on the GPU: by PyTorch's elementwise operations and sums."""

from typing import Any

import numpy as np
import torch

from rmodels.ops import device
from rmodels.ops.bins import BINS, HALF, LOWEST

_BLOCK = 1 << 22  # values at a time
_LANES = 64  # of a bin, so that values of one size are not all added at one place


@device.beside_its_data
def bin_values(values: Any, n_threads: int | None) -> tuple[Any, float]:
    """Split each value in two, and add the parts to a lane of their bin."""
    where = device.device(values)
    bins = torch.zeros((2, BINS * _LANES), dtype=torch.int64, device=where)
    special = torch.zeros((), dtype=torch.float64, device=where)
    for _, (part,) in device.stage([values], _BLOCK, "sums", where):
        finite = torch.isfinite(part)
        special = special + torch.where(finite, 0.0, part).sum()
        fractions, exponents = torch.frexp(torch.where(finite, part, 0.0))
        scaled = fractions * 2.0**HALF  # no rounding: fractions are in [0.5, 1)
        upper = scaled.trunc()
        lower = (scaled - upper) * 2.0 ** (53 - HALF)
        lanes = torch.arange(len(part), device=where) % _LANES
        places = (exponents.long() - 53 - LOWEST) * _LANES + lanes
        for line, counted in zip(bins, (upper, lower), strict=True):
            line.index_add_(0, places, counted.long())
    counts = bins.reshape(2, BINS, _LANES).sum(dim=2)
    both = torch.cat([counts.reshape(-1), special.reshape(1).view(torch.int64)]).cpu().numpy()
    return both[:-1].reshape(2, BINS), float(both[-1:].view(np.float64)[0])
