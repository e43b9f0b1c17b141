"""The GPU's suite runs from beginning to end, on data so small that its times say nothing."""

import pytest

from rmodels.ops import device


@pytest.mark.skipif(not device.interpreted(), reason="for Triton's interpreter")
def test_measures_every_line(monkeypatch):
    from rmodels.evidence import gpu

    monkeypatch.setattr(gpu, "_SHAPES", [(60, 4)])
    monkeypatch.setattr(gpu, "_MORE_SHAPES", [(40, 3)])
    monkeypatch.setattr(gpu, "_CASES", [(70, 20, 4, 3)])
    monkeypatch.setattr(gpu, "_MORE_CASES", [(50, 16, 3, 1)])
    monkeypatch.setattr(gpu, "_STEPS", 2)
    monkeypatch.setattr(gpu, "_on_device", lambda runs, _: gpu._on_host(runs[0], 1))
    limits = gpu.Limits(1e12, 1e15, 1e14)
    lines = gpu._linear(limits, quick=False) + gpu._neighbors(limits, quick=False)
    assert all(line.seconds > 0 for line in lines)
    contenders = {line.contender for line in lines}
    assert {"rmodels cpu", "rmodels gpu, data there", "rmodels gpu, indexed"} <= contenders
    assert {"torch cdist + topk", "torch product + topk"} <= contenders
    assert {"rmodels gpu, with copy", "rmodels gpu, with indexing and copy"} <= contenders
