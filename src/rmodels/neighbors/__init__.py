"""Nearest neighbours."""

from rmodels.neighbors._classification import KNeighborsClassifier
from rmodels.neighbors._regression import KNeighborsRegressor
from rmodels.neighbors._unsupervised import NearestNeighbors

__all__ = ["KNeighborsClassifier", "KNeighborsRegressor", "NearestNeighbors"]
