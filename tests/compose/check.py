#!/usr/bin/python3
"""
The fleet in containers, as docker-compose.yml starts it: built, started, looked into, scaled and stopped; and the same
with the profile `metrics`. Usage: check.py [fleet|metrics]...
"""

import base64
import collections
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from engine import COMPOSE, DOCKER, Failed, base_image, engine, run  # noqa: E402 (the path comes first)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / "build" / "compose"
PROJECT = f"quern-test-{os.getpid()}"
TARGET = "/?text=QR%20TEST"
TEXT = b"QR TEST"
METRICS = ("server", "balancer", "prometheus", "statsd", "graphite")  # with the profile
GRACE_SECONDS = 20  # stop_grace_period of docker-compose.yml

results = {"passed": 0, "failed": 0}


def check(what, holds, detail=""):
    results["passed" if holds else "failed"] += 1
    print(f"{'ok  ' if holds else 'FAIL'} {what}{f' ({detail})' if detail != '' else ''}", flush=True)
    return holds


def await_state(what, probe, seconds=60):
    """Waits until probe() returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.1)


class Fleet:
    """One compose project."""

    def __init__(self):
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("QUERN_", "COMPOSE_"))}
        self.environment.update(PUBLISH="127.0.0.1:0", PUBLISH_PROMETHEUS="127.0.0.1:0",
                                PUBLISH_GRAPHITE="127.0.0.1:0", BUILD_NETWORK="host", COMPOSE_PROJECT_NAME=PROJECT,
                                COMPOSE_ANSI="never", DOCKER_BUILDKIT="0", COMPOSE_DOCKER_CLI_BUILD="0")

    def compose(self, *command, seconds=120, check=True, merge=False, **settings):
        """What docker-compose prints to its standard output; with `merge` to standard error as well."""
        done = run(COMPOSE, *command, seconds=seconds, check=check, cwd=ROOT, env={**self.environment, **settings})
        return done.stdout + done.stderr if merge else done.stdout

    def containers(self, service, everything=False):
        return self.compose("ps", "-q", *(["--all"] if everything else []), service).split()

    def address(self, service="balancer", port=8080):
        """Where it is published; the engine chose the port."""
        host, _, port = self.compose("port", service, str(port)).strip().rpartition(":")
        return host, int(port)

    def await_healthy(self, service, count):
        """Waits until the service has `count` containers, all of them healthy, and returns their ids."""
        def probe():
            ids = self.containers(service)
            healths = [inspect(one, "{{.State.Health.Status}}") for one in ids]
            return ids if healths == ["healthy"] * count else None
        return await_state(f"{count} healthy containers of {service}", probe)

    def remove(self):
        with contextlib.suppress(Failed):
            self.compose("down", "--rmi", "local", "--volumes", "--remove-orphans", "--timeout", "5",
                         COMPOSE_PROFILES="metrics")


def inspect(container, form):
    return run(DOCKER, "inspect", "--format", form, container).stdout.strip()


def inside(container, *command, user=None):
    return run(DOCKER, "exec", *(["--user", user] if user else []), container, *command, check=False)


def fetch(address, target=TARGET):
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def status(server):
    """What quernd in this container says of itself; None while it does not answer."""
    done = inside(server, "quernctl", "status", "--json")
    return json.loads(done.stdout) if done.returncode == 0 else None


def ready_workers(server):
    found = status(server)
    return [worker for worker in found["workers"] if worker["state"] == "ready"] if found else []


class Load:
    """A few clients that ask again and again until the context ends, each over new and kept connections in turn."""

    CLIENTS = 4
    REQUESTS_A_CONNECTION = 20

    def __init__(self, address):
        self.address = address
        self.outcomes = collections.Counter()
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._client) for _ in range(self.CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _client(self):
        while not self.over.is_set():
            connection = http.client.HTTPConnection(*self.address, timeout=15)
            try:
                for _ in range(self.REQUESTS_A_CONNECTION):
                    self._count(self._ask(connection))
                    if self.over.wait(0.005):
                        break
            except (OSError, http.client.HTTPException) as error:
                self._count((0, repr(error).encode()))
            finally:
                connection.close()

    @staticmethod
    def _ask(connection):
        connection.request("GET", TARGET)
        answer = connection.getresponse()
        body = answer.read()
        return 200 if answer.status == 200 and b"data:image/png;base64," in body else (answer.status, body[:200])

    def _count(self, outcome):
        with self.lock:
            self.outcomes[outcome] += 1

    def errors(self):
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != 200}


def check_picture(fleet):
    code, body = fetch(fleet.address())
    picture = CACHE / "answer.png"
    picture.write_bytes(base64.b64decode(json.loads(body)["result"].partition(",")[2], validate=True))
    read = subprocess.run(["zbarimg", "-q", "--raw", "-Sbinary", picture], capture_output=True, timeout=30)
    check("a QR code comes through the published port and decodes", code == 200 and read.stdout == TEXT, read.stdout)
    code, body = fetch(fleet.address(), "/no-such-path")
    check("an error is JSON", code == 404 and json.loads(body)["error"]["code"] == "not_found")


def check_confinement(name, container, program, processes=1100, bare=True):
    fields = dict(line.split(":\t", 1) for line in inside(container, "cat", "/proc/1/status").stdout.splitlines()
                  if ":\t" in line)
    check(f"{name}: PID 1 is {program}", fields["Name"] == program, fields["Name"])
    check(f"{name}: no user or group id is root's", "0" not in fields["Uid"].split() + fields["Gid"].split(),
          fields["Uid"].replace("\t", " "))
    sets = {key: fields[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    check(f"{name}: no capability is left, not even to root inside", all(int(v, 16) == 0 for v in sets.values()),
          sets["CapBnd"])
    check(f"{name}: no new privileges", fields["NoNewPrivs"] == "1")
    refused = inside(container, "touch", "/usr/local/bin/file", "/tmp/file" if bare else "/var/file", user="0")
    check(f"{name}: the root file system is read-only",
          refused.returncode != 0 and refused.stderr.count("Read-only file system") == 2,
          refused.stderr.partition("\n")[0])
    bounds = json.loads(inspect(container, "[{{json .HostConfig.PidsLimit}}, {{json .HostConfig.LogConfig.Config}}]"))
    check(f"{name}: processes and log are bounded", bounds == [processes, {"max-file": "3", "max-size": "10m"}], bounds)
    if bare:
        tools = inside(container, "sh", "-c", "command -v python3 curl wget gcc make").stdout
        check(f"{name}: no interpreter, download tool or compiler in the image", tools == "", tools)


def check_network(server, balancer):
    check("server: nothing is published", inspect(server, "{{json .NetworkSettings.Ports}}").count("HostPort") == 0)
    ports = run(DOCKER, "port", balancer).stdout
    check("balancer: only the front is published", {line.split()[0] for line in ports.splitlines()} == {"8080/tcp"})
    names = json.loads(inspect(server, "{{json .NetworkSettings.Networks}}"))
    internal = [run(DOCKER, "network", "inspect", "--format", "{{.Internal}}", name).stdout.strip() for name in names]
    check("server: only in the internal network, where status and metrics are", internal == ["true"], ", ".join(names))


def check_first_start(fleet):
    begin = time.monotonic()
    fleet.compose("up", "-d", "--no-build")
    server, = fleet.await_healthy("server", 1)
    balancer, = fleet.await_healthy("balancer", 1)
    cpus = min(int(inside(server, "nproc").stdout), 32)  # workers.max is 32
    await_balanced(balancer, cpus)
    check("server and balancer become healthy", True, f"{time.monotonic() - begin:.1f} s after `up`")
    check("by default there is a worker for each CPU", len(ready_workers(server)) == cpus, cpus)
    check_picture(fleet)
    check_confinement("server", server, "quernd")
    check_confinement("balancer", balancer, "balancer")
    check_network(server, balancer)


def check_count(fleet):
    fleet.compose("up", "-d", "--no-build", QUERN_WORKERS_COUNT="3")
    server, = fleet.await_healthy("server", 1)
    fleet.await_healthy("balancer", 1)
    check("QUERN_WORKERS_COUNT=3 gives three workers", len(ready_workers(server)) == 3)


def await_balanced(balancer, count):
    """Waits until HAProxy counts so many workers that take requests."""
    await_state(f"{count} workers in HAProxy's eyes", lambda: inside(
        balancer, "healthcheck", "8404", "/metrics?scope=backend",
        f'^haproxy_backend_active_servers{{proxy="workers"}} {count}$').returncode == 0)


def await_share(servers, count):
    """Waits until each of the `count` workers of these servers has been given requests from now on."""
    def served():
        return {(server, worker["slot"]): worker["requests"] for server in servers for worker in ready_workers(server)}
    before = await_state("status of all workers", lambda: len(served()) == count and served())
    await_state("requests for every worker of every replica",
                lambda: all(now > before[worker] for worker, now in served().items()))


def check_scale_to(fleet, replicas):
    """Under load to so many replicas of three workers; the load goes on until all of these are known to work."""
    balancer, = fleet.containers("balancer")
    with Load(fleet.address()) as load:
        await_state("first answers", lambda: load.outcomes[200] > 50)
        begin = time.monotonic()
        fleet.compose("up", "-d", "--no-build", "--no-recreate", "--scale", f"server={replicas}",
                      QUERN_WORKERS_COUNT="3")
        servers = fleet.await_healthy("server", replicas)
        await_balanced(balancer, 3 * replicas)
        await_share(servers, 3 * replicas)
        check(f"--scale server={replicas}: HAProxy gives requests to each of {3 * replicas} workers, no other", True,
              f"{time.monotonic() - begin:.1f} s after `up`")
    return load


def check_scaling(fleet):
    load = check_scale_to(fleet, 3)
    check("no request failed while replicas were added", not load.errors() and load.outcomes[200],
          f"{load.outcomes[200]} requests {load.errors() or ''}")
    # Two of three replicas leave at the same moment, and their addresses with them.
    load = check_scale_to(fleet, 1)
    others = [outcome for outcome in load.errors() if outcome[0] != 503 or b'"overloaded"' not in outcome[1]]
    check("while replicas are taken away a request is done, or refused as overloaded", not others,
          f"{load.outcomes[200]} done, {sum(load.errors().values())} refused {others or ''}")


def check_log(fleet):
    """HAProxy's log: nothing for each slot of each replica that came, had no worker or went, but all that matters."""
    with socket.create_connection(fleet.address(), timeout=10) as sock:
        sock.sendall(b"no HTTP\r\n\r\n")
        sock.recv(1000)
    log = await_state("a refused request in the log", lambda: re.search(
        r"(?s).* info haproxy: \S+ no valid request arrived\n", fleet.compose("logs", "--no-color", "balancer")))[0]
    check("balancer: its log has no line per slot", "workers/" not in log, f"{log.count(chr(10))} lines")
    failed = fleet.compose("run", "--rm", "--no-deps", "-T", "-e", "QUERN_BALANCER_LISTEN=192.0.2.1:8080", "balancer",
                           check=False, merge=True)
    check("balancer: its log says when and why HAProxy cannot start",
          "cannot bind socket (Cannot assign requested address) for [192.0.2.1:8080]" in failed)


def check_stop(fleet, services=("server", "balancer")):
    ids = [one for service in services for one in fleet.containers(service)]
    begin = time.monotonic()
    fleet.compose("stop")
    seconds = time.monotonic() - begin
    check("all stop within the grace period", seconds < GRACE_SECONDS, f"{seconds:.1f} s")
    codes = {service: inspect(one, "{{.State.ExitCode}}") for service, one in zip(services, ids)}
    check("all exit with 0", list(codes.values()) == ["0"] * len(services), codes)


# --- the profile ---------------------------------------------------------------------------------------------------


def prepare_statsd():
    """
    Has npm fetch statsd here, so that the image need not: its network may not be this one. Without npm the image does
    it.
    """
    done = run(ROOT / "bench/services/statsd/prepare", seconds=120, check=False,
               env={**os.environ, "SERVICE_BUILD": str(CACHE / "statsd")})
    if done.returncode not in (0, 77):
        raise Failed(f"bench/services/statsd/prepare: {done.stdout}{done.stderr}")
    print(f"statsd: {'by npm of the image' if done.returncode else 'by npm of this machine'}", flush=True)


def ask(address, path, **parameters):
    """What an HTTP API answers, decoded; None for an error."""
    code, body = fetch(address, f"{path}?{urllib.parse.urlencode(parameters, doseq=True)}")
    return json.loads(body) if code == 200 else None


def check_profile_start(fleet):
    begin = time.monotonic()
    fleet.compose("up", "-d", "--no-build")
    containers = {service: fleet.await_healthy(service, 1)[0] for service in METRICS}
    check("with the profile all five become healthy", True, f"{time.monotonic() - begin:.1f} s after `up`")
    for service, program in (("prometheus", "prometheus"), ("statsd", "node"), ("graphite", "graphite")):
        check_confinement(service, containers[service], program, processes=100, bare=False)
        published = {line.split()[0] for line in run(DOCKER, "port", containers[service]).stdout.splitlines()}
        check(f"{service}: only what shows figures is published",
              published == {"prometheus": {"9090/tcp"}, "graphite": {"8080/tcp"}, "statsd": set()}[service], published)


def check_prometheus(fleet):
    address = fleet.address("prometheus", 9090)

    def health():
        targets = ask(address, "/api/v1/targets")["data"]["activeTargets"]
        return sorted((target["labels"]["job"], target["health"]) for target in targets)
    await_state("both targets of Prometheus up", lambda: health() == [("quern", "up"), ("quern-haproxy", "up")])
    check("Prometheus scrapes quernd and HAProxy", True)
    groups = ask(address, "/api/v1/rules")["data"]["groups"]
    failed = [rule["name"] for group in groups for rule in group["rules"] if rule.get("lastError")]
    check("Prometheus has the rules, and none fails", len(groups) == 5 and not failed, failed or len(groups))


def check_graphite(fleet):
    address = fleet.address("graphite")
    count, response = "stats.counters.quern.fleet.requests.count", "stats.timers.quern.fleet.response.upper_99"

    def points():
        series = ask(address, "/render", target=[count, response], format="json", **{"from": "-5min"})
        return {one["target"]: [v for v, _ in one["datapoints"] if v] for one in series}
    with Load(fleet.address()) as load:
        await_state("first answers", lambda: load.outcomes[200] > 50)
        found = await_state("points in Graphite", lambda: len(p := points()) == 2 and all(p.values()) and p)
    check("Graphite has what quernd has sent", sum(found[count]) <= load.outcomes[200] and found[response][-1] < 60_000,
          f"{sum(found[count]):.0f} requests, p99 {found[response][-1]:.2f} ms")
    code, picture = fetch(address, "/render?format=png&from=-5min&target=" + response)
    check("Graphite draws it", code == 200 and picture.startswith(b"\x89PNG"), f"{len(picture)} bytes")
    code, _ = fetch(address, "/")
    check("Graphite shows its page", code == 200)


def explain(fleet):
    """The containers' last words, for whoever reads the failure."""
    with contextlib.suppress(Failed):
        print(fleet.compose("ps", "--all", check=False))
        print(fleet.compose("logs", "--no-color", "--tail", "60", check=False))


def build(fleet, what):
    begin = time.monotonic()
    fleet.compose("build", seconds=500)
    check(f"{what} build", True, f"{time.monotonic() - begin:.0f} s")


def check_fleet(fleet):
    build(fleet, "both targets")
    for part in (check_first_start, check_count, check_scaling, check_log, check_stop):
        part(fleet)


def check_metrics(fleet):
    fleet.environment.update(COMPOSE_PROFILES="metrics", QUERN_METRICS_INTERVAL_MS="1000")
    prepare_statsd()
    build(fleet, "the targets of the profile")
    for part in (check_profile_start, check_prometheus, check_graphite):
        part(fleet)
    check_stop(fleet, METRICS)


PARTS = {"fleet": check_fleet, "metrics": check_metrics}


def check_all(fleet, parts):
    try:
        with base_image(CACHE) as how:
            print(f"base image: {how}", flush=True)
            try:
                for part in parts:
                    begin = time.monotonic()
                    PARTS[part](fleet)
                    print(f"{part}: {time.monotonic() - begin:.0f} s", flush=True)
            except Failed:
                explain(fleet)
                raise
            finally:
                fleet.remove()
    except Failed as failure:
        check("the test ran to its end", False, failure)


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    parts = sys.argv[1:] or list(PARTS)
    if not set(parts) <= set(PARTS):
        sys.exit(f"usage: check.py [{'|'.join(PARTS)}]...")
    signal.signal(signal.SIGTERM, interrupted)
    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        with engine() as which:
            print(f"engine: {which}", flush=True)
            check_all(Fleet(), parts)
    except Failed as failure:
        check("an engine is there", False, failure)
    except KeyboardInterrupt:
        check("the test was not interrupted", False)
    print(f"{results['passed']} passed, {results['failed']} failed")
    return 1 if results["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
