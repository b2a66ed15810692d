"""The sshd of a node: real sessions of the system's own ssh, each a program in the node's shell.

asyncssh speaks the protocol. A listener of our own stands before it, so that a cable can be pulled: connections that are
open then hang, new ones get no word, as behind a firewall that drops.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence
from typing import Final

import asyncssh

from kubevouch_lab.listening import listening_socket
from kubevouch_lab.nodes.system import System
from kubevouch_lab.ssh.session import Session

_CHUNK: Final = 64 * 1024


class _SshServer(asyncssh.SSHServer):
    def __init__(self, system: System) -> None:
        self._system = system

    def session_requested(self) -> Session:
        return Session(self._system)


class NodeSsh:
    """Listens for one node. host_key: private, as ssh-keygen writes it. authorized_keys: of who may come in, all as root."""

    def __init__(self, system: System, *, host_key: bytes, authorized_keys: str) -> None:
        self.port = 0
        self._options = asyncssh.SSHServerConnectionOptions(
            server_host_keys=[asyncssh.import_private_key(host_key)],
            authorized_client_keys=asyncssh.import_authorized_keys(authorized_keys),
            server_factory=lambda: _SshServer(system),
            encoding=None,
            password_auth=False,
            kbdint_auth=False,
            gss_host=None,
            x11_forwarding=False,
            agent_forwarding=False,
            line_editor=False,
            login_timeout=60,
        )
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: set[socket.socket] = set()
        """Nobody attends to them yet."""
        self._flows = asyncio.Event()
        self._flows.set()
        # asyncssh's log lines about each connection are of no use.
        logging.getLogger("asyncssh").setLevel(logging.ERROR)

    async def start(self, addresses: Sequence[str], port: int) -> None:
        """Listens at each address; port 0 takes a free one. Raises OSError."""
        try:
            for address in addresses:
                made = listening_socket(address, port, 128)
                self._sockets.append(made)
                asyncio.get_running_loop().add_reader(made, self._arrived, made)
                port = made.getsockname()[1]
        except OSError:
            await self.stop()
            raise
        self.port = port

    async def stop(self) -> None:
        """Nobody is let in, and who is in is thrown out."""
        sockets, self._sockets = self._sockets, []
        for each in sockets:
            asyncio.get_running_loop().remove_reader(each)
            each.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in self._held:
            each.close()
        self._held.clear()

    def cut(self) -> None:
        """Nothing goes through any more."""
        self._flows.clear()

    def mend(self) -> None:
        """Everything goes on where it stood."""
        self._flows.set()

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _arrived(self, listener: socket.socket) -> None:
        try:
            accepted, _ = listener.accept()
        except OSError:  # whoever came is gone
            return
        accepted.setblocking(False)  # noqa: FBT003 - its only argument
        self._held.add(accepted)
        self._spawn(self._attend(accepted))

    async def _attend(self, outside: socket.socket) -> None:
        self._held.discard(outside)
        with outside:
            await self._flows.wait()
            await self._serve(outside)

    async def _serve(self, outside: socket.socket) -> None:
        ours, theirs = socket.socketpair()
        with ours:
            ours.setblocking(False)  # noqa: FBT003 - its only argument
            theirs.setblocking(False)  # noqa: FBT003 - its only argument
            carried = [
                asyncio.ensure_future(self._carry(outside, ours)),
                asyncio.ensure_future(self._carry(ours, outside)),
            ]
            connection = None
            try:
                connection = await asyncssh.run_server(theirs, options=self._options)
                await asyncio.wait(carried)
            except (asyncssh.Error, OSError):
                # Whatever it had to say to the client has been written to the pair: let it through.
                await asyncio.wait(carried, timeout=1.0)
            finally:
                for task in carried:
                    task.cancel()
                await asyncio.gather(*carried, return_exceptions=True)
                if connection is not None:
                    connection.abort()

    async def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(source, _CHUNK):
                await self._flows.wait()
                await loop.sock_sendall(sink, data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
