"""One request at a time: each answer is on the wire before the next request is begun."""

import os
import selectors
import signal
import socket
import statistics
import struct
import time

import pytest

from fleet import Fleet, connect, wait_until

SLEEP_MS = 20
ROUNDS = 9


@pytest.fixture(scope="module")
def lab():
    with Fleet({"lab.enabled": True, "workers.count": 1}) as fleet:
        yield fleet


def answer_times_ms(fleet):
    """Three requests sent together on three connections: when each answer came, the first one first."""
    socks = [connect(fleet.worker(0)) for _ in range(3)]
    selector = selectors.DefaultSelector()
    try:
        # The connections are accepted before the clock starts, so that only the requests are timed.
        for sock in socks:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")
            selector.register(sock, selectors.EVENT_READ)
        request = b"GET /lab/sleep?us=%d HTTP/1.1\r\nHost: a\r\n\r\n" % (SLEEP_MS * 1000)
        begin = time.monotonic()
        for sock in socks:
            sock.sendall(request)
        times = []
        while len(times) < 3:
            for key, _ in selector.select(10):
                times.append((time.monotonic() - begin) * 1000)
                assert key.fileobj.recv(4096).startswith(b"HTTP/1.1 200")
                selector.unregister(key.fileobj)
        return times
    finally:
        selector.close()
        for sock in socks:
            sock.close()


def test_answers_leave_one_by_one(lab):
    """At 20, 40 and 60 ms. A busy machine delays some rounds, and none can come too early, so that the quickest round
    of several decides; a server that writes late shows 60 ms for all three in every one of them."""
    rounds = [answer_times_ms(lab) for _ in range(ROUNDS)]
    print("answers after", [f"{statistics.median(t):.1f}" for t in zip(*rounds)], "ms, medians of", ROUNDS, "rounds")
    for position, quickest in enumerate(map(min, zip(*rounds)), start=1):
        assert position * SLEEP_MS <= quickest <= position * SLEEP_MS + 5


def test_health_is_answered_between_jobs(lab):
    """A health check does not wait for the queue: at most for the job at hand."""
    socks = [connect(lab.worker(0)) for _ in range(10)]
    for sock in socks:
        sock.sendall(b"GET /lab/sleep?us=50000 HTTP/1.1\r\nHost: a\r\n\r\n")
    wait_until(lambda: lab.slot(0)["queue"] >= 5)
    begin = time.monotonic()
    assert lab.get("/healthz").status == 200
    assert time.monotonic() - begin < 0.2, "ten jobs of 50 ms were in the queue"
    for sock in socks:
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        sock.close()


@pytest.mark.parametrize("leaving", [5, 40])
def test_client_that_left_is_not_worked_for(lab, leaving):
    """More than are accepted in one turn, too."""
    before = lab.slot(0)
    busy = connect(lab.worker(0))
    busy.sendall(b"GET /lab/sleep?us=200000 HTTP/1.1\r\nHost: a\r\n\r\n")
    wait_until(lambda: lab.slot(0)["active"] >= 1)
    for _ in range(leaving):
        with connect(lab.worker(0)) as sock:
            sock.sendall(b"GET /lab/sleep?us=1000000 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert busy.recv(4096).startswith(b"HTTP/1.1 200")
    busy.close()
    after = wait_until(lambda: (s := lab.slot(0))["abandoned"] - before["abandoned"] == leaving and s)
    assert after["jobs"] - before["jobs"] == 1


def test_clients_that_left_before_a_restart_are_not_worked_for():
    """They wait in the backlog for the worker's successor."""
    with Fleet({"workers.count": 1, "lab.enabled": True}) as fleet:
        os.kill(fleet.pid(0), signal.SIGSTOP)
        for _ in range(3):
            with connect(fleet.worker(0)) as sock:
                sock.sendall(b"GET /lab/sleep?us=1000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        before = fleet.slot(0)
        fleet.kill(0)
        after = wait_until(lambda: (s := fleet.slot(0))["abandoned"] - before["abandoned"] == 3 and s)
        assert after["jobs"] == before["jobs"]


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_client_that_left_an_old_connection_is_not_worked_for(lab, reset):
    """As above, but the connections are known already: request and end are there when the loop looks again, and the
    first of them is run in the very turn in which it is read."""
    request = b"GET /lab/sleep?us=1000000 HTTP/1.1\r\nHost: a\r\n\r\n"
    busy, *leaving = [connect(lab.worker(0)) for _ in range(4)]
    for sock in (busy, *leaving):
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
    before = lab.slot(0)
    busy.sendall(b"GET /lab/sleep?us=200000 HTTP/1.1\r\nHost: a\r\n\r\n")
    wait_until(lambda: lab.slot(0)["active"] >= 1)
    for sock in leaving:
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(request)
        sock.close()
    assert busy.recv(4096).startswith(b"HTTP/1.1 200")
    busy.close()
    after = wait_until(lambda: (s := lab.slot(0))["connections"] == 0 and s)
    assert after["jobs"] - before["jobs"] == 1
    # Where the end came first, the request behind it was never read.
    assert after["abandoned"] - before["abandoned"] == 3 or reset


def test_many_that_left_at_once_are_not_worked_for():
    """More than the first poll of a loop tells at once, so that some are read in a later turn than others."""
    count = 42
    with Fleet({"lab.enabled": True, "workers.count": 1}) as fleet:
        socks = [connect(fleet.worker(0)) for _ in range(count)]
        for sock in socks:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        with connect(fleet.worker(0)) as busy:
            busy.sendall(b"GET /lab/sleep?us=200000 HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: fleet.slot(0)["active"] >= 1)
            for sock in socks:
                sock.sendall(b"GET /lab/sleep?us=100000 HTTP/1.1\r\nHost: a\r\n\r\n")
                sock.close()
            assert busy.recv(4096).startswith(b"HTTP/1.1 200")
        slot = wait_until(lambda: (s := fleet.slot(0))["connections"] == 0 and s)
        assert (slot["jobs"], slot["abandoned"]) == (1, count)


def test_pipelined_requests_are_answered_in_order(lab):
    requests = b"".join(b"GET /lab/burn?us=%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(50))
    last = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answers = lab.raw(requests + last)
    positions = [answers.find(b'{"us":%d}' % n) for n in range(50)]
    assert -1 not in positions and positions == sorted(positions)
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 51


def test_admin_answers_while_every_worker_is_blocked(lab):
    with connect(lab.worker(0), timeout=10) as sock:
        sock.sendall(b"GET /lab/sleep?us=1500000 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: lab.slot(0)["active"] == 1)
        begin = time.monotonic()
        late = wait_until(lambda: (s := lab.slot(0))["loop_lag_ms"]["now"] > 500 and s)
        assert lab.get("/healthz", at=lab.admin).status == 200
        assert time.monotonic() - begin < 1.4, "seen while it was blocked"
        assert late["active"] == 1
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
