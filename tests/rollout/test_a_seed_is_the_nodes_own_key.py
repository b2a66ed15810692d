"""The seed of a node: a certificate for a key that the node has already. No key travels."""

import re
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kubevouch.evidence.survey import SurveyedFile
from kubevouch.rollout.decide.change import change_of, seed_of
from kubevouch.rollout.decide.plan import ChangeKind
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import Seed, TransactionStep, render
from kubevouch.x509 import CertificateKind, classify, read_certificates
from tests.support.self_signed import kubelet_self_signed

from .recorded import Recorded, left_out, planned, recorded

BOOTSTRAP = ChangeKind.BOOTSTRAP
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIFE = timedelta(hours=25)


def with_own(content: bytes, *, key: bool = True) -> Recorded:
    """Recorded, with another kubelet.crt, and its key or none."""
    seen = recorded("expired-worker")
    files = [
        msgspec.structs.replace(each, content=content) if each.name == "kubelet.crt" else each
        for each in seen.survey.certificates
        if key or each.name != "kubelet.key"
    ]
    return with_files(seen, *files)


@pytest.mark.parametrize(
    ("starts", "ends", "is_new"),
    [
        (NOW - timedelta(days=1), NOW + LIFE + timedelta(seconds=1), False),
        (NOW - timedelta(days=1), NOW + LIFE - timedelta(seconds=1), True),
        (NOW - timedelta(days=9), NOW - timedelta(days=1), True),
        (NOW + timedelta(hours=1), NOW + timedelta(days=99), True),
    ],
)
def test_the_nodes_own_pair_is_kept_only_if_it_outlives_the_change_by_far(
    starts: datetime, ends: datetime, is_new: bool
) -> None:
    """Then not even a certificate travels."""
    made = seeded(with_own(kubelet_self_signed("k8s-worker-1", starts, ends).chain))
    assert bool(made.chain_pem) is is_new
    assert is_new or made.not_after == int(ends.timestamp())


def seeded(seen: Recorded, life: timedelta = LIFE) -> Seed:
    plan = planned(recorded("expired-worker"), BOOTSTRAP)
    made = seed_of(plan, seen.survey, now=NOW, life=life, serials=(1, 2))
    assert made is not None
    return made


def with_files(seen: Recorded, *files: SurveyedFile) -> Recorded:
    """Recorded, with these files in its pki folder in place of all others."""
    return replace(seen, survey=msgspec.structs.replace(seen.survey, certificates=files))


def surveyed_file(name: str, content: bytes = b"", target: str = "") -> SurveyedFile:
    return SurveyedFile(
        path=f"/pki/{name}".encode(),
        kind="link" if target else "file",
        size=len(content) or 1,
        device=1,
        modified=0,
        target=target.encode(),
        sha256="" if target else f"sha of {name}",
        content=content,
    )


def test_a_pair_that_is_no_kubelets_own_is_certified_anew() -> None:
    assert seeded(with_own(recorded("healthy-worker").served[0])).chain_pem


def test_without_a_key_of_its_own_a_node_is_left_out() -> None:
    good = (NOW - timedelta(days=1), NOW + timedelta(days=99))
    seen = with_own(kubelet_self_signed("k8s-worker-1", *good).chain, key=False)
    why = left_out(seen.look()).reason
    assert "has no key pair (kubelet.crt, kubelet.key)" in why
    plan = planned(recorded("expired-worker"), BOOTSTRAP)
    assert seed_of(plan, seen.survey, now=NOW, life=LIFE, serials=(1, 2)) is None


@pytest.mark.parametrize("target", ["/pki/kubelet-server-2026.pem", "kubelet-server-2026.pem"])
def test_the_key_may_be_that_of_the_pair_which_is_set_aside(target: str) -> None:
    pair = kubelet_self_signed("k8s-worker-1", NOW - timedelta(days=9), NOW - timedelta(days=1))
    seen = with_files(
        recorded("expired-worker"),
        surveyed_file("kubelet-server-2026.pem", pair.chain),
        surveyed_file("kubelet-server-current.pem", pair.chain, target),
    )
    made = seeded(seen)
    assert made.certificate == made.key == "/pki/kubelet-server-2026.pem"
    assert made.certificate_sha256 == "sha of kubelet-server-2026.pem"
    ours, theirs = (read_certificates(each, "x")[0] for each in (made.chain_pem, pair.chain))
    assert ours.spki_sha256 == theirs.spki_sha256


@pytest.mark.parametrize("gates", [1.0, 180.0, 48 * 3600.0])
def test_a_seed_is_the_nodes_own_key_and_outlives_the_switch_by_a_day(
    gates: float,
) -> None:
    timeouts = RolloutTimeouts(gates)
    seen = recorded("expired-worker")
    made = seeded(seen, timeouts.seed_life)
    leaf = read_certificates(made.chain_pem, "seed")[0]
    [own] = [each for each in seen.survey.certificates if each.name == "kubelet.crt"]
    assert leaf.spki_sha256 == read_certificates(own.content, "own")[0].spki_sha256
    assert (made.certificate, made.certificate_sha256) == (own.text_path, own.sha256)
    assert made.key == own.text_path.replace(".crt", ".key")
    assert classify(leaf) is CertificateKind.KUBELET_SELF_SIGNED
    assert leaf.not_before <= NOW
    assert leaf.not_after >= NOW + timedelta(seconds=timeouts.switch) + timedelta(hours=24)
    assert (made.not_before, made.not_after) == (
        int(leaf.not_before.timestamp()),
        int(leaf.not_after.timestamp()),
    )


def test_no_script_carries_a_key() -> None:
    seen = recorded("expired-worker")
    plan = planned(seen, BOOTSTRAP)
    seed = seeded(seen)
    change = change_of(plan, seen.survey, "abcd", content=b"new", switch_seconds=240)
    for step in TransactionStep:
        text = render(step, change, seed).text
        packed = [each for each in re.findall(r"[A-Za-z0-9+/]{40,}=*", text) if len(each) % 4 == 0]
        assert packed
        for each in (text.encode(), *(b64decode(word) for word in packed)):
            assert b"-----BEGIN RSA PRIVATE KEY" not in each
