"""The ending: what the whole cluster needs before what one node needs, what has ended before what will, and advice."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import click
import pytest

from kubevouch.cli.app import program
from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
)
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.advice import Advice, advice_of
from kubevouch.inventory.ending import (
    besides,
    first_to_end,
    most_harmful,
    troubles_of,
    what_stops,
)
from kubevouch.inventory.purpose import PURPOSES, SHOWN_BY_KUBEADM
from kubevouch.inventory.rows import Limits
from kubevouch.tls import FailureKind
from kubevouch.x509 import Certificate, read_certificates
from tests.inventory.found import AT, DAY, at_node, rows
from tests.support.self_signed import kubelet_self_signed

USE = CertificateUse


def _told(*found: FoundCertificate) -> list[tuple[str, str]]:
    return [(each.word, each.text(AT)) for each in troubles_of(rows(*found), Limits())]


def _advice(found: FoundCertificate, **changes: Any) -> Advice:
    (row,) = rows(replace(found, **changes))
    return advice_of(row)


def test_what_the_cluster_needs_is_told_before_what_a_node_needs() -> None:
    told = _told(
        at_node("w1", -50 * DAY),
        at_node("cp1", -1 * DAY, use=USE.API_SERVER),
        at_node("cp1", 3 * DAY, use=USE.ETCD_SERVER),
    )
    assert told == [
        ("ENDED", "apiserver of cp1, 24 hours ago"),
        ("ENDED", "kubelet-serving of w1, 50 days ago"),
        ("ENDS SOON", "etcd-server of cp1, in 3 days"),
    ]


def test_of_what_ends_at_once_the_most_harmful_is_first() -> None:
    """kubeadm makes all of them within seconds, whatever their names are, and each end stops something else."""
    ends = [
        at_node("cp", -DAY + timedelta(seconds=second), use=use)
        for second, use in enumerate((USE.ADMIN_CONF, USE.SCHEDULER_CONF, USE.API_SERVER))
    ]
    told = _told(
        *ends, at_node("cp", -DAY, use=USE.ETCD_SERVER), at_node("w", -DAY, use=USE.KUBELET_CLIENT)
    )
    assert [text.partition(" of ")[0] for _, text in told] == [
        "etcd-server",
        "apiserver",
        "scheduler.conf",
        "kubelet-client",
        "admin.conf",
    ]
    well = [replace(each, chain=at_node("cp", 100 * DAY).chain) for each in ends]
    first = first_to_end(rows(*well))
    assert first is not None
    assert first.found.use is USE.API_SERVER
    assert [row.found.use for row in rows(*well)][-1] is USE.ADMIN_CONF


def test_what_is_left_out_is_what_harms_least_and_what_ends_first_stays() -> None:
    uses = (
        USE.ADMIN_CONF,
        USE.SUPER_ADMIN_CONF,
        USE.SCHEDULER_CONF,
        USE.ETCD_SERVER,
        USE.API_SERVER,
    )
    found = rows(*(at_node("cp", day * DAY, use=use) for day, use in enumerate(uses, 1)))
    troubles = troubles_of(found, Limits())
    shown = [each.rows[0].found.use for each in most_harmful(troubles, 4)]
    assert shown == [USE.ADMIN_CONF, USE.SCHEDULER_CONF, USE.ETCD_SERVER, USE.API_SERVER]
    assert most_harmful(troubles, 5) == troubles


def test_what_has_stopped_already_stands_before_what_will() -> None:
    dark = replace(at_node("w1", None), fault="tls: internal error", failure=FailureKind.ALERT)
    found = rows(
        at_node("", 3000 * DAY, life=4000 * DAY, use=USE.CLUSTER_CA),
        at_node("w2", 20 * DAY),
        at_node("cp", -DAY, use=USE.API_SERVER),
        dark,
        replace(at_node("w3", None), vantage=Vantage.NODE_DISK, use=USE.KUBELET_CLIENT),
    )
    assert [(row.found.use, when) for row, when in what_stops(found)] == [
        (USE.KUBELET_SERVING, "now: not served"),
        (USE.API_SERVER, "24 hours ago"),
        (USE.KUBELET_CLIENT, "not known: unreadable"),
        (USE.KUBELET_SERVING, "in 20 days"),
        (USE.CLUSTER_CA, "in 3000 days"),
    ]


def test_nodes_of_one_fate_are_told_together() -> None:
    assert _told(*(at_node(f"w{number}", -number * DAY) for number in range(2, 9))) == [
        ("ENDED", "kubelet-serving of 7 places (w8, w7, w6, w5 and 3 more), the first 8 days ago")
    ]


def test_what_is_not_there_says_why() -> None:
    refused = "kubelet-serving of w1: connection refused"
    assert _told(at_node("w1", None)) == [("NO ANSWER", refused)]
    file = replace(
        at_node("cp", None, use=USE.ADMIN_CONF), where="/a.conf", vantage=Vantage.NODE_DISK
    )
    assert _told(file) == [("UNREADABLE", "admin.conf of cp: connection refused")]
    assert _told(replace(file, fault="", missing=True)) == [("MISSING", "admin.conf of cp")]


def test_what_is_wrong_besides_is_told_of_each_use_and_of_whom() -> None:
    odd = [replace(at_node(f"w{n}"), fault=f"it hangs {n} s") for n in (1, 2)]
    api = replace(at_node("cp", use=USE.API_SERVER), fault="it hangs")
    assert besides(rows(*odd, api)) == (
        "apiserver of cp: it hangs",
        "kubelet-serving of 2 places (w1, w2): of w1, it hangs 1 s",
    )


def _kubelets_own() -> tuple[Certificate, ...]:
    return read_certificates(kubelet_self_signed("n", AT - 5 * DAY, AT + 5 * DAY).chain, "own")


_DARK = "kubectl top, autoscaling, logs, exec and port-forward of this node"


def test_a_kubelet_that_presents_no_certificate_stops_all_that_needs_its_port() -> None:
    """Whether it answers with an alert or not at all: nobody else's connection fares better where nothing listens."""
    fault = "remote error: tls: internal error"
    dark = replace(at_node("w1", None), fault=fault, failure=FailureKind.ALERT)
    refused = replace(at_node("w2", None), failure=FailureKind.REFUSED)
    far = replace(at_node("w3", None), failure=FailureKind.CONNECT_TIMEOUT, fault="timeout")
    told = {each.word: each.rows for each in troubles_of(rows(dark, refused), Limits())}
    assert [each.stops for each in told["NOT SERVED"]] == [_DARK]
    assert [each.stops for each in told["NO ANSWER"]] == [_DARK]
    (row,) = rows(far)
    assert row.stops == f"{_DARK}, unless it answers others"


def test_after_the_end_of_a_certificate_of_the_signer_the_port_is_dark_for_everybody() -> None:
    """A kubelet with rotation serves nothing that has ended: handshakes end with an alert. One that still serves it, for it was put
    there by hand or made by itself, fails only for who verifies it."""
    (soon,) = rows(at_node("w1", 5 * DAY))
    assert soon.stops == f"{_DARK}: the port is dark then"
    (served,) = rows(at_node("w1", -DAY))
    assert "where the API server verifies kubelets" in served.stops
    (own,) = rows(replace(at_node("w1"), chain=_kubelets_own()))
    assert "where the API server verifies kubelets" in own.stops


def test_the_pair_for_health_checks_is_kubeadms_own_to_talk_to_etcd() -> None:
    """etcd's probes ask its port for metrics by plain HTTP."""
    (row,) = rows(at_node("cp", use=USE.ETCD_HEALTHCHECK_CLIENT))
    for word in ("kubeadm", "upgrade", "join", "reset"):
        assert word in row.stops
    assert "probe" not in row.stops


def test_what_is_valid_only_later_says_when() -> None:
    assert _told(at_node("w1", 400 * DAY)) == [
        ("NOT VALID YET", "kubelet-serving of w1: valid only in 35 days")
    ]


def test_without_trouble_the_first_to_end_is_known() -> None:
    found = rows(at_node("late", 200 * DAY), at_node("soon", 90 * DAY), at_node("over", -DAY))
    first = first_to_end(found)
    assert first is not None
    assert first.found.node == "soon"
    assert first_to_end(rows(at_node("w", None))) is None


@pytest.mark.parametrize(
    ("use", "missing", "command"),
    [
        (USE.KUBELET_SERVING, False, "kubevouch doctor"),
        (USE.KUBELET_CLIENT, False, "kubevouch doctor"),
        (USE.API_SERVER, False, "kubeadm certs renew apiserver"),
        (USE.ADMIN_CONF, False, "kubeadm certs renew admin.conf"),
        (USE.API_SERVER, True, "kubeadm init phase certs apiserver"),
        (USE.CONTROLLER_MANAGER_CONF, True, "kubeadm init phase kubeconfig controller-manager"),
        (USE.CLUSTER_CA, False, "kubevouch explain KV602"),
        (USE.ETCD_CA, False, ""),
        (USE.CA_BUNDLE, False, ""),
    ],
)
def test_advice_is_a_command_that_helps_or_says_what_is_done_by_hand(
    use: CertificateUse, missing: bool, command: str
) -> None:
    advice = _advice(at_node("cp", None if missing else -DAY, use=use, missing=missing))
    assert " ".join(advice.command) == command
    assert advice.command or advice.by_hand


def test_kubeadm_is_not_advised_where_its_key_is_elsewhere() -> None:
    advice = _advice(at_node("cp", -DAY, use=USE.API_SERVER, externally_managed=True))
    assert advice.command == ()
    assert "by hand" in advice.by_hand


@pytest.mark.parametrize("use", USE)
@pytest.mark.parametrize("ends", [-DAY, None], ids=["ended", "nothing there"])
@pytest.mark.parametrize("vantage", [Vantage.DIALLED, Vantage.NODE_DISK])
def test_every_advice_is_there_to_be_followed(
    use: CertificateUse, ends: timedelta | None, vantage: Vantage
) -> None:
    found = replace(at_node("cp", ends, use=use, where="/place"), vantage=vantage)
    advice = _advice(found)
    assert advice.command or advice.by_hand
    match advice.command:
        case ("kubevouch", verb, *_):
            assert verb in program.list_commands(click.Context(program))
        case ("kubeadm", *_, name):
            # The names that kubeadm has for its own certificates, and for no others.
            shown = {each.value for each in SHOWN_BY_KUBEADM if not PURPOSES[each].is_ca}
            assert {name, f"{name}.conf"} & shown


def test_what_is_made_anew_keeps_the_names_of_the_cluster() -> None:
    """`kubeadm init phase` knows neither a load balancer nor certSANs without the cluster's own configuration."""
    assert "--config FILE" in _advice(at_node("cp", None, use=USE.API_SERVER, missing=True)).by_hand


@pytest.mark.parametrize("missing", [True, False], ids=["missing", "half"])
def test_before_kubeadm_makes_a_pair_what_is_left_of_the_old_one_is_moved_away(
    missing: bool,
) -> None:
    """kubeadm 1.36.3, where apiserver.key is there and apiserver.crt is not: `failure loading apiserver certificate`, exit code 1."""
    path = "/etc/kubernetes/pki/apiserver.crt"
    found = at_node("cp", None, use=USE.API_SERVER, missing=missing, where=path)
    assert _advice(found, vantage=Vantage.NODE_DISK).before.startswith(
        f"as root on cp, move {path} and apiserver.key beside it away"
    )
    conf = at_node("cp", None, use=USE.ADMIN_CONF, missing=missing, where="/a/admin.conf")
    assert _advice(conf, vantage=Vantage.NODE_DISK).before == (
        "" if missing else "as root on cp, move /a/admin.conf away"
    )
    assert _advice(at_node("cp", -DAY, use=USE.API_SERVER), vantage=Vantage.NODE_DISK).before == ""


@pytest.mark.parametrize(
    ("use", "file", "kept"),
    [
        (USE.CLUSTER_CA, "ca.crt", "ConfigMap kube-system/kube-root-ca.crt"),
        (USE.CLUSTER_CA, "ca.crt", "certificate-authority-data in /etc/kubernetes/*.conf"),
        (USE.CLUSTER_CA, "ca.crt", "of every other node"),
        (USE.ETCD_CA, "etcd/ca.crt", "of every other control plane"),
        (USE.FRONT_PROXY_CA, "front-proxy-ca.crt", "requestheader-client-ca-file"),
    ],
)
@pytest.mark.parametrize("state", ["missing", "half", "swapped"])
def test_an_authority_that_lacks_on_a_disk_is_put_back_and_no_other_is_made(
    use: CertificateUse, file: str, kept: str, state: str
) -> None:
    ends = 100 * DAY if state == "swapped" else None
    place = f"/etc/kubernetes/pki/{file}"
    found = at_node("cp", ends, use=use, missing=state == "missing", where=place)
    fault = "" if state == "missing" else "ca.key beside it is another certificate's key"
    advice = _advice(found, vantage=Vantage.NODE_DISK, fault=fault)
    assert advice.command == ()
    assert advice.by_hand.startswith(
        f"make no other CA: as root on cp, put the cluster's own back into {place}"
    )
    assert kept in advice.by_hand


def test_a_leaf_is_renewed_only_once_the_authority_beside_it_is_the_clusters() -> None:
    """`kubeadm certs renew` signs with the CA that is there: where that was swapped, every leaf is refused afterwards."""
    leaf = at_node("cp", use=USE.API_SERVER)
    leaf = replace(leaf, vantage=Vantage.NODE_DISK, ca="ca")
    fault = (
        "not signed by /etc/kubernetes/pki/ca.crt: x509: certificate signed by unknown authority"
    )
    advice = _advice(leaf, fault=fault, signed_beside=False)
    assert " ".join(advice.command) == "kubeadm certs renew apiserver"
    assert "ConfigMap kube-system/kube-root-ca.crt" in advice.before
    assert _advice(leaf, fault="its key is not there").before == ""


@pytest.mark.parametrize(
    ("use", "restarted"),
    [
        (USE.API_SERVER, "then restart kube-apiserver"),
        (USE.FRONT_PROXY_CLIENT, "then restart kube-apiserver"),
        (USE.ETCD_PEER, "then restart etcd"),
        (USE.SCHEDULER_CONF, "then restart kube-scheduler"),
        (
            USE.ETCD_HEALTHCHECK_CLIENT,
            "nothing has to be restarted: kubeadm reads it whenever it needs it",
        ),
        (
            USE.ADMIN_CONF,
            "nothing has to be restarted; copies of the old one (~/.kube/config) stay as they are",
        ),
    ],
)
@pytest.mark.parametrize("missing", [True, False])
def test_only_what_uses_a_certificate_is_restarted(
    use: CertificateUse, restarted: str, missing: bool
) -> None:
    found = at_node("cp", None if missing else -DAY, use=use, missing=missing)
    assert _advice(found, vantage=Vantage.NODE_DISK).by_hand.endswith(f"as root on cp; {restarted}")


def test_of_a_disk_alone_no_cluster_is_asked_next() -> None:
    client = replace(at_node("w1", -DAY, use=USE.KUBELET_CLIENT), vantage=Vantage.NODE_DISK)
    assert _advice(client).command == ("kubevouch", "doctor")
    (row,) = rows(client)
    alone = advice_of(row, without_cluster=True)
    assert alone.command == ("kubevouch", "explain", "KV606")
    assert "kubelet" in alone.by_hand


def test_an_api_server_that_does_not_answer_is_not_renewed() -> None:
    advice = _advice(at_node("cp", None, use=USE.API_SERVER, where="10.0.0.4:6443"))
    assert advice.command == ("kubevouch", "doctor")


def test_an_authority_that_has_ended_is_told_before_what_it_has_signed() -> None:
    told = _told(
        at_node("cp", -9 * DAY, use=USE.API_SERVER), at_node("cp", -DAY, use=USE.CLUSTER_CA)
    )
    assert [text.partition(" of ")[0] for _, text in told] == ["ca", "apiserver"]
