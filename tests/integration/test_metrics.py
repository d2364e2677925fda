"""What the admin process shows: /metrics against docs/metrics.md and promtool, /status.json against what was done."""

import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from fleet import ROOT, Fleet, wait_until

PERCENTILES = {"mean", "p50", "p90", "p95", "p99", "p999", "max"}


@pytest.fixture(scope="module")
def used_fleet():
    """A fleet on which every kind of figure has something to show."""
    with Fleet({"workers.count": 2, "workers.max": 4}) as running:
        for slot in (0, 1):
            for path in ("/", "/qr?text=A", "/qr?text=B&format=svg", "/qr", "/nothing"):
                running.get(path, at=running.worker(slot))
        old = running.kill(1)
        wait_until(lambda: running.pid(1) not in (0, old))
        wait_until(running.fleet_is_ready)
        yield running


def parse(page):
    """{name: (type, help)} and {(sample name, labels): value}."""
    types, samples = {}, {}
    for line in page.splitlines():
        if declared := re.fullmatch(r"# TYPE (\S+) (\S+)", line):
            types[declared[1]] = declared[2]
        elif not line.startswith("#"):
            sample = re.fullmatch(r'(\w+)(?:\{((?:\w+="[^"]*",?)*)\})? (\S+)', line)
            assert sample, line
            labels = dict(re.findall(r'(\w+)="([^"]*)"', sample[2] or ""))
            key = (sample[1], frozenset(labels.items()))
            assert key not in samples, line
            samples[key] = float(sample[3])
    return types, samples


def value(samples, name, **labels):
    return samples.get((name, frozenset((k, str(v)) for k, v in labels.items())))


def test_promtool_has_nothing_to_say(used_fleet):
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing (Debian: prometheus)"
    checked = subprocess.run([promtool, "check", "metrics"], input=used_fleet.metrics(), text=True,
                             capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_content_type(used_fleet):
    answer = used_fleet.get("/metrics", at=used_fleet.admin)
    assert answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert used_fleet.get("/status.json", at=used_fleet.admin).header("Content-Type").startswith("application/json")


def test_docs_list_exactly_these_metrics(used_fleet):
    types, samples = parse(used_fleet.metrics())
    text = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(quern_\w+)` \| (\w+) \| ([^|]*)\|", text, re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows})
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    found = {}
    for name, kind in types.items():
        names = [name + end for end in ("_bucket", "_sum", "_count")] if kind == "histogram" else [name]
        labels = {label for sample, pairs in samples if sample in names for label, _ in pairs}
        found[name] = (kind, labels - {"le"})
    assert documented == found


def test_every_counter_of_a_slot_is_shown(used_fleet):
    """A counter that is added to struct stats_seat must be added to server/stats/counters.c and to the docs; one of
    struct stats_slot to struct slot_view and what is written from it."""
    header = (ROOT / "server/stats/stats.h").read_text()
    slot = header[header.index("struct stats_seat {"):header.index("struct stats_region {")]
    names = [name.strip() for line in re.findall(r"stats_counter ([\w, ]+);", slot) for name in line.split(",")]
    assert {"jobs", "restarts", "parked"} <= set(names)
    # In age_s, cpu_s, busy, loop_lag_ms, next_start_s; pool_since_us is for the watchdog.
    elsewhere = {"spawned_us", "dead_cpu_us", "ready_us", "idle_us", "idle_since_us", "lag_us", "lag_due_us", "start_us",
                 "pool_us", "pool_cpu_us", "pool_threads", "pool_since_us"}
    status = used_fleet.status()
    shown = set(status["workers"][0])
    assert set(names) - elsewhere <= shown
    text = (ROOT / "docs/metrics.md").read_text()
    assert [name for name in shown if f"`{name}`" not in text] == []
    assert [name for name in status if f"`{name}`" not in text] == []
    for name in ("admin", "master"):
        assert [key for key in status[name] if f"`{key}`" not in text] == []
    assert [name for name in status["fleet"] if f"`{name}`" not in text and f"`{name}." not in text] == []


def test_metrics_and_status_agree_with_what_was_done(used_fleet):
    _, samples = parse(used_fleet.metrics())
    for slot in (0, 1):
        def answered(route, status):
            return value(samples, "quern_requests_total", slot=slot, route=route, status=status)
        assert answered("/", 200) == 1
        assert answered("/qr", 200) == 2
        assert answered("/qr", 400) == 1
        assert answered("none", 404) == 1
        entry = used_fleet.slot(slot)
        assert entry["requests"] == 5
        assert entry["answers"]["/qr"] == {"200": 2, "400": 1}
        assert entry["bytes_out"] > 1000 and entry["bytes_in"] > 200
    assert value(samples, "quern_worker_restarts_total", slot=0) == 0
    assert value(samples, "quern_worker_restarts_total", slot=1) == 1
    assert value(samples, "quern_fleet_state", state="ok") == 1
    assert value(samples, "quern_workers_ready") == 2
    assert not any(("slot", "2") in labels for _, labels in samples)
    fleet = used_fleet.status()["fleet"]
    assert (fleet["requests"], fleet["restarts"], fleet["state"]) == (10, 1, "ok")


def test_histograms_are_consistent(used_fleet):
    types, samples = parse(used_fleet.metrics())
    for name in [name for name, kind in types.items() if kind == "histogram"]:
        for slot in ("0", "1"):
            buckets = sorted((float(dict(labels)["le"]), count) for (sample, labels), count in samples.items()
                             if sample == name + "_bucket" and dict(labels)["slot"] == slot)
            counts = [count for _, count in buckets]
            assert len(buckets) == 21 and counts == sorted(counts)
            assert buckets[-1][0] == float("inf")
            assert counts[-1] == value(samples, name + "_count", slot=slot)
    assert value(samples, "quern_response_seconds_count", slot=0) >= 3
    assert value(samples, "quern_response_seconds_sum", slot=0) > 0


def test_status_has_what_scripts_rely_on(used_fleet):
    status = used_fleet.status()
    assert status["pid"] == used_fleet.master.pid
    stat = (f"/proc/{status['pid']}/stat")
    with open(stat, encoding="utf-8") as file:
        assert int(file.read().rpartition(")")[2].split()[19]) == status["start_ticks"]
    assert status["window_s"] == 10
    assert status["config"] == str(used_fleet.file)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", status["start_time"])
    for owner in [status["fleet"], *status["workers"]]:
        for name in ("latency_ms", "queue_ms", "service_ms"):
            assert set(owner[name]) == PERCENTILES | {"count"}
            numbers = [owner[name][p] for p in ("p50", "p90", "p95", "p99", "p999", "max")]
            assert numbers == sorted(numbers) if owner[name]["count"] else numbers == [None] * 6
        assert set(owner["loop_lag_ms"]) == {"now", "p50", "p95", "p99", "max", "full"}
    for worker in status["workers"]:
        assert worker["state"] == "ready"
        assert 100_000 < worker["memory_bytes"] < 200_000_000
        os.kill(worker["pid"], 0)
    assert sum(w["memory_bytes"] for w in status["workers"]) < status["fleet"]["memory_bytes"]


def test_counters_carry_on_after_a_death():
    with Fleet({"workers.count": 1}) as fleet:
        # What was answered before the admin process began to look is the past for its windows.
        fleet.status()
        for _ in range(7):
            assert fleet.get("/qr?text=A").status == 200
        before = wait_until(lambda: fleet.slot(0) if fleet.slot(0)["requests"] == 7 else None)
        old = fleet.kill(0)
        wait_until(lambda: fleet.pid(0) not in (0, old))
        wait_until(fleet.fleet_is_ready)
        assert fleet.get("/qr?text=A").status == 200
        after = wait_until(lambda: fleet.slot(0) if fleet.slot(0)["requests"] == 8 else None)
        assert after["restarts"] == 1
        assert after["bytes_out"] > before["bytes_out"]
        assert after["cpu_s"] >= before["cpu_s"]
        assert after["latency_ms"]["count"] == 8
        _, samples = parse(fleet.metrics())
        assert value(samples, "quern_requests_total", slot=0, route="/qr", status=200) == 8


def test_a_blocked_worker_is_seen():
    """The admin process answers while every worker is blocked, and shows them as busy, late and with a request."""
    with Fleet({"workers.count": 2, "lab.enabled": True}) as fleet:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            sleeping = [pool.submit(fleet.get, "/lab/sleep?us=4000000", at=fleet.worker(slot), timeout=30)
                        for slot in (0, 1)]

            def blocked():
                begun = time.monotonic()
                status = fleet.status()
                assert time.monotonic() - begun < 1
                return status if all(w["busy"] > 0.99 and w["loop_lag_ms"]["now"] > 1000
                                     for w in status["workers"]) else None

            status = wait_until(blocked, timeout=10)
            assert all(w["active"] == 1 for w in status["workers"])
            assert all(w["cpu"] < 0.5 for w in status["workers"])
            assert status["fleet"]["busy"] > 0.99
            assert [answer.result().status for answer in sleeping] == [200, 200]
        status = wait_until(lambda: (s := fleet.status())["fleet"]["busy"] < 0.1 and s)
        assert status["fleet"]["loop_lag_ms"]["now"] < 100
        assert status["fleet"]["latency_ms"]["p50"] == pytest.approx(4000, rel=0.02)
        assert status["fleet"]["service_ms"]["max"] == pytest.approx(4000, rel=0.02)


def test_two_workers_in_a_slot_are_one_row():
    """While a worker hands over, its slot is the new one's, and what both have counted is the slot's."""
    with Fleet({"workers.count": 1, "lab.enabled": True}) as fleet:
        for _ in range(5):
            assert fleet.get("/qr?text=A").status == 200
        old = fleet.pid(0)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            sleeping = pool.submit(fleet.get, "/lab/sleep?us=3000000", timeout=30)
            wait_until(lambda: fleet.slot(0)["active"] == 1)
            fleet.write_file({"http.cache_control": "no-store"})
            os.kill(fleet.master.pid, signal.SIGHUP)
            both = wait_until(lambda: (row := fleet.slot(0))["draining_pid"] == old and row)
            assert both["pid"] not in (0, old) and both["state"] == "ready"
            assert both["active"] == 1 and both["connections"] >= 1
            assert both["requests"] == 5
            assert both["loop_lag_ms"]["now"] < 1000
            assert fleet.get("/qr?text=A").status == 200
            # Idle, while the other one is blocked.
            wait_until(lambda: fleet.slot(0)["busy"] < 0.5 and fleet.slot(0)["draining_pid"] == old)
            assert sleeping.result().status == 200
        row = wait_until(lambda: (row := fleet.slot(0))["draining_pid"] == 0 and row)
        assert (row["requests"], row["active"]) == (7, 0)
        assert row["cpu_s"] >= both["cpu_s"] and row["bytes_out"] > both["bytes_out"]
        assert row["memory_bytes"] < both["memory_bytes"]
        assert fleet.status()["fleet"]["state"] == "ok"


def test_a_burning_worker_uses_its_cpu():
    with Fleet({"workers.count": 1, "lab.enabled": True}) as fleet:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            burning = pool.submit(fleet.get, "/lab/burn?us=3000000", timeout=60)
            wait_until(lambda: fleet.slot(0)["busy"] > 0.99 and fleet.slot(0)["cpu"] > 0.2, timeout=15)
            assert burning.result().status == 200
        assert fleet.slot(0)["cpu_s"] > 1
