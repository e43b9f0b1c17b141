"""The command `rmodels`."""

import argparse
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import rmodels
from rmodels.cli.options import ALGORITHMS, EstimatorParser
from rmodels.cli.outside import OUTSIDE, CommandParser

__all__ = ["command_line", "main"]


def _versions(arguments: argparse.Namespace) -> int:
    rmodels.show_versions()
    return 0


def _reported(work: Callable[[argparse.Namespace], str]) -> Callable[[argparse.Namespace], int]:
    """Print what some work on files says, its warnings and its errors, a line each."""

    def run(arguments: argparse.Namespace) -> int:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("default")
            try:
                said, status = work(arguments), 0
            except (ImportError, OSError, RuntimeError, ValueError) as error:
                said, status = f"rmodels: error: {error}\n", 1
        for warning in warned:
            print(f"rmodels: warning: {warning.message}", file=sys.stderr)
        (sys.stderr if status else sys.stdout).write(said)
        return status

    return run


@_reported
def _fit(arguments: argparse.Namespace) -> str:
    from rmodels.cli import files

    given = vars(arguments)
    rmodels.set_config(progress=sys.stderr.isatty() and find_spec("rich") is not None)
    return files.fit(
        arguments.estimator,
        {name: given[name] for name in arguments.parameter_names if name in given},
        arguments.data,
        arguments.output,
        arguments.target,
        arguments.feature,
        arguments.ignore,
        arguments.checkpoint,
    )


@_reported
def _predict(arguments: argparse.Namespace) -> str:
    from rmodels.cli import files

    return files.predict(arguments.model, arguments.data, arguments.output)


@_reported
def _score(arguments: argparse.Namespace) -> str:
    from rmodels.cli import files

    return files.score(arguments.model, arguments.data, arguments.target)


def _add_files(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    """Add the commands that work on tables and models in files."""
    table = "CSV or Parquet file"
    fit = commands.add_parser("fit", help="fit a model to a CSV or Parquet file and save it")
    algorithms = fit.add_subparsers(
        required=True, metavar="ALGORITHM", parser_class=EstimatorParser
    )
    for name, estimator in ALGORITHMS.items():
        parser = algorithms.add_parser(name, help=f"rmodels.{estimator}", allow_abbrev=False)
        parser.add_argument("data", metavar="DATA", help=table)
        parser.add_argument("-o", "--output", required=True, metavar="MODEL", help="model file")
        for flag, needed, text in (
            ("--target", True, "column to predict; again for more"),
            ("--feature", False, "column to predict from; again for more (default: all others)"),
            ("--ignore", False, "column to leave out; again for more"),
        ):
            parser.add_argument(
                flag, action="append", default=[], required=needed, metavar="COLUMN", help=text
            )
        parser.add_argument(
            "--checkpoint", metavar="FILE", help="linear models: go on from here after a stop"
        )
        parser.set_defaults(run=_fit, estimator=estimator)
    predict = commands.add_parser("predict", help="predict with a saved model")
    predict.add_argument("model", metavar="MODEL", help="model file")
    predict.add_argument("data", metavar="DATA", help=table)
    predict.add_argument(
        "-o", "--output", metavar="FILE", help=f"{table} (default: print the predictions)"
    )
    predict.set_defaults(run=_predict)
    score = commands.add_parser("score", help="score a saved model: R² or accuracy")
    score.add_argument("model", metavar="MODEL", help="model file")
    score.add_argument("data", metavar="DATA", help=table)
    score.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column to compare with; again for more (default: those the model was fitted to)",
    )
    score.set_defaults(run=_score)


def command_line() -> argparse.ArgumentParser:
    """Return what understands the arguments; what it returns has a function `run` of itself."""
    parser = argparse.ArgumentParser(prog="rmodels", description=rmodels.__doc__)
    parser.add_argument("--version", action="version", version=f"rmodels {rmodels.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=CommandParser)
    _add_files(commands)
    for name, text in OUTSIDE.items():
        commands.add_parser(name, help=text).set_defaults(outside=name)
    versions = commands.add_parser(
        "versions", help="print engines, instruction sets, threads, GPU and versions"
    )
    versions.set_defaults(run=_versions)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The default is the program's own.

    Returns
    -------
    int
        The exit status.
    """
    try:
        given = sys.argv[1:] if arguments is None else arguments
        parsed = command_line().parse_args(given)
        parsed.command = shlex.join(["rmodels", *given])
        status: int = parsed.run(parsed)
    except KeyboardInterrupt:
        print("rmodels: interrupted", file=sys.stderr)
        return 130  # what shells expect: 128 + SIGINT
    return status
