"""Clusters."""

from collections.abc import Iterator

from rmodels_evidence.case import Case
from rmodels_evidence.families import Family
from rmodels_evidence.families.cluster.density import density_cases, density_problems
from rmodels_evidence.families.cluster.gpu import clusters_on_gpu
from rmodels_evidence.families.cluster.hierarchy import hierarchy_cases, hierarchy_problems
from rmodels_evidence.families.cluster.k_means import (
    k_means_cases,
    k_means_comparisons,
    k_means_problems,
)
from rmodels_evidence.problem import Options, Problem

__all__ = ["FAMILY"]


def _cases(quick: bool) -> Iterator[Case]:
    yield from k_means_cases()
    yield from density_cases()
    yield from hierarchy_cases()


def _problems(options: Options) -> Iterator[Problem]:
    yield from k_means_problems(options)
    yield from density_problems(options)
    yield from hierarchy_problems(options)


FAMILY = Family(
    comparisons=k_means_comparisons,
    cases=_cases,
    suite="cluster",
    problems=_problems,
    gpu_problems=clusters_on_gpu,
)
