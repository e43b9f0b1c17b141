# Written by `make stub`, from the catalogue.

from rmodels.decomposition._incremental_pca import IncrementalPCA as IncrementalPCA
from rmodels.decomposition._pca import PCA as PCA
from rmodels.decomposition._truncated_svd import TruncatedSVD as TruncatedSVD

__all__ = [
    "PCA",
    "IncrementalPCA",
    "TruncatedSVD",
]
