"""The commands that fit, predict and score."""

import re
import subprocess
import sys

import numpy as np
import pandas
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

import rmodels
from rmodels import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    LinearRegression,
    NearestNeighbors,
    Ridge,
    scan,
)
from rmodels.catalogue import CATALOGUE
from rmodels.cli import main
from rmodels.cli.options import ALGORITHMS
from rmodels.data.scan import Scan


def iris():
    """Two numbers of flowers, their species and a number for each row."""
    data = load_iris(as_frame=True).frame
    data.columns = ["sepal length", "sepal width", "petal length", "petal width", "species"]
    data["species"] = np.array(["setosa", "versicolor", "virginica"])[data["species"]]
    return data


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with tables to fit to and to test on."""
    monkeypatch.chdir(tmp_path)
    for name, data in (("iris", iris()), ("diabetes", load_diabetes(as_frame=True).frame)):
        for part, frame in zip(
            ("train", "test"), train_test_split(data, random_state=0), strict=True
        ):
            frame.to_csv(f"{name}_{part}.csv", index=False)
            frame.to_parquet(f"{name}_{part}.parquet", index=False)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run a command line that must end with a status, and return what it printed."""

    def run(*arguments, status=0):
        try:
            ended = main([str(each) for each in arguments])
        except SystemExit as exit:
            ended = exit.code
        printed = capsys.readouterr()
        assert ended == status, printed.err
        return printed.err if status else printed.out

    return run


def split(name, target):
    train, test = (read(f"{name}_{part}.csv") for part in ("train", "test"))
    return train.drop(columns=target), train[target], test.drop(columns=target), test[target]


def read(path):
    """Return what a table holds, to the last digit."""
    if path.endswith(".csv"):
        return pandas.read_csv(path, engine="pyarrow")
    return pandas.read_parquet(path)


def predicted(model, X):
    """Return predictions from X as a batch of a file lies in memory: column after column."""
    return model.predict(X)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("options", "model"),
    [
        ("", LinearRegression()),
        ("--iterations 50 --learning-rate auto", LinearRegression(iterations=50)),
        ("--alpha 2.5", Ridge(2.5)),
        ("--solver stream --iterations 5", LinearRegression(solver="stream", iterations=5)),
        ("--no-fit-intercept --solver rows", LinearRegression(fit_intercept=False, solver="rows")),
    ],
)
def test_regression(folder, run, kind, options, model):
    X, y, X_test, y_test = split("diabetes", "target")
    algorithm = "ridge" if isinstance(model, Ridge) else "linear-regression"
    said = run("fit", algorithm, f"diabetes_train.{kind}", "--target", "target",
               "-o", "a.rmodel", *options.split())  # fmt: skip
    assert f"{type(model).__name__}(" in said
    assert "of target from 10 columns, 331 rows" in said
    model.fit(X, y)
    loaded = rmodels.load("a.rmodel")
    np.testing.assert_array_equal(loaded.coef_, model.coef_)
    assert loaded.feature_names_in_.tolist() == X.columns.tolist()
    assert run("predict", "a.rmodel", f"diabetes_test.{kind}", "-o", f"out.{kind}") == (
        f"out.{kind}: target, 111 rows\n"
    )
    np.testing.assert_array_equal(read(f"out.{kind}")["target"], predicted(model, X_test))
    score = f"R² of target: {model.score(X_test, y_test):.6g}\n"
    assert run("score", "a.rmodel", f"diabetes_test.{kind}") == score


def test_predictions_are_printed_exactly(folder, run):
    run("fit", "linear-regression", "diabetes_train.csv", "--target", "target", "-o", "a.rmodel")
    printed = run("predict", "a.rmodel", "diabetes_test.csv").splitlines()
    model = rmodels.load("a.rmodel")
    test = read("diabetes_test.csv")[model.feature_names_in_]
    assert printed[0] == '"target"'
    assert [float(each) for each in printed[1:]] == predicted(model, test).tolist()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_classification(folder, run, kind):
    X, y, X_test, y_test = split("iris", "species")
    model = KNeighborsClassifier(3, weights="distance", p=1.0, n_jobs=None).fit(X, y)
    run("fit", "k-neighbors-classifier", f"iris_train.{kind}", "--target", "species", "-o", "a",
        "--n-neighbors", 3, "--weights", "distance", "--p", 1, "--n-jobs", "none")  # fmt: skip
    assert rmodels.load("a").get_params() == model.get_params()
    run("predict", "a", f"iris_test.{kind}", "-o", "out.csv")
    assert pandas.read_csv("out.csv")["species"].tolist() == model.predict(X_test).tolist()
    assert run("score", "a", f"iris_test.{kind}") == (
        f"accuracy of species: {model.score(X_test, y_test):.6g}\n"
    )


def test_numbered_classes(folder, run):
    codes = pandas.read_csv("iris_train.csv")
    codes["species"] = codes["species"].map({"setosa": 1, "versicolor": 2, "virginica": 3})
    codes.to_csv("codes.csv", index=False)
    run("fit", "k-neighbors-classifier", "codes.csv", "--target", "species", "-o", "a")
    assert rmodels.load("a").classes_.tolist() == [1, 2, 3]
    assert "accuracy of species: 0.9" in run("score", "a", "codes.csv")
    error = run("score", "a", "iris_test.csv", status=1)
    assert "iris_test.csv, line 2, column 'species': '" in error
    assert "is not a number" in error


def test_text_classes_that_look_like_numbers_in_a_test(folder, run):
    (folder / "train.csv").write_text("x,y\n0,1\n1,a\n2,2\n")
    (folder / "test.csv").write_text("x,y\n0,1\n2,1\n")
    run(
        "fit", "k-neighbors-classifier", "train.csv", "--target", "y", "-o", "a", "--n-neighbors", 1
    )
    assert run("score", "a", "test.csv") == "accuracy of y: 0.5\n"


def test_neighbors_regression_of_several_targets(folder, run):
    X, Y, X_test, Y_test = split("iris", ["petal length", "petal width"])
    X, X_test = X.drop(columns="species"), X_test.drop(columns="species")
    model = KNeighborsRegressor(n_neighbors=4).fit(X, Y.to_numpy())
    run("fit", "k-neighbors-regressor", "iris_train.csv", "--target", "petal length",
        "--target", "petal width", "--ignore", "species", "-o", "a",
        "--n-neighbors", 4)  # fmt: skip
    run("predict", "a", "iris_test.csv", "-o", "out.csv")
    found = read("out.csv")
    assert found.columns.tolist() == ["petal length", "petal width"]
    np.testing.assert_array_equal(found, predicted(model, X_test))
    expected = r2_score(Y_test, model.predict(X_test), multioutput="raw_values")
    assert run("score", "a", "iris_test.csv") == (
        f"R² of petal length: {expected[0]:.6g}\nR² of petal width: {expected[1]:.6g}\n"
    )


def test_several_classes(folder, run):
    rows = ["x,word,number", *(f"{i},{'ab'[i % 2]},{i % 3}" for i in range(12))]
    (folder / "a.csv").write_text("\n".join(rows))
    run("fit", "k-neighbors-classifier", "a.csv", "--target", "word", "--target", "number",
        "-o", "a", "--n-neighbors", 1)  # fmt: skip
    assert [each.tolist() for each in rmodels.load("a").classes_] == [["a", "b"], ["0", "1", "2"]]
    assert run("score", "a", "a.csv") == "accuracy of word: 1\naccuracy of number: 1\n"
    assert run("predict", "a", "a.csv").splitlines()[:3] == [
        '"word","number"',
        '"a","0"',
        '"b","1"',
    ]


def test_chosen_columns_in_any_order(folder, run):
    run("fit", "linear-regression", "diabetes_train.csv", "--target", "target", "-o", "a",
        "--feature", "bmi", "--feature", "age")  # fmt: skip
    model = rmodels.load("a")
    assert model.feature_names_in_.tolist() == ["bmi", "age"]
    test = read("diabetes_test.csv")
    test[["s1", "age", "bmi"]].to_csv("other.csv", index=False)
    printed = run("predict", "a", "other.csv").splitlines()[1:]
    assert [float(each) for each in printed] == predicted(model, test[["bmi", "age"]]).tolist()


def test_models_without_names(folder, run):
    X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]])
    rmodels.save(LinearRegression().fit(X, X @ [1.0, 2.0]), "a")
    (folder / "new.csv").write_text("p,q\n1,1\n2,3\n")
    values = [float(each) for each in run("predict", "a", "new.csv").splitlines()[1:]]
    np.testing.assert_allclose(values, [3.0, 8.0])
    assert run("predict", "a", "new.csv").splitlines()[0] == '"prediction"'
    assert "does not name its targets: give them with --target" in run(
        "score", "a", "new.csv", status=1
    )
    (folder / "test.csv").write_text("p,q,y\n1,1,3\n2,3,8\n")
    assert run("score", "a", "test.csv", "--target", "y") == "R² of y: 1\n"
    assert "to 2 of them; test.csv has 3" in run("predict", "a", "test.csv", status=1)
    (folder / "two.csv").write_text("p,q,y,z\n1,1,3,0\n2,3,8,0\n")
    assert "a predicts 1 targets; got 2" in run(
        "score", "a", "two.csv", "--target", "y", "--target", "z", status=1
    )
    rmodels.save(KNeighborsRegressor(1).fit(X, X), "b")
    assert run("predict", "b", "new.csv").splitlines()[0] == '"prediction_0","prediction_1"'
    rmodels.save(NearestNeighbors().fit(X), "c")
    assert "c holds a NearestNeighbors, which does not predict" in run(
        "predict", "c", "new.csv", status=1
    )


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_predicts_and_scores_in_batches(folder, run, monkeypatch, kind):
    X, y, *_ = split("diabetes", "target")
    model = LinearRegression().fit(X, y)
    rmodels.save(model, "linear", target_names=["target"])
    flowers = iris().drop(columns="sepal length")
    votes = KNeighborsClassifier(3).fit(flowers.drop(columns="species"), flowers["species"])
    rmodels.save(votes, "votes", target_names=["species"])
    whole = {name: run("score", name, table) for name, table in
             (("linear", f"diabetes_train.{kind}"), ("votes", f"iris_train.{kind}"))}  # fmt: skip
    monkeypatch.setattr("rmodels.data.scan.LARGEST_BATCH", 8 * 10 * 25)  # 25 rows of ten columns
    batches = []
    arrays = Scan.arrays

    def counted(self, *given):
        for batch, Z in arrays(self, *given):
            batches.append(len(Z))
            yield batch, Z

    monkeypatch.setattr(Scan, "arrays", counted)
    run("predict", "linear", f"diabetes_train.{kind}", "-o", f"out.{kind}")
    assert len(batches) > 10
    assert max(batches) <= 25
    np.testing.assert_allclose(read(f"out.{kind}")["target"], model.predict(X))
    assert run("predict", "linear", f"diabetes_train.{kind}").count("\n") == 332
    assert run("score", "linear", f"diabetes_train.{kind}") == whole["linear"]
    assert run("score", "votes", f"iris_train.{kind}") == whole["votes"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_fault_in_a_late_batch_leaves_the_old_file(folder, run, monkeypatch, kind):
    run("fit", "linear-regression", "diabetes_train.csv", "--target", "target", "-o", "a")
    data = pandas.read_csv("diabetes_train.csv")
    data.loc[300, "bmi"] = np.nan
    data.to_csv("late.csv", index=False)
    data.to_parquet("late.parquet", index=False)
    monkeypatch.setattr("rmodels.data.scan.LARGEST_BATCH", 8 * 10 * 25)
    (folder / f"out.{kind}").write_text("before")
    before = {each.name for each in folder.iterdir()}
    error = run("predict", "a", f"late.{kind}", "-o", f"out.{kind}", status=1)
    place = {
        "csv": "late.csv, line 302, column 'bmi'",
        "parquet": "late.parquet, row 301, column 'bmi'",
    }
    assert place[kind] in error
    assert (folder / f"out.{kind}").read_text() == "before"
    assert {each.name for each in folder.iterdir()} == before


FIT = ("fit", "linear-regression", "a.csv", "--target", "y", "-o", "a")


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        ("x,y\n1,2\nabc,3\n", FIT, "a.csv, line 3, column 'x': 'abc' is not a number"),
        ("x,y\n1,2\n3,\n", FIT, "a.csv, line 3, column 'y': missing value"),
        ("x,z\n1,2\n", FIT, "a.csv: no column 'y'; it has 'x', 'z'"),
        ("", FIT, "a.csv is empty"),
        ("y\n1\n", FIT, "a.csv has no columns to predict y from"),
        (",x,y\n0,1,2\n", FIT, "a.csv: column 1 has no name. If it numbers the rows, leave it out"),
        ("x,y\n1,2\n", (*FIT, "--ignore", "z"), "a.csv: no column 'z' to ignore"),
        ("x,y\n1,2\n", (*FIT, "--ignore", "y"), "column 'y' is both a target and ignored"),
        ("x,y\n1,2\n", (*FIT, "--feature", "y"), "column 'y' is both a target and a feature"),
        ("x,y\n1,2\n", (*FIT, "--weights", "y"), "column 'y' is both a target and the weights"),
        ("x,y\n1,2\n", (*FIT, "--target", "y"), "column 'y' is a target twice"),
        ("x,y\n1,2\n", (*FIT, "--feature", "x", "--feature", "x"), "'x' is a feature twice"),
        ("x,y\n1,2\n", (*FIT, "--weights", "w"), "a.csv: no column 'w'; it has 'x', 'y'"),
        ("x,y\n1,2\n", (*FIT, "--solver", "magic"), "The 'solver' parameter of LinearRegression"),
        ("x,y\n1,2\n", (*FIT[:2], "a.xls", *FIT[3:]), "No such file or directory: 'a.xls'"),
        ("x,y\n1,2\n", (*FIT[:2], "b.csv", *FIT[3:]), "No such file or directory: 'b.csv'"),
        ("x,y\n1,2\n", (*FIT[:-1], "no/a"), "no/a cannot be written: the folder"),
        ("x,y\n1,1.5\n2,2.5\n", (FIT[0], "k-neighbors-classifier", *FIT[2:]), "Unknown label type"),
        ("x,y\n1,2\n", ("predict", "a.csv", "a.csv"), "a.csv is not a model file of rmodels"),
        ("x,y\n1,2\n", ("score", "none", "a.csv"), "No such file or directory: 'none'"),
        ("x,y\n1,2\n", ("predict", "none", "a.csv", "-o", "a.txt"), "a.txt: unknown format '.txt'"),
    ],
)  # fmt: skip
def test_errors_are_one_line(folder, run, content, arguments, said):
    (folder / "a.csv").write_text(content)
    before = {each.name for each in folder.iterdir()}
    error = run(*arguments, status=1)
    assert error.startswith("rmodels: error: ")
    assert said in error
    assert "Traceback" not in error
    assert {each.name for each in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*FIT, "--iterations", "many"), "'--iterations': 'many' is not INTEGER|none"),
        (("fit", "ridge-cv", *FIT[2:], "--alphas", "few"), "'--alphas': 'few' is not NUMBER"),
        ((*FIT, "--tol", "none"), "'--tol': 'none' is not NUMBER"),
        ((*FIT, "--n-neighbors", "3"), "No such option"),
        ((*FIT, "--iter", "3"), "No such option"),
        (FIT[:3], "Missing option '-o' / '--output'"),
        (FIT[:2], "Missing argument 'DATA...'"),
        (("fit", "forest", "a.csv"), "no algorithm 'forest': there are linear-regression, ridge,"),
        (("train", "forest"), "no command 'train': there are fit, predict, transform, score,"),
        ((*FIT, "--memory-limit", "much"), "'much' is not a size such as 500MB or 2GiB"),
        ((*FIT, "--threads", "0"), "0 is not in the range x>=1"),
        ((*FIT, "--engine", "steam"), "'steam' is not one of"),
        (("transform", "m", "a.csv", "--proba"), "No such option"),
    ],
)
def test_usage(run, arguments, said):
    assert said in run(*arguments, status=2)


def test_warnings_are_one_line(folder, capsys):
    status = main(["fit", "linear-regression", "diabetes_train.csv", "--target", "target",
                   "-o", "a", "--iterations", "9", "--learning-rate", "5"])  # fmt: skip
    assert status == 0
    error = capsys.readouterr().err
    assert error.startswith("rmodels: warning: learning_rate=5 is too large for gradient descent")
    assert error.count("\n") == 1


def test_missing_columns_of_a_prediction(folder, run):
    run("fit", "linear-regression", "diabetes_train.csv", "--target", "target", "-o", "a")
    test = pandas.read_csv("diabetes_test.csv").drop(columns="bmi")
    test.to_csv("less.csv", index=False)
    (folder / "out.csv").write_text("before")
    error = run("predict", "a", "less.csv", "-o", "out.csv", status=1)
    assert "less.csv: no column 'bmi'; it has 'age', 'sex'" in error
    assert (folder / "out.csv").read_text() == "before"


LINEAR = ("fit", "linear-regression")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("predict", "m.csv", "in.csv", "-o", "in.csv"), "in.csv would be overwritten"),
        (("predict", "m.csv", "i*.csv", "-o", "./in.csv"), "in.csv would be overwritten"),
        (("predict", "m.csv", "parts", "-o", "parts/0.csv"), "0.csv would be overwritten"),
        (("predict", "m.csv", "in.csv", "-o", "m.csv"), "m.csv would be overwritten"),
        (("predict", "m.csv", "in.csv", "-o", "link.csv"), "link.csv would be overwritten"),
        (("predict", "m.csv", "in.csv", "-o", "hard.csv"), "hard.csv would be overwritten"),
        ((*LINEAR, "in.csv", "--target", "y", "-o", "in.csv"), "in.csv would be overwritten"),
        ((*LINEAR, "parts", "--target", "y", "-o", "parts/0.csv"), "0.csv would be overwritten"),
        (("fit", "k-neighbors-regressor", "in.csv", "--target", "y", "-o", "link.csv"),
         "link.csv would be overwritten"),
        ((*LINEAR, "in.csv", "--target", "y", "-o", "n", "--checkpoint", "in.csv"),
         "in.csv would be overwritten"),
        ((*LINEAR, "in.csv", "--target", "y", "-o", "n", "--checkpoint", "./n"),
         "n would be overwritten"),
    ],
)  # fmt: skip
def test_inputs_are_not_overwritten(folder, run, arguments, said):
    (folder / "parts").mkdir()
    for name in ("in.csv", "parts/0.csv", "parts/1.csv"):
        (folder / name).write_text("x,y\n1,2\n2,4\n3,6\n")
    (folder / "link.csv").symlink_to("in.csv")
    (folder / "hard.csv").hardlink_to(folder / "in.csv")
    run(*LINEAR, "in.csv", "--target", "y", "-o", "m.csv")
    before = contents(folder)
    assert said in run(*arguments, status=1)
    assert contents(folder) == before


def contents(folder):
    return {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()}


CHECKPOINT = (*LINEAR, "diabetes_train.csv", "--target", "target", "-o", "n", "--checkpoint")


def test_a_checkpoint_is_checked_before_work(folder, run):
    run(*LINEAR, "diabetes_train.csv", "--target", "target", "-o", "model")
    (folder / "notes").write_text("mine")
    (folder / "empty").touch()
    before = contents(folder)
    for name in ("notes", "empty", "model"):
        error = run(*CHECKPOINT, name, status=1)
        assert f"{name} is there, and is not a checkpoint of rmodels" in error
        rows = scan("diabetes_train.csv", checkpoint=name)
        with pytest.raises(ValueError, match="is not a checkpoint of rmodels"):
            LinearRegression().fit(rows, "target")
    assert "cannot be written: the folder" in run(*CHECKPOINT, "none/c", status=1)
    assert contents(folder) == before


def test_only_a_checkpoint_of_the_fit_is_removed(folder, run, monkeypatch):
    LinearRegression().fit(rmodels.scan("diabetes_train.csv", checkpoint="c"), "target")
    kept = (folder / "c").read_bytes()
    run(*CHECKPOINT, "c")
    assert not (folder / "c").exists()
    (folder / "c").write_bytes(kept[:-1])
    assert "checkpoint c is truncated" in run(*CHECKPOINT, "c", status=1)
    assert (folder / "c").read_bytes() == kept[:-1]
    monkeypatch.setattr(rmodels, "scan", lambda *given, checkpoint=None, **how: scan(*given, **how))
    (folder / "c").write_bytes(kept)
    run(*CHECKPOINT, "c")  # a fit that does not use it
    assert (folder / "c").read_bytes() == kept
    run(*CHECKPOINT, "d")


def test_an_interrupt_leaves_the_old_files(folder, monkeypatch, capsys):
    fit = [*LINEAR, "diabetes_train.csv", "--target", "target", "-o", "a"]
    assert main(fit) == 0
    capsys.readouterr()
    (folder / "out.csv").write_text("before")
    before = contents(folder)
    monkeypatch.setattr("rmodels.data.scan.LARGEST_BATCH", 8 * 10 * 25)

    def interrupted(batches, task):
        yield next(batches)
        raise KeyboardInterrupt

    monkeypatch.setattr("rmodels.data.scan.show_progress", interrupted)
    table = "diabetes_train.csv"
    for arguments in (fit, ["predict", "a", table, "-o", "out.csv"], ["score", "a", table]):
        assert main(arguments) == 130
        assert capsys.readouterr().err == "rmodels: interrupted\n"
        assert contents(folder) == before


@pytest.mark.parametrize(
    ("options", "alphas"),
    [
        (("--alphas", "0.1", "1", "10", "diabetes_train.csv"), [0.1, 1.0, 10.0]),
        (("diabetes_train.csv", "--alphas", "0.1", "1e3"), [0.1, 1e3]),
        (("--alphas", "2", "diabetes_train.csv"), 2.0),
    ],
)
def test_several_numbers(folder, run, options, alphas):
    run("fit", "ridge-cv", *options, "--target", "target", "-o", "a")
    assert rmodels.load("a").alphas == alphas


def test_estimators_that_answer_with_columns_have_a_command():
    graphs = {"KNeighborsTransformer", "RadiusNeighborsTransformer"}
    assert set(ALGORITHMS.values()) == {
        name
        for name, entry in CATALOGUE.items()
        if entry.task not in ("group", "detect", "density", "search", "function")
    } - graphs  # fmt: skip
    for command, name in ALGORITHMS.items():
        assert re.fullmatch("[a-z]+(-[a-z]+)*", command)
        assert command.replace("-", "") == name.lower()
    assert ALGORITHMS["k-neighbors-classifier"] == "KNeighborsClassifier"
    assert ALGORITHMS["ridge-cv"] == "RidgeCV"
    assert ALGORITHMS["gaussian-nb"] == "GaussianNB"


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_options_are_the_parameters(run, algorithm):
    printed = run("fit", algorithm, "--help")
    parameters = getattr(rmodels, ALGORITHMS[algorithm])().get_params()
    for name, default in parameters.items():
        flag = "--" + name.replace("_", "-")
        if name in ("metric_params", "covariance_estimator"):
            assert flag not in printed
        else:
            assert re.search(rf"{flag}[ ,]", printed)
            assert re.search(rf"{flag.lower()} ", printed)  # and of --copy-X, --copy-x
            assert f"default: {str(default).lower()}" in printed


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["--version"]])
def test_help_is_light(arguments):
    code = (
        f"import sys\nfrom rmodels.cli import main\ntry:\n    main({arguments})\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({'numpy', 'scipy', 'sklearn', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "rmodels" in found.stdout
    assert found.stdout.splitlines()[-1] == "[]"


def test_without_pyarrow(folder):
    code = (
        "import sys\nsys.modules['pyarrow'] = None\nfrom rmodels.cli import main\n"
        "sys.exit(main(['fit', 'linear-regression', 'diabetes_train.csv', '--target', 'target',"
        " '-o', 'a']))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 1
    assert found.stderr == (
        "rmodels: error: this needs pyarrow, which is not installed: pip install 'rmodels[files]'\n"
    )
