"""Two versions beside each other, from the files of their benchmarks."""

import pytest

from rmodels import cli
from rmodels_evidence import turns
from rmodels_evidence.results import FORMAT


def run_of(seconds):
    """A file of one problem, with the medians of its contenders; None for no time."""
    contenders = [
        {
            "name": name,
            "ours": name != "peer",
            "seconds": None if median is None else {"median": median},
        }
        for name, median in seconds.items()
    ]
    return {
        "kind": "bench",
        "format": FORMAT,
        "problems": [{"title": "a problem", "contenders": contenders}],
    }


def test_ratios_of_medians_the_slower_first():
    base = [run_of({"ours": t, "other": 0.3, "peer": 2.0}) for t in (0.2, 9.0, 0.1)]
    head = [run_of({"ours": t, "other": 0.6, "peer": 1.0}) for t in (0.1, 0.1, 0.0001)]
    found = turns.compare(base, head)
    rows = [line for line in found.splitlines() if line.startswith("| a problem")]
    assert rows == [
        "| a problem | other | 300 ms | 600 ms | 0.500 × |",
        "| a problem | ours | 200 ms | 100 ms | 2.00 × |",
    ]
    assert "Medians of 3 and 3 turns" in found
    assert "Of peers, which are the same in both: from 2.00 × to 2.00 ×." in found
    assert "Only" not in found


def test_what_one_side_lacks_is_named():
    found = turns.compare([run_of({"gone": 1.0, "both": 1.0})], [run_of({"new": 1.0, "both": 1.0})])
    assert "Only base has a time for: gone of a problem.\n" in found
    assert "Only head has a time for: new of a problem.\n" in found
    assert "peers" not in found
    failed = turns.compare([run_of({"ours": 1.0})], [run_of({"ours": None})])
    assert "Only base has a time for: ours of a problem.\n" in failed


@pytest.mark.slow
def test_reads_what_bench_writes(tmp_path, capsys):
    paths = [tmp_path / f"{side}.json" for side in ("base", "head")]
    problem = ["--suite", "small", "--problem", "least-squares-diabetes", "--quick"]
    for path in paths:
        assert cli.main(["bench", *problem, "--json", str(path)]) == 0
    capsys.readouterr()
    turns.main(["--base", str(paths[0]), "--head", str(paths[1])])
    shown = capsys.readouterr().out
    assert "Medians of 1 and 1 turns" in shown
    assert "| least squares 442 × 10 (diabetes), per call | rmodels | " in shown
    assert "Of peers, which are the same in both: from " in shown


def test_refuses_other_files(tmp_path):
    path = tmp_path / "base.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"base\.json was not written by rmodels bench --json"):
        turns.main(["--base", str(path), "--head", str(path)])
