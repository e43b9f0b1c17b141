"""The command `rmodels bench`: our models beside others, on problems with goals."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import click

from rmodels import native
from rmodels.cli.options import Many
from rmodels.config import ENGINES, config_context, thread_count
from rmodels_evidence import families, gpu
from rmodels_evidence.contention import Contention
from rmodels_evidence.ladder import use_instruction_set
from rmodels_evidence.limits import measure_limits
from rmodels_evidence.machine import describe_machine
from rmodels_evidence.measure import Effort, measure, measure_series
from rmodels_evidence.peers import find_missing_peers
from rmodels_evidence.problem import Options
from rmodels_evidence.progress import progress_bar
from rmodels_evidence.results import Curve, Outcome, Run
from rmodels_evidence.table import print_run

__all__ = ["FULL", "QUICK", "benchmark", "parameters", "run"]

FULL = Effort()
QUICK = Effort(0.3, 1, memory=False, longest=1.0)
_CELL = Effort(0.5, 4, memory=False, longest=3.0)


def parameters() -> list[click.Parameter]:
    """Return what the command takes."""
    every = families.suites()
    default = [suite for suite in every if suite not in families.PEERLESS]
    return [
        click.Option(
            ["--suite"],
            type=Many(click.Choice((*every, "all"))),
            default=default,
            metavar="SUITE …",
            help=f"what to measure: {', '.join(every)} or all (default: {' '.join(default)})",
        ),
        click.Option(
            ["--problem"],
            type=Many(click.STRING),
            default=[],
            metavar="NAME …",
            help="only these problems of the suites, by the names in the JSON file",
        ),
        click.Option(
            ["--peers"],
            is_flag=True,
            help="also measure scikit-learn-intelex, faiss-cpu, celer, skglm, hdbscan and "
            "fast-hdbscan, where installed",
        ),
        click.Option(
            ["--quick"], is_flag=True, help="a quarter of the rows, few samples, no memory"
        ),
        click.Option(
            ["--rehearse"],
            is_flag=True,
            help="the suite gpu on tiny data, also in Triton's interpreter: shows that it runs",
        ),
        click.Option(
            ["--json"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="write all figures to a file, after each problem what there is",
        ),
        click.Option(
            ["--threads"],
            type=click.IntRange(1),
            metavar="N",
            help="threads of every contender (default: all that the process may use)",
        ),
        click.Option(
            ["--engine"],
            type=click.Choice(ENGINES),
            default="auto",
            help="engine of our models (default: auto)",
        ),
        click.Option(
            ["--isa"],
            type=click.Choice(native.instruction_sets()),
            help="instruction set of the native engine (default: the best)",
        ),
    ]


def benchmark(
    suites: Sequence[str],
    options: Options,
    *,
    names: Sequence[str] = (),
    command: str = "",
    keep: Callable[[Run], object] = lambda found: None,
) -> Run:
    """Measure suites.

    Parameters
    ----------
    suites : sequence of str
        Some of `rmodels_evidence.families.suites()`.
    options : Options
    names : sequence of str
        Only these problems and series of the suites; all if empty.
    command : str
        What to say the run was started by.
    keep : callable
        Told what was found so far, after each problem and each point of a curve.

    Returns
    -------
    Run
        What was measured until Ctrl-C, if that was pressed.

    Raises
    ------
    ValueError
        If no problem or series of the suites has one of the names.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    start, begin = time.perf_counter(), Contention.now()
    effort = QUICK if options.quick else FULL
    chosen = [problem for problem in families.problems(options) if problem.suite in suites]
    series = families.series(options) if "scaling" in suites else []
    on_gpu = families.gpu_problems(options) if "gpu" in suites else []
    unknown = set(names) - {problem.name for problem in chosen} - {each.name for each in series}
    unknown -= {each.name for each in on_gpu}
    if unknown:
        raise ValueError(f"the suites hold no problem named {', '.join(sorted(unknown))}")
    if names:
        chosen = [problem for problem in chosen if problem.name in names]
        series = [each for each in series if each.name in names]
        on_gpu = [each for each in on_gpu if each.name in names]
    work = [*(problem.seconds for problem in chosen), *(each.seconds for each in series)]
    no_gpu = (gpu.unavailable(options.rehearsal) or "") if on_gpu else ""
    found_on_gpu: gpu.GPUSuite | None = None
    outcomes: list[Outcome] = []
    curves: dict[str, Curve] = {}

    def collect(interrupted: bool) -> Run:
        end = Contention.now()
        return Run(
            command,
            describe_machine(),
            options,
            limits,
            tuple(outcomes),
            tuple(curves.values()),
            find_missing_peers() if options.peers else (),
            time.perf_counter() - start,
            None if begin is None or end is None else end.share_since(begin),
            interrupted,
            found_on_gpu,
            no_gpu,
            began,
        )

    with progress_bar(sum(work)) as show:
        show("the machine's limits", 0.0)
        limits = measure_limits(options.threads, 0.1 if options.quick else 0.5)
        try:
            for place, problem in enumerate(chosen):
                before, share = sum(work[:place]), work[place]
                cell = problem.suite == "map" and not options.quick
                outcome = measure(
                    problem,
                    options,
                    _CELL
                    if cell
                    else replace(effort, memory=effort.memory and problem.suite != "ladder"),
                    lambda done: show(problem.title, before + done * share),  # noqa: B023
                )
                outcomes.append(outcome)
                keep(collect(interrupted=True))
            for place, each in enumerate(series, start=len(chosen)):
                before, share = sum(work[:place]), work[place]
                for curve in measure_series(
                    each,
                    options,
                    QUICK,
                    lambda done: show(each.title, before + done * share),  # noqa: B023
                ):
                    curves[each.name] = curve
                    keep(collect(interrupted=True))
            if on_gpu and not no_gpu:
                show("the suite gpu", sum(work))
                for so_far in gpu.run_suite(on_gpu, options.rehearsal):
                    found_on_gpu = so_far
                    keep(collect(interrupted=True))
        except KeyboardInterrupt:
            return collect(interrupted=True)
    return collect(interrupted=False)


def run(arguments: SimpleNamespace) -> int:
    """Run the command with parsed arguments, and return the exit status.

    Returns
    -------
    int
        0; 1 if one of our own contenders failed or was wrong, or if the suite "gpu" is asked for
        by name and cannot run; 2 if the arguments contradict; 130 after Ctrl-C.
    """
    from rmodels.files.writing import check_writable, whole_file

    def keep(found: Run) -> None:
        if arguments.json is not None:
            with whole_file(arguments.json) as file:
                text = json.dumps(found.to_dict(), indent=1, allow_nan=False)
                file.write(f"{text}\n".encode())

    suites = families.suites() if "all" in arguments.suite else tuple(arguments.suite)
    if arguments.rehearse and suites != ("gpu",):
        print("rmodels bench: --rehearse is for --suite gpu alone", file=sys.stderr)
        return 2
    if "gpu" in arguments.suite and (reason := gpu.unavailable(arguments.rehearse)):
        print(f"rmodels bench: the suite gpu cannot run: {reason}", file=sys.stderr)
        return 1
    if arguments.json is not None:
        try:
            check_writable(arguments.json)
        except (OSError, ValueError) as error:
            print(f"rmodels bench: {error}", file=sys.stderr)
            return 2
    forced = nullcontext() if arguments.isa is None else use_instruction_set(arguments.isa)
    with forced, config_context(engine=arguments.engine, n_threads=arguments.threads):
        options = Options(
            thread_count(),
            arguments.engine,
            arguments.peers,
            arguments.quick,
            arguments.rehearse,
        )
        try:
            result = benchmark(
                suites,
                options,
                names=arguments.problem,
                command=arguments.command,
                keep=keep,
            )
        except ValueError as error:
            print(f"rmodels bench: {error}", file=sys.stderr)
            return 2
    print_run(result, sys.stdout)
    print(f"\n{result.seconds:.0f} s in all")
    keep(result)
    if result.interrupted:
        return 130
    return 0 if result.is_right() else 1
