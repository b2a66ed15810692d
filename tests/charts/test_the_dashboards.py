"""The dashboards of the charts: as they are made, readable by real promtool, and about metrics that there are."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from kubevouch.approve.act.instruments import _MEASURED, ApproverInstruments
from kubevouch.inventory.act.instruments import ExporterInstruments, exporter_gauges, node_pages
from kubevouch.inventory.metrics import FAMILIES
from kubevouch.metrics.scraping import ScrapeResult
from kubevouch.metrics.serving.instruments import Instruments
from kubevouch.serve.series import heading
from kubevouch.serve.server import new_registry
from real.charts import Helm
from real.dashboards import DASHBOARDS, text_of
from tests.charts.rendering import IMAGE, only, rendered
from tests.charts.test_alerts_by_real_promtool import CHARTS, asked
from tests.support.metered import metered

FILES = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
OURS = re.compile(r"\b(?:kubevouch|metrics_server)_\w+")
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@FILES
def test_a_dashboard_is_as_it_is_made(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text == text_of(path), "run `make deploy`"


@FILES
def test_its_panels_are_of_todays_kinds_and_ask_the_chosen_source(path: Path) -> None:
    made = json.loads(path.read_text("utf-8"))
    assert made["schemaVersion"] == 42
    assert [each["name"] for each in made["templating"]["list"]] == [
        "datasource",
        "namespace",
        "job",
    ]
    for panel in made["panels"]:
        assert panel["type"] in {"row", "stat", "table", "timeseries"}
        for target in panel.get("targets", ()):
            assert (panel["datasource"], target["datasource"]) == (SOURCE, SOURCE)
            assert panel["description"]
            selectors = len(OURS.findall(target["expr"].partition("ALERTS")[0]))
            assert target["expr"].count('namespace=~"$namespace",job=~"$job"') == selectors


@FILES
def test_promtool_reads_its_expressions(path: Path, promtool: Path, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$__\w+", "5m", each)}
        for number, each in enumerate(_expressions(path))
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"SUCCESS: {len(rules)} rules found" in asked(promtool, "check", "rules", file)


@pytest.mark.parametrize("asking", [*DASHBOARDS, *(each / "rules/alerts.yaml" for each in CHARTS.values())], ids=str)  # fmt: skip
def test_every_metric_that_is_asked_for_is_there(asking: Path) -> None:
    """The API server's own are the one exception. A metric of the text of a rule is one, too."""
    named = set(OURS.findall(asking.read_text("utf-8")))
    assert named
    assert {each for each in named if not re.search(rf"^(# TYPE )?{each}[{{ ]", _served(), re.MULTILINE)} == set()  # fmt: skip


@FILES
def test_grafanas_sidecar_finds_it_where_it_is_wanted(helm: Helm, path: Path) -> None:
    chart = path.parents[1]
    assert "ConfigMap" not in {kind for kind, _, _ in rendered(helm, chart, *IMAGE)}
    found = only(rendered(helm, chart, *IMAGE, "--set", "dashboards.enabled=true"), "ConfigMap")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["data"] == {path.name: path.read_text("utf-8")}
    values = Path(__file__).parent / "values" / f"{chart.name.removeprefix('kubevouch-')}-all-on.yaml"  # fmt: skip
    chosen = only(rendered(helm, chart, *IMAGE, "-f", str(values)), "ConfigMap")["metadata"]
    assert (chosen["namespace"], chosen["annotations"]) == ("observe", {"grafana_folder": "Nodes"})


def _expressions(path: Path) -> Iterator[str]:
    for panel in json.loads(path.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


@cache
def _served() -> str:
    """The pages of all three programs, as far as a cluster is not needed for them."""
    registry = new_registry()
    ApproverInstruments(registry).measure(**dict.fromkeys(_MEASURED, lambda: 0.0))
    at = datetime.fromtimestamp(1, UTC)
    last = ScrapeResult("deadline", at, None, "expired")
    scrapes = Instruments(registry, 15.0)
    scrapes.scraped("n1", ended=1.0, seconds=0.1, reason="deadline")
    store = metered({"n1": (1, 1)}, {"n1": {("a", "p"): {"c": (1, 1)}}})
    pages = [*scrapes.pages(store, {"n1": last}), generate_latest(registry).decode()]
    own = new_registry()
    ExporterInstruments(own)
    nothing: Any = SimpleNamespace(
        nodes={}, results={}, failures=Counter, read_at=at, not_read=0, left_out=0
    )
    gauges = exporter_gauges(nothing, nothing, {}, {}, at)
    pages += [generate_latest(own).decode(), *node_pages({}, {}, {})]
    pages += [heading(each.name, each.type, "") for each in gauges]
    return "".join([*pages, *(heading(each, "gauge", "") for each in FAMILIES)])
