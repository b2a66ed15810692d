"""An sshd whose root means ill: what it has ssh say fills neither the disk here nor the terminal."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import msgspec
import pytest

from kubevouch.node.errors import AnswerLost, ScriptFailed
from kubevouch.node.io.ssh import Ssh, SshOptions
from kubevouch.node.script import Script


class Said(msgspec.Struct, frozen=True):
    said: str


HELLO = Script(name="test", text="echo hello", answer=Said)


class LetsIn(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False


async def answers(process: asyncssh.SSHServerProcess[str]) -> None:
    """By the user's name: `chatters` for ever, `complains` at length."""
    connection = process.get_extra_info("connection")
    with contextlib.suppress(OSError, asyncssh.Error):
        if process.get_extra_info("username") == "complains":
            process.stderr.write("".join(f"{name * 9000}\n" for name in "abcdef"))
            process.exit(3)
            return
        while not process.is_closing():
            for _ in range(100):
                connection.send_debug("y" * 900, always_display=True)
            await asyncio.sleep(0.01)


@pytest.fixture
async def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(
        LetsIn, "127.0.0.1", 0, server_host_keys=[key], process_factory=answers
    )
    known, path = tmp_path / "known_hosts", tmp_path / "config"
    known.write_bytes(b"node-1 " + key.export_public_key())
    path.write_text(
        f"Host node-1\n HostName 127.0.0.1\n Port {server.get_port()}\n HostKeyAlias node-1\n"
        f" UserKnownHostsFile {known}\n GlobalKnownHostsFile /dev/null\n"
    )
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield path
    server.close()


async def most_in(folder: Path, most: list[int]) -> None:
    """Keeps the size of all that was in the folder's logs at most."""
    while True:
        most.append(sum(each.stat().st_size for each in folder.rglob("log")))
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("shared", [False, True])
async def test_the_log_of_ssh_takes_no_room_on_the_disk_however_much_the_node_has_it_say(
    config: Path, *, shared: bool
) -> None:
    ssh = Ssh(SshOptions(config=str(config), user="chatters"), environment=os.environ)
    most: list[int] = []
    async with contextlib.AsyncExitStack() as stack:
        watching = asyncio.create_task(most_in(config.parent, most))
        stack.callback(watching.cancel)
        if shared:
            await stack.enter_async_context(ssh.holding("node-1"))
        with pytest.raises(AnswerLost):
            await ssh.run_script("node-1", HELLO, timeout=4)
    assert len(most) > 1
    assert max(most) == 0
    assert [each.name for each in config.parent.iterdir() if each.is_dir()] == []


async def test_of_a_complaint_of_endless_lines_the_beginning_of_the_last_ones_is_told(
    config: Path,
) -> None:
    ssh = Ssh(SshOptions(config=str(config), user="complains"), environment=os.environ)
    with pytest.raises(ScriptFailed) as raised:
        await ssh.run_script("node-1", HELLO, timeout=60)
    assert "ddddd" in str(raised.value)
    assert "aaaaa" not in str(raised.value)
    assert len(str(raised.value)) < 4 * 600
