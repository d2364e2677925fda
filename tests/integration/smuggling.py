"""Requests that two parsers might cut differently, for test_smuggling.py.

Each case is what goes over one connection: a request in which another one, to HIDDEN, is written as data. Behind it
comes PROBE_REQUEST, an ordinary one that can be told by its answer.
"""

from wire import get

HIDDEN = "/qr?text=hidden&format=svg"
PROBE = "/qr?text=probe&format=svg"

HIDDEN_REQUEST = get(HIDDEN)
PROBE_REQUEST = get(PROBE, "Connection: close")
POST = b"POST /qr HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def length(n):
    return b"Content-Length: %d\r\n" % n


def with_fields(fields, body):
    return POST + fields + b"\r\n" + body


def in_chunk(data):
    """data as the only chunk of a body."""
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)


ENDS = b"0\r\n\r\n" + HIDDEN_REQUEST        # for those who read chunks the request is behind the body
N = len(ENDS)
SIZE = length(len(HIDDEN_REQUEST))
REFUSED, GOOD = "400", "200 PROBE"


def te(line):
    """Content-Length covers the hidden request; whoever takes `line` for chunked finds it behind the body."""
    return with_fields(length(N) + line + b"\r\n", ENDS)


def te_only(line):
    """Whoever takes `line` for chunked finds the hidden request in a chunk, others behind the head."""
    return with_fields(line + b"\r\n", in_chunk(HIDDEN_REQUEST))


def cl(line):
    """Whoever takes `line` for the length of the hidden request finds it in the body, others behind the head."""
    return with_fields(line % len(HIDDEN_REQUEST) + b"\r\n", HIDDEN_REQUEST)


def chunk(line, data=HIDDEN_REQUEST, end=b"\r\n0\r\n\r\n"):
    """A chunked body whose first line is as given; %x is the size of the data."""
    return with_fields(CHUNKED, (line % len(data) if b"%" in line else line) + data + end)


def head(line):
    """A request of which only the first line is odd."""
    return line + b"\r\nHost: a\r\n" + SIZE + b"\r\n" + HIDDEN_REQUEST


def field(line):
    """One more field in an ordinary request."""
    return with_fields(SIZE + line + b"\r\n", HIDDEN_REQUEST)


def hidden_in_value(separator):
    """A head that goes on for us, and ends for whoever takes the separator for a line end."""
    return b"GET / HTTP/1.1\r\nHost: a\r\nX: a" + separator * 2 + HIDDEN_REQUEST[:-2] + b"\r\n"


def group(name, make, lines):
    """Cases that differ in one line."""
    pairs = [line if isinstance(line, tuple) else (line, REFUSED) for line in lines]
    names = [f"{name} {line[:60]!r}" + f"... {len(line)}" * (len(line) > 60) for line, _ in pairs]
    assert len(set(names)) == len(names), "two cases of one name"
    return {name: (make(line), expected) for name, (line, expected) in zip(names, pairs)}


# By name: the bytes, and what a worker answers if they come straight to it: as a rule 400, and nothing behind it.
# HIDDEN and PROBE stand for the answers to these two. Where HIDDEN is answered, it is a request for everybody: nothing
# before it says that it is a body.
CASES = {
    # Content-Length and Transfer-Encoding.
    "CL.TE": te(b"Transfer-Encoding: chunked"),
    "TE.CL": with_fields(CHUNKED + length(4), in_chunk(HIDDEN_REQUEST)),
    "CL.TE, length 0": with_fields(length(0) + CHUNKED, in_chunk(HIDDEN_REQUEST)),
    "CL.TE twice": with_fields(length(N) + CHUNKED + length(N), ENDS),
    "TE in HTTP/1.0": te(b"Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "TE in HTTP/1.0, no CL": te_only(b"Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "TE, keep-alive in HTTP/1.0": te(b"Transfer-Encoding: chunked\r\nConnection: keep-alive")
        .replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    # Transfer-Encoding in disguise.
    **group("TE.TE", te, [
        b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunkedx", b"Transfer-Encoding: identity",
        b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked",
        b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: chunked,",
        b"Transfer-Encoding: ,chunked", b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding: \"chunked\"",
        b"Transfer-Encoding: 'chunked'", b"Transfer-Encoding:chunked", b"Transfer-Encoding:\tchunked",
        b"Transfer-Encoding: \t chunked \t", b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding:\x0cchunked",
        b"Transfer-Encoding: chunked\x0b", b"Transfer-Encoding: \xa0chunked", b"Transfer-Encoding: \x00chunked",
        b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked",
        b" Transfer-Encoding: chunked", b"\tTransfer-Encoding: chunked", b"Transfer-Encoding\x00: chunked",
        b"Transfer-Encoding\xa0: chunked", (b"Transfer_Encoding: chunked", GOOD),
        (b"Transfer-Encodin: chunked", GOOD), b"Transfer Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", b"Transfer-Encoding:\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: x\r\n chunked",
        b"X: y\r\n Transfer-Encoding: chunked", b"X: y\nTransfer-Encoding: chunked",
        b"X: y\rTransfer-Encoding: chunked", b"X: y\n\rTransfer-Encoding: chunked", b"TRANSFER-ENCODING: CHUNKED",
        b"tRANSFER-eNCODING: cHUNKED", b"Transfer-Encoding: \xe2\x84\xaaunked", (b"Content-Encoding: chunked", GOOD),
        (b"TE: chunked", GOOD), (b"X-Transfer-Encoding: chunked", GOOD), b"Transfer-Encoding; chunked",
        b"Transfer-Encoding chunked", b"Transfer-Encoding:", b"Transfer-Encoding: chunk",
        b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", (b"Connection: close, Content-Length", "200"),
        (b"Connection: Content-Length", GOOD),
        (b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA", GOOD),
        (b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YQ==", GOOD),
    ]),
    **group("TE alone", te_only, [
        (b"Transfer-Encoding: chunked", GOOD), b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding: chunked;", b"Transfer-Encoding: gzip",
    ]),
    # Content-Length in disguise.
    **group("CL", cl, [
        b"Content-Length: +%d", b"Content-Length: -%d", (b"Content-Length: 0%d", GOOD),
        (b"Content-Length: 0000000000000000000000%d", GOOD), (b"Content-Length: %x", "200 400"),
        b"Content-Length: 0x%x", b"Content-Length: %d.0", b"Content-Length: %de0", b"Content-Length: %d,",
        b"Content-Length: ,%d", b"Content-Length: %d;", b"Content-Length: \"%d\"", b"Content-Length: %d a",
        b"Content-Length: 0 %d", b"Content-Length: %d 0", b"Content-Length: 1_%d", b"Content-Length: %d\x00",
        b"Content-Length: \x0b%d", b"Content-Length: %d\x0c", b"Content-Length: \xa0%d",
        (b"Content-Length:\t %d \t", GOOD), b"Content-Length : %d", b" Content-Length: %d",
        (b"Content_Length: %d", "400 HIDDEN PROBE"), b"Content-Length\x00: %d",
        b"Content-Length: 0\r\nContent-Length: %d", b"Content-Length: %d\r\nContent-Length: 0",
        b"Content-Length: 0, %d", b"Content-Length: %d, 0", b"Content-Length:\r\nContent-Length: %d",
        b"Content-Length: \r\n %d", b"Content-Length: %d\r\n 0", b"X: y\nContent-Length: %d",
        b"X: y\rContent-Length: %d", b"Content-Length: 184467440737095516%d",
        b"Content-Length: 18446744073709551616\r\nX-%d: a", b"Content-Length: \xd9\xa3%d",
        (b"CONTENT-LENGTH: %d", GOOD),
    ]),
    "CL twice, the same": with_fields(SIZE + SIZE, HIDDEN_REQUEST),
    "CL list, the same": with_fields(SIZE[:-2] + b", %d\r\n" % len(HIDDEN_REQUEST), HIDDEN_REQUEST),
    "CL of a GET": (b"GET /qr?text=A HTTP/1.1\r\nHost: a\r\n" + SIZE + b"\r\n" + HIDDEN_REQUEST, GOOD),
    "CL of a HEAD": (b"HEAD /qr?text=A HTTP/1.1\r\nHost: a\r\n" + SIZE + b"\r\n" + HIDDEN_REQUEST, GOOD),
    "CL of an OPTIONS": (b"OPTIONS /qr HTTP/1.1\r\nHost: a\r\n" + SIZE + b"\r\n" + HIDDEN_REQUEST, "204 PROBE"),
    "CL of a DELETE": (b"DELETE /qr HTTP/1.1\r\nHost: a\r\n" + SIZE + b"\r\n" + HIDDEN_REQUEST, "405 PROBE"),
    "CL of a TRACE": (b"TRACE /qr HTTP/1.1\r\nHost: a\r\n" + SIZE + b"\r\n" + HIDDEN_REQUEST, "405 PROBE"),
    "CL of an unknown method": (b"BREW /qr HTTP/1.1\r\nHost: a\r\n" + SIZE + b"\r\n" + HIDDEN_REQUEST, "501 PROBE"),
    "CL to an unknown path": (b"POST /no HTTP/1.1\r\nHost: a\r\n" + SIZE + b"\r\n" + HIDDEN_REQUEST, "404 PROBE"),
    "chunks of a GET": (b"GET /qr?text=A HTTP/1.1\r\nHost: a\r\n" + CHUNKED + b"\r\n" + in_chunk(HIDDEN_REQUEST), GOOD),
    "chunks of a HEAD": (
        b"HEAD /qr?text=A HTTP/1.1\r\nHost: a\r\n" + CHUNKED + b"\r\n" + in_chunk(HIDDEN_REQUEST), GOOD),
    "CL, HTTP/1.0": (b"POST /qr HTTP/1.0\r\nConnection: keep-alive\r\nContent-Type: text/plain\r\n" +
        SIZE + b"\r\n" + HIDDEN_REQUEST, GOOD),
    "CL and 100-continue": (with_fields(SIZE + b"Expect: 100-continue\r\n", HIDDEN_REQUEST), GOOD),
    "CL and another Expect": with_fields(SIZE + b"Expect: 100-continue, x\r\n", HIDDEN_REQUEST),
    "CL, wrong type": (b"POST /qr HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\n" + SIZE + b"\r\n" +
        HIDDEN_REQUEST, "415 PROBE"),
    "a body too short by one": (with_fields(length(len(HIDDEN_REQUEST) + 1), HIDDEN_REQUEST + b"G"), GOOD),
    # Chunks.
    **group("chunk line", chunk, [
        (b"%x\r\n", GOOD), (b"%X\r\n", GOOD), (b"0%x\r\n", GOOD), b"00000000000000%x\r\n",
        b"000000000000000000000000000000000%x\r\n", b"0x%x\r\n", b"+%x\r\n", b"-%x\r\n", b" %x\r\n", b"%x \r\n",
        b"\t%x\r\n", b"%x\t\r\n", (b"%x;\r\n", GOOD), (b"%x;a\r\n", GOOD), (b"%x;a=b;c=\"d\"\r\n", GOOD),
        b"%x ;a\r\n", b"%x; a\r\n", b"%x;\n\r\n", b"%x;a\rb\r\n", b"%x;a\x00\r\n", b"%x\n", b"%x\r", b"%x\n\r",
        b"%x\r\r\n", b"%x\x00\r\n", b"%x,\r\n", b"%xg\r\n", b"\r\n%x\r\n", b"\n%x\r\n",
        (b"%x;" + b"a" * 200 + b"\r\n", GOOD), b"%x;" + b"a" * 5000 + b"\r\n", b"1%016x\r\n", b"%x%%\r\n",
        b"ffffffffffffffff\r\n", b"fffffffffffffffff%x\r\n", b"10000000000000000\r\n", b"7fffffffffffffff\r\n",
        (b"80000000\r\n", "413"), b"-1\r\n", b"\xef\xbc\x91\r\n", (b"0;\r\n\r\n", "400 HIDDEN 400"), b"1_0\r\n",
    ]),
    "chunk without its line end": chunk(b"%x\r\n", end=b"0\r\n\r\n"),
    "chunk ended by LF": chunk(b"%x\r\n", end=b"\n0\r\n\r\n"),
    "chunk ended by CR": chunk(b"%x\r\n", end=b"\r0\r\n\r\n"),
    "chunk ended by two others": chunk(b"%x\r\n", end=b"XX0\r\n\r\n"),
    "chunk larger than its size": chunk(b"%x\r\n", end=b"XX\r\n0\r\n\r\n"),
    "last chunk with extension": (chunk(b"%x\r\n", end=b"\r\n0;a=b\r\n\r\n"), GOOD),
    "last chunk of many zeroes": (chunk(b"%x\r\n", end=b"\r\n000000\r\n\r\n"), GOOD),
    "last chunk with LF": chunk(b"%x\r\n", end=b"\r\n0\n\r\n"),
    "trailer with LF": chunk(b"%x\r\n", end=b"\r\n0\r\nX: y\n\r\n"),
    "trailer with a length": (chunk(b"%x\r\n", end=b"\r\n0\r\nContent-Length: 100\r\n\r\n"), GOOD),
    "trailer with Transfer-Encoding": (chunk(b"%x\r\n", end=b"\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), GOOD),
    "trailer with a Host": (chunk(b"%x\r\n", end=b"\r\n0\r\nHost: b\r\n\r\n"), GOOD),
    "trailer that is a request": with_fields(CHUNKED, b"0\r\n" + HIDDEN_REQUEST),
    "trailer that is a request, LF": with_fields(CHUNKED, b"0\n" + HIDDEN_REQUEST),
    "trailer, folded": chunk(b"%x\r\n", end=b"\r\n0\r\nX: y\r\n z\r\n\r\n"),
    "trailer with NUL": chunk(b"%x\r\n", end=b"\r\n0\r\nX: \x00\r\n\r\n"),
    "trailer without a colon": chunk(b"%x\r\n", end=b"\r\n0\r\nX\r\n\r\n"),
    # Line ends and bytes in the head.
    **group("line end", hidden_in_value, [
        b"\n", b"\r", b"\n\r", b"\r\r\n", b"\x0b", b"\x0c", b"\x85", b"\x00", b"\x1e", b"\xe2\x80\xa8", b"\r\n\t",
        b"\r\n ", b"\\r\\n", b"%0d%0a", b"\xc4\x8d\xc4\x8a", b"\xe5\x98\x8a\xe5\x98\x8d",
    ]),
    **group("field", field, [
        b"X", b": y", b"X y: z", b"X\x00: y", b"X: \x01", b"X: \x7f", b"X(: y", b"X\x80: y", b"Host: b", b"Host:",
        b"Host: a, b", b"host : b", b" Host: b", (b"X-Host: b", GOOD), (b"X-Forwarded-Host: b", GOOD),
        (b"X-HTTP-Method-Override: GET", GOOD), (b"X-Original-URL: " + HIDDEN.encode(), GOOD),
        (b"X-Rewrite-URL: " + HIDDEN.encode(), GOOD), (b"Proxy-Connection: close", GOOD), (b"Keep-Alive: 300", GOOD),
        (b"X: " + b"a" * 3000, GOOD), b"GET " + HIDDEN.encode() + b" HTTP/1.1", b"\x00", b"\xff", b"Content-Length",
    ]),
    # Request lines.
    **group("request line", head, [
        b"POST /qr HTTP/1.1 ", b"POST  /qr HTTP/1.1", b"POST /qr  HTTP/1.1", b" POST /qr HTTP/1.1",
        b"POST\t/qr\tHTTP/1.1", b"POST /qr\x00 HTTP/1.1", b"POST /qr\x0b HTTP/1.1", b"POST /q\x80r HTTP/1.1",
        b"POST /qr#x HTTP/1.1", b"POST /qr HTTP/1.1x", b"POST /qr HTTP/1.1 HTTP/1.1", b"POST /qr HTTP/1.2",
        b"POST /qr HTTP/1.9", b"POST /qr HTTP/2.0", b"POST /qr HTTP/0.9", b"POST /qr HTTP/01.1",
        b"POST /qr HTTP/1.01", b"POST /qr HTTP/1", b"POST /qr http/1.1", b"POST /qr HTTP/1.1\n",
        b"POST /qr HTTPS/1.1", b"POST /qr ICY/1.1", b"POST qr HTTP/1.1", b"POST * HTTP/1.1",
        b"POST http:///qr HTTP/1.1", (b"POST http://b/qr HTTP/1.1", "415 PROBE"),
        (b"POST http://a/qr HTTP/1.1", "415 PROBE"), b"POST http://a@b/qr HTTP/1.1", b"POST ftp://a/qr HTTP/1.1",
        b"POST a:80 HTTP/1.1", (b"POST //a/qr HTTP/1.1", "404 PROBE"),
        (b"POST /qr?x=y%0d%0a%0d%0aGET HTTP/1.1", "415 PROBE"), b"POST /qr", b"POST", b"PO\x00ST /qr HTTP/1.1",
        b"PO(ST /qr HTTP/1.1", (b"CONNECT a:80 HTTP/1.1", "404"), b"CONNECT /qr HTTP/1.1", b"PRI * HTTP/2.0",
        (b"GET /qr?text=A HTTP/1.1", GOOD),
    ]),
    # HTTP/0.9, other protocols, and heads without what they need.
    "HTTP/0.9": b"GET " + HIDDEN.encode() + b"\r\n",
    "HTTP/0.9 with a blank": b"GET " + HIDDEN.encode() + b" \r\n",
    "HTTP/0.9 and more": b"GET /\r\n" + HIDDEN_REQUEST,
    "no Host": b"GET /qr?text=A HTTP/1.1\r\n" + SIZE + b"\r\n" + HIDDEN_REQUEST,
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "CONNECT and a request": (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" + HIDDEN_REQUEST, "404"),
    "h2c and a request": (
        b"GET /qr?text=A HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n" + SIZE + b"\r\n" + HIDDEN_REQUEST, GOOD),
    "close and a request": (b"GET /qr?text=A HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + HIDDEN_REQUEST, "200"),
    "PROXY line": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + HIDDEN_REQUEST,
    "garbage behind a body": (with_fields(length(1), b"A" + b"XYZ / HTTP/1.1\r\nHost: a\r\n\r\n"), "200 501 PROBE"),
    "many empty lines": b"\r\n" * 20 + HIDDEN_REQUEST,
    "LF before": b"\n" + HIDDEN_REQUEST,
    "CR before": b"\r" + HIDDEN_REQUEST,
    "NUL before": b"\x00" + HIDDEN_REQUEST,
}

CASES = {name: case if isinstance(case, tuple) else (case, REFUSED) for name, case in CASES.items()}

# HAProxy reads these in one way where a worker refuses to choose; HIDDEN comes to the worker as a request of its own
# then, with HAProxy's number in it.
SPLIT_BY_HAPROXY = {
    "CL b' Content-Length: %d'": "it unfolds the line: part of the field before",
    "CL b'Content-Length: 18446744073709551616\\r\\nX-%d: a'": "2^64 is 0 to it; the worker refuses the first request",
    "line end b'\\n'": "LF alone ends a line",
    "request line b'CONNECT a:80 HTTP/1.1'": "CONNECT has no body; refused, so no tunnel",
    "CONNECT and a request": "the same",
    "many empty lines": "they are skipped",
    "LF before": "the same",
}
