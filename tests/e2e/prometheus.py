"""A real Prometheus that scrapes our programs every second, and evaluates the alert rules that we ship.

What stands in the rule file counts, but that hours pass in seconds: each `for` is a 600th of what it says. The
expressions are untouched, so that a CSR has to wait for its ten minutes here, too.
"""

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import yaml

from real import programs
from real.layout import Folders

from .cluster import Cluster
from .installed_exporter import manifest

FASTER: Final = 600
"""How much sooner an alert fires whose condition holds."""
LONGEST_FOR: Final = 7.0
"""Seconds after which one that is pending fires, and the next evaluation."""
_SPACE, _ACCOUNT = "monitoring", "prometheus-k8s"
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_FOR: Final = re.compile(r"(\d+)([smh])")


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    url: str

    def ask(self, path: str) -> Any:
        """What its API answers."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=30) as answer:
            return json.load(answer)["data"]

    def values(self, query: str) -> list[float]:
        """The value of each series of an expression, the least first."""
        found = self.ask(f"query?query={quote(query)}")["result"]
        return sorted(float(each["value"][1]) for each in found)

    def alerts(self) -> dict[str, set[str]]:
        """Those that fire: each with its nodes, "" for what is of no node. A pending one has a question mark."""
        found: dict[str, set[str]] = {}
        for each in self.ask("alerts")["alerts"]:
            name = each["labels"]["alertname"] + "?" * (each["state"] == "pending")
            found.setdefault(name, set()).add(each["labels"].get("node", ""))
        return found


def rules_in_seconds(chart: Path) -> dict[str, Any]:
    """The shipped rule file of a chart, with every `for` a 600th."""
    rules: dict[str, Any] = yaml.safe_load((chart / "rules" / "alerts.yaml").read_text("utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            said = _FOR.fullmatch(rule.get("for", "0s"))
            assert said, rule
            milliseconds = int(said[1]) * _UNITS[said[2]] * 1000 // FASTER
            rule["for"] = f"{milliseconds}ms"
    return rules


@contextmanager
def scraping_account(cluster: Cluster) -> Iterator[str]:
    """The token of Prometheus's account, with the role of the manifests, until the block ends."""
    cluster.kubectl("create", "namespace", _SPACE)
    cluster.kubectl("create", "serviceaccount", _ACCOUNT, "-n", _SPACE)
    roles = "---\n".join(
        yaml.safe_dump(each)
        for each in yaml.safe_load_all(manifest("monitoring/service-monitor.yaml"))
        if each["kind"] != "ServiceMonitor"
    )
    cluster.kubectl("apply", "-f", "-", stdin=roles)
    words = ("create", "token", _ACCOUNT, "-n", _SPACE, "--duration=4h")
    try:
        yield cluster.kubectl(*words).stdout.strip()
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=roles)
        cluster.kubectl("delete", "namespace", _SPACE, "--ignore-not-found", seconds=150)


@contextmanager
def prometheus(
    folder: Path, token: str, targets: Mapping[Path, Sequence[str]]
) -> Iterator[Prometheus]:
    """It scrapes these addresses with the token, by the charts of what runs there, until the block ends."""
    program = programs.build(Folders.of(os.environ), (programs.PROMETHEUS,)).paths["prometheus"]
    (folder / "token").write_text(token, "utf-8")
    for chart in targets:
        rules = yaml.safe_dump(rules_in_seconds(chart))
        (folder / f"{chart.name}.rules.yaml").write_text(rules, "utf-8")
    # As the ServiceMonitors have it: each of our programs can make its serving certificate itself.
    secrets = {
        "scheme": "https",
        "authorization": {"credentials_file": str(folder / "token")},
        "tls_config": {"insecure_skip_verify": True},
    }
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "*.rules.yaml")],
        "scrape_configs": [
            {"job_name": chart.name, "static_configs": [{"targets": [*addresses]}], **secrets}
            for chart, addresses in targets.items()
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration), "utf-8")
    argv = [str(program), f"--config.file={folder / 'prometheus.yaml'}"]
    argv += [f"--storage.tsdb.path={folder / 'data'}", "--web.listen-address=127.0.0.1:0"]
    log = folder / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
    try:
        yield Prometheus(_url(process, log))
    finally:
        process.terminate()
        process.wait(timeout=60)


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Where it says that it listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        text = log.read_text("utf-8", "replace")
        if found := re.search(r'Listening on" .*?address=(127\.0\.0\.1:\d+)', text):
            return f"http://{found[1]}"
        assert process.poll() is None, text
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8", "replace"))
