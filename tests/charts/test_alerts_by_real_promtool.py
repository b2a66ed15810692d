"""The alert rules of the charts by real promtool: it reads them, and each fires when it should and never else."""

import subprocess
from pathlib import Path

import pytest
import yaml

from real.charts import APPROVER, EXPORTER, METRICS_SERVER, Helm
from tests.charts.rendering import IMAGE, only, rendered

ALERTS = Path(__file__).parent / "alerts"
CHARTS = {"approver": APPROVER, "metrics-server": METRICS_SERVER, "exporter": EXPORTER}


def asked(promtool: Path, *words: object) -> str:
    ran = subprocess.run(
        [promtool, *map(str, words)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_promtool_reads_the_rules_and_has_nothing_to_say(promtool: Path, chart: Path) -> None:
    count = len(_rules(chart))
    said = asked(promtool, "check", "rules", "--lint=all", "--lint-fatal", chart / "rules" / "alerts.yaml")  # fmt: skip
    assert f"SUCCESS: {count} rules found" in said


@pytest.mark.parametrize("tests", sorted(ALERTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_alert_fires_when_it_should(promtool: Path, tests: Path) -> None:
    assert "SUCCESS" in asked(promtool, "test", "rules", tests)


@pytest.mark.parametrize(("name", "chart"), CHARTS.items(), ids=CHARTS)
def test_every_alert_is_seen_silent_and_seen_firing(name: str, chart: Path) -> None:
    """A rule that no test of promtool's has seen fire may be one that cannot."""
    silent: set[str] = set()
    firing: set[str] = set()
    for path in ALERTS.glob(f"{name}*.yaml"):
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            for each in test["alert_rule_test"]:
                (firing if each.get("exp_alerts") else silent).add(each["alertname"])
    names = {rule["alert"] for rule in _rules(chart)}
    assert (silent, firing) == (names, names)


@pytest.mark.parametrize(("name", "chart"), CHARTS.items(), ids=CHARTS)
def test_what_the_operator_gets_is_the_rule_file(helm: Helm, name: str, chart: Path) -> None:
    wish = "monitoring.prometheusRule.enabled=true" if name != "metrics-server" else "prometheusRule.enabled=true"  # fmt: skip
    found = only(rendered(helm, chart, *IMAGE, "--set", wish), "PrometheusRule")
    assert found["spec"] == yaml.safe_load((chart / "rules" / "alerts.yaml").read_text("utf-8"))


def _rules(chart: Path) -> list[dict[str, str]]:
    (group,) = yaml.safe_load((chart / "rules" / "alerts.yaml").read_text("utf-8"))["groups"]
    found: list[dict[str, str]] = group["rules"]
    return found
