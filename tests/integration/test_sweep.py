"""quern-bench sweep, end to end: its own fleets, resuming, fleets that are not its own, and wrong input.

Cells are tiny, a second or two each, so their figures mean little: what is checked is that they are whole and agree with
each other. On a busy machine cells may be void for that very reason; then exit code 3 is right, and void cells come again.
"""

import json
import os
import pathlib
import re
import resource
import signal
import subprocess

import pytest

from fleet import BUILD, Fleet, clean_environment, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = BUILD / "quern-bench"

# What a busy machine does to a cell, and nothing that the lab could be wrong about.
BUSY = ("the generator was late", "the generator fell short", "the generator was itself near full", "other programs used",
        "the host took away")

TINY = {
    "name": "tiny", "title": "Two small cells", "claim": "It works.",
    "groups": [{"service": "emulated", "distribution": "exp:1ms", "policies": ["roundrobin"], "workers": [2],
                "utilization": [0.3, 0.6]}],
    "cell": {"seconds": 1.5, "least_seconds": 1, "warmup_s": 0.3, "precision": 0.5},
}
# Enough for all that a fleet writes.
FILE_BYTES = 65536

NAMES = ["emulated/exp:1ms/roundrobin/k2/rho0.30", "emulated/exp:1ms/roundrobin/k2/rho0.60"]


@pytest.fixture
def directory(tmp_path):
    """Scratch directories of the fleets are made in it; nothing may be left of them."""
    scratch = tmp_path / "t"
    scratch.mkdir()
    yield tmp_path
    wait_until(lambda: not processes_of(scratch), what="no process of the sweep is left")


def processes_of(scratch):
    """Pids of the programs that a sweep has started: their configuration is in its scratch directory."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(scratch).encode() in words:
                found.append(int(entry.name))
    return found


def write(path, experiment):
    path.write_text(json.dumps(experiment))
    return path


def environment(directory):
    """Quern's variables must not reach the fleets."""
    return clean_environment({"TMPDIR": str(directory / "t"), "QUERN_WORKERS_COUNT": "1"})


def sweep(directory, *arguments, timeout=120):
    return subprocess.run([BENCH, "sweep", *map(str, arguments)], env=environment(directory), timeout=timeout,
                          capture_output=True, text=True, check=False)


def cells(directory):
    path = directory / "out" / "cells.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def counted(lines):
    return [line["cell"] for line in lines if line["void"] is None]


def run_until_done(directory, *arguments):
    """Runs a sweep; void cells only for what a busy machine does. Returns the lines of its output."""
    result = sweep(directory, *arguments, "-o", directory / "out")
    assert result.returncode in (0, 3), result.stderr
    assert not result.stderr
    voids = [line for line in result.stdout.splitlines() if line.startswith("    void: ")]
    assert (result.returncode == 3) == bool(voids)
    for line in voids:
        assert line.removeprefix("    void: ").startswith(BUSY), line
    return result.stdout.splitlines()


def check_cell(line, kind, workers):
    """Whole, and in agreement with itself."""
    assert line["service"]["kind"] == kind
    assert line["workers"] == workers == len(line["busy"]["workers"]) == len(line["cpu"]["workers"])
    assert line["busy"]["most"] >= line["busy"]["mean"] > 0
    latency = line["load"]["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["max"]
    assert line["load"]["errors"] == 0
    # A histogram's bars hold every request.
    assert sum(count for _, _, count in line["histogram_ms"]) == line["load"]["requests"]
    for figure, split in line["split_ms"].items():
        parts = [split[name] for name in ("replay", "timer", "dispatch", "loop", "proxy", "generator")]
        assert sum(parts) == pytest.approx(split["measured"], rel=1e-6), figure
        # The load's figure comes from buckets of 0.4 %, and of the mean it is the same number.
        assert split["measured"] == pytest.approx(latency[figure], rel=0.01)
    assert line["replay"]["latency_ms"]["p99"] == pytest.approx(line["split_ms"]["p99"]["replay"], rel=0.01)
    predicted = line["predicted"]["latency_ms"]
    assert 0 < predicted["p50"] <= predicted["p95"] <= predicted["p99"]


# --- its own fleets --------------------------------------------------------------------------------------------------

def test_cells_are_measured_once(directory):
    file = write(directory / "tiny.json", TINY)
    said = run_until_done(directory, file, "--quick")
    assert said[0].startswith("tiny: 2 cells, ")
    first = cells(directory)
    assert [line["cell"] for line in first] == NAMES
    for line, utilization in zip(first, (0.3, 0.6)):
        check_cell(line, "emulated", 2)
        assert line["experiment"] == "tiny" and line["quick"] is True
        assert line["service"]["spec"] == "exp:1ms" and line["policy"] == "roundrobin"
        assert line["utilization"] == utilization
        calibration = line["calibration"]
        assert calibration["service_ms"] == 1
        assert calibration["rate_rps"] == pytest.approx(
            utilization * 2 / (calibration["service_ms"] + calibration["overhead_ms"]) * 1000, rel=1e-6)
        # Two workers behind round robin: the closed form is known.
        assert line["closed"]["formula"] == "E_2/M/1"
        # Nobody else decides on the worker, so round robin's own choice is what happened.
        assert line["split_ms"]["mean"]["dispatch"] == pytest.approx(0, abs=0.05 * line["split_ms"]["mean"]["replay"])
    machine = json.loads((directory / "out" / "machine.json").read_text())
    assert machine["cpus"] == os.cpu_count() and "HAProxy" in machine["versions"]["haproxy"]
    assert machine["command"].startswith("quern-bench sweep ")
    assert re.fullmatch("[0-9a-f]{12}(-dirty)?", machine["versions"]["revision"]) or not (ROOT / ".git").exists()

    said = run_until_done(directory, file, "--quick")
    done = counted(first)
    if done:
        assert f", of which {len(done)} are in " in said[0]
    assert [line["cell"] for line in cells(directory)[2:]] == [name for name in NAMES if name not in done]

    # Other values and other seeds are other cells.
    run_until_done(directory, file, "--quick", "--seed", 2, "--cells", "*/rho0.30")
    last = cells(directory)[-1]
    assert last["cell"] == NAMES[0] and last["seed"] != first[0]["seed"]
    assert not list((directory / "t").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_goes_on(directory, number):
    file = write(directory / "tiny.json", TINY)
    command = [BENCH, "sweep", file, "--quick", f"--output={directory / 'out'}"]
    with subprocess.Popen(command, env=environment(directory), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        wait_until(lambda: len(cells(directory)) == 1, timeout=60)
        # The second cell's fleet is up.
        wait_until(lambda: processes_of(directory / "t"), timeout=60)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == (f"quern-bench sweep: interrupted: {NAMES[1]} is not measured, what was measured before is in "
                      f"{directory / 'out' / 'cells.jsonl'}; the same command goes on from there\n")
    assert not list((directory / "t").iterdir())
    before = cells(directory)
    assert len(before) == 1
    run_until_done(directory, file, "--quick")
    after = cells(directory)
    assert after[0] == before[0]
    assert [line["cell"] for line in after[1:]] == [name for name in NAMES if name not in counted(before)]


def test_killed_it_leaves_no_process(directory):
    file = write(directory / "tiny.json", TINY)
    with subprocess.Popen([BENCH, "sweep", file, "-o", directory / "out"], env=environment(directory),
                          stdout=subprocess.DEVNULL) as process:
        # quernd, its workers and its admin process share a command line; HAProxy is the other one.
        wait_until(lambda: len(processes_of(directory / "t")) >= 5, timeout=60)
        process.kill()
    wait_until(lambda: not processes_of(directory / "t"), timeout=20)


def test_two_at_once_in_one_directory(directory):
    file = write(directory / "tiny.json", TINY)
    with subprocess.Popen([BENCH, "sweep", file, "-o", directory / "out"], env=environment(directory),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: processes_of(directory / "t"), timeout=60)
        other = sweep(directory, file, "-o", directory / "out")
        process.terminate()
    assert other.returncode == 1
    assert other.stderr == f"quern-bench sweep: {directory / 'out'}: another sweep is writing there\n"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="real work needs a CPU beside the generator's")
def test_real_work_has_its_own_cpus(directory):
    real = {**TINY, "name": "real", "groups": [
        {"service": "real", "mix": ["1 GET /lab/burn?us={us:det:2ms}"], "distribution": "det:2ms",
         "policies": ["roundrobin"], "workers": ["spare", 200], "utilization": [0.5]}]}
    said = run_until_done(directory, write(directory / "real.json", real), "--quick")
    assert said[1].startswith("1 cells of real work are left out")
    [line] = cells(directory)
    check_cell(line, "real", len(os.sched_getaffinity(0)) - 1)
    # It burns what it was asked to, whoever else uses the machine.
    assert sum(line["cpu"]["workers"]) >= 0.9 * line["load"]["intended_rps"] * 0.002


def test_derived_experiments_have_no_cells(directory):
    file = write(directory / "derived.json", {"name": "d", "title": "t", "claim": "c", "derived": True})
    result = sweep(directory, file, "-o", directory / "out")
    assert result.returncode == 0
    assert result.stdout == "d has no cells of its own: the report derives it from others\n"
    assert not (directory / "out").exists()


# --- fleets that are not its own -------------------------------------------------------------------------------------

def address(pair):
    return f"{pair[0]}:{pair[1]}"


def test_foreign_fleet_by_admin_address(directory):
    file = write(directory / "tiny.json", TINY)
    with Fleet({"lab.enabled": True, "workers.count": 3}, balancer=True) as fleet:
        run_until_done(directory, file, "--quick", "--cells", "*/rho0.60", "--url", f"http://{address(fleet.front)}",
                       "--admin", address(fleet.admin), "--haproxy-pid", fleet.haproxy.pid)
    [line] = cells(directory)
    assert line["cell"] == "foreign/exp:1ms/roundrobin/k3/rho0.60"
    check_cell(line, "foreign", 3)
    assert line["cpu"]["haproxy"] > 0


def test_foreign_server_by_pids(directory):
    foreign = {**TINY, "groups": [
        {"service": "foreign", "mix": ["1 GET /lab/burn?us={us:det:1ms}"], "distribution": "det:1ms",
         "policies": ["shared"], "utilization": [0.4]}]}
    file = write(directory / "tiny.json", foreign)
    without = sweep(directory, file, "-o", directory / "out")
    assert without.returncode == 2
    assert "groups[0] is for a fleet that runs already: --url is missing" in without.stderr
    with Fleet({"lab.enabled": True, "workers.count": 1, "balancer.kind": "none"}) as fleet:
        run_until_done(directory, file, "--quick", "--url", f"http://{address(fleet.front)}", "--pids", fleet.pid(0))
    [line] = cells(directory)
    assert line["workers"] == 1 and line["policy"] == "shared"
    # CPU time stands for busy time.
    assert line["busy"]["workers"] == line["cpu"]["workers"]


def test_foreign_fleet_that_is_not_there(directory):
    file = write(directory / "tiny.json", TINY)
    gone = sweep(directory, file, "-o", directory / "out", "--url", "http://127.0.0.1:9", "--admin", "127.0.0.1:9")
    assert gone.returncode == 1
    assert gone.stderr == "quern-bench sweep: http://127.0.0.1:9/metrics: Connection refused\n"
    gone = sweep(directory, file, "-o", directory / "out", "--url", "http://127.0.0.1:9", "--pids", "4194304")
    assert gone.returncode == 1
    assert gone.stderr == "quern-bench sweep: process 4194304 is gone\n"


# --- wrong input -----------------------------------------------------------------------------------------------------

def test_mistakes_in_the_file(directory):
    wrong = json.loads(json.dumps(TINY))
    wrong["groups"][0]["workers"] = [300]
    wrong["groups"][0]["policies"] = ["random(3)"]
    file = write(directory / "wrong.json", wrong)
    result = sweep(directory, file, "-o", directory / "out")
    assert result.returncode == 2
    assert result.stderr == (
        f'{file}: groups[0].policies[0]: "random(3)" is not allowed: a fleet knows random and random(2) only\n'
        f'{file}: groups[0].workers[0]: is not allowed; allowed: a whole number from 1 to 256, or "spare"\n'
        f"quern-bench sweep: {file} is no experiment that could be run\n"
        "Try 'quern-bench sweep --help'.\n")
    assert not (directory / "out").exists()


@pytest.mark.parametrize("arguments, code, message", [
    ([], 2, "an experiment's file is missing"),
    (["/nowhere.json"], 1, "/nowhere.json: No such file or directory"),
    (["FILE", "FILE"], 2, "one experiment only"),
    (["FILE", "-o", "a", "--output", "b"], 2, "-o and --output are the same"),
    (["FILE", "--cells", "nothing"], 2, '--cells: no cell\'s name matches "nothing"'),
    (["FILE", "--seed", "-1"], 2, '--seed: "-1" is not allowed'),
    (["FILE", "--url", "http://127.0.0.1:9"], 2, "--url needs --admin or --pids"),
    (["FILE", "--admin", "127.0.0.1:9"], 2, "--admin, --pids and --haproxy-pid belong to --url"),
    (["FILE", "--url", "ftp://x", "--admin", "127.0.0.1:9"], 2, "--url: "),
    (["FILE", "--url", "http://x", "--admin", "host:port"], 2, '--admin: "host:port" is not allowed'),
    (["FILE", "--url", "http://x", "--pids", "1,x"], 2, '--pids: "x" is not allowed'),
    (["FILE", "--url", "http://x", "--pids", "1", "--admin", "127.0.0.1:9"], 2, "either --admin or --pids"),
    (["FILE", "--fast"], 2, "no such option: --fast"),
    (["FILE", "-o", "FILE/x"], 1, "Not a directory"),
])
def test_wrong_usage(directory, arguments, code, message):
    file = write(directory / "tiny.json", TINY)
    result = sweep(directory, *[word.replace("FILE", str(file)) for word in arguments])
    assert result.returncode == code
    assert message in result.stderr


@pytest.mark.parametrize("name", ["saturation", "policies", "power-users", "average-lies", "model-error"])
def test_experiments_that_come_with_it_are_valid(directory, name):
    """They are read whole, quick values too, and nothing is measured."""
    file = pathlib.Path(__file__).resolve().parents[2] / "bench" / "experiments" / f"{name}.json"
    assert json.loads(file.read_text())["name"] == name
    for more in ([], ["--quick"]):
        result = sweep(directory, file, "-o", directory / "out", "--cells", "none of them", *more)
        if name == "model-error":
            assert result.returncode == 0
        else:
            assert result.returncode == 2 and "no cell's name matches" in result.stderr


def test_full_disk(directory):
    """A limit on the size of files stands for it. What was measured so far stays, and the sweep says why it ends."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))

    before = json.dumps({"experiment": "other", "cell": "c", "seed": 1, "quick": False, "void": None}) + "\n"
    before *= FILE_BYTES // len(before)
    file, output = write(directory / "tiny.json", TINY), directory / "out" / "cells.jsonl"
    output.parent.mkdir()
    output.write_text(before)
    result = subprocess.run([BENCH, "sweep", file, "--quick", "-o", output.parent], env=environment(directory), timeout=120,
                            capture_output=True, text=True, check=False, preexec_fn=limit)
    assert result.returncode == 1
    assert result.stderr == f"quern-bench sweep: {NAMES[0]}: {output}: File too large\n"
    assert output.read_text() == before
    assert not list((directory / "t").iterdir())
