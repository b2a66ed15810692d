"""The exporter in a pod, by exactly its manifests: its values are those of `certs`, and it asks for nothing beside its role."""

import json
from collections.abc import Iterator
from datetime import datetime

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.cluster import Cluster
from tests.e2e.programs import CHECKOUT
from tests.e2e.told import eventually

SPACE, NAME = "kubevouch-system", "kubevouch-exporter"
ACCOUNT = f"system:serviceaccount:{SPACE}:{NAME}"
MANIFESTS = ("rbac.yaml", "service.yaml", "deployment.yaml")
ENDS = "kubevouch_certificate_not_after_timestamp_seconds"
VERIFIED = "kubevouch_kubelet_serving_verified"
SERVING = "kubelet-serving"
PATIENT = 180.0


@pytest.fixture
def expired(cluster: Cluster, image_reference: str, now: datetime) -> Iterator[Cluster]:
    """Every kubelet serves an expired certificate, and somebody applies the manifests. now: before that."""
    cluster.state("expired")
    texts = [_manifest(each).replace("IMAGE\n", f"{image_reference}\n") for each in MANIFESTS]
    cluster.kubectl("create", "namespace", SPACE)
    for text in texts:
        cluster.kubectl("apply", "-f", "-", stdin=text)
    rolled = ("rollout", "status", f"deployment/{NAME}", "-n", SPACE, "--timeout=120s")
    done = cluster.kubectl(*rolled, seconds=150)
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        yield cluster
    finally:
        for text in reversed(texts):
            cluster.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=text)
        # A namespace can go only while the metrics API answers.
        cluster.state("healthy")
        cluster.kubectl("delete", "namespace", SPACE, "--ignore-not-found", seconds=150)


def _manifest(name: str) -> str:
    return (CHECKOUT / "deploy" / "exporter" / name).read_text("utf-8")


def _samples(cluster: Cluster) -> dict[str, dict[tuple[str, str], float]]:
    """What an admin is served: by metric, by use and node."""
    words = ("get", "pods", "-n", SPACE, "-l", f"app.kubernetes.io/name={NAME}")
    address = cluster.kubectl(*words, "-o", "jsonpath={.items[0].status.podIP}").stdout
    page = cluster.kubectl(
        f"--server=https://{address}:8443", "--insecure-skip-tls-verify", "get", "--raw", "/metrics"
    )
    found: dict[str, dict[tuple[str, str], float]] = {}
    for family in text_string_to_metric_families(page.stdout):
        for each in family.samples:
            key = each.labels.get("use", ""), each.labels.get("node", "")
            found.setdefault(each.name, {})[key] = each.value
    return found


def _role() -> set[tuple[str, str]]:
    """(verb, resource) of every rule in the manifests, and of the roles of Kubernetes that are bound."""
    allowed = {
        (verb, resource)
        for document in yaml.safe_load_all(_manifest("rbac.yaml"))
        for rule in document.get("rules", [])
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    return allowed | {("create", "tokenreviews"), ("create", "subjectaccessreviews")}


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
    # A watch is in the audit log once it has ended.
    words = ("delete", "deployment", NAME, "-n", SPACE, "--cascade=foreground")
    expired.kubectl(*words, seconds=100)
    eventually(
        lambda: (
            {("watch", "nodes"), ("watch", "certificatesigningrequests")} <= _asked(expired, now)
        ),
        "its watches in the audit log",
    )
    assert _asked(expired, now) - _role() == set()
    codes = {each.code for each in expired.audit(now) if each.user_name == ACCOUNT}
    assert 403 not in codes
