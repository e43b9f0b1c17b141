# Written by `make stub`, from the catalogue.

from rmodels.naive_bayes._gaussian_nb import GaussianNB as GaussianNB

__all__ = [
    "GaussianNB",
]
