"""Real Helm and real promtool, built from their pinned modules where the cache lacks them: `make charts-check`."""

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from real import programs
from real.charts import Helm
from real.layout import Folders


def _tool(module: programs.Module) -> Path:
    (path,) = programs.build(Folders.of(os.environ), (module,)).paths.values()
    return path


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(_tool(programs.HELM), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def promtool() -> Path:
    return _tool(programs.PROMTOOL)


@cache
def upstream_module() -> Path:
    """metrics-server's own sources, whose module has its chart: the judge of names and values."""
    words = ["go", "mod", "download", "sigs.k8s.io/metrics-server"]
    where = programs.SOURCES / "metrics-server"
    subprocess.run(words, cwd=where, check=True, capture_output=True, timeout=300)
    listed = ["go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/metrics-server"]
    asked = subprocess.run(
        listed, cwd=where, check=True, capture_output=True, text=True, timeout=60
    )
    return Path(asked.stdout.strip())


@pytest.fixture(scope="session")
def upstream_chart() -> Path:
    return upstream_module() / "charts" / "metrics-server"
