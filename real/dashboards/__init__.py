"""The charts' dashboards for Grafana: `make deploy` writes them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard

from real.charts import EXPORTER, METRICS_SERVER
from real.dashboards.certificates import certificates
from real.dashboards.metrics_server import metrics_server
from real.dashboards.panels import written

DASHBOARDS: Mapping[Path, Callable[[], dashboard.Dashboard]] = {
    EXPORTER / "dashboards" / "kubevouch-certificates.json": certificates,
    METRICS_SERVER / "dashboards" / "kubevouch-metrics-server.json": metrics_server,
}
"""By their files."""


def text_of(path: Path) -> str:
    """The file, made anew."""
    return written(DASHBOARDS[path]())
