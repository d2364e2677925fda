"""The whole fleet behind HAProxy: who gets which request, and what a killed worker costs."""

import threading
import time

import pytest

from fleet import Fleet, connect, wait_until

POLICIES = ["roundrobin", "leastconn", "random", "random(2)", "central"]
ANSWER_START = b'{"result":"data:image/png;base64,iVBORw0KGgo'


class Client:
    """One keep-alive connection that asks for QR codes and checks each answer."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.sock = connect(fleet.front)
        self.good, self.bad = 0, []

    def ask(self, text):
        self.sock.sendall(b"GET /?text=%s HTTP/1.1\r\nHost: a\r\n\r\n" % text)
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = self.sock.recv(65536)
            if not chunk:
                break
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while lengths and len(body) < lengths[0]:
            body += self.sock.recv(65536)
        if head.startswith(b"HTTP/1.1 200 ") and body.startswith(ANSWER_START) and body.endswith(b'"}'):
            self.good += 1
        else:
            self.bad.append(head + body)
            self.sock.close()
            self.sock = connect(self.fleet.front)


def drive(fleet, rate, seconds, clients=8):
    """An open loop of `rate` requests a second, shared out over some connections: (good, bad answers)."""
    begin = time.monotonic() + 0.05
    workers = [Client(fleet) for _ in range(clients)]

    def run(client, first):
        for n in range(first, int(rate * seconds), clients):
            delay = begin + n / rate - time.monotonic()
            if delay > 0:
                time.sleep(delay)
            client.ask(b"request-%d" % n)
        client.sock.close()

    threads = [threading.Thread(target=run, args=(c, i)) for i, c in enumerate(workers)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()
    yield sum(c.good for c in workers), [b for c in workers for b in c.bad]


def test_killed_worker_costs_no_request():
    """kill -9 of a worker under 500 requests a second: all are answered, the slot has a new pid, counters go on."""
    with Fleet({"workers.count": 3}, balancer=True) as fleet:
        load = drive(fleet, rate=500, seconds=6)
        next(load)
        wait_until(lambda: fleet.slot(1)["requests"] > 200)
        before = fleet.slot(1)["requests"]
        old = fleet.kill(1)
        wait_until(lambda: fleet.pid(1) not in (0, old))
        fleet.wait_log(rf"worker 1 \(pid {old}\) killed by signal 9 \(SIGKILL\) after [0-9.]+ s, [0-9]+ requests served")
        good, bad = next(load)
        print(f"{good} answers, {len(bad)} failed")
        assert not bad and good == 3000
        slot = fleet.slot(1)
        assert slot["restarts"] == 1 and slot["requests"] > before
        # Every answer was counted once; the killed worker may have counted one that did not leave it any more.
        total = sum(w["requests"] for w in fleet.status()["workers"])
        assert 3000 <= total <= 3001


def test_round_robin_is_fair():
    """Of 10,000 requests over 4 workers each gets 2,500, give or take one."""
    with Fleet({"workers.count": 4}, balancer=True) as fleet:
        client = Client(fleet)
        for n in range(10000):
            client.ask(b"%d" % n)
        client.sock.close()
        assert client.good == 10000
        counts = [w["requests"] for w in fleet.status()["workers"]]
        print("requests per worker:", counts)
        assert sum(counts) == 10000 and all(abs(c - 2500) <= 1 for c in counts)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_uses_every_worker(policy):
    with Fleet({"workers.count": 3, "balancer.policy": policy, "lab.enabled": True}, balancer=True) as fleet:
        socks = []
        for _ in range(30):
            sock = connect(fleet.front)
            sock.sendall(b"GET /lab/sleep?us=5000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            socks.append(sock)
        for sock in socks:
            data = b""
            while chunk := sock.recv(4096):
                data += chunk
            assert data.startswith(b"HTTP/1.1 200 ")
            sock.close()
        counts = [w["requests"] for w in fleet.status()["workers"]]
        assert sum(counts) == 30 and min(counts) > 0


def test_random_draws_are_even():
    """HAProxy draws from a ring; with few points on it some workers would get half as much again as others."""
    with Fleet({"workers.count": 4, "balancer.policy": "random"}, balancer=True) as fleet:
        client = Client(fleet)
        for _ in range(4000):
            client.ask(b"A")
        assert client.good == 4000, client.bad
        counts = [w["requests"] for w in fleet.status()["workers"]]
        # 1,000 each, standard deviation 27, and up to 3 % for the ring itself.
        assert all(860 <= count <= 1140 for count in counts), counts


def test_central_gives_each_worker_one_request_at_a_time():
    """maxconn 1: what waits, waits in HAProxy, and goes to the first worker that is free."""
    with Fleet({"workers.count": 2, "balancer.policy": "central", "lab.enabled": True}, balancer=True) as fleet:
        socks = []
        for us in (400000, *[20000] * 10):
            sock = connect(fleet.front)
            sock.sendall(b"GET /lab/sleep?us=%d HTTP/1.1\r\nHost: a\r\n\r\n" % us)
            socks.append(sock)
            if us == 400000:
                wait_until(lambda: sum(w["active"] for w in fleet.status()["workers"]) == 1)
        begin = time.monotonic()
        for sock in socks[1:]:
            assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - begin < 0.38, "none of the short ones waited behind the long one"
        assert socks[0].recv(4096).startswith(b"HTTP/1.1 200 ")
        counts = sorted(w["jobs"] for w in fleet.status()["workers"])
        assert counts == [1, 10]
        for sock in socks:
            sock.close()
