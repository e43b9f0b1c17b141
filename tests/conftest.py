import signal
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from rmodels import native, ops
from rmodels.config import config_context
from rmodels.ops import device

# Operations are tested on each instruction set, and in the interpreter, which is slow. What is
# built on them is tested on each engine: the native one on the best set, or that of RMODELS_ISA.
SETS = [f"native-{name}" for name in native.instruction_sets()]
INTERPRETED = [pytest.param("gpu-interpreter", marks=pytest.mark.gpu)] * device.is_interpreted()
GPU = [pytest.param("gpu", marks=pytest.mark.gpu)]
if ops.unavailable("gpu") is not None or INTERPRETED:
    GPU = []
ON_EACH_SET = ["reference", *SETS, *GPU, *INTERPRETED]
ON_EACH_ENGINE = ["reference", *(["native"] if SETS else []), *GPU]

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


_STATES = {}  # of the generators of modules, as they are before any test


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Seed what a test draws from, so that it draws the same on every run, whatever ran before."""
    np.random.seed(0)  # noqa: NPY002 - scikit-learn's `random_state=None` is the legacy generator
    module = getattr(item, "module", None)
    for name, value in vars(module).items() if module else ():
        if isinstance(value, np.random.Generator):
            state = _STATES.setdefault((module.__name__, name), value.bit_generator.state)
            value.bit_generator.state = state


def pytest_generate_tests(metafunc):
    own = any("engine" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "engine" in metafunc.fixturenames and not own:
        operations = Path(metafunc.module.__file__).parent == _OPERATIONS
        metafunc.parametrize("engine", ON_EACH_SET if operations else ON_EACH_ENGINE, indirect=True)


@pytest.fixture
def engine(request, monkeypatch):
    """Each engine, and of operations each instruction set that this processor runs."""
    name, _, variant = request.param.partition("-")
    if name == "native" and variant:
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
