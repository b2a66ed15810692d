"""up, status, down, Ctrl-C, kill -9, side by side: seen from outside, with real kubectl."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubevouch_lab.cluster.folder import Folder
from kubevouch_lab.cluster.site import API_PORT, BLOCKS_VARIABLE, blocks_of
from lab.tests.kubectl import KUBECTL
from tests.cli.forked import Forked
from tests.support.workers import share


def words(verb: str, root: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "kubevouch", "lab", verb, "--dir", str(root), *more]


def run(verb: str, root: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    """To its end; forked, since a start of Python costs more than most of these commands."""
    blocks = {BLOCKS_VARIABLE: os.environ.get(BLOCKS_VARIABLE, "")}
    given = ("lab", verb, "--dir", str(root), *more)
    ran = asyncio.run(Forked(root.parent, blocks)(*given))
    return subprocess.CompletedProcess(given, ran.code, ran.out, ran.err)


def kubectl(root: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    given = [str(KUBECTL), f"--kubeconfig={root}/kubeconfig", f"--cache-dir={root}/cache", *more]
    return subprocess.run(given, capture_output=True, text=True, timeout=30, check=False)


def names(root: Path) -> list[str]:
    return kubectl(root, "get", "namespaces", "-o", "name").stdout.split()


def eventually(look: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "a lab"


@pytest.fixture(autouse=True)
def nothing_left(root: Path) -> object:
    yield
    if root.exists():
        run("down", root)
    assert Folder(root).running() == 0


def test_killed_it_goes_on_where_it_was(root: Path) -> None:
    up = run("up", root, "--detach", "--nodes", "1")
    assert up.returncode == 0, up
    assert f"export KUBECONFIG='{root}/kubeconfig'" in up.stdout
    # What doctor advises, `plan -o plan.json --via ssh`, reaches the nodes with what is exported.
    assert f"export KUBEVOUCH_SSH_CONFIG='{root}/ssh_config'" in up.stdout
    assert kubectl(root, "create", "namespace", "shop").returncode == 0
    assert kubectl(root, "delete", "clusterrolebinding", "system:metrics-server").returncode == 0
    os.kill(Folder(root).running(), signal.SIGKILL)
    eventually(lambda: Folder(root).running() == 0)
    began = time.monotonic()
    again = run("up", root, "--detach")
    assert again.returncode == 0, again
    assert again.stdout.endswith(f"kubevouch lab down --dir '{root}'\n"), again.stdout
    assert time.monotonic() - began < 20  # alone on the machine it takes one
    assert "namespace/shop" in names(root)
    assert "NotFound" in kubectl(root, "get", "clusterrolebinding", "system:metrics-server").stderr
    status = json.loads(run("status", root, "-o", "json").stdout)
    assert status["process"] == Folder(root).running()
    assert [node["name"] for node in status["nodes"]] == ["k8s-master.internal.example.com"]
    second = run("up", root)
    assert second.returncode == 4
    assert f"process {status['process']} runs this lab" in second.stderr
    detached = run("up", root, "--detach")
    assert detached.returncode == 4
    assert detached.stderr.startswith(f"Error: {root}: process "), "and nothing before it"
    assert f"`kubevouch lab down --dir '{root}'`" in detached.stderr
    assert detached.stderr.endswith(f"see {root}/lab.log\n"), detached.stderr
    assert detached.stderr.count(str(root)) == 3, detached.stderr
    other = run("up", root, "--nodes", "3")
    assert other.returncode == 4
    down = run("down", root)
    assert down.returncode == 0
    assert not (root / "control").exists()
    assert run("status", root).returncode == 4
    assert "no lab runs here" in run("status", root).stderr
    wished = run("up", root, "--nodes", "3", "--detach")
    assert (
        "the lab here has another number of nodes: 1; `kubevouch lab down --remove" in wished.stderr
    )
    removed = run("down", root, "--remove")
    assert removed.returncode == 0
    assert not root.exists()


def test_ctrl_c_ends_it_and_two_run_side_by_side(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "another"
    process = subprocess.Popen(words("up", root, "--nodes", "1"), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("export KUBECONFIG=")
        assert run("up", other, "--detach", "--nodes", "1").returncode == 0
        try:
            assert kubectl(other, "create", "namespace", "shop").returncode == 0
            assert "namespace/shop" not in names(root)
            assert Folder(root).record().block != Folder(other).record().block
        finally:
            assert run("down", other).returncode == 0
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        process.stdout.close()
    assert kubectl(root, "get", "namespaces", "--request-timeout=2s").returncode != 0


def test_a_folder_with_other_things_in_it_is_not_removed(root: Path) -> None:
    root.mkdir()
    (root / "thesis.txt").write_text("years of work")
    down = run("down", root, "--remove")
    assert down.returncode == 4
    assert "is not the folder of a lab" in down.stderr
    assert (root / "thesis.txt").exists()


def test_an_address_that_is_taken_is_named(root: Path) -> None:
    import socket

    assert run("up", root, "--detach", "--nodes", "1").returncode == 0
    assert run("down", root).returncode == 0
    site = Folder(root).record().site
    with socket.socket() as taking:
        taking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taking.bind((site.api_address, API_PORT))
        taking.listen()
        up = run("up", root, "--detach")
    assert up.returncode == 4
    assert f"{site.api_address}:{API_PORT}" in up.stderr


def test_a_new_lab_takes_one_of_the_blocks_that_it_may(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = Folder(root)
    own = blocks_of(os.environ.get(BLOCKS_VARIABLE, ""))
    monkeypatch.setenv(BLOCKS_VARIABLE, f"{own[-2]}-{own[-1]}")
    assert run("up", root, "--detach", "--nodes", "1").returncode == 0
    assert only.record().block in own[-2:]


@pytest.mark.parametrize("text", ["15-20", "16-240", "20-16", "16-", "-16", "16-20-24", "x", "١٦"])
def test_what_names_no_block_is_refused(
    text: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BLOCKS_VARIABLE, text)
    up = run("up", root, "--detach", "--nodes", "1")
    assert up.returncode == 2
    seen = f"$KUBEVOUCH_LAB_BLOCKS: {text!r} names no block of 127.0.0.0/8"
    assert f"{seen}; expected two numbers from 16 to 239, such as 16-127" in " ".join(
        up.stderr.split()
    )
    assert not root.exists()


@pytest.mark.parametrize(
    ("text", "first", "last"), [("", 16, 239), ("40", 40, 40), ("16-127", 16, 127)]
)
def test_blocks_are_named_by_the_first_and_the_last(text: str, first: int, last: int) -> None:
    found = blocks_of(text)
    assert (found[0], found[-1]) == (first, last)


def test_no_two_workers_of_a_test_run_choose_from_the_same_blocks() -> None:
    for workers in (1, 2, 3, 8):
        shares = [blocks_of(share(number, workers)) for number in range(workers)]
        assert all(shares)
        assert len({block for each in shares for block in each}) == sum(map(len, shares))


def not_after(file: Path) -> str:
    words = ["openssl", "x509", "-in", str(file), "-noout", "-enddate", "-serial", "-subject"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_what_is_aged_is_the_same_with_earlier_dates_and_is_served(root: Path) -> None:
    assert run("up", root, "--detach", "--nodes", "1", "--scenario", "healthy").returncode == 0
    pki = root / "nodes/k8s-master.internal.example.com/var/lib/kubelet/pki"
    before = {each.name: not_after(each) for each in pki.glob("kubelet-*-2*.pem")}
    aged = run("age", root, "300d")
    assert aged.returncode == 0, aged
    assert f"{len(before)} certificates are 300 days older" in aged.stderr
    for name, text in before.items():
        end, serial, subject = not_after(pki / name).splitlines()
        was, *same = text.splitlines()
        assert [serial, subject] == same
        assert (_moment(was) - _moment(end)).days == 300
    site = Folder(root).record().site
    words = ["openssl", "s_client", "-connect", f"{site.api_address}:10250"]
    shown = subprocess.run(words, input="", capture_output=True, text=True, check=False, timeout=20)
    # Newer versions write no blanks around the sign.
    subject = "subject=O=system:nodes, CN=system:node:k8s-master.internal.example.com"
    assert subject in shown.stdout.replace(" = ", "=")


def _moment(line: str) -> datetime:
    return datetime.strptime(line.partition("=")[2], "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)


def test_what_is_broken_stays_broken_over_a_kill_and_is_mended(root: Path) -> None:
    assert run("up", root, "--detach", "--nodes", "1", "--scenario", "healthy").returncode == 0
    broken = run("break", root, "unreachable", "--node", "k8s-master")
    assert broken.returncode == 0, broken
    os.kill(Folder(root).running(), signal.SIGKILL)
    eventually(lambda: Folder(root).running() == 0)
    assert run("up", root, "--detach").returncode == 0
    site = Folder(root).record().site

    def answers() -> bool:
        words = ["openssl", "s_client", "-connect", f"{site.api_address}:10250"]
        try:
            shown = subprocess.run(words, input=b"", capture_output=True, check=False, timeout=1.5)
        except subprocess.TimeoutExpired:
            return False
        return b"BEGIN CERTIFICATE" in shown.stdout

    assert not answers()
    assert run("break", root, "healthy").returncode == 0
    eventually(answers)
    assert (
        "is not a node of this lab; its nodes are k8s-master"
        in run("age", root, "1d", "--node", "w9").stderr
    )
    shell = run("shell", root, "k8s-master", "systemctl", "is-active", "kubelet")
    assert shell.stdout.strip() == "active", shell
