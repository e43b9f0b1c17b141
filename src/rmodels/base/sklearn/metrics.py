"""Private names of `sklearn.metrics`."""

import inspect
from typing import Any

from numpy.typing import NDArray
from sklearn.metrics import make_scorer
from sklearn.metrics.pairwise import _VALID_METRICS

__all__ = ["PAIRWISE_METRICS", "name_labels"]

PAIRWISE_METRICS = frozenset(_VALID_METRICS)


def name_labels(scorer: Any, classes: NDArray) -> Any:
    """Return a scorer that knows all classes, of which a fold may lack some."""
    metric = getattr(scorer, "_score_func", None)
    takes: Any = () if metric is None else inspect.signature(metric).parameters
    if "labels" not in takes:
        return scorer
    given: dict[str, Any] = {"labels": classes}
    if len(classes) == 2 and "pos_label" in takes:
        given["pos_label"] = classes[-1]
    given |= getattr(scorer, "_kwargs", {})  # what its maker said
    return make_scorer(
        metric,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        **given,
    )
