# Written by `make stub`, from the catalogue.

from rmodels.discriminant_analysis._linear import (
    LinearDiscriminantAnalysis as LinearDiscriminantAnalysis,
)
from rmodels.discriminant_analysis._quadratic import (
    QuadraticDiscriminantAnalysis as QuadraticDiscriminantAnalysis,
)

__all__ = [
    "LinearDiscriminantAnalysis",
    "QuadraticDiscriminantAnalysis",
]
