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
    partly : bool
        Whether to keep some if there is no room for all: else they are all let go.

    Attributes
    ----------
    parts : list of tuple
        Rows, whose arrays nobody may write to; and after them, how many rows of the source have
        been read, and how many of these were left out.
    has_room : bool
        Whether the next may be kept.
    is_whole : bool
        Whether these are all rows.
    """

    def __init__(self, most: int, *, partly: bool) -> None:
        self.parts: list[tuple[Rows, int, int]] = []
        self.has_room, self.is_whole = True, False
        self._left, self._partly = most, partly

    @property
    def place(self) -> tuple[int, int]:
        """How many rows of the source need not be read, and how many of these were left out."""
        return self.parts[-1][1:] if self.parts else (0, 0)

    def add(self, rows: Rows, read: int, left_out: int) -> None:
        """Keep a copy of the next batch, if there is room for it and it holds no NaN."""
        arrays = {"X": rows.X, "Y": rows.Y, "weights": rows.weights}
        given = {name: each for name, each in arrays.items() if each is not None}
        numbers = [each for each in given.values() if each.dtype.kind == "f"]
        self._left -= sum(each.nbytes for each in given.values())
        self.has_room = self._left >= 0 and all(map(is_surely_finite, numbers))
        if not self.has_room:
            if not self._partly:
                self.parts.clear()
            return
        copies = {name: each.copy(order="K") for name, each in given.items()}
        for each in copies.values():
            each.flags.writeable = False
        self.parts.append((replace(rows, assert_finite=refuse_nothing, **copies), read, left_out))

    def end(self) -> None:
        """Say that the last batch was added."""
        self.is_whole, self.has_room = self.has_room, False
