"""Accepting connections goes on whatever the kernel refuses, and its end is the server's."""

import asyncio
import contextlib
import errno
import os
import socket
from datetime import timedelta

import pytest

from kubevouch.serve import listener as listening
from kubevouch.serve.accepting import AcceptError, listening_socket
from kubevouch.tls.io.server import ServerConnection
from tests.serve.test_a_server_ends import ASKING as ASKING_LIVEZ
from tests.serve.test_a_server_ends import Ending, ending
from tests.serve.test_the_listener import (
    Place,
    answered,
    clock,
    connected,
    place,
    rest,
    silent,
    tls,
)
from tests.support.unhurried import GENEROUS

__all__ = ["clock", "ending", "place", "tls"]


async def served(port: int) -> None:
    async with asyncio.timeout(GENEROUS), connected(port) as (reader, writer):
        await answered(reader, writer)


async def test_a_connection_that_the_kernel_does_not_watch_is_closed_and_the_next_one_served(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fs.epoll.max_user_watches is all processes' of a user: the port stayed open, and nobody was answered any more."""

    def refused(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with place.limited() as listener:
        with monkeypatch.context() as patched:
            patched.setattr(asyncio.get_running_loop(), "add_reader", refused)
            async with silent(listener.port, "127.0.0.1") as reader:
                assert await rest(reader) == b""
        await place.clock.wind(timedelta(seconds=2))
        await served(listener.port)


@pytest.mark.parametrize("number", [errno.EPROTO, errno.EMFILE, errno.ENOSPC])
async def test_an_error_that_stays_is_waited_for(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    tries = 0

    async def fails(_: socket.socket) -> tuple[socket.socket, object]:
        nonlocal tries
        tries += 1
        raise OSError(number, os.strerror(number))

    async with place.limited() as listener:
        with monkeypatch.context() as patched:
            patched.setattr(asyncio.get_running_loop(), "sock_accept", fails)
            await asyncio.sleep(0)
            with contextlib.closing(socket.create_connection(("127.0.0.1", listener.port))):
                for _ in range(50):
                    await asyncio.sleep(0.001)
            assert tries == 1
        await place.clock.wind(timedelta(seconds=2))
        await served(listener.port)


async def test_a_server_whose_listening_socket_is_broken_ends_and_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by `ss -K`. Trying again helps nothing: a process that ends is started again, as apiserver's is, which panics."""
    sockets: list[socket.socket] = []

    def kept(host: str, port: int) -> socket.socket:
        sockets.append(listening_socket(host, port))
        return sockets[0]

    monkeypatch.setattr(listening, "listening_socket", kept)
    async with place.limited() as listener:
        await served(listener.port)
        sockets[0].shutdown(socket.SHUT_RDWR)
        async with asyncio.timeout(GENEROUS):
            with pytest.raises(AcceptError, match=rf"127\.0\.0\.1:{listener.port}: .*Invalid arg"):
                await listener.accepts()


@pytest.mark.parametrize(
    ("raised", "ends"),
    [
        (OSError(errno.EBADF, os.strerror(errno.EBADF)), AcceptError),
        (OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK)), AcceptError),
        (RuntimeError("of a test"), RuntimeError),
    ],
    ids=["a closed file", "another file", "an error of ours"],
)
async def test_a_server_that_accepts_nobody_any_more_ends(
    ending: Ending, monkeypatch: pytest.MonkeyPatch, raised: Exception, ends: type[Exception]
) -> None:
    """It went on with an open port and without a word, and its probes were refused as if it were new."""

    async def fails(_: socket.socket) -> tuple[socket.socket, object]:
        raise raised

    assert ending.task
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_accept", fails)
    # Who was waited for before.
    with contextlib.closing(socket.create_connection(("127.0.0.1", ending.port))):
        async with asyncio.timeout(GENEROUS):
            with pytest.raises(ends, match=str(raised.args[-1])):
                await ending.task
    assert not ending.working


async def failing(ending: Ending, number: int, seconds: float) -> list[str]:
    """What is logged while accepting fails for so long, and then works again."""

    async def fails(_: socket.socket) -> tuple[socket.socket, object]:
        raise OSError(number, os.strerror(number))

    before = len(ending.lines)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asyncio.get_running_loop(), "sock_accept", fails)
        with contextlib.closing(socket.create_connection(("127.0.0.1", ending.port))):
            await ending.clock.wind(timedelta(seconds=seconds))
    await ending.clock.wind(timedelta(seconds=2))
    reader, writer = await ending.connected()
    with contextlib.closing(writer):
        writer.write(ASKING_LIVEZ)
        async with asyncio.timeout(GENEROUS):
            await reader.readuntil(b"done")
    return ending.lines[before:]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EPERM])
async def test_that_nobody_is_accepted_is_logged_once(ending: Ending, number: int) -> None:
    for _ in range(2):
        [line] = await failing(ending, number, 2)
        assert "Failed to accept connections; retrying" in line
        assert os.strerror(number) in line


async def test_a_client_that_was_gone_already_is_no_line_in_the_log(ending: Ending) -> None:
    assert await failing(ending, errno.ECONNABORTED, 0.1) == []


async def test_a_connection_that_cannot_be_ended_keeps_no_other_open(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    abort, failed = ServerConnection.abort, list[ServerConnection]()

    def fails_once(connection: ServerConnection) -> None:
        abort(connection)
        if not failed:
            failed.append(connection)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(ServerConnection, "abort", fails_once)
    async with (
        place.limited(patience=6.0) as listener,
        contextlib.AsyncExitStack() as s,
    ):
        for _ in range(2):
            found = [await s.enter_async_context(silent(listener.port, "127.0.0.1")) for _ in "ab"]
            await asyncio.sleep(0.02)
            async with asyncio.timeout(GENEROUS):
                for _ in range(4):
                    await place.clock.pass_(3)
            assert [await rest(each) for each in found] == [b"", b""]
    assert failed
