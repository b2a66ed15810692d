"""CSRs for client certificates, as they are read: for which node, by whom, and what was issued."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.csr import certificate_id, client_csr_of
from tests.support.authority import Authority
from tests.support.requests import request
from tests.support.self_signed import by_hand

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PAIR = Authority().client("system:node:w1", "system:nodes")


def object_of(**more: Any) -> CertificateSigningRequest:
    spec = {
        "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
        "username": "system:bootstrap:abcdef",
        "groups": ["system:bootstrappers", "system:authenticated"],
        "request": b64encode(request("w1")).decode(),
        "extra": {"authentication.kubernetes.io/credential-id": ["X509SHA256=ab"]},
    }
    found = {
        "metadata": {"name": "node-csr-x", "creationTimestamp": "2026-11-25T12:00:00Z"},
        "spec": spec | more.get("spec", {}),
        "status": {"certificate": b64encode(more.get("certificate", PAIR.chain)).decode()},
    }
    found["metadata"] |= more.get("metadata", {})
    return msgspec.convert(found, CertificateSigningRequest)


def test_a_csr_for_a_client_certificate_is_read_when_it_has_been_issued() -> None:
    read = client_csr_of(object_of())
    assert read is not None
    assert (read.csr, read.node, read.by_node) == ("node-csr-x", "w1", False)
    assert (read.credential_ids, read.created) == (("X509SHA256=ab",), NOW)
    assert len(read.certificate) == 64
    assert client_csr_of(object_of(spec={"extra": {}})).credential_ids == ()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("spec", "by_node"),
    [
        ({"username": "system:node:w1", "groups": ["system:nodes"]}, True),
        ({"username": "system:node:w1", "groups": []}, False),
        ({"username": "system:node:w2", "groups": ["system:nodes"]}, False),
        ({"username": "kubernetes-admin"}, False),
    ],
)
def test_only_the_nodes_own_user_renews(spec: dict[str, Any], by_node: bool) -> None:
    read = client_csr_of(object_of(spec=spec))
    assert read is not None
    assert read.by_node is by_node


@pytest.mark.parametrize(
    "more",
    [
        {"spec": {"signerName": "kubernetes.io/kubelet-serving"}},
        {"certificate": b""},
        {"certificate": b"rubbish"},
        {"certificate": Authority().client("w1", "system:nodes").chain},
        {"certificate": Authority().client("system:node:", "system:nodes").chain},
        {"metadata": {"creationTimestamp": None}},
    ],
)
def test_any_other_csr_says_nothing_about_a_node(more: dict[str, Any]) -> None:
    assert client_csr_of(object_of(**more)) is None


@pytest.mark.parametrize(
    "pem",
    [
        b"text around it\n" * 5_000 + request("w1"),
        request("w1") + b"\n" * 1_400_000,
        b"rubbish",
        request("w1", common_name="system:node:w2"),
    ],
)
def test_for_whom_it_was_issued_the_certificate_says_whatever_stands_in_the_request(
    pem: bytes,
) -> None:
    """Go reads the first PEM block of a request of any size: what we do not read must not hide that a name was borrowed."""
    read = client_csr_of(object_of(spec={"request": b64encode(pem).decode()}))
    assert read is not None
    assert read.node == "w1"


def test_what_was_not_made_with_one_client_certificate_has_no_id() -> None:
    assert [certificate_id(ids) for ids in ((), ("JTI=x",), ("X509SHA256=AA",))] == ["", "", "aa"]


@pytest.mark.filterwarnings("ignore:Attribute's length must be")
@pytest.mark.parametrize(("length", "is_read"), [(253, True), (254, False)])
def test_a_name_that_is_too_long_for_a_node_takes_no_memory(length: int, is_read: bool) -> None:
    """The signer writes a common name of any length, and whoever has a bootstrap token asks for it."""
    text = f"system:node:{'w' * length}"
    pem = by_hand(text, (NOW, NOW + timedelta(days=1))).chain
    assert (client_csr_of(object_of(certificate=pem)) is not None) is is_read
