"""Plays scenarios, one fleet each, judges what clients saw, and prints the table."""

import dataclasses
import http.client
import re
import subprocess
import time

from rig import Rig
from scenarios import (Plan, bad_configuration, bad_upgrade, haproxy, in_a_row, kills, recycling, reloads, scalings,
                       stopped, strategies, together, upgrades)

# A healthy answer is a hundred times quicker; what takes longer has waited for something.
LATE_MS = 100
WATCHDOG = {"workers.count": 4, "workers.watchdog_ms": 3000}

# name: scenario, plan of the long form, plan of the short one
SCENARIOS = {
    "kills": (kills, Plan(seconds=60, options={"workers.count": 2}), Plan(seconds=1.5, options={"workers.count": 2})),
    "stopped": (stopped, Plan(seconds=3, options=WATCHDOG),
                Plan(seconds=0.5, options={**WATCHDOG, "workers.watchdog_ms": 1000})),
    # Longer than limits.queue_ms, so that what has waited longest is told 503.
    "stopped-long": (stopped, Plan(seconds=3, options={**WATCHDOG, "workers.watchdog_ms": 9000}), None),
    "recycling": (recycling, Plan(seconds=20, options={"workers.max_requests": 300}),
                  Plan(seconds=2, options={"workers.max_requests": 80})),
    "reloads": (reloads, Plan(times=50), Plan(times=2)),
    "strategies": (strategies, Plan(times=20), Plan(times=3)),
    "scalings": (scalings, Plan(times=50), Plan(times=3)),
    "upgrades": (upgrades, Plan(times=20), Plan(times=2)),
    "in-a-row": (in_a_row, Plan(times=20), Plan(times=2)),
    "haproxy": (haproxy, Plan(times=10), Plan(times=2)),
    "bad-configuration": (bad_configuration, Plan(times=8), Plan(times=2)),
    "bad-upgrade": (bad_upgrade, Plan(times=6), Plan(times=3)),
    "together": (together, Plan(seconds=60, options=WATCHDOG),
                 Plan(seconds=3, options={**WATCHDOG, "workers.watchdog_ms": 1000})),
}
# What a scenario ends with where the fleet does not do as it should.
TROUBLE = (AssertionError, OSError, http.client.HTTPException, subprocess.SubprocessError)
# Requests that wait for a worker that hangs may be shed in these, after they have waited.
MAY_SHED = ("stopped", "stopped-long", "together")
DEFAULTS = {"workers.count": 3, "workers.max": 8}


@dataclasses.dataclass
class Row:
    name: str
    did: str
    result: dict
    problems: list

    def failed(self):
        r = self.result
        return r["failed"] - r["wrong"] - r["malformed"] - r["raced"] if r else 0

    def text(self):
        r = self.result
        if not r:
            return f"{self.name:<18} {'-':>8} {self.did}"
        return (f"{self.name:<18} {r['sent']:>8} {self.failed():>7} {r['wrong'] + r['malformed']:>6} {r['raced']:>6} "
                f"{r['shed']:>6} {r['cut']:>4} {r['late']:>6} {r['max_ms']:>8.0f}  {self.did}")


HEADER = (f"{'what is done':<18} {'requests':>8} {'failed':>7} {'wrong':>6} {'raced':>6} {'shed':>6} {'cut':>4} "
          f"{'late':>6} {'slowest':>8}  ")
LEGEND = f"""\
failed: reset, closed before the answer was whole, refused, timed out.  raced: the same on a reused connection at the
moment of sending, without a byte of an answer.  wrong: not byte for byte what it must be.  shed: 503 with Retry-After.
cut: pipelined behind an answer that said it is the last one.  late: right, after more than {LATE_MS} ms; slowest: of the
right ones, in ms."""


def judge_stopped(rig, result):
    """The requests that the stopped worker had been given are late, or refused; nobody else is refused. HAProxy sends some
    of them to another slot in the end, which refuses those that are older than limits.queue_ms then."""
    queue_us = 1000 * rig.effective.get("limits.queue_ms", 5000)
    if others := {slot: result["shed_slots"][slot] for slot, least_us in result["shed_least_us"].items()
                  if int(slot) != rig.slot and least_us < queue_us}:
        yield f"workers in other slots have shed requests that had not waited for long: {others}"
    # Who came just before the replacement has not waited for long enough to be late.
    if result["late"] + result["shed"] < 0.8 * rig.given:
        yield f"of {rig.given} requests only {result['late']} were late and {result['shed']} refused"


def judge(name, rig, result):
    """What is wrong with what clients saw."""
    if result["failed"]:
        yield f"{result['failed']} requests failed or were answered wrongly"
    if name not in MAY_SHED and result["shed"]:
        yield f"{result['shed']} requests were shed"
    # For one that has not waited for a worker that hangs, another worker should have been found.
    if result["shed_at_once"]:
        yield f"HAProxy itself has refused {result['shed_at_once']} requests at once"
    if name.startswith("stopped"):
        yield from judge_stopped(rig, result)


def describe(rig, result):
    """The first failures, each with what HAProxy's log says about its connection."""
    log = (rig.output / "haproxy.log").read_text(errors="replace").splitlines()
    told = [f for f in result["failures"] if f["kind"] not in ("shed", "cut") or f["status"] and f["slot"] < 0]
    for failure in told[:10]:
        yield "    " + ", ".join(f"{key} {value}" for key, value in failure.items())
        yield from ("        " + line for line in log if re.search(rf":{failure['port']} ", line))


def play(name, plan, targets, rate, output):
    """One scenario; a Row."""
    act = SCENARIOS[name][0]
    did, problems, rig, driven = "", [], Rig({**DEFAULTS, **plan.options}, output), None
    try:
        with rig:
            with rig.drive(targets, rate, late_ms=LATE_MS) as driven:
                time.sleep(0.2)
                try:
                    did = act(rig, plan)
                except TROUBLE as error:
                    problems.append(f"{type(error).__name__}: {error}")
                time.sleep(0.2)
    except TROUBLE as error:
        problems.append(f"{type(error).__name__}: {error}")
    result = driven.result if driven else None
    if result:
        problems += judge(name, rig, result)
        if problems:
            problems += describe(rig, result)
    return Row(name, did, result, problems)
