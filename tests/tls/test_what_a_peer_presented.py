"""The presented chain, on every Python, also of a peer that nobody can verify."""

import ssl

import trustme

from kubevouch.tls.io.context import inspection_context
from kubevouch.tls.io.identity import presented
from tests.tls.test_what_a_client_accepts import handshake


async def test_leaf_and_intermediate_come_in_order_though_nobody_trusts_them() -> None:
    intermediate = trustme.CA().create_child_ca()
    leaf = intermediate.issue_cert("n1")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(server)
    sent = [ssl.PEM_cert_to_DER_cert(pem.bytes().decode()) for pem in leaf.cert_chain_pems]
    assert len(sent) == 2
    assert presented(await handshake(inspection_context(), server)) == tuple(sent)


def test_where_python_hides_the_chain_the_leaf_is_shown() -> None:
    class Closed:
        def __init__(self, leaf: bytes | None) -> None:
            self._leaf = leaf

        def getpeercert(self, *, binary_form: bool) -> bytes | None:
            return self._leaf if binary_form else None

    assert presented(Closed(b"leaf")) == (b"leaf",)  # type: ignore[arg-type]
    assert presented(Closed(None)) == ()  # type: ignore[arg-type]


def test_before_a_handshake_nothing_was_presented() -> None:
    tls = inspection_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
    assert presented(tls) == ()
