"""Nearest neighbours."""

from rmodels_evidence.families import Family, Headline
from rmodels_evidence.families.neighbors.cases import neighbors_cases
from rmodels_evidence.families.neighbors.centroids import centroid_cases, centroid_problems
from rmodels_evidence.families.neighbors.comparisons import neighbors_comparisons
from rmodels_evidence.families.neighbors.densities import density_cases, density_problems
from rmodels_evidence.families.neighbors.gpu import neighbors_on_gpu
from rmodels_evidence.families.neighbors.ladder import neighbors_ladder
from rmodels_evidence.families.neighbors.map import neighbors_map
from rmodels_evidence.families.neighbors.outliers import outlier_cases, outlier_problems
from rmodels_evidence.families.neighbors.problems import neighbors_problems
from rmodels_evidence.families.neighbors.series import neighbors_series

__all__ = ["FAMILY"]

FAMILY = Family(
    comparisons=neighbors_comparisons,
    cases=lambda quick: [
        *neighbors_cases(quick),
        *centroid_cases(quick),
        *outlier_cases(),
        *density_cases(),
    ],
    suite="neighbors",
    problems=lambda options: [
        *neighbors_problems(options),
        *centroid_problems(options),
        *outlier_problems(options),
        *density_problems(options),
        neighbors_ladder(options),
        *neighbors_map(options),
    ],
    series=neighbors_series,
    gpu_problems=neighbors_on_gpu,
    headlines=(
        Headline(
            "knn-40", "scikit-learn brute", "the speed of scikit-learn’s neighbours, 40 features"
        ),
    ),
)
