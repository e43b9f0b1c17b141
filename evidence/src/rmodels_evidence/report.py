"""The command `rmodels report`: what was validated and measured, in one HTML file."""

import json
import math
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from rmodels.config import thread_count
from rmodels.extras import require
from rmodels_evidence import bench, families, results
from rmodels_evidence import validate as validation
from rmodels_evidence.charts import LogAxis, brief, curves
from rmodels_evidence.problem import Options
from rmodels_evidence.table import bytes_text, digits_text, duration, ratio_text

__all__ = ["parameters", "render", "run"]

Document = Mapping[str, Any]  # what `rmodels bench --json` or `rmodels validate --json` wrote

_FORMATS = {"bench": results.FORMAT, "validate": validation.FORMAT}
_TEMPLATE = Path(__file__).with_name("report.html.j2")
_NOISE = 0.1  # share of the processors that others may take without distorting the times
_WORST = 8  # cases that are named
_LIMITS = {
    "memory": "one read of the data",
    "float32": "all multiply-adds in float32",
    "float64": "all multiply-adds in float64",
}
_ALL_DIGITS = 17.0  # where the answers without any error are drawn


def render(documents: Sequence[Document]) -> str:
    """Return the report as HTML that needs no other file.

    Parameters
    ----------
    documents : sequence of dict
        As written by `rmodels bench --json` and `rmodels validate --json`. Of a problem
        that is in several of them, the last counts.

    Raises
    ------
    ImportError
        If Jinja is not installed.
    ValueError
        If there are none, or if they are of different machines or versions.
    """
    jinja2 = require("jinja2", "report", "./evidence")
    if not documents:
        raise ValueError("there is nothing to report")
    machine = _one_machine(documents)
    runs = [each for each in documents if each["kind"] == "bench"]
    validations = [each for each in documents if each["kind"] == "validate"]
    problems = {each["name"]: (run, each) for run in runs for each in run["problems"]}
    scaled = {each["name"]: (run, each) for run in runs for each in run["curves"]}
    on_gpu = [run for run in runs if run["gpu"] is not None]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"duration": duration, "bytes": bytes_text}
    found = environment.from_string(_TEMPLATE.read_text("utf-8")).render(
        machine=machine,
        limits=runs[-1]["limits"] if runs else None,
        measured=_days(documents),
        notices=list(_notices(runs)),
        headlines=list(_headlines(problems, validations)),
        validation=_validation(validations[-1]) if validations else None,
        ladders=[_ladder(*each) for each in problems.values() if each[1]["suite"] == "ladder"],
        curves=[_curve(*each) for each in scaled.values()],
        suites=list(_suites(problems.values(), _median, _say)),
        memory=list(_suites(problems.values(), _memory, _memory_text)),
        gpu=on_gpu[-1]["gpu"] if on_gpu else None,
        no_gpu=next((run["no_gpu"] for run in runs if run["no_gpu"]), None),
        commands=list(dict.fromkeys(each["command"] for each in documents if each["command"])),
    )
    return str(found)


def _one_machine(documents: Sequence[Document]) -> Mapping[str, Any]:
    machines = [each["machine"] for each in documents]
    for other in machines[1:]:
        for name, value in machines[0].items():
            if other[name] != value:
                raise ValueError(
                    f"the files are of different machines or versions: {name} is {value!r} in one "
                    f"and {other[name]!r} in another"
                )
    first: Mapping[str, Any] = machines[0]
    return first


def _days(documents: Iterable[Document]) -> str:
    """Return the days of the measurements."""
    days = sorted({datetime.fromisoformat(each["began"]).date() for each in documents})
    return " and ".join(f"{day.day} {day:%B %Y}" for day in days)


def _notices(runs: Iterable[Document]) -> Iterator[str]:
    runs = list(runs)
    shares = [run["others"] for run in runs if run["others"] is not None]
    if shares and max(shares) > _NOISE:
        yield (
            f"Other programs took {max(shares):.0%} of the processors while this was measured: "
            "times and ratios are not to be relied on."
        )
    if any(run["options"]["quick"] for run in runs):
        yield "A quick run: a quarter of the rows and queries, few samples, no memory."
    missing = sorted({name for run in runs for name in run["missing"]})
    if missing:
        yield f"Not installed, so not measured: {', '.join(missing)}."
    if any(run["interrupted"] for run in runs):
        yield "A run was interrupted: some figures are missing."


def _command(run: Document, suite: str, *narrowed: str) -> str:
    """Return what measures a suite again."""
    options = run["options"]
    flags = [f"--{name}" for name in ("peers", "quick") if options[name]]
    if options["engine"] != "auto":
        flags += ["--engine", options["engine"]]
    if options["threads"] != run["machine"]["cores"]:
        flags += ["--threads", str(options["threads"])]
    return shlex.join(["rmodels", "bench", "--suite", suite, *narrowed, *flags])


def _median(contender: Mapping[str, Any]) -> float | None:
    seconds = contender["seconds"]
    return None if seconds is None else float(seconds["median"])


def _say(contender: Mapping[str, Any]) -> str:
    """Return a contender's time, or why it has none."""
    seconds = _median(contender)
    text = contender["failure"] or contender["left_out"] or "–"
    return text if seconds is None else duration(seconds)


def _note(contender: Mapping[str, Any], quick: bool = False) -> str:
    """Return what a reader must know to judge a time, few samples where those are not the rule."""
    seconds = contender["seconds"]
    few = {} if quick else {1: "measured once", 2: "measured twice"}
    said = "" if seconds is None else few.get(len(seconds["samples"]), "")
    return "; ".join(part for part in (contender["note"], said) if part)


def _memory(contender: Mapping[str, Any]) -> float | None:
    memory: float | None = contender["extra_memory"]
    return memory


def _memory_text(contender: Mapping[str, Any]) -> str:
    return bytes_text(contender["extra_memory"])


def _tip(contender: Mapping[str, Any]) -> str:
    """Return what is shown of a contender on hovering."""
    seconds = contender["seconds"]
    lines = [contender["name"], _say(contender)]
    if seconds is not None and len(seconds["samples"]) > 2:
        low, high = duration(seconds["first_quartile"]), duration(seconds["third_quartile"])
        lines.append(f"half of {len(seconds['samples'])} samples in {low} – {high}")
    if contender["agreement"] is not None and contender["agreement"]["error"] is not None:
        lines.append(f"error {contender['agreement']['error']:.0e}")
    if contender["limit"] is not None:
        lines.append(f"{contender['limit']['share']:.0%} of the limit: {contender['limit']['of']}")
    if contender["extra_memory"] is not None:
        lines.append(f"memory {bytes_text(contender['extra_memory'])}")
    return "\n".join([*lines, _note(contender)]).strip()


def _ladder(run: Document, problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return rungs on a logarithmic axis, each from where the one above it stands."""
    medians = [_median(each) for each in problem["contenders"]]
    times = [seconds for seconds in medians if seconds is not None] or [1.0]
    least = problem["least"]
    axis = LogAxis.decades(times + ([least["seconds"]] if least else []))
    rungs = []
    before = axis.place(times[0])
    for each in problem["contenders"]:
        seconds = _median(each)
        place = None if seconds is None else axis.place(seconds)
        rungs.append(
            {
                "name": each["name"],
                "note": _note(each, run["options"]["quick"]),
                "said": _say(each),
                "faster": "" if seconds is None else ratio_text(times[0] / seconds),
                "place": place,
                "low": None if place is None else min(place, before),
                "span": None if place is None else abs(before - place),
                "mark": each["mark"],
                "tip": _tip(each),
            }
        )
        before = before if place is None or each["mark"] else place
    return {
        "title": problem["title"],
        "rungs": rungs,
        "ticks": [(axis.place(value), brief(value)) for value in axis.ticks()],
        "least": None
        if least is None
        else {
            "place": axis.place(least["seconds"]),
            "text": f"{_LIMITS[least['of']]}, {duration(least['seconds'])}",
        },
        "command": _command(run, "ladder"),
    }


def _curve(run: Document, curve: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chart of time against size, and its table."""
    names = list(dict.fromkeys(each["name"] for p in curve["points"] for each in p["contenders"]))
    series: dict[str, list[tuple[int, float]]] = {name: [] for name in names}
    rows = []
    for point in curve["points"]:
        present = {each["name"]: each for each in point["contenders"]}
        for name, each in present.items():
            if (seconds := _median(each)) is not None:
                series[name].append((point["size"], seconds))
        cells = [_say(present[name]) if name in present else "–" for name in names]
        rows.append((f"{point['size']:,}", cells))
    # The limits are those of all threads.
    limited = [] if curve["axis"] == "threads" else curve["points"]
    least = [(p["size"], p["least"]["seconds"]) for p in limited if p["least"] is not None]
    return {
        "title": curve["title"],
        "axis": curve["axis"],
        "names": names,
        "rows": rows,
        "chart": curves(series, least, curve["axis"]) if any(series.values()) else None,
        "command": _command(run, "scaling", "--problem", curve["name"]),
    }


Found = Iterable[tuple[Document, Mapping[str, Any]]]


def _suites(
    problems: Found,
    value: Callable[[Mapping[str, Any]], float | None],
    text: Callable[[Mapping[str, Any]], str],
) -> Iterator[dict[str, Any]]:
    """Yield the suites with peers: a value of each contender as bars, by problem."""
    problems = list(problems)
    for suite in (name for name in families.suites() if name not in families.PEERLESS):
        own = [
            (run, _bars(run, each, value, text)) for run, each in problems if each["suite"] == suite
        ]
        groups = [group for _, group in own if group["rows"]]
        if groups:
            yield {"name": suite, "groups": groups, "command": _command(own[0][0], suite)}


def _bars(
    run: Document,
    problem: Mapping[str, Any],
    value: Callable[[Mapping[str, Any]], float | None],
    text: Callable[[Mapping[str, Any]], str],
) -> dict[str, Any]:
    """Return a bar for each contender that has a value, and a row for each that failed."""
    values = {each["name"]: value(each) for each in problem["contenders"]}
    measured = {name: found for name, found in values.items() if found is not None}
    ours = next(
        (e["name"] for e in problem["contenders"] if e["ours"] and e["name"] in measured), ""
    )
    rows = []
    for each in problem["contenders"] if measured else ():
        name = each["name"]
        if name not in measured and not each["failure"]:
            continue
        comparable = name in measured and measured.get(ours) and name != ours
        rows.append(
            {
                "name": name,
                "note": _note(each, run["options"]["quick"] or value is not _median),
                "ours": each["ours"],
                "share": measured[name] / (max(measured.values()) or 1.0)
                if name in measured
                else None,
                "text": text(each),
                "ratio": ratio_text(measured[name] / measured[ours]) if comparable else "",
                "tip": _tip(each),
            }
        )
    return {"title": problem["title"], "rows": rows}


def _headlines(
    problems: Mapping[str, tuple[Document, Mapping[str, Any]]], validations: Sequence[Document]
) -> Iterator[tuple[str, str]]:
    """Yield the figures at the top: a number and what it says."""
    for each in families.headlines():
        if each.problem in problems:
            found = {one["name"]: one for one in problems[each.problem][1]["contenders"]}
            if each.peer in found and found[each.peer]["ratio"] is not None:
                yield ratio_text(found[each.peer]["ratio"]), each.text
    if validations:
        checks = validations[-1]["checks"]
        answers = sum(len(each["ours"]) for each in checks)
        held = sum(each["holds"] for each in checks)
        yield f"{held} of {len(checks)}", f"results right on every engine ({answers:,} answers)"


def _digits(error: float | None) -> float:
    """Return correct digits between 0 and `_ALL_DIGITS`."""
    if error is None:
        return 0.0
    return min(16.0, max(0.0, -math.log10(error))) if error else _ALL_DIGITS


def _worst(errors: Iterable[float | None]) -> float | None:
    """Return the largest error; None, which is no number, is larger than all."""
    found = list(errors)
    return None if None in found else max(error for error in found if error is not None)


def _validation(found: Document) -> dict[str, Any]:
    """Return the least digits by engine, the digits of every program, and the worst cases."""
    checks = found["checks"]
    estimators = list(dict.fromkeys(each["estimator"] for each in checks))
    table = []
    for estimator in estimators:
        own = [each for each in checks if each["estimator"] == estimator]
        cells = []
        for engine in found["engines"]:
            errors = [each["ours"][engine] for each in own if engine in each["ours"]]
            cells.append(digits_text(_worst(errors)) if errors else "–")
        table.append((estimator, len(own), cells))
    programs: dict[str, list[tuple[float, str]]] = {}
    for each in (each for each in checks if each["peers"] and each["ours"]):
        said = f"{each['data']}: {each['task']}"
        for name, error in (("rmodels", _worst(each["ours"].values())), *each["peers"].items()):
            text = f"{name}\n{said}\n{digits_text(error)} digits"
            programs.setdefault(name, []).append((_digits(error), text))

    def margin(each: Mapping[str, Any]) -> float:
        error = _worst(each["ours"].values()) if each["ours"] else None
        return math.inf if error is None else error / each["tolerance"] if error else 0.0

    cases = [
        {
            **each,
            "digits": digits_text(_worst(each["ours"].values()) if each["ours"] else None),
            "allowed": digits_text(each["tolerance"]),
            "theirs": {name: digits_text(error) for name, error in each["peers"].items()},
            "share": f"{margin(each):.0%}" if math.isfinite(margin(each)) else "above",
        }
        for each in checks
    ]
    return {
        "engines": found["engines"],
        "unavailable": found["unavailable"],
        "table": table,
        "programs": {name: _swarm(dots) for name, dots in programs.items()},
        "peers": [name for name in programs if name != "rmodels"],
        "worst": sorted(cases, key=margin, reverse=True)[:_WORST],
        "cases": cases,
        "held": sum(each["holds"] for each in checks),
        "answers": sum(len(each["ours"]) for each in checks),
        "command": "rmodels validate" + " --quick" * ("--quick" in found["command"].split()),
    }


def _swarm(dots: Iterable[tuple[float, str]]) -> list[dict[str, Any]]:
    """Return dots along an axis of digits; those that would cover one another are stacked."""
    stacks: dict[int, int] = {}
    placed = []
    for digits, text in sorted(dots):
        column = round(2 * digits)
        stacks[column] = stacks.get(column, 0) + 1
        placed.append({"place": column / 2 / _ALL_DIGITS, "row": stacks[column] - 1, "tip": text})
    return placed


def parameters() -> list[click.Parameter]:
    """Return what the command takes."""
    path = click.Path(path_type=Path)
    return [
        click.Argument(["files"], nargs=-1, type=path, metavar="[FILE]..."),
        click.Option(
            ["-o", "--output"], type=path, required=True, metavar="FILE", help="the HTML file"
        ),
        click.Option(["--quick"], is_flag=True, help="measure less: two minutes"),
        click.Option(["--peers"], is_flag=True, help="also measure peers, as bench --peers"),
    ]


def _read(path: Path) -> Document:
    """Return what a file holds.

    Raises
    ------
    ValueError
        If it is not what `rmodels bench` or `rmodels validate` of this version writes.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a JSON file: {error}") from None
    kind = found.get("kind") if isinstance(found, dict) else None
    if kind not in _FORMATS:
        raise ValueError(f"{path} was not written by rmodels bench --json or validate --json")
    if found["format"] != _FORMATS[kind]:
        raise ValueError(
            f"{path} has format {found['format']}; this version of rmodels reads {_FORMATS[kind]}"
        )
    document: Document = found
    return document


def run(arguments: SimpleNamespace) -> int:
    """Run the command with parsed arguments, and return the exit status.

    Returns
    -------
    int
        0; 1 if a fresh run found a wrong result, or if the report cannot be made; 130 after
        Ctrl-C, when the report shows what was measured until then.
    """
    from rmodels.files.writing import check_writable, whole_file

    right, interrupted = True, False
    try:
        require("jinja2", "report", "./evidence")
        check_writable(arguments.output)
        documents = [_read(path) for path in arguments.files]
        if not documents:
            checked = validation.validate(arguments.quick, arguments.command)
            options = Options(thread_count(), "auto", arguments.peers, arguments.quick)
            suites = [each for each in families.suites() if each != "map"]  # which has no chart
            measured = bench.benchmark(suites, options, command=arguments.command)
            right = checked.is_right() and measured.is_right()
            interrupted = measured.interrupted
            documents = [checked.to_dict(), measured.to_dict()]
        page = render(documents)
        with whole_file(arguments.output) as file:
            file.write(page.encode())
    except KeyboardInterrupt:
        print("rmodels report: interrupted before there was anything to show", file=sys.stderr)
        return 130
    except (ImportError, OSError, ValueError) as error:
        print(f"rmodels report: {error}", file=sys.stderr)
        return 1
    print(arguments.output)
    if interrupted:
        return 130
    return 0 if right else 1
