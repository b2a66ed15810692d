"""certificate_files.sh on made-up nodes, by real shells: it shows what a reader of the disk itself sees, and no key."""

import base64
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kubevouch.evidence.certificates import CertificateUse, FoundCertificate, FoundPart
from kubevouch.evidence.gather.certificates.disks import certificates_on_disk
from kubevouch.evidence.measured import DoubtKind
from kubevouch.evidence.node_certificates import certificates_of_node
from kubevouch.evidence.node_files import ShownFiles, certificate_files, files_shown
from tests.support.apiservers import MOMENT
from tests.support.authority import Pair
from tests.support.clocks import SteppedClock
from tests.support.local_shell import Local
from tests.support.node_tree import PKI, NodeTree
from tests.support.shells import FIRST_SHELL, SHELLS, becomes_sh


@pytest.fixture(params=SHELLS)
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder before all others in PATH, where `sh` is the shell in question."""
    folder = tmp_path / "bin"
    folder.mkdir()
    becomes_sh(request.param, folder)
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> NodeTree:
    return NodeTree(tmp_path / "node", relative=True).control_plane()


async def _shown(tree: NodeTree, programs: Path, *, path: str = "") -> ShownFiles:
    proc = tree.root.parent / "proc"
    proc.mkdir(exist_ok=True)
    (proc / "uptime").write_text("1000.00 1.00\n")
    search = f"{programs}:{path or '/usr/local/bin:/usr/bin:/bin'}"
    script = certificate_files(str(proc), str(tree.root))
    ran = await Local(environment={"PATH": search}).run_script("n", script, timeout=60)
    return ran.answer


async def _found(tree: NodeTree, programs: Path, *, path: str = "") -> FoundPart:
    shown = await _shown(tree, programs, path=path)
    return certificates_of_node(files_shown(shown), MOMENT, node=tree.name)


def _on_disk(tree: NodeTree) -> tuple[FoundCertificate, ...]:
    found = certificates_on_disk([tree.root], SteppedClock(MOMENT)).found
    return tuple(
        replace(
            each,
            where=each.where.removeprefix(str(tree.root)),
            fault=each.fault.replace(str(tree.root), ""),
            root="",
        )
        for each in found
    )


async def test_a_control_plane_is_the_same_by_its_disk(tree: NodeTree, programs: Path) -> None:
    (tree.root / PKI / "front-proxy-ca.key").unlink()
    (tree.root / PKI / "etcd/peer.crt").unlink()
    tree.write(f"{PKI}/apiserver.key", tree.ca.serving("other").key)
    tree.conf("scheduler.conf", Pair(tree.ca.client("s").chain, tree.ca.client("t").key))
    tree.fifo(f"{PKI}/etcd/server.crt")
    with (tree.root / PKI / "front-proxy-client.crt").open("wb") as file:
        file.truncate(1 << 30)
    part = await _found(tree, programs)
    assert part.found == _on_disk(tree)
    assert part.not_read == ()
    assert sum(bool(each.fault) for each in part.found) == 4


async def test_a_worker_is_the_same_by_its_disk(tmp_path: Path, programs: Path) -> None:
    tree = NodeTree(tmp_path / "w", "w-1", relative=True).worker()
    part = await _found(tree, programs)
    assert part.found == _on_disk(tree)
    assert {each.use for each in part.found} == {
        CertificateUse.CLUSTER_CA,
        CertificateUse.KUBELET_CLIENT,
    }


async def test_no_key_leaves_the_node(tree: NodeTree, programs: Path) -> None:
    keys = [each.read_bytes() for each in tree.root.rglob("*.key")]
    own = tree.ca.client("admin")
    tree.conf("admin.conf", own)
    # Somebody has put the key where the certificate belongs, and a token beside it.
    tree.conf("scheduler.conf", Pair(own.key, own.key))
    text = (tree.root / "etc/kubernetes/scheduler.conf").read_text()
    tree.write("etc/kubernetes/scheduler.conf", f"{text}    token: s3cr3t\n    password: s3cr3t\n")
    tree.write(f"{PKI}/apiserver.crt", own.key)
    shown = await _shown(tree, programs)
    said = b"".join(each.content + each.path + each.target for each in shown.files)
    said += b"".join(
        base64.b64decode(line.partition(b": ")[2])
        for line in said.splitlines()
        if b"-data: " in line
    )
    assert b"PRIVATE KEY" not in said
    assert b"s3cr3t" not in said
    for key in (*keys, own.key):
        body = b"".join(key.splitlines()[1:-1])
        assert body[:40] not in said.replace(b"\n", b"")
        assert base64.b64encode(key)[:60] not in said


@pytest.mark.parametrize("programs", FIRST_SHELL, indirect=True)
async def test_half_a_certificate_after_a_whole_one_is_told(tree: NodeTree, programs: Path) -> None:
    whole = (tree.root / PKI / "apiserver.crt").read_bytes()
    tree.write(f"{PKI}/apiserver.crt", whole + whole[: len(whole) // 2])
    (found,) = [each for each in (await _found(tree, programs)).found if each.use is CertificateUse.API_SERVER]  # fmt: skip
    assert found.fault == "only 1 of 2 certificates are complete"


@pytest.mark.parametrize("programs", FIRST_SHELL, indirect=True)
async def test_without_openssl_keys_are_not_judged(tree: NodeTree, programs: Path) -> None:
    tree.write(f"{PKI}/apiserver.key", tree.ca.serving("other").key)
    bare = tree.root.parent / "bare"
    bare.mkdir()
    for name in (*"awk base64 cat cut date dd grep head id mkdir readlink rm sed sha256sum sort stat tr uname".split(), "sh"):  # fmt: skip  # noqa: SIM905
        found = shutil.which(name)
        if found:
            (bare / name).symlink_to(found)
    part = await _found(tree, programs, path=str(bare))
    assert not any(each.fault for each in part.found)


async def test_a_kubeconfig_in_another_form_is_not_misread(tree: NodeTree, programs: Path) -> None:
    tree.write("etc/kubernetes/admin.conf", '{"users": [], "contexts": [], "current-context": "x"}')
    part = await _found(tree, programs)
    assert CertificateUse.ADMIN_CONF not in {each.use for each in part.found}
    (doubt,) = [each.doubt for each in part.not_read]
    assert doubt.kind is DoubtKind.FAILED
    assert "kubeadm's form" in doubt.text
