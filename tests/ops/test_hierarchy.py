"""The contract of dendrograms, condensed trees and cuts, on every engine."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import is_valid_linkage, linkage
from sklearn.cluster._hdbscan._tree import _condense_tree, labelling_at_cut

from rmodels import native
from rmodels.ops.hierarchy import condense, cut, link
from rmodels.ops.nearest import index
from rmodels.ops.span import span

ISAS = [f"native-{name}" for name in native.instruction_sets()]
on_each_engine = pytest.mark.parametrize("engine", ["reference", *ISAS], indirect=True)


def of_theirs(tree):
    """The form of scikit-learn's private functions."""
    names = ["left_node", "right_node", "value", "cluster_size"]
    kinds = [np.intp, np.intp, np.float64, np.intp]
    found = np.empty(len(tree), dtype=list(zip(names, kinds, strict=True)))
    for name, column in zip(names, tree.T, strict=True):
        found[name] = column
    return found


def by_first(labels):
    """Labels numbered by the first points of the clusters."""
    names, first = np.unique(labels[labels >= 0], return_index=True)
    numbers = {name: i for i, name in enumerate(names[np.argsort(first)])}
    return [numbers.get(each, -1) for each in labels]


def points(seed, n=300):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) + 5 * rng.integers(0, 3, (n, 1))
    return np.round(X, 1) if seed % 2 else X  # of which many tie


@on_each_engine
def test_link_by_hand(engine):
    ends, weights = np.array([[3, 4], [0, 1], [2, 3], [1, 4]]), np.array([0.5, 1.0, 2.0, 3.0])
    expected = [[4, 3, 0.5, 2], [0, 1, 1.0, 2], [5, 2, 2.0, 3], [6, 7, 3.0, 5]]
    np.testing.assert_array_equal(link(ends, weights, engine=engine), expected)


@on_each_engine
@pytest.mark.parametrize("seed", range(4))
def test_heights_are_scipys(engine, seed):
    X = points(seed)
    found = link(*span(index(X, engine="reference"), 1)[:2], engine=engine)
    assert found.dtype == np.float64
    assert is_valid_linkage(found)
    expected = linkage(X, "single")
    np.testing.assert_allclose(found[:, 2], expected[:, 2], rtol=4e-16 * 4, atol=0)
    np.testing.assert_array_equal(found, link(*span(index(X), 1)[:2], engine="reference"))


@on_each_engine
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [2, 5, 40, 400])
def test_trees_and_cuts_are_scikit_learns(engine, seed, size):
    tree = link(*span(index(points(seed)), 4)[:2], engine=engine)
    ours, expected = condense(tree, size, engine=engine), _condense_tree(of_theirs(tree), size)
    names = ("parent", "child", "value", "cluster_size")
    for column, name in zip(ours, names, strict=True):
        np.testing.assert_array_equal(column, expected[name])
        assert column.dtype == expected[name].dtype
    for height in np.quantile(tree[:, 2], [0.0, 0.3, 0.9, 0.99, 1.0]):
        for distance in (height, height * 1.001):
            labels = cut(tree, distance, size, engine=engine)
            theirs = labelling_at_cut(of_theirs(tree), distance, size)
            np.testing.assert_array_equal(labels, by_first(theirs))


@on_each_engine
def test_distances_of_0_and_infinity(engine):
    tree = link(np.array([[0, 1], [1, 2]]), np.array([0.0, np.inf]), engine=engine)
    assert condense(tree, 2, engine=engine).densities.tolist() == [0.0, np.inf, np.inf]
    assert cut(tree, np.inf, 2, engine=engine).tolist() == [0, 0, -1]


@on_each_engine
@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_points(engine, n):
    ends = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    tree = link(ends, np.arange(1.0, n), engine=engine)
    assert tree.shape == (n - 1, 4)
    assert len(condense(tree, 2, engine=engine).parents) == (n if n > 1 else 0)
    assert cut(tree, 1.5, 1, engine=engine).tolist() == [0, 0, 1][:n]


@on_each_engine
def test_a_chain_of_many(engine):
    """As deep as there are points: nothing recurses."""
    n = 3000 if engine == "reference" else 300_000
    ends = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    tree = link(ends, np.linspace(1, 2, n - 1), engine=engine)
    found = condense(tree, 2, engine=engine)
    assert (found.parents == n).all()
    np.testing.assert_array_equal(np.sort(found.children), np.arange(n))
    assert (cut(tree, 3.0, 2, engine=engine) == 0).all()
