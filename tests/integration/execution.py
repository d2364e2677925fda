"""What the tests of execution.strategy share: fleets of one worker with the lab, and work that is under way in them."""

import contextlib
import pathlib
import re
import subprocess

from fleet import BUILD, Fleet, clean_environment, wait_until
from wire import Wire, get

STRATEGIES = ("inline", "offload", "yield")
LAB = {"workers.count": 1, "lab.enabled": True, "execution.threads": 2}


def lab(strategy, **more):
    """A Fleet of one worker; the options' dots are __ here."""
    options = {key.replace("__", "."): value for key, value in more.items()}
    balancer = options.pop("balancer", False)
    return Fleet({**LAB, "execution.strategy": strategy, **options}, balancer=balancer)


def burn(us):
    return get(f"/lab/burn?us={us}")


def sleep(us):
    return get(f"/lab/sleep?us={us}")


def send(fleet, request, timeout=60.0):
    """The request on a connection of its own, which the caller closes."""
    wire = Wire(fleet.worker(0), timeout)
    assert wire.send(request)
    return wire


@contextlib.contextmanager
def closing(wires):
    try:
        yield wires
    finally:
        for wire in wires:
            wire.sock.close()


def has(fleet, **figures):
    """Until the worker's entry in status.json has all of these figures; returns it."""
    def seen():
        slot = fleet.slot(0)
        return all(slot[key] == value for key, value in figures.items()) and slot
    return wait_until(seen, what=str(figures))


def nothing_left(fleet):
    """Until the worker has nothing to do any more; returns its entry."""
    return has(fleet, active=0, queue=0, pool_queue=0, pool_active=0)


def descriptors(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/task").iterdir()))


def own_kib(pid):
    """Memory of its own. What it shares with others, as its ring of the timeline is, fills up and is not counted."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous:\s+(\d+) kB$", text, re.MULTILINE)[1])


def server_timing(answer):
    """{"queue": 0.1, "lab": 3.0, ...} in milliseconds."""
    return {name: float(ms) for name, ms in re.findall(r"(\w+);dur=([0-9.]+)", answer.header("Server-Timing"))}


def ctl(fleet, *words):
    done = subprocess.run([str(word) for word in (BUILD / "quernctl", "-c", fleet.file, *words)], capture_output=True,
                          text=True, timeout=90, check=False, env=clean_environment())
    assert done.returncode == 0, done.stdout + done.stderr
