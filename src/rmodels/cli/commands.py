"""The commands, and what they take. What they do is imported when one is called."""

import inspect
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem, get_completion_class

import rmodels
from rmodels.catalogue import CATALOGUE, Entry
from rmodels.cli.options import ALGORITHMS, Command, Size, parameters_of
from rmodels.cli.outside import OUTSIDE, Later, outside
from rmodels.cli.signals import interruptible
from rmodels.config import ENGINES, config_context

__all__ = ["COMPLETION", "command_line"]

COMPLETION = "_RMODELS_COMPLETE"  # the variable by which shells ask for what completes

_TABLE = (
    "DATA is a CSV, Parquet or Arrow file, a folder, a pattern, a URL, or several of them; - is "
    "standard input."
)
_TASKS = {
    "classify": "predicts classes",
    "regress": "predicts numbers",
    "cluster": "finds clusters of rows",
    "transform": "makes other columns of those there are",
}


class _Group(click.Group):
    """Commands in the order in which they were added.

    Parameters
    ----------
    what : str
        What errors call one of them.
    *given, **options
        As of `click.Group`.
    """

    def __init__(self, what: str, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._what = what

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that arguments name, and the rest of them."""
        if args and args[0] not in self.commands and not ctx.resilient_parsing:
            if args[0].startswith("-"):
                raise click.NoSuchOption(args[0], ctx=ctx)
            ctx.fail(f"no {self._what} {args[0]!r}: there are {', '.join(self.commands)}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _settings() -> list[click.Parameter]:
    """Return the options of every command that reads tables and computes."""
    return [
        click.Option(
            ["--separator"],
            metavar="SIGN",
            help="what parts the cells of CSV files, such as ';' (default: a tab in .tsv, else a "
            "comma)",
        ),
        click.Option(
            ["--memory-limit"],
            type=Size(),
            metavar="SIZE",
            help="memory that blocks of rows may take, such as 500MB or 2GiB (default: 1GiB)",
        ),
        click.Option(
            ["--threads"],
            type=click.IntRange(1),
            metavar="N",
            help="most threads (default: all processors)",
        ),
        click.Option(
            ["--engine"],
            type=click.Choice(ENGINES),
            help="what computes (default: auto, or RMODELS_ENGINE)",
        ),
    ]


def _preparing(*, fits: bool) -> list[click.Option]:
    """Return the options for values that are missing, and text."""
    then = "" if fits else " (default: as in the fit)"
    encode = click.Option(
        ["--encode"],
        type=click.Choice(["onehot"]),
        help="columns of text become columns of 0 and 1, one for each category",
    )
    return [
        click.Option(
            ["--missing"],
            type=click.Choice(["error", "drop", "mean"]),
            help="where a value is missing: an error, leave the row out, or the mean of the column"
            + (then or " (default: error)"),
        ),
        *([encode] if fits else []),
        click.Option(
            ["--unknown"],
            type=click.Choice(["error", "zeros"]),
            help="text that was not in the fit: an error, or zeros" + (then or " (default: error)"),
        ),
    ]


def _columns_so_far(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the columns of the table that was typed, to complete one; none if it is not there."""
    try:
        # where the option is the last, what stands before is not parsed
        data = ctx.params.get("data") or ctx.args["model" in ctx.params :]
        names = rmodels.scan(list(data), separator=ctx.params.get("separator")).columns
    except (ImportError, OSError, ValueError):
        return []
    return [CompletionItem(str(name)) for name in names if str(name).startswith(incomplete)]


def _column(flag: str, text: str, *names: str, many: bool = True, **given: Any) -> click.Option:
    """Return an option that takes a column, or several if it is said again."""
    return click.Option(
        [flag, *names],
        multiple=many,
        metavar="COLUMN",
        help=text + ("; again for more" if many else ""),
        shell_complete=_columns_so_far,
        **given,
    )


def _data(*, required: bool = True) -> click.Argument:
    path = click.Path(allow_dash=True)
    return click.Argument(["data"], nargs=-1, required=required, type=path, metavar="DATA...")


def _model() -> click.Argument:
    return click.Argument(["model"], type=click.Path(allow_dash=True), metavar="MODEL")


def _run(work: Callable[..., Any], given: dict[str, Any]) -> int:
    """Do some work on files with the settings; print its warnings and its error, a line each.

    The work prints what it has to say. Progress is shown where standard error is a terminal, and
    the results do not go to the same.
    """
    from rmodels.cli.streams import Streams

    settings: dict[str, Any] = {"memory_limit": given.pop("memory_limit", None)}
    settings["engine"] = given.pop("engine", None)
    threads = given.pop("threads", None)
    if threads is not None:
        settings["n_threads"] = threads
    printed = given.get("output", "") in (None, "-") and sys.stdout.isatty()
    shown = sys.stderr.isatty() and not printed and find_spec("rich") is not None
    status = 0
    with warnings.catch_warnings(record=True) as warned, Streams() as streams:
        warnings.simplefilter("default")
        try:
            with interruptible(), config_context(**settings, progress=shown):
                work(streams=streams, **given)
        except BrokenPipeError:
            raise
        except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
            print(f"rmodels: error: {streams.name_in(error)}", file=sys.stderr)
            status = 1
    for warning in warned:
        print(f"rmodels: warning: {warning.message}", file=sys.stderr)
    return status


def _fit() -> click.Group:
    """Return the command that fits: a command for each algorithm."""
    group = _Group(
        "algorithm",
        "fit",
        help="Fit a model to a table and save it.",
        short_help="fit a model to a table and save it",
        subcommand_metavar="ALGORITHM ...",
    )
    for name, estimator in ALGORITHMS.items():
        entry = CATALOGUE[estimator]
        text = f"rmodels.{estimator}, which {_TASKS.get(entry.task, 'answers rows')}"
        load, begun = (partial(make, name, entry) for make in (_fit_by, _fit_begun))
        group.add_command(Later(name, text, load, begun))
    return group


def _fit_by(name: str, entry: Entry) -> click.Command:
    """Return the command that fits one algorithm, which imports it."""
    return _fit_with(name, entry, getattr(rmodels, entry.name))


def _fit_begun(name: str, entry: Entry) -> click.Command:
    """Return the same with the options alone, without an import."""
    from rmodels.cli.sketches import sketch

    return _fit_with(name, entry, sketch(entry), lambda: getattr(rmodels, entry.name))


def _fit_with(
    name: str, entry: Entry, estimator: Any, find: Callable[[], Any] | None = None
) -> click.Command:
    """Return the command that fits one algorithm, by the parameters of a class, or of a sketch."""
    parameters = parameters_of(estimator, find)
    taken = {each.name for each in parameters}
    options: list[click.Parameter] = [
        _data(),
        click.Option(
            ["-o", "--output"],
            required=True,
            type=click.Path(allow_dash=True),
            metavar="MODEL",
            help="model file; - is standard output",
        ),
    ]
    if entry.predicts:
        options.append(_column("--target", "column to predict", "targets", required=True))
    options += [
        _column("--feature", "column to use (default: all others)", "features"),
        _column("--ignore", "column to leave out", "ignored"),
    ]
    if "sample_weight" in inspect.signature(estimator.fit).parameters:
        flags = ["--sample-weight"] if "weights" in taken else ["--weights", "--sample-weight"]
        text = "column of the weights of the rows"
        options.append(_column(flags[0], text, *flags[1:], "sample_weight", many=False))
    options += [
        click.Option(
            ["--checkpoint"],
            type=click.Path(),
            metavar="FILE",
            help="models fitted in batches: go on from here after a stop",
        ),
        *_preparing(fits=True),
        *_settings(),
        *parameters,
    ]

    @click.pass_context
    def run(context: click.Context, /, **given: Any) -> int:
        from rmodels.cli import fitting

        told = {name: given.pop(name) for name in list(given) if name in taken}
        chosen = {
            name: value
            for name, value in told.items()
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        }
        return _run(fitting.fit, {"estimator": entry.name, "parameters": chosen, **given})

    return Command(
        name,
        params=options,
        parameters=[name for name in taken if name],
        callback=run,
        help=f"Fit rmodels.{entry.name}, which {_TASKS.get(entry.task, 'answers rows')}, and save "
        f"it. {_TABLE}",
    )


def _answer(name: str, text: str, result: str, extra: Sequence[click.Option]) -> click.Command:
    """Return a command that writes what a model says of each row, by the function of its name."""

    @click.pass_context
    def run(context: click.Context, /, **given: Any) -> int:
        from rmodels.cli import answers

        return _run(getattr(answers, name), given)

    return Command(
        name,
        params=[
            _model(),
            _data(),
            click.Option(
                ["-o", "--output"],
                type=click.Path(allow_dash=True),
                metavar="FILE",
                help=f"CSV, Parquet or Arrow file (default: -, print the {result} as CSV)",
            ),
            _column("--keep", f"column of DATA to write too, before the {result}"),
            *extra,
            *_preparing(fits=False),
            *_settings(),
        ],
        callback=run,
        help=f"{text[0].upper()}{text[1:]}. {_TABLE} MODEL - is standard input.",
        short_help=text,
    )


def _beside_predictions() -> list[click.Option]:
    """Return the options of what is said beside each prediction."""
    return [
        click.Option(
            ["--proba"], is_flag=True, help="also the probability of each class: TARGET_CLASS"
        ),
        click.Option(
            ["--std"],
            is_flag=True,
            help="also the standard deviation of an observation about its prediction: TARGET_std",
        ),
        click.Option(
            ["--interval"],
            type=click.FloatRange(0, 1, min_open=True, max_open=True),
            metavar="CONFIDENCE",
            help="also the ends of an interval, such as of 0.95: TARGET_low and TARGET_high",
        ),
        click.Option(
            ["--interval-of"],
            type=click.Choice(["observation", "mean"]),
            default="observation",
            help="what the interval holds (default: observation)",
        ),
    ]


def _score() -> click.Command:
    def run(**given: Any) -> int:
        from rmodels.cli import answers

        return _run(answers.score, given)

    return Command(
        "score",
        params=[
            _model(),
            _data(),
            _column(
                "--target",
                "column to compare with (default: those the model was fitted to)",
                "targets",
            ),
            _column(
                "--weights",
                "column of the weights of the rows",
                "--sample-weight",
                "sample_weight",
                many=False,
            ),
            click.Option(
                ["--json", "as_json"], is_flag=True, help="print all measures, as one line of JSON"
            ),
            *_preparing(fits=False),
            *_settings(),
        ],
        callback=run,
        help=f"Score a saved model: R² of numbers, accuracy of classes. {_TABLE}",
        short_help="score a saved model: R² or accuracy",
    )


def _summary() -> click.Command:
    def run(**given: Any) -> int:
        from rmodels.cli import summaries

        return _run(summaries.summary, given)

    return Command(
        "summary",
        params=[_model()],
        callback=run,
        help="Print what a model file holds: parameters, columns, and of least squares the tests "
        "of the coefficients.",
        short_help="print what a model file holds, and tests of coefficients",
    )


def _versions() -> click.Command:
    def run() -> None:
        rmodels.show_versions()

    text = "print engines, instruction sets, threads, GPU and versions"
    return Command("versions", callback=run, help=f"P{text[1:]}.", short_help=text)


def _completion(commands: click.Command) -> click.Command:
    def run(shell: str) -> None:
        kind = get_completion_class(shell)
        assert kind is not None
        click.echo(kind(commands, {}, "rmodels", COMPLETION).source())

    return Command(
        "completion",
        params=[click.Argument(["shell"], type=click.Choice(["bash", "zsh", "fish"]))],
        callback=run,
        help="Print what has a shell complete commands, options, columns and files: eval "
        '"$(rmodels completion bash)" in ~/.bashrc, the same of zsh in ~/.zshrc, and rmodels '
        "completion fish | source in ~/.config/fish/config.fish.",
        short_help="print what has a shell complete what is typed",
    )


def command_line() -> click.Group:
    """Return the commands."""
    commands = _Group(
        "command",
        "rmodels",
        help=rmodels.__doc__,
        subcommand_metavar="COMMAND ...",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    version = click.version_option(rmodels.__version__, message="rmodels %(version)s")
    version(commands)
    every: Sequence[click.Command] = [
        _fit(),
        _answer("predict", "predict with a saved model", "predictions", _beside_predictions()),
        _answer("transform", "write the columns that a saved model makes of rows", "columns", ()),
        _score(),
        _summary(),
        *map(outside, OUTSIDE),
        _versions(),
        _completion(commands),
    ]
    for command in every:
        commands.add_command(command)
    return commands
