"""Descriptors run out: accepting pauses without a spin and comes back, and nothing else notices."""

import contextlib
import http.client
import os
import resource
import signal
import time

import pytest

from fleet import Fleet, connect, wait_until

GET = b"GET /?text=A HTTP/1.1\r\nHost: a\r\n\r\n"
WHILE_S = 1.0  # so long is watched what the pause costs


def used(pid):
    """The number above all descriptors of a process."""
    return max(int(name) for name in os.listdir(f"/proc/{pid}/fd")) + 1


def limit(pid, number):
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (number, hard))


def cpu_s(pid):
    """User and system time."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def first_line(sock):
    return sock.recv(65536).split(b"\r\n")[0]


@contextlib.contextmanager
def out_of_descriptors(fleet):
    """One client that was there before, eight that wait at a closed door: (connection, sockets)."""
    pid = fleet.pid(0)
    old = http.client.HTTPConnection(*fleet.worker(0), timeout=10)
    old.connect()
    wait_until(lambda: fleet.slot(0)["connections"] == 1)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]
    limit(pid, used(pid))
    waiting = [connect(fleet.worker(0)) for _ in range(8)]
    try:
        for sock in waiting:
            sock.sendall(GET)
        wait_until(lambda: fleet.slot(0)["accept_paused"] >= 2)
        yield old, waiting
    finally:
        with contextlib.suppress(ProcessLookupError):
            limit(pid, before)
        old.close()
        for sock in waiting:
            sock.close()


def ask(connection, path, method="GET", body=None, content_type="text/plain"):
    connection.request(method, path, body, {"Content-Type": content_type} if body else {})
    response = connection.getresponse()
    return response.status, response.read()


def test_pause_costs_nothing():
    with Fleet({"workers.count": 1}) as fleet, out_of_descriptors(fleet):
        pid = fleet.pid(0)
        paused, begin, cpu = fleet.slot(0)["accept_paused"], time.monotonic(), cpu_s(pid)
        wait_until(lambda: time.monotonic() - begin >= WHILE_S, interval=0.1)
        took, cpu = time.monotonic() - begin, cpu_s(pid) - cpu
        assert cpu < 0.1 * took
        # It is tried ten times a second.
        assert 1 <= fleet.slot(0)["accept_paused"] - paused <= 10 * took + 2


def test_others_are_served_meanwhile():
    """What a worker does with a connection needs no descriptor: all kinds of requests and answers, and the log."""
    with Fleet({"workers.count": 1, "lab.enabled": True, "http.access_log": True}) as fleet, \
            out_of_descriptors(fleet) as (old, waiting):
        assert ask(old, "/healthz")[0] == 200
        for path in ("/", "/?text=A", "/qr?text=A&format=svg", "/lab/burn?us=1000", "/lab/sleep?us=1000"):
            assert ask(old, path)[0] == 200, path
        assert ask(old, "/qr", "POST", '{"text":"A"}', "application/json")[0] == 200
        assert ask(old, "/qr", "POST", "text=A", "application/x-www-form-urlencoded")[0] == 200
        assert ask(old, "/qr?ecLevel=L&text=" + "a" * 2900)[0] == 200
        assert ask(old, "/nowhere")[0] == 404
        for sock in waiting:
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)
        assert fleet.slot(0)["log_lost"] == 0


def test_comes_back_when_a_client_leaves():
    """One descriptor is free then, so that the waiting clients are served one after the other."""
    with Fleet({"workers.count": 1}) as fleet, out_of_descriptors(fleet) as (old, waiting):
        old.close()
        for sock in waiting:
            sock.settimeout(10)
            assert first_line(sock) == b"HTTP/1.1 200 OK"
            sock.close()


def test_comes_back_when_the_limit_is_raised():
    with Fleet({"workers.count": 1}) as fleet, out_of_descriptors(fleet) as (_, waiting):
        limit(fleet.pid(0), 1000)
        for sock in waiting:
            sock.settimeout(10)
            assert first_line(sock) == b"HTTP/1.1 200 OK"
        paused = fleet.slot(0)["accept_paused"]
        assert fleet.get("/healthz").status == 200 and fleet.slot(0)["accept_paused"] == paused


def test_leaving_needs_none():
    """A worker without descriptors finishes what it has, and its successor serves those who wait in the backlog."""
    with Fleet({"workers.count": 1, "lab.enabled": True}) as fleet, out_of_descriptors(fleet) as (old, waiting):
        pid = fleet.pid(0)
        old.request("GET", "/lab/sleep?us=300000")
        wait_until(lambda: fleet.slot(0)["active"] == 1)
        os.kill(pid, signal.SIGTERM)
        response = old.getresponse()
        assert response.status == 200 and response.read() is not None
        wait_until(lambda: fleet.pid(0) not in (0, pid))
        for sock in waiting:
            sock.settimeout(10)
            assert first_line(sock) == b"HTTP/1.1 200 OK"


def test_admin_process():
    with Fleet({"workers.count": 1}) as fleet:
        children = open(f"/proc/{fleet.master.pid}/task/{fleet.master.pid}/children", encoding="ascii").read().split()
        pid = next(int(child) for child in children if int(child) != fleet.pid(0))
        with contextlib.closing(http.client.HTTPConnection(*fleet.admin, timeout=10)) as old:
            assert ask(old, "/status.json")[0] == 200
            limit(pid, used(pid))
            with connect(fleet.admin) as waiting:
                waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                for path in ("/status.json", "/metrics", "/healthz") * 20:
                    assert ask(old, path)[0] == 200, path
                limit(pid, 1000)
                waiting.settimeout(10)
                assert first_line(waiting) == b"HTTP/1.1 200 OK"


def test_worker_that_cannot_start_is_tried_again():
    """The limit of the master is that of the workers to come; and libevent's complaint is a line of the log."""
    with Fleet({"workers.count": 2}) as fleet:
        pid, before = fleet.pid(0), resource.prlimit(fleet.master.pid, resource.RLIMIT_NOFILE)[0]
        limit(fleet.master.pid, 5)
        os.kill(pid, signal.SIGKILL)
        fleet.wait_log(r"error worker 0: .*Too many open files")
        assert fleet.master.poll() is None
        limit(fleet.master.pid, before)
        wait_until(lambda: fleet.get("/healthz", at=fleet.worker(0)).status == 200)
