"""What the benchmarks ran on."""

import os
import platform
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import rmodels
from rmodels import native
from rmodels_evidence.peers import version
from rmodels_evidence.problem import PEER_MODULES

__all__ = ["Machine", "describe_machine"]


@dataclass(frozen=True)
class Machine:
    """The machine and the versions.

    Attributes
    ----------
    processor : str
    cores : int
        Processors that the process may use.
    memory : int
        Bytes.
    system : str
    instruction_set : str
        What the native engine uses, or "none".
    versions : dict of str to str
    """

    processor: str
    cores: int
    memory: int
    system: str
    instruction_set: str
    versions: dict[str, str] = field(default_factory=dict)


def _processor() -> str:
    """Return the processor's name as the system gives it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def describe_machine() -> Machine:
    """Return what this process runs on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ("numpy", "scipy", "scikit-learn", *PEER_MODULES)
    return Machine(
        _processor(),
        cores or 1,
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        f"{platform.system()} {platform.machine()}",
        native.in_use() or "none",
        {"rmodels": rmodels.__version__, "python": sys.version.split()[0]}
        | {package: version(package) for package in packages},
    )
