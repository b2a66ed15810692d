"""An sshd whose root means ill: what it has ssh say fills neither the disk here nor the terminal."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncssh
import pytest

from kubevouch.node.errors import AnswerLost, NodeError, NodeUnreachable, ScriptFailed
from kubevouch.node.io.ssh import Ssh
from tests.support.unhurried import GENEROUS

from .conftest import script

HELLO = script("echo hello")
ESCAPES = "\x1b]0;owned\x07\x1b[2J\r\u202e"
BANNER = f'{ESCAPES} kubevouch-answer: {{"said": "banner"}}\n' * 3_000


class LetsIn(asyncssh.SSHServer):
    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        if username == "hangs-up":
            self._connection.abort()
        if username == "waves-a-banner":
            self._connection.send_auth_banner(BANNER)
        return False


SAYS: dict[str, tuple[Callable[[], str], int]] = {
    "says-nothing": (lambda: "", 0),
    "says-only-what-looks-like-ours": (lambda: "kubevouch-answer:\n", 0),
    "answers-in-another-shape": (lambda: 'kubevouch-answer: {"said": ["x"]}\n', 0),
    "answers-half": (lambda: 'kubevouch-answer: {"said": "x', 0),
    "answers-40-MB": (lambda: 'kubevouch-answer: {"said": "' + "x" * 40_000_000 + '"}\n', 0),
    "answers-in-depth": (lambda: "kubevouch-answer: " + "[" * 1_000_000 + "\n", 0),
    "answers-in-no-text": (lambda: 'kubevouch-answer: {"said": "\udcff"}\n', 0),
    "answers-and-fails": (lambda: 'kubevouch-answer: {"said": "x"}\n', 255),
    "waves-a-banner": (lambda: "", 0),
}
"""What it prints, and its exit code, by the user's name."""
ENDLESS = ("prints", "complains-without-end", "is-silent")
ENDS: dict[str, type[NodeError] | tuple[type[NodeError], ...]] = {
    **dict.fromkeys(SAYS, (ScriptFailed, AnswerLost)),
    "hangs-up": NodeUnreachable,
    "cuts-the-session": AnswerLost,
    "dies-of-a-signal": AnswerLost,
}
"""As what each is told: of whatever was cut under way the caller must know that the node may have done something."""


async def answers(process: asyncssh.SSHServerProcess[str]) -> None:
    """By the user's name: some for ever."""
    connection, name = (process.get_extra_info(each) for each in ("connection", "username"))
    with contextlib.suppress(OSError, asyncssh.Error):
        if name in SAYS:
            process.stdout.write(SAYS[name][0]())
            process.exit(SAYS[name][1])
        elif name == "complains":
            process.stderr.write("".join(f"{name * 9000}\n" for name in "abcdef"))
            process.exit(3)
        elif name == "cuts-the-session":
            connection.abort()
        elif name == "dies-of-a-signal":
            process.exit_with_signal("KILL", msg=ESCAPES)
        while not process.is_closing():
            for _ in range(100):
                if name == "chatters":
                    connection.send_debug("y" * 900, always_display=True)
                elif name in {"prints", "complains-without-end"}:
                    stream = process.stdout if name == "prints" else process.stderr
                    stream.write("y" * 900)
            await asyncio.sleep(0.01)


@pytest.fixture
async def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(
        LetsIn,
        "127.0.0.1",
        0,
        server_host_keys=[key],
        process_factory=answers,
        errors="surrogateescape",
    )
    yield _known(server.get_port(), key, tmp_path, monkeypatch)
    server.close()


def _known(port: int, key: asyncssh.SSHKey, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh configuration in which the host there is node-1, with that key."""
    known, path = folder / "known_hosts", folder / "config"
    known.write_bytes(b"node-1 " + key.export_public_key())
    path.write_text(
        f"Host node-1\n HostName 127.0.0.1\n Port {port}\n HostKeyAlias node-1\n"
        f" UserKnownHostsFile {known}\n GlobalKnownHostsFile /dev/null\n"
    )
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return path


async def refused(config: Path, user: str, *, timeout: float = 60) -> NodeError:
    """What is raised of such a node. It is short, and nothing is left of it here."""
    ssh = Ssh(str(config), user, connect_timeout=2, environment=os.environ)
    async with asyncio.timeout(GENEROUS):
        with pytest.raises(NodeError) as raised:
            await ssh.run_script("node-1", HELLO, timeout=timeout)
    assert len(str(raised.value)) < 4 * 600
    assert [each.name for each in config.parent.iterdir() if each.is_dir()] == []
    return raised.value


@pytest.mark.parametrize("user", ENDS)
async def test_what_is_no_answer_is_one_failure_of_that_node(config: Path, user: str) -> None:
    assert isinstance(await refused(config, user), ENDS[user])


@pytest.mark.parametrize("user", ENDLESS)
async def test_who_never_ends_is_given_up(config: Path, user: str) -> None:
    assert isinstance(await refused(config, user, timeout=3), AnswerLost)


NO_SSHD: dict[str, bytes] = {
    "a web server": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a version without end": b"SSH-2.0-" + b"x" * 4_000_000,
    "lines without end before it": b"hello\r\n" * 500_000,
    "rubbish after it": b"SSH-2.0-OpenSSH_9.2\r\n" + bytes(range(256)) * 4000,
    "silence": b"",
}


@pytest.mark.parametrize("kind", NO_SSHD)
async def test_what_is_no_sshd_is_a_node_that_is_not_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(NO_SSHD[kind])
            await writer.drain()
            await reader.read()
        writer.close()

    key = asyncssh.generate_private_key("ssh-ed25519")
    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        config = _known(server.sockets[0].getsockname()[1], key, tmp_path, monkeypatch)
        assert isinstance(await refused(config, "root"), NodeUnreachable)


async def most_in(folder: Path, most: list[int]) -> None:
    """Keeps the size of all that was in the folder's logs at most."""
    while True:
        most.append(sum(each.stat().st_size for each in folder.rglob("log")))
        await asyncio.sleep(0.05)


async def test_the_log_of_ssh_takes_no_room_on_the_disk_however_much_the_node_has_it_say(
    config: Path,
) -> None:
    most: list[int] = []
    watching = asyncio.create_task(most_in(config.parent, most))
    try:
        assert isinstance(await refused(config, "chatters", timeout=4), AnswerLost)
    finally:
        watching.cancel()
    assert len(most) > 1
    assert max(most) == 0


async def test_of_a_long_complaint_the_beginnings_of_its_last_lines_are_told(config: Path) -> None:
    told = str(await refused(config, "complains"))
    assert "ddddd" in told
    assert "aaaaa" not in told
