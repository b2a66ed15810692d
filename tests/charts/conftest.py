"""Real Helm and real promtool, built from their pinned modules where the cache lacks them: `make charts-check`."""

import os
from pathlib import Path

import pytest

from real import charts, programs
from real.layout import Folders


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> charts.Helm:
    return charts.real_helm(Folders.of(os.environ), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def promtool() -> Path:
    return programs.build(Folders.of(os.environ), (programs.PROMTOOL,)).paths["promtool"]


@pytest.fixture(scope="session")
def upstream_chart() -> Path:
    """metrics-server's own chart: the judge of names and values."""
    return charts.upstream_chart()
