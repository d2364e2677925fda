"""The pictures say what was asked for: texts of every kind and length, through HAProxy, read back by two readers.

QUERN_TEST_TEXTS is how many texts: 400 by default, about ten seconds on two cores. 2000 are every kind, level and
version at its exact capacity, and each once or twice more at a random length. A tenth is also fetched as SVG and text.
"""

import base64
import collections
import concurrent.futures
import json
import os
import random
import urllib.parse

import pytest

import decode
from decode import KINDS, LEVELS, SCALE, zbar, zxing
from fleet import Fleet

COUNT = int(os.environ.get("QUERN_TEST_TEXTS", "400"))
SEED = 20180
READERS = 2  # at a time
DATA_URL = "data:image/png;base64,"


@pytest.fixture(scope="module")
def front():
    with Fleet({"workers.count": 2}, balancer=True) as fleet:
        yield fleet


# --- the ways to ask -------------------------------------------------------------------------------------------------

def query(text, **more):
    return urllib.parse.urlencode({"text": text.data, "ecLevel": text.level, **more})


def by_get(front, text):
    return front.get("/qr?" + query(text))


def by_form(front, text):
    return front.post("/qr", query(text), "application/x-www-form-urlencoded")


def by_json(front, text):
    """The level in the body as well. Bytes that are no UTF-8 cannot be written in JSON: these go by plain text."""
    try:
        body = json.dumps({"text": text.data.decode(), "ecLevel": text.level}, ensure_ascii=text.number % 2 == 0)
    except UnicodeDecodeError:
        return by_plain(front, text)
    return front.post("/qr", body.encode(), "application/json")


def by_plain(front, text):
    return front.post(f"/qr?ecLevel={text.level}", text.data, "text/plain")


def by_root(front, text):
    return front.get("/?" + query(text))


def by_json_format(front, text):
    return front.post("/qr", query(text, format="json"), "application/x-www-form-urlencoded")


# GET in half of the cases.
WAYS = (by_get, by_form, by_get, by_json, by_get, by_plain, by_get, by_root, by_get, by_json_format)


def png_of(way, answer):
    """The picture, out of the data URL where there is one."""
    if way not in (by_root, by_json_format):
        assert answer.header("Content-Type") == "image/png"
        return answer.body
    assert answer.header("Content-Type") == "application/json"
    result = answer.json()
    assert list(result) == ["result"] and result["result"].startswith(DATA_URL)
    return base64.b64decode(result["result"].removeprefix(DATA_URL), validate=True)


# --- the readers -----------------------------------------------------------------------------------------------------

class Tally:
    """What was read, and which reader did not read it."""

    def __init__(self):
        self.read = collections.Counter()
        self.zbar_failed, self.wrong = [], []

    def check(self, path, text, what, second):
        """Both readers agree with the text; where one finds no symbol at all the other one decides."""
        first = zbar(path)
        if first is None:
            self.zbar_failed.append(f"{text} as {what}")
        other = zxing(path) if second or first is None else None
        answers = [answer for answer in (first, other) if answer is not None]
        if not answers or any(answer != text.data for answer in answers):
            self.wrong.append(f"{text} as {what}: {path.suffix[1:]} read as {answers}"[:300])
        self.read[what] += 1
        self.read["second opinions"] += other is not None
        path.unlink()

    def report(self):
        print(dict(self.read), "not found by zbar:", self.zbar_failed or "none")
        assert not self.wrong, self.wrong


def each(function, items):
    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(function, items))


def pictures(front, directory, text, position, tally):
    """One text: the PNG by one of the ways; every tenth time also the SVG and the half blocks."""
    name = directory / str(text.number)
    way = WAYS[position % len(WAYS)]
    answer = way(front, text)
    assert answer.status == 200, f"{text}: {answer}"
    png = png_of(way, answer)
    modules = decode.png_modules(png)
    assert decode.level_of(modules) == text.level, f"{text}: another level"
    assert decode.version_of(modules) <= text.version, f"{text}: a larger symbol than needed"
    path = name.with_suffix(".png")
    path.write_bytes(png)
    tally.check(path, text, way.__name__, second=position % 4 == 0)
    if position % 10 == 0:
        path = name.with_suffix(".svg.png")
        path.write_bytes(decode.svg_as_png(front.get("/qr?" + query(text, format="svg")).body))
        tally.check(path, text, "svg", second=position % 20 == 0)
        path = name.with_suffix(".pgm")
        shown = front.get("/qr?" + query(text, format="text")).body
        decode.write_text_as_pgm(shown, path)
        tally.check(path, text, "text", second=position % 20 == 0)


def test_every_text_is_read_back(front, tmp_path):
    tally = Tally()
    everything = list(enumerate(decode.texts(COUNT, SEED)))
    each(lambda item: pictures(front, tmp_path, item[1], item[0], tally), everything)
    tally.report()
    assert sum(tally.read[way.__name__] for way in set(WAYS)) == COUNT
    assert tally.read["svg"] == tally.read["text"] == (COUNT + 9) // 10


# --- what the formats have in common ---------------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [{}, {"margin": 0}, {"margin": 1, "scale": 3}, {"margin": 7}, {"size": 400},
                                   {"size": 301, "margin": 2}])
def test_formats_show_the_same_modules(front, shape):
    """Pixel for pixel: SVG is the PNG, and text is its modules. Margins that no reader would take are in it, too."""
    rng = random.Random(SEED)
    for kind in KINDS:
        text = decode.Text(0, kind, rng.choice(LEVELS), 10, decode.make_text(rng, kind, rng.randint(1, 100)))
        png, svg, blocks = (front.get("/qr?" + query(text, format=name, **shape)).body
                            for name in ("png", "svg", "text"))
        drawn, picture = decode.open_picture(decode.svg_as_png(svg)), decode.open_picture(png)
        assert drawn.size == picture.size and drawn.tobytes() == picture.tobytes()
        if "size" not in shape:
            margin, scale = shape.get("margin", 4), shape.get("scale", SCALE)
            modules = decode.png_modules(png, margin, scale)
            rows = decode.text_rows(blocks)
            inner = [row[margin:margin + len(modules)] for row in rows[margin:margin + len(modules)]]
            assert [[not light for light in row] for row in inner] == modules
            assert len(rows[0]) == len(modules) + 2 * margin
            # The quiet zone is light, but for the half line that evens the number of rows.
            assert sum(map(sum, rows)) == len(rows[0]) ** 2 - sum(map(sum, modules))


@pytest.mark.parametrize("shape", [{"scale": 2}, {"scale": 3, "margin": 2}, {"scale": 7}, {"scale": 16}, {"size": 333},
                                   {"size": 777, "margin": 6}, {"dark": "00f", "light": "#ffe"},
                                   {"dark": "036", "light": "transparent"}])
def test_other_shapes_are_read_back(front, tmp_path, shape):
    """Scales, sizes and colours: either reader may fail to find a symbol, not both."""
    rng, tally = random.Random(SEED), Tally()
    for number, kind in enumerate(KINDS):
        text = decode.Text(number, kind, rng.choice(LEVELS), 10, decode.make_text(rng, kind, rng.randint(1, 200)))
        path = tmp_path / "shape.png"
        path.write_bytes(decode.on_white(front.get("/qr?" + query(text, **shape)).body))
        tally.check(path, text, str(shape), second=True)
    tally.report()


@pytest.mark.parametrize("format_name", ["png", "svg", "text"])
def test_a_wrong_module_is_seen(front, tmp_path, format_name):
    """The check itself: the picture of one text must not pass for another, and one without a symbol for none."""
    tally, path = Tally(), tmp_path / "other.png"
    asked, other = (decode.Text(0, "digits", "M", 1, data) for data in (b"12345", b"12346"))
    body = front.get("/qr?" + query(other, format=format_name)).body
    if format_name == "svg":
        path.write_bytes(decode.svg_as_png(body))
    elif format_name == "text":
        path = path.with_suffix(".pgm")
        decode.write_text_as_pgm(body, path)
    else:
        path.write_bytes(body)
    tally.check(path, asked, format_name, second=True)
    path = path.with_suffix(".pgm")
    path.write_bytes(b"P5 100 100 255\n" + b"\xff" * 10000)
    tally.check(path, asked, "nothing", second=True)
    assert len(tally.wrong) == 2 and tally.zbar_failed == ["text 0 (digits, 5 bytes, 1-M) as nothing"]
