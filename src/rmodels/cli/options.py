"""What the commands take: values of options, and options from the signatures of estimators."""

import inspect
import re
import textwrap
import types
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Union, get_args, get_origin, get_type_hints

import click
from click.shell_completion import CompletionItem

from rmodels.catalogue import CATALOGUE

__all__ = ["ALGORITHMS", "Command", "Many", "Size", "parameters_of"]

# Names on the command line, and of the classes: k-neighbors-classifier, KNeighborsClassifier.
_WORD = r"(?<!^)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])"
ALGORITHMS = {
    re.sub(_WORD, "-", name).lower(): name for name, entry in CATALOGUE.items() if entry.has_command
}

_NAMES = {int: "INTEGER", float: "NUMBER", str: "NAME", types.NoneType: "none"}
_UNITS = {"": 1, **{unit: 1000 ** (i + 1) for i, unit in enumerate("KMGT")}}
_MOST_SHOWN = 8  # words of one option
_SEVERAL = "\0"  # parts the values of an option that were one argument each


class Size(click.ParamType):
    """A number of bytes, such as 500MB or 2GiB."""

    name = "SIZE"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the bytes."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+) ?([KMGT]?)(I?)B?", value.upper())
        if found is None or (found[3] and not found[2]):
            self.fail(f"{value!r} is not a size such as 500MB or 2GiB", param, ctx)
        unit = 1024 ** (" KMGT".index(found[2])) if found[3] else _UNITS[found[2]]
        return int(float(found[1]) * unit)


class Many(click.ParamType):
    """The values that follow an option: --alphas 0.1 1 10.

    Parameters
    ----------
    kind : click.ParamType
        Of each.
    taken : callable
        Whether an argument after the first value is a value too.
    alone : bool
        Whether one value is given as it is; else a list of it.
    """

    name = "several"

    def __init__(
        self,
        kind: click.ParamType,
        taken: Callable[[str], bool] = lambda text: not text.startswith("-"),
        *,
        alone: bool = False,
    ) -> None:
        self._kind, self.taken, self._alone = kind, taken, alone

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the values."""
        if not isinstance(value, str):
            return value
        found = [self._kind.convert(each, param, ctx) for each in value.split(_SEVERAL)]
        return found[0] if self._alone and len(found) == 1 else found

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the values that begin so."""
        return self._kind.shell_complete(ctx, param, incomplete)


class Command(click.Command):
    """A command some of whose options take several values, and whose parameters stand apart.

    Parameters
    ----------
    *given, **options
        As of `click.Command`.
    parameters : sequence of str
        Those of its options that are the parameters of an estimator.
    """

    def __init__(self, *given: Any, parameters: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*given, **options)
        self.parameters = list(parameters)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, of which some options take several."""
        many = {
            flag: param.type
            for param in self.params
            if isinstance(param.type, Many)
            for flag in param.opts
        }
        return super().parse_args(ctx, _join(args, many))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the help says of the options: the parameters last."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Parameters": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                title = "Parameters" if param.name in self.parameters else "Options"
                sections[title].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def _join(arguments: Sequence[str], many: dict[str, Many]) -> list[str]:
    """Return arguments with the values that follow one of some flags as one of them."""
    joined: list[str] = []
    taking: Many | None = None  # the option whose value the last argument is
    awaited: Many | None = None  # the option whose first value is to come
    for each in arguments:
        if awaited is not None:
            taking, awaited = awaited, None
        elif taking is not None and taking.taken(each) and each not in many:
            joined[-1] += f"{_SEVERAL}{each}"
            continue
        else:
            taking, awaited = None, many.get(each)
        joined.append(each)
    return joined


class _Value(click.ParamType):
    """What a parameter of an estimator may be: one of some types, one of some words.

    `find` gives the words to complete, where there are none yet.
    """

    def __init__(
        self, kinds: set[type], words: Sequence[str], find: Callable[[], list[str]] | None = None
    ) -> None:
        self._kinds, self._words, self._find = kinds, list(words), find
        self.name = "|".join(name for kind, name in _NAMES.items() if kind in kinds)

    @property
    def shown(self) -> str:
        """What stands for it in the help."""
        if not 0 < len(self._words) <= _MOST_SHOWN:
            return self.name
        others = [name for kind, name in _NAMES.items() if kind in self._kinds and kind is not str]
        return "|".join([*self._words, *others])

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value; the class says whether it is one that it takes."""
        if not isinstance(value, str):
            return value
        if types.NoneType in self._kinds and value.lower() == "none":
            return None
        kinds = self._kinds | ({int} if float in self._kinds else set())  # as Python has it: 2
        for kind in (int, float, str):
            if kind in kinds:
                try:
                    return kind(value)
                except ValueError:
                    continue
        raise click.BadParameter(f"{value!r} is not {self.name}", ctx, param)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the words that begin so."""
        known = self._words or (self._find() if self._find is not None else [])
        words = [*known, *["none"] * (types.NoneType in self._kinds)]
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def parameters_of(estimator: Any, find: Callable[[], Any] | None = None) -> list[click.Parameter]:
    """Return an option for each parameter of a class that text can give.

    What is given is checked by the class.

    Parameters
    ----------
    estimator : type
    find : callable, default=None
        Returns the estimator's class, of which `estimator` is a sketch: it is asked for what words
        complete a parameter, if the sketch knows none.
    """
    hints = get_type_hints(estimator.__init__)
    told = _describe(inspect.getdoc(estimator) or "")
    options: list[click.Parameter] = []
    for name, parameter in inspect.signature(estimator).parameters.items():
        kinds, listed = _kinds(hints[name]), Sequence[float] in get_args(hints[name])
        if not kinds - {types.NoneType} and not listed:
            continue
        flag = "--" + name.replace("_", "-")
        names = [*dict.fromkeys([flag, flag.lower()]), name]  # --C, and --c
        words, text = told.get(name, ([], ""))
        words = _words(estimator, name, words)
        about = f"default: {str(parameter.default).lower()}{'. ' if text else ''}{text}"
        value = _Value(kinds, words, find and partial(_find_words, find, name, words))
        if bool in kinds:
            pairs = [f"{each}/--no-{each[2:]}" for each in names[:-1]]
            options.append(click.Option([*pairs, name], default=None, help=about))
        elif listed:
            single = bool({int, float} & {*get_args(hints[name])})
            numbers = _Value(kinds | {float}, words)
            several = Many(numbers, _is_number, alone=single)
            options.append(click.Option(names, type=several, metavar="NUMBER …", help=about))
        else:
            options.append(click.Option(names, type=value, metavar=value.shown, help=about))
    return options


def _words(estimator: Any, name: str, told: list[str]) -> list[str]:
    """Return the words that a parameter may be: those of its docstring first, in their order."""
    found = set(told)
    for each in estimator._parameter_constraints.get(name, ()):
        found |= {word for word in getattr(each, "options", ()) if isinstance(word, str)}
    return [*told, *sorted(found - set(told), key=lambda word: (word != "auto", word))]


def _find_words(find: Callable[[], Any], name: str, told: list[str]) -> list[str]:
    return _words(find(), name, told)


def _kinds(hint: Any) -> set[type]:
    """Return the types among those of a hint that text can give."""
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = {part for part in parts if part in (bool, int, float, str, types.NoneType)}
    # what may be an array, which to older versions of NumPy a bool is, is no flag
    return kinds - {bool} if bytes in parts else kinds


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _describe(docstring: str) -> dict[str, tuple[list[str], str]]:
    """Return what a docstring says of each parameter: the words it may be, and a first sentence."""
    _, _, rest = docstring.partition("\nParameters\n----------\n")
    section = re.split(r"\n\w+\n-{4,}\n", rest)[0]
    found = {}
    for entry in re.split(r"\n(?=\w)", section):
        head, _, body = entry.partition("\n")
        name, _, kind = head.partition(" : ")
        words = [*dict.fromkeys(re.findall(r'"([^"]+)"', kind.partition(", default=")[0]))]
        said = re.split(r"\n\n|\n *- ", textwrap.dedent(body))[0]
        first = re.split(r"(?<=[^.].)[.;:](?:\s|$)", " ".join(said.split()))[0]
        found[name] = words, first
    return found
