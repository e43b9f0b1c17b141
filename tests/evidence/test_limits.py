import numpy as np
import pytest

from rmodels.native import instruction_sets
from rmodels_evidence import native
from rmodels_evidence.limits import Limits, measure_limits, read_all


@pytest.mark.parametrize("threads", [1, 2])
def test_limits_are_sane(threads):
    limits = measure_limits(threads, seconds=0.01)
    assert limits.threads == threads
    assert 1e8 < limits.read_bandwidth < 1e13
    assert 1e8 < limits.float64_rate < 1e14
    assert 1e8 < limits.float32_rate < 1e14
    assert limits.source == "NumPy" or limits.source.removeprefix("native ") in (instruction_sets())


def test_limits_without_the_extension_say_so(monkeypatch):
    monkeypatch.setattr(native, "load", lambda: None)
    limits = measure_limits(1, seconds=0.01)
    assert limits.source == "NumPy"
    assert min(limits.read_bandwidth, limits.float32_rate, limits.float64_rate) > 1e6


@pytest.mark.parametrize("shape", [(0,), (1,), (1000, 7), (131_072,), (300_001,)])
def test_a_read_sees_every_value(engine, shape):
    values = np.random.default_rng(0).integers(-1000, 1000, shape).astype(np.float64)
    assert read_all(values, 2) == values.sum()


@pytest.mark.skipif(native.load() is None, reason="needs the compiled extension")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_multiply_add_is_done(engine, dtype):
    # Each chain starts from 0: c ← c / 2 + t, t being 1 on the first thread and 2 on the second.
    extension = native.load()
    chains = getattr(extension, f"multiply_adds_per_round_{dtype}")
    run = getattr(extension, f"multiply_add_{dtype}")
    assert run(3, 1) == chains * 1.75
    assert run(3, 2) == chains * (1.75 + 3.5)


def test_the_shortest_time_is_set_by_memory_or_by_arithmetic():
    limits = Limits(1e9, 4e9, 2e9, 1, "native")
    assert limits.shortest(2e9, 2e9, "float64") == (2.0, "memory")
    assert limits.shortest(1e9, 8e9, "float64") == (4.0, "float64")
    assert limits.shortest(1e9, 8e9, "float32") == (2.0, "float32")
