"""A real Prometheus on the moved clock: it scrapes our servers, and evaluates the alerts of our charts as they are.

Go asks the kernel for the time without libc. So it is built with one line more in Go's own `time.Now`, which adds what
`ahead.go` reads. Its tickers go on as they are.
"""

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from real.layout import Folders
from real.programs import PROMETHEUS, SOURCES
from year.clock import YearClock

_AHEAD = Path(__file__).with_name("ahead.go")
_NOW = "\tsec, nsec, mono := runtimeNow()\n"
_EVERY = "300ms"


@dataclass(frozen=True)
class Firing:
    """An alert that has fired: of which node, from when to when (seconds since 1970)."""

    name: str
    node: str
    begin: float
    end: float


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    url: str

    def ask(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """What its API answers."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=120) as answer:
            return json.load(answer)["data"]

    def alerts(self) -> dict[str, set[str]]:
        """State (pending, firing): names."""
        found: dict[str, set[str]] = {"pending": set(), "firing": set()}
        for each in self.ask("alerts")["alerts"]:
            found[each["state"]].add(each["labels"]["alertname"])
        return found

    def value(self, query: str) -> float | None:
        """Of an expression with one series."""
        found = self.ask(f"query?query={quote(query)}")["result"]
        return float(found[0]["value"][1]) if found else None

    def fired(self, since: float, now: float) -> list[Firing]:
        """Everything that it has ever evaluated as firing. A gap of an hour makes two of it."""
        seconds = int(now - since) + 60
        query = quote(f'ALERTS{{alertstate="firing"}}[{seconds}s]')
        found = []
        for each in self.ask(f"query?query={query}&time={now}")["result"]:
            labels, times = each["metric"], [at for at, _ in each["values"]]
            begin = 0
            for i, at in enumerate(times):
                if i + 1 == len(times) or times[i + 1] - at > 3600:
                    node = labels.get("node", "")
                    found.append(Firing(labels["alertname"], node, times[begin], at))
                    begin = i + 1
        return sorted(found, key=lambda firing: firing.begin)


def built() -> Path:
    """The program, built where the cache lacks it (needs Go)."""
    go = json.loads(_run("go", "env", "-json"))
    package = Path(go["GOROOT"]) / "src/time"
    text = (package / "time.go").read_text()
    assert text.count(_NOW) == 1, "Go's time.Now has changed"
    text = text.replace(_NOW, f"{_NOW}\tsec += *ahead\n")
    key = sha256((PROMETHEUS.key(go["GOVERSION"]) + text + _AHEAD.read_text()).encode())
    kept = Folders.of(os.environ).cache / "programs" / f"prometheus-year-{key.hexdigest()[:16]}"
    if not (kept / "prometheus").exists():
        kept.mkdir(parents=True, exist_ok=True)
        (kept / "time.go").write_text(text)
        replaced = {package / "time.go": kept / "time.go", package / "ahead.go": _AHEAD}
        overlay = {"Replace": {str(this): str(by) for this, by in replaced.items()}}
        (kept / "overlay.json").write_text(json.dumps(overlay))
        words = ["go", "build", *PROMETHEUS.flags(), "-overlay", str(kept / "overlay.json")]
        words += ["-o", str(kept / "unfinished"), *PROMETHEUS.packages.values()]
        flags = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
        environment = {**os.environ, **flags, "GOWORK": "off"}
        subprocess.run(words, cwd=SOURCES / PROMETHEUS.folder, env=environment, check=True)
        (kept / "unfinished").rename(kept / "prometheus")
    return kept / "prometheus"


@contextmanager
def prometheus(
    folder: Path, clock: YearClock, program: Path, charts: Mapping[str, Path], targets: Path
) -> Iterator[Prometheus]:
    """targets: a folder where each server's addresses are in a file NAME.json; the token lies beside them."""
    jobs = [
        {
            "job_name": name,
            "scheme": "https",
            "authorization": {"credentials_file": str(targets / "token")},
            "tls_config": {"insecure_skip_verify": True},
            "file_sd_configs": [{"files": [str(targets / f"{name}.json")]}],
        }
        for name in charts
    ]
    rules = [str(chart / "rules" / "alerts.yaml") for chart in charts.values()]
    intervals = dict.fromkeys(("scrape_interval", "scrape_timeout"), _EVERY)
    configuration = {
        "global": {**intervals, "evaluation_interval": _EVERY},
        "rule_files": rules,
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    argv = [str(program), f"--config.file={folder / 'prometheus.yaml'}"]
    argv += [f"--storage.tsdb.path={folder / 'data'}", "--web.listen-address=127.0.0.1:0"]
    argv += ["--storage.tsdb.retention.time=3y", "--storage.tsdb.min-block-duration=30d"]
    argv += ["--storage.tsdb.max-block-duration=30d", "--query.timeout=2m"]
    log = folder / "prometheus.log"
    environment = {**os.environ, "YEAR_CLOCK": str(clock.folder / "clock")}
    with log.open("wb") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=file, env=environment)
    try:
        yield Prometheus(_url(process, log))
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Where it says that it listens, once it is ready."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        said = re.search(r'Listening on" .*?address=(127\.0\.0\.1:\d+)', log.read_text("utf-8"))
        with suppress(OSError):
            if said and urllib.request.urlopen(f"http://{said[1]}/-/ready", timeout=5):
                return f"http://{said[1]}"
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


def _run(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
