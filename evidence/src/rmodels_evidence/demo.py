"""The command `rmodels demo`: fit, predict and score on real data, beside scikit-learn."""

from types import SimpleNamespace

import click

from rmodels_evidence import families
from rmodels_evidence.comparison import Outcome, compare

__all__ = ["parameters", "run"]

_HEADINGS = (
    "model", "data", "beside", "our score", "theirs", "difference", "allowed", "our time",
    "theirs", "ratio", "",
)  # fmt: skip
_WIDTHS = (29, 13, 29, 9, 9, 10, 8, 10, 10, 7, 5)


def _line(cells: tuple[str, ...]) -> str:
    left = 3
    aligned = [
        f"{cell:<{width}}" if place < left else f"{cell:>{width}}"
        for place, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    ]
    return " ".join(aligned).rstrip()


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.2f} ms"


def _cells(outcome: Outcome) -> tuple[str, ...]:
    comparison = outcome.comparison
    difference = "other path" if outcome.difference is None else f"{outcome.difference:.0e}"
    return (
        comparison.model,
        comparison.data,
        comparison.peer,
        f"{outcome.our_score:.4f}",
        f"{outcome.their_score:.4f}",
        difference,
        "" if outcome.difference is None else f"{comparison.tolerance:.0e}",
        _seconds(outcome.our_time),
        _seconds(outcome.their_time),
        f"{outcome.their_time / outcome.our_time:.1f}x",
        "ok" if outcome.agrees else "WRONG",
    )


_NOTES = """
score       R², accuracy or mean log-likelihood of the test split
difference  largest difference of coefficients, predictions, probabilities or distances, relative
            to the largest of theirs; LinearRegression beside ours has tol=0, which drops nothing;
            SGDRegressor takes another path, with 200,000 small steps where the others take one
time        fit and predict, median of runs in turn; ratio: theirs over ours

Where to look next
  README.md              what this is, the engines, an example
  rmodels.show_versions  which engine and instruction set runs here
  src/rmodels/ops        each operation: its contract, the readable reference, the native engine
"""


def parameters() -> list[click.Parameter]:
    """Return what the command takes: nothing."""
    return []


def run(arguments: SimpleNamespace) -> int:
    """Print the table of all comparisons.

    Returns
    -------
    int
        0 if every difference is within its tolerance, else 1.
    """
    print(_line(_HEADINGS))
    print(_line(tuple("-" * width for width in _WIDTHS)))
    wrong = []
    for comparison in families.comparisons():
        outcome = compare(comparison)
        print(_line(_cells(outcome)), flush=True)
        if not outcome.agrees:
            wrong.append(comparison)
    print(_NOTES.rstrip("\n"))
    if wrong:
        names = "; ".join(f"{each.model} on {each.data}" for each in wrong)
        print(f"\nAbove the tolerance: {names}")
    return 1 if wrong else 0
