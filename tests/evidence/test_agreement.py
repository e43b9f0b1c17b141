import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from rmodels_evidence.agreement import (
    coefficient_agreement,
    exact_distances,
    neighbor_agreements,
    true_distances,
)
from rmodels_evidence.families.linear_model.problems import (
    descent_truth,
    generate,
    least_squares_truth,
    literal_loop,
)
from rmodels_evidence.families.neighbors.problems import normal
from rmodels_evidence.problem import Agreement

TOLERANCE = 1e-9


@pytest.fixture
def data():
    return normal(300, 40, 3, 4)


@pytest.fixture
def right(data):
    return NearestNeighbors(n_neighbors=4, algorithm="brute").fit(data.X).kneighbors(data.Q)


def agreement(data, *answers, counts=None):
    counts = counts or [len(data.Q)] * len(answers)
    return neighbor_agreements(
        data.X, data.Q, data.k, answers, counts, [TOLERANCE] * len(answers), sample=5
    )


def test_coefficients():
    truth = np.array([1.0, -2.0, 0.5])
    assert coefficient_agreement(truth.copy(), truth, 1e-12).holds
    close = coefficient_agreement(truth + np.array([0, 0, 1e-8]), truth, 1e-12)
    assert not close.holds
    assert close.error == pytest.approx(5e-9, rel=1e-6)
    assert not coefficient_agreement(truth[:2], truth, 1e-12).holds
    assert not coefficient_agreement(truth * np.nan, truth, 1e-12).holds


def test_truth_of_gradient_descent_is_the_literal_loop():
    data = generate(500, 7)
    loop = literal_loop(data, iterations=30)()
    assert coefficient_agreement(loop, descent_truth(data.X, data.y, 30), 1e-12).holds
    assert not coefficient_agreement(loop, descent_truth(data.X, data.y, 31), 1e-12).holds


def test_truth_of_least_squares_has_no_gradient():
    data = generate(500, 7)
    truth = least_squares_truth(data.X, data.y)
    residuals = data.X @ truth[:-1] + truth[-1] - data.y
    assert np.abs(data.X.T @ residuals).max() < 1e-12
    assert abs(residuals.mean()) < 1e-12


def test_true_distances_are_those_of_the_definition(data, right):
    np.testing.assert_allclose(true_distances(data.X, data.Q, 4), right[0], rtol=1e-12)
    np.testing.assert_allclose(exact_distances(data.X, data.Q, right[1]), right[0], rtol=1e-12)


def test_right_neighbours_agree(data, right):
    assert all(found.holds for found in agreement(data, right, right))


def test_one_missed_neighbour_is_found_in_any_query(data, right):
    # Query 1 is not in the sample of 5 out of 40: the other answer shows that it is wrong.
    distances, indices = (part.copy() for part in right)
    others = np.setdiff1d(np.arange(300), indices[1])
    indices[1, -1] = others[0]
    distances[1, -1] = np.linalg.norm(data.X[others[0]] - data.Q[1])
    good, bad = agreement(data, right, (distances, indices))
    assert good.holds
    assert not bad.holds


def test_missed_neighbour_is_found_by_the_sample_alone(data, right):
    distances, indices = (part.copy() for part in right)
    others = np.setdiff1d(np.arange(300), indices[0])
    indices[0, -1] = others[0]
    distances[0, -1] = np.linalg.norm(data.X[others[0]] - data.Q[0])
    assert not agreement(data, (distances, indices))[0].holds


def test_wrong_distances_do_not_agree(data, right):
    distances = right[0].copy()
    distances[7, 2] *= 1 + 1e-6
    found = agreement(data, (distances, right[1]))[0]
    assert not found.holds
    assert 1e-7 < found.error < 1e-5


@pytest.mark.parametrize("spoil", ["repeated", "outside", "negative", "nan", "short"])
def test_malformed_answers_do_not_agree(data, right, spoil):
    distances, indices = (part.copy() for part in right)
    if spoil == "repeated":
        indices[3, 1] = indices[3, 0]
    elif spoil == "outside":
        indices[3, 1] = 300
    elif spoil == "negative":
        indices[3, 1] = -1
    elif spoil == "nan":
        distances[3, 1] = np.nan
    else:
        distances, indices = distances[:-1], indices[:-1]
    found = agreement(data, (distances, indices))[0]
    assert not found.holds
    assert found.error == np.inf


def test_equal_distances_may_be_named_in_any_order():
    X = np.array([[0.0], [1.0], [-1.0], [5.0]])
    Q = np.array([[0.0]])
    for second in (1, 2):
        answer = (np.array([[0.0, 1.0]]), np.array([[0, second]]))
        assert neighbor_agreements(X, Q, 2, [answer], [1], [0.0])[0].holds


def test_a_point_is_not_its_own_neighbour():
    X = np.array([[0.0], [1.0], [3.0]])
    right = (np.array([[1.0], [1.0], [2.0]]), np.array([[1], [0], [1]]))
    own = (np.zeros((3, 1)), np.arange(3)[:, np.newaxis])
    good, bad = neighbor_agreements(X, None, 1, [right, own], [3, 3], [0.0, 0.0])
    assert good.holds
    assert not bad.holds


def test_an_answer_to_the_first_queries_only(data, right):
    part = (right[0][:10], right[1][:10])
    assert all(found.holds for found in agreement(data, right, part, counts=[40, 10]))


def test_errors_of_numpy_give_what_a_file_takes():
    assert Agreement(np.float64(1e-12), TOLERANCE, "error").holds is True
    assert Agreement(np.float64(np.nan), TOLERANCE, "error").holds is False
