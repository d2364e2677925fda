"""Upgrades: another program takes over the fleet while it serves; what goes wrong; and the first process, which stays."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from fleet import BUILD, Fleet, clean_environment, free_ports, request, session_members, wait_until

VERSION = re.search(rb"quernd (\d+\.\d+\.\d+)\n",
                    subprocess.run([BUILD / "quernd", "--version"], stdout=subprocess.PIPE, check=True,
                                   env=clean_environment()).stdout)[1]
NEXT_VERSION = b"9.9.9"
TEXTS = ["A", "https://example.org/?q=1", "x" * 200, "0123456789" * 20]


class Upgradable(Fleet):
    """A Fleet whose quernd is a copy in its directory, so that it can be replaced."""

    def _spawn(self, command, log):
        if command[0] == BUILD / "quernd":
            self.program = self.directory / "quernd"
            self.install((BUILD / "quernd").read_bytes())
            command = [self.program, *command[1:]]
        return super()._spawn(command, log)

    def install(self, content, mode=0o755):
        """Replaces the program as a package manager does: another file of this name."""
        new = self.directory / "quernd.new"
        new.write_bytes(content)
        new.chmod(mode)
        os.replace(new, self.program)

    def install_next(self):
        """The same program, but for its version."""
        content = (BUILD / "quernd").read_bytes()
        assert VERSION in content and len(VERSION) == len(NEXT_VERSION)
        self.install(content.replace(VERSION, NEXT_VERSION))

    def upgrade(self, pid=None):
        """Asks for it, and returns the change when it has ended, by the status of whoever serves then."""
        before = time.monotonic_ns() // 1000
        os.kill(pid or self.master.pid, signal.SIGUSR2)

        def ended():
            changes = [c for c in self.status()["changes"]
                       if c["kind"] == "upgrade" and c["begun_us"] >= before and c["state"] != "running"]
            return changes and changes[0]

        return wait_until(ended, 60, "upgrade ended")

    def worker_pids(self):
        return sorted(w["pid"] for w in self.status()["workers"] if w["pid"])

    def wait_settled(self, count=2):
        """Until nothing is left but the first process, the master, its admin process and so many workers."""
        pid = self.status()["pid"]
        others = 2 if pid == self.master.pid else 3
        wait_until(lambda: len(session_members(self.master.pid)) == count + others, 30, "old processes gone")

    def check_unharmed(self, before):
        """As it was before, and serving."""
        assert (self.status()["pid"], self.worker_pids()) == before
        assert self.get("/qr?text=A").status == 200
        self.wait_settled()


class Load:
    """Clients with connections that they keep; every answer is compared with what it must be."""

    def __init__(self, fleet, clients=4):
        self.fleet = fleet
        self.expected = {text: fleet.get(path_of(text)).body for text in TEXTS}
        self.failures, self.answers, self.enough = [], [0] * clients, threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(clients)]

    def _run(self, number):
        connection = http.client.HTTPConnection(*self.fleet.front, timeout=20)
        while not self.enough.is_set():
            text = TEXTS[self.answers[number] % len(TEXTS)]
            try:
                connection.request("GET", path_of(text))
                response = connection.getresponse()
                body = response.read()
                if response.status != 200 or body != self.expected[text]:
                    self.failures.append(f"{text[:20]}: {response.status} {body[:80]!r}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{text[:20]}: {error!r}")
                connection.close()
            self.answers[number] += 1
        connection.close()

    def wait_more(self, count=20):
        """Until every client has had so many further answers."""
        target = [n + count for n in self.answers]
        wait_until(lambda: all(n >= t for n, t in zip(self.answers, target)), 60, "more answers")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        for thread in self.threads:
            thread.join()


def path_of(text):
    return "/qr?text=" + text.replace("/", "%2F").replace("?", "%3F").replace(":", "%3A").replace("=", "%3D")


def listening(pid):
    """How many listening TCP sockets a process holds."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            inodes.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    rows = []
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/net/{table}", encoding="ascii") as lines:
            rows += [line.split() for line in lines][1:]
    return sum(1 for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes)


# --- it works ----------------------------------------------------------------------------------------------------


def test_no_request_is_lost():
    with Upgradable(balancer=True) as fleet, Load(fleet) as load:
        load.wait_more()
        first, workers = fleet.status()["pid"], fleet.worker_pids()
        assert first == fleet.master.pid
        fleet.install_next()
        for round_ in range(3):
            change = fleet.upgrade()
            load.wait_more()
            assert change["state"] == "done", change
            now = fleet.status()
            assert now["version"].encode() == NEXT_VERSION
            assert now["pid"] not in (first, fleet.master.pid), f"round {round_}"
            assert not set(fleet.worker_pids()) & set(workers)
            first, workers = now["pid"], fleet.worker_pids()
            fleet.wait_settled()
        load.wait_more()
        load.enough.set()
        assert load.failures == []
        # What is left of the first one holds nothing.
        assert fleet.master.poll() is None
        assert listening(fleet.master.pid) == 0
        assert listening(first) == 3
        fleet.stop()


def test_a_request_that_takes_longer_than_the_upgrade():
    with Upgradable({"lab.enabled": True, "workers.count": 1}, balancer=True) as fleet:
        with fleet.connect() as sock:
            sock.sendall(b"GET /lab/sleep?us=1500000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            wait_until(lambda: fleet.slot(0)["active"] == 1)
            assert fleet.upgrade()["state"] == "done"
            # The new one serves while the old one still works.
            assert fleet.get("/qr?text=A").status == 200
            sock.settimeout(20)
            answer = b""
            while chunk := sock.recv(65536):
                answer += chunk
        assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]
        fleet.wait_settled(1)


def test_without_haproxy():
    with Upgradable({"balancer.kind": "none"}) as fleet:
        for _ in range(2):
            before = fleet.worker_pids()
            assert fleet.upgrade()["state"] == "done"
            assert not set(fleet.worker_pids()) & set(before)
            assert fleet.get("/qr?text=A").status == 200
            fleet.wait_settled()


def test_the_record_goes_on_over_there():
    with Upgradable() as fleet:
        before = time.monotonic_ns() // 1000
        change = fleet.upgrade()
        assert change["number"] == 1
        assert before <= change["begun_us"] < change["ended_us"] <= time.monotonic_ns() // 1000
        assert (change["done"], change["total"]) == (2, 2)
        assert f"pid {fleet.master.pid}" in change["text"]


def test_a_scaled_fleet_stays_scaled():
    with Upgradable() as fleet:
        os.kill(fleet.master.pid, signal.SIGTTIN)
        wait_until(lambda: fleet.status()["fleet"]["ready"] == 3)
        assert fleet.upgrade()["state"] == "done"
        assert fleet.status()["fleet"]["ready"] == 3
        fleet.wait_settled(3)


# --- what the configuration says by then -------------------------------------------------------------------------


def test_addresses_change():
    with Upgradable() as fleet:
        old, port = fleet.admin, free_ports(1)
        fleet.write_file({"admin.address": f"127.0.0.1:{port}"})
        assert fleet.upgrade()["state"] == "done"
        fleet.wait_settled()
        with pytest.raises(ConnectionRefusedError):
            request(old, "/status.json")


def test_ports_of_workers_move_by_one():
    """Slot 0 takes over the socket of slot 1, and the old one's port is closed."""
    with Upgradable() as fleet:
        old = fleet.worker(0)
        fleet.write_file({"workers.base_port": old[1] + 1})
        assert fleet.upgrade()["state"] == "done"
        fleet.wait_settled()
        assert fleet.get("/healthz", at=fleet.worker(0)).status == 200
        assert fleet.get("/healthz", at=fleet.worker(1)).status == 200
        with pytest.raises(ConnectionRefusedError):
            request(old, "/healthz")


# --- it does not work --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content, mode, said", [
    pytest.param(b"#!/bin/sh\nexit 3\n", 0o755, "exited with code 3", id="ends-at-once"),
    pytest.param(b"#!/bin/sh\nkill -s SEGV $$\n", 0o755, "killed by signal 11", id="crashes"),
    pytest.param(b"neither a script nor code\n", 0o755, "Exec format error", id="no-program"),
    pytest.param(b"#!/bin/sh\nexit 3\n", 0o644, "Permission denied", id="not-executable"),
    pytest.param(None, 0, "No such file or directory", id="missing"),
])
def test_a_program_that_does_not_run(content, mode, said):
    with Upgradable(balancer=True) as fleet, Load(fleet, 2) as load:
        before = (fleet.status()["pid"], fleet.worker_pids())
        if content:
            fleet.install(content, mode)
        else:
            fleet.program.unlink()
        change = fleet.upgrade()
        assert change["state"] == "failed" and said in change["text"], change
        load.wait_more()
        fleet.check_unharmed(before)
        # And then with one that runs.
        fleet.install_next()
        assert fleet.upgrade()["state"] == "done"
        load.wait_more()
        load.enough.set()
        assert load.failures == []


def refused_because(fleet, logged):
    """An upgrade that ends with a program that does not like its configuration."""
    before = (fleet.status()["pid"], fleet.worker_pids())
    change = fleet.upgrade()
    assert change["state"] == "failed" and change["text"], change
    assert re.search(logged, fleet.log())
    fleet.check_unharmed(before)


def test_a_configuration_that_is_bad():
    with Upgradable(balancer=True) as fleet:
        good = fleet.effective["limits.queue"] = 100
        fleet.write_file({"limits.queue": "many"})
        refused_because(fleet, r"limits\.queue")
        fleet.write_file({"limits.queue": good})
        assert fleet.upgrade()["state"] == "done"


def test_an_address_that_is_taken():
    with Upgradable() as fleet, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        good = fleet.effective["admin.address"]
        text = json.loads(fleet.file.read_text())
        text["admin"]["address"] = "127.0.0.1:%d" % other.getsockname()[1]
        fleet.file.write_text(json.dumps(text))
        refused_because(fleet, r"cannot listen on 127\.0\.0\.1:\d+ \(admin\.address\): Address already in use")
        fleet.write_file({"admin.address": good})
        assert fleet.upgrade()["state"] == "done"


def test_stopping_in_the_middle_of_it():
    """The new program says nothing at all; whoever stops the fleet does not wait for it."""
    with Upgradable() as fleet:
        mark = fleet.directory / "started"
        fleet.install(f"#!/bin/sh\n: > {mark}\nexec sleep 1000\n".encode())
        os.kill(fleet.master.pid, signal.SIGUSR2)
        wait_until(mark.exists)
        assert fleet.status()["changes"][0]["state"] == "running"
        # Nobody may ask for another one meanwhile.
        os.kill(fleet.master.pid, signal.SIGUSR2)
        wait_until(lambda: any("under way" in c["text"] for c in fleet.status()["changes"]))
        assert fleet.get("/qr?text=A").status == 200
        fleet.stop()


# --- the first process -------------------------------------------------------------------------------------------


@pytest.fixture(name="upgraded")
def fixture_upgraded():
    """A fleet after two upgrades, with the first process as its guardian."""
    with Upgradable() as fleet:
        for _ in range(2):
            assert fleet.upgrade()["state"] == "done"
            fleet.wait_settled()
        assert fleet.master.poll() is None
        yield fleet


def test_the_guardian_passes_signals_on(upgraded):
    os.kill(upgraded.master.pid, signal.SIGTTIN)
    wait_until(lambda: upgraded.status()["fleet"]["ready"] == 3)
    os.kill(upgraded.master.pid, signal.SIGTTOU)
    upgraded.wait_settled(2)
    # With their values: SIGRTMIN scales.
    signal_value = ["python3", "-c", "import ctypes, sys; c = ctypes.CDLL(None); "
                    "sys.exit(c.sigqueue(int(sys.argv[1]), c.__libc_current_sigrtmin(), ctypes.c_void_p(4)))"]
    subprocess.run([*signal_value, str(upgraded.master.pid)], check=True)
    wait_until(lambda: upgraded.status()["fleet"]["ready"] == 4)
    assert upgraded.master.poll() is None


def test_the_guardian_ends_with_the_masters_code(upgraded):
    os.kill(upgraded.status()["pid"], signal.SIGKILL)
    assert upgraded.master.wait(20) == 128 + signal.SIGKILL
    wait_until(lambda: not session_members(upgraded.master.pid))
    upgraded.stop(check=False)


def test_nothing_outlives_the_guardian(upgraded):
    upgraded.master.kill()
    upgraded.master.wait(20)
    wait_until(lambda: not session_members(upgraded.master.pid), 30)
    upgraded.stop(check=False)


def test_stopping_the_master_itself_stops_all(upgraded):
    """quernctl stop signals the pid that status names."""
    os.kill(upgraded.status()["pid"], signal.SIGTERM)
    assert upgraded.master.wait(20) == 0
    upgraded.stop()


def test_the_program_is_found_by_its_link():
    """A deployment that turns a symbolic link gets what the link names now."""
    with Upgradable() as fleet:
        release = fleet.directory / "release-2"
        fleet.install_next()
        shutil.move(fleet.program, release)
        fleet.program.symlink_to(release)
        assert fleet.upgrade()["state"] == "done"
        assert fleet.status()["version"].encode() == NEXT_VERSION
        another = fleet.directory / "release-3"
        shutil.copy2(BUILD / "quernd", another)
        link = fleet.directory / "link"
        link.symlink_to(another)
        os.replace(link, fleet.program)
        assert fleet.upgrade()["state"] == "done"
        assert fleet.status()["version"].encode() == VERSION


def test_an_upgrade_does_not_wait_for_the_watchdog():
    with Upgradable({"workers.watchdog_ms": 0}) as fleet:
        change = fleet.upgrade()
        assert change["state"] == "done"
        # A few milliseconds; but the machine may be busy.
        assert change["ended_us"] - change["begun_us"] < 5e6


def heir_of(fleet):
    """The pid of the new master that is on its way, or None."""
    for pid in session_members(fleet.master.pid):
        with contextlib.suppress(OSError):
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if int(stat[1]) == fleet.master.pid and b"QUERND_UPGRADE" in pathlib.Path(f"/proc/{pid}/environ").read_bytes():
                return pid
    return None


@contextlib.contextmanager
def held_upgrade(fleet, log=None):
    """While the new master is ready and waits for the old one, which is stopped. Gives its pid."""
    (admin,) = set(session_members(fleet.master.pid)) - {fleet.master.pid, *fleet.worker_pids()}
    workers = len(fleet.worker_pids())
    # The old master yields when its admin process has gone, and gives it a second for that.
    os.kill(admin, signal.SIGSTOP)
    os.kill(fleet.master.pid, signal.SIGUSR2)
    new = wait_until(lambda: heir_of(fleet))
    wait_until(lambda: (log or fleet.log)().count(": ready after ") == 2 * workers)
    os.kill(fleet.master.pid, signal.SIGSTOP)
    yield new
    os.kill(fleet.master.pid, signal.SIGCONT)
    os.kill(admin, signal.SIGCONT)


def test_checks_do_not_hear_of_a_new_master_that_is_given_up():
    """Its workers share their sockets with those of the old one, which HAProxy is to go on using."""
    with Upgradable() as fleet:
        before, seen = (fleet.status()["pid"], fleet.worker_pids()), set()
        with held_upgrade(fleet) as new:
            # It waits for ten seconds.
            while new in session_members(fleet.master.pid):
                seen |= {fleet.get("/healthz", at=fleet.worker(slot)).status for slot in (0, 1)}
                time.sleep(0.01)
        assert seen == {200}
        fleet.wait_log("upgrade failed: the new quernd")
        fleet.check_unharmed(before)


def test_a_log_that_is_renamed_during_an_upgrade(tmp_path):
    log = tmp_path / "log"
    log.touch()
    with Upgradable({"workers.count": 1, "log.destination": str(log)}) as fleet:
        with held_upgrade(fleet, log.read_text) as new:
            log.rename(tmp_path / "log.1")
            os.kill(fleet.master.pid, signal.SIGUSR1)
        wait_until(lambda: fleet.status()["pid"] == new)
        fleet.wait_settled(1)
        wait_until(lambda: all(logs_of(pid, log) == {str(log)} for pid in session_members(fleet.master.pid)))


def test_workers_of_a_new_master_that_is_given_up_finish_what_they_have():
    """The old one is told to stop while the new one's workers already serve on the same sockets."""
    with Upgradable({"lab.enabled": True, "balancer.kind": "none", "workers.count": 1}) as fleet:
        with held_upgrade(fleet):
            socks = [fleet.connect() for _ in range(8)]
            for sock in socks:
                sock.sendall(b"GET /lab/sleep?us=100000 HTTP/1.1\r\nHost: a\r\n\r\n")
            os.kill(fleet.master.pid, signal.SIGTERM)
        for sock in socks:
            assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
            sock.close()
        assert fleet.master.wait(20) == 0


# --- while an old master still drains ------------------------------------------------------------------------------

SLOW = {"lab.enabled": True, "workers.count": 1, "workers.drain_ms": 20000}
IN_TIME_S = 5.0  # less than what the old worker has to do, on a machine that has other work


@contextlib.contextmanager
def draining(earlier, us=9000000, options=None):
    """A fleet just upgraded, whose old worker is busy, and the pid of the old master: the first one, or a later one."""
    with Upgradable({**SLOW, **(options or {})}) as fleet:
        for _ in range(earlier):
            assert fleet.upgrade()["state"] == "done"
            fleet.wait_settled(1)
        old = fleet.status()["pid"]
        assert (old == fleet.master.pid) == (earlier == 0)
        with fleet.connect() as busy:
            busy.sendall(f"GET /lab/sleep?us={us} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            wait_until(lambda: fleet.slot(0)["active"] == 1)
            assert fleet.upgrade()["state"] == "done"
            yield fleet, old, busy


def check_ends_soon(fleet, codes):
    assert fleet.master.wait(IN_TIME_S) in codes
    wait_until(lambda: not session_members(fleet.master.pid))
    fleet.stop(check=False)


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_failure_of_the_new_master_ends_the_drain(earlier):
    """Nobody serves, and whoever watches over the first process can start another one only when it has ended."""
    with draining(earlier) as (fleet, _, _busy):
        os.kill(fleet.status()["pid"], signal.SIGKILL)
        check_ends_soon(fleet, [128 + signal.SIGKILL])


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_second_interrupt_ends_the_drain(earlier):
    with draining(earlier) as (fleet, old, _busy):
        os.kill(fleet.master.pid, signal.SIGINT)
        fleet.wait_log("SIGINT: stopping")
        assert os.path.exists(f"/proc/{old}")
        os.kill(fleet.master.pid, signal.SIGINT)
        check_ends_soon(fleet, [0, 1])


@pytest.mark.parametrize("earlier", [0, 1])
def test_stopping_lets_the_drain_finish(earlier):
    """SIGTERM to a master that has handed over is for the one that is in charge."""
    with draining(earlier, us=2000000) as (fleet, old, busy):
        os.kill(old, signal.SIGTERM)
        fleet.wait_log("SIGTERM: stopping")
        assert busy.recv(100).startswith(b"HTTP/1.1 200 ")
        assert fleet.master.wait(20) == 0
        fleet.stop()


def logs_of(pid, log):
    """Which files a process holds that are, or were, this one."""
    names = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            names.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return {name for name in names if name.startswith(str(log))}


@pytest.mark.parametrize("earlier", [0, 1])
def test_every_process_opens_its_log_again(earlier, tmp_path):
    log = tmp_path / "log"
    with Upgradable({**SLOW, "balancer.kind": "none", "log.destination": str(log)}) as fleet:
        for _ in range(earlier):
            assert fleet.upgrade()["state"] == "done"
            fleet.wait_settled(1)
        old = [fleet.status()["pid"], *fleet.worker_pids()]
        with fleet.connect() as unfinished:
            unfinished.sendall(b"GET /healthz HTTP/1.1\r\n")
            wait_until(lambda: fleet.slot(0)["connections"] == 1)
            assert fleet.upgrade()["state"] == "done"
            log.rename(tmp_path / "log.1")
            os.kill(fleet.master.pid, signal.SIGUSR1)
            # The old admin process may still be about to end.
            wait_until(lambda: all(logs_of(pid, log) == {str(log)} for pid in session_members(fleet.master.pid)))
            assert set(old) < set(session_members(fleet.master.pid))


def test_a_guardian_that_cannot_be_told():
    """As no signal can be queued for it. The new master would end with the old one."""
    with Upgradable(preexec=lambda: resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))) as fleet:
        assert fleet.upgrade()["state"] == "done"
        fleet.wait_settled()
        before = (fleet.status()["pid"], fleet.worker_pids())
        change = fleet.upgrade()
        assert change["state"] == "failed" and "nobody would watch over" in change["text"], change
        fleet.check_unharmed(before)
        assert "taking over all the same" not in fleet.log()


# --- how many workers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("configured,after", [(2, 4), (3, 3)])
def test_a_number_that_was_scaled_is_kept_and_one_of_the_file_is_taken(configured, after):
    """Whatever it is, every slot is handed over first: none refuses connections in between."""
    with Upgradable() as fleet:
        if after == 4:
            subprocess.run([BUILD / "quernctl", "-c", fleet.file, "scale", "4"], check=True, stdout=subprocess.DEVNULL)
        fleet.write_file({"workers.count": configured})
        assert fleet.upgrade()["state"] == "done"
        wait_until(lambda: fleet.status()["fleet"]["ready"] == after == fleet.status()["fleet"]["workers"])
        fleet.wait_settled(after)
        # The next reload goes by the file again.
        os.kill(fleet.status()["pid"], signal.SIGHUP)
        wait_until(lambda: fleet.status()["fleet"]["workers"] == configured)


def test_slots_can_be_left_and_taken_again_right_after_an_upgrade():
    """An old worker that still has something to finish does not keep the slot's port from the next master."""
    with Upgradable({"lab.enabled": True, "workers.count": 3}) as fleet:
        with fleet.connect(at=fleet.worker(2)) as busy:
            busy.sendall(b"GET /lab/sleep?us=2000000 HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: fleet.slot(2)["active"] == 1)
            assert fleet.upgrade()["state"] == "done"
            for wanted in ("1", "3"):
                subprocess.run([BUILD / "quernctl", "-c", fleet.file, "scale", wanted], check=True,
                               stdout=subprocess.DEVNULL)
            assert fleet.get("/healthz", at=fleet.worker(2)).status == 200
            assert busy.recv(100).startswith(b"HTTP/1.1 200 ")
