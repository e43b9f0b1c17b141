"""Private names of `sklearn.linear_model`."""

from sklearn.linear_model._base import SparseCoefMixin

__all__ = ["SparseCoefMixin"]
