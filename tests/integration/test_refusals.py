"""The table "Refusals" of docs/api.md: each of its rows, at a worker and through HAProxy.

The tests take what must come from the table itself: `row("...")` names its first cell, and the statuses and the code
that the other two cells give are what is compared. test_every_row_is_tested holds the two together.

After each refusal the connection (where it is not closed) and the worker go on as if nothing had been.
"""

import contextlib
import http.server
import json
import re
import subprocess
import threading

import pytest

import fleet as fleets
from fleet import Fleet, ROOT, connect, wait_until
from wire import Wire, chunked, get, post, post_chunked

DIRECT, FRONT = "direct", "front"
HEADER_BYTES, BODY_BYTES = 4096, 8192


class Row:
    """A row of the table: for DIRECT and FRONT the statuses that may come, the error code, and whether it closes."""

    def __init__(self, direct, front):
        self.code = (re.findall(r"`([a-z_]+)`", direct) or [None])[0]
        self.statuses = {DIRECT: self._statuses(direct), FRONT: self._statuses(front)}
        if "same" in front:
            self.statuses[FRONT] |= self.statuses[DIRECT]
        self.closed = "closed" in direct
        self.same = front == "same"

    @staticmethod
    def _statuses(cell):
        return {int(number) for number in re.findall(r"\b[2-5]\d\d\b", cell)}


def read_table():
    text = (ROOT / "docs/api.md").read_text().partition("\n## Refusals\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {what: Row(direct, front) for what, direct, front in cells}


TABLE = read_table()
TESTED = set()


def row(what):
    """The row whose first cell begins with `what`."""
    name = next((name for name in TABLE if name.startswith(what)), None)
    assert name, f"docs/api.md has no row {what!r}"
    TESTED.add(name)
    return TABLE[name]


@pytest.fixture(scope="module")
def fleet():
    options = {"workers.count": 1, "workers.max": 1, "limits.header_bytes": HEADER_BYTES,
               "limits.body_bytes": BODY_BYTES}
    with Fleet(options, balancer=True) as running:
        before = running.slot(0)["pid"]
        yield running
        assert running.slot(0)["pid"] == before and running.slot(0)["restarts"] == 0


def address(fleet, way):
    return fleet.worker(0) if way == DIRECT else fleet.front


def is_page_of_haproxy(answer):
    return answer.header("Server-Timing") is None


def has_built_in_pages():
    """HAProxy before 3.3 ends a head that it cannot read, or that does not come, with a page of its own, whatever the
    configuration says (its issue 3032)."""
    text = subprocess.run([fleets.HAPROXY, "-v"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.search(r"version (\d+)\.(\d+)", text).groups())) < (3, 3)


def check_error(answer, code, parameter=None):
    """The documented form, and nothing else."""
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("X-Content-Type-Options") == "nosniff" and answer.header("Cache-Control") == "no-store"
    assert set(answer.json()) == {"error"}
    error = answer.error()
    assert set(error) <= {"code", "message", "parameter"}
    assert error["code"] == code
    assert re.match(r"\S.+\S$", error["message"]), "a sentence for people"
    assert error.get("parameter") == parameter


def check_head_page(answer):
    """HAProxy's page for a head that is no HTTP, or that did not come: one of its own, or ours."""
    if not (answer.header("Content-Type") == "text/html" and has_built_in_pages()):
        check_error(answer, {400: "bad_request", 422: "bad_request", 408: "timeout"}[answer.status])


def check_works(wire):
    """A request on this connection is served."""
    wire.send(get("/qr?text=works&format=json"))
    answer = wire.answer()
    assert answer.status == 200 and answer.json()["result"].startswith("data:image/png;base64,")


def check_serves(fleet, way):
    with Wire(address(fleet, way)) as wire:
        check_works(wire)


def refuse(fleet, way, row, request, parameter=None, head=False):
    """Sends a request that the row is about, compares the answer with it, and sees that life goes on."""
    with Wire(address(fleet, way)) as wire:
        check_works(wire)
        wire.send(request)
        answer = wire.answer(head=head)
        assert answer.status in row.statuses[way]
        if way == FRONT and is_page_of_haproxy(answer) and answer.status in (400, 422):
            check_head_page(answer)
        elif not head:
            check_error(answer, row.code, parameter)
        if answer.header("Connection") == "close" or answer.status == 422:
            assert wire.is_at_end()
        else:
            assert not (row.closed and way == DIRECT)
            check_works(wire)
    check_serves(fleet, way)
    return answer


both = pytest.mark.parametrize("way", [DIRECT, FRONT])


# --- rows that one request shows --------------------------------------------------------------------------------------

WITHOUT_TEXT = row("`/qr` without `text`")


@both
@pytest.mark.parametrize("request_bytes", [
    get("/qr"), get("/qr?"), get("/qr?text="), get("/qr?text"), get("/qr?format=svg&ecLevel=H"), get("/qr?Text=A"),
    post("/qr", b""), post("/qr", b"text=", content_type="application/x-www-form-urlencoded"),
    post("/qr", b"{}", content_type="application/json"), post("/qr", b'{"text":""}', content_type="application/json"),
], ids=lambda request: request.decode().partition("\r\n")[0] + " " + request.decode().rpartition("\r\n")[2])
def test_without_text(fleet, way, request_bytes):
    refuse(fleet, way, WITHOUT_TEXT, request_bytes, parameter="text")


UNKNOWN_PATH = row("unknown path")


@both
@pytest.mark.parametrize("path", ["/nothing", "/qr/", "/QR", "//qr", "/%71r", "/qr;a", "/status.json", "/metrics",
                                  "/lab/sleep?us=1", "/lab/burn?us=1", "/./qr", "/../qr", "/" + "a" * 3000])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_unknown_path(fleet, way, path, method):
    refuse(fleet, way, UNKNOWN_PATH, get(path, "Content-Length: 0", method=method), head=method == "HEAD")


OTHER_METHOD = row("known path, other method")


@both
@pytest.mark.parametrize("path, methods, allow", [
    ("/", ["POST", "PUT", "DELETE", "PATCH", "TRACE"], "GET, HEAD, OPTIONS"),
    ("/qr?text=A", ["PUT", "DELETE", "PATCH", "TRACE"], "GET, HEAD, POST, OPTIONS"),
    ("/healthz", ["POST", "PUT", "DELETE", "PATCH", "TRACE"], "GET, HEAD, OPTIONS"),
])
def test_other_method(fleet, way, path, methods, allow):
    for method in methods:
        body = () if method == "TRACE" else ("Content-Length: 0",)
        assert refuse(fleet, way, OTHER_METHOD, get(path, *body, method=method)).header("Allow") == allow


UNKNOWN_METHOD = row("unknown method")


@both
@pytest.mark.parametrize("method", ["BREW", "get", "Get", "GETX", "PROPFIND", "M-SEARCH", "!#$%&'*+-.^_`|~", "A" * 32])
@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_unknown_method(fleet, way, method, path):
    answer = refuse(fleet, way, UNKNOWN_METHOD, get(path, "Content-Length: 0", method=method))
    assert answer.header("Allow") is None


BAD_VALUE = row("broken percent-encoding")
BAD_QUERIES = [
    ("text=%", "text"), ("text=%4", "text"), ("text=%zz", "text"), ("text=A%4g", "text"),
    ("text=A&margin=%%", "margin"),
    ("text=A&text=B", "text"), ("text=A&scale=1&scale=1", "scale"), ("text=A&format=png&format=png", "format"),
    ("text=A&format=gif", "format"), ("text=A&format=", "format"), ("text=A&format=PNG", "format"),
    ("text=A&ecLevel=X", "ecLevel"), ("text=A&ecLevel=", "ecLevel"), ("text=A&ecLevel=LM", "ecLevel"),
    ("text=A&margin=-1", "margin"), ("text=A&margin=65", "margin"), ("text=A&margin=1.0", "margin"),
    ("text=A&margin=0x1", "margin"), ("text=A&margin=+1", "margin"), ("text=A&margin=1e1", "margin"),
    ("text=A&scale=0", "scale"), ("text=A&scale=65", "scale"), ("text=A&scale=99999999999999999999", "scale"),
    ("text=A&size=20", "size"), ("text=A&size=4097", "size"), ("text=A&size=21", "size"),
    ("text=A&size=300&scale=4", "scale"), ("text=" + "a" * 2300 + "&scale=40", "scale"),
    ("text=A&dark=12345", "dark"), ("text=A&dark=gggggg", "dark"), ("text=A&light=%23", "light"),
    ("text=A&eci=yes", "eci"), ("text=A&eci=", "eci"),
]


@both
@pytest.mark.parametrize("query, parameter", BAD_QUERIES, ids=lambda value: value[:30])
def test_bad_value(fleet, way, query, parameter):
    refuse(fleet, way, BAD_VALUE, get("/qr?" + query), parameter)
    form = post("/qr", query.encode(), content_type="application/x-www-form-urlencoded")
    refuse(fleet, way, BAD_VALUE, form, parameter)


@both
@pytest.mark.parametrize("body, parameter", [
    (b"", "body"), (b"{", "body"), (b"[]", "body"), (b'"text"', "body"), (b'{"text":"A"}x', "body"),
    (b"\xff", "body"), (b'{"text":"\xff"}', "body"), (b'{"text":"A","text":"B"}', "body"), (b"[" * 4000, "body"),
    (b'{"text":1}', "text"), (b'{"text":null}', "text"), (b'{"text":"A","margin":-1}', "margin"),
    (b'{"text":"A","margin":1.5}', "margin"), (b'{"text":"A","scale":[]}', "scale"), (b'{"text":"A","eci":2}', "eci"),
])
def test_bad_json(fleet, way, body, parameter):
    refuse(fleet, way, BAD_VALUE, post("/qr", body, content_type="application/json"), parameter)


@both
def test_parameter_in_query_and_body(fleet, way):
    request = post("/qr?text=A", b"text=B", content_type="application/x-www-form-urlencoded")
    refuse(fleet, way, BAD_VALUE, request, "text")


TOO_LONG = row("longer than the level")


@both
@pytest.mark.parametrize("level, most", [("L", 2953), ("M", 2331), ("Q", 1663), ("H", 1273)])
def test_text_too_long(fleet, way, level, most):
    path = f"/qr?scale=1&ecLevel={level}"
    answer = refuse(fleet, way, TOO_LONG, post(path, b"a" * (most + 1)), "text")
    needed, held = [int(n) for n in re.findall(r"\d+", answer.error()["message"]) if int(n) > 1000]
    # Mode and length indicators of byte mode in version 40: 4 + 16 bits.
    assert needed == 20 + 8 * (most + 1) and needed - 8 <= held < needed
    with Wire(address(fleet, way)) as wire:
        wire.send(post(path, b"a" * most))
        assert wire.answer().status == 200


BODY_OVER = row("body over `limits.body_bytes`")


@both
@pytest.mark.parametrize("kind", ["announced", "chunks", "one chunk", "all of it", "much more"])
def test_body_over_the_limit(fleet, way, kind):
    over = b"a" * (BODY_BYTES + 1)
    requests = {
        "announced": get("/qr", "Content-Type: text/plain", f"Content-Length: {len(over)}", method="POST"),
        "chunks": post_chunked("/qr", *[over[at:at + 1000] for at in range(0, len(over), 1000)]),
        "one chunk": post_chunked("/qr", over),
        "all of it": post("/qr", over),
        "much more": post("/qr", over * 100),
    }
    refuse(fleet, way, BODY_OVER, requests[kind])


@both
def test_announced_length_beyond_all_numbers(fleet, way):
    """2^63 is still a number; it is refused by its size, before any of it has come."""
    request = get("/qr", "Content-Type: text/plain", f"Content-Length: {2**63 - 1}", method="POST")
    refuse(fleet, way, BODY_OVER, request)


@both
def test_body_at_the_limit_is_taken(fleet, way):
    body = b'{"text":"A","unknown":"' + b"a" * (BODY_BYTES - 25) + b'"}'
    assert len(body) == BODY_BYTES
    with Wire(address(fleet, way)) as wire:
        for request in (post, post_chunked):
            wire.send(request("/qr", body, content_type="application/json"))
            assert wire.answer().status == 200


HEADERS_OVER = row("request line or headers over")


@both
@pytest.mark.parametrize("request_bytes", [
    get("/qr?text=" + "a" * HEADER_BYTES), get("/", "X: " + "a" * HEADER_BYTES), get("/", "X" * HEADER_BYTES + ": a"),
    get("/", *[f"X-{n}: {'a' * 100}" for n in range(60)]), get("/", *[f"X-{n}: a" for n in range(100)]),
    get("/", *[f"X-{n}: a" for n in range(120)]), get("/", "X: " + "a" * 100 * HEADER_BYTES),
    get("/qr?text=" + "a" * 100 * HEADER_BYTES),
], ids=["line", "value", "name", "all", "101 fields", "121 fields", "value, huge", "line, huge"])
def test_headers_over_the_limit(fleet, way, request_bytes):
    answer = refuse(fleet, way, HEADERS_OVER, request_bytes)
    assert way == FRONT or answer.header("Connection") == "close"


def test_headers_at_the_limit_are_taken(fleet):
    """The limit is exact at the worker."""
    padding = HEADER_BYTES - len(get("/healthz", "X: "))
    with Wire(fleet.worker(0)) as wire:
        wire.send(get("/healthz", "X: " + "a" * padding))
        assert wire.answer().status == 200
        wire.send(get("/healthz", *["X: a"] * 99))
        assert wire.answer().status == 200
        wire.send(get("/healthz", "X: " + "a" * (padding + 1)))
        assert wire.answer().status == 431


NOT_HTTP = row("not HTTP, or HTTP that can be read in two ways")
POST_QR = b"POST /qr HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n"
AMBIGUOUS = {
    "two lengths": POST_QR + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nAB",
    "length list": POST_QR + b"Content-Length: 1, 2\r\n\r\nAB",
    "coding other than chunked": POST_QR + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked(b"A"),
    "length and chunked": POST_QR + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n" + chunked(b"A"),
    "bare CR in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    "bare CR as a line end": b"GET / HTTP/1.1\rHost: a\r\r",
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "folded field": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "blank before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "version 2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a word": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)) + b"\r\n\r\n",
    "SMTP": b"EHLO example.org\r\nMAIL FROM:<a@example.org>\r\n\r\n",
    "bytes": bytes(range(256)),
}
# HAProxy makes one reading of these and passes on that one.
MADE_GOOD = {"folded field", "bare LF", "length and chunked", "version 2.0"}


@both
@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_not_http(fleet, way, kind):
    if way == FRONT and kind in MADE_GOOD:
        with Wire(fleet.front) as wire:
            wire.send(AMBIGUOUS[kind])
            assert wire.answer().status in (200, 400)
        check_serves(fleet, way)
        return  # test_smuggling.py compares the two readings
    refuse(fleet, way, NOT_HTTP, AMBIGUOUS[kind])


MEDIA_TYPE = row("body of another content type")


@both
@pytest.mark.parametrize("content_type", ["text/html", "application/xml", "multipart/form-data; boundary=a", "text",
                                          "application/jsonp", "text/plainer", "image/png", "*/*"])
def test_content_type(fleet, way, content_type):
    refuse(fleet, way, MEDIA_TYPE, post("/qr", b"A", content_type=content_type))
    refuse(fleet, way, MEDIA_TYPE, post_chunked("/qr", b"A", content_type=content_type))


# --- rows that need a fleet of their own ------------------------------------------------------------------------------

OVERLOADED = row("queue full, or waited longer")
SLEEPER = {"lab.enabled": True, "workers.count": 1, "workers.max": 1}


def check_overloaded(answer):
    assert answer.status in OVERLOADED.statuses[DIRECT]
    check_error(answer, OVERLOADED.code)
    assert int(answer.header("Retry-After")) >= 1


@both
def test_queue_full(way):
    with Fleet({**SLEEPER, "limits.queue": 1}, balancer=True) as fleet, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(address(fleet, way))) for _ in range(6)]
        wires[0].send(get("/lab/sleep?us=800000"))
        wait_until(lambda: fleet.slot(0)["active"] == 1)
        for wire in wires[1:]:
            wire.send(get("/lab/sleep?us=1000"))
        answers = [wire.answer() for wire in wires]
        assert sorted(answer.status for answer in answers) == [200, 200, 503, 503, 503, 503]
        for wire, answer in zip(wires, answers):
            if answer.status == 503:
                check_overloaded(answer)
            check_works(wire)
        assert fleet.slot(0)["shed_full"] == 4


@both
def test_waited_too_long(way):
    """HAProxy's stamp says how long; a worker by itself counts from when it could read the request, so that the first
    one of those that came while it was blocked is still in time."""
    with Fleet({**SLEEPER, "limits.queue_ms": 100}, balancer=True) as fleet, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(address(fleet, way))) for _ in range(5)]
        wires[0].send(get("/lab/sleep?us=300000"))
        wait_until(lambda: fleet.slot(0)["active"] == 1)
        for wire in wires[1:]:
            wire.send(get("/lab/sleep?us=300000"))
        answers = [wire.answer() for wire in wires]
        late = [answer for answer in answers if answer.status != 200]
        assert answers[0].status == 200 and len(late) == (4 if way == FRONT else 3)
        for answer in late:
            check_overloaded(answer)
        for wire in wires:
            check_works(wire)
        assert fleet.slot(0)["shed_late"] == len(late)


def test_waited_too_long_in_haproxy():
    """Policy central: the request waits in HAProxy, whose queue timeout is limits.queue_ms."""
    options = {**SLEEPER, "balancer.policy": "central", "limits.queue_ms": 200}
    with Fleet(options, balancer=True) as fleet, Wire(fleet.front) as first, Wire(fleet.front) as second:
        first.send(get("/lab/sleep?us=1000000"))
        wait_until(lambda: fleet.slot(0)["active"] == 1)
        second.send(get("/"))
        answer = second.answer()
        assert is_page_of_haproxy(answer)
        check_overloaded(answer)
        assert first.answer().status == 200
        check_works(first)
        assert "/" not in fleet.slot(0)["answers"], "the worker never saw it"


NOT_COMPLETE = row("request not complete `limits.client_ms`")


@both
@pytest.mark.parametrize("part", [b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX-", get("/")[:-1],
                                  POST_QR + b"Content-Length: 5\r\n\r\n", POST_QR + b"Content-Length: 5\r\n\r\nABCD",
                                  POST_QR + b"Transfer-Encoding: chunked\r\n\r\n5\r\nAB",
                                  POST_QR + b"Transfer-Encoding: chunked\r\n\r\n1\r\nA\r\n0\r\n"],
                         ids=lambda part: repr(part[-12:]))
def test_request_not_complete(impatient, way, part):
    with Wire(address(impatient, way)) as wire:
        check_works(wire)
        wire.send(part)
        answer = wire.answer()
        assert answer.status in NOT_COMPLETE.statuses[way]
        if way == DIRECT:
            check_error(answer, NOT_COMPLETE.code)
        else:
            check_head_page(answer)
            if b"\r\n\r\n" in part:
                check_error(answer, NOT_COMPLETE.code)
        assert answer.header("Connection") == "close" and wire.is_at_end()
    check_serves(impatient, way)


@pytest.fixture(scope="module")
def impatient():
    with Fleet({"workers.count": 1, "workers.max": 1, "limits.client_ms": 200}, balancer=True) as running:
        yield running


CONNECTIONS = row("more than `limits.connections`")


def test_too_many_connections():
    """Nobody is refused: whoever was idle longest gives way."""
    options = {"workers.count": 1, "workers.max": 1, "limits.connections": 2}
    with Fleet(options) as fleet, contextlib.ExitStack() as stack:
        wires = []
        for _ in range(6):
            wires.append(stack.enter_context(Wire(fleet.worker(0))))
            check_works(wires[-1])
            assert fleet.slot(0)["connections"] <= 2
        assert [wire.is_open() for wire in wires] == [False] * 4 + [True] * 2
        check_serves(fleet, DIRECT)


def test_more_clients_than_connections_through_haproxy():
    """HAProxy lends its few connections to all clients: theirs do not count."""
    with Fleet({"workers.count": 1, "workers.max": 1, "limits.connections": 2}, balancer=True) as fleet:
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                check_works(stack.enter_context(Wire(fleet.front)))
            assert fleet.slot(0)["connections"] <= 2


GONE = row("a client that closes its side before its turn came")


@both
def test_client_that_is_gone(way):
    """Where HAProxy hangs up too, its requests are abandoned as well; where it does not, they are worked for."""
    heard = way == DIRECT or GONE.same
    with Fleet(SLEEPER, balancer=True) as fleet, Wire(address(fleet, way)) as first:
        first.send(get("/lab/sleep?us=800000"))
        wait_until(lambda: fleet.slot(0)["active"] == 1)
        for number in range(3):
            with Wire(address(fleet, way)) as gone:
                gone.send(get("/lab/sleep?us=1000"))
                if way == FRONT:
                    wait_until(lambda: int(fleet.servers()[0]["scur"]) == (2 if heard else 2 + number))
            if way == FRONT and heard:
                wait_until(lambda: int(fleet.servers()[0]["scur"]) == 1, timeout=5, what="HAProxy hangs up too")
        assert first.answer().status == 200
        check_works(first)
        slot = wait_until(lambda: (s := fleet.slot(0))["abandoned"] + s["answers"]["/lab/sleep"]["200"] == 4 and s)
        assert slot["abandoned"] == (3 if heard else 0)


# --- HAProxy's own pages ----------------------------------------------------------------------------------------------

class Broken(http.server.BaseHTTPRequestHandler):
    """In place of a worker: healthy, but its answers are none."""

    def do_GET(self):
        if self.path == "/healthz":
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/garbage":
            self.wfile.write(b"this is not HTTP\r\n\r\n")
        elif self.path == "/silence":
            self.server.silence.wait(10)
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def broken():
    """HAProxy in front of a server that misbehaves."""
    with Fleet({"workers.count": 1, "workers.max": 1, "balancer.timeout_ms": 300}, balancer=False) as fleet:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken)
        server.silence = threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        fleet.render()
        config = fleet.directory / "haproxy.cfg"
        config.write_text(config.read_text().replace(f":{fleet.worker(0)[1]}", f":{server.server_port}"))
        fleet.haproxy = fleet._spawn([fleets.HAPROXY, "-db", "-f", config], "haproxy.log")
        wait_until(lambda: len(fleet.servers("UP")) == 1)
        yield fleet
        server.silence.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("path, status, code", [("/garbage", 502, "bad_gateway"), ("/silence", 504, "gateway_timeout")])
def test_pages_of_haproxy_for_a_broken_worker(broken, path, status, code):
    with Wire(broken.front) as wire:
        wire.send(get(path))
        answer = wire.answer()
        assert answer.status == status and is_page_of_haproxy(answer)
        check_error(answer, code)


def test_page_of_haproxy_without_any_worker():
    with Fleet({"workers.count": 1, "workers.max": 1}, balancer=True) as fleet:
        fleet.master.terminate()
        fleet.master.wait()
        wait_until(lambda: len(fleet.servers("DOWN")) == 1)
        with Wire(fleet.front) as wire:
            wire.send(get("/"))
            check_overloaded(wire.answer())


def test_pages_of_haproxy_in_the_configuration(broken):
    """Every page that HAProxy can make by itself is one of ours; also those that no test can bring about."""
    text = (broken.directory / "haproxy.cfg").read_text()
    pages = dict(re.findall(r"^\s*http-error status (\d+) content-type application/json string '(.*?)'", text, re.M))
    assert {"400", "408", "413", "500", "501", "502", "503", "504"} <= set(pages)
    for page in pages.values():
        error = json.loads(page)["error"]
        assert set(error) <= {"code", "message", "parameter"} and error["code"] and error["message"]


# --- the table itself -------------------------------------------------------------------------------------------------

def test_every_row_is_tested():
    assert TABLE and TESTED == set(TABLE)


def test_refusals_change_nothing(fleet):
    """After all of the above: one worker, never replaced, with nothing open or queued but HAProxy's connections."""
    slot = wait_until(lambda: (s := fleet.slot(0))["active"] == 0 and s)
    assert slot["queue"] == 0 and slot["restarts"] == 0 and slot["state"] == "ready"
    with connect(fleet.worker(0)) as sock:
        sock.sendall(get("/healthz"))
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
