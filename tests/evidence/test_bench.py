import dataclasses
import html
import json
import math
import re
import sys
import types

import numpy as np
import pytest
from sklearn.linear_model import SGDRegressor

from rmodels import cli
from rmodels_evidence import bench, families, gpu, measure, native, peers, results
from rmodels_evidence.agreement import coefficient_agreement
from rmodels_evidence.case import Case, relative_to
from rmodels_evidence.contention import Contention
from rmodels_evidence.families.linear_model.problems import generate, literal_loop
from rmodels_evidence.ladder import use_instruction_set
from rmodels_evidence.limits import Limits
from rmodels_evidence.machine import describe_machine
from rmodels_evidence.memory import extra_memory
from rmodels_evidence.problem import (
    FAISS,
    INTELEX,
    PEER_MODULES,
    Contender,
    Goal,
    Options,
    Problem,
    Series,
    Work,
)
from rmodels_evidence.table import Table, duration, plain_text, print_run
from rmodels_evidence.timing import Times

OPTIONS = Options(threads=1, quick=True)
EFFORT = measure.Effort(0.0, 1, memory=False)
LIMITS = Limits(1e10, 1e11, 5e10, 1, "native")


def check(data, answers):
    return {c: coefficient_agreement(answer, data, 1e-9) for c, answer in answers.items()}


def tiny(*contenders, goals=()):
    """A problem whose answer is its data: 1, 2, 3."""
    return Problem(
        "tiny",
        "tiny problem",
        "small",
        lambda: np.arange(1.0, 4.0),
        contenders,
        check,
        goals,
        Work(24.0, 6.0, "float64"),
    )


def right(name="rmodels", **parameters):
    parameters = {"ours": name == "rmodels"} | parameters
    return Contender(name, lambda data: data.copy, **parameters)


def wrong(name, **parameters):
    return Contender(name, lambda data: lambda: data + 1e-3, **parameters)


def failing(name, **parameters):
    def prepare(data):
        def run():
            raise ArithmeticError("cannot")

        return run

    return Contender(name, prepare, **parameters)


def whole(*outcomes, curves=(), options=OPTIONS):
    return results.Run(
        "rmodels bench", describe_machine(), options, LIMITS, outcomes, curves, (), 1.0
    )


def outcome_of(times, goals):
    """An outcome with given medians."""
    contenders = {name: right(name) for name in times}
    problem = tiny(*contenders.values(), goals=goals)
    findings = tuple(
        results.Finding(contenders[name], times=None if value is None else Times((value,)))
        for name, value in times.items()
    )
    return results.Outcome(problem, findings)


def test_a_wrong_result_shows_no_speed_but_how_far_off_it_is():
    problem = tiny(right(), wrong("peer"), goals=(Goal(("peer",), 2),))
    outcome = measure.measure(problem, OPTIONS, EFFORT)
    ours, peer = outcome.findings
    assert ours.times is not None
    assert ours.agreement.holds
    assert peer.times is None
    assert not peer.agreement.holds
    assert peer.agreement.error == pytest.approx(1e-3 / 3)
    assert "wrong by 3.3e-04" in plain_text(next(iter(bench_tables(outcome))))
    assert outcome.is_reached(problem.goals[0]) is None
    assert whole(outcome).is_right()


def bench_tables(outcome):
    from rmodels_evidence.table import tables

    return tables(whole(outcome))


def test_our_own_wrong_result_is_a_failure_of_the_run():
    outcome = measure.measure(tiny(wrong("rmodels", ours=True)), OPTIONS, EFFORT)
    assert not whole(outcome).is_right()


def test_a_contender_that_raises_is_a_finding():
    outcome = measure.measure(tiny(right(), failing("peer")), OPTIONS, EFFORT)
    assert outcome.findings[1].failure == "ArithmeticError: cannot"
    assert outcome.findings[1].times is None
    assert whole(outcome).is_right()
    assert not whole(
        measure.measure(tiny(failing("rmodels", ours=True)), OPTIONS, EFFORT)
    ).is_right()


def test_a_contender_has_a_check_of_its_own():
    def anything(data, answers):
        return {c: coefficient_agreement(data, data, 0.0) for c in answers}

    outcome = measure.measure(tiny(right(), wrong("other", check=anything)), OPTIONS, EFFORT)
    assert all(finding.times is not None for finding in outcome.findings)


def test_times_of_a_part_are_scaled_to_the_whole(monkeypatch):
    monkeypatch.setattr(
        measure, "interleave", lambda runs, *a, **k: {name: Times((2.0,)) for name in runs}
    )
    outcome = measure.measure(tiny(right(), right("part", portion=0.25)), OPTIONS, EFFORT)
    assert (outcome.time("rmodels"), outcome.time("part")) == (2.0, 8.0)


def test_peers_take_part_if_asked_for_and_installed(monkeypatch):
    problem = tiny(right(), right("a", peer=INTELEX), right("b", peer=FAISS))
    monkeypatch.setattr(measure, "is_installed", lambda peer: peer != FAISS)
    assert [c.name for c in measure.entrants(problem, OPTIONS)] == ["rmodels"]
    asked = Options(threads=1, peers=True)
    assert [c.name for c in measure.entrants(problem, asked)] == ["rmodels", "a"]


def test_missing_peers_are_named(monkeypatch, capsys):
    monkeypatch.setattr(peers, "is_installed", lambda peer: False)
    assert peers.find_missing_peers() == tuple(PEER_MODULES)
    run = bench.benchmark(
        ["small"], Options(1, peers=True, quick=True), names=["least-squares-diabetes"]
    )
    assert run.missing == tuple(PEER_MODULES)
    print_run(run, sys.stdout)
    assert f"not installed, so not measured: {', '.join(run.missing)}" in capsys.readouterr().out


def test_contention_is_what_others_took():
    before = Contention(all=100.0, busy=50.0, own=10.0)
    after = Contention(all=120.0, busy=65.0, own=20.0)
    assert after.share_since(before) == 0.25
    assert before.share_since(before) == 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/stat")
def test_contention_counts_this_process_as_its_own():
    before = Contention.now()
    while (after := Contention.now()).own < before.own + 0.05:
        pass
    assert 0 <= after.share_since(before) <= 1
    assert before.all < after.all
    assert before.busy < after.busy


def test_contention_is_shown(capsys):
    run = bench.benchmark(["small"], OPTIONS, names=["least-squares-diabetes"])
    for share, warned in [(0.6, True), (0.05, False), (None, False)]:
        print_run(dataclasses.replace(run, others=share), sys.stdout)
        assert ("WARNING: other programs" in capsys.readouterr().out) is warned


def test_ratios_and_goals():
    least = Goal(("a", "b"), 3)
    most = Goal(("mark",), 3, at_most=True)
    missing = Goal(("c",), 2)
    outcome = outcome_of(
        {"rmodels": 2.0, "a": 10.0, "b": 6.0, "mark": 1.0, "c": None}, (least, most, missing)
    )
    assert outcome.ratio("a") == 5.0
    assert outcome.measure(least) == 3.0
    assert outcome.is_reached(least) is True
    assert outcome.measure(most) == 2.0
    assert outcome.is_reached(most) is True
    assert math.isnan(outcome.measure(missing))
    assert outcome.is_reached(missing) is None
    slower = outcome_of({"rmodels": 4.0, "a": 10.0, "b": 6.0, "mark": 1.0}, ())
    assert slower.is_reached(least) is False
    assert slower.is_reached(most) is False


def test_share_of_the_limit():
    outcome = outcome_of({"rmodels": 1e-6, "a": 1e-6}, ())
    ours, peer = outcome.findings
    assert outcome.limit_share(ours, LIMITS) == (pytest.approx(2.4e-3), "memory")
    assert outcome.limit_share(peer, LIMITS) is None


def test_json_of_a_tiny_run(tmp_path):
    problem = tiny(right(), right("a"), wrong("b"), goals=(Goal(("a",), 2), Goal(("b",), 2)))
    outcome = measure.measure(problem, OPTIONS, EFFORT)
    text = json.dumps(whole(outcome).to_dict(), allow_nan=False)
    found = json.loads(text)
    assert found["format"] == results.FORMAT
    assert set(found) == {
        "kind", "format", "command", "began", "seconds", "others", "interrupted", "machine",
        "options", "limits", "missing", "problems", "curves", "gpu", "no_gpu",
    }  # fmt: skip
    assert {"processor", "cores", "memory", "instruction_set", "versions"} <= set(found["machine"])
    assert {"numpy", "scikit-learn", INTELEX, FAISS} <= set(found["machine"]["versions"])
    assert found["limits"]["read_bandwidth"] == 1e10
    assert found["problems"][0]["least"] == {"seconds": pytest.approx(2.4e-9), "of": "memory"}
    ours, peer, bad = found["problems"][0]["contenders"]
    assert ours["seconds"]["median"] > 0
    assert ours["seconds"]["first_quartile"] <= ours["seconds"]["third_quartile"]
    assert ours["ratio"] == 1.0
    assert ours["limit"]["of"] in ("memory", "float64")
    assert ours["agreement"] == {
        "measure": ours["agreement"]["measure"], "error": 0.0, "tolerance": 1e-9, "holds": True,
    }  # fmt: skip
    assert peer["limit"] is None
    assert bad["seconds"] is None
    assert bad["ratio"] is None
    assert bad["failure"].startswith("wrong by")
    goals = found["problems"][0]["goals"]
    assert goals[0]["at_least"] == 2
    assert isinstance(goals[0]["reached"], bool)
    assert goals[1]["reached"] is None


def test_problems_are_well_formed():
    options = Options(threads=2, peers=True)
    every = families.problems(options)
    names = [problem.name for problem in every]
    assert len(set(names)) == len(names)
    for problem in every:
        contenders = [contender.name for contender in problem.contenders]
        assert len(set(contenders)) == len(contenders)
        assert problem.suite in families.suites()
        for goal in problem.goals:
            assert goal.ours in contenders
            assert set(goal.against) <= set(contenders)
    assert sum(len(problem.goals) for problem in every) >= 38
    series = [each.name for each in families.series(options)]
    assert len(set(series)) == len(series)


def test_data_are_always_the_same():
    for problem in families.problems(OPTIONS):
        if problem.suite == "small":
            first, second = vars(problem.data()), vars(problem.data())
            for name, value in first.items():
                np.testing.assert_array_equal(value, second[name])


def test_a_series_leaves_out_what_would_take_too_long(monkeypatch):
    medians = {"rmodels": 1.0, "slow": 2.0}
    monkeypatch.setattr(
        measure,
        "interleave",
        lambda runs, *a, **k: {name: Times((medians[name],)) for name in runs},
    )
    series = Series(
        "series", "time against n", "rows", (1, 6), lambda n: tiny(right(), right("slow")), 1
    )
    half, curve = measure.measure_series(series, OPTIONS, EFFORT)
    assert half.points == curve.points[:1]
    assert curve.contenders() == ["rmodels", "slow"]
    (_, first), (size, second) = curve.points
    assert size == 6
    assert first.time("slow") == 2.0
    assert math.isnan(second.time("slow"))
    assert second.findings[1].left_out == "left out: above 10 s"
    assert whole(curves=(curve,)).is_right()
    assert whole(curves=(curve,)).to_dict()["curves"][0]["points"][1]["size"] == 6


def test_forced_instruction_set_is_put_back(monkeypatch):
    import os

    monkeypatch.delenv("RMODELS_ISA", raising=False)
    with use_instruction_set("baseline"):
        assert os.environ["RMODELS_ISA"] == "baseline"
    assert "RMODELS_ISA" not in os.environ
    monkeypatch.setenv("RMODELS_ISA", "avx2")
    with pytest.raises(KeyError), use_instruction_set("baseline"):
        raise KeyError
    assert os.environ["RMODELS_ISA"] == "avx2"


@pytest.mark.skipif(sys.platform != "linux", reason="a process's peak is reset on Linux only")
def test_extra_memory_of_a_call():
    copies = extra_memory("least-squares-40", "NumPy, normal equations", OPTIONS)
    assert 50_000 * 40 * 8 <= copies < 10 * 50_000 * 40 * 8  # a centred copy of X
    assert extra_memory("gradient-descent", "one read of X, threads=1", OPTIONS) < 4 << 20


def test_extra_memory_of_an_unknown_problem():
    with pytest.raises(RuntimeError, match="KeyError: 'no such problem'"):
        extra_memory("no such problem", "rmodels", OPTIONS)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.0, "1.00 s"),
        (12.345, "12.3 s"),
        (123.4, "123 s"),
        (0.9999, "1.00 s"),
        (0.0123, "12.3 ms"),
        (5.5e-6, "5.50 µs"),
        (7e-9, "7.00 ns"),
        (math.nan, "–"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_plain_text_is_aligned():
    table = Table("title", ("name", "x"), [("a", "1"), ("bbb", "10"), ("a section of its own", "")])
    assert plain_text(table).splitlines() == [
        "title",
        "name   x",
        "────────",
        "a      1",
        "bbb   10",
        "a section of its own",
    ]


def test_command_line(tmp_path, capsys):
    file = tmp_path / "run.json"
    arguments = ["bench", "--suite", "small", "--problem", "least-squares-diabetes", "--quick"]
    assert cli.main([*arguments, "--threads", "1", "--json", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "least squares 442 × 10 (diabetes), per call" in shown
    assert "threads=1" in shown
    found = json.loads(file.read_text())
    assert found["options"]["threads"] == 1
    assert [problem["name"] for problem in found["problems"]] == ["least-squares-diabetes"]


def test_command_line_on_the_reference_engine(capsys):
    arguments = ["bench", "--suite", "small", "--problem", "knn-one-query", "--quick"]
    assert cli.main([*arguments, "--engine", "reference"]) == 0
    assert "engine reference" in capsys.readouterr().out


def test_the_suite_gpu_without_a_gpu(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "unavailable", lambda rehearsal=False: "there is none")
    assert cli.main(["bench", "--suite", "small", "gpu", "--quick"]) == 1
    assert capsys.readouterr().err == "rmodels bench: the suite gpu cannot run: there is none\n"
    with pytest.raises(RuntimeError, match="the suite gpu cannot run: there is none"):
        next(gpu.run_suite([]))
    run = bench.benchmark(["gpu"], OPTIONS)  # as part of "all"
    print_run(run, sys.stdout)
    assert "the suite gpu cannot run: there is none" in capsys.readouterr().out
    assert run.to_dict()["no_gpu"] == "there is none"


def test_the_suite_gpu_is_part_of_a_run(monkeypatch, capsys):
    goals = gpu.GPUGoal("1 ms", 1e-3), gpu.GPUGoal("4 ms", 4e-3)
    lines = tuple(gpu.Line("p", "c", 2e-3, 0.5, goal) for goal in (*goals, None))
    limits = gpu.Limits(4e12, 8e14, 6e13)
    first = gpu.GPUSuite("device", {"Triton": "3"}, limits, lines)
    last = dataclasses.replace(first, failures={"q": "wrong"})
    monkeypatch.setattr(gpu, "unavailable", lambda rehearsal=False: None)
    monkeypatch.setattr(gpu, "run_suite", lambda problems, rehearsal: iter((first, last)))
    kept = []
    run = bench.benchmark(["gpu"], OPTIONS, keep=kept.append)
    assert [each.gpu for each in kept] == [first, last]
    assert all(each.interrupted for each in kept)
    assert not run.interrupted
    assert kept[0].is_right()
    assert not run.is_right()
    print_run(run, sys.stdout)
    shown = capsys.readouterr().out
    assert "Triton 3\n" in shown
    assert "REHEARSAL" not in shown
    assert "Suite gpu: device, copying 4.00 TB/s, products 800 TFLOP/s float16" in shown
    assert "  c   2.00 ms           50%  1 ms: 2.00 of that time, missed\n" in shown
    assert "  c   2.00 ms           50%  4 ms: 0.50 of that time, met\n" in shown
    assert "  c   2.00 ms           50%\n" in shown
    assert "q failed: wrong\n" in shown
    written = run.to_dict()["gpu"]
    assert written["lines"][0]["share"] == 0.5
    assert written["failures"] == {"q": "wrong"}


def test_ctrl_c_leaves_what_the_gpu_has_shown(monkeypatch):
    suite = gpu.GPUSuite("device", {}, gpu.Limits(4e12, 8e14, 6e13))

    def interrupted(problems, rehearsal):
        yield suite
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu, "unavailable", lambda rehearsal=False: None)
    monkeypatch.setattr(gpu, "run_suite", interrupted)
    run = bench.benchmark(["gpu"], OPTIONS)
    assert run.interrupted
    assert run.gpu == suite


def test_a_rehearsal_is_of_the_suite_gpu_alone(capsys):
    assert cli.main(["bench", "--rehearse"]) == 2
    assert "--rehearse is for --suite gpu alone" in capsys.readouterr().err


@pytest.mark.skipif(native.load() is None, reason="needs the compiled extension")
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (63, 8), (64, 9), (1000, 40)])
def test_descent_in_two_passes(engine, shape, wide, threads):
    data = generate(*shape)
    coefficients = np.zeros(shape[1] + 1)
    native.load().descend_in_two_passes(data.X, data.y, 0.05, 7, threads, wide, coefficients)
    expected = literal_loop(data, iterations=7)()
    np.testing.assert_allclose(coefficients, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("ahead", [0, 3, 1000])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (63, 8), (64, 9), (500, 40)])
def test_descent_by_rows(engine, shape, wide, ahead):
    data = generate(*shape)
    found = np.zeros(shape[1] + 1)
    native.load().descend_by_rows(data.X, data.y, 0.01, 0.02, 3, 209652396, wide, ahead, found)
    theirs = SGDRegressor(alpha=0.02, max_iter=3, tol=None, random_state=0).fit(data.X, data.y)
    expected = np.append(theirs.coef_, theirs.intercept_)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


def test_the_ladder_ends_with_marks():
    for problem in families.problems(Options(threads=2)):
        marks = [contender.mark for contender in problem.contenders]
        assert any(marks) is (problem.suite == "ladder")
        assert marks == sorted(marks)


def test_interrupted_run_shows_and_keeps_what_was_measured(tmp_path, monkeypatch, capsys):
    measured = []

    def once(problem, *rest):
        if measured:
            raise KeyboardInterrupt
        measured.append(problem.name)
        return measure.measure(problem, OPTIONS, EFFORT)

    monkeypatch.setattr(bench, "measure", once)
    file = tmp_path / "some.json"
    assert cli.main(["bench", "--suite", "small", "--quick", "--json", str(file)]) == 130
    kept = json.loads(file.read_text())
    assert [each["name"] for each in kept["problems"]] == ["least-squares-diabetes"]
    assert kept["interrupted"] is True
    shown = capsys.readouterr().out
    assert "interrupted: only what was measured until then" in shown
    assert "least squares 442 × 10" in shown
    assert "one query" not in shown


def test_what_is_measured_is_kept_at_once(monkeypatch):
    """So that a run that is killed leaves what it has, each point of a curve included."""
    series = Series("series", "time against n", "rows", (1, 2), lambda n: tiny(right()), 1)
    monkeypatch.setattr(families, "problems", lambda options: [tiny(right())])
    monkeypatch.setattr(families, "series", lambda options: [series])
    kept = []
    run = bench.benchmark(["small", "scaling"], OPTIONS, keep=kept.append)
    assert [len(each.outcomes) for each in kept] == [1, 1, 1]
    assert [[len(c.points) for c in each.curves] for each in kept] == [[], [1], [2]]
    assert all(each.interrupted for each in kept)
    assert not run.interrupted
    assert (run.outcomes, run.curves) == (kept[-1].outcomes, kept[-1].curves)


def test_a_slow_contender_is_measured_once_and_says_so(monkeypatch, capsys):
    now = [0.0]
    clock = types.SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr(measure, "time", clock)
    calls = []

    def slow(data):
        def run():
            calls.append("slow")
            now[0] += 7.0
            return data

        return run

    effort = dataclasses.replace(EFFORT, longest=5.0)
    outcome = measure.measure(tiny(right(), Contender("slow", slow)), OPTIONS, effort)
    assert calls == ["slow"]  # the call that gave the answer
    assert outcome.findings[1].times == Times((7.0,))
    print_run(whole(outcome), sys.stdout)
    assert re.search(r"slow +7\.00 s +once", capsys.readouterr().out)


def test_a_rung_that_the_machine_cannot_stand_on_says_why(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "unavailable", lambda rehearsal=False: "there is none")
    for problem in families.problems(OPTIONS):
        said = [each.unavailable for each in problem.contenders if "GPU" in each.name]
        for_gpu = problem.suite == "ladder" and "stochastic" not in problem.name
        assert said == ["not measured: no GPU"] * for_gpu
    never = Contender("gpu", failing("gpu").prepare, True, unavailable="not measured: no GPU")
    outcome = measure.measure(tiny(right(), never), OPTIONS, EFFORT)
    assert outcome.findings[1].left_out == "not measured: no GPU"
    assert whole(outcome).is_right()
    print_run(whole(outcome), sys.stdout)
    assert "not measured: no GPU" in capsys.readouterr().out


def test_command_line_refuses_unknown_problems(capsys):
    assert cli.main(["bench", "--suite", "small", "--problem", "nonsense"]) == 2
    assert "hold no problem named nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["bench", "validate"])
def test_a_file_that_cannot_be_written_is_refused_before_the_work(command, tmp_path, capsys):
    assert cli.main([command, "--json", str(tmp_path / "none" / "a.json")]) == 2
    assert f"rmodels {command}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "flag"), [("bench", "--json"), ("validate", "--json"), ("report", "-o")]
)
def test_files_are_written_whole_and_name_the_command(command, flag, tmp_path, monkeypatch):
    """What was there stays until the new file is complete: it is replaced, not written over."""
    case = Case("E", "data", "task", "truth", 0.0, lambda: np.ones(1), relative_to(lambda: [1.0]))
    monkeypatch.setattr(families, "cases", lambda quick: [case])
    monkeypatch.setattr(families, "problems", lambda options: [tiny(right())])
    monkeypatch.setattr(families, "series", lambda options: [])
    monkeypatch.setattr(gpu, "unavailable", lambda rehearsal=False: "there is none")
    monkeypatch.setattr(sys, "argv", ["pytest", "something", "else"])
    file, old = tmp_path / "a file", tmp_path / "old"
    file.write_text("what was there")
    old.hardlink_to(file)
    assert cli.main([command, "--quick", flag, str(file)]) == 0
    assert old.read_text() == "what was there"
    said = f"rmodels {command} --quick {flag} '{file}'"
    found = file.read_text("utf-8")
    if command == "report":
        assert html.unescape(re.sub(r"<[^>]*>", "", found)).count(said) == 1
    else:
        assert json.loads(found)["command"] == said
    assert {each.name for each in tmp_path.iterdir()} == {"a file", "old"}
