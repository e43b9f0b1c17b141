"""Rows of files that are read several times: the first of them stay in memory, as many as may."""

from dataclasses import replace

from rmodels.data.checks import is_surely_finite
from rmodels.data.source import Rows, refuse_nothing

__all__ = ["KeptRows"]


class KeptRows:
    """The first batches of a source, in order.

    Parameters
    ----------
    most : int
        Bytes that their arrays may take.

    Attributes
    ----------
    parts : list of Rows
        Nobody may write to their arrays.
    read, left_out : int
        Rows of the source up to the last of them, and how many of these were left out.
    has_room : bool
        Whether the next may be kept.
    is_whole : bool
        Whether these are all rows.
    """

    def __init__(self, most: int) -> None:
        self.parts: list[Rows] = []
        self.read = self.left_out = 0
        self.has_room, self.is_whole = True, False
        self._left = most

    def add(self, rows: Rows, read: int, left_out: int) -> None:
        """Keep a copy of the next batch, if there is room for it; it is checked for NaN."""
        arrays = {"X": rows.X, "Y": rows.Y, "weights": rows.weights}
        given = {name: each for name, each in arrays.items() if each is not None}
        self._left -= sum(each.nbytes for each in given.values())
        self.has_room = self.has_room and self._left >= 0
        if not self.has_room:
            return
        if not all(is_surely_finite(each) for each in given.values() if each.dtype.kind == "f"):
            rows.assert_finite()
        copies = {name: each.copy(order="K") for name, each in given.items()}
        for each in copies.values():
            each.flags.writeable = False
        self.parts.append(replace(rows, assert_finite=refuse_nothing, **copies))
        self.read, self.left_out = read, left_out

    def end(self) -> None:
        """Say that the last batch was added."""
        self.is_whole, self.has_room = self.has_room, False
