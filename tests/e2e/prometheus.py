"""A real Prometheus that scrapes the exporter every second, and evaluates the alert rules that we ship.

What stands in the rule file counts, but that hours pass in seconds: each `for` is a 600th of what it says. The
expressions are untouched, so that a CSR has to wait for its ten minutes here, too.
"""

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from real.charts import EXPORTER

FASTER: Final = 600
"""How much sooner an alert fires whose condition holds."""
LONGEST_FOR: Final = 7.0
"""Seconds after which one that is pending fires, and the next evaluation."""
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

    def value(self, query: str) -> float | None:
        """The value of an expression; None if it has none."""
        found = self.ask(f"query?query={query}")["result"]
        return float(found[0]["value"][1]) if found else None

    def alerts(self) -> dict[str, set[str]]:
        """Those that fire: each with its nodes, "" for what is of no node. A pending one has a question mark."""
        found: dict[str, set[str]] = {}
        for each in self.ask("alerts")["alerts"]:
            name = each["labels"]["alertname"] + "?" * (each["state"] == "pending")
            found.setdefault(name, set()).add(each["labels"].get("node", ""))
        return found


def rules_in_seconds() -> dict[str, Any]:
    """The shipped rule file, with every `for` a 600th."""
    rules: dict[str, Any] = yaml.safe_load((EXPORTER / "rules" / "alerts.yaml").read_text("utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            said = _FOR.fullmatch(rule["for"])
            assert said, rule
            milliseconds = int(said[1]) * _UNITS[said[2]] * 1000 // FASTER
            rule["for"] = f"{milliseconds}ms"
    return rules


@contextmanager
def prometheus(program: Path, folder: Path, *, target: str, token: str) -> Iterator[Prometheus]:
    """It scrapes that address with the token, until the block ends."""
    (folder / "token").write_text(token, "utf-8")
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules_in_seconds()), "utf-8")
    # As the ServiceMonitor has it: the exporter makes its serving certificate itself.
    scraped = {
        "job_name": "kubevouch-exporter",
        "scheme": "https",
        "authorization": {"credentials_file": str(folder / "token")},
        "tls_config": {"insecure_skip_verify": True},
        "static_configs": [{"targets": [target]}],
    }
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": [scraped],
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
