"""The files of a node become certificates: what each is for, who may renew it, and what is wrong with it."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundCertificates,
)
from kubevouch.evidence.gather.certificates.disks import certificates_on_disk
from kubevouch.evidence.measured import DoubtKind
from kubevouch.evidence.node_certificates import certificates_of_node
from kubevouch.evidence.node_files import FileForm, NodeFile, NodeFiles, reduced, wanted
from kubevouch.inventory.purpose import SHOWN_BY_KUBEADM
from kubevouch.node.tree_file import TreeFile
from kubevouch.x509 import read_certificates
from tests.support.authority import Authority, Pair
from tests.support.clocks import SteppedClock
from tests.support.node_tree import PKI, NodeTree
from tests.support.unhurried import examples

AT = datetime.now(UTC)


@pytest.fixture
def tree(tmp_path: Path) -> NodeTree:
    return NodeTree(tmp_path / "cp-1").control_plane()


def _read(*trees: NodeTree) -> FoundCertificates:
    return certificates_on_disk([tree.root for tree in trees], SteppedClock(AT))


def _of(found: FoundCertificates, use: CertificateUse) -> FoundCertificate:
    (one,) = [each for each in found.found if each.use is use]
    return one


def test_a_control_plane_has_all_that_kubeadm_shows_and_a_kubelet(tree: NodeTree) -> None:
    found = _read(tree)
    assert {each.use for each in found.found} == {
        *SHOWN_BY_KUBEADM,
        CertificateUse.KUBELET_CLIENT,
    }
    assert len(found.found) == len(SHOWN_BY_KUBEADM) + 1
    assert found.not_read == ()
    for each in found.found:
        assert each.certificate is not None
        assert (each.fault, each.missing, each.externally_managed) == ("", False, False), each
        assert each.node == "cp-1"


def test_where_a_certificate_lies_can_be_opened_from_here(tree: NodeTree) -> None:
    found = _of(_read(tree), CertificateUse.API_SERVER)
    assert read_certificates(Path(found.where).read_bytes(), "test") == found.chain


def test_of_two_trees_of_one_node_each_keeps_its_own_rows(tree: NodeTree, tmp_path: Path) -> None:
    other = NodeTree(tmp_path / "backup", ca=tree.ca).control_plane()
    nodes = {each.node for each in _read(tree, other).found}
    assert nodes == {"cp-1", str(other.root)}


def test_a_worker_lacks_nothing_of_kubeadms(tmp_path: Path) -> None:
    tree = NodeTree(tmp_path, "w-1").worker()
    # Operators copy it to where they work.
    tree.conf("admin.conf", tree.ca.client("admin"))
    found = _read(tree)
    assert not any(each.missing or each.fault or each.externally_managed for each in found.found)
    assert {each.use for each in found.found} == {
        CertificateUse.CLUSTER_CA,
        CertificateUse.ADMIN_CONF,
        CertificateUse.KUBELET_CLIENT,
    }
    assert [each.doubt.kind for each in found.not_read] == [DoubtKind.NOT_ASKED]
    assert "worker" in found.not_read[0].doubt.text


@pytest.mark.parametrize(
    ("path", "use"),
    [
        (f"{PKI}/apiserver.crt", CertificateUse.API_SERVER),
        (f"{PKI}/etcd/peer.crt", CertificateUse.ETCD_PEER),
        (f"{PKI}/front-proxy-ca.crt", CertificateUse.FRONT_PROXY_CA),
        ("etc/kubernetes/scheduler.conf", CertificateUse.SCHEDULER_CONF),
    ],
)
def test_what_kubeadm_expects_and_is_not_there_is_missing(
    tree: NodeTree, path: str, use: CertificateUse
) -> None:
    (tree.root / path).unlink()
    found = _of(_read(tree), use)
    assert (found.missing, found.certificate) == (True, None)


def test_with_an_external_etcd_its_certificates_are_not_missed(tree: NodeTree) -> None:
    (tree.root / "etc/kubernetes/manifests/etcd.yaml").unlink()
    for name in ("server", "peer", "healthcheck-client", "ca"):
        (tree.root / PKI / "etcd" / f"{name}.crt").unlink()
    (tree.root / PKI / "apiserver-etcd-client.crt").unlink()
    found = _read(tree)
    assert not any(each.missing for each in found.found)
    assert any("etcd is external" in each.doubt.text for each in found.not_read)


def test_what_an_authority_without_its_key_has_signed_is_managed_elsewhere(tree: NodeTree) -> None:
    (tree.root / PKI / "front-proxy-ca.key").unlink()
    external = {each.use for each in _read(tree).found if each.externally_managed}
    assert external == {CertificateUse.FRONT_PROXY_CLIENT, CertificateUse.FRONT_PROXY_CA}


def test_the_client_certificate_of_a_kubelet_may_stand_in_its_kubeconfig(tree: NodeTree) -> None:
    client = tree.ca.client("system:node:cp-1", "system:nodes")
    tree.conf("kubelet.conf", client)
    found = _of(_read(tree), CertificateUse.KUBELET_CLIENT)
    assert found.chain == read_certificates(client.chain, "test")
    assert found.where.endswith("/etc/kubernetes/kubelet.conf")


BROKEN = b"-----BEGIN CERTIFICATE-----\nMIIB"
NO_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
CRT, KEY = f"{PKI}/apiserver.crt", f"{PKI}/apiserver.key"


def _whole_and_half(tree: NodeTree) -> None:
    tree.write(CRT, (tree.root / CRT).read_bytes() + BROKEN)


def _ended(tree: NodeTree) -> None:
    past = AT - timedelta(days=400), AT - timedelta(days=1)
    tree.pair(f"{PKI}/apiserver", tree.ca.serving("a", not_before=past[0], not_after=past[1]))


def _two_in_one(tree: NodeTree) -> None:
    client = tree.ca.client("system:node:cp-1", "system:nodes")
    tree.rotated("client", Pair(client.chain, tree.ca.client("other").key))


@pytest.mark.parametrize(
    ("change", "use", "readable", "says"),
    [
        (lambda tree: tree.write(CRT, b""), CertificateUse.API_SERVER, False, "no PEM block"),
        (lambda tree: tree.write(CRT, BROKEN), CertificateUse.API_SERVER, False, "truncated"),
        (lambda tree: tree.write(CRT, NO_CERTIFICATE), CertificateUse.API_SERVER, False, "not a certificate"),
        (_whole_and_half, CertificateUse.API_SERVER, False, "line"),
        (lambda tree: tree.write(KEY, tree.ca.serving("other").key), CertificateUse.API_SERVER, True, "apiserver.key belongs to another certificate"),
        (lambda tree: (tree.root / KEY).unlink(), CertificateUse.API_SERVER, True, "the key does not exist"),
        (_two_in_one, CertificateUse.KUBELET_CLIENT, True, "the key belongs to another certificate"),
        (lambda tree: tree.pair(f"{PKI}/apiserver", Authority("kubernetes").serving("a")), CertificateUse.API_SERVER, True, f"{PKI}/ca.crt: x509: "),
        # One that has ended is not called unsigned.
        (_ended, CertificateUse.API_SERVER, True, ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_told_and_nothing_of_the_others(
    tree: NodeTree,
    change: Callable[[NodeTree], object],
    use: CertificateUse,
    readable: bool,
    says: str,
) -> None:
    change(tree)
    found = _of(_read(tree), use)
    assert (bool(found.certificate), found.missing) == (readable, False)
    assert says in found.fault
    assert bool(found.fault) is bool(says)
    assert _of(_read(tree), CertificateUse.ETCD_SERVER).fault == ""


def test_a_backup_without_any_key_lacks_none(tree: NodeTree) -> None:
    tree.rotated("client", Pair(tree.ca.client("system:node:cp-1").chain, b""))
    for name in ("admin", "super-admin", "controller-manager", "scheduler"):
        (tree.root / f"etc/kubernetes/{name}.conf").unlink()
    for key in tree.root.rglob("*.key"):
        key.unlink()
    assert not any(each.fault for each in _read(tree).found)


def test_a_second_authority_in_the_file_has_a_row_of_its_own(tree: NodeTree) -> None:
    tree.write(f"{PKI}/ca.crt", Authority("kubernetes").pem + tree.ca.pem)
    first, second = (each for each in _read(tree).found if each.use is CertificateUse.CLUSTER_CA)
    assert second.where == f"{first.where}, certificate 2"
    assert second.chain == read_certificates(tree.ca.pem, "test")
    # The leaves are signed by the second.
    assert _of(_read(tree), CertificateUse.API_SERVER).fault == ""
    assert first.fault == "ca.key belongs to another certificate"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no current-context, so the file is empty or truncated"),
        ("kind: Config\ncurrent-context: x\n", 'no context "x"'),
        ("users: 7\n", "expected array, got int"),
        (": [\n", ""),
        ("kind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {user: u}}]\nusers: [{name: u, user: {token: s3cr3t}}]\n", "no client certificate"),
    ],
)  # fmt: skip
def test_a_kubeconfig_without_a_certificate_says_what_it_lacks(
    tree: NodeTree, text: str, says: str
) -> None:
    tree.write("etc/kubernetes/admin.conf", text)
    found = _of(_read(tree), CertificateUse.ADMIN_CONF)
    assert found.certificate is None
    assert found.fault
    assert says in found.fault
    assert "s3cr3t" not in repr(found)


def test_what_is_no_file_is_told_and_the_rest_is_read(tree: NodeTree) -> None:
    tree.fifo(f"{PKI}/apiserver.crt")
    with (tree.root / PKI / "etcd/peer.crt").open("wb") as file:
        file.truncate(1 << 30)
    (tree.root / PKI / "etcd/server.crt").unlink()
    (tree.root / PKI / "etcd/server.crt").symlink_to("/../../../../etc/passwd")
    found = _read(tree)
    faults = {each.use: each.fault for each in found.found if each.fault}
    assert set(faults) == {
        CertificateUse.API_SERVER,
        CertificateUse.ETCD_PEER,
        CertificateUse.ETCD_SERVER,
    }
    assert "a FIFO" in faults[CertificateUse.API_SERVER]
    assert "1073741824 bytes" in faults[CertificateUse.ETCD_PEER]
    assert "does not exist" in faults[CertificateUse.ETCD_SERVER]


def test_where_neither_kubeadm_nor_a_kubelet_has_been_nothing_can_be_told(tmp_path: Path) -> None:
    found = certificates_on_disk([tmp_path], SteppedClock(AT))
    assert found.found == ()
    assert [each.doubt.kind for each in found.not_read] == [DoubtKind.FAILED]


def test_a_disk_without_the_kubelets_own_file_system_says_so(tree: NodeTree) -> None:
    """A backup of /etc, or a machine whose /var/lib/kubelet is mounted."""
    shutil.rmtree(tree.root / "var")
    found = _read(tree)
    uses = {each.use for each in found.found}
    assert uses == SHOWN_BY_KUBEADM
    assert {each.doubt.kind for each in found.not_read} == {DoubtKind.NOT_ASKED}
    assert any("may be on another file system" in each.doubt.text for each in found.not_read)


def test_a_node_without_its_client_certificate_is_named_by_its_kubeconfig(tree: NodeTree) -> None:
    shutil.rmtree(tree.root / "var")
    conf = (tree.root / "etc/kubernetes/kubelet.conf").read_text()
    tree.write("etc/kubernetes/kubelet.conf", conf.replace("somebody", "system:node:cp-1"))
    assert {each.node for each in _read(tree).found} == {"cp-1"}


def test_what_we_may_not_read_is_not_called_wrong() -> None:
    def denied(path: str, form: FileForm) -> NodeFile:
        return reduced(TreeFile(path, fault="permission denied", is_denied=True), form)

    files = NodeFiles({path: denied(path, form) for path, form in wanted(NodeFiles({})).items()})
    part = certificates_of_node(files, AT, node="n", root="/mnt")
    assert part.found == ()
    doubts = {each.doubt for each in part.not_read if each.doubt.kind is DoubtKind.NOT_ALLOWED}
    assert {each.text for each in doubts} == {"permission denied; try as root"}
    said = {each.what for each in part.not_read}
    assert "admin.conf, /mnt/etc/kubernetes/admin.conf" in said
    assert "kubelet-client, /mnt/etc/kubernetes/kubelet.conf" in said


def test_where_nobody_could_look_nobody_knows_who_manages_an_authority(tree: NodeTree) -> None:
    """As for somebody who may read a copy of admin.conf, and nothing below pki."""
    found: dict[str, NodeFile | None] = {}
    for path, form in wanted(NodeFiles({})).items():
        denied = TreeFile(path, fault="permission denied", is_denied=True)
        read = TreeFile(path, (tree.root / "etc/kubernetes/admin.conf").read_bytes())
        found[path] = reduced(read if path.endswith("/admin.conf") else denied, form)
    part = certificates_of_node(NodeFiles(found), AT, node="n")
    (admin,) = part.found
    assert admin.certificate is not None
    assert admin.externally_managed is None
    lacks = {each.lacks.use for each in part.not_read if each.lacks is not None}
    assert lacks == {*SHOWN_BY_KUBEADM, CertificateUse.KUBELET_CLIENT} - {CertificateUse.ADMIN_CONF}


def test_no_private_key_is_kept(tree: NodeTree) -> None:
    kept = repr(_read(tree))
    assert "PRIVATE KEY" not in kept


_PIECES = (
    b"kind: Config\ncurrent-context: a\n",
    b"contexts: [{name: a, context: {user: system:node:x}}]\n",
    b"users: [{name: 'system:node:x', user: {client-certificate: ../../x, client-key: /etc}}]\n",
    b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    b"-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n",
    Authority().pem,
)


@given(st.data())
@examples(150)
def test_whatever_lies_there_becomes_rows_and_doubts(data: st.DataObject) -> None:
    contents = st.none() | st.lists(st.sampled_from(_PIECES) | st.binary(max_size=20), max_size=5)
    found: dict[str, NodeFile | None] = {}
    for _ in range(2):
        for path, form in wanted(NodeFiles(found)).items():
            if path not in found:
                content = data.draw(contents)
                found[path] = (
                    None if content is None else reduced(TreeFile(path, b"".join(content)), form)
                )
    part = certificates_of_node(NodeFiles(found), AT, node="n")
    assert all(each.certificate or each.fault or each.missing for each in part.found)
