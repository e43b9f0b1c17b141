"""Naive Bayes."""

from rmodels.base.sklearn import pass_for
from rmodels.naive_bayes._gaussian_nb import GaussianNB

__all__ = ["GaussianNB"]

pass_for("sklearn.naive_bayes", GaussianNB)
