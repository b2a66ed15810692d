"""Does bare TLS handshakes with kubelets, and returns their certificates or failures.

We send no credential and no byte of HTTP, so a dial is safe with any peer, even an impostor. After
the handshake we send close_notify and close the connection, so the kubelet logs nothing.

asyncio's TLS transports allocate 256 KiB for each connection, and hide the bytes that distinguish
an alert from plain HTTP. So we use sockets and memory BIOs instead. For measurements, see
docs/internals/decisions/0004-bare-handshakes-on-memory-bios.md.

This module does not verify certificates; `x509.verify` does.
"""

import asyncio
import resource
import ssl
from collections.abc import AsyncGenerator, Iterable
from typing import Final

from kubevouch.clock import Clock
from kubevouch.kubelet.dial_result import DialResult, Target
from kubevouch.kubelet.io.handshake import TlsConnector
from kubevouch.kubelet.io.names import NameResolver
from kubevouch.tls import FailureKind, HandshakeFailure
from kubevouch.tls.io.accidents import failure_of
from kubevouch.tls.io.context import inspection_context
from kubevouch.x509 import Certificate, X509Error, printable, read_certificate_der
from kubevouch.x509.bundle import leaf_too_long, looked_at

_SPARE_FILES: Final = 64


async def dial(
    targets: Iterable[Target],
    *,
    clock: Clock,
    timeout: float,
    concurrency: int = 500,
) -> AsyncGenerator[DialResult, None]:
    """Dials all targets, `concurrency` at a time, and yields each DialResult when it is done.

    A failed handshake also yields a DialResult, and raises nothing.

    Targets are consumed one by one, so memory does not grow with their number. A low limit on open
    files reduces the concurrency. timeout: seconds for all addresses of a target together.
    Close the iterator if you leave it early (contextlib.aclosing).
    """
    context, names = inspection_context(), NameResolver(clock, time_limit=timeout)
    at_once = min(concurrency, _files_to_spare())
    waiting = iter(targets)
    running: set[asyncio.Task[DialResult]] = set()
    done: asyncio.Queue[asyncio.Task[DialResult]] = asyncio.Queue()
    try:
        while True:
            while len(running) < at_once and (target := next(waiting, None)):
                task = asyncio.create_task(_dial_one(target, context, names, clock, timeout))
                task.add_done_callback(done.put_nowait)
                running.add(task)
            if not running:
                return
            finished = await done.get()
            running.discard(finished)
            # The next dial starts when the consumer asks for more, so a slow consumer slows the
            # dialling.
            yield finished.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def dial_all(
    targets: Iterable[Target], *, clock: Clock, timeout: float, concurrency: int = 500
) -> tuple[DialResult, ...]:
    """Dials all targets like `dial`, and returns the results in order of completion."""
    answers = dial(targets, clock=clock, concurrency=concurrency, timeout=timeout)
    return tuple([answer async for answer in answers])


def _files_to_spare() -> int:
    """The process's limit on open files, less some files for other purposes than connections."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, soft - _SPARE_FILES) if soft != resource.RLIM_INFINITY else 1 << 20


async def _dial_one(
    target: Target, context: ssl.SSLContext, names: NameResolver, clock: Clock, timeout: float
) -> DialResult:
    at, began = clock.now(), clock.monotonic()
    connector = TlsConnector(target.address, target.port, target.server_name, names)
    failure: HandshakeFailure | None = None
    try:
        async with asyncio.timeout(timeout):
            await connector.run(context, timeout)
    # OSError includes ssl.SSLError and TimeoutError; invalid addresses and ports raise the other two.
    except (OSError, ValueError, OverflowError) as error:
        # If time runs out during the close, the result is already complete.
        if not connector.presented:
            failure = failure_of(error, connector.attempt)
    else:
        if not connector.presented:
            failure = HandshakeFailure(FailureKind.BROKEN, "presented no certificate")
    chain, unreadable = readable_chain(connector.presented, str(target))
    return DialResult(
        target=target,
        at=at,
        elapsed=clock.monotonic() - began,
        remote=connector.remote,
        tls_version=connector.tls_version,
        cipher=connector.cipher,
        chain=chain,
        failure=failure or unreadable,
    )


def readable_chain(
    presented: tuple[bytes, ...], where: str
) -> tuple[tuple[Certificate, ...], HandshakeFailure | None]:
    """The certificates before the first unreadable certificate, and the failure for it, if any.

    Go's client also stops at the first unreadable certificate.
    """
    chain: list[Certificate] = []
    if length := leaf_too_long(presented):
        return (), _unreadable(length)
    for number, der in enumerate(looked_at(presented), start=1):
        try:
            chain.append(read_certificate_der(der, f"{where}, certificate {number}"))
        except X509Error as error:
            return tuple(chain), _unreadable(error.seen.removeprefix("not a certificate: "))
    return tuple(chain), None


def _unreadable(seen: str) -> HandshakeFailure:
    words = printable(seen)
    return HandshakeFailure(
        FailureKind.UNREADABLE_CERTIFICATE,
        f"presented an unreadable certificate: {words}",
        f"tls: failed to parse certificate from server: {words}",
    )
