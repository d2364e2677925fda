"""quern-bench plan: tables and JSON, what cannot be met, a running fleet's service times, --verify, and wrong usage. That its
figures are right is the business of tests/unit: test_closed, test_predict, test_planner."""

import json
import math
import os
import pty
import signal
import subprocess

import pytest

from fleet import BUILD, Fleet, clean_environment, wait_until

NEEDED = ["--rate", "2000", "--objective", "p99=20ms", "--service", "exp:3ms"]


def command(*words):
    return [BUILD / "quern-bench", "plan", *map(str, words)]


def plan(*words, timeout=120):
    return subprocess.run(command(*words), env=clean_environment(), text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=timeout, check=False)


def result(*words):
    done = plan(*words, "--json", "-")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_exact_plan():
    got = result(*NEEDED)
    assert got["rate_rps"] == 2000 and got["offered_erlangs"] == pytest.approx(6)
    assert got["objective"] == {"quantile": "p99", "limit_ms": 20}
    assert got["service"]["spec"] == "exp:3ms" and got["service"]["mean_ms"] == 3 and got["service"]["overhead_ms"] == 0
    assert got["service"]["objective_ms"] == pytest.approx(3 * math.log(100), rel=1e-5)
    rows = got["plan"]
    assert [row["workers"] for row in rows] == list(range(7, 14)) and got["recommended_workers"] == 11
    assert [row["meets"] for row in rows] == [False] * 4 + [True] * 3
    for row in rows:
        latency = row["latency_ms"]
        assert row["method"] == f"E_{row['workers']}/M/1" and row["requests"] == 0 and not row["undecided"]
        assert latency["p99_interval"] == [latency["p99"]] * 2
        # Exponential response times.
        assert latency["p99"] == pytest.approx(latency["mean"] * math.log(100), rel=1e-5)
        assert latency["p999"] > latency["p99"] > latency["p95"] > latency["p90"] > latency["p50"] and latency["max"] is None
    assert [hot["workers"] for hot in got["how_hot"]] == list(range(7, 14))
    for hot in got["how_hot"]:
        assert 0.5 < hot["utilization"] < 0.6
        assert hot["rate_rps"] == pytest.approx(hot["utilization"] * hot["workers"] / 0.003)
    needs = {need["policy"]: need["workers"] for need in got["policies"]}
    assert needs["roundrobin"] == 11 and needs["central"] == 7 and needs["random"] == 20 and len(needs) == 7
    assert got["verify"] is None and got["reason"] is None


def test_table():
    done = plan(*NEEDED)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    row = next(line.split() for line in lines if line.split()[:1] == ["11"])
    assert row[1:3] == ["54.5", "%"] and row[-2:] == ["E_11/M/1", "yes"] and "19.6" in row
    assert "Recommended: 11 workers." in done.stdout and "How hot" in done.stdout and "What each policy needs" in done.stdout
    assert max(map(len, lines)) <= 130


def test_simulated_plan():
    words = ["--rate", 640, "--objective", "p99=40ms", "--service", "lognormal:5ms,2", "--policy", "leastconn",
             "--precision", "0.05"]
    got = result(*words)
    for row in got["plan"]:
        low, high = row["latency_ms"]["p99_interval"]
        assert row["method"] == "simulated" and row["requests"] > 0
        assert low < row["latency_ms"]["p99"] < high
        assert row["meets"] == (high <= 40) and row["undecided"] == (low <= 40 < high)
    assert got["recommended_workers"] == min(row["workers"] for row in got["plan"] if row["meets"])
    assert got == result(*words)


def test_overhead_counts():
    bare, loaded = result(*NEEDED), result(*NEEDED, "--overhead", "500us")
    assert loaded["service"]["mean_ms"] == 3.5 and loaded["service"]["overhead_ms"] == 0.5
    assert loaded["recommended_workers"] > bare["recommended_workers"]
    # Exponential and something fixed: no formula has that.
    assert loaded["plan"][0]["method"] == "simulated"


def test_files_and_arrivals(tmp_path):
    histogram = tmp_path / "service.hist"
    histogram.write_text("1000 1000 99\n50000 50000 1\n")
    file = tmp_path / "plan.json"
    done = plan("--rate", 500, "--objective", "p95=5ms", "--service", f"hist:{histogram}", "--arrivals", "constant",
                "--policy", "central", "--json", file)
    assert done.returncode == 0 and "Recommended" in done.stdout
    got = json.loads(file.read_text())
    assert got["arrivals"] == "constant" and got["service"]["mean_ms"] == pytest.approx(1.49)


@pytest.mark.parametrize("words, reason", [
    (["--service", "exp:5ms"], "the service alone, without any waiting, already has p99 = 23.03ms"),
    (["--service", "exp:4ms", "--workers-most", "9"], "up to 9 workers do not meet p99=20ms"),
    (["--service", "exp:4ms", "--workers-most", "4"], "9 is the least number"),
    (["--service", "points:1ms@90,30ms@10"], "already has p99 = 30ms"),
])
def test_unmet(tmp_path, words, reason):
    file = tmp_path / "plan.json"
    done = plan("--rate", 2000, "--objective", "p99=20ms", *words, "--json", file)
    assert done.returncode == 4 and reason in done.stderr
    got = json.loads(file.read_text())
    assert got["recommended_workers"] is None and reason in got["reason"]


@pytest.mark.parametrize("words, said", [
    ([], "--rate is missing"),
    (NEEDED[2:], "--rate is missing"),
    (NEEDED[:2] + NEEDED[4:], "--objective is missing"),
    (NEEDED[:4], "--service is missing"),
    (["--rate", "0"], '--rate: "0" is not allowed'),
    (["--rate", "-5"], '--rate: "-5" is not allowed'),
    (["--rate", "many"], '--rate: "many" is not allowed'),
    (["--objective", "p98=20ms"], "allowed: p50, p90, p95, p99, p99.9 or mean"),
    (["--objective", "p99=20"], "allowed: a duration with its unit"),
    (["--service", "exp:3"], '"3" is not a time'),
    (["--service", "admin:nowhere", *NEEDED[:4]], "nowhere"),
    (["--policy", "fair"], "roundrobin, random"),
    (["--overhead", "1"], "--overhead"),
    (["--workers-most", "0"], "from 1 to 10000"),
    (["--precision", "0"], "from 0.001 to 0.5"),
    (["--arrivals", "often"], "--arrivals"),
    ([*NEEDED, "--measure", "5s"], "--service admin:HOST:PORT only"),
    ([*NEEDED, "--verify-duration", "5s"], "--verify only"),
    ([*NEEDED, "--verify", "--arrivals", "constant"], "--verify sends Poisson arrivals"),
    ([*NEEDED, "--verify", "--policy", "random(3)"], "no policy random(3)"),
    (["--rate", "1", "--objective", "p99=1m", "--service", "exp:5s", "--verify"], "at most 10s a request"),
    (["--rate", "5", "--rate", "5"], "given twice"),
    (["7"], 'what is "7"?'),
    (["--fast"], "no such option: --fast"),
])
def test_wrong_usage(words, said):
    done = plan(*words)
    assert (done.returncode, done.stdout) == (2, "") and said in done.stderr
    assert "Try 'quern-bench plan --help'." in done.stderr


def test_unwritable():
    done = plan(*NEEDED, "--json", "/dev/full")
    assert done.returncode == 1 and "cannot write /dev/full: No space left on device" in done.stderr
    done = plan(*NEEDED, "--json", "/nowhere/plan.json")
    assert done.returncode == 1 and "cannot write /nowhere/plan.json: No such file" in done.stderr


def test_unreachable_fleet():
    done = plan(*NEEDED[:4], "--service", "admin:127.0.0.1:1", "--measure", "1s")
    assert done.returncode == 1 and "Connection refused" in done.stderr


def test_interrupted():
    """On a terminal, where the progress tells that it is at work."""
    master, slave = pty.openpty()
    words = ["--rate", 40000, "--objective", "p99.9=80ms", "--service", "hyper:2ms,8", "--policy", "leastconn",
             "--precision", "0.001"]
    try:
        with subprocess.Popen(command(*words), env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=slave) as process:
            os.close(slave)
            shown = b""
            while b"worker" not in shown:
                shown += os.read(master, 4096)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 1
            while b"interrupted" not in shown:
                shown += os.read(master, 4096)
            assert process.stdout.read() == b""
    finally:
        os.close(master)


def test_service_of_a_running_fleet(tmp_path):
    mix = tmp_path / "mix"
    mix.write_text("1 GET /lab/sleep?us={us:exp:2ms}\n")
    with Fleet({"workers.count": 2, "lab.enabled": True}, balancer=True) as fleet:
        host, port = fleet.front
        load = subprocess.Popen([BUILD / "quern-bench", "load", f"http://{host}:{port}", "--mix", mix, "--rate", "500",
                                 "--duration", "1h"], env=clean_environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            admin = "%s:%d" % fleet.admin
            wait_until(lambda: b"quern_requests_total" in fleet.get("/metrics", at=fleet.admin).body, what="metrics")
            done = plan("--rate", 500, "--objective", "p99=100ms", "--service", f"admin:{admin}", "--measure", "4s",
                        "--json", "-")
        finally:
            load.send_signal(signal.SIGINT)
            load.wait(timeout=30)
    assert done.returncode == 0, done.stderr
    service = json.loads(done.stdout)["service"]
    # 2,000 exponential times know their mean within 7 % (three standard errors), their p99 within 20 %; a sleep may end
    # late on a busy machine, never early.
    assert 0.93 * 2 < service["mean_ms"] - service["overhead_ms"] < 3
    assert 0.8 * 2 * math.log(100) < service["objective_ms"] < 18
    assert service["spec"] == f"admin:{admin}" and 0 <= service["overhead_ms"] < 2


def test_idle_fleet_tells_nothing(fleet):
    done = plan("--rate", 500, "--objective", "p99=100ms", "--service", "admin:%s:%d" % fleet.admin, "--measure", "1s")
    assert done.returncode == 1 and "requests were served in that time; at least 1000" in done.stderr


def test_verify(tmp_path):
    """Whether the machine was quiet enough is not this test's business: a void run has all figures as well."""
    file = tmp_path / "plan.json"
    done = plan("--rate", 200, "--objective", "p99=200ms", "--service", "exp:6ms", "--verify", "--verify-duration", "8s",
                "--json", file)
    assert done.returncode in (0, 3), done.stderr
    assert "emulated" in done.stdout and "calibrated" in done.stdout and "replayed" in done.stdout
    got = json.loads(file.read_text())
    verified, row = got["verify"], next(row for row in got["plan"] if row["workers"] == got["recommended_workers"])
    assert verified["emulated"] and (verified["void"] is None) == (done.returncode == 0)
    # 1,600 Poisson arrivals: 2.5 % is a standard error.
    assert verified["requests"] == pytest.approx(1600, rel=0.1) and verified["errors"] == 0
    assert verified["planned"]["p99"] == row["latency_ms"]["p99"]
    for name in ("mean", "p50", "p95", "p99"):
        measured = verified["measured"][name]
        assert verified["error"][name] == pytest.approx(verified["planned"][name] / measured - 1, abs=1e-4)
        # More work makes nobody faster; but one may be exact and the other simulated, to within 2 %.
        assert measured > 0 and verified["calibrated"][name] >= verified["planned"][name] * 0.96
        # A perfect fleet with the same arrivals and work is faster than the real one that they are from; of 1,600
        # requests two that change places may move a percentile a little.
        assert 0 < verified["replayed"][name] < 1.05 * measured
        assert verified["replayed_error"][name] == pytest.approx(verified["replayed"][name] / measured - 1, abs=1e-4)
    # The workers sleep as long as they are asked to, and not less.
    assert verified["overhead_ms"] > 0 and verified["busy"] > 0.8 * verified["utilization"]


def test_interrupted_verify_keeps_the_plan(tmp_path):
    file = tmp_path / "plan.json"
    with subprocess.Popen(command("--rate", 200, "--objective", "p99=200ms", "--service", "exp:6ms", "--verify",
                                  "--json", file), env=clean_environment(), stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        # The plan is printed before the fleet is started.
        for line in process.stdout:
            if line.startswith("Recommended"):
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) in (1, 3)
    assert json.loads(file.read_text())["recommended_workers"] == 2
