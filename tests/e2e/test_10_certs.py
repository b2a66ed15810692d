"""`certs` beside kubeadm: its own rows column by column, and the kubelets that it does not show."""

import json
import shlex
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.cli.program import Ran
from tests.support.self_signed import DatedAuthority

from .cluster import Cluster
from .told import (
    ended,
    eventually,
    names,
)

_PKI = "/etc/kubernetes/pki"
_AWAY = "/root/away"


def _cells(text: str) -> list[list[str]]:
    """The rows of kubeadm's two tables: the lines from the first heading on, in cells."""
    lines = text[text.index("CERTIFICATE  ") :].splitlines()
    rows = []
    for line in lines:
        if line and not line.startswith(("CERTIFICATE", "!MISSING!", " ")) and "   " not in line:
            break
        cells = [cell.strip() for cell in line.split("   ") if cell.strip()]
        if cells:
            rows.append(cells)
    return rows


def _both(cluster: Cluster) -> tuple[list[list[str]], list[list[str]]]:
    """kubeadm's rows on the control plane, and ours, which stand first."""
    theirs = _cells(cluster.master.sh("kubeadm certs check-expiration").stdout)
    ran = cluster.kubevouch("certs", *cluster.ssh_words())
    ours = _cells(ran.out[ran.out.index("as `kubeadm certs check-expiration` shows it") :])
    return theirs, ours[: len(theirs)]


def _same_as_kubeadm(cluster: Cluster) -> list[list[str]]:
    """The rows on which both agree. A minute may end between the two looks, so they may have to look again."""

    def agreed() -> list[list[str]]:
        theirs, ours = _both(cluster)
        print(theirs, ours, sep="\n")
        return ours if ours == theirs else []

    return eventually(agreed, "kubeadm's rows", seconds=60)


def _rows(ran: Ran, use: str) -> list[dict[str, Any]]:
    return [each for each in json.loads(ran.out)["certificates"] if each["use"] == use]


def _ended(ran: Ran) -> list[str]:
    return sorted(e["node"] for e in _rows(ran, "kubelet-serving") if e["state"] == "expired")


def test_kubeadms_rows_are_kubeadms_and_the_kubelets_that_it_does_not_show_are_named(
    cluster: Cluster,
) -> None:
    cluster.state("expired")
    rows = _same_as_kubeadm(cluster)
    assert len(rows) == 11 + 3 + 2
    assert not any("<invalid>" in row for row in rows)

    found = ended(cluster, 1, "certs", "-o", "json")
    assert _ended(found) == names(cluster.nodes)
    told = cluster.kubevouch("certs").out
    for node in cluster.nodes:
        assert node.name.partition(".")[0] in told, told

    cluster.state("healthy")
    mended = ended(cluster, 0, "certs", "-o", "json")
    assert _ended(mended) == []
    assert len(_rows(mended, "kubelet-serving")) == len(cluster.nodes)
    assert _same_as_kubeadm(cluster) == rows


@pytest.mark.long_on_the_bed
def test_the_next_command_of_certs_leads_on(cluster: Cluster) -> None:
    """Followed from word to word: what ends with kubelets ends with `apply`, or `doctor` names why not."""
    cluster.state("expired")
    told = cluster.kubevouch("certs").out
    following = next(line for line in told.splitlines() if line.startswith("NEXT"))
    words = shlex.split(following.removeprefix("NEXT"))
    assert words[0] == "kubevouch", told
    ran = cluster.kubevouch(*words[1:])
    assert ran.code in {0, 1}, ran
    assert all(node.name.partition(".")[0] in ran.out for node in cluster.nodes), ran


@pytest.mark.long_on_the_bed
def test_kubelets_that_made_their_own_are_a_warning_and_one_of_a_former_ca_fails(
    cluster: Cluster,
) -> None:
    cluster.state("no-ip-sans")
    warned = ended(cluster, 0, "certs")
    assert "SELF-SIGNED " in warned.out
    assert "OK  " not in warned.out

    if not cluster.scenario("wrong-ca"):
        return
    failed = ended(cluster, 1, "certs", "-o", "short")
    [line] = failed.out.splitlines()
    assert line.startswith("fail  kubelet-serving of "), line
    assert ": wrong: x509: certificate signed by unknown authority" in line, line
    rows = _rows(cluster.kubevouch("certs", "-o", "json"), "kubelet-serving")
    assert {(row["state"], row["authority"]) for row in rows} == {("wrong", ""), ("valid", "ca")}


@pytest.mark.long_on_the_bed
def test_bundles_of_webhooks_are_rows_and_what_they_do_not_verify_fails(
    cluster: Cluster, now: datetime
) -> None:
    """It calls the API server's own port, which another authority has signed for."""
    cluster.state("healthy")
    stranger = DatedAuthority(now - timedelta(days=99), now + timedelta(days=1)).pem
    texts = _called(cluster, b64encode(stranger).decode())
    cluster.kubectl("apply", "-f", "-", stdin=texts)
    try:
        ran = ended(cluster, 1, "certs", "-o", "json")
        bundles = {each["where"]: each for each in _rows(ran, "caBundle")}
        bundle = bundles["validatingwebhookconfiguration hook.example.com"]
        assert bundle["concern"] == "warn", bundles
        assert bundle["stops"].startswith("calls of the API server")
        served = [each for each in _rows(ran, "webhook") if "hook.example.com" in each["where"]]
        assert [each["state"] for each in served] == ["wrong"], served
        assert served[0]["remarks"][0].startswith("x509: certificate is valid for"), served
        told = cluster.kubevouch("certs")
        assert "WRONG " in told.out, told
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=texts)
    assert cluster.kubevouch("certs").code == 0


def _called(cluster: Cluster, bundle: str) -> str:
    """A webhook that nothing triggers, and the Service that it names."""
    config = yaml.safe_load(cluster.kubeconfig.read_text("utf-8"))
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    called = {"service": {"namespace": "default", "name": "hook"}, "caBundle": bundle}
    rule = {
        "apiGroups": ["example.com"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["things"],
    }
    webhook = {
        "name": "hook.example.com",
        "clientConfig": called,
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    address, port = server.hostname, server.port or 443
    slices = {
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": port}],
        "endpoints": [{"addresses": [address]}],
    }
    labels = {"kubernetes.io/service-name": "hook"}
    documents = (
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook", "namespace": "default"},
         "spec": {"ports": [{"name": "https", "port": 443, "targetPort": port}]}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
         "metadata": {"name": "hook-1", "namespace": "default", "labels": labels}, **slices},
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
         "metadata": {"name": "hook.example.com"}, "webhooks": [webhook]},
    )  # fmt: skip
    return "---\n".join(yaml.safe_dump(each) for each in documents)


@pytest.mark.long_on_the_bed
def test_without_its_key_an_authority_is_managed_elsewhere(cluster: Cluster) -> None:
    cluster.state("healthy")
    with _away(cluster, f"{_PKI}/ca.key"):
        rows = _same_as_kubeadm(cluster)
        managed = {row[0]: row[-1] for row in rows}
        assert managed["apiserver"] == managed["ca"] == "yes"
        assert managed["etcd-server"] == "no"
    assert all(row[-1] != "yes" for row in _same_as_kubeadm(cluster))


def test_a_renewed_leaf_is_kubeadms_and_what_is_served_still_the_old_one(
    cluster: Cluster,
    control_plane_processes: None,
) -> None:
    cluster.state("healthy")
    before = {row[0]: row for row in _same_as_kubeadm(cluster)}
    pair = f"{_PKI}/apiserver.crt {_PKI}/apiserver.key"
    cluster.master.sh(f"mkdir -p {_AWAY} && cp -p {pair} {_AWAY}/")
    try:
        eventually(lambda: _renewed(cluster) and _both(cluster)[0] != list(before.values()), "it")
        after = {row[0]: row for row in _same_as_kubeadm(cluster)}
        assert {name for name in after if after[name][1] != before[name][1]} == {"apiserver"}
    finally:
        cluster.master.sh(f"cp -p {_AWAY}/apiserver.* {_PKI}/ && rm -r {_AWAY}")


def _renewed(cluster: Cluster) -> bool:
    """EXPIRES is in minutes."""
    return "renewed" in cluster.master.sh("kubeadm certs renew apiserver").stdout


@contextmanager
def _away(cluster: Cluster, path: str) -> Iterator[None]:
    cluster.master.sh(f"mkdir -p {_AWAY} && mv {path} {_AWAY}/key")
    try:
        yield
    finally:
        cluster.master.sh(f"mv {_AWAY}/key {path} && rmdir {_AWAY}")
