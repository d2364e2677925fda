"""docs/api.md against a real worker, without HAProxy: every parameter, every format, every header, every refusal."""

import base64
import functools
import json
import pathlib
import re
import struct
import urllib.parse

import pytest

import decode
from decode import capacity
from fleet import SANITIZED, Fleet

LONGEST_MS = 20
DATA_URL = "data:image/png;base64,"
TYPES = {"png": "image/png", "svg": "image/svg+xml", "text": "text/plain; charset=utf-8", "json": "application/json"}
FORM, JSON, PLAIN = "application/x-www-form-urlencoded", "application/json", "text/plain"


@pytest.fixture(scope="module")
def server():
    with Fleet({"workers.count": 1}) as fleet:
        yield fleet


def qr(server, text=b"QR TEST", **parameters):
    """GET /qr with the text and the parameters given."""
    return server.get("/qr?" + urllib.parse.urlencode({"text": text, **parameters}))


def good(answer, content_type="image/png"):
    assert answer.status == 200 and answer.header("Content-Type") == content_type, answer
    return answer


def modules(answer, **shape):
    return decode.png_modules(good(answer).body, **shape)


def unwrap(answer):
    """The PNG in a data URL."""
    result = good(answer, "application/json").json()
    assert list(result) == ["result"] and result["result"].startswith(DATA_URL)
    return base64.b64decode(result["result"].removeprefix(DATA_URL), validate=True)


def refused(answer, parameter, status=400, code="bad_parameter"):
    """Checks that it is the refusal, which has this form whatever is refused; returns the message."""
    assert answer.status == status, answer
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "no-store" and answer.header("ETag") is None
    assert int(answer.header("Content-Length")) == len(answer.body)
    assert list(answer.json()) == ["error"]
    error = answer.error()
    assert set(error) == {"code", "message"} | ({"parameter"} if parameter else set())
    assert error["code"] == code and error.get("parameter") == parameter
    assert error["message"] and error["message"].isprintable()
    return error["message"]


def read_back(path, png):
    """What a reader makes of a picture."""
    path.write_bytes(png)
    return decode.zbar(path)


@pytest.fixture
def read(tmp_path):
    return lambda png: read_back(tmp_path / "picture.png", png)


# --- formats ---------------------------------------------------------------------------------------------------------

def test_png_is_the_default(server):
    answer = good(qr(server))
    assert answer.body.startswith(b"\x89PNG\r\n\x1a\n") and answer.body == qr(server, format="png").body


@pytest.mark.parametrize("name", TYPES)
def test_every_format_has_its_type(server, name):
    answer = good(qr(server, format=name), TYPES[name])
    assert int(answer.header("Content-Length")) == len(answer.body) > 0


def test_svg(server):
    svg = good(qr(server, format="svg", margin=2, scale=5), TYPES["svg"]).body.decode()
    assert 'shape-rendering="crispEdges"' in svg and svg.count("<path") == 1
    assert 'width="125" height="125"' in svg and 'viewBox="0 0 25 25"' in svg


def test_text_is_half_blocks(server):
    lines = good(qr(server, format="text", margin=3), TYPES["text"]).body.decode().splitlines()
    assert {len(line) for line in lines} == {27} and len(lines) == 14
    assert set("".join(lines)) <= set(decode.HALF_BLOCKS)


def test_json_is_the_png_as_data_url(server):
    assert unwrap(qr(server, format="json", scale=3, dark="f00")) == qr(server, scale=3, dark="f00").body


def test_format_is_checked(server):
    for value in ("jpeg", "PNG", "", "png ", "png\0"):
        assert "png, svg, text, json" in refused(qr(server, format=value), "format")


# --- / ---------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/", "/?text=", "/?", "/?other=1", "/?text=QR%20TEST", "/?text=QR+TEST"])
def test_root_says_qr_test_without_a_text(server, read, path):
    png = unwrap(server.get(path))
    assert png == qr(server, "QR TEST").body and read(png) == b"QR TEST"


def test_root_takes_the_parameters_of_a_picture(server):
    shape = {"text": "A", "ecLevel": "H", "margin": "1", "scale": "9", "dark": "123456", "light": "transparent"}
    assert unwrap(server.get("/?" + urllib.parse.urlencode(shape))) == qr(server, **shape).body
    assert unwrap(server.get("/?text=A&size=99")) == qr(server, "A", size=99).body
    refused(server.get("/?text=A&margin=65"), "margin")


# --- text ------------------------------------------------------------------------------------------------------------

def test_qr_needs_a_text(server):
    for path in ("/qr", "/qr?", "/qr?text", "/qr?text=", "/qr?format=svg", "/qr?Text=A", "/qr?other=A"):
        refused(server.get(path), "text")
    refused(server.post("/qr", b"", PLAIN), "text")
    refused(server.post("/qr", b"{}", JSON), "text")
    refused(server.post("/qr", b"", FORM), "text")


@pytest.mark.parametrize("written, meant", [
    ("A+B", b"A B"), ("A%20B", b"A B"), ("A%2bB", b"A+B"), ("A%2BB", b"A+B"), ("a%00b", b"a\0b"), ("%00", b"\0"),
    ("%00%00%00", b"\0\0\0"), ("a=b==", b"a=b=="), ("a;b", b"a;b"), ("a?b/c", b"a?b/c"), ("%26%3D%23%25", b"&=#%"),
    ("%c3%bc", "ü".encode()), ("%FF%fe", b"\xff\xfe"), ("a%0D%0Ab", b"a\r\nb"), ("0", b"0"), ("%300", b"00"),
])
def test_text_is_taken_as_written(server, read, written, meant):
    """What is encoded and what need not be."""
    assert read(good(server.get("/qr?text=" + written)).body) == meant


@pytest.mark.parametrize("query, parameter", [
    ("text=%", "text"), ("text=a%4", "text"), ("text=%zz", "text"), ("text=%4g", "text"), ("text=a%%20", "text"),
    ("text=A&margin=%", "margin"), ("text=A&other=%g0", "query"), ("%=1&text=A", "query"), ("te%xt=A", "query"),
])
def test_broken_percent_encoding(server, query, parameter):
    refused(server.get("/qr?" + query), parameter)
    refused(server.get("/?" + query), parameter)
    refused(server.post("/qr", query, FORM), parameter)


def test_every_level_at_its_limit(server):
    """Exactly full is version 40; one more is refused, with figures that add up."""
    header = {"digits": 4 + 14, "alphanumeric": 4 + 13, "bytes": 4 + 16}
    sample = {"digits": b"7", "alphanumeric": b"Z", "bytes": b"\xe9"}
    width = {"digits": lambda n: n // 3 * 10 + (0, 4, 7)[n % 3], "alphanumeric": lambda n: n // 2 * 11 + n % 2 * 6,
             "bytes": lambda n: n * 8}
    for level in decode.LEVELS:
        for kind, character in sample.items():
            most = capacity(40, level, kind)
            full = modules(server.post(f"/qr?ecLevel={level}", character * most, PLAIN))
            assert (decode.version_of(full), decode.level_of(full)) == (40, level)
            for length in (most + 1, most + 1000):
                answer = server.post(f"/qr?ecLevel={level}", character * length, PLAIN)
                figures = [int(n) for n in re.findall(r"\b\d{3,}\b", refused(answer, "text", code="text_too_long"))]
                assert figures == [header[kind] + width[kind](length), decode.data_bits(40, level)]


def test_symbol_is_never_larger_than_needed(server):
    """At the limits of some small versions, on both sides."""
    for level in decode.LEVELS:
        for version in (1, 2, 9, 10, 26, 27):
            for kind, character in (("digits", "7"), ("alphanumeric", "Z"), ("bytes", "z")):
                most = capacity(version, level, kind)
                assert decode.version_of(modules(qr(server, character * most, ecLevel=level))) == version
                assert decode.version_of(modules(qr(server, character * (most + 1), ecLevel=level))) == version + 1


# --- ecLevel ---------------------------------------------------------------------------------------------------------

def test_levels(server):
    found = [modules(qr(server, "A" * 100, ecLevel=level)) for level in decode.LEVELS]
    assert [decode.level_of(symbol) for symbol in found] == list(decode.LEVELS)
    assert [decode.version_of(symbol) for symbol in found] == [4, 5, 6, 8]
    assert decode.level_of(modules(qr(server))) == "M"


def test_level_is_checked(server):
    for value in ("l", "X", "LM", "", "0"):
        assert "L, M, Q, H" in refused(qr(server, ecLevel=value), "ecLevel")


# --- margin, scale, size ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("margin", [0, 1, 4, 10, 64])
@pytest.mark.parametrize("scale", [1, 3, 4, 8, 21])
def test_margin_and_scale(server, margin, scale):
    answer = qr(server, margin=margin, scale=scale)
    assert header_of(answer.body)[:2] == ((21 + 2 * margin) * scale,) * 2
    assert modules(answer, margin=margin, scale=scale) == modules(qr(server))


def test_largest_scale(server):
    assert header_of(qr(server, scale=64, margin=0).body)[0] == 21 * 64
    assert header_of(qr(server, scale=64, margin=21).body)[0] == 63 * 64
    assert header_of(qr(server, "1" * 42, ecLevel="L", scale=64, margin=19).body)[0] == 63 * 64
    assert "4096" in refused(qr(server, scale=64, margin=22), "scale")


@pytest.mark.parametrize("name, low, high", [("margin", 0, 64), ("scale", 1, 64), ("size", 21, 4096)])
def test_numbers_are_checked(server, name, low, high):
    for value in (low - 1, high + 1, -1, 10**30, "", "x", "4.0", "4x", " 4", "4 ", "+4", "0x4", "1e1", "4\0", "４"):
        message = refused(qr(server, **{name: value}), name)
        assert str(low) in message and str(high) in message
    if name != "size":
        good(qr(server, **{name: low}))
        good(qr(server, **{name: "0004"}))
    good(qr(server, **{name: high, **({"margin": 0} if name == "scale" else {})}))


@pytest.mark.parametrize("size", [29, 30, 57, 58, 59, 100, 256, 333, 1000, 4095, 4096])
def test_size_is_exact(server, size):
    """The largest whole scale that leaves the margin asked for; the rest is shared out."""
    png = good(qr(server, size=size)).body
    assert header_of(png)[:2] == (size, size)
    scale = size // 29
    dark = dark_box(png)
    assert dark[2] - dark[0] == dark[3] - dark[1] == 21 * scale
    left, right = dark[0], size - dark[2]
    assert dark[0] == dark[1] and right - left in (0, 1) and left >= 4 * scale


def test_size_too_small(server):
    message = refused(qr(server, size=28), "size")
    assert "29" in message and "28" in message
    assert header_of(good(qr(server, size=28, margin=3)).body)[0] == 28
    assert header_of(good(qr(server, size=21, margin=0)).body)[0] == 21
    assert "185" in refused(qr(server, "x" * 2331, size=184), "size")


def test_size_and_scale_exclude_each_other(server):
    refused(qr(server, size=100, scale=2), "scale")
    refused(server.get("/qr?text=A&scale=4&size=100"), "scale")
    refused(server.post("/qr?size=100", b'{"text":"A","scale":4}', JSON), "scale")


# --- colours ---------------------------------------------------------------------------------------------------------

def header_of(png):
    """Width, height, bit depth, colour type."""
    assert png[12:16] == b"IHDR"
    return struct.unpack(">IIBB", png[16:26])


def dark_box(png):
    """Where there is anything dark: left, upper, right, lower."""
    image = decode.open_picture(png).convert("L")
    return image.point(lambda value: 255 - value).getbbox()


def colors(png):
    """The colours in a picture: that of the corner and that of the first module of the upper left finder pattern."""
    image = decode.open_picture(png)
    assert len(image.getcolors()) <= 2
    return image.getpixel((0, 0)), image.getpixel((4 * 4, 4 * 4))


WRITTEN = {"000": (0, 0, 0, 255), "fff": (255, 255, 255, 255), "f80": (255, 136, 0, 255), "1a2B3c": (26, 43, 60, 255),
           "#00f": (0, 0, 255, 255), "#ABCDEF": (171, 205, 239, 255), "11223344": (17, 34, 51, 68),
           "#ff0000ff": (255, 0, 0, 255), "12345600": (18, 52, 86, 0), "transparent": (0, 0, 0, 0)}


@pytest.mark.parametrize("light", WRITTEN)
@pytest.mark.parametrize("dark", WRITTEN)
def test_colors(server, dark, light):
    png = good(qr(server, dark=dark, light=light)).body
    kind = 0 if {dark, light} == {"000", "fff"} else 3
    assert header_of(png)[2:] == (1, kind), "one bit a pixel, gray where two grays do"
    assert colors(png) == (WRITTEN[light], WRITTEN[dark])


def test_default_colors(server):
    assert colors(qr(server).body) == ((255, 255, 255, 255), (0, 0, 0, 255))
    assert header_of(qr(server).body)[2:] == (1, 0)


def test_colors_in_svg(server):
    """Rasterized, every pixel is what the PNG has, within the rounding of alpha."""
    for dark, light in (("00f", "ff0"), ("transparent", "f00"), ("11223380", "44556640"), ("000", "transparent")):
        png = decode.open_picture(qr(server, dark=dark, light=light).body)
        svg = decode.open_picture(decode.svg_as_png(qr(server, dark=dark, light=light, format="svg").body))
        assert svg.size == png.size
        for one, other in zip(png.getdata(), svg.getdata()):
            assert one[3] == other[3] and (one[3] == 0 or max(abs(a - b) for a, b in zip(one, other)) <= 2)


def test_colors_are_checked(server):
    for name in ("dark", "light"):
        for value in ("", "#", "ff", "ffff", "fffff", "fffffff", "fffffffff", "ggg", "red", "##fff", "#fff ",
                      "Transparent", "0x000", "#transparent", "ff\0"):
            message = refused(qr(server, **{name: value}), name)
            assert "rrggbbaa" in message and "transparent" in message


# --- eci -------------------------------------------------------------------------------------------------------------

def test_eci_marks_text_that_is_not_ascii(server, read):
    plain, marked = (qr(server, "Grüße", eci=value).body for value in ("off", "on"))
    assert plain == qr(server, "Grüße").body != marked
    assert read(plain) == "Grüße".encode()
    assert "Grüße".encode() in read(marked)
    assert qr(server, "Grusz", eci="on").body == qr(server, "Grusz").body, "ASCII needs no marker"


def test_eci_is_checked(server):
    for value in ("", "yes", "1", "true", "ON"):
        assert "on or off" in refused(qr(server, eci=value), "eci")


# --- parameters in general -------------------------------------------------------------------------------------------

def test_unknown_parameters_are_ignored(server):
    expected = qr(server, "A").body
    for query in ("text=A&colour=1", "x&text=A", "&&text=A&", "=&text=A", "text=A&TEXT=B&eclevel=H",
                  "text=A&callback=x&callback=y"):
        assert good(server.get("/qr?" + query)).body == expected
    assert good(server.post("/qr", b'{"text":"A","x":[1,{"text":"B"}],"y":null}', JSON)).body == expected


VALUES = {"text": "A", "format": "svg", "ecLevel": "L", "margin": "1", "scale": "2", "size": "99", "dark": "111",
          "light": "eee", "eci": "on"}


@pytest.mark.parametrize("name", VALUES)
def test_nothing_is_given_twice(server, name):
    pair = f"{name}={VALUES[name]}"
    base = "" if name == "text" else "text=A&"
    good(server.get(f"/qr?{base}{pair}"), TYPES["svg" if name == "format" else "png"])
    assert "more than once" in refused(server.get(f"/qr?{base}{pair}&{pair}"), name)
    refused(server.get(f"/qr?{base}{pair}&{name}="), name)
    refused(server.post(f"/qr?{pair}", f"{base}{pair}", FORM), name)
    refused(server.post(f"/qr?{pair}", json.dumps({"text": "A", name: VALUES[name]}), JSON), name)
    if name == "text":
        refused(server.post("/qr?text=A", b"A", PLAIN), name)
        return
    assert good(server.get(f"/qr?text=A&{urllib.parse.quote(name[0])}%{ord(name[1]):02x}{name[2:]}={VALUES[name]}"),
                TYPES["svg" if name == "format" else "png"]).body == server.get(f"/qr?{base}{pair}").body


# --- POST ------------------------------------------------------------------------------------------------------------

def test_post_says_the_same_as_get(server):
    expected = qr(server, "Grüße 1", ecLevel="Q", margin=2, scale=3).body
    query = urllib.parse.urlencode({"text": "Grüße 1", "ecLevel": "Q", "margin": 2, "scale": 3})
    object_ = {"text": "Grüße 1", "ecLevel": "Q", "margin": 2, "scale": 3}
    plain = "Grüße 1".encode()
    for answer in (server.post("/qr", query, FORM), server.post("/qr", query, FORM.upper()),
                   server.post("/qr", query, FORM + "; charset=utf-8"), server.post("/qr", query, FORM + " ;x"),
                   server.post("/qr", json.dumps(object_), JSON),
                   server.post("/qr", json.dumps(object_, ensure_ascii=False).encode(), JSON),
                   server.post("/qr?scale=3", json.dumps({"text": "Grüße 1", "ecLevel": "Q", "margin": "2"}), JSON),
                   server.post("/qr?scale=3&ecLevel=Q&margin=2", plain, PLAIN + "; charset=utf-8")):
        assert good(answer).body == expected


def test_plain_body_is_the_text_byte_for_byte(server, read):
    for body in (b"a+b%20c&d=e", b"\0", b" x ", b"line\r\n", b"%zz", bytes(range(256))):
        assert read(good(server.post("/qr", body, PLAIN)).body) == body


@pytest.mark.parametrize("body, parameter", [
    (b"", "body"), (b"{", "body"), (b"[]", "body"), (b'"A"', "body"), (b"null", "body"), (b'{"text":"A"}x', "body"),
    (b'{"text":"A","text":"B"}', "body"), (b'{"text":"\xff"}', "body"), (b"[" * 10000, "body"),
    (b'{"text":"A\n"}', "body"),
    (b'{"text":1}', "text"), (b'{"text":null}', "text"), (b'{"text":["A"]}', "text"), (b'{"text":""}', "text"),
    (b'{"text":"A","margin":65}', "margin"), (b'{"text":"A","margin":4.0}', "margin"),
    (b'{"text":"A","margin":true}', "margin"),
    (b'{"text":"A","margin":99999999999999999999}', "body"), (b'{"text":"A","scale":0}', "scale"),
    (b'{"text":"A","size":"x"}', "size"), (b'{"text":"A","eci":1}', "eci"), (b'{"text":"A","dark":0}', "dark"),
    (b'{"text":"A","format":null}', "format"), (b'{"text":"A","ecLevel":"m"}', "ecLevel"),
])
def test_json_is_checked(server, body, parameter):
    refused(server.post("/qr", body, JSON), parameter)


def test_json_values(server, read):
    assert good(server.post("/qr", rb'{"text":"A","margin":"2","scale":3,"eci":true,"dark":"#f00"}', JSON)).body == \
        qr(server, "A", margin=2, scale=3, dark="f00").body
    assert server.post("/qr", '{"text":"ü","eci":true}'.encode(), JSON).body == qr(server, "ü", eci="on").body
    assert server.post("/qr", '{"text":"ü","eci":false}'.encode(), JSON).body == qr(server, "ü").body
    assert read(server.post("/qr", rb'{"text":"a\u0000b\u00fc\ud83d\ude00"}', JSON).body) == "a\0bü😀".encode()


def test_other_content_types(server):
    for content_type in ("application/xml", "multipart/form-data; boundary=x", "text/html", "text/plainer", "",
                         "image/png"):
        message = refused(server.post("/qr", b"text=A", content_type), None, 415, "unsupported_media_type")
        assert JSON in message and FORM in message and PLAIN in message
    refused(server.get("/qr", method="POST", body=b"text=A"), None, 415, "unsupported_media_type")


# --- methods ---------------------------------------------------------------------------------------------------------

CHANGING = {"date", "server-timing"}


def constant(answer):
    return [(name, value) for name, value in answer.headers if name.lower() not in CHANGING]


@pytest.mark.parametrize("path", ["/", "/?text=A", "/qr?text=A", "/qr?text=A&format=svg", "/qr?text=A&format=text",
                                  "/qr?text=A&format=json", "/qr", "/qr?text=A&margin=x", "/healthz", "/nothing"])
def test_head_is_get_without_the_body(server, path):
    get, head = server.get(path), server.get(path, method="HEAD")
    assert (head.status, constant(head), head.body) == (get.status, constant(get), b"")
    raw = server.raw(f"HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    assert raw.endswith(b"\r\n\r\n") and raw.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize("path, allow", [("/", "GET, HEAD, OPTIONS"), ("/qr", "GET, HEAD, POST, OPTIONS"),
                                         ("/healthz", "GET, HEAD, OPTIONS")])
def test_methods(server, path, allow):
    preflight = server.get(path, method="OPTIONS")
    assert preflight.status == 204 and preflight.body == b"" and preflight.header("Content-Length") is None
    assert preflight.header("Allow") == preflight.header("Access-Control-Allow-Methods") == allow
    assert preflight.header("Access-Control-Allow-Origin") == "*"
    assert "content-type" in preflight.header("Access-Control-Allow-Headers").lower()
    for method in {"POST", "PUT", "DELETE", "PATCH"} - set(allow.split(", ")):
        answer = server.get(path, method=method)
        assert answer.header("Allow") == allow
        refused(answer, None, 405, "method_not_allowed")
    refused(server.get(path, method="BREW"), None, 501, "not_implemented")


def test_paths_are_exact(server):
    for path in ("/qr/", "/QR", "/index.html", "//", "/qr%00", "/q", "/healthz/", "/lab/burn?us=1", "/lab/sleep?us=1"):
        refused(server.get(path), None, 404, "not_found")


def test_health(server):
    answer = good(server.get("/healthz"), "application/json")
    assert answer.json() == {"status": "ok"} and answer.header("Cache-Control") == "no-store"


# --- the lab's answer without work -----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def lab():
    with Fleet({"workers.count": 1, "lab.enabled": True}) as fleet:
        yield fleet


@pytest.mark.parametrize("size", [0, 1, 330, 4096, 4097, 16384, 65536])
def test_constant_answer(lab, size):
    before = lab.slot(0)
    answer = good(lab.get(f"/lab/constant?bytes={size}"), "text/plain; charset=utf-8")
    assert answer.body == b"q" * size and answer.header("Cache-Control") == "no-store"
    head = good(lab.get(f"/lab/constant?bytes={size}", method="HEAD"), "text/plain; charset=utf-8")
    assert head.body == b"" and head.header("Content-Length") == str(size)
    after = lab.slot(0)
    assert after["jobs"] - before["jobs"] == 2, "from the job queue"
    assert "/lab/constant" in after["answers"]


@pytest.mark.parametrize("query", ["", "?", "?bytes", "?bytes=", "?bytes=-1", "?bytes=65537", "?bytes=1.5", "?bytes=x",
                                   "?bytes=1&bytes=1", "?us=1", "?bytes=99999999999999999999"])
def test_constant_refusals(lab, query):
    message = refused(lab.get("/lab/constant" + query), "bytes")
    assert "from 0 to 65536" in message
    refused(lab.get("/lab/constant?bytes=1", method="POST"), None, 405, "method_not_allowed")


def test_constant_is_for_the_lab_only(server):
    refused(server.get("/lab/constant?bytes=1"), None, 404, "not_found")


# --- headers ---------------------------------------------------------------------------------------------------------

TIMING = re.compile(r'queue;dur=\d+\.\d{3}, qr;dur=\d+\.\d{3}(, worker;desc="\d+")?')


@pytest.mark.parametrize("path", ["/", "/qr?text=A", "/qr?text=A&format=svg", "/qr", "/qr?text=A&scale=x"])
def test_headers_of_every_answer(server, path):
    answer = server.get(path)
    names = [name.lower() for name, _ in answer.headers]
    assert len(names) == len(set(names)), "no field twice"
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert TIMING.fullmatch(answer.header("Server-Timing")), answer.header("Server-Timing")
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.header("Date"))
    cached = answer.status == 200
    assert answer.header("Cache-Control") == ("public, max-age=86400" if cached else "no-store")
    assert bool(re.fullmatch(r'W/"[!#-~]+"', answer.header("ETag", ""))) == cached


def test_configured_headers():
    options = {"workers.count": 1, "http.cache_control": "private, max-age=5",
               "http.allow_origin": "https://example.org"}
    with Fleet(options) as fleet:
        answer = fleet.get("/qr?text=A")
        assert answer.header("Cache-Control") == "private, max-age=5"
        assert answer.header("Access-Control-Allow-Origin") == "https://example.org"
    with Fleet({"workers.count": 1, "http.cache_control": "", "http.allow_origin": ""}) as fleet:
        answer = fleet.get("/qr?text=A")
        assert answer.status == 200
        assert answer.header("Cache-Control") is None and answer.header("Access-Control-Allow-Origin") is None


def tag_of(server, path, **more):
    tag = server.get(path, **more).header("ETag")
    assert re.fullmatch(r'W/"[!#-~]+"', tag)
    return tag


def test_tags_differ_with_every_parameter(server):
    paths = ["/qr?text=A", "/qr?text=B", "/qr?text=A%00", "/qr?text=a", *(f"/qr?text=A&{pair}" for pair in (
        "format=svg", "format=text", "format=json", "ecLevel=L", "ecLevel=H", "margin=3", "scale=5", "size=116",
        "size=117", "dark=001", "dark=00000001", "light=001", "light=fffffffe", "dark=fff", "dark=fff&light=000",
        "eci=on", "margin=5&scale=3"))]
    tags = [tag_of(server, path) for path in paths]
    assert len(set(tags)) == len(paths)
    assert tags == [tag_of(server, path) for path in paths], "and stay"


def test_tags_depend_on_what_was_asked_for_only(server):
    same = ["/qr?text=A", "/qr?text=%41", "/qr?scale=4&text=A", "/qr?text=A&margin=04&format=png&ecLevel=M&eci=off",
            "/qr?text=A&dark=000&light=%23FFFFFFff", "/qr?text=A&unknown=1"]
    assert len({tag_of(server, path) for path in same}) == 1
    assert tag_of(server, "/qr?text=A", method="HEAD") == tag_of(server, same[0])
    assert tag_of(server, "/?text=A") == tag_of(server, "/qr?text=A&format=json"), "the same bytes"
    assert tag_of(server, "/") == tag_of(server, "/?text=QR%20TEST")


def test_other_workers_give_the_same_tag():
    with Fleet({"workers.count": 2}) as fleet:
        assert tag_of(fleet, "/qr?text=A", at=fleet.worker(0)) == tag_of(fleet, "/qr?text=A", at=fleet.worker(1))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/qr?text=A"])
def test_not_modified(server, path, method):
    tag = tag_of(server, path)
    strong = tag.removeprefix("W/")
    for value in (tag, strong, "*", f'"x", {tag}', f'{tag}, "x"', f'"x",{strong},W/"y"', f'"a,b" , {tag}',
                  f'  {tag}  '):
        answer = server.get(path, method=method, headers={"If-None-Match": value})
        assert answer.status == 304 and answer.body == b"", value
        assert answer.header("ETag") == tag and answer.header("Cache-Control") == "public, max-age=86400"
        assert answer.header("Access-Control-Allow-Origin") == "*"
        assert answer.header("Content-Length") is None
        assert TIMING.fullmatch(answer.header("Server-Timing"))
    other = strong[:-2] + ("0" if strong[-2] != "0" else "1") + '"'
    for value in ('"x"', 'W/"x"', other, strong.strip('"'), strong[:-1], f'"{strong[2:]}', "", '"*"'):
        answer = server.get(path, method=method, headers={"If-None-Match": value})
        assert answer.status == 200 and answer.header("ETag") == tag, value


def test_not_modified_is_for_good_requests_only(server):
    tag = tag_of(server, "/qr?text=A")
    assert server.get("/qr?text=B", headers={"If-None-Match": tag}).status == 200
    refused(server.get("/qr?text=A&margin=x", headers={"If-None-Match": "*"}), "margin")
    refused(server.get("/qr", headers={"If-None-Match": "*"}), "text")
    refused(server.get("/qr?text=" + "a" * 3000, headers={"If-None-Match": "*"}), "text", code="text_too_long")
    answer = server.get("/qr", method="POST", body=b"A", headers={"Content-Type": PLAIN, "If-None-Match": tag})
    assert answer.status == 200 and answer.header("ETag") == tag and answer.body


def test_304_leaves_the_connection_in_step(server):
    """No byte of a body follows it: the answer to the next request on the connection begins at once."""
    one = b"GET /qr?text=A HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n"
    two = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    heads = server.raw(one + two).split(b"\r\n\r\n")
    assert heads[0].startswith(b"HTTP/1.1 304 ") and heads[1].startswith(b"HTTP/1.1 200 ")
    assert json.loads(heads[2]) == {"status": "ok"}


# --- the longest work ------------------------------------------------------------------------------------------------

def cpu_ms(pid):
    """CPU time of a process so far. Time in which it was ready to run while another had the core is not in it, so that a
    slow server can be told from a busy machine."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def check_work(server, name, cases):
    """Each of cases, (what, the function that asks, status expected), keeps the worker busy for less than LONGEST_MS. A
    neighbour on the same core makes CPU time longer and never shorter, so that the quickest of five decides; medians
    are printed."""
    pid, times = server.pid(0), {}
    for what, ask, status in cases:
        times[what] = []
        for _ in range(5):
            before = cpu_ms(pid)
            answer = ask()
            assert answer.status == status, answer
            times[what].append(cpu_ms(pid) - before)
        times[what].sort()
    slowest = max(times, key=lambda what: times[what][0])
    report = f"{name}: slowest {slowest}, best {times[slowest][0]:.1f} ms, median {times[slowest][2]:.1f} ms of CPU"
    print(report)
    assert SANITIZED or times[slowest][0] < LONGEST_MS, report


COLORS = {"gray": {}, "inverted": {"dark": "fff", "light": "000"}, "colours": {"dark": "123", "light": "fed"},
          "alpha": {"dark": "11223380", "light": "44556640"}, "transparent": {"light": "transparent"}}
WORST = {"size 4096": {"size": 4096}, "size 4095": {"size": 4095}, "scale 22": {"scale": 22},
         "margin 64": {"size": 4096, "margin": 64}, "margin 0": {"size": 4096, "margin": 0},
         "scale 16": {"scale": 16}, "scale 1": {"scale": 1}}
TEXTS = {"L": b"\xe9" * 2953, "H": b"\xe9" * 1273, "digits": b"7" * 7089}


@pytest.mark.parametrize("kind", COLORS)
@pytest.mark.parametrize("name", TYPES)
def test_no_legal_request_takes_long(server, name, kind):
    """Version 40 in the largest pictures stays below what one request may hold the loop for."""
    cases = []
    for shape, parameters in WORST.items():
        for text, data in TEXTS.items():
            query = {"ecLevel": "H" if text == "H" else "L", "format": name, **COLORS[kind], **parameters}
            path = "/qr?" + urllib.parse.urlencode(query)
            cases.append((f"{shape}, {text}", functools.partial(server.post, path, data, PLAIN), 200))
    check_work(server, f"{name}, {kind}", cases)


def test_longest_of_other_requests(server):
    """What is long before there is a symbol: the largest bodies, refused."""
    bodies = {"digits": (b"7" * 65536, PLAIN), "mixed": (b"1a" * 32768, PLAIN),
              "form": (b"text=" + b"%41" * 21000, FORM),
              "names": (b"a=&" * 21845, FORM), "json": (json.dumps({"text": "7aB " * 15000}).encode(), JSON),
              "nested": (b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}", JSON),
              "members": (b"{" + b",".join(b'"%d":1' % n for n in range(6500)) + b"}", JSON)}
    cases = [(name, functools.partial(server.post, "/qr", *body), 400) for name, body in bodies.items()]
    check_work(server, "refused", cases)


def test_one_worker_did_it_all(server):
    """Nothing above has cost the worker its life."""
    assert server.slot(0)["restarts"] == 0
