"""Values in the place of missing ones."""

from rmodels.impute._knn import KNNImputer

__all__ = ["KNNImputer"]
