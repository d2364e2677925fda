"""Memory that many connections have had is given back to the system when they have left."""

import pathlib
import re
import resource

import pytest

from fleet import SANITIZED, Fleet, connect, wait_until

CROWD = 3000
BODY, PART = 60000, 40000
HALF = (b"POST /qr HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % BODY) + b"a" * PART
WHOLE = b"GET /qr?text=A HTTP/1.1\r\nHost: a\r\n\r\n"


def own_kib(pid):
    """What it has of its own. Not the shared memory with its timeline, which fills up and then stays as it is."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous:\s+(\d+) kB$", text, re.MULTILINE)[1])


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CROWD + 100:
        pytest.skip(f"only {hard} open files are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (CROWD + 100, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def crowd_comes_and_goes(fleet):
    """Half of them have sent a part of a body, the others have had an answer. Returns what the worker held meanwhile."""
    socks = []
    try:
        for _ in range(CROWD // 2):
            half, whole = connect(fleet.worker(0)), connect(fleet.worker(0))
            socks += [half, whole]
            half.sendall(HALF)
            whole.sendall(WHOLE)
            assert whole.recv(4096).startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: (s := fleet.slot(0))["active"] == s["connections"] / 2 == CROWD / 2)
        return wait_until(lambda: (held := own_kib(fleet.pid(0))) > CROWD / 2 * PART / 1024 and held)
    finally:
        for sock in socks:
            sock.close()


@pytest.mark.skipif(SANITIZED, reason="sanitizers keep freed memory for a while to find its uses")
def test_memory_comes_back_after_a_crowd(many_descriptors):
    with Fleet({"workers.count": 1, "limits.client_ms": 60000}) as fleet:
        assert fleet.get("/qr?text=A").status == 200
        pid = fleet.pid(0)
        before = own_kib(pid)
        for _ in range(2):
            held = crowd_comes_and_goes(fleet)
            wait_until(lambda: fleet.slot(0)["connections"] == 0)
            after = wait_until(lambda: (now := own_kib(pid)) < before + 300 and now, what="300 KiB more than before")
            print(f"before {before} KiB, with {CROWD} connections {held} KiB, after {after} KiB")
        assert fleet.pid(0) == pid
