"""Nothing that is done to a fleet, or goes wrong in it, costs a request: the short form of tests/faults/run."""

import os
import signal
import sys
import time

import pytest

from fleet import ROOT, SANITIZED, Fleet

sys.path.insert(0, str(ROOT / "tests/faults"))

import play  # noqa: E402
import targets  # noqa: E402

RATE = 300 if SANITIZED else 1000
LEAST = RATE / 2


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    """The file of requests and their answers, learnt from a fleet that is left in peace."""
    file = tmp_path_factory.mktemp("faults") / "targets"
    with Fleet({"workers.count": 2}, balancer=True) as fleet:
        assert targets.write(fleet, file) > 200
    return file


@pytest.mark.parametrize("name", [name for name, (_, _, short) in play.SCENARIOS.items() if short])
def test_no_request_is_lost(name, questions, tmp_path):
    row = play.play(name, play.SCENARIOS[name][2], questions, RATE, tmp_path / name)
    assert not row.problems, "\n".join([row.text(), *row.problems])
    assert row.result["right"] > LEAST


def test_the_driver_sees_what_is_wrong(questions, tmp_path):
    """Other answers than it expects, and a balancer that is killed."""
    with play.Rig(play.DEFAULTS, tmp_path / "rig") as rig:
        for detail, old, new in (("type", b"\nimage/png\n", b"\nimage/gif\n"), ("body", b"<svg", b"<SVG"),
                                 ("etag", b'\nW/"', b'\nw/"')):
            file = tmp_path / detail
            file.write_bytes(questions.read_bytes().replace(old, new))
            with rig.drive(file, RATE, seconds=0.5) as driven:
                driven.process.wait(30)
            assert driven.result["wrong"] > 0 and driven.result["right"] > 0
            assert {failure["detail"] for failure in driven.result["failures"]} == {detail}
        with rig.drive(questions, RATE, more=("-T", 1000)) as driven:
            for pid in rig.haproxy_workers():
                os.kill(pid, signal.SIGKILL)
            rig.haproxy.wait(30)
            time.sleep(0.2)
        assert driven.result["refused"] > 0 and driven.result["failed"] >= driven.result["refused"]
