"""What the alert rules ask, for panels: each expression stands in a rule file once."""

import re
from pathlib import Path
from typing import Final

import yaml

SELECTED: Final = 'namespace=~"$namespace",job=~"$job"'
"""What every selector of a dashboard has besides its own matchers."""
_NAME: Final = re.compile(r"\b(?:kubevouch|metrics_server)_\w+\b(\{)?")
_THRESHOLD: Final = re.compile(r"\s*(?:==|<|>)\s*[0-9. *]+$")


class Alerts:
    """The alerts of charts."""

    def __init__(self, *charts: Path) -> None:
        self._expressions: dict[str, str] = {}
        for chart in charts:
            text = (chart / "rules" / "alerts.yaml").read_text("utf-8")
            for group in yaml.safe_load(text)["groups"]:
                for rule in group["rules"]:
                    self._expressions[rule["alert"]] = rule["expr"]

    def condition(self, alert: str) -> str:
        """The expression of a rule: what the alert is about, and nothing else."""
        return self._expressions[alert]

    def value(self, alert: str) -> str:
        """The expression without what it is compared with at its end."""
        found, compared = _THRESHOLD.subn("", self._expressions[alert])
        assert compared == 1, alert
        return found

    def count(self, alert: str, known: str) -> str:
        """Of how many series the expression is true. Nothing, not 0, where nobody serves the metric `known`."""
        return f"count({self._expressions[alert]}) or 0 * count({known})"

    def fire(self) -> str:
        """Those of the charts that fire, and those that are about to."""
        names = "|".join(self._expressions)
        return f'max by (alertname, alertstate, severity, node, reason) (ALERTS{{alertname=~"{names}"}})'


def selected(expression: str) -> str:
    """The expression, with the dashboard's variables in each selector of ours."""

    def narrowed(found: re.Match[str]) -> str:
        name = found[0].removesuffix("{")
        return f"{name}{{{SELECTED}," if found[1] else f"{name}{{{SELECTED}}}"

    return _NAME.sub(narrowed, " ".join(expression.split()))
