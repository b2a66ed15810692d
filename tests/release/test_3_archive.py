"""The archive for linux/amd64: it runs where no Python is, as fast as the installed program, and starts other programs as they are."""

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from bench import pairs

from .conftest import KUBECTL, VERSION, Released, copied_into, shell

pytestmark = pytest.mark.long
NAME = f"kubevouch-{VERSION}-linux-amd64"
GLIBC = (2, 35)
STATED = "It needs glibc 2.35 or newer, and zlib; no Python."


@pytest.fixture(scope="session")
def unpacked(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(released.dist / f"{NAME}.tar.gz") as archive:
        assert all(each.isfile() or each.isdir() for each in archive)
        archive.extractall(folder, filter="data")
    return folder / NAME


@pytest.fixture(scope="session")
def without_python(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system of busybox, glibc and zlib, with the archive unpacked in /opt by busybox's own tar."""
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    root = tmp_path_factory.mktemp("without-python")
    busybox = shutil.which("busybox")
    assert busybox
    for folder in ("bin", "opt", "tmp"):
        (root / folder).mkdir()
    shutil.copy(busybox, root / "bin")
    for applet in ("sh", "env", "tar", "gunzip", "ls", "find"):
        (root / "bin" / applet).symlink_to("busybox")
    # Of glibc also what the archive's own libraries ask for.
    for each in (
        "libc.so.6",
        "libdl.so.2",
        "libm.so.6",
        "libpthread.so.0",
        "libresolv.so.2",
        "librt.so.1",
        "libutil.so.1",
        "libz.so.1",
    ):
        (root / "lib/x86_64-linux-gnu").mkdir(parents=True, exist_ok=True)
        shutil.copy(Path("/lib/x86_64-linux-gnu") / each, root / "lib/x86_64-linux-gnu")
    (root / "lib64").mkdir()
    shutil.copy("/lib64/ld-linux-x86-64.so.2", root / "lib64")
    shutil.copy(released.dist / f"{NAME}.tar.gz", root / "opt")
    shell("chroot", root, "tar", "-xzf", f"/opt/{NAME}.tar.gz", "-C", "/opt")
    return root


def test_doctor_says_the_same_where_no_python_is(
    without_python: Path, installed: Path, lab: Mapping[str, str]
) -> None:
    """The lab is another process, on the machine outside."""
    programs = shell("chroot", without_python, "find", "/", "-name", "python*", "-type", "f")
    assert [each for each in programs.split() if not each.endswith(".pyc")] == []
    copied_into(without_python, lab)
    exports = [f"{name}={value}" for name, value in lab.items()]
    inside = ("chroot", without_python, "/bin/env", "-i", *exports, f"/opt/{NAME}/kubevouch")
    outside = ("env", "-i", *exports, installed / "kubevouch")
    looks = [
        subprocess.run([*map(str, words), "doctor"], capture_output=True, text=True, check=False)
        for words in (inside, outside)
    ]
    assert [each.returncode for each in looks] == [1, 1], looks
    said, expected = (re.sub(r"\d+:\d+:\d+", "TIME", each.stdout) for each in looks)
    assert "CAUSE  4 kubelets sign their own certificates" in said
    assert said.replace("\n", " ").split() == expected.replace("\n", " ").split()


def test_ssh_is_started_as_it_would_be_without_us(
    unpacked: Path, lab: Mapping[str, str], tmp_path: Path
) -> None:
    """Else the machine's own ssh would load our OpenSSL."""
    plan = tmp_path / "plan.json"
    shell(unpacked / "kubevouch", "plan", "-o", plan, "--via", "ssh", env=lab)
    assert plan.stat().st_size > 1000
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\nexit 255\n")
    ssh.chmod(0o755)
    words = (unpacked / "kubevouch", "plan", "--via", "ssh")
    for theirs in ({}, {"LD_LIBRARY_PATH": "/nowhere"}):
        environment = {**os.environ, **lab, "PATH": f"{tmp_path}:{os.environ['PATH']}", **theirs}
        subprocess.run(words, env=environment, capture_output=True, check=False)
        seen = dict(
            line.split("=", 1)
            for line in (tmp_path / "seen").read_text().splitlines()
            if "=" in line
        )
        assert {key: value for key, value in seen.items() if key.startswith("LD_")} == theirs


def test_kubectl_finds_it_and_completes_it(unpacked: Path) -> None:
    path = {"PATH": f"{unpacked}:{os.environ['PATH']}"}
    assert shell(KUBECTL, "vouch", "--version", env=path) == f"kubectl vouch {VERSION}\n"
    completed = shell(KUBECTL, "__complete", "vouch", "doc", env=path).splitlines()
    assert completed[:2] == ["doctor", ":4"]


def test_it_runs_through_a_link(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "kubevouch").symlink_to(unpacked / "kubevouch")
    assert shell(tmp_path / "kubevouch", "--version") == f"kubevouch {VERSION}\n"


def test_glibc_is_as_stated(unpacked: Path) -> None:
    assert STATED in (unpacked / "README.txt").read_text()
    asked = set()
    for path in unpacked.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"\x7fELF"):
            asked |= set(re.findall(r"\bGLIBC_([\d.]+)\b", shell("objdump", "-p", path)))
    assert max(tuple(map(int, each.split("."))) for each in asked) <= GLIBC


def test_manual_pages_and_completions_are_read(unpacked: Path) -> None:
    pages = sorted((unpacked / "share/man/man1").iterdir())
    names = {each.stem for each in pages}
    assert {"kubevouch", "kubevouch-doctor", "kubevouch-approver-install"} <= names
    assert "kubevouch-lab" not in names
    if shutil.which("groff"):
        for page in pages:
            words = ("groff", "-man", "-ww", "-Tutf8", "-z", page)
            assert subprocess.run(words, capture_output=True, check=True).stderr == b""
    script = unpacked / "share/completions/kubevouch.bash"
    shell("bash", "-c", f". {script} && complete -p kubevouch")
    for name in ("_kubevouch", "kubevouch.fish"):
        assert "_KUBEVOUCH_COMPLETE" in (unpacked / "share/completions" / name).read_text()


def test_each_part_has_its_licence(unpacked: Path) -> None:
    parts = [
        each
        for each in (unpacked / "_internal").glob("*.dist-info")
        if "kubevouch" not in each.name
    ]
    assert len(parts) > 15
    assert not [
        each.name for each in parts if not [*each.rglob("*LICEN[SC]E*"), *each.rglob("*COPYING*")]
    ]


def test_it_starts_nearly_as_fast_as_the_installed_program(unpacked: Path, installed: Path) -> None:
    """The median of CPU: it does not depend on what else the machine does."""
    for words in (("--version",), ("probe", "127.0.0.1:1")):
        each = [[str(folder / "kubevouch"), *words] for folder in (unpacked, installed)]
        runs = [partial(pairs.program, argv, os.environ) for argv in each]
        ours, theirs = pairs.in_turns(15, *runs)
        ratio = pairs.median(ours, "cpu") / pairs.median(theirs, "cpu")
        print(f"{' '.join(words)}: {ratio:.2f} times the CPU of the installed program")
        assert ratio <= 1.5
