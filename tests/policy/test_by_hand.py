"""What the policy says to somebody who approves by hand: whose word counts, whose client certificate it is, what is left to the approver."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.evidence.snapshot import PolicyEvidence
from kubevouch.kube.resources import CertificateSigningRequest, ConfigMap, Metadata
from kubevouch.outcome import Outcome
from kubevouch.policy.by_hand import (
    LEFT_TO_THE_APPROVER,
    CsrEvidence,
    CsrJudgement,
    OperatorFlags,
    judged_by_hand,
)
from kubevouch.policy.csr import csr_of
from kubevouch.policy.sources.stored import shard_of
from kubevouch.policy.sources.watched import WatchedSources
from tests.support.authority import Authority
from tests.support.cluster_names import cluster_names
from tests.support.nodes import node
from tests.support.requests import request

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CREATED = "2026-10-26T12:00:00Z"
NODE, ADDRESS = "w9.example.com", "192.168.88.90"
OTHER, OTHERS_ADDRESS = "w8.example.com", "192.168.88.80"
SHOP = "shop.example.com"
NAMES = cluster_names(service_networks=(ip_network("10.96.0.0/12"),))
PIN = {"uid": "uid-9", "names": [NODE], "addresses": [ADDRESS], "pinnedAt": "2026-11-20T08:00:00Z"}
OTHERS_PIN = {"uid": "uid-8", "names": [OTHER], "addresses": [OTHERS_ADDRESS]}
LISTED = {"schemaVersion": "kubevouch.inventory/1", "nodes": {NODE: {"names": [NODE], "addresses": [ADDRESS]}}}  # fmt: skip
BOTH = {NODE: (NODE, ADDRESS)}
FAILED = Doubt(DoubtKind.NOT_ALLOWED, "may not list it")


@cache
def certificate(word: str) -> bytes:
    """A client certificate of the node's; each word has its own."""
    return Authority(word).client(f"system:node:{NODE}", "system:nodes").chain


@cache
def sha256(word: str) -> str:
    return x509.load_pem_x509_certificate(certificate(word)).fingerprint(hashes.SHA256()).hex()


def csr(
    name: str = "csr-w9",
    *,
    by: str = "ab" * 32,
    user: str = f"system:node:{NODE}",
    asks: tuple[str, ...] = (NODE,),
    at: datetime = NOW,
    issued: bytes = b"",
    condition: str = "",
) -> CertificateSigningRequest:
    """A serving CSR; with `issued`, one for a client certificate."""
    signer = "kube-apiserver-client-kubelet" if issued else "kubelet-serving"
    made_with = {"authentication.kubernetes.io/credential-id": [f"X509SHA256={by}"]} if by else {}
    spec = {
        "signerName": f"kubernetes.io/{signer}",
        "username": user,
        "groups": ["system:nodes" if user.startswith("system:node:") else "system:bootstrappers"],
        "extra": made_with,
        "usages": ["digital signature", "server auth"],
        "request": request(NODE, asks, [ADDRESS]),
    }
    conditions = [{"type": condition, "status": "True"}] if condition else []
    metadata = {"name": name, "uid": name, "creationTimestamp": at}
    status = {"certificate": issued, "conditions": conditions}
    return msgspec.convert(
        {"metadata": metadata, "spec": spec, "status": status}, CertificateSigningRequest
    )


def written(**said: Any) -> WatchedSources:
    """pins, recorded: entries by node. inventory, configuration: documents."""
    sources = WatchedSources()
    for kind in ("pins", "recorded"):
        for name, entry in said.get(kind, {}).items():
            data = {name: json.dumps({"v": 1, **entry})}
            shard = shard_of(f"kubevouch-{kind}", name)
            sources.put(ConfigMap(metadata=Metadata(name=shard), data=data))
    for kind, name in (("inventory", "kubevouch-inventory"), ("configuration", "kubevouch-approver")):  # fmt: skip
        if kind in said:
            data = {f"{kind}.yaml": json.dumps(said[kind])}
            sources.put(ConfigMap(metadata=Metadata(name=name), data=data))
    return sources


def measured(value: Any = None, doubt: Doubt | None = None) -> Measured[Any]:
    return Measured(Vantage.API_SERVER, NOW, None if doubt else value, doubt)


def evidence(
    *serving: CertificateSigningRequest,
    client: tuple[CertificateSigningRequest, ...] = (),
    of: WatchedSources | Doubt | None = None,
    approver: bool = False,
) -> CsrEvidence:
    nodes = (
        node(NODE, NODE, ADDRESS, uid="uid-9", created=CREATED),
        node(OTHER, OTHER, OTHERS_ADDRESS, uid="uid-8", created=CREATED),
    )
    return CsrEvidence(
        PolicyEvidence(nodes=measured(nodes), csrs=measured(serving), names=NAMES),
        measured(client),
        measured(doubt=of) if isinstance(of, Doubt) else measured(of),
        at=NOW + timedelta(seconds=40),
        approver=approver,
    )


def judged(found: CertificateSigningRequest, known: CsrEvidence, **word: Any) -> CsrJudgement:
    return judged_by_hand(csr_of(found), known, OperatorFlags(**word))


def reasons(judgement: CsrJudgement) -> dict[str, str]:
    return {each.rule: str(each.reason) for each in judgement.decision.held_by}


UNKNOWN = {"allowed-names": "NodeUnknown", "allowed-addresses": "NodeUnknown"}
STRANGE = {"allowed-addresses": "AddressNotAllowed"}
CASES: dict[str, tuple[dict[str, Any] | Doubt | None, dict[str, Any], str, dict[str, str]]] = {
    # What is written down, what the operator says, which source counts, what holds it.
    "nobody says anything": (None, {}, "none", {"allowed-addresses": "OnlyTheNodeSaysSo"}),
    "nothing written down knows it": ({"pins": {OTHER: OTHERS_PIN}}, {}, "none", UNKNOWN),
    "it is pinned": ({"pins": {NODE: PIN}}, {}, "pins", {}),
    "it was admitted": ({"recorded": {NODE: {"uid": "uid-9", "admitted": {"names": [NODE], "addresses": [ADDRESS], "at": "2026-11-20T08:00:00Z", "rule": "w*"}}}}, {}, "recorded", {}),
    "the inventory goes before a pin": ({"pins": {NODE: {**PIN, "uid": "uid-7"}}, "inventory": LISTED}, {}, "inventory", {}),
    "its pin is of an earlier Node": ({"pins": {NODE: {**PIN, "uid": "uid-7"}}}, {}, "pins", dict.fromkeys(UNKNOWN, "PinOutdated")),
    "its pin has another address": ({"pins": {NODE: {**PIN, "addresses": ["192.168.88.91"]}}}, {}, "pins", STRANGE),
    "the operator's word adds to a pin": ({"pins": {NODE: {**PIN, "addresses": ["192.168.88.91"]}}}, {"allowed": {NODE: (ADDRESS,)}}, "pins", {}),
    "the operator's word alone": ({"pins": {OTHER: OTHERS_PIN}}, {"allowed": BOTH}, "allow", {}),
    "the operator's word where nothing is written down": (None, {"allowed": {NODE: (ADDRESS,)}}, "allow", {}),
    "another node's pin has its address": ({"pins": {OTHER: {**OTHERS_PIN, "addresses": [ADDRESS]}}}, {"allowed": BOTH}, "allow", {"foreign-addresses": "ForeignAddress"}),
    "the operator gives its address to another node, too": (None, {"allowed": {**BOTH, OTHER: (ADDRESS,)}}, "allow", {"foreign-addresses": "ForeignAddress"}),
    "its pin cannot be read": ({"pins": {NODE: {"v": 9}}}, {}, "pins", dict.fromkeys(UNKNOWN, "SourceUnreadable")),
    "the configuration cannot be read": ({"pins": {NODE: PIN}, "configuration": []}, {}, "none", dict.fromkeys(UNKNOWN, "SourceUnreadable")),
    "pins may not be read": (FAILED, {}, "none", dict.fromkeys(UNKNOWN, "NotInEvidence")),
    "pins may not be read, and the operator says so": (FAILED, {"allowed": {NODE: (ADDRESS,)}}, "allow", {}),
    "its certificate was seen borrowed": ({"pins": {NODE: PIN}, "recorded": {NODE: {"uid": "uid-9", "credentials": {"uid": "uid-9", "borrowed": ["ab" * 32]}}}}, {}, "pins", {"client-standing": "BorrowedIdentity"}),
    "another one was": ({"pins": {NODE: PIN}, "recorded": {NODE: {"uid": "uid-9", "credentials": {"uid": "uid-9", "borrowed": ["cd" * 32]}}}}, {}, "pins", {}),
    "its list is closed": ({"pins": {NODE: {**PIN, "clientCertificates": ["cd" * 32]}}}, {}, "pins", {"client-standing": "UnknownCredential"}),
    "the operator names its certificate": ({"pins": {NODE: {**PIN, "clientCertificates": ["cd" * 32]}}}, {"credential": "ab" * 32}, "pins", {}),
    "its record cannot be read": ({"pins": {NODE: PIN}, "recorded": {NODE: {"v": 9}}}, {}, "pins", {"client-standing": "EarlierNode"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_whose_word_counts_and_what_holds_it(case: str) -> None:
    said, word, source, held = CASES[case]
    found = csr()
    of = written(**said) if isinstance(said, dict) else said
    judgement = judged(found, evidence(found, of=of), **word)
    assert reasons(judgement) == held
    assert judgement.names.source == source


@pytest.mark.parametrize(
    ("said", "advice"),
    [(None, ""), ({"pins": {OTHER: OTHERS_PIN}}, f"kubevouch approver pin {NODE} --via ssh")],
)
def test_where_an_approver_does_not_know_the_node_the_pin_is_advised(
    said: dict[str, Any] | None, advice: str
) -> None:
    found, of = csr(), written(**said) if said is not None else None
    judgement = judged(found, evidence(found, of=of))
    assert advice in judgement.decision.why
    assert ("approver pin" in judgement.decision.why) is bool(advice)


@pytest.mark.parametrize("condition", ["", "Approved"])
@pytest.mark.parametrize("approver", [True, False])
@pytest.mark.parametrize("word", [{}, {"allowed": BOTH}])
def test_what_passes_and_the_approver_has_not_approved_is_left_to_it(
    condition: str, approver: bool, word: dict[str, Any]
) -> None:
    """It remembers what nobody else can look up: whose key it is, and which Node was there."""
    found = csr(condition=condition)
    known = evidence(found, of=written(pins={NODE: PIN}), approver=approver)
    judgement = judged(found, known, **word)
    left = approver and not condition
    assert judgement.decision.outcome is Outcome.PASS
    assert judgement.outcome is (Outcome.CANNOT_TELL if left else Outcome.PASS)
    assert judgement.held == (LEFT_TO_THE_APPROVER if left else "")


def test_what_a_rule_holds_is_not_left_to_the_approver() -> None:
    found = csr(asks=(OTHER,))
    known = evidence(found, of=written(pins={NODE: PIN}), approver=True)
    judgement = judged(found, known)
    assert (judgement.outcome, judgement.held) == (Outcome.REFUSE, "")


def test_the_limits_are_those_of_the_approvers_configuration() -> None:
    found = csr()
    short = {"schemaVersion": "kubevouch.approver/1", "maxLifetime": "1h"}
    known = evidence(found, of=written(configuration=short, pins={NODE: PIN}))
    day = msgspec.structs.replace(csr_of(found), expiration_seconds=86_400)
    assert reasons(judged_by_hand(day, known, OperatorFlags())) == {"lifetime": "LifetimeTooLong"}


# A history, oldest first: `t1 token` is a client CSR that a bootstrap token made, `k2 by k1` one that the node made with k1;
# `serve csr-k k1` a serving CSR that was made with k1.
RIVALS = "serve csr-k k1; serve csr-u u1"
HISTORIES = {
    "t1 token; serve csr-k k1; serve csr-t t1": ("csr-k", "BorrowedIdentity"),
    "t1 token; t2 by t1; serve csr-t t2": ("", "BorrowedIdentity"),
    RIVALS: ("", "UnknownCredential"),
    "serve csr-k k1; k2 by k1; serve csr-k2 k2": ("csr-k2", "Superseded"),
    "k2 by k1; serve csr-k2 k2; serve csr-k k1": ("csr-k", "Superseded"),
    "t1 token; serve csr-t t1; serve csr-k k1; serve csr-u u1": ("", "UnknownCredential"),
    "serve csr-k k1; serve csr-k-again k1": ("csr-k-again", "Superseded"),
    # Whoever may impersonate users writes circles, too.
    "k1 by k2; k2 by k1; serve csr-k1 k1; serve csr-k2 k2": ("", "UnknownCredential"),
}


def history(said: str, *, told: bool = True) -> CsrEvidence:
    serving, client = [], []
    for number, event in enumerate(said.split("; ")):
        at = NOW + timedelta(seconds=number)
        what, *words = event.split()
        by = sha256(words[1]) if told and len(words) > 1 else ""
        if what == "serve":
            serving.append(csr(words[0], by=by, at=at))
        else:
            user = f"system:node:{NODE}" if words[0] == "by" else "system:bootstrap:abcdef"
            issued = certificate(what)
            client.append(csr(f"client-{what}", by=by, user=user, at=at, issued=issued))
    return evidence(*serving, client=tuple(client))


def passing(known: CsrEvidence, word: OperatorFlags) -> dict[str, CsrJudgement]:
    return {
        each.name: judged_by_hand(csr_of(each), known, word)
        for each in known.cluster.csrs.or_else(())
    }


@pytest.mark.parametrize("said", HISTORIES)
def test_of_all_that_wait_at_most_one_of_a_node_passes_and_no_borrowed_one(said: str) -> None:
    found = passing(history(said), OperatorFlags(allowed=BOTH))
    good = [name for name, each in found.items() if each.outcome is Outcome.PASS]
    assert " ".join(good) == HISTORIES[said][0]
    assert HISTORIES[said][1] in {r for each in found.values() for r in reasons(each).values()}


@pytest.mark.parametrize(
    ("said", "name", "named", "passes"),
    [
        ("t1 token; serve csr-t t1", "csr-t", "", False),
        ("t1 token; serve csr-t t1", "csr-t", "t1", True),
        ("t1 token; serve csr-t t1", "csr-t", "k1", False),
        (RIVALS, "csr-k", "k1", True),
        (RIVALS, "csr-u", "k1", False),
        ("serve csr-k k1; k2 by k1; serve csr-k2 k2; serve csr-u u1", "csr-k2", "k1", True),
    ],
)
def test_the_operator_names_the_certificate(said: str, name: str, named: str, passes: bool) -> None:
    word = OperatorFlags(allowed=BOTH, credential=sha256(named) if named else "")
    found = passing(history(said), word)[name]
    assert (found.outcome is Outcome.PASS) is passes
    if not named:
        assert f"kubevouch csr approve {name} --credential " in found.decision.why


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ("serve csr-k k1", True),
        ("k2 by k1; serve csr-k k1", True),
        ("t1 token; serve csr-k k1; serve csr-t t1", False),
    ],
)
def test_before_1_32_a_borrowed_name_is_left_to_kubectl(said: str, passes: bool) -> None:
    """The API server tells no credential: none can be named."""
    known, word = history(said, told=False), OperatorFlags(allowed=BOTH)
    for each in (word, replace(word, credential=sha256("k1"))):
        *_, (name, found) = passing(known, each).items()
        assert (found.outcome is Outcome.PASS) is passes
        command = f"kubectl certificate approve {name}, at your own risk"
        assert (command in found.decision.why) is not passes


def test_what_names_no_credential_is_held_where_a_record_says_that_others_do() -> None:
    """The other node's CSR named one, and is gone; the approver's record of that node says so still."""
    allowed = [{"certificate": "cd" * 32, "parent": "ef" * 32}]
    records = {OTHER: {"uid": "uid-8", "credentials": {"uid": "uid-8", "allowed": allowed}}}
    found = csr(by="")
    known = evidence(found, of=written(pins={NODE: PIN}, recorded=records))
    judgement = judged(found, known)
    assert reasons(judgement) == {"credential-id": "NoCredentialId"}


def test_where_client_csrs_could_not_be_read_nothing_passes() -> None:
    """A thief may make so many of them that no list of them ends before its version is compacted away."""
    found = csr()
    known = replace(
        evidence(found, of=written(pins={NODE: PIN})), client_csrs=measured(doubt=FAILED)
    )
    held = judged(found, known)
    assert reasons(held) == {"client-standing": "NotInEvidence"}
    named = judged(found, known, credential="ab" * 32)
    assert named.outcome is Outcome.PASS


def test_where_nobody_knows_when_the_node_was_made_everybody_came_later() -> None:
    known = history("t1 token; serve csr-t t1")
    nodes = known.cluster.nodes.or_else(())
    undated = [
        msgspec.structs.replace(
            each, metadata=msgspec.structs.replace(each.metadata, creation_timestamp=None)
        )
        for each in nodes
    ]
    cluster = replace(known.cluster, nodes=measured(tuple(undated)))
    found = passing(replace(known, cluster=cluster), OperatorFlags(allowed=BOTH))
    assert reasons(found["csr-t"]) == {"client-standing": "BorrowedIdentity"}


def test_of_a_csr_that_is_nobodys_nothing_is_known() -> None:
    found = csr(user="somebody", asks=(NODE, SHOP))
    known = evidence(found, of=written(pins={NODE: PIN}))
    judgement = judged(found, known, allowed=BOTH)
    assert reasons(judgement).items() >= UNKNOWN.items()


def test_an_issued_certificate_that_cannot_be_read_says_nothing_of_a_node() -> None:
    found = csr()
    pinned = written(pins={NODE: PIN})
    unreadable = csr("csr-client", issued=b"no certificate")
    told = evidence(found, client=(unreadable,), of=pinned)
    assert judged(found, told) == judged(found, evidence(found, of=pinned))
