"""quernctl against real fleets, and against a stand-in for the admin process where that must misbehave."""

import fcntl
import http.server
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time

import pytest

from fleet import BUILD, Fleet, clean_environment, wait_until

QUERNCTL = BUILD / "quernctl"
ENTER, LEAVE = "\033[?1049h", "\033[?1049l"


def quernctl(*words, environment=None, cwd=None, timeout=60, **more):
    return subprocess.run([str(word) for word in (QUERNCTL, *words)], capture_output=True, text=True, timeout=timeout,
                          env=clean_environment(environment), cwd=cwd, check=False, **more)


def text_of(address):
    return f"{address[0]}:{address[1]}"


@pytest.fixture(scope="module")
def running():
    with Fleet({"workers.count": 3}) as fleet:
        for slot in range(3):
            fleet.get("/qr?text=A", at=fleet.worker(slot))
        wait_until(lambda: fleet.status()["fleet"]["requests"] == 3)
        yield fleet


class StandIn:
    """Answers any GET with `body` and `status`, on `address`."""

    def __init__(self, body, status=200, address=("127.0.0.1", 0)):
        stand_in = self
        self.body, self.status = body, status

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                data = stand_in.body.encode()
                self.send_response(stand_in.status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(address, Handler)
        self.address = self.server.server_address
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
            self.server.server_close()


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *words, columns=120, rows=40, environment=None):
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.received = b""
        self.process = subprocess.Popen(
            [str(word) for word in words], stdin=slave, stdout=slave, stderr=slave,
            env=clean_environment({"TERM": "xterm", "LC_ALL": "C.UTF-8", **(environment or {})}), start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        """All that was shown so far."""
        while select.select([self.master], [], [], 0)[0]:
            self.received += os.read(self.master, 65536)
        return self.received.decode()

    def frame(self):
        """The lines of the picture that was drawn last, without colours."""
        last = self.read().rpartition("\033[H")[2].partition("\033[J")[0]
        return [re.sub(r"\033\[[\d;]*[mK]", "", line) for line in last.split("\r\n")]

    def press(self, keys):
        os.write(self.master, keys)

    def wait(self):
        wait_until(lambda: self.read() is not None and self.process.poll() is not None)
        self.read()
        return self.process.returncode

    def is_restored(self):
        shown = self.read()
        return (shown.count(ENTER) == shown.count(LEAVE) and shown.rfind("\033[?25h") > shown.rfind("\033[?25l")
                and termios.tcgetattr(self.slave) == self.before)


# --- command line ------------------------------------------------------------------------------------------------


def test_help():
    done = quernctl("--help")
    assert done.returncode == 0
    for word in ("status", "--json", "top", "stop", "--admin", "NO_COLOR"):
        assert word in done.stdout


@pytest.mark.parametrize("words", [
    [], ["nonsense"], ["status", "more"], ["--nonsense", "status"], ["-c"], ["--json", "top"], ["--json", "stop"],
    ["-c", "x", "--admin", "127.0.0.1:1", "status"], ["--set", "admin.address=a", "--admin", "127.0.0.1:1", "status"],
    ["--admin", "127.0.0.1", "status"], ["--admin", "localhost:8090", "top"], ["--admin", "", "stop"],
    ["--admin", "127.0.0.1:0", "status"], ["--admin", "127.0.0.1:1", "--admin", "127.0.0.1:2", "status"],
])
def test_wrong_usage(words):
    done = quernctl(*words)
    assert (done.returncode, done.stdout) == (2, "")
    message, *rest = done.stderr.splitlines()
    assert message.startswith("quernctl: ") and rest == ["Try 'quernctl --help'."]


def test_wrong_configuration(tmp_path):
    path = tmp_path / "quern.json"
    path.write_text('{"admin": {"adress": "127.0.0.1:1"}}')
    done = quernctl("-c", path, "status")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (f'quernctl: {path}: admin: there is no option "adress"; '
                           "did you mean admin.address?\n")


def test_top_needs_a_terminal(running):
    done = quernctl("-c", running.file, "top")
    assert done.returncode == 2 and "terminal" in done.stderr


# --- finding quernd ----------------------------------------------------------------------------------------------


def test_the_address_is_found_in_four_ways(running, tmp_path):
    address = text_of(running.admin)
    other = tmp_path / "quern.json"
    other.write_text('{"admin": {"address": "127.0.0.1:1"}}')
    for done in (quernctl("-c", running.file, "status", "--json"),
                 quernctl("--admin", address, "status", "--json"),
                 quernctl("-c", other, "--set", f"admin.address={address}", "status", "--json"),
                 quernctl("-c", other, "status", "--json", environment={"QUERN_ADMIN_ADDRESS": address})):
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["pid"] == running.master.pid


def test_nobody_answers():
    with StandIn("") as stand_in:
        address = text_of(stand_in.address)
    for command in ("status", "stop"):
        done = quernctl("--admin", address, command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"quernctl: cannot connect to {address}: is quernd running?\n"


@pytest.mark.parametrize("body, status", [("<html>", 200), ("{}", 200), ("[1]", 200), ("no", 404)])
def test_somebody_else_answers(body, status):
    with StandIn(body, status) as stand_in:
        for command in ("status", "stop"):
            done = quernctl("--admin", text_of(stand_in.address), command)
            assert (done.returncode, done.stdout) == (1, "")
            assert "quernd's admin" in done.stderr and text_of(stand_in.address) in done.stderr


def test_silence_has_an_end():
    import socket
    with socket.create_server(("127.0.0.1", 0)) as server:
        begun = time.monotonic()
        done = quernctl("--admin", text_of(server.getsockname()), "status")
        assert done.returncode == 1 and "did not answer within 2 s" in done.stderr
        assert 1.9 < time.monotonic() - begun < 10


# --- status ------------------------------------------------------------------------------------------------------


def test_status_shows_fleet_and_workers(running):
    done = quernctl("-c", running.file, "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\033" not in done.stdout
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 120
    assert re.match(rf"quernd \d\S+   ok   up \S+   pid {running.master.pid}   ", lines[0])
    assert done.stdout.count(str(running.file)) == 1
    assert "3 of 3 workers ready" in done.stdout and "3 requests" in done.stdout
    heads = next(line for line in lines if line.startswith("slot")).split()
    assert heads == ("slot pid state age memory conns active queued total per s busy CPU now p95 mean p50 p95 p99 "
                     "starts").split()
    for slot in range(3):
        row = next(line for line in lines if line.split()[:2] == [str(slot), str(running.pid(slot))])
        assert row.split()[2] == "ready" and row.split()[8] == "1" and row.split()[-1] == "0"
    total = next(line for line in lines if line.split()[:1] == ["all"])
    assert total.split()[1] == "ok" and total.split()[6] == "3"


def test_status_json_is_what_the_admin_process_says(running):
    done = quernctl("-c", running.file, "status", "--json")
    assert done.returncode == 0
    assert set(json.loads(done.stdout)) == set(running.status())


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_status_fits_the_terminal(running, columns):
    with Terminal(QUERNCTL, "-c", running.file, "status", columns=columns) as terminal:
        assert terminal.wait() == 0
        text = terminal.read()
    assert "\033[32mready\033[0m" in text
    lines = [re.sub(r"\033\[[\d;]*m", "", line) for line in text.split("\r\n")]
    table = [line for line in lines if str(running.file) not in line]
    assert max(map(len, table)) <= columns
    heads = next(line for line in lines if line.startswith("slot")).split()
    assert {"slot", "pid", "state", "busy", "CPU", "p99"} <= set(heads)
    assert ("mean" in heads) == (columns >= 120) and ("timeouts" in heads) == (columns >= 200)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours(running, environment):
    with Terminal(QUERNCTL, "-c", running.file, "status", environment=environment) as terminal:
        assert terminal.wait() == 0
        assert "ready" in terminal.read() and "\033" not in terminal.read()


def test_a_full_disk_is_noticed(running):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([QUERNCTL, "-c", running.file, "status"], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=clean_environment(), check=False)
    assert done.returncode == 1 and "cannot write" in done.stderr


# --- top ---------------------------------------------------------------------------------------------------------


def top(running, **more):
    return Terminal(QUERNCTL, "--admin", text_of(running.admin), "top", **more)


def shows(terminal, text):
    wait_until(lambda: any(text in line for line in terminal.frame()), what=f"{text!r} in {terminal.frame()}")


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_top_ends_by_key(running, key):
    with top(running) as terminal:
        shows(terminal, f"pid {running.master.pid}")
        shows(terminal, "q quits")
        terminal.press(key)
        assert terminal.wait() == 0
        assert ENTER in terminal.read() and terminal.is_restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV])
def test_top_restores_the_terminal_whatever_ends_it(running, number):
    with top(running) as terminal:
        shows(terminal, "q quits")
        terminal.process.send_signal(number)
        assert terminal.wait() != 0
        assert terminal.is_restored()


def test_top_refreshes(running):
    with top(running) as terminal:
        shows(terminal, "requests")
        before = running.status()["fleet"]["requests"]
        running.get("/qr?text=A", at=running.worker(0))
        shows(terminal, f"{before + 1} requests")
        terminal.press(b"q")
        assert terminal.wait() == 0


def test_top_follows_the_size(running):
    with top(running, columns=200) as terminal:
        wait_until(lambda: any("timeouts" in line.split() for line in terminal.frame()))
        terminal.resize(80, 24)
        wait_until(lambda: max(map(len, terminal.frame())) <= 80 and not any(
            "timeouts" in line.split() for line in terminal.frame()))
        terminal.resize(120, 10)
        shows(terminal, "more workers)")
        assert len(terminal.frame()) <= 10
        terminal.press(b"q")
        assert terminal.wait() == 0


def test_top_can_be_suspended(running):
    with top(running) as terminal:
        shows(terminal, "q quits")
        terminal.process.send_signal(signal.SIGTSTP)
        wait_until(terminal.is_restored)
        os.kill(terminal.process.pid, signal.SIGCONT)
        wait_until(lambda: terminal.read().count(ENTER) == 2)
        terminal.press(b"q")
        assert terminal.wait() == 0
        assert terminal.is_restored()


def test_top_survives_quernd(running):
    with StandIn(json.dumps(running.status())) as stand_in:
        with Terminal(QUERNCTL, "--admin", text_of(stand_in.address), "top") as terminal:
            shows(terminal, "3 of 3 workers ready")
            stand_in.close()
            shows(terminal, "is quernd running?")
            shows(terminal, "3 of 3 workers ready")
            with StandIn(json.dumps(running.status()), address=stand_in.address):
                wait_until(lambda: not any("is quernd running?" in line for line in terminal.frame()))
                terminal.press(b"q")
                assert terminal.wait() == 0


# --- stop --------------------------------------------------------------------------------------------------------


def test_stop_ends_quernd():
    with Fleet() as fleet:
        done = quernctl("-c", fleet.file, "stop")
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(rf"quernd \(pid {fleet.master.pid}\) stopped after \d+\.\d s\n", done.stdout)
        assert done.stderr == ""
        assert fleet.master.wait(10) == 0
        assert quernctl("-c", fleet.file, "stop").returncode == 1


def test_stop_waits_for_the_drain():
    with Fleet({"workers.count": 1, "lab.enabled": True}) as fleet:
        sock = fleet.connect()
        sock.sendall(b"GET /lab/sleep?us=2000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: fleet.slot(0)["active"] == 1)
        with Terminal(QUERNCTL, "-c", fleet.file, "stop") as terminal:
            assert terminal.wait() == 0
            text = terminal.read()
        assert "finishes its requests" in text
        assert float(re.search(r"stopped after (\S+) s", text)[1]) > 0.5
        assert sock.recv(15) == b"HTTP/1.1 200 OK"
        sock.close()
        assert fleet.master.wait(10) == 0


def victim_status(running, pid, ticks, drain_ms=100):
    status = running.status()
    status["pid"], status["start_ticks"] = pid, ticks
    status["settings"]["drain_ms"] = drain_ms
    return json.dumps(status)


def ticks_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def test_stop_never_hits_another_process(running):
    with subprocess.Popen(["sleep", "600"]) as victim:
        try:
            with StandIn(victim_status(running, victim.pid, ticks_of(victim.pid) - 1)) as stand_in:
                done = quernctl("--admin", text_of(stand_in.address), "stop")
            assert done.returncode == 1 and "is not that quernd" in done.stderr
            assert victim.poll() is None
        finally:
            victim.kill()


def test_stop_gives_up_on_a_process_that_does_not_end(running):
    ignorant = subprocess.Popen(["sh", "-c", "trap '' TERM; echo ready; exec sleep 600"], stdout=subprocess.PIPE)
    try:
        ignorant.stdout.readline()
        with StandIn(victim_status(running, ignorant.pid, ticks_of(ignorant.pid))) as stand_in:
            done = quernctl("--admin", text_of(stand_in.address), "stop")
        assert done.returncode == 1
        assert re.search(rf"\(pid {ignorant.pid}\) still runs after 5\.\d s", done.stderr)
    finally:
        ignorant.kill()
        ignorant.wait()
        ignorant.stdout.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_stop_says_when_it_is_not_permitted(running):
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        shutil.copy(QUERNCTL, directory)
        done = subprocess.run([f"{directory}/quernctl", "--admin", text_of(running.admin), "stop"], text=True,
                              capture_output=True, user=65534, group=65534, extra_groups=[], cwd="/", check=False,
                              env=clean_environment())
    assert done.returncode == 1 and "no permission to stop quernd" in done.stderr
    assert running.master.poll() is None
