"""The lab's API server: HTTPS on loopback, and each request's way through it.

Authentication, authorization, admission, the verb, the answer, the line in the audit log: the order of
kube-apiserver's handler chain (apiserver's pkg/server/config.go).
"""

import asyncio
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from aiohttp import web

from kubevouch.clock import Clock
from kubevouch_lab.apiserver import no_containers, plain_paths, status
from kubevouch_lab.apiserver.answers import Answers, not_found, refusal
from kubevouch_lab.apiserver.audit import AuditLog
from kubevouch_lab.apiserver.backends import Backends, Call
from kubevouch_lab.apiserver.bodies import LONGEST
from kubevouch_lab.apiserver.discovery import SERVED
from kubevouch_lab.apiserver.outage import Outage, no_server, too_many_requests
from kubevouch_lab.apiserver.request import (
    ANONYMOUS,
    Admission,
    Authenticator,
    Authorizer,
    Presented,
    RequestInfo,
    asked,
)
from kubevouch_lab.apiserver.rest import Resources
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.apiserver.verbs import Verbs, is_apply, unknown_resource
from kubevouch_lab.disconnect import disconnect
from kubevouch_lab.objects import bracketed
from kubevouch_lab.rng import Entropy, uids

# X509_V_FLAG_NO_CHECK_TIME: whoever authenticates looks at the dates, by the clock of the lab.
_NO_CHECK_TIME = 0x200000
_MASTERS = "system:masters"
_ASKED = web.RequestKey("asked", tuple)
"""Where a request keeps who asks for what, and when it came."""


@dataclass(frozen=True)
class ServerPki:
    """PEM of the serving certificate (chain) and its key, and of the CAs whose client certificates are taken."""

    chain: bytes
    key: bytes
    client_ca: bytes

    def context(self) -> ssl.SSLContext:
        """Asks for a client certificate and verifies one that comes; its dates are left to the authenticator."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # ssl reads a pair from files only.
        with tempfile.TemporaryDirectory() as folder:
            chain, key = Path(folder, "chain.pem"), Path(folder, "key.pem")
            key.touch(mode=0o600)
            chain.write_bytes(self.chain)
            key.write_bytes(self.key)
            context.load_cert_chain(chain, key)
        context.load_verify_locations(cadata=self.client_ca.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= _NO_CHECK_TIME
        return context


class ApiServer:
    """Serves a store. `resources` are its verbs, for a LocalClient and for plugs that need them.

    entropy: random bytes for uids and names. audit: a file to append to; without one nothing is written.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        tls: ServerPki,
        entropy: Entropy,
        authenticate: Authenticator,
        authorize: Authorizer,
        admit: Admission,
        backends: Backends,
        audit: Path | None = None,
    ) -> None:
        self.resources = Resources(
            store, clock=clock, entropy=entropy, admit=admit, backends=backends
        )
        self._store = store
        self._clock = clock
        self.tls = tls
        """What it presents from its next start to listen on."""
        self._entropy = entropy
        self.authenticate = authenticate
        self.authorize = authorize
        self._backends = backends
        self._verbs = Verbs(self.resources, Answers(clock.now))
        self._audit_file = audit
        self._audit: AuditLog | None = None
        self._runner: web.AppRunner | None = None
        self._host, self.port = "127.0.0.1", 0
        self.outage: Outage | None = None
        """How it does not answer; None while it does."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://{bracketed(self._host)}:{self.port}"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listens; port 0 takes a free one."""
        if self._audit_file is not None:
            self._audit = AuditLog(self._audit_file, uids(self._entropy), self._clock.now)
        await self._listen(host, port)

    async def stop(self) -> None:
        """Ends every watch and connection; the store stays open."""
        self._store.stop_watches()
        await self._close()
        if self._audit is not None:
            self._audit.close()
            self._audit = None

    async def begin_outage(self, outage: Outage) -> None:
        """Clients see it like that until `end_outage`; who works on the store itself sees nothing of it."""
        self.outage = outage
        if outage is Outage.DOWN:
            await self._close()
        elif outage is not Outage.OVERLOADED:
            await self._cut_all()

    async def end_outage(self) -> None:
        """It answers again; requests that were not answered never are."""
        outage, self.outage = self.outage, None
        if outage is Outage.DOWN:
            await self._listen(self._host, self.port)
        elif outage is Outage.SILENT:
            await self._cut_all()

    async def _listen(self, host: str, port: int) -> None:
        app = web.Application(client_max_size=LONGEST)
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_response_prepare.append(self._begins)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0
        )
        await runner.setup()
        self._runner = runner
        await web.TCPSite(runner, host, port, ssl_context=self.tls.context()).start()
        self._host, self.port = host, runner.addresses[0][1]

    async def _close(self) -> None:
        if self._runner is not None:
            connections = self._connections()
            await self._runner.cleanup()
            self._runner = None
            await _cut(connections)

    async def _cut_all(self) -> None:
        await _cut(self._connections())

    def _connections(self) -> list[asyncio.Transport | None]:
        server = self._runner.server if self._runner else None
        return [each.transport for each in server.connections] if server else []

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.outage is Outage.NO_BACKEND:
            return no_server()
        if self.outage is Outage.SILENT:
            await asyncio.Event().wait()  # the end of the connection ends this, too
        received, code = self._clock.now(), 0
        info = asked(request.method, request.path, request.query, ANONYMOUS)
        try:
            user = self.authenticate(_presented(request))
            if user is None:
                raise status.unauthorized()
            info = replace(info, user=user, manager=_manager(request))
            request[_ASKED] = info, received
            if self.outage is Outage.OVERLOADED and _MASTERS not in user.groups:
                response: web.StreamResponse = too_many_requests()
            else:
                response = await self._let_in(info, request)
            code = response.status
        except status.StatusError as error:
            code = error.code
            response = refusal(error)
        except web.HTTPRequestEntityTooLarge:
            code = 413
            message = f"Request entity too large: limit is {LONGEST}"
            response = refusal(status.StatusError(code, "RequestEntityTooLarge", message))
        finally:
            self._write_down(info, request, received, code)
        return response

    async def _let_in(self, info: RequestInfo, request: web.Request) -> web.StreamResponse:
        allowed, reason = self.authorize(info)
        if not allowed:
            raise forbidden(info, reason)
        if (
            info.kind
            and info.kind.stored
            and is_apply(info, request)
            and self.resources.is_new(info)
        ):
            allowed, reason = self.authorize(replace(info, verb="create"))
            if not allowed:
                raise forbidden(replace(info, verb="create"), reason)
        if not info.is_resource:
            return await plain_paths.answer(self._backends, info, request)
        if info.kind is None:
            aggregated = self._backends.aggregated(info.group, info.version)
            if aggregated is not None:
                return await aggregated(request, info)
            if (info.group, info.version) not in SERVED:
                return not_found()
            raise unknown_resource()
        no_containers.check(self._store, info)
        special = self._backends.specials.get((info.group, info.resource, info.subresource))
        if special is not None:
            return await self._verbs.special(special, info.kind, Call(info, request))
        return await self._verbs.answer(info, info.kind, request)

    async def _begins(self, request: web.Request, response: web.StreamResponse) -> None:
        """A watch is written down when it begins, too: when it ends is up to its client."""
        info, received = request.get(_ASKED, (None, None))
        if info and info.verb == "watch" and not isinstance(response, web.Response):
            self._write_down(info, request, received, response.status, stage="ResponseStarted")

    def _write_down(
        self,
        info: RequestInfo,
        request: web.Request,
        received: datetime,
        code: int,
        stage: str = "ResponseComplete",
    ) -> None:
        if self._audit is not None:
            self._audit.answered(info, request, received, code, stage)


def forbidden(info: RequestInfo, reason: str) -> status.StatusError:
    """403 in the words of apiserver's pkg/endpoints/handlers/responsewriters/errors.go."""
    who = f'User "{info.user.name}" cannot {info.verb}'
    after = f": {reason}" if reason else ""
    if not info.is_resource:
        message = f'forbidden: {who} path "{info.path}"{after}'
        return status.StatusError(403, "Forbidden", message)
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    what = f'{who} resource "{info.attribute}" in API group "{info.group}" {where}{after}'
    return status.forbidden(info.group, info.resource, info.name, what)


async def _cut(transports: Iterable[asyncio.Transport | None]) -> None:
    """Who does not answer the end of TLS is not waited for; the next turn of the loop closes the sockets."""
    loop = asyncio.get_running_loop()
    for transport in transports:
        disconnect(transport)
    turn: asyncio.Future[None] = loop.create_future()
    loop.call_soon(turn.set_result, None)
    await turn


def _manager(request: web.Request) -> str:
    """As apiserver's pkg/endpoints/handlers/create.go (managerOrUserAgent) names who writes."""
    agent = request.headers.get("User-Agent", "").partition("/")[0]
    return request.query.get("fieldManager", "") or agent


def _presented(request: web.Request) -> Presented:
    link = request.get_extra_info("ssl_object")
    certificate = link.getpeercert(binary_form=True) if link else None
    return Presented(request.headers, certificate, request.remote or "")
