"""The image's part for arm64 runs: in a chroot, by qemu's emulation of a process, which needs no binfmt."""

import json
import os
import re
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .conftest import VERSION, Released, copied_into, shell

pytestmark = pytest.mark.long
QEMU = "qemu-aarch64-static"


def blob(layout: Path, digest: str) -> Any:
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())


@pytest.fixture(scope="session")
def root(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the image for arm64, and qemu, which is fetched as a package of Debian where it is not installed."""
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    layout, root, fetched = (tmp_path_factory.mktemp(each) for each in ("layout", "arm64", "qemu"))
    with tarfile.open(released.dist / "kubevouch-image.tar") as archive:
        archive.extractall(layout, filter="data")
    (whole,) = json.loads((layout / "index.json").read_text())["manifests"]
    parts = blob(layout, whole["digest"])["manifests"]
    digests = {each["platform"]["architecture"]: each["digest"] for each in parts}
    assert set(digests) == {"amd64", "arm64"}
    manifest = blob(layout, digests["arm64"])
    assert blob(layout, manifest["config"]["digest"])["architecture"] == "arm64"
    for layer in manifest["layers"]:
        with tarfile.open(layout / "blobs" / layer["digest"].replace(":", "/")) as archive:
            archive.extractall(root, filter="tar")
    qemu = shutil.which(QEMU)
    if qemu is None:
        shell("apt-get", "download", "qemu-user-static", cwd=fetched)
        (package,) = fetched.glob("*.deb")
        shell("dpkg-deb", "-x", package, fetched)
        qemu = str(fetched / "usr/bin" / QEMU)
    shutil.copy(qemu, root / QEMU)
    return root


def emulated(root: Path, *words: str, env: Mapping[str, str] | None = None, code: int = 0) -> str:
    exports = [f"{name}={value}" for name, value in (env or {}).items()]
    python = ("/usr/bin/python3.13", "-I", "-m", "kubevouch.cli.container")
    chroot = ("env", "-i", *exports, "/usr/sbin/chroot", str(root), f"/{QEMU}")
    return shell(*chroot, *python, *words, code=code)


def test_every_program_and_library_is_for_arm64(root: Path) -> None:
    machines = set()
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name != QEMU:
            with path.open("rb") as opened:
                head = opened.read(20)
            if head.startswith(b"\x7fELF"):
                machines.add(int.from_bytes(head[18:20], "little"))
    assert machines == {183}


def test_it_says_its_version_and_has_its_bytecode(root: Path) -> None:
    assert emulated(root, "doctor", "--help").startswith("Usage: ")
    assert VERSION in shell(
        "grep",
        "-h",
        "__version__ =",
        root / "usr/local/lib/python3.13/dist-packages/kubevouch/__init__.py",
    )
    bytecode = {
        each.parent.parent / f"{each.name.split('.')[0]}.py"
        for each in root.rglob("*.cpython-313.pyc")
    }
    assert {each for each in root.rglob("*.py") if "dist-packages" in each.parts} <= bytecode


def test_it_sees_a_cluster(root: Path, lab: Mapping[str, str]) -> None:
    copied_into(root, lab)
    said = emulated(root, "certs", env=lab, code=1)  # as some have ended
    assert (
        len(re.findall(r"^kubelet-serving +k8s-\S+ .*<invalid> +itself ", said, re.MULTILINE)) == 4
    )
