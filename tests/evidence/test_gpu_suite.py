"""The GPU's suite runs from beginning to end, on data so small that its times say nothing."""

import json

import numpy as np
import pytest

from rmodels.cli import main
from rmodels.ops import device
from rmodels.ops.nearest import nearest
from rmodels_evidence import families, gpu
from rmodels_evidence.families.linear_model import gpu as linear
from rmodels_evidence.families.neighbors import gpu as neighbors
from rmodels_evidence.problem import Options

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not device.is_interpreted(), reason="for Triton's interpreter"),
]

REHEARSAL = Options(threads=1, rehearsal=True)


def test_measures_every_line():
    problems = families.gpu_problems(REHEARSAL)
    *_, suite = gpu.run_suite(problems, rehearsal=True)
    assert suite.failures == {}
    assert suite.device == "Triton's interpreter"
    assert all(line.seconds > 0 for line in suite.lines)
    contenders = {line.contender for line in suite.lines}
    assert {"rmodels cpu", "rmodels gpu, data there", "rmodels gpu, indexed"} <= contenders
    assert {"torch cdist + topk", "torch product + topk"} <= contenders
    assert "torch product + argmin" in contenders
    assert {"rmodels gpu, with copy", "rmodels gpu, with indexing and copy"} <= contenders
    first = [problem.name for problem in problems if problem.has_goal]
    assert first == ["gpu-pca-read", "gpu-descent", "gpu-glm-read"]


def test_the_command_prints_the_table_and_writes_the_file(tmp_path, capsys):
    file = tmp_path / "gpu.json"
    assert main(["bench", "--suite", "gpu", "--rehearse", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "REHEARSAL of the suite gpu, on tiny data: its times and goals say nothing" in printed
    assert "Suite gpu: Triton's interpreter, copying" in printed
    lines = printed.splitlines()
    assert any("1000 steps, 60 x 4" in line and "0.3 ms: " in line for line in lines)
    assert any("20 queries, 70 x 4, k = 3" in line and "rmodels gpu" in line for line in lines)
    assert sum("a read at 70% of the bandwidth: " in line for line in lines) == 2
    written = json.loads(file.read_text())["gpu"]
    assert written["rehearsal"] is True
    assert written["details"].keys() == {"PyTorch", "Triton"}
    assert {"text": "0.3 ms", "seconds": 3e-4} in [line["goal"] for line in written["lines"]]


def test_the_goals_are_for_full_sizes():
    def problems(**options):
        return families.gpu_problems(Options(threads=1, **options))

    full, quick = problems(), problems(quick=True)
    assert {each.name for each in quick} < {each.name for each in full}
    assert [each.name for each in full if each.has_goal] == [
        *("gpu-pca-read", "gpu-descent", "gpu-glm-read"),
        *("gpu-knn-100000-16384-128-10", "gpu-knn-1000000-10000-128-10"),
    ]
    assert [each for each in full if each.has_goal] != []
    assert linear.DESCENT == (200_000, 40)
    assert neighbors.CASES[-1] == (1_000_000, 10_000, 128, 10)


def test_a_wrong_answer_has_no_time_and_stops_no_other(monkeypatch, capsys):
    def wrong(index, Q, k):
        return nearest(index, Q if isinstance(Q, np.ndarray) else Q * 0, k)

    monkeypatch.setattr(neighbors, "nearest", wrong)
    command = ["bench", "--suite", "gpu", "--rehearse", "--problem"]
    assert main([*command, "gpu-knn-70-20-4-3", "gpu-descent"]) == 1
    printed = capsys.readouterr().out
    assert "gpu-knn-70-20-4-3 failed: AssertionError: 20 queries, 70 x 4, k = 3: " in printed
    assert "rmodels gpu, indexed" not in printed
    assert "1000 steps, 60 x 4" in printed
