"""Weights of principal components and singular vectors: each stands for as many equal rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

import rmodels
from rmodels import PCA, IncrementalPCA, TruncatedSVD

RNG = np.random.default_rng(0)
SCALES = np.array([9.0, 5, 4, 3, 2, 1])
TALL = RNG.standard_normal((80, 6)) * SCALES + 2
WIDE = RNG.standard_normal((9, 700)) * np.linspace(3, 1, 700)
FEW_DIGITS = TALL * [1e6, 1, 1, 1, 1, 1] @ np.linalg.qr(RNG.standard_normal((6, 6)))[0]
TIGHT = WIDE * np.geomspace(1e6, 1, 9)[:, np.newaxis]


def counts(rows):
    return np.random.default_rng(1).integers(0, 4, len(rows)).astype(float)


def assert_same(ours, expected, k, rtol=1e-9, atol=1e-9):
    for name in ("explained_variance_", "explained_variance_ratio_", "singular_values_"):
        found, wanted = (getattr(model, name)[:k] for model in (ours, expected))
        assert_allclose(found, wanted, rtol=rtol, err_msg=name)
    assert_allclose(ours.components_[:k], expected.components_[:k], atol=atol)


@pytest.mark.parametrize("estimator", [PCA, IncrementalPCA, TruncatedSVD])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(
    ("rows", "k", "solver"),
    [(TALL, 3, "moments"), (WIDE, 3, "gram"), (FEW_DIGITS, 5, "rows"), (TIGHT, 5, "rows")],
    ids=["moments", "gram", "rows", "few rows"],
)
def test_weights_are_repeated_rows(rows, k, solver, kind, estimator):
    w = counts(rows)
    weighted = estimator(k).fit(kind(rows), sample_weight=w)
    repeated = estimator(k).fit(np.repeat(rows, w.astype(int), axis=0))
    assert weighted.solver_ == solver
    assert_same(weighted, repeated, k, rtol=1e-7, atol=1e-6)
    if estimator is not TruncatedSVD:
        assert_allclose(weighted.mean_, repeated.mean_, rtol=1e-9, atol=1e-9 * abs(rows).max())
        noise = pytest.approx(repeated.noise_variance_, rel=1e-6)
        assert weighted.noise_variance_ == noise


def test_the_number_by_share_and_by_evidence():
    w = counts(TALL)
    for k in (0.9, "mle"):
        weighted = PCA(k).fit(TALL, None, w)
        repeated = PCA(k).fit(np.repeat(TALL, w.astype(int), axis=0))
        assert weighted.n_components_ == repeated.n_components_
        assert (weighted.n_samples_, repeated.n_samples_) == (80, w.sum())


def test_weights_in_batches():
    frame = pd.DataFrame(TALL, columns=list("abcdef")).assign(w=counts(TALL))
    rows = rmodels.scan(lambda: (frame[i : i + 20] for i in range(0, 80, 20)))
    whole = PCA().fit(TALL, sample_weight=frame["w"])
    for model in (PCA(), IncrementalPCA(), TruncatedSVD(5)):
        expected = type(model)(**model.get_params()).fit(TALL, sample_weight=frame["w"])
        assert_same(model.fit(rows, sample_weight="w"), expected, 5)
    batches = IncrementalPCA()
    for part in np.array_split(np.arange(80), 5):
        batches.partial_fit(TALL[part], sample_weight=frame["w"][part])
    assert_same(batches, whole, 6)
    assert_allclose(
        batches.var_, np.cov(TALL.T, fweights=frame["w"].astype(int), bias=True).diagonal()
    )


def test_a_few_components_of_many_columns_with_weights():
    rows = np.random.default_rng(2).standard_normal((60, 600))
    w = counts(rows)
    model = PCA(2).fit(sparse.csr_array(rows), sample_weight=w)
    assert model.solver_ == "gram"
    assert_same(model, PCA(2).fit(np.repeat(rows, w.astype(int), axis=0)), 2)


def test_weights_too_small():
    for estimator in (PCA, IncrementalPCA):
        with pytest.raises(ValueError, match="adds up to 1, and has to be more than 1"):
            estimator().fit(TALL, sample_weight=np.full(80, 1 / 80))
    with pytest.raises(ValueError, match=r"non-zero|sample_weight is 0"):
        PCA().fit(TALL, sample_weight=np.zeros(80))
