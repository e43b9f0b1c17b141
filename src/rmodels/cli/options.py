"""Command-line options for the parameters of an estimator, from the signature of its class."""

import argparse
import inspect
import re
import sys
import types
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Union, get_args, get_origin, get_type_hints

import rmodels
from rmodels.catalogue import CATALOGUE

__all__ = ["ALGORITHMS", "EstimatorParser"]

# Names on the command line, and of the classes: k-neighbors-classifier, KNeighborsClassifier.
_WORD = r"(?<!^)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])"
ALGORITHMS = {
    re.sub(_WORD, "-", name).lower(): name for name, entry in CATALOGUE.items() if entry.predicts
}


class EstimatorParser(argparse.ArgumentParser):
    """A parser with an option for each parameter that text can give.

    The default `estimator` names the class. It is imported when something is parsed: that takes a
    second. Options that are not given are not in the result; the values are checked by the class.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the options, and parse."""
        group = self.add_argument_group("parameters")
        estimator = getattr(rmodels, self.get_default("estimator"))
        hints = get_type_hints(estimator.__init__)
        names, lists = [], set()
        for name, parameter in inspect.signature(estimator).parameters.items():
            kinds = _kinds(hints[name])
            if not kinds - {types.NoneType}:
                continue
            names.append(name)
            flag = "--" + name.replace("_", "-").lower()
            default = f"default: {str(parameter.default).lower()}"
            if bool in kinds:
                group.add_argument(
                    flag,
                    dest=name,
                    action=argparse.BooleanOptionalAction,
                    default=argparse.SUPPRESS,
                    help=default,
                )
            else:
                if _is_list(hints[name]):
                    lists.add(flag)
                group.add_argument(
                    flag,
                    dest=name,
                    type=partial(_numbers, int in kinds) if flag in lists else _converter(kinds),
                    default=argparse.SUPPRESS,
                    metavar="NUMBER …" if flag in lists else _metavar(kinds),
                    help=default,
                )
        self.set_defaults(parameter_names=names)
        return super().parse_known_args(_joined(args, lists), namespace)


def _kinds(hint: Any) -> set[type]:
    """Return the types among those of a hint that text can give."""
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return {part for part in parts if part in (bool, int, float, str, types.NoneType)}


def _is_list(hint: Any) -> bool:
    """Return whether a hint takes several numbers."""
    return Sequence[float] in get_args(hint)


def _joined(arguments: Sequence[str] | None, flags: set[str]) -> list[str]:
    """Return arguments with the numbers that follow a flag as one of them, parted by spaces.

    argparse would take what follows the numbers too, such as the table.
    """
    joined: list[str] = []
    taking = False  # whether the last argument is a number of such a flag
    for each in sys.argv[1:] if arguments is None else arguments:
        if taking and _is_number(each):
            joined[-1] += f" {each}"
            continue
        taking = bool(joined) and joined[-1] in flags
        joined.append(each)
    return joined


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(whole: bool, text: str) -> float | list[float]:
    """Return a number, or a list if there are several; one that is whole as an int if asked for."""
    parts = text.split() or [text]
    for part in parts:
        if not _is_number(part):
            raise argparse.ArgumentTypeError(f"{part!r} is not NUMBER")
    if whole and len(parts) == 1 and text.strip().lstrip("+").isdecimal():
        return int(text)
    return float(text) if len(parts) == 1 else [float(part) for part in parts]


def _metavar(kinds: set[type]) -> str:
    names = {int: "INTEGER", float: "NUMBER", str: "NAME", types.NoneType: "none"}
    return "|".join(name for kind, name in names.items() if kind in kinds)


def _converter(kinds: set[type]) -> Callable[[str], Any]:
    """Return the function that makes a parameter of text."""

    def convert(text: str) -> Any:
        if types.NoneType in kinds and text.lower() == "none":
            return None
        for kind in (int, float, str):
            if kind in kinds:
                try:
                    return kind(text)
                except ValueError:
                    continue
        raise argparse.ArgumentTypeError(f"{text!r} is not {_metavar(kinds)}")

    return convert
