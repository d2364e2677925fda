"""balancer/run, which is `make run`: what it prints, how it ends, and that nothing is left behind."""

import base64
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from fleet import (BUILD, ROOT, Fleet, clean_environment, connect, free_ports, kill_session, nest, request,
                   session_members, wait_until)


def descendants(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [d for child in children for d in (int(child), *descendants(child))]


class Run:
    """balancer/run, or a command that calls it, in a session of its own, with ports of its own."""

    def __init__(self, tmp_path, options=None, environment=None, command=(ROOT / "balancer" / "run",)):
        first = free_ports(7)
        self.options = {"workers.count": 2, "workers.max": 4, "balancer.listen": f"127.0.0.1:{first}",
                        "admin.address": f"127.0.0.1:{first + 1}", "balancer.stats": f"127.0.0.1:{first + 2}",
                        "workers.base_port": first + 3, **(options or {})}
        self.front, self.admin = ("127.0.0.1", first), ("127.0.0.1", first + 1)
        self.scratch = tmp_path / "scratch"
        self.scratch.mkdir()
        self.log = tmp_path / "log"
        config = tmp_path / "quern.json"
        config.write_text(json.dumps(nest(self.options)))
        more = {"BUILD": str(BUILD), "CONFIG": str(config), "TMPDIR": str(self.scratch), **(environment or {})}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT,
                                            env=clean_environment(more), start_new_session=True)
        self.children = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if kind is not None:
            print(self.text())
        kill_session(self.process.pid)
        for child in self.children:
            kill_session(child)
        self.process.wait()

    def text(self):
        return self.log.read_text(errors="replace")

    def until_ready(self):
        def ready():
            assert self.process.poll() is None, self.text()
            return re.search(r"^stop +Ctrl-C$", self.text(), re.MULTILINE)

        wait_until(ready, 30, "banner")
        # Those below it that lead a session of their own: quernd and HAProxy.
        self.children = [pid for pid in descendants(self.process.pid) if os.getsid(pid) == pid]
        return self

    def named(self, name):
        return next(p for p in self.children if pathlib.Path(f"/proc/{p}/comm").read_text().strip() == name)

    def ends(self, code):
        assert self.process.wait(30) == code, self.text()
        assert not any(session_members(child) for child in self.children), "processes left behind"
        assert not list(self.scratch.iterdir()), "files left behind"


def test_banner_and_the_urls_in_it(tmp_path):
    with Run(tmp_path) as run:
        text = run.until_ready().text()
        assert "\u2588\u2588" in text, "the QR code of the front's URL"
        urls = re.findall(r"http://[^\s')]+", text)
        for url in urls:
            host, port, path = re.fullmatch(r"http://([^:/]+):(\d+)(/.*)", url).groups()
            assert request((host, int(port)), path).status == 200, url
        result = request(run.front, "/?text=QR%20TEST").json()["result"]
        assert base64.b64decode(result.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
        assert len(run.children) == 2 and len(urls) == 4
        curl = re.search(r"^try +(curl .*)$", text, re.MULTILINE)[1]
        subprocess.run(["sh", "-c", curl], cwd=tmp_path, check=True, stderr=subprocess.DEVNULL, timeout=20)
        assert (tmp_path / "qr.png").read_bytes().startswith(b"\x89PNG")
        assert "Server workers/" not in run.text()
        run.process.send_signal(signal.SIGTERM)
        run.ends(0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_stop_both(tmp_path, number):
    """As a terminal does it: the signal goes to the whole foreground process group."""
    with Run(tmp_path) as run:
        run.until_ready()
        os.killpg(run.process.pid, number)
        run.ends(0)
        with pytest.raises(ConnectionRefusedError):
            connect(run.front)


def test_requests_under_way_are_answered(tmp_path):
    with Run(tmp_path, {"lab.enabled": True}) as run:
        run.until_ready()
        with connect(run.front) as sock:
            sock.sendall(b"GET /lab/sleep?us=700000 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            wait_until(lambda: sum(w["active"] for w in request(run.admin, "/status.json").json()["workers"]) >= 1)
            run.process.send_signal(signal.SIGINT)
            received = b"".join(iter(lambda: sock.recv(65536), b""))
        assert received.startswith(b"HTTP/1.1 200 "), received
        run.ends(0)


def test_an_idle_client_does_not_hold_the_end(tmp_path):
    """A browser keeps its connection open; Ctrl-C does not wait for its next request."""
    with Run(tmp_path) as run:
        run.until_ready()
        with connect(run.front) as sock:
            sock.sendall(b"GET /qr?text=A HTTP/1.1\r\nHost: t\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
            begin = time.monotonic()
            run.process.send_signal(signal.SIGINT)
            run.ends(0)
            assert time.monotonic() - begin < 5, "and not for workers.drain_ms"


def test_without_balancer(tmp_path):
    with Run(tmp_path, {"balancer.kind": "none"}) as run:
        assert "balancer " not in run.until_ready().text()
        assert len(run.children) == 1
        assert request(run.front, "/qr?text=A").status == 200
        run.process.send_signal(signal.SIGINT)
        run.ends(0)


def test_environment_overrides(tmp_path):
    with Run(tmp_path, environment={"QUERN_WORKERS_COUNT": "3"}) as run:
        run.until_ready()
        workers = request(run.admin, "/status.json").json()["workers"]
        assert sum(1 for w in workers if w["pid"]) == 3
        run.process.send_signal(signal.SIGINT)
        run.ends(0)


def test_make_run_takes_a_configuration(tmp_path):
    """`CONFIG=my.json make run` up to Ctrl-C; the path is one from the checkout's root."""
    # The make that these tests may have been started by is not this one's parent.
    environment = {"MAKEFLAGS": "", "MFLAGS": "", "MAKELEVEL": "0",
                   "CONFIG": os.path.relpath(tmp_path / "quern.json", ROOT)}
    with Run(tmp_path, {"workers.count": 3}, environment, ["make", "--no-print-directory", "run"]) as run:
        run.until_ready()
        assert request(run.front, "/qr?text=A").status == 200
        status = request(run.admin, "/status.json").json()
        assert sum(1 for worker in status["workers"] if worker["pid"]) == 3
        curl = re.search(r"^try +(curl .*)$", run.text(), re.MULTILINE)[1]
        assert f"{run.front[0]}:{run.front[1]}/" in curl
        os.killpg(run.process.pid, signal.SIGINT)
        run.process.wait(30)  # make has a code of its own for that
        run.ends(run.process.returncode)


@pytest.mark.parametrize("key", ["balancer.listen", "balancer.stats", "admin.address", "workers"])
def test_a_busy_port_is_an_error_at_once(tmp_path, key):
    with Fleet(balancer=True) as other:
        host, port = other.worker(0) if key == "workers" else other._address(key)
        options = {"workers.base_port": port, "workers.max": 1, "workers.count": 1} if key == "workers" \
            else {key: f"{host}:{port}"}
        with Run(tmp_path, options) as run:
            run.ends(1)
            assert f"{host}:{port}" in run.text()
            if key != "workers":
                assert f"{key}: {host}:{port} is in use" in run.text()
        assert other.get("/qr?text=A").status == 200


def test_a_wrong_configuration_is_an_error(tmp_path):
    with Run(tmp_path, {"limits.queue": 0}) as run:
        run.ends(1)
        assert "limits.queue" in run.text()


@pytest.mark.parametrize("name", ["quernd", "haproxy"])
def test_if_one_ends_so_does_the_other(tmp_path, name):
    with Run(tmp_path) as run:
        run.until_ready()
        os.kill(run.named(name), signal.SIGKILL)
        run.ends(1)
        assert f"{name} has ended" in run.text()


def test_nothing_outlives_a_kill(tmp_path):
    with Run(tmp_path) as run:
        run.until_ready()
        run.process.kill()
        run.process.wait()
        wait_until(lambda: not any(session_members(child) for child in run.children))
        with contextlib.suppress(FileNotFoundError):
            for path in run.scratch.iterdir():
                assert path.is_dir()
