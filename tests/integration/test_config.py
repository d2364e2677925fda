"""The configuration from outside: options.def is the only list of options, and everything else that names them agrees
with it; quernd merges its sources in the order promised and reports every mistake at once."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
QUERND = BUILD / "quernd"
BALANCER = BUILD / "quern-balancer"
# How a reload takes an option of that class, in the words of the documentation and --help.
RELOAD = {"LIVE": "at once", "ROLL": "rolling", "UPGRADE": "upgrade", "BALANCER": "HAProxy"}


class Option:
    """One line of options.def."""

    def __init__(self, kind, section, key, takes, default, *rest):
        self.kind, self.section, self.key = kind, section, key
        self.name = f"{section}.{key}"
        self.variable = f"QUERN_{section}_{key}".upper()
        self.reload = RELOAD[takes]
        self.default = {"CONFIG_AUTO": "auto", "true": True, "false": False}.get(default, default)
        if kind in ("COUNT", "INT"):
            self.low, self.high = int(rest[0]), int(rest[1])
            self.default = self.default if self.default == "auto" else int(self.default)
        self.choices = rest[0].split() if kind == "ENUM" else []
        self.help = rest[-1]

    def allowed(self):
        """What may be set, in the words of the documentation, --help and the errors."""
        return {
            "COUNT": lambda: f'a whole number from {self.low} to {self.high}, or "auto"',
            "INT": lambda: f"a whole number from {self.low} to {self.high}",
            "BOOL": lambda: "true or false",
            "ENUM": lambda: "one of " + ", ".join(f'"{word}"' for word in self.choices),
            "HOST": lambda: "a numeric IPv4 or IPv6 address",
            "ADDRESS": lambda: "HOST:PORT or [IPv6]:PORT, numeric, port 1 to 65535",
            "STRING": lambda: "UTF-8 text without control characters, at most 1024 bytes",
        }[self.kind]()

    def wrong(self):
        """(JSON value that must be refused, text that must be refused)."""
        return {
            "COUNT": (0, "many"),
            "INT": (self.high + 1 if self.kind == "INT" else None, "1.5"),
            "BOOL": (1, "yes"),
            "ENUM": ("no such word", "no such word"),
            "HOST": ("localhost", "localhost"),
            "ADDRESS": ("localhost:80", "127.0.0.1"),
            "STRING": ("a\nb", "a\tb"),
        }[self.kind]

    def other(self):
        """A legal value that is not the default, and upsets no other option."""
        special = {
            "workers.max": 31,
            "workers.base_port": 8200,
            "workers.address": "127.0.0.9",
            "balancer.certificate": "/etc/quern.pem",
            "balancer.server_name": "other",
            "balancer.kind": "none",
            "admin.address": "127.0.0.9:18001",
            "balancer.listen": "127.0.0.9:18002",
            "balancer.stats": "127.0.0.9:18003",
            "metrics.statsd": "127.0.0.9:18125",
            "lab.redis": "127.0.0.9:16379",
        }
        if self.name in special:
            return special[self.name]
        if self.kind in ("COUNT", "INT"):
            return self.high if self.default != self.high and self.kind == "INT" else self.low
        if self.kind == "BOOL":
            return not self.default
        return self.choices[-1] if self.kind == "ENUM" else "other"


def read_options():
    text = (ROOT / "config/options.def").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    tokens = re.findall(r'"(?:[^"\\]|\\.)*"|[(),]|[^\s(),"]+', text)
    options = []
    while tokens:
        kind = tokens.pop(0)
        assert kind.startswith("OPTION_") and tokens.pop(0) == "(", kind
        arguments, token = [""], tokens.pop(0)
        while token != ")":
            if token == ",":
                arguments.append("")
            else:
                arguments[-1] += json.loads(token) if token.startswith('"') else token
            token = tokens.pop(0)
        options.append(Option(kind.removeprefix("OPTION_"), *arguments))
    return options


OPTIONS = read_options()
each_option = pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)


def quernd(*arguments, environment=None):
    """Runs quernd to its end; QUERN_ variables are those given and no others, nor is the machine's own file read."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("QUERN_")}
    file = [] if "-c" in arguments else ["-c", "/dev/stdin"]
    return subprocess.run([QUERND, *file, *map(str, arguments)], env=inherited | (environment or {}), timeout=20,
                          input="{}", capture_output=True, text=True, check=False)


def in_force(*arguments, environment=None):
    """The configuration that results, as --print-config has it."""
    run = quernd(*arguments, "--print-config", environment=environment)
    assert (run.returncode, run.stderr) == (0, "")
    return json.loads(run.stdout)


def errors_of(*arguments, environment=None):
    """The error lines of a configuration that must be refused, without the program's name."""
    run = quernd(*arguments, "--check", environment=environment)
    assert (run.returncode, run.stdout) == (2, ""), run.stderr
    lines = run.stderr.splitlines()
    assert all(line.startswith("quernd: ") for line in lines)
    return [line.removeprefix("quernd: ") for line in lines]


def text_of(value):
    """The value as the environment and --set take it."""
    return json.dumps(value) if not isinstance(value, str) else value


@pytest.fixture
def file(tmp_path):
    """Writes a configuration file and returns its path."""

    def write(content):
        path = tmp_path / "quern.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


# --- everything that names the options --------------------------------------------------------------------------------


def test_default_file():
    committed = (ROOT / "config/quern.json").read_text()
    assert quernd("--print-config").stdout == committed, "run `make schema`"
    expected = {}
    for option in OPTIONS:
        expected.setdefault(option.section, {})[option.key] = option.default
    sections = json.loads(committed)
    assert sections.pop("$schema") == "quern.schema.json"
    assert list(sections) == list(expected)
    assert sections == expected


def test_default_file_changes_nothing():
    assert in_force("-c", ROOT / "config/quern.json") == in_force()
    run = quernd("-c", ROOT / "config/quern.json", "--check")
    assert (run.returncode, run.stderr) == (0, "")
    assert "ok" in run.stdout


def test_schema_is_committed():
    assert quernd("--print-schema").stdout == (ROOT / "config/quern.schema.json").read_text(), "run `make schema`"


def read_schema():
    return json.loads((ROOT / "config/quern.schema.json").read_text())


def test_schema_names_all_options():
    schema = read_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    sections = {name: value for name, value in schema["properties"].items() if name != "$schema"}
    named = [f"{section}.{key}" for section in sections for key in sections[section]["properties"]]
    assert named == [option.name for option in OPTIONS]


@each_option
def test_schema_says_what_the_table_says(option):
    schema = read_schema()["properties"][option.section]["properties"][option.key]
    assert schema["default"] == option.default
    assert schema["description"] == option.help
    if option.kind == "COUNT":
        schema, auto = schema["oneOf"]
        assert auto == {"const": "auto"}
    if option.kind in ("COUNT", "INT"):
        assert (schema["type"], schema["minimum"], schema["maximum"]) == ("integer", option.low, option.high)
    elif option.kind == "ENUM":
        assert schema["enum"] == option.choices
    else:
        assert schema["type"] == {"BOOL": "boolean"}.get(option.kind, "string")


def test_schema_takes_the_default_file():
    jsonschema.validate(json.loads((ROOT / "config/quern.json").read_text()), read_schema())


@pytest.mark.parametrize("content", [{"workrs": {}}, {"workers": {"cuont": 1}}, {"workers": 1}, [], {"$schema": 1}],
                         ids=json.dumps)
def test_schema_is_as_strict_as_quernd(content, file):
    assert not jsonschema.Draft7Validator(read_schema()).is_valid(content)
    assert len(errors_of("-c", file(content))) == 1


@each_option
def test_schema_judges_as_quernd_does(option, file):
    validator = jsonschema.Draft7Validator(read_schema())
    for value in (option.wrong()[0], None, [], {}):
        content = {option.section: {option.key: value}}
        assert not validator.is_valid(content), value
        assert len(errors_of("-c", file(content))) == 1, value
    content = {option.section: {option.key: option.other()}}
    assert validator.is_valid(content)
    assert in_force_of_file(file(content))[option.section][option.key] == option.other()


def in_force_of_file(path):
    """As in_force(), where a value on its own may earn a warning."""
    run = quernd("-c", path, "--print-config")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_help_names_all_options():
    run = quernd("--help")
    assert (run.returncode, run.stderr) == (0, "")
    paragraphs = re.findall(r"^([a-z_]+\.[a-z_]+) \((QUERN_[A-Z_]+)\)$", run.stdout, flags=re.M)
    assert paragraphs == [(option.name, option.variable) for option in OPTIONS]


@each_option
def test_help_says_what_the_table_says(option):
    paragraph = quernd("--help").stdout.split(f"{option.name} ({option.variable})\n", 1)[1].split("\n\n", 1)[0]
    values = f"{option.allowed()}; default {json.dumps(option.default)}; reload: {option.reload}"
    assert " ".join(paragraph.split()) == f"{values} {option.help}"


def read_documentation():
    """The rows of the tables of options: [key, variable, values, default, reload, what it does]."""
    text = (ROOT / "docs/configuration.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| `([A-Z_]+)` \| (.+?) \| `(.*?)` \| (.+?) \| (.+?) \|$", text,
                      flags=re.M)
    # A row that is no row to the pattern above must not go unnoticed.
    assert len(rows) == len(re.findall(r"^\| `[a-z_]+\.", text, flags=re.M))
    return rows


def test_documentation_names_all_options():
    assert [row[:2] for row in read_documentation()] == [(option.name, option.variable) for option in OPTIONS]


@each_option
def test_documentation_says_what_the_table_says(option):
    _, _, values, default, _, does = next(row for row in read_documentation() if row[0] == option.name)
    assert default == json.dumps(option.default)
    assert len(does) > 10
    if option.kind == "COUNT":
        assert values == f'{option.low} to {option.high}, or `"auto"`'
    elif option.kind == "INT":
        assert values == f"{option.low} to {option.high}"
    elif option.kind == "BOOL":
        assert values == "`true`, `false`"
    elif option.kind == "ENUM":
        assert values == ", ".join(f'`"{word}"`' for word in option.choices)
    else:
        assert values == {"HOST": "address", "ADDRESS": "address with port", "STRING": "text"}[option.kind]


def haproxy_cfg(*settings):
    """What quern-balancer makes of them."""
    run = subprocess.run([BALANCER, "render", "-c", "/dev/stdin", *(word for s in settings for word in ("--set", s))],
                         env={}, input="{}", capture_output=True, text=True, check=False, timeout=20)
    assert run.returncode == 0, run.stderr
    return run.stdout


@each_option
def test_documentation_says_how_a_reload_takes_it(option):
    """The column has the class of the table, and names HAProxy too where haproxy.cfg changes with the option."""
    _, _, _, _, reload, _ = next(row for row in read_documentation() if row[0] == option.name)
    other = f"{option.name}={text_of(option.other())}"
    bases = [], ["balancer.policy=central"], ["balancer.discovery=dns"]
    # Without HAProxy there is nothing to render.
    read = option.name == "balancer.kind" or any(haproxy_cfg(*base) != haproxy_cfg(*base, other) for base in bases)
    if option.reload == "HAProxy":
        assert (reload, read) == ("HAProxy", True)
    else:
        assert reload == option.reload + ", HAProxy" * read


def test_documentation_explains_every_way_of_reloading():
    text = (ROOT / "docs/configuration.md").read_text()
    section = text.split("\n## Reload\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^\| (.+?) \|", section, flags=re.M)[2:] == list(RELOAD.values())


def test_documentation_speaks_of_no_other_option():
    text = (ROOT / "docs/configuration.md").read_text()
    sections = "|".join(sorted({option.section for option in OPTIONS}))
    named = set(re.findall(rf"`((?:{sections})\.[a-z_]+)", text))
    assert named == {option.name for option in OPTIONS}


def test_compose_names_all_options():
    """docker-compose.yml lets every option through, or says what it is."""
    text = (ROOT / "docker-compose.yml").read_text()
    named = re.findall(r"^ +(QUERN_\w+):", text, flags=re.M)
    assert sorted(named) == sorted(option.variable for option in OPTIONS)


def test_examples_of_the_documentation(file):
    """Every JSON example in it is a configuration, and holds what the schema asks."""
    text = (ROOT / "docs/configuration.md").read_text()
    examples = re.findall(r"```json\n(.*?)```", text, flags=re.S)
    assert examples
    for example in examples:
        jsonschema.validate(json.loads(example), read_schema())
        run = quernd("-c", file(example), "--check")
        assert (run.returncode, run.stderr) == (0, "")


def test_error_example_of_the_documentation(file):
    """The page shows a wrong start and its lines: they are what quernd says."""
    text = (ROOT / "docs/configuration.md").read_text()
    content, lines = re.search(r"```jsonc\n(.*?)```.*?```text\n(.*?)```", text, flags=re.S).groups()
    path = file(content)
    assert all(line.startswith("quernd: ") for line in lines.splitlines())
    shown = [line.removeprefix("quernd: ").replace("quern.json", str(path)) for line in lines.splitlines()]
    assert errors_of("-c", path, "--set", "workers.max=4", environment={"QUERN_LOG_LEVEL": "loud"}) == shown


# --- where values come from -------------------------------------------------------------------------------------------


@each_option
def test_every_option_from_every_source(option, file):
    value = option.other()
    assert value != option.default
    # The other source says something legal as well, so that its being overridden shows.
    default = text_of(option.default)
    for arguments, environment in (
            (("-c", file({option.section: {option.key: value}})), {}),
            ((), {option.variable: text_of(value)}),
            (("--set", f"{option.name}={text_of(value)}"), {option.variable: default}),
            (("--set", f"{option.name}={default}", "--set", f"{option.name}={text_of(value)}"), {})):
        run = quernd(*arguments, "--print-config", environment=environment)
        assert run.returncode == 0, run.stderr
        got = json.loads(run.stdout)
        assert got[option.section].pop(option.key) == value
        rest = json.loads((ROOT / "config/quern.json").read_text())
        del rest[option.section][option.key]
        assert got == rest


def test_precedence(file):
    path = file({"limits": {"queue": 11, "queue_ms": 11, "idle_ms": 11}})
    environment = {"QUERN_LIMITS_QUEUE": "22", "QUERN_LIMITS_QUEUE_MS": "22"}
    limits = in_force("-c", path, "--set", "limits.queue=33", environment=environment)["limits"]
    assert (limits["queue"], limits["queue_ms"], limits["idle_ms"], limits["client_ms"]) == (33, 22, 11, 10000)


def test_print_config_is_a_configuration(file):
    settings = ["--set", "balancer.policy=random(2)", "--set", "http.cache_control=", "--set", "log.destination=/ü"]
    printed = quernd(*settings, "--print-config").stdout
    assert json.loads(printed)["log"]["destination"] == "/ü"
    assert quernd("-c", file(printed), "--print-config").stdout == printed


# --- what is refused --------------------------------------------------------------------------------------------------


@each_option
def test_wrong_values_are_named(option, file):
    json_value, text = option.wrong()
    allowed = f"; allowed: {option.allowed()}"
    path = file({option.section: {option.key: json_value}})
    for source, arguments, environment in (
            (str(path), ("-c", path), {}),
            (option.variable, (), {option.variable: text}),
            ("--set", ("--set", f"{option.name}={text}"), {})):
        (line,) = errors_of(*arguments, environment=environment)
        shown = json.dumps(json_value) if source == str(path) else json.dumps(text).replace("\\t", "\\x09")
        assert line in (f"{source}: {option.name}: {shown} is not allowed{allowed}",
                        f"{source}: {option.name}: {shown} is out of range{allowed}")


def test_every_error_at_once(file):
    """Each option wrong in each of the three sources: three lines an option."""
    content = {}
    for option in OPTIONS:
        content.setdefault(option.section, {})[option.key] = option.wrong()[0]
    environment = {option.variable: option.wrong()[1] for option in OPTIONS}
    settings = [word for option in OPTIONS for word in ("--set", f"{option.name}={option.wrong()[1]}")]
    path = file(content)
    lines = errors_of("-c", path, *settings, environment=environment)
    starts = [f"{path}: {option.name}: " for option in OPTIONS]
    starts += [f"{option.variable}: {option.name}: " for option in OPTIONS]
    starts += [f"--set: {option.name}: " for option in OPTIONS]
    assert sorted(line[:len(start)] for line, start in zip(sorted(lines), sorted(starts))) == sorted(starts)
    assert len(lines) == len(starts)


def test_mistakes_between_options_come_with_the_others(file):
    path = file({"workers": {"count": 9, "max": 8}, "limits": {"queu": 1}})
    lines = errors_of("-c", path, "--set", "admin.address=0.0.0.0:8080", "--set", "log.level=x")
    assert lines == [
        f'{path}: limits: there is no option "queu"; did you mean limits.queue?',
        '--set: log.level: "x" is not allowed; allowed: one of "error", "warn", "info", "debug"',
        f"{path}: workers.count: 9 is out of range; allowed: at most workers.max (workers.max: 8, {path})",
        'default: balancer.listen: "127.0.0.1:8080" is taken; allowed: another port or host '
        '(admin.address: "0.0.0.0:8080", --set)',
    ]


def test_unreadable_file(tmp_path):
    missing = tmp_path / "missing.json"
    assert errors_of("-c", missing, "--set", "log.level=x") == [
        f"{missing}: cannot be read: No such file or directory",
        '--set: log.level: "x" is not allowed; allowed: one of "error", "warn", "info", "debug"',
    ]
    assert errors_of("-c", tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]


def test_syntax_errors_have_a_line(file):
    path = file('{\n    "log": {"level": "info",}\n}\n')
    (line,) = errors_of("-c", path)
    assert line.startswith(f"{path}:2:")
    path = file('{"log": {}, "log": {}}')
    (line,) = errors_of("-c", path)
    assert "duplicate object key" in line


@pytest.mark.parametrize("content, says", [
    ("", ": is empty; allowed: an object of sections, {} at least"),
    (" \n\t", ": is empty; allowed: an object of sections, {} at least"),
    ('{\n    // four\n    "workers": {"count": 4}\n}', ":2:5: string or '}' expected near '/'; JSON has no comments"),
    ('{"workers": {"count": 4 # four\n}}', ":1:25: '}' expected near '#'; JSON has no comments"),
    ('{"log": {"destination": "http:/\n"}}', ":1:31: unexpected newline near '\"http:/'"),
])
def test_common_mistakes_get_a_hint(content, says, file):
    path = file(content)
    assert errors_of("-c", path) == [f"{path}{says}"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_gets_a_hint(encoding, tmp_path):
    path = tmp_path / "quern.json"
    path.write_text("{}", encoding=encoding)
    (line,) = errors_of("-c", path)
    assert line.startswith(f"{path}:1:")
    assert line.endswith("; the file begins with a byte-order mark: save it as UTF-8 without one")


def test_unknown_variables_are_warnings():
    run = quernd("--check", environment={"QUERN_SERVICE_HOST": "10.0.0.1", "QUERN_LIMITS_QUEU": "1"})
    assert run.returncode == 0
    assert sorted(run.stderr.splitlines()) == [
        'quernd: warning: environment: there is no option for the variable "QUERN_LIMITS_QUEU"; did you mean '
        'QUERN_LIMITS_QUEUE?',
        'quernd: warning: environment: there is no option for the variable "QUERN_SERVICE_HOST"',
    ]


def test_a_wrong_configuration_starts_nothing():
    run = quernd("--set", "workers.max=0")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "quernd: --set: workers.max: 0 is out of range; allowed: a whole number from 1 to 1024\n".replace(
        ": 0 ", ': "0" ')


# --- quernd --check ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings, says", [
    (["workers.count=4"],
     "4 workers on 127.0.0.1, ports 8100 to 8103; balancer on 127.0.0.1:8080; status on 127.0.0.1:8090"),
    (["workers.count=1", "workers.address=::1", "balancer.listen=[::]:80"],
     "1 worker on ::1, port 8100; balancer on [::]:80; status on 127.0.0.1:8090"),
    (["workers.count=2", "balancer.kind=none"],
     "2 workers on 127.0.0.1:8080, without a balancer; status on 127.0.0.1:8090"),
])
def test_check_says_what_would_run(settings, says, file):
    path = file({})
    run = quernd("-c", path, "--check", *(word for setting in settings for word in ("--set", setting)))
    assert (run.returncode, run.stdout, run.stderr) == (0, f"configuration ok: {path} ({says})\n", "")


def check_with(**settings):
    """What --check warns of."""
    run = quernd("--check", *(word for key, value in settings.items()
                              for word in ("--set", f"{key.replace('__', '.')}={value}")))
    assert run.returncode == 0 and run.stdout.startswith("configuration ok: ")
    return run.stderr.splitlines()


def test_check_looks_at_the_certificate(tmp_path):
    path = tmp_path / "quern.pem"
    assert check_with(balancer__certificate=path) == [
        f'quernd: warning: balancer.certificate: "{path}" cannot be read: No such file or directory']
    path.touch()
    assert check_with(balancer__certificate=path) == []


def test_check_looks_at_the_log(tmp_path):
    path = tmp_path / "quern.log"
    assert check_with(log__destination=path) == []
    assert not path.exists(), "it was only a check"
    path.write_text("a line\n")
    assert check_with(log__destination=path) == []
    assert path.read_text() == "a line\n"
    missing = tmp_path / "missing/quern.log"
    assert check_with(log__destination=missing) == [
        f'quernd: warning: log.destination: "{missing}" cannot be appended to: No such file or directory']
    assert check_with(log__destination=tmp_path) == [
        f'quernd: warning: log.destination: "{tmp_path}" cannot be appended to: Is a directory']


def test_check_knows_permissions():
    """As nobody, should the tests run as root, who may do everything."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        shutil.copy(QUERND, directory)
        (directory / "quern.json").write_text("{}")
        (directory / "quern.pem").touch(mode=0)
        (directory / "closed").mkdir(mode=0o555)
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        run = subprocess.run(["./quernd", "-c", "quern.json", "--check", "--set", "balancer.certificate=quern.pem",
                              "--set", "log.destination=closed/quern.log"], cwd=directory, env={},
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=20, **user)
    assert run.returncode == 0
    assert run.stderr.splitlines() == [
        'quernd: warning: balancer.certificate: "quern.pem" cannot be read: Permission denied',
        'quernd: warning: log.destination: "closed/quern.log" cannot be appended to: Permission denied']
