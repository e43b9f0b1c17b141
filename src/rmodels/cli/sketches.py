"""Sketches of estimators, read from their source: a shell completes options without an import."""

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rmodels.catalogue import Entry

__all__ = ["sketch"]

_METHODS = ("__init__", "fit")


def sketch(entry: Entry) -> type:
    """Return a class with the docstring of an estimator, and the parameters of it and its fit.

    Parameters
    ----------
    entry : Entry

    Returns
    -------
    type
        Types that are not of Python itself may be text.
    """
    spec = find_spec(entry.module)
    assert spec is not None
    folder = Path(next(iter(spec.submodule_search_locations or ())))
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("_*.py"))]
    kinds = list(_lineage(entry.name, texts))
    methods: dict[str, ast.FunctionDef] = {}
    for kind in kinds:
        for each in kind.body:
            if isinstance(each, ast.FunctionDef) and each.name in _METHODS:
                each.decorator_list, each.body = [], [ast.Pass()]
                methods.setdefault(each.name, each)
    module = ast.fix_missing_locations(ast.Module(list(methods.values()), []))
    made = _Names()
    # the package's own source, of which no statement is left
    exec(compile(module, entry.name, "exec"), {"__name__": entry.module}, made)
    hints = made["__init__"].__annotations__
    hints.update({name: str for name, hint in hints.items() if hint is _Some})
    doc = ast.get_docstring(kinds[0]) or ""
    return type(entry.name, (), {**made, "__doc__": doc, "_parameter_constraints": {}})


def _lineage(name: str, texts: list[str]) -> Iterator[ast.ClassDef]:
    """Yield a class of the family and those of its bases that the family has, the nearest first."""
    for text in texts:
        if re.search(rf"^class {name}\b", text, re.MULTILINE) is None:
            continue
        for each in ast.parse(text).body:
            if isinstance(each, ast.ClassDef) and each.name == name:
                yield each
                for base in each.bases:
                    if isinstance(base, ast.Name):
                        yield from _lineage(base.id, texts)


class _Unknown(type):
    """What stands for a type that is not known: its parts are as unknown, and it may be text."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __getitem__(cls, key: Any) -> Any:
        return cls

    def __or__(cls, other: Any) -> Any:
        return str | other

    def __ror__(cls, other: Any) -> Any:
        return other | str

    def __call__(cls, *given: Any, **options: Any) -> Any:
        return cls


class _Some(metaclass=_Unknown):
    pass


class _Names(dict[str, Any]):
    """Names that annotations use."""

    def __missing__(self, name: str) -> Any:
        import builtins
        import typing
        from collections.abc import Callable, Sequence

        known = {
            "Callable": Callable,
            "Sequence": Sequence,
            "Any": typing.Any,
            "Literal": typing.Literal,
        }
        return known.get(name) or getattr(builtins, name, _Some)
