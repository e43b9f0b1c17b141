"""PCA: right values, digits, and what it refuses."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg, sparse
from sklearn import decomposition

import rmodels
from rmodels import PCA, IncrementalPCA, TruncatedSVD

RNG = np.random.default_rng(0)
EPS = np.finfo(np.float64).eps


def rows_of(singular, n=200, offset=0.0, dtype=np.float64, seed=0):
    """Rows whose singular values are about those, far from zero."""
    rng = np.random.default_rng(seed)
    d = len(singular)
    U, _ = np.linalg.qr(rng.standard_normal((n, d)))
    V, _ = np.linalg.qr(rng.standard_normal((d, d)))
    return (U * singular @ V.T + offset).astype(dtype)


def spectrum_of(X):
    """Singular values and vectors of the centred rows, in float64.

    Taking away a value that is near is exact, so that only what is left is rounded.
    """
    D = X.astype(np.float64) - X[0].astype(np.float64)
    D -= D.mean(axis=0)
    _, singular, components = linalg.svd(D - D.mean(axis=0), full_matrices=False)
    return singular, components


def assert_axes(found, expected, atol):
    """Axes are the same but for their sign."""
    assert_allclose(abs((found * expected).sum(axis=1)), 1.0, atol=atol)


def test_a_worked_example():
    model = PCA().fit([[0.0, 1.0], [2.0, 1.0], [1.0, 4.0]])
    assert_allclose(model.mean_, [1.0, 2.0])
    assert_allclose(model.explained_variance_, [3.0, 1.0])
    assert_allclose(model.explained_variance_ratio_, [0.75, 0.25])
    assert_allclose(model.singular_values_, np.sqrt([6.0, 2.0]))
    assert_allclose(model.components_, [[0.0, 1.0], [1.0, 0.0]], atol=4 * EPS)
    assert_allclose(model.transform([[5.0, 2.0]]), [[0.0, 4.0]], atol=16 * EPS)
    assert (model.n_components_, model.n_samples_, model.noise_variance_) == (2, 3, 0.0)


@pytest.mark.parametrize("shape", [(100, 5), (12, 30), (40, 40), (2, 1), (5, 1), (3, 70)])
@pytest.mark.parametrize("n_components", [None, 1, 0.6])
@pytest.mark.parametrize("whiten", [False, True])
def test_equal_to_scikit_learn(shape, n_components, whiten):
    X = RNG.standard_normal(shape) @ np.diag(np.linspace(1, 3, shape[1])) + 1.0
    ours = PCA(n_components, whiten=whiten).fit(X)
    theirs = decomposition.PCA(n_components, whiten=whiten, svd_solver="full").fit(X)
    assert ours.n_components_ == theirs.n_components_
    varies = slice(min(shape[0] - 1, ours.n_components_))  # the rest is any direction
    for name in ("explained_variance_", "explained_variance_ratio_", "singular_values_"):
        found, expected = (getattr(each, name)[varies] for each in (ours, theirs))
        assert_allclose(found, expected, rtol=1e-11)
    assert_allclose(ours.components_[varies], theirs.components_[varies], atol=1e-9)
    found, expected = (each.transform(X)[:, varies] for each in (ours, theirs))
    assert_allclose(found, expected, atol=1e-8)
    if not whiten or ours.n_components_ < shape[0]:
        assert_allclose(
            ours.inverse_transform(ours.transform(X)),
            theirs.inverse_transform(theirs.transform(X)),
            atol=1e-8,
        )


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_digits_of_far_rows(offset):
    X = rows_of(np.array([10.0, 5.0, 2.0, 1.0]), offset=offset)
    model = PCA().fit(X)
    singular, components = spectrum_of(X)
    assert model.solver_ == "moments"
    # the moments are those of exact arithmetic within 8 √n ε of the largest
    assert_allclose(model.singular_values_, singular, rtol=8 * np.sqrt(200) * EPS * 10**2)
    assert_axes(model.components_, components, 1e-12)


def test_digits_of_far_float32():
    X = rows_of(np.array([20.0, 10.0, 5.0]), offset=1e5, dtype=np.float32)
    singular, components = spectrum_of(X)
    model = PCA().fit(X)
    assert model.components_.dtype == np.float32
    assert_allclose(model.singular_values_, singular, rtol=2 * np.finfo(np.float32).eps)
    projected = (X.astype(np.float64) - X.astype(np.float64).mean(axis=0)) @ components.T
    signs = np.sign((model.components_ * components).sum(axis=1))
    # the mean that is subtracted is not the float32 one, which would be off by up to 0.004
    assert_allclose(model.transform(X), projected * signs, atol=20 * 2.0**-22)


def test_small_components_come_from_the_rows():
    X = rows_of(np.array([1.0, 1e-3, 1e-6]))
    singular, components = spectrum_of(X)
    whole = PCA().fit(X)
    assert whole.solver_ == "rows"
    assert_allclose(whole.singular_values_, singular, atol=32 * EPS)
    assert_axes(whole.components_, components, 1e-9)
    largest = PCA(1).fit(X)  # what is left out has digits enough for its mean
    assert largest.solver_ == "moments"


def test_columns_of_different_units_stay_with_the_moments():
    units = 10.0 ** np.array([-6, -3, 0, 3, 6])
    X = rows_of(np.array([5.0, 4.0, 3.0, 2.0, 1.0])) * units
    singular, _ = spectrum_of(X / units * units)
    model = PCA().fit(X)
    assert model.solver_ == "moments"
    assert_allclose(model.singular_values_, singular, atol=64 * EPS * singular[0])
    constant = np.column_stack([X, np.full(len(X), 7.0)])
    assert PCA().fit(constant).solver_ == "moments"
    assert PCA().fit(constant).singular_values_[-1] == 0


def test_wide_rows():
    X = RNG.standard_normal((20, 300)) + 100.0
    singular, components = spectrum_of(X)
    few, all_of_them = PCA(5).fit(X), PCA().fit(X)
    assert (few.solver_, all_of_them.solver_) == ("gram", "rows")
    for model in (few, all_of_them):
        k = min(model.n_components_, 19)
        assert_allclose(model.singular_values_[:k], singular[:k], rtol=1e-11)
        assert_axes(model.components_[:k], components[:k], 1e-10)
        assert_allclose(model.components_ @ model.components_.T, np.eye(len(model.components_)),
                        atol=1e-10)  # fmt: skip
    assert PCA(5).fit(sparse.csr_array(X)).singular_values_ == pytest.approx(singular[:5])


def test_a_share_is_exceeded():
    X = np.array([[np.sqrt(2), 0, 0], [0, 1, 0], [0, 0, 1]])
    X = np.concatenate([X, -X])  # shares 1/2, 1/4, 1/4
    assert PCA(0.75).fit(X).n_components_ == 3
    assert PCA(0.74).fit(X).n_components_ == 2
    assert PCA(0.4).fit(X).n_components_ == 1


def test_the_likeliest_number():
    X = RNG.standard_normal((500, 8)) * [5, 4, 3, 1, 1, 1, 1, 1]
    assert PCA("mle").fit(X).n_components_ == 3
    model = decomposition.PCA("mle", svd_solver="full").fit(X)
    assert model.n_components_ == 3
    same = np.concatenate([np.eye(4), -np.eye(4)])  # every direction is as good
    assert 1 <= PCA("mle").fit(same).n_components_ <= 3


def test_noise_is_the_mean_of_what_is_left_out():
    X = RNG.standard_normal((6, 10))
    variances = np.linalg.eigvalsh(np.cov(X.T))[::-1]
    assert PCA(2).fit(X).noise_variance_ == pytest.approx(variances[2:].sum() / 8)
    assert PCA(2).fit(X.T).noise_variance_ == pytest.approx(
        np.linalg.eigvalsh(np.cov(X))[:4].sum() / 4
    )


@pytest.mark.parametrize("whiten", [False, True])
def test_the_probabilistic_model(whiten):
    X = RNG.standard_normal((50, 4)) * [1, 2, 3, 4] + 10
    whole = PCA(whiten=whiten).fit(X)
    assert_allclose(whole.get_covariance(), np.cov(X.T), rtol=1e-12)  # whitening changes no rows
    model = PCA(2, whiten=whiten).fit(X)
    C = model.get_covariance()
    assert_allclose(model.get_precision() @ C, np.eye(4), atol=1e-12)
    D = X - X.mean(axis=0)
    distances = (D @ np.linalg.inv(C) * D).sum(axis=1)
    expected = -0.5 * (distances + np.linalg.slogdet(2 * np.pi * C)[1])
    assert_allclose(model.score_samples(X), expected, rtol=1e-12)
    assert model.score(X) == pytest.approx(expected.mean())
    assert model.score(rmodels.scan(X)) == pytest.approx(expected.mean())
    if not whiten:
        theirs = decomposition.PCA(2, svd_solver="full").fit(X)
        assert_allclose(model.get_precision(), theirs.get_precision(), rtol=1e-9)
        assert_allclose(expected, theirs.score_samples(X), rtol=1e-9)


def test_a_singular_model_has_no_density():
    model = PCA().fit(RNG.standard_normal((3, 5)))
    for method in (model.get_precision, lambda: model.score(np.zeros((1, 5)))):
        with pytest.raises(linalg.LinAlgError, match="ask for fewer components"):
            method()


@pytest.mark.parametrize("seed", range(5))
def test_signs_do_not_hang_on_rounding(seed):
    noise = np.random.default_rng(seed).standard_normal((4, 2)) * 4 * EPS
    X = np.array([[2.0, -2.0], [-2.0, 2.0], [1.0, 1.0], [-1.0, -1.0]]) + noise
    expected = np.sqrt(0.5) * np.array([[1.0, -1.0], [1.0, 1.0]])
    assert_allclose(PCA().fit(X).components_, expected, rtol=1e-12)


def test_all_batches_and_frames(tmp_path):
    import pandas as pd

    frame = pd.DataFrame(rows_of(np.array([3.0, 2.0, 1.0]), offset=5), columns=list("abc"))
    frame.to_parquet(tmp_path / "rows.parquet")
    scanned = rmodels.scan(tmp_path / "rows.parquet", columns=["a", "b", "c"])
    for n_components in (None, "mle", 0.5):
        model, whole = (PCA(n_components).fit(X) for X in (scanned, frame))
        assert model.n_components_ == whole.n_components_
        assert_allclose(model.components_, whole.components_, atol=1e-13)
    back = model.inverse_transform(rmodels.scan(model.transform(frame)))
    assert_allclose(back, whole.inverse_transform(whole.transform(frame)), atol=1e-12)
    with pytest.raises(ValueError, match="n_components=4 must be between 0 and"):
        PCA(4).fit(scanned)


@pytest.mark.parametrize(
    ("parameters", "X", "message"),
    [
        ({"n_components": 4}, np.zeros((5, 3)), "must be between 0 and min.*=3"),
        ({"n_components": "mle"}, np.zeros((2, 3)), "n_samples >= n_features"),
        ({"n_components": 3, "svd_solver": "arpack"}, np.eye(3), "strictly less than"),
        ({"n_components": 0, "svd_solver": "randomized"}, np.eye(3), "must be between 1"),
        ({"n_components": "mle", "svd_solver": "arpack"}, np.eye(3), "cannot be a string"),
        ({}, np.zeros((1, 3)), "minimum of 2 is required"),
        ({}, np.array([[1.0], [np.nan]]), "contains NaN"),
        ({}, np.array([[1e200], [-1e200]]), "scale the columns"),
        ({"n_components": 1.5}, np.eye(3), "must be an int in the range"),
    ],
)
def test_refusals(parameters, X, message):
    with pytest.raises(ValueError, match=message):
        PCA(**parameters).fit(X)


def test_what_cannot_be_answered():
    with pytest.raises(TypeError, match="only support sparse"):
        PCA(svd_solver="full").fit(sparse.eye_array(4, format="csr"))
    model = PCA(2).fit(RNG.standard_normal((9, 3)))
    with pytest.raises(ValueError, match=r"3 features.*2 components"):
        model.inverse_transform(np.zeros((2, 3)))
    assert_array_equal(model.transform(np.zeros((1, 3))).shape, (1, 2))


def test_constant_rows():
    model = PCA().fit(np.full((5, 2), 3.0))
    assert_array_equal(model.explained_variance_, [0.0, 0.0])
    assert_array_equal(model.explained_variance_ratio_, [0.0, 0.0])
    assert_array_equal(model.transform([[3.0, 3.0]]), [[0.0, 0.0]])


@pytest.mark.usefixtures("on_engine")
@pytest.mark.parametrize(
    "model",
    [PCA(2), PCA(2, whiten=True), IncrementalPCA(2, whiten=True), TruncatedSVD(2)],
    ids=str,
)
def test_float32_rows_that_are_sparse_stay_float32(model):
    rng = np.random.default_rng(0)
    dense = (rng.random((50, 6)) < 0.9) * (100.0 + rng.random((50, 6)))
    dense = dense.astype(np.float32)
    rows = sparse.csr_array(dense)
    scores = model.fit_transform(rows)
    found = scores, model.transform(rows), model.inverse_transform(scores)
    assert [each.dtype for each in (*found, model.components_)] == [np.float32] * 4
    exact = model.transform(rows.astype(np.float64))
    assert exact.dtype == np.float64
    # the mean is subtracted in float64: what is left is rounded once
    assert_array_equal(scores, exact.astype(np.float32))
    assert_array_equal(found[1], scores)
