"""The whole answer of each rule about who asked: outcome, reason, message, what it saw, what it would allow.

Each answer is written by hand from what docs/policy.md says of the rule.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from kubevouch.outcome import Outcome
from kubevouch.policy import identity
from kubevouch.policy.credentials import CredentialAnswer
from kubevouch.policy.facts import NodeSeen
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.rule import Rule, RuleResult

from .conftest import BORROWED, NODE, NOW, OPEN, OWN, UNKNOWN, Case, doubts, holds, lets_through

USER = f"system:node:{NODE}"
SERVING = "kubernetes.io/kubelet-serving"
REQUESTOR = "user system:node:<node>, group system:nodes"
SUBJECT = f"CN={USER},O=system:nodes"
MINE, THEIRS = "a" * 64, "b" * 64
BY_MINE, BY_THEIRS = f"X509SHA256={MINE}", f"X509SHA256={THEIRS}"
OLD_SERVER = "none: the API server is older than Kubernetes 1.32"
NO_CREDENTIAL_ID = "the CSR does not say which credential made it, so anybody with a client certificate of this node's name could have"
UNREADABLE = "the CSR cannot be read"


def surveyed(*ids: str, known: tuple[str, ...] = (MINE,), **more: object) -> Case:
    return Case(credential_ids=ids, client_certificates=frozenset(known), **more)  # type: ignore[arg-type]


def unasked(rule: str, why: str) -> RuleResult:
    return RuleResult(rule, Outcome.PASS, HoldReason.NOT_ASKED, why, f"not asked: {why}")


def node_seen(uid: str = "uid-1", made: datetime | None = NOW - timedelta(days=1)) -> Case:
    return Case(node_seen=NodeSeen(first_uid="uid-1", uid=uid, created=made))


def standing(answer: CredentialAnswer, **more: Any) -> Case:
    return Case(standing=answer, **{"credential_ids": (BY_MINE,), **more})


STANDING = "a client certificate with which the node joined, that a pin names, or that replaced one of these"

ANSWERS: dict[str, tuple[Rule, Callable[[], Case], RuleResult]] = {
    "its signer": (identity.signer, Case, lets_through("signer", SERVING, SERVING)),
    "no signer": (
        identity.signer,
        lambda: Case(signer=None),
        doubts("signer", "a bare CSR names no signer", allowed=SERVING),
    ),
    "another signer": (
        identity.signer,
        lambda: Case(signer="kubernetes.io/legacy-unknown"),
        holds(
            "signer",
            HoldReason.WRONG_SIGNER,
            "this policy judges serving certificates of kubelets only",
            "kubernetes.io/legacy-unknown",
            SERVING,
        ),
    ),
    "a node's credential": (
        identity.requestor,
        Case,
        lets_through(
            "requestor", f"user {USER}, groups system:nodes, system:authenticated", REQUESTOR
        ),
    ),
    "no requestor": (
        identity.requestor,
        lambda: Case(username=None),
        doubts("requestor", "a bare CSR does not say who made it", allowed=REQUESTOR),
    ),
    "no groups": (
        identity.requestor,
        lambda: Case(groups=None),
        doubts("requestor", "a bare CSR does not say who made it", allowed=REQUESTOR),
    ),
    "a person in the nodes' group": (
        identity.requestor,
        lambda: Case(username="kubernetes-admin", groups=("system:nodes",)),
        holds(
            "requestor",
            HoldReason.NOT_A_NODE,
            "only a kubelet may ask for a kubelet's serving certificate",
            "user kubernetes-admin, groups system:nodes",
            REQUESTOR,
            hard=True,
        ),
    ),
    "a node's name in no group": (
        identity.requestor,
        lambda: Case(groups=()),
        holds(
            "requestor",
            HoldReason.NOT_A_NODE,
            "only a kubelet may ask for a kubelet's serving certificate",
            f"user {USER}, groups none",
            REQUESTOR,
            hard=True,
        ),
    ),
    "no survey": (
        identity.credential_id,
        lambda: Case(credential_ids=(BY_THEIRS,)),
        unasked("credential-id", "without a survey the node's client certificate is not known"),
    ),
    "no survey, no credential id, and others have one": (
        identity.credential_id,
        lambda: Case(credential_ids=(), credentials_told=True),
        doubts(
            "credential-id",
            "the CSR does not say which credential made it, and others of this cluster do: somebody who may impersonate the "
            "node made it, or an API server before Kubernetes 1.32 still answers beside newer ones",
            HoldReason.NO_CREDENTIAL_ID,
            seen="none",
        ),
    ),
    "no survey, no credential id, and nobody has one": (
        identity.credential_id,
        lambda: Case(credential_ids=()),
        unasked("credential-id", "without a survey the node's client certificate is not known"),
    ),
    "a bare CSR, and others have a credential id": (
        identity.credential_id,
        lambda: Case(credential_ids=None, credentials_told=True),
        unasked("credential-id", "without a survey the node's client certificate is not known"),
    ),
    "a bare CSR's credential": (
        identity.credential_id,
        lambda: Case(credential_ids=None, client_certificates=frozenset({MINE})),
        doubts("credential-id", "a bare CSR does not say which credential made it"),
    ),
    "nothing read on the node's disk": (
        identity.credential_id,
        lambda: surveyed(BY_MINE, known=()),
        doubts(
            "credential-id", "no client certificate of this node could be read", seen=BY_MINE
        ),
    ),
    "its own client certificate": (
        identity.credential_id,
        lambda: surveyed(BY_THEIRS, known=(THEIRS, MINE)),
        lets_through("credential-id", BY_THEIRS, f"{BY_MINE}, {BY_THEIRS}"),
    ),
    "another client certificate": (
        identity.credential_id,
        lambda: surveyed(BY_THEIRS),
        holds(
            "credential-id",
            HoldReason.OTHER_CREDENTIAL,
            "it was made with a credential that is not on this node's disk: its identity may be stolen",
            BY_THEIRS,
            BY_MINE,
        ),
    ),
    "no credential id": (
        identity.credential_id,
        surveyed,
        doubts(
            "credential-id",
            NO_CREDENTIAL_ID,
            HoldReason.NO_CREDENTIAL_ID,
            seen=OLD_SERVER,
            allowed=BY_MINE,
        ),
    ),
    "no credential id, accepted, and others have one": (
        identity.credential_id,
        lambda: surveyed(without_credential_id=True, credentials_told=True),
        doubts(
            "credential-id",
            "the CSR does not say which credential made it, and others of this cluster do: somebody who may impersonate the "
            "node made it, or an API server before Kubernetes 1.32 still answers beside newer ones",
            HoldReason.NO_CREDENTIAL_ID,
            seen="none",
            allowed=BY_MINE,
        ),
    ),
    "no credential id, accepted": (
        identity.credential_id,
        lambda: surveyed(without_credential_id=True),
        lets_through("credential-id", f"{OLD_SERVER}; the operator accepts that"),
    ),
    "its own subject": (
        identity.subject,
        Case,
        lets_through("subject", SUBJECT, f"O=system:nodes, CN={USER}"),
    ),
    "no subject that can be read": (
        identity.subject,
        lambda: Case(pem=b"hello"),
        doubts("subject", UNREADABLE, HoldReason.UNREADABLE),
    ),
    "a subject without a requestor": (
        identity.subject,
        lambda: Case(username=None),
        doubts("subject", "a bare CSR does not say who made it", seen=SUBJECT),
    ),
    "another node's subject": (
        identity.subject,
        lambda: Case(username="system:node:worker-2"),
        holds(
            "subject",
            HoldReason.WRONG_SUBJECT,
            "its subject is not the requestor's own name",
            SUBJECT,
            "O=system:nodes, CN=system:node:worker-2",
            hard=True,
        ),
    ),
    "a Node that is there": (identity.live_node, Case, lets_through("live-node", NODE)),
    "a Node that is gone": (
        identity.live_node,
        lambda: Case(node_exists=False),
        holds(
            "live-node",
            HoldReason.NO_SUCH_NODE,
            "there is no Node of that name",
            NODE,
            "a Node of the cluster",
        ),
    ),
    "nobody's Node": (
        identity.live_node,
        lambda: Case(username=None),
        doubts("live-node", "it is not known whose CSR this is, or whether that Node exists"),
    ),
    "a Node of a cluster that was not read": (
        identity.live_node,
        lambda: Case(node_exists=None),
        doubts("live-node", "it is not known whose CSR this is, or whether that Node exists"),
    ),
    "a Node that nobody read again": (
        identity.same_node,
        Case,
        unasked("same-node", "only the running approver asks this: it reads the Node again for each CSR"),
    ),
    "the same Node": (identity.same_node, node_seen, lets_through("same-node", "UID uid-1")),
    "a Node of an unknown age": (
        identity.same_node,
        lambda: node_seen(made=None),
        doubts("same-node", "it is not known when the Node or the CSR was made"),
    ),
    "a Node that was made again": (
        identity.same_node,
        lambda: node_seen("uid-2"),
        holds(
            "same-node",
            HoldReason.NODE_REPLACED,
            "the Node has been deleted or recreated since the CSR was made",
            "UID uid-2",
            "UID uid-1",
        ),
    ),
    "a Node that was deleted": (
        identity.same_node,
        lambda: node_seen("", made=None),
        holds(
            "same-node",
            HoldReason.NODE_REPLACED,
            "the Node has been deleted or recreated since the CSR was made",
            "no Node",
            "UID uid-1",
        ),
    ),
    "a Node made in the second of the CSR": (
        identity.same_node,
        lambda: node_seen(made=NOW - timedelta(seconds=4.1)),
        lets_through("same-node", "UID uid-1"),
    ),
    "a Node made a second after the CSR": (
        identity.same_node,
        lambda: node_seen(made=NOW - timedelta(seconds=4)),
        holds(
            "same-node",
            HoldReason.NODE_REPLACED,
            "the Node is younger than the CSR",
            "created at 2026-11-24T11:59:56+00:00",
            "not after 2026-11-24T11:59:55+00:00",
        ),
    ),
    "a key of which nobody kept count": (
        identity.own_key,
        Case,
        unasked("own-key", "only the running approver asks this: it keeps the public keys of earlier CSRs"),
    ),
    "its own key": (
        identity.own_key,
        lambda: Case(key_shown_by=frozenset({NODE})),
        lets_through("own-key", "no other node has shown it"),
    ),
    "two other nodes' key": (
        identity.own_key,
        lambda: Case(key_shown_by=frozenset({"w3", NODE, "w2"})),
        holds(
            "own-key",
            HoldReason.KEY_OF_ANOTHER_NODE,
            "another node has asked for a certificate for the same public key",
            "w2, w3",
            "a key that no other node has shown",
        ),
    ),
    "a client certificate that nobody watched": (
        identity.client_standing,
        Case,
        unasked("client-standing", "only the running approver asks this: it watches who gets client certificates"),
    ),
    "a client certificate of its own": (
        identity.client_standing,
        lambda: standing(OWN),
        lets_through("client-standing", "why", STANDING),
    ),
    "a borrowed client certificate": (
        identity.client_standing,
        lambda: standing(BORROWED),
        holds(
            "client-standing",
            HoldReason.BORROWED_IDENTITY,
            f"why; if it is the node's own: kubevouch approver pin {NODE} --csr csr-1",
            "a borrowed client certificate",
            STANDING,
        ),
    ),
    "a borrowed client certificate of no node": (
        identity.client_standing,
        lambda: standing(BORROWED, username="somebody"),
        holds(
            "client-standing",
            HoldReason.BORROWED_IDENTITY,
            "why",
            "a borrowed client certificate",
            STANDING,
        ),
    ),
    "a borrowed name, and the API server tells no credential": (
        identity.client_standing,
        lambda: standing(UNKNOWN, credential_ids=()),
        doubts(
            "client-standing",
            f"why; if it is the node's own: kubevouch approver pin {NODE} --via ssh",
            HoldReason.UNKNOWN_CREDENTIAL,
            seen="a client certificate in doubt",
            allowed=STANDING,
        ),
    ),
    "a borrowed certificate, and no approver reads pins": (
        identity.client_standing,
        lambda: standing(BORROWED, pins_are_read=False),
        holds(
            "client-standing",
            HoldReason.BORROWED_IDENTITY,
            f"why; if it is the node's own: kubevouch csr approve csr-1 --credential {BY_MINE.removeprefix('X509SHA256=')}",
            "a borrowed client certificate",
            STANDING,
        ),
    ),
    "a borrowed name, and no approver reads pins": (
        identity.client_standing,
        lambda: standing(UNKNOWN, credential_ids=(), pins_are_read=False),
        doubts(
            "client-standing",
            "why; if it is the node's own: kubectl certificate approve csr-1, which is your own act",
            HoldReason.UNKNOWN_CREDENTIAL,
            seen="a client certificate in doubt",
            allowed=STANDING,
        ),
    ),
    "something else than a client certificate": (
        identity.client_standing,
        lambda: standing(UNKNOWN, credential_ids=("JTI=8f0e6c1e",)),
        doubts(
            "client-standing",
            "why",
            HoldReason.UNKNOWN_CREDENTIAL,
            seen="a client certificate in doubt",
            allowed=STANDING,
        ),
    ),
    "a client certificate that is not on the node's list": (
        identity.client_standing,
        lambda: standing(UNKNOWN),
        doubts(
            "client-standing",
            f"why; if it is the node's own: kubevouch approver pin {NODE} --csr csr-1",
            HoldReason.UNKNOWN_CREDENTIAL,
            seen="a client certificate in doubt",
            allowed=STANDING,
        ),
    ),
    "a client certificate of a node whose list is open": (
        identity.client_standing,
        lambda: standing(OPEN),
        unasked("client-standing", "why"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "case", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_a_rule_answers(rule: Rule, case: Callable[[], Case], answer: RuleResult) -> None:
    assert rule(case().facts()) == answer


def test_when_a_bare_csr_was_made_is_not_known_so_neither_whether_its_node_was_there() -> None:
    facts = node_seen().facts()
    bare = msgspec.structs.replace(facts, csr=msgspec.structs.replace(facts.csr, created=None))
    assert identity.same_node(bare) == doubts(
        "same-node", "it is not known when the Node or the CSR was made"
    )
