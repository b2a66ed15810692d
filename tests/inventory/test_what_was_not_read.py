"""What was not read is said in few lines, and never left out."""

from kubevouch.evidence.certificates import CertificateUse, FoundCertificates, NotRead
from kubevouch.evidence.measured import Doubt, DoubtKind
from kubevouch.inventory.fleet import all_unread, unread_of
from tests.inventory.found import AT, DAY, at_node, rows

USES = CertificateUse


def _not_read(node: str, why: str, kind: DoubtKind = DoubtKind.FAILED) -> NotRead:
    return NotRead(f"the kubelet of {node}", Doubt(kind, why), node)


def _seen(*not_read: NotRead, asked_disks: bool = False) -> FoundCertificates:
    return FoundCertificates(AT, (), not_read, asked_disks=asked_disks)


def _texts(*not_read: NotRead) -> list[str]:
    return [each.text for each in unread_of(_seen(*not_read), rows())][:-1]


def test_the_same_at_many_nodes_is_one_line() -> None:
    assert _texts(*(_not_read(f"w{number}", "no address") for number in range(6))) == [
        "the kubelet of w0, w1, w2, w3 and 2 more: no address"
    ]


def test_another_reason_is_another_line_and_failures_come_first() -> None:
    asked = _not_read("a", "nobody asked", DoubtKind.NOT_ASKED)
    found = unread_of(_seen(asked, _not_read("b", "timeout")), rows())
    assert [(each.text, each.is_failure) for each in found[:2]] == [
        ("the kubelet of b: timeout", True),
        ("the kubelet of a: nobody asked", False),
    ]


def test_what_is_of_no_node_is_told_once_for_each_reason() -> None:
    webhooks = NotRead("webhooks", Doubt(DoubtKind.NOT_ALLOWED, "forbidden"))
    assert _texts(webhooks) == ["webhooks: forbidden"]


def test_what_kubeadm_shows_and_nobody_has_seen_is_the_last_line() -> None:
    api_server = rows(at_node("cp", DAY, use=USES.API_SERVER))
    (line,) = unread_of(_seen(), api_server)
    assert "admin.conf, apiserver-etcd-client," in line.text
    assert not line.is_failure


def test_what_no_disk_has_shown_is_not_looked_for_on_the_disks_once_more() -> None:
    api_server = rows(at_node("cp", DAY, use=USES.API_SERVER))
    (line,) = unread_of(_seen(asked_disks=True), api_server)
    assert "--via ssh" not in line.text
    assert "`kubevouch certs --root /` on a control plane" in line.text


def test_what_a_worker_never_has_is_nothing_that_was_not_read() -> None:
    text = "a worker has none"
    none = NotRead(
        "kubeadm's certificates of w", Doubt(DoubtKind.NOT_ASKED, text), "w", is_not_missed=True
    )
    file = _not_read("cp", "timeout")
    assert _texts(none, file) == ["the kubelet of cp: timeout"]


def test_programs_are_given_all_that_a_person_is() -> None:
    file = _not_read("cp", "timeout")
    listed = all_unread(_seen(file), rows())
    assert listed[0] is file
    assert listed[1].what.startswith("kubeadm's files (admin.conf, ")
    assert [f"{each.what}: {each.doubt.text}" for each in listed] == [
        each.text for each in unread_of(_seen(file), rows())
    ]
