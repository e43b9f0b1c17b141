"""Compare two versions by what `rmodels bench --json` wrote of each, in turns on one machine.

    python -m rmodels_evidence.turns --base base-1.json base-2.json --head head-1.json head-2.json

Prints a table in Markdown: of each problem and contender of ours, the medians over the turns, and
base's over head's. Peers are the same in both: how far their ratios are from 1 says how far ours
may be without any change.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rmodels_evidence.results import FORMAT
from rmodels_evidence.table import duration, ratio_text

__all__ = ["compare", "main"]

Contender = tuple[str, str, bool]  # the problem, who solved it, whether that is one of ours


def compare(base: Sequence[dict[str, Any]], head: Sequence[dict[str, Any]]) -> str:
    """Return the comparison in Markdown, what got slower first.

    Parameters
    ----------
    base, head : sequence of dict
        What `rmodels bench --json` wrote, of each turn.
    """
    before, after = _medians(base), _medians(head)
    rows = sorted(
        (before[key] / seconds, *key[:2], before[key], seconds)
        for key, seconds in after.items()
        if key[2] and key in before
    )
    peers = [before[key] / after[key] for key in after.keys() & before.keys() if not key[2]]
    lines = [
        f"Medians of {len(base)} and {len(head)} turns; above 1, head is faster.",
        "",
        "| problem | contender | base | head | base / head |",
        "|---|---|---|---|---|",
        *(
            f"| {problem} | {name} | {duration(old)} | {duration(new)} | {ratio_text(ratio)} |"
            for ratio, problem, name, old, new in rows
        ),
        "",
    ]
    if peers:
        low, high = ratio_text(min(peers)), ratio_text(max(peers))
        lines.append(f"Of peers, which are the same in both: from {low} to {high}.")
    for word, has, lacks in (("base", before, after), ("head", after, before)):
        if alone := sorted(f"{key[1]} of {key[0]}" for key in has.keys() - lacks.keys() if key[2]):
            lines.append(f"Only {word} has a time for: {'; '.join(alone)}.")
    return "\n".join([*lines, ""])


def _medians(runs: Sequence[dict[str, Any]]) -> dict[Contender, float]:
    """Return the median over the runs of each contender's median."""
    found: dict[Contender, list[float]] = {}
    for run in runs:
        for problem in run["problems"]:
            for each in problem["contenders"]:
                if each["seconds"] is not None:
                    key = (problem["title"], each["name"], each["ours"])
                    found.setdefault(key, []).append(each["seconds"]["median"])
    return {key: statistics.median(times) for key, times in found.items()}


def _read(path: Path) -> dict[str, Any]:
    """Return what a file holds.

    Raises
    ------
    ValueError
        If it is not what `rmodels bench --json` of this version writes.
    """
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if (found.get("kind"), found.get("format")) != ("bench", FORMAT):
        raise ValueError(f"{path} was not written by rmodels bench --json of format {FORMAT}")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the comparison of files that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for side in ("base", "head"):
        parser.add_argument(f"--{side}", nargs="+", type=Path, required=True, metavar="FILE")
    given = parser.parse_args(arguments)
    print(compare(list(map(_read, given.base)), list(map(_read, given.head))), end="")


if __name__ == "__main__":
    main()
