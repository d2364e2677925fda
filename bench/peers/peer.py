"""A server under comparison: its folder, its process, what it answers, and what was measured of it."""

import ctypes
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
KINDS = ("qr", "bytes", "length")
PREPARE_SECONDS = 600
START_SECONDS = 20
NOT_INSTALLED = 77  # exit code of a `prepare`
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """Something that makes the comparison worthless; the message is for the user."""


class NotPrepared(Failed):
    """This peer cannot run here."""


def all_names():
    """The peers that there are."""
    return sorted(path.parent.name for path in HERE.glob("*/start"))


def on_core(cpu):
    """In the child before exec: one core, and no life after this script's."""
    os.sched_setaffinity(0, {cpu})
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_ports(count):
    """Ports of 127.0.0.1 that nobody has at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Peer:
    """peer.json says how it is called in the tables (title), and its kind: "qr" makes a QR code of any text; "bytes"
    has the bytes of quernd's answer and "length" as many of its own, both at `target`. handmade: more than a framework
    and a library for QR codes that one can install; such a peer has no goal."""

    def __init__(self, name, build):
        self.name = name
        self.folder = HERE / name
        self.build = build
        self.own_build = build / "peers" / name
        self.log = self.own_build / "log"
        self.process = None
        self.port = None
        self.fixed_bytes = None
        self.runs = {}
        self.paced = None
        if not (self.folder / "start").is_file():
            raise Failed(f"no peer {name}: {self.folder / 'start'} is missing")
        about = json.loads((self.folder / "peer.json").read_text())
        self.title = about["title"]
        self.kind = about["kind"]
        self.is_as_usual = self.kind == "qr" and not about.get("handmade", False)
        self.target = about.get("target", "/?text={text}")
        if self.kind not in KINDS:
            raise Failed(f"{name}: peer.json has the kind {self.kind!r}, which is none of {', '.join(KINDS)}")

    def _environment(self):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("QUERN_")}
        return {**clean, "BUILD": str(self.build), "PEER_BUILD": str(self.own_build)}

    def prepare(self):
        """Builds or installs what the peer needs, into build/peers/NAME."""
        self.own_build.mkdir(parents=True, exist_ok=True)
        script = self.folder / "prepare"
        if not script.is_file():
            return
        done = subprocess.run([script], env=self._environment(), capture_output=True, text=True,
                              timeout=PREPARE_SECONDS)
        if done.returncode == NOT_INSTALLED:
            raise NotPrepared(done.stderr.strip())
        if done.returncode:
            raise NotPrepared(f"prepare failed\n{done.stdout}{done.stderr}")

    def start(self, cpu, answer=None):
        """Starts the peer on one core and waits for its first answer; a port lost to another program: again. `answer`
        is quernd's, for those that answer nothing else."""
        if self.kind != "qr":
            if answer is None:
                raise Failed(f"{self.name} answers what quernd does, so quernd must be there")
            self.fixed_bytes = len(answer)
            (self.own_build / "answer").write_bytes(answer)
            (self.own_build / "answer").chmod(0o644)
        for _ in range(3):
            self.port, admin_port = free_ports(2)
            environment = {**self._environment(), "PORT": str(self.port), "ADMIN_PORT": str(admin_port)}
            with self.log.open("wb") as log:
                self.process = subprocess.Popen([self.folder / "start"], env=environment, stdout=log,
                                                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                                start_new_session=True, preexec_fn=lambda: on_core(cpu))
            if self._wait_ready():
                return
        raise Failed(f"{self.name}: no answer from {self.url('x')}\n{self.log.read_text(errors='replace')}")

    def _wait_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.fetch("x")
                return True
            except OSError:
                time.sleep(0.02)
        self.stop()
        return False

    def url(self, text):
        target = self.target.format(text=urllib.parse.quote(text, safe=""), bytes=self.fixed_bytes)
        return f"http://127.0.0.1:{self.port}{target}"

    def fetch(self, text):
        with urllib.request.urlopen(self.url(text), timeout=5) as answer:
            return answer.read()

    def cpu_seconds(self):
        """CPU time that the living processes of its session have used."""
        ticks = 0
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text(errors="replace").rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(fields[3]) == self.process.pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.process = None
