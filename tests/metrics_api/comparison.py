"""The same requests to any metrics server, before the same objects, and what of the answers is compared."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from yarl import URL

from tests.support.authority import Pair
from tests.support.contexts import server_context
from tests.support.front_proxy import Authorities, answered, client_context
from tests.support.scripted.kubelet import SILENCE, Serve
from tests.support.small_cluster import METRICS, CountingPage, SmallCluster, small_cluster

HERE = Path(__file__).parent
RECORDED = HERE / "recorded" / "metrics-server-0.9.0.jsonl"
_TOKEN = "a-users-token"

Answer = dict[str, Any]
"""status, type, body and what headers say, the body as far as it does not depend on the moment."""


@dataclass(frozen=True)
class Asked:
    """A request. who: see `_credentials`. only: how the metrics begin that are compared."""

    name: str
    method: str
    path: str
    accept: str
    who: str
    only: str


def all_requests() -> list[Asked]:
    """Those of requests.yaml."""
    topics = yaml.safe_load((HERE / "requests.yaml").read_text(encoding="utf-8"))
    found = []
    for topic, requests in topics.items():
        for name, said in requests.items():
            more = said if isinstance(said, dict) else {"ask": said}
            method, path = more["ask"].split(" ")
            who = more.get("as", "admin")
            found.append(
                Asked(
                    f"{topic}: {name}",
                    method,
                    path,
                    more.get("accept", ""),
                    who,
                    more.get("only", ""),
                )
            )
    return found


@contextlib.asynccontextmanager
async def compared_cluster(
    folder: Path, now: Callable[[], float] = time.time
) -> AsyncIterator[SmallCluster]:
    """Nodes n1, n2 and big with their pods; a node that never answers and a pod that no kubelet tells of."""
    async with contextlib.AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(small_cluster(folder, now))
        page = CountingPage((("shop", "cart"), ("shop", "stock")), now)
        pair = cluster.serving("big")
        await cluster.add(stack, "big", Serve(server_context(pair), page))
        for name in ("cart", "stock", "new"):
            cluster.put_pod("shop", name, "big")
        await cluster.add(stack, "silent", SILENCE)
        cluster.reviews.tokens[_TOKEN] = {"username": "admin", "groups": ["admins"]}
        cluster.reviews.allow = lambda spec: spec["user"] == "admin"
        yield cluster


async def answers(port: int, roots: bytes, authorities: Authorities) -> dict[str, Answer]:
    """To every request, by its name."""
    found = {}
    for asked in all_requests():
        pair, headers = _credentials(asked.who, authorities)
        if asked.accept:
            headers["Accept"] = asked.accept
        # Without any header of ours but these, as Go's http.Client would send it.
        async with (
            aiohttp.ClientSession(skip_auto_headers=("Accept", "User-Agent")) as session,
            session.request(
                asked.method,
                URL(f"https://127.0.0.1:{port}{asked.path}", encoded=True),
                headers=headers,
                ssl=client_context(roots, pair),
                allow_redirects=False,
            ) as answer,
        ):
            body = await answer.read()
            kind = answer.headers.get("Content-Type", "")
            found[asked.name] = {
                "status": answer.status,
                "type": kind,
                "body": _comparable(body, kind, asked.only),
                # JSON in lines is meant for people.
                "indented": body.startswith(b"{\n"),
                "ends in a new line": body.endswith(b"\n"),
                "nosniff": answer.headers.get("X-Content-Type-Options", "") == "nosniff",
                "cached": answer.headers.get("Cache-Control", ""),
            }
    return found


async def until_measured(
    port: int, roots: bytes, authorities: Authorities, turn: Callable[[], Any]
) -> None:
    """Until every node and pod that can be is served, and its probes pass. turn: awaited between two looks."""
    wanted = {"nodes": 3, "pods": 4}
    while True:
        found = {}
        for kind in wanted:
            with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError, ValueError):
                found[kind] = len(await _items(port, roots, authorities, kind))
        if found == wanted and await _passes(port, roots, "/readyz", "/livez"):
            return
        await turn()


async def _passes(port: int, roots: bytes, *probes: str) -> bool:
    for path in probes:
        if (await answered(port, path, client_context(roots)))[0] != 200:
            return False
    return True


async def _items(port: int, roots: bytes, authorities: Authorities, kind: str) -> list[object]:
    pair, headers = _credentials("admin", authorities)
    context = client_context(roots, pair)
    _, text = await answered(port, f"{METRICS}/{kind}", context, headers.items())
    items: list[object] = json.loads(text).get("items", [])
    return items


def _credentials(who: str, authorities: Authorities) -> tuple[Pair | None, dict[str, str]]:
    """What the user shows: a client certificate, headers."""
    front = authorities.front_proxy
    return {
        "admin": (front, {"X-Remote-User": "admin", "X-Remote-Group": "admins"}),
        "nobody": (front, {"X-Remote-User": "nobody"}),
        "impersonator": (front, {"X-Remote-User": "nobody", "Impersonate-User": "admin"}),
        "anonymous": (None, {}),
        "token": (None, {"Authorization": f"Bearer {_TOKEN}"}),
        "stolen token": (None, {"Authorization": "Bearer stolen"}),
        "certificate": (authorities.cluster.client("admin"), {"X-Remote-User": "somebody"}),
        "other proxy": (authorities.proxy.client("other"), {"X-Remote-User": "admin"}),
    }[who]


# What depends on the moment of the answer, or on the last digits of a rate.
_PASSING: Mapping[str, str] = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ": "MOMENT",
    r"\b\d+(\.\d+)?s\b": "WINDOW",
    r"\b2(49|50)\d*[num]\b": "CPU",
    r'":\d+"': '":PORT"',
}


def _comparable(body: bytes, kind: str, only: str) -> object:
    if body.startswith(b"# HELP"):
        return _families(body.decode(), only)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"binary, beginning with {body[:4]!r}"
    for pattern, word in _PASSING.items():
        text = re.sub(pattern, word, text)
    return json.loads(text) if text and "json" in kind else text


def _families(text: str, only: str) -> list[str]:
    """What there is: name, type and labels of each metric, not its values."""
    kinds: dict[str, str] = {}
    labels: dict[str, set[str]] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            kinds[name] = kind
        elif not line.startswith("#"):
            name = re.split(r"[ {]", line)[0]
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            own = base if kinds.get(base) == "histogram" else name
            inside = line[len(name) : line.rindex("}") + 1] if "{" in line else ""
            labels.setdefault(own, set()).update(re.findall(r'(\w+)="', inside))
    return [
        f"{name} {kinds[name]} {' '.join(sorted(labels.get(name, ())))}".strip()
        for name in sorted(kinds)
        if name.startswith(only)
    ]
