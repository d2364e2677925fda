"""execution.strategy: the same answers by each of the three, and what the ways to run a long job are for."""

import concurrent.futures
import hashlib
import os
import statistics
import threading
import time

import pytest

from execution import (LAB, STRATEGIES, burn, closing, descriptors, has, lab, nothing_left, own_kib, send, server_timing,
                       sleep, threads)
from fleet import SANITIZED, Fleet, wait_until
from wire import Wire, get, post

OTHERS = ("offload", "yield")
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.fixture(scope="module", params=STRATEGIES)
def shared(request):
    with lab(request.param) as fleet:
        yield fleet


# --- the same answers -------------------------------------------------------------------------------------------------

QUESTIONS = [
    get("/"), get("/?text=hello"), get("/", method="HEAD"), get("/?text=" + "x" * 1200),
    get("/qr?text=A"), get("/qr?text=A", method="HEAD"), get("/qr?text=A&format=svg"), get("/qr?text=A&format=text"),
    get("/qr?text=A&format=json&ecLevel=H&margin=0&scale=3"), get("/qr?text=" + "z" * 2900 + "&ecLevel=L"),
    get("/qr?text=A&dark=123456&light=abcdef80"), get("/qr?text=A&size=200"),
    get("/qr?text=%C3%A4&eci=on", method="HEAD"), get("/qr?text=A", "If-None-Match: *"),
    get("/?text=A", 'If-None-Match: W/"0"'),
    post("/qr", b"text=B&format=svg", content_type=FORM), post("/qr", b'{"text":"C"}', content_type=JSON),
    post("/qr", b"a plain text"), post("/qr", b"a plain text", "If-None-Match: *"),
    # Refused.
    get("/qr"), get("/qr?text="), get("/qr?text=A&text=B"), get("/qr?text=A&scale=0"), get("/qr?text=A&format=bmp"),
    get("/qr?text=%zz"), get("/qr?text=" + "z" * 3000), get("/qr?text=A&size=1"), get("/qr?text=A&scale=500"),
    post("/qr", b'{"text":', content_type=JSON), post("/qr", b"A", content_type="image/png"),
    get("/", method="POST"), get("/nothing"), get("/qr", method="OPTIONS"), get("/lab/hash", method="POST"),
    get("/lab/hash"), get("/lab/hash?text="), get("/lab/hash?text=A&rounds=0"), get("/lab/hash?text=A&rounds=20000001"),
    get("/lab/hash?text=A&rounds=1x"), get("/lab/hash?text=A&text=A"), get("/lab/hash?text=" + "A" * 4097),
    get("/lab/hash?text=%2"), get("/lab/burn"), get("/lab/burn?us=10000001"), get("/lab/sleep?us=-1"),
    # The lab's work.
    get("/lab/hash?text=A&rounds=1"), get("/lab/hash?text=A&rounds=5000"), get("/lab/hash?text=A&rounds=64", method="HEAD"),
    get("/lab/burn?us=0"), get("/lab/burn?us=3000"), get("/lab/sleep?us=3000"), get("/lab/constant?bytes=10"),
]
CHANGES = ("server-timing", "date")


def answers(strategy, engine):
    """To all questions, one after the other on one connection, without what differs from time to time."""
    with lab(strategy, qr__engine=engine) as fleet, Wire(fleet.worker(0)) as wire:
        found = []
        for question in QUESTIONS:
            assert wire.send(question)
            answer = wire.answer(head=question.startswith(b"HEAD"))
            assert answer.header("Connection") != "close"
            found.append((question[:40], answer.status, answer.body,
                          [(k, v) for k, v in answer.headers if k.lower() not in CHANGES]))
        # A known picture is not made again.
        wire.send(get("/qr?text=A"))
        tag = wire.answer().header("ETag")
        wire.send(get("/qr?text=A", f"If-None-Match: {tag}"))
        assert (known := wire.answer()).status == 304 and known.header("ETag") == tag
        slot = nothing_left(fleet)
        assert (slot["offloaded"] > 0) == (strategy == "offload")
        assert (slot["slices"] > 0) == (strategy == "yield")
        return found


@pytest.mark.parametrize("engine", ["quern", "libqrencode"])
def test_every_strategy_gives_the_same_answers(engine):
    inline = answers("inline", engine)
    assert {status for _, status, _, _ in inline} == {200, 204, 304, 400, 404, 405, 415}
    for strategy in OTHERS:
        for ours, theirs in zip(inline, answers(strategy, engine), strict=True):
            assert ours == theirs


def digest(text, rounds):
    for _ in range(rounds):
        text = hashlib.sha256(text).digest()
    return text.hex()


@pytest.mark.parametrize("text", [b"A", b"x" * 55, b"x" * 64, b"\x00\xff", b"y" * 4096], ids=len)
@pytest.mark.parametrize("rounds", [1, 2, 64, 65, 40000])
def test_hash(shared, text, rounds):
    quoted = "".join(f"%{byte:02x}" for byte in text)
    answer = shared.get(f"/lab/hash?text={quoted}&rounds={rounds}")
    assert answer.status == 200
    assert answer.json() == {"rounds": rounds, "sha256": digest(text, rounds)}


def test_hash_rounds_by_default(shared):
    assert shared.get("/lab/hash?text=A").json() == {"rounds": 500000, "sha256": digest(b"A", 500000)}


def test_pipelined_answers_keep_their_order(shared):
    """Long ones, short ones, those that are no jobs, and those that are refused."""
    kinds = [(get("/lab/hash?text={}&rounds=3000"), lambda n: digest(str(n).encode(), 3000).encode()),
             (get("/qr?text={}&format=text"), lambda n: shared.get(f"/qr?text={n}&format=text").body),
             (get("/lab/burn?us={}"), lambda n: b'{"us":%d}' % n),
             (get("/healthz"), lambda n: b'"ok"'),
             (get("/lab/burn?us=x{}"), lambda n: b'"parameter": "us"')]
    requests = [(request.replace(b"{}", b"%d" % n), expected(n))
                for n in range(40) for request, expected in [kinds[n % len(kinds)]]]
    with Wire(shared.worker(0)) as wire:
        wire.send(b"".join(request for request, _ in requests))
        for request, expected in requests:
            assert expected in wire.answer().body, request
        assert wire.is_open()


def test_many_connections_at_once(shared):
    """Each has its own answers."""
    def client(number):
        with Wire(shared.worker(0), 60) as wire:
            for n in range(25):
                wire.send(get(f"/lab/hash?text={number}-{n}&rounds=300"))
                if wire.answer().json()["sha256"] != digest(b"%d-%d" % (number, n), 300):
                    return f"{number}-{n}"
        return None

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        assert set(pool.map(client, range(12))) == {None}


# --- what it is for ---------------------------------------------------------------------------------------------------

LONG_US = 600000


def beside_a_long_job(strategy):
    """Seconds that cheap requests took, one after the other, while a long one was under way."""
    with lab(strategy) as fleet, Wire(fleet.worker(0)) as wire, closing([send(fleet, get("/healthz"))]) as (long,):
        long.answer()
        wire.send(get("/qr?text=A"))
        wire.answer()
        long.send(burn(LONG_US))
        wait_until(lambda: (s := fleet.slot(0))["active"] == 1 and (strategy != "offload" or s["pool_active"] == 1))
        times = []
        while not times or (sum(times) < LONG_US / 2e6 and len(times) < 50):
            began = time.monotonic()
            wire.send(get("/qr?text=A"))
            assert wire.answer().status == 200
            times.append(time.monotonic() - began)
        assert long.answer().json() == {"us": LONG_US}
        return times, fleet.slot(0)


def test_a_cheap_request_does_not_wait_for_a_long_one():
    """Inline it does, to the end. With the others it waits for a slice, or for nothing; what a busy machine adds, it does
    not add to each of 50, so that the median counts."""
    times, _ = beside_a_long_job("inline")
    assert max(times) > LONG_US / 2e6
    for strategy in OTHERS:
        times, slot = beside_a_long_job(strategy)
        print(f"{strategy}: cheap ones took {statistics.median(times) * 1e3:.2f} ms, loop lag {slot['loop_lag_ms']}")
        assert len(times) >= 10 and statistics.median(times) < 0.02
        assert slot["loop_lag_ms"]["p50"] < 20


def test_long_jobs_have_a_quarter_of_the_loop():
    """Under a flood of short ones that would keep all of it. By work done, which is the same on a machine that has other
    things to do as well."""
    short_us, long_us = 100, 300000
    with lab("yield", limits__queue_ms=60000, limits__queue=5000) as fleet:
        floods = [Wire(fleet.worker(0), 60) for _ in range(8)]
        # Ahead of its answers each of them always has requests enough in the socket.
        count = 8 * long_us // short_us // len(floods)
        threads_of = [threading.Thread(target=flood.send, args=(burn(short_us) * count,)) for flood in floods]
        with closing(floods):
            for thread in threads_of:
                thread.start()
            wait_until(lambda: fleet.slot(0)["queue"] >= len(floods) - 1)
            with closing([send(fleet, burn(long_us))]) as (long,):
                before = wait_until(lambda: (s := fleet.slot(0))["slices"] > 0 and s)
                long.answer()
                after = fleet.slot(0)
            shorts_us = (after["jobs"] - before["jobs"] - 1) * short_us
            for flood in floods:
                for _ in range(count):
                    assert flood.answer().status == 200
            for thread in threads_of:
                thread.join()
        assert after["queue"] >= 1, "the flood has ended too early"
        print(f"a long job of {long_us} us, and short ones of {shorts_us} us meanwhile")
        assert 2 < shorts_us / long_us < 4.5


def test_short_jobs_go_before_slices_of_many_long_ones():
    """Ten long ones wait for their next slices: a short one waits for one of these, not for ten."""
    with lab("yield", execution__slice_us=20000) as fleet, closing([send(fleet, burn(1000000)) for _ in range(10)]):
        wait_until(lambda: fleet.slot(0)["slices"] >= 10)
        with Wire(fleet.worker(0)) as wire:
            times = []
            for _ in range(10):
                began = time.monotonic()
                wire.send(get("/qr?text=A"))
                assert wire.answer().status == 200
                times.append(time.monotonic() - began)
            assert fleet.slot(0)["queue"] >= 9
        print("behind ten long jobs:", [f"{1000 * t:.1f} ms" for t in times])
        assert statistics.median(times) < 0.1


def test_slices_are_as_long_as_they_shall_be():
    """And a change of their length is taken as it is."""
    with lab("yield", execution__slice_us=5000) as fleet:
        for slice_us in (5000, 1000):
            fleet.write_file({"execution.slice_us": slice_us})
            fleet.master.send_signal(1)
            wait_until(lambda: fleet.status()["changes"] and fleet.status()["changes"][-1]["state"] != "running")
            before = fleet.slot(0)["slices"]
            # Its time is that of the CPU, and the slices' is not: on a busy machine there are more of them.
            assert fleet.get("/lab/burn?us=100000").status == 200
            slices = fleet.slot(0)["slices"] - before
            print(f"100 ms in slices of {slice_us} us: {slices} of them beyond the first")
            assert slices >= 0.9 * 100000 / slice_us - 1
            assert SANITIZED or slices < 5 * 100000 / slice_us


# --- back-pressure ----------------------------------------------------------------------------------------------------


def test_a_full_pool_leaves_jobs_in_the_queue():
    with lab("offload", execution__threads=1, execution__queue=2, limits__queue=3, limits__queue_ms=60000) as fleet, \
            closing([]) as wires:
        pid = fleet.pid(0)
        wires.append(send(fleet, sleep(10000000)))
        has(fleet, pool_active=1)
        for queued, held in ((1, 0), (2, 0), (2, 1), (2, 2), (2, 3)):
            wires.append(send(fleet, get("/lab/hash?text=A&rounds=10")))
            has(fleet, pool_active=1, pool_queue=queued, queue=held, active=len(wires))
        with Wire(fleet.worker(0)) as one_more:
            one_more.send(get("/qr?text=A"))
            refused = one_more.answer()
            assert (refused.status, refused.error()["code"]) == (503, "overloaded")
            assert refused.header("Retry-After") == "1"
            # What is no work for threads passes those that wait for one, but is counted with them.
            one_more.send(get("/healthz"))
            assert one_more.answer().status == 200
        # Another limit is taken at once.
        fleet.write_file({"limits.queue": 4})
        fleet.master.send_signal(1)
        wait_until(lambda: fleet.status()["changes"] and fleet.status()["changes"][-1]["state"] == "done")
        with Wire(fleet.worker(0)) as quick:
            quick.send(get("/lab/constant?bytes=1"))
            assert quick.answer().body == b"q"
        has(fleet, pool_queue=2, queue=3)
        wires.append(send(fleet, get("/qr?text=A&format=text")))
        has(fleet, pool_queue=2, queue=4)
        # Who keeps the thread leaves, and all have their turn.
        wires[0].sock.close()
        assert [wire.answer().status for wire in wires[1:]] == [200] * 6
        slot = nothing_left(fleet)
        figures = {key: slot[key] for key in ("jobs", "offloaded", "shed_full", "shed_late", "abandoned", "slices")}
        assert figures == {"jobs": 7, "offloaded": 7, "shed_full": 1, "shed_late": 0, "abandoned": 1, "slices": 0}
        assert fleet.pid(0) == pid


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_queue_is_full(strategy):
    """Whatever waits for its turn counts, a further slice too."""
    options = {"execution__threads": 1, "execution__queue": 0, "limits__queue": 3, "limits__queue_ms": 60000}
    # The first one is on the loop, or in the only thread; between slices it waits as the others do.
    long_us = {"inline": 1500000, "offload": 10000000, "yield": 10000000}[strategy]
    with lab(strategy, **options) as fleet, closing([send(fleet, sleep(long_us))]) as wires:
        wait_until(lambda: fleet.slot(0)["active"] == 1)
        wires += [send(fleet, sleep(long_us if strategy == "yield" else 1000)) for _ in range(2)]
        if strategy != "yield":
            wires.append(send(fleet, sleep(1000)))
        if strategy != "inline":
            has(fleet, active=len(wires))
        with closing([send(fleet, burn(1)) for _ in range(2)]) as refused:
            assert [wire.answer().status for wire in refused] == [503, 503]
        leaving = {"inline": 0, "offload": 1, "yield": 3}[strategy]
        for wire in wires[:leaving]:
            wire.sock.close()
        assert {wire.answer().status for wire in wires[leaving:]} <= {200}
        slot = nothing_left(fleet)
        figures = {key: slot[key] for key in ("jobs", "shed_full", "shed_late", "abandoned")}
        assert figures == {"jobs": len(wires) - leaving, "shed_full": 2, "shed_late": 0, "abandoned": leaving}


def test_who_waits_too_long_for_a_thread_is_refused():
    """In the pool's queue and before it; what a thread has begun goes on."""
    with lab("offload", execution__threads=1, execution__queue=2, limits__queue_ms=200) as fleet, \
            closing([send(fleet, sleep(1500000))]) as wires:
        has(fleet, pool_active=1)
        for n in range(4):
            wires.append(send(fleet, burn(1)))
        has(fleet, pool_active=1, pool_queue=2, queue=2)
        answered = [wire.answer() for wire in wires]
        assert [a.status for a in answered] == [200] + [503] * 4
        assert {a.header("Retry-After") for a in answered[1:]} == {"1"}
        assert all(server_timing(a)["queue"] > 200 for a in answered[1:])
        slot = nothing_left(fleet)
        figures = {key: slot[key] for key in ("jobs", "offloaded", "shed_full", "shed_late", "abandoned")}
        assert figures == {"jobs": 1, "offloaded": 1, "shed_full": 0, "shed_late": 4, "abandoned": 0}
        # None of them has run, so none is in the figures of the jobs.
        assert slot["service_ms"]["count"] == slot["latency_ms"]["count"] == 1
        assert fleet.get("/qr?text=A").status == 200


def test_slices_are_never_too_late():
    """Only the wait for the first one counts."""
    with lab("yield", limits__queue_ms=100) as fleet, closing([send(fleet, burn(200000)) for _ in range(4)]) as wires:
        assert [wire.answer().status for wire in wires] == [200] * 4
        slot = nothing_left(fleet)
        assert (slot["jobs"], slot["shed_late"]) == (4, 0)


# --- clients that leave -----------------------------------------------------------------------------------------------

WAYS = {"closed": lambda wire: wire.sock.close(), "half": lambda wire: wire.end(), "reset": lambda wire: wire.reset()}


@pytest.mark.parametrize("way", WAYS)
def test_clients_leave_a_pool(way):
    """In the thread, in the pool's queue, and held before it; the threads stop, and those who stay are served."""
    with lab("offload", execution__threads=2, execution__queue=2) as fleet:
        wires = [send(fleet, burn(9000000)) for _ in range(2)]
        has(fleet, pool_active=2)
        wires += [send(fleet, burn(9000000)) for _ in range(2)]
        has(fleet, pool_active=2, pool_queue=2)
        wires += [send(fleet, burn(9000000)) for _ in range(2)]
        stays = send(fleet, get("/lab/hash?text=A&rounds=1000"))
        has(fleet, pool_active=2, pool_queue=2, queue=3)
        cpu_s = fleet.slot(0)["cpu_s"]
        for wire in reversed(wires):
            WAYS[way](wire)
        assert stays.answer().json()["sha256"] == digest(b"A", 1000)
        slot = nothing_left(fleet)
        assert slot["connections"] <= 1
        figures = {key: slot[key] for key in ("jobs", "offloaded", "abandoned", "shed_late", "shed_full")}
        assert figures == {"jobs": 1, "offloaded": 3, "abandoned": 6, "shed_late": 0, "shed_full": 0}
        # The threads were to burn 18 s.
        assert slot["cpu_s"] - cpu_s < 5
        with closing([*wires, stays]):
            pass


@pytest.mark.parametrize("way", WAYS)
def test_clients_leave_between_slices(way):
    with lab("yield") as fleet:
        wires = [send(fleet, burn(9000000)) for _ in range(5)]
        wait_until(lambda: (s := fleet.slot(0))["slices"] >= 5 and s["queue"] >= 4)
        for wire in wires:
            WAYS[way](wire)
        slot = wait_until(lambda: (s := nothing_left(fleet))["abandoned"] == 5 and s)
        slices = slot["slices"]
        assert slot["jobs"] == 0
        assert fleet.get("/lab/burn?us=10").status == 200
        # Nobody works for them.
        assert fleet.slot(0)["slices"] == slices
        with closing(wires):
            pass


@pytest.mark.parametrize("path", ["sleep", "hash"])
def test_a_thread_stops_soon(path):
    """Whatever it does, it looks now and then whether somebody waits."""
    query = {"sleep": "us=10000000", "hash": "text=A&rounds=10000000"}[path]
    with lab("offload", execution__threads=1, execution__queue=0) as fleet:
        times = []
        for n in range(1, 4):
            wire = send(fleet, get(f"/lab/{path}?{query}"))
            has(fleet, pool_active=1)
            began = time.monotonic()
            wire.sock.close()
            # The next one needs the only thread.
            assert fleet.get("/lab/burn?us=0").status == 200
            times.append(time.monotonic() - began)
            assert fleet.slot(0)["abandoned"] == n
        print(f"{path}: the thread was free after {min(times) * 1000:.1f} ms")
        assert min(times) < 0.5


# Inside make check a part of them; QUERN_TEST_LEAVERS=10000 for all.
LEAVERS = int(os.environ.get("QUERN_TEST_LEAVERS", "600"))
AT_ONCE = 40


def leave(fleet, strategy, count):
    """So many clients, in each batch as many as there are threads and places before them, who leave when their work has
    begun or waits for its thread."""
    pid, before = fleet.pid(0), fleet.slot(0)
    for n in range(0, count, AT_ONCE):
        slices = fleet.slot(0)["slices"]
        wires = [send(fleet, burn(9000000)) for _ in range(AT_ONCE)]
        if strategy == "offload":
            has(fleet, pool_active=8, pool_queue=16, queue=AT_ONCE - 24)
        else:
            wait_until(lambda: (s := fleet.slot(0))["queue"] >= AT_ONCE - 1 and s["slices"] >= slices + AT_ONCE)
        for i, wire in enumerate(wires):
            list(WAYS.values())[(n // AT_ONCE + i) % len(WAYS)](wire)
        nothing_left(fleet)
        with closing(wires):
            pass
    after = has(fleet, connections=0, active=0)
    assert fleet.pid(0) == pid
    assert after["abandoned"] - before["abandoned"] == count and after["jobs"] == before["jobs"]


@pytest.mark.parametrize("strategy", OTHERS)
def test_clients_that_leave_leak_nothing(strategy):
    options = {"execution__threads": 8, "execution__queue": 16, "limits__queue_ms": 60000}
    with lab(strategy, **options) as fleet:
        assert fleet.get("/qr?text=A").status == 200
        # What the first ones make the worker allocate, it keeps.
        leave(fleet, strategy, 4 * AT_ONCE)
        pid = fleet.pid(0)
        held = own_kib(pid), descriptors(pid), threads(pid)
        leave(fleet, strategy, LEAVERS)
        after = own_kib(pid), descriptors(pid), threads(pid)
        print(f"{strategy}: {LEAVERS} have left; KiB, descriptors and threads before {held}, after {after}")
        assert after[1:] == held[1:]
        assert held[2] == (9 if strategy == "offload" else 1) or SANITIZED
        # A job's state is 5 KiB: a leak of one in ten would be 30 KiB for 600.
        assert SANITIZED or after[0] <= held[0] + 200


# --- what it costs nobody to have -------------------------------------------------------------------------------------


def test_options_for_another_strategy_are_warned_of():
    with Fleet({**LAB, "execution.threads": 3, "execution.queue": 5, "execution.slice_us": 70}) as fleet:
        for key, strategy in (("threads", "offload"), ("queue", "offload"), ("slice_us", "yield")):
            fleet.wait_log(rf'execution\.{key}.*has no effect: it is for strategy "{strategy}"')
        assert threads(fleet.pid(0)) == 1 or SANITIZED
