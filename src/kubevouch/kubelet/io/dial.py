"""Bare handshakes with kubelets: what does each present, and how does it fail?

No credential and no byte of HTTP is ever sent, so this is safe towards any peer, an impostor too: a handshake is
finished, TLS is ended politely (a kubelet logs nothing of it) and the connection is closed.

It works on sockets and memory BIOs and not on asyncio's TLS transports: those hold 256 KiB a connection to read
application data that never comes, and hide the bytes that tell an alert from plain HTTP. Numbers:
docs/decisions/0004-bare-handshakes-on-memory-bios.md.

It knows addresses and certificates; whether a certificate is to be trusted is for `x509.verify`.
"""

import asyncio
import resource
import ssl
from collections.abc import AsyncGenerator, Iterable
from typing import Final

from kubevouch.clock import Clock
from kubevouch.kubelet.dial_result import MOST_CERTIFICATES, DialResult, Target
from kubevouch.kubelet.io.handshake import TlsConnector
from kubevouch.tls import FailureKind, HandshakeFailure
from kubevouch.tls.io import failure_of, inspection_context
from kubevouch.x509 import Certificate, X509Error, printable, read_certificate_der

_SPARE_FILES: Final = 64


async def dial(
    targets: Iterable[Target],
    *,
    clock: Clock,
    concurrency: int = 1000,
    timeout: float = 10.0,
) -> AsyncGenerator[DialResult, None]:
    """Dials all targets, so many at a time, and yields each as it is done. No target raises; each yields one Dialled.

    Targets are taken one by one as others are done and yielded: what is held does not grow with their number. Fewer
    are dialled at a time where this process may not open so many files. `timeout` is in seconds of real time, for
    one target with all its addresses. Close the iterator if you leave it early (contextlib.aclosing).
    """
    context = inspection_context()
    at_once = min(concurrency, _files_to_spare())
    waiting = iter(targets)
    running: set[asyncio.Task[DialResult]] = set()
    done: asyncio.Queue[asyncio.Task[DialResult]] = asyncio.Queue()
    try:
        while True:
            while len(running) < at_once and (target := next(waiting, None)):
                task = asyncio.create_task(_dial_one(target, context, clock, timeout))
                task.add_done_callback(done.put_nowait)
                running.add(task)
            if not running:
                return
            finished = await done.get()
            running.discard(finished)
            # The next one starts when the consumer comes back: a slow consumer slows the dialling.
            yield finished.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def dial_all(
    targets: Iterable[Target], *, clock: Clock, concurrency: int = 1000, timeout: float = 10.0
) -> tuple[DialResult, ...]:
    """The same, gathered, in the order they were done. For as many targets as may be held."""
    answers = dial(targets, clock=clock, concurrency=concurrency, timeout=timeout)
    return tuple([answer async for answer in answers])


def _files_to_spare() -> int:
    """How many connections this process may open, with some files left for everything else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, soft - _SPARE_FILES) if soft != resource.RLIM_INFINITY else 1 << 20


async def _dial_one(
    target: Target, context: ssl.SSLContext, clock: Clock, timeout: float
) -> DialResult:
    at, began = clock.now(), clock.monotonic()
    course = TlsConnector(target.address, target.port, target.server_name)
    failure: HandshakeFailure | None = None
    try:
        async with asyncio.timeout(timeout):
            await course.run(context, timeout)
    # OSError holds ssl.SSLError and TimeoutError; the other two are addresses and ports that are none.
    except (OSError, ValueError, OverflowError) as error:
        # Time may run out while the connection is closed: by then all is known.
        if not course.presented.der:
            failure = failure_of(error, course.attempt)
    else:
        if not course.presented.der:
            failure = HandshakeFailure(FailureKind.BROKEN, "presented no certificate")
    chain, unreadable = _read(course.presented.der, str(target))
    return DialResult(
        target=target,
        at=at,
        elapsed=clock.monotonic() - began,
        remote=course.remote,
        tls_version=course.tls_version,
        cipher=course.cipher,
        chain=chain,
        left_out=max(0, len(course.presented.der) - MOST_CERTIFICATES),
        whole=course.presented.whole,
        failure=failure or unreadable,
    )


def _read(
    presented: tuple[bytes, ...], where: str
) -> tuple[tuple[Certificate, ...], HandshakeFailure | None]:
    """The certificates up to the first that cannot be read. Go's client gives up at such a one, wherever it stands."""
    chain: list[Certificate] = []
    for number, der in enumerate(presented[:MOST_CERTIFICATES], start=1):
        try:
            chain.append(read_certificate_der(der, f"{where}, certificate {number}"))
        except X509Error as error:
            words = printable(error.seen.removeprefix("not a certificate: "))
            return tuple(chain), HandshakeFailure(
                FailureKind.UNREADABLE_CERTIFICATE,
                f"presented a certificate that cannot be read: {words}",
                f"tls: failed to parse certificate from server: {words}",
            )
    return tuple(chain), None
