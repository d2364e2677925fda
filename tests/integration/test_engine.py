"""qr.engine: both engines give the same symbol for the same request, and PNGs with the same pixels."""

import io
import subprocess
import urllib.parse

import pytest
from PIL import Image

from decode import zbar, zxing
from fleet import Fleet

TEXTS = [b"QR TEST", b"0123456789" * 12, b"HTTPS://EXAMPLE.COM/" * 9, b"x" * 300, bytes(range(256)),
         "größer als π, 0123456789012 und mehr".encode(), b"\0" * 40, b"a" * 1000]


@pytest.fixture(scope="module")
def servers():
    with Fleet({"workers.count": 1}) as own:
        with Fleet({"workers.count": 1, "qr.engine": "libqrencode"}) as library:
            yield own, library


def fetch(servers, **parameters):
    """The bodies of both servers' answers."""
    path = "/qr?" + urllib.parse.urlencode(parameters)
    answers = [server.get(path) for server in servers]
    assert [answer.status for answer in answers] == [200, 200], answers
    return [answer.body for answer in answers]


@pytest.mark.parametrize("level", "LMQH")
@pytest.mark.parametrize("eci", ["off", "on"])
def test_symbols_are_the_same(servers, level, eci):
    for text in TEXTS:
        own, library = fetch(servers, text=text, ecLevel=level, eci=eci, format="svg")
        assert own == library


@pytest.mark.parametrize("shape", [{}, {"scale": 1, "margin": 0}, {"scale": 3}, {"scale": 10, "margin": 1},
                                   {"size": 500}, {"dark": "c00", "light": "00000000"}])
def test_pictures_are_the_same(servers, shape):
    for text in TEXTS:
        pngs = fetch(servers, text=text, **shape)
        own, library = (Image.open(io.BytesIO(png)) for png in pngs)
        assert (own.mode, own.size) == (library.mode, library.size)
        assert own.convert("RGBA").tobytes() == library.convert("RGBA").tobytes()
        assert pngs[0] != pngs[1], "both came from the same writer"


@pytest.mark.parametrize("scale", range(1, 17))
def test_every_reader_is_content(servers, scale, tmp_path):
    """pngcheck complains about nothing; where a module has pixels enough for a scanner, two of them read the text."""
    paths = []
    for number, text in enumerate((b"QR TEST", b"https://example.com/a/path?id=12345678", b"x" * 300)):
        for margin in (0, 4, 7):
            for colors in ({}, {"dark": "036", "light": "ffe"}):
                query = urllib.parse.urlencode({"text": text, "scale": scale, "margin": margin, **colors})
                answer = servers[0].get("/qr?" + query)
                assert answer.status == 200
                paths.append(tmp_path / f"{number}-{margin}-{len(colors)}.png")
                paths[-1].write_bytes(answer.body)
                if scale >= 3 and margin >= 4:
                    assert zbar(paths[-1]) == text and zxing(paths[-1]) == text
    checked = subprocess.run(["pngcheck", "-q", *paths], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and not checked.stdout.strip(), checked.stdout + checked.stderr
