"""What the driver asks, and what must come back: taken from a fleet that is left in peace, and checked there.

    write(fleet, path)    # for tests/faults/drive, in the form that targets.h tells; returns how many

Every answer is asked for through HAProxy and from a worker directly, which must say the same. What can be known
without asking Quern is checked: the JSON's picture is that of /qr, pictures are read by zbarimg where it is installed.
"""

import base64
import http.client
import json
import random
import shutil
import subprocess
import tempfile
import urllib.parse

TEXTS = 24
READ_BACK = 6
WORDS = "alpha bravo 0123456789 CHARLIE-DELTA https://example.org/?q= naïve über 文字 \U0001f600 & = % + ;".split()
FORMATS = ("png", "svg", "text", "json")
LEVELS = "LMQH"
FORM, JSON, PLAIN = "application/x-www-form-urlencoded", "application/json", "text/plain"


class Target:
    """A request as bytes, and the answer that it got in peace."""

    def __init__(self, name, method, path, *, headers=(), body=b"", status=200):
        self.name, self.method, self.status = name, method, status
        lines = [f"{method} {path} HTTP/1.1", "Host: quern", *headers]
        if body and not any(line.startswith("Transfer-Encoding") for line in lines):
            lines.append(f"Content-Length: {len(body)}")
        self.request = "\r\n".join([*lines, "", ""]).encode("ascii") + body
        self.answer = None

    def ask(self, fleet, at):
        with fleet.connect(at) as sock:
            sock.sendall(self.request)
            response = http.client.HTTPResponse(sock, method=self.method)
            response.begin()
            length = response.getheader("Content-Length")
            return (response.status, response.getheader("Content-Type", ""), response.getheader("ETag", ""),
                    -1 if length is None else int(length), response.read())

    def learn(self, fleet):
        self.answer = self.ask(fleet, fleet.front)
        assert self.answer[0] == self.status, f"{self.name}: {self.answer}"
        direct = self.ask(fleet, fleet.worker(0))
        assert direct == self.answer, f"{self.name}: {direct} from a worker, {self.answer} through HAProxy"

    @property
    def body(self):
        return self.answer[4]

    def entry(self):
        status, kind, etag, length, body = self.answer
        head = f"{self.name} {self.method} {status} {length} {len(self.request)} {len(body)}\n{kind}\n{etag}\n"
        return head.encode() + self.request + body + b"\n"


def texts():
    """Always the same ones."""
    chance = random.Random(5)
    return ["-".join(chance.choices(WORDS, k=chance.randint(1, 25))) + str(i) for i in range(TEXTS)]


def of_text(i, text):
    """All that is asked about one text."""
    quoted = urllib.parse.quote(text, safe="")
    level, scale = LEVELS[i % 4], 1 + i % 8
    form = urllib.parse.urlencode({"text": text, "scale": scale}).encode()
    document = json.dumps({"text": text, "ecLevel": level}).encode()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(form), form)
    yield from (Target(f"get-{f}-{i}", "GET", f"/qr?text={quoted}&format={f}&ecLevel={level}&scale={scale}")
                for f in FORMATS)
    yield Target(f"plain-{i}", "GET", f"/qr?text={quoted}")
    yield Target(f"root-{i}", "GET", f"/?text={quoted}")
    yield Target(f"head-{i}", "HEAD", f"/qr?text={quoted}&scale={scale}")
    yield Target(f"form-{i}", "POST", "/qr", headers=[f"Content-Type: {FORM}"], body=form)
    yield Target(f"chunked-{i}", "POST", "/qr",
                 headers=[f"Content-Type: {FORM}", "Transfer-Encoding: chunked"], body=chunked)
    yield Target(f"json-{i}", "POST", "/qr?format=svg", headers=[f"Content-Type: {JSON}"], body=document)
    yield Target(f"body-{i}", "POST", "/qr?format=text", headers=[f"Content-Type: {PLAIN}"], body=text.encode())
    yield Target(f"close-{i}", "GET", f"/qr?text={quoted}&margin={i}", headers=["Connection: close"])


def refused():
    """Errors must be right under fire as well."""
    yield Target("refused-empty", "GET", "/qr", status=400)
    yield Target("refused-path", "GET", "/nothing", status=404)
    yield Target("refused-method", "DELETE", "/qr?text=A", status=405)
    yield Target("refused-scale", "GET", "/qr?text=A&scale=65", status=400)


def read_back(picture):
    """The bytes that zbarimg finds in a PNG."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(picture)
        file.flush()
        return subprocess.run(["zbarimg", "--raw", "-q", "-Sdisable", "-Sqrcode.enable", "-Sbinary", file.name],
                              check=True, capture_output=True, timeout=60).stdout


def check(known):
    """Holds answers to what is known without them; `known` are targets by name."""
    for i, text in enumerate(texts()):
        data = json.loads(known[f"root-{i}"].body)["result"]
        kind, _, picture = data.partition(";base64,")
        assert kind == "data:image/png" and base64.b64decode(picture) == known[f"plain-{i}"].body, f"root-{i}"
        assert known[f"chunked-{i}"].body == known[f"form-{i}"].body, f"chunked-{i}"
        assert known[f"head-{i}"].answer[3] > 0 and known[f"head-{i}"].body == b"", f"head-{i}"
        if i < READ_BACK and shutil.which("zbarimg"):
            assert read_back(known[f"plain-{i}"].body) == text.encode(), f"plain-{i}"


def write(fleet, path):
    targets = [target for i, text in enumerate(texts()) for target in of_text(i, text)] + list(refused())
    for target in targets:
        target.learn(fleet)
    known = {target.name: target for target in targets}
    check(known)
    for i, text in enumerate(texts()):
        etag = known[f"plain-{i}"].answer[2]
        target = Target(f"same-{i}", "GET", f"/qr?text={urllib.parse.quote(text, safe='')}",
                        headers=[f"If-None-Match: {etag}"], status=304)
        target.learn(fleet)
        targets.append(target)
    path.write_bytes(b"".join(target.entry() for target in targets))
    return len(targets)
