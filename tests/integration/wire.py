"""A client that sees every byte: sends what it is told to, and takes the answers off the connection one by one.

    with Wire(fleet.worker(0)) as wire:
        wire.send(b"GET /healthz HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n" * 2)
        first, second = wire.answer(), wire.answer()
        assert wire.is_open()

An answer is fleet.Answer plus `version` ("HTTP/1.1"), `reason` and `interim` (the 1xx answers before it).
"""

import contextlib
import select
import socket
import struct

from fleet import Answer, connect


class Closed(AssertionError):
    """The connection ended where an answer was expected; `received` is what had come by then."""

    def __init__(self, received):
        super().__init__(f"connection closed after {received!r}")
        self.received = received


class Wire:
    def __init__(self, at, timeout=10.0):
        self.sock = connect(at, timeout)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.sock.close()

    def send(self, data):
        """Sends all of data. Returns False where the other side has closed meanwhile: its answer is still there."""
        try:
            self.sock.sendall(data)
        except ConnectionError:
            return False
        return True

    def end(self):
        """Nothing more will be sent."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _receive(self):
        """More bytes into the buffer; False at the end. A reset is an error: it may destroy an answer."""
        data = self.sock.recv(1 << 16)
        self.buffer += data
        return bool(data)

    def take_head(self):
        """The head of the next answer, a 1xx one too."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._receive():
                raise Closed(self.buffer)
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        version, status, *reason = lines[0].split(" ", 2)
        assert version in ("HTTP/1.0", "HTTP/1.1"), lines[0]
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            assert colon and name and name == name.strip(), line
            headers.append((name, value.strip()))
        answer = Answer(int(status), headers, b"")
        answer.version, answer.reason, answer.interim = version, "".join(reason), []
        return answer

    def answer(self, head=False):
        """The next answer; head: the one to a HEAD request, which has no body."""
        interim = []
        while (answer := self.take_head()).status < 200:
            interim.append(answer)
        answer.interim = interim
        length = answer.header("Content-Length")
        if head or answer.status in (204, 304):
            return answer
        if length is None:
            while self._receive():
                pass
            answer.body, self.buffer = self.buffer, b""
            return answer
        while len(self.buffer) < int(length):
            if not self._receive():
                raise Closed(self.buffer)
        answer.body, self.buffer = self.buffer[:int(length)], self.buffer[int(length):]
        return answer

    def answers(self):
        """All answers up to the end of the connection."""
        found = []
        while not self.is_at_end():
            found.append(self.answer())
        return found

    def is_at_end(self):
        """Waits for the next byte, or for the end."""
        return not self.buffer and not self._receive()

    def is_open(self):
        """Nothing is there to be read, not even the end."""
        return not self.buffer and not select.select([self.sock], [], [], 0)[0]


def get(path, *fields, version="1.1", method="GET", host="a"):
    """The bytes of a request without a body; a field is "Name: value"."""
    lines = [f"{method} {path} HTTP/{version}", f"Host: {host}", *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def post(path, body, *fields, content_type="text/plain"):
    """The bytes of a POST with a Content-Length."""
    return get(path, f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *fields, method="POST") + body


def chunked(*chunks):
    """A chunked body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def post_chunked(path, *chunks, content_type="text/plain"):
    """The bytes of a POST with a chunked body."""
    return get(path, f"Content-Type: {content_type}", "Transfer-Encoding: chunked", method="POST") + chunked(*chunks)
