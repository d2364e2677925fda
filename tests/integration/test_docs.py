"""The documentation names what there is: endpoints, command-line options, signals, exit codes; and its links lead
somewhere. Options are held by test_config.py, metrics by test_metrics.py."""

import pathlib
import re
import subprocess

import pytest

from fleet import BUILD, clean_environment

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Those that read the configuration.
PROGRAMS = {"quernd": "quernd.8", "quernctl": "quernctl.1", "quern-balancer": "quern-balancer.8"}
MANUALS = PROGRAMS | {"quern-bench": "quern-bench.1"}
BENCH_COMMANDS = ("load", "sweep", "simulate", "plan", "report", "compare", "timeline", "chapter")


def read(name):
    return (ROOT / name).read_text()


def manual(program):
    """The man page as text: mandoc is not everywhere, so only the roff is undone that matters here."""
    text = read(f"docs/man/{MANUALS[program]}")
    text = re.sub(r"Fl ([a-zA-Z]) , (Fl )?-", r"Fl \1 , Fl -", text)
    return re.sub(r"Fl -([a-z])", r"--\1", text).replace("Fl ", "-")


def help_of(program, *command):
    return subprocess.run([BUILD / program, *command, "--help"], env=clean_environment(), capture_output=True, text=True,
                          check=True).stdout


def test_every_endpoint_is_documented():
    paths = re.findall(r'\.path = "([^"]+)"', read("server/route.c"))
    paths += re.findall(r'\{"(/[a-z.]+)", answer_', read("server/admin.c"))
    assert len(paths) >= 8
    for path in paths:
        assert f"`{path}`" in read("docs/api.md") or f" {path}`" in read("docs/api.md") or \
            f" {path}?" in read("docs/api.md"), path


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_line_option_is_in_the_manual(program):
    options = set(re.findall(r"(?<![\w-])(--?[a-zA-Z][a-z-]*)", help_of(program).split("\nOptions, each")[0]))
    assert {"-c", "--config", "--set", "-h", "--help", "-V", "--version"} <= options
    for option in options:
        assert option in manual(program), option


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_of_the_manual_is_real(program):
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", manual(program))):
        assert option in help_of(program), option


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_file_that_is_read_without_an_option_is_documented(program):
    path = re.search(r'#define COMMAND_SYSTEM_FILE "([^"]+)"', read("config/command.h"))[1]
    assert path in help_of(program)
    assert f".Pa {path}\n" in manual(program) and f".It Pa {path}\n" in manual(program)
    assert f"`{path}`" in read("docs/configuration.md")


@pytest.mark.parametrize("program", PROGRAMS)
def test_exit_codes_are_in_the_manual(program):
    status = manual(program).split(".Sh EXIT STATUS")[1].split(".Sh")[0]
    for code in ("0", "1", "2"):
        assert f".It {code}\n" in status
    help_text = help_of(program)
    assert re.search(r"[Ee]xit (codes|status): 0 done, 1 failed, 2 wrong usage or configuration", help_text)


def bench_section(command):
    """What quern-bench's manual says of one subcommand: the subsection of its name."""
    return re.split(r"^\.S[sh] ", manual("quern-bench").split(f".Ss {command}\n")[1], flags=re.MULTILINE)[0]


OPTION_NAME = r"(?<![\w-])--?[a-z][a-z-]*"


@pytest.mark.parametrize("command", BENCH_COMMANDS)
def test_every_option_of_the_lab_is_in_its_manual_and_real(command):
    in_help = set(re.findall(rf"^  ({OPTION_NAME})", help_of("quern-bench", command), re.MULTILINE)) - {"-h"}
    described = "\n".join(re.findall(r"^\.It (.*)", bench_section(command), re.MULTILINE))
    assert in_help and set(re.findall(OPTION_NAME, described)) == in_help


def test_the_lab_documents_all_its_commands_and_exit_codes():
    assert set(re.findall(r"^  ([a-z]+) ", help_of("quern-bench"), re.MULTILINE)) == set(BENCH_COMMANDS)
    status = manual("quern-bench").split(".Sh EXIT STATUS")[1].split(".Sh")[0]
    codes = re.search(r"enum bench_exit \{(.*?)\}", read("bench/cli.h"), re.DOTALL)[1].count("BENCH_") - 1
    assert re.findall(r"^\.It (\d)", status, re.MULTILINE) == [str(code) for code in range(codes)]


def test_every_experiment_is_documented():
    names = [path.stem for path in (ROOT / "bench/experiments").glob("*.json")]
    assert len(names) >= 5
    for name in names:
        assert f"`{name}`" in read("docs/lab.md"), name


def test_every_signal_of_the_master_is_in_the_manual():
    source = read("server/master_signals.c") + read("server/master_start.c")
    taken = source.split("static void add_wishes(")[1].split("static int make_tables(")[0]
    signals = set(re.findall(r"\b(SIG[A-Z0-9]+)\b", taken)) & set(re.findall(r"number == (SIG[A-Z0-9]+)\b", source))
    assert signals >= {"SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTTIN", "SIGTTOU"}
    assert "#define MASTER_SCALE SIGRTMIN\n" in read("server/master.h") and "MASTER_SCALE" in taken
    for name in (signals | {"SIGRTMIN"}) - {"SIGCHLD"}:
        assert f"Dv {name}" in manual("quernd") or f" {name}" in manual("quernd"), name
        assert name in help_of("quernd") or name == "SIGRTMIN", name
        assert name in read("docs/operations.md"), name


def test_every_signal_of_a_worker_is_in_the_manual():
    section = manual("quernd").split("To a worker:")[1].split(".Sh")[0]
    signals = set(re.findall(r"sigaddset\(&\w+, (SIG[A-Z0-9]+)\)", read("server/worker.c")))
    assert signals == {"SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1"}
    for name in signals | {"SIGABRT"}:
        assert f"Dv {name}\n" in section, name


def test_the_exit_code_of_a_lost_fleet_is_documented():
    code = re.search(r"#define MASTER_LOST (\d)", read("server/master.h"))[1]
    assert f".It {code}\n" in manual("quernd").split(".Sh EXIT STATUS")[1]
    assert f"Exit code {code}: " in help_of("quernd")
    assert f"\n| {code} | every slot is parked" in read("docs/operations.md")


def test_statuses_are_documented():
    listed = re.findall(r"\d{3}", re.search(r"stats_status\[STATS_STATUSES\] = \{([^}]*)\}",
                                            read("server/stats/stats.c"))[1])
    # 500 is what a bug would be counted as.
    for status in set(listed) - {"500"}:
        assert re.search(rf"\b{status}\b", read("docs/api.md")), status


def test_links_lead_somewhere():
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").rglob("*.md")]:
        if "node_modules" in page.parts:
            continue
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith(("http:", "https:")) and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken, broken
