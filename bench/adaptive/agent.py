"""Weights by what each worker's loop feels, for HAProxy's agent-check: what a policy "adaptive" would do.

A process of its own looks at /metrics of quernd's admin process, which answers from shared memory also while a worker is
blocked, and tells HAProxy a percentage of each server's weight:

    weight = speed x room, relative to the best slot, which has 100 %; at least LEAST, as 0 for all would mean 503

speed   from the mean logarithm of the slot's service times over some seconds: at half speed it is ln 2 larger whatever
        the mix of requests is, and rare heavy requests hardly move it. It does not depend on the slot's share, so
        there is no feedback here.
room    (scale + least wait of all slots) / (scale + wait), wait being what is queued times the mean service time, and
        for how long the worker has been stuck in one job. This is fed back: share -> queue -> weight -> share. The
        queue integrates at most a second of work a second, the weight's slope is at most 1 / scale, and HAProxy acts
        on it some time later (look, smoothing, next question); such a loop is well damped while delay / scale is
        below 1/2 or so.
"""

import contextlib
import http.client
import math
import os
import re
import signal
import socket
import threading
import time

LEAST = 5  # percent
SPEED_S = 5.0  # memory of the speed
PRIOR_JOBS = 20  # at the speed of all slots, so that a slot with few jobs is not judged by chance
LINE = re.compile(r'quern_(worker_queued_requests|worker_loop_lag_seconds|worker_idle_seconds_total|'
                  r'service_seconds_bucket|service_seconds_sum)\{slot="(\d+)"(?:,le="([^"]+)")?\} (\S+)')


class Tuning:
    """look and ask: seconds between two looks, and two questions of HAProxy; scale and smooth in seconds."""

    def __init__(self, look, ask, scale, smooth, rise):
        self.look, self.ask, self.scale, self.smooth, self.rise = look, ask, scale, smooth, rise


CALM = Tuning(look=0.05, ask=0.1, scale=0.3, smooth=0.1, rise=1.05)
QUICK = Tuning(look=0.01, ask=0.01, scale=0.03, smooth=0.01, rise=1.3)


class Slot:
    def __init__(self):
        self.jobs = self.log = self.service = 0.0  # sums, forgotten with SPEED_S
        self.wait = self.stuck = 0.0
        self.weight = self.told = 1.0
        self.last = None


class Sample:
    """A slot at one moment: sums of jobs, logarithms and seconds of service; queue, lag, idle seconds."""

    def __init__(self):
        self.jobs = self.log = self.service = self.queue = self.lag = self.idle = 0.0


def read(text):
    """/metrics as {slot: Sample}. Buckets are powers of two, so twice as slow is just one bucket more."""
    samples, below = {}, {}
    for name, slot, edge, value in LINE.findall(text):
        slot, value = int(slot), float(value)
        sample = samples.setdefault(slot, Sample())
        if name == "service_seconds_bucket":
            more = value - below.get(slot, 0)
            below[slot] = value
            if edge != "+Inf" and more > 0:
                sample.jobs += more
                sample.log += more * math.log(float(edge))
        elif name == "service_seconds_sum":
            sample.service = value
        elif name == "worker_queued_requests":
            sample.queue = value
        elif name == "worker_loop_lag_seconds":
            sample.lag = value
        else:
            sample.idle = value
    return samples


class Weights:
    def __init__(self, tuning):
        self.tuning = tuning
        self.slots = {}

    def look(self, samples, elapsed):
        """Takes what the slots are like, `elapsed` seconds after the look before."""
        for number, sample in samples.items():
            self._take(self.slots.setdefault(number, Slot()), sample, elapsed)
        jobs = sum(s.jobs for s in self.slots.values())
        if jobs == 0:
            return
        self._log = sum(s.log for s in self.slots.values()) / jobs
        self._service = sum(s.service for s in self.slots.values()) / jobs
        for number, sample in samples.items():
            self._smooth(self.slots[number], sample, elapsed)
        self._aim()

    def percent(self, number):
        slot = self.slots.get(number)
        return max(LEAST, min(100, round(100 * slot.told))) if slot else 100

    def _take(self, s, now, elapsed):
        keep = math.exp(-elapsed / SPEED_S)
        s.jobs, s.log, s.service = s.jobs * keep, s.log * keep, s.service * keep
        if s.last:
            s.jobs += now.jobs - s.last.jobs
            s.log += now.log - s.last.log
            s.service += now.service - s.last.service
            same = now.jobs == s.last.jobs and now.idle == s.last.idle
            s.stuck = s.stuck + elapsed if same else 0
        s.last = now

    def _slow(self, s):
        return (s.log + PRIOR_JOBS * self._log) / (s.jobs + PRIOR_JOBS)

    def _smooth(self, s, now, elapsed):
        service = self._service * math.exp(self._slow(s) - self._log)
        wait = now.queue * service + max(now.lag, s.stuck)
        s.wait += (1 - math.exp(-elapsed / self.tuning.smooth)) * (wait - s.wait)

    def _aim(self):
        least_wait = min(s.wait for s in self.slots.values())
        least_slow = min(self._slow(s) for s in self.slots.values())
        for s in self.slots.values():
            room = (self.tuning.scale + least_wait) / (self.tuning.scale + s.wait)
            target = room * math.exp(least_slow - self._slow(s))
            s.weight = min(max(target, s.weight / 2), s.weight * self.tuning.rise)
        best = max(s.weight for s in self.slots.values())
        for s in self.slots.values():
            if abs(s.weight / best - s.told) > 0.04 * s.told:  # HAProxy sorts its servers anew each time
                s.told = s.weight / best


def _look_on(weights, admin):
    link = http.client.HTTPConnection(*admin, timeout=5)
    before = time.monotonic()
    while True:
        link.request("GET", "/metrics")
        text = link.getresponse().read().decode()
        now = time.monotonic()
        weights.look(read(text), now - before)
        before = now
        time.sleep(weights.tuning.look)


def _answer(weights, listener):
    while True:
        client, _ = listener.accept()
        with contextlib.suppress(OSError, ValueError), client:
            client.settimeout(1)
            client.sendall(b"%d%%\n" % weights.percent(int(client.recv(16))))


class Agent:
    """Runs in a process of its own from start() to stop()."""

    def __init__(self, tuning):
        self.tuning = tuning
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.pid = 0

    def start(self, admin):
        self.pid = os.fork()
        if self.pid == 0:
            try:
                weights = Weights(self.tuning)
                threading.Thread(target=_answer, args=(weights, self.listener), daemon=True).start()
                with contextlib.suppress(OSError, http.client.HTTPException):
                    _look_on(weights, admin)
            finally:
                os._exit(0)

    def stop(self):
        self.listener.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
