"""A fleet under fire: quernd from a copy of the build that can be replaced, HAProxy as master and worker, the driver.

    with Rig({"workers.count": 4}, output) as rig:        # a Fleet, see tests/integration/fleet.py
        with rig.drive(targets, 1000) as driven:
            rig.ctl("reload")                             # whatever is done to it
        driven.result                                     # the driver's JSON, see tally.c

Logs and results are left in the directory `output`.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

from fleet import BUILD, HAPROXY, Fleet, clean_environment, wait_until  # noqa: E402

DRIVE = BUILD / "faults/drive"
PROGRAMS = ("quernd", "quernctl", "quern-balancer")


class Driven:
    """The driver at work, then its result."""

    def __init__(self, command, output):
        self.output = output
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "driving\n", "the driver did not begin"
        self.result = None

    def end(self):
        """Ends it after the last answer; fills result."""
        self.process.terminate()
        self.line = self.process.communicate(timeout=120)[0].strip()
        assert self.process.returncode in (0, 1), f"the driver ended with {self.process.returncode}"
        self.result = json.loads(self.output.read_text())

    def abandon(self):
        self.process.kill()
        self.process.wait()


class Rig(Fleet):
    def __init__(self, options, output):
        self.output = pathlib.Path(output)
        shutil.rmtree(self.output, ignore_errors=True)
        self.output.mkdir(parents=True)
        self.copy = tempfile.TemporaryDirectory(prefix="quern-faults-")
        for name in PROGRAMS:
            shutil.copy2(BUILD / name, self.copy.name)
        self.lock = threading.Lock()
        super().__init__(options, balancer=True, programs=self.copy.name, haproxy_arguments=["-W"])

    def _clean(self):
        if self.directory:
            for file in self.directory.glob("*.*"):
                shutil.copy(file, self.output)
        super()._clean()

    def __exit__(self, kind, error, trace):
        try:
            super().__exit__(kind, error, trace)
        finally:
            self.copy.cleanup()

    @contextlib.contextmanager
    def drive(self, targets, rate, *, seconds=86400, late_ms=1000, more=()):
        host, port = self.front
        output = self.output / "drive.json"
        driven = Driven([str(word) for word in (DRIVE, "-t", targets, "-r", rate, "-s", seconds, "-l", late_ms,
                                                "-o", output, *more, host, port)], output)
        try:
            yield driven
            driven.end()
        except BaseException:
            driven.abandon()
            raise

    def write_file(self, changes=None):
        """Like Fleet's, but in one step, since others may be reading."""
        file, self.file = self.file, self.directory / "quern.json.new"
        super().write_file(changes)
        os.replace(self.file, file)
        self.file = file

    # --- what is done to it ------------------------------------------------------------------------------------

    def ctl(self, *words, timeout=90):
        """quernctl with this fleet's configuration; what it says is kept in quernctl.log."""
        done = subprocess.run([str(word) for word in (self.programs / "quernctl", "-c", self.file, *words)],
                              capture_output=True, text=True, timeout=timeout, check=False, env=clean_environment())
        with self.lock, open(self.output / "quernctl.log", "a", encoding="utf-8") as log:
            log.write(f"{' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}\n")
        return done

    def replace_program(self, data):
        """Puts other bytes in the place of quernd, as an installation does: a new file under the old name."""
        new = self.programs / "quernd.new"
        new.write_bytes(data)
        new.chmod(0o755)
        os.replace(new, self.programs / "quernd")

    def ready(self):
        """{slot: pid} of the workers that are ready."""
        return {w["slot"]: w["pid"] for w in self.status()["workers"] if w["state"] == "ready" and w["pid"] > 0}

    def master_pid(self):
        """Of the master in charge."""
        return self.status()["master"]["pid"]

    def last_change(self):
        """The last reload, scaling or upgrade, as status tells it."""
        return (self.status()["changes"] or [{"number": 0, "state": "none"}])[-1]

    def haproxy_workers(self):
        """Pids of HAProxy's processes but for its master."""
        pid = self.haproxy.pid
        return {int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def reload_haproxy(self, changes=None, timeout=20):
        """Renders its configuration anew and has it read; returns when the new process serves."""
        with self.lock:
            if changes:
                self.write_file(changes)
            self.render()
        subprocess.run([HAPROXY, "-c", "-q", "-f", self.directory / "haproxy.cfg"], check=True)
        old = self.haproxy_workers()
        loaded = self.haproxy_log().count("Loading success")
        self.haproxy.send_signal(signal.SIGUSR2)
        wait_until(lambda: self.haproxy_log().count("Loading success") > loaded and self.haproxy_workers() - old,
                   timeout, "HAProxy has read its configuration")

    def sessions_of(self, slot):
        """Requests that HAProxy has given to a slot and has no answer to, by its statistics."""
        return next(int(row["scur"]) for row in self.servers() if row["svname"] == f"worker{slot}")

    def retries(self):
        """Requests that HAProxy has sent again, since it was last loaded."""
        return sum(int(row["wretr"] or 0) + int(row["wredis"] or 0) for row in self.servers())
