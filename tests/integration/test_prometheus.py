"""packaging/prometheus: the rules by promtool, and a real Prometheus that scrapes a fleet and its HAProxy with them."""

import contextlib
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.parse

import pytest

from fleet import ROOT, Fleet, free_ports, request, wait_until

SHIPPED = ROOT / "packaging/prometheus"
RULE_FILES = [SHIPPED / name for name in ("quern-objectives.yml", "quern-rules.yml", "quern-alerts.yml")]
TESTS = [ROOT / "tests/integration" / name for name in ("alerts.yml", "alerts_alone.yml", "rules.yml")]

# --- the files -----------------------------------------------------------------------------------------------------


def promtool(*words):
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def names_in(path, kind):
    return re.findall(rf"- {kind}: (\S+)", path.read_text())


def test_promtool_has_nothing_to_say():
    promtool("check", "config", "--lint-fatal", SHIPPED / "prometheus.yml")
    promtool("check", "rules", "--lint-fatal", *RULE_FILES)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_do_what_they_say(path):
    promtool("test", "rules", path)


def test_every_alert_and_record_is_tried():
    tried = "".join(path.read_text() for path in TESTS)
    alerts, records = names_in(SHIPPED / "quern-alerts.yml", "alert"), []
    for path in RULE_FILES:
        records += names_in(path, "record")
    assert len(alerts) > 15 and len(records) > 20
    assert [name for name in alerts if f'"{name}"' not in tried] == []
    # Percentiles, which come from the buckets, are tried for them.
    assert [name for name in records if name not in tried and "_bucket:" not in name] == []


def test_every_record_is_documented_and_none_else_is_asked_for():
    text = "".join(path.read_text() for path in RULE_FILES)
    records = {name for path in RULE_FILES for name in names_in(path, "record")}
    page = (ROOT / "docs/metrics.md").read_text()
    assert set(re.findall(r"`(quern:\w+(?::\w+)?)`", page)) == records
    expressions = re.sub(r"#.*", "", text)
    assert set(re.findall(r"\bquern:[\w:]+", expressions)) == records


def test_rules_ask_for_metrics_that_exist():
    text = "".join(path.read_text() for path in RULE_FILES)
    documented = set(re.findall(r"^\| `(quern_\w+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    asked = {re.sub("_bucket$", "", name) for name in re.findall(r"\b(quern_\w+)", text)}
    assert asked <= documented
    with Fleet(balancer=True) as fleet:
        page = fleet.get("/metrics", at=fleet.stats).body.decode()
    selected = set(re.findall(r'\b(haproxy_\w+)\{proxy="(\w+)"', text))
    assert {name for name, _ in selected} == set(re.findall(r"\b(haproxy_\w+)", text))
    for name, proxy in selected:
        assert re.search(rf'^{name}\{{proxy="{proxy}"[^}}]*\}} \d', page, re.MULTILINE), name


# --- a real Prometheus ---------------------------------------------------------------------------------------------


class Prometheus:
    """
    The shipped configuration in a folder of its own, with the addresses of `fleet`, looked at every second. Alerts that
    wait for minutes wait for two seconds.
    """

    def __init__(self, fleet):
        self.fleet = fleet

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="quern-prometheus-"))
        for path in RULE_FILES:
            self.write(path.name, re.sub(r"for: \d+[ms]", "for: 2s", path.read_text()))
        text = (SHIPPED / "prometheus.yml").read_text()
        for shipped, ours in (("127.0.0.1:8090", self.fleet.admin), ("127.0.0.1:8404", self.fleet.stats)):
            assert text.count(shipped) == 1
            text = text.replace(shipped, f"{ours[0]}:{ours[1]}")
        self.write("prometheus.yml", re.sub(r"_interval: 15s", "_interval: 1s", text))
        self._start()
        return self

    def _start(self):
        self.address = "127.0.0.1", free_ports(1)
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
                 f"--web.listen-address={self.address[0]}:{self.address[1]}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._is_ready, 60, "Prometheus ready")

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"prometheus ended with {self.process.returncode}:\n{self.log()}")
        return request(self.address, "/-/ready").status == 200

    def __exit__(self, kind, *_):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()
        if kind is not None:
            print(f"--- prometheus ---\n{self.log()}")
        shutil.rmtree(self.folder)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def change(self, name, old, new):
        """Changes a file as an operator does, and has Prometheus read it."""
        text = (self.folder / name).read_text()
        assert text.count(old) == 1
        self.write(name, text.replace(old, new))
        self.process.send_signal(signal.SIGHUP)

    def api(self, path, **parameters):
        answer = request(self.address, f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        assert answer.status == 200, answer
        return answer.json()["data"]

    def query(self, expression):
        """[(labels, value)] of now."""
        return [(one["metric"], float(one["value"][1])) for one in self.api("query", query=expression)["result"]]

    def value(self, expression):
        """The only one, or None."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else None

    def await_evaluation(self):
        """Until all that has been scraped by now is in what is recorded."""
        now = self.value("vector(time())")
        wait_until(lambda: (self.value("timestamp(quern:response_seconds:p99_1m)") or 0) > now
                   and (self.value("timestamp(quern:utilization:max5m)") or 0) > now)

    def health(self):
        """{job: health} of all targets."""
        return {target["labels"]["job"]: target["health"] for target in self.api("targets")["activeTargets"]}

    def alerts(self):
        """{name: state} of those that are pending or firing."""
        return {alert["labels"]["alertname"]: alert["state"] for alert in self.api("alerts")["alerts"]}

    def rules(self):
        return [rule for group in self.api("rules")["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def scraped():
    """A fleet behind HAProxy that was asked a little, and the Prometheus that has seen all of it."""
    if not shutil.which("prometheus"):
        pytest.skip("no Prometheus here (Debian: prometheus)")
    with Fleet({"workers.count": 2, "lab.enabled": True}, balancer=True) as fleet, Prometheus(fleet) as prometheus:
        wait_until(lambda: prometheus.health() == {"quern": "up", "quern-haproxy": "up"})
        # A rate begins with the first sample, so nothing may have happened before it.
        wait_until(lambda: prometheus.value("count(quern_response_seconds_count)") == 2)
        assert prometheus.value("sum(quern_response_seconds_count)") == 0
        yield fleet, prometheus


def test_percentiles_agree_with_status(scraped):
    """Both have seen the same requests: 200, of which one in 25 takes 20 ms."""
    fleet, prometheus = scraped
    for number in range(200):
        assert fleet.get("/lab/sleep?us=" + ("20000" if number % 25 == 0 else "600")).status == 200
    shown = wait_until(lambda: (found := fleet.status()["fleet"]["latency_ms"])["count"] == 200 and found)
    wait_until(lambda: prometheus.value("sum(quern_response_seconds_count)") == 200)
    prometheus.await_evaluation()
    bounds = sorted(float(labels["le"]) for labels, _ in prometheus.query("quern:response_seconds_bucket:rate1m"))
    assert len(bounds) == 21
    for percentile in ("p50", "p95", "p99"):
        recorded = prometheus.value(f"quern:response_seconds:{percentile}_1m")
        upper = next(bound for bound in bounds if bound >= recorded)
        assert abs(recorded - shown[percentile] / 1000) <= upper / 2, (percentile, recorded, shown)
    assert prometheus.value("quern:response_seconds:p99_1m") > 0.016
    assert prometheus.value("quern:response_seconds:p95_1m") < 0.016


def test_every_rule_works_on_real_figures(scraped):
    """Each can be evaluated, and what is recorded is there: after a request that all of them tell of."""
    fleet, prometheus = scraped
    assert fleet.get("/qr?text=A").status == 200
    wait_until(lambda: (prometheus.value("quern:requests:rate1m") or 0) > 0)
    prometheus.await_evaluation()
    rules = prometheus.rules()
    assert [rule for rule in rules if rule["health"] != "ok" or rule.get("lastError")] == []
    records = {rule["name"] for rule in rules if rule["type"] == "recording"}
    assert records == {name for path in RULE_FILES for name in names_in(path, "record")}
    assert [name for name in records if not prometheus.query(name)] == []
    busy = {labels["slot"]: share for labels, share in prometheus.query("quern:worker_utilization:rate1m")}
    assert set(busy) == {"0", "1"} and all(0 <= share <= 1 for share in busy.values())
    assert prometheus.value("quern:errors:ratio1m") == prometheus.value("quern:shed:ratio1m") == 0
    assert prometheus.value("quern:front_errors:ratio5m") == 0


def test_an_alert_fires_when_the_objective_is_edited(scraped):
    fleet, prometheus = scraped
    assert fleet.get("/lab/sleep?us=20000").status == 200
    wait_until(lambda: (prometheus.value("quern:response_seconds:p99_5m") or 0) > 0.001)
    assert "QuernSlow" not in prometheus.alerts()
    prometheus.change("quern-objectives.yml", "vector(0.25)", "vector(0.0001)")
    wait_until(lambda: prometheus.alerts().get("QuernSlow") == "firing")
    assert prometheus.value("quern:objective_p99_seconds") == 0.0001
    # It was pending before, for the two seconds that it waits.
    assert prometheus.value('count_over_time(ALERTS{alertname="QuernSlow",alertstate="pending"}[5m])') >= 2
    prometheus.change("quern-objectives.yml", "vector(0.0001)", "vector(0.25)")
    wait_until(lambda: "QuernSlow" not in prometheus.alerts())


def test_a_lost_balancer_is_told(scraped):
    """The last one here: HAProxy does not come back."""
    fleet, prometheus = scraped
    assert not {"QuernBalancerDown", "QuernDown"} & set(prometheus.alerts())
    fleet.haproxy.terminate()
    fleet.haproxy.wait(20)
    wait_until(lambda: prometheus.health() == {"quern": "up", "quern-haproxy": "down"})
    wait_until(lambda: prometheus.alerts().get("QuernBalancerDown") == "firing")
    assert "QuernDown" not in prometheus.alerts()
