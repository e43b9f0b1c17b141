"""Running the command line: statuses and closed pipes."""

import io
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from rmodels.cli.signals import answer_signals

__all__ = ["run"]

_CLOSED = 128 + 13  # SIGPIPE, which Windows does not name


def run(arguments: Sequence[str] | None) -> int:
    """Run a command line; see `rmodels.cli.main`."""
    with answer_signals(alone=arguments is None):
        if arguments is None:
            _buffer_output()
        try:
            from rmodels.cli.commands import COMPLETION, command_line

            if arguments is None and COMPLETION in os.environ:
                return _complete(command_line(), COMPLETION)
            return _run(command_line(), list(sys.argv[1:] if arguments is None else arguments))
        except BrokenPipeError:
            _forget_output()
            return _CLOSED


def _run(commands: Any, given: list[str]) -> int:
    import click

    try:
        context = commands.make_context("rmodels", given, obj=shlex.join(["rmodels", *given]))
        with context:
            status: int | None = commands.invoke(context)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from error
    except click.exceptions.Exit as ended:
        sys.stdout.flush()
        raise SystemExit(ended.exit_code) from None
    return status or 0


def _complete(commands: Any, variable: str) -> int:
    """Answer a shell that completes what is typed, and asks by a variable."""
    from click.shell_completion import shell_complete

    return shell_complete(commands, {}, "rmodels", variable, os.environ[variable])


def _buffer_output() -> None:
    """Have all that is written reach the output, or be an error.

    With PYTHONUNBUFFERED, as in containers, Python writes once and does not look how much was
    taken: nobody reads the rest, or there is no space for it, and the program seems to succeed.
    """
    raw = getattr(sys.stdout, "buffer", None)
    if isinstance(raw, io.RawIOBase):
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(raw),
            encoding=sys.stdout.encoding,
            errors=sys.stdout.errors,
            line_buffering=True,
        )


def _forget_output() -> None:
    """Have what is left to write go nowhere: Python writes it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
