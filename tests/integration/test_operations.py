"""What an operator is given beside the programs: units, the pages about them, and the table on his terminal."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from fleet import BUILD, ROOT, Fleet, clean_environment, wait_until
from test_quernctl import QUERNCTL, Terminal, shows, text_of

UNITS = ("quernd.service", "quern-haproxy.service")


def unit(name):
    return (ROOT / "packaging/systemd" / name).read_text()


def settings(name):
    """{key: [value, ...]} of a unit, all sections together."""
    found = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", unit(name), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


# --- units -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_has_nothing_to_say(tmp_path):
    for name in UNITS:
        (tmp_path / name).write_text(unit(name).replace("/usr/local/bin", str(BUILD)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *(tmp_path / name for name in UNITS)],
                          capture_output=True, text=True, check=False)
    # Units of the system that it draws in may have faults of their own.
    said = [line for line in done.stderr.splitlines() if "quern" in line]
    assert said == []


def test_units_leave_time_for_the_drain():
    options = json.loads((ROOT / "config/quern.json").read_text())
    server, balancer = settings("quernd.service"), settings("quern-haproxy.service")
    assert int(server["TimeoutStopSec"][0]) * 1000 > options["workers"]["drain_ms"] + 5000
    assert int(balancer["TimeoutStopSec"][0]) * 1000 > options["balancer"]["timeout_ms"]
    assert int(server["LimitNOFILE"][0]) > options["limits"]["connections"] + options["workers"]["max"] + 64
    assert server["KillMode"] == balancer["KillMode"] == ["mixed"]
    assert server["Restart"] == balancer["Restart"] == ["always"]
    assert server["RestartPreventExitStatus"] == ["2"]
    # systemd stops in the reverse order of starting.
    assert "quernd.service" in balancer["After"][0].split()


def test_units_call_the_programs_as_they_are_called(tmp_path):
    """Every line of quern-haproxy.service but the last step, with paths of our own."""
    config = tmp_path / "haproxy.cfg"
    for line in settings("quern-haproxy.service")["ExecStartPre"]:
        words = line.replace("/usr/local/bin", str(BUILD)).replace("${CONFIG}", str(config)).split()
        words[0] = shutil.which(words[0]) or shutil.which(os.path.basename(words[0]), path="/usr/sbin:/usr/bin")
        subprocess.run(words, env=clean_environment(), check=True)
    assert "backend workers" in config.read_text()
    subprocess.run([BUILD / "quernd", "--check"], env=clean_environment(), check=True, stdout=subprocess.DEVNULL)
    assert settings("quernd.service")["ExecStart"] == ["/usr/local/bin/quernd"]


@pytest.mark.parametrize("name", UNITS)
def test_units_are_confined(name):
    for key, value in {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
                       "PrivateDevices": "yes", "RestrictSUIDSGID": "yes"}.items():
        assert settings(name)[key] == [value]
    assert settings(name).get("DynamicUser") == ["yes"] or settings(name)["User"] == ["haproxy"]


# --- pages -------------------------------------------------------------------------------------------------------


def test_the_manual_explains_every_column_and_state():
    manual = (ROOT / "docs/man/quernctl.1").read_text().split(".Sh THE TABLE")[1].split("\n.Sh")[0]
    words = set(re.findall(r"\w+-?", manual))
    columns = re.findall(r'^\t\{(?:NULL|"([^"]+)"), "([^"]+)",', (ROOT / "server/ctl/table.c").read_text(), re.MULTILINE)
    assert len(columns) > 20
    # Of a percentile the manual has one for all.
    named = [name for pair in columns for name in pair if name and name not in ("p50", "p95")]
    assert [name for name in named if not set(name.split()) <= words] == []
    states = re.findall(r'\[SLOT_\w+\] = "(\w+)"', (ROOT / "server/stats/stats.c").read_text())
    states += re.findall(r'\[FLEET_\w+\] = "(\w+)"', (ROOT / "server/stats/fleet.c").read_text())
    assert len(states) >= 9
    assert [state for state in states if f".It Cm {state}\n" not in manual and f".Cm {state}" not in manual] == []


def test_the_page_names_every_field_of_the_access_log():
    source = (ROOT / "server/access.c").read_text()
    page = (ROOT / "docs/operations.md").read_text()
    with Fleet({"http.access_log": True, "http.log_text": True, "workers.count": 1}) as fleet:
        fleet.get("/qr?text=A", headers={"X-Request-Id": "abc"})
        line = wait_until(lambda: [line for line in fleet.log().splitlines() if line.startswith("{")])[0]
    assert set(json.loads(line)) >= {"id", "target"}
    for field in set(json.loads(line)):
        assert f'"{field}"' in source and f"`{field}`" in page, field


# --- the table on a terminal -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fleet():
    with Fleet({"workers.count": 2}) as running:
        yield running


def test_a_stopped_worker_does_not_look_well(fleet):
    """Its slot says ready, and that is what /status.json says; the table tells more."""
    pid = fleet.pid(1)
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: fleet.slot(1)["loop_lag_ms"]["now"] > 1000)
        with Terminal(QUERNCTL, "--admin", text_of(fleet.admin), "status", columns=80) as terminal:
            assert terminal.wait() == 0
            text = terminal.read()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "\033[31;1mready!\033[0m" in text and "\033[32mready\033[0m" in text
    assert "1 late (!)" in text
    assert fleet.slot(1)["state"] == "ready"
    wait_until(lambda: fleet.slot(1)["loop_lag_ms"]["now"] < 1000)


@pytest.mark.parametrize("rows", [2, 3, 5, 8])
def test_top_never_scrolls(fleet, rows):
    with Terminal(QUERNCTL, "--admin", text_of(fleet.admin), "top", columns=80, rows=rows) as terminal:
        shows(terminal, "q quits")
        frame = terminal.frame()
        assert len(frame) <= rows
        assert rows < 3 or frame[0].startswith("quernd ")
        terminal.press(b"q")
        assert terminal.wait() == 0
