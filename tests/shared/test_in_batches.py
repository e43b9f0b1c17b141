"""Fitted to a scan, an estimator says what it says fitted to the array; asked about one, too."""

import numpy as np
import pandas as pd
import pytest
from cases import CASES, EXAMPLES, LABELS, QUERIES, TARGETS, W, X, answers, assert_close
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

import rmodels

NAMES = ["a", "b", "c"]
FRAME = pd.DataFrame(X, columns=NAMES).assign(label=LABELS, other=TARGETS[:, 1], weight=W)
ASKED = pd.DataFrame(QUERIES, columns=NAMES)


def batches(frame, rows=25):
    """A scan of a table that comes in batches."""
    return rmodels.scan(lambda: (frame[i : i + rows] for i in range(0, len(frame), rows)))


def with_targets(case, frame=FRAME):
    """The table with targets that an estimator can be fitted to."""
    return frame.assign(**dict(zip(case.columns, case.y.reshape(len(X), -1).T, strict=True)))


def fit(case):
    """Return a model fitted to a scan."""
    if case.entry.predicts:
        return case.make().fit(batches(with_targets(case)[NAMES + case.columns]), case.target)
    return case.make().fit(batches(FRAME[NAMES]))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fit_in_batches(case):
    model = fit(case)
    assert model.n_features_in_ == 3
    assert model.feature_names_in_.tolist() == NAMES
    assert_close(answers(model, ASKED), answers(case.fit(), QUERIES))


@pytest.mark.parametrize("case", [c for c in CASES if c.entry.predicts], ids=str)
def test_weights_in_batches(case):
    rows = batches(with_targets(case)[[*NAMES, *case.columns, "weight"]])
    model = case.make().fit(rows, case.target, sample_weight="weight")
    expected = case.fit(X, case.y, W)
    assert_close(answers(model, ASKED), answers(expected, QUERIES))
    score = model.score(rows, case.target, "weight")
    assert score == pytest.approx(expected.score(X, case.y, W), rel=1e-12)


def _assert_answers_in_batches(case, method):
    model = case.fit(FRAME[NAMES])
    rows = rmodels.scan(lambda: (ASKED[i : i + 5] for i in range(0, len(ASKED), 5)))
    assert_close(answers(model, rows, method), answers(model, ASKED, method))


def _having(method):
    having = [case for case in CASES if hasattr(case.make(), method)]
    return pytest.mark.parametrize("case", having, ids=str)


@_having("predict")
def test_predict_in_batches(case):
    _assert_answers_in_batches(case, "predict")


@_having("predict_proba")
def test_predict_proba_in_batches(case):
    _assert_answers_in_batches(case, "predict_proba")


@_having("score_samples")
def test_score_samples_in_batches(case):
    _assert_answers_in_batches(case, "score_samples")


@_having("transform")
def test_transform_in_batches(case):
    _assert_answers_in_batches(case, "transform")


@_having("kneighbors")
def test_kneighbors_in_batches(case):
    _assert_answers_in_batches(case, "kneighbors")


@_having("radius_neighbors")
def test_radius_neighbors_in_batches(case):
    _assert_answers_in_batches(case, "radius_neighbors")


# The same with text in a column, and values that are missing in the others.
GAPS = FRAME.assign(
    a=FRAME.a.where(FRAME.index % 40 != 7),
    b=np.where(FRAME.b > 0.5, "much", np.where(FRAME.b < -0.3, "little", "some")),
    c=FRAME.c.where(FRAME.index % 30 != 11),
)


@pytest.mark.parametrize("missing", ["mean", "drop"])
@pytest.mark.parametrize("case", EXAMPLES, ids=str)
def test_columns_that_lack_values_or_hold_text(case, missing):
    table = with_targets(case, GAPS) if case.entry.predicts else GAPS
    rows = rmodels.scan(
        lambda: (table[i : i + 25] for i in range(0, len(table), 25)),
        NAMES,
        missing=missing,
        encode="onehot",
    )
    # 0 and 1 of the categories sum to one: their covariance is singular
    given = {"reg_param": 0.1} if case.name == "QuadraticDiscriminantAnalysis" else {}
    model, expected = (case.make().set_params(**given) for _ in range(2))
    model.fit(rows, *([case.target] if case.entry.predicts else []))
    used = GAPS if missing == "mean" else GAPS.dropna()
    ours = ColumnTransformer(
        [
            ("a", SimpleImputer(), ["a"]),
            ("b", OneHotEncoder(sparse_output=False), ["b"]),
            ("c", SimpleImputer(), ["c"]),
        ],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    made = ours.fit_transform(used)
    y = case.y if missing == "mean" else case.y[used.index]
    expected.fit(made, *([y] if case.entry.predicts else []))
    assert model.feature_names_in_.tolist() == ours.get_feature_names_out().tolist()
    asked = used[NAMES][:30]
    assert_close(answers(model, asked), answers(expected, ours.transform(asked)))
