"""Losses of linear predictors on the GPU: by PyTorch's elementwise operations and products."""

from collections.abc import Sequence
from typing import Any

import torch

from rmodels.ops import device
from rmodels.ops.glm import Loss, Measures, Sums

_BLOCK_BYTES = 1 << 28  # of rows in float64 that are held at a time


@device.beside_its_data
def measure(
    margins: Any, y: Any, loss: Loss, power: float, weights: Any, n_threads: int | None
) -> Measures:
    """Follow the formulas, all rows at once."""
    where = device.device(margins)
    m, targets = device.upload(margins, where), device.upload(y, where)
    w = None if weights is None else device.upload(weights, where)
    losses, r, h = _measure(m, targets, loss, power, w)
    return Measures(float(losses.sum()), device.like(r, margins), device.like(h, margins))


@device.beside_its_data
def evaluate(
    X: Any,
    y: Any,
    coefficients: Any,
    chosen: Sequence[Any],
    loss: Loss,
    power: float,
    centre: Any,
    weights: Any,
    curvature: Sequence[bool],
    n_threads: int | None,
) -> list[Sums]:
    """Σ w r z and Σ w h z zᵀ, a block of rows after the other, each for all sets."""
    where = device.device(X)
    thetas = device.upload(coefficients, where)
    outputs, width = thetas.shape[1:]
    middle = None if centre is None else device.upload(centre, where)
    shapes = [(outputs, width, outputs, width) if curved else (0,) for curved in curvature]
    H = [torch.zeros(shape, dtype=torch.float64, device=where) for shape in shapes]
    totals = torch.zeros(len(thetas), dtype=torch.float64, device=where)
    gradients, magnitudes = torch.zeros_like(thetas), torch.zeros_like(thetas)
    masks = list({id(each): each for each in chosen if each is not None}.values())
    places = [next((i for i, mask in enumerate(masks) if mask is each), -1) for each in chosen]
    step = max(1, _BLOCK_BYTES // (8 * width * (3 if any(curvature) else 2)))
    for _, (x, t, w, *counted) in device.stage([X, y, weights, *masks], step, "losses", where):
        z = torch.ones((len(x), width), dtype=torch.float64, device=where)
        z[:, :-1] = x if middle is None else x.double() - middle
        sizes = abs(z)
        for s, place in enumerate(places):
            losses, r, h = _measure(z @ thetas[s].T, t, loss, power, w)
            if place >= 0:  # by choice: of the others, losses may be infinite
                rest = ~counted[place]
                losses = losses.masked_fill(rest, 0.0)
                r, h = (each.masked_fill(rest[:, None], 0.0) for each in (r, h))
            totals[s] += losses.sum()
            gradients[s] += r.T @ z
            magnitudes[s] += abs(r).T @ sizes
            if curvature[s]:
                _add_curvatures(H[s], z, h, loss, w)
    return [
        Sums(
            float(totals[s]),
            gradients[s].cpu().numpy(),
            magnitudes[s].cpu().numpy(),
            H[s].reshape(outputs * width, -1).cpu().numpy() if curvature[s] else None,
            "gpu",
        )
        for s in range(len(places))
    ]


def _measure(m: Any, y: Any, loss: Loss, power: float, w: Any) -> tuple[Any, Any, Any]:
    if loss == "multinomial":
        losses, r, h = _multinomial(m, y.long())
    else:
        function = {"logistic": _logistic, "tweedie": _tweedie}.get(loss, _tweedie_identity)
        losses, r, h = (each[:, None] for each in function(m[:, 0], y, power))
        losses = losses[:, 0]
    if w is not None:
        losses, r = losses * w, r * w[:, None]
        h = h if loss == "multinomial" else h * w[:, None]
    return losses, r, h


def _logistic(m: Any, y: Any, power: float) -> tuple[Any, Any, Any]:
    a = torch.where(y > 0, -m, m)
    e = torch.exp(-abs(a))
    large, small = 1 / (1 + e), e / (1 + e)
    p = torch.where(a > 0, large, small)
    return a.clamp(min=0) + torch.log1p(e), torch.where(y > 0, -p, p), small * large


def _multinomial(m: Any, y: Any) -> tuple[Any, Any, Any]:
    largest, top = m.max(dim=1, keepdim=True)
    e = torch.exp(m - largest)
    others = e.scatter(1, top, 0.0).sum(dim=1)
    p = e / (1 + others)[:, None]
    losses = torch.log1p(others) + (largest - m.gather(1, y[:, None]))[:, 0]
    r = p.scatter(1, y[:, None], 0.0)
    return losses, r.scatter(1, y[:, None], -r.sum(dim=1, keepdim=True)), p


def _tweedie(m: Any, y: Any, power: float) -> tuple[Any, Any, Any]:
    if power == 1:
        mu = torch.exp(m)
        return mu - y * m, mu - y, mu
    if power == 2:
        ratio = y * torch.exp(-m)
        return m + ratio, 1 - ratio, ratio
    a, b = torch.exp((2 - power) * m), y * torch.exp((1 - power) * m)
    h = (2 - power) * a + (power - 1) * b if 1 < power < 2 else a
    return a / (2 - power) - b / (1 - power), a - b, h


def _tweedie_identity(m: Any, y: Any, power: float) -> tuple[Any, Any, Any]:
    if power == 0:
        return 0.5 * m * m - y * m, m - y, torch.ones_like(m)
    if power == 1:
        losses = m - torch.where(y == 0, torch.zeros_like(m), y * torch.log(m))
    elif power == 2:
        losses = torch.log(m) + y / m
    else:
        losses = m ** (2 - power) / (2 - power) - y * m ** (1 - power) / (1 - power)
    h = m**-power
    return torch.where(m > 0, losses, torch.nan), (m - y) * h, h


def _add_curvatures(H: Any, z: Any, h: Any, loss: Loss, w: Any) -> None:
    if loss != "multinomial":
        H[0, :, 0] += (z * h).T @ z
        return
    for k in range(len(H)):
        for c in range(k):
            both = h[:, k] * h[:, c]
            block = (z * (both if w is None else both * w)[:, None]).T @ z
            H[k, :, c] -= block
            H[c, :, k] -= block
            H[k, :, k] += block
            H[c, :, c] += block
