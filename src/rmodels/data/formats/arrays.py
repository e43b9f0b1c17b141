"""Arrays, such as those of numpy.memmap."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rmodels.data.formats.columns import Column
from rmodels.data.formats.reader import Batch, Part, Reader

__all__ = ["ArrayReader", "check_array"]


def check_array(place: str, array: NDArray) -> None:
    """Raise an error if an array has not two dimensions, or not numbers everywhere."""
    if np.ma.is_masked(array):
        raise ValueError(f"{place} has masked values: leave such rows out, or fill them in")
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{place}: an array of two dimensions and of numbers is needed; it has {array.ndim} "
            f"dimensions of {array.dtype}"
        )


class ArrayReader(Reader):
    """An array, whose columns are numbered."""

    def __init__(self, array: NDArray) -> None:
        self.name = "the array"
        check_array(self.name, array)
        self._array = array
        self.columns = range(array.shape[1])
        self.parts = [Part(self.name, dict.fromkeys(self.columns))]

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches; see `Reader.batches`."""
        n = len(self._array)
        for first in range(start, n, size):
            last = min(first + size, n)
            place = f"rows {first} to {last - 1}"
            yield Batch(place, self._array[first:last], last / n, row=first)

    def dtype(self, columns: Sequence[Column]) -> np.dtype:
        """Return float32 or float64; see `Reader.dtype`."""
        return np.dtype(np.float32 if self._array.dtype == np.float32 else np.float64)
