import html
import json
import re
import shutil
import struct
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from rmodels import cli
from rmodels_evidence import bench, families, gpu, report, validate
from rmodels_evidence.charts import LogAxis, brief, curves
from rmodels_evidence.families.linear_model.cases import linear_cases
from rmodels_evidence.limits import Limits
from rmodels_evidence.machine import describe_machine
from rmodels_evidence.problem import Agreement, Contender, Options, Problem, Work
from rmodels_evidence.results import Curve, Finding, Outcome, Run
from rmodels_evidence.timing import Times

pytest.importorskip("jinja2")

OPTIONS = Options(threads=1, quick=True)
LIMITS = Limits(1e10, 1e11, 5e10, 1, "native")
ARTEFACTS = Path(__file__).parents[2] / "build" / "report"


def outcome(suite, size=1):
    """What three right contenders and a wrong one gave."""
    contenders = [
        Contender("rmodels", None, True, note="a <note> & more"),
        Contender("a peer", None),
        Contender("a wrong peer", None),
        Contender("a mark", None, mark=True),
    ]
    work = Work(24.0 * size, 6.0, "float64")
    problem = Problem(suite, f"problem {suite}", suite, None, contenders, None, (), work)
    findings = [
        Finding(each, Agreement(1e-16, 1e-9, "error"), Times((size * seconds,) * 3), 3 << 20)
        for each, seconds in zip(contenders, (2e-3, 0.5, 0, 3.0), strict=True)
    ]
    wrong = Finding(contenders[2], Agreement(1 / 3, 1e-9, "error"), failure="wrong by 3.3e-01")
    return Outcome(problem, (*findings[:2], wrong, findings[3]))


@pytest.fixture(scope="module")
def run():
    """A run that has everything a report shows."""
    points = tuple((size, outcome("scaling", size)) for size in (1000, 10_000, 100_000))
    return Run(
        "rmodels bench --suite all",
        describe_machine(),
        OPTIONS,
        LIMITS,
        tuple(outcome(suite) for suite in ("headline", "linear", "ladder")),
        (Curve("rows", "time against rows", "rows", points),),
        ("faiss-cpu",),
        1.0,
        0.4,
        gpu=gpu.GPUSuite(
            "a GPU",
            {"driver": "1.2", "CUDA": "3"},
            gpu.Limits(4e12, 8e14, 6e13),
            (gpu.Line("p", "c", 2e-3, 0.5, gpu.GPUGoal("1 ms", 1e-3)), gpu.Line("p", "d", 3e-3)),
            {"q": "wrong by 1"},
        ),
        began="2026-03-01T12:00:00+00:00",
    ).to_dict()


@pytest.fixture(scope="module")
def checks():
    """A validation of a few cases."""
    patch = pytest.MonkeyPatch()
    patch.setattr(families, "cases", lambda quick: islice(linear_cases(True), 3))
    found = validate.validate(True, "rmodels validate --quick").to_dict()
    patch.undo()
    return found


@pytest.fixture(scope="module")
def page(run, checks):
    return report.render([checks, run])


def text_of(page):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)))


def test_everything_is_there(page, run):
    text = text_of(page)
    for said in (
        run["machine"]["processor"],
        "measured on 1 March 2026",
        "Other programs took 40% of the processors",
        "A quick run",
        "Not installed, so not measured: faiss-cpu",
        "3 of 3",
        "diabetes: least squares",
        "problem ladder",
        "the machine’s limit: one read of the data, 2.40 ns",
        "time against rows",
        "1,500 ×",
        "4.00 TB/s",
        "wrong by 3.3e-01",
        "rmodels bench --suite linear --quick --threads 1",
        "rmodels bench --suite scaling --problem rows --quick --threads 1",
        "rmodels validate --quick",
    ):
        assert said in text, said
    assert text.count("3.0 MiB") == 6  # memory of three contenders of two suites
    ladder = page[page.index('class="ladder"') :]
    assert re.search(r"a peer.*?500 ms.*?0\.004 ×", ladder, re.DOTALL)


def test_figures_on_hovering_and_in_tables(page):
    (svg,) = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    bands = re.findall(r'class="band" data-tip="(.*?)"', svg, re.DOTALL)
    assert [band.partition("\n")[0] for band in bands] == [
        "rows: 1,000", "rows: 10,000", "rows: 100,000",
    ]  # fmt: skip
    assert all("rmodels" in band and "limit" in band for band in bands)
    for figure in re.findall(r"<figure.*?</figure>", page, re.DOTALL):
        assert "<table" in figure
        assert 'class="command"' in figure


def test_names_are_escaped(page):
    assert "a &lt;note&gt; &amp; more" in page
    assert "<note>" not in page


def test_nothing_is_loaded_from_elsewhere(page):
    found = re.findall(r"""(?:src|href)\s*=\s*["'](.*?)["']""", page)
    assert found == ["data:,"]
    assert not re.search(r"url\(|@import|https?://", page)


def test_parts_may_be_missing(run, checks):
    only_checks = report.render([checks])
    assert 'id="validation"' in only_checks
    assert 'id="ladder"' not in only_checks
    assert "GFLOP/s" not in only_checks
    plain = run | {"problems": [], "curves": [], "gpu": None, "no_gpu": "there is none"}
    only_run = report.render([plain])
    assert 'id="validation"' not in only_run
    assert "not measured: there is none" in only_run


def test_a_rung_without_a_time_says_why(run):
    ladder = next(each for each in run["problems"] if each["suite"] == "ladder")
    rungs = [
        *ladder["contenders"],
        ladder["contenders"][0] | {"name": "GPU", "seconds": None, "left_out": "not measured"},
    ]
    rungs[1] = rungs[1] | {"seconds": rungs[1]["seconds"] | {"samples": [0.5]}}
    found = run | {"problems": [ladder | {"contenders": rungs}]}
    text = text_of(report.render([found]))
    assert re.search(r"GPU a <note> & more not measured", text)
    assert "a peer 500 ms" in text  # in a quick run, few samples are the rule
    full = found | {"options": run["options"] | {"quick": False}}
    assert "a peer measured once 500 ms" in text_of(report.render([full]))


def test_an_interrupted_report_shows_what_there_is(monkeypatch, tmp_path, checks, capsys):
    def benchmark(suites, options, command):
        machine, began = describe_machine(), checks["began"]
        return Run(
            command, machine, options, LIMITS, (), (), (), 1.0, interrupted=True, began=began
        )

    monkeypatch.setattr(bench, "benchmark", benchmark)
    monkeypatch.setattr(families, "cases", lambda quick: islice(linear_cases(True), 1))
    out = tmp_path / "report.html"
    assert cli.main(["report", "--quick", "-o", str(out)]) == 130
    assert "A run was interrupted" in out.read_text("utf-8")

    def stopped(quick):
        raise KeyboardInterrupt

    monkeypatch.setattr(families, "cases", stopped)
    assert cli.main(["report", "-o", str(tmp_path / "none.html")]) == 130
    assert "interrupted before there was anything to show" in capsys.readouterr().err
    assert not (tmp_path / "none.html").exists()


def test_a_breach_is_shown(checks):
    bad = json.loads(json.dumps(checks))
    bad["checks"][0] |= {"holds": False, "ours": {"reference": None}}
    text = text_of(report.render([bad]))
    assert "2 of 3" in text
    assert "none above" in text  # the digits reached, and the share of what is allowed


def test_a_ladder_on_which_all_failed(run):
    bad = json.loads(json.dumps(run))
    for each in bad["problems"][2]["contenders"]:
        each |= {"seconds": None, "failure": "broken rung"}
    ladder = text_of(report.render([bad]))
    assert ladder[ladder.index("The ladder") :].count("broken rung") == 4


def test_the_last_of_equal_problems_counts(run):
    later = json.loads(json.dumps(run))
    later["problems"][1]["title"] = "the problem measured again"
    page = report.render([run, later])
    assert "the problem measured again" in page
    assert "problem linear" not in page


def test_machines_must_be_the_same(run, checks):
    other = run | {"machine": run["machine"] | {"cores": 77}}
    with pytest.raises(ValueError, match=r"different machines or versions: cores is .* and 77"):
        report.render([checks, other])
    with pytest.raises(ValueError, match="nothing to report"):
        report.render([])


def test_command_line_from_files(run, checks, tmp_path, capsys):
    files = [tmp_path / "run.json", tmp_path / "checks.json"]
    for file, document in zip(files, (run, checks), strict=True):
        file.write_text(json.dumps(document))
    out = tmp_path / "report.html"
    assert cli.main(["report", *map(str, files), "-o", str(out)]) == 0
    assert out.read_text("utf-8") == report.render([run, checks])
    for content, said in (
        ("[", "is not a JSON file"),
        ("[]", "was not written by rmodels bench --json or validate --json"),
        ('{"kind": "bench", "format": 0}', "has format 0; this version of rmodels reads 1"),
    ):
        files[0].write_text(content)
        assert cli.main(["report", str(files[0]), "-o", str(out)]) == 1
        assert said in capsys.readouterr().err
    assert cli.main(["report", str(tmp_path / "none"), "-o", str(out)]) == 1
    assert "No such file" in capsys.readouterr().err
    assert cli.main(["report", "-o", str(tmp_path / "none" / "a.html")]) == 1
    assert "the folder" in capsys.readouterr().err


def test_command_line_measures_without_files(monkeypatch, tmp_path, checks):
    asked = []

    def benchmark(suites, options, command):
        asked.append((suites, options.quick, options.peers))
        machine, began = describe_machine(), checks["began"]
        return Run(command, machine, options, LIMITS, (), (), (), 1.0, began=began)

    monkeypatch.setattr(bench, "benchmark", benchmark)
    monkeypatch.setattr(families, "cases", lambda quick: islice(linear_cases(True), 1))
    out = tmp_path / "report.html"
    assert cli.main(["report", "--quick", "-o", str(out)]) == 0
    assert asked == [([each for each in families.suites() if each != "map"], True, False)]
    assert "1 of 1" in out.read_text("utf-8")


def test_without_jinja(tmp_path):
    code = (
        "import sys\nsys.modules['jinja2'] = None\nfrom rmodels.cli import main\n"
        "sys.exit(main(['report', '-o', 'report.html']))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=False, timeout=240, cwd=tmp_path,
    )  # fmt: skip
    assert found.returncode == 1
    assert (
        "this needs jinja2, which is not installed: pip install './evidence[report]'"
        in found.stderr
    )
    assert not list(tmp_path.iterdir())


def test_logarithmic_axes():
    axis = LogAxis(1e-3, 10.0)
    assert [axis.place(value) for value in (1e-3, 0.1, 10.0)] == [0.0, 0.5, 1.0]
    assert axis.ticks() == pytest.approx([1e-3, 1e-2, 0.1, 1.0, 10.0])
    assert LogAxis(0.9, 11.0).ticks() == pytest.approx([1, 3, 10])
    assert LogAxis(1.5, 6.0).ticks() == pytest.approx([2, 5])
    assert LogAxis(1e-6, 1e6).ticks() == pytest.approx([1e-6, 1e-3, 1.0, 1e3, 1e6])
    assert LogAxis.decades([0.02, 300.0]) == LogAxis(0.01, 1000.0)
    assert [brief(v) for v in (1e-9, 3e-6, 0.1, 1.0, 1e5)] == [
        "1 ns", "3 µs", "100 ms", "1 s", "100,000 s",
    ]  # fmt: skip


def test_labels_of_curves_do_not_overlap():
    ends = {f"line {i}": [(1, 1.0), (10, 5.0 + 0.01 * i)] for i in range(5)}
    chart = curves(ends | {"nothing": []}, [(1, 0.1), (10, 5.0)], "rows")
    labels = sorted(line["label"] for line in chart["lines"] if line["points"])
    assert len(labels) == 6
    assert min(np.diff(labels)) >= 14
    _, right, top, bottom = chart["frame"]
    assert top <= labels[0]
    assert labels[-1] <= bottom
    beyond = curves({"a": [(1, 1.0)]}, [(1, 0.1), (10, 5.0)], "rows")  # left out at 10
    for line in (*chart["lines"], *beyond["lines"]):
        for x, y in line["points"]:
            assert x <= right
            assert top <= y <= bottom


WATCH = """<script>window.errors = [];
addEventListener("error", e => errors.push(String(e.message || e.target.outerHTML)), true);
addEventListener("securitypolicyviolation", e => errors.push(e.violatedDirective + e.blockedURI));
</script>"""

LOOK = Path(__file__).with_name("look.js").read_text("utf-8")

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--virtual-time-budget=3000",
)  # fmt: skip


@pytest.mark.parametrize("dark", [False, True])
def test_in_a_browser(page, tmp_path, dark):
    """At the width of a phone and of a desktop, everything is drawn and nothing fails to load."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    frame = html.escape(page.replace("<head>", f"<head>{WATCH}", 1))
    frames = "".join(
        f'<iframe srcdoc="{frame}" style="border:0;width:{width}px;height:4600px"></iframe>'
        for width in (390, 1280)
    )
    outer = tmp_path / "outer.html"
    outer.write_text(
        f"<!doctype html><body style='margin:0;width:1700px'>{frames}<script>{LOOK}</script>",
        "utf-8",
    )
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    picture = ARTEFACTS / f"report-{'dark' if dark else 'light'}.png"
    picture.unlink(missing_ok=True)
    colours = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    shown = [
        subprocess.run(
            [browser, *FLAGS, *colours, f"--user-data-dir={tmp_path / name}",
             "--window-size=1700,4600", action, outer.as_uri()],
            capture_output=True, text=True, check=True, timeout=240,
        ).stdout
        for name, action in (("dom", "--dump-dom"), ("picture", f"--screenshot={picture}"))
    ]  # fmt: skip
    found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', shown[0])[1]))
    assert [each["width"] for each in found] == [390, 1280]
    for each in found:
        assert each["errors"] == []
        assert each["loaded"] == 0
        assert each["content"] <= each["width"]
        assert each["beyond"] == []
        assert each["curves"] == 4  # rmodels, a peer, a mark, the machine's limit
        assert each["bars"] == 12  # time and memory of three contenders in two suites
        assert each["rungs"] == 3
        assert each["dots"] >= 9
        assert each["tip"].startswith("rows: 1,000\nrmodels")
        assert each["ground"] == ("rgb(21, 24, 26)" if dark else "rgb(252, 251, 248)")
    size = struct.unpack(">II", picture.read_bytes()[16:24])
    assert size == (1700, 4600)
