"""Commands that are loaded when they are called, and those that another package holds."""

import importlib.metadata
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import click

from rmodels.cli.options import Command

__all__ = ["OUTSIDE", "Later", "outside"]

# What the package rmodels-evidence holds, beside src/ in the repository.
OUTSIDE = {
    "demo": "fit, predict and score on real data, beside scikit-learn",
    "bench": "measure the models beside others, on problems with goals",
    "validate": "hold every estimator on every engine against the right answers",
    "report": "validate, measure, and write an HTML page about it",
}
_GROUP = "rmodels.commands"
_MISSING = (
    "this command is in the package rmodels-evidence, which is not installed: in a clone of the "
    "repository of rmodels, pip install ./evidence"
)


class Later(click.Command):
    """A command of which the name and a line of help are known, and the rest is loaded if needed.

    Parameters
    ----------
    name, text : str
    load : callable
        Returns the command.
    sketch : callable, default=None
        Returns a command with its options, which is enough to complete what is typed; the default
        is `load`.
    """

    def __init__(
        self,
        name: str,
        text: str,
        load: Callable[[], click.Command],
        sketch: Callable[[], click.Command] | None = None,
    ) -> None:
        super().__init__(name, help=text, short_help=text)
        self._load, self._sketch = load, sketch or load

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Load the command, and have it parse the arguments."""
        load = self._sketch if extra.get("resilient_parsing") else self._load
        return load().make_context(info_name, args, parent, **extra)


def outside(name: str) -> click.Command:
    """Return a command that another package holds, found by the entry points of what is installed.

    Its module's function `parameters()` says what the command takes, and `run(arguments)` is the
    command, which returns the exit status.
    """

    def load() -> click.Command:
        found = importlib.metadata.entry_points(group=_GROUP, name=name)
        if not found:
            print(f"rmodels {name}: {_MISSING}", file=sys.stderr)
            raise click.exceptions.Exit(2)
        module = found[name].load()

        @click.pass_context
        def run(context: click.Context, **given: Any) -> int:
            status: int = module.run(SimpleNamespace(**given, command=context.obj))
            return status

        text = f"{OUTSIDE[name][0].upper()}{OUTSIDE[name][1:]}."
        return Command(name, params=module.parameters(), callback=run, help=text)

    return Later(name, OUTSIDE[name], load)
