"""A whole fleet, as the tests use it: quernd, and HAProxy in front of it where it is asked for.

    from fleet import Fleet, wait_until

    def test_something():
        with Fleet({"workers.count": 3, "limits.queue": 4}, balancer=True) as fleet:
            answer = fleet.get("/qr?text=A")               # through the front; worker 0 without balancer
            assert answer.status == 200 and answer.header("Content-Type") == "image/png"
            fleet.get("/healthz", at=fleet.worker(2))      # one worker, past HAProxy
            fleet.raw(b"GET / HTTP/1.0\\r\\n\\r\\n")           # bytes out, all bytes back until the end
            old = fleet.kill(1)                            # SIGKILL to the worker in slot 1
            wait_until(lambda: fleet.pid(1) not in (0, old))

What holds for every Fleet:

* Options are dotted keys ("limits.queue_ms"); they go into a configuration file of their own in a temporary directory,
  fleet.file. Ports are chosen by Fleet: a block that was free a moment ago, below 32768 so that no outgoing connection
  can take one. If another process was quicker, the start is repeated with another block. QUERN_ variables of the
  caller's environment do not reach the programs; environment={...} adds to it, arguments=[...] to quernd's command line,
  haproxy_arguments=[...] to HAProxy's, preexec=f is called in the child before exec. programs=DIRECTORY takes Quern's
  programs from there instead of BUILD.
* On entry it waits until every worker (and through HAProxy every server) takes work; ready=False leaves that out.
* At the end of the `with` stop() is called, unless the test has done so: SIGTERM, and then quernd must exit with 0,
  leave no process of its session behind, and neither program may have printed a sanitizer's finding.
  stop(check=False) only cleans up. After an exception everything is killed and both logs are printed.
* Addresses are (host, port) pairs: fleet.front, fleet.admin, fleet.stats, fleet.worker(slot). fleet.master is the Popen
  of quernd, fleet.haproxy that of HAProxy or None; fleet.started is the time.monotonic() at which quernd was started.

Nothing here sleeps for a time that a test depends on: wait_until() polls a state and fails after `timeout` seconds.
"""

import contextlib
import csv
import http.client
import io
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
HAPROXY = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or "haproxy"

# Instrumented programs are slower and larger; bounds on time and memory do not hold for them.
SANITIZED = bool(os.environ.get("SANITIZER_BUILD")
                 or re.search(b"__(asan|tsan)_init|__ubsan_handle", (BUILD / "quernd").read_bytes()))

LOWEST_PORT, HIGHEST_PORT = 10000, 32767
FINDINGS = re.compile(r"(ERROR|WARNING): (Address|Leak|Memory|Thread)Sanitizer|: runtime error: ")


class Answer:
    """What came back: status, headers (pairs, in order), body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name, default=None):
        """The value of the first field of this name, in whatever case."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), default)

    def json(self):
        return json.loads(self.body)

    def error(self):
        """The "error" object of a refusal."""
        return self.json()["error"]

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"


def wait_until(condition, timeout=20.0, what=None, interval=0.01):
    """Polls until condition() is true, and returns that value. OSErrors and HTTP errors count as not yet."""
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = f"last value {value!r}"
        except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            last = f"last error {error!r}"
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or condition}, {last}")
        time.sleep(interval)


def connect(at, timeout=10.0):
    """A connected TCP socket without Nagle's delay."""
    sock = socket.create_connection(at, timeout=timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def request(at, path, method="GET", headers=None, body=None, timeout=10.0):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(at[0], at[1], timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def raw(at, data, timeout=10.0):
    """Sends data, and returns all bytes up to the end of the connection (or its reset)."""
    with connect(at, timeout) as sock:
        received = b""
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
        with contextlib.suppress(ConnectionError):
            while chunk := sock.recv(65536):
                received += chunk
        return received


def _port_is_free(port, hosts):
    for host in hosts:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((host, port))
                sock.listen(1)
            except OSError:
                return False
    return True


def has_ipv6():
    """Whether this machine has ::1."""
    return _port_is_free(0, ["::1"])


def free_ports(count):
    """The first of `count` ports in a row that nothing listens on."""
    hosts = ["127.0.0.1", "::1"] if has_ipv6() else ["127.0.0.1"]
    for _ in range(1000):
        first = random.SystemRandom().randrange(LOWEST_PORT, HIGHEST_PORT - count)
        if all(_port_is_free(port, hosts) for port in range(first, first + count)):
            return first
    raise AssertionError(f"no {count} free ports in a row")


def nest(options):
    """{"a.b": 1} as {"a": {"b": 1}}."""
    tree = {}
    for key, value in options.items():
        section, name = key.split(".")
        tree.setdefault(section, {})[name] = value
    return tree


def clean_environment(extra=None):
    """The caller's environment without QUERN_ variables."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("QUERN_")}
    environment.update(extra or {})
    return environment


def session_members(session):
    """Pids of the living processes of a session (zombies left out)."""
    members = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = pathlib.Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            members.append(int(entry))
    return members


def kill_session(session):
    """SIGKILL to every process of a session that this test has started."""
    while members := session_members(session):
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


class PortTaken(Exception):
    """Another process was quicker."""


class Fleet:
    def __init__(self, options=None, *, balancer=False, environment=None, arguments=(), ready=True,
                 preexec=None, programs=BUILD, haproxy_arguments=()):
        self.options = dict(options or {})
        self.balancer = balancer
        self.environment = dict(environment or {})
        self.arguments = list(arguments)
        self.wait_ready = ready
        self.preexec = preexec
        self.programs = pathlib.Path(programs)
        self.haproxy_arguments = list(haproxy_arguments)
        self.master = self.haproxy = self.directory = None

    # --- start and stop ----------------------------------------------------------------------------------------

    def __enter__(self):
        for attempt in range(5):
            try:
                self._start()
                return self
            except PortTaken:
                self._clean()
                if attempt == 4:
                    raise
            except BaseException:
                self._fail()
                raise

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self._fail()
            return
        try:
            if self.directory:
                self.stop()
        except BaseException:
            self._fail()
            raise

    def _start(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="quern-test-"))
        self.file = self.directory / "quern.json"
        self._choose_ports()
        self.write_file()
        self.started = time.monotonic()
        self.master = self._spawn([self.programs / "quernd", "-c", self.file, *self.arguments], "quernd.log")
        if self.balancer:
            self.render()
            self.haproxy = self._spawn([HAPROXY, *self.haproxy_arguments, "-db", "-f", self.directory / "haproxy.cfg"],
                                       "haproxy.log")
        if self.wait_ready:
            self.wait_until_ready()

    def _choose_ports(self):
        self.effective = {"workers.count": 2, "workers.max": 8, **self.options}
        slots = max(self.effective["workers.max"], self.slots())
        self.effective["workers.max"] = slots
        first = free_ports(slots + 3)
        host = self.effective.get("workers.address", "127.0.0.1")
        text = f"[{host}]" if ":" in host else host
        chosen = {"workers.base_port": first + 3, "balancer.listen": f"{text}:{first}",
                  "admin.address": f"{text}:{first + 1}", "balancer.stats": f"{text}:{first + 2}"}
        self.effective = {**chosen, **self.effective}

    def write_file(self, changes=None):
        """Writes the configuration file anew, with changes like {"limits.queue": 3} made to it."""
        self.effective.update(changes or {})
        self.file.write_text(json.dumps(nest(self.effective), indent=4) + "\n")

    def render(self, output=None):
        """Makes haproxy.cfg from the configuration file."""
        subprocess.run([self.programs / "quern-balancer", "render", "-c", self.file, "-o",
                        output or self.directory / "haproxy.cfg"],
                       check=True, env=clean_environment(self.environment))

    def _spawn(self, command, log):
        with open(self.directory / log, "ab") as output:
            return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                    stderr=output, env=clean_environment(self.environment), start_new_session=True,
                                    preexec_fn=self.preexec)

    def _check_alive(self):
        for process, log in ((self.master, self.log), (self.haproxy, self.haproxy_log)):
            if process is not None and process.poll() is not None:
                text = log()
                if re.search("address already in use|cannot bind", text, re.IGNORECASE):
                    raise PortTaken(text)
                raise AssertionError(f"{process.args[0]} ended with {process.returncode}:\n{text}")

    def wait_until_ready(self, timeout=30.0):
        """Until every worker that the configuration asks for answers, and HAProxy knows that it does."""

        def ready():
            self._check_alive()
            if self.effective.get("balancer.kind") == "none":
                return self.get("/healthz").status == 200 and self.fleet_is_ready()
            if any(self.get("/healthz", at=self.worker(i)).status != 200 for i in range(self.slots())):
                return False
            return not self.haproxy or len(self.servers("UP")) == self.slots()

        wait_until(ready, timeout, "fleet ready")

    def fleet_is_ready(self):
        states = [worker["state"] for worker in self.status()["workers"]]
        return states.count("ready") == self.slots()

    def stop(self, check=True, timeout=30.0):
        """Ends both programs. See the top of this file for what is checked."""
        for process in (self.haproxy, self.master):
            if process is not None and process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout)
        left = session_members(self.master.pid)
        code, log, haproxy_log = self.master.poll(), self.log(), self.haproxy_log()
        if check:
            assert code == 0, f"quernd ended with {code}"
            assert not left, f"processes left behind: {left}"
            for text in (log, haproxy_log):
                assert not FINDINGS.search(text), "a sanitizer reported something"
        self._clean()

    def _fail(self):
        if self.directory:
            for name in ("quernd.log", "haproxy.log"):
                path = self.directory / name
                if path.exists():
                    print(f"--- {name} ---\n{path.read_text(errors='replace')}")
        self._clean()

    def _clean(self):
        for process in (self.haproxy, self.master):
            if process is not None:
                kill_session(process.pid)
                process.wait()
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.directory = self.haproxy = None

    # --- addresses ---------------------------------------------------------------------------------------------

    def _address(self, key):
        host, _, port = self.effective[key].rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def front(self):
        return self._address("balancer.listen")

    @property
    def admin(self):
        return self._address("admin.address")

    @property
    def stats(self):
        return self._address("balancer.stats")

    def worker(self, slot):
        return self.effective.get("workers.address", "127.0.0.1"), self.effective["workers.base_port"] + slot

    def slots(self):
        """How many workers the configuration asks for."""
        count = self.effective["workers.count"]
        return len(os.sched_getaffinity(0)) if count == "auto" else count

    def _at(self, at):
        if at is not None:
            return at
        direct = not self.haproxy and self.effective.get("balancer.kind") != "none"
        return self.worker(0) if direct else self.front

    # --- talking to it -----------------------------------------------------------------------------------------

    def get(self, path="/", at=None, **more):
        return request(self._at(at), path, **more)

    def post(self, path, body, content_type, at=None, **more):
        return request(self._at(at), path, "POST", {"Content-Type": content_type}, body, **more)

    def raw(self, data, at=None, **more):
        return raw(self._at(at), data, **more)

    def connect(self, at=None, **more):
        return connect(self._at(at), **more)

    def status(self):
        """/status.json of the admin process."""
        return self.get("/status.json", at=self.admin).json()

    def metrics(self):
        """/metrics of the admin process, as text."""
        return self.get("/metrics", at=self.admin).body.decode()

    def slot(self, number):
        """The slot's entry in /status.json, or None."""
        return next((w for w in self.status()["workers"] if w["slot"] == number), None)

    def pid(self, slot):
        """The pid of the worker in a slot, 0 if there is none."""
        entry = self.slot(slot)
        return entry["pid"] if entry else 0

    def kill(self, slot, number=signal.SIGKILL):
        """Sends a signal to the worker in a slot; returns the pid that had it."""
        pid = self.pid(slot)
        assert pid > 0, f"no worker in slot {slot}"
        os.kill(pid, number)
        return pid

    def servers(self, state=None):
        """HAProxy's workers, as rows of its statistics (dicts of text); only those whose status is `state`."""
        text = self.get("/stats;csv", at=self.stats).body.decode().lstrip("# ")
        rows = [row for row in csv.DictReader(io.StringIO(text))
                if row["pxname"] == "workers" and row["svname"] not in ("BACKEND", "FRONTEND")]
        return [row for row in rows if state is None or row["status"] == state]

    # --- logs --------------------------------------------------------------------------------------------------

    def _read(self, name):
        path = self.directory / name if self.directory else None
        return path.read_text(errors="replace") if path and path.exists() else ""

    def log(self):
        """All that quernd has printed so far."""
        return self._read("quernd.log")

    def haproxy_log(self):
        return self._read("haproxy.log")

    def wait_log(self, pattern, timeout=20.0):
        """Until quernd's log has a match for a regular expression; returns the match."""
        return wait_until(lambda: re.search(pattern, self.log(), re.MULTILINE), timeout, f"log line {pattern!r}")
