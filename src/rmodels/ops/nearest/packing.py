"""Points and queries as the GPU's kernels read them, with bounds of what rounding did to them.

For the first pass, points are centred, scaled by a power of two and rounded: to float16 where
products are taken, to float32 where differences are. δ = ‖x − x̂‖, the rounding that a point
suffered, is measured, not estimated, so that it covers subnormals and overflow and is 0 for small
integers. By the triangle inequality the distance of x and q is that of x̂ and q̂ within δ_x + δ_q.
For the second pass the points stay what they are.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch

from rmodels.ops import device
from rmodels.ops.nearest.kernels import normalise_kernel

__all__ = ["GROUP", "TILE", "Metric", "Points", "Queries", "normalise", "pack", "pack_queries"]

GROUP, TILE = (4, 16) if device.is_interpreted() else (64, 128)

_SAMPLE = 1 << 16  # rows that give the centre and the scale
_LARGEST_QUERY = 2.0**14  # −2 q̂ has to stay below 65504
_UP = 1 + 2.0**-20  # more than rounding to float32, and than errors of norms in float64
_UNIT = 2.0**-51  # relative error of centring and scaling in float64
_STEEPEST = 8  # highest power of differences that float32 sums serve
_PACK_VALUES = 1 << 25  # packed at a time


@dataclass(frozen=True)
class Metric:
    """How distances are computed.

    Attributes
    ----------
    name : str
        One of `METRICS`.
    p : float
        The exponent of a sum of powers; infinite for the maximum.
    """

    name: str
    p: float

    @classmethod
    def of(cls, name: str, p: float) -> "Metric":
        """Return the metric that an index asks for."""
        known = {"euclidean": 2.0, "cosine": 2.0, "manhattan": 1.0, "chebyshev": math.inf}
        return cls(name, known.get(name, p))

    @property
    def cosine(self) -> bool:
        """Whether rows are divided by their norms first."""
        return self.name == "cosine"

    @property
    def power(self) -> int | None:
        """The exponent if powers are repeated products, 0 for the maximum, None otherwise."""
        if self.name == "chebyshev":
            return 0
        return int(self.p) if self.p <= 16 and self.p == int(self.p) else None

    @property
    def screening(self) -> str:
        """How the first pass bounds distances: "product", "difference", or "none"."""
        if self.power is None or self.power > _STEEPEST:
            return "none"
        return "product" if self.power == 2 else "difference"


@dataclass(frozen=True, eq=False)
class Points:
    """Points on the device.

    Attributes
    ----------
    n : int
        Their number.
    exact : tensor of shape (groups, n_features, GROUP)
        Group g holds the rows from g · GROUP on; zeros after the last.
    zeros : tensor of shape (groups · GROUP,), int8
        1 for rows of zeros, for the cosine metric only.
    screened : bool
        Whether what follows can be used.
    centre : tensor of shape (n_features,), float64
    exponent : int
        Packed values are (x − centre) · 2^exponent.
    packed : tensor, float16 or float32
    squares : tensor of shape (blocks, GROUP, TILE), float32
        ‖x̂‖² for products, 0 for differences; infinite for padding.
    norms, errors : tensor of shape (blocks · TILE,), float32
        Largest ‖x̂‖ and δ of each group.
    """

    n: int
    exact: torch.Tensor
    zeros: torch.Tensor
    screened: bool
    centre: torch.Tensor
    exponent: int
    packed: torch.Tensor
    squares: torch.Tensor
    norms: torch.Tensor
    errors: torch.Tensor

    @property
    def n_groups(self) -> int:
        """The number of groups that hold points."""
        return -(-self.n // GROUP)


@dataclass(frozen=True, eq=False)
class Queries:
    """Packed queries, padded to whole tiles.

    Attributes
    ----------
    packed : tensor
        −2 q̂ of shape (queries, features) for products, q̂ of shape (features, queries) for
        differences.
    squares, norms, errors : tensor of shape (queries,), float32
        ‖q̂‖², ‖q̂‖ and δ, with all that float64 distances lose to underflow.
    """

    packed: torch.Tensor
    squares: torch.Tensor
    norms: torch.Tensor
    errors: torch.Tensor


def normalise(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows divided by their norms in float64, and which are zeros as int8."""
    rows = rows.contiguous()
    result = torch.empty(rows.shape, dtype=torch.float64, device=rows.device)
    zeros = torch.empty(len(rows), dtype=torch.int8, device=rows.device)
    per_program = 32
    normalise_kernel[(-(-len(rows) // per_program),)](
        rows,
        result,
        zeros,
        len(rows),
        rows.shape[1],
        ROWS=per_program,
        num_warps=1,
        enable_fp_fusion=False,
    )
    return result, zeros


def pad_features(n_features: int) -> tuple[int, int]:
    """Return the features of packed products, and how many of them a product takes at a time."""
    features = -(-max(1, n_features) // 16) * 16
    if features <= 128:
        # a power of two up to 128 in one product; else steps that fit, at most an eighth of padding
        for step in (128, 64, 32, 16):
            whole = -(-features // step) * step
            if whole == step and 8 * whole <= 9 * features:
                return whole, step
    for step in (64, 32):  # 128 would need more shared memory than some GPUs have
        whole = -(-features // step) * step
        if 8 * whole <= 9 * features:
            return whole, step
    return features, 16


def _centre_and_exponent(X: Any, metric: Metric, where: torch.device) -> tuple[torch.Tensor, int]:
    """Return the mean and the scale of rows from everywhere."""
    step = -(-len(X) // _SAMPLE)
    rows = device.upload(X[::step], where)
    if metric.cosine:
        rows, _ = normalise(rows)
    rows = rows.to(torch.float64)
    centre = rows.mean(dim=0)
    spread = float((rows - centre).abs().max()) if rows.numel() else 0.0
    if not math.isfinite(spread):
        return torch.zeros_like(centre), 9999
    if spread == 0:
        return centre, 0
    # products: up to 2^8, so that small parts are normal numbers of float16 and others may be
    # 2^8 times as large; differences: up to 1, so that powers do not overflow
    return centre, (8 if metric.screening == "product" else 0) - math.frexp(spread)[1]


def _round(
    rows: torch.Tensor, centre: torch.Tensor, exponent: int, product: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x̂ in float64 and δ: (rows, features), (rows,)."""
    exact = (rows.to(torch.float64) - centre) * 2.0**exponent
    largest = _LARGEST_QUERY if product else 2.0**100
    near = torch.nan_to_num(exact).clamp(-largest, largest)
    near = near.to(torch.float16 if product else torch.float32).to(torch.float64)
    order = 2 if product else 1  # the sum of magnitudes is at least every other norm
    error = torch.linalg.vector_norm(exact - near, ord=order, dim=1)
    error += _UNIT * torch.linalg.vector_norm(exact, ord=order, dim=1)
    return near, torch.nan_to_num(error, nan=math.inf, posinf=math.inf)


def _up(values: torch.Tensor) -> torch.Tensor:
    """Return values of at least these, in float32."""
    return (values * _UP).to(torch.float32) * _UP


def pack(X: Any, metric: Metric, where: torch.device) -> Points:
    """Copy points to the device, a block at a time, and pack them there."""
    n, d = X.shape
    product = metric.screening == "product"
    centre, exponent = _centre_and_exponent(X, metric, where)
    features = pad_features(d)[0]
    # within a group, offsets have 32 bits
    screened = metric.screening != "none" and abs(exponent) <= 900 and features <= 1 << 17
    whole = GROUP * TILE
    blocks = -(-n // whole)
    groups = -(-n // GROUP)
    dtype = torch.float64 if metric.cosine else device.upload(X[:1], where).dtype
    exact = torch.zeros((groups, d, GROUP), dtype=dtype, device=where)
    zeros = torch.zeros(groups * GROUP if metric.cosine else 1, dtype=torch.int8, device=where)
    packed = torch.empty(0, device=where)
    squares = norms = errors = packed
    if screened:
        shape = (blocks, GROUP, TILE, features) if product else (blocks, GROUP, d, TILE)
        kind = torch.float16 if product else torch.float32
        packed = torch.zeros(shape, dtype=kind, device=where)
        squares = torch.full((blocks, GROUP, TILE), math.inf, device=where)
        norms = torch.zeros(blocks * TILE, device=where)
        errors = torch.zeros(blocks * TILE, device=where)
    step = max(1, _PACK_VALUES // (whole * max(1, d))) * whole
    for taken, (rows,) in device.stage([X], step, "index", where):
        first, m = taken.start, taken.stop - taken.start
        if metric.cosine:
            rows, zeros[first : first + m] = normalise(rows)
        there = _fill(rows, -(-m // GROUP) * GROUP, 0)
        exact[first // GROUP :][: len(there) // GROUP] = there.view(-1, GROUP, d).transpose(1, 2)
        if not screened:
            continue
        near, error = _round(rows, centre, exponent, product)
        if metric.cosine:
            # the distance of a row of zeros is as of rows at √2, and its place is at 1
            error += 0.5 * 2.0**exponent * zeros[first : first + m]
        square = (near * near).sum(dim=1)
        grid = slice(first // whole, first // whole + -(-m // whole))
        size = (grid.stop - grid.start) * whole
        tiles = (-1, TILE, GROUP)
        one = _fill(square if product else torch.zeros_like(square), size, math.inf)
        squares[grid] = one.view(tiles).transpose(1, 2)
        places = slice(grid.start * TILE, grid.stop * TILE)
        norms[places] = _up(_fill(square.sqrt(), size, 0).view(-1, GROUP).amax(dim=1))
        errors[places] = _up(_fill(error, size, 0).view(-1, GROUP).amax(dim=1))
        wide = _fill(near, size, 0).view(*tiles, d)
        if product:
            packed[grid, :, :, :d] = wide.permute(0, 2, 1, 3).to(torch.float16)
        else:
            packed[grid] = wide.permute(0, 2, 3, 1).to(torch.float32)
    return Points(n, exact, zeros, screened, centre, exponent, packed, squares, norms, errors)


def _fill(rows: torch.Tensor, size: int, value: float) -> torch.Tensor:
    """Return rows, and rows of a value up to a size."""
    if len(rows) == size:
        return rows.contiguous()
    result = rows.new_full((size, *rows.shape[1:]), value)
    result[: len(rows)] = rows
    return result


def pack_queries(Q: torch.Tensor, points: Points, metric: Metric, tile: int) -> Queries:
    """Pack queries as the points are, in whole tiles.

    The δ of a query also covers what the float64 distances themselves can lose to underflow; it is
    infinite for queries that cannot be packed, so that every group survives for them.
    """
    d = Q.shape[1]
    product = metric.screening == "product"
    near, error = _round(Q, points.centre, points.exponent, product)
    power = max(1, metric.power or 1)
    underflow = 4.0 * (4.0 * max(1, d) * 2.0**-1070) ** (1 / power) * 2.0**points.exponent
    if not product:
        # float32 powers and sums underflow, too
        underflow += 2.0 * (max(1, d) * power * 2.0**-124) ** (1 / power)
    error += underflow + 2.0**-40
    size = -(-len(Q) // tile) * tile
    square = (near * near).sum(dim=1)
    if product:
        features = pad_features(d)[0]
        packed = torch.zeros((size, features), dtype=torch.float16, device=Q.device)
        packed[: len(Q), :d] = (-2.0 * near).to(torch.float16)
    else:
        packed = torch.zeros((d, size), dtype=torch.float32, device=Q.device)
        packed[:, : len(Q)] = near.T.to(torch.float32)
    return Queries(
        packed,
        _fill(square.to(torch.float32), size, 0),
        _fill(_up(square.sqrt()), size, 0),
        _fill(_up(error), size, 0),
    )
