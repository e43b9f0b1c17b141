"""Tests of coefficients of largest likelihood."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import sparse

import rmodels
from rmodels import GammaRegressor, LogisticRegression, PoissonRegressor, TweedieRegressor

pytestmark = pytest.mark.usefixtures("on_engine")

FAMILIES, LINKS = sm.families, sm.families.links


def rows(n=300):
    """Return rows of unlike columns, and margins that are linear in them."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((n, 4))
    return Z * [1.0, 10.0, 0.01, 1.0] + [0.0, 50.0, 0.0, -3.0], Z @ [0.5, -0.3, 0.2, 0.0]


def labels(margins, n_classes=2):
    rng = np.random.default_rng(1)
    scores = np.outer(margins, np.arange(n_classes)) + rng.gumbel(size=(len(margins), n_classes))
    return scores.argmax(axis=1)


def with_constant(X, fit_intercept=True):
    return np.column_stack([X, np.ones(len(X))]) if fit_intercept else X


def assert_equal(found, theirs, *, likelihood=True):
    pairs = {
        "coefficients": theirs.params,
        "standard_errors": theirs.bse,
        "z_values": theirs.tvalues,
        "confidence_intervals": theirs.conf_int(1 - found.confidence),
        "covariance": theirs.cov_params(),
        "degrees_of_freedom": theirs.df_resid,
    }
    if likelihood:
        # by the likelihood: of some models `bic` is by the deviance, in older versions
        bic = theirs.bic_llf if hasattr(theirs, "bic_llf") else theirs.bic
        pairs |= {"log_likelihood": theirs.llf, "aic": theirs.aic, "bic": bic}
    for name, expected in pairs.items():
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-8, err_msg=name)
    # log p falls as z² / 2: it carries z² times the relative error of z
    apart = abs(found.p_values - theirs.pvalues) / theirs.pvalues
    assert (apart <= 1e-8 * (1 + found.z_values**2)).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_two_classes_equal_statsmodels(fit_intercept, confidence):
    X, margins = rows()
    y = labels(margins)
    model = LogisticRegression(C=np.inf, fit_intercept=fit_intercept).fit(X, y)
    found = model.summary(confidence=confidence)
    theirs = sm.Logit(y, with_constant(X, fit_intercept)).fit(tol=1e-13, disp=0)
    assert_equal(found, theirs)
    if fit_intercept:
        np.testing.assert_allclose(found.pseudo_r2, theirs.prsquared, rtol=1e-8)
        np.testing.assert_allclose(found.likelihood_ratio, theirs.llr, rtol=1e-8)
        np.testing.assert_allclose(found.likelihood_ratio_p_value, theirs.llr_pvalue, rtol=1e-7)
    else:
        assert np.isnan(found.likelihood_ratio)
    share = y.mean()
    null = len(y) * (share * np.log(share) + (1 - share) * np.log(1 - share))
    np.testing.assert_allclose(found.null_log_likelihood, null, rtol=1e-12)
    np.testing.assert_allclose(
        found.cox_snell_r2, 1 - np.exp((null - theirs.llf) * 2 / len(y)), rtol=1e-8
    )


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_more_classes_are_contrasts_with_their_mean(fit_intercept):
    X, margins = rows(500)
    y = np.array(["a", "b", "c", "d"])[labels(margins, 4)]
    model = LogisticRegression(C=np.inf, fit_intercept=fit_intercept).fit(X, y)
    found = model.summary()
    theirs = sm.MNLogit(labels(margins, 4), with_constant(X, fit_intercept)).fit(
        method="newton", tol=1e-13, disp=0
    )
    free, K = X.shape[1] + fit_intercept, 4
    # theirs are of all but the first class, less the first's
    contrast = (np.eye(K) - 1 / K)[:, 1:]
    full = np.kron(contrast, np.eye(free))
    np.testing.assert_allclose(found.coefficients, contrast @ theirs.params.T, rtol=1e-7)
    expected = full @ theirs.cov_params() @ full.T
    errors = np.sqrt(np.diag(expected)).reshape(K, free)
    np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-8)
    scale = np.outer(errors, errors)
    assert np.max(abs(found.covariance - expected) / scale) < 1e-8
    for name in ("llf", "aic", "bic", "df_resid"):
        ours = {"llf": "log_likelihood", "df_resid": "degrees_of_freedom"}.get(name, name)
        np.testing.assert_allclose(getattr(found, ours), getattr(theirs, name), rtol=1e-8)
    assert found.classes == ["a", "b", "c", "d"]
    frame = found.to_frame()
    assert frame.index.names == ["class", None]
    assert frame.loc[("c", "x1"), "z"] == found.z_values[2, 1]
    assert "class d: log-likelihood" in found.to_latex()


CASES = [
    (PoissonRegressor, {}, FAMILIES.Poisson()),
    (GammaRegressor, {}, FAMILIES.Gamma(LINKS.Log())),
    (TweedieRegressor, {"power": 0}, FAMILIES.Gaussian()),
    (TweedieRegressor, {"power": 0, "link": "log"}, FAMILIES.Gaussian(LINKS.Log())),
    (TweedieRegressor, {"power": 1}, FAMILIES.Poisson()),
    (TweedieRegressor, {"power": 1.5}, FAMILIES.Tweedie(LINKS.Log(), 1.5)),
    (TweedieRegressor, {"power": 2, "link": "identity"}, FAMILIES.Gamma(LINKS.Identity())),
    (TweedieRegressor, {"power": 3}, FAMILIES.InverseGaussian(LINKS.Log())),
]


@pytest.mark.filterwarnings("ignore:The Identity link function:Warning")  # theirs, of our case
@pytest.mark.parametrize(("estimator", "given", "family"), CASES)
@pytest.mark.parametrize("kind", ["array", "sparse", "scan", "weights"])
def test_regressors_equal_statsmodels(estimator, given, family, kind, tmp_path):
    X, margins = rows()
    rng = np.random.default_rng(2)
    identity = given.get("link") == "identity"
    mu = 4 + margins if identity else np.exp(1 + margins)
    counts = estimator is PoissonRegressor or given.get("power") == 1
    y = rng.poisson(mu).astype(float) if counts else rng.gamma(9.0, mu / 9)
    model = estimator(alpha=0.0, **given)
    repeats = rng.integers(0, 3, len(y)) if kind == "weights" else np.ones(len(y), dtype=int)
    if kind == "scan":
        with rmodels.config_context(memory_limit=2**20):
            model.fit(rmodels.scan(X), y)
    elif kind == "sparse":
        model.fit(sparse.csr_array(X), y)
    else:
        model.fit(X, y, None if kind == "array" else repeats)
    found = model.summary()
    Z, many = with_constant(np.repeat(X, repeats, axis=0)), np.repeat(y, repeats)
    start = np.append(model.coef_, model.intercept_) if identity else None
    theirs = sm.GLM(many, Z, family).fit(start_params=start, tol=1e-14, maxiter=300)
    has_density = given.get("power") != 1.5
    assert_equal(found, theirs, likelihood=has_density)
    np.testing.assert_allclose(found.scale, theirs.scale, rtol=1e-8)
    assert found.n_observations == repeats.sum()
    assert np.isnan(found.log_likelihood) != has_density
    if has_density and given != {"power": 0}:  # theirs has another scale in the null model
        np.testing.assert_allclose(found.null_log_likelihood, theirs.llnull, rtol=1e-8)
        expected = 1 - np.exp((theirs.llnull - theirs.llf) * 2 / repeats.sum())
        np.testing.assert_allclose(found.cox_snell_r2, expected, rtol=1e-8)


def test_weights_count_rows():
    X, margins = rows()
    y, repeats = labels(margins), np.random.default_rng(3).integers(0, 4, len(X))
    found = LogisticRegression(C=np.inf).fit(X, y, repeats).summary()
    theirs = LogisticRegression(C=np.inf).fit(np.repeat(X, repeats, axis=0), np.repeat(y, repeats))
    expected = theirs.summary()
    for name in ("standard_errors", "log_likelihood", "bic", "degrees_of_freedom"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-9, err_msg=name
        )


def test_an_offset_costs_the_slopes_nothing():
    X, margins = rows()
    y = labels(margins)
    near, far = (LogisticRegression(C=np.inf).fit(A, y).summary() for A in (X, X + 2.0**20))
    # the rows were rounded to 2⁻³³, of which the column with a spread of 0.01 has 26 bits left
    np.testing.assert_allclose(far.standard_errors[:-1], near.standard_errors[:-1], rtol=1e-6)


def test_float32_is_tested_in_float64():
    X, margins = rows()
    y, X = labels(margins), X.astype(np.float32)
    found = LogisticRegression(C=np.inf).fit(X, y).summary()
    assert_equal(found, sm.Logit(y, with_constant(X.astype(float))).fit(tol=1e-13, disp=0))


def test_files_and_names(tmp_path):
    pd = pytest.importorskip("pandas")
    X, margins = rows()
    frame = pd.DataFrame(X, columns=["age", "height", "share", "log dose"])
    model = LogisticRegression(C=np.inf).fit(frame, labels(margins))
    rmodels.save(model, tmp_path / "m")
    found = rmodels.load(tmp_path / "m").summary()
    assert str(found) == str(model.summary())
    assert found.names == [*frame.columns, "intercept"]
    assert "log dose" in str(found)
    assert "<td>" in found._repr_html_()


def test_refuses():
    X, margins = rows()
    y = labels(margins)
    with pytest.raises(ValueError, match=r"a penalty, C=1\.0: set C=np\.inf"):
        LogisticRegression().fit(X, y).summary()
    with pytest.raises(ValueError, match=r"a penalty, alpha=1\.0: set alpha=0"):
        PoissonRegressor().fit(X, y).summary()
    with pytest.raises(ValueError, match="set class_weight=None"):
        LogisticRegression(C=np.inf, class_weight="balanced").fit(X, y).summary()
    with pytest.raises(ValueError, match="between 0 and 1"):
        LogisticRegression(C=np.inf).fit(X, y).summary(confidence=1.0)
    doubled = np.column_stack([X, X[:, 0]])
    with pytest.raises(ValueError, match="independent columns"):
        LogisticRegression(C=np.inf).fit(doubled, y).summary()
    with pytest.raises(ValueError, match="independent columns"):
        PoissonRegressor(alpha=0).fit(doubled, y).summary()
    with pytest.raises(ValueError, match="more observations than coefficients"):
        PoissonRegressor(alpha=0).fit(X[:5], [1, 2, 3, 5, 2]).summary()
    with pytest.warns(match="can be separated"):
        model = LogisticRegression(C=np.inf).fit([[0.0], [1.0], [2.0]], [0, 0, 1])
    with pytest.raises(ValueError, match="can be separated"):
        model.summary()
    again = LogisticRegression().fit(X, y).set_params(C=np.inf)
    with pytest.raises(ValueError, match="changed after fit"):
        again.summary()
