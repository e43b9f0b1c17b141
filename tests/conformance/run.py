"""Run scikit-learn's own tests against rmodels: `python tests/conformance/run.py`."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import sklearn

from rmodels import native

HERE = Path(__file__).parent
TESTS = (
    "decomposition/tests/test_pca.py",
    "decomposition/tests/test_incremental_pca.py",
    "decomposition/tests/test_truncated_svd.py",
    "cluster/tests/test_k_means.py",
    "cluster/tests/test_bisect_k_means.py",
    "cluster/tests/test_dbscan.py",
    "cluster/tests/test_hdbscan.py",
    "cluster/tests/test_spectral.py",
    "tests/test_naive_bayes.py",
    "tests/test_discriminant_analysis.py",
    "neighbors/tests/test_neighbors.py",
    "neighbors/tests/test_neighbors_pipeline.py",
    "neighbors/tests/test_graph.py",
    "neighbors/tests/test_nearest_centroid.py",
    "neighbors/tests/test_lof.py",
    "neighbors/tests/test_kde.py",
    "impute/tests/test_knn.py",
    "linear_model/tests/test_base.py",
    "linear_model/tests/test_ridge.py",
    "linear_model/tests/test_coordinate_descent.py",
    "linear_model/tests/test_sparse_coordinate_descent.py",
    "linear_model/tests/test_logistic.py",
    "linear_model/_glm/tests/test_glm.py",
    "linear_model/tests/test_sgd.py",
    "linear_model/tests/test_perceptron.py",
    "linear_model/tests/test_passive_aggressive.py::test_passive_aggressive_classifier_vs_sgd",
    "linear_model/tests/test_passive_aggressive.py::test_passive_aggressive_regressor_vs_sgd",
    "linear_model/tests/test_common.py",
)
# "auto": native for all metrics that it has, and SciPy for the others.
ENGINES = {"native": "auto", "reference": "reference"}


def run(engine, seeds, workers, short):
    """Run the tests on one engine; return pytest's exit status."""
    package = Path(sklearn.__file__).parent
    environment = os.environ | {
        "PYTHONPATH": str(HERE),
        "CONFORMANCE_ENGINE": engine,
        "RMODELS_ENGINE": ENGINES[engine],
        "CONFORMANCE_SHORT": "1" if short else "",
        "SKLEARN_RUN_FLOAT32_TESTS": "1",
        "SKLEARN_TESTS_GLOBAL_RANDOM_SEED": seeds,
    }
    command = [sys.executable, "-m", "pytest", "-c", HERE / "pytest.ini", "-p", "plugin"]
    command += ["--rootdir", package.parent, "-n", workers, "--disable-warnings"]
    print(f"== scikit-learn {sklearn.__version__}, engine {engine}, seeds {seeds}", flush=True)
    tests = [package / test for test in TESTS]
    return subprocess.run([*command, *tests], env=environment, check=False).returncode


def main():
    """Run the tests on every engine; exit with 1 if a run fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, action="append")
    parser.add_argument("--seeds", default="0-4", help="global random seeds, such as 0-4")
    parser.add_argument("--workers", default="logical", help="processes of pytest-xdist")
    parser.add_argument("--short", action="store_true", help="fewer tests of the reference engine")
    given = parser.parse_args()
    engines = given.engine or list(ENGINES)
    if "native" in engines and native.load() is None:
        sys.exit(native.ABSENT)
    settings = given.seeds, given.workers, given.short
    sys.exit(max(map(bool, [run(engine, *settings) for engine in engines])))


if __name__ == "__main__":
    main()
