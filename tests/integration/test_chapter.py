"""quern-bench chapter, end to end: services, peers and fleets of its own, what is measured on them, verdicts, pages.

Loads are tiny, so their figures mean little: what is checked is that they are whole and that the engine does what the file
says. On a busy machine loads may be void for that very reason; then exit code 3 is right.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from fleet import BUILD, clean_environment, wait_until

BENCH = BUILD / "quern-bench"
ROOT = pathlib.Path(__file__).resolve().parents[2]
CHAPTERS = ROOT / "bench/experiments/chapters"

# What a busy machine does to a load, and nothing that the engine could be wrong about.
BUSY = ("the generator was late", "the generator fell short", "the generator was itself near full", "other programs used",
        "the host took away")

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a chapter's server needs a CPU for itself")

# An HTTP server that answers with what it was started with, and keeps a list of what it was asked.
PROGRAM = """#!/usr/bin/python3
import http.server, json, os, sys
asked = []
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        asked.append(self.path)
        answer = {"loop": {"p50_ms": 1, "p95_ms": 2.5, "p99_ms": 3, "max_ms": 4}, "asked": asked}.get(
            self.path.split("?")[0][1:], dict(os.environ, calls=[{"us": 7}, {"us": 9}]))
        if self.path == "/picture":
            body = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
        else:
            body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def tree(tmp_path):
    """A tree as bench/ has it, with folders of services and peers; nothing of it may be left running."""
    for folder in ("experiments/chapters", "services", "peers"):
        (tmp_path / folder).mkdir(parents=True)
    yield tmp_path
    wait_until(lambda: not processes_of(tmp_path), what="no process of the chapter is left")


def processes_of(directory):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(directory).encode() + b"/" in words:
                found.append(int(entry.name))
    return found


def program(tree, folder, name, files=None):
    place = tree / folder / name
    place.mkdir()
    for file, text in (files or {"start": PROGRAM}).items():
        (place / file).write_text(text)
        (place / file).chmod(0o755)
    return place


def run(tree, chapter, *arguments, name="tiny", timeout=120):
    path = tree / "experiments/chapters" / f"{name}.json"
    if chapter is not None:
        path.write_text(json.dumps(chapter))
    return subprocess.run([BENCH, "chapter", path, "-o", tree / "out", "--build", tree / "built", *arguments],
                          env={**clean_environment(), "TMPDIR": str(tree)}, capture_output=True, text=True, timeout=timeout)


def lines(tree):
    return [json.loads(line) for line in (tree / "out/results.jsonl").read_text().splitlines()]


def loads(tree):
    return [line for line in lines(tree) if line["kind"] == "load"]


def check_void(result, results):
    """The exit code says whether some load is void, and only a busy machine may have made it so."""
    reasons = [line["void"] for line in results if line["void"]]
    assert result.returncode == (3 if reasons else 0), result.stderr + result.stdout
    for reason in reasons:
        for part in reason.split("; "):
            assert part.startswith(BUSY), reason


@pytest.fixture
def built(tree):
    (tree / "built").mkdir()
    return tree


MIX = [{"name": "cheap", "line": "9 GET /qr?text={text:20}"}, {"name": "heavy", "line": "1 GET /lab/burn?us=2000"}]


def tiny(**more):
    return {"title": "Two & two", "claim": "It works <well>.", "repeat": 2,
            "load": {"rate": 200, "duration": "1s", "warmup": "300ms", "mix": MIX},
            "stages": [{"name": "one", "server": {"quern": {}}},
                       {"name": "two", "title": "two workers", "server": {"quern": {"workers": 2, "balancer": "haproxy"}}}],
            **more}


def test_stages_are_interleaved_and_whole(built):
    claims = [{"say": "It is so", "left": "two.cheap.p50", "right": "one.cheap.p50", "ratio": {"at_least": 0.00001}},
              {"say": "It is not so", "value": "one.cheap.p50", "at_most": 0}]
    result = run(built, tiny(claims=claims, plots=[{"kind": "bars", "title": "A plot", "template": "cheap"}]))
    results = loads(built)
    assert [(line["stage"], line["repetition"]) for line in results] == [("one", 0), ("two", 0), ("one", 1), ("two", 1)]
    check_void(result, results)
    for line in results:
        assert line["errors"] == 0 and line["rate_rps"] == 200 and line["rate_from"] == "given" and not line["emulated"]
        assert line["requests"] == sum(t["requests"] for t in line["templates"].values()) == line["load"]["requests"]
        assert 0 < line["latency_ms"]["min"] <= line["templates"]["cheap"]["latency_ms"]["p50"] <= line["latency_ms"]["max"]
        assert line["templates"]["heavy"]["latency_ms"]["min"] >= 2
        assert 0 < line["busy"]["mean"] <= line["busy"]["most"] <= 1 and line["cpu"]["server"] > 0
        assert line["loop_ms"]["p99"] is not None and line["status"]["requests"] > 0
    assert (results[1]["workers"], results[1]["title"]) == (2, "two workers")
    assert results[1]["cpu"]["haproxy"] > 0 == results[0]["cpu"]["haproxy"]
    assert results[0]["seed"] + 1 == results[2]["seed"]
    if result.returncode == 0:
        assert "It is so: holds." in result.stdout and "It is not so: does not hold." in result.stdout
    written = json.loads((built / "out/chapter.json").read_text())
    assert [claim["say"] for claim in written["claims"]] == ["It is so", "It is not so"] and written["repeat"] == 2
    page = (built / "out/report.html").read_text()
    assert "<title>Two &amp; two</title>" in page and "It works &lt;well&gt;." in page and "data:image/svg+xml" in page
    assert [path.name for path in (built / "out/plots").iterdir()] == ["tiny-1-A-plot.png"]


def test_strict_makes_a_failure_of_a_claim_that_does_not_hold(built):
    chapter = tiny(repeat=1, claims=[{"say": "It is not so", "value": "one.p50", "at_most": 0}])
    chapter["stages"].pop()
    assert run(built, chapter).returncode in (0, 3)
    result = run(built, chapter, "--strict")
    assert result.returncode == 1 and "not every claim holds" in result.stderr


def test_emulated_work_is_told_everywhere(built):
    chapter = tiny(repeat=1)
    chapter["stages"].pop()
    chapter["load"]["mix"] = ["1 GET /lab/sleep?us=100"]
    result = run(built, chapter)
    assert "Emulated work" in result.stdout and "mulated work" in (built / "out/report.html").read_text()
    assert loads(built)[0]["emulated"]


def test_rates_from_a_capacity_a_share_and_a_busy_loop(built):
    chapter = tiny(repeat=1)
    chapter["load"]["mix"] = ["1 GET /lab/burn?us=2000"]
    chapter["stages"] = [
        {"name": "busy", "server": {"quern": {}}, "load": {"rate": {"busy": 0.4}}},
        {"name": "same", "server": {"quern": {}}, "load": {"rate": {"of": "rate", "stage": "busy", "share": 0.5}}},
        {"name": "full", "server": {"quern": {}},
         "load": {"steps": [{"of": "capacity", "stage": "full", "share": 0.1}, 50], "requests": 60}}]
    result = run(built, chapter)
    results = lines(built)
    check_void(result, loads(built))
    busy, capacity = [next(line for line in results if line["kind"] == kind) for kind in ("calibration", "capacity")]
    of = {(line["stage"], line["step"]): line for line in loads(built)}
    assert busy["stage"] == "busy" and busy["wanted"] == 0.4 and 10 < busy["rate_rps"] < 500
    assert of["same", 0]["rate_rps"] == pytest.approx(busy["rate_rps"] / 2)
    # Two milliseconds of CPU time each: never more than 500 a second.
    assert 20 < capacity["capacity_rps"] < 505 and capacity["stage"] == "full"
    assert of["full", 0]["rate_rps"] == pytest.approx(capacity["capacity_rps"] / 10) and of["full", 1]["rate_rps"] == 50
    assert of["full", 0]["requests"] == of["full", 1]["requests"] == 60
    assert [of["full", i]["rate_from"] for i in (0, 1)] == ["capacity", "given"]


def served(tree, **stage):
    """A chapter whose peer tells its environment and what it was asked, with a service of that kind before it."""
    program(tree, "peers", "mirror")
    return {"title": "t", "claim": "c", "repeat": 1,
            "load": {"rate": 30, "duration": "1500ms", "warmup": "0s", "mix": ["1 GET /"]},
            "stages": [{"name": "one", "server": {"peer": "mirror"}, **stage}]}


def page(name, url, **more):
    return {"name": name, "url": url, **more}


def test_services_get_their_ports_and_a_peer_those_of_the_services(built):
    program(built, "services", "store-a", {"start": PROGRAM, "service.json": '{"ports": ["CARBON"]}',
                                           "prepare": "#!/bin/sh\necho ready >\"$SERVICE_BUILD/prepared\"\n",
                                           "fill": "#!/bin/sh\necho \"$PORT\" >>\"$SERVICE_BUILD/filled\"\n"})
    program(built, "services", "delay")
    chapter = served(built, services=["store-a", {"name": "delay", "env": {"TO": "127.0.0.1:${STORE_A_PORT}"}}],
                     samples={"pages": [page("peer", "http://127.0.0.1:${SERVER_PORT}/environment"),
                                        page("delay", "http://127.0.0.1:${DELAY_PORT}/environment"),
                                        page("store", "http://127.0.0.1:${STORE_A_PORT}/environment"),
                                        page("drawn", "http://127.0.0.1:${DELAY_PORT}/picture", picture=True, caption="A <picture>.")]})
    result = run(built, chapter)
    line = loads(built)[0]
    check_void(result, [line])
    store, delay, peer = (line["pages"][name] for name in ("store", "delay", "peer"))
    assert delay["STORE_A_PORT"] == store["PORT"] and delay["STORE_A_CARBON_PORT"] == store["CARBON_PORT"]
    assert delay["TO"] == f"127.0.0.1:{store['PORT']}" and "CARBON_PORT" not in delay and "DELAY_PORT" not in store
    assert peer["DELAY_PORT"] == delay["PORT"] != peer["PORT"] and int(peer["ADMIN_PORT"]) > 0
    assert peer["PEER_BUILD"] == str(built / "built/peers/mirror") and peer["BUILD"] == str(built / "built")
    assert store["SERVICE_BUILD"] == str(built / "built/services/store-a")
    assert (built / "built/services/store-a/prepared").exists()
    assert (built / "built/services/store-a/filled").read_text() == store["PORT"] + "\n"
    assert (built / "out" / line["pages"]["drawn"]["picture"]).read_text().startswith("<svg")
    assert "A &lt;picture&gt;." in (built / "out/report.html").read_text()


def test_a_peers_loop_and_the_probe_are_sampled(built):
    chapter = served(built, samples={
        "loop": "/loop", "pages": [page("asked", "http://127.0.0.1:${SERVER_PORT}/asked")],
        "probe": {"line": "1 GET /probe?key={int:5-5}", "per_s": 100, "fields": {"first": "calls[0].us", "all": "calls.*.us"}}})
    chapter["claims"] = [{"say": "The loop is late", "value": "one.loop.p95", "at_least": 2.5},
                         {"say": "The probe saw it", "value": "one.probe.first.p50", "at_most": 7}]
    result = run(built, chapter)
    line = loads(built)[0]
    check_void(result, [line])
    assert line["loop_ms"] == {"p50": 1, "p95": 2.5, "p99": 3, "max": 4}
    first, both = line["probe"]["first"], line["probe"]["all"]
    assert first["count"] > 3 and (first["min"], first["max"]) == (7, 7)
    assert both["count"] == 2 * first["count"] and (both["min"], both["mean"], both["max"]) == (7, 8, 9)
    asked = line["pages"]["asked"]
    assert asked.count("/loop?reset=1") == 1 and asked.count("/loop") == 1 and asked.count("/probe?key=5") == first["count"]
    assert asked.index("/loop?reset=1") < asked.index("/probe?key=5") < asked.index("/loop")
    if result.returncode == 0:
        assert result.stdout.count(": holds.") == 2


def test_what_is_not_installed_is_not_measured(built):
    program(built, "services", "redis", {"start": PROGRAM, "prepare": "#!/bin/sh\necho line >&2\necho not installed: redis >&2\nexit 77\n"})
    chapter = served(built, services=["redis"])
    chapter["stages"].append({"name": "other", "server": {"peer": "mirror"}})
    chapter["claims"] = [{"say": "It is so", "left": "one.p99", "right": "other.p99", "ratio": {"at_most": 1}}]
    result = run(built, chapter)
    check_void(result, loads(built))
    assert [line["stage"] for line in loads(built)] == ["other"]
    assert [line["reason"] for line in lines(built) if line["kind"] == "unable"] == ["not installed: redis"]
    assert "It is so: not measured. one: not installed: redis." in result.stdout
    assert "not measured: not installed: redis" in (built / "out/report.html").read_text()


def test_what_cannot_be_prepared_is_not_measured(built):
    program(built, "services", "store", {"start": PROGRAM, "prepare": "#!/bin/sh\necho no such registry >&2\nexit 3\n"})
    chapter = served(built, services=["store"])
    chapter["stages"].append({"name": "other", "server": {"peer": "mirror"}})
    run(built, chapter)
    assert [line["stage"] for line in loads(built)] == ["other"]
    (reason,) = [line["reason"] for line in lines(built) if line["kind"] == "unable"]
    assert reason.endswith("services/store/prepare failed; the end of its log:\nno such registry")


def test_a_service_that_does_not_start_is_a_failure(built):
    program(built, "services", "redis", {"start": "#!/bin/sh\necho out of order\nexit 1\n"})
    result = run(built, served(built, services=["redis"]))
    assert result.returncode == 1 and "out of order" in result.stderr


def test_errors_make_a_load_void(built):
    chapter = tiny(repeat=1, claims=[{"say": "It is so", "value": "one.p99", "at_most": 1e9}])
    chapter["stages"].pop()
    chapter["load"]["mix"] = ["1 GET /nowhere"]
    result = run(built, chapter)
    assert result.returncode == 3 and "requests failed, at most 0 % are allowed" in loads(built)[0]["void"]
    assert "It is so: undecided." in result.stdout
    chapter["load"]["errors"] = 1
    result = run(built, chapter)
    check_void(result, loads(built))
    assert loads(built)[0]["errors"] == 1


def test_an_interruption_leaves_nothing_running(built):
    chapter = tiny()
    chapter["load"]["duration"] = "60s"
    path = built / "experiments/chapters/tiny.json"
    path.write_text(json.dumps(chapter))
    process = subprocess.Popen([BENCH, "chapter", path, "-o", built / "out", "--build", built / "built"],
                               env={**clean_environment(), "TMPDIR": str(built)}, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(processes_of(built)) > 1, what="a fleet is there")
    process.send_signal(signal.SIGTERM)
    assert "interrupted" in process.communicate(timeout=60)[1] and process.returncode == 1


@pytest.mark.parametrize("arguments, told", [
    ([], "a chapter is missing"), (["nowhere"], "No such file"), (["a", "b"], "unexpected argument: b"),
    (["a", "--repeat", "0"], "a whole number from 1 to 50"), (["--index", "x", "--full"], "--index goes with nothing else")])
def test_wrong_usage(tmp_path, arguments, told):
    result = subprocess.run([BENCH, "chapter", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert result.returncode == 2 and told in result.stderr


def test_a_wrong_file_is_told_with_all_its_mistakes(built):
    chapter = tiny(stagse=[])
    chapter["stages"][0]["load"] = {"rate": 0}
    result = run(built, chapter)
    assert result.returncode == 2
    assert "tiny.json: stagse: there is no such key" in result.stderr
    assert "stages[0].load.rate: is not allowed" in result.stderr


def test_the_index_has_every_chapter(tmp_path):
    for name, verdict in (("a", "holds"), ("b", "does not hold")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "chapter.json").write_text(json.dumps({
            "name": name, "title": f"The {name}", "claim": "c", "claims": [{"say": "It is so", "verdict": verdict, "reason": "1 < 2."}]}))
    result = subprocess.run([BENCH, "chapter", "--index", tmp_path], capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "index.html").read_text()
    assert 'href="a/report.html"' in text and "The b" in text and "1 &lt; 2." in text
    assert re.findall(r'class="(holds|fails)"', text) == ["holds", "fails"]
    shutil.rmtree(tmp_path / "a")
    shutil.rmtree(tmp_path / "b")
    assert subprocess.run([BENCH, "chapter", "--index", tmp_path], capture_output=True, timeout=30).returncode == 1


@pytest.mark.parametrize("path", sorted(CHAPTERS.glob("*.json")), ids=lambda path: path.stem)
def test_every_chapter_can_be_read(built, path):
    """With a stage whose name is there twice it is refused for that alone: everything else in it is right."""
    chapter = json.loads(path.read_text())
    chapter["stages"].append({**chapter["stages"][0], "load": chapter["stages"][0].get("load", {})})
    result = run(built, chapter, name=path.stem)
    told = [line for line in result.stderr.splitlines() if ".json: " in line]
    assert result.returncode == 2 and len(told) == 1 and "is there twice" in told[0], result.stderr
