"""The workers' timeline: /trace.json and quernctl trace, and what quern-bench timeline makes of it."""

import concurrent.futures
import json
import os
import re
import stat
import subprocess
import xml.etree.ElementTree

import pytest

from fleet import BUILD, Fleet, clean_environment, connect, wait_until

SECRET = "CONFIDENTIAL7311"


def run(program, *words):
    return subprocess.run([str(BUILD / program), *(str(word) for word in words)], capture_output=True, text=True,
                          timeout=60, env=clean_environment(), check=False)


def quernctl(fleet, *words):
    return run("quernctl", "--admin", f"{fleet.admin[0]}:{fleet.admin[1]}", *words)


def together(*calls):
    """All of them at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()


def serve(fleet):
    """A worker that is kept for 60 ms while others wait for it, and one that is not."""
    def burn():
        fleet.get("/lab/burn?us=60000", at=fleet.worker(0))

    def draw():
        for _ in range(3):
            fleet.get(f"/qr?text={SECRET}", at=fleet.worker(0))

    together(burn, draw, draw, draw, draw)
    assert fleet.get("/qr?text=A", at=fleet.worker(1)).status == 200
    assert fleet.get("/qr?text=", at=fleet.worker(1)).status == 400


@pytest.fixture(scope="module")
def served():
    with Fleet({"workers.count": 2, "lab.enabled": True}) as fleet:
        serve(fleet)
        wait_until(lambda: fleet.status()["fleet"]["requests"] == 15)
        yield fleet


def trace(fleet, query=""):
    answer = fleet.get(f"/trace.json{query}", at=fleet.admin)
    assert answer.status == 200 and answer.header("Content-Type") == "application/json"
    return answer.json()["traceEvents"]


def lanes(events):
    """The boxes of each lane, by time."""
    found = {}
    for event in events:
        if event["ph"] == "X":
            found.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
    return {lane: sorted(boxes) for lane, boxes in found.items()}


def check_format(events):
    """The rules of trace events, as Perfetto wants them."""
    opened, named = {}, set()
    for event in events:
        assert event["ph"] in "MXbne" and event["pid"] > 0 and event["name"]
        if event["ph"] == "M":
            named.add((event["pid"], event["tid"]))
            continue
        assert event["ts"] > 0 and (event["pid"], event["tid"]) in named
        if event["ph"] == "X":
            assert event["dur"] >= 0 and event["args"]["job"] >= 1
            continue
        key = event["cat"], event["id"], event["pid"]
        if event["ph"] == "b":
            assert key not in opened
            opened[key] = event["ts"]
        assert event["ts"] >= opened[key]
        if event["ph"] == "e":
            opened[key] = float("inf")
    assert all(ts == float("inf") for ts in opened.values())
    for boxes in lanes(events).values():
        for (_, end), (start, _) in zip(boxes, boxes[1:]):
            assert end <= start, boxes


def names(events, kind):
    return {event["args"]["name"] for event in events if event["ph"] == "M" and event["name"] == kind}


def finished(events):
    """What is told of each request: of those in one piece in their box, else in the begin of their life."""
    return [event for event in events if event["ph"] in "Xb" and "status" in event.get("args", {})]


def test_every_request_is_there_once(served):
    events = trace(served)
    check_format(events)
    assert names(events, "process_name") == {"worker 0", "worker 1"}
    assert {"loop", "waiting", "backend"} <= names(events, "thread_name")
    requests = [event for event in finished(events) if event["name"] != "/healthz"]
    routes = [event["name"] for event in requests]
    assert routes.count("/lab/burn") == 1 and routes.count("/qr") >= 13
    statuses = [event["args"]["status"] for event in requests]
    assert statuses.count(200) == 14
    pids = {event["pid"] for event in requests}
    assert pids == {served.pid(0), served.pid(1)}
    for pid in pids:
        jobs = [event["args"]["job"] for event in requests if event["pid"] == pid]
        assert len(set(jobs)) == len(jobs)


def test_the_burn_kept_the_loop_and_others_waited(served):
    requests = finished(trace(served, "?worker=0"))
    burn = next(event for event in requests if event["name"] == "/lab/burn")
    if burn["ph"] == "X":
        assert burn["dur"] >= 60000
    waits = [event["args"]["wait_us"] for event in requests]
    assert all(0 <= wait < 60e6 for wait in waits)


def test_a_worker_and_a_time_can_be_asked_for(served):
    assert names(trace(served, "?worker=1"), "process_name") == {"worker 1"}
    assert trace(served, "?worker=7") == []
    everything = trace(served, "?seconds=3600&worker=0")
    assert everything == trace(served, "?worker=0")
    wait_until(lambda: trace(served, "?seconds=0.01") == [])


@pytest.mark.parametrize("query, says", [
    ("worker=8", "worker must be the number of a slot, 0 to 7"),
    ("worker=-1", "worker must be the number of a slot, 0 to 7"),
    ("worker=", "worker must be the number of a slot, 0 to 7"),
    ("worker=0x1", "worker must be the number of a slot, 0 to 7"),
    ("worker=0&worker=0", "worker is given twice"),
    ("seconds=0", "seconds must be a number above 0, at most 86400"),
    ("seconds=-2", "seconds must be a number above 0, at most 86400"),
    ("seconds=nan", "seconds must be a number above 0, at most 86400"),
    ("seconds=90000", "seconds must be a number above 0, at most 86400"),
    ("seconds=1&seconds=1", "seconds is given twice"),
    ("second=1", "the query may have worker and seconds, and nothing else"),
    ("worker=%zz", "a '%' in the query is not followed by two hexadecimal digits"),
    ("worker=" + "1" * 300, "the query is longer than 256 bytes"),
])
def test_a_wrong_question_is_told_what_is_allowed(served, query, says):
    answer = served.get(f"/trace.json?{query}", at=served.admin)
    assert answer.status == 400 and answer.error()["message"] == says


def test_it_only_reads(served):
    assert served.get("/trace.json", method="POST", at=served.admin).status == 405


def test_it_never_holds_a_text():
    """Neither one that became a picture, nor one that was hashed or refused, nor a name or path of nobody's."""
    options = {"workers.count": 1, "lab.enabled": True}
    with Fleet(options) as fleet:
        paths = [f"/qr?text={SECRET}", f"/lab/hash?text={SECRET}&rounds=10", f"/{SECRET}", f"/qr?{SECRET}=1",
                 f"/lab/lookup?key={SECRET}", f"/lab/burn?us={SECRET}"]
        for path in paths:
            fleet.get(path)
        fleet.get("/qr", method="POST", body=SECRET, headers={"Content-Type": "text/plain"})
        answer = wait_until(lambda: (a := fleet.get("/trace.json", at=fleet.admin)).body.count(b'"status"') >= 2 and a)
        assert b"/qr" in answer.body
        assert SECRET.encode() not in answer.body and SECRET.lower().encode() not in answer.body.lower()
        # Names are those of routes, and nothing else is a text.
        events = answer.json()["traceEvents"]
        texts = {value for event in events for value in event.values() if isinstance(value, str)}
        assert all(re.fullmatch(r"[MXbne]|none|/|/[a-z/]+|(process|thread)_[a-z_]+|wait|request|backend", text)
                   for text in texts), texts


def test_a_worker_that_died_leaves_its_trace():
    with Fleet({"workers.count": 1}) as fleet:
        for _ in range(5):
            fleet.get("/qr?text=A")
        wait_until(lambda: len(finished(trace(fleet))) >= 5)
        old = fleet.kill(0)
        wait_until(lambda: fleet.pid(0) not in (0, old) and fleet.get("/healthz").status == 200)
        fleet.get("/qr?text=B")
        events = wait_until(lambda: (e := trace(fleet)) if "worker 0" in names(trace(fleet), "process_name") else None)
        assert names(events, "process_name") == {"worker 0", "worker 0, before"}
        check_format(events)


def leave_early(fleet, path):
    """Asks, and is gone before the answer can be there."""
    with connect(fleet.worker(0)) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


@pytest.mark.parametrize("strategy", ["inline", "offload", "yield"])
def test_every_strategy_leaves_a_valid_trace(strategy, tmp_path):
    """Long and short jobs together, more than a pool takes, and clients that leave."""
    options = {"workers.count": 1, "lab.enabled": True, "execution.strategy": strategy, "execution.threads": 2,
               "execution.queue": 1, "execution.slice_us": 500}
    with Fleet(options) as fleet:
        def hash_text():
            for _ in range(3):
                assert fleet.get("/lab/hash?text=A&rounds=20000").status == 200

        def draw():
            for _ in range(10):
                assert fleet.get("/qr?text=A").status == 200

        together(*[hash_text] * 5, *[draw] * 3,
                 *[lambda: leave_early(fleet, "/lab/hash?text=A&rounds=200000")] * 3)

        def all_answered():
            events = trace(fleet)
            jobs = [event for event in finished(events) if event["args"]["status"] == 200
                    and event["name"] in ("/qr", "/lab/hash")]
            return events if len(jobs) >= 45 else None

        answered = wait_until(all_answered)
        check_format(answered)
        check_format(trace(fleet))
        threads = {name for name in names(answered, "thread_name") if name.startswith("thread ")}
        assert threads == ({"thread 0", "thread 1"} if strategy == "offload" else set())
        hashes = [event["args"]["pieces"] for event in finished(answered)
                  if event["name"] == "/lab/hash" and event["args"]["status"] == 200]
        if strategy == "yield":
            assert min(hashes) >= 1 and max(hashes) > 3
        else:  # with threads: the loop begins it, a thread does it, the loop answers
            assert set(hashes) == {3 if strategy == "offload" else 0}
        file = tmp_path / "trace.json"
        assert quernctl(fleet, "trace", "-o", file).returncode == 0
    done = run("quern-bench", "timeline", file, "-o", tmp_path / "trace.svg")
    assert done.returncode == 0, done.stderr
    xml.etree.ElementTree.parse(tmp_path / "trace.svg")


# --- quernctl trace ---------------------------------------------------------------------------------------------------


def test_quernctl_prints_what_the_admin_process_gives(served):
    done = quernctl(served, "trace")
    assert done.returncode == 0 and done.stderr == ""
    assert json.loads(done.stdout)["traceEvents"] == trace(served)
    done = quernctl(served, "trace", "--worker", 1, "--seconds", 3600)
    assert json.loads(done.stdout)["traceEvents"] == trace(served, "?worker=1")


def test_quernctl_replaces_a_file_whole_or_not_at_all(served, tmp_path):
    file = tmp_path / "trace.json"
    file.write_text("old")
    assert quernctl(served, "trace", "--worker", 99, "-o", file).returncode == 1
    assert file.read_text() == "old"
    done = quernctl(served, "trace", "-o", file)
    assert done.returncode == 0 and done.stdout == done.stderr == ""
    assert json.loads(file.read_text())["traceEvents"] == trace(served)
    assert [entry.name for entry in tmp_path.iterdir()] == ["trace.json"]


def test_quernctl_writes_to_a_pipe_in_its_place(served, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    together(lambda: read.append(pipe.read_text()), lambda: quernctl(served, "trace", "-o", pipe))
    assert json.loads(read[0])["traceEvents"] == trace(served)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("words, says", [
    (["--worker", "99"], r"quernctl: [0-9.:]+: worker must be the number of a slot, 0 to 7"),
    (["-o", "/nonexistent/x"], "quernctl: cannot write /nonexistent/x: No such file or directory"),
    (["-o", "/"], "quernctl: cannot write /: Is a directory"),
    (["-o", "/dev/full"], "quernctl: cannot write /dev/full: No space left on device"),
])
def test_quernctl_tells_what_failed(served, words, says):
    done = quernctl(served, "trace", *words)
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(says + "\n", done.stderr), done.stderr


@pytest.mark.parametrize("words, says", [
    (["trace", "--worker", "one"], '--worker: "one" is not allowed; allowed: the number of a slot, from 0'),
    (["trace", "--seconds", "0"], '--seconds: "0" is not allowed; allowed: a number above 0, at most 86400'),
    (["trace", "--seconds", "1s"], '--seconds: "1s" is not allowed; allowed: a number above 0, at most 86400'),
    (["trace", "--worker", "1", "--worker", "1"], "--worker was given twice"),
    (["status", "--worker", "1"], "--worker belongs to trace"),
    (["status", "--seconds", "1"], "--seconds belongs to trace"),
    (["top", "-o", "x"], "-o belongs to trace"),
    (["trace", "x"], "unexpected argument: x"),
])
def test_quernctl_refuses_wrong_usage(words, says):
    done = run("quernctl", "--admin", "127.0.0.1:1", *words)
    assert done.returncode == 2 and done.stderr.startswith(f"quernctl: {says}\n"), done.stderr


def test_quernctl_says_where_nobody_answers():
    done = run("quernctl", "--admin", "127.0.0.1:1", "trace")
    assert done.returncode == 1 and "is quernd running?" in done.stderr


# --- quern-bench timeline ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(served, tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "trace.json"
    assert quernctl(served, "trace", "-o", path).returncode == 0
    return path


def test_the_worst_moment_becomes_a_picture(file, tmp_path):
    picture = tmp_path / "worst.svg"
    done = run("quern-bench", "timeline", file, "-o", picture, "--title", "Burnt & <waiting>")
    assert done.returncode == 0, done.stderr
    assert re.match(r"worker \d: request \d+ waited \d+\.\d ms", done.stdout)
    root = xml.etree.ElementTree.parse(picture).getroot()
    namespace = "{http://www.w3.org/2000/svg}"
    assert root.tag == namespace + "svg"
    assert root.find(namespace + "title").text == "Burnt & <waiting>"
    assert done.stdout.strip() in root.find(namespace + "desc").text
    assert SECRET not in picture.read_text()


def test_a_moment_and_a_worker_can_be_chosen(file):
    everything = run("quern-bench", "timeline", file, "--worker", 0, "--from", 0, "--to", 10000, "-o", "-")
    assert everything.returncode == 0 and everything.stdout.startswith("<svg ")
    assert ">/lab/burn</text>" in everything.stdout
    other = run("quern-bench", "timeline", file, "--worker", 1, "-o", "-")
    assert other.returncode == 0 and "/lab/burn" not in other.stdout


@pytest.mark.parametrize("words, code, says", [
    ([], 2, "TRACE.json is missing"),
    (["x"], 2, "-o FILE.svg is missing"),
    (["x", "-o", "y", "--from", "1"], 2, "--from and --to belong together"),
    (["x", "-o", "y", "--from", "2", "--to", "1"], 2, "--from must be less than --to"),
    (["x", "-o", "y", "--from", "1", "--to", "2", "--worst"], 2, "--worst excludes --from and --to"),
    (["x", "-o", "y", "--worker", "-1"], 2, '--worker: "-1" is not allowed'),
    (["/nonexistent", "-o", "y"], 1, "/nonexistent: No such file or directory"),
    (["/dev/null", "-o", "y"], 1, "/dev/null: not JSON: line 1, column 0"),
])
def test_what_cannot_be_drawn_is_told(words, code, says):
    done = run("quern-bench", "timeline", *words)
    assert done.returncode == code and done.stderr.startswith(f"quern-bench timeline: {says}"), done.stderr


def test_a_trace_without_what_is_wished_is_told(file, tmp_path):
    picture = tmp_path / "none.svg"
    done = run("quern-bench", "timeline", file, "--worker", 5, "-o", picture)
    assert done.returncode == 1 and "the trace has no request of worker 5" in done.stderr
    assert not picture.exists()
