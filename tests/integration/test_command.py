"""What the command lines of the programs have in common: -c, --set, --help, --version, wrong usage, warnings and errors,
and which file is read without -c."""

import json
import re
import subprocess

import pytest

from fleet import BUILD, ROOT, clean_environment

# Of each program: the words that make it read the configuration and come to an end soon.
PROGRAMS = {
    "quernd": ["--check"],
    "quernctl": ["status"],
    "quern-balancer": ["render"],
}
# No quernd answers at port 1, which quernctl says.
NOBODY = "admin.address=127.0.0.1:1"

each_program = pytest.mark.parametrize("program", PROGRAMS)


def run(*words, environment=None, **more):
    return subprocess.run([str(word) for word in words], env=clean_environment(environment), capture_output=True,
                          stdin=subprocess.DEVNULL, text=True, timeout=30, check=False, **more)


def started(program, *words, environment=None):
    """The program, with what makes it read the configuration, and then `words`."""
    return run(BUILD / program, *PROGRAMS[program], *words, environment=environment)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "quern.json"
    path.write_text('{"admin": {"address": "127.0.0.1:1"}}')
    return path


@each_program
@pytest.mark.parametrize("option", ["-h", "--help", "-V", "--version"])
def test_help_and_version(program, option):
    """Wherever they stand, and in full: nothing else is read."""
    for done in (run(BUILD / program, option), started(program, "-c", "/nonexistent", option)):
        assert (done.returncode, done.stderr) == (0, "")
        if option in ("-h", "--help"):
            assert done.stdout.startswith(f"usage: {program} ")
        else:
            assert re.fullmatch(rf"{program} \d+\.\d+\.\d+\n", done.stdout)


@each_program
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_a_full_disk_is_noticed(program, option):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([BUILD / program, option], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1, f"{program}: cannot write to standard output: No space left on device\n")


@each_program
@pytest.mark.parametrize("words, message", [
    (["--nonsense"], "unrecognized option '--nonsense'"),
    (["-x"], "invalid option -- 'x'"),
    (["-c"], "option requires an argument -- 'c'"),
    (["--set"], "option '--set' requires an argument"),
    (["--help=1"], "option '--help' doesn't allow an argument"),
    (["-c", "a", "-c", "b"], "-c was given twice"),
    (["-c", "a", "--config=a"], "-c was given twice"),
])
def test_wrong_usage(program, words, message):
    done = started(program, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{program}: {message}\nTry '{program} --help'.\n"


@each_program
def test_words_too_many(program):
    done = started(program, "more")
    assert (done.returncode, done.stdout) == (2, "")
    message, hint = done.stderr.splitlines()
    assert message.startswith(f"{program}: ") and hint == f"Try '{program} --help'."


def test_an_output_is_given_once():
    done = started("quern-balancer", "-o", "a", "--output", "b")
    assert (done.returncode, done.stderr) == (
        2, "quern-balancer: -o was given twice\nTry 'quern-balancer --help'.\n")


@each_program
def test_every_error_and_warning_is_told(program, file):
    """All sources, all lines, the program's name before each, and nothing done."""
    done = started(program, "-c", file, "--set", "log.level=x", "--set", "limits.queue=0",
                   environment={"QUERN_SERVICE_HOST": "10.0.0.1", "QUERN_LAB_ENABLED": "yes"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f'{program}: warning: environment: there is no option for the variable "QUERN_SERVICE_HOST"',
        f'{program}: QUERN_LAB_ENABLED: lab.enabled: "yes" is not allowed; allowed: true or false',
        f'{program}: --set: log.level: "x" is not allowed; allowed: one of "error", "warn", "info", "debug"',
        f'{program}: --set: limits.queue: "0" is out of range; allowed: a whole number from 1 to 1000000',
    ]


@each_program
def test_warnings_stop_nothing(program, file):
    done = started(program, "-c", file, "--set", "http.log_text=true")
    assert done.returncode == (1 if program == "quernctl" else 0)
    lines = done.stderr.splitlines()
    assert lines.pop(0) == (f"{program}: warning: --set: http.log_text: true has no effect without an access log "
                            "(http.access_log: false, default)")
    assert lines == (["quernctl: cannot connect to 127.0.0.1:1: is quernd running?"] if program == "quernctl" else [])


@each_program
def test_settings_have_no_limit(program, file):
    words = [word for queue in range(1, 1001) for word in ("--set", f"limits.queue={queue}")]
    done = started(program, "-c", file, *words, "--set", "limits.queue=no")
    assert done.returncode == 2
    assert done.stderr.startswith(f'{program}: --set: limits.queue: "no" is not allowed')
    assert started(program, "-c", file, *words).returncode == (1 if program == "quernctl" else 0)


# --- which file is read -----------------------------------------------------------------------------------------------

IN_A_ROOM = ["unshare", "--map-root-user", "--mount"]
rooms = pytest.mark.skipif(
    run(*IN_A_ROOM, "mount", "-t", "tmpfs", "none", "/etc").returncode != 0,
    reason="no mount namespaces, and so no /etc of its own for the test")


def with_etc(program, *words, content=None):
    """The program in an /etc where quern/quern.json has this content, or is missing."""
    script = 'mount -t tmpfs none /etc || exit 99; [ -z "$0" ] || { mkdir /etc/quern && ' \
             'printf %s "$0" >/etc/quern/quern.json; } || exit 99; exec "$@"'
    return run(*IN_A_ROOM, "sh", "-c", script, content or "", BUILD / program, *PROGRAMS[program], *words, cwd=ROOT)


@rooms
@each_program
def test_the_system_file_is_read(program):
    done = with_etc(program, content='{"log": {"level": "x"}}')
    assert done.returncode == 2
    assert done.stderr.startswith(f'{program}: /etc/quern/quern.json: log.level: "x" is not allowed')


@rooms
@each_program
def test_an_option_comes_before_the_system_file(program, file):
    done = with_etc(program, "-c", file, "--set", "limits.queue=0", content='{"log": {"level": "x"}}')
    assert done.returncode == 2
    assert done.stderr.startswith(f"{program}: --set: limits.queue: ") and len(done.stderr.splitlines()) == 1


@rooms
def test_without_any_file_there_are_defaults():
    done = with_etc("quernd", "--print-config")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == json.loads((ROOT / "config/quern.json").read_text())
    assert with_etc("quernd").stdout.startswith("configuration ok: no file (")


@rooms
@each_program
def test_a_file_in_the_working_directory_is_not_read(program, tmp_path):
    (tmp_path / "config").mkdir()
    for name in ("quern.json", "config/quern.json"):
        (tmp_path / name).write_text("nonsense")
    done = run(*IN_A_ROOM, "sh", "-c", 'mount -t tmpfs none /etc && exec "$@"', "sh", BUILD / program,
               *PROGRAMS[program], "--set", NOBODY, cwd=tmp_path)
    assert done.returncode == (1 if program == "quernctl" else 0)
    assert "nonsense" not in done.stderr and "quern.json" not in done.stderr
