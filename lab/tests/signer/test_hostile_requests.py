"""Whatever comes as a signing request is kept or refused; no body brings the server, or the signer, down."""

import base64
import contextlib
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Any

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubevouch.x509 import X509Error, pem, read_certificates
from kubevouch_lab.apiserver.kinds import CSRS
from kubevouch_lab.apiserver.schema.strict import WrongType, checked
from kubevouch_lab.apiserver.status import StatusError
from kubevouch_lab.signer.csr_strategy import parsed
from kubevouch_lab.signer.issuing import duration, issued, signing_ca
from lab.tests.plane import NOW, Plane
from lab.tests.signer.test_a_request_from_create_to_certificate import NODE, csr
from tests.support.authority import Authority
from tests.support.csr_template import CsrTemplate, new_csr
from tests.support.requests import request
from tests.support.unhurried import examples

PEM = request("n1", ["n1"], ["10.0.0.1"])
SHARED = [HealthCheck.function_scoped_fixture]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
BASE64 = st.binary(max_size=300).map(lambda raw: base64.b64encode(raw).decode())
CONDITIONS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Approved", "Denied", "Failed", "", "Other"]),
            "status": st.sampled_from(["True", "False", "", "x"]),
        }
    ),
    max_size=4,
)
SPEC = st.fixed_dictionaries(
    {},
    optional={
        "request": JSON | BASE64,
        "signerName": JSON | st.just("kubernetes.io/kubelet-serving"),
        "usages": JSON | st.just(["server auth"]),
        "expirationSeconds": JSON,
        "groups": JSON,
        "extra": JSON,
    },
)


def typed(body: Any) -> Any:
    """What comes in over HTTP has the types that its fields should have; everything else is a 400."""
    return checked("certificates.k8s.io/v1", "CertificateSigningRequest", body).body


def refused(change: Callable[[], Any]) -> bool:
    """Whether the server says no; anything else that goes wrong is a failure of the test."""
    try:
        change()
    except WrongType:
        return True
    except StatusError as error:
        if error.code not in {400, 403, 422}:
            raise
        return True
    return False


@settings(examples(150), suppress_health_check=SHARED)
@given(spec=JSON | SPEC, status=JSON)
def test_any_body_is_kept_or_refused(running: Plane, spec: Any, status: Any) -> None:
    body = {"metadata": {"generateName": "csr-"}, "spec": spec, "status": status}
    if not refused(lambda: running.client(NODE).create(CSRS, typed(body))):
        for kept in running.store.list(CSRS):
            running.signers().act(kept)


@settings(examples(100), suppress_health_check=SHARED)
@given(conditions=JSON | CONDITIONS, certificate=JSON | BASE64)
def test_any_decision_is_taken_or_refused(
    running: Plane, conditions: Any, certificate: Any
) -> None:
    name = running.client(NODE).create(CSRS, csr(PEM))["metadata"]["name"]
    for subresource in ("approval", "status"):
        current = running.admin.get(CSRS, name)
        current["status"] = {"conditions": conditions, "certificate": certificate}
        refused(lambda c=current, s=subresource: running.admin.update(CSRS, typed(c), s))  # type: ignore[misc]
    decisions = {
        each["type"] for each in running.store.get(CSRS, name)["status"].get("conditions", [])
    }
    assert not {"Approved", "Denied"} <= decisions
    running.signers().act(running.store.get(CSRS, name))
    running.signers().clean()


@examples(200)
@given(at=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_bent_request_is_read_or_refused(at: int, byte: int) -> None:
    (block,) = pem.blocks(PEM)
    bent = bytearray(block.body)
    bent[at % len(bent)] = byte
    data = pem.encode_block("CERTIFICATE REQUEST", bytes(bent))
    with contextlib.suppress(X509Error):
        parsed({"request": base64.b64encode(data).decode()})


def made(authority: Authority, data: bytes, usages: Sequence[str]) -> bytes:
    ca = authority._ca
    return issued(
        parsed({"request": base64.b64encode(data).decode()}),
        usages,
        signing_ca(ca.cert_pem.bytes(), ca.private_key_pem.bytes()),
        now=NOW,
        life=duration(None),
        serial=1,
    )


def alt_names(authority: Authority, data: bytes) -> x509.SubjectAlternativeName:
    found = x509.load_pem_x509_certificate(made(authority, data, ["server auth"]))
    return found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_a_mapped_address_is_issued_as_what_it_is(authority: Authority) -> None:
    """T29 of the traps: to Go ::ffff:192.168.88.111 is the IPv4 address."""
    data = new_csr(CsrTemplate("x", addresses=(IPv6Address("::ffff:192.168.88.111"),)))
    found = alt_names(authority, data).get_values_for_type(x509.IPAddress)
    assert found == [ip_address("192.168.88.111")]


def test_of_two_extension_requests_gos_is_signed(authority: Authority) -> None:
    """T28: cryptography reads Microsoft's attribute and sees w2; Go, and so the signer, reads the other."""
    data = new_csr(CsrTemplate("x", names=("kubernetes.default.svc",), shown_names=("w2",)))
    theirs = x509.load_pem_x509_csr(data).extensions
    seen = theirs.get_extension_for_class(x509.SubjectAlternativeName).value
    assert seen.get_values_for_type(x509.DNSName) == ["w2"]
    found = alt_names(authority, data).get_values_for_type(x509.DNSName)
    assert found == ["kubernetes.default.svc"]


def test_a_name_longer_than_cryptography_allows_is_signed(authority: Authority) -> None:
    node = "system:node:" + "b" * 60 + ".internal.example.com"
    data = new_csr(CsrTemplate(node, names=("b",)))
    (found,) = read_certificates(made(authority, data, ["server auth"]), "made")
    assert found.subject.common_name == node


@pytest.mark.parametrize(
    ("usage", "key_usage", "purposes"),
    [
        ("signing", ("digitalSignature",), ()),
        ("cert sign", ("keyCertSign",), ()),
        ("decipher only", ("decipherOnly",), ()),
        ("s/mime", (), ("emailProtection",)),
        ("any", (), ("anyExtendedKeyUsage",)),
    ],
)
def test_every_usage_can_be_issued(
    authority: Authority, usage: str, key_usage: tuple[str, ...], purposes: tuple[str, ...]
) -> None:
    (found,) = read_certificates(made(authority, PEM, [usage]), "made")
    assert (found.key_usage, found.extended_key_usage) == (key_usage, purposes)
