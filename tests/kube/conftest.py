"""One authority a module, one API server and one client a test."""

from collections.abc import AsyncIterator

import pytest

from kubevouch.kube.io.client import ApiClient
from tests.support.apiservers import MOMENT, access_to, api_server, client_of
from tests.support.authority import Authority
from tests.support.clocks import WoundClock
from tests.support.scripted.apiserver import ScriptedApiServer


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


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
