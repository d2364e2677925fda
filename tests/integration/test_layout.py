"""The house: includes point down, headers are found first by their own sources, and nothing is left for nobody."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What the files of a folder may include; a folder may always include itself. The longest matching name counts.
MAY_INCLUDE = {
    "lib": [],
    "config": ["lib"],
    "server/qr": ["lib"],
    "server/stats": ["config", "lib"],
    "server/http": ["server/stats/stats.h", "server/job.h", "lib"],
    "server/backend": ["server/http", "server/stats/stats.h", "lib"],
    "server/routes": ["server/route.h", "server/work.h", "server/backend/backend.h", "server/http", "server/qr", "config",
                      "lib"],
    "server/ctl": ["server/stats/process.h", "config", "lib"],
    "server": ["server/http", "server/backend", "server/qr", "server/routes", "server/stats", "config", "lib"],
    "balancer": ["config", "lib"],
    # The lab: model and stat are its leaves, plain files of bench/ are what all subcommands share.
    "bench/model": ["lib"],
    "bench/stat": ["lib"],
    "bench": ["bench/model", "bench/stat", "lib"],
    "bench/load": ["bench/model", "bench/stat", "bench/", "lib"],
    "bench/sim": ["bench/model", "bench/stat", "bench/plan/closed.h", "bench/", "lib"],
    "bench/fleet": ["bench/model", "bench/", "config", "lib"],
    "bench/plan": ["bench/model", "bench/stat", "bench/sim", "bench/load", "bench/fleet", "bench/measure",
                   "bench/", "lib"],
    "bench/measure": ["bench/model", "bench/stat", "bench/sim", "bench/load", "bench/fleet", "bench/", "lib"],
    "bench/sweep": ["bench/model", "bench/stat", "bench/sim", "bench/load", "bench/fleet", "bench/measure", "bench/plan",
                    "bench/", "lib"],
    "bench/report": ["bench/model", "bench/stat", "bench/sim", "bench/plan", "bench/", "lib"],
    "bench/timeline": ["bench/", "lib"],
    "bench/chapter": ["bench/model", "bench/stat", "bench/load", "bench/fleet", "bench/measure", "bench/report",
                      "bench/sweep", "bench/timeline", "bench/", "server/backend/backend.h", "config", "lib"],
    "bench/speed": ["bench/model", "bench/stat", "bench/sim", "bench/plan", "server/qr", "lib"],
}
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def sources(*suffixes):
    return [path for folder in ("lib", "config", "server", "balancer", "bench")
            for path in sorted((ROOT / folder).rglob("*")) if path.suffix in suffixes]


def rule_of(name):
    return max((folder for folder in MAY_INCLUDE if name.startswith(folder + "/")), key=len)


def is_allowed(name, included):
    if "/" not in included:
        return True  # beside it: programs in several files that are no part of Quern's
    own = rule_of(name)
    if rule_of(included) == own:
        return True
    # "x/" means the files of folder x itself, without the folders in it.
    return any(included == down or included.startswith(down.rstrip("/") + "/") and
               (not down.endswith("/") or rule_of(included) == down.rstrip("/")) for down in MAY_INCLUDE[own])


def test_rules_can_fail():
    assert not is_allowed("lib/buffer.c", "config/config.h")
    assert not is_allowed("server/qr/png.c", "server/http/conn.h")
    assert not is_allowed("bench/load/main.c", "server/worker.h")
    assert not is_allowed("server/http/conn.c", "server/stats/sample.h")
    assert not is_allowed("bench/load/load.c", "bench/fleet/fleet.h")
    assert is_allowed("bench/load/load.c", "bench/cli.h")
    assert is_allowed("server/worker.c", "server/http/conn.h")


def test_includes_point_down():
    wrong = []
    for path in sources(".c", ".h"):
        name = str(path.relative_to(ROOT))
        for included in INCLUDE.findall(path.read_text()):
            # Generated headers stand in build/gen under their folder's name.
            if not is_allowed(name, included):
                wrong.append(f"{name} includes {included}")
    assert not wrong, "\n".join(wrong)


def test_each_source_includes_its_own_header_first():
    for path in sources(".c"):
        if path.with_suffix(".h").exists():
            first = INCLUDE.search(path.read_text())
            assert first and first[1] == str(path.with_suffix(".h").relative_to(ROOT)), path


def alone():
    """All headers, but without hiredis those that need it, as they are not part of a program then."""
    without = subprocess.run(["pkg-config", "--exists", "hiredis"], check=False).returncode != 0
    return [path for path in sources(".h") if not (without and "#include <hiredis/" in path.read_text())]


def test_every_header_stands_alone():
    headers = "".join(f'#include "{path.relative_to(ROOT)}"\n#include "{path.relative_to(ROOT)}"\n' for path in alone())
    for path in alone():
        text = f'#include "{path.relative_to(ROOT)}"\n'
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-fsyntax-only", f"-I{ROOT}", "-x", "c", "-"],
                       input=text, text=True, check=True)
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-fsyntax-only", f"-I{ROOT}", "-x", "c", "-"],
                   input=headers, text=True, check=True)


def test_nothing_is_left_for_nobody():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    files = [p for folder in ("lib", "config", "server", "balancer", "bench", "tools", "tests")
             for p in (ROOT / folder).rglob("*") if p.suffix in (".c", ".h", ".py", ".sh", ".def", ".in", "")]
    found = [str(p) for p in files
             if p.is_file() and p != pathlib.Path(__file__).resolve() and "corpus" not in p.parts
             and marks.search(p.read_text(errors="replace"))]
    assert not found, found
