"""What says how large the package is and how soon it is there."""

import sys

import pytest

from rmodels_evidence import start


def test_starts_are_measured_in_turns(tmp_path):
    log = tmp_path / "log"
    program = "import time; time.sleep({0}); open({1!r}, 'a').write({2!r})"
    programs = {
        ("wait", "a"): program.format(0.2, str(log), "a"),
        ("wait", "b"): program.format(0.0, str(log), "b"),
    }
    found = start.measure_starts(programs, 2)
    assert log.read_text() == "ababab"  # the first of each is not counted
    assert found.keys() == programs.keys()
    processor, clock = found["wait", "a"]
    assert clock >= 0.2  # it slept as long
    assert 0 < processor < clock + 0.02  # sleeping takes no processor; its clock ticks at 10 ms


def test_a_program_that_fails_has_no_time():
    with pytest.raises(RuntimeError, match="it failed: raise SystemExit"):
        start.measure_starts({("a", "b"): "raise SystemExit(3)"}, 1)


def test_the_size_is_that_of_the_files(tmp_path, monkeypatch):
    package = tmp_path / "a_package_of_three_files"
    (package / "below" / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_bytes(b"#" * 10)
    (package / "below" / "data.so").write_bytes(b"x" * 90)
    (package / "below" / "__pycache__" / "data.pyc").write_bytes(b"x" * 1000)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, package.name, raising=False)
    assert start.installed_size(package.name) == 100


def test_prints_a_line_for_each_program(capsys, monkeypatch):
    kept = dict.fromkeys(start.PROGRAMS, "pass")
    monkeypatch.setattr(start, "PROGRAMS", kept)
    start.main(rounds=1)
    printed = capsys.readouterr().out
    assert "Starts, medians of 1" in printed
    assert all(f"{what} " in printed for what, _ in kept)
    assert printed.count(" ms") == 2 * len(kept)


@pytest.mark.slow
@pytest.mark.parametrize("key", start.PROGRAMS, ids=str)
def test_programs_run(key):
    (seconds, clock) = start.measure_starts({key: start.PROGRAMS[key]}, 1)[key]
    assert seconds > 0
    assert clock > 0
