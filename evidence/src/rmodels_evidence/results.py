"""What a run of the benchmarks found."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from rmodels_evidence.gpu import GPUSuite
from rmodels_evidence.limits import Limits
from rmodels_evidence.machine import Machine
from rmodels_evidence.problem import Agreement, Contender, Goal, Options, Problem
from rmodels_evidence.timing import Times

__all__ = ["FORMAT", "Curve", "Finding", "Outcome", "Run"]

FORMAT = 1


@dataclass(frozen=True)
class Finding:
    """One contender at one problem.

    Attributes
    ----------
    contender : Contender
    agreement : Agreement or None
        None if there was no answer.
    times : Times or None
        Seconds for the whole problem; None unless the agreement holds.
    memory : int or None
        Extra bytes at the peak of a call; None if not measured.
    failure : str
        What went wrong: why there is no answer, or how wrong it is; "" if nothing.
    left_out : str
        Why the contender was not run; "" if it was.
    remark : str
        What the peer said, beyond the contender's note.
    """

    contender: Contender
    agreement: Agreement | None = None
    times: Times | None = None
    memory: int | None = None
    failure: str = ""
    left_out: str = ""
    remark: str = ""

    @property
    def note(self) -> str:
        """What a reader must know to judge the time."""
        return "; ".join(part for part in (self.contender.note, self.remark) if part)


@dataclass(frozen=True)
class Outcome:
    """All contenders at one problem.

    Attributes
    ----------
    problem : Problem
    findings : tuple of Finding
        In the order of the problem's contenders; those that took no part are missing.
    """

    problem: Problem
    findings: tuple[Finding, ...]

    def time(self, name: str) -> float:
        """Return a contender's median, or NaN if it has none."""
        for finding in self.findings:
            if finding.contender.name == name and finding.times is not None:
                return finding.times.median
        return math.nan

    def ratio(self, name: str) -> float:
        """Return a contender's median over ours; NaN if either is missing."""
        own = [finding.contender.name for finding in self.findings if finding.contender.ours]
        return self.time(name) / self.time(own[0]) if own else math.nan

    def measure(self, goal: Goal) -> float:
        """Return the ratio that a goal is about, or NaN if it could not be measured."""
        theirs = [self.time(name) for name in goal.against]
        present = [value for value in theirs if not math.isnan(value)]
        if not present:
            return math.nan
        ratio = min(present) / self.time(goal.ours)
        return 1 / ratio if goal.at_most else ratio

    def is_reached(self, goal: Goal) -> bool | None:
        """Return whether a goal is reached; None if it could not be measured."""
        measured = self.measure(goal)
        if math.isnan(measured):
            return None
        return measured <= goal.ratio if goal.at_most else measured >= goal.ratio

    def limit_share(self, finding: Finding, limits: Limits) -> tuple[float, str] | None:
        """Return the least time that the limits allow over ours, and which limit it is.

        None for peers, and where the least amount of work is not known.
        """
        work = self.problem.work
        if work is None or finding.times is None or not finding.contender.ours:
            return None
        least, limit = limits.shortest(work.read, work.operations, work.dtype)
        return least / finding.times.median, limit


@dataclass(frozen=True)
class Curve:
    """Time against one size.

    Attributes
    ----------
    name, title : str
    axis : str
        What is varied.
    points : tuple of tuple of (int, Outcome)
        Sizes, ascending, and what was found there.
    """

    name: str
    title: str
    axis: str
    points: tuple[tuple[int, Outcome], ...]

    def contenders(self) -> list[str]:
        """Return the names of the contenders, in order."""
        names = [f.contender.name for _, outcome in self.points for f in outcome.findings]
        return list(dict.fromkeys(names))


@dataclass(frozen=True)
class Run:
    """A whole run.

    Attributes
    ----------
    command : str
    machine : Machine
    options : Options
    limits : Limits
    outcomes : tuple of Outcome
    curves : tuple of Curve
    missing : tuple of str
        Peers that were asked for and are not installed.
    seconds : float
        How long the run took.
    others : float or None
        Share of the processors' time that other programs took during the run; None if unknown.
    interrupted : bool
        Whether it was ended by Ctrl-C before everything was measured.
    gpu : GPUSuite or None
        None if that suite was not asked for or cannot run.
    no_gpu : str
        Why that suite cannot run, if it was asked for.
    began : str
        The time in UTC, by ISO 8601.
    """

    command: str
    machine: Machine
    options: Options
    limits: Limits
    outcomes: tuple[Outcome, ...]
    curves: tuple[Curve, ...]
    missing: tuple[str, ...]
    seconds: float
    others: float | None = None
    interrupted: bool = False
    gpu: GPUSuite | None = None
    no_gpu: str = ""
    began: str = ""

    def is_right(self) -> bool:
        """Whether none of our own contenders failed or gave a wrong answer."""
        everything = [*self.outcomes, *(outcome for c in self.curves for _, outcome in c.points)]
        return not any(
            finding.contender.ours and finding.failure
            for outcome in everything
            for finding in outcome.findings
        ) and not (self.gpu is not None and self.gpu.failures)

    def to_dict(self) -> dict[str, Any]:
        """Return the run as JSON knows it: no number in it is NaN or infinite."""
        return {
            "kind": "bench",
            "format": FORMAT,
            "command": self.command,
            "began": self.began,
            "seconds": self.seconds,
            "others": self.others,
            "interrupted": self.interrupted,
            "machine": vars(self.machine),
            "options": vars(self.options),
            "limits": vars(self.limits),
            "missing": list(self.missing),
            "problems": [self._outcome(outcome) for outcome in self.outcomes],
            "gpu": None if self.gpu is None else asdict(self.gpu),
            "no_gpu": self.no_gpu or None,
            "curves": [
                {
                    "name": curve.name,
                    "title": curve.title,
                    "axis": curve.axis,
                    "points": [
                        {"size": size, **self._outcome(outcome)} for size, outcome in curve.points
                    ],
                }
                for curve in self.curves
            ],
        }

    def _outcome(self, outcome: Outcome) -> dict[str, Any]:
        problem, work = outcome.problem, outcome.problem.work
        least = None
        if work is not None:
            seconds, limit = self.limits.shortest(work.read, work.operations, work.dtype)
            least = {"seconds": seconds, "of": limit}
        return {
            "name": problem.name,
            "title": problem.title,
            "suite": problem.suite,
            "least": least,
            "contenders": [self._finding(outcome, finding) for finding in outcome.findings],
            "goals": [
                {
                    "ours": goal.ours,
                    "against": list(goal.against),
                    "at_most" if goal.at_most else "at_least": goal.ratio,
                    "measured": _finite(outcome.measure(goal)),
                    "reached": outcome.is_reached(goal),
                }
                for goal in problem.goals
            ],
        }

    def _finding(self, outcome: Outcome, finding: Finding) -> dict[str, Any]:
        contender, agreement, times = finding.contender, finding.agreement, finding.times
        share = outcome.limit_share(finding, self.limits)
        return {
            "name": contender.name,
            "ours": contender.ours,
            "mark": contender.mark,
            "peer": contender.peer or None,
            "precision": contender.precision,
            "portion": contender.portion,
            "note": finding.note,
            "failure": finding.failure or None,
            "left_out": finding.left_out or None,
            "agreement": None
            if agreement is None
            else {
                "measure": agreement.measure,
                "error": _finite(agreement.error),
                "tolerance": agreement.tolerance,
                "holds": agreement.holds,
            },
            "seconds": None
            if times is None
            else {
                "median": times.median,
                "first_quartile": times.low,
                "third_quartile": times.high,
                "samples": list(times.seconds),
                "calls_per_sample": times.calls,
            },
            "ratio": _finite(outcome.ratio(contender.name)),
            "limit": None if share is None else {"share": share[0], "of": share[1]},
            "extra_memory": finding.memory,
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
