"""Measuring a problem: answers first, then times of those that are right, then memory."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from threadpoolctl import threadpool_limits

from rmodels.config import config_context
from rmodels_evidence.memory import extra_memory
from rmodels_evidence.peers import fallbacks, is_installed
from rmodels_evidence.problem import Agreement, Answers, Check, Contender, Options, Problem, Series
from rmodels_evidence.results import Curve, Finding, Outcome
from rmodels_evidence.timing import interleave

__all__ = ["Effort", "check_answers", "entrants", "measure", "measure_series"]

_LONGEST = 10.0  # seconds: a contender that is expected to take longer is left out of a series

Advance = Callable[[float], None]


@dataclass(frozen=True)
class Effort:
    """How much is spent on a problem.

    Attributes
    ----------
    seconds : float
        For the rounds.
    least_rounds : int
    memory : bool
        Whether each contender's memory is measured too.
    longest : float
        Seconds: a contender whose samples took as long gives no more. If a single call takes
        longer, its memory is not measured.
    """

    seconds: float = 4.0
    least_rounds: int = 3
    memory: bool = True
    longest: float = 5.0


def entrants(problem: Problem, options: Options) -> list[Contender]:
    """Return the contenders that take part: all but the peers not asked for or not installed."""
    return [
        contender
        for contender in problem.contenders
        if not contender.peer or (options.peers and is_installed(contender.peer))
    ]


def check_answers(problem: Problem, data: Any, answers: Answers) -> dict[Contender, Agreement]:
    """Return how far each answer is from the right one, by the contender's check or the problem's.

    Parameters
    ----------
    problem : Problem
    data
        The problem's.
    answers : mapping of Contender to their answers
    """
    groups: dict[Check, dict[Contender, Any]] = {}
    for contender, answer in answers.items():
        groups.setdefault(contender.check or problem.check, {})[contender] = answer
    agreements: dict[Contender, Agreement] = {}
    for check, group in groups.items():
        agreements |= check(data, group)
    return agreements


def measure(
    problem: Problem,
    options: Options,
    effort: Effort,
    advance: Advance = lambda share: None,
    left_out: Mapping[str, str] = MappingProxyType({}),
) -> Outcome:
    """Let all contenders answer, check the answers, and time those that are right.

    Parameters
    ----------
    problem : Problem
    options : Options
    effort : Effort
    advance : callable
        Told what share of the work is done, from 0 to 1.
    left_out : mapping of str to str, optional
        Names of contenders that are not to run, and why.

    Returns
    -------
    Outcome
        A contender that raises, or whose answer is wrong, has no times, but a failure.
    """
    data = problem.data()
    stages = 3 if effort.memory else 2
    contenders = entrants(problem, options)
    findings: dict[Contender, Finding] = {}
    calls: dict[Contender, Callable[[], Any]] = {}
    for contender in contenders:
        if reason := left_out.get(contender.name) or contender.unavailable:
            findings[contender] = Finding(contender, left_out=reason)
            continue
        findings[contender] = Finding(contender)
        try:
            calls[contender] = contender.prepare(data)
        except Exception as error:  # a failure is a finding
            findings[contender] = Finding(contender, failure=f"{type(error).__name__}: {error}")
    # Libraries obey the limit if they are loaded: that is why all are prepared before.
    with (
        config_context(engine=options.engine, n_threads=options.threads),
        threadpool_limits(options.threads),
    ):
        known = _answer(problem, data, calls, findings, lambda share: advance(share / stages))
        times = interleave(
            {each.name: call for each, call in calls.items()},
            effort.seconds,
            least_rounds=effort.least_rounds,
            longest=effort.longest,
            known=known,
            advance=lambda share: advance((1 + share) / stages),
        )
    for place, contender in enumerate(calls, start=1):
        findings[contender] = replace(
            findings[contender],
            times=times[contender.name].scale(1 / contender.portion),
            memory=extra_memory(problem.name, contender.name, options)
            if effort.memory and known[contender.name] <= effort.longest
            else None,
        )
        advance((2 + place / len(calls)) / stages)
    return Outcome(problem, tuple(findings[contender] for contender in contenders))


def _answer(
    problem: Problem,
    data: Any,
    calls: dict[Contender, Callable[[], Any]],
    findings: dict[Contender, Finding],
    advance: Advance,
) -> dict[str, float]:
    """Make each call once and check the answers; drop the calls that fail; return their seconds."""
    answers: dict[Contender, Any] = {}
    known: dict[str, float] = {}
    for place, (contender, call) in enumerate(list(calls.items()), start=1):
        with fallbacks() as messages:
            start = time.perf_counter()
            try:
                answers[contender] = call()
            except Exception as error:  # a failure is a finding
                findings[contender] = Finding(contender, failure=f"{type(error).__name__}: {error}")
                del calls[contender]
                continue
            known[contender.name] = time.perf_counter() - start
        remark = "left the work to scikit-learn" if messages else ""
        findings[contender] = Finding(contender, remark=remark)
        advance(place / len(findings))
    for contender, agreement in check_answers(problem, data, answers).items():
        failure = "" if agreement.holds else f"wrong by {agreement.error:.1e}"
        findings[contender] = replace(findings[contender], agreement=agreement, failure=failure)
        if not agreement.holds:
            del calls[contender]
    return known


def measure_series(
    series: Series, options: Options, effort: Effort, advance: Advance = lambda share: None
) -> Iterator[Curve]:
    """Measure the problem at each size, and yield what is known of the curve after each.

    Parameters
    ----------
    series : Series
    options : Options
    effort : Effort
        At each size.
    advance : callable
        Told what share of the work is done, from 0 to 1.
    """
    points: list[tuple[int, Outcome]] = []
    left_out: dict[str, str] = {}
    for place, size in enumerate(series.sizes):
        if points:
            before, outcome = points[-1]
            growth = (size / before) ** series.growth
            for finding in outcome.findings:
                if finding.times is not None and finding.times.median * growth > _LONGEST:
                    left_out[finding.contender.name] = f"left out: above {_LONGEST:g} s"
        sized = replace(options, threads=size) if series.axis == "threads" else options
        outcome = measure(series.problem(size), sized, effort, left_out=left_out)
        points.append((size, outcome))
        advance((place + 1) / len(series.sizes))
        yield Curve(series.name, series.title, series.axis, tuple(points))
