import pytest

from rmodels import native, ops
from rmodels.config import config_context

ENGINES = ["reference", *(f"native-{name}" for name in native.instruction_sets())]


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    """Each engine, and the native one on each instruction set that this processor runs."""
    name, _, instruction_set = request.param.partition("-")
    if instruction_set:
        monkeypatch.setenv("RMODELS_ISA", instruction_set)
    assert ops.unavailable(name) is None
    return name


@pytest.fixture
def on_engine(engine):
    """The same, as the setting of the thread, for what has no parameter `engine`."""
    with config_context(engine=engine):
        yield engine
