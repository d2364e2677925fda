"""Who listens where metrics.statsd sends, and reads it as npm's statsd does."""

import collections
import math
import re
import socket
import threading

# One line: a name, and values with their type and perhaps a sample rate. No sign, or a gauge would be changed, not set.
LINE = re.compile(r"[A-Za-z0-9_.-]+(:\d+(\.\d+)?\|(c|g|ms)(\|@0\.\d+)?)+")
PAYLOAD_BYTES = 1432


class Receiver:
    """with Receiver() as r: r.address is for metrics.statsd. All that came stays, in order, in r.payloads."""

    def __init__(self, port=0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.settimeout(0.05)
        self.socket.bind(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.payloads = []
        self.ended = False
        self.thread = threading.Thread(target=self._take, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join()
        self.socket.close()

    def _take(self):
        while not self.ended:
            try:
                self.payloads.append(self.socket.recv(65536))
            except TimeoutError:
                continue

    def figures(self, since=0):
        return Figures(self.payloads[since:])


class Figures:
    """Sums of counters, the last value of gauges, all values of timers with their sum of weights."""

    def __init__(self, payloads):
        self.counters = collections.Counter()
        self.gauges = {}
        self.timers = collections.defaultdict(list)
        self.weights = collections.Counter()
        self.rounds = 0
        for payload in payloads:
            assert 0 < len(payload) <= PAYLOAD_BYTES
            for line in payload.decode("ascii").split("\n"):
                self._take(line)

    def _take(self, line):
        assert LINE.fullmatch(line), line
        name, *values = line.split(":")
        for value in values:
            number, kind, *rate = value.split("|")
            if kind == "c":
                self.counters[name] += int(number)
            elif kind == "g":
                self.gauges[name] = float(number)
                self.rounds += name.endswith(".fleet.workers_parked")
            else:
                self.timers[name].append(float(number))
                self.weights[name] += 1 / float(rate[0][1:]) if rate else 1

    def quantile(self, name, q):
        """The ceil(q n)-th of a timer's values, as struct histogram has it."""
        values = sorted(self.timers[name])
        return values[max(math.ceil(q * len(values)), 1) - 1]
