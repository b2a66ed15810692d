"""Where a case runs: an API server behind TLS, one without, a proxy, and a folder filled with the case's files.

Files may hold placeholders ($SERVER, $CA_DATA, ...), since ports and certificates are new each time; what comes
back has the placeholders put in again, so that it can lie beside the case as a recording.
"""

import asyncio
import base64
import contextlib
import copy
import functools
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.apiservers import MOMENT
from tests.support.authority import Authority
from tests.support.clocks import WoundClock
from tests.support.connect_proxy import ConnectProxy, connect_proxy
from tests.support.contexts import server_context
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.faults import answer

HERE = Path(__file__).parent
CASES = HERE / "cases"
RECORDED, REFUSALS = HERE / "kubectl.jsonl", HERE / "refusals.json"
# What is asked for. Some kubectls ask for /version, too, before they do what they are told.
ASKED = "/livez"
JSON = Any


@dataclass(frozen=True)
class Case:
    """A line of cases.jsonl. Its files lie in a folder of cases/, what kubectl did with them is recorded in kubectl.jsonl.

    says: the behaviour. group: a heading of docs/reference/kubeconfig.md. kubectl: what kubectl does, in words.
    differs: what kubevouch does instead, in words; "" where it does the same.
    flags: --kubeconfig and --context. environ: beside HOME and PATH.
    """

    name: str
    group: str
    says: str
    kubectl: str
    differs: str = ""
    flags: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return CASES / self.name

    @property
    def recorded(self) -> JSON:
        return copy.deepcopy(_recorded()[self.name])


def all_cases() -> list[Case]:
    lines = (HERE / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    return [Case(**json.loads(line)) for line in lines]


@functools.cache
def _recorded() -> dict[str, JSON]:
    found = map(json.loads, RECORDED.read_text(encoding="utf-8").splitlines())
    return {each.pop("case"): each for each in found}


def refusals() -> dict[str, str]:
    """What is said of each case that is refused."""
    return dict(json.loads(REFUSALS.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Bench:
    """What the placeholders of a case stand for while it runs."""

    folder: Path
    tls: ScriptedApiServer
    plain: ScriptedApiServer
    proxy: ConnectProxy
    texts: dict[str, str]

    def fill(self, text: str) -> str:
        for name in sorted(self.texts, key=len, reverse=True):
            text = text.replace(f"${name}", self.texts[name])
        return text

    def empty(self, text: str) -> str:
        for name, value in sorted(self.texts.items(), key=lambda item: -len(item[1])):
            text = text.replace(value, f"${name}")
        return text

    def flags(self, case: Case) -> list[str]:
        return [f"--{name}={self.fill(value)}" for name, value in case.flags.items()]

    def environ(self, case: Case) -> dict[str, str]:
        always = {"HOME": str(self.folder / "home"), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        return {**always, **{name: self.fill(value) for name, value in case.environ.items()}}

    def sent(self) -> JSON:
        """What arrived at the servers since `lay`, as far as a kubeconfig decides it."""
        seen = [("tls", request) for request in self.tls.requests]
        seen += [("plain", request) for request in self.plain.requests]
        return [
            {
                "server": server,
                "path": request.path,
                "proxied": [
                    self.empty(line)
                    for line in (self.proxy.heads[-1:] or [""])[0].splitlines()
                    if line.startswith(("CONNECT", "Proxy-Auth"))
                ],
                "accepts gzip": request.headers.get("Accept-Encoding") == "gzip",
                "authorization": self.empty(request.headers.get("Authorization", "")),
                "certificate": request.certificate and request.certificate.common_name,
                "acts as": sorted(
                    [name.title(), value]
                    for name, value in request.headers.items()
                    if name.lower().startswith("impersonate")
                ),
            }
            for server, request in seen
            if request.path.endswith(ASKED)
        ]

    def told_plugin(self) -> JSON:
        """What a plugin found in KUBERNETES_EXEC_INFO, with its arguments, if it wrote that down."""
        info, arguments = self.folder / "info.json", self.folder / "arguments"
        if not info.exists():
            return None
        found = json.loads(self.empty(info.read_text()))
        return {
            "information": found,
            "arguments": self.empty(arguments.read_text()).split("\n")[:-1],
        }

    def lay(self, case: Case) -> None:
        """Fills the folder with the case's files and forgets what was seen before."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for source in sorted(case.folder.rglob("*")):
            target = self.folder / source.relative_to(case.folder)
            if source.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            data = source.read_bytes()
            with contextlib.suppress(UnicodeDecodeError):
                data = self.fill(data.decode()).encode()
            target.write_bytes(data)
            target.chmod(0o755 if data.startswith(b"#!") else 0o600)
        for seen in (self.tls.requests, self.plain.requests, self.proxy.heads):
            seen.clear()


@contextlib.asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    authority, other = Authority(), Authority("somebody else")
    client = authority.client("operator", "system:masters")
    context = server_context(authority.serving("127.0.0.1", "api.example"), client_ca=authority.pem)
    clock = WoundClock(MOMENT)
    async with (
        ScriptedApiServer(context, clock) as tls,
        ScriptedApiServer(None, clock) as plain,
        connect_proxy() as proxy,
    ):
        for server in (tls, plain):
            server.faults.on("*", answer(200, "{}", Content_Type="application/json"))
        files = {
            "CA": authority.pem,
            "OTHER_CA": other.pem,
            "CLIENT": client.chain,
            "KEY": client.key,
        }
        texts = {name: data.decode() for name, data in files.items()}
        texts |= {f"{name}_DATA": base64.b64encode(data).decode() for name, data in files.items()}
        texts |= {f"{name}_JSON": json.dumps(data.decode()) for name, data in files.items()}
        texts |= {
            "DIR": str(folder),
            "SERVER": tls.url,
            "PORT": str(tls.port),
            "PLAIN_PORT": str(plain.port),
            "PROXY_PORT": str(proxy.port),
        }
        yield Bench(folder, tls, plain, proxy, texts)


async def run(words: list[str], environ: dict[str, str], folder: Path) -> tuple[int, str, str]:
    """A program's exit code and output; it gets no terminal and no input."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env=environ,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
