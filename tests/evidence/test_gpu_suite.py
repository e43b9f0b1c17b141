"""The GPU's suite runs from beginning to end, on data so small that its times say nothing."""

import numpy as np
import pytest

from rmodels.cli import main
from rmodels.ops import device
from rmodels.ops.nearest import nearest

pytestmark = pytest.mark.skipif(not device.interpreted(), reason="for Triton's interpreter")


@pytest.fixture
def gpu(monkeypatch):
    """The suite on the interpreter, with the processor's clock for the device's."""
    from rmodels_evidence import gpu

    monkeypatch.setattr(gpu, "_SHAPES", [(60, 4)])
    monkeypatch.setattr(gpu, "_MORE_SHAPES", [(40, 3)])
    monkeypatch.setattr(gpu, "_CASES", [(70, 20, 4, 3)])
    monkeypatch.setattr(gpu, "_MORE_CASES", [(50, 16, 3, 1)])
    monkeypatch.setattr(gpu, "_STEPS", 2)
    monkeypatch.setattr(gpu, "_on_device", lambda runs, _: gpu._on_host(runs[0], 1))
    monkeypatch.setattr(gpu, "_limits", lambda: gpu.Limits(1e12, 1e15, 1e14))
    monkeypatch.setattr(gpu, "unavailable", lambda: None)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "the interpreter")
    return gpu


def test_measures_every_line(gpu):
    limits = gpu._limits()
    lines = gpu._linear(limits, quick=False) + gpu._neighbors(limits, quick=False)
    assert all(line.seconds > 0 for line in lines)
    contenders = {line.contender for line in lines}
    assert {"rmodels cpu", "rmodels gpu, data there", "rmodels gpu, indexed"} <= contenders
    assert {"torch cdist + topk", "torch product + topk"} <= contenders
    assert {"rmodels gpu, with copy", "rmodels gpu, with indexing and copy"} <= contenders


@pytest.mark.parametrize("quick", [True, False])
def test_the_command_prints_the_table(gpu, quick, capsys):
    assert main(["bench", "--suite", "gpu", *["--quick"] * quick]) == 0
    printed = capsys.readouterr().out
    assert "Suite gpu: the interpreter, copying 1.00 TB/s, products 1000 TFLOP/s" in printed
    lines = printed.splitlines()
    assert any("1000 steps, 60 x 4" in line and "at most 0.5 ms" in line for line in lines)
    assert any("20 queries, 70 x 4, k = 3" in line and "rmodels gpu" in line for line in lines)
    assert any("moments 40 x 3" in line for line in lines) is not quick


def test_a_wrong_answer_is_not_shown(gpu, monkeypatch):
    def wrong(index, Q, k):
        return nearest(index, Q if isinstance(Q, np.ndarray) else Q * 0, k)

    monkeypatch.setattr(gpu, "nearest", wrong)
    with pytest.raises(AssertionError, match="the neighbours are not those of the reference"):
        gpu._neighbors(gpu._limits(), quick=True)
