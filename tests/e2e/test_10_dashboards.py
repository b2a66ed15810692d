"""The dashboards before a real Prometheus that scrapes our programs: in each state each panel shows what it should."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from real.charts import APPROVER, EXPORTER, METRICS_SERVER
from real.dashboards import DASHBOARDS

from .cluster import Cluster
from .in_place import in_place, pods
from .installed_exporter import SPACE, exporter_address, exporter_installed
from .lab_cluster import LabCluster
from .prometheus import Prometheus, prometheus, scraping_account
from .told import ended, eventually

pytestmark = pytest.mark.long

Shown = list[float]
Expected = dict[str, float | Callable[[Shown], bool]]
_SECONDS = 240.0
_API = "/apis/metrics.k8s.io/v1beta1/nodes"


def rows(count: int) -> Callable[[Shown], bool]:
    """So many series."""
    return lambda shown: len(shown) == count


def some(shown: Shown) -> bool:
    """Something is more than nothing."""
    return max(shown, default=0) > 0


def ended_already(shown: Shown) -> bool:
    """The first of them."""
    return bool(shown) and shown[0] < 0


def states(every: int) -> dict[str, Expected]:
    """What panels show. every: how many nodes there are. A number is the only value; what is not named may show anything."""
    dark: Expected = {
        "Kubelets verified": 0, "Kubelets answering": 0, "Kubelets without a certificate": every, "Kubelets by state B": every,
        "Kubelets that are not verified": rows(every), "Refused by TLS": every, "Nodes": every,
        "Nodes without metrics": every, "Nodes whose last scrape failed": rows(every),
        "Nodes whose last scrape failed, by the reason": every, "Scrapes": some, "Alerts": some,
    }  # fmt: skip
    good: Expected = {
        "Kubelets verified": 1, "Kubelets answering": 1, "Kubelets without a certificate": 0, "Expire within a week": 0,
        "Rotations overdue": 0, "Kubelets by state": every, "Kubelets by state B": rows(0),
        "Kubelets that are not verified": rows(0), "Certificates that expire first": some,
        "Refused by TLS": 0, "Nodes": every, "Nodes without metrics": 0, "Replicas": 3,
        "Nodes whose last scrape failed": rows(0), "Asked without a credential": 0,
        "Restarted tasks": 0, "Places that cannot be read": rows(1),
    }  # fmt: skip
    asked: Expected = {
        "Requests by version": some, "Age of served metrics": some, "Scrapes": some,
        "How long kubelets take to answer": some, "How long kubelets take to answer B": some,
        "Longest time since a scrape": some,
    }  # fmt: skip
    return {
        "healthy": {**good, **asked, "Issued, not served": 0},
        "expired": {
            **dark, "Kubelets answering": 1, "Kubelets without a certificate": 0, "Expire within a week": every,
            "Certificates that expire first": ended_already,
        },
        "pending": {
            **dark, "Expire within a week": 0, "Kubelets that wait for a certificate": some,
            "Longest wait for a certificate": some,
        },
        "rotated-expired": dark,
        "approver-gone": {**good, "Rotations overdue": every, "Rotations overdue, by node": rows(every)},
        "held": {
            **dark, "Leaders": 1, "Pending CSRs": every, "Oldest pending CSR": some, "Approved by others": 0,
            "Unreadable ConfigMaps": 0, "Clock difference": rows(1), "Approvals by others": rows(3),
            "Decisions by outcome and reason": some, "Requests to the API server": some,
        },
        "approved": {
            **good, "Leaders": 1, "Pending CSRs": 0, "Oldest pending CSR": 0, "Issued, not served": 0,
            "Decisions by outcome and reason": some, "How long a decision takes": some,
            "How long a decision takes B": some,
        },
    }  # fmt: skip


def panels() -> dict[str, list[str]]:
    """The expressions of each panel, as Grafana fills them in, by its title; of both dashboards together."""
    found: dict[str, list[str]] = {}
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                name = panel["title"] + f" {target['refId']}" * (target["refId"] != "A")
                name += ", by node" * (
                    panel["title"] == "Rotations overdue" and panel["type"] == "table"
                )
                found.setdefault(name, []).append(_filled_in(target["expr"]))
    return found


def _filled_in(expression: str) -> str:
    for variable, value in (("$__rate_interval", "1m"), ("$__range", "6h")):
        expression = expression.replace(variable, value)
    return re.sub(r"\$(namespace|job)\b", ".*", expression)


def test_each_panel_shows_what_it_should_in_each_state(
    cluster: Cluster, image_reference: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not isinstance(cluster, LabCluster):
        pytest.skip("its states follow one another on a lab")
    cluster.state("healthy")
    expected, never = states(len(cluster.nodes)), set(panels())
    with (
        scraping_account(cluster) as token,
        exporter_installed(cluster, image_reference, interval="10s"),
    ):
        exporter = f"{exporter_address(cluster)}:8443"
        for state in ("healthy", "expired", "pending", "rotated-expired", "approver-gone"):
            cluster.scenario(state)
            with in_place(cluster, image_reference):
                targets = {EXPORTER: [exporter], METRICS_SERVER: _metrics_servers(cluster)}
                with prometheus(tmp_path_factory.mktemp(state), token, targets) as watching:
                    never -= _seen(cluster, watching, expected[state], state)
        cluster.state("pending")
        with in_place(cluster, image_reference), _approver(cluster, image_reference) as approver:
            targets = {
                EXPORTER: [exporter],
                METRICS_SERVER: _metrics_servers(cluster),
                APPROVER: [approver],
            }
            with prometheus(tmp_path_factory.mktemp("held"), token, targets) as watching:
                never -= _seen(cluster, watching, expected["held"], "held")
                for node in cluster.nodes:
                    ended(cluster, 0, "approver", "pin", node.name, "--yes")
                never -= _seen(cluster, watching, expected["approved"], "approved")
    assert never == set()


def _metrics_servers(cluster: Cluster) -> list[str]:
    """Where they are. A change of state makes them anew."""

    def look() -> list[str]:
        found = [each.address for each in pods(cluster)]
        return found if all(found) else []

    return [f"{each}:10250" for each in eventually(look, "the addresses of metrics servers")]


@contextmanager
def _approver(cluster: Cluster, image: str) -> Iterator[str]:
    """One that knows no node, by its pod's address."""
    words = ("--image", image, "--yes", "--new-nodes", "hold", "--no-pins")
    ended(cluster, 0, "approver", "install", *words)
    chosen = ("-n", SPACE, "-l", "app.kubernetes.io/name=kubevouch-approver")
    try:
        found = cluster.kubectl("get", "pods", *chosen, "-o", "jsonpath={.items[0].status.podIP}")
        yield f"{found.stdout}:8443"
    finally:
        ended(cluster, 0, "approver", "remove", "--pins", "--yes")


def _seen(cluster: Cluster, watching: Prometheus, expected: Expected, state: str) -> set[str]:
    """Waits until the panels are as expected; returns those that have shown something."""
    asked, shown = panels(), dict[str, Any]()

    def wrong() -> dict[str, Any]:
        cluster.kubectl("get", "--raw", _API, check=False)
        for name, expressions in asked.items():
            shown[name] = [watching.values(each) for each in expressions]
        return {name: shown[name] for name, wish in expected.items() if not _is(shown[name], wish)}

    assert expected.keys() <= asked.keys()
    try:
        eventually(lambda: not wrong(), state, _SECONDS)
    except AssertionError as error:
        error.add_note(f"{state}: {wrong()}")
        error.add_note(str(watching.ask("targets")["activeTargets"]))
        raise
    return {name for name, each in shown.items() if all(each)}


def _is(shown: list[Shown], wish: float | Callable[[Shown], bool]) -> bool:
    return all(wish(each) if callable(wish) else each == [wish] for each in shown)
