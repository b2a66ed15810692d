"""Real kubectl, and what it needs to talk to an API server of the lab."""

import asyncio
import json
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from kubevouch_lab.apiserver.server import ApiServer
from kubevouch_lab.apiserver.store import Store
from tests.cli.program import Ran
from tests.support.authority import Authority, Pair
from tests.support.kubeconfigs import write_kubeconfig

KUBECTL = Path(sys.executable).with_name("kubectl")
# Generous: two noisy cores.
PATIENT = 60.0


@dataclass
class Served:
    """A running server, its store, and a folder of kubeconfigs: each is named after its user."""

    server: ApiServer
    store: Store
    authority: Authority
    folder: Path

    async def start(self, *args: str, user: str = "admin") -> asyncio.subprocess.Process:
        """kubectl, running."""
        return await asyncio.create_subprocess_exec(
            str(KUBECTL),
            *args,
            env={
                "HOME": str(self.folder),
                "KUBECONFIG": str(self.folder / user),
                "PATH": "/usr/bin:/bin",
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def kubectl(self, *args: str, stdin: Any = None, user: str = "admin") -> Ran:
        """kubectl, to its end. stdin: an object, sent as JSON."""
        process = await self.start(*args, user=user)
        raw = b"" if stdin is None else json.dumps(stdin).encode()
        async with asyncio.timeout(PATIENT):
            out, err = await process.communicate(raw)
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def does(self, *args: str, stdin: Any = None, user: str = "admin") -> str:
        """What kubectl printed; it must have succeeded."""
        ran = await self.kubectl(*args, stdin=stdin, user=user)
        assert ran.code == 0, ran
        return ran.out

    async def ask_showing(
        self, pair: Pair | None, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        """One request without kubectl, with that client certificate: status and decoded body. headers: `_` for each hyphen."""
        tls = ssl.create_default_context(cadata=self.authority.pem.decode())
        if pair is not None:
            (self.folder / "shown.pem").write_bytes(pair.chain + pair.key)
            tls.load_cert_chain(self.folder / "shown.pem")
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.server.url + path
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, data=body, headers=given, ssl=tls) as answer,
        ):
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    def config(self, name: str, user: Any) -> str:
        """A kubeconfig by that name."""
        write_kubeconfig(self.folder / name, self.server.url, self.authority.pem, user)
        return name
