"""Linear models."""

from rmodels_evidence.families import Family, Headline
from rmodels_evidence.families.linear_model.cases import linear_cases
from rmodels_evidence.families.linear_model.comparisons import linear_comparisons
from rmodels_evidence.families.linear_model.generalised import (
    generalised_cases,
    generalised_comparisons,
    generalised_problems,
)
from rmodels_evidence.families.linear_model.gpu import linear_on_gpu
from rmodels_evidence.families.linear_model.ladder import linear_ladder
from rmodels_evidence.families.linear_model.map import linear_map
from rmodels_evidence.families.linear_model.parquet import parquet_problems
from rmodels_evidence.families.linear_model.penalised import penalised_problems
from rmodels_evidence.families.linear_model.problems import linear_problems
from rmodels_evidence.families.linear_model.series import linear_series
from rmodels_evidence.families.linear_model.stochastic import (
    stochastic_cases,
    stochastic_comparisons,
    stochastic_problems,
)
from rmodels_evidence.families.linear_model.stochastic_ladder import stochastic_ladder

__all__ = ["FAMILY"]

FAMILY = Family(
    comparisons=lambda: [
        *linear_comparisons(),
        *generalised_comparisons(),
        *stochastic_comparisons(),
    ],
    cases=lambda quick: [
        *linear_cases(quick),
        *generalised_cases(quick),
        *stochastic_cases(quick),
    ],
    suite="linear",
    problems=lambda options: [
        *linear_problems(options),
        *penalised_problems(options),
        *generalised_problems(options),
        *stochastic_problems(options),
        *parquet_problems(options),
        linear_ladder(options),
        stochastic_ladder(options),
        *linear_map(options),
    ],
    series=linear_series,
    gpu_problems=linear_on_gpu,
    headlines=(
        Headline(
            "gradient-descent",
            "SGDRegressor",
            "the speed of SGDRegressor, whose own path ends at a lower loss",
        ),
        Headline("least-squares-40", "scikit-learn", "the speed of scikit-learn’s least squares"),
    ),
)
