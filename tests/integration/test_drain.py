"""How workers leave behind HAProxy: retiring and handing over under load, and what happens to connections that are idle.

A worker retires because the fleet is scaled down. One that is told by SIGQUIT to hand over is followed by another one in its
slot, which the master starts because the old one leaves."""

import os
import pathlib
import re
import signal
import threading
import time

import pytest

from fleet import HAPROXY, Fleet, connect, session_members, wait_until

GET = b"GET /qr?text=A HTTP/1.1\r\nHost: a\r\n\r\n"
CHECK = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
LOG = {"log.level": "debug"}


def read_answer(sock):
    """One answer with a Content-Length, as (head in lower case, body)."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.lower() + b"\r\n"
    length = int(re.search(rb"\r\ncontent-length: (\d+)\r\n", head)[1])
    while len(body) < length:
        body += receive(sock)
    return head, body


def receive(sock):
    chunk = sock.recv(65536)
    if not chunk:
        raise ConnectionError("closed before its answer was whole")
    return chunk


class Load:
    """Clients that send one request after the other and compare each answer. None ever tries again: whatever is not the
    right answer is a failure."""

    def __init__(self, at, clients, *, keep=True, pause=0.0):
        self.at, self.keep, self.pause = at, keep, pause
        self.request = GET if keep else GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        self.answers, self.failures = 0, []
        self.ended = threading.Event()
        with connect(at) as sock:
            sock.sendall(GET)
            self.right = read_answer(sock)[1]
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.go_on()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def run(self):
        sock = None
        while not self.ended.is_set():
            try:
                sock = sock or connect(self.at)
                sock.sendall(self.request)
                head, body = read_answer(sock)
                assert head.startswith(b"http/1.1 200 ") and body == self.right, head
                self.answers += 1
                if b"\r\nconnection: close\r\n" in head:
                    sock.close()
                    sock = None
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))
                sock = None
            self.ended.wait(self.pause)
        if sock:
            sock.close()

    def go_on(self, answers=200):
        """Until so many more answers have come."""
        wanted = self.answers + answers
        wait_until(lambda: self.failures or self.answers >= wanted)
        assert not self.failures, self.failures[:5]


def worker_is_followed(fleet, slot, old):
    wait_until(lambda: (s := fleet.slot(slot))["pid"] not in (0, old) and s["state"] == "ready")
    wait_until(lambda: not pathlib.Path(f"/proc/{old}").exists())
    wait_until(lambda: len(fleet.servers("UP")) == fleet.slots())


def retire(fleet):
    """Has the last worker leave, and returns its pid."""
    pid = fleet.pid(fleet.slots() - 1)
    fleet.master.send_signal(signal.SIGTTOU)
    return pid


def bring_back(fleet):
    """When the last worker has left, another one in its slot."""
    last = fleet.slots() - 1
    wait_until(lambda: fleet.pid(last) == 0)
    fleet.master.send_signal(signal.SIGTTIN)
    wait_until(lambda: fleet.slot(last)["state"] == "ready")
    wait_until(lambda: len(fleet.servers("UP")) == fleet.slots())


def is_out(fleet, slot):
    """HAProxy has seen a 404."""
    return [row["svname"] for row in fleet.servers("NOLB")] == [f"worker{slot}"]


def drains(fleet):
    """What the workers say of their drains: (door closed after ms, checks told, over after ms)."""
    line = r"drained: door closed after (\d+) ms, (\d+) health checks told, over after (\d+) ms"
    return [tuple(map(int, match)) for match in re.findall(line, fleet.log())]


@pytest.fixture(scope="module")
def pair():
    with Fleet({"workers.count": 2, **LOG}, balancer=True) as fleet:
        yield fleet


@pytest.mark.parametrize("keep", [True, False], ids=["kept connections", "new connections"])
def test_retiring_under_load_loses_nothing(pair, keep):
    before = len(drains(pair))
    with Load(pair.front, 8, keep=keep) as load:
        for _ in range(3):
            retire(pair)
            bring_back(pair)
            load.go_on()
    assert not load.failures
    told = drains(pair)[before:]
    assert len(told) == 3
    for door_ms, checks, _ in told:
        assert checks >= 1, "HAProxy was told before the door closed"
        assert door_ms >= 550, "not before each HAProxy must have asked"
    # Nothing had to be sent twice: HAProxy knew in time.
    assert "retries +" not in pair.haproxy_log()


@pytest.mark.parametrize("keep", [True, False], ids=["kept connections", "new connections"])
def test_handing_over_under_load_loses_nothing(pair, keep):
    """The door closes at once, and HAProxy never learns of anything: its requests wait for the successor."""
    before, changes = len(drains(pair)), pair.haproxy_log().count("is stopping")
    with Load(pair.front, 8, keep=keep) as load:
        for slot in (0, 1, 0, 1):
            old = pair.kill(slot, signal.SIGQUIT)
            worker_is_followed(pair, slot, old)
            load.go_on()
    assert not load.failures
    told = drains(pair)[before:]
    assert len(told) == 4
    assert all(checks == 0 for _, checks, _ in told)
    assert pair.haproxy_log().count("is stopping") == changes


def test_a_retiring_worker_is_out_before_its_door_closes(pair):
    old = retire(pair)
    wait_until(lambda: is_out(pair, 1))
    assert pair.pid(1) == old
    assert pair.get("/healthz", at=pair.worker(1)).status == 404
    # It does its work as long as anybody comes.
    assert pair.get("/qr?text=A", at=pair.worker(1)).header("Connection") == "close"
    bring_back(pair)


def test_a_new_worker_knows_that_its_slot_is_checked(pair):
    """It leaves before any check has come to itself."""
    old = pair.kill(1, signal.SIGQUIT)
    new = wait_until(lambda: (s := pair.slot(1))["pid"] not in (0, old) and s["state"] == "ready" and s["pid"])
    assert retire(pair) == new
    wait_until(lambda: is_out(pair, 1))
    assert pair.pid(1) == new
    bring_back(pair)


def test_the_front_stays_healthy_while_a_worker_retires(pair):
    """404 is for HAProxy's own checks. Who asks through the front asks for the service."""
    retire(pair)
    answers = []
    while pair.pid(1) != 0:
        answers.append(pair.get("/healthz").status)
    assert answers and set(answers) == {200}
    bring_back(pair)


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, b"404"), (signal.SIGQUIT, b"200")])
def test_an_old_connection_gets_a_last_answer(number, status):
    """Not cut while it is idle: its next answer says that it is the last one, whatever it asks for."""
    with Fleet({"workers.count": 1, **LOG}) as fleet:
        socks = [connect(fleet.worker(0)) for _ in range(2)]
        for sock in socks:
            sock.sendall(CHECK)
            assert b"connection: close" not in read_answer(sock)[0]
        fleet.kill(0, number)
        fleet.wait_log(r"draining: |handing over: ")
        for sock, request, expected in ((socks[0], CHECK, status), (socks[1], GET, b"200")):
            sock.sendall(request)
            head, _ = read_answer(sock)
            assert head.startswith(b"http/1.1 " + expected) and b"\r\nconnection: close\r\n" in head
            assert sock.recv(1) == b""
            sock.close()
        fleet.wait_log("drained: ")


class Answers:
    """One after the other off a connection on which they come in a row, as heads in lower case and bodies."""

    def __init__(self, sock):
        self.sock, self.data = sock, b""

    def take(self):
        while b"\r\n\r\n" not in self.data:
            self.data += receive(self.sock)
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        head = head.lower() + b"\r\n"
        length = int(re.search(rb"\r\ncontent-length: (\d+)\r\n", head)[1])
        while len(self.data) < length:
            self.data += receive(self.sock)
        body, self.data = self.data[:length], self.data[length:]
        return head, body

    def take_last(self, count):
        """So many, all 200, the last of which says that it is: returns the bodies."""
        bodies = []
        for number in range(count):
            head, body = self.take()
            assert head.startswith(b"http/1.1 200 ")
            assert (b"\r\nconnection: close\r\n" in head) == (number == count - 1)
            bodies.append(body)
        assert not self.data and self.sock.recv(1) == b""
        return bodies


SLEEP = b"GET /lab/sleep?us=%d HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
@pytest.mark.parametrize("together", [True, False], ids=["together", "later"])
def test_pipelined_requests_that_have_come_are_answered(number, together):
    """Those that were read with the first one, and those that came while that blocked the loop."""
    first, rest = SLEEP % 500000, SLEEP % 1000 + SLEEP % 1001 + CHECK.replace(b"/healthz", b"/qr?text=A&format=svg")
    with Fleet({"workers.count": 1, "lab.enabled": True, **LOG}) as fleet, connect(fleet.worker(0)) as sock:
        sock.sendall(first + rest if together else first)
        wait_until(lambda: fleet.slot(0)["active"] == 1)
        fleet.kill(0, number)
        if not together:
            sock.sendall(rest)
        bodies = Answers(sock).take_last(4)
        assert b"500000" in bodies[0] and b"1000" in bodies[1] and b"1001" in bodies[2] and b"<svg" in bodies[3]
        fleet.wait_log("drained: ")


def test_half_of_a_pipelined_request_may_be_completed():
    """And line ends behind the last one are no request that is to be waited for."""
    with Fleet({"workers.count": 1, "lab.enabled": True, **LOG}) as fleet, connect(fleet.worker(0)) as sock:
        sock.sendall(SLEEP % 500000 + SLEEP % 1000 + GET[:20])
        wait_until(lambda: fleet.slot(0)["active"] == 1)
        fleet.kill(0, signal.SIGTERM)
        fleet.wait_log("draining: ")
        sock.sendall(GET[20:] + b"\r\n")
        Answers(sock).take_last(3)


def test_who_pipelines_for_ever_gets_a_last_answer():
    """In half of the drain's time, so that nothing is cut when that is over."""
    with Fleet({"workers.count": 1, "lab.enabled": True, "workers.drain_ms": 1000, **LOG}) as fleet:
        with connect(fleet.worker(0)) as sock:
            # Three seconds of work.
            sock.sendall(SLEEP % 20000 * 150)
            answers = Answers(sock)
            answers.take()
            begin = time.monotonic()
            fleet.master.terminate()
            while b"\r\nconnection: close\r\n" not in answers.take()[0]:
                assert time.monotonic() - begin < 10
        assert fleet.master.wait(10) == 0
        assert "is killed" not in fleet.log()


def test_the_time_that_a_drain_has_cut_is_told():
    with Fleet({"workers.count": 1, "workers.drain_ms": 1000, **LOG}) as fleet, connect(fleet.worker(0)) as sock:
        begin = time.monotonic()
        sock.sendall(GET[:-2])
        wait_until(lambda: fleet.slot(0)["active"] == 1)
        fleet.kill(0, signal.SIGTERM)
        head, body = read_answer(sock)
        took_ms = (time.monotonic() - begin) * 1000
        assert head.startswith(b"http/1.1 408 ")
        told_ms = int(re.search(rb"not complete (\d+) ms after its first byte", body)[1])
        assert 500 <= told_ms <= took_ms


def test_a_quiet_connection_is_closed_soon_behind_haproxy():
    with Fleet({"workers.count": 1, **LOG}) as fleet:
        with connect(fleet.worker(0)) as sock:
            sock.sendall(GET)
            read_answer(sock)
            fleet.kill(0, signal.SIGQUIT)
            begin = time.monotonic()
            assert sock.recv(1) == b""
            assert 0.25 < time.monotonic() - begin < 3
        fleet.wait_log("drained: ")


def test_a_quiet_connection_has_half_of_the_time_without_haproxy():
    """Its client would see a reset instead of an answer."""
    with Fleet({"workers.count": 1, "balancer.kind": "none", "workers.drain_ms": 3000}) as fleet:
        with connect(fleet.front) as sock:
            sock.sendall(GET)
            read_answer(sock)
            begin = time.monotonic()
            fleet.master.terminate()
            assert sock.recv(1) == b""
            assert 1.4 < time.monotonic() - begin < 2.9
        assert fleet.master.wait(10) == 0
        assert "is killed" not in fleet.log()


def test_a_request_that_arrives_as_patience_ends_is_answered():
    """The loop is blocked while the request comes and while the time of its idle connection runs out."""
    with Fleet({"workers.count": 1, "balancer.kind": "none", "workers.drain_ms": 4000, "lab.enabled": True,
                **LOG}) as fleet:
        idle, busy = (connect(fleet.front) for _ in range(2))
        for sock in (idle, busy):
            sock.sendall(GET)
            read_answer(sock)
        fleet.master.terminate()
        fleet.wait_log("draining: ")
        busy.sendall(b"GET /lab/sleep?us=2500000 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: fleet.slot(0)["active"] >= 1)
        idle.sendall(GET)
        for sock in (busy, idle):
            assert read_answer(sock)[0].startswith(b"http/1.1 200 ")
            sock.close()
        assert fleet.master.wait(10) == 0


def test_what_waits_at_the_door_is_answered():
    """The accept queue of a worker that nobody follows is emptied: connections that come while its loop is blocked."""
    with Fleet({"workers.count": 1, "lab.enabled": True, **LOG}) as fleet:
        with connect(fleet.worker(0)) as busy:
            busy.sendall(b"GET /lab/sleep?us=1200000 HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: fleet.slot(0)["active"] >= 1)
            fleet.master.terminate()
            fleet.wait_log("stopping")
            # More than are accepted in one turn.
            waiting = [connect(fleet.worker(0)) for _ in range(50)]
            for sock in waiting:
                sock.sendall(GET)
            read_answer(busy)
            for sock in waiting:
                assert read_answer(sock)[0].startswith(b"http/1.1 200 ")
                sock.close()
        assert fleet.master.wait(10) == 0


def test_an_idle_fleet_stops_at_once():
    """Nobody has asked for its health lately, and nobody is connected. A busy machine can only delay it, so the quickest
    of three stops decides."""
    times = []
    for _ in range(3):
        with Fleet(ready=False) as fleet:
            fleet.wait_log("worker 1: ready")
            wait_until(fleet.fleet_is_ready)
            # For as long as a period of checks a new worker takes itself for one that is checked.
            wait_until(lambda: min(worker["age_s"] for worker in fleet.status()["workers"]) > 0.7)
            begin = time.monotonic()
            fleet.master.terminate()
            assert fleet.master.wait(10) == 0
            times.append(time.monotonic() - begin)
    assert min(times) < 0.3


def test_a_fleet_whose_haproxy_has_just_ended_stops_soon():
    with Fleet(balancer=True) as fleet:
        assert fleet.get("/qr?text=A").status == 200
        fleet.haproxy.terminate()
        fleet.haproxy.wait()
        begin = time.monotonic()
        fleet.master.terminate()
        assert fleet.master.wait(10) == 0
        assert time.monotonic() - begin < 3, "and not for half of drain_ms"


# --- live options


def test_live_options_are_taken_without_touching_connections():
    lab = b"GET /lab/constant?bytes=3 HTTP/1.1\r\nHost: a\r\n\r\n"
    post = b"POST /qr HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\r\n"
    with Fleet({"workers.count": 1}) as fleet:
        pid = fleet.pid(0)
        kept, half, new = (connect(fleet.worker(0)) for _ in range(3))
        kept.sendall(lab)
        assert read_answer(kept)[0].startswith(b"http/1.1 404 ")
        half.sendall(post + b"0123456789abcde")
        wait_until(lambda: fleet.slot(0)["active"] == 1)
        fleet.write_file({"lab.enabled": True, "limits.body_bytes": 10, "limits.idle_ms": 1000, "log.level": "debug"})
        fleet.master.send_signal(signal.SIGHUP)

        def lab_is_there():
            kept.sendall(lab)
            return read_answer(kept)[0].startswith(b"http/1.1 200 ")

        wait_until(lab_is_there)
        # A request that has begun keeps the limits that it began with.
        half.sendall(b"fghij")
        assert read_answer(half)[0].startswith(b"http/1.1 200 ")
        new.sendall(post + b"0123456789abcdefghij")
        assert read_answer(new)[0].startswith(b"http/1.1 413 ")
        assert fleet.pid(0) == pid
        # It would have been for a minute before.
        begin = time.monotonic()
        assert kept.recv(1) == b"" and half.recv(1) == b""
        assert time.monotonic() - begin < 10
        os.kill(pid, signal.SIGTERM)
        fleet.wait_log("worker 0: draining: ")
        for sock in (kept, half, new):
            sock.close()


# --- HAProxy itself


class Reloadable(Fleet):
    """With HAProxy as a master and a worker of its own, as systemd runs it."""

    def _spawn(self, command, log):
        if command[0] == HAPROXY:
            command = [HAPROXY, "-W", *command[1:]]
        return super()._spawn(command, log)

    def reload_haproxy(self):
        """By SIGUSR2, until the new process serves. After loading, HAProxy's master executes itself once more, and a
        signal that comes meanwhile is lost."""
        loaded = self.haproxy_log().count("Loading success")
        sent = 0.0

        def is_loaded():
            nonlocal sent
            if time.monotonic() > sent + 1:
                self.haproxy.send_signal(signal.SIGUSR2)
                sent = time.monotonic()
            return self.haproxy_log().count("Loading success") > loaded

        wait_until(is_loaded)


def test_reloading_haproxy_loses_nothing():
    """With clients in a hurry, on kept and on new connections, and clients that are idle most of the time."""
    with Reloadable(balancer=True) as fleet:
        wait_until(lambda: "Loading success" in fleet.haproxy_log())
        with connect(fleet.front) as idle, Load(fleet.front, 4) as kept, Load(fleet.front, 4, keep=False) as new, \
                Load(fleet.front, 16, pause=0.2) as slow:
            idle.sendall(GET)
            read_answer(idle)
            for _ in range(5):
                fleet.reload_haproxy()
                kept.go_on()
                new.go_on()
            slow.go_on(32)
            # It was connected to the first of the processes all the time.
            idle.sendall(GET)
            head, _ = read_answer(idle)
            assert head.startswith(b"http/1.1 200 ") and b"\r\nconnection: close\r\n" in head
        for load in (kept, new, slow):
            assert not load.failures, load.failures[:5]
        # The old processes have nothing left to do.
        wait_until(lambda: len(session_members(fleet.haproxy.pid)) == 2)


def test_an_old_haproxy_learns_by_connecting_which_slots_were_left():
    """It checks no more. Without looking at refused connections, every second request of those that are left would spend
    all its retries on slots that have no worker."""
    with Reloadable({"workers.count": 8}, balancer=True) as fleet:
        wait_until(lambda: "Loading success" in fleet.haproxy_log())
        idle = [connect(fleet.front) for _ in range(16)]
        for sock in idle:
            sock.sendall(GET)
            read_answer(sock)
        fleet.reload_haproxy()
        wait_until(lambda: "Proxy workers stopped" in fleet.haproxy_log())
        fleet.master.terminate()
        fleet.master.wait()
        fleet.write_file({"workers.count": 1})
        fleet.master = fleet._spawn(fleet.master.args, "quernd.log")
        wait_until(lambda: fleet.get("/healthz", at=fleet.worker(0)).status == 200)
        heads = []
        for sock in idle:
            sock.sendall(GET)
            heads.append(read_answer(sock)[0])
            sock.close()
        refused = [head for head in heads if not head.startswith(b"http/1.1 200 ")]
        assert len(refused) <= 2
        assert all(head.startswith(b"http/1.1 503 ") and b"\r\nretry-after: 1\r\n" in head for head in refused)


def test_haproxy_that_is_never_reloaded_stops_without_waiting_for_idle_clients():
    with Fleet(balancer=True, environment={"NEVER_RELOADED": "1"}) as fleet:
        with connect(fleet.front) as idle:
            idle.sendall(GET)
            read_answer(idle)
            fleet.haproxy.send_signal(signal.SIGUSR1)
            assert idle.recv(1) == b""
            assert fleet.haproxy.wait(10) == 0


def test_requests_at_a_stopped_worker_are_answered_late():
    """It hangs, and is killed at last: what HAProxy had sent to it is sent again elsewhere. Bodies, too."""
    post = (b"POST /qr HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
    with Fleet(balancer=True) as fleet:
        socks = [connect(fleet.front, timeout=30) for _ in range(8)]
        for sock in socks:
            sock.sendall(GET)
            read_answer(sock)
        old = fleet.kill(0, signal.SIGSTOP)
        for sock in socks:
            sock.sendall(post)
        # Round robin has sent half of them to each.
        wait_until(lambda: int(next(r for r in fleet.servers() if r["svname"] == "worker0")["scur"]) == 4)
        os.kill(old, signal.SIGKILL)
        for sock in socks:
            assert read_answer(sock)[0].startswith(b"http/1.1 200 ")
            sock.close()
