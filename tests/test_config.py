import os
import subprocess
import sys
import threading

import joblib
import pytest

import rmodels
from rmodels import native, ops
from rmodels.config import config_context, get_config, set_config, thread_count


def test_context_restores():
    before = get_config()
    with config_context(engine="reference", n_threads=1, memory_limit=1 << 24, progress=True):
        assert get_config() == {
            "engine": "reference",
            "n_threads": 1,
            "memory_limit": 1 << 24,
            "progress": True,
        }
        with config_context(n_threads=None):
            assert get_config()["n_threads"] is None
            assert get_config()["engine"] == "reference"
    assert get_config() == before
    with pytest.raises(RuntimeError), config_context(engine="reference"):
        raise RuntimeError
    assert get_config() == before


@pytest.mark.parametrize(
    "settings",
    [
        {"engine": "fast"},
        {"n_threads": 0},
        {"n_threads": 1.5},
        {"n_threads": True},
        {"memory_limit": 10},
        {"progress": "yes"},
    ],
)
def test_bad_settings_change_nothing(settings):
    before = get_config()
    with pytest.raises(ValueError, match=next(iter(settings))):
        set_config(**settings)
    assert get_config() == before


def test_settings_belong_to_the_thread():
    found = []
    with config_context(engine="reference"):
        thread = threading.Thread(target=lambda: found.append(get_config()["engine"]))
        thread.start()
        thread.join()
    assert found == [os.environ.get("RMODELS_ENGINE", "auto")]


def _run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_environment_chooses_the_engine():
    code = "import rmodels; print(rmodels.LinearRegression().fit([[0.],[1.]], [0., 1.]).engine_)"
    assert _run(code, RMODELS_ENGINE="reference").stdout.strip() == "reference"
    wrong = _run(code, RMODELS_ENGINE="fast")
    assert wrong.returncode != 0
    assert "RMODELS_ENGINE must be one of" in wrong.stderr


def test_environment_chooses_the_instruction_set():
    code = "import rmodels.native as native; print(native.load().__name__)"
    for name in native.instruction_sets():
        assert _run(code, RMODELS_ISA=name).stdout.strip() == f"rmodels.native._{name}"
    wrong = _run(code, RMODELS_ISA="mmx")
    assert wrong.returncode != 0
    if native.instruction_sets():
        assert "RMODELS_ISA='mmx' cannot be used here" in wrong.stderr


def test_an_engine_that_cannot_run_says_why():
    with config_context(engine="gpu"), pytest.raises(RuntimeError, match="engine='gpu' cannot run"):
        rmodels.LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    with pytest.raises(RuntimeError, match="engine='gpu' cannot run"):
        ops.choose("nearest", "gpu")


def test_auto_takes_the_fastest():
    assert ops.choose("moments", "auto") == ("native" if native.load() else "reference")


def test_thread_count(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [thread_count(n_jobs) for n_jobs in (None, 1, 3, 99, -1, -2, -99)] == [
        8, 1, 3, 8, 8, 7, 1,
    ]  # fmt: skip
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    assert thread_count() == 4
    with config_context(n_threads=2):
        assert thread_count() == 2
        assert thread_count(3) == 2
        assert thread_count(-1) == 2
    with pytest.raises(ValueError, match="n_jobs == 0"):
        thread_count(0)


def _count():
    return thread_count(), thread_count(2)


@pytest.mark.parametrize("backend", ["threading", "loky", "multiprocessing"])
def test_no_oversubscription_inside_joblib(monkeypatch, backend):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    workers = 2
    counts = joblib.Parallel(n_jobs=workers, backend=backend)(
        joblib.delayed(_count)() for _ in range(4)
    )
    processors = len(os.sched_getaffinity(0))
    for by_default, asked in counts:
        assert by_default * workers <= max(workers, processors)
        assert asked <= 2
    if backend == "threading" and processors >= 2:
        assert {asked for _, asked in counts} == {2}  # n_jobs is honoured


def test_count_outside_joblib(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert thread_count() == len(os.sched_getaffinity(0))
