"""The tables, and what they must show."""

import statistics

QUERN = "quern"
SHORT = "QR TEST"
URL = "https://example.com/a/path/to/some/page?id=1234567"  # 50 characters
BEST = "the best framework plus library"

FULL = 0.95  # of a core: from there on it counts as used up

# (text, peer, least ratio of quernd to it)
GOALS = (
    (SHORT, "nginx-file", 0.9),
    (SHORT, "quern-constant", 0.75),
    (SHORT, "express", 100.0),
    (SHORT, BEST, 10.0),
    (URL, BEST, 20.0),
)


def median(peer, text, figure="rps"):
    return statistics.median(run[figure] for run in peer.runs[text])


def cpu_us(peer, text):
    """Processor time a request."""
    return statistics.median(run["core"] / run["rps"] * 1e6 for run in peer.runs[text])


def _quern(peers):
    return next((p for p in peers if p.name == QUERN), None)


def _ratio(peers, text, peer):
    quern = _quern(peers)
    return median(quern, text) / median(peer, text) if quern else None


def _goal_ratio(peers, text, peer):
    """By requests a second; where one of the two was not at its limit, by processor time a request."""
    quern = _quern(peers)
    if not quern:
        return None, ""
    if min(median(p, text, "core") for p in (quern, peer)) < FULL:
        return cpu_us(peer, text) / cpu_us(quern, text), ", by processor time a request"
    return _ratio(peers, text, peer), ""


def _fastest_first(peers, text):
    return sorted((p for p in peers if text in p.runs), key=lambda p: -median(p, text))


def print_full(peers, text):
    """cpu us: processor time a request, which tells servers apart that were not at their limit too."""
    print(f"{'server':<24} {'req/s':>9} {'lowest':>9} {'highest':>9} {'p50 ms':>8} {'p99 ms':>8} {'cpu us':>8} "
          f"{'core':>6} {'wrk':>6} {'quern : it':>11}")
    for peer in _fastest_first(peers, text):
        rates = [run["rps"] for run in peer.runs[text]]
        ratio = _ratio(peers, text, peer)
        print(f"{peer.title:<24} {median(peer, text):>9.0f} {min(rates):>9.0f} {max(rates):>9.0f} "
              f"{median(peer, text, 'p50_ms'):>8.3f} {median(peer, text, 'p99_ms'):>8.3f} {cpu_us(peer, text):>8.1f} "
              f"{median(peer, text, 'core'):>6.0%} {median(peer, text, 'wrk'):>6.0%} "
              f"{'-' if ratio is None else f'{ratio:.2f}':>11}")
    print_limits(_fastest_first(peers, text), text)


def print_limits(peers, text):
    """Rows whose figure is not the server's own."""
    for peer in peers:
        core, wrk = median(peer, text, "core"), median(peer, text, "wrk")
        if core < FULL:
            other = "wrk could do no more" if wrk >= FULL else "another program ran on the cores"
            print(f"{peer.title}: not at its limit ({core:.0%} of its core, wrk {wrk:.0%} of the other): {other}")


def print_paced(peers, text, rate):
    print(f"{'server':<24} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'core':>6} {'errors':>7}")
    for peer in _fastest_first(peers, text):
        run = peer.paced
        if run:
            print(f"{peer.title:<24} {run['p50_ms']:>8.3f} {run['p95_ms']:>8.3f} {run['p99_ms']:>8.3f} "
                  f"{run['core']:>6.0%} {run['errors']:>7}" + (f"  void: {run['void']}" if run["void"] else ""))
        elif peer.kind == "qr":
            print(f"{peer.title:<24} full below {rate} requests a second")


def _opponent(peers, left_out, text, name):
    """The best is known only if all took part that could be it."""
    if name == BEST:
        if any(peer.is_as_usual for peer in left_out):
            return None
        return next((p for p in _fastest_first(peers, text) if p.is_as_usual and p.name != QUERN), None)
    return next((p for p in peers if p.name == name and text in p.runs), None)


def print_others(peers, text):
    """The servers of QR codes that no goal looks at."""
    for peer in peers:
        if peer.kind == "qr" and not peer.is_as_usual and text in peer.runs:
            print(f"  no goal       {text!r}: quernd : {peer.name} ({peer.title}): {_ratio(peers, text, peer):.2f}")


def judge(peers, left_out):
    """Prints each goal; returns how many were missed and how many could not be judged."""
    missed = unknown = 0
    for text, name, least in GOALS:
        goal = f"{text!r}: quernd at least {least:g} times {name}"
        peer = _opponent(peers, left_out, text, name)
        ratio, how = _goal_ratio(peers, text, peer) if peer else (None, "")
        if ratio is None:
            unknown += 1
            print(f"  not measured  {goal}")
            continue
        missed += ratio < least
        who = f" ({peer.title})" if name == BEST else ""
        print(f"  {'met' if ratio >= least else 'MISSED':<13} {goal}{who}: {ratio:.2f}{how}")
    for text in (SHORT, URL):
        print_others(peers, text)
    return missed, unknown
