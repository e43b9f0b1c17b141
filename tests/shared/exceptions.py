"""Which estimator need not keep which convention, and why.

A key is the name of a test in this folder, or of one of scikit-learn's checks, and that of an
estimator, alone or with the parameters of a case. Each must fail: what passes is no exception any
more, and the test says so.
"""

import sklearn

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))

_ALL_ROWS = "the products of rows of different batches do not add up: gram needs all rows at once"

_SINGULAR = (
    "the rows of the check have a singular covariance in a class: an error, as in scikit-learn, "
    "whose own takes no weights"
)

_DEVIANCE = "the command tells R², as of all numbers; `score` is D², as scikit-learn's"

_MEDIANS = "medians of batches do not add up: metric='manhattan' needs all rows in memory"

_ALIKE = "the rows of the check are alike within each class: a warning of that, as in scikit-learn"

_ANY = (
    "as many components as columns or rows: those beyond the directions of the rows that weigh are "
    "any, and the check projects rows that do not weigh"
)

_DRAWS = (
    "centres begin with rows drawn by their weights: repeated rows are drawn otherwise; "
    "scikit-learn's own is exempt as well"
)

EXCEPTIONS = {
    **(
        {
            ("test_sample_weight_is_routed", "LogisticRegressionCV"): (
                "its scorer asks for the weights of `score`, as in scikit-learn: it has no such "
                "request"
            )
        }
        if SKLEARN >= (1, 8)
        else {
            (check, "QuadraticDiscriminantAnalysis()"): (
                "the rows of the check have a singular covariance in a class, which these "
                "versions of scikit-learn's own warn of"
            )
            for check in ("check_n_features_in_after_fitting", "check_dtype_object")
        }
    ),
    **(
        {}
        if SKLEARN >= (1, 9)
        else {
            ("test_transformers_name_their_columns", "MiniBatchKMeans"): (
                "these versions of scikit-learn draw batches otherwise"
            )
        }
    ),
    **{
        (f"check_sample_weight_equivalence_on_{kind}_data", name): _DRAWS
        for kind in ("dense", "sparse")
        for name in ("KMeans", "MiniBatchKMeans", "BisectingKMeans")
    },
    **{
        (f"check_sample_weight_equivalence_on_{kind}_data", name): _ANY
        for kind in ("dense", "sparse")
        for name in ("PCA()", "IncrementalPCA()")
    },
    **{
        (check, "QuadraticDiscriminantAnalysis()"): _SINGULAR
        for check in ("check_sample_weights_shape", "check_sample_weights_not_overwritten")
    },
    ("check_sample_weight_equivalence_on_dense_data", "QuadraticDiscriminantAnalysis"): _SINGULAR,
    **{
        ("check_non_transformer_estimators_n_iter", name): (
            "n_iter_ is None, as nothing iterates; scikit-learn's own is exempt as well"
        )
        for name in ("Ridge", "RidgeClassifier")
    },
    **{
        (f"check_sample_weight_equivalence_on_{kind}_data", name): (
            "integer weights are not repeated rows: k counts points, whatever their weights"
        )
        for kind in ("dense", "sparse")
        for name in ("KNeighborsClassifier", "KNeighborsRegressor")
    },
    **{
        (f"check_sample_weight_equivalence_on_{kind}_data", name): (
            "a row of weight 2 is one step twice as long, and two rows are two steps; "
            "scikit-learn's own are exempt as well"
        )
        for kind in ("dense", "sparse")
        for name in ("SGDRegressor", "SGDClassifier", "Perceptron", "SGDOneClassSVM")
    },
    ("test_has_no_other_parameters", "LinearRegression"): (
        "gradient descent has parameters that least squares does not"
    ),
    ("test_fit_in_batches", "LinearRegression(solver=gram)"): _ALL_ROWS,
    ("test_weights_in_batches", "LinearRegression(solver=gram)"): _ALL_ROWS,
    ("test_fit_to_partitions", "LinearRegression(solver=gram)"): _ALL_ROWS,
    ("test_weights_in_partitions", "LinearRegression(solver=gram)"): _ALL_ROWS,
    **{
        (check, "NearestCentroid"): _ALIKE
        for check in ("check_sample_weights_shape", "check_sample_weights_not_overwritten")
    },
    **{
        (test, "NearestCentroid(metric=manhattan)"): _MEDIANS
        for test in (
            "test_fit_in_batches",
            "test_weights_in_batches",
            "test_fit_to_partitions",
            "test_weights_in_partitions",
        )
    },
    **{
        ("test_fit_predict_and_score", name): _DEVIANCE
        for name in ("PoissonRegressor", "GammaRegressor", "TweedieRegressor(power=1.5)")
    },
}
