"""Fixtures of all integration tests. The work is done in fleet.py, which see."""

import signal

import pytest

from fleet import Fleet


def pytest_configure(config):
    """A SIGTERM unwinds the tests like Ctrl-C does, so that every Fleet is taken down."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@pytest.fixture
def fleet():
    """Two workers, no HAProxy."""
    with Fleet() as running:
        yield running


@pytest.fixture(scope="module")
def shared_fleet():
    """Two workers behind HAProxy, shared by the tests of a file: for tests that leave them as they were."""
    with Fleet(balancer=True) as running:
        yield running
