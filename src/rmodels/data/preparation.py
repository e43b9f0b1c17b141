"""Columns of a table as those of X: text as columns of 0 and 1, means where a value is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.data.formats import Column

__all__ = ["MISSING", "UNKNOWN", "Preparation", "preparation_of"]

MISSING = ("error", "drop", "mean")
UNKNOWN = ("error", "zeros")


@dataclass(eq=False)
class Preparation:
    """How a fit to a scan made X of columns; a fitted model keeps it, to do the same again.

    Attributes
    ----------
    columns : list of str or int
        As they were read.
    categories : dict of ndarray of shape (n_categories,)
        By the names of those that are text: what is in them, sorted; None, the last, if a missing
        value is a category of its own. Each category is a column of 0 and 1 in the column's place.
    missing : {"error", "drop", "mean"}
        What becomes of a value that is missing.
    unknown : {"error", "zeros"}
        What becomes of text that is no category.
    means : ndarray of shape (n_features,) or None
        Of the values that are there in each column of numbers; NaN where X has 0 and 1. None until
        a pass over all rows has met them, and where they are not asked for.
    """

    columns: list[Column]
    categories: dict[str, NDArray]
    missing: str = "error"
    unknown: str = "error"
    means: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Raise an error about what no fit leaves: a file may say anything."""
        texts = [each for kinds in self.categories.values() for each in kinds]
        if (
            self.missing not in MISSING
            or self.unknown not in UNKNOWN
            or not all(isinstance(name, str | int) for name in self.columns)
            or not all(isinstance(each, np.ndarray) for each in self.categories.values())
            or not self.categories.keys() <= set(self.columns)
            or not all(each is None or isinstance(each, str) for each in texts)
            or (self.means is not None and self.means.shape != (self.n_features,))
        ):
            raise ValueError("a preparation of columns is not valid")

    @property
    def names(self) -> list[Column]:
        """The columns of X."""
        return self.expand(self.columns)

    @property
    def n_features(self) -> int:
        """How many columns X has."""
        return len(self.names)

    @property
    def are_numbers(self) -> NDArray[np.bool_]:
        """Which columns of X are numbers that were read, and not 0 and 1 for text."""
        wide = [len(self.categories.get(str(name), [0])) for name in self.columns]
        return np.repeat([str(name) not in self.categories for name in self.columns], wide)

    def fill(self, X: NDArray) -> None:
        """Have means stand in rows of X for what is missing."""
        assert self.means is not None
        gaps = np.isnan(X)
        X[gaps] = np.broadcast_to(self.means, X.shape)[gaps]

    def expand(self, columns: Sequence[Column]) -> list[Column]:
        """Return the columns that some columns become: "color_red" and so on of text."""
        return [
            made
            for name in columns
            for made in (
                [f"{name}_{'nan' if each is None else each}" for each in self.categories[name]]
                if isinstance(name, str) and name in self.categories
                else [name]
            )
        ]

    def is_given(self, columns: Any) -> bool:
        """Return whether a table has columns of text as they were read, and not those of X."""
        made = set(self.names)
        return any(name in columns and name not in made for name in self.categories)

    def check_names(self) -> None:
        """Raise an error if two columns of X have one name."""
        seen: set[Column] = set()
        for name in self.names:
            if name in seen:
                raise ValueError(
                    f"two columns would be named {name!r}, one of them for a category: rename what "
                    "is read, or leave it out"
                )
            seen.add(name)


def preparation_of(estimator: Any) -> Preparation | None:
    """Return how an estimator's fit prepared columns, if it did."""
    found: Preparation | None = vars(estimator).get("_preparation")
    return found
