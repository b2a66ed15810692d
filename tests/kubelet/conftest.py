import ssl
from pathlib import Path

import pytest

from kubevouch.system_clock import SystemClock
from tests.support.authority import Authority
from tests.support.contexts import server_context


@pytest.fixture(scope="session")
def serving(authority: Authority) -> ssl.SSLContext:
    """A kubelet's TLS: it asks for a client certificate, and requires none."""
    pair = authority.serving("127.0.0.1", "::1", "localhost", node="n1")
    return server_context(pair, client_ca=authority.pem)


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture(scope="session")
def cases() -> Path:
    return Path(__file__).parent / "cases"
