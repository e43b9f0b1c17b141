# Written by `make stub`, from the catalogue.

from rmodels.impute._knn import KNNImputer as KNNImputer

__all__ = [
    "KNNImputer",
]
