"""A quernd that was built without hiredis serves all the same, and says what it cannot do."""

import subprocess

import pytest

from fleet import BUILD, Fleet

CHECKED = subprocess.run([BUILD / "quernd", "--check", "--set", "lab.redis=127.0.0.1:1"], capture_output=True, text=True,
                         check=True, timeout=20)
WARNING = 'lab.redis: "127.0.0.1:1" has no effect: this program was built without hiredis'
pytestmark = pytest.mark.skipif(WARNING not in CHECKED.stderr, reason="this quernd was built with hiredis")


@pytest.mark.parametrize("path", ["lookup?key=a", "history?uid=1", "latency?key=a"])
def test_without_hiredis_its_endpoints_say_so(path):
    with Fleet({"workers.count": 1, "lab.enabled": True, "lab.redis": "127.0.0.1:1"}) as fleet:
        answer = fleet.get(f"/lab/{path}")
        assert (answer.status, answer.error()["code"]) == (502, "backend_unavailable")
        assert answer.error()["message"] == "this quernd was built without hiredis"
        assert fleet.get("/qr?text=A").status == 200
