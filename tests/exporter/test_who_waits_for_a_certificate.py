"""Which kubelets wait, and since when: one that asks again every quarter of an hour has waited from its first request on."""

from datetime import UTC, datetime, timedelta

from kubevouch.inventory.pending_csrs import PendingCsrs, pending_age
from kubevouch.kube.resources import CertificateSigningRequest, CsrCondition
from kubevouch.kube.resources.certificates import CsrSpec, CsrStatus
from kubevouch.kube.resources.meta import ManagedMetadata
from kubevouch.policy.csr import KUBELET_CLIENT, KUBELET_SERVING
from kubevouch.x509 import read_certificates
from tests.support.authority import Authority
from tests.support.csr_template import CsrTemplate, new_csr

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
AUTHORITY = Authority()


def csr(
    name: str,
    node: str = "w1",
    *,
    minutes: float = 0.0,
    signer: str = KUBELET_SERVING,
    user: str = "",
    request: bytes = b"",
    certificate: bytes = b"",
    condition: str = "",
) -> CertificateSigningRequest:
    """minutes: how long ago it was made."""
    made = AT - timedelta(minutes=minutes)
    return CertificateSigningRequest(
        metadata=ManagedMetadata(name=name, uid=name, creation_timestamp=made),
        spec=CsrSpec(signer_name=signer, username=user or f"system:node:{node}", request=request),
        status=CsrStatus(
            conditions=(CsrCondition(type=condition, status="True"),) if condition else (),
            certificate=certificate,
        ),
    )


def issued(node: str = "w1", *, days: int = 0) -> bytes:
    return AUTHORITY.serving(
        node, "10.0.0.1", node=node, not_before=AT - timedelta(days=days)
    ).chain


def seen(*csrs: CertificateSigningRequest) -> PendingCsrs:
    found = PendingCsrs()
    for each in csrs:
        found.put(each)
    return found


def waits(found: PendingCsrs, signer: str = KUBELET_SERVING) -> tuple[int, float]:
    """How many, and the minutes of the first of them."""
    pending = found.pending()[signer]
    return pending.askers, pending_age(pending, AT) / 60


def test_nobody_waits_where_nobody_has_asked() -> None:
    assert waits(PendingCsrs()) == (0, 0.0)


def test_one_that_asks_again_and_again_is_one_that_waits_since_its_first_request() -> None:
    found = seen(csr("c", minutes=1), csr("b", minutes=16), csr("a", minutes=31))
    assert waits(found) == (1, 31.0)


def test_what_was_asked_before_the_one_that_was_answered_waits_for_nobody() -> None:
    """Such requests stay pending for a day."""
    found = seen(csr("a", minutes=31), csr("b", minutes=16, certificate=issued()))
    assert waits(found) == (0, 0.0)
    found.put(csr("c", minutes=2))
    assert waits(found) == (1, 2.0)


def test_one_that_is_denied_or_failed_does_not_wait_and_one_that_is_only_approved_does() -> None:
    assert waits(seen(csr("a", condition="Denied"), csr("b", "w2", condition="Failed"))) == (0, 0.0)
    assert waits(seen(csr("a", minutes=20, condition="Approved"))) == (1, 20.0)


def test_it_waits_no_more_once_it_is_gone() -> None:
    found = seen(csr("a", minutes=20))
    found.remove("a")
    assert waits(found) == (0, 0.0)


def test_nodes_that_join_with_one_bootstrap_token_are_told_apart() -> None:
    def joins(name: str, minutes: float, certificate: bytes = b"") -> CertificateSigningRequest:
        request = new_csr(CsrTemplate(common_name=f"system:node:{name}"))
        return csr(
            f"csr-{name}",
            minutes=minutes,
            signer=KUBELET_CLIENT,
            user="system:bootstrap:abcdef",
            request=request,
            certificate=certificate,
        )

    found = seen(joins("w1", 30), joins("w2", 20, issued("w2")), joins("w3", 10))
    assert waits(found, KUBELET_CLIENT) == (2, 30.0)
    assert waits(found) == (0, 0.0)


def test_another_signers_requests_are_not_counted() -> None:
    assert waits(seen(csr("a", signer="example.com/other"))) == (0, 0.0)


def test_the_newest_that_was_issued_is_known_in_whatever_order_it_is_told() -> None:
    old, new = issued(days=300), issued(days=1)
    found = PendingCsrs()
    assert found.put(csr("b", certificate=new)) == "w1"
    assert found.put(csr("a", certificate=old)) == ""
    (leaf, *_) = read_certificates(new, "test")
    assert found.issued["w1"].fingerprint == leaf.fingerprint
    found.remove("b")
    assert "w1" in found.issued
    found.forget_node("w1")
    assert found.issued == {}


def test_a_kubelet_that_asks_for_a_certificate_is_dialled_as_its_own_may_have_ended() -> None:
    found = PendingCsrs()
    assert found.put(csr("a")) == "w1"
    assert found.put(csr("a")) == ""
    assert found.put(csr("a", condition="Approved")) == ""
    assert found.put(csr("a", certificate=issued())) == "w1"
    assert found.put(csr("b", condition="Denied")) == ""
    assert found.put(csr("c", user="kubernetes-admin")) == ""
    assert found.put(csr("d", signer=KUBELET_CLIENT)) == ""
