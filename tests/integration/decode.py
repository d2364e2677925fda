"""Texts to make QR codes of, and two readers that turn pictures back into bytes.

zbarimg and ZXingReader share no code with the server, nor with each other. Of zbarimg:

* `--raw -Sbinary` prints the bytes as they are in the symbol, NUL and all. Without it zbar guesses a character set and
  converts. It puts nothing between the results of several files in this mode (--xml does not help: the data is not
  escaped either), so there is one call per file.
* Only QR codes are looked for, otherwise the noise in a large symbol is now and then read as a bar code as well.

ZXingReader finds no version 40 at 2 pixels a module, zbarimg does; at SCALE, which is the service's default, both read
all versions. zbarimg takes three times as long at 5 pixels a module as at 4.
"""

import dataclasses
import io
import random
import subprocess

from PIL import Image

LEVELS = "LMQH"
KINDS = ("digits", "alphanumeric", "bytes", "utf-8", "mixed")
SCALE = 4
FULL = 2000

DIGITS = b"0123456789"
ALPHANUMERIC = DIGITS + b"ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

# ISO/IEC 18004:2015, table 9: error correction codewords of one block, and number of blocks, of versions 1 to 40.
EC_PER_BLOCK = {
    "L": (7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28,
          28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30),
    "M": (10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26,
          26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28),
    "Q": (13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30,
          28, 30, 30, 30, 30, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30),
    "H": (17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24, 30, 28, 28, 26, 28,
          30, 24, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30),
}
BLOCKS = {
    "L": (1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8,
          8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25),
    "M": (1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16,
          17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49),
    "Q": (1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12, 17, 16, 18, 21, 20,
          23, 23, 25, 27, 29, 34, 34, 35, 38, 40, 43, 45, 48, 51, 53, 56, 59, 62, 65, 68),
    "H": (1, 1, 2, 4, 4, 4, 5, 6, 8, 8, 11, 11, 16, 16, 18, 16, 19, 21, 25, 25,
          25, 34, 30, 32, 35, 37, 40, 42, 45, 48, 51, 54, 57, 60, 63, 66, 70, 74, 77, 81),
}


def data_bits(version, level):
    """What a symbol holds, headers included."""
    modules = (16 * version + 128) * version + 64
    if version >= 2:
        alignment = version // 7 + 2
        modules -= (25 * alignment - 10) * alignment - 55
        if version >= 7:
            modules -= 36
    return 8 * (modules // 8 - EC_PER_BLOCK[level][version - 1] * BLOCKS[level][version - 1])


def capacity(version, level, kind):
    """The most digits, alphanumeric characters or bytes that one segment of a symbol holds."""
    group = 0 if version <= 9 else 1 if version <= 26 else 2
    if kind == "digits":
        room = data_bits(version, level) - 4 - (10, 12, 14)[group]
        return room // 10 * 3 + (2 if room % 10 >= 7 else 1 if room % 10 >= 4 else 0)
    if kind == "alphanumeric":
        room = data_bits(version, level) - 4 - (9, 11, 13)[group]
        return room // 11 * 2 + (1 if room % 11 >= 6 else 0)
    return (data_bits(version, level) - 4 - (8, 16, 16)[group]) // 8


@dataclasses.dataclass(frozen=True)
class Text:
    number: int  # in the list of all
    kind: str
    level: str
    version: int  # that must be enough
    data: bytes

    def __str__(self):
        return f"text {self.number} ({self.kind}, {len(self.data)} bytes, {self.version}-{self.level})"


def _utf8(rng, length):
    """Exactly `length` bytes: characters of one to four bytes, of the range that JSON and URLs must both carry."""
    out = b""
    while len(out) < length:
        low, high = rng.choice(((0x61, 0x7a), (0xa1, 0x7ff), (0x800, 0xd7ff), (0x10000, 0x10ffff)))
        character = chr(rng.randint(low, high)).encode()
        if len(out) + len(character) <= length:
            out += character
    return out


def _mixed(rng, length):
    """Runs of all kinds, so that the symbol has several segments."""
    out = b""
    while len(out) < length:
        run = min(rng.randint(1, 40), length - len(out))
        out += make_text(rng, rng.choice(("digits", "alphanumeric", "bytes", "utf-8")), run)
    return out


def make_text(rng, kind, length):
    if kind == "digits":
        return bytes(rng.choices(DIGITS, k=length))
    if kind == "alphanumeric":
        return bytes(rng.choices(ALPHANUMERIC, k=length))
    if kind == "utf-8":
        return _utf8(rng, length)
    if kind == "mixed":
        return _mixed(rng, length)
    return rng.randbytes(length)


def _plan(rng):
    """(kind, level, version, length) without end. A length class is what one version adds to the version below it.

    First the most that version 40 holds, of all kinds and levels; then all the other classes, each with the exact
    capacity once and with a random length in the class from then on.
    """
    classes = [(kind, level, version) for version in range(1, 40) for level in LEVELS for kind in KINDS]
    largest = [(kind, level, 40) for level in LEVELS for kind in KINDS]
    yield from ((kind, level, version, capacity(version, level, kind)) for kind, level, version in largest)
    rng.shuffle(classes)
    yield from ((kind, level, version, capacity(version, level, kind)) for kind, level, version in classes)
    while True:
        classes += largest if len(classes) == 39 * len(largest) else []
        rng.shuffle(classes)
        for kind, level, version in classes:
            low = capacity(version - 1, level, kind) if version > 1 else 0
            yield kind, level, version, rng.randint(low + 1, capacity(version, level, kind))


def texts(count, seed):
    """`count` texts, always the same ones for a seed; fewer than FULL are an even sample, the largest included."""
    rng = random.Random(seed)
    planned = _plan(rng)
    everything = [Text(number, kind, level, version, make_text(rng, kind, length))
                  for number, (kind, level, version, length) in zip(range(max(count, FULL)), planned)]
    first = len(LEVELS) * len(KINDS)
    rest, wanted = everything[first:], count - first
    assert wanted > 0, f"at least {first + 1} texts"
    return everything[:first] + [rest[i * len(rest) // wanted] for i in range(wanted)]


# --- readers ---------------------------------------------------------------------------------------------------------

ZBAR = ["zbarimg", "--raw", "-q", "--nodbus", "-Sdisable", "-Sqrcode.enable", "-Sbinary"]
ZXING = ["ZXingReader", "-format", "QRCode", "-bytes"]


def zbar(path):
    """The bytes of the symbol in a picture file, or None."""
    run = subprocess.run([*ZBAR, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return run.stdout if run.returncode == 0 else None


def zxing(path):
    """Like zbar()."""
    run = subprocess.run([*ZXING, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return run.stdout if run.returncode == 0 and run.stdout else None


# --- other pictures, made into files the readers take ----------------------------------------------------------------

def svg_as_png(svg):
    return subprocess.run(["rsvg-convert", "--format=png"], input=svg, stdout=subprocess.PIPE, check=True).stdout


HALF_BLOCKS = {" ": (0, 0), "\u2580": (1, 0), "\u2584": (0, 1), "\u2588": (1, 1)}


def text_rows(text):
    """The rows of modules that half blocks show, 1 where a block is drawn (light), 0 where nothing is."""
    lines = text.decode().split("\n")
    assert lines.pop() == "", "the last line ends like all others"
    return [[HALF_BLOCKS[character][half] for character in line] for line in lines for half in (0, 1)]


def write_text_as_pgm(text, path, scale=SCALE):
    """A terminal with a dark background, at `scale` pixels a module."""
    rows = text_rows(text)
    assert len({len(row) for row in rows}) == 1, "lines of one width"
    pixels = b"".join(bytes(255 * light for light in row for _ in range(scale)) * scale for row in rows)
    path.write_bytes(b"P5 %d %d 255\n" % (len(rows[0]) * scale, len(rows) * scale) + pixels)


def open_picture(png):
    """As PIL image with alpha."""
    return Image.open(io.BytesIO(png)).convert("RGBA")


def on_white(png):
    """The picture on white paper, for readers that take no notice of transparency."""
    image = open_picture(png)
    paper = Image.new("RGBA", image.size, "white")
    out = io.BytesIO()
    Image.alpha_composite(paper, image).convert("RGB").save(out, "PNG")
    return out.getvalue()


# --- what a PNG of ours is made of -----------------------------------------------------------------------------------

def png_modules(png, margin=4, scale=SCALE, dark=(0, 0, 0, 255)):
    """Rows of a symbol's modules, True where dark. The picture must consist of whole, even modules of two colours."""
    image = open_picture(png)
    width = image.width // scale
    assert image.size == (width * scale, width * scale)
    small = image.resize((width, width), Image.NEAREST)
    assert small.resize(image.size, Image.NEAREST).tobytes() == image.tobytes(), "modules of one colour"
    flat = [pixel == dark for pixel in small.getdata()]
    rows = [flat[y * width:(y + 1) * width] for y in range(width)]
    inner = [row[margin:width - margin] for row in rows[margin:width - margin]]
    assert sum(map(sum, rows)) == sum(map(sum, inner)), "the margin is light"
    return inner


def version_of(modules):
    assert len(modules) % 4 == 1
    return (len(modules) - 17) // 4


def level_of(modules):
    """From the format information beside the upper left finder pattern (clause 7.9), whose check bits must be right."""
    places = [(8, y) for y in (0, 1, 2, 3, 4, 5, 7, 8)] + [(x, 8) for x in (7, 5, 4, 3, 2, 1, 0)]
    found = sum(modules[y][x] << bit for bit, (x, y) in enumerate(places)) ^ 0x5412
    rest = found >> 10
    for _ in range(10):
        rest = rest << 1 ^ (rest >> 9) * 0x537
    assert found == found >> 10 << 10 | rest, "check bits of the format information"
    return {1: "L", 0: "M", 3: "Q", 2: "H"}[found >> 13]
