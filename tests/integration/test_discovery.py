"""balancer.discovery dns: HAProxy finds replicas by name. A DNS server in the test stands for the one of the engine."""

import collections
import concurrent.futures
import socket
import struct
import subprocess
import threading
import time

import pytest

from fleet import HAPROXY, Fleet, wait_until
from standin import Worker, ok

SLOTS = 2
REPLICAS = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]


class Dns:
    """Answers A queries for the one name with self.addresses; everything else is empty."""

    QUESTION = b"\x06server\0\0\x01\0\x01"  # the default of balancer.server_name, A, IN

    def __init__(self):
        self.addresses = []
        self.asked = 0
        self.silent = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.stopped = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            if self.stopped:
                return
            self.asked += 1
            if self.silent:
                continue
            end = query.index(b"\0", 12) + 5
            addresses = list(self.addresses) if query[12:end] == self.QUESTION else []
            reply = query[:2] + b"\x81\x80\0\x01" + struct.pack("!HHH", len(addresses), 0, 0) + query[12:end]
            for address in addresses:
                reply += b"\xc0\x0c\0\x01\0\x01" + struct.pack("!IH", 1, 4) + socket.inet_aton(address)
            self.socket.sendto(reply, client)

    def mute(self):
        self.silent = True

    def close(self):
        self.stopped = True
        self.socket.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()


class Replicas(Fleet):
    """HAProxy with stand-ins for three replicas of two workers each, of which DNS names those that a test sets."""

    def __init__(self):
        super().__init__({"workers.count": SLOTS, "workers.max": 8, "balancer.discovery": "dns",
                          "balancer.replicas": 4}, balancer=True, ready=False)
        self.dns = Dns()
        self.workers = {}

    def _spawn(self, command, log):
        return super()._spawn(["sleep", "infinity"] if log == "quernd.log" else command, log)

    def render(self, output=None):
        super().render(output)
        path = self.directory / "haproxy.cfg"
        text = path.read_text()
        assert text.count("\tparse-resolv-conf\n") == SLOTS
        path.write_text(text.replace("\tparse-resolv-conf\n", f"\tnameserver test 127.0.0.1:{self.dns.port}\n"))

    def start(self, host):
        """A replica starts to serve, and DNS names it."""
        self.workers[host] = [Worker(self.worker(i)[1], lambda request: ok(host.encode()), host) for i in range(SLOTS)]
        self.dns.addresses.append(host)

    def up(self):
        """The addresses of the servers that are up, each with how many."""
        return collections.Counter(row["addr"].rpartition(":")[0] for row in self.servers("UP"))

    def stop(self, check=True, timeout=30.0):
        super().stop(check=False)

    def _clean(self):
        super()._clean()
        for worker in sum(self.workers.values(), []):
            worker.close()
        self.workers = {}
        self.dns.close()


@pytest.fixture
def replicas():
    with Replicas() as running:
        yield running


def test_replicas_come_and_go(replicas):
    first, second, third = REPLICAS
    replicas.start(first)
    wait_until(lambda: replicas.up() == {first: SLOTS})
    statuses, done = collections.Counter(), threading.Event()

    def client():
        while not done.is_set():
            answer = replicas.get("/")
            statuses[answer.status, answer.body] += 1

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(client) for _ in range(2)]
        try:
            started = time.monotonic()
            for host in (second, third):
                replicas.start(host)
            wait_until(lambda: replicas.up() == dict.fromkeys(REPLICAS, SLOTS))
            assert time.monotonic() - started < 5
            replicas.dns.addresses.remove(first)
            wait_until(lambda: replicas.up() == dict.fromkeys(REPLICAS[1:], SLOTS))
        finally:
            done.set()
        for finished in clients:
            finished.result()
    assert {status for status, _ in statuses} == {200}, statuses
    assert {body.decode() for _, body in statuses} == set(REPLICAS)


def test_a_silent_dns_takes_nobody_out(replicas):
    replicas.start(REPLICAS[0])
    wait_until(lambda: replicas.up() == {REPLICAS[0]: SLOTS})
    replicas.dns.mute()
    asked = replicas.dns.asked
    # The time that HAProxy takes to ask four more times, and to learn that it gets no answers.
    wait_until(lambda: replicas.get("/").status == 200 and replicas.dns.asked >= asked + 4 * SLOTS)
    assert replicas.up() == {REPLICAS[0]: SLOTS}


def test_the_configuration_is_accepted_without_a_reachable_dns(replicas):
    assert subprocess.run([HAPROXY, "-c", "-f", replicas.directory / "haproxy.cfg"], capture_output=True,
                          check=False).returncode == 0
