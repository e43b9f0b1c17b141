"""Commands that another package holds, found by the entry points of what is installed."""

import argparse
import importlib.metadata
from typing import Any

__all__ = ["OUTSIDE", "CommandParser"]

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


class CommandParser(argparse.ArgumentParser):
    """A parser that imports the module of its command, if the default `outside` names one.

    That is done when something is parsed. The module's function `add_arguments(parser)` says what
    the command takes, and `run(arguments)` is the command, which returns the exit status.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add what the command takes, and parse."""
        name = self.get_default("outside")
        if name is not None:
            found = importlib.metadata.entry_points(group=_GROUP, name=name)
            if not found:
                self.exit(2, f"{self.prog}: {_MISSING}\n")
            command = found[name].load()
            command.add_arguments(self)
            self.set_defaults(run=command.run)
        return super().parse_known_args(args, namespace)
