"""A cluster's two authorities, and what its API server publishes about them."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from kubevouch.tls.io.context import KeyPair as TlsPair
from kubevouch.tls.io.context import load_key_pair
from tests.support.authority import Authority, Pair
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.kinds import KINDS

Object = dict[str, Any]
NAME = "extension-apiserver-authentication"


@dataclass
class Authorities:
    """The CA of users and kubelets, and that of the front proxy."""

    cluster: Authority = field(default_factory=lambda: Authority("kubernetes"))
    proxy: Authority = field(default_factory=lambda: Authority("front-proxy-ca"))

    def config_map(self) -> Object:
        return {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {
                "name": NAME,
                "namespace": "kube-system",
                "uid": "u",
                "resourceVersion": "28",
            },
            "data": {
                "client-ca-file": self.cluster.pem.decode(),
                "requestheader-client-ca-file": self.proxy.pem.decode(),
                "requestheader-allowed-names": '["front-proxy-client"]',
                "requestheader-username-headers": '["X-Remote-User"]',
                "requestheader-group-headers": '["X-Remote-Group"]',
                "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
            },
        }

    def publish(self, server: ScriptedApiServer) -> None:
        server.store.put(KINDS["", "v1", "configmaps"], self.config_map())

    @property
    def front_proxy(self) -> Pair:
        """What kube-apiserver shows."""
        return self.proxy.client("front-proxy-client")


def client_context(roots: bytes, pair: Pair | None = None) -> ssl.SSLContext:
    """A client that verifies, as a test's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=roots.decode())
    if pair is not None:
        load_key_pair(context, TlsPair(pair.chain, pair.key), where="client")
    return context


async def answered(
    port: int, path: str, context: ssl.SSLContext, headers: Iterable[tuple[str, str]] = ()
) -> tuple[int, str]:
    """The code and text that a server on loopback answers."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"https://127.0.0.1:{port}{path}", headers=list(headers), ssl=context
        ) as answer,
    ):
        return answer.status, await answer.text()
