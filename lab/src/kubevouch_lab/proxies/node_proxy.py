"""Through the API server to a kubelet: nodes/proxy and pods/log.

As under kubeadm, the kubelet's certificate is not verified (there is no --kubelet-certificate-authority), and the API
server shows its own client certificate. Unlike a real one, this lets loopback addresses be dialled: the lab's kubelets
have no others.

Sources: pkg/kubelet/client/kubelet_client.go, pkg/registry/core/node/{strategy.go,rest/proxy.go},
pkg/registry/core/pod/{strategy.go,rest/log.go}; apimachinery's pkg/util/proxy, apiserver's
pkg/registry/generic/rest/{streamer,response_checker}.go.
"""

import asyncio
from pathlib import Path
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp import web

from kubevouch.clock import Clock
from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.backends import Call
from kubevouch_lab.apiserver.kinds import NODES, PODS
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object, bracketed, name_of, status_of
from kubevouch_lab.proxies.dialer import client_context, session
from kubevouch_lab.proxies.forwarding import forward, streamed
from kubevouch_lab.proxies.go_errors import go_error_text

PREFERRED = ("InternalIP", "ExternalIP", "Hostname")
"""--kubelet-preferred-address-types, as kubeadm writes it."""
_PORT = 10250
_LOG_OPTIONS = (
    "follow", "limitBytes", "previous", "sinceSeconds", "sinceTime", "tailLines", "timestamps", "stream",
)  # fmt: skip
FAILURES = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
"""What may go wrong on the way to a backend, as Python has it."""


class NodeProxy:
    """certificate and key: files of the pair that kubeadm calls apiserver-kubelet-client."""

    def __init__(self, store: Store, certificate: Path, key: Path, *, clock: Clock) -> None:
        self._store = store
        self._context = client_context(certificate, key, clock=clock)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Ends its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def proxy(self, call: Call) -> web.StreamResponse:
        """Answers ("", "nodes", "proxy"): hands the request on; 503 with Go's words if nobody answers."""
        address = address_of(self._store.get(NODES, call.info.name))
        if call.http.headers.get("Upgrade"):
            raise status.bad_request("the lab does not proxy upgraded connections (exec, attach)")
        rest = call.http.rel_url.raw_path.partition("/proxy")[2] or "/"
        url = f"https://{address}{rest}"
        if call.http.rel_url.raw_query_string:
            url += f"?{call.http.rel_url.raw_query_string}"
        try:
            return await forward(self._client(), call.http, url, self._context)
        except FAILURES as error:
            why = go_error_text(error, address)
            raise status.StatusError(
                503, "ServiceUnavailable", f"error trying to reach service: {why}"
            ) from None

    async def log(self, call: Call) -> web.StreamResponse:
        """Answers ("", "pods", "log"): what the kubelet has of a container's output."""
        info = call.info
        pod = self._store.get(PODS, info.name, info.namespace)
        container = _container(pod, call.http.query.get("container", ""))
        node_name = pod["spec"].get("nodeName", "")
        if not node_name:
            return web.Response(content_type="text/plain")
        address = address_of(self._store.get(NODES, node_name))
        options = {key: call.http.query[key] for key in _LOG_OPTIONS if call.http.query.get(key)}
        path = "/".join(map(quote, (info.namespace, info.name, container)))
        url = f"https://{address}/containerLogs/{path}"
        if options:
            url += f"?{urlencode(options)}"
        try:
            response = await self._client().get(url, ssl=self._context, allow_redirects=False)
        except FAILURES as error:
            # No reason: kubectl prints "Error from server: Get …", as on a real cluster.
            raise status.StatusError(
                500, "", f'Get "{url}": {go_error_text(error, address)}'
            ) from None
        async with response:
            if response.status > 206:
                raise _refused(response.status, await response.content.read(10_000), info.name)
            plain = web.StreamResponse(headers={"Content-Type": "text/plain"})
            return await streamed(call.http, response, plain)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = session()
        return self._session


def address_of(node: Object) -> str:
    """`<address>:<port>` of a node's kubelet, by the kinds of addresses that kubeadm's API server prefers. 500."""
    found = status_of(node)
    port = ((found.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or _PORT
    for kind in PREFERRED:
        for each in found.get("addresses") or []:
            host = str(each.get("address") or "")
            if each.get("type") == kind and host:
                return f"{bracketed(host)}:{port}"
    listed = " ".join(PREFERRED)
    raise status.StatusError(
        500, "", f"no preferred addresses found; known addresses: [] ({listed})"
    )


def _container(pod: Object, wanted: str) -> str:
    """The container whose log is wanted; 400 as LogLocation says it."""
    name = name_of(pod)
    containers = [str(each["name"]) for each in pod["spec"]["containers"]]
    if wanted and wanted not in containers:
        raise status.bad_request(f"container {wanted} is not valid for pod {name}")
    if wanted or len(containers) == 1:
        return wanted or containers[0]
    text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]"
    raise status.bad_request(text)


def _refused(code: int, body: bytes, name: str) -> status.StatusError:
    """GenericHttpResponseChecker: what a kubelet said no with, as a Status."""
    text = body.decode(errors="replace").strip()
    reasons = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound"}
    message = f"the kubelet answered {code}: {text} ( pods/log {name})"
    return status.StatusError(code, reasons.get(code, "InternalError"), message)
