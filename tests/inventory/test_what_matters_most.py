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
from tests.inventory.found import AT, DAY, at_node, rows

USE = CertificateUse


def _told(*found: FoundCertificate) -> list[tuple[str, str]]:
    return [(each.word, each.text(AT)) for each in troubles_of(rows(*found), Limits())]


def _advice(node: str, ends: timedelta | None, **more: Any) -> Advice:
    (row,) = rows(at_node(node, ends, **more))
    return advice_of(row)


CP_FILE = at_node("cp", None, use=USE.ADMIN_CONF, where="/a.conf", vantage=Vantage.NODE_DISK)
TOLD: list[tuple[tuple[FoundCertificate, ...], list[tuple[str, str]]]] = [
    # What the cluster needs before what a node needs.
    (
        (
            at_node("w1", -50 * DAY),
            at_node("cp1", -1 * DAY, use=USE.API_SERVER),
            at_node("cp1", 3 * DAY, use=USE.ETCD_SERVER),
        ),
        [
            ("ENDED", "apiserver of cp1, 24 hours ago"),
            ("ENDED", "kubelet-serving of w1, 50 days ago"),
            ("ENDS SOON", "etcd-server of cp1, in 3 days"),
        ],
    ),
    # An authority before what it has signed.
    (
        (at_node("cp", -9 * DAY, use=USE.API_SERVER), at_node("cp", -DAY, use=USE.CLUSTER_CA)),
        [("ENDED", "ca of cp, 24 hours ago"), ("ENDED", "apiserver of cp, 9 days ago")],
    ),
    # Nodes of one fate together.
    (
        tuple(at_node(f"w{number}", -number * DAY) for number in range(2, 9)),
        [
            (
                "ENDED",
                "kubelet-serving of 7 places (w8, w7, w6, w5 and 3 more), the first 8 days ago",
            )
        ],
    ),
    ((at_node("w1", None),), [("NO ANSWER", "kubelet-serving of w1: connection refused")]),
    ((CP_FILE,), [("UNREADABLE", "admin.conf of cp: connection refused")]),
    ((replace(CP_FILE, fault="", missing=True),), [("MISSING", "admin.conf of cp")]),
    (
        (at_node("w1", 400 * DAY),),
        [("NOT VALID YET", "kubelet-serving of w1: becomes valid in 35 days")],
    ),
]


@pytest.mark.parametrize(("found", "told"), TOLD)
def test_what_is_told_and_in_which_order(
    found: tuple[FoundCertificate, ...], told: list[tuple[str, str]]
) -> None:
    assert _told(*found) == told


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
    dark = at_node("w1", None, fault="tls: internal error", failure=FailureKind.ALERT)
    found = rows(
        at_node("", 3000 * DAY, life=4000 * DAY, use=USE.CLUSTER_CA),
        at_node("w2", 20 * DAY),
        at_node("cp", -DAY, use=USE.API_SERVER),
        dark,
        at_node("w3", None, vantage=Vantage.NODE_DISK, use=USE.KUBELET_CLIENT),
    )
    assert [(row.found.use, when) for row, when in what_stops(found)] == [
        (USE.KUBELET_CLIENT, "unknown: unreadable"),
        (USE.KUBELET_SERVING, "now: not served"),
        (USE.API_SERVER, "24 hours ago"),
        (USE.CLUSTER_CA, "in 3000 days"),
    ]


def test_what_is_wrong_besides_is_told_of_each_use_and_of_whom() -> None:
    odd = [at_node(f"w{n}", fault=f"it hangs {n} s") for n in (1, 2)]
    api = at_node("cp", use=USE.API_SERVER, fault="it hangs")
    assert besides(rows(*odd, api)) == (
        "apiserver of cp: it hangs",
        "kubelet-serving of 2 places (w1, w2): at w1, it hangs 1 s",
    )


def test_the_pair_for_health_checks_is_kubeadms_own_to_talk_to_etcd() -> None:
    """etcd's probes ask its port for metrics by plain HTTP."""
    (row,) = rows(at_node("cp", use=USE.ETCD_HEALTHCHECK_CLIENT))
    for word in ("kubeadm", "upgrade", "join", "reset"):
        assert word in row.stops
    assert "probe" not in row.stops


def test_without_trouble_the_first_to_end_is_known() -> None:
    found = rows(at_node("late", 200 * DAY), at_node("soon", 90 * DAY), at_node("over", -DAY))
    first = first_to_end(found)
    assert first is not None
    assert first.found.node == "soon"
    assert first_to_end(rows(at_node("w", None))) is None


_PUT_BACK = "do not create a CA: as root on cp, restore the cluster's own CA to /place.crt"
_MOVED = "as root on cp, move /place.crt and place.key away if they exist"


@pytest.mark.parametrize(
    ("use", "state", "command", "by_hand", "before"),
    [
        (USE.KUBELET_SERVING, "ended", "kubevouch doctor", "", ""),
        (USE.KUBELET_CLIENT, "ended", "kubevouch explain KV607", "", ""),
        (USE.API_SERVER, "ended", "kubeadm certs renew apiserver", "as root on cp; then restart kube-apiserver", ""),
        (USE.ETCD_PEER, "ended", "kubeadm certs renew etcd-peer", "as root on cp; then restart etcd", ""),
        (USE.ADMIN_CONF, "ended", "kubeadm certs renew admin.conf", "as root on cp; no restart is needed", ""),
        # `kubeadm init phase` knows neither a load balancer nor certSANs without the cluster's own configuration.
        (USE.API_SERVER, "missing", "kubeadm init phase certs apiserver", "with `--config FILE`", _MOVED),
        (USE.API_SERVER, "half", "kubeadm init phase certs apiserver", "with `--config FILE`", _MOVED),
        (USE.SCHEDULER_CONF, "missing", "kubeadm init phase kubeconfig scheduler", "then restart kube-scheduler", ""),
        (USE.ADMIN_CONF, "half", "kubeadm init phase kubeconfig admin", "with `--config FILE`", "as root on cp, move /place.conf away"),
        # `kubeadm certs renew` signs with the CA that is there: where that was swapped, every leaf is refused afterwards.
        (USE.API_SERVER, "wrong", "kubeadm certs renew apiserver", "as root on cp", "if the CA on disk is not the cluster's, restore the cluster's CA"),
        (USE.CLUSTER_CA, "ended", "kubevouch explain KV602", "kubeadm does not renew CAs", ""),
        (USE.ETCD_CA, "ended", "", "kubeadm does not renew CAs", ""),
        (USE.CA_BUNDLE, "ended", "", "put the CA of the served certificate into /place.crt", ""),
        (USE.CLUSTER_CA, "missing", "", _PUT_BACK, ""),
        (USE.CLUSTER_CA, "half", "", _PUT_BACK, ""),
        (USE.ETCD_CA, "wrong", "", _PUT_BACK, ""),
    ],
)  # fmt: skip
def test_advice_about_a_disk_is_a_command_that_helps_and_what_is_done_by_hand(
    use: CertificateUse, state: str, command: str, by_hand: str, before: str
) -> None:
    ends = {"ended": -DAY, "wrong": 100 * DAY}.get(state)
    fault = {"half": "cut off", "wrong": "not signed by /ca.crt"}.get(state, "")
    where = "/place.conf" if use.endswith(".conf") else "/place.crt"
    there = {"use": use, "where": where, "vantage": Vantage.NODE_DISK, "fault": fault}
    advice = _advice("cp", ends, missing=state == "missing", **there)
    assert " ".join(advice.command) == command
    assert advice.by_hand.find(by_hand) >= 0
    assert advice.before.startswith(before)
    assert bool(advice.before) is bool(before)


def test_kubeadm_is_not_advised_where_its_key_is_elsewhere() -> None:
    there = {"use": USE.API_SERVER, "vantage": Vantage.NODE_DISK, "externally_managed": True}
    advice = _advice("cp", -DAY, **there)
    assert advice.command == ()
    assert "by hand" in advice.by_hand


@pytest.mark.parametrize("use", USE)
@pytest.mark.parametrize("ends", [-DAY, None], ids=["ended", "nothing there"])
@pytest.mark.parametrize("vantage", [Vantage.DIALLED, Vantage.NODE_DISK])
def test_every_advice_is_there_to_be_followed(
    use: CertificateUse, ends: timedelta | None, vantage: Vantage
) -> None:
    advice = _advice("cp", ends, use=use, where="/place", vantage=vantage)
    assert advice.command or advice.by_hand
    match advice.command:
        case ("kubevouch", verb, *_):
            assert verb in program.list_commands(click.Context(program))
        case ("kubeadm", *_, name):
            # The names that kubeadm has for its own certificates, and for no others.
            shown = {each.value for each in SHOWN_BY_KUBEADM if not PURPOSES[each].is_ca}
            assert {name, f"{name}.conf"} & shown


def test_an_api_server_that_does_not_answer_is_not_renewed() -> None:
    advice = _advice("cp", None, use=USE.API_SERVER, where="10.0.0.4:6443")
    assert advice.command == ("kubevouch", "doctor")
