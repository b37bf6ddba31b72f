"""Options, the seed and the fixtures of every Python test."""

from __future__ import annotations

import os
import random

import pytest

# Two simulated devices for every test, unless the environment says otherwise; read at the first call of a device.
os.environ.setdefault("STRIDEPORT_SIMULATED_DEVICES", "2")

SEED = int(os.environ.get("STRIDEPORT_SEED") or random.SystemRandom().randrange(1 << 32))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than a few seconds; runs with --slow")


def pytest_sessionstart(session: pytest.Session) -> None:
    # Not a header, which `-q` leaves out: whoever reads of a crash needs it.
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"STRIDEPORT_SEED={SEED}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: --slow runs it"))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers of this test's own: they do not depend on which tests ran before."""
    return random.Random(f"{SEED}:{request.node.nodeid}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = (yield).get_result()
    if report.failed and "rng" in item.fixturenames:
        report.sections.append(("seed", f"STRIDEPORT_SEED={SEED} repeats this"))
