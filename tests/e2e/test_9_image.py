"""The container image: what is in it, that its bytes depend on the lock alone, and pods of it under the restricted profile."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from image import building
from image.folders import Folders
from kubevouch import __version__

from .cluster import Cluster, Node
from .told import eventually

CHECKOUT = Path(__file__).parents[2]
MADE_OF = (
    "src",
    "image",
    "real",
    "locks",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
)
NAMESPACE = "image-under-test"
# A user that no file knows, nothing to write on, no HOME: what OpenShift gives, and Pod Security's strictest profile.
SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 1234567,
    "runAsGroup": 7654321,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module")
def unpacked(
    built_image: building.Image, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[tarfile.TarInfo]]:
    """The image's files below a folder, and all members of its layers."""
    layout, root = tmp_path_factory.mktemp("layout"), tmp_path_factory.mktemp("root")
    with tarfile.open(built_image.archive) as tar:
        tar.extractall(layout, filter="data")
    members = []
    for layer in _manifest(layout)["layers"]:
        with tarfile.open(_blob(layout, layer["digest"])) as tar:
            members += tar.getmembers()
            tar.extractall(root, filter="tar")
    return root, members


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _manifest(layout: Path) -> dict[str, Any]:
    (only,) = json.loads((layout / "index.json").read_text())["manifests"]
    read: dict[str, Any] = json.loads(_blob(layout, only["digest"]).read_text())
    return read


@pytest.mark.long
def test_another_folder_umask_and_day_give_the_same_digest(
    built_image: building.Image, tmp_path: Path
) -> None:
    copy = tmp_path / "a folder with another name"
    copy.mkdir()
    for name in MADE_OF:
        source, target = CHECKOUT / name, copy / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target, ignore=ignored, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, target)
    for path in copy.rglob("*"):
        os.utime(path, (86400, 86400))
    cache = tmp_path / "cache" / "kubevouch-image"
    cache.mkdir(parents=True)
    (cache / "packages").symlink_to(Folders.of(os.environ).packages)
    again = {
        "PATH": os.environ["PATH"],
        "XDG_CACHE_HOME": str(cache.parent),
        "SOURCE_DATE_EPOCH": "1000000000",
        "TZ": "Asia/Tokyo",
    }
    words = ("sh", "-c", 'umask 077; exec "$@"', "sh", sys.executable, "-m", "image", "build")
    ran = subprocess.run(
        words, cwd=copy, env=again, capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert f"digest {built_image.digest}" in ran.stdout
    ours, theirs = built_image.archive, copy / "dist" / building.ARCHIVE
    assert theirs.read_bytes() == ours.read_bytes()
    assert (theirs.parent / building.CONTENTS).read_bytes() == (
        ours.parent / building.CONTENTS
    ).read_bytes()


def test_it_holds_python_and_the_product_and_nothing_to_enter_it_by(
    unpacked: tuple[Path, list[tarfile.TarInfo]],
) -> None:
    root, members = unpacked
    names = {each.name for each in members}
    programs = {each.name for each in members if each.isfile() and each.mode & 0o111}
    assert {each for each in programs if "/bin/" in each} == {
        "usr/bin/python3.13",
        "usr/local/bin/kubevouch",
    }
    assert {each for each in programs if "/bin/" not in each} <= {
        "metrics-server",
        "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "usr/lib/x86_64-linux-gnu/libc.so.6",
        *(each for each in programs if each.startswith("usr/lib/python3.13/")),
    }
    site = root / "usr/local/lib/python3.13/dist-packages"
    assert not [each for each in ("pip", "setuptools", "kubevouch_lab") if (site / each).exists()]
    for name in names:
        if name.endswith(".py"):
            folder, _, file = name.rpartition("/")
            compiled = f"{folder}/__pycache__/{file.removesuffix('.py')}.cpython-313.pyc"
            assert compiled in names or (root / name).is_symlink()


def test_every_file_is_roots_and_of_the_locks_time(
    unpacked: tuple[Path, list[tarfile.TarInfo]],
) -> None:
    epoch = json.loads((CHECKOUT / "image" / "lock.json").read_text())["epoch"]
    for member in unpacked[1]:
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", ""), member.name
        assert member.mtime == epoch, member.name
        assert not member.mode & 0o6000, member.name
        assert member.issym() or member.name == "tmp" or not member.mode & 0o022, member.name
        assert member.isfile() or member.isdir() or member.issym(), member.name


def test_every_library_that_a_file_is_linked_to_is_there(
    unpacked: tuple[Path, list[tarfile.TarInfo]],
) -> None:
    root, _ = unpacked
    libraries = root / "usr/lib/x86_64-linux-gnu"
    loader = libraries / "ld-linux-x86-64.so.2"
    elf = [
        path
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and path.read_bytes()[:4] == b"\x7fELF"
    ]
    assert len(elf) > 40
    for path in elf:
        words = (loader, "--library-path", libraries, "--list", path)
        listed = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert "not found" not in listed.stdout + listed.stderr, (path, listed)


@pytest.fixture(scope="module")
def restricted(cluster: Cluster) -> Iterator[str]:
    """A namespace whose pods must follow Pod Security's profile `restricted`.

    It stays: as long as the metrics API does not answer, Kubernetes does not finish the deletion of any namespace.
    """
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": NAMESPACE, "labels": label}
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(made))
    account = ("get", "serviceaccount", "default", "-n", NAMESPACE)
    eventually(lambda: cluster.kubectl(*account, check=False).returncode == 0, "an account")
    yield NAMESPACE
    cluster.kubectl("delete", "pods", "--all", "-n", NAMESPACE, "--timeout=300s", seconds=310)


@pytest.mark.usefixtures("built_image")
def test_pods_run_it_as_any_user_on_a_read_only_root(
    cluster: Cluster, image_reference: str, restricted: str
) -> None:
    node = cluster.workers[0]
    assert "@sha256:" in image_reference
    python = ["python", "-m", "kubevouch"]
    containers: list[dict[str, object]] = [
        {"name": "verb", "args": ["explain", "KV304"]},
        {"name": "flags", "args": ["--help"]},
        {"name": "nothing"},
        {"name": "module", "command": python, "args": ["--version"]},
        {"name": "program", "command": ["kubevouch"], "args": ["--version"]},
        {"name": "theirs", "command": ["/metrics-server", "--help"]},
        {"name": "version-of-theirs", "command": ["/metrics-server"], "args": ["--version"]},
    ]
    for container in containers:
        container.update(_run_by_anybody(image_reference))
    spec = {"restartPolicy": "Never", "nodeName": node.name, "containers": containers}
    cluster.kubectl("apply", "-f", "-", stdin=_pod("runs", restricted, spec))
    _ended(cluster, "runs")

    said = {each["name"]: _log(node, "runs", str(each["name"])) for each in containers}
    assert said["verb"].startswith("KV304  ")
    assert said["flags"].startswith("Usage: kubevouch metrics-server run [OPTIONS]")
    assert said["theirs"] == said["flags"]
    assert said["version-of-theirs"] == f"v{__version__}\n"
    assert said["nothing"].startswith("Usage: kubevouch [OPTIONS] COMMAND")
    assert said["module"] == said["program"] == f"kubevouch {__version__}\n"


def _run_by_anybody(image: str) -> dict[str, object]:
    return {"image": image, "imagePullPolicy": "Never", "securityContext": SECURITY}


def _pod(name: str, namespace: str, spec: Mapping[str, object]) -> str:
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def _ended(cluster: Cluster, pod: str) -> None:
    """Waits until all containers have ended; they must have ended well."""

    def phase() -> str:
        words = ("get", "pod", pod, "-n", NAMESPACE, "-o", "jsonpath={.status.phase}")
        now = cluster.kubectl(*words).stdout
        return now if now in {"Succeeded", "Failed"} else ""

    ended = eventually(phase, "the pod's end")
    described = cluster.kubectl("get", "pod", pod, "-n", NAMESPACE, "-o", "yaml").stdout
    assert ended == "Succeeded", described


def _log(node: Node, pod: str, container: str) -> str:
    """From the node's disk, since the kubelet's port is dark in some states. Lines as containerd writes them (CRI)."""
    raw = node.sh(f"cat /var/log/pods/{NAMESPACE}_{pod}_*/{container}/0.log").stdout
    return "".join(f"{line.split(' ', 3)[3]}\n" for line in raw.splitlines())
