"""How much of the machine other programs took while something was measured."""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Contention"]

_STAT = Path("/proc/stat")
_IDLE = (3, 4)  # columns of /proc/stat's first line: idle, and waiting for a disk
_GUEST = 8  # from here on, columns count again what is in the ones before


@dataclass(frozen=True)
class Contention:
    """Seconds of processor time at one moment.

    Attributes
    ----------
    all : float
        Of all processors, idle or not.
    busy : float
        Of all processors, at work for anybody.
    own : float
        Of this process and of its children that have ended.
    """

    all: float
    busy: float
    own: float

    @classmethod
    def now(cls) -> "Contention | None":
        """Return the counters as they are, or None where the system has none."""
        try:
            fields = _STAT.read_text().split("\n", 1)[0].split()[1:]
        except OSError:
            return None
        ticks = [int(field) for field in fields[:_GUEST]]
        second = os.sysconf("SC_CLK_TCK")
        idle = sum(ticks[place] for place in _IDLE)
        own = sum(os.times()[:4])
        return cls(sum(ticks) / second, (sum(ticks) - idle) / second, own)

    def share_since(self, before: "Contention") -> float:
        """Return the share of all processor time since then that other programs took."""
        passed = self.all - before.all
        others = (self.busy - before.busy) - (self.own - before.own)
        return min(1.0, max(0.0, others / passed)) if passed > 0 else 0.0
