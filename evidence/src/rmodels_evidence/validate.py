"""The command `rmodels validate`: every estimator on every engine against the right answers."""

import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from rmodels import native, ops
from rmodels.config import config_context
from rmodels_evidence import families, gpu
from rmodels_evidence.case import Case
from rmodels_evidence.ladder import use_instruction_set
from rmodels_evidence.machine import Machine, describe_machine
from rmodels_evidence.progress import progress_bar
from rmodels_evidence.table import Table, digits_text, print_tables

__all__ = ["FORMAT", "Check", "Validation", "Variant", "parameters", "run", "validate"]

FORMAT = 1
_WORST = 5  # cases that are named
_SCIPY = "scipy"


@dataclass(frozen=True)
class Variant:
    """An engine, and the instruction set if it has several.

    Attributes
    ----------
    engine : str
    isa : str or None
    """

    engine: str
    isa: str | None = None

    def __str__(self) -> str:
        return f"{self.engine} {self.isa}" if self.isa else self.engine


@dataclass(frozen=True)
class Check:
    """What a case gave.

    Attributes
    ----------
    case : Case
    ours, peers : dict of str to float
        Errors by engine and by program; infinite or NaN if the answer cannot be compared.
    failures : dict of str to str
        What was raised, by engine or program; there is no error then.
    """

    case: Case
    ours: dict[str, float]
    peers: dict[str, float]
    failures: dict[str, str]

    @property
    def breaches(self) -> list[str]:
        """The engines that failed or are above the tolerance."""
        wrong = [name for name, error in self.ours.items() if not error <= self.case.tolerance]
        return wrong + [name for name in self.failures if name not in self.case.peers]

    @property
    def worst(self) -> tuple[str, float]:
        """The engine with the largest error, and the error; NaN and failures are the largest."""
        if not self.ours:
            return next(iter(self.failures), ""), math.inf
        return max(self.ours.items(), key=lambda pair: math.inf if math.isnan(pair[1]) else pair[1])

    @property
    def margin(self) -> float:
        """The largest error over the tolerance; 0 where both are."""
        _, error = self.worst
        return error / self.case.tolerance if error else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON knows it: null stands for what is not a finite number."""
        case = self.case
        return {
            "estimator": case.estimator,
            "data": case.data,
            "task": case.task,
            "against": case.against,
            "tolerance": case.tolerance,
            "holds": not self.breaches,
            "ours": {name: _finite(error) for name, error in self.ours.items()},
            "peers": {name: _finite(error) for name, error in self.peers.items()},
            "failures": self.failures,
        }


@dataclass(frozen=True)
class Validation:
    """A whole validation.

    Attributes
    ----------
    command : str
    machine : Machine
    variants : tuple of str
        Engines that took part.
    unavailable : dict of str to str
        Engines that cannot run here, and why.
    checks : tuple of Check
    seconds : float
    began : str
        The time in UTC, by ISO 8601.
    """

    command: str
    machine: Machine
    variants: tuple[str, ...]
    unavailable: dict[str, str]
    checks: tuple[Check, ...]
    seconds: float
    began: str

    def is_right(self) -> bool:
        """Whether every engine is within every tolerance."""
        return not any(check.breaches for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return the validation as JSON knows it."""
        return {
            "kind": "validate",
            "format": FORMAT,
            "command": self.command,
            "began": self.began,
            "seconds": self.seconds,
            "machine": vars(self.machine),
            "engines": list(self.variants),
            "unavailable": self.unavailable,
            "checks": [check.to_dict() for check in self.checks],
        }


def _finite(error: float) -> float | None:
    return error if math.isfinite(error) else None


def _variants() -> tuple[list[Variant], dict[str, str]]:
    """Return what can run here, and why the rest cannot."""
    found = [Variant("reference"), *(Variant("native", isa) for isa in native.instruction_sets())]
    reasons = {"native": ops.unavailable("native"), "gpu": gpu.unavailable()}
    if reasons["gpu"] is None:
        found.append(Variant("gpu"))
    return found, {name: reason for name, reason in reasons.items() if reason}


def _on(variant: Variant, call: Callable[[], Any]) -> Any:
    forced = nullcontext() if variant.isa is None else use_instruction_set(variant.isa)
    with forced, config_context(engine=variant.engine):
        return call()


def _check(case: Case, variants: Iterable[Variant]) -> Check:
    """Let every engine and peer answer, and compare the answers together."""
    calls: dict[str, Callable[[], Any]] = {
        str(variant): partial(_on, variant, case.ours) for variant in variants
    }
    if case.by_scipy:
        calls = {_SCIPY: case.ours}
    ours = list(calls)
    calls |= {name: call for name, call in case.peers.items() if call is not None}
    answers: dict[str, Any] = {}
    failures: dict[str, str] = {}
    for name, call in calls.items():
        try:
            answers[name] = call()
        except Exception as error:  # a failure is a finding
            failures[name] = f"{type(error).__name__}: {error}"
    errors = dict(zip(answers, case.errors(list(answers.values())), strict=True))
    return Check(
        case,
        {name: error for name, error in errors.items() if name in ours},
        {name: error for name, error in errors.items() if name not in ours},
        failures,
    )


def validate(quick: bool = False, command: str = "") -> Validation:
    """Hold every estimator on every engine against the right answers.

    Parameters
    ----------
    quick : bool
        Smaller generated data.
    command : str
        What to say it was started by.
    """
    start, began = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
    variants, unavailable = _variants()
    cases = list(families.cases(quick))
    order = list(dict.fromkeys(case.estimator for case in cases))
    cases.sort(key=lambda case: order.index(case.estimator))
    checks = []
    with progress_bar(len(cases)) as show:
        for place, case in enumerate(cases):
            show(f"{case.estimator}: {case.data}", place)
            checks.append(_check(case, variants))
    names = [str(variant) for variant in variants]
    if any(case.by_scipy for case in cases):
        names.append(_SCIPY)
    return Validation(
        command,
        describe_machine(),
        tuple(names),
        unavailable,
        tuple(checks),
        time.perf_counter() - start,
        began,
    )


def _tables(validation: Validation) -> Iterator[Table]:
    """Yield the least digits of each estimator and engine, all cases, and the worst of them."""
    checks = validation.checks
    summary = Table(
        "Digits of the worst case, by engine", ("estimator", "cases", *validation.variants)
    )
    for estimator in dict.fromkeys(check.case.estimator for check in checks):
        own = [check for check in checks if check.case.estimator == estimator]
        cells = []
        for name in validation.variants:
            present = [check.ours[name] for check in own if name in check.ours]
            cells.append(digits_text(max(present)) if present else "–")
        summary.rows.append((estimator, str(len(own)), *cells))
    yield summary
    peers = list(dict.fromkeys(name for check in checks for name in check.case.peers))
    headings = ("case", "right is", "allowed", "ours", *peers, "")
    everything = Table("Digits of each case, the worst engine", headings, left=(0, 1))
    estimator = ""
    for check in checks:
        case = check.case
        if case.estimator != estimator:
            estimator = case.estimator
            everything.rows.append((estimator, *[""] * (len(headings) - 1)))
        theirs = [_peer(check, name) for name in peers]
        name, error = check.worst
        mark = f"BREACH: {', '.join(check.breaches)}" if check.breaches else ""
        everything.rows.append(
            (
                f"  {case.data}: {case.task}",
                case.against,
                digits_text(case.tolerance),
                digits_text(error),
                *theirs,
                mark,
            )
        )
    yield everything
    worst = Table(
        "Nearest to what is allowed",
        ("case", "engine", "error", "allowed", "share"),
        left=(0, 1),
    )
    for check in sorted(checks, key=lambda check: check.margin, reverse=True)[:_WORST]:
        case, (name, error) = check.case, check.worst
        worst.rows.append(
            (
                f"{case.estimator}, {case.data}: {case.task}",
                name,
                f"{error:.0e}",
                f"{case.tolerance:.0e}",
                f"{check.margin:.0%}",
            )
        )
    yield worst


def _peer(check: Check, name: str) -> str:
    if name in check.failures:
        return "failed"
    return digits_text(check.peers[name]) if name in check.peers else ""


def parameters() -> list[click.Parameter]:
    """Return what the command takes."""
    return [
        click.Option(["--quick"], is_flag=True, help="smaller generated data"),
        click.Option(
            ["--json"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="write all errors to a file",
        ),
    ]


def run(arguments: SimpleNamespace) -> int:
    """Run the command with parsed arguments, and return the exit status.

    Returns
    -------
    int
        0; 1 if an engine failed or is above a tolerance; 2 if the file cannot be written.
    """
    from rmodels.files.writing import check_writable, whole_file

    if arguments.json is not None:
        try:
            check_writable(arguments.json)
        except (OSError, ValueError) as error:
            print(f"rmodels validate: {error}", file=sys.stderr)
            return 2
    found = validate(arguments.quick, arguments.command)
    print_tables(_tables(found), sys.stdout)
    print()
    for name, reason in found.unavailable.items():
        print(f"the engine {name} took no part: {reason}")
    breaches = [check for check in found.checks if check.breaches]
    for check in breaches:
        case = check.case
        for name in check.breaches:
            said = check.failures.get(name) or f"error {check.ours[name]:.1e}"
            print(f"BREACH on {name}: {case.estimator}, {case.data}: {case.task}: {said}")
    answers = sum(len(check.ours) for check in found.checks)
    print(
        f"{len(found.checks)} cases, {answers} answers on {len(found.variants)} engines and "
        f"instruction sets, {len(breaches)} cases in breach; {found.seconds:.0f} s"
    )
    if arguments.json is not None:
        text = json.dumps(found.to_dict(), indent=1, allow_nan=False)
        with whole_file(arguments.json) as file:
            file.write(f"{text}\n".encode())
    return 0 if found.is_right() else 1
