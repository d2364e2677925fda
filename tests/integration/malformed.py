"""Bad requests without end, for test_malformed.py; the same ones for the same seed.

stream() yields Plans: what to send on one connection, how to end it, and how many requests that makes which nobody
could serve, or which are not there in full.
"""

import collections
import random

from wire import chunked, get, post, post_chunked

FORM, JSON = "application/x-www-form-urlencoded", "application/json"

# How a connection ends: the worker closes it (CLOSED); the client says that nothing more comes (END), hangs up without
# reading (HANG_UP), resets (RESET), or waits for the worker's patience to end (SLOW).
CLOSED, END, HANG_UP, RESET, SLOW = "closed", "end", "hang up", "reset", "slow"

Plan = collections.namedtuple("Plan", "pieces ending bad")

# Refused, and the connection lives on.
KEPT = [
    get("/qr"), get("/qr?text="), get("/nothing"), get("/" + "a" * 500), get("/", method="BREW"),
    get("/", method="PUT"), get("/qr?text=%zz"), get("/qr?text=A&text=B"), get("/qr?text=A&scale=0"),
    get("/qr?text=A&size=21&margin=64"), get("/qr?text=A&size=1e9"), get("/qr?text=A&dark=red"),
    get("/qr?text=" + "a" * 3000), get("/qr?" + "a&" * 2000), get("/lab/sleep?us=1000000"),
    get("/qr?text=A&ecLevel=%00"), get("/healthz", method="DELETE"), post("/qr", b"A", content_type="a/b"),
    post("/qr", b"a" * 5000), post("/", b"A"), post("/qr", b""), post("/qr", b"text=%", content_type=FORM),
    post("/qr", b"&" * 3000, content_type=FORM), post("/qr", b"text=A" * 1000, content_type=FORM),
    post("/qr", b"{", content_type=JSON), post("/qr", b'{"text":"A","scale":1e400}', content_type=JSON),
    post("/qr", b"[" * 3000, content_type=JSON), post("/qr", b'{"a":' * 1000, content_type=JSON),
    post("/qr", b'{"text":"' + b"\\u0000" * 900 + b'"}', content_type=JSON),
    post("/qr", b"\xff" * 100, content_type=JSON),
    post("/qr", b'{"text":["' + b"a" * 9000 + b'"]}', content_type=JSON), post_chunked("/qr", *[b"a"] * 3500),
    post_chunked("/qr", b"text=", b"%", content_type=FORM),
]

# Refused, and the connection ends.
ENDING = [
    b"\x00", b"\n", b"GET\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"hello world\r\n\r\n", b"GET / HTTP/1.1\nHost: a\n\n", b"GET  / HTTP/1.1\r\n",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", b"PRI * HTTP/2.0\r\n\r\n", get("/", "Host: b"),
    get("/", "Content-Length: 1", "Content-Length: 2"), get("/", "Content-Length: -1"),
    get("/", "Content-Length: 99999999999999999999"), get("/", "Transfer-Encoding: gzip"), get("/", "X : a"),
    get("/", " X: a"), get("/", "Content-Length: 1", "Transfer-Encoding: chunked"), get("/", "X: a\x00"),
    get("/", "Expect: x"), get("/", ": a"), get("/", "Content-Length: 65537", method="POST"),
    get("/", "Connection: @"), get("/#a"), get("//", host=""), get("/", "a" * 16384), get("/" + "a" * 16384),
    get("/", *["X: " + "a" * 200] * 90), get("/", *["X: a"] * 101), get("/", "Transfer-Encoding: chunked") + b"x\r\n",
    get("/", "Transfer-Encoding: chunked") + b"1\r\nAB\r\n",
    get("/", "Transfer-Encoding: chunked") + b"ffffffffffffffff\r\n",
    get("/", "Transfer-Encoding: chunked") + b"10001\r\n", get("/", "Transfer-Encoding: chunked") + b"1;" + b"a" * 300,
    get("/", "Transfer-Encoding: chunked") + b"0\r\nX\r\n",
    get("/qr", "Transfer-Encoding: chunked") + (b"1000\r\n" + b"a" * 4096 + b"\r\n") * 17,
    get("/qr", "Transfer-Encoding: chunked") + b"0\r\n" + b"X: a\r\n" * 4000,
    get("/", "Content-Length: 1000000", method="POST") + b"a" * 200000,
]

# What mutation starts from.
VALID = [
    get("/"), get("/qr?text=A&format=svg&margin=1&scale=2&ecLevel=H"), get("/healthz"), get("*", method="OPTIONS"),
    get("http://a/qr?text=B", "Accept: */*", "User-Agent: test", "If-None-Match: W/\"0\"", "Connection: keep-alive"),
    post("/qr", b"text=A&dark=%23f00&light=00f", content_type=FORM), post_chunked("/qr", b"some", b" ", b"text"),
    post("/qr", b'{"text": "A", "size": 300, "format": "json"}', content_type=JSON),
    get("/qr", "Expect: 100-continue", "Transfer-Encoding: chunked", method="POST") + chunked(b"A", b"B"),
    get("/qr?text=%41%42+C", "X-Request-Start: t=1", "X-Request-Id: 1", method="HEAD"),
]
ODD = [
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\x00", b" ", b"\t", b":", b";", b",", b"%", b"\xff", b"-", b"+", b"0",
    b"9" * 20, b"f" * 16, b"chunked", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n",
    b"a" * 300, b"HTTP/1.1", b"GET ", b"/../", b"?", b"&", b"=", b"[", b"{", b'"', b"\\u0000", b"\xed\xa0\x80",
]


def mutate(data, r):
    """One to eight changes: a bit, a byte, a piece taken out, doubled, moved, or something odd put in."""
    data = bytearray(data)
    for _ in range(r.randint(1, 8)):
        at = r.randrange(len(data) + 1)
        end = min(len(data), at + r.randint(1, 40))
        change = r.randrange(7)
        if change == 0 and at < len(data):
            data[at] ^= 1 << r.randrange(8)
        elif change == 1 and at < len(data):
            data[at] = r.randrange(256)
        elif change == 2:
            del data[at:end]
        elif change == 3:
            data[at:at] = data[at:end] * r.randint(1, 4)
        elif change == 4:
            to = r.randrange(len(data) + 1)
            data[to:to] = data[at:end]
        else:
            data[at:at] = r.choice(ODD)
    return bytes(data)


def cut(data, r):
    """In pieces, as they may arrive."""
    pieces = []
    while data:
        size = r.choice([1, 2, 5, 20, 100, 1000, 100000])
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def several(r):
    """Some that keep the connection, and one that ends it."""
    kept = r.choices(KEPT, k=r.randint(0, 8))
    return Plan([b"".join(kept) + r.choice(ENDING)], CLOSED, len(kept) + 1)


def mutated(r):
    return Plan([mutate(r.choice(VALID), r)], END, 1)


def mutated_in_pieces(r):
    return Plan(cut(mutate(r.choice(VALID + KEPT), r), r)[:50], END, 1)


def noise(r):
    return Plan([r.randbytes(r.choice([1, 10, 100, 1000, 20000]))], END, 1)


def truncated(r):
    data = r.choice(VALID + KEPT)
    return Plan([data[:r.randrange(1, len(data))]], END, 1)


def aborted(r):
    """The client goes away, in the midst of a request or before its answer."""
    data = r.choice(KEPT + ENDING)
    return Plan([data[:r.randrange(1, len(data) + 1)]], r.choice([HANG_UP, RESET]), 1)


def slow(r):
    data = r.choice(VALID)
    return Plan([data[:r.randrange(1, len(data))]], SLOW, 1)


KINDS = {several: 50, mutated: 120, mutated_in_pieces: 10, noise: 20, truncated: 30, aborted: 30, slow: 1}


def all_of_them():
    """Each fixed one once: the largest buffers that a worker will ever need for them."""
    yield from (Plan([request, b"\x00"], CLOSED, 1) for request in KEPT)
    yield from (Plan([request], CLOSED, 1) for request in ENDING)


def stream(seed):
    r = random.Random(seed)
    while True:
        yield r.choices(list(KINDS), list(KINDS.values()))[0](r)
