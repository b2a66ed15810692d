"""For all tests of the product, and the e2e tests."""

from pathlib import Path

import pytest

from tests.support.go import skip_without_go
from tests.support.unhurried import unhurried
from tests.support.workers import surroundings_of_a_worker

__all__ = ["surroundings_of_a_worker"]

unhurried()

_E2E = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips tests that need Go where there is none, and long plain tests unless `-m long` asks for them."""
    skip_without_go(items)
    if config.getoption("markexpr") == "long":
        return
    for item in items:
        if item.get_closest_marker("long") and _E2E not in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="`make real-long` runs it"))
