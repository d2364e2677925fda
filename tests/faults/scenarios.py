"""What is done to a fleet while the driver asks it: each scenario is a function (rig, plan) that returns what it did.

A scenario raises AssertionError where the fleet did not do what it was told, or did what it must not. What clients saw
of it is judged from the driver's result, in play.py.
"""

import contextlib
import dataclasses
import http.client
import itertools
import os
import random
import signal
import threading
import time

from fleet import wait_until

KILL_S = 0.2
STATUS_S = 0.02
SETTLE_S = 0.5
REPLACED_S = 1.0  # beyond workers.watchdog_ms

EXITS = b"#!/bin/sh\nexit 1\n"
CRASHES = b"#!/bin/sh\nsleep 0.3\nkill -SEGV $$\n"
GARBAGE = b"\0this is no program\n"
ENDS = b"#!/bin/sh\nexit 0\n"
HANGS = b"#!/bin/sh\nexec sleep 600\n"


@dataclasses.dataclass
class Plan:
    """How much of it, on what fleet, and what is drawn at random."""

    seconds: float = 0
    times: int = 0
    seed: int = 1
    options: dict = dataclasses.field(default_factory=dict)


def every(seconds, *, until=None, times=None, stop=None):
    """Counts 0, 1, ... at least that many seconds apart, for so long, so many times, or until `stop` is set."""
    begun, stop = time.monotonic(), stop or threading.Event()
    for i in itertools.count():
        started = time.monotonic()
        if (until is not None and started - begun >= until) or i == times or stop.is_set():
            return
        yield i
        stop.wait(max(0, started + seconds - time.monotonic()))


def told(done, code=0):
    """quernctl's outcome must be this one."""
    words = " ".join(map(str, done.args[3:]))
    assert done.returncode == code, f"quernctl {words} ended with {done.returncode}: {done.stdout}{done.stderr}"


# --- workers die and hang --------------------------------------------------------------------------------------------


def kill_one(rig, chance):
    """SIGKILL to a ready worker; how many that were, 0 or 1."""
    ready = sorted(rig.ready().values())
    if not ready:
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(chance.choice(ready), signal.SIGKILL)
    return 1


def kills(rig, plan):
    chance, killed = random.Random(plan.seed), 0
    for _ in every(KILL_S, until=plan.seconds):
        killed += kill_one(rig, chance)
    assert killed > 0.9 * plan.seconds / KILL_S, f"only {killed} workers were there to be killed"
    return f"{killed} of {rig.slots()} workers killed, HAProxy sent {rig.retries()} requests again"


def replacement(rig, slot, old, seen=lambda: None):
    """Waits for another worker in the slot to be ready; seconds since the call."""
    begun = time.monotonic()
    limit = rig.effective["workers.watchdog_ms"] / 1000 + 30
    wait_until(lambda: (seen(), rig.ready().get(slot, old) != old)[1], limit, "another worker", STATUS_S)
    return time.monotonic() - begun


def stopped(rig, plan):
    """SIGSTOP for good. What HAProxy has given to that worker is what comes late, or is refused after it has waited."""
    slot, given = 0, []
    old = rig.kill(slot, signal.SIGSTOP)
    seconds = replacement(rig, slot, old, lambda: given.append(rig.sessions_of(slot)))
    limit = rig.effective["workers.watchdog_ms"] / 1000 + REPLACED_S
    assert seconds < limit, f"replaced after {seconds:.2f} s, not within {limit:.1f} s"
    wait_until(lambda: rig.sessions_of(slot) < max(given) or max(given) == 0, 10, "answers to what it had been given")
    time.sleep(plan.seconds)
    rig.slot, rig.given = slot, max(given)
    return f"slot {slot} replaced after {seconds:.2f} s; HAProxy had given it {max(given)} requests by then"


def recycling(rig, plan):
    time.sleep(plan.seconds)
    recycled = sum(worker["recycled"] for worker in rig.status()["workers"])
    assert recycled > plan.seconds / 2, f"only {recycled} workers were recycled"
    return f"{recycled} workers replaced after about {rig.effective['workers.max_requests']} requests each"


# --- what an operator does -------------------------------------------------------------------------------------------


def reload(rig, i):
    """A new value that workers take as they are, or one for which they are replaced."""
    live = i % 2 == 0
    control = f"public, max-age={1000 + i}"
    with rig.lock:
        rig.write_file({"limits.queue_ms": 4000 + i} if live else {"http.cache_control": control})
    done = rig.ctl("reload")
    if done.returncode == 0 and not live:
        for slot in rig.ready():
            told_now = rig.get("/qr?text=A", at=rig.worker(slot)).header("Cache-Control")
            assert told_now == control, f"slot {slot} has not taken http.cache_control: {told_now}"
    return done


def reloads(rig, plan):
    for i in every(1, times=plan.times):
        told(reload(rig, i))
    return f"{plan.times} reloads, half of them by replacing the workers"


def strategies(rig, plan):
    """Another execution.strategy each time, so that workers of both kinds serve side by side."""
    for i in every(0, times=plan.times):
        with rig.lock:
            rig.write_file({"execution.strategy": ("offload", "yield", "inline")[i % 3]})
        told(rig.ctl("reload"))
        before = {slot: rig.slot(slot)["offloaded"] for slot in rig.ready()}
        for slot, offloaded in before.items():
            assert rig.get("/qr?text=A", at=rig.worker(slot)).status == 200
            threads = rig.slot(slot)["offloaded"] > offloaded
            assert threads == (i % 3 == 0), f"slot {slot} has not taken execution.strategy"
    return f"{plan.times} reloads from one execution.strategy to another"


def scalings(rig, plan):
    for i in every(0, times=plan.times):
        wanted = 1 if i % 2 else 8
        told(rig.ctl("scale", wanted))
        ready = len(rig.ready())
        assert ready == wanted, f"scaled to {wanted}, {ready} are ready"
    return f"{plan.times} scalings between 1 and 8"


def upgrades(rig, plan):
    program = (rig.programs / "quernd").read_bytes()
    for _ in every(0, times=plan.times):
        old, workers = rig.master_pid(), set(rig.ready().values())
        rig.replace_program(program)
        told(rig.ctl("upgrade"))
        assert rig.master_pid() != old, "the old master is still in charge"
        assert not workers & set(rig.ready().values()), "workers of the old master are still in charge"
    return f"{plan.times} upgrades"


def in_a_row(rig, plan):
    """Each command as soon as the one before is done: workers leave that have hardly come."""
    program = (rig.programs / "quernd").read_bytes()
    for i in range(plan.times):
        rig.replace_program(program)
        for words in (("scale", 8), ("upgrade",), ("scale", 1)):
            told(rig.ctl(*words))
        told(reload(rig, i))
        rig.write_file({"workers.count": 2 + i % 2})
        told(rig.ctl("reload"))
    return f"{plan.times} times scale 8, upgrade, scale 1, reload, another workers.count, without a pause"


def haproxy(rig, plan):
    policies = ("leastconn", "roundrobin")
    for i in every(1, times=plan.times):
        rig.reload_haproxy({"balancer.policy": policies[i % 2]})
    return f"{plan.times} reloads of HAProxy, its configuration made anew"


# --- what an operator does wrong -------------------------------------------------------------------------------------


def nobody_changed(rig, before):
    now = (rig.master_pid(), rig.ready())
    assert now == before, f"the fleet is not the old one: {before} before, {now} now"


def bad_configuration(rig, plan):
    good, before = rig.file.read_text(), (rig.master_pid(), rig.ready())
    bad = ('{"limits": {"queue_ms": "soon"}}', '{"limits": ', '{"workers": {"count": 4096}}', "")
    for i in every(0.2, times=plan.times):
        rig.file.write_text(bad[i % len(bad)])
        done = rig.ctl("reload")  # which reads the file as well, and says 2 where it cannot
        number = rig.last_change()["number"]
        os.kill(rig.master_pid(), signal.SIGHUP)
        wait_until(lambda: rig.last_change()["number"] > number and rig.last_change()["state"] == "failed", 10,
                   "the master has refused it")
        rig.file.write_text(good)
        assert done.returncode in (1, 2), f"quernctl reload ended with {done.returncode}: {done.stdout}{done.stderr}"
        nobody_changed(rig, before)
    told(rig.ctl("reload"))
    return f"{plan.times} times a configuration in error, by quernctl and by SIGHUP; then a good one"


def bad_upgrade(rig, plan):
    program, before = (rig.programs / "quernd").read_bytes(), (rig.master_pid(), rig.ready())
    bad = (EXITS, GARBAGE, CRASHES, ENDS, HANGS)  # the last one takes half a minute
    for i in every(0.2, times=plan.times):
        rig.replace_program(bad[i % len(bad)])
        told(rig.ctl("upgrade"), 1)
        nobody_changed(rig, before)
    rig.replace_program(program)
    told(rig.ctl("upgrade"))
    return f"{plan.times} upgrades to programs that die at their start, then a good one"


# --- all of it at once -----------------------------------------------------------------------------------------------


class Together:
    """Threads that do something again and again until they are told to end."""

    def __init__(self):
        self.stop, self.threads, self.errors, self.count = threading.Event(), [], [], {}

    def add(self, name, seconds, act):
        self.count[name] = 0
        self.threads.append(threading.Thread(target=self._repeat, args=(name, seconds, act), name=name))

    def _repeat(self, name, seconds, act):
        try:
            for i in every(seconds, stop=self.stop):
                # While a master hands over to the next one, nobody may answer for a moment.
                with contextlib.suppress(ConnectionError, TimeoutError, http.client.HTTPException):
                    self.count[name] += act(i)
        except Exception as error:  # told by run(), in the main thread
            self.errors.append(f"{name}: {error}")

    def run(self, seconds):
        for thread in self.threads:
            thread.start()
        time.sleep(seconds)
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert not self.errors, "; ".join(self.errors)
        return ", ".join(f"{count} {name}" for name, count in self.count.items())


def together(rig, plan):
    """quernctl's commands one after the other; kills, a worker that is stopped, and HAProxy's reloads beside them."""
    chance, all_of_it, refused = random.Random(plan.seed), Together(), []
    program = (rig.programs / "quernd").read_bytes()

    def command(i):
        kind = ("reload", "scale", "reload", "scale", "upgrade")[i % 5]
        if kind == "upgrade":
            rig.replace_program(program)
        words = (kind, 1 if i % 10 == 1 else chance.randint(2, 8)) if kind == "scale" else (kind,)
        done = reload(rig, i) if kind == "reload" else rig.ctl(*words)
        if done.returncode != 0:
            refused.append(f"{kind}: {(done.stdout + done.stderr).strip().splitlines()[-1:]}")
        return done.returncode == 0

    def stop_one(_):
        ready = sorted(rig.ready().values())
        if len(ready) < 2:
            return 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(ready), signal.SIGSTOP)
        return 1

    def reload_haproxy(i):
        rig.reload_haproxy({"balancer.policy": ("leastconn", "roundrobin")[i % 2]})
        return 1

    all_of_it.add("commands", 0.5, command)
    all_of_it.add("kills", KILL_S, lambda _: kill_one(rig, chance))
    all_of_it.add("stops", 4, stop_one)
    all_of_it.add("HAProxy reloads", 3, reload_haproxy)
    did = all_of_it.run(plan.seconds)
    told(rig.ctl("scale", 2))
    time.sleep(SETTLE_S)
    return did + (f"; {len(refused)} commands not done: {'; '.join(refused[:3])}" if refused else "")
