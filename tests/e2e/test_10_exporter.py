"""The exporter in a pod, as it is installed: its values are those of `certs`, and it asks for nothing beside its role."""

import json
from collections.abc import Iterator
from datetime import datetime

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.cluster import Cluster
from tests.e2e.installed_exporter import NAME, SPACE, exporter_address, exporter_installed, manifest
from tests.e2e.told import eventually
from tests.support.manifests import REVIEWS, in_short, rights

ACCOUNT = f"system:serviceaccount:{SPACE}:{NAME}"
ENDS = "kubevouch_certificate_not_after_timestamp_seconds"
VERIFIED = "kubevouch_kubelet_serving_verified"
SERVING = "kubelet-serving"
PATIENT = 180.0


@pytest.fixture
def expired(cluster: Cluster, image_reference: str, now: datetime) -> Iterator[Cluster]:
    """Every kubelet serves an expired certificate, and somebody installs the exporter. now: before that."""
    cluster.state("expired")
    with exporter_installed(cluster, image_reference):
        yield cluster


def _samples(cluster: Cluster) -> dict[str, dict[tuple[str, str], float]]:
    """What an admin is served: by metric, by use and node."""
    server = f"--server=https://{exporter_address(cluster)}:8443"
    page = cluster.kubectl(server, "--insecure-skip-tls-verify", "get", "--raw", "/metrics")
    found: dict[str, dict[tuple[str, str], float]] = {}
    for family in text_string_to_metric_families(page.stdout):
        for each in family.samples:
            key = each.labels.get("use", ""), each.labels.get("node", "")
            found.setdefault(each.name, {})[key] = each.value
    return found


def _asked(cluster: Cluster, since: datetime) -> set[tuple[str, str]]:
    log = [each for each in cluster.audit(since) if each.user_name == ACCOUNT]
    return {(each.verb, each.what) for each in log}


def test_its_values_are_those_of_certs_and_it_asks_for_nothing_else(
    expired: Cluster, now: datetime
) -> None:
    nodes = {node.name for node in expired.nodes}

    def all_seen() -> bool:
        found = _samples(expired)
        return {node for _, node in found.get(VERIFIED, {})} == nodes and ("ca", "") in found[ENDS]

    eventually(all_seen, "every kubelet and the CA on the page", PATIENT)
    found = _samples(expired)
    shown = json.loads(expired.kubevouch("certs", "-o", "json").out)
    ends = {
        each["node"]: datetime.fromisoformat(each["certificate"]["notAfter"]).timestamp()
        for each in shown["certificates"]
        if each["use"] == SERVING
    }
    assert set(ends) == nodes
    assert {node: at for (use, node), at in found[ENDS].items() if use == SERVING} == ends
    assert set(found[VERIFIED].values()) == {0.0}
    words = ("delete", "deployment", NAME, "-n", SPACE, "--cascade=foreground")
    expired.kubectl(*words, seconds=100)
    eventually(
        lambda: (
            {("watch", "nodes"), ("watch", "certificatesigningrequests")} <= _asked(expired, now)
        ),
        "its watches in the audit log",
    )
    allowed = rights(yaml.safe_load_all(manifest("rbac.yaml")))
    assert _asked(expired, now) - in_short(allowed | REVIEWS) == set()
    codes = {each.code for each in expired.audit(now) if each.user_name == ACCOUNT}
    assert 403 not in codes
