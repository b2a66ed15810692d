"""Which CSRs of a node count: by the client certificate on its disk, not by who asked last."""

import pytest

from kubevouch.kube.resources import CertificateSigningRequest, CsrCondition
from kubevouch.kube.resources.certificates import CsrSpec, CsrStatus
from kubevouch.kube.resources.meta import ManagedMetadata
from kubevouch.policy.csr import CREDENTIAL_ID
from kubevouch.rollout.decide.own_csrs import csr_waits, csrs_by_node, not_asked_yet, own_csrs

OWN = frozenset({"aa" * 32, "bb" * 32})
"""Before a rotation and after it."""
ASKED = "the kubelet has made no CSR yet"

# name: (who made each CSR, oldest first, with ! behind it if it is decided; which are its own; whether it waits; what is said without one)
CASES = {
    "nobody has asked": ([], [], False, ASKED),
    "the kubelet": (["aa"], [0], True, ""),
    "the kubelet, and again": (["aa!", "aa"], [0, 1], True, ""),
    "its newest is decided": (["aa", "aa!"], [0, 1], False, ""),
    "it has rotated meanwhile": (["aa!", "bb"], [0, 1], True, ""),
    "a thief after it": (["aa", "cc", "cc"], [0], True, ""),
    "a thief after it, who waits": (["aa!", "cc"], [0], False, ""),
    "a thief alone": (["cc"], [], False, f"{ASKED}: csr-0 was made with a credential that is not on the node's disk"),
    "a thief alone, and often": (["cc", "cc", "dd"], [], False, f"{ASKED}: csr-2 and 2 more were made with a credential that is not on the node's disk"),
    "who impersonates it names none": (["aa", "-"], [0], True, ""),
    "before 1.32 nobody names one": (["-", "-"], [0, 1], True, ""),
    "before 1.32, decided": (["-", "-!"], [0, 1], False, ""),
}  # fmt: skip


def csr(name: str, made_with: str, node: str = "a") -> CertificateSigningRequest:
    ids = made_with.rstrip("!")
    extra: dict[str, tuple[str, ...]] = (
        {} if ids == "-" else {CREDENTIAL_ID: (f"X509SHA256={ids * 32}",)}
    )
    decided = (CsrCondition(type="Approved", status="True"),) if made_with.endswith("!") else ()
    return CertificateSigningRequest(
        metadata=ManagedMetadata(name=name),
        spec=CsrSpec(username=f"system:node:{node}", extra=extra),
        status=CsrStatus(conditions=decided),
    )


@pytest.mark.parametrize("case", CASES)
def test_the_kubelets_own_are_those_of_the_certificate_on_its_disk(case: str) -> None:
    made, own, waits, said = CASES[case]
    csrs = [csr(f"csr-{i}", each) for i, each in enumerate(made)]
    found = own_csrs(csrs, OWN)
    assert [csrs.index(each) for each in found] == own
    assert csr_waits(csrs, OWN) is waits
    assert found or not_asked_yet(csrs) == said


def test_what_is_asked_in_the_name_of_a_node_is_that_nodes() -> None:
    csrs = [csr("1", "aa"), csr("2", "aa", node="b"), csr("3", "aa")]
    found = csrs_by_node([*csrs, CertificateSigningRequest(spec=CsrSpec(username="somebody"))])
    assert found == {"a": [csrs[0], csrs[2]], "b": [csrs[1]]}
