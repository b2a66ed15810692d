"""One authority a module, one API server and one client a test."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.transport import ResponseLimits
from kubevouch.kube.kubeconfig import User
from tests.support.apiservers import MOMENT, PATIENT, access_to, api_server, client_of
from tests.support.authority import Authority
from tests.support.clocks import WoundClock
from tests.support.scripted.apiserver import ScriptedApiServer


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[ScriptedApiServer]:
    async with api_server(authority) as running:
        yield running


@pytest.fixture
def clock() -> WoundClock:
    return WoundClock(MOMENT)


@pytest.fixture
async def api(
    server: ScriptedApiServer, authority: Authority, clock: WoundClock
) -> AsyncIterator[ApiClient]:
    async with client_of(access_to(server, authority), clock) as client:
        yield client


Reach = Callable[..., contextlib.AbstractAsyncContextManager[ApiClient]]


@pytest.fixture
def reach(server: ScriptedApiServer, authority: Authority) -> Reach:
    """Makes a client of the server with other limits, or with another access than a kubeconfig's."""

    def client(
        limits: ResponseLimits = PATIENT, user: User | None = None, **changes: Any
    ) -> contextlib.AbstractAsyncContextManager[ApiClient]:
        access = msgspec.structs.replace(access_to(server, authority, user), **changes)
        return client_of(access, limits=limits)

    return client


Version = Callable[..., Awaitable[None]]


@pytest.fixture
def version(reach: Reach) -> Version:
    """Asks for the version, as `reach` does."""

    async def asked(**changes: Any) -> None:
        async with reach(**changes) as api:
            await api.version()

    return asked
