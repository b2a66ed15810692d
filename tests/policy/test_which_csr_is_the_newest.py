"""In a list the newest CSR of a credential counts; who has shown which key is remembered."""

import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kubevouch.approve.decide.approved_lately import MOST_KEYS, MOST_NODES, ShownKeys
from kubevouch.evidence.measured import Measured, Vantage
from kubevouch.evidence.snapshot import PolicyEvidence
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.kube.resources.certificates import MOST_REQUEST
from kubevouch.outcome import Outcome
from kubevouch.policy.csr import CREDENTIAL_ID, Csr, csr_of
from kubevouch.policy.decide import Decision
from kubevouch.policy.facts import RuleResult
from kubevouch.policy.node_index import IndexedEvidence
from kubevouch.policy.reasons import HoldReason
from kubevouch.x509.csr import MOST_NAMES, read_csr
from tests.policy.kubeadm_cluster import NAMES
from tests.support.requests import request

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def csr(
    name: str,
    node: str = "w1",
    *,
    after: int = 0,
    cn: str | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Csr:
    pem = request(node, [node], ["10.0.0.1"], common_name=cn, key=key)
    return Csr(
        name=name,
        pem=pem,
        parsed=read_csr(pem, name),
        username=f"system:node:{node}",
        created=NOW + timedelta(seconds=after),
    )


def changed(found: Csr, **more: object) -> Csr:
    return msgspec.structs.replace(found, **more)


def test_who_has_shown_a_key_is_remembered_when_the_csr_is_gone() -> None:
    keys_ = ShownKeys()
    key = ec.generate_private_key(ec.SECP256R1())
    keys_.put(csr("a", "w1", key=key))
    again = csr("b", "w2", key=key)
    assert keys_.shown_by(again) == frozenset({"w1"})
    keys_.put(again)
    assert keys_.shown_by(again) == frozenset({"w1", "w2"})
    assert keys_.shown_by(csr("c")) == frozenset()


def test_whoever_asks_in_another_nodes_name_has_not_shown_that_key() -> None:
    keys_ = ShownKeys()
    key = ec.generate_private_key(ec.SECP256R1())
    keys_.put(csr("a", "w2", cn="system:node:w1", key=key))
    keys_.put(changed(csr("b", "w1", key=key), username="admin"))
    keys_.put(changed(csr("c", "w1", key=key), parsed=None))
    assert keys_.shown_by(csr("d", "w1", key=key)) == frozenset()
    assert keys_.shown_by(changed(csr("d"), parsed=None)) is None


def test_a_node_that_shows_many_keys_crowds_out_its_own_only() -> None:
    keys_ = ShownKeys()
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(MOST_KEYS + 2)]
    keys_.put(csr("other", "w2", key=keys[0]))
    for number, key in enumerate(keys):
        keys_.put(csr(f"c{number}", "w1", key=key))
    keys_.put(csr("again", "w1", key=keys[-1]))
    assert keys_.shown_by(csr("x", key=keys[0])) == frozenset({"w2"})
    assert keys_.shown_by(csr("x", key=keys[1])) == frozenset()
    assert keys_.shown_by(csr("x", key=keys[2])) == frozenset({"w1"})


def test_the_keys_of_so_many_names_are_remembered_the_newest() -> None:
    """With a bootstrap token anybody gets client certificates, and asks, in any number of names."""
    keys_, found = ShownKeys(), csr("a")
    assert found.parsed is not None
    for number in range(MOST_NODES + 5):
        user = f"system:node:made-up-{number}"
        subject = SimpleNamespace(common_name=user)
        parsed = SimpleNamespace(subject=subject, key=found.parsed.key, quirk="")
        keys_.put(changed(found, username=user, parsed=parsed))
    shown = keys_.shown_by(found) or frozenset()
    assert len(shown) == MOST_NODES
    assert "made-up-4" not in shown
    assert f"made-up-{MOST_NODES + 4}" in shown


def test_whoever_copied_a_key_and_could_not_sign_with_it_has_not_shown_it() -> None:
    """Every node may read the CSRs of the others. What it asks for in its own name must not hold theirs."""
    keys_ = ShownKeys()
    honest = csr("a", "w1")
    keys_.put(honest)
    assert honest.parsed is not None
    unsigned = csr("b", "w2").parsed
    assert unsigned is not None
    copied = unsigned.der.replace(unsigned.key.point, honest.parsed.key.point)
    pem = b64encode(copied).decode()
    text = "\n".join(pem[at : at + 64] for at in range(0, len(pem), 64))
    label = "CERTIFICATE REQUEST"
    data = f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n".encode()
    parsed = read_csr(data, "b")
    assert parsed.quirk == parsed.signature_fault != ""
    keys_.put(changed(csr("b", "w2"), pem=data, parsed=parsed))
    assert keys_.shown_by(honest) == frozenset({"w1"})


def made(name: str, user: str, *ids: str, asks: Sequence[str] = ()) -> CertificateSigningRequest:
    spec = {"username": user, "extra": {CREDENTIAL_ID: list(ids)}, "signerName": "s"}
    request_ = b64encode(request("w1", asks)).decode()
    found = {"metadata": {"name": name}, "spec": {**spec, "request": request_}, "status": {}}
    return msgspec.convert(found, CertificateSigningRequest)


def test_in_a_list_the_newest_is_of_the_same_user_and_the_same_credential() -> None:
    mine, theirs = "X509SHA256=aa", "X509SHA256=bb"
    csrs = [
        made("a", "system:node:w1", mine),
        made("b", "system:node:w1", theirs),
        made("c", "system:node:w2", mine),
    ]
    for listed, newest in (
        (csrs, "a"),
        (csrs[1:], None),
        ([*csrs, made("d", "system:node:w1", mine)], "d"),
    ):
        evidence = IndexedEvidence(
            PolicyEvidence(
                Measured(Vantage.API_SERVER, NOW, ()),
                Measured(Vantage.API_SERVER, NOW, tuple(listed)),
                NAMES,
            )
        )
        assert evidence.newest(csr_of(csrs[0])) == newest


@pytest.mark.parametrize(
    ("asks", "unreadable"),
    [
        (["w"] * MOST_NAMES, ""),
        (["w"] * (MOST_NAMES + 1), f"{MOST_NAMES + 1} names, over the limit"),
        ([f"{'w' * 200}.{number}" for number in range(60)], r"17\d\d\d bytes, over the limit"),
    ],
)
def test_a_request_that_is_larger_than_anybody_reads_is_neither_read_nor_kept(
    asks: list[str], unreadable: str
) -> None:
    found = made("a", "system:node:w1", asks=asks)
    read = csr_of(found)
    assert re.fullmatch(unreadable, read.unreadable)
    assert (read.parsed is None) == (not read.pem) == bool(read.dropped) == bool(unreadable)
    assert len(read.pem) + read.dropped == read.size > 400
    assert len(found.spec.request) <= MOST_REQUEST


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (("a", "b"), "names, addresses (PinOutdated): a, b: old"),
        (("a", "a"), "names, addresses (PinOutdated): a: old"),
        (("", ""), "names, addresses (PinOutdated): old"),
    ],
)
def test_what_several_rules_say_in_the_same_words_is_said_once(
    seen: tuple[str, str], why: str
) -> None:
    results = tuple(
        RuleResult(rule, Outcome.REFUSE, HoldReason.PIN_OUTDATED, "old", each)
        for rule, each in zip(("names", "addresses"), seen, strict=True)
    )
    assert Decision("csr", Outcome.REFUSE, results).why == why
