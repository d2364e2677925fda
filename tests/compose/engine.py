"""A container engine for the test: the one that answers, or a dockerd of its own, and the base image."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

DOCKER = "/usr/bin/docker"
COMPOSE = "/usr/bin/docker-compose"
BASE = "debian:bookworm-slim"
MIRROR = "http://deb.debian.org/debian"
# The published image has these, too: packages and caches do not stay in the layers, packages are unpacked without waiting
# for the disk, and without what nobody reads in a container.
EXTRAS = {
    "etc/apt/apt.conf.d/docker-clean": """\
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
""",
    "etc/dpkg/dpkg.cfg.d/docker-apt-speedup": "force-unsafe-io\n",
    "etc/dpkg/dpkg.cfg.d/docker": """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
""",
}
START_SECONDS = 60
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """The test cannot go on; the message says why."""


def run(*command, seconds=120, check=True, **more):
    """Runs a command to its end, bounded in time; its output goes to nobody but the caller."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds,
                              **more)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{' '.join(map(str, command))}: not done after {seconds} s\n{late.stdout}{late.stderr}") from late
    if check and done.returncode:
        raise Failed(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout[-6000:]}"
                     f"{done.stderr[-6000:]}")
    return done


def _answers():
    return run(DOCKER, "info", seconds=30, check=False).returncode == 0


def _die_with_parent():
    os.setpgid(0, 0)  # Ctrl-C is for the test, which then ends the engine in order
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _launch(folder, *options):
    """
    A daemon that shares nothing with one that the machine may have, and leaves nothing behind: no bridge and no
    packet filter rules of its own. Published ports then go through docker-proxy, and builds need the host's network.
    """
    socket = f"unix://{folder}/socket"
    with (folder / "log").open("ab") as log:
        daemon = subprocess.Popen(
            ["/usr/sbin/dockerd", "--host", socket, "--pidfile", folder / "pid", "--data-root", folder / "data",
             "--exec-root", folder / "exec", "--bridge", "none", "--iptables=false", "--ip-forward=false", *options],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
    os.environ["DOCKER_HOST"] = socket
    deadline = time.monotonic() + START_SECONDS
    while daemon.poll() is None and time.monotonic() < deadline:
        if (folder / "socket").exists() and _answers():
            return daemon
        time.sleep(0.1)
    _end(daemon)
    return None


def _end(daemon):
    if daemon.poll() is None:
        daemon.terminate()
        try:
            daemon.wait(timeout=60)
        except subprocess.TimeoutExpired:
            daemon.kill()
    daemon.wait()


def _unmount_below(folder):
    """What an engine that was killed may have left mounted."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        points = [line.split()[1] for line in mounts]
    for point in reversed(points):
        if point.startswith(f"{folder}/"):
            run("umount", "--lazy", point, check=False)


@contextlib.contextmanager
def engine():
    """The engine that the environment names, if it answers; else one that lives as long as the context."""
    if _answers():
        yield "an engine that was running already"
        return
    if os.geteuid():
        raise Failed("no engine answers, and only root can start one")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="quern-", dir="/var/tmp"))
    daemon = None
    try:
        daemon = _launch(folder) or _launch(folder, "--storage-driver", "vfs")
        if daemon is None:
            raise Failed(f"dockerd does not start:\n{(folder / 'log').read_text(errors='replace')[-4000:]}")
        driver = run(DOCKER, "info", "--format", "{{.ServerVersion}}, {{.Driver}}").stdout.strip()
        yield f"a dockerd for this test ({driver})"
    finally:
        if daemon is not None:
            _end(daemon)
        _unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            print(f"could not remove {folder}", file=sys.stderr)


def _mirror():
    """Where this machine gets Debian 12 from."""
    known = run("apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages",
                check=False).stdout
    for line in sorted(known.splitlines()):
        if line.startswith("bookworm main http"):
            return line.split()[2]
    return MIRROR


def _bootstrap(tarball):
    """Makes what the base image holds: the packages of Debian 12 that are required, and apt."""
    tarball.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="quern-", dir="/var/tmp") as folder:
        root = pathlib.Path(folder, "root")
        run("debootstrap", "--variant=minbase", "bookworm", root, _mirror(), seconds=400)
        shutil.rmtree(root / "var/cache/apt/archives")
        for path, text in EXTRAS.items():
            (root / path).write_text(text, encoding="utf-8")
        unfinished = tarball.with_suffix(".part")
        run("tar", "--numeric-owner", "--one-file-system", "-C", root, "-cf", unfinished, ".")
        unfinished.rename(tarball)


@contextlib.contextmanager
def base_image(cache):
    """Sees to it that the base image is there; where no registry can be reached it is made, once per cache folder."""
    if run(DOCKER, "image", "inspect", BASE, check=False).returncode == 0:
        yield "there already"
        return
    if run(DOCKER, "pull", BASE, seconds=180, check=False).returncode == 0:
        yield "pulled"
        return
    tarball = cache / "debian-bookworm-slim.tar"
    how = "imported from the cache"
    if not tarball.exists():
        _bootstrap(tarball)
        how = "made by debootstrap"
    run(DOCKER, "import", tarball, BASE)
    try:
        yield how
    finally:
        run(DOCKER, "rmi", BASE, check=False)
