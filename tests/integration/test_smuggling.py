"""Request smuggling: HAProxy and the workers cut the bytes of a connection into the same requests.

Each case of smuggling.py goes to a worker alone, whose reading is compared with the table, and through HAProxy. There
it does not matter whether HAProxy refuses a request or makes good what is wrong with it; what must hold is

* that every request which a worker reads is one that HAProxy sent: it carries the number that HAProxy gives each
  (X-Request-Id, in the worker's access log), no two the same;
* that the workers answered as many requests as HAProxy has received answers from them, and no more than it has let
  through to its backend;
* that the hidden request is answered only where HAProxy itself takes it for a request, by the list in smuggling.py;
* that nothing is left over on the connections between them for the next client.
"""

import csv
import io
import json
import random
import re

import pytest

import smuggling
from fleet import Fleet, wait_until
from smuggling import CASES, HIDDEN, PROBE, PROBE_REQUEST, SPLIT_BY_HAPROXY
from wire import Wire, get

OPTIONS = {"workers.count": 2, "workers.max": 2, "limits.client_ms": 200,
           "http.access_log": True, "http.log_text": True}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RANDOM_CASES = 1000


def outcome(at, data, known):
    """What is answered on a connection that carries data and then the probe: statuses, or names where `known` has the
    body; up to the end of the connection."""
    found = []
    with Wire(at) as wire:
        wire.send(data + PROBE_REQUEST)
        while not wire.is_at_end():
            answer = wire.answer(head=not found and data.startswith(b"HEAD "))
            found.append(known.get(answer.body, str(answer.status)))
    return found


def known_answers(fleet):
    """The bodies by which HIDDEN and PROBE are told."""
    known = {fleet.get(path).body: name for path, name in ((HIDDEN, "HIDDEN"), (PROBE, "PROBE"))}
    assert len(known) == 2
    return known


# --- a worker alone ---------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def alone():
    with Fleet({**OPTIONS, "workers.count": 1, "workers.max": 1}) as fleet:
        pid = fleet.pid(0)
        yield fleet, known_answers(fleet)
        assert fleet.pid(0) == pid


@pytest.mark.parametrize("name", CASES)
def test_worker(alone, name):
    fleet, known = alone
    data, expected = CASES[name]
    assert " ".join(outcome(fleet.worker(0), data, known)) == expected


@pytest.mark.parametrize("name", [name for name, (_, expected) in CASES.items() if expected.endswith("PROBE")])
def test_worker_reads_the_same_however_it_is_cut(alone, name):
    """What decides is the bytes, not how they arrive: the head, then the rest; and byte by byte. (Where the connection
    ends before, sending on would be answered by a reset.)"""
    fleet, known = alone
    data, expected = CASES[name]
    cut = data.find(b"\r\n\r\n") + 4
    for pieces in ([data[:cut], data[cut:] + PROBE_REQUEST], [bytes([byte]) for byte in data + PROBE_REQUEST]):
        found = []
        with Wire(fleet.worker(0)) as wire:
            for piece in pieces:
                wire.send(piece)
            while not wire.is_at_end():
                answer = wire.answer(head=not found and data.startswith(b"HEAD "))
                found.append(known.get(answer.body, str(answer.status)))
        assert " ".join(found) == expected


# --- behind HAProxy ---------------------------------------------------------------------------------------------------

class Watch:
    """A fleet behind HAProxy, and the books of both sides."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.known = known_answers(fleet)
        self.at = 0
        self.ids = set()
        self.pids = [fleet.pid(slot) for slot in (0, 1)]
        self.new_requests()

    def new_requests(self):
        """What the workers have read since the last call, health checks left out: lines of their access log."""
        text = self.fleet.log()
        end = text.rfind("\n") + 1
        lines, self.at = text[self.at:end].splitlines(), end
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in entries if entry["route"] != "/healthz"]

    def answered(self):
        """Requests that the workers have answered, by their own counters."""
        return sum(count for worker in self.fleet.status()["workers"] for route, statuses in worker["answers"].items()
                   for count in statuses.values() if route != "/healthz")

    def books(self):
        """HAProxy's counters: answers received from the workers, requests given to the backend."""
        text = self.fleet.get("/stats;csv", at=self.fleet.stats).body.decode().lstrip("# ")
        rows = [row for row in csv.DictReader(io.StringIO(text)) if row["pxname"] == "workers"]
        received = sum(int(row[f"hrsp_{kind}"]) for row in rows if row["svname"] != "BACKEND"
                       for kind in ("1xx", "2xx", "3xx", "4xx", "5xx", "other"))
        return received, next(int(row["req_tot"]) for row in rows if row["svname"] == "BACKEND")

    def check_books(self):
        answered, (received, sent) = self.answered(), self.books()
        assert answered == received, "the workers answered what HAProxy did not ask"
        assert answered <= sent

    def check_requests(self, hidden_allowed):
        """Every request in the workers' log is HAProxy's. One that could not be read, or whose method nobody knows,
        has no method there, and may have no number; the counters hold it."""
        for entry in self.new_requests():
            if entry["method"] is None:
                assert entry["status"] in (400, 413, 431, 501)
                continue
            assert UUID.fullmatch(entry.get("id", "")), f"without HAProxy's number: {entry}"
            assert entry["id"] not in self.ids, f"the same number again: {entry}"
            self.ids.add(entry["id"])
            assert hidden_allowed or entry["target"] != HIDDEN, "the hidden request has come to a worker"

    def run(self, data, hidden_allowed):
        found = outcome(self.fleet.front, data, self.known)
        assert found, "no answer at all"
        assert hidden_allowed or "HIDDEN" not in found
        assert found.count("PROBE") <= 1
        # Whoever comes next, on whichever connection to a worker, is given its own answer.
        for number in (1, 2):
            with Wire(self.fleet.front) as wire:
                wire.send(get(f"/qr?text=next{number}", method="PUT") + get(PROBE))
                assert wire.answer().status == 405
                assert self.known.get(wire.answer().body) == "PROBE"
        self.check_requests(hidden_allowed)
        self.check_books()
        return found


@pytest.fixture(scope="module")
def watch():
    with Fleet(OPTIONS, balancer=True) as fleet:
        watch = Watch(fleet)
        yield watch
        # Both workers have nothing more in hand, and the books agree to the last request.
        wait_until(lambda: fleet.status()["fleet"]["active"] == 0)
        watch.check_books()
        assert [fleet.pid(slot) for slot in (0, 1)] == watch.pids


@pytest.mark.parametrize("name", CASES)
def test_behind_haproxy(watch, name):
    data, expected = CASES[name]
    found = watch.run(data, hidden_allowed="HIDDEN" in expected or name in SPLIT_BY_HAPROXY)
    if expected == smuggling.GOOD:
        assert found[-1] == "PROBE" or "http://b/" in name, "a good request, refused"


def test_list_of_what_haproxy_splits_is_needed(watch):
    """An entry that has become untrue, with another HAProxy, would hide a finding."""
    assert set(SPLIT_BY_HAPROXY) <= set(CASES)
    for name in SPLIT_BY_HAPROXY:
        assert "HIDDEN" not in CASES[name][1]


def random_case(random):
    """Lines of the cases above and others, put together by chance: any number of lengths and codings, any line end."""
    size = len(smuggling.HIDDEN_REQUEST)
    lengths = [0, 1, size, size - 1, size + 1, smuggling.N, 5]
    separators = [b": "] * 60 + [b":", b" : ", b":\t", b" :", b":\x0b", b": \x00", b":\r\n "]
    ends = [b"\r\n"] * 100 + [b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\x00\r\n", b" \r\n", b"\x0b\r\n"]
    names = [b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"Upgrade", b"TE", b"Trailer", b"X",
             b"content-length", b"Content_Length", b"Transfer-encoding"]
    codings = [b"chunked"] * 9 + [b"Chunked", b"identity", b"gzip, chunked", b"chunked, chunked", b"xchunked", b"",
               b"chunked;a=b"]

    def value(name):
        if b"ength" in name:
            return random.choice([b"%d"] * 9 + [b"+%d", b"0%d", b"%d, 0", b"%x", b"%d "]) % random.choice(lengths)
        if b"ncoding" in name:
            return random.choice(codings)
        return random.choice([b"close", b"keep-alive", b"100-continue", b"Content-Length", b"Transfer-Encoding", b"a"])

    method = random.choice([b"POST", b"POST", b"GET", b"PUT", b"OPTIONS", b"BREW"])
    version = random.choice([b"1.1", b"1.1", b"1.1", b"1.0"])
    data = method + b" /qr?text=A HTTP/" + version + random.choice(ends) + b"Host: a" + random.choice(ends)
    for _ in range(random.randint(1, 4)):
        name = random.choice(names)
        data += name + random.choice(separators) + value(name) + random.choice(ends)
    data += random.choice([b"\r\n"] * 40 + [b"\n", b"\r"])
    chunk = random.choice([b"%x"] * 6 + [b"0%x", b"%x;a", b"%x ", b"0x%x", b"-%x"]) % size + random.choice(ends)
    return data + random.choice([b"", smuggling.HIDDEN_REQUEST, smuggling.ENDS,
                                 chunk + smuggling.HIDDEN_REQUEST + random.choice(ends) + b"0\r\n\r\n"])


def test_random_cases(watch):
    """Here the hidden request may well be one, behind a head without a body; the numbers and the books tell."""
    generator = random.Random(20230901)
    answers = {}
    for _ in range(RANDOM_CASES):
        data = random_case(generator)
        try:
            found = watch.run(data, hidden_allowed=True)
        except AssertionError as error:
            raise AssertionError(f"with {data!r}") from error
        answers[" ".join(found)] = answers.get(" ".join(found), 0) + 1
    print(answers)
    assert len(answers) > 5, "all alike: nothing was tried"
