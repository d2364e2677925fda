"""What a peer answers must be right before it is timed."""

import base64
import binascii
import json
import struct
import subprocess

from peer import Failed

PREFIX = "data:image/png;base64,"


def _picture(peer, body):
    """The PNG in {"result": data URL}."""
    try:
        url = json.loads(body)["result"]
        if not url.startswith(PREFIX):
            raise Failed(f"{peer.name}: the answer is no PNG data URL but {url[:60]!r}")
        return base64.b64decode(url[len(PREFIX):], validate=True)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise Failed(f"{peer.name}: the answer is not what the service answers: {error!r}") from None


def _verify_code(peer, text):
    """A scanner must read the text from the picture."""
    picture = _picture(peer, peer.fetch(text))
    path = peer.own_build / "answer.png"
    path.write_bytes(picture)
    read = subprocess.run(["zbarimg", "-q", "--raw", "-Sbinary", path], capture_output=True, timeout=30)
    if read.stdout != text.encode():
        raise Failed(f"{peer.name}: {path} decodes to {read.stdout!r}, not {text!r}")
    width, _, depth = struct.unpack(">IIB", picture[16:25])
    return f"zbarimg reads {text!r}: {width} pixels wide, {depth} bit, PNG of {len(picture)} bytes"


def verify(peer, text, reference):
    """Says what was found; `reference` is quernd's answer for the peers that are held to it."""
    if peer.kind == "qr":
        return _verify_code(peer, text)
    body = peer.fetch(text)
    if len(body) != len(reference) or (peer.kind == "bytes" and body != reference):
        raise Failed(f"{peer.name}: the answer's {len(body)} bytes are not those of quernd's ({len(reference)})")
    return f"{len(body)} bytes, " + ("as many as" if peer.kind == "length" else "the same as") + " quernd's answer"
