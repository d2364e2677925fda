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

from fleet import BUILD, Fleet, clean_environment, free_ports, session_members, wait_until

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
    for word in ("status", "--json", "top", "reload", "scale N", "upgrade", "stop", "--admin", "NO_COLOR"):
        assert word in done.stdout


@pytest.mark.parametrize("words", [
    [], ["nonsense"], ["status", "more"], ["--nonsense", "status"], ["-c"], ["--json", "top"], ["--json", "stop"],
    ["-c", "x", "--admin", "127.0.0.1:1", "status"], ["--set", "admin.address=a", "--admin", "127.0.0.1:1", "status"],
    ["--admin", "127.0.0.1", "status"], ["--admin", "localhost:8090", "top"], ["--admin", "", "stop"],
    ["--json", "reload"], ["reload", "more"], ["upgrade", "more"], ["scale"], ["scale", "two"], ["scale", "2", "3"],
    ["scale", ""], ["scale", "1.5"], ["scale", "99999999999"], ["--admin", "127.0.0.1:0", "status"], ["--admin", "127.0.0.1:1", "--admin", "127.0.0.1:2", "status"],
])
def test_wrong_usage(words):
    done = quernctl(*words)
    assert (done.returncode, done.stdout) == (2, "")
    message, *rest = done.stderr.splitlines()
    assert message.startswith("quernctl: ") and rest == ["Try 'quernctl --help'."]


@pytest.mark.parametrize("words", [["scale", "-1"], ["scale", "--", "-1"], ["--admin", "127.0.0.1:1", "scale", "-12"],
                                   ["scale", "two"]])
def test_a_number_that_is_none_is_told_what_is_allowed(words):
    done = quernctl(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (f'quernctl: scale: "{words[-1]}" is not allowed; allowed: a number of workers, '
                           "1 to workers.max\nTry 'quernctl --help'.\n")


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
    for command in (["status"], ["stop"], ["reload"], ["scale", "2"], ["upgrade"]):
        done = quernctl("--admin", address, *command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"quernctl: cannot connect to {address}: is quernd running?\n"


@pytest.mark.parametrize("body, status", [("<html>", 200), ("{}", 200), ("[1]", 200), ("no", 404)])
def test_somebody_else_answers(body, status):
    with StandIn(body, status) as stand_in:
        for command in (["status"], ["stop"], ["reload"], ["scale", "2"], ["upgrade"]):
            done = quernctl("--admin", text_of(stand_in.address), *command)
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
        # A SIGCONT that came before it stopped would be lost.
        wait_until(lambda: stat_of(terminal.process.pid)[0] == "T")
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


def test_stop_after_an_upgrade_ends_all_that_is_left():
    """The first process stays for older workers; all are gone by then, and another quernd can take the addresses."""
    with Fleet({"workers.count": 1, "lab.enabled": True}) as fleet:
        assert fleet.status()["guardian"] is None
        with fleet.connect() as sock:
            sock.sendall(b"GET /lab/sleep?us=3000000 HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: fleet.slot(0)["active"] == 1)
            assert quernctl("-c", fleet.file, "upgrade").returncode == 0
            status = fleet.status()
            assert status["guardian"] == {"pid": fleet.master.pid, "start_ticks": ticks_of(fleet.master.pid)}
            done = quernctl("-c", fleet.file, "stop")
            assert session_members(fleet.master.pid) == []
            assert (done.returncode, done.stderr) == (0, "") and f"(pid {status['pid']}) stopped" in done.stdout
            assert sock.recv(15) == b"HTTP/1.1 200 OK"
        assert fleet.master.wait(0) == 0
        fleet.master = subprocess.Popen([BUILD / "quernd", "-c", fleet.file], stderr=subprocess.DEVNULL,
                                        env=clean_environment(), start_new_session=True)
        fleet.wait_until_ready()


def test_stop_passes_by_a_first_process_that_is_gone(running):
    with subprocess.Popen(["sleep", "600"]) as victim, subprocess.Popen(["sleep", "600"]) as other:
        try:
            status = json.loads(victim_status(running, victim.pid, ticks_of(victim.pid)))
            status["guardian"] = {"pid": other.pid, "start_ticks": ticks_of(other.pid) - 1}
            with StandIn(json.dumps(status)) as stand_in:
                done = quernctl("--admin", text_of(stand_in.address), "stop")
            assert (done.returncode, done.stderr) == (0, "")
            assert victim.wait(10) == -signal.SIGTERM and other.poll() is None
        finally:
            victim.kill()
            other.kill()


def test_stop_names_the_first_process_when_that_stays(running):
    with subprocess.Popen(["sleep", "600"]) as victim, Deaf(running, blocked="TERM") as first:
        try:
            status = json.loads(victim_status(running, victim.pid, ticks_of(victim.pid)))
            status["guardian"] = {"pid": first.process.pid, "start_ticks": ticks_of(first.process.pid)}
            with StandIn(json.dumps(status)) as stand_in:
                with Terminal(QUERNCTL, "--admin", text_of(stand_in.address), "stop") as terminal:
                    wait_until(lambda: "finishes its requests" in terminal.read())
                    assert victim.poll() is None
                    victim.kill()
                    assert terminal.wait() == 1
                    assert re.search(rf"\(pid {first.process.pid}\) still runs after 5\.\d s", terminal.read())
        finally:
            victim.kill()


def victim_status(running, pid, ticks, drain_ms=100):
    status = running.status()
    status["pid"], status["start_ticks"] = pid, ticks
    status["settings"]["drain_ms"] = drain_ms
    return json.dumps(status)


def stat_of(pid):
    """The fields of /proc/PID/stat from the third on, which is the state."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()


def ticks_of(pid):
    return int(stat_of(pid)[19])


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
@pytest.mark.parametrize("command", [["stop"], ["reload"], ["scale", "2"], ["upgrade"]])
def test_it_says_when_it_is_not_permitted(running, command):
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        shutil.copy(QUERNCTL, directory)
        done = subprocess.run([f"{directory}/quernctl", "--admin", text_of(running.admin), *command], text=True,
                              capture_output=True, user=65534, group=65534, extra_groups=[], cwd="/", check=False,
                              env=clean_environment())
    assert done.returncode == 1 and f"no permission to {command[0]} quernd" in done.stderr
    assert running.master.poll() is None
    assert running.status()["changes"] == []


# --- reload, scale, upgrade: a stand-in that does what no quernd should ------------------------------------------


class Deaf:
    """A process that no signal of quernctl ends, and an admin process that speaks of it as a quernd's master."""

    def __init__(self, running, blocked="HUP USR2 RTMIN", **fleet):
        signals = [getattr(signal, f"SIG{name}") for name in blocked.split()]
        self.process = subprocess.Popen(["sleep", "600"],
                                        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signals))
        self.status = json.loads(victim_status(running, self.process.pid, ticks_of(self.process.pid), drain_ms=0))
        self.status["fleet"].update({"workers": 0, **fleet})
        self.status["changes"] = []
        self.stand_in = StandIn(json.dumps(self.status))

    def __enter__(self):
        self.stand_in.__enter__()
        return self

    def __exit__(self, *error):
        self.stand_in.close()
        self.process.kill()
        self.process.wait()

    @property
    def admin(self):
        return text_of(self.stand_in.address)

    def record(self, kind, state, text, *, since=-60, **more):
        """One that began that many seconds from now; with a time to come it is newer than any signal."""
        begun = time.monotonic_ns() // 1000 - int(since * 1e6)
        self.status["changes"].append({"number": len(self.status["changes"]) + 1, "kind": kind, "state": state,
                                       "begun_us": begun, "ended_us": 0 if state == "running" else begun + 1, "age_s": 0.5,
                                       "target": 0, "done": 0, "total": 0, "text": text, **more})
        self.stand_in.body = json.dumps(self.status)


def test_the_outcome_is_that_of_the_own_signal(running):
    with Deaf(running) as deaf:
        deaf.record("reload", "failed", "an older one", since=1)
        deaf.record("scale", "failed", "another kind")
        deaf.record("reload", "done", "all is well")
        deaf.record("reload", "failed", "a later one")
        done = quernctl("--admin", deaf.admin, "reload")
        assert (done.returncode, done.stdout, done.stderr) == (0, "reload done: all is well\n", "")


def test_a_scaling_is_told_by_its_target(running):
    with Deaf(running, max=32) as deaf:
        deaf.record("scale", "superseded", "the other's", target=3)
        deaf.record("scale", "done", "5 workers", target=5)
        done = quernctl("--admin", deaf.admin, "scale", 5)
        assert (done.returncode, done.stdout, done.stderr) == (0, "scale done: 5 workers\n", "")


@pytest.mark.parametrize("state", ["failed", "superseded"])
def test_what_is_not_in_force_is_a_failure(running, state):
    with Deaf(running) as deaf:
        deaf.record("upgrade", state, "first line\nsecond line\n")
        done = quernctl("--admin", deaf.admin, "upgrade")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"quernctl: upgrade {state}: first line\nsecond line\n"


def test_progress_is_shown_on_a_terminal(running):
    with Deaf(running) as deaf:
        deaf.record("reload", "running", "taking it", done=3, total=8)
        with Terminal(QUERNCTL, "--admin", deaf.admin, "reload") as terminal:
            wait_until(lambda: "\r\033[Kreload: 3 of 8 workers" in terminal.read())
            deaf.status["changes"][0].update(state="done", text="taken")
            deaf.stand_in.body = json.dumps(deaf.status)
            assert terminal.wait() == 0
            assert terminal.read().endswith("\r\033[Kreload done: taken\r\n")


@pytest.mark.parametrize("command", ["reload", "stop"])
def test_ctrl_c_ends_the_waiting_only(running, command):
    with Deaf(running, blocked="HUP TERM") as deaf:
        with Terminal(QUERNCTL, "--admin", deaf.admin, command) as terminal:
            wait_until(lambda: f"(pid {deaf.process.pid})" in terminal.read())
            terminal.press(b"\x03")
            assert terminal.wait() == -signal.SIGINT
            assert terminal.read().endswith(f"\r\nquernctl: the {command} goes on: see quernctl status\r\n")
        assert deaf.process.poll() is None


def test_an_interrupt_without_a_terminal_is_one_line(running):
    with Deaf(running) as deaf:
        deaf.record("reload", "running", "taking it", done=0, total=30)
        with subprocess.Popen([QUERNCTL, "--admin", deaf.admin, "reload"], stderr=subprocess.PIPE, text=True,
                              env=clean_environment()) as waiting:
            wait_until(lambda: is_pending(deaf.process.pid, signal.SIGHUP) and is_caught(waiting.pid, signal.SIGINT))
            waiting.send_signal(signal.SIGINT)
            assert waiting.wait(10) == -signal.SIGINT
            assert waiting.stderr.read() == "quernctl: the reload goes on: see quernctl status\n"


def in_mask(pid, name, number):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(rf"^{name}:\s*(\w+)$", file.read(), re.MULTILINE)[1], 16) >> (number - 1) & 1


def is_pending(pid, number):
    return in_mask(pid, "ShdPnd", number)


def is_caught(pid, number):
    return in_mask(pid, "SigCgt", number)


def test_a_change_that_does_not_begin_is_given_up(running):
    with Deaf(running) as deaf:
        done = quernctl("--admin", deaf.admin, "reload")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"quernctl: reload: quernd (pid {deaf.process.pid}) has not begun within 5 s\n"


def test_a_change_that_does_not_end_is_given_up(running):
    with Deaf(running) as deaf:
        deaf.record("reload", "running", "taking it", done=0, total=1)
        done = quernctl("--admin", deaf.admin, "reload")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == ("quernctl: reload: not through after 6 s, at 0 of 1 workers (taking it); it may still end: "
                               "see quernctl status\n")


def test_a_quernd_that_ends_is_told(running):
    with Deaf(running, blocked="USR2") as deaf:
        begun = time.monotonic()
        done = quernctl("--admin", deaf.admin, "reload")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"quernctl: reload: quernd (pid {deaf.process.pid}) has ended\n"
        assert time.monotonic() - begun < 4


@pytest.mark.parametrize("change, message", [
    (lambda status: status.pop("changes"), 'quernd {version} (pid {pid}) does not know "{command}"'),
    (lambda status: status["fleet"].update(state="stopping"), "quernd (pid {pid}) is being stopped"),
])
def test_who_cannot_change_gets_no_signal(running, change, message):
    with Deaf(running, blocked="INT") as deaf:
        change(deaf.status)
        deaf.stand_in.body = json.dumps(deaf.status)
        for command in (["reload"], ["scale", "1"], ["upgrade"]):
            done = quernctl("--admin", deaf.admin, *command)
            told = message.format(version=deaf.status["version"], pid=deaf.process.pid, command=command[0])
            assert (done.returncode, done.stdout, done.stderr) == (1, "", f"quernctl: {told}\n")
        assert deaf.process.poll() is None


def test_an_upgrade_is_told_by_the_successor(running):
    """The address is nobody's for a while, and then another process's, in whose memory the record is."""
    with Deaf(running) as deaf:
        deaf.record("upgrade", "running", "starting", done=1, total=2)
        with Terminal(QUERNCTL, "--admin", deaf.admin, "upgrade") as terminal:
            wait_until(lambda: "upgrade: 1 of 2 workers" in terminal.read())
            address = deaf.stand_in.address
            deaf.stand_in.close()
            deaf.process.kill()
            deaf.process.wait()
            deaf.status["pid"] = os.getpid()
            deaf.status["changes"][0].update(state="done", text="another has taken over")
            with StandIn(json.dumps(deaf.status), address=address):
                assert terminal.wait() == 0
                assert "upgrade done: another has taken over\r\n" in terminal.read()


def test_an_upgrade_without_successor_is_told(running):
    with Deaf(running) as deaf:
        deaf.record("upgrade", "running", "starting")
        with Terminal(QUERNCTL, "--admin", deaf.admin, "upgrade") as terminal:
            wait_until(lambda: "upgrade: waiting" in terminal.read())
            deaf.stand_in.close()
            deaf.process.kill()
            deaf.process.wait()
            assert terminal.wait() == 1
            assert f"quernd (pid {deaf.process.pid}) has ended, and no successor answers" in terminal.read()


@pytest.mark.parametrize("command", ["reload", "upgrade"])
def test_another_quernd_that_knows_nothing_is_told(running, command):
    with Deaf(running) as deaf:
        with Terminal(QUERNCTL, "--admin", deaf.admin, command) as terminal:
            wait_until(lambda: f"{command}: waiting" in terminal.read())
            if command == "upgrade":
                deaf.process.kill()
                deaf.process.wait()
            deaf.stand_in.body = json.dumps({**deaf.status, "pid": os.getpid()})
            assert terminal.wait() == 1
            assert re.search(rf"\(pid {deaf.process.pid}\) has been followed by another one \(pid {os.getpid()}\), "
                             f"which knows of no {command}", terminal.read())


# --- reload, scale, upgrade: a real fleet ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def changing():
    with Fleet({"workers.count": 2, "workers.max": 32, "http.cache_control": "no-store"},
               arguments=["--set", "limits.queue=77"]) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def as_it_was(request):
    """Each test that changes the fleet finds it as it was at first."""
    yield
    if "changing" in request.fixturenames:
        fleet = request.getfixturevalue("changing")
        fleet.write_file({"workers.count": 2, "log.level": "info", "http.cache_control": "no-store", "limits.queue": 512,
                          "balancer.policy": "roundrobin"})
        assert quernctl("-c", fleet.file, "reload").returncode == 0


def ready(fleet):
    return [worker["slot"] for worker in fleet.status()["workers"] if worker["state"] == "ready"]


def test_reload_takes_count_and_level(changing):
    changing.write_file({"workers.count": 4, "log.level": "debug"})
    done = quernctl("-c", changing.file, "reload")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("reload done: ") and done.stdout.count("\n") == 1
    assert "workers.count" in done.stdout and "log.level" in done.stdout
    assert ready(changing) == [0, 1, 2, 3]
    assert changing.status()["fleet"]["workers"] == 4
    assert quernctl("-c", changing.file, "scale", 3).returncode == 0
    changing.wait_log(r" debug worker 3: ")


def test_reload_replaces_workers_where_that_is_needed(changing):
    old = [changing.pid(slot) for slot in (0, 1)]
    changing.write_file({"http.cache_control": "max-age=7"})
    done = quernctl("-c", changing.file, "reload")
    assert (done.returncode, done.stderr) == (0, "") and "http.cache_control" in done.stdout
    for slot in (0, 1):
        assert changing.pid(slot) not in (0, old[slot])
        assert changing.get("/qr?text=A", at=changing.worker(slot)).header("Cache-Control") == "max-age=7"


def test_reload_of_a_bad_file_leaves_all_as_it_was(changing):
    pids = [changing.pid(slot) for slot in (0, 1)]
    changing.write_file({"workers.count": 400, "http.cache_control": "max-age=8"})
    done = quernctl("--admin", text_of(changing.admin), "reload")
    assert (done.returncode, done.stdout) == (1, "")
    for word in ("quernctl: reload failed: ", str(changing.file), "workers.count", "400", "allowed: ", "workers.max"):
        assert word in done.stderr
    assert [changing.pid(slot) for slot in (0, 1)] == pids
    assert changing.get("/qr?text=A").header("Cache-Control") == "no-store"
    status = quernctl("--admin", text_of(changing.admin), "status")
    assert re.search(r"^reload failed \d+s ago: .*workers\.count", status.stdout, re.MULTILINE)
    # Who names the file hears of it before anybody is asked.
    done = quernctl("-c", changing.file, "reload")
    assert (done.returncode, done.stdout) == (2, "") and "workers.count: 400" in done.stderr


def test_reload_names_what_the_command_line_pins(changing):
    changing.write_file({"limits.queue": 33})
    done = quernctl("-c", changing.file, "reload")
    assert (done.returncode, done.stderr) == (0, "") and re.search("pinned.*limits.queue", done.stdout)
    assert changing.status()["settings"]["queue"] == 77


def test_scale_up_and_down(changing):
    done = quernctl("-c", changing.file, "scale", 5)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch("scale done: .*5 workers\n", done.stdout)
    assert ready(changing) == [0, 1, 2, 3, 4]
    kept = changing.pid(0)
    done = quernctl("-c", changing.file, "scale", 1)
    assert (done.returncode, done.stderr) == (0, "")
    assert ready(changing) == [0] and changing.pid(0) == kept
    assert changing.status()["fleet"]["workers"] == 1
    assert changing.status()["changes"][-1]["target"] == 1


@pytest.mark.parametrize("count", [0, 33])
def test_scale_says_what_is_allowed(changing, count):
    before = changing.metrics().split("\nquern_changes_total ")[1].split("\n")[0]
    done = quernctl("-c", changing.file, "scale", count)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"quernctl: scale: {count} is not allowed; allowed: 1 to 32 (workers.max)\n"
    assert f"\nquern_changes_total {before}\n" in changing.metrics()


def test_changes_are_in_the_metrics(changing):
    def value(name):
        return int(re.search(rf"^{name} (\d+)$", changing.metrics(), re.MULTILINE)[1])

    before = value("quern_changes_total")
    changing.write_file({"workers.count": 0})
    assert quernctl("--admin", text_of(changing.admin), "reload").returncode == 1
    assert (value("quern_changes_total"), value("quern_change_failed")) == (before + 1, 1)
    assert quernctl("--admin", text_of(changing.admin), "scale", 2).returncode == 0
    assert (value("quern_changes_total"), value("quern_change_failed")) == (before + 2, 0)


def test_upgrade_puts_another_quernd_in_its_place():
    with Fleet({"workers.count": 2}) as fleet:
        old, workers = fleet.status()["pid"], [fleet.pid(0), fleet.pid(1)]
        for _ in range(2):
            done = quernctl("-c", fleet.file, "upgrade")
            assert (done.returncode, done.stderr) == (0, "")
            new = fleet.status()["pid"]
            assert new != old and re.search(rf"\bpid {new}\b", done.stdout)
            assert not set(workers) & {fleet.pid(0), fleet.pid(1)}
            assert fleet.get("/qr?text=A").status == 200
            old, workers = new, [fleet.pid(0), fleet.pid(1)]
        done = quernctl("-c", fleet.file, "stop")
        assert done.returncode == 0 and f"(pid {new}) stopped" in done.stdout
        assert fleet.master.wait(10) == 0


def test_upgrade_to_what_does_not_start_changes_nothing(tmp_path):
    for name in ("quernd", "quern-balancer"):
        shutil.copy(BUILD / name, tmp_path)
    with Fleet({"workers.count": 2}, programs=tmp_path) as fleet:
        pids = [fleet.status()["pid"], fleet.pid(0), fleet.pid(1)]
        broken = tmp_path / "broken"
        broken.write_text("#!/bin/sh\nexit 7\n")
        broken.chmod(0o755)
        broken.rename(tmp_path / "quernd")
        done = quernctl("-c", fleet.file, "upgrade")
        assert (done.returncode, done.stdout) == (1, "")
        assert re.match(r"quernctl: upgrade failed: .*carries on", done.stderr)
        assert [fleet.status()["pid"], fleet.pid(0), fleet.pid(1)] == pids
        assert fleet.get("/qr?text=A").status == 200


# --- which change is waited for ---------------------------------------------------------------------------------


@pytest.mark.parametrize("others", [9, 40])
def test_a_reload_is_not_taken_for_another_one(others):
    """So many begin and fail meanwhile; where its record is gone for them, that is what is said."""
    with Fleet({"workers.count": 1, "lab.enabled": True, "workers.drain_ms": 60000}) as fleet:
        with fleet.connect(at=fleet.worker(0)) as busy:
            # Four seconds of work, which the old worker finishes.
            for _ in range(4):
                busy.sendall(b"GET /lab/sleep?us=1000000 HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: fleet.slot(0)["active"] >= 1)
            fleet.write_file({"http.cache_control": "no-store"})
            content = fleet.file.read_text()
            waiting = subprocess.Popen([QUERNCTL, "--admin", text_of(fleet.admin), "reload"], text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment())
            wait_until(lambda: len(fleet.status()["changes"]) == 1)
            # It has seen its own once its next look is through.
            seen = time.monotonic() + 0.5
            wait_until(lambda: time.monotonic() > seen)
            fleet.file.write_text("{")
            for number in range(2, others + 2):
                os.kill(fleet.status()["pid"], signal.SIGHUP)
                wait_until(lambda number=number: fleet.status()["changes"][-1]["number"] == number)
            fleet.file.write_text(content)
            out, err = waiting.communicate(timeout=60)
        if others < 32:
            assert (waiting.returncode, out, err) == (0, "reload done: by new workers: http.cache_control\n", "")
        else:
            assert (waiting.returncode, out) == (1, "")
            assert "does not keep what came of this one" in err


def test_an_upgrade_to_another_admin_address():
    with Fleet({"workers.count": 1}) as fleet:
        first, pid = fleet.admin, fleet.status()["pid"]
        fleet.write_file({"admin.address": f"127.0.0.1:{free_ports(1)}"})
        for command, way in (("upgrade", f"quernctl -c {fleet.file} --admin OLD upgrade"),
                             ("reload", "quernctl --admin OLD reload")):
            done = quernctl("-c", fleet.file, command)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr == (f"quernctl: cannot connect to {text_of(fleet.admin)}: is quernd running? "
                                   f"If admin.address was changed in the file: {way}\n")
        done = quernctl("-c", fleet.file, "--admin", text_of(first), "upgrade")
        assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("upgrade done: ")
        assert fleet.status()["pid"] != pid
        # Who does not say where it will be hears that it is not there any more, and not after a minute.
        second = fleet.admin
        fleet.write_file({"admin.address": f"127.0.0.1:{free_ports(1)}"})
        done = quernctl("--admin", text_of(second), "upgrade", timeout=40)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"quernctl: upgrade: nobody answers at {text_of(second)} any more; "
                                      "if admin.address was changed, see quernctl -c FILE status")
        # A failure is told by the one that carries on.
        pid = fleet.status()["pid"]
        third = text_of(fleet.admin)
        with StandIn("") as stand_in:
            fleet.write_file({"admin.address": text_of(stand_in.address)})
            done = quernctl("-c", fleet.file, "--admin", third, "upgrade")
            assert (done.returncode, done.stdout) == (1, "") and "upgrade failed: " in done.stderr
        fleet.write_file({"admin.address": third})
        assert fleet.status()["pid"] == pid


def test_who_ignores_the_signal_is_told_at_once():
    with Fleet({"workers.count": 1}, preexec=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as fleet:
        for changes in (0, 1):
            pid = fleet.status()["pid"]
            done = quernctl("-c", fleet.file, "reload")
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith(f"quernctl: reload: quernd (pid {pid}) ignores SIGHUP")
            assert "nohup" in done.stderr and "quernctl upgrade" in done.stderr
            assert len(fleet.status()["changes"]) == changes
            assert quernctl("-c", fleet.file, "upgrade").returncode == 0
