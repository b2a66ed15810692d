"""Aggregated APIs: which server answers for a group and version, and the way there.

Identity goes in request headers beside the front proxy's client certificate; the backend's own certificate is judged
by the APIService's caBundle for `<service>.<namespace>.svc`, or not at all with insecureSkipTLSVerify. A Service is
resolved to one of its ready endpoints, as kube-proxy would do with its cluster address.

Sources: kube-aggregator's pkg/apiserver/{handler_proxy,resolvers}.go, client-go's transport/round_trippers.go.
"""

import base64
import binascii
import ssl
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from kubevouch.clock import Clock
from kubevouch.x509 import Certificate, X509Error, read_certificates
from kubevouch_lab.apiserver.backends import Aggregated
from kubevouch_lab.apiserver.discovery import GroupVersion
from kubevouch_lab.apiserver.kinds import API_SERVICES, ENDPOINT_SLICES, SERVICES
from kubevouch_lab.apiserver.request import RequestInfo, UserInfo
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object, bracketed, condition, labels_of
from kubevouch_lab.proxies.dialer import client_context, session
from kubevouch_lab.proxies.forwarding import forward
from kubevouch_lab.proxies.go_errors import go_error_text
from kubevouch_lab.proxies.node_proxy import FAILURES

_OWN = ("x-remote-", "impersonate-")
_UNCHANGED = "!#$%&'*+-.^_`|~"


@dataclass(frozen=True)
class Backend:
    """Where an APIService's server is. address: what is dialled; shown: the address of the Service, as errors name it."""

    address: str
    shown: str
    name: str
    context: ssl.SSLContext


class NoBackend(Exception):
    """Why none can be told: the reason and the message of the condition Available."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Aggregation:
    """certificate and key: files of the pair that kubeadm calls front-proxy-client."""

    def __init__(self, store: Store, certificate: Path, key: Path, *, clock: Clock) -> None:
        self._store = store
        self._pair = (certificate, key)
        self._clock = clock
        self._turn = count()
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[tuple[str, str], ssl.SSLContext] = {}

    async def close(self) -> None:
        """Ends its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def __call__(self, group: str, version: str) -> Aggregated | None:
        """Who serves it, if it is an APIService with a Service."""
        found = self._store.find(API_SERVICES, f"{version}.{group}")
        if found is None or not (found.get("spec") or {}).get("service"):
            return None
        return self._serve

    def others(self) -> list[GroupVersion]:
        """For discovery: every APIService with a Service that is available; kubectl finds no other on a real cluster."""
        return [
            (each["spec"]["group"], each["spec"]["version"])
            for each in self._store.list(API_SERVICES)
            if (each.get("spec") or {}).get("service")
            and (condition(each, "Available") or {}).get("status") == "True"
        ]

    def client(self) -> aiohttp.ClientSession:
        """The one that dials backends."""
        if self._session is None:
            self._session = session()
        return self._session

    def backend(self, api_service: Object) -> Backend:
        """Where its server is now; each call takes the next ready endpoint. Raises NoBackend."""
        spec = api_service["spec"]
        name, space = spec["service"]["name"], spec["service"]["namespace"]
        port = spec["service"].get("port") or 443
        where = f'service/{name} in "{space}"'
        service = self._store.find(SERVICES, name, space)
        if service is None:
            raise NoBackend("ServiceNotFound", f"{where} is not present")
        found = service["spec"]
        declared = next((each for each in found.get("ports") or [] if each["port"] == port), None)
        if declared is None:
            raise NoBackend("ServicePortError", f"{where} is not listening on port {port}")
        addresses = self._endpoints(name, space, declared.get("name", ""), where)
        return Backend(
            addresses[next(self._turn) % len(addresses)],
            f"{bracketed(found.get('clusterIP') or name)}:{port}",
            f"{name}.{space}.svc",
            self._context(spec, name, space),
        )

    def _endpoints(self, name: str, space: str, port_name: str, where: str) -> list[str]:
        """`<address>:<port>` of every ready endpoint of a Service's port, in order. Raises NoBackend."""
        slices = [
            each
            for each in self._store.list(ENDPOINT_SLICES, space)
            if labels_of(each).get("kubernetes.io/service-name") == name
        ]
        if not slices:
            raise NoBackend("EndpointsNotFound", f"cannot find endpointslices for {where}")
        found = []
        for each in slices:
            ports = [p["port"] for p in each.get("ports") or [] if p.get("name", "") == port_name]
            for endpoint in each.get("endpoints") or []:
                if ports and (endpoint.get("conditions") or {}).get("ready", True):
                    found += [f"{bracketed(host)}:{ports[0]}" for host in endpoint["addresses"][:1]]
        if not found:
            text = f'endpointslices for {where} have no addresses with port name "{port_name}"'
            raise NoBackend("MissingEndpoints", text)
        return sorted(found)

    async def _serve(self, request: web.Request, info: RequestInfo) -> web.StreamResponse:
        found = self._store.find(API_SERVICES, f"{info.version}.{info.group}")
        available = condition(found, "Available") if found else None
        if found is None or available is None or available["status"] != "True":
            return _unavailable("service unavailable")
        try:
            backend = self.backend(found)
        except NoBackend:
            return _unavailable("service unavailable")
        try:
            return await forward(
                self.client(),
                request,
                f"https://{backend.address}{request.rel_url.raw_path_qs}",
                backend.context,
                headers=identity(info.user),
                server_name=backend.name,
                without=_OWN,
            )
        except FAILURES as error:
            why = go_error_text(error, backend.shown)
            return _unavailable(f"error trying to reach service: {why}")

    def _context(self, spec: Object, name: str, space: str) -> ssl.SSLContext:
        """One for each name and bundle: whom it believes."""
        bundle = "" if spec.get("insecureSkipTLSVerify") else spec.get("caBundle") or "none"
        server = f"{name}.{space}.svc"
        if (server, bundle) not in self._contexts:
            roots = None if spec.get("insecureSkipTLSVerify") else _roots(spec.get("caBundle"))
            self._contexts[server, bundle] = client_context(
                *self._pair, clock=self._clock, roots=roots, name=server
            )
        return self._contexts[server, bundle]


def identity(user: UserInfo) -> CIMultiDict[str]:
    """X-Remote-User, -Group, -Uid and -Extra-*: one header a value, keys in lower case and escaped."""
    found: CIMultiDict[str] = CIMultiDict()
    found.add("X-Remote-User", user.name)
    for group in user.groups:
        found.add("X-Remote-Group", group)
    if user.uid:
        found.add("X-Remote-Uid", user.uid)
    for key, values in user.extra.items():
        for value in values:
            found.add(f"X-Remote-Extra-{quote(key.lower(), safe=_UNCHANGED)}", value)
    return found


def _roots(bundle: str | None) -> tuple[Certificate, ...]:
    """An empty bundle means the system's roots; those have signed nothing here."""
    try:
        return read_certificates(base64.b64decode(bundle or ""), "caBundle") if bundle else ()
    except (X509Error, ValueError, binascii.Error):
        return ()


def _unavailable(text: str) -> web.Response:
    """As Go's http.Error writes it."""
    headers = {"X-Content-Type-Options": "nosniff"}
    return web.Response(status=503, text=f"{text}\n", headers=headers)
