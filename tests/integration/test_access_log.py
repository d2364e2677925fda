"""The access log: JSON lines, off by default; and nothing anywhere that holds the text of a QR code."""

import json

from fleet import Fleet, wait_until

SECRET = "zebra-crossing-4711"


def talk(fleet):
    """The text in every place where it can travel, and in every kind of refusal."""
    fleet.get(f"/?text={SECRET}")
    fleet.get(f"/qr?text={SECRET}", headers={"X-Request-Id": "abc-1"})
    fleet.post("/qr", f"text={SECRET}", "application/x-www-form-urlencoded")
    fleet.post("/qr", json.dumps({"text": SECRET}), "application/json")
    fleet.post("/qr", SECRET, "text/plain")
    fleet.get(f"/qr?text={SECRET}&text={SECRET}")
    fleet.get(f"/qr?text={SECRET}&scale={SECRET}")
    fleet.get(f"/qr?text={SECRET}%zz")
    fleet.get("/qr?text=" + SECRET * 300)
    fleet.get(f"/{SECRET}")
    fleet.post("/qr", '{"text": "' + SECRET, "application/json")
    fleet.raw(f"GET /?text={SECRET} {SECRET} HTTP/1.1\r\n\r\n".encode())
    fleet.raw(f"{SECRET} /?text={SECRET} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())


def lines(fleet):
    return [json.loads(line) for line in fleet.log().splitlines() if line.startswith("{")]


def test_off_by_default_and_nothing_leaks():
    with Fleet({"log.level": "debug"}, balancer=True) as fleet:
        talk(fleet)
        old = fleet.kill(0)
        wait_until(lambda: fleet.pid(0) not in (0, old))
        assert not lines(fleet)
        for text in (fleet.log(), fleet.haproxy_log(), json.dumps(fleet.status()), fleet.metrics(),
                     fleet.get("/stats;csv", at=fleet.stats).body.decode()):
            assert SECRET not in text


def test_lines_hold_everything_but_the_text():
    with Fleet({"http.access_log": True, "workers.count": 1}) as fleet:
        talk(fleet)
        entries = wait_until(lambda: (l := lines(fleet)) and len(l) == 13 and l)
        assert SECRET not in fleet.log()
        assert [e["status"] for e in entries] == [200, 200, 200, 200, 200, 400, 400, 400, 400, 404, 400, 400, 501]
        first = entries[0]
        assert set(first) == {"time", "worker", "client", "method", "route", "status", "bytes", "queue_ms", "work_ms",
                              "response_ms"}
        assert first["method"] == "GET" and first["route"] == "/" and first["client"] == "127.0.0.1"
        assert first["bytes"] > 100 and 0 < first["work_ms"] <= first["response_ms"]
        assert entries[1]["id"] == "abc-1"


def test_client_is_who_haproxy_says():
    """A client cannot say it itself, and without HAProxy nobody is believed."""
    with Fleet({"http.access_log": True, "workers.count": 1}, balancer=True) as fleet:
        fleet.get("/?text=A", headers={"X-Forwarded-For": "10.9.8.7"})
        assert wait_until(lambda: lines(fleet))[0]["client"] == "127.0.0.1"
        fleet.get("/?text=A", at=fleet.worker(0), headers={"X-Forwarded-For": "2001:db8::1"})
        wait_until(lambda: any(line["client"] == "2001:db8::1" for line in lines(fleet)))
    with Fleet({"http.access_log": True, "workers.count": 1, "balancer.kind": "none"}) as fleet:
        fleet.get("/?text=A", headers={"X-Forwarded-For": "10.9.8.7"})
        assert wait_until(lambda: lines(fleet))[0]["client"] == "127.0.0.1"


def test_requests_without_a_known_method_have_none():
    with Fleet({"http.access_log": True, "workers.count": 1}) as fleet:
        fleet.raw(b"\x16\x03\x01\x02\x00")
        fleet.raw(b"BREW /pot HTTP/1.0\r\n\r\n")
        fleet.raw(b"DELETE /qr HTTP/1.0\r\n\r\n")
        entries = wait_until(lambda: (l := lines(fleet)) and len(l) == 3 and l)
        assert [e["method"] for e in entries] == [None, None, "DELETE"]


def test_health_checks_are_not_logged():
    with Fleet({"http.access_log": True, "workers.count": 1}) as fleet:
        assert fleet.get("/healthz").status == 200 and fleet.get("/").status == 200
        assert [e["route"] for e in wait_until(lambda: lines(fleet))] == ["/"]


def test_the_operator_may_ask_for_the_query():
    with Fleet({"http.access_log": True, "http.log_text": True, "workers.count": 1}) as fleet:
        fleet.get(f"/?text={SECRET}")
        wait_until(lambda: any(line.get("target") == f"/?text={SECRET}" for line in lines(fleet)))


def test_request_id_cannot_break_a_line():
    with Fleet({"http.access_log": True, "workers.count": 1}) as fleet:
        fleet.raw(b'GET / HTTP/1.0\r\nX-Request-Id: "a\\\xff"' + b"b" * 500 + b"\r\n\r\n")
        entry = wait_until(lambda: [e for e in lines(fleet) if "id" in e])[0]
        assert len(entry["id"]) == 128 and entry["id"].startswith('"a\\?"bb')
