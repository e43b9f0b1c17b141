import signal
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from rmodels import native, ops
from rmodels.config import config_context
from rmodels.ops import device

ENGINES = ["reference", *(f"native-{name}" for name in native.instruction_sets())]
# The interpreter is slow: on it, only the operations are tested.
INTERPRETED = [pytest.param("gpu-interpreter", marks=pytest.mark.gpu)] * device.is_interpreted()
if ops.unavailable("gpu") is None and not INTERPRETED:
    ENGINES.append(pytest.param("gpu", marks=pytest.mark.gpu))

# The same examples on every machine, however slow or busy it is; fixtures of a function hold for
# all of its examples.
settings.register_profile(
    "rmodels",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("rmodels")

_OPERATIONS = Path(__file__).parent / "ops"


def pytest_generate_tests(metafunc):
    own = any("engine" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "engine" in metafunc.fixturenames and not own:
        operations = Path(metafunc.module.__file__).parent == _OPERATIONS
        metafunc.parametrize("engine", ENGINES + INTERPRETED * operations, indirect=True)


@pytest.fixture
def engine(request, monkeypatch):
    """Each engine, and the native one on each instruction set that this processor runs."""
    name, _, variant = request.param.partition("-")
    if name == "native":
        monkeypatch.setenv("RMODELS_ISA", variant)
    assert ops.unavailable(name) is None
    # the interpreter is NumPy, which warns where a GPU does not
    with np.errstate(all="ignore") if variant == "interpreter" else nullcontext():
        yield name


@pytest.fixture
def on_engine(engine):
    """The same, as the setting of the thread, for what has no parameter `engine`."""
    with config_context(engine=engine):
        yield engine


@pytest.fixture
def interruptible():
    """Python's own handler, also where a shell started the tests with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
