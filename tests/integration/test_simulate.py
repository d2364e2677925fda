"""quern-bench simulate: what it prints and writes, that a seed decides everything, and wrong usage. That its figures are right is
tests/unit/test_sim.c's business and bench/speed/prove_theory.c's."""

import json
import os
import pty
import signal
import subprocess

import pytest

from fleet import BUILD, clean_environment

POLICIES = ["roundrobin", "random", "random(2)", "random(3)", "leastconn", "central", "central(2)", "shared"]


def simulate(*words, **more):
    return subprocess.run([BUILD / "quern-bench", "simulate", *map(str, words)], env=clean_environment(), text=True,
                          stdin=subprocess.DEVNULL, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
                          timeout=60, check=False)


def model(policy="central", workers=4, utilization=0.8, service="exp:1ms", requests=100000):
    return ["--policy", policy, "--workers", workers, "--utilization", utilization, "--service", service,
            "--requests", requests]


def result(*words):
    done = simulate(*words, "--json", "-")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("policy", POLICIES)
def test_json_has_everything(policy):
    got = result(*model(policy))
    assert {key: got[key] for key in ("policy", "workers", "arrivals", "seed", "requests", "service", "void")} == {
        "policy": policy, "workers": 4, "arrivals": "poisson", "seed": 1, "requests": 100000,
        "service": {"spec": "exp:1ms", "mean_ms": 1.0, "scv": 1.0}, "void": None}
    assert (got["utilization"], got["rate_rps"]) == pytest.approx((0.8, 3200))
    # 100,000 arrivals and services: each sum is known to 0.3 %, so this is five times as much as chance does.
    assert got["busy"] == pytest.approx(0.8, rel=0.025)
    assert got["simulated_s"] == pytest.approx(100000 / 3200, rel=0.02)
    latency = got["latency_ms"]
    assert latency["p50"] < latency["p90"] < latency["p95"] < latency["p99"] < latency["p999"] <= latency["max"]
    for name in ("mean", "p50", "p95", "p99"):
        low, high = latency[f"{name}_interval"]
        assert low < latency[name] < high
    assert got["wait_ms"]["mean"] == pytest.approx(latency["mean"] - 1, rel=0.05)


def test_the_closed_form_stands_beside():
    """M/M/4 at 0.8: E[T] = 1.745541, p99 = 6.8932 (docs/lab.md). Five times as wide as the 95 % interval of so many requests."""
    got = result(*model(requests=2000000))
    assert got["closed"]["formula"] == "M/M/4"
    exact = got["closed"]["latency_ms"]
    assert (exact["mean"], exact["p99"]) == pytest.approx((1.745541, 6.8932), rel=1e-5)
    assert (got["latency_ms"]["mean"], got["latency_ms"]["p99"]) == pytest.approx((1.745541, 6.8932), rel=0.05)
    assert result(*model("shared"))["closed"] is None


def test_a_seed_decides_everything(tmp_path):
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    for file, seed in ((first, 7), (again, 7), (other, 8)):
        assert simulate(*model("random(2)"), "--seed", seed, "--json", file).returncode == 0
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()


def test_the_table_is_for_people(tmp_path):
    done = simulate(*model("roundrobin"), "--json", tmp_path / "result")
    assert (done.returncode, done.stderr) == (0, "")
    assert "roundrobin, 4 workers, utilization 0.8 (3200 requests/s), service exp:1ms, poisson arrivals, seed 1\n" in (
        done.stdout)
    assert "million requests/s" in done.stdout and "E_4/M/1" in done.stdout and "VOID" not in done.stdout
    rows = [line.split()[0] for line in done.stdout.splitlines()[3:]]
    assert rows == ["response", "mean", "p50", "p90", "p95", "p99", "p99.9", "max", "mean", "busy"]
    assert json.loads((tmp_path / "result").read_text())["policy"] == "roundrobin"


def test_rate_instead_of_utilization():
    words = model()
    words[4:6] = ["--rate", "1600"]
    assert result(*words)["utilization"] == pytest.approx(0.4)


def test_equal_gaps_flatter():
    """D/M/1 at 0.8 has p99 = 12.4, M/M/1 23.0: far enough from each other for 100,000 requests."""
    constant = result(*model("roundrobin", workers=1), "--arrivals", "constant")
    poisson = result(*model("roundrobin", workers=1))
    assert constant["arrivals"] == "constant" and constant["closed"] is None
    assert constant["latency_ms"]["p99"] < 16 < 18 < poisson["latency_ms"]["p99"]


def test_a_trace_is_followed(tmp_path):
    """Services of 1 s: waits of 0, 0.5, 1 and 0 s."""
    trace = tmp_path / "trace"
    trace.write_text("0\n0.5\n\n1 # a comment\n10\n")
    words = ["--policy", "central", "--workers", 1, "--service", "det:1s", "--arrivals", f"trace:{trace}"]
    got = result(*words)
    assert (got["arrivals"], got["requests"], got["warmup"]) == ("trace", 4, 0)
    assert got["wait_ms"]["mean"] == pytest.approx(375)
    assert got["latency_ms"]["max"] == pytest.approx(2000)
    # Stretched to half the rate, each but the second waits for nothing.
    assert result(*words, "--rate", got["rate_rps"] / 2)["wait_ms"]["mean"] == pytest.approx(0, abs=1e-3)


def test_a_trace_that_ends_in_the_warm_up_is_void(tmp_path):
    trace = tmp_path / "trace"
    trace.write_text("0\n1\n2\n")
    done = simulate("--policy", "central", "--workers", 1, "--service", "det:1ms", "--arrivals", f"trace:{trace}",
                    "--warmup", 10)
    assert done.returncode == 3
    assert "VOID: the trace ended within the warm-up" in done.stdout


def test_a_histogram_is_drawn_from(tmp_path):
    file = tmp_path / "service"
    file.write_text("1000 1000 99\n100000 100000 1\n")
    got = result(*model("random", service=f"hist:{file}"))
    assert got["service"]["mean_ms"] == pytest.approx(1.99)
    assert got["latency_ms"]["max"] > 100


def test_warm_up_is_left_out():
    assert result(*model(), "--warmup", 12345)["warmup"] == 12345
    # Near saturation a queue remembers for longer.
    assert result(*model(utilization=0.95))["warmup"] > result(*model(utilization=0.9))["warmup"] > 1000


def test_ten_thousand_workers():
    got = result(*model("leastconn", workers=10000, utilization=0.5, requests=200000))
    assert got["wait_ms"]["max"] == 0


WRONG = [
    (["--policy", "fair"], '"fair" is not a policy'),
    (["--policy", "random(0)"], "--policy: "),
    (["--workers", "0"], "--workers: "),
    (["--workers", "100001"], "1 to 100000"),
    (["--workers", "four"], "--workers: "),
    (["--utilization", "1"], "above 0 and below 1"),
    (["--utilization", "0"], "above 0 and below 1"),
    (["--utilization", "-0.5"], "--utilization: "),
    (["--utilization", "nan"], "--utilization: "),
    (["--service", "exp"], "--service: "),
    (["--service", "exp:1"], "--service: "),
    (["--service", "hyper:1ms,0.5"], "--service: "),
    (["--arrivals", "bursty"], "--arrivals: "),
    (["--requests", "0"], "--requests: "),
    (["--requests", "1e6"], "--requests: "),
    (["--warmup", "-1"], "--warmup: "),
    (["--seed", "x"], "--seed: "),
    (["--rate", "100"], "--utilization and --rate exclude each other"),
    (["--rate", "0"], "--rate: "),
    (["--josn", "-"], "no such option: --josn"),
    (["extra"], '"extra"'),
]


@pytest.mark.parametrize("words, message", WRONG, ids=lambda value: "_".join(value) if isinstance(value, list) else "")
def test_wrong_usage_is_told(words, message):
    base = model()
    if words[0] in base:
        at = base.index(words[0])
        del base[at:at + 2]
    done = simulate(*base, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("quern-bench simulate: ") and message in done.stderr


@pytest.mark.parametrize("missing", ["--policy", "--workers", "--utilization", "--service"])
def test_what_is_missing_is_told(missing):
    words = model()
    at = words.index(missing)
    done = simulate(*words[:at], *words[at + 2:])
    assert (done.returncode, done.stdout) == (2, "")
    assert missing in done.stderr and "missing" in done.stderr


def test_a_rate_that_is_too_high_is_told():
    words = model()
    words[4:6] = ["--rate", "4000"]
    done = simulate(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "the utilization would be 1; allowed: below 1" in done.stderr


@pytest.mark.parametrize("option", ["--service", "--arrivals"])
def test_a_file_that_is_not_there_is_told(option, tmp_path):
    kind = {"--service": "hist", "--arrivals": "trace"}[option]
    words = model() if option == "--arrivals" else model()[:6]
    done = simulate(*words, option, f"{kind}:{tmp_path}/none")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{tmp_path}/none" in done.stderr and "No such file" in done.stderr


def test_a_full_disk_is_told():
    done = simulate(*model(requests=1000), "--json", "/dev/full")
    assert done.returncode == 1 and "cannot write /dev/full: No space left on device" in done.stderr
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = simulate(*model(requests=1000), stdout=full)
    assert done.returncode == 1 and "cannot write to standard output: No space left on device" in done.stderr


def test_help():
    done = simulate("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("--policy", "--workers", "--utilization", "--rate", "--service", "--arrivals", "--requests", "--warmup",
                   "--seed", "--json"):
        assert f"  {option} " in done.stdout


def read_until(terminal, text):
    seen = b""
    while text not in seen:
        seen += os.read(terminal, 4096)


def test_interrupted_it_prints_what_there_is(tmp_path):
    """The progress on a terminal tells that there is something. So many requests would take hours."""
    own, theirs = pty.openpty()
    command = [BUILD / "quern-bench", "simulate", *map(str, model(requests=10**12)), "--json", tmp_path / "result"]
    with subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, stderr=theirs, text=True) as running:
        os.close(theirs)
        read_until(own, b" % of 1000000000000 requests")
        running.send_signal(signal.SIGINT)
        table, _ = running.communicate(timeout=30)
    os.close(own)
    assert running.returncode == 3
    assert "VOID: the simulation was interrupted" in table and "\np99 " in table
    got = json.loads((tmp_path / "result").read_text())
    assert got["void"] == "the simulation was interrupted"
    assert 0 < got["requests"] < 10**12 and got["latency_ms"]["p99"] > 0
