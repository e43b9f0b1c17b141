"""The rungs of a ladder: one problem solved again and again, each time one idea faster."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rmodels.config import config_context
from rmodels.native import in_use, instruction_sets
from rmodels_evidence import gpu

__all__ = ["call_on", "explain_missing_gpu", "sets_up_to_ours", "use_instruction_set"]


@contextmanager
def use_instruction_set(name: str) -> Iterator[None]:
    """Make the native engine use an instruction set, by RMODELS_ISA."""
    before = os.environ.get("RMODELS_ISA")
    os.environ["RMODELS_ISA"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["RMODELS_ISA"]
        else:
            os.environ["RMODELS_ISA"] = before


def call_on(
    data: Any,
    *,
    prepare: Callable[..., Callable[[], Any]],
    engine: str,
    isa: str | None = None,
    **parameters: Any,
) -> Callable[[], Any]:
    """Return one of our own calls on a given engine and instruction set."""
    call = prepare(data, **parameters)

    def run() -> Any:
        with config_context(engine=engine):
            if isa is None:
                return call()
            with use_instruction_set(isa):
                return call()

    return run


def explain_missing_gpu() -> str:
    """Return what a rung of the GPU says where there is none to measure."""
    return "not measured: no GPU" if gpu.unavailable() else ""


def sets_up_to_ours() -> tuple[str, ...]:
    """Return the instruction sets, slowest first, that end with the one in use."""
    every = instruction_sets()
    return every[every.index(in_use()) :][::-1] if every else ()
