"""`certs` beside kubeadm: its own rows column by column, and the kubelets that it does not show."""

import json
from typing import Any

import pytest

from tests.cli.program import Ran

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
    ours = _cells(ran.out[ran.out.index("as in `kubeadm certs check-expiration`") :])
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


@pytest.mark.as_the_version_is
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


@pytest.mark.usefixtures("bed")
def test_a_renewed_leaf_is_kubeadms_and_what_is_served_still_the_old_one(cluster: Cluster) -> None:
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
