"""Tables of a run for the terminal: by rich if it is installed, else aligned plain text."""

import importlib.util
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from rmodels_evidence import families
from rmodels_evidence.gpu import GPUSuite
from rmodels_evidence.limits import Limits
from rmodels_evidence.results import Curve, Finding, Outcome, Run
from rmodels_evidence.standing import is_lost, stand
from rmodels_evidence.timing import quantile

__all__ = [
    "Table",
    "bytes_text",
    "digits_text",
    "duration",
    "plain_text",
    "print_run",
    "print_tables",
    "ratio_text",
    "tables",
]


_QUIET = 0.1  # share of the processors that others may take without distorting the times


@dataclass(frozen=True)
class Table:
    """A title, headings, and rows of text; the first column is aligned left.

    Attributes
    ----------
    title : str
    headings : tuple of str
    rows : list of tuple of str
    left : tuple of int
        Columns aligned left.
    """

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    left: tuple[int, ...] = (0,)


def duration(seconds: float) -> str:
    """Return seconds with three digits, in the unit that suits them."""
    if math.isnan(seconds):
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.9995 * size:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds / 1e-9)} ns"


def _three_digits(value: float) -> str:
    """Return a value with at least three digits, and no exponent."""
    if value >= 99.95:
        return f"{value:,.0f}"
    digits = 1 if value >= 9.995 else 2 if value >= 0.9995 else 3
    return f"{value:.{digits}f}"


def ratio_text(value: float) -> str:
    """Return a ratio with three digits; a dash for NaN."""
    return "–" if math.isnan(value) else f"{_three_digits(value)} ×"


def digits_text(error: float | None) -> str:
    """Return the correct digits that a relative error leaves; None is an error beyond measure."""
    if error is None or not math.isfinite(error):
        return "none"
    return "all" if error == 0 else f"{max(0.0, -math.log10(error)):.1f}"


def bytes_text(count: int | None) -> str:
    """Return bytes in MiB; a dash for None."""
    return "–" if count is None else f"{count / 2**20:,.1f} MiB"


def _spread(finding: Finding) -> str:
    """Return the quartiles, relative to the median."""
    times = finding.times
    if times is None:
        return "–"
    if len(times.seconds) < 3:
        return "once" if len(times.seconds) == 1 else "twice"
    low, high = times.low / times.median - 1, times.high / times.median - 1
    return f"{low:+.0%} {high:+.0%}"


def _time(finding: Finding) -> str:
    if finding.times is None:
        return finding.failure or finding.left_out
    return duration(finding.times.median)


def _error(finding: Finding) -> str:
    agreement = finding.agreement
    return "–" if agreement is None else f"{agreement.error:.0e}"


def _limit(outcome: Outcome, finding: Finding, limits: Limits) -> str:
    share = outcome.limit_share(finding, limits)
    return "–" if share is None else f"{share[0]:.0%} {share[1]}"


def tables(run: Run) -> Iterator[Table]:
    """Yield the tables of a run: the goals, then each suite, then each curve."""
    present = {outcome.problem.suite for outcome in run.outcomes}
    suites = [suite for suite in families.suites() if suite in present]
    if any(outcome.problem.goals for outcome in run.outcomes) and not run.options.quick:
        yield _goals(run)
    for suite in suites:
        outcomes = [outcome for outcome in run.outcomes if outcome.problem.suite == suite]
        if suite == "ladder":
            yield from (_ladder(outcome, run.limits) for outcome in outcomes)
        elif suite == "map":
            yield _map(outcomes)
            yield _summary(outcomes)
        else:
            yield _details(suite, outcomes, run.limits)
    yield from map(_curve, run.curves)
    if run.gpu is not None:
        yield _gpu(run.gpu)


def _goals(run: Run) -> Table:
    table = Table(
        "Goals: their time over ours",
        ("problem", "against", "goal", "measured", "reached"),
        left=(0, 1, 4),
    )
    for outcome in run.outcomes:
        title = outcome.problem.title
        for goal in outcome.problem.goals:
            against = " / ".join(goal.against)
            if len(goal.against) > 1:
                against = f"best of {against}"
            bound = f"≤ {goal.ratio:g} ×" if goal.at_most else f"≥ {goal.ratio:g} ×"
            if goal.at_most:
                against = f"{against} (ours, over it)"
            reached = outcome.is_reached(goal)
            said = {True: "yes", False: "no", None: "not measured"}[reached]
            table.rows.append((title, against, bound, ratio_text(outcome.measure(goal)), said))
            title = ""
    return table


def _details(suite: str, outcomes: Sequence[Outcome], limits: Limits) -> Table:
    table = Table(
        f"Suite {suite}",
        ("problem", "time", "quartiles", "over ours", "of the limit", "memory", "error", "note"),
        left=(0, 7),
    )
    for outcome in outcomes:
        table.rows.append((outcome.problem.title, *[""] * 7))
        for finding in outcome.findings:
            name = finding.contender.name
            table.rows.append(
                (
                    f"  {name}",
                    _time(finding),
                    _spread(finding),
                    ratio_text(outcome.ratio(name)),
                    _limit(outcome, finding, limits),
                    bytes_text(finding.memory),
                    _error(finding),
                    finding.note,
                )
            )
    return table


def _map(outcomes: Sequence[Outcome]) -> Table:
    table = Table(
        "Map: their time over ours, and the interval of 95 % in which it lies",
        ("call", "ours", "as exact", "", "interval", "less exact", "", "interval", ""),
        left=(0, 2, 5, 8),
    )
    for outcome in outcomes:
        standings = {each.exact: each for each in stand(outcome)}
        cells: list[str] = []
        for exact in (True, False):
            each = standings.get(exact)
            if each is None:
                cells += ["", "", ""]
            else:
                cells += [each.peer, ratio_text(each.ratio), f"{each.low:.2f} to {each.high:.2f}"]
        own = next(each for each in outcome.findings if each.contender.ours)
        note = "lost" if is_lost(tuple(standings.values())) else ""
        table.rows.append((outcome.problem.title, _time(own), *cells, note))
    return table


def _summary(outcomes: Sequence[Outcome]) -> Table:
    table = Table("Map in short", ("peers", "cells", "median", "least", "lost"))
    every = [each for outcome in outcomes for each in stand(outcome)]
    for exact, name in ((True, "as exact"), (False, "less exact")):
        found = [each for each in every if each.exact is exact]
        if found:
            ratios = sorted(each.ratio for each in found)
            lost = sum(each.lost for each in found)
            median, least = ratio_text(quantile(ratios, 0.5)), ratio_text(ratios[0])
            table.rows.append((name, f"{len(found)}", median, least, f"{lost}"))
    return table


def _ladder(outcome: Outcome, limits: Limits) -> Table:
    table = Table(
        f"Ladder: {outcome.problem.title}",
        ("rung", "time", "quartiles", "faster", "of the limit", "error", "note"),
        left=(0, 6),
    )
    first = outcome.time(outcome.findings[0].contender.name)
    for finding in outcome.findings:
        table.rows.append(
            (
                finding.contender.name,
                _time(finding),
                _spread(finding),
                ratio_text(first / outcome.time(finding.contender.name)),
                _limit(outcome, finding, limits),
                _error(finding),
                finding.note,
            )
        )
    return table


def _curve(curve: Curve) -> Table:
    names = curve.contenders()
    table = Table(f"Scaling: {curve.title}", (curve.axis, *names), left=())
    for size, outcome in curve.points:
        cells = {finding.contender.name: _time(finding) for finding in outcome.findings}
        table.rows.append((f"{size:,}", *(cells.get(name, "–") for name in names)))
    return table


def _gpu(suite: GPUSuite) -> Table:
    limits = suite.limits
    table = Table(
        f"Suite gpu: {suite.device}, copying {limits.bandwidth / 1e12:.2f} TB/s, products "
        f"{limits.half / 1e12:.0f} TFLOP/s float16, {limits.double / 1e12:.1f} TFLOP/s float64",
        ("problem", "by", "time", "of the limit", "goal"),
        left=(0, 1, 4),
    )
    for line in suite.lines:
        share = "–" if line.share is None else f"{line.share:.0%}"
        cells = line.problem, line.contender, duration(line.seconds), share, line.verdict
        table.rows.append(cells)
    for name, reason in suite.failures.items():
        table.rows.append((f"{name} failed: {reason}", "", "", "", ""))
    return table


def _gpu_details(suite: GPUSuite) -> list[str]:
    """Return lines that say what the suite "gpu" ran on."""
    lines = [", ".join(f"{name} {value}" for name, value in suite.details.items())]
    if suite.rehearsal:
        lines.append("REHEARSAL of the suite gpu, on tiny data: its times and goals say nothing")
    return lines


def preface(run: Run) -> list[str]:
    """Return lines that say what the run ran on."""
    machine, limits = run.machine, run.limits
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    lines = [
        f"{machine.processor}, {machine.cores} processors, {machine.memory / 2**30:.0f} GiB, "
        f"{machine.system}; instruction set {machine.instruction_set}, "
        f"threads={run.options.threads}, engine {run.options.engine}",
        versions,
        f"limits by {limits.source} on {limits.threads} threads: reading "
        f"{limits.read_bandwidth / 1e9:.1f} GB/s, multiply-adds "
        f"{limits.float32_rate / 1e9:.0f} GFLOP/s float32, "
        f"{limits.float64_rate / 1e9:.0f} GFLOP/s float64",
    ]
    if run.options.quick:
        lines.append("quick: a quarter of the rows and queries; goals are for the full size")
    if run.others is not None and run.others > _QUIET:
        lines.append(
            f"WARNING: other programs took {run.others:.0%} of the processors during the run; "
            "times and ratios are not to be relied on"
        )
    if run.interrupted:
        lines.append("interrupted: only what was measured until then")
    if run.missing:
        lines.append(
            f"not installed, so not measured: {', '.join(run.missing)} "
            "(pip install './evidence[peers,lasso-peers,cluster-peers]')"
        )
    if run.gpu is not None:
        lines.extend(_gpu_details(run.gpu))
    if run.no_gpu:
        lines.append(f"the suite gpu cannot run: {run.no_gpu}")
    if not run.options.peers:
        lines.append("peers beyond NumPy and scikit-learn not asked for (--peers)")
    return lines


def plain_text(table: Table) -> str:
    """Return a table as aligned plain text, with no blanks at the end of a line."""
    cells = [table.headings, *table.rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.headings))]
    # A row that has only its first cell may run over the columns beside it.
    only_first = [row[0] for row in table.rows if not any(row[1:])]
    widths[0] = max(len(row[0]) for row in cells if row[0] not in only_first)

    def line(row: Sequence[str]) -> str:
        pairs = zip(row, widths, strict=True)
        aligned = (
            f"{cell:<{width}}" if column in table.left else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(pairs)
        )
        return "  ".join(aligned).rstrip()

    rule = "─" * len(line(["x" * width for width in widths]))
    return "\n".join([table.title, line(table.headings), rule, *map(line, table.rows)])


def print_run(run: Run, stream: TextIO) -> None:
    """Print what the run ran on, and its tables."""
    for text in preface(run):
        print(text, file=stream)
    print_tables(tables(run), stream)


def print_tables(found: Iterable[Table], stream: TextIO) -> None:
    """Print tables, by rich if the stream is a terminal and rich is installed."""
    if stream.isatty() and importlib.util.find_spec("rich") is not None:
        _print_rich(found, stream)
        return
    for table in found:
        print(f"\n{plain_text(table)}", file=stream)


def _print_rich(found: Iterable[Table], stream: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(file=stream)
    colours = {"yes": "green", "no": "red", "not measured": "yellow"}
    for table in found:
        shown = RichTable(title=table.title, box=box.SIMPLE_HEAD, title_justify="left")
        for column, heading in enumerate(table.headings):
            shown.add_column(heading, justify="left" if column in table.left else "right")
        for row in table.rows:
            style = "bold" if not any(row[1:]) else ""
            shown.add_row(*(Text(cell, style=colours.get(cell, style)) for cell in row))
        console.print(shown)
