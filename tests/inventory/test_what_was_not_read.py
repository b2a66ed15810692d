"""What was not read is said in few lines, and never left out."""

import pytest

from kubevouch.evidence.certificates import CertificateUse, FoundCertificates, NotRead
from kubevouch.evidence.measured import Doubt, DoubtKind
from kubevouch.inventory.fleet import all_unread, unread_of
from tests.inventory.found import AT, DAY, at_node

USES = CertificateUse


def _not_read(node: str, why: str, kind: DoubtKind = DoubtKind.FAILED) -> NotRead:
    return NotRead(f"the kubelet of {node}", Doubt(kind, why), node)


def _seen(*not_read: NotRead) -> FoundCertificates:
    return FoundCertificates(AT, (), not_read)


NONE = Doubt(DoubtKind.NOT_ASKED, "a worker has none")
UNREAD: list[tuple[list[NotRead], list[tuple[str, bool]]]] = [
    (
        [_not_read(f"w{number}", "no address") for number in range(6)],
        [("the kubelet of w0, w1, w2, w3 and 2 more: no address", True)],
    ),
    (
        [_not_read("a", "nobody asked", DoubtKind.NOT_ASKED), _not_read("b", "timeout")],
        [("the kubelet of b: timeout", True), ("the kubelet of a: nobody asked", False)],
    ),
    (
        [NotRead("webhooks", Doubt(DoubtKind.NOT_ALLOWED, "forbidden"))],
        [("webhooks: forbidden", True)],
    ),
    # What a worker never has is nothing that was not read.
    ([NotRead("kubeadm's certificates of w", NONE, "w", is_not_missed=True)], []),
]


@pytest.mark.parametrize(("not_read", "lines"), UNREAD)
def test_each_reason_is_a_line_and_failures_come_first(
    not_read: list[NotRead], lines: list[tuple[str, bool]]
) -> None:
    found = unread_of(_seen(*not_read))[:-1]
    assert [(each.text, each.is_failure) for each in found] == lines


@pytest.mark.parametrize("asked_disks", [False, True])
def test_what_kubeadm_shows_and_nobody_has_seen_is_the_last_line(asked_disks: bool) -> None:
    """What no disk has shown is not looked for on the disks once more."""
    api_server = at_node("cp", DAY, use=USES.API_SERVER)
    (line,) = unread_of(FoundCertificates(AT, (api_server,), asked_disks=asked_disks))
    assert "admin.conf, apiserver-etcd-client," in line.text
    assert ("--via ssh" in line.text) is not asked_disks
    assert "`kubevouch certs --root /` on a control plane" in line.text
    assert not line.is_failure


def test_programs_are_given_all_that_a_person_is() -> None:
    file = _not_read("cp", "timeout")
    listed = all_unread(_seen(file))
    assert listed[0] is file
    assert listed[1].what.startswith("kubeadm's files (admin.conf, ")
    assert [f"{each.what}: {each.doubt.text}" for each in listed] == [
        each.text for each in unread_of(_seen(file))
    ]
