"""quern-bench report and compare: results read back, pictures, page, verdicts, and what is said of bad input."""

import html.parser
import json
import math
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

BENCH = Path(os.environ.get("BUILD", "build")) / "quern-bench"

needs_gnuplot = pytest.mark.skipif(not shutil.which("gnuplot"), reason="gnuplot is not installed")


def latency(mean, width=None):
    """Exponential response times, ms."""
    figures = {"mean": mean, "p50": mean * math.log(2), "p95": mean * math.log(20), "p99": mean * math.log(100)}
    result = dict(figures)
    if width is not None:
        for name, value in figures.items():
            result[name + "_interval"] = [value * (1 - width), value * (1 + width)]
    return result


def cell(experiment="saturation", policy="roundrobin", workers=1, rho=0.5, mean=10.0, width=0.02, **more):
    parts = {"replay": mean, "timer": 0.1, "dispatch": -0.2, "loop": 0.3, "proxy": 0.2, "generator": 0.1, "measured": mean + 0.5}
    line = {
        "experiment": experiment,
        "cell": f"emulated/exp:5ms/{policy}/k{workers}/rho{rho:.2f}",
        "quick": False,
        "time": "2026-01-02T03:04:05Z",
        "seed": 42,
        "service": {"kind": "emulated", "spec": "exp:5ms", "mean_ms": 5.0, "scv": 1.0},
        "policy": policy,
        "workers": workers,
        "utilization": rho,
        "load": {"requests": 1000, "offered_rps": 200.0, "errors": 0, "latency_ms": latency(mean, width)},
        "busy": {"mean": rho, "most": rho},
        "replay": {"latency_ms": latency(mean)},
        "predicted": {"method": "simulated", "latency_ms": latency(mean)},
        "closed": None,
        "split_ms": {figure: parts for figure in ("mean", "p50", "p95", "p99")},
        "histogram_ms": [[1, 2, 100], [2, 4, 300], [4, 8, 500], [8, 16, 90], [16, 32, 10]],
        "void": None,
    }
    line.update(more)
    return line


def all_experiments():
    lines = []
    for workers in (1, 4):
        for rho in (0.1, 0.5, 0.6, 0.8, 0.95):
            lines.append(cell(workers=workers, rho=rho, mean=5 / (1 - rho**workers)))
    for policy, mean in (("roundrobin", 20), ("central", 10), ("leastconn", 14), ("random(2)", 16)):
        for rho in (0.5, 0.8):
            lines.append(cell("policies", policy, 4, rho, mean / (1 - rho)))
    points = {"kind": "emulated", "spec": "points:1ms@99,100ms@1", "mean_ms": 1.99, "scv": 24.5}
    lines.append(cell("power-users", workers=4, service=points))
    lines.append(cell("average-lies", workers=4, rho=0.8, mean=16))
    return lines


def write(directory, lines, machine=True):
    directory.mkdir(exist_ok=True)
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (directory / "cells.jsonl").write_text(text)
    if machine:
        (directory / "machine.json").write_text(json.dumps({"cpu": "A <b>CPU</b>", "versions": {"haproxy": "2.6"}}))
    return directory


def bench(*args, **more):
    return subprocess.run([BENCH, *map(str, args)], capture_output=True, text=True, timeout=120, **more)


class Page(html.parser.HTMLParser):
    """Collects what a page refers to, and its text."""

    void_elements = {"meta", "img", "source", "br"}

    def __init__(self, text):
        super().__init__()
        self.references, self.words, self.open = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in ("src", "href", "srcset")]
        assert tag not in ("script", "link", "iframe", "b")
        if tag not in self.void_elements:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


@needs_gnuplot
def test_report_makes_one_page_pictures_and_verdicts(tmp_path):
    directory = write(tmp_path / "run", all_experiments())
    result = bench("report", directory)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith(f"report: {directory}/report.html\n")
    assert "\n  holds: The measured 95 % intervals decide.\n" in result.stdout
    assert "p99 passes twice its value at 10 % at 55.0 %" in result.stdout

    text = (directory / "report.html").read_text()
    page = Page(text)
    pictures = sorted((directory / "plots").glob("*.png"))
    assert len(page.references) == 2 * len(pictures)  # light and dark
    assert all(reference.startswith("data:image/svg+xml;base64,") for reference in page.references)
    assert "@import" not in text and "url(" not in text
    assert "A <b>CPU</b>" in page.text and "versions haproxy" in page.text
    for experiment in ("saturation-p99", "saturation-percentiles", "policies", "power-users", "average-lies", "model-error"):
        assert any(picture.name.startswith(experiment) for picture in pictures), experiment


@needs_gnuplot
def test_plots_are_twice_a_screens_resolution(tmp_path):
    directory = write(tmp_path / "run", all_experiments())
    result = bench("report", directory, "--plots-only")
    assert result.returncode == 0, result.stderr
    assert not (directory / "report.html").exists()
    head = (directory / "plots" / "saturation-p99-emulated-exp-5ms.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:24]) == (1640, 1040)


@needs_gnuplot
def test_names_from_files_are_only_text(tmp_path):
    evil = "a'b`touch ran`\"<script>alert(1)</script>\\n@x{}\x1b[31m"
    lines = [cell(evil, policy=evil, rho=rho, cell=f"{evil} {rho}", service={"kind": "emulated", "spec": evil}) for rho in (0.5, 0.8)]
    lines.append(cell(evil, void=evil, rho=0.9))
    directory = write(tmp_path / "run", lines)
    result = bench("report", directory, "-o", tmp_path / "out.html", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout
    page = Page((tmp_path / "out.html").read_text())
    assert "<script>alert(1)</script>" in page.text
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("ran")] == []
    assert not (directory / "report.html").exists()


@needs_gnuplot
def test_broken_lines_are_told_and_the_others_kept(tmp_path):
    directory = write(tmp_path / "run", [cell(rho=0.5), "{broken", json.dumps({"experiment": "x", "cell": "y"}), cell(rho=0.8)])
    result = bench("report", directory)
    assert result.returncode == 0
    path = directory / "cells.jsonl"
    assert re.search(rf"^{path}:2: not JSON: .+$", result.stderr, re.M)
    assert re.search(rf'^{path}:3: "service"."kind" must be a text$', result.stderr, re.M)
    assert f"{path}:2:" in Page((directory / "report.html").read_text()).text
    assert "policies was not measured and is left out." in result.stdout


@needs_gnuplot
def test_a_void_cell_is_shown_and_does_not_count(tmp_path):
    reason = "the generator was late"
    directory = write(tmp_path / "run", [cell(rho=0.5), cell(rho=0.95, void=reason)])
    result = bench("report", directory)
    assert f"saturation emulated/exp:5ms/roundrobin/k1/rho0.95: {reason}" in result.stdout
    assert "The cells that it needs are missing or void." in result.stdout
    assert f"void: {reason}" in Page((directory / "report.html").read_text()).text


@needs_gnuplot
def test_only_void_cells_without_figures(tmp_path):
    directory = write(tmp_path / "run", [cell(void="no fleet", load=None, replay=None, predicted=None, split_ms=None, histogram_ms=None)])
    result = bench("report", directory)
    assert result.returncode == 0, result.stderr
    assert "no fleet" in result.stdout


def test_without_gnuplot(tmp_path):
    directory = write(tmp_path / "run", [cell()])
    result = bench("report", directory, env={**os.environ, "PATH": str(tmp_path)})
    assert result.returncode == 1
    assert result.stderr.startswith("quern-bench report: gnuplot is needed for the plots and is not in PATH")


def test_without_cells(tmp_path):
    result = bench("report", tmp_path)
    assert result.returncode == 1
    assert f"{tmp_path}/cells.jsonl: No such file or directory" in result.stderr
    (tmp_path / "cells.jsonl").write_text("\n")
    result = bench("report", tmp_path)
    assert result.returncode == 1
    assert "no line of it is a cell" in result.stderr


@pytest.mark.parametrize(
    "args, message",
    [
        (["report"], "DIR is missing"),
        (["report", "a", "b"], "unexpected argument: b"),
        (["report", "a", "-o", "f", "--plots-only"], "exclude each other"),
        (["report", "a", "--nonsense"], "no such option: --nonsense"),
        (["compare", "a"], "two directories are needed"),
        (["compare", "a", "b", "c"], "unexpected argument: c"),
    ],
)
def test_wrong_usage(args, message):
    result = bench(*args)
    assert result.returncode == 2
    assert message in result.stderr


@needs_gnuplot
def test_a_page_that_cannot_be_written(tmp_path):
    directory = write(tmp_path / "run", [cell()])
    result = bench("report", directory, "-o", tmp_path / "nowhere" / "page.html")
    assert result.returncode == 1
    assert "nowhere/page.html: No such file or directory" in result.stderr


def test_help():
    for command in ("report", "compare"):
        result = bench(command, "--help")
        assert result.returncode == 0 and result.stdout.startswith(f"usage: quern-bench {command} ")


def test_compare(tmp_path):
    a = write(tmp_path / "a", [cell(rho=0.5, mean=10), cell(rho=0.8, mean=20), cell(rho=0.9), cell(rho=0.95, void="late")])
    b = write(tmp_path / "b", [cell(rho=0.5, mean=12), cell(rho=0.8, mean=20.2), cell(rho=0.95), cell(rho=0.97), cell(rho=0.98)])
    result = bench("compare", a, b, "-o", tmp_path / "page.html")
    assert (result.returncode, result.stderr) == (0, "")
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("emulated/")]
    assert [row[3] for row in rows] == ["1.20!", "1.01"]
    assert rows[0][-3:] == ["46.05", "55.26", "1.20!"]
    assert "2 cells in both" in result.stdout
    assert "1 only in A, 2 only in B, 1 void in one of both." in result.stdout
    page = Page((tmp_path / "page.html").read_text())
    assert page.references == [] and "apart" in page.text and "overlap" in page.text


def test_compare_without_common_cells(tmp_path):
    a, b = write(tmp_path / "a", [cell(rho=0.5)]), write(tmp_path / "b", [cell(rho=0.6)])
    result = bench("compare", a, b)
    assert result.returncode == 1
    assert "no cell in common" in result.stderr


def test_the_best_line_of_a_cell_counts(tmp_path):
    """Void before valid, quick before full, earlier before later: the last of each replaces the first."""
    a = write(tmp_path / "a", [cell(mean=10)])
    for lines, mean in (
        ([cell(mean=20), cell(mean=30)], 30),
        ([cell(mean=20), cell(mean=30, void="late")], 20),
        ([cell(mean=20), cell(mean=30, quick=True)], 20),
        ([cell(mean=20, quick=True), cell(mean=30)], 30),
        ([cell(mean=20, void="late"), cell(mean=30, quick=True)], 30),
    ):
        b = write(tmp_path / "b", lines)
        result = bench("compare", a, b)
        row = next(line.split() for line in result.stdout.splitlines() if line.startswith("emulated/"))
        assert row[3] == f"{mean / 10:.2f}!"
