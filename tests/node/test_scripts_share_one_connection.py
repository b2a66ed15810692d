"""While a host is held its scripts share one ssh connection of ours, by the real ssh to a real sshd."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kubevouch.node.errors import AnswerLost, NodeUnreachable
from kubevouch.node.io.ssh import Ssh
from kubevouch.node.script import DialAddress, Script

from .conftest import Sshd

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the node's shell must be root's")


class Said(msgspec.Struct, frozen=True):
    said: str


def script(text: str) -> Script[Said]:
    return Script(name="test", text=text, answer=Said)


ANSWER = """printf 'kubevouch-answer: {"said":"%s"}\\n' """
CONNECTION = script(ANSWER + '"$SSH_CONNECTION"')
"""Which connection it came by: the client's port is another one for each."""


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where sockets and logs are made; short, as a socket's path must be."""
    with tempfile.TemporaryDirectory(prefix="kv", dir="/tmp") as made:
        monkeypatch.setattr(tempfile, "tempdir", made)
        yield Path(made)


async def said(ssh: Ssh, ran: Script[Said] = CONNECTION, **options: DialAddress) -> str:
    return (await ssh.run_script("node-1", ran, timeout=60, **options)).answer.said


def masters(folder: Path) -> list[int]:
    """Processes of ssh that hold a socket there."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if words[0] == "ssh" and "-N" in words and any(str(folder) in each for each in words):
            found.append(int(entry.name))
    return found


async def all_ended(folder: Path) -> None:
    async with asyncio.timeout(30):
        while masters(folder):
            await asyncio.sleep(0.02)


async def test_scripts_share_a_connection_while_the_host_is_held(sshd: Sshd, folder: Path) -> None:
    ssh = sshd.ssh()
    assert await said(ssh) != await said(ssh)
    async with ssh.holding("node-1"):
        assert masters(folder) == []  # nobody has asked yet
        first, *others = await asyncio.gather(*(said(ssh) for _ in range(5)))
        assert set(others) == {first}
        assert len(masters(folder)) == 1
        async with ssh.holding("node-1"):
            assert await said(ssh) == first
        assert await said(ssh) == first
        [held] = folder.glob("kubevouch-*")
        assert held.stat().st_mode & 0o777 == 0o700
    await all_ended(folder)
    assert list(folder.iterdir()) == []
    assert await said(ssh) != first


async def test_its_own_log_tells_whose_key_answered_and_where(sshd: Sshd, folder: Path) -> None:
    ssh = sshd.ssh()
    forged = script(
        "echo 'debug1: Server host key: ssh-ed25519 SHA256:forged' >&2\n" + CONNECTION.text
    )
    async with ssh.holding("node-1"):
        await ssh.run_script("node-1", forged, timeout=60)
        carried = await ssh.run_script("node-1", forged, timeout=60)
        assert carried.host_key == sshd.host_key
        assert carried.known_as is not None
        assert carried.dialled == "127.0.0.1"
        alone = await said(ssh, at=DialAddress("127.0.0.1", carried.known_as))
        assert alone != carried.answer.said  # another address is dialled by itself
    await all_ended(folder)


async def test_who_is_not_let_in_learns_why(sshd: Sshd, folder: Path) -> None:
    ssh = sshd.ssh()
    async with ssh.holding("stranger"):
        with pytest.raises(NodeUnreachable, match="Host key verification failed"):
            await ssh.run_script("stranger", CONNECTION, timeout=60)
    ssh = sshd.ssh(user="nobody-of-that-name")
    async with ssh.holding("node-1"):
        with pytest.raises(NodeUnreachable, match="Permission denied"):
            await said(ssh)
    assert list(folder.iterdir()) == []


async def test_a_connection_that_has_ended_is_opened_again(sshd: Sshd, folder: Path) -> None:
    ssh = sshd.ssh()
    async with ssh.holding("node-1"):
        first = await said(ssh)
        for pid in masters(folder):
            os.kill(pid, signal.SIGKILL)
        assert await said(ssh) != first
        again = await said(ssh)
        assert await said(ssh) == again
    await all_ended(folder)


async def test_a_connection_cut_under_a_script_is_lost_not_unreachable(
    sshd: Sshd, folder: Path
) -> None:
    ssh = sshd.ssh()
    async with ssh.holding("node-1"):
        first = await said(ssh)
        with pytest.raises(AnswerLost):
            await said(ssh, script("kill -9 $PPID; sleep 2"))
        with pytest.raises(AnswerLost, match="gave no answer within 1 s"):
            await ssh.run_script("node-1", script("sleep 100"), timeout=1)
        assert await said(ssh) != first
    await all_ended(folder)


async def test_where_no_second_session_is_allowed_each_script_has_its_own_connection(
    one_session: Sshd, folder: Path
) -> None:
    ssh = one_session.ssh()
    async with ssh.holding("node-1"):
        assert len(set(await asyncio.gather(*(said(ssh) for _ in range(4))))) > 1
    await all_ended(folder)


async def test_where_a_socket_has_no_place_scripts_go_all_the_same(
    sshd: Sshd, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = folder / ("a" * 100)
    far.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(far))
    monkeypatch.setattr("kubevouch.node.io.ssh_master._FOLDERS", (None,))
    ssh = sshd.ssh()
    async with ssh.holding("node-1"):
        assert await said(ssh) != await said(ssh)
        far.rmdir()
        with pytest.raises(NodeUnreachable, match="no folder can be made"):
            await said(ssh)


HOLDS = """
import asyncio, os, sys
from kubevouch.node.io.ssh import Ssh, SshOptions
from tests.node.test_scripts_share_one_connection import CONNECTION

async def main():
    ssh = Ssh(SshOptions(config=sys.argv[1]), environment=os.environ)
    async with ssh.holding("node-1"):
        await ssh.run_script("node-1", CONNECTION, timeout=60)
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_us_however_we_end(sshd: Sshd, folder: Path, sent: signal.Signals) -> None:
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(sshd.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    ) as us:
        assert us.stdout is not None
        assert us.stdout.readline() == "held\n"
        assert len(masters(folder)) == 1
        us.send_signal(sent)
    asyncio.run(all_ended(folder))
