"""The index of CSRs knows the newest of each user, and who has shown which key."""

import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kubevouch.evidence.measured import Measured, Vantage
from kubevouch.evidence.policy_evidence import PolicyEvidence
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.kube.resources.certificates import MOST_REQUEST
from kubevouch.outcome import Outcome
from kubevouch.policy.csr import CREDENTIAL_ID, MOST_NAMES, Csr, csr_of
from kubevouch.policy.csr_index import MOST_KEYS, CsrIndex
from kubevouch.policy.decide import Decision
from kubevouch.policy.indexed import IndexedEvidence
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.rule import refuses
from kubevouch.x509 import QuirkCode, read_csr
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


def test_the_newest_csr_of_a_user_is_known_whatever_comes_and_goes() -> None:
    index = CsrIndex()
    assert index.newest(csr("x", "w1")) is None
    for each in (csr("a", after=5), csr("b", after=9), csr("c", after=7), csr("d", "w2", after=99)):
        index.put(each)
    index.put(csr("b", after=0))
    assert index.newest(csr("x", "w1")) == "b"
    index.remove("a")
    assert index.newest(csr("x", "w1")) == "b"
    index.remove("b")
    assert index.newest(csr("x", "w1")) == "c"
    index.remove("c")
    index.remove("c")
    assert index.newest(csr("x", "w1")) is None
    assert index.newest(csr("x", "w2")) == "d"
    assert index.newest(changed(csr("x"), username=None)) is None


def test_of_two_in_one_second_the_later_one_is_the_newest() -> None:
    index = CsrIndex()
    index.put(csr("z"))
    index.put(csr("a"))
    assert index.newest(csr("x", "w1")) == "a"


def test_of_two_in_one_second_a_list_that_goes_by_name_hides_none_that_was_stored_later() -> None:
    listed = [
        msgspec.convert(
            {
                "metadata": {
                    "name": name,
                    "creationTimestamp": "2026-11-25T12:00:00Z",
                    "resourceVersion": version,
                },
                "spec": {
                    "username": "system:node:w1",
                    "request": b64encode(request("w1")).decode(),
                },
                "status": {},
            },
            CertificateSigningRequest,
        )
        for name, version in (("csr-a", "1002"), ("csr-z", "999"))
    ]
    index = CsrIndex()
    for each in listed:
        index.put(csr_of(each))
    assert index.newest(csr_of(listed[0])) == "csr-a"


def test_a_flood_with_a_borrowed_credential_makes_no_csr_of_the_kubelet_an_old_one() -> None:
    index = CsrIndex()
    own = changed(csr("a", after=1), credential_ids=("X509SHA256=aa",))
    index.put(own)
    for number in range(20):
        flood = csr(f"f{number}", after=2 + number)
        index.put(changed(flood, credential_ids=("X509SHA256=ff",)))
    assert index.newest(own) == "a"
    assert index.newest(changed(own, credential_ids=("X509SHA256=ff",))) == "f19"
    index.remove("a")
    assert index.newest(own) is None


def test_a_bare_csr_is_nobodys() -> None:
    index = CsrIndex()
    index.put(changed(csr("a"), username=None))
    index.put(changed(csr("b"), created=None))
    assert index.newest(csr("x", "w1")) is None


def changed(found: Csr, **more: object) -> Csr:
    return msgspec.structs.replace(found, **more)


def test_who_has_shown_a_key_is_remembered_when_the_csr_is_gone() -> None:
    index = CsrIndex()
    key = ec.generate_private_key(ec.SECP256R1())
    index.put(csr("a", "w1", key=key))
    index.remove("a")
    again = csr("b", "w2", key=key)
    assert index.shown_by(again) == frozenset({"w1"})
    index.put(again)
    assert index.shown_by(again) == frozenset({"w1", "w2"})
    assert index.shown_by(csr("c")) == frozenset()


def test_whoever_asks_in_another_nodes_name_has_not_shown_that_key() -> None:
    index = CsrIndex()
    key = ec.generate_private_key(ec.SECP256R1())
    index.put(csr("a", "w2", cn="system:node:w1", key=key))
    index.put(changed(csr("b", "w1", key=key), username="admin"))
    index.put(changed(csr("c", "w1", key=key), parsed=None))
    assert index.shown_by(csr("d", "w1", key=key)) == frozenset()
    assert index.shown_by(changed(csr("d"), parsed=None)) is None


def test_a_node_that_shows_many_keys_crowds_out_its_own_only() -> None:
    index = CsrIndex()
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(MOST_KEYS + 2)]
    index.put(csr("other", "w2", key=keys[0]))
    for number, key in enumerate(keys):
        index.put(csr(f"c{number}", "w1", key=key))
    index.put(csr("again", "w1", key=keys[-1]))
    assert index.shown_by(csr("x", key=keys[0])) == frozenset({"w2"})
    assert index.shown_by(csr("x", key=keys[1])) == frozenset()
    assert index.shown_by(csr("x", key=keys[2])) == frozenset({"w1"})


def test_whoever_copied_a_key_and_could_not_sign_with_it_has_not_shown_it() -> None:
    """Every node may read the CSRs of the others. What it asks for in its own name must not hold theirs."""
    index = CsrIndex()
    honest = csr("a", "w1")
    index.put(honest)
    assert honest.parsed is not None
    unsigned = csr("b", "w2").parsed
    assert unsigned is not None
    copied = unsigned.der.replace(unsigned.key.point, honest.parsed.key.point)
    pem = b64encode(copied).decode()
    text = "\n".join(pem[at : at + 64] for at in range(0, len(pem), 64))
    label = "CERTIFICATE REQUEST"
    data = f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n".encode()
    parsed = read_csr(data, "b")
    assert [each.code for each in parsed.quirks] == [QuirkCode.SIGNATURE]
    index.put(changed(csr("b", "w2"), pem=data, parsed=parsed))
    assert index.shown_by(honest) == frozenset({"w1"})


def test_the_newest_is_the_newest_by_its_time_and_not_by_its_name() -> None:
    index = CsrIndex()
    for each in (csr("z", after=1), csr("a", after=2), csr("m", after=3)):
        index.put(each)
    index.remove("m")
    assert index.newest(csr("x", "w1")) == "a"


def test_whether_csrs_name_their_client_certificate_is_seen_in_any_of_them() -> None:
    index, untold = CsrIndex(), csr("csr-1")
    assert index.told is False
    index.put(untold)
    index.put(msgspec.structs.replace(untold, name="csr-2", credential_ids=("JTI=x",)))
    assert not index.told
    index.put(msgspec.structs.replace(untold, name="csr-3", credential_ids=("X509SHA256=aa",)))
    index.remove("csr-3")
    index.put(untold)
    assert index.told


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
        (["w"] * 3000, "3000 names, over the limit"),
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
        refuses(rule, HoldReason.PIN_OUTDATED, "old", seen=each, allowed="")
        for rule, each in zip(("names", "addresses"), seen, strict=True)
    )
    assert Decision("csr", Outcome.REFUSE, results).why == why
