"""A scripted API server with certificates, and ways to reach it: what the tests of the `kube` room stand on."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.transport import ResponseLimits
from kubevouch.kube.kubeconfig import User
from tests.support.authority import Authority
from tests.support.clocks import WoundClock
from tests.support.contexts import server_context
from tests.support.scripted.apiserver import ScriptedApiServer

MOMENT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TOKEN = "the-token"
# Generous: two noisy cores. Tests of time-outs give their own.
PATIENT = ResponseLimits(connect=30.0, total=60.0)


@contextlib.asynccontextmanager
async def api_server(authority: Authority) -> AsyncIterator[ScriptedApiServer]:
    """Serves https on 127.0.0.1, and asks for client certificates of the same authority."""
    context = server_context(authority.serving("127.0.0.1"), client_ca=authority.pem)
    async with ScriptedApiServer(context, WoundClock(MOMENT)) as server:
        yield server


def access_to(
    server: ScriptedApiServer, authority: Authority, user: User | None = None
) -> ClusterAccess:
    """What a kubeconfig with this user would say."""
    return ClusterAccess(
        context="test",
        where="kubeconfig: contexts[test]",
        cluster="kubeconfig: clusters[test]",
        server=server.url,
        user=user or User(where="users[test]", token=TOKEN),
        namespace="default",
        roots=authority.pem,
    )


@contextlib.asynccontextmanager
async def client_of(
    access: ClusterAccess,
    clock: WoundClock | None = None,
    limits: ResponseLimits = PATIENT,
    environ: dict[str, str] | None = None,
) -> AsyncIterator[ApiClient]:
    """A client with a clock that stands still."""
    clock = clock or WoundClock(MOMENT)
    async with ApiClient(access, clock=clock, environ=environ or {}, limits=limits) as api:
        yield api
