"""`quern-bench load` against a server of known behaviour, and against quernd.

Where lateness is not the subject, a run may be as late as it likes: the machine may be busy, and instrumented programs are
slow. Bounds on latency are therefore only those that a server's own delay gives: nothing makes an answer come earlier, but
for BUCKET, within which percentiles (not the largest value) are interpolated.
"""

import collections
import contextlib
import http.server
import json
import math
import os
import pty
import re
import select
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

from fleet import BUILD, FINDINGS, Fleet, clean_environment, wait_until

BENCH = BUILD / "quern-bench"
BUCKET = 1 - 1 / 256
ANY_LATENESS = ("--max-lateness", "1h")


class Server:
    """Answers /sleep?ms=N after that time, /status/N with it, /hang never, /close by hanging up, /garbage with no HTTP, and
    all else at once. `seen` has method, target and body of every request."""

    def __init__(self, tls=None):
        server = self
        self.seen = []
        self.release = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.seen.append((self.command, self.path, body))
                url = urllib.parse.urlsplit(self.path)
                status = 200
                if url.path == "/sleep":
                    time.sleep(float(urllib.parse.parse_qs(url.query)["ms"][0]) / 1000)
                elif url.path == "/hang":
                    server.release.wait()
                    self.close_connection = True
                    return
                elif url.path == "/close":
                    self.close_connection = True
                    return
                elif url.path == "/garbage":
                    self.wfile.write(b"this is no HTTP\r\n\r\n")
                    self.close_connection = True
                    return
                elif url.path.startswith("/status/"):
                    status = int(url.path.rpartition("/")[2])
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(b"ok")

            do_GET = do_POST = do_HEAD = answer

            def log_message(self, *arguments):
                pass

        class Threads(http.server.ThreadingHTTPServer):
            request_queue_size = 1024

            def handle_error(self, request, client_address):
                pass  # clients that time out hang up, which is what they are made for here

        self.server = Threads(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.release.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def fleet():
    with Fleet({"workers.count": 2, "lab.enabled": True}) as running:
        yield running


def url_of(fleet, path="", slot=0):
    host, port = fleet.worker(slot)
    return f"http://{host}:{port}{path}"


def load(*words, timeout=120, **more):
    """Runs the command without a warm-up, unless one is given; no output may hold a sanitizer's finding."""
    words = [str(word) for word in words]
    if "--warmup" not in words:
        words += ["--warmup", "0s"]
    done = subprocess.run([BENCH, "load", *words], stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                          text=True, timeout=timeout, env=clean_environment(), check=False, **more)
    assert not FINDINGS.search(done.stderr), done.stderr
    assert done.returncode in (0, 1, 2, 3), done
    return done


def measure(*words, code=0, **more):
    """The JSON of a load that standard output holds alone."""
    done = load(*words, "--json", "-", *(() if "--max-lateness" in words else ANY_LATENESS), **more)
    assert done.returncode == code, done.stderr + done.stdout
    return json.loads(done.stdout)


def write(path, text):
    path.write_text(text)
    return path


# --- arrivals ----------------------------------------------------------------------------------------------------


def test_constant_rate(server):
    result = measure(f"{server.url}/a", "--rate", 200, "--duration", "1s", "--arrivals", "constant")
    assert abs(result["requests"] - 200) <= 1
    assert result["requests"] == len(server.seen) == result["statuses"]["200"]
    assert set(server.seen) == {("GET", "/a", b"")}
    assert result["offered_rps"] == 200 and abs(result["intended_rps"] - 200) <= 2
    assert result["arrivals"] == "constant" and result["errors"] == 0 and result["void"] is None
    assert result["url"] == f"{server.url}/a"


def test_poisson_rate_warm_up_and_seed(server):
    words = (f"{server.url}/", "--rate", 300, "--duration", "1s", "--warmup", "500ms", "--seed", 42)
    first = measure(*words)
    # Four standard deviations of a Poisson count; with this seed it is the same count every time.
    assert abs(first["requests"] - 300) < 4 * math.sqrt(300)
    assert abs(first["warmup_requests"] - 150) < 4 * math.sqrt(150)
    assert len(server.seen) == first["requests"] + first["warmup_requests"]
    again = measure(*words)
    assert (again["requests"], again["warmup_requests"], again["seed"]) == \
        (first["requests"], first["warmup_requests"], 42)


def test_number_of_requests(server):
    result = measure(f"{server.url}/", "--rate", 400, "--requests", 123)
    assert result["requests"] == len(server.seen) == 123
    assert result["seed"] != measure(f"{server.url}/", "--rate", 400, "--requests", 1)["seed"]


def test_trace(server, tmp_path):
    trace = write(tmp_path / "trace", "# seconds\n0.1\n0.1\n0.15 # close\n0.4\n\n0.9\n")
    record = tmp_path / "record"
    result = measure(f"{server.url}/", "--arrivals", f"trace:{trace}", "--record", record)
    intended = sorted(float(line.split("\t")[0]) for line in record.read_text().splitlines()[1:])
    assert intended == [100000, 100000, 150000, 400000, 900000]
    assert result["arrivals"] == "trace" and result["requests"] == 5
    # Four gaps in 0.8 s are 5 a second; at 10 everything comes in half the time.
    assert result["offered_rps"] == pytest.approx(5)
    measure(f"{server.url}/", "--arrivals", f"trace:{trace}", "--rate", 10, "--record", record)
    scaled = sorted(float(line.split("\t")[0]) for line in record.read_text().splitlines()[1:])
    assert scaled == pytest.approx([time / 2 for time in intended])


# --- latency -----------------------------------------------------------------------------------------------------


def test_percentiles_of_a_known_delay(server, tmp_path):
    mix = write(tmp_path / "mix", "80 GET /fast\n20 GET /sleep?ms=60\n")
    result = measure(server.url, "--mix", mix, "--rate", 200, "--requests", 640, "--seed", 1)
    latency, (fast, slow) = result["latency_ms"], result["templates"]
    # 128 of 640 are slow, give or take 10 (one standard deviation): p90 is one of them, whatever the seed.
    assert slow["latency_ms"]["p50"] >= 60 * BUCKET and fast["latency_ms"]["p50"] < slow["latency_ms"]["p50"]
    assert 60 * BUCKET <= latency["p90"] <= latency["p95"] <= latency["p99"] <= latency["max"]
    assert latency["mean"] == pytest.approx((fast["latency_ms"]["mean"] * fast["requests"]
                                             + slow["latency_ms"]["mean"] * slow["requests"]) / 640, rel=1e-4)
    # Eight batches of 64 are enough for an interval of the mean.
    low, high = latency["mean_interval"]
    assert low <= latency["mean"] <= high


def test_a_freeze_shows():
    """A worker that stands still for 2 s: everything intended meanwhile waits for the rest of it."""
    with Fleet({"workers.count": 1, "limits.queue": 1000, "limits.queue_ms": 60000}) as frozen:
        url = url_of(frozen, "/qr?text=A")
        with subprocess.Popen([BENCH, "load", url, "--rate", "200", "--duration", "6s", "--warmup", "0s", "--timeout", "20s",
                               "--json", "-", *ANY_LATENESS], stdout=subprocess.PIPE, env=clean_environment()) as process:
            wait_until(lambda: frozen.status()["fleet"]["requests"] > 50)
            pid = frozen.kill(0, signal.SIGSTOP)
            start = time.monotonic()
            time.sleep(2)  # is what is measured here
            os.kill(pid, signal.SIGCONT)
            frozen_s = time.monotonic() - start
            result = json.loads(process.communicate(timeout=60)[0])
        assert process.returncode == 0
        latency = result["latency_ms"]
        # 2 s of 6 are frozen and the last ones of those 400 wait least, so more than 1 in 1,000 waits nearly all of it.
        assert 1900 <= latency["p999"] <= latency["max"]
        assert latency["p50"] < 1000 * frozen_s / 2
        assert result["errors"] == 0 and result["requests"] > 1000


def test_a_pool_at_its_bound_lets_requests_wait(server):
    result = measure(f"{server.url}/sleep?ms=20", "--rate", 200, "--requests", 100, "--connections", 2)
    # Two connections carry 100 a second, so half of them come too early; none is left out.
    assert result["requests"] == len(server.seen) == 100
    assert result["connections"]["most"] == 2
    assert result["waited"] > 50 and result["waiting_ms"]["max"] > 20
    assert result["latency_ms"]["max"] >= result["waiting_ms"]["max"] + 20


# --- errors ------------------------------------------------------------------------------------------------------


def test_errors_are_part_of_the_percentiles(server, tmp_path):
    mix = write(tmp_path / "mix", "60 GET /\n10 GET /status/503\n10 GET /hang\n10 GET /close\n10 GET /garbage\n")
    done = load(server.url, "--mix", mix, "--rate", 200, "--requests", 200, "--timeout", "2s", "--json", "-",
                *ANY_LATENESS)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    statuses = collections.Counter(result["statuses"])
    good, failing, hanging, closing, garbage = result["templates"]
    assert statuses["503"] == failing["errors"] == failing["requests"] > 0
    assert statuses["timeout"] >= hanging["errors"] == hanging["requests"] > 0
    assert statuses["reset"] >= closing["errors"] == closing["requests"] > 0
    assert statuses["broken"] >= garbage["errors"] == garbage["requests"] > 0
    assert sum(statuses.values()) == result["requests"] == 200
    assert result["errors"] == 200 - statuses["200"] and good["requests"] - good["errors"] == statuses["200"]
    # About 20 of 200 hang, so p99 is one of them: a timeout counts with the time that it took.
    assert hanging["latency_ms"]["p50"] >= 2000 * BUCKET and result["latency_ms"]["p99"] >= 2000 * BUCKET
    assert re.search(rf"note: {result['errors']} of 200 requests failed", done.stderr)


def test_not_one_success_is_a_failure(server):
    done = load(f"{server.url}/status/404", "--rate", 100, "--requests", 5, *ANY_LATENESS)
    assert done.returncode == 1
    assert "not one request succeeded" in done.stderr
    assert "404: 5" in done.stdout and "no request succeeded" in done.stdout


def test_unreachable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        port = taken.getsockname()[1]
        done = load(f"http://127.0.0.1:{port}/", "--rate", 10)
    assert done.returncode == 1 and done.stdout == ""
    assert "Connection refused" in done.stderr and str(port) in done.stderr


# --- mixes -------------------------------------------------------------------------------------------------------


def test_mix_shares_and_contents(server, tmp_path):
    mix = write(tmp_path / "mix", "9 GET /a?text={text:5}\n"
                '1 POST /b application/json {{"n": {int:3-4}}}\n# the end\n')
    result = measure(server.url, "--mix", mix, "--rate", 500, "--requests", 1000, "--seed", 3)
    gets = [path for method, path, _ in server.seen if method == "GET"]
    posts = [body for method, _, body in server.seen if method == "POST"]
    # Four standard deviations of a binomial count: sqrt(1000 * 0.9 * 0.1) = 9.5.
    assert abs(len(gets) - 900) < 38
    assert all(re.fullmatch(r"/a\?text=[A-Za-z0-9]{5}", path) for path in gets)
    assert len(set(gets)) > 0.99 * len(gets), "contents are drawn anew for each request"
    assert {json.loads(body)["n"] for body in posts} == {3, 4}
    assert [(t["name"], t["requests"]) for t in result["templates"]] == \
        [("GET /a?text={text:5}", len(gets)), ("POST /b", len(posts))]
    first = sorted(gets)
    server.seen.clear()
    measure(server.url, "--mix", mix, "--rate", 500, "--requests", 1000, "--seed", 3)
    assert sorted(path for method, path, _ in server.seen if method == "GET") == first


def test_table(server, tmp_path):
    mix = write(tmp_path / "mix", "1 GET /a\n1 GET /b\n")
    done = load(server.url, "--mix", mix, "--rate", 200, "--requests", 200, "--seed", 5, *ANY_LATENESS)
    assert done.returncode == 0 and done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 100
    for line in (rf"Load of {re.escape(server.url)}\n", r"  offered +200.0 /s   poisson arrivals, seed 5\n",
                 r"  answered .* with status 200: 200\n", r" +mean +p50 +p90 +p95 +p99 +p99.9 +max\n",
                 r"Latency( +[\d.]+ (us|ms|s)){7}\n", r"  GET /a\n    \d+ requests", r"  lateness( +[\d.]+ (us|ms|s)){7}\n"):
        assert re.search(line, done.stdout), (line, done.stdout)
    assert "VOID" not in done.stdout


# --- files -------------------------------------------------------------------------------------------------------


def test_record(fleet, tmp_path):
    mix = write(tmp_path / "mix", "1 GET /lab/sleep?us={us:exp:1ms}\n1 GET /qr?text={text:9}\n")
    record = tmp_path / "record"
    result = measure(url_of(fleet, slot=1), "--mix", mix, "--rate", 200, "--requests", 200, "--record", record)
    head, *lines = record.read_text().splitlines()
    names = head.removeprefix("# ").split("\t")
    assert names == ["intended_us", "sent_us", "done_us", "status", "worker", "queue_us", "service_us", "due_us",
                     "asked_us", "template"]
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines]
    assert len(rows) == result["requests"] == 200
    for row in rows:
        intended, due, sent, done = (float(row[f"{name}_us"]) for name in ("intended", "due", "sent", "done"))
        assert intended <= due <= sent < done
        assert (row["status"], row["worker"]) == ("200", "1")
        assert float(row["queue_us"]) >= 0
        if row["template"] == "0":
            # The worker sleeps at least as long as it was asked to, and the client waits at least for that.
            assert float(row["asked_us"]) <= float(row["service_us"]) <= done - sent
        else:
            assert (row["template"], row["asked_us"]) == ("1", "-") and float(row["service_us"]) > 0
    ends = [float(row["done_us"]) for row in rows]
    assert ends == sorted(ends)
    latencies = [(float(row["done_us"]) - float(row["intended_us"])) / 1000 for row in rows]
    assert result["latency_ms"]["max"] == pytest.approx(max(latencies), abs=1e-5)
    assert result["latency_ms"]["mean"] == pytest.approx(sum(latencies) / 200, abs=1e-5)
    assert result["server"]["service_ms"]["max"] == pytest.approx(
        max(float(row["service_us"]) for row in rows) / 1000, abs=1e-5)


def test_hdr_and_service_histogram(fleet, tmp_path):
    hdr, histogram = tmp_path / "hdr", tmp_path / "histogram"
    result = measure(url_of(fleet, "/lab/sleep?us=2000"), "--rate", 100, "--requests", 100, "--hdr", hdr,
                     "--service-hist", histogram)
    lines = hdr.read_text().splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"] and lines[1] == ""
    rows = [[float(field) for field in line.split()] for line in lines[2:-3]]
    assert all(len(row) == 4 for row in rows)
    assert rows[-1] == [pytest.approx(result["latency_ms"]["max"], abs=1e-3), 1, 100, math.inf]
    assert rows[0][0] >= 2 and [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert [line.split("=")[0] for line in lines[-3:]] == ["#[Mean    ", "#[Max     ", "#[Buckets "]

    ranges = [line.split() for line in histogram.read_text().splitlines() if not line.startswith("#")]
    assert sum(int(count) for _, _, count in ranges) == 100
    assert float(ranges[0][0]) >= 2000
    assert float(ranges[-1][1]) == pytest.approx(1000 * result["server"]["service_ms"]["max"], abs=1e-2)


def test_service_histogram_of_a_server_that_tells_nothing(server, tmp_path):
    done = load(f"{server.url}/", "--rate", 100, "--requests", 5, "--service-hist", tmp_path / "h", *ANY_LATENESS)
    assert done.returncode == 1 and "told no service times" in done.stderr
    assert "Latency" in done.stdout and not (tmp_path / "h").exists()


@pytest.mark.parametrize("option", ["--json", "--hdr", "--record", "--service-hist"])
def test_full_disk(fleet, tmp_path, option):
    """The others are written all the same."""
    files = {name: tmp_path / name.strip("-") for name in ("--json", "--hdr", "--record", "--service-hist")}
    files[option] = "/dev/full"
    words = [word for pair in files.items() for word in pair]
    done = load(url_of(fleet, "/lab/sleep?us=10"), "--rate", 200, "--requests", 50, *words, *ANY_LATENESS)
    assert done.returncode == 1
    assert "cannot write /dev/full: No space left on device" in done.stderr
    assert "Latency" in done.stdout
    for name, path in files.items():
        if name != option:
            assert path.stat().st_size > 0, name


def test_standard_output_is_full(server):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = load(f"{server.url}/", "--rate", 100, "--requests", 5, *ANY_LATENESS, stdout=full)
    assert done.returncode == 1
    assert "cannot write to standard output: No space left on device" in done.stderr


def test_a_place_that_is_not_there_is_told_before(server, tmp_path):
    for option in ("--json", "--hdr", "--record", "--service-hist"):
        done = load(f"{server.url}/", "--rate", 1, "--duration", "1h", option, tmp_path / "no" / "file")
        assert done.returncode == 1 and f"cannot write {tmp_path}/no/file: No such file or directory" in done.stderr
    assert not server.seen


# --- runs that do not count, or end early ------------------------------------------------------------------------


def test_void_when_late(server):
    words = (f"{server.url}/", "--rate", 100, "--requests", 50, "--max-lateness", "1us")
    reason = measure(*words, code=3)["void"]
    # No machine wakes a process within a microsecond of its time 99 times in 100.
    assert re.fullmatch(r"the generator was late: p99 of its lateness is [\d.]+ \w+, at most 1.00 us is allowed", reason)
    done = load(*words)
    assert done.returncode == 3 and "\nVOID: the generator was late" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(server, tmp_path, number):
    result, record = tmp_path / "json", tmp_path / "record"
    with subprocess.Popen([BENCH, "load", f"{server.url}/sleep?ms=5", "--rate", "100", "--duration", "100s", "--warmup", "0s",
                           "--json", result, "--record", record, *ANY_LATENESS], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=clean_environment()) as process:
        wait_until(lambda: len(server.seen) >= 50)
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 3 and errors == ""
    assert re.search(r"\nVOID: interrupted after \d+\.\d s of 100 s\.\n", output)
    assert re.search(r"Latency( +[\d.]+ (us|ms|s)){7}\n", output)
    measured = json.loads(result.read_text())
    assert re.fullmatch(r"interrupted after \d+\.\d s of 100 s", measured["void"])
    assert measured["requests"] >= 50 and measured["duration_s"] < 90
    assert sum(measured["statuses"].values()) == len(record.read_text().splitlines()) - 1 == measured["requests"]


def test_interrupted_during_the_warm_up(server):
    with subprocess.Popen([BENCH, "load", f"{server.url}/", "--rate", "100", "--duration", "1s", "--warmup", "100s",
                           "--json", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=clean_environment()) as process:
        wait_until(lambda: len(server.seen) >= 5)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "VOID: interrupted after" in errors and "no request was measured" in errors
    measured = json.loads(output)
    assert measured["requests"] == 0 and measured["latency_ms"]["p99"] is None


def test_ends_when_precise_enough(server, tmp_path):
    """p99 lies in the middle of the slow 2 %, which come by lot and not in clusters as a busy machine's stalls do."""
    mix = write(tmp_path / "mix", "98 GET /\n2 GET /sleep?ms=500\n")
    result = measure(server.url, "--mix", mix, "--rate", 400, "--duration", "100s", "--precision", "100%", "--seed", 1)
    assert result["ended_early"] and result["duration_s"] < 90
    low, high = result["latency_ms"]["p99_interval"]
    assert low <= result["latency_ms"]["p99"] <= high


def test_progress_on_a_terminal(server):
    master, slave = pty.openpty()
    shown = b""
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, master)
        process = stack.enter_context(subprocess.Popen(
            [BENCH, "load", f"{server.url}/status/500", "--rate", "50", "--duration", "100s", "--warmup", "1s",
             *ANY_LATENESS], stdout=subprocess.PIPE, stderr=slave, env=clean_environment()))
        os.close(slave)

        def read():
            nonlocal shown
            while select.select([master], [], [], 0)[0]:
                shown += os.read(master, 65536)
            return shown.decode()

        wait_until(lambda: re.search(
            r"\r[\d.]+ s  \d+ /s  p50 [\d.]+ \w+  p99 [\d.]+ \w+  errors \d+  \d+ s left\x1b\[K", read()))
        assert re.search(r"\r[\d.]+ s  warm-up  \d+ s left", shown.decode())
        process.send_signal(signal.SIGINT)
        table = process.stdout.read().decode()
        # Reading a terminal whose last writer is gone is an error on Linux.
        with contextlib.suppress(OSError):
            while chunk := os.read(master, 65536):
                shown += chunk
        assert process.wait(30) == 1, "not one request succeeded"
    assert shown.decode().rstrip().endswith("\r\x1b[Kquern-bench load: not one request succeeded")
    assert "VOID: interrupted" in table


# --- https -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", folder / "key", "-out", folder / "certificate", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"], check=True, capture_output=True)
    return folder


def test_https(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate", certificate / "key")
    with Server(context) as server:
        refused = load(f"{server.url}/", "--rate", 100, "--requests", 10)
        assert refused.returncode == 1 and "certificate" in refused.stderr
        assert not server.seen
        result = measure(f"{server.url}/sleep?ms=3", "--rate", 100, "--requests", 50, "--insecure")
        assert result["statuses"] == {"200": 50} and result["latency_ms"]["p50"] >= 3 * BUCKET
        assert set(server.seen) == {("GET", "/sleep?ms=3", b"")}


# --- wrong usage -------------------------------------------------------------------------------------------------

URL = "http://127.0.0.1:1/"
WRONG = [
    ((), "a URL is needed"),
    ((URL,), "--rate is needed"),
    ((URL, URL, "--rate", "1"), "one URL only"),
    (("ftp://127.0.0.1/", "--rate", "1"), "ftp://127.0.0.1/"),
    ((URL, "--rate", "0"), '--rate: "0" is not allowed; allowed: requests a second, above 0'),
    ((URL, "--rate", "-5"), '--rate: "-5" is not allowed'),
    ((URL, "--rate", "nan"), '--rate: "nan" is not allowed'),
    ((URL, "--rate", "inf"), '--rate: "inf" is not allowed'),
    ((URL, "--rate", "1e3"), '--rate: "1e3" is not allowed'),
    ((URL, "--rate", "100/s"), '--rate: "100/s" is not allowed'),
    ((URL, "--rate", "1", "--rate", "2"), "--rate was given twice"),
    ((URL, "--rate"), "--rate needs a value"),
    ((URL, "--rate", "1", "--duration", "10"), '--duration: "10" is not allowed'),
    ((URL, "--rate", "1", "--duration", "0s"), '--duration: "0s" is not allowed'),
    ((URL, "--rate", "1", "--requests", "0"), '--requests: "0" is not allowed'),
    ((URL, "--rate", "1", "--requests", "5", "--duration", "5s"), "--duration and --requests: give one of them"),
    ((URL, "--rate", "1", "--warmup", "-1s"), '--warmup: "-1s" is not allowed'),
    ((URL, "--rate", "1", "--seed", "x"), '--seed: "x" is not allowed'),
    ((URL, "--rate", "1", "--connections", "0"), '--connections: "0" is not allowed'),
    ((URL, "--rate", "1", "--timeout", "0ms"), '--timeout: "0ms" is not allowed'),
    ((URL, "--rate", "1", "--precision", "5"), "a share in per cent"),
    ((URL, "--rate", "1", "--precision", "0%"), '--precision: "0" is not allowed'),
    ((URL, "--rate", "1", "--arrivals", "uniform"), '--arrivals: "uniform"'),
    ((URL, "--arrivals", "trace:/nowhere/trace"), "/nowhere/trace: cannot open: No such file or directory"),
    ((URL, "--rate", "1", "--mix", "/nowhere/mix"), "cannot read /nowhere/mix: No such file or directory"),
    ((URL + "path", "--rate", "1", "--mix", "/dev/null"), 'with --mix the URL has no path'),
    ((URL, "--rate", "1", "--insecure"), "--insecure is for https"),
    ((URL, "--rate", "1", "--json", "-", "--hdr", "-"), "--json and --hdr: only one of them can be written to standard"),
    ((URL, "--rate", "1", "--json", "x", "--record", "x"), "--json and --record: only one of them can be written to x"),
    ((URL, "--rate", "1", "--json", ""), "--json: its value is empty"),
    ((URL, "--rate", "1", "--rat", "1"), "no such option: --rat"),
]


@pytest.mark.parametrize("words, message", WRONG, ids=[" ".join(words) or "nothing" for words, _ in WRONG])
def test_wrong_usage(words, message):
    done = subprocess.run([BENCH, "load", *words], capture_output=True, text=True, timeout=30, env=clean_environment(),
                          check=False)
    assert done.returncode == 2 and done.stdout == "", done
    assert message in done.stderr and done.stderr.startswith("quern-bench load: ")


def test_a_typo_in_a_mix_has_its_place(tmp_path):
    mix = write(tmp_path / "mix", "99 GET /qr?text={text:20}\n1 GET /qr?text={txt:2000}\n")
    done = load(URL, "--rate", 1, "--mix", mix)
    assert done.returncode == 2
    assert done.stderr.startswith(f"quern-bench load: {mix}:2:16: {{txt:2000}} is no placeholder; allowed: {{text:N}}, ")


def test_help():
    done = load("--help")
    assert done.returncode == 0
    for word in ("--rate", "--arrivals", "--mix", "--record", "--service-hist", "--precision", "--realtime", "Ctrl-C"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
