"""An API server of the lab, and real kubectl to talk to it."""

import contextlib
import io
import json
import random
import ssl
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
from lab.tests.kubectl import Served
from tests.support.authority import Authority
from tests.support.clocks import WoundClock

MOMENT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ADMIN = UserInfo("kubernetes-admin", groups=("system:masters", AUTHENTICATED))


@dataclass
class Bench(Served):
    """One that lets everybody in, and ways to it."""

    local: LocalClient
    clock: WoundClock
    session: aiohttp.ClientSession

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
    context = ssl.create_default_context(cadata=authority.pem.decode())
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            running = Bench(server, store, authority, folder, local, clock, session)
            running.config("admin", {"token": "somebody"})
            yield running
        finally:
            await server.stop()
            store.close()
