"""HTTP as a worker speaks it: connections that live on and that end, bodies, odd but right requests."""

import contextlib
import email.utils
import http.client
import re
import time

import pytest

from fleet import Fleet, connect, has_ipv6, wait_until
from wire import Wire, get, post, post_chunked

BIG = "/qr?format=svg&ecLevel=L&text=" + "a" * 2900
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def fleet():
    with Fleet({"workers.count": 1, "workers.max": 1}) as running:
        before = running.pid(0)
        yield running
        assert running.pid(0) == before and running.slot(0)["restarts"] == 0


@pytest.fixture
def wire(fleet):
    with Wire(fleet.worker(0)) as connection:
        yield connection


@pytest.fixture(scope="module")
def picture(fleet):
    """What /qr?text=A is."""
    return fleet.get("/qr?text=A").body


def ask(wire, request, status=200, **more):
    wire.send(request)
    answer = wire.answer(**more)
    assert answer.status == status
    return answer


# --- connections ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version, fields, lives, told", [
    ("1.1", [], True, None),
    ("1.1", ["Connection: keep-alive"], True, None),
    ("1.1", ["Connection: close"], False, "close"),
    ("1.1", ["Connection: Keep-Alive, CLOSE"], False, "close"),
    ("1.1", ["Connection: keep-alive", "connection: x,close , y"], False, "close"),
    ("1.1", ["Connection: closed"], True, None),
    ("1.1", ["Connection:"], True, None),
    ("1.0", [], False, "close"),
    ("1.0", ["Connection: close"], False, "close"),
    ("1.0", ["Connection: keep-alive"], True, "keep-alive"),
    ("1.0", ["CONNECTION: KEEP-ALIVE"], True, "keep-alive"),
    ("1.0", ["Connection: keep-alive, close"], False, "close"),
    ("1.0", ["Proxy-Connection: keep-alive", "Keep-Alive: timeout=5"], False, "close"),
])
def test_connection_lives_or_ends(wire, version, fields, lives, told):
    answer = ask(wire, get("/healthz", *fields, version=version))
    assert answer.version == "HTTP/1.1" and answer.header("Connection") == told
    if lives:
        assert wire.is_open()
        ask(wire, get("/healthz"))
    else:
        assert wire.is_at_end()


def test_version_1_0_needs_no_host(wire):
    ask(wire, b"GET /qr?text=A HTTP/1.0\r\n\r\n")
    assert wire.is_at_end()


def test_many_requests_on_one_connection(wire, picture):
    for _ in range(500):
        assert ask(wire, get("/qr?text=A")).body == picture


def test_pipeline(wire, picture):
    """In order, whatever they are; refusals that leave the connection open among them."""
    requests = [(get("/qr?text=A"), 200), (get("/nothing"), 404), (post("/qr", b"A"), 200),
                (get("/", method="BREW"), 501), (get("/healthz"), 200), (post_chunked("/qr", b"A"), 200),
                (get("/qr"), 400), (post("/qr", b"A", content_type="a/b"), 415), (get("/", method="OPTIONS"), 204)]
    wire.send(b"".join(request for request, _ in requests * 10))
    for request, status in requests * 10:
        answer = wire.answer()
        assert answer.status == status
        if request.startswith(b"POST") and status == 200:
            assert answer.body == picture
    assert wire.is_open()


def test_pipeline_with_part_of_the_next_request(wire, picture):
    request = get("/qr?text=A")
    for cut in range(1, len(request)):
        wire.send(request + request[:cut])
        assert wire.answer().body == picture
        assert wire.is_open()
        wire.send(request[cut:])
        assert wire.answer().body == picture


def test_nothing_is_read_behind_the_last_request(wire):
    """Connection: close ends it; what was sent behind is no request."""
    wire.send(get("/healthz", "Connection: close") + get("/qr?text=A") * 3)
    assert wire.answer().status == 200
    assert wire.is_at_end()


def test_nothing_is_read_behind_a_request_that_cannot_be_read(wire):
    wire.send(b"bad\r\n\r\n" + get("/qr?text=A") * 3)
    assert [answer.status for answer in wire.answers()] == [400]


def test_one_empty_line_may_come_before_a_request(wire):
    """RFC 9112, 2.2: clients exist that send one behind a body."""
    ask(wire, b"\r\n" + get("/healthz"))
    ask(wire, post("/qr", b"A") + b"\r\n")
    ask(wire, get("/healthz"))
    ask(wire, b"\r\n\r\n" + get("/healthz"), 400)
    assert wire.is_at_end()


def test_bytes_one_by_one(wire, picture):
    for request in (get("/qr?text=A"), post("/qr", b"A"), post_chunked("/qr", b"A")):
        for at in range(len(request)):
            wire.send(request[at:at + 1])
        assert wire.answer().body == picture


def test_client_that_ends_its_side_is_answered_where_nothing_waits(fleet):
    """A client that sends, ends its side, then reads: refusals come, whatever was sent; work for a client that has left
    is not done (test_loop.py). Afterwards the connection is gone."""
    with Wire(fleet.worker(0)) as wire:
        wire.send(b"bad\r\n\r\n")
        wire.end()
        assert [answer.status for answer in wire.answers()] == [400]
    with Wire(fleet.worker(0)) as wire:
        wire.send(get("/qr?text=A"))
        wire.end()
        assert [answer.status for answer in wire.answers()] in ([200], [])
    with Wire(fleet.worker(0)) as wire:
        wire.send(get("/qr?text=A")[:-1])
        wire.end()
        assert wire.answers() == []
    wait_until(lambda: fleet.slot(0)["connections"] == 0)


def test_client_that_ends_its_side_while_it_is_answered(fleet):
    """The answer is under way already: it is finished."""
    with Wire(fleet.worker(0)) as wire:
        wire.sock.setblocking(False)
        size, sent = len(fleet.get(BIG).body), 0
        with contextlib.suppress(BlockingIOError):
            while sent < 100:
                wire.sock.send(get(BIG))
                sent += 1
        wait_until(lambda: fleet.slot(0)["active"] == 1)
        wire.end()
        wire.sock.settimeout(10)
        first = wire.answer()
        assert first.status == 200 and len(first.body) == size
    wait_until(lambda: fleet.slot(0)["connections"] == 0)


def test_many_connections_come_and_go(fleet):
    before = fleet.slot(0)["accepted"]
    for _ in range(20):
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(Wire(fleet.worker(0))) for _ in range(100)]
            for wire in wires[::2]:
                wire.send(get("/healthz"))
            for wire in wires[::2]:
                assert wire.answer().status == 200
            for wire in wires[1::4]:
                wire.send(b"GET / HT")
            for wire in wires[::8]:
                wire.reset()
    after = wait_until(lambda: (s := fleet.slot(0))["connections"] == 0 and s)
    assert after["accepted"] - before >= 2000 and after["active"] == 0


# --- requests ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/", "/?text=A", "/qr?text=A", "/qr?text=A&format=svg", "/qr?text=A&format=text", BIG,
                                  "/healthz", "/nothing", "/qr"])
def test_head_is_get_without_the_body(wire, path):
    wire.send(get(path))
    whole = wire.answer()
    wire.send(get(path, method="HEAD"))
    head = wire.answer(head=True)
    # A byte of a body would be found in front of this answer.
    ask(wire, get("/healthz"))
    changing = {"Date", "Server-Timing"}
    assert head.status == whole.status
    assert [h for h in head.headers if h[0] not in changing] == [h for h in whole.headers if h[0] not in changing]
    assert int(head.header("Content-Length")) == len(whole.body) > 0


def test_head_of_a_cached_picture(wire):
    etag = ask(wire, get("/qr?text=A")).header("ETag")
    for method in ("GET", "HEAD"):
        answer = ask(wire, get("/qr?text=A", f"If-None-Match: {etag}", method=method), 304)
        assert answer.header("ETag") == etag
    ask(wire, get("/healthz"))


@pytest.mark.parametrize("post_as", [post, post_chunked])
@pytest.mark.parametrize("expect", ["100-continue", "100-CONTINUE"])
def test_expect_100_continue(wire, picture, post_as, expect):
    head, _, body = post_as("/qr", b"A").partition(b"\r\n\r\n")
    wire.send(head + f"\r\nExpect: {expect}\r\n\r\n".encode())
    interim = wire.take_head()
    assert interim.version == "HTTP/1.1" and interim.status == 100 and wire.is_open()
    wire.send(body)
    answer = wire.answer()
    assert answer.status == 200 and answer.body == picture and answer.interim == []


@pytest.mark.parametrize("request_bytes, status", [
    (post("/qr", b"A", "Expect: 100-continue").replace(b"/1.1", b"/1.0"), 200),
    (get("/qr?text=A", "Expect: 100-continue"), 200),
    (post("/qr", b"", "Expect: 100-continue"), 400),
    (get("/qr", "Expect: 100-continue", "Content-Length: 10000000", method="POST"), 413),
    (get("/qr", "Expect: something", "Content-Length: 1", method="POST"), 400),
])
def test_no_100_continue_where_no_body_is_wanted(wire, request_bytes, status):
    assert ask(wire, request_bytes, status).interim == []


def test_body_before_the_client_was_told_to_continue(wire, picture):
    """It need not wait; then 100 may come or not, and the answer comes once."""
    wire.send(post("/qr", b"A", "Expect: 100-continue"))
    assert wire.answer().body == picture
    assert wire.is_open()


def test_chunked_bodies(wire, picture):
    text = bytes(range(256)) * 4
    whole = ask(wire, post("/qr", text)).body
    assert whole != picture
    for size in (1, 2, 7, 255, 1023, 1024):
        chunks = [text[at:at + size] for at in range(0, len(text), size)]
        assert ask(wire, post_chunked("/qr", *chunks)).body == whole
    head = get("/qr", "Content-Type: text/plain", "Transfer-Encoding: Chunked", method="POST")
    for body in (b"1\r\nA\r\n0\r\n\r\n", b"0001\r\nA\r\n000\r\n\r\n", b"1;a=b;c=\"d\"\r\nA\r\n0;e\r\n\r\n",
                 b"1\r\nA\r\n0\r\nTrailer: a\r\nX: b\r\n\r\n"):
        assert ask(wire, head + body).body == picture


@pytest.mark.parametrize("request_bytes", [
    post("/qr", b"text=A&format=svg", content_type=FORM),
    post_chunked("/qr", b"text=A&", b"format=s", b"vg", content_type=FORM),
    post("/qr?format=svg", b'{"text": "A"}', content_type="application/json"),
], ids=["length", "chunked", "query and body"])
def test_body_cut_anywhere(fleet, wire, request_bytes):
    whole = fleet.get("/qr?text=A&format=svg").body
    for cut in range(1, len(request_bytes)):
        wire.send(request_bytes[:cut])
        wire.send(request_bytes[cut:])
        assert wire.answer().body == whole


@pytest.mark.parametrize("target", ["http://a/qr?text=A", "HTTP://a/qr?text=A", "https://a:443/qr?text=A",
                                    "http://other.example:8080/qr?text=A", "http://[::1]/qr?text=A",
                                    "http://a:/qr?text=A"])
def test_absolute_form(wire, picture, target):
    assert ask(wire, get(target)).body == picture


@pytest.mark.parametrize("target", ["http://a", "http://a/", "http://a?text=QR%20TEST", "/?", "/?text=", "/?unknown=1"])
def test_root_in_its_forms(fleet, wire, target):
    assert ask(wire, get(target)).body == fleet.get("/").body


@pytest.mark.parametrize("host", ["a", "a:80", "127.0.0.1:8080", "[::1]:8080", "example.org", "a_b",
                                  "xn--bcher-kva.example"])
def test_hosts(wire, host):
    ask(wire, get("/healthz", host=host))


@pytest.mark.parametrize("path, allow", [("*", "GET, HEAD, POST, OPTIONS"), ("/", "GET, HEAD, OPTIONS"),
                                         ("/qr", "GET, HEAD, POST, OPTIONS"), ("/healthz", "GET, HEAD, OPTIONS")])
def test_options(wire, path, allow):
    preflight = get(path, "Origin: https://example.org", "Access-Control-Request-Method: POST",
                    "Access-Control-Request-Headers: content-type", method="OPTIONS")
    for request in (preflight, get(path, method="OPTIONS")):
        answer = ask(wire, request, 204)
        assert answer.header("Allow") == allow == answer.header("Access-Control-Allow-Methods")
        assert answer.header("Access-Control-Allow-Origin") == "*"
        assert "content-type" in answer.header("Access-Control-Allow-Headers").lower()
        assert answer.header("Content-Length") is None and answer.header("Content-Type") is None
    ask(wire, get("/nothing", method="OPTIONS"), 404)


def test_field_names_in_any_case(wire, picture):
    etag = ask(wire, get("/qr?text=A")).header("ETag")
    for change in (str.lower, str.upper, str.title, str.swapcase):
        def f(name, value):
            return f"{change(name)}: {value}"
        request = "\r\n".join(["POST /qr HTTP/1.1", f("Host", "a"), f("Content-Type", "text/plain"),
                               f("Content-Length", "1"), "", "A"])
        assert ask(wire, request.encode()).body == picture
        ask(wire, get("/qr?text=A", f("If-None-Match", etag)), 304)
        assert ask(wire, get("/healthz", f("Connection", "Close"))).header("Connection") == "close"
        assert wire.is_at_end()
        wire.sock = connect(wire.sock.getpeername())


def test_blanks_around_values(wire, picture):
    request = b"POST /qr HTTP/1.1\r\nHost:a\r\nContent-Type:\t text/plain \t\r\nContent-Length:1 \r\nX:\r\n\r\nA"
    assert ask(wire, request).body == picture


# --- answers ----------------------------------------------------------------------------------------------------------

def test_large_answers(fleet):
    """Larger than a socket takes at once, on connections that live on."""
    paths = [BIG, "/qr?text=A&scale=64&margin=5&light=fffffe", "/qr?text=A&format=json&size=4096"]
    expected = [fleet.get(path).body for path in paths]
    assert max(map(len, expected)) > 50000
    with Wire(fleet.worker(0)) as wire:
        for _ in range(10):
            for path, body in zip(paths, expected):
                assert ask(wire, get(path)).body == body
        wire.send(b"".join(map(get, paths)) * 50)
        for _ in range(50):
            for body in expected:
                assert wire.answer().body == body


def test_date(wire):
    """The present, in the one form of RFC 9110, 5.6.7, and made anew for each second."""
    seen = set()

    def second_came():
        low = int(time.time())
        text = ask(wire, get("/healthz")).header("Date")
        assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", text)
        date = email.utils.parsedate_to_datetime(text).timestamp()
        # time(2) may lag behind gettimeofday(2) by one tick of the kernel.
        assert low - 1 <= date <= time.time()
        assert email.utils.format_datetime(email.utils.parsedate_to_datetime(text), usegmt=True) == text
        seen.add(date)
        return len(seen) == 2

    wait_until(second_came)


def test_every_answer_is_complete(wire):
    """Fields that are in each one, once."""
    for request, status in [(get("/"), 200), (get("/healthz"), 200), (get("/nothing"), 404),
                            (get("/", method="PUT"), 405), (get("/qr"), 400), (get("/", method="OPTIONS"), 204),
                            (b"bad\r\n\r\n", 400)]:
        answer = ask(wire, request, status)
        names = [name.lower() for name, _ in answer.headers]
        assert len(names) == len(set(names))
        assert {"date", "server-timing", "cache-control", "x-content-type-options"} <= set(names)
        timing = r'queue;dur=\d+\.\d{3}, [a-z]+;dur=\d+\.\d{3}, worker;desc="0"'
        assert re.fullmatch(timing, answer.header("Server-Timing"))
        assert answer.reason == {204: "No Content"}.get(status, http.client.responses[status])


# --- refusals while the client still sends ----------------------------------------------------------------------------

@pytest.mark.parametrize("status, head, rest", [
    (413, get("/qr", "Content-Type: text/plain", "Content-Length: 900000", method="POST"), b"a" * 900000),
    (413, get("/qr", "Content-Type: text/plain", "Transfer-Encoding: chunked", method="POST"),
     (b"1000\r\n" + b"a" * 4096 + b"\r\n") * 200),
    (431, b"GET /?text=", b"a" * 900000),
    (431, b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: aaaaaaaaaa\r\n" * 60000),
    (400, b"POST /qr HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 900000\r\n\r\n", b"a" * 900000),
], ids=["length", "chunked", "line", "fields", "bad"])
def test_answer_can_be_read_while_sending(fleet, status, head, rest):
    """The answer to a request of which much is still to come is not destroyed by a reset: the client sends all it has,
    and only then reads."""
    for _ in range(5):
        with Wire(fleet.worker(0)) as wire:
            assert wire.send(head)
            assert wire.send(rest), "the worker takes what is still sent"
            answer = wire.answer()
            assert answer.status == status and answer.header("Connection") == "close"
            assert wire.is_at_end(), "an end, not a reset"
    wait_until(lambda: fleet.slot(0)["connections"] == 0)


def test_client_that_sends_on_for_ever_is_cut_off(fleet):
    """What comes behind a refusal is read, but not without bound."""
    with Wire(fleet.worker(0)) as wire:
        wire.send(b"bad\r\n\r\n")
        assert wire.answer().status == 400
        sent = 0
        while wire.send(b"a" * 65536):
            sent += 65536
            assert sent < 50 << 20
    wait_until(lambda: fleet.slot(0)["connections"] == 0)


def test_client_that_stays_after_a_refusal_is_cut_off(fleet):
    with connect(fleet.worker(0)) as sock:
        sock.sendall(b"bad\r\n\r\n")
        wait_until(lambda: fleet.slot(0)["connections"] == 0, timeout=5, what="the worker closes, we do not")


# --- IPv6 -------------------------------------------------------------------------------------------------------------

@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_ipv6(picture):
    with Fleet({"workers.address": "::1", "workers.count": 2}, balancer=True) as fleet:
        for at in (fleet.worker(0), fleet.worker(1), fleet.front):
            assert at[0] == "::1"
            with Wire(at) as wire:
                assert ask(wire, get("/qr?text=A", host=f"[::1]:{at[1]}")).body == picture
        assert fleet.status()["fleet"]["ready"] == 2
