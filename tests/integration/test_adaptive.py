"""The weights that bench/adaptive measures with: they find the speeds of the slots and stay there, and HAProxy takes them.

A comparison with a controller that swings, or that HAProxy does not hear, would say nothing about the idea.
"""

import math
import pathlib
import random
import statistics
import sys

import pytest
from fleet import ROOT, wait_until

sys.path.insert(0, str(pathlib.Path(ROOT, "bench", "adaptive")))

from agent import CALM, LEAST, Sample, Weights  # noqa: E402
from weighted import Weighted  # noqa: E402

SLOTS = 4
ASK = 0.1


class Model:
    """Queues fed by weighted round robin, with Poisson arrivals; weights are told as late as HAProxy is told them."""

    def __init__(self, rate, tuning=CALM, service=0.01):
        self.random = random.Random(7)
        self.tuning, self.weights, self.rate, self.service = tuning, Weights(tuning), rate, service
        self.slow = [1.0] * SLOTS
        self.now, self.next = 0.0, 0.0
        self.asked = [i * tuning.ask / SLOTS for i in range(SLOTS)]  # each at a moment of its own
        self.credit = [0.0] * SLOTS
        self.percent = [100] * SLOTS
        self.jobs = [[] for _ in range(SLOTS)]  # (start, end, service) of those that are not over
        self.sums = [Sample() for _ in range(SLOTS)]
        self.forget()

    def forget(self):
        self.taken, self.seen = [0] * SLOTS, []

    def _arrive(self):
        self.credit = [c + p for c, p in zip(self.credit, self.percent)]
        to = self.credit.index(max(self.credit))
        self.credit[to] -= sum(self.percent)
        self.taken[to] += 1
        service = self.slow[to] * self.random.expovariate(1 / self.service)
        start = max(self.next, self.jobs[to][-1][1] if self.jobs[to] else 0)
        self.jobs[to].append((start, start + service, service))

    def _look(self, slot):
        sums, jobs = self.sums[slot], self.jobs[slot]
        while jobs and jobs[0][1] <= self.now:
            service = jobs.pop(0)[2]
            sums.jobs += 1
            sums.service += service
            sums.log += math.log(2 ** math.ceil(math.log2(service)))  # the edge of its bucket
        sample = Sample()
        sample.jobs, sample.log, sample.service = sums.jobs, sums.log, sums.service
        sample.queue = sum(start > self.now for start, _, _ in jobs)
        sample.idle = 0 if jobs else self.now
        return sample

    def run(self, seconds):
        end = self.now + seconds
        while self.now < end:
            self.now += self.tuning.look
            while self.next < self.now:
                self._arrive()
                self.next += self.random.expovariate(self.rate)
            self.weights.look({i: self._look(i) for i in range(SLOTS)}, self.tuning.look)
            for i in range(SLOTS):
                if self.asked[i] <= self.now:
                    self.asked[i] += self.tuning.ask
                    self.percent[i] = self.weights.percent(i)
            self.seen.append(list(self.percent))

    def share(self, slot):
        return self.taken[slot] / sum(self.taken)

    def mean(self, slot):
        return statistics.mean(seen[slot] for seen in self.seen)

    def swing(self, slot):
        return statistics.pstdev([seen[slot] for seen in self.seen])


def rate(utilization, speeds):
    return utilization * sum(speeds) / 0.01


def test_equal_slots_get_equal_shares():
    model = Model(rate(0.7, [1] * SLOTS))
    model.run(15)
    model.forget()
    model.run(60)
    for slot in range(SLOTS):
        assert model.share(slot) == pytest.approx(0.25, abs=0.02)
        assert model.swing(slot) < 8


@pytest.mark.parametrize("utilization", [0.4, 0.7, 0.9])
def test_a_slot_at_half_speed_gets_half_of_a_share(utilization):
    model = Model(rate(utilization, [0.5, 1, 1, 1]))
    model.slow[0] = 2.0
    model.run(20)
    model.forget()
    model.run(60)
    assert model.share(0) == pytest.approx(1 / 7, abs=0.03)
    assert all(model.swing(slot) < 12 for slot in range(SLOTS))


def test_a_slot_that_becomes_slow_and_fast_again_is_followed():
    model = Model(rate(0.6, [0.5, 1, 1, 1]))
    model.run(10)
    for slow, share in ((2.0, 1 / 7), (1.0, 1 / 4), (2.0, 1 / 7)):
        model.slow[0] = slow
        model.run(20)
        model.forget()
        model.run(20)
        assert model.share(0) == pytest.approx(share, abs=0.035)


def test_queues_that_only_grow_do_not_make_the_weights_swing():
    """Here nothing but the fed-back part acts, and no queue is ever empty, which would damp it."""
    model = Model(rate(1.1, [1] * SLOTS))
    model.run(15)
    model.forget()
    model.run(40)
    for slot in range(SLOTS):
        assert model.share(slot) == pytest.approx(0.25, abs=0.02)
        assert model.swing(slot) < 15


def test_a_stuck_slot_is_left_and_all_stuck_ones_are_alike():
    weights = Weights(CALM)
    samples = {i: Sample() for i in range(SLOTS)}

    def look(times, stuck):
        for _ in range(times):
            for i, sample in samples.items():
                new = samples[i] = Sample()
                new.jobs, new.log, new.service, new.idle = sample.jobs, sample.log, sample.service, sample.idle
                if i not in stuck:
                    new.jobs, new.log, new.service = sample.jobs + 5, sample.log - 23, sample.service + 0.05
                    new.idle = sample.idle + 0.001
            weights.look(samples, CALM.look)

    look(100, set())
    assert [weights.percent(i) for i in range(SLOTS)] == [100] * SLOTS
    look(40, {1})  # 2 s
    assert weights.percent(1) < 25 and all(weights.percent(i) == 100 for i in (0, 2, 3))
    look(2000, {1})
    assert weights.percent(1) == LEAST
    look(200, {0, 1, 2, 3})
    assert max(weights.percent(i) for i in range(SLOTS)) == 100
    look(400, set())
    assert min(weights.percent(i) for i in range(SLOTS)) >= 95


def test_haproxy_takes_the_weights_and_keeps_them_when_the_agent_is_gone():
    with Weighted("adaptive", {"workers.count": 2, "workers.max": 2, "lab.enabled": True}) as fleet:
        for slot, us in ((0, 40000), (1, 5000)):
            for _ in range(60):
                assert fleet.get(f"/lab/sleep?us={us}", at=fleet.worker(slot)).status == 200
        wait_until(lambda: fleet.weights()[0] < 60)
        fleet.agent.stop()
        weights = fleet.weights()
        checks = [int(row["chkfail"]) for row in fleet.servers()]
        wait_until(lambda: fleet.servers()[0]["agent_status"] in ("L4CON", "* L4CON", "L4TOUT"))
        assert len(fleet.servers("UP")) == 2
        assert fleet.weights() == weights
        assert [int(row["chkfail"]) for row in fleet.servers()] == checks
        assert fleet.get("/lab/sleep?us=0").status == 200
