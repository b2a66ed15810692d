"""`python -m demo.reference`: writes those pages of docs/reference that are made: the command line, findings, metrics."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import click
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from kubevouch.approve.act.instruments import _MEASURED, ApproverInstruments
from kubevouch.cli.app import program
from kubevouch.cli.common.terminal import Terminal
from kubevouch.diagnose.catalogue import CATALOGUE, FindingDefinition
from kubevouch.evidence.certificates import CertificateUse
from kubevouch.inventory.act.instruments import ExporterInstruments, exporter_gauges, node_pages
from kubevouch.inventory.act.kubelets import DialledKubelet
from kubevouch.inventory.metrics import families_of, series_of
from kubevouch.inventory.pending_csrs import IssuedServing, Pending
from kubevouch.metrics.scraping import ScrapeResult
from kubevouch.metrics.serving.instruments import Instruments
from kubevouch.metrics.store import MetricsStore
from kubevouch.system_clock import SystemClock

FOLDER: Final = Path(__file__).parents[1] / "docs" / "reference"
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


def pages() -> dict[str, str]:
    """Each page as Markdown, by its path in the folder."""
    findings = {f"findings/{code}.md": _finding(each) for code, each in CATALOGUE.items()}
    return {
        **findings,
        "findings/README.md": _index(),
        "cli.md": _command_line(),
        "metrics.md": _metrics(),
    }


def _finding(definition: FindingDefinition) -> str:
    related = "".join(f"- {each}\n" for each in definition.related)
    return (
        f"# {definition.code} {definition.name}\n\nSeverity: {definition.severity}\n\n"
        f"**You see.** {definition.see}\n\n**Why.** {definition.why}\n\n**Do.** {definition.do}\n"
        + (f"\nRelated:\n\n{related}" if related else "")
    )


def _index() -> str:
    rows = "".join(
        f"| [{code}]({code}.md) | {each.severity} | {each.name} |\n"
        for code, each in CATALOGUE.items()
    )
    return (
        "# Findings\n\nEvery code that `kubevouch doctor` and `kubevouch verify` can show. "
        "`kubevouch explain CODE` prints the same without a network.\n\n"
        "| code | severity | name |\n|---|---|---|\n" + rows
    )


def _command_line() -> str:
    return "# Command line\n\nWhat `--help` prints. `make docs` writes this page.\n" + "".join(
        _helps("kubevouch", program, None)
    )


def _helps(name: str, command: click.Command, above: click.Context | None) -> Iterator[str]:
    """The command, then those below it."""
    context = click.Context(
        command,
        info_name=name,
        parent=above,
        obj=Terminal(None, None, None, {}),
        terminal_width=100,
        help_option_names=["-h", "--help"],
    )
    yield f"\n## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            if (found := command.get_command(context, each)) is not None:
                yield from _helps(each, found, context)


def _metrics() -> str:
    return (
        "# Metrics\n\nWhat the three servers serve at `/metrics`. `make docs` writes this page. Numbers "
        "of the process (`process_*`) are left out.\n\n"
        "`kubevouch certs -o prometheus` writes the metrics `kubevouch_certificate_*` and "
        "`kubevouch_kubelet_serving_*`, too.\n"
        + "".join(
            f"\n## {title}\n\n| metric | type | labels | what it says |\n|---|---|---|---|\n{_rows(text)}"
            for title, text in (
                ("The approver", _approver()),
                ("The exporter", _exporter()),
                ("The metrics server", _metrics_server()),
            )
        )
    )


def _rows(text: str) -> str:
    found = []
    for family in text_string_to_metric_families(text):
        labels = dict.fromkeys(name for each in family.samples for name in each.labels)
        labels.pop("le", None)
        name = family.name + "_total" * (
            family.type == "counter" and f"{family.name}_total" in text
        )
        if not name.endswith("_created"):
            about = family.documentation.rstrip(".")
            found.append(f"| `{name}` | {family.type} | {', '.join(labels)} | {about} |\n")
    return "".join(found)


def _approver() -> str:
    registry = CollectorRegistry()
    found = ApproverInstruments(registry)
    found.measure(**dict.fromkeys(_MEASURED, lambda: 0.0))
    found.watch_failures.labels("nodes")
    found.request("GET", "/api/v1/nodes")("200")
    return generate_latest(registry).decode()


def _exporter() -> str:
    registry = CollectorRegistry()
    found = ExporterInstruments(registry)
    found.watch_failures.labels("nodes")
    found.request("GET", "/api/v1/nodes")("200")
    registry.register(_Gauges())
    node, ready = "node", SimpleNamespace(ready=True)
    nodes: Any = {node: ready}
    dialled = DialledKubelet(_AT, "", _AT, (), "", _AT)
    return "".join(
        (
            *families_of([series_of(each, "where") for each in _certificates()]),
            *node_pages(nodes, {node: dialled}, {node: IssuedServing(_AT, "")}),
            generate_latest(registry).decode(),
        )
    )


class _Gauges:
    """What the exporter reads when somebody asks for it: a collector of prometheus_client."""

    def collect(self) -> Iterator[Metric]:
        """Each once."""
        kubelets: Any = SimpleNamespace(
            nodes="ab", results="a", failures=lambda: Counter(refused=1)
        )
        others: Any = SimpleNamespace(read_at=_AT, not_read=0, left_out=0)
        return exporter_gauges(kubelets, others, {"signer": Pending()}, {"nodes": 0.0}, _AT)


def _certificates() -> Iterator[Any]:
    """Of each kind a row that fails and one that does not."""
    ends = SimpleNamespace(not_after=_AT, not_before=_AT)
    for use in (CertificateUse.KUBELET_SERVING, CertificateUse.CLUSTER_CA):
        found = {"use": use, "node": "node", "where": "", "certificate": ends, "failure": None}
        untrusted = SimpleNamespace(trusted=False, reason="expired")
        yield SimpleNamespace(
            found=SimpleNamespace(**found, verdict=untrusted), state="", renewed_by=""
        )


def _metrics_server() -> str:
    registry = CollectorRegistry()
    found = Instruments(registry, 15.0)
    found.scraped("node", ended=1.0, seconds=0.1, reason="deadline")
    found.scraped("node", ended=1.0, seconds=0.1)
    store = MetricsStore(timedelta(seconds=15), clock=SystemClock(), node_of=lambda _: "")
    last = ScrapeResult("deadline", _AT, None, "expired")
    return "".join((*found.pages(store, {"node": last}), generate_latest(registry).decode()))


def main() -> None:
    """Writes the pages, and removes those of codes that no longer exist."""
    made = pages()
    for old in FOLDER.glob("findings/*.md"):
        if f"findings/{old.name}" not in made:
            old.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
