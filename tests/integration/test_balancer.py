"""HAProxy with the configuration that quern-balancer makes: accepted in every combination, and doing what it is for."""

import collections
import concurrent.futures
import itertools
import json
import re
import signal
import ssl
import subprocess
import threading
import time

import pytest

from fleet import BUILD, HAPROXY, Fleet, clean_environment, free_ports, has_ipv6, wait_until
from standin import Front, Worker, ok

BALANCER = str(BUILD / "quern-balancer")


def balancer(*arguments, **environment):
    return subprocess.run([BALANCER, *map(str, arguments)], env=clean_environment(environment),
                          capture_output=True, text=True, timeout=20)


def settings(options):
    return [word for key, value in options.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A PEM with certificate and key."""
    directory = tmp_path_factory.mktemp("certificate")
    pem = directory / "front.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", directory / "key", "-out", directory / "cert"], check=True, capture_output=True)
    pem.write_bytes((directory / "cert").read_bytes() + (directory / "key").read_bytes())
    return pem


@pytest.fixture
def empty_file(tmp_path):
    path = tmp_path / "quern.json"
    path.write_text("{}\n")
    return path


# --- the program ----------------------------------------------------------------------------------------------------


def test_help_and_version():
    assert "usage: quern-balancer render" in balancer("--help").stdout
    assert re.fullmatch(r"quern-balancer \d+\.\d+\.\d+\n", balancer("--version").stdout)


@pytest.mark.parametrize("arguments", [[], ["render", "-c"], ["draw", "-c", "x"], ["render", "-c", "x", "more"],
                                       ["render", "--no-such-option"], ["render", "-c", "/nonexistent/file"]])
def test_wrong_usage_is_2(arguments):
    done = balancer(*arguments)
    assert done.returncode == 2 and done.stderr and not done.stdout


def test_wrong_configuration_is_2(empty_file):
    done = balancer("render", "-c", empty_file, "--set", "balancer.policy=best", "--set", "balancer.threads=0")
    assert done.returncode == 2
    assert "balancer.policy" in done.stderr and "balancer.threads" in done.stderr


def test_kind_none_is_2(empty_file):
    done = balancer("render", "-c", empty_file, "--set", "balancer.kind=none")
    assert done.returncode == 2 and "balancer.kind" in done.stderr and not done.stdout


def test_precedence(empty_file):
    empty_file.write_text(json.dumps({"balancer": {"threads": 2, "policy": "random"}}))
    text = balancer("render", "-c", empty_file, "--set", "balancer.threads=4",
                    QUERN_BALANCER_THREADS="3", QUERN_BALANCER_POLICY="leastconn").stdout
    assert "nbthread 4\n" in text and "balance leastconn\n" in text


def test_output_replaces_the_file_in_one_step(empty_file, tmp_path):
    target = tmp_path / "haproxy.cfg"
    target.write_text("old")
    before = target.stat().st_ino
    assert balancer("render", "-c", empty_file, "-o", target).returncode == 0
    assert target.read_text() == balancer("render", "-c", empty_file).stdout
    assert target.stat().st_ino != before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["haproxy.cfg", "quern.json"]


def test_output_that_cannot_be_written_is_1(empty_file, tmp_path):
    done = balancer("render", "-c", empty_file, "-o", tmp_path / "missing" / "haproxy.cfg")
    assert done.returncode == 1 and "missing/haproxy.cfg" in done.stderr
    directory = tmp_path / "directory"
    directory.mkdir()
    assert balancer("render", "-c", empty_file, "-o", directory).returncode == 1
    assert not list(tmp_path.glob("directory.*"))
    with open("/dev/full", "w") as full:
        assert subprocess.run([BALANCER, "render", "-c", empty_file], stdout=full,
                              stderr=subprocess.DEVNULL).returncode == 1


# --- haproxy -c -----------------------------------------------------------------------------------------------------

POLICIES = ["roundrobin", "leastconn", "random", "random(2)", "central"]
LISTENERS = ["127.0.0.1:8080", "0.0.0.0:8080", "[::1]:8080", "[::]:8080"]
LIMITS = [{}, {"limits.header_bytes": 512, "limits.body_bytes": 0},
          {"limits.header_bytes": 1048576, "limits.body_bytes": 16777216}]


def combinations(certificate):
    for policy, listen, tls, threads, discovery, limits in itertools.product(
            POLICIES, LISTENERS, (False, True), (1, 4), ("static", "dns"), LIMITS):
        yield {"balancer.policy": policy, "balancer.listen": listen, "balancer.threads": threads,
               "balancer.discovery": discovery, "balancer.certificate": certificate if tls else "", **limits}
    for address in ("0.0.0.0", "::", "::1", "192.0.2.1"):
        for slots in (1, 1024):
            yield {"workers.address": address, "workers.max": slots, "workers.base_port": 20000}
    for origin in ("", "https://qr.example", "'\"\\ %[src] ${HOME} # ;", "x" * 1024):
        yield {"http.allow_origin": origin}
    for count, slots in ((1, 1024), (1024, 1024), ("auto", 1024)):
        yield {"balancer.discovery": "dns", "workers.count": count, "workers.max": slots, "workers.base_port": 20000}
    for discovery in ("static", "dns"):
        yield {"balancer.policy": "central", "balancer.maxconn": 1000, "balancer.threads": 64,
               "balancer.discovery": discovery, "balancer.replicas": 256, "workers.count": 4,
               "balancer.stats": "[::]:8404", "balancer.server_name": "quern.example.org", "limits.client_ms": 600000,
               "limits.idle_ms": 3600000, "limits.queue_ms": 60000, "balancer.timeout_ms": 3600000}


def test_haproxy_accepts_every_combination(certificate, empty_file, tmp_path):
    """Without an error and without a warning."""

    def check(numbered):
        number, options = numbered
        path = tmp_path / f"{number}.cfg"
        rendered = balancer("render", "-c", empty_file, "-o", path, *settings(options))
        if rendered.returncode:
            return f"{options}: {rendered.stderr}"
        done = subprocess.run([HAPROXY, "-c", "-f", path], capture_output=True, text=True, timeout=60)
        path.unlink()
        output = done.stdout + done.stderr
        return None if (done.returncode, output) == (0, "Configuration file is valid\n") else f"{options}: {output}"

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        refused = [message for message in pool.map(check, enumerate(combinations(certificate))) if message]
    assert not refused, "\n".join(refused[:5])


# --- with stand-ins for the workers ----------------------------------------------------------------------------------


def refuse_first(count):
    """Hangs up on the first `count` requests."""
    left = iter(range(count))
    return lambda request: None if next(left, None) is not None else ok(b"%d" % len(request[1]))


def post(body, chunk=0, header=0):
    head = b"POST /qr HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
    if header:
        head += b"X-Fill: " + b"f" * (header - len(head) - 60) + b"\r\n"
    if not chunk:
        return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    pieces = (body[i:i + chunk] for i in range(0, len(body), chunk))
    return (head + b"Transfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n")


@pytest.mark.parametrize("chunk", [0, 1, 4096, 65536])
def test_the_largest_request_can_be_sent_again(chunk):
    body = bytes(i % 251 for i in range(65536))
    with Front([refuse_first(2), refuse_first(2)]) as front:
        answer = front.raw(post(body, chunk, 16384))
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n65536"), answer[:200]
        seen = front.workers[0].seen + front.workers[1].seen
        assert len(seen) == 5 and all(got == body for _, got in seen)


def test_a_request_that_kills_workers_kills_six_at_most():
    with Front([lambda request: None] * 8) as front:
        assert front.get("/").status == 502
        assert sum(len(worker.seen) for worker in front.workers) == 6


def test_stamps_are_set_anew_when_the_request_is_complete():
    with Front([lambda request: ok()] * 2) as front:
        head = (b"POST /qr HTTP/1.1\r\nHost: t\r\nX-Request-Start: t=1\r\nX-Request-Id: mine\r\n"
                b"Connection: close\r\nContent-Length: 4\r\n\r\n")
        with front.connect() as sock:
            sock.sendall(head + b"ab")
            wait_until(lambda: front.get("/qr").status == 200)
            before = time.time()
            sock.sendall(b"cd")
            while sock.recv(4096):
                pass
        seen = next(h for w in front.workers for h, b in w.seen if b == b"abcd")
        assert seen.lower().count(b"x-request-start") == 1 and seen.lower().count(b"x-request-id") == 1
        stamp = int(re.search(rb"(?i)x-request-start: t=(\d+)\r", seen)[1]) / 1e6
        assert before - 0.05 < stamp < time.time() + 0.05
        ids = {re.search(rb"(?i)x-request-id: (\S+)", h)[1] for w in front.workers for h, _ in w.seen}
        assert b"mine" not in ids and len(ids) == sum(len(w.seen) for w in front.workers)


def test_error_pages_are_json():
    """Each status that HAProxy gives by itself once it has read a request."""
    late = threading.Event()

    def slow(request):
        late.wait(20)
        return ok()

    answers = {b"/bad": b"no HTTP at all\r\n\r\n", b"/ok": ok()}
    options = {"limits.body_bytes": 100, "limits.client_ms": 300, "limits.queue_ms": 300, "balancer.timeout_ms": 600,
               "balancer.policy": "central"}

    def answer(request):
        path = request[0].split(b" ")[1]
        return slow(request) if path == b"/slow" else answers[path]

    with Front([answer], options) as front:
        def error(status, code, got):
            assert got.status == status, got
            assert got.header("Content-Type") == "application/json" and got.header("Cache-Control") == "no-store"
            assert got.header("X-Content-Type-Options") == "nosniff"
            assert got.header("Access-Control-Allow-Origin") == "*"
            assert got.error() == {"code": code, "message": got.error()["message"]}
            assert re.fullmatch(r"[a-z].*[a-z]", got.error()["message"])
            return got

        assert front.get("/ok").status == 200
        error(413, "body_too_large", front.post("/ok", b"x" * 101, "text/plain"))
        error(502, "bad_gateway", front.get("/bad"))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            first = pool.submit(front.get, "/slow")
            wait_until(lambda: any(b"/slow" in head for head, _ in front.workers[0].seen))
            assert error(503, "overloaded", front.get("/ok")).header("Retry-After") == "1"
            error(504, "gateway_timeout", first.result())
        late.set()
        with front.connect() as sock:
            sock.sendall(b"POST /ok HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n")
            assert b"408" in sock.recv(4096).split(b"\r\n")[0]
        assert front.raw(b"rubbish\r\n\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("origin", ["", "https://qr.example", "a 'b' %[src] \\n $HOME # %"])
def test_error_pages_allow_the_same_origin_as_the_workers(origin):
    with Front([lambda request: None], {"http.allow_origin": origin}) as front:
        for answer in (front.get("/"), front.post("/", b"x" * 70000, "text/plain")):
            assert answer.status in (413, 502)
            assert answer.header("Access-Control-Allow-Origin", "") == origin


def test_the_worker_is_told_who_the_client_is():
    """By HAProxy alone, whatever the client says of itself."""
    with Front([lambda request: ok()]) as front:
        for claims in ([], [b"X-Forwarded-For: 192.0.2.1"], [b"x-forwarded-for: 192.0.2.1, 192.0.2.2",
                                                             b"X-Forwarded-For: 192.0.2.3"]):
            front.raw(b"\r\n".join([b"GET / HTTP/1.1", b"Host: t", b"Connection: close", *claims]) + b"\r\n\r\n")
            head = front.workers[0].seen[-1][0]
            assert re.findall(rb"(?im)^x-forwarded-for: *(.*?)\r$", head) == [b"127.0.0.1"], head
        assert len(front.workers[0].seen) == 3


def test_a_chunked_body_has_the_same_limit():
    with Front([lambda request: ok()]) as front:
        assert front.raw(post(b"x" * 65537, 1000)).startswith(b"HTTP/1.1 413 ")
        assert front.raw(post(b"x" * 65536, 1000)).startswith(b"HTTP/1.1 200 ")
        assert [len(body) for _, body in front.workers[0].seen] == [65536]


def log_lines(front, count):
    """HAProxy's lines about requests, once there are so many: each without its time and the client's address."""
    form = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (\w+ haproxy: )127\.0\.0\.1:\d+ (.*)$", re.MULTILINE)
    wait_until(lambda: len(form.findall(front.haproxy_log())) >= count)
    return ["".join(line) for line in form.findall(front.haproxy_log())]


def test_the_log_has_failures_only_and_no_uri():
    with Front([lambda request: None if b"hang" in request[0] else ok()], {"limits.body_bytes": 10}) as front:
        assert front.get("/fine?text=SECRET").status == 200
        assert front.get("/hang?text=SECRET").status == 502
        assert front.post("/qr?text=SECRET", b"x" * 11, "text/plain").status == 413
        front.raw(b"GET /SECRET broken\r\n\r\n")
        failed, refused, unread = log_lines(front, 3)
        assert failed.startswith("warn haproxy: failed status 502 end SH server worker0 retries 5 ms ")
        assert refused.startswith("info haproxy: refused status 413 end PR server <NOSRV> retries 0 ms ")
        assert unread == "info haproxy: no valid request arrived"
        assert "SECRET" not in front.haproxy_log() and "status 200" not in front.haproxy_log()


def test_a_client_that_leaves_is_no_failure():
    """While a worker is at its request, and before the request is complete."""
    left = threading.Event()

    def answer(request):
        left.wait(20)
        return ok()

    with Front([answer]) as front:
        for begun in (b"GET / HTTP/1.1\r\nHost: t\r\n\r\n",
                      b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nabc"):
            lines = len(log_lines(front, 0))
            requests = sum(int(row["stot"]) for row in front.servers())
            with front.connect() as sock:
                sock.sendall(begun)
                if b"GET" in begun:
                    wait_until(lambda: sum(int(row["stot"]) for row in front.servers()) > requests)
            log_lines(front, lines + 1)
        left.set()
        gone, unfinished = log_lines(front, 2)
        assert gone.startswith("info haproxy: left status 400 end CH server worker0 retries 0 ms ")
        assert unfinished.startswith("info haproxy: ended status -1 end CR server <NOSRV> retries 0 ms ")


def test_a_failed_handshake_is_told(certificate):
    with Front([lambda request: ok()], {"balancer.certificate": str(certificate)}) as front:
        front.raw(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        assert log_lines(front, 1) == ["info haproxy: SSL handshake failure"]


@pytest.mark.parametrize("maxconn", [1, 2])
def test_central_holds_what_the_workers_cannot_take(maxconn):
    lock, active, most = threading.Lock(), collections.Counter(), collections.Counter()

    def worker(number):
        def answer(request):
            with lock:
                active[number] += 1
                most[number] = max(most[number], active[number])
            time.sleep(0.02)  # the work: what is counted is how many requests are at it at once
            with lock:
                active[number] -= 1
            return ok()
        return answer

    with Front([worker(0), worker(1)], {"balancer.policy": "central", "balancer.maxconn": maxconn}) as front:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            assert all(a.status == 200 for a in pool.map(lambda _: front.get("/"), range(64)))
    assert most == {0: maxconn, 1: maxconn}


def test_no_request_is_lost_when_haproxy_starts():
    """All but 2 of 64 slots are unused; requests come from the first moment on."""
    with Front([lambda request: ok()] * 2, {"workers.max": 64}) as front:
        statuses = collections.Counter()
        for _ in range(5):
            front.haproxy.kill()
            front.haproxy.wait()
            front.haproxy = front._spawn([HAPROXY, "-db", "-f", front.directory / "haproxy.cfg"], "haproxy.log")
            wait_until(lambda: front.connect(), interval=0.0).close()
            statuses.update(front.get("/").status for _ in range(100))
        assert statuses == {200: 500}


def test_a_new_worker_is_found_within_a_second():
    with Front([lambda request: ok()], {"workers.max": 8}) as front:
        assert [row["svname"] for row in front.servers("UP")] == ["worker0"]
        for slot in (3, 5, 7):
            front.workers.append(Worker(front.worker(slot)[1], lambda request: ok()))
            started = time.monotonic()
            wait_until(lambda: f"worker{slot}" in [row["svname"] for row in front.servers("UP")])
            assert time.monotonic() - started < 1.0


def test_two_haproxies_do_not_share_a_port():
    with Front([lambda request: ok()]) as front:
        second = subprocess.run([HAPROXY, "-db", "-f", front.directory / "haproxy.cfg"], capture_output=True, text=True,
                                timeout=20)
        assert second.returncode == 1 and "Address already in use" in second.stderr


# --- with quernd ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_serves(policy):
    with Fleet({"workers.count": 3, "balancer.policy": policy}, balancer=True) as fleet:
        for _ in range(30):
            answer = fleet.get("/qr?text=A")
            assert answer.status == 200 and answer.body.startswith(b"\x89PNG")


def test_round_robin_is_even():
    with Fleet({"workers.count": 4}, balancer=True) as fleet:
        before = {w["slot"]: w["requests"] for w in fleet.status()["workers"]}
        with fleet.connect() as sock:
            stream = sock.makefile("rb")
            for _ in range(1000):
                sock.sendall(b"GET /?text=A HTTP/1.1\r\nHost: t\r\n\r\n")
                length = 0
                while (line := stream.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                assert length and len(stream.read(length)) == length
        served = [w["requests"] - before[w["slot"]] for w in fleet.status()["workers"] if w["pid"]]
        assert sum(served) == 1000 and all(249 <= n <= 251 for n in served), served


def test_statistics_page_and_metrics(shared_fleet):
    page = shared_fleet.get("/stats", at=shared_fleet.stats)
    assert page.status == 200 and b"worker0" in page.body and b"2.6." not in page.body
    metrics = shared_fleet.get("/metrics", at=shared_fleet.stats)
    assert b"haproxy_server_status" in metrics.body
    assert shared_fleet.get("/", at=shared_fleet.stats).header("Location") == "/stats"
    assert shared_fleet.get("/elsewhere", at=shared_fleet.stats).error()["code"] == "not_found"
    answer = shared_fleet.get("/qr?text=A")
    assert "haproxy" not in repr(answer.headers).lower()


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_ipv6():
    with Fleet({"workers.address": "::1"}, balancer=True) as fleet:
        assert fleet.front[0] == "::1" and fleet.get("/qr?text=A").status == 200
    first = free_ports(1)
    with Fleet({"balancer.listen": f"[::]:{first}"}, balancer=True, ready=False) as fleet:
        for host in ("127.0.0.1", "::1"):
            wait_until(lambda: fleet.get("/qr?text=A", at=(host, first)).status == 200)


def test_tls(certificate):
    with Fleet({"balancer.certificate": str(certificate)}, balancer=True, ready=False) as fleet:
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        context.set_alpn_protocols(["h2", "http/1.1"])
        wait_until(lambda: len(fleet.servers("UP")) == 2)
        with fleet.connect() as plain, context.wrap_socket(plain) as sock:
            assert sock.selected_alpn_protocol() == "http/1.1"
            sock.sendall(b"GET /qr?text=A HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            received = b"".join(iter(lambda: sock.recv(65536), b""))
            assert received.startswith(b"HTTP/1.1 200 ") and b"\x89PNG" in received


def test_a_killed_worker_costs_no_request():
    """And its server stays up, since its listener does."""
    with Fleet({"workers.count": 3}, balancer=True) as fleet:
        statuses, done = collections.Counter(), threading.Event()

        def client():
            while not done.is_set():
                statuses[fleet.get("/qr?text=A").status] += 1

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            clients = [pool.submit(client) for _ in range(4)]
            try:
                for slot in (0, 1, 2, 0, 1, 2):
                    old = fleet.kill(slot)
                    wait_until(lambda: fleet.pid(slot) not in (0, old) and fleet.slot(slot)["state"] == "ready")
            finally:
                done.set()
            for finished in clients:
                finished.result()
        assert set(statuses) == {200} and statuses[200] > 100, statuses
        assert [row["chkdown"] for row in fleet.servers("UP")] == ["0", "0", "0"]


def test_haproxy_stays_when_the_fleet_is_gone():
    with Fleet(balancer=True) as fleet:
        fleet.master.send_signal(signal.SIGTERM)
        assert fleet.master.wait(20) == 0
        answer = fleet.get("/qr?text=A")
        assert answer.status == 503 and answer.header("Retry-After") == "1"
