"""Where ours and scikit-learn's own estimators meet."""

import importlib

__all__ = ["pass_for"]


def pass_for(module: str, *estimators: type) -> None:
    """Have estimators be instances of scikit-learn's classes of the same names, from a module.

    They inherit nothing: `isinstance(ours, sklearn.neighbors.NearestNeighbors)` is true, for those
    who ask before they take an estimator, and all attributes and methods are ours.
    """
    home = importlib.import_module(module)
    for estimator in estimators:
        getattr(home, estimator.__name__).register(estimator)
