"""The whole answer of each rule about who asked: outcome, reason, message, what it saw, what it would allow.

Each answer is written by hand from what docs/policy.md says of the rule.
"""

from collections.abc import Callable

import pytest

from kubevouch.outcome import Outcome
from kubevouch.policy import identity
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.rule import Rule, RuleResult

from .conftest import NODE, Case, doubts, holds, lets_through

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
        ),
    ),
    "no survey": (
        identity.credential_id,
        lambda: Case(credential_ids=(BY_THEIRS,)),
        RuleResult(
            "credential-id",
            Outcome.PASS,
            HoldReason.NOT_ASKED,
            "without a survey the node's client certificate is not known",
            "not asked: without a survey the node's client certificate is not known",
        ),
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
    "no credential id, accepted, of an older plan": (
        identity.credential_id,
        lambda: surveyed(without_credential_id=True),
        doubts(
            "credential-id",
            "whether a bootstrap token has asked for this node's name since the plan cannot be told; "
            "of a plan that is less than an hour old it can",
            seen=OLD_SERVER,
        ),
    ),
    "no credential id, accepted, and bootstrap tokens asked": (
        identity.credential_id,
        lambda: surveyed(without_credential_id=True, bootstrap_csrs=("csr-8", "csr-9")),
        holds(
            "credential-id",
            HoldReason.BOOTSTRAPPED,
            "a bootstrap token has asked for a client certificate of this node's name since the plan",
            "csr-8, csr-9",
            "no such CSR since the plan",
        ),
    ),
    "no credential id, accepted": (
        identity.credential_id,
        lambda: surveyed(without_credential_id=True, bootstrap_csrs=()),
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
}  # fmt: skip


@pytest.mark.parametrize(("rule", "case", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_a_rule_answers(rule: Rule, case: Callable[[], Case], answer: RuleResult) -> None:
    assert rule(case().facts()) == answer
