"""metrics.statsd: what arrives is what /status.json and /metrics say; and a real statsd with a real Graphite behind it."""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest

from fleet import BUILD, ROOT, Fleet, kill_session, wait_until
from statsd_receiver import Receiver

# A machine that stands still for a moment shall not make a worker refuse anything.
PATIENT = {"limits.queue": 100000, "limits.queue_ms": 60000}
BENCH = BUILD / "quern-bench"
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def options(receiver, **more):
    return {"metrics.statsd": receiver.address, "metrics.interval_ms": 200, **PATIENT, **more}


class Slow(Exception):
    """The machine took longer for all of it than what is compared covers."""


def attempts(test):
    """Up to four of them: only a machine that is too slow is a reason for another one."""

    @functools.wraps(test)
    def repeated(*arguments, **named):
        for _ in range(4):
            try:
                test(*arguments, **named)
                return
            except Slow as slow:
                print("once more:", slow)
        raise AssertionError("the machine was too slow, four times")

    return repeated


def window_of(status, timer, count):
    """status.json's distribution, which holds the last ten seconds, where these are all."""
    if status[timer]["count"] != count:
        raise Slow(f"{timer}: {count} requests in all, but {status[timer]['count']} within ten seconds")
    return status[timer]


def load(fleet, *, rate, requests, path="/qr?text=A", at=None):
    """Requests at a fixed rate; returns what quern-bench says of them. The generator's own lateness is none of ours."""
    host, port = at or fleet.front
    done = subprocess.run([BENCH, "load", f"http://{host}:{port}{path}", "--rate", str(rate), "--requests", str(requests),
                           "--warmup", "0s", "--json", "-", "--max-lateness", "10s", "--timeout", "60s"],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 3), done.stderr
    return json.loads(done.stdout)


def settled(fleet, receiver, names=("fleet.requests",)):
    """Once nothing is on its way: the fleet's status, and all that was received, whole intervals of it."""

    def same():
        status = fleet.status()["fleet"]
        figures = receiver.figures()
        return all(figures.counters[f"quern.{n}"] == status[n.split(".")[-1]] for n in names) and (status, figures)

    wait_until(same, 30, "all figures have arrived")
    rounds = receiver.figures().rounds
    wait_until(lambda: receiver.figures().rounds > rounds)
    return same()


def metric(fleet, series):
    return sum(float(value) for value in re.findall(rf"^{series}(?:{{[^}}]*}})? (\S+)$", fleet.metrics(), re.MULTILINE))


# --- against a receiver that reads every byte ---------------------------------------------------------------------------

@attempts
def test_what_arrives_is_the_status():
    with Receiver() as receiver, Fleet(options(receiver, **{"balancer.kind": "none"})) as fleet:
        load(fleet, rate=500, requests=1000)
        assert fleet.get("/nowhere").status == 404
        settled(fleet, receiver, ("fleet.requests", "fleet.jobs", "fleet.bytes_out"))
        status, figures = fleet.status(), receiver.figures()
        fleet_status = status["fleet"]

        for name in ("requests", "abandoned", "shed_full", "shed_late", "timeouts_client", "bytes_out", "jobs", "restarts"):
            assert figures.counters[f"quern.fleet.{name}"] == fleet_status[name], name
            for worker in status["workers"]:
                assert figures.counters[f"quern.worker.{worker['slot']}.{name}"] == worker[name], name
        assert fleet_status["requests"] == 1001
        assert figures.counters["quern.fleet.answers.200"] == 1000
        assert figures.counters["quern.fleet.answers.404"] == 1

        for ours, theirs in (("response", "latency_ms"), ("queue", "queue_ms"), ("service", "service_ms")):
            timer = f"quern.fleet.{ours}"
            assert len(figures.timers[timer]) == figures.weights[timer] == metric(fleet, f"quern_{ours}_seconds_count")
            seconds = metric(fleet, f"quern_{ours}_seconds_sum")
            assert sum(figures.timers[timer]) == pytest.approx(seconds * 1000, rel=0.008)
            said = window_of(fleet_status, theirs, len(figures.timers[timer]))
            for name, q in QUANTILES.items():
                assert figures.quantile(timer, q) == pytest.approx(said[name], abs=0.00051), name
        assert figures.gauges["quern.fleet.workers_ready"] == fleet_status["ready"] == 2
        assert figures.gauges["quern.fleet.workers_wanted"] == 2
        # A gauge is that of the moment it was sent; connections may have been closed since.
        wait_until(lambda: receiver.figures().gauges["quern.fleet.connections"] == fleet.status()["fleet"]["connections"] == 0)
        assert 0 <= figures.gauges["quern.fleet.busy"] <= 1
        assert status["admin"]["statsd_lost"] == 0 == metric(fleet, "quern_statsd_lost_total")
        assert metric(fleet, "quern_statsd_payloads_total") >= status["admin"]["statsd_payloads"] > 0


@attempts
def test_a_big_interval_is_a_sample_and_the_interval_is_live():
    """6,000 requests within one interval, which ends because of a reload."""
    with Receiver() as receiver, Fleet(options(receiver, **{"balancer.kind": "none", "workers.count": 1,
                                                             "metrics.interval_ms": 600000})) as fleet:
        pids = [worker["pid"] for worker in fleet.status()["workers"]]
        load(fleet, rate=3000, requests=6000)
        status = fleet.status()["fleet"]
        assert receiver.payloads == [] and status["requests"] == 6000
        fleet.write_file({"metrics.interval_ms": 300})
        fleet.master.send_signal(signal.SIGHUP)
        status, figures = settled(fleet, receiver)
        for who in ("fleet", "worker.0"):
            timer = f"quern.{who}.response"
            assert len(figures.timers[timer]) <= 2000
            assert figures.weights[timer] == pytest.approx(metric(fleet, "quern_response_seconds_count"), rel=1e-6)
        # Two groups, in which a rank may be off, are 0.1 % of all.
        said = window_of(status, "latency_ms", 6000)
        for name, q in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
            low = figures.quantile("quern.fleet.response", q - 0.001)
            high = figures.quantile("quern.fleet.response", q + 0.001)
            assert low - 0.001 <= said[name] <= high + 0.001, name
        rounds = figures.rounds
        wait_until(lambda: receiver.figures().rounds >= rounds + 3)
        assert [worker["pid"] for worker in fleet.status()["workers"]] == pids


def test_counters_go_on_over_a_death():
    with Receiver() as receiver, Fleet(options(receiver)) as fleet:
        for _ in range(20):
            assert fleet.get("/qr?text=A", at=fleet.worker(0)).status == 200
        old = fleet.kill(0)
        wait_until(lambda: fleet.pid(0) not in (0, old) and fleet.slot(0)["state"] == "ready")
        for _ in range(10):
            assert fleet.get("/qr?text=A", at=fleet.worker(0)).status == 200
        _, figures = settled(fleet, receiver, ("fleet.requests", "fleet.restarts"))
        assert figures.counters["quern.worker.0.requests"] == 30
        assert figures.counters["quern.worker.0.restarts"] == 1
        assert figures.counters["quern.worker.1.requests"] == 0


def test_nobody_listens_and_then_somebody_does():
    with Receiver() as receiver:
        port = receiver.port
    with Fleet({"metrics.statsd": f"127.0.0.1:{port}", "metrics.interval_ms": 100}) as fleet:
        wait_until(lambda: fleet.status()["admin"]["statsd_lost"] >= 20)
        assert metric(fleet, "quern_statsd_lost_total") >= 20
        assert fleet.get("/qr?text=A").status == 200
        assert len(re.findall(r"figures for statsd", fleet.log())) == 1
        fleet.wait_log(rf"warn admin: figures for statsd at 127\.0\.0\.1:{port} are lost: Connection refused$")
        with Receiver(port) as receiver:
            fleet.wait_log(rf"info admin: figures for statsd at 127\.0\.0\.1:{port} are taken again$")
            lost = fleet.status()["admin"]["statsd_lost"]
            rounds = receiver.figures().rounds
            wait_until(lambda: receiver.figures().rounds >= rounds + 3)
            assert fleet.status()["admin"]["statsd_lost"] == lost
            assert len(re.findall(r"figures for statsd", fleet.log())) == 2


def test_the_last_figures_are_sent_at_the_end():
    with Receiver() as receiver:
        with Fleet(options(receiver, **{"metrics.interval_ms": 600000, "metrics.prefix": "a-1.b_2"})) as fleet:
            for _ in range(7):
                assert fleet.get("/qr?text=A").status == 200
            fleet.stop()
        wait_until(lambda: receiver.figures().rounds == 1)
        assert receiver.figures().counters["a-1.b_2.fleet.requests"] == 7
        assert all(re.match(rb"a-1\.b_2\.(fleet|worker\.\d+)\.", line)
                   for payload in receiver.payloads for line in payload.split(b"\n"))


def test_a_reload_changes_where_they_are_sent():
    """What came before is told to the one, what comes afterwards to the other; nothing to both."""
    with Receiver() as old, Receiver() as new, Fleet(options(old)) as fleet:
        for _ in range(5):
            assert fleet.get("/qr?text=A").status == 200
        settled(fleet, old)
        fleet.write_file({"metrics.statsd": new.address, "metrics.prefix": "other"})
        fleet.master.send_signal(signal.SIGHUP)
        wait_until(lambda: new.figures().rounds > 0)
        wait_until(lambda: fleet.status()["changes"][-1]["state"] == "done")
        for _ in range(3):
            assert fleet.get("/qr?text=A").status == 200
        wait_until(lambda: new.figures().counters["other.fleet.requests"] == 3)
        rounds = new.figures().rounds
        wait_until(lambda: new.figures().rounds >= rounds + 2)
        assert old.figures().counters["quern.fleet.requests"] == 5
        assert new.figures().counters["other.fleet.requests"] == 3


def test_no_text_is_sent():
    with Receiver() as receiver, Fleet(options(receiver)) as fleet:
        for path in ("/qr?text=Streng+geheim", "/Streng", "/qr?geheim=1"):
            fleet.get(path)
        settled(fleet, receiver)
        assert not re.search(rb"streng|geheim", b"\n".join(receiver.payloads), re.IGNORECASE)


# --- a real statsd, and a real Graphite behind it -----------------------------------------------------------------------

SERVICES = ROOT / "bench/services"
PICTURE = SERVICES / "graphite/picture"
NOT_INSTALLED = 77
WIDTH, HEIGHT = 1000, 500


def free_port():
    """For TCP and UDP."""
    for _ in range(50):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                udp.bind(tcp.getsockname())
                return tcp.getsockname()[1]
    raise AssertionError("no port is free for TCP and UDP")


class Service:
    """A folder of bench/services, prepared and started as a chapter of the lab would do it."""

    def __init__(self, name, build, **environment):
        self.folder = SERVICES / name
        self.port = free_port()
        self.ports = {"PORT": self.port, **{f"{p}_PORT": free_port() for p in self.about()["ports"]}}
        self.environment = {**os.environ, **environment, **{k: str(v) for k, v in self.ports.items()},
                            "SERVICE_BUILD": str(build)}
        build.mkdir(parents=True, exist_ok=True)
        self.log = build / "log.txt"

    def about(self):
        return json.loads((self.folder / "service.json").read_text())

    def __enter__(self):
        done = subprocess.run([self.folder / "prepare"], env=self.environment, capture_output=True, text=True, timeout=300,
                              check=False)
        if done.returncode == NOT_INSTALLED:
            pytest.skip(done.stderr.strip().splitlines()[-1])
        assert done.returncode == 0, done.stderr
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([self.folder / "start"], env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        try:
            wait_until(self._answers, 60, f"{self.folder.name} listens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()
        with socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        kill_session(self.process.pid)


class Stack:
    """quernd, statsd and Graphite in a row."""

    def __init__(self, directory, flush_ms):
        self.stack = contextlib.ExitStack()
        self.directory, self.flush_ms = directory, flush_ms

    def __enter__(self):
        with contextlib.ExitStack() as started:
            self.graphite = started.enter_context(Service("graphite", self.directory / "graphite"))
            statsd = started.enter_context(Service(
                "statsd", BUILD / "services/statsd", STATSD_FLUSH_MS=str(self.flush_ms),
                GRAPHITE_CARBON_PORT=str(self.graphite.ports["CARBON_PORT"])))
            self.fleet = started.enter_context(Fleet({
                "metrics.statsd": f"127.0.0.1:{statsd.port}", "metrics.interval_ms": 200, "balancer.kind": "none",
                "workers.count": 1, "lab.enabled": True, **PATIENT}))
            self.stack = started.pop_all()
        return self

    def __exit__(self, *error):
        return self.stack.__exit__(*error)

    def points(self, series):
        """[(value, time)]: the points that Graphite has of one series."""
        found = picture.points(self.graphite.port, series)
        return found.get(series, [])

    def total(self, series):
        return sum(value for value, _ in self.points(series))

    def await_flush(self):
        """Until statsd has written a point that was not there before; returns its time."""
        series = "stats.counters.statsd.packets_received.count"
        before = len(self.points(series))
        return wait_until(lambda: len(points := self.points(series)) > before and points[-1][1], 30, "a flush", 0.1)


def load_module(path):
    loader = SourceFileLoader(path.name, str(path))
    module = module_from_spec(spec_from_loader(path.name, loader))
    loader.exec_module(module)
    return module


sys.dont_write_bytecode = True
picture = load_module(PICTURE)


@attempts
def test_graphite_has_what_quernd_says(tmp_path):
    """1,000 requests within one flush of statsd, which the ten seconds of /status.json hold as well."""
    with Stack(tmp_path, 6000) as stack:
        stack.await_flush()
        load(stack.fleet, rate=500, requests=1000, path="/lab/sleep?us=500")
        status = stack.fleet.status()["fleet"]
        assert status["requests"] == 1000
        requests = wait_until(lambda: [p for p in stack.points("stats.counters.quern.fleet.requests.count") if p[0]], 30,
                              "Graphite has the requests", 0.2)
        at = requests[0][1]
        if requests[0][0] < 1000:
            raise Slow("more than one flush of statsd")
        assert [value for value, _ in requests] == [1000]

        def point(series):
            """Series do not become visible all at once."""
            found = wait_until(lambda: [v for v, t in stack.points(series) if t == at], 30, f"a point of {series}", 0.1)
            return found[0]

        for who in ("fleet", "worker.0"):
            for ours, theirs in (("response", "latency_ms"), ("queue", "queue_ms"), ("service", "service_ms")):
                timer, said = f"stats.timers.quern.{who}.{ours}", window_of(status, theirs, 1000)
                assert point(f"{timer}.count") == 1000
                assert point(f"{timer}.upper_95") == pytest.approx(said["p95"], abs=0.00051)
                assert point(f"{timer}.upper_99") == pytest.approx(said["p99"], abs=0.00051)
                assert point(f"{timer}.upper") == pytest.approx(said["max"], abs=0.00051)
                assert point(f"{timer}.mean") == pytest.approx(said["mean"], rel=0.008, abs=0.001)
                # That of an even number is between two values, here the lower one.
                assert point(f"{timer}.median") == pytest.approx(said["p50"], rel=0.016, abs=0.0011)
        assert point("stats.counters.quern.fleet.answers.200.count") == 1000
        assert stack.total("stats.counters.quern.fleet.bytes_out.count") == status["bytes_out"]
        assert point("stats.gauges.quern.fleet.workers_ready") == 1
        assert 0 < point("stats.gauges.quern.worker.0.cpu") < 2
        assert stack.total("stats.counters.statsd.bad_lines_seen.count") == 0
        assert stack.fleet.status()["admin"]["statsd_lost"] == 0


def count_colour(image, colour):
    rgb = tuple(int(colour[i:i + 2], 16) for i in (0, 2, 4))
    return sum(n for n, c in image.getcolors(WIDTH * HEIGHT) if c == rgb)


def test_graphite_draws_a_rising_load(tmp_path):
    Image = pytest.importorskip("PIL.Image", reason="python3-pil is not installed")
    with Stack(tmp_path, 1000) as stack:
        begun = int(stack.await_flush())
        ended = []
        for utilization in (0.2, 0.4, 0.6, 0.8):
            rate = int(utilization * 500)
            load(stack.fleet, rate=rate, requests=4 * rate, path="/lab/sleep?us=2000")
            ended.append(int(time.time()))
        total = stack.fleet.status()["fleet"]["requests"]
        assert total == 4 * (100 + 200 + 300 + 400)
        timer = "stats.timers.quern.fleet.response"
        for series in ("stats.counters.quern.fleet.requests.count", f"{timer}.count"):
            wait_until(lambda series=series: stack.total(series) > total - 1e-3, 30, f"Graphite has all {series}", 0.2)
        stack.await_flush()

        assert stack.total("stats.counters.quern.fleet.requests.count") == total
        assert stack.total(f"{timer}.count") == pytest.approx(total, rel=1e-6)
        seconds = metric(stack.fleet, "quern_response_seconds_sum")
        assert stack.total(f"{timer}.sum") == pytest.approx(seconds * 1000, rel=0.008)
        upper = stack.points(f"{timer}.upper_99")
        first = [v for v, t in upper if t <= ended[0]]
        last = [v for v, t in upper if t > ended[2] + 1]
        assert sorted(last)[len(last) // 2] > sorted(first)[len(first) // 2] >= 2

        file = tmp_path / "rising.png"
        subprocess.run([PICTURE, str(stack.graphite.port), file, "--from", str(begun), "--until", str(ended[-1] + 2),
                        "--size", f"{WIDTH}x{HEIGHT}"], check=True, timeout=60)
        image = Image.open(file).convert("RGB")
        assert image.size == (WIDTH, HEIGHT)
        # Each of the four lines is there, over more than its sample in the legend.
        for _, _, colour in picture.LINES:
            assert count_colour(image, colour) > WIDTH / 2, colour
        if "QUERN_TEST_KEEP" in os.environ:
            shutil.copy(file, os.environ["QUERN_TEST_KEEP"])

        nothing = subprocess.run([PICTURE, str(stack.graphite.port), tmp_path / "none.png", "--name", "quern.nobody"],
                                 capture_output=True, text=True, timeout=60, check=False)
        assert nothing.returncode == 1 and "no points of quern.nobody.response" in nothing.stderr
        assert not (tmp_path / "none.png").exists()
