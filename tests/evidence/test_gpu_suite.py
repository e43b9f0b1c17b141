"""The GPU's suite runs from beginning to end, on data so small that its times say nothing."""

import numpy as np
import pytest

from rmodels.cli import main
from rmodels.ops import device
from rmodels.ops.nearest import nearest
from rmodels_evidence import families, gpu
from rmodels_evidence.families.linear_model import gpu as linear
from rmodels_evidence.families.neighbors import gpu as neighbors

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not device.is_interpreted(), reason="for Triton's interpreter"),
]

LIMITS = gpu.Limits(1e12, 1e15, 1e14)


@pytest.fixture
def tiny(monkeypatch):
    """The suite on the interpreter, with the processor's clock for the device's."""
    monkeypatch.setattr(linear, "SHAPES", [(60, 4)])
    monkeypatch.setattr(linear, "MORE_SHAPES", [(40, 3)])
    monkeypatch.setattr(linear, "STEPS", 2)
    monkeypatch.setattr(neighbors, "CASES", [(70, 20, 4, 3)])
    monkeypatch.setattr(neighbors, "MORE_CASES", [(50, 16, 3, 1)])
    monkeypatch.setattr(gpu, "on_device", lambda runs, _: gpu.on_host(runs[0], 1))
    monkeypatch.setattr(gpu, "measure_limits", lambda: LIMITS)
    monkeypatch.setattr(gpu, "unavailable", lambda: None)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "the interpreter")


def test_measures_every_line(tiny):
    lines = [line for family in families.families() for line in family.lines_on_gpu(LIMITS, False)]
    assert all(line.seconds > 0 for line in lines)
    contenders = {line.contender for line in lines}
    assert {"rmodels cpu", "rmodels gpu, data there", "rmodels gpu, indexed"} <= contenders
    assert {"torch cdist + topk", "torch product + topk"} <= contenders
    assert {"rmodels gpu, with copy", "rmodels gpu, with indexing and copy"} <= contenders


@pytest.mark.parametrize("quick", [True, False])
def test_the_command_prints_the_table(tiny, quick, capsys):
    assert main(["bench", "--suite", "gpu", *["--quick"] * quick]) == 0
    printed = capsys.readouterr().out
    assert "Suite gpu: the interpreter, copying 1.00 TB/s, products 1000 TFLOP/s" in printed
    lines = printed.splitlines()
    assert any("1000 steps, 60 x 4" in line and "at most 0.5 ms" in line for line in lines)
    assert any("20 queries, 70 x 4, k = 3" in line and "rmodels gpu" in line for line in lines)
    assert any("moments 40 x 3" in line for line in lines) is not quick


def test_a_wrong_answer_is_not_shown(tiny, monkeypatch):
    def wrong(index, Q, k):
        return nearest(index, Q if isinstance(Q, np.ndarray) else Q * 0, k)

    monkeypatch.setattr(neighbors, "nearest", wrong)
    with pytest.raises(AssertionError, match="the neighbours are not those of the reference"):
        neighbors.neighbors_on_gpu(LIMITS, quick=True)
