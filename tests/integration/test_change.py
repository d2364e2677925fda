"""Changes to a running fleet, asked for by signals: what is taken how, what is refused, what is taken back."""

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess

import pytest

from fleet import Fleet, wait_until

LIBC = ctypes.CDLL(None, use_errno=True)


def ask(fleet, number):
    """Sends a signal to the master, and returns the record of the change that it led to, once that has ended."""
    before = len_of_changes(fleet)
    os.kill(fleet.status()["pid"], number)
    return outcome(fleet, before + 1)


def scale(fleet, wanted):
    before = len_of_changes(fleet)
    value = ctypes.c_void_p(wanted & 0xffffffff)
    assert LIBC.sigqueue(fleet.status()["pid"], signal.SIGRTMIN, value) == 0
    return outcome(fleet, before + 1)


def len_of_changes(fleet):
    changes = fleet.status()["changes"]
    return changes[-1]["number"] if changes else 0


def outcome(fleet, number):
    def ended():
        change = next((c for c in fleet.status()["changes"] if c["number"] == number), None)
        return change if change and change["state"] != "running" else None

    return wait_until(ended, 30.0, f"change {number} has ended")


def pids(fleet):
    return [w["pid"] for w in fleet.status()["workers"] if w["state"] == "ready"]


def test_live_options_are_taken_in_place(fleet):
    before = pids(fleet)
    fleet.get("/qr?text=a")
    assert "/qr" not in fleet.log()
    fleet.write_file({"http.access_log": True, "limits.body_bytes": 1000, "log.level": "debug"})
    change = ask(fleet, signal.SIGHUP)
    assert change["state"] == "done"
    assert change["text"] == "taken at once: limits.body_bytes, http.access_log, log.level"
    assert pids(fleet) == before
    # Each worker takes them when its loop turns next.
    wait_until(lambda: fleet.post("/qr", b"x" * 1500, "text/plain").status == 413)
    fleet.get("/qr?text=a")
    fleet.wait_log(r'^\{.*"route":"/qr"')


def open_files(pid):
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]


def test_workers_get_the_descriptors_that_a_higher_limit_needs():
    with Fleet({"limits.connections": 100}) as fleet:
        before = pids(fleet)
        for pid in [fleet.master.pid, *before]:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (300, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
        fleet.write_file({"limits.connections": 1000})
        assert ask(fleet, signal.SIGHUP)["text"] == "taken at once: limits.connections"
        wait_until(lambda: all(open_files(pid) > 1000 for pid in before))
        assert pids(fleet) == before


def test_others_are_taken_by_new_workers(fleet):
    before = pids(fleet)
    fleet.write_file({"http.cache_control": "no-store"})
    change = ask(fleet, signal.SIGHUP)
    assert (change["state"], change["text"]) == ("done", "by new workers: http.cache_control")
    assert (change["done"], change["total"]) == (2, 2)
    assert not set(before) & set(pids(fleet)) and len(pids(fleet)) == 2
    assert fleet.get("/qr?text=a").header("Cache-Control") == "no-store"
    # One after the other: the second one starts when the first one is ready.
    log = fleet.log()[fleet.log().index("reloading"):]
    ready = [log.index(f"worker {slot}: ready") for slot in (0, 1)]
    ended = [log.index(f"worker {slot} (pid {pid}) exited with code 0") for slot, pid in enumerate(before)]
    assert ready[0] < ready[1] and all(r < e for r, e in zip(ready, ended))


def test_what_cannot_be_taken_is_named(fleet):
    fleet.write_file({"workers.max": 9, "balancer.policy": "leastconn"})
    change = ask(fleet, signal.SIGHUP)
    assert change["state"] == "done"
    assert change["text"] == ("for HAProxy, to be rendered and reloaded: balancer.policy; "
                              "not taken, but by an upgrade or a restart: workers.max")
    wait_until(lambda: fleet.status()["settings"]["policy"] == "leastconn")
    assert fleet.status()["fleet"]["max"] == 8


def test_pinned_keys_are_named():
    with Fleet(arguments=["--set", "limits.queue=7"]) as fleet:
        fleet.write_file({"limits.queue": 9, "limits.queue_ms": 100})
        change = ask(fleet, signal.SIGHUP)
        assert change["text"] == "taken at once: limits.queue_ms; pinned by --set: limits.queue"
        assert fleet.status()["settings"]["queue"] == 7


@pytest.mark.parametrize("content,told", [
    ('{"limits": {"queue": 0}}', ["limits.queue", "1 to 1000000"]),
    ('{"limits": {"queue": 5', ["quern.json"]),
    ("", ["quern.json"]),
    (None, ["quern.json", "No such file"]),
    ('{"log": {"destination": "/nonexistent/quern.log"}}', ["/nonexistent/quern.log", "No such file"]),
])
def test_a_bad_configuration_changes_nothing(fleet, content, told):
    before, settings = pids(fleet), fleet.status()["settings"]
    if content is None:
        fleet.file.unlink()
    else:
        if content.endswith("}}"):
            content = json.dumps({**json.loads(fleet.file.read_text()), **json.loads(content)})
        fleet.file.write_text(content)
    change = ask(fleet, signal.SIGHUP)
    assert change["state"] == "failed"
    for words in told:
        assert words in change["text"]
    assert pids(fleet) == before and fleet.status()["settings"] == settings
    assert fleet.get("/qr?text=a").status == 200


def test_the_lab_stays_closed_where_the_fleet_listens_for_everybody(fleet):
    """Whatever address the file has: it is not taken before an upgrade."""
    port = fleet.front[1]
    fleet.stop()
    with Fleet({"balancer.kind": "none", "balancer.listen": f"0.0.0.0:{port}"}) as fleet:
        fleet.write_file({"lab.enabled": True, "balancer.listen": f"127.0.0.1:{port}"})
        change = ask(fleet, signal.SIGHUP)
        assert change["state"] == "failed"
        assert f'(balancer.listen: "0.0.0.0:{port}", in force until an upgrade)' in change["text"]
        assert fleet.get("/lab/sleep?us=1", at=("127.0.0.1", port)).status == 404


def test_a_pipe_does_not_hold_up_the_master(fleet):
    fleet.file.unlink()
    os.mkfifo(fleet.file)
    change = ask(fleet, signal.SIGHUP)
    assert change["state"] == "failed" and "is a pipe that has not been written" in change["text"]
    killed = fleet.kill(0, signal.SIGKILL)
    wait_until(lambda: fleet.pid(0) not in (0, killed))


def test_scaling(fleet):
    assert scale(fleet, 5)["text"] == "5 workers"
    assert len(pids(fleet)) == 5 and fleet.status()["fleet"]["workers"] == 5
    change = scale(fleet, 1)
    assert (change["state"], change["target"]) == ("done", 1)
    assert len(pids(fleet)) == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(fleet.worker(4))
    assert ask(fleet, signal.SIGTTIN)["target"] == 2
    assert ask(fleet, signal.SIGTTOU)["target"] == 1
    # It lasts until the next reload.
    change = ask(fleet, signal.SIGHUP)
    assert change["text"] == "nothing has changed; workers: 2, were 1"
    assert len(pids(fleet)) == 2


@pytest.mark.parametrize("wanted", [0, -1, 9, 2 ** 31 - 1])
def test_scaling_beyond_what_is_allowed(fleet, wanted):
    change = scale(fleet, wanted)
    assert change["state"] == "failed"
    assert change["text"] == f"{wanted} workers: allowed are 1 to 8 (workers.max)"
    assert len(pids(fleet)) == 2


def test_scaling_to_a_port_that_is_taken(fleet):
    with socket.socket() as other:
        other.bind(fleet.worker(3))
        other.listen(1)
        change = scale(fleet, 4)
        assert change["state"] == "failed" and "Address already in use" in change["text"]
        assert fleet.status()["fleet"]["workers"] == 2 and len(pids(fleet)) == 2
        # Not even the one that could have been had.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(fleet.worker(2))
    assert scale(fleet, 4)["state"] == "done"


def test_a_later_change_takes_the_place_of_an_earlier_one():
    with Fleet({"workers.count": 4, "lab.enabled": True, "workers.drain_ms": 20000}) as fleet:
        # The worker of slot 3 has something to finish, so that the first change takes its time.
        with fleet.connect(at=fleet.worker(3)) as busy:
            busy.sendall(b"GET /lab/sleep?us=1500000 HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: fleet.slot(3)["active"] == 1)
            before = len_of_changes(fleet)
            for wanted in (2, 3):
                assert LIBC.sigqueue(fleet.status()["pid"], signal.SIGRTMIN, ctypes.c_void_p(wanted)) == 0
            first, second = outcome(fleet, before + 1), outcome(fleet, before + 2)
            assert (first["state"], first["target"]) == ("superseded", 2)
            assert (second["state"], second["text"]) == ("done", "3 workers")
            assert busy.recv(100).startswith(b"HTTP/1.1 200 ")


SHIM = """
#include <event2/event.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
/* No event loop for workers while the file is there. */
struct event_base *event_base_new(void)
{
	return access(getenv("NO_LOOPS"), F_OK) == 0 ? NULL : event_base_new_with_config(event_config_new());
}
"""


@pytest.fixture
def shim(tmp_path):
    """An environment in which new processes of quernd fail at their start while the file at NO_LOOPS exists."""
    (tmp_path / "shim.c").write_text(SHIM)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "shim.so", tmp_path / "shim.c"], check=True)
    return {"LD_PRELOAD": str(tmp_path / "shim.so"), "NO_LOOPS": str(tmp_path / "no-loops"),
            "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}


def test_a_configuration_that_kills_workers_is_taken_back(shim):
    with Fleet(environment=shim) as fleet:
        before = pids(fleet)
        open(shim["NO_LOOPS"], "w").close()
        fleet.write_file({"http.allow_origin": "https://a.example", "limits.queue": 3, "log.level": "error",
                          "log.destination": str(fleet.directory / "other.log")})
        master = fleet.status()["pid"]
        os.kill(master, signal.SIGHUP)
        fleet.wait_log("reload failed: no worker of slot 0 becomes ready with the new configuration")
        os.unlink(shim["NO_LOOPS"])
        # The admin process cannot start anew, either, before that.
        change = wait_until(lambda: fleet.status()["changes"][-1])
        assert change["state"] == "failed" and pids(fleet) == before
        assert fleet.status()["settings"]["queue"] == 512
        answer = fleet.get("/qr?text=a")
        assert answer.status == 200 and answer.header("Access-Control-Allow-Origin") == "*"
        # And the fleet is none the worse for it.
        fleet.write_file({"http.allow_origin": "https://b.example", "log.level": "info", "log.destination": "stderr"})
        assert ask(fleet, signal.SIGHUP)["state"] == "done"
        assert fleet.get("/qr?text=a").header("Access-Control-Allow-Origin") == "https://b.example"


def test_a_parked_slot_keeps_nobody_from_changing_the_rest(shim):
    with Fleet(environment=shim) as fleet:
        fleet.status()  # The admin process has its loop.
        open(shim["NO_LOOPS"], "w").close()
        fleet.kill(0)
        wait_until(lambda: fleet.slot(0)["state"] == "parked")
        # What needs no new worker is taken.
        fleet.write_file({"limits.queue": 5})
        change = ask(fleet, signal.SIGHUP)
        assert change["state"] == "done" and "taken at once: limits.queue" in change["text"]
        assert fleet.status()["settings"]["queue"] == 5
        # Nor does the last worker that serves leave for the sake of one that does not come up.
        change = scale(fleet, 1)
        assert change["state"] == "failed" and "slot 0" in change["text"]
        assert fleet.get("/qr?text=a", at=fleet.worker(1)).status == 200
        # An upgrade does not wait for it, either, though it is not wanted any more.
        assert ask(fleet, signal.SIGUSR2)["state"] == "failed"
        os.unlink(shim["NO_LOOPS"])
        assert scale(fleet, 1)["state"] == "done"
        assert [w["slot"] for w in fleet.status()["workers"] if w["pid"]] == [0]


def test_a_worker_that_somebody_else_ends_has_a_successor_before_it_leaves(fleet):
    old = fleet.kill(0, signal.SIGTERM)
    fleet.wait_log(rf"worker 0 \(pid {old}\) exited with code 0")
    log = fleet.log()
    assert log.rindex("worker 0: ready") < log.index(f"worker 0 (pid {old}) exited")
    wait_until(lambda: fleet.pid(0) not in (0, old))
