"""Models come back from files as they were, and files that are not whole are refused."""

import contextlib
import errno
import hashlib
import json
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from identical import assert_same_model
from scipy import sparse
from scipy.spatial import distance
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import sort_graph_by_row_values

from rmodels import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    KNeighborsTransformer,
    LinearRegression,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
    RadiusNeighborsTransformer,
    Ridge,
    RidgeCV,
    load,
    save,
    scan,
)
from rmodels.files import read
from rmodels.files.container import read_container, write_container
from rmodels.files.writing import whole_file

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = RNG.normal(size=(40, 2))
NUMBERS = RNG.integers(0, 3, 40)
WORDS = np.array(["no", "yes", "perhaps"])[NUMBERS]
SPARSE = sparse.csr_array(np.where(RNG.random((40, 3000)) < 0.002, 1.5, 0.0))
DISTANCES = distance.cdist(X, X)
GRAPH = sort_graph_by_row_values(sparse.csr_array(DISTANCES), warn_when_not_sorted=False)
FRAME = pandas.DataFrame(X, columns=list("abc"))
FITTED = [
    lambda: LinearRegression().fit(X, Y[:, 0]),
    lambda: LinearRegression(fit_intercept=False, solver="rows").fit(X, Y),
    lambda: LinearRegression(solver="gram").fit(X[:2], Y[:2]),
    lambda: LinearRegression(positive=True).fit(X.astype(np.float32), Y[:, 0]),
    lambda: LinearRegression(iterations=20).fit(X, Y),
    lambda: LinearRegression(iterations=np.int64(9), learning_rate=np.float32(0.1)).fit(X, NUMBERS),
    lambda: LinearRegression(iterations=9, solver="stream", learning_rate=0.1).fit(X, Y[:, 0]),
    lambda: LinearRegression().partial_fit(X, Y).partial_fit(2 * X, Y),
    lambda: Ridge([1.0, 2.0]).fit(X, Y),
    lambda: Ridge(positive=True).fit(FRAME, Y[:, 0]),
    lambda: RidgeCV(np.array([0.5, 2.0])).fit(X, Y),
    lambda: RidgeCV(alpha_per_target=True, store_cv_results=True).fit(X, Y),
    lambda: KNeighborsClassifier().fit(X, NUMBERS),
    lambda: KNeighborsClassifier(3, weights="distance", metric="cosine").fit(X, WORDS),
    lambda: KNeighborsClassifier(p=np.inf).fit(X, WORDS.astype(object)),
    lambda: KNeighborsClassifier(p=3, algorithm="brute").fit(X, NUMBERS.astype(">i2")),
    lambda: KNeighborsClassifier(metric_params={"p": 2.5}, p=None).fit(X, NUMBERS > 1),
    lambda: KNeighborsClassifier().fit(FRAME, np.c_[NUMBERS, 2 - NUMBERS]),
    lambda: KNeighborsRegressor(weights=None).fit(X.astype(np.float32), Y[:, 0]),
    lambda: KNeighborsRegressor(algorithm="kd_tree").fit(X, np.asfortranarray(Y)),
    lambda: KNeighborsRegressor().fit(X, NUMBERS),
    lambda: NearestNeighbors(n_neighbors=2, radius=0.5, metric="l1").fit(X),
    lambda: LinearRegression().fit(sparse.csr_matrix(X), Y),
    lambda: LinearRegression(iterations=5).fit(X, Y, np.arange(40.0)),
    lambda: KNeighborsClassifier().fit(X, WORDS, np.linspace(0.5, 2.0, 40)),
    lambda: KNeighborsRegressor(p=4, metric_params={"w": np.arange(3.0)}).fit(X, Y),
    lambda: KNeighborsRegressor(metric="mahalanobis", metric_params={"V": np.eye(3)}).fit(X, Y),
    lambda: KNeighborsRegressor(metric="canberra").fit(X, Y),
    lambda: KNeighborsRegressor(metric="nan_euclidean").fit(np.where(X > 2, np.nan, X), Y),
    lambda: KNeighborsRegressor(metric="precomputed").fit(DISTANCES, Y),
    lambda: KNeighborsRegressor(metric="precomputed").fit(GRAPH, Y),
    lambda: KNeighborsRegressor().fit(SPARSE, Y),
    lambda: KNeighborsRegressor(metric="cosine").fit(SPARSE, Y),
    lambda: KNeighborsRegressor(metric="l1").fit(SPARSE, Y),
    lambda: KNeighborsRegressor().fit(sparse.csr_matrix(X), Y),
    lambda: KNeighborsTransformer(n_neighbors=3).fit(X),
    lambda: RadiusNeighborsClassifier(outlier_label="no").fit(X, WORDS),
    lambda: RadiusNeighborsClassifier(0.3, outlier_label="most_frequent").fit(X, NUMBERS),
    lambda: RadiusNeighborsClassifier(0.3, outlier_label=[0, 1]).fit(X, np.c_[NUMBERS, NUMBERS]),
    lambda: RadiusNeighborsRegressor(9.0).fit(X, Y),
    lambda: RadiusNeighborsTransformer(radius=0.5, mode="connectivity").fit(FRAME),
    lambda: prepared(),
]  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.rmodel"


@pytest.mark.parametrize("fitted", FITTED)
def test_round_trip(fitted, path):
    model = fitted()
    save(model, path)
    loaded = load(path)
    assert_same_model(model, loaded)
    pickled = [pickle.loads(pickle.dumps(each)) for each in (model, loaded)]
    assert_same_model(*pickled)
    again = path.with_name("again")
    save(loaded, again)
    assert again.read_bytes() == path.read_bytes()


def test_loaded_models_can_be_fitted_again(path):
    save(KNeighborsClassifier(3).fit(X, WORDS), path)
    loaded = load(path).fit(X[:, :2], NUMBERS)
    np.testing.assert_array_equal(loaded.classes_, [0, 1, 2])
    assert loaded.n_features_in_ == 2


def test_memory_order_is_kept(path):
    for order in "CF":
        save(KNeighborsRegressor().fit(X, np.array(Y, order=order)), path)
        assert load(path)._y.flags[f"{order}_CONTIGUOUS"]


def test_names_of_targets(path):
    save(LinearRegression().fit(X, Y), path, target_names=["first", "second"])
    assert read(path).target_names == ["first", "second"]
    save(LinearRegression().fit(X, Y), path)
    assert read(path).target_names is None


def test_a_file_is_text_then_safetensors(path):
    safetensors = pytest.importorskip("safetensors.numpy")
    model = LinearRegression().fit(X, Y)
    save(model, path)
    first, second, payload = path.read_bytes().split(b"\n", 2)
    assert first.split()[:2] == [b"rmodels", b"1"]
    assert json.loads(second)["class"] == "LinearRegression"
    held = safetensors.load(payload)
    assert any(np.array_equal(value, model.coef_.ravel()) for value in held.values())


labels = (
    st.lists(st.text(st.characters(exclude_characters="\0"), max_size=5), min_size=2, max_size=4)
    | st.lists(st.integers(-(2**40), 2**40), min_size=2, max_size=4)
    | st.lists(st.booleans(), min_size=2, max_size=4)
)
numbers = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=60)
@given(
    X=arrays_of.arrays(
        st.sampled_from([np.float32, np.float64]),
        arrays_of.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=numbers,
    ),
    y=labels,
    names=st.lists(st.text(max_size=4), min_size=6, max_size=6, unique=True),
    k=st.integers(1, 3),
    metric=st.sampled_from(["minkowski", "manhattan", "cosine", "chebyshev"]),
    p=st.floats(1, 20) | st.just(np.inf),
)
def test_any_classifier_comes_back(tmp_path_factory, X, y, names, k, metric, p):
    frame = pandas.DataFrame(X, columns=names[: X.shape[1]])
    target = np.array(y)[np.arange(len(X)) % len(y)]
    model = KNeighborsClassifier(min(k, len(X)), metric=metric, p=p).fit(frame, target)
    path = tmp_path_factory.mktemp("any") / "model"
    save(model, path)
    assert_same_model(model, load(path))


@settings(max_examples=60)
@given(
    X=arrays_of.arrays(np.float64, (7, 3), elements=numbers),
    y=arrays_of.arrays(np.float64, st.sampled_from([(7,), (7, 1), (7, 2)]), elements=numbers),
    fit_intercept=st.booleans(),
    iterations=st.none() | st.integers(0, 5),
    tol=st.floats(0, allow_infinity=False),
)
def test_any_regression_comes_back(tmp_path_factory, X, y, fit_intercept, iterations, tol):
    model = LinearRegression(fit_intercept=fit_intercept, iterations=iterations, tol=tol)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # rank
        model.fit(X, y)
    path = tmp_path_factory.mktemp("any") / "model"
    save(model, path)
    assert_same_model(model, load(path))


def test_what_is_not_data_is_refused(path):
    path.write_text("kept")
    model = KNeighborsClassifier(weights=lambda distances: 1 / (1 + distances)).fit(X, WORDS)
    with pytest.raises(TypeError, match=r"weights=<function .* holds no code"):
        save(model, path)
    model = LinearRegression().fit(X, Y)
    model.note = "mine"
    with pytest.raises(TypeError, match="does not hold note, which this LinearRegression has"):
        save(model, path)
    model = KNeighborsRegressor(metric_params={"p": 3}, p=None).fit(X, Y)
    model.metric_params = {"p": {1, 2}}
    with pytest.raises(TypeError, match=r"metric_params.p cannot be written: .* <class 'set'>"):
        save(model, path)
    model = KNeighborsRegressor().fit(X, Y)
    model._y = Y.astype(np.longdouble)
    with pytest.raises(TypeError, match="_y cannot be written"):
        save(model, path)
    model = KNeighborsRegressor().fit(scan(X), Y)
    with pytest.raises(TypeError, match=r"the points are read anew .* Fit it to an array"):
        save(model, path)
    assert path.read_text() == "kept"
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_other_classes_are_refused(path):
    class Mine(LinearRegression):
        pass

    Mine.__name__ = "LinearRegression"
    for stranger in (Mine().fit(X, Y), {"a": 1}, LinearRegression):
        with pytest.raises(TypeError, match=r"a model file holds one of .* got "):
            save(stranger, path)
    with pytest.raises(NotFittedError):
        save(LinearRegression(), path)
    broken = LinearRegression().fit(X, Y).set_params(solver="none")
    with pytest.raises(ValueError, match="'solver' parameter"):
        save(broken, path)
    assert not path.exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "a.rmodel"
    save(KNeighborsClassifier(2).fit(X[:10], WORDS[:10]), path)
    return path.read_bytes()


ANY_REASON = "altered|truncated|version|not a model file"


def refused(path, content, reason):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_truncations_are_refused(whole, path):
    for size in [*range(100), *range(100, len(whole), 17), len(whole) - 1]:
        refused(path, whole[:size], "is empty" if size == 0 else "is truncated")


@settings(max_examples=300)
@given(data=st.data())
def test_altered_bytes_are_refused(whole, tmp_path_factory, data):
    changes = data.draw(
        st.dictionaries(st.integers(0, len(whole) - 1), st.integers(1, 255), min_size=1, max_size=4)
    )
    altered = bytearray(whole)
    for place, change in changes.items():
        altered[place] ^= change
    refused(
        tmp_path_factory.mktemp("altered") / "a",
        bytes(altered),
        "altered|truncated|version|not a model file",
    )


def test_every_byte_of_the_first_line_counts(whole, path):
    for place in range(whole.index(b"\n") + 1):
        for bit in range(8):
            altered = bytearray(whole)
            altered[place] ^= 1 << bit
            refused(path, bytes(altered), ANY_REASON)


def test_reasons(whole, path):
    refused(path, b"PK\x03\x04 foreign", "is not a model file of rmodels")
    refused(path, pickle.dumps(LinearRegression()), "is not a model file of rmodels")
    refused(path, b"rmodels 2 whatever\n", "has format version 2; this rmodels reads version 1")
    refused(path, whole + b"\0", "was altered: 1 bytes follow its end")
    refused(path, whole.replace(b"uniform", b"distant"), "checksum does not match")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(path.with_name("nowhere"))
    with pytest.raises(IsADirectoryError, match="is a folder, not a model file"):
        load(path.parent)


def signed(content):
    digest = hashlib.sha256(content).hexdigest().encode()
    return b"rmodels 1 %s %d\n" % (digest, len(content)) + content


@settings(max_examples=300)
@given(data=st.data())
def test_forged_bytes_are_refused_or_read(whole, tmp_path_factory, data):
    """With a checksum that matches, a change is refused with a reason, or gives a model."""
    content = bytearray(whole[whole.index(b"\n") + 1 :])
    end = len(content) if data.draw(st.booleans()) else content.index(b"\n")
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("forged") / "a"
    path.write_bytes(signed(bytes(content)))
    with contextlib.suppress(ValueError):
        assert type(load(path)) is KNeighborsClassifier


def forged(path, model, change):
    """Write a model with its description changed."""
    save(model, path)
    description, arrays = read_container(path)
    change(description, arrays)
    write_container(path, description, arrays)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d, a: d.update({"class": "os.system"}), "class 'os.system' is not one of"),
        (lambda d, a: d.update({"class": ["RidgeCV"]}), r"class \['RidgeCV'\] is not one of"),
        (lambda d, a: d.pop("parameters"), "description is not valid: KeyError"),
        (lambda d, a: d["parameters"].update(nonsense=1), "unexpected keyword argument"),
        (lambda d, a: d["parameters"].update(n_neighbors=-1), "'n_neighbors' parameter"),
        (lambda d, a: d["attributes"].update(predict="x"), "attribute 'predict' is unknown"),
        (lambda d, a: d["attributes"].pop("_y"), "attribute '_y' is missing"),
        (lambda d, a: d["attributes"].update(_search=1), "attribute '_search' is a int"),
        (lambda d, a: d["attributes"].update(n_samples_fit_=9), "do not fit together"),
        (lambda d, a: d["attributes"].update(n_features_in_=9), "do not fit together"),
        (lambda d, a: d["attributes"]["_search"]["fields"].update(p=-1.0), "not valid"),
        (lambda d, a: d["attributes"]["_search"]["fields"].update(state=1), "unexpected keyword"),
        (lambda d, a: d["attributes"]["_search"].update(part="Popen"), "KeyError"),
        (lambda d, a: d["attributes"]["_y"].update(dtype="|O8"), r"dtype '\|O8' are not read"),
        (lambda d, a: d["attributes"]["_y"].update(dtype="<f4"), "is of dtype"),
        (lambda d, a: d["attributes"]["_y"].update(shape=[7, 3]), "cannot reshape"),
        (lambda d, a: a.clear(), "KeyError"),
        (lambda d, a: [v.fill(np.nan) for v in a.values() if v.dtype.kind == "f"], "not valid"),
        (lambda d, a: d.update(target_names="y"), "target_names must be"),
    ],
)  # fmt: skip
def test_forged_descriptions_are_refused(path, change, reason):
    forged(path, KNeighborsClassifier().fit(X, WORDS), change)
    with pytest.raises(ValueError, match=reason) as caught:
        load(path)
    assert str(path) in str(caught.value)


def prepared():
    """Return a model that fills in means and encodes text, some of which is missing."""
    frame = FRAME.assign(word=np.where(NUMBERS > 1, None, WORDS))
    frame.iloc[3, 0] = np.nan
    return Ridge().fit(scan(frame, missing="mean", encode="onehot"), Y[:, 0])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f["categories"]["dict"].clear(), "not valid"),
        (lambda f: f.update(means=None, categories={"dict": {}}), "do not fit together"),
        (lambda f: f.update(missing="guess"), "not valid"),
        (lambda f: f.update(columns=[[1]]), "not valid"),
        (lambda f: f["categories"]["dict"].update(word=["a"]), "not valid"),
        (lambda f: f["categories"]["dict"].update(other=f["categories"]["dict"]["word"]), "not v"),
        (lambda f: f.update(means=1.0), "not valid"),
    ],
)
def test_forged_preparations_are_refused(path, change, reason):
    forged(path, prepared(), lambda d, a: change(d["attributes"]["_preparation"]["fields"]))
    with pytest.raises(ValueError, match=reason):
        load(path)


def test_deep_descriptions_are_refused(path):
    text = b'{"class": "LinearRegression", "parameters": ' + b'{"a": ' * 10**5 + b"1" + b"}" * 10**5
    path.write_bytes(signed(text + b"}\n"))
    with pytest.raises(ValueError, match="cannot be read, though its checksum is right"):
        load(path)


def test_nothing_half_written(path, monkeypatch):
    path.write_text("before")

    def interrupted():
        with whole_file(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(LinearRegression().fit(X, Y), path)
    assert path.read_text() == "before"
    assert list(path.parent.iterdir()) == [path]


def test_modes_and_links_are_kept(path):
    save(LinearRegression().fit(X, Y), path)
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    path.chmod(0o600)
    link = path.with_name("link")
    link.symlink_to(path)
    model = LinearRegression().fit(X, NUMBERS)
    save(model, link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert_same_model(model, load(path))


def test_where_nothing_can_be_written(tmp_path):
    model = LinearRegression().fit(X, Y)
    with pytest.raises(FileNotFoundError, match=r"the folder .*none does not exist"):
        save(model, tmp_path / "none" / "a.rmodel")
    with pytest.raises(ValueError, match="is a folder: it cannot be replaced by a file"):
        save(model, tmp_path)
    with pytest.raises(ValueError, match="is not a file that can be replaced"):
        save(model, Path(os.devnull))


def test_without_safetensors(path):
    code = """
import sys
sys.modules["safetensors"] = None
import rmodels
try:
    rmodels.save(rmodels.LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), sys.argv[1])
except ImportError as error:
    print(error)
"""
    found = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "this needs safetensors, which is not installed: pip install 'rmodels[files]'" in (
        found.stdout
    )
    assert not path.exists()
