"""The limit on BLAS's threads: inside a block, after it, where blocks overlap, and in a child."""

import multiprocessing
import os
import subprocess
import sys
import threading

import pytest
from threadpoolctl import ThreadpoolController

from rmodels.solvers import blas
from rmodels.solvers.blas import blas_threads, count_free

pytestmark = pytest.mark.skipif(
    not ThreadpoolController().select(user_api="blas").lib_controllers,
    reason="threadpoolctl knows none of the BLAS libraries in use",
)


# NumPy's and SciPy's: what another package brings is loaded when that is first used.
KNOWN = {each.filepath for each in ThreadpoolController().select(user_api="blas").lib_controllers}


def counts():
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    return [each.get_num_threads() for each in libraries if each.filepath in KNOWN]


@pytest.fixture(autouse=True)
def three_threads(monkeypatch):
    monkeypatch.setattr(blas, "count_free", lambda: 8)  # whatever else runs during the tests
    with ThreadpoolController().limit(limits=3, user_api="blas"):
        if set(counts()) != {3}:
            pytest.skip("BLAS was built for fewer threads than the test needs")
        yield


def test_small_matrices_take_one_thread():
    with blas_threads(512, 2):
        assert set(counts()) == {1}
    assert set(counts()) == {3}


def test_large_matrices_take_no_more_than_asked_for():
    for n_threads, expected in ((2, 2), (3, 3), (8, 3)):
        with blas_threads(1000, n_threads):
            assert set(counts()) == {expected}
    assert set(counts()) == {3}


@pytest.mark.parametrize(("free", "expected"), [(-1, 1), (0, 1), (1, 1), (2, 2), (3, 3)])
def test_busy_processors_take_no_thread(monkeypatch, free, expected):
    monkeypatch.setattr(blas, "count_free", lambda: free)
    with blas_threads(1000, 3):
        assert set(counts()) == {expected}
    assert set(counts()) == {3}


def test_threads_of_other_programs_are_counted(monkeypatch, tmp_path):
    monkeypatch.setattr(blas, "PROC", tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    assert count_free() == 16  # nothing is known
    (tmp_path / "loadavg").write_text("1.00 1.00 1.00 5/321 77\n")
    assert count_free() == 16
    for number, state in enumerate("RSR"):
        task = tmp_path / "self" / "task" / str(number)
        task.mkdir(parents=True)
        (task / "stat").write_text(f"{number} (a) (name) {state} 1 2 3\n")
    assert count_free() == 16 - (5 - 2)
    (tmp_path / "loadavg").write_text("1.00 1.00 1.00 1/321 77\n")  # this thread alone
    assert count_free() == 16
    (tmp_path / "loadavg").write_text("something else")
    assert count_free() == 16


def test_an_error_restores_the_setting():
    with pytest.raises(ValueError, match="inside"), blas_threads(1, 1):
        raise ValueError("inside")
    assert set(counts()) == {3}


def test_another_thread_changes_nothing():
    found = []

    def work():
        with blas_threads(1, 1):
            found.append(counts())
        found.append(counts())

    with blas_threads(1000, 2):
        other = threading.Thread(target=work)
        other.start()
        other.join(30)
        assert set(counts()) == {2}
    assert [set(count) for count in found] == [{2}, {2}]
    assert set(counts()) == {3}


def test_blocks_in_many_threads_leave_the_setting():
    def work():
        for _ in range(200):
            with blas_threads(1, 1):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join(30)
    assert set(counts()) == {3}


LIVES_ON = """
import threading, numpy, scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits
from rmodels.solvers.blas import blas_threads

done, over = threading.Event(), threading.Event()

def count():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

def work():
    with blas_threads(1, 1):
        pass
    done.set()
    over.wait(60)

before, other = count(), threading.Thread(target=work)
other.start()
done.wait(30)
with threadpool_limits(1):
    print(*before, *count())
over.set()
"""


def test_a_thread_that_lives_on_leaves_the_setting_to_others():
    """Since version 3.8, threadpoolctl heeds but one thread: the first, until it has ended."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    command = [sys.executable, "-c", LIVES_ON]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    before, after = done.stdout.split()
    if before != "2":
        pytest.skip("BLAS does not take the two threads that it is told to")
    assert after == "1"


def child(connection):
    with blas_threads(1, 1):
        inside = counts()
    connection.send((inside, counts()))


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_starts_anew():
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with blas_threads(1, 1):  # the child inherits the limit, but no block that would end it
        process = multiprocessing.get_context("fork").Process(target=child, args=(sender,))
        process.start()
        assert receiver.poll(60)
        inside, after = receiver.recv()
        process.join(30)
    assert set(inside) == {1}
    assert set(after) == {3}
