"""Put the estimators of rmodels in scikit-learn's place, and back.

`python -m rmodels.patch script.py [arguments]` runs a script with all of them in place.
"""

import argparse
import importlib
import runpy
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import rmodels
from rmodels.base.sklearn import pass_for_theirs
from rmodels.base.warnings import warn
from rmodels.catalogue import CATALOGUE

__all__ = ["patch_sklearn", "patched", "unpatch_sklearn"]

_PATCHED = [entry.name for entry in CATALOGUE.values() if entry.patch]

_originals: dict[str, Any] = {}  # scikit-learn's own, of the names that are patched
_fall_back: set[str] = set()  # the names of those that may hand a call on to scikit-learn's


def _ours(name: str) -> Any:
    return getattr(rmodels, name)


def _loaded() -> list[Any]:
    """Return the modules of scikit-learn that are loaded."""
    paths = sorted(path for path in sys.modules if path.startswith("sklearn."))
    return [sys.modules[path] for path in paths]


def _holders(name: str, value: Any) -> list[Any]:
    """Return the loaded modules of scikit-learn that call `value` by `name`."""
    return [module for module in _loaded() if vars(module).get(name) is value]


def patch_sklearn(names: Iterable[str] | None = None, *, fallback: bool = False) -> None:
    """Put the estimators of rmodels in scikit-learn's place, in every module of scikit-learn.

    What is imported from scikit-learn from now on is ours, also by pipelines and searches that are
    built later, and scikit-learn's own estimators that look for neighbours or fit a linear
    regression (DBSCAN, Isomap, RANSACRegressor, ...) use ours. Names that a program imported before
    stay scikit-learn's. Processes that a program starts are patched when they do so themselves.

    Parameters
    ----------
    names : iterable of str, optional
        Which to patch; the default is all that `patched` lists afterwards.
    fallback : bool, default=False
        What happens to a fit that needs what the engine asked for by name does not have, such as a
        rare metric with engine="native". False: it raises `rmodels.exceptions.NotCoveredError`.
        True: with a UserWarning that says why, the estimator becomes scikit-learn's own, of the
        same parameters, and is fitted as such; it stays that until it is created anew.
        `partial_fit` raises in any case.

    Raises
    ------
    ValueError
        If rmodels does not have a name, or not yet as scikit-learn's own tests want it.

    Examples
    --------
    >>> import rmodels
    >>> rmodels.patch_sklearn()
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> KNeighborsClassifier.__module__
    'rmodels.neighbors._classification'
    >>> rmodels.unpatch_sklearn()
    >>> rmodels.patched()
    {}
    """
    chosen = list(_PATCHED if names is None else names)
    unknown = [name for name in chosen if name not in _PATCHED]
    if unknown:
        raise ValueError(
            f"rmodels has no {', '.join(map(repr, unknown))} that could take the place of "
            f"scikit-learn's; it has {', '.join(_PATCHED)}"
        )
    for name in chosen:
        if fallback:
            _fall_back.add(name)
        else:
            _fall_back.discard(name)
        if name not in _originals:
            original = getattr(importlib.import_module(CATALOGUE[name].home), name)
            _originals[name] = original
            if isinstance(original, type):
                pass_for_theirs(_ours(name))  # while scikit-learn's is in its place
            for module in _holders(name, original):
                setattr(module, name, _ours(name))


def unpatch_sklearn(names: Iterable[str] | None = None) -> None:
    """Put scikit-learn's own back in every module of scikit-learn.

    Parameters
    ----------
    names : iterable of str, optional
        Which to put back; the default is all that are patched.

    Examples
    --------
    >>> import rmodels
    >>> rmodels.patch_sklearn(["NearestNeighbors", "kneighbors_graph"])
    >>> rmodels.unpatch_sklearn(["NearestNeighbors"])
    >>> list(rmodels.patched())
    ['kneighbors_graph']
    >>> rmodels.unpatch_sklearn()
    """
    for name in list(_originals if names is None else names):
        _fall_back.discard(name)
        if name in _originals:
            original = _originals.pop(name)
            for module in _holders(name, _ours(name)):
                setattr(module, name, original)


def patched() -> dict[str, list[str]]:
    """List what is patched.

    Returns
    -------
    dict of list
        For each name that is patched, the modules of scikit-learn that now have ours.

    Examples
    --------
    >>> import rmodels
    >>> rmodels.patch_sklearn(["LinearRegression"])
    >>> "sklearn.linear_model" in rmodels.patched()["LinearRegression"]
    True
    >>> rmodels.unpatch_sklearn()
    """
    loaded = [(module.__name__, vars(module)) for module in _loaded()]
    return {
        name: [path for path, held in loaded if held.get(name) is ours]
        for name, ours in ((name, _ours(name)) for name in _originals)
    }


def theirs(estimator: Any) -> Any:
    """Return scikit-learn's own with the parameters of an estimator, if that is asked for.

    Returns
    -------
    estimator or None
        None if the estimator is not patched with fallback=True, or has other values than the
        default for parameters that scikit-learn's does not have.
    """
    name = type(estimator).__name__
    if name not in _fall_back or type(estimator) is not _ours(name):
        return None
    given, default = estimator.get_params(deep=False), type(estimator)().get_params(deep=False)
    known = _originals[name]().get_params(deep=False)
    if any(given[parameter] != default[parameter] for parameter in given.keys() - known.keys()):
        return None
    return _originals[name](**{parameter: given[parameter] for parameter in known})


def hand_on(
    estimator: Any, substitute: Any, reason: BaseException, *args: Any, **kwargs: Any
) -> Any:
    """Fit scikit-learn's own in place of an estimator, which becomes it, and say so."""
    warn(
        f"scikit-learn's own {type(estimator).__name__} takes the place of rmodels': {reason}",
        UserWarning,
    )
    fitted = substitute.fit(*args, **kwargs)
    estimator.__class__ = type(fitted)
    vars(estimator).clear()
    vars(estimator).update(vars(fitted))
    return estimator


def main(arguments: list[str] | None = None) -> None:
    """Run a script with the estimators of rmodels in scikit-learn's place."""
    parser = argparse.ArgumentParser(
        prog="python -m rmodels.patch",
        description="Run a script with the estimators of rmodels in scikit-learn's place.",
    )
    parser.add_argument(
        "--fallback",
        action="store_true",
        help="let scikit-learn's own fit what the engine asked for does not have, with a warning",
    )
    parser.add_argument("script", help="path of the script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the script's own arguments")
    given = parser.parse_args(arguments)
    patch_sklearn(fallback=given.fallback)
    sys.argv = [given.script, *given.arguments]
    sys.path[0] = str(Path(given.script).resolve().parent)  # as `python script.py` has it
    runpy.run_path(given.script, run_name="__main__")


if __name__ == "__main__":
    # the module that programs import, not this copy called __main__, keeps the originals
    importlib.import_module("rmodels.patch").main()
