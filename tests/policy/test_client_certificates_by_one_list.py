"""Whose client certificate made a CSR, by one list of CSRs and nothing that was watched."""

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kubevouch.kube.decode import decoded
from kubevouch.kube.resources import CertificateSigningRequest, Metadata, Node
from kubevouch.outcome import Outcome
from kubevouch.policy.credentials import live_node
from kubevouch.policy.csr import CREDENTIAL_ID, csr_of
from kubevouch.policy.listed_credentials import KnownOfNode, ListedCredentials
from kubevouch.policy.sources.recorded import credentials_in
from kubevouch.policy.sources.stored import Unreadable

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
USER = "system:node:n1"
NODE = live_node(Node(metadata=Metadata(name="n1", uid="u1", creation_timestamp=AT)))


@cache
def certificate(name: str) -> x509.Certificate:
    key, subject = ec.generate_private_key(ec.SECP256R1()), [x509.NameAttribute(NameOID.COMMON_NAME, USER)]  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(x509.Name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(AT)
        .not_valid_after(AT + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


def sha256(name: str) -> str:
    return certificate(name).fingerprint(hashes.SHA256()).hex()


def made(name: str, minutes: int, by: str, *, issued: str = "") -> CertificateSigningRequest:
    """A CSR for a client certificate, or for a serving one. by: a certificate of the node, or "token", or "" for none told."""
    user, groups = (USER, ["system:nodes"]) if by != "token" else ("system:bootstrap:a", [])
    signer = "kube-apiserver-client-kubelet" if issued else "kubelet-serving"
    pem = certificate(issued).public_bytes(Encoding.PEM) if issued else b""
    thing = {
        "metadata": {
            "name": name,
            "creationTimestamp": f"{AT + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}",
        },
        "spec": {
            "signerName": f"kubernetes.io/{signer}",
            "username": user,
            "groups": groups,
            "extra": {CREDENTIAL_ID: [f"X509SHA256={sha256(by)}"]} if by not in {"", "token"} else {},
        },
        "status": {"certificate": base64.b64encode(pem).decode()},
    }  # fmt: skip
    return decoded(json.dumps(thing).encode(), CertificateSigningRequest, "test")


BORROWED = made("c-t", 5, "token", issued="t")
ROTATED = made("c-b", 6, "a", issued="b")
CIRCLE = (made("c-a", 6, "b", issued="a"), ROTATED)
A, B, T = (made(f"s-{each}", 10 + place, each) for place, each in enumerate("abt"))
NAMELESS = made("s", 9, "")
PASS, REFUSE = Outcome.PASS, Outcome.REFUSE
CASES = {
    "what was borrowed is refused": ((BORROWED,), (T,), T, REFUSE, None),
    "beside it the node's own passes": ((BORROWED,), (A, T), A, PASS, "s-a"),
    "two of which none replaced the other are refused": ((), (A, B), A, REFUSE, None),
    "of a rotation the newest counts": ((ROTATED,), (A, B), A, PASS, "s-b"),
    "whoever writes a circle ends nothing": (CIRCLE, (A, B), B, REFUSE, None),
    "one that names none is not judged by this": ((), (A,), NAMELESS, PASS, None),
    "nor is what was not issued, or names none, counted": (
        (NAMELESS,),
        (NAMELESS, A),
        A,
        PASS,
        "s-a",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_one_list_says(case: str) -> None:
    client, serving, asked, outcome, newest = CASES[case]
    listed = ListedCredentials(client, serving, told=True)
    for _ in range(2):  # what was looked up once is kept
        answer, found = listed.answer(csr_of(asked), KnownOfNode(NODE))
        assert (answer.outcome, found) == (outcome, newest)


def test_what_the_operator_names_closes_the_list() -> None:
    listed = ListedCredentials((), (A, B), told=True)
    known = KnownOfNode(NODE, pinned=(sha256("b"),))
    assert listed.answer(csr_of(B), known)[0].outcome is PASS
    assert listed.answer(csr_of(A), known)[0].outcome is Outcome.CANNOT_TELL


def test_where_nobody_knows_when_the_node_was_made_everybody_came_later() -> None:
    node = live_node(Node(metadata=Metadata(name="n1", uid="u1")))
    listed = ListedCredentials((BORROWED,), (T,), told=True)
    assert listed.answer(csr_of(T), KnownOfNode(node))[0].outcome is REFUSE


def test_without_a_record_nothing_is_known_and_an_unreadable_one_may_be_of_an_earlier_node() -> (
    None
):
    assert credentials_in(None).earlier is None
    assert credentials_in(Unreadable("kubevouch-recorded-0", "n1", "is no entry")).earlier
