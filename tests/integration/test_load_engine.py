"""The generator's connections: pool, order, repetition, failures, and how answers come in. Against servers that do on purpose what
others do by accident. Times are bounds that the server's own doing gives; how late the machine was is not the subject.
"""

import contextlib
import json
import os
import resource
import socket
import subprocess
import threading

import pytest

from fleet import BUILD, FINDINGS, clean_environment

BENCH = BUILD / "quern-bench"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """Listens, and hands every connection to script(stream, number) in a thread of its own; number counts from 0. The
    connection is closed when the script returns. `requests` has the first line of each request that was read, in order."""

    def __init__(self, script, backlog=1024):
        self.script = script
        self.requests = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.open = set()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self.lock:
                    self.open.add(sock)
                    number = self.connections
                    self.connections += 1
                threading.Thread(target=self.serve, args=(sock, number), daemon=True).start()

    def serve(self, sock, number):
        with sock, sock.makefile("rwb", buffering=0) as stream, contextlib.suppress(OSError):
            self.script(stream, number)
        with self.lock:
            self.open.discard(sock)

    def request(self, stream):
        """The first line of the next request, whose head and body are read; None at the end of the connection."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = stream.read(1)
            if not byte:
                return None
            head += byte
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                left = int(line.split(b":")[1])
                while left:
                    left -= len(stream.read(min(left, 65536)))
        line = head.split(b"\r\n")[0].decode()
        with self.lock:
            self.requests.append(line)
        return line

    def hang_up(self):
        """No more connections, and an end to those that there are."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for sock in self.open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with contextlib.suppress(OSError):
            self.hang_up()
        self.thread.join()


def load(url, *words, tmp_path, mix=None, **more):
    """Runs a load to its end; the result's JSON, and the samples of its record as dicts."""
    command = [BENCH, "load", url, "--warmup", "0s", "--max-lateness", "1h", "--arrivals", "constant",
               "--json", tmp_path / "json", "--record", tmp_path / "record", *words]
    if mix:
        (tmp_path / "mix").write_text(mix)
        command += ["--mix", tmp_path / "mix"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=clean_environment(), **more)
    assert not FINDINGS.search(done.stderr), done.stderr
    names, *lines = (tmp_path / "record").read_text().splitlines()
    names = names.removeprefix("# ").split("\t")
    samples = [dict(zip(names, line.split("\t"))) for line in lines]
    return json.loads((tmp_path / "json").read_text()), samples


def statuses(samples):
    return [s["status"] for s in samples]


def test_answers_in_every_form(tmp_path):
    """Byte by byte; and each delimits its body in a way of its own."""
    forms = [
        OK,
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
    ]

    def script(stream, number):
        count = 0
        while peer.request(stream):
            for byte in forms[count % len(forms)]:
                stream.write(bytes([byte]))
            count += 1

    with Peer(script) as peer:
        result, samples = load(peer.url, "--rate", "100", "--requests", "20", "--connections", "1", tmp_path=tmp_path)
    assert statuses(samples) == ["200", "200", "200", "204", "304"] * 4
    assert peer.connections == 1 and result["errors"] == 0


def test_the_end_of_a_connection_ends_an_answer(tmp_path):
    def script(stream, number):
        peer.request(stream)
        stream.write(b"HTTP/1.1 200 OK\r\n\r\nok, and no more")

    with Peer(script) as peer:
        _, samples = load(peer.url, "--rate", "100", "--requests", "10", tmp_path=tmp_path)
    assert statuses(samples) == ["200"] * 10
    assert peer.connections >= 10


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    b"HTTP/1.1 200 OK\r\n",
])
def test_half_an_answer_is_a_reset(tmp_path, answer):
    def script(stream, number):
        peer.request(stream)
        stream.write(answer)

    with Peer(script) as peer:
        result, samples = load(peer.url, "--rate", "100", "--requests", "5", tmp_path=tmp_path)
    assert statuses(samples) == ["reset"] * 5
    assert len(peer.requests) == 5 and result["errors"] == 5


@pytest.mark.parametrize("method,repeated", [("GET", True), ("HEAD", True), ("POST", False)])
def test_a_request_on_an_idle_connection_is_repeated_once(tmp_path, method, repeated):
    """The first connection ends with its second request, before a byte of answer."""

    def script(stream, number):
        count = 0
        while peer.request(stream) and (number or not count):
            stream.write(OK if method != "HEAD" else OK[:-2])
            count += 1

    mix = {"POST": "1 POST /{int:1-9} text/plain hello"}.get(method, f"1 {method} /{{int:1-9}}")
    with Peer(script) as peer:
        _, samples = load(peer.url, "--rate", "50", "--requests", "4", "--connections", "1",
                          mix=mix, tmp_path=tmp_path)
    if repeated:
        assert statuses(samples) == ["200"] * 4
        assert len(peer.requests) == 5 and peer.requests[1] == peer.requests[2]
    else:
        assert statuses(samples) == ["200", "reset", "200", "200"]
        assert len(peer.requests) == 4
    assert peer.connections == 2


def test_a_fresh_connection_that_ends_is_no_reason_to_repeat(tmp_path):
    with Peer(lambda stream, number: peer.request(stream)) as peer:
        _, samples = load(peer.url, "--rate", "100", "--requests", "10", tmp_path=tmp_path)
    assert statuses(samples) == ["reset"] * 10
    assert len(peer.requests) == 10


def test_those_that_wait_go_in_order(tmp_path):
    """One connection, and a first answer that takes longer than all the intended sends."""
    first = threading.Event()

    def script(stream, number):
        while peer.request(stream):
            if not first.is_set():
                first.wait(0.3)
                first.set()
            stream.write(OK)

    with Peer(script) as peer:
        _, samples = load(peer.url, "--rate", "1000", "--requests", "100", "--connections", "1",
                               tmp_path=tmp_path)
    intended = [float(s["intended_us"]) for s in samples]
    sent = [float(s["sent_us"]) for s in samples]
    due = [float(s["due_us"]) for s in samples]
    assert statuses(samples) == ["200"] * 100 and peer.connections == 1
    assert intended == sorted(intended) and sent == sorted(sent) and due == sorted(due)
    # The second was intended at 2 ms and went out when the first had its answer, 300 ms after it was read.
    assert sent[1] - intended[1] > 250_000
    assert float(samples[1]["done_us"]) - intended[1] > 250_000


def test_timeouts_count_from_the_intended_send_also_without_a_connection(tmp_path):
    def script(stream, number):
        peer.request(stream)
        stream.read(1)

    with Peer(script) as peer:
        _, samples = load(peer.url, "--rate", "100", "--requests", "20", "--connections", "2", "--timeout", "300ms",
                          tmp_path=tmp_path)
    assert statuses(samples) == ["timeout"] * 20
    for s in samples:
        assert float(s["done_us"]) - float(s["intended_us"]) >= 300_000
    # No connection was free before the first request, intended at 10 ms, had timed out; the last is intended at 200 ms.
    for s in samples[2:]:
        assert s["sent_us"] == "-" or float(s["sent_us"]) >= 310_000


def test_a_server_that_goes_away(tmp_path):
    """Those that come afterwards fail to connect, each with one attempt, at once."""
    gone = threading.Event()

    def script(stream, number):
        count = 0
        while peer.request(stream):
            stream.write(OK)
            count += 1
            if count == 20:
                gone.set()
                peer.hang_up()

    with Peer(script) as peer:
        result, samples = load(peer.url, "--rate", "200", "--requests", "60", "--connections", "1",
                               tmp_path=tmp_path)
    assert gone.is_set() and len(samples) == 60
    got = statuses(samples)
    assert got[:20] == ["200"] * 20
    assert set(got[20:]) == {"connect"}
    assert result["errors"] == 40


def test_an_early_answer_to_a_large_body(tmp_path):
    """The server answers before it has read the request, and hangs up: what it said counts."""

    def script(stream, number):
        head = b""
        while b"\r\n\r\n" not in head:
            head += stream.read(1)
        stream.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        while stream.read(65536):
            pass

    with Peer(script) as peer:
        _, samples = load(peer.url, "--rate", "20", "--requests", "5",
                          mix="1 POST / text/plain {text:900000}", tmp_path=tmp_path)
    assert statuses(samples) == ["413"] * 5


def test_a_large_body_goes_out_whole(tmp_path):
    """More than the socket takes at once."""

    def script(stream, number):
        while peer.request(stream):
            stream.write(OK)

    with Peer(script) as peer:
        result, samples = load(peer.url, "--rate", "20", "--requests", "5", "--connections", "1",
                               mix="1 POST / text/plain {text:900000}", tmp_path=tmp_path)
    assert statuses(samples) == ["200"] * 5 and len(peer.requests) == 5
    assert peer.connections == 1 and result["errors"] == 0


def test_a_large_answer_comes_in_whole(tmp_path):
    body = os.urandom(1 << 22)

    def script(stream, number):
        while peer.request(stream):
            answer = memoryview(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            while answer:
                answer = answer[stream.write(answer):]

    with Peer(script) as peer:
        result, samples = load(peer.url, "--rate", "20", "--requests", "5", "--connections", "1", tmp_path=tmp_path)
    assert statuses(samples) == ["200"] * 5
    assert peer.connections == 1 and result["errors"] == 0


def test_bytes_that_nobody_asked_for_end_a_connection(tmp_path):
    """An answer too many must never be taken for the answer to the next request."""

    def script(stream, number):
        while peer.request(stream):
            stream.write(OK + b"HTTP/1.1 500 Not For You\r\nContent-Length: 0\r\n\r\n")

    with Peer(script) as peer:
        _, samples = load(peer.url, "--rate", "100", "--requests", "10", "--connections", "1", tmp_path=tmp_path)
    assert statuses(samples) == ["200"] * 10
    assert peer.connections >= 10


def test_without_descriptors_requests_wait(tmp_path):
    """The process may open 24 files: some of them are connections, and no request fails."""
    enough = threading.Barrier(8)

    def script(stream, number):
        # Held back until eight are under way at once, so that the pool wants more than it can get.
        while peer.request(stream):
            if not enough.broken:
                with contextlib.suppress(threading.BrokenBarrierError):
                    enough.wait(5)
                    enough.abort()
            stream.write(OK)

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))

    with Peer(script) as peer:
        result, samples = load(peer.url, "--rate", "500", "--requests", "200", "--connections", "100",
                               preexec_fn=few, tmp_path=tmp_path)
    assert statuses(samples) == ["200"] * 200 and result["errors"] == 0
    assert 8 <= peer.connections < 24
