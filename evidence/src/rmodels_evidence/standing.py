"""Where our models stand in a cell of the map: beside the best peer that is as exact, and any."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rmodels_evidence.results import Outcome
from rmodels_evidence.timing import Times

__all__ = ["Standing", "compare", "is_lost", "stand"]

_LEAST = {True: 1.0, False: 0.8}  # of ratios that are not lost: to a peer as exact, and to another
# Two intervals of 83 % of two medians are apart about as rarely as one of 95 % of their difference
# leaves out 0.
_SPREAD = 1.386


@dataclass(frozen=True)
class Standing:
    """A peer's time over ours.

    Attributes
    ----------
    peer : str
    exact : bool
        Whether its error is within what is asked of ours.
    ratio : float
        Of medians.
    low, high : float
        The interval of 95 % in which it lies.
    """

    peer: str
    exact: bool
    ratio: float
    low: float
    high: float

    @property
    def lost(self) -> bool:
        """Whether all of the interval is below what is to be reached."""
        return self.high < _LEAST[self.exact]


def _interval(times: Times) -> tuple[float, float]:
    """Return samples between which the median lies, by their order; all of few."""
    ordered, n = sorted(times.seconds), len(times.seconds)
    place = max(0, math.floor((n - _SPREAD * math.sqrt(n)) / 2) - 1)
    return ordered[place], ordered[n - 1 - place]


def compare(ours: Times, theirs: Times) -> tuple[float, float, float]:
    """Return the ratio of the medians, theirs over ours, and its interval.

    Parameters
    ----------
    ours, theirs : Times
    """
    (low, high), (their_low, their_high) = _interval(ours), _interval(theirs)
    return theirs.median / ours.median, their_low / high, their_high / low


def stand(outcome: Outcome) -> tuple[Standing, ...]:
    """Return the best peer that is as exact as ours, and the best of the others; those there are.

    Parameters
    ----------
    outcome : Outcome
    """
    own = next((each for each in outcome.findings if each.contender.ours), None)
    if own is None or own.times is None or own.agreement is None:
        return ()
    asked, found = own.agreement.tolerance, []
    for exact in (True, False):
        peers = {
            each.contender.name: each.times
            for each in outcome.findings
            if not each.contender.ours
            and each.times is not None
            and (each.agreement is not None and each.agreement.error <= asked) is exact
        }
        if peers:
            best = min(peers, key=lambda name: peers[name].median)
            found.append(Standing(best, exact, *compare(own.times, peers[best])))
    return tuple(found)


def is_lost(standings: Sequence[Standing]) -> bool:
    """Return whether a cell is lost to any peer."""
    return any(each.lost for each in standings)
