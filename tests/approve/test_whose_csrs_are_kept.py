"""The newest undecided CSR of each requestor is kept, and nothing else: memory goes by who may ask, not by how often."""

import json
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from kubevouch.approve.decide.view import ClusterView
from kubevouch.approve.decide.waiting import (
    MOST_CREDENTIALS,
    MOST_STRANGERS,
    Requestor,
    WaitingCsr,
    WaitingCsrs,
)
from kubevouch.kube.resources import (
    CertificateSigningRequest,
    ConfigMap,
    CsrCondition,
    Metadata,
)
from kubevouch.kube.resources.certificates import CsrSpec, CsrStatus
from kubevouch.kube.resources.meta import ManagedMetadata
from kubevouch.policy.credentials import MOST
from kubevouch.policy.csr import CREDENTIAL_ID
from kubevouch.policy.sources.stored import shard_of
from tests.approve.test_the_view_of_the_cluster import node
from tests.support.requests import request

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def made(
    name: str,
    *,
    node: str = "n1",
    by: str = "",
    after: int = 0,
    version: int = 0,
    decided: bool = False,
    pem: bytes = b"",
) -> CertificateSigningRequest:
    conditions = (CsrCondition(type="Approved", status="True"),) if decided else ()
    return CertificateSigningRequest(
        metadata=ManagedMetadata(
            name=name,
            uid=f"uid-{name}",
            creation_timestamp=NOW + timedelta(seconds=after),
            resource_version=str(version) if version else "",
        ),
        spec=CsrSpec(
            request=pem,
            username=f"system:node:{node}",
            extra={CREDENTIAL_ID: (by,)} if by else {},
        ),
        status=CsrStatus(conditions=conditions),
    )


@pytest.mark.parametrize(
    ("told", "waits", "newest"),
    {
        "by its time, whatever its name": (
            [made("z", after=1), made("a", after=3), made("m", after=2)],
            ["a"],
            "a",
        ),
        "the later told of one second": ([made("z"), made("a")], ["a"], "a"),
        "the later stored of one second": (
            [made("a", version=1002), made("z", version=999)],
            ["a"],
            "a",
        ),
        "decided, and newer": ([made("b", after=1, decided=True), made("a")], [], "b"),
        "decided later, of one second": (
            [made("a", version=7), made("b", version=9, decided=True)],
            ["a"],
            "a",
        ),
        "of each credential": (
            [made("a", by="own"), *(made(f"f{n}", by="borrowed", after=n) for n in range(20))],
            ["a", "f19"],
            None,
        ),
        "of each node": ([made("a"), made("b", node="n2", after=9)], ["a", "b"], "a"),
    }.values(),
    ids=str,
)
def test_the_newest_of_each_requestor_waits(
    told: Sequence[CertificateSigningRequest], waits: list[str], newest: str | None
) -> None:
    view = ClusterView()
    for found in (*told, *told):
        (view.put_decided_csr if found.status.conditions else view.put_serving_csr)(found)
    assert sorted(each.name for each in view.waiting) == waits
    assert view.waiting.newest(("system:node:n1", ())) == newest


def test_one_that_was_passed_over_does_not_count_again_and_one_that_was_made_anew_does() -> None:
    view = ClusterView()
    for found in (made("a"), made("b", after=1)):
        view.put_serving_csr(found)
    view.waiting.remove("b")
    view.put_serving_csr(made("a"))
    assert [each.name for each in view.waiting] == []
    assert isinstance(view.put_serving_csr(made("c", after=2)), WaitingCsr)


def test_whether_csrs_name_their_client_certificate_is_seen_in_any_of_them() -> None:
    waits = WaitingCsrs(lambda _: True, lambda _: False)
    for by in ("", "JTI=x"):
        waits.put(made("a", by=by))
        assert not waits.told
    waits.put(made("b", by="X509SHA256=aa"))
    assert waits.told


@pytest.mark.parametrize("first", [True, False])
def test_an_allowed_credential_never_loses_its_place(first: bool) -> None:
    own: Requestor = ("system:node:n1", ("X509SHA256=own",))
    waits = WaitingCsrs(lambda _: True, {own}.__contains__)
    names = [f"thief-{number}" for number in range(3 * MOST_CREDENTIALS)]
    told = [made(name, by=name, after=1 + n) for n, name in enumerate(names)]
    told.insert(0 if first else len(told), made("own", by=own[1][0]))
    for found in told:
        waits.put(found)
    kept = [each.name for each in waits]
    assert sorted(kept) == sorted(["own", *names[-MOST_CREDENTIALS + 1 :]])
    assert waits.newest(own) == "own"


def test_as_many_borrowed_certificates_as_are_remembered_leave_room_for_the_kubelets_own() -> None:
    """While the first list of CSRs is read nothing is known against them. Where more were borrowed, the node is held anyway."""
    waits = WaitingCsrs(lambda _: True, lambda _: True)
    for number in range(MOST + 1):
        waits.put(made(f"c{number}", by=f"X509SHA256={number}", after=number))
    assert waits.get("c0")


def test_which_credential_is_allowed_the_record_of_client_certificates_says() -> None:
    """In a full room the pinned one stays, though it asked first."""
    view, own = ClusterView(), "a" * 64
    pin = json.dumps({"v": 1, "clientCertificates": [own]})
    view.sources.put(
        ConfigMap(metadata=Metadata(name=shard_of("kubevouch-pins", "n1")), data={"n1": pin})
    )
    view.put_node(node("n1", "192.0.2.1"))
    view.begin()
    for number, by in enumerate((own, *(f"{each:064x}" for each in range(9)))):
        view.put_serving_csr(made(f"c{number}", by=f"X509SHA256={by}", after=number))
    assert sorted(each.name for each in view.waiting) == ["c0", "c6", "c7", "c8", "c9"]


def test_usernames_without_a_node_crowd_out_their_own_kind_only() -> None:
    waits = WaitingCsrs({"n1"}.__contains__, lambda _: False)
    waits.put(made("own"))
    for number in range(10 * MOST_STRANGERS):
        waits.put(made(f"c{number}", node=f"made-up-{number}"))
    assert waits.get("own")
    assert waits.get(f"c{10 * MOST_STRANGERS - 1}")
    assert len(waits) <= MOST_STRANGERS + 1


def test_a_flood_of_large_csrs_takes_the_memory_of_one() -> None:
    """Two thousand of 7.5 KB took 180 MB, and 17 s to read."""
    names = [f"{a}{b}{c}" for a in "abcdefghij" for b in "0123456789" for c in "abcdefghij"]
    pem = request("n1", names, ["192.0.2.1"])
    view = ClusterView()
    tracemalloc.start()
    try:
        for number in range(2_000):
            view.put_serving_csr(made(f"c{number}", after=number, pem=bytes(bytearray(pem))))
        (waiting,) = view.waiting
        assert view.read(waiting).size == len(pem)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 1_000_000


def test_what_was_read_is_kept_without_its_text() -> None:
    view, pem = ClusterView(), request("n1", ["n1", "N1.example.com"], ["192.0.2.1"])
    waiting = view.put_serving_csr(made("c1", pem=pem))
    assert isinstance(waiting, WaitingCsr)
    assert (waiting.csr, waiting.request) == (None, pem)
    csr = view.read(waiting)
    assert view.read(waiting) is csr
    assert view.put_serving_csr(made("c1", pem=pem, version=2)) is waiting
    assert (csr.pem, csr.size, waiting.request) == (b"", len(pem), b"")
    assert waiting.found.metadata.resource_version == "2"
    assert view.waiting.asking_for(["n1.example.com"]) == {"c1"}
