"""Decompositions."""

from rmodels.base.sklearn import pass_for
from rmodels.decomposition._incremental_pca import IncrementalPCA
from rmodels.decomposition._pca import PCA
from rmodels.decomposition._truncated_svd import TruncatedSVD

__all__ = ["PCA", "IncrementalPCA", "TruncatedSVD"]

pass_for("sklearn.decomposition", PCA, IncrementalPCA)  # its TruncatedSVD takes no others
