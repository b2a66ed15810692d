"""Credentials that change under a running client: token files, certificates, exec plugins."""

import asyncio
import contextlib
import json
import os
import stat
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from kubevouch.kube.errors import CredentialError, KubeconfigError, Unauthorized
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import TOKEN_FILE_SECONDS
from kubevouch.kube.io.exec_plugin import ExecPlugin
from kubevouch.kube.kubeconfig import EnvironmentVariable, ExecConfig, User
from tests.support.apiservers import MOMENT, access_to, api_server, client_of
from tests.support.authority import Authority
from tests.support.clocks import WoundClock
from tests.support.scripted import faults
from tests.support.scripted.apiserver import ScriptedApiServer

V1 = "client.authentication.k8s.io/v1"
AUTHORITY = Authority()


class World:
    """An API server, a folder for what is named in a kubeconfig, and a plugin in it."""

    def __init__(self, server: ScriptedApiServer, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def client(
        self, user: User, clock: WoundClock | None = None, environ: dict[str, str] | None = None
    ) -> contextlib.AbstractAsyncContextManager[ApiClient]:
        return client_of(access_to(self.server, AUTHORITY, user), clock, environ=environ)

    async def refuses(self, user: User, match: str) -> None:
        async with self.client(user) as api:
            with pytest.raises(CredentialError, match=match):
                await api.version()

    def token(self, text: str) -> tuple[Path, User]:
        """A file with a token, and who uses it."""
        file = self.folder / "token"
        file.write_text(text)
        return file, User(where="users[test]", token_file=str(file))

    def plugin(self, script: str = 'cat "$FOLDER/answer"') -> User:
        """Writes a plugin that prints the text of `$FOLDER/answer` and a line into `$FOLDER/calls` for each call."""
        program = self.folder / "plugin"
        program.write_text(f'#!/bin/sh\necho called >> "$FOLDER/calls"\n{script}\n')
        program.chmod(0o700)
        config = ExecConfig(
            command=str(program),
            env=(EnvironmentVariable("FOLDER", str(self.folder)),),
            api_version=V1,
            interactive_mode="Never",
        )
        return User(where="users[test]", exec=config)

    def answer(self, to: str = "answer", **status: str) -> None:
        credential = {"kind": "ExecCredential", "apiVersion": V1, "status": status}
        (self.folder / to).write_text(json.dumps(credential))

    @property
    def calls(self) -> int:
        return len((self.folder / "calls").read_text().splitlines())

    @property
    def sent(self) -> list[str]:
        return [request.headers.get("Authorization", "") for request in self.server.requests]

    @property
    def presented(self) -> str | None:
        """The name in the client certificate of the last request."""
        certificate = self.server.requests[-1].certificate
        return certificate.common_name if certificate else None


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with api_server(AUTHORITY) as running:
        yield World(running, tmp_path)


async def test_a_token_file_is_read_again_when_due_and_after_a_401(world: World) -> None:
    """It may come late, too."""
    clock, (file, user) = WoundClock(MOMENT), world.token("")
    file.unlink()
    async with world.client(user, clock) as api:
        with pytest.raises(KubeconfigError, match="tokenFile"):
            await api.version()
        file.write_text("one\n")
        await api.version()
        file.write_text("two")
        await api.version()
        clock.wind(timedelta(seconds=TOKEN_FILE_SECONDS))
        await api.version()
        assert world.sent == ["Bearer one", "Bearer one", "Bearer two"]

        world.server.tokens = {"three": "somebody"}
        file.write_text("three")
        await api.version()
        assert world.sent[3:] == ["Bearer two", "Bearer three"]
        file.unlink()  # while it is being replaced, the last token serves
        clock.wind(timedelta(seconds=TOKEN_FILE_SECONDS))
        await api.version()
        assert world.sent[5:] == ["Bearer three"]


async def test_a_refused_token_that_did_not_change_is_not_sent_again(world: World) -> None:
    _, user = world.token("one")
    world.server.tokens = {}
    async with world.client(user) as api:
        with pytest.raises(Unauthorized):
            await api.version()
    assert world.sent == ["Bearer one"]


async def test_a_replaced_client_certificate_is_presented_after_a_while(world: World) -> None:
    # kubelet-client-current.pem: certificate and key in one file, replaced at rotation.
    file, clock = world.folder / "client.pem", WoundClock(MOMENT)
    user = User(where="users[test]", client_certificate=str(file), client_key=str(file))
    seen = []
    async with world.client(user, clock) as api:
        for name in ("before", "after"):
            pair = AUTHORITY.client(name)
            file.write_bytes(pair.chain + pair.key)
            clock.wind(timedelta(seconds=TOKEN_FILE_SECONDS))
            await api.version()
            seen.append(world.presented)
    assert seen == ["before", "after"]


async def test_a_client_certificate_whose_key_is_not_there_yet_is_read_again_soon(
    world: World,
) -> None:
    """And keeps no token beside it from being renewed."""
    chain, key, clock = world.folder / "client.crt", world.folder / "client.key", WoundClock(MOMENT)
    token, user = world.token("one")
    user = msgspec.structs.replace(user, client_certificate=str(chain), client_key=str(key))
    first, second = AUTHORITY.client("first"), AUTHORITY.client("second")
    seen: list[object] = []

    async def ask() -> None:
        await api.version()
        seen.append(world.presented)

    async with world.client(user, clock) as api:
        chain.write_bytes(first.chain)
        key.write_bytes(second.key)
        with pytest.raises(CredentialError, match="does not belong"):
            await api.version()
        key.write_bytes(first.key)
        await ask()
        chain.write_bytes(second.chain)
        token.write_text("two")
        clock.wind(timedelta(seconds=TOKEN_FILE_SECONDS))
        await ask()
        key.write_bytes(second.key)
        clock.wind(timedelta(seconds=5))
        await ask()
    assert seen == ["first", "first", "second"]
    assert world.sent == ["Bearer one", "Bearer two", "Bearer two"]


async def test_a_plugin_is_asked_once_for_many_requests(world: World) -> None:
    world.answer(token="one")
    async with world.client(world.plugin()) as api:
        await asyncio.gather(*(api.version() for _ in range(5)))
    assert world.sent == ["Bearer one"] * 5
    assert world.calls == 1


async def test_a_plugin_is_asked_again_when_its_credential_has_expired(world: World) -> None:
    clock = WoundClock(MOMENT)
    world.answer(token="one", expirationTimestamp="2026-11-24T12:10:00Z")
    async with world.client(world.plugin(), clock) as api:
        await api.version()
        world.answer(token="two", expirationTimestamp="2026-11-24T14:00:00+01:00")
        clock.wind(timedelta(minutes=10))
        await api.version()
        clock.wind(timedelta(seconds=1))
        await api.version()
        clock.wind(timedelta(minutes=40))
        await api.version()
    assert world.sent == ["Bearer one", "Bearer one", "Bearer two", "Bearer two"]
    assert world.calls == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refused_credential_of_a_plugin_is_renewed_once(world: World, method: str) -> None:
    path = "/api/v1/namespaces/a/configmaps"
    body = {"metadata": {"name": "made"}} if method == "POST" else None
    world.answer(token="old")
    world.server.tokens = {"old": "somebody"}
    async with world.client(world.plugin()) as api:
        await api.version()
        world.server.tokens = {"new": "somebody"}
        world.answer(token="new")
        await api.request(method, path, body=body)
        assert world.sent == ["Bearer old", "Bearer old", "Bearer new"]

        world.server.tokens = {}
        with pytest.raises(Unauthorized):
            await api.request(method, path, body=body)
    # The plugin gave the same token again: it was not sent a second time.
    assert world.sent[3:] == ["Bearer new"]
    assert world.calls == 3
    assert [request.method for request in world.server.requests] == ["GET", *[method] * 3]


async def test_requests_refused_together_ask_the_plugin_once(world: World) -> None:
    world.answer(token="old")
    world.server.tokens = {"new": "somebody"}
    script = (
        'cat "$FOLDER/answer"; [ -e "$FOLDER/next" ] && mv "$FOLDER/next" "$FOLDER/answer"; exit 0'
    )
    async with world.client(world.plugin(script)) as api:
        world.answer("next", token="new")
        await asyncio.gather(*(api.version() for _ in range(4)))
    assert world.calls == 2


async def test_a_401_that_a_kubelet_says_does_not_make_the_plugin_ask_its_user_again(
    world: World,
) -> None:
    """The API server passes on what kubelets answer. While a plugin waits for its user, nothing else is asked, no Lease renewed."""
    path = "/api/v1/nodes/node-1/proxy/healthz"
    world.server.faults.on(path, faults.answer(401, "Unauthorized"))
    world.answer(token="one")
    async with world.client(world.plugin()) as api:
        await api.version()
        for _ in range(3):
            with pytest.raises(Unauthorized):
                await api.text(path)
    assert world.calls == 1


async def test_a_plugin_that_gives_another_certificate_gets_another_connection(
    world: World,
) -> None:
    clock, seen = WoundClock(MOMENT), []
    async with world.client(world.plugin(), clock) as api:
        for name in ("one", "two"):
            pair = AUTHORITY.client(name)
            world.answer(
                clientCertificateData=pair.chain.decode(),
                clientKeyData=pair.key.decode(),
                expirationTimestamp=(clock.now() + timedelta(minutes=1)).isoformat(),
            )
            await api.version()
            seen.append(world.presented)
            clock.wind(timedelta(minutes=2))
    assert seen == ["one", "two"]


async def test_a_plugin_whose_certificate_is_broken_is_an_error_of_the_plugin(world: World) -> None:
    world.answer(clientCertificateData="x", clientKeyData="y")
    await world.refuses(world.plugin(), "users")


async def test_a_plugin_that_does_not_end_is_ended_with_its_children(world: World) -> None:
    # A child that holds the pipe open, in a session of the plugin's own.
    user = world.plugin(
        'sleep 600 & echo $! > "$FOLDER/child"; mkfifo "$FOLDER/never"; read x < "$FOLDER/never"'
    )
    access = access_to(world.server, AUTHORITY, user)
    assert user.exec
    credentials = ExecPlugin(access, user.exec, WoundClock(MOMENT), dict(os.environ), seconds=1.0)
    with pytest.raises(CredentialError, match="did not end within 1 second"):
        await credentials.current()
    child = int((world.folder / "child").read_text())
    await _gone(child)


async def _gone(pid: int) -> None:
    """Waits until a process is no more, or a zombie that nobody collects here."""
    for _ in range(600):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state in "ZX":
            return
        await asyncio.sleep(0.05)
    pytest.fail("the plugin's child is still there")


WITHOUT_END = {
    "line by line": "while :; do echo yes yes yes yes; done",
    # So that asyncio has stopped reading when it is killed.
    "more at a time than is read at once": f"""exec {sys.executable} -c '
import fcntl, os
fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)
while True: os.write(1, b"y" * (1 << 20))'""",
}


@pytest.mark.parametrize("script", WITHOUT_END.values(), ids=WITHOUT_END)
async def test_a_plugin_that_prints_without_end_is_ended(world: World, script: str) -> None:
    async with asyncio.timeout(60):
        await world.refuses(world.plugin(script), "over 1048576 bytes")
    assert world.server.requests == []


async def test_a_plugin_inherits_our_environment_and_not_our_input(world: World) -> None:
    world.answer(token="one")
    script = 'printf "%s" "$OURS" > "$FOLDER/ours"; cat > "$FOLDER/input"; cat "$FOLDER/answer"'
    environ = {"PATH": "/usr/bin:/bin", "OURS": "inherited"}
    async with world.client(world.plugin(script), environ=environ) as api:
        await api.version()
    assert (world.folder / "ours").read_text() == "inherited"
    assert (world.folder / "input").read_text() == ""


async def test_a_plugin_that_may_not_be_run_is_a_clear_error(world: World) -> None:
    user = world.plugin()
    (world.folder / "plugin").chmod(stat.S_IRUSR)
    await world.refuses(user, "not found")
    (world.folder / "plugin").write_bytes(b"\x7fELF no program")
    (world.folder / "plugin").chmod(0o700)
    await world.refuses(user, "cannot run")
    assert user.exec
    hostile = msgspec.structs.replace(user.exec, args=("a\0b",))
    await world.refuses(msgspec.structs.replace(user, exec=hostile), "cannot run")
