import pytest

from rmodels import native, ops

ENGINES = ["reference", *(f"native-{name}" for name in native.instruction_sets())]


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    """Each engine, and the native one on each instruction set that this processor runs."""
    name, _, instruction_set = request.param.partition("-")
    if instruction_set:
        monkeypatch.setenv("RMODELS_ISA", instruction_set)
    assert ops.unavailable(name) is None
    return name
