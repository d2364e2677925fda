"""One run: wrk for how much a server can do, quern-bench for how long a request takes at a given rate."""

import json
import resource
import subprocess

from peer import HERE, Failed, on_core

CONNECTIONS = 16
VOID = 3  # exit code of quern-bench: the figures are not the server's alone
TRIES = 3


def _children_seconds():
    """CPU time of the children that have ended: wrk's, before and after."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def full(peer, text, cpu, seconds):
    """As many requests as CONNECTIONS keep-alive connections get through; wrk on a core of its own."""
    before, wrk_before = peer.cpu_seconds(), _children_seconds()
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", HERE / "report.lua", peer.url(text)],
        capture_output=True, text=True, timeout=seconds + 60, preexec_fn=lambda: on_core(cpu))
    lines = [line for line in done.stdout.splitlines() if line.startswith("JSON ")]
    if done.returncode or not lines:
        raise Failed(f"{peer.name}: wrk failed\n{done.stdout}{done.stderr}")
    run = json.loads(lines[0][len("JSON "):])
    if run["errors"] or not run["requests"]:
        raise Failed(f"{peer.name}: {run['requests']} requests, {run['errors']} errors: the run is void")
    used, wrk_used = peer.cpu_seconds() - before, _children_seconds() - wrk_before
    elapsed = run["duration_us"] / 1e6
    return {"rps": run["requests"] / elapsed, "core": used / elapsed, "wrk": wrk_used / elapsed,
            "p50_ms": run["p50_us"] / 1e3, "p99_ms": run["p99_us"] / 1e3}


def paced(peer, text, cpu, rate, seconds):
    """Poisson arrivals at `rate` whatever becomes of the requests; a run that is void is done again."""
    result = peer.own_build / "load.json"
    for _ in range(TRIES):
        result.unlink(missing_ok=True)
        before = peer.cpu_seconds()
        done = subprocess.run(
            [peer.build / "quern-bench", "load", peer.url(text), "--rate", str(rate), "--duration", f"{seconds}s",
             "--warmup", "1s", "--seed", "1", "--json", result],
            capture_output=True, text=True, timeout=seconds + 60, preexec_fn=lambda: on_core(cpu))
        if done.returncode not in (0, VOID):
            raise Failed(f"{peer.name}: quern-bench load failed\n{done.stdout}{done.stderr}")
        used = peer.cpu_seconds() - before
        run = json.loads(result.read_text())
        if done.returncode == 0:
            break
    return {"void": run["void"], "errors": run["errors"], "rate": run["achieved_rps"],
            "core": used / (run["duration_s"] + 1),
            **{f"{name}_ms": run["latency_ms"][name] for name in ("p50", "p95", "p99")}}
