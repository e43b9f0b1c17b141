"""Threads of the native engine: forks, calls at once, no threads to be had, Ctrl-C."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rmodels import native
from rmodels.config import thread_count
from rmodels.linear_model import LinearRegression
from rmodels.neighbors import LocalOutlierFactor
from rmodels.ops.assign import Seeding, add_centre, take_steps
from rmodels.ops.descent import descent, gradient
from rmodels.ops.moments import moments
from rmodels.ops.nearest import index, nearest
from rmodels.ops.nearest.native import build

pytestmark = [
    pytest.mark.skipif(native.load() is None, reason="no compiled extension"),
    pytest.mark.timeout(120),
]


def samples(n=20000, d=20):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)), rng.normal(size=(n, 1))


def compute(n_threads=2):
    """Return results of calls that share their work among threads, of every operation."""
    X, Y = samples()
    wide, targets = samples(300, 300)
    start = np.zeros((21, 1))
    return [
        moments(X, Y, engine="native", n_threads=n_threads).scatter,
        moments(wide, targets, engine="native", n_threads=n_threads).scatter,
        gradient(X, Y, start, engine="native", n_threads=n_threads).gradient,
        descent(X, Y, start, 0.1, 5, engine="native", n_threads=n_threads).coefficients,
        *seeds(X, n_threads),
        *neighbours(X, "brute", n_threads),
        *neighbours(X[:, :3].copy(), "tree", n_threads),
    ]


def seeds(X, n_threads):
    state = add_centre(Seeding.of(X), X[0], engine="native", n_threads=n_threads)
    numbers = np.random.default_rng(1).random((20, 6))
    state, places = take_steps(state, numbers, engine="native", n_threads=n_threads)
    return places, state.potentials


def neighbours(X, algorithm, n_threads):
    built = index(X, algorithm=algorithm, engine="native", n_threads=n_threads)
    return nearest(built, X[:500], 5, n_threads=n_threads)


def send(connection):
    connection.send(compute())
    connection.close()


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "method",
    [
        name
        for name in ("fork", "spawn", "forkserver")
        if name in multiprocessing.get_all_start_methods()
    ],
)
def test_a_child_process_computes_after_its_parent_has(method):
    expected = compute()
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=send, args=(sender,))
    with warnings.catch_warnings():
        # Python warns that other threads are alive: those of BLAS. Ours live for one call only.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        child.start()
    sender.close()
    try:
        assert receiver.poll(60), "the child hangs"
        assert_same(receiver.recv(), expected)
        child.join(30)
        assert child.exitcode == 0
    finally:
        child.kill()
    assert_same(compute(), expected)


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")


@needs_proc
def test_no_thread_outlives_its_call_for_long():
    """One that begins when all is done, as on busy processors, ends at once."""
    before, until = len(os.listdir("/proc/self/task")), time.monotonic() + 60
    compute()
    while len(os.listdir("/proc/self/task")) > before:
        assert time.monotonic() < until
        time.sleep(1e-3)


@needs_proc
def test_no_thread_is_there_when_the_process_forks():
    code = """
import os
import numpy as np
from rmodels.ops.nearest import index, nearest

X = np.random.default_rng(0).normal(size=(3000, 3))
built = index(X, engine="native")
expected = nearest(built, X, 2, n_threads=1)[1]
for _ in range(100):
    nearest(built, X[:200], 2, n_threads=16)
    child = os.fork()
    assert len(os.listdir("/proc/self/task")) == 1
    if not child:
        os._exit(int((nearest(built, X, 2, n_threads=2)[1] != expected).any()))
    assert os.waitpid(child, 0)[1] == 0
"""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # no threads of BLAS
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=110)


needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="the system does not tell where a thread may run"
)


@needs_affinity
def test_a_process_that_may_use_one_processor():
    code = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sys.path.insert(0, sys.argv[1])
from test_threads import assert_same, compute
assert_same(compute(3), compute(1))
assert len(os.sched_getaffinity(0)) == 1
"""
    run = [sys.executable, "-c", code, os.path.dirname(__file__)]
    subprocess.run(run, check=True, timeout=110)


def test_calls_from_several_threads_at_once():
    expected = compute()
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: compute(), range(12)):
            assert_same(found, expected)


def test_the_interpreter_runs_on_during_a_call():
    X, Y = samples(200000, 40)
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(None)
            time.sleep(1e-4)

    other = threading.Thread(target=tick)
    other.start()
    try:
        for _ in range(1000):  # until the other thread has had its turn: under load, not at once
            before = len(ticks)
            moments(X, Y, engine="native", n_threads=1)
            if len(ticks) - before >= 3:  # one may come at each end of a call that lets none in
                break
        else:
            pytest.fail("no call let the other thread run")
    finally:
        done.set()
        other.join()


WITHOUT_THREADS = """
import pickle, resource, sys, threading
sys.path.insert(0, sys.argv[1])
from test_threads import compute
compute(n_threads=1)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (7 << 20)  # no room for the stack of a thread
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    threading.Thread(target=print).start()
except RuntimeError:
    sys.stdout.buffer.write(pickle.dumps(compute()))
else:
    sys.exit("threads can still be started: the test shows nothing")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a limit on memory")
@pytest.mark.skipif(
    "libasan" in os.environ.get("LD_PRELOAD", ""),
    reason="limits the address space, of which AddressSanitizer takes terabytes",
)
def test_a_system_without_threads_to_spare():
    import pickle

    here = os.path.dirname(__file__)
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_THREADS, here],
        capture_output=True,
        timeout=100,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr.decode()
    assert_same(pickle.loads(run.stdout), compute())


def compile_with_threads(name, tmp_path):
    """Return a program of this folder that is compiled with the threads of the engine."""
    source = Path(__file__).parents[2] / "src/rmodels"
    program = tmp_path / name
    subprocess.run(
        ["c++", "-std=c++20", "-O1", "-pthread", "-DRMODELS_ISA=tested", f"-I{source}",
         "-o", program, Path(__file__).with_name(f"{name}.cpp")],
        check=True,
    )  # fmt: skip
    return program


needs_compiler = pytest.mark.skipif(
    shutil.which("c++") is None or sys.platform == "win32",
    reason="needs a C++ compiler that takes -std=c++20",
)


@needs_compiler
def test_threads_for_which_there_is_no_memory(tmp_path):
    program = compile_with_threads("no_memory", tmp_path)
    run = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr  # a thread left behind ends the process
    for name in ("parallel_for", "as_team", "Crew"):
        outcomes = [line for line in run.stdout.splitlines() if line.startswith(name)]
        assert set(outcomes) == {f"{name} refused", f"{name} done", f"{name} done all"}
        assert outcomes.count(f"{name} done") >= 8  # one for each thread that could not start


@needs_compiler
@needs_affinity
def test_threads_may_run_wherever_their_maker_may(tmp_path):
    """They are moved as they start."""
    program = compile_with_threads("affinity", tmp_path)
    run = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout) == (0, "parallel_for\nas_team\nmaker\n"), run.stderr


def few_features(n):
    return np.random.default_rng(0).random((n, 3), dtype=np.float32)


def long_building():
    X = few_features(1 << 20)  # of which one split of a tree takes less than a chunk
    return lambda: [
        build(index(X, algorithm="tree", engine="native"), n_threads=1) for _ in range(100)
    ]


def long_seeding():
    X, _ = samples(100000, 10)
    state = add_centre(Seeding.of(X), X[0], engine="native")
    numbers = np.random.default_rng(1).random((10**5, 6))
    return lambda: take_steps(state, numbers, engine="native")


def long_query():
    X = np.random.default_rng(0).normal(size=(100000, 64))
    return lambda: nearest(index(X, algorithm="brute", engine="native"), X, 5)


# What prepares each call, which then lasts longer than the interrupt takes to come.
LONG = {
    "descent": lambda: (
        lambda: descent(*samples(2000, 20), np.zeros((21, 1)), 0.01, 10**7, engine="native")
    ),
    "descent, large": lambda: (
        lambda: descent(
            np.broadcast_to(np.ones(50), (4 << 20, 50)),
            np.zeros((4 << 20, 1)),
            np.zeros((51, 1)),
            0.01,
            10**5,
            engine="native",
        )
    ),
    "moments": lambda: (
        lambda: moments(
            np.broadcast_to(np.ones(400), (1 << 22, 400)), np.zeros((1 << 22, 1)), engine="native"
        )
    ),
    "index": long_building,
    "query": long_query,
    "seeds": long_seeding,
}


def work_to_interrupt(call):
    """Return the CPU seconds that a call goes on after Ctrl-C, which comes 0.2 s after its start.

    Those of this process alone: what other programs take of the machine does not count.
    """
    sent = []

    def interrupt():
        sent.append(time.process_time())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.2, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        call()
    answered = time.process_time()
    timer.join()
    return answered - sent[0]


def work_of_a_chunk():
    """Return the CPU seconds of 2e8 multiply-adds, as chunks are on a processor that takes long."""
    X, Y = np.broadcast_to(np.ones(92), (2_000_000, 92)), np.zeros((2_000_000, 1))
    before = time.process_time()
    gradient(X, Y, np.zeros((93, 1)), engine="native", n_threads=1)
    return time.process_time() - before


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal to the own process")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("call", LONG)
def test_an_interrupt_is_answered(call):
    prepared = LONG[call]()
    # After what is left of a chunk, on each thread. Chunks are made to last 50 to 100 ms; on a
    # slower processor, or with every access checked, as much longer. The best of a few.
    chunk = max(0.05, min(work_of_a_chunk() for _ in range(3)))
    assert min(work_to_interrupt(prepared) for _ in range(3)) < 2 * chunk * thread_count()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal to the own process")
@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_fit_leaves_the_estimator_as_it_was():
    X, Y = samples(500, 3)
    outliers = LocalOutlierFactor(5, algorithm="kd_tree", n_jobs=1).fit(X)
    factors = outliers.negative_outlier_factor_.copy()
    points = few_features(4 << 20)
    work_to_interrupt(lambda: outliers.fit(points))
    np.testing.assert_array_equal(outliers.negative_outlier_factor_, factors)
    assert outliers.n_samples_fit_ == 500

    regression = LinearRegression(iterations=10, learning_rate=0.01, solver="stream").fit(X, Y)
    coefficients = regression.coef_.copy()
    regression.set_params(iterations=10**7)
    work_to_interrupt(lambda: regression.fit(X, Y))
    np.testing.assert_array_equal(regression.coef_, coefficients)
    assert regression.n_iter_ == 10
