"""The original stack beside Quern (bench/peers/): express and npm's qrcode, and the addon that works on threads."""

import base64
import hashlib
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from decode import zbar
from fleet import BUILD, ROOT, Fleet, wait_until

sys.path.insert(0, str(ROOT / "bench" / "peers"))
from peer import NotPrepared, Peer  # noqa: E402

PREFIX = "data:image/png;base64,"
NAMES = ("express", "node-addon-thread")
TEXTS = ("QR TEST", "0123456789", "https://example.com/a?b=c&d=e f+g%", "gr\u00fc\u00dfe, \u4f60\u597d, \U0001f600", "x" * 2331)
OFFLINE = re.compile(r"EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ENETUNREACH|ETIMEDOUT")


@pytest.fixture(scope="module")
def prepared():
    """Peers by name, built or installed, or why they are not; each is tried once."""
    made = {}

    def one(name):
        if name not in made:
            peer = Peer(name, BUILD)
            try:
                peer.prepare()
                made[name] = peer
            except NotPrepared as reason:
                made[name] = reason
        if isinstance(made[name], NotPrepared):
            # What is not installed is no mistake of ours, nor is a registry out of reach; all else that goes wrong is.
            said = str(made[name])
            assert said.startswith("not installed:") or OFFLINE.search(said), said
            pytest.skip(f"{name}: {said.splitlines()[0] if said.startswith('not') else 'npm reaches no registry'}")
        return made[name]

    return one


@pytest.fixture(scope="module", params=NAMES)
def peer(request, prepared):
    running = prepared(request.param)
    running.start(0)
    yield running
    running.stop()


def ask(peer, path, **parameters):
    """Status and JSON."""
    url = f"http://127.0.0.1:{peer.port}{path}"
    if parameters:
        url += "?" + urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def repeated(text, rounds):
    digest = text.encode()
    for _ in range(rounds):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()


def since_reset(peer):
    """Begins anew, and waits for the probe: it counts from the first firing of its timer on."""
    assert ask(peer, "/loop", reset=1)[0] == 200
    wait_until(lambda: ask(peer, "/loop")[1]["samples"] > 0)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:10])
def test_picture_holds_the_text(peer, text, tmp_path):
    status, body = ask(peer, "/", text=text)
    assert status == 200 and body["result"].startswith(PREFIX)
    picture = tmp_path / "picture.png"
    picture.write_bytes(base64.b64decode(body["result"][len(PREFIX):], validate=True))
    assert zbar(picture) == text.encode()


def test_without_text_it_is_that_of_the_service(peer):
    assert ask(peer, "/") == ask(peer, "/", text="") == ask(peer, "/", text="QR TEST")


@pytest.mark.parametrize("path", [
    "/?text=" + "x" * 2332,
    "/?text=" + "9" * 8000,
    "/?text=a&text=b",
    "/hash?text=a&rounds=",
    "/hash?text=a&rounds=0",
    "/hash?text=a&rounds=20000001",
    "/hash?text=a&rounds=1e3",
    "/hash?text=a&rounds=1&rounds=2",
], ids=lambda path: path[:30])
def test_wrong_input_is_refused(peer, path):
    status, body = ask(peer, path)
    assert status == 400 and body["error"]
    assert ask(peer, "/", text="still there")[0] == 200


def test_hash_is_that_of_quernd(peer):
    text = "gr\u00fc\u00dfe"
    with Fleet({"workers.count": 1, "lab.enabled": True}) as fleet:
        for rounds in (1, 2, 1000):
            status, body = ask(peer, "/hash", text=text, rounds=rounds)
            assert status == 200 and body == {"rounds": rounds, "sha256": repeated(text, rounds)}
            answer = fleet.get(f"/lab/hash?text={urllib.parse.quote(text)}&rounds={rounds}")
            assert answer.status == 200 and json.loads(answer.body) == body


def blocked(peer, rounds):
    """How long a heavy hash took in ms, and what the probe saw meanwhile."""
    since_reset(peer)
    before = ask(peer, "/loop")[1]
    began = time.monotonic()
    assert ask(peer, "/hash", text="a", rounds=rounds)[0] == 200
    took_ms = (time.monotonic() - began) * 1e3
    wait_until(lambda: ask(peer, "/loop")[1]["samples"] > before["samples"])
    return took_ms, ask(peer, "/loop")[1]


def test_loop_shows_who_blocks_it(peer):
    """On the loop all of the work is one delay; on a thread it is not, and the probe's timer goes on firing."""
    if peer.name == "express":
        took_ms, loop = blocked(peer, 400000)
        assert took_ms > 50, "too little work to tell"
        assert loop["max_ms"] > took_ms / 2
        assert loop["p50_ms"] <= loop["p95_ms"] <= loop["p99_ms"] <= loop["max_ms"] and loop["mean_ms"] <= loop["max_ms"]
        return
    # The thread has the same core, so on a busy machine the loop waits for its turn too: best of several rounds.
    rounds = [blocked(peer, 4000000) for _ in range(3)]
    assert min(took_ms for took_ms, _ in rounds) > 50, "too little work to tell"
    assert any(loop["max_ms"] < took_ms / 4 and loop["samples"] > took_ms / 10 / 4 for took_ms, loop in rounds), rounds


def test_loop_begins_anew(prepared):
    running = prepared("express")
    running.start(0)
    try:
        _, loop = blocked(running, 400000)
        assert ask(running, "/loop", reset=1)[1]["max_ms"] >= loop["max_ms"], "a reset tells what was seen until then"
        since_reset(running)
        assert ask(running, "/loop")[1]["max_ms"] < loop["max_ms"]
    finally:
        running.stop()


def test_many_at_a_time_each_get_their_own(prepared):
    """The addon's jobs run on several threads, and pictures of different texts must not be mixed up."""
    running = prepared("node-addon-thread")
    running.start(0)
    try:
        texts = [f"text {i} " + "y" * (i * 7 % 300) for i in range(64)]
        alone = {text: ask(running, "/", text=text) for text in texts}
        urls = [running.url(text) for text in texts]
        got = subprocess.run(["curl", "-sS", "--parallel", "--parallel-max", "32", "--max-time", "60",
                              *(word for i, url in enumerate(urls) for word in ("-o", str(running.own_build / f"{i}"), url))],
                             timeout=90, check=False, capture_output=True, text=True)
        assert got.returncode == 0, got.stderr
        for i, text in enumerate(texts):
            answer = running.own_build / f"{i}"
            assert (200, json.loads(answer.read_text())) == alone[text]
            answer.unlink()
    finally:
        running.stop()


def test_artillery_says_what_it_cannot_do():
    run = ROOT / "bench" / "peers" / "artillery" / "run"
    for arguments in ([], ["-d", "0", "http://127.0.0.1:1"], ["-d", "x", "http://127.0.0.1:1"], ["a", "b", "c"]):
        done = subprocess.run([run, *arguments], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 2 and done.stderr.startswith("usage:")
