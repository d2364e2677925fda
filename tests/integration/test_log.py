"""The log cannot stop a worker: whatever becomes of its reader or its disk, serving goes on, and what is lost is counted."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from fleet import SANITIZED, Fleet, wait_until

ACCESS = {"http.access_log": True, "workers.count": 1}
REQUESTS = 1000  # their lines are more than any pipe or socket holds that is not read


def talk(fleet, requests=REQUESTS):
    """Requests one after the other on one connection, all of which succeed; returns the seconds that took."""
    connection = http.client.HTTPConnection(*fleet.worker(0), timeout=10)
    with contextlib.closing(connection):
        begin = time.monotonic()
        for _ in range(requests):
            connection.request("GET", "/qr?text=A")
            response = connection.getresponse()
            assert response.status == 200 and response.read()
        return time.monotonic() - begin


def lost(fleet):
    return fleet.slot(0)["log_lost"]


def lost_by_metrics(fleet):
    return sum(int(n) for n in re.findall(r"^quern_log_lines_lost_total\S* (\d+)$", fleet.metrics(), re.MULTILINE))


def settled(fleet):
    """lost(), once it holds all that was lost so far: the worker adds it up when the timer of its loop fires, a moment after
    that was counted."""

    def fired():
        return int(re.search(r'^quern_loop_lag_seconds_count\{slot="0"\} (\d+)$', fleet.metrics(), re.MULTILINE)[1])

    before = fired()
    wait_until(lambda: fired() >= before + 2)
    return lost(fleet)


def check_losses_are_counted(fleet):
    seen = settled(fleet)
    assert seen > 0
    talk(fleet, 10)
    assert settled(fleet) == seen + 10
    assert lost_by_metrics(fleet) >= seen + 10


def stderr_is(descriptor):
    """A preexec function."""
    return lambda: os.dup2(descriptor, 2)


@contextlib.contextmanager
def unread(kind):
    """Both ends of something that nobody reads: (reader, writer) as descriptors."""
    if kind == "pipe":
        reader, writer = os.pipe()
    elif kind == "socket":
        reader, writer = (sock.detach() for sock in socket.socketpair())
    else:
        reader, writer = os.openpty()
    try:
        yield reader, writer
    finally:
        for descriptor in (reader, writer):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
def test_reader_that_does_not_read(kind):
    """Serving goes on at full speed: the best of three rounds, as the machine may be busy, against that of a fleet whose
    log is read by a file."""
    with unread(kind) as (_, writer), Fleet(ACCESS, preexec=stderr_is(writer)) as fleet, Fleet(ACCESS) as read:
        talk(fleet)
        stuck, free = [], []
        for _ in range(3):
            stuck.append(talk(fleet))
            free.append(talk(read))
        check_losses_are_counted(fleet)
        assert lost(read) == 0
        print(f"{kind}: {min(stuck) * 1e6 / REQUESTS:.0f} us a request, {min(free) * 1e6 / REQUESTS:.0f} us with a reader")
        assert SANITIZED or min(stuck) < 1.5 * min(free)
        # A worker's death is told by the master, whose lines are lost as well.
        old = fleet.kill(0)
        wait_until(lambda: fleet.pid(0) not in (0, old))
        wait_until(lambda: fleet.get("/?text=A").status == 200)
        fleet.stop()


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_reader_that_is_gone(kind):
    with unread(kind) as (reader, writer), Fleet(ACCESS, preexec=stderr_is(writer)) as fleet:
        os.close(writer)
        os.close(reader)
        talk(fleet, 100)
        check_losses_are_counted(fleet)
        old = fleet.kill(0)
        wait_until(lambda: fleet.pid(0) not in (0, old))
        wait_until(lambda: fleet.get("/?text=A").status == 200)
        fleet.stop()


def test_reader_that_comes_back():
    """It learns how much it has missed, and every line is whole."""
    with unread("pipe") as (reader, writer), Fleet(ACCESS, preexec=stderr_is(writer)) as fleet:
        talk(fleet)
        missed = wait_until(lambda: lost(fleet))
        os.set_blocking(reader, False)
        text = b""

        def told():
            nonlocal text
            talk(fleet, 1)
            with contextlib.suppress(BlockingIOError):
                while chunk := os.read(reader, 65536):
                    text += chunk
            return re.search(rb"warn worker 0: (\d+) lines of the log were lost: its reader does not keep up\n", text)

        assert int(wait_until(told)[1]) >= missed
        for line in text.decode().splitlines():
            assert re.fullmatch(r"\d{4}-\S+Z (info|warn) (master|admin|worker 0): .+", line) or json.loads(line)


def test_full_device():
    with Fleet({**ACCESS, "log.destination": "/dev/full"}) as fleet:
        talk(fleet, 100)
        check_losses_are_counted(fleet)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 KiB, and a function that makes it larger."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", tmp_path]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting is not permitted")
    try:
        yield tmp_path, lambda: subprocess.run(["mount", "-o", "remount,size=1m", tmp_path], check=True)
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_full_disk(small_disk):
    directory, enlarge = small_disk
    with Fleet({**ACCESS, "log.destination": f"{directory}/log"}) as fleet:
        talk(fleet, 200)
        check_losses_are_counted(fleet)
        full = (directory / "log").stat().st_size
        enlarge()
        talk(fleet, 1)
        lines = (directory / "log").read_text()[full:].splitlines()
        assert re.fullmatch(r"\S+Z warn worker 0: \d+ lines of the log were lost: No space left on device",
                            next(line for line in lines if line))
        assert json.loads(lines[-1])["status"] == 200


def test_reopened_after_rotation(tmp_path):
    """SIGUSR1 to the master reaches every process."""
    log, rotated = tmp_path / "log", tmp_path / "log.1"
    with Fleet({"http.access_log": True, "workers.count": 2, "log.destination": str(log)}) as fleet:
        log.rename(rotated)
        assert fleet.get("/?text=A").status == 200
        wait_until(lambda: '"worker":0' in rotated.read_text())
        fleet.master.send_signal(signal.SIGUSR1)
        wait_until(log.exists)
        for slot in range(2):

            def logged_in_the_new_file(slot=slot):
                assert fleet.get("/?text=A", at=fleet.worker(slot)).status == 200
                return f'"worker":{slot}' in log.read_text()

            wait_until(logged_in_the_new_file)
        settled = rotated.read_text()
        old = fleet.kill(1)
        wait_until(lambda: f"worker 1 (pid {old}) " in log.read_text())
        wait_until(lambda: fleet.pid(1) not in (0, old))
        wait_until(lambda: fleet.get("/?text=A", at=fleet.worker(1)).status == 200)
        assert rotated.read_text() == settled


def test_reopening_that_fails_keeps_the_old_file(tmp_path):
    log, rotated = tmp_path / "log", tmp_path / "log.1"
    with Fleet({**ACCESS, "log.destination": str(log)}) as fleet:
        log.rename(rotated)
        log.mkdir()
        fleet.master.send_signal(signal.SIGUSR1)
        wait_until(lambda: len(re.findall(r"cannot open the log", rotated.read_text())) >= 2, what="master and worker say so")
        assert fleet.get("/?text=A").status == 200
        wait_until(lambda: '"worker":0' in rotated.read_text())
        assert lost(fleet) == 0
