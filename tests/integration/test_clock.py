"""The wall clock is set while requests are under way: none fails, and nothing is restarted.

The programs run with a library that adds what a file holds to the wall clock (tests cannot set the machine's)."""

import contextlib
import mmap
import shutil
import struct
import subprocess
import threading

import pytest

from fleet import SANITIZED, Fleet, request, wait_until

pytestmark = pytest.mark.skipif(SANITIZED or not shutil.which("cc"),
                                reason="sanitizers want to be the first library; the library is compiled here")

LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static int (*real_clock)(clockid_t, struct timespec *);
static const volatile int64_t *offset_s;

__attribute__((constructor)) static void begin(void)
{
	const char *only = getenv("CLOCK_ONLY");
	real_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int fd = open(getenv("CLOCK_OFFSET"), O_RDONLY);
	if (!only || strcmp(only, program_invocation_short_name) == 0)
		offset_s = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	int result = real_clock(id, t);
	if ((id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) && offset_s)
		t->tv_sec += *offset_s;
	return result;
}

int gettimeofday(struct timeval *t, void *zone)
{
	struct timespec now;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	t->tv_sec = now.tv_sec;
	t->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
"""


class Clock:
    """What is added to the wall clock, in seconds."""

    def __init__(self, directory, only=None):
        source, library, self.file = directory / "clock.c", directory / "clock.so", directory / "offset"
        source.write_text(LIBRARY)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self.file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(self.file)}
        if only:
            self.environment["CLOCK_ONLY"] = only

    def set(self, seconds):
        with open(self.file, "r+b") as file, mmap.mmap(file.fileno(), 8) as view:
            view[:] = struct.pack("=q", seconds)


CLIENTS = 12


class Load:
    """Clients that ask one after the other: some wait in the worker's queue at any time."""

    def __init__(self, fleet):
        self.fleet, self.ends = fleet, threading.Event()
        self.statuses, self.failures = [], []
        self.threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def _run(self):
        while not self.ends.is_set():
            try:
                self.statuses.append(request(self.fleet.front, "/lab/sleep?us=20000").status)
            except OSError as error:
                self.failures.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.wait_for(50)
        return self

    def wait_for(self, answers):
        have = len(self.statuses) + len(self.failures)
        wait_until(lambda: len(self.statuses) + len(self.failures) >= have + answers)

    def __exit__(self, *_):
        self.ends.set()
        for thread in self.threads:
            thread.join()


@contextlib.contextmanager
def under_load(clock, cut=0, **options):
    """cut: requests that HAProxy may answer 504."""
    options = {"workers.count": 2, "lab.enabled": True, "balancer.policy": "roundrobin", **options}
    with Fleet(options, balancer=True, environment=clock.environment) as fleet:
        pids = [fleet.pid(slot) for slot in range(2)]
        with Load(fleet) as load:
            yield fleet, load
        assert not load.failures and set(load.statuses) <= {200, 504} and load.statuses.count(504) <= cut
        assert [fleet.pid(slot) for slot in range(2)] == pids and len(fleet.servers("UP")) == 2
        assert sum(fleet.slot(slot)["restarts"] for slot in range(2)) == 0
        assert all(entry["loop_lag_ms"]["p50"] < 1000 for entry in fleet.status()["workers"])


def bad_starts(fleet):
    return sum(fleet.slot(slot)["bad_start"] for slot in range(2))


# 30 s: so old could a stamp be, and far beyond limits.queue_ms. The requests under way were stamped before.
@pytest.mark.parametrize("step", [3600, -3600, 30, -30])
def test_host_clock_steps(tmp_path, step):
    """HAProxy's and the workers', together. HAProxy 2.6 compares the clock with what it was before the poll, so a step
    forward that comes between two polls it takes for time that has passed, and what is under way for late."""
    clock = Clock(tmp_path)
    with under_load(clock, cut=3 * CLIENTS) as (fleet, load):
        for seconds in (step, 0) * 3:
            before = bad_starts(fleet)
            clock.set(seconds)
            load.wait_for(50)
            # Some of those that were under way had a stamp that could not be, and no other.
            assert bad_starts(fleet) - before <= 24


@pytest.mark.parametrize("step", [3600, -3600])
def test_clocks_that_differ(tmp_path, step):
    """Only the workers' steps, as where HAProxy runs on another host: every stamp is out of range, and counted."""
    clock = Clock(tmp_path, only="quernd")
    with under_load(clock) as (fleet, load):
        assert bad_starts(fleet) == 0
        clock.set(step)
        load.wait_for(50)
        wait_until(lambda: bad_starts(fleet) >= 30)
        clock.set(0)
        load.wait_for(50)
        settled = bad_starts(fleet)
        load.wait_for(50)
        assert bad_starts(fleet) == settled


@pytest.mark.parametrize("step", [3600, -3600])
def test_deadlines_do_not_step(tmp_path, step):
    """An idle connection and half a request keep the time they have."""
    clock = Clock(tmp_path)
    options = {"workers.count": 1, "limits.idle_ms": 600000, "limits.client_ms": 500}
    with Fleet(options, environment=clock.environment) as fleet:
        idle, half = fleet.connect(), fleet.connect()
        with contextlib.closing(idle), contextlib.closing(half):
            half.sendall(b"GET / HTTP/1.1\r\n")
            wait_until(lambda: fleet.slot(0)["active"] == 1)
            clock.set(step)
            assert half.recv(65536).startswith(b"HTTP/1.1 408 ")
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
            status = fleet.status()
            assert 0 <= status["workers"][0]["age_s"] < 60
