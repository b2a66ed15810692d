"""An API server of the lab, and real kubectl to talk to it."""

import asyncio
import contextlib
import io
import json
import random
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from kubevouch_lab.apiserver.backends import Backends
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.journal import StoreJournal
from kubevouch_lab.apiserver.kinds import NAMESPACES
from kubevouch_lab.apiserver.request import (
    AUTHENTICATED,
    Admission,
    Authenticator,
    Authorizer,
    UserInfo,
)
from kubevouch_lab.apiserver.server import ApiServer, ServerPki
from kubevouch_lab.apiserver.store import Store
from tests.support.authority import Authority
from tests.support.clocks import WoundClock

KUBECTL = Path(sys.executable).with_name("kubectl")
MOMENT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
# Generous: two noisy cores.
PATIENT = 60.0
ADMIN = UserInfo("kubernetes-admin", groups=("system:masters", AUTHENTICATED))


@dataclass(frozen=True)
class Ran:
    """What a program printed, and its exit code."""

    code: int
    out: str
    err: str


@dataclass
class Bench:
    """A running server, its store, ways to it."""

    server: ApiServer
    store: Store
    local: LocalClient
    clock: WoundClock
    authority: Authority
    folder: Path
    session: aiohttp.ClientSession

    async def start(self, *args: str, editor: str = "false") -> asyncio.subprocess.Process:
        """kubectl, running. editor: what `kubectl edit` opens."""
        return await asyncio.create_subprocess_exec(
            str(KUBECTL),
            *args,
            env={
                "HOME": str(self.folder),
                "KUBECONFIG": str(self.folder / "kubeconfig"),
                "PATH": "/usr/bin:/bin",
                "KUBE_EDITOR": editor,
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def kubectl(self, *args: str, stdin: Any = None, editor: str = "false") -> Ran:
        """kubectl, to its end. stdin: an object, sent as JSON."""
        process = await self.start(*args, editor=editor)
        raw = b"" if stdin is None else json.dumps(stdin).encode()
        async with asyncio.timeout(PATIENT):
            out, err = await process.communicate(raw)
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def does(self, *args: str, stdin: Any = None, editor: str = "false") -> str:
        """What kubectl printed; it must have succeeded."""
        ran = await self.kubectl(*args, stdin=stdin, editor=editor)
        assert ran.code == 0, ran
        return ran.out

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        form: str = "application/json",
        accept: str = "",
        **query: str,
    ) -> tuple[int, Any]:
        """One request without kubectl: status and decoded body."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": form} if body is not None else {}
        if accept:
            headers["Accept"] = accept
        async with self.session.request(
            method,
            self.server.url + path,
            params=query,
            data=None if body is None else io.BytesIO(data),
            headers=headers,
        ) as answer:
            raw = await answer.read()
            if answer.content_type == "application/json":
                return answer.status, json.loads(raw)
            return answer.status, raw.decode()


@contextlib.asynccontextmanager
async def bench(
    folder: Path,
    authority: Authority,
    *,
    journal: StoreJournal | None = None,
    authenticate: Authenticator = lambda _: ADMIN,
    authorize: Authorizer = lambda _: (True, ""),
    admit: Admission = lambda _info, _old, new: new,
    backends: Backends | None = None,
) -> AsyncIterator[Bench]:
    """Runs one with the four namespaces that every cluster has, until the block ends."""
    clock, store = WoundClock(MOMENT), Store(journal)
    pair = authority.serving("127.0.0.1")
    server = ApiServer(
        store,
        clock=clock,
        tls=ServerPki(pair.chain, pair.key, authority.pem),
        # A store that was kept goes on: no new object gets the uid of one that it has.
        entropy=random.Random(store.revision).randbytes,
        authenticate=authenticate,
        authorize=authorize,
        admit=admit,
        backends=backends or Backends(),
        audit=folder / "audit.log",
    )
    local = LocalClient(server.resources)
    for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        if local.find(NAMESPACES, name) is None:
            local.create(NAMESPACES, {"metadata": {"name": name}})
    await server.start()
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "kubeconfig").write_text(json.dumps(_kubeconfig(server.url, folder / "ca.pem")))
    context = _trusting(authority)
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            yield Bench(server, store, local, clock, authority, folder, session)
        finally:
            await server.stop()
            store.close()


def _trusting(authority: Authority) -> Any:
    import ssl

    return ssl.create_default_context(cadata=authority.pem.decode())


def _kubeconfig(url: str, ca: Path) -> Any:
    cluster = {"server": url, "certificate-authority": str(ca)}
    context = {"cluster": "lab", "user": "admin", "namespace": "default"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": "somebody"}}],
        "contexts": [{"name": "lab", "context": context}],
        "current-context": "lab",
    }
