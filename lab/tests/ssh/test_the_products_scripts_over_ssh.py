"""The system's own ssh reaches a node of the lab, and the product's scripts do there what they do on a real one."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubevouch.evidence.survey import survey
from kubevouch.node.errors import NodeUnreachable
from kubevouch.node.io.ssh import Ssh
from kubevouch_lab.cluster.operator_files import new_key, public_of
from kubevouch_lab.ssh.server import NodeSsh
from lab.tests.nodes.conftest import Machine, machine

__all__ = ["machine"]  # a fixture of the nodes' tests
NAME = "worker.example.com"

if shutil.which("ssh") is None:
    pytest.skip("no ssh here", allow_module_level=True)


@dataclass
class Reached:
    machine: Machine
    door: NodeSsh
    config: Path

    @property
    def transport(self) -> Ssh:
        return Ssh(str(self.config), environment={"PATH": os.environ["PATH"]})

    async def ssh(self, *words: str, stdin: bytes = b"") -> tuple[int, bytes]:
        process = await asyncio.create_subprocess_exec(
            *("ssh", "-F", str(self.config), *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        async with asyncio.timeout(60):
            out, _ = await process.communicate(stdin)
        return process.returncode or 0, out


@pytest.fixture
async def node(machine: Machine, tmp_path: Path) -> AsyncIterator[Reached]:
    host_key, key = new_key(), new_key()
    door = NodeSsh(machine.system, host_key=host_key, authorized_keys=public_of(key))
    await door.start(("127.0.0.1",), 0)
    (tmp_path / "id").touch(0o600)
    (tmp_path / "id").write_bytes(key)
    (tmp_path / "known").write_text(f"{NAME} {public_of(host_key)}\n")
    (tmp_path / "config").write_text(
        f"Host {NAME}\n HostName 127.0.0.1\n Port {door.port}\n HostKeyAlias {NAME}\n User root\n"
        f" IdentityFile {tmp_path}/id\n IdentitiesOnly yes\n UserKnownHostsFile {tmp_path}/known\n"
    )
    yield Reached(machine, door, tmp_path / "config")
    await door.stop()


async def test_a_command_runs_with_its_streams_and_its_end(node: Reached) -> None:
    assert await node.ssh(NAME, "cat; exit 3", stdin=b"x" * 200_000) == (3, b"x" * 200_000)
    assert await node.ssh(NAME, "id -u; pwd; hostname") == (0, b"0\n/\nworker.example.com\n")
    assert (await node.ssh("-l", "ops", NAME, "sudo -n id -u"))[1] == b"0\n"


async def test_a_session_with_a_terminal_is_one(node: Reached) -> None:
    process = await asyncio.create_subprocess_exec(
        *("ssh", "-tt", "-F", str(node.config), NAME),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate(b"test -t 0 && echo a-$((1+1))-terminal\nexit 7\n")
    assert b"a-2-terminal" in out
    assert process.returncode == 7


async def test_where_a_system_gives_nodes_no_shell_it_says_so_and_the_kubelet_runs(
    node: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS, or where user namespaces are forbidden."""
    with monkeypatch.context() as patched:
        patched.setattr("shutil.which", lambda _: None)
        await node.machine.system.reboot()
    assert node.machine.kubelet.runs
    code, said = await node.ssh(NAME, "true")
    assert code == 127
    assert b"no unshare and no nsenter here; expected unprivileged user namespaces" in said
    await node.machine.system.reboot()
    assert await node.ssh(NAME, "id -u") == (0, b"0\n")


async def test_another_key_is_not_let_in(node: Reached, tmp_path: Path) -> None:
    (tmp_path / "id").write_bytes(new_key())
    code, said = await node.ssh("-o", "BatchMode=yes", NAME, "true")
    assert code == 255
    assert b"Permission denied" in said


async def test_while_it_is_cut_nothing_comes_through(node: Reached) -> None:
    node.door.cut()
    with pytest.raises(NodeUnreachable):
        await node.transport.run_script(NAME, survey(), timeout=20)
    node.door.mend()
    await node.transport.run_script(NAME, survey(), timeout=20)
