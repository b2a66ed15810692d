"""For all tests of the product, and the e2e tests."""

import gc
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.go import skip_without_go
from tests.support.told import print_what_was_told
from tests.support.unhurried import unhurried
from tests.support.workers import surroundings_of_a_worker

__all__ = ["surroundings_of_a_worker"]

unhurried()

_E2E = Path(__file__).parent / "e2e"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """No garbage collector looks at the tests, which are there to the end: neither while they are found nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without Go, tests that need it are skipped. Long plain tests run only where `-m` names them."""
    skip_without_go(items)
    if config.getoption("markexpr").startswith("long"):
        return
    long = [
        each for each in items if each.get_closest_marker("long") and _E2E not in each.path.parents
    ]
    config.hook.pytest_deselected(items=long)
    gone = frozenset(map(id, long))
    items[:] = [each for each in items if id(each) not in gone]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the figures that tests have told."""
    print_what_was_told(terminalreporter)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()
