"""Whatever Go reads in a certificate or a PEM file we read too; whatever it refuses we refuse, in its words."""

import hashlib
import re
from base64 import b64decode
from collections.abc import Callable
from typing import TypeVar

import pytest

from kubevouch.x509 import Certificate, X509Error, read_certificate_der, read_pem
from kubevouch.x509 import pem as codec
from kubevouch.x509.extensions import KEY_USAGES
from kubevouch.x509.gotext import address_text
from tests.support.rows import of_each
from tests.x509.recorded import Judged, Line, certificate, judged, name_of

Value = TypeVar("Value")
CERTIFICATES = judged("certificates")
BUNDLES = judged("bundles")
# Refusals whose words are ours: which bytes are refused is the same. docs/internals/x509.md lists them.
OUR_WORDS = re.compile(r"invalid P\d+ ?[Ee]lement")

# What Go reads and we refuse, for the reasons given there.
DIFFERENCES = {
    "read times: 0x18 b'00000101000000Z'": "a time outside the years 1 to 9999",
    "read times: 0x18 b'99991231235959-0100'": "a time outside the years 1 to 9999",
    "read keys: rsa-16385": "an RSA modulus of 16385 bits, more than 16384",
}


def outcome(read: Callable[[], Value]) -> Value | X509Error:
    try:
        return read()
    except X509Error as error:
        return error


def facts(found: Certificate) -> Line:
    """A certificate in the oracle's terms. What is empty is left out, as Go's encoder does."""
    bits = sum(1 << KEY_USAGES.index(usage) for usage in found.key_usage)
    told: Line = {
        "version": found.version,
        "serial": str(found.serial),
        "subject": str(found.subject),
        "issuer": str(found.issuer),
        "commonName": found.subject.common_name,
        "organizations": list(found.subject.organizations),
        "notBefore": found.validity_texts[0],
        "notAfter": found.validity_texts[1],
        "dns": list(found.dns_names),
        "ips": list(map(address_text, found.ip_addresses)),
        "emails": list(found.alt_names.emails),
        "uris": len(found.alt_names.uris),
        "keyUsage": bits,
        "usages": sorted(found.extended_key_usage),
        "basicConstraints": found.has_basic_constraints,
        "isCA": found.is_ca,
        "subjectKeyId": found.subject_key_id.hex(),
        "authorityKeyId": found.authority_key_id.hex(),
        "unhandled": list(found.unhandled_critical),
        "key": str(found.key),
        "algorithm": found.signature_algorithm.name,
    }
    shown = {name: fact for name, fact in told.items() if fact}
    if found.path_length is not None:
        shown["pathLength"] = found.path_length
    return shown


@of_each(CERTIFICATES, name_of)
def test_a_certificate_reads_as_go_reads_it(judged: Judged) -> None:
    case, go = judged
    found = outcome(lambda: read_certificate_der(b64decode(case["der"]), "here"))
    if isinstance(found, X509Error):
        if case["case"].startswith("read uris") and "cannot parse URI" in str(found):
            return  # Go takes stranger ones, too
        refusal = go.get("error") or DIFFERENCES[case["case"]]
        if not OUR_WORDS.search(refusal):
            assert str(found) == f"here: not a certificate: {refusal}; expected DER"
        return
    assert "error" not in go
    if case.get("facts"):
        assert facts(found) == {
            name: sorted(fact) if name == "usages" else fact
            for name, fact in go.items()
            if name != "case"
        }


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_known_differences_are_still_there(name: str) -> None:
    assert [go for case, go in CERTIFICATES if case["case"] == name and "error" not in go]
    with pytest.raises(X509Error, match=DIFFERENCES[name]):
        certificate(name)


@of_each(BUNDLES, name_of)
def test_the_blocks_of_a_pem_file_are_those_that_go_finds(judged: Judged) -> None:
    case, go = judged
    assert [
        (block.label, hashlib.sha256(block.body).hexdigest(), block.has_headers)
        for block in codec.blocks(b64decode(case["pem"]))
    ] == [(block["label"], block["sha256"], "headers" in block) for block in go["blocks"]]


@of_each(BUNDLES, name_of)
def test_a_pem_file_is_what_go_finds_in_it_or_an_error(judged: Judged) -> None:
    case, go = judged
    data = b64decode(case["pem"])
    bundle = outcome(lambda: read_pem(data, "here"))
    if isinstance(bundle, X509Error):
        assert _has_something_wrong(data, go)
        return
    assert [hashlib.sha256(each.der).hexdigest() for each in bundle.certificates] == [
        block["sha256"] for block in go["blocks"] if block["label"] == "CERTIFICATE"
    ]


def _has_something_wrong(data: bytes, go: Line) -> bool:
    """Nothing to read, a block that Go passes over, headers, no certificate, no key: each is a reason to refuse."""
    blocks = go["blocks"]
    return (
        len(blocks) != data.count(b"-----BEGIN ")
        or not blocks
        or any("error" in block or "headers" in block for block in blocks)
        or any(block["label"].endswith("PRIVATE KEY") for block in blocks)
    )
