"""Components of core points by breadth first: read this and `lists` first."""

import numpy as np

from rmodels.ops.connect import Labels, Mask, Weights
from rmodels.ops.connect.lists import Indices, Neighbours, connect_lists
from rmodels.ops.nearest import Index
from rmodels.ops.nearest.reference import blocks


def connect(
    index: Index, radius: float, min_weight: float, weights: Weights | None, n_threads: int | None
) -> tuple[Mask, Labels]:
    """Spread each label from the least core point without one, through neighbours that are core."""

    def neighbours(rows: Indices) -> Neighbours:
        for part, distances in blocks(index, index.X[rows]):
            near = distances <= radius
            near[np.arange(len(near)), rows[part]] = True  # whatever a metric says
            yield np.append(0, np.cumsum(near.sum(axis=1))), np.nonzero(near)[1]

    return connect_lists(len(index.X), neighbours, min_weight, weights, itself=False)
