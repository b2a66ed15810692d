"""Dials servers other than kubelets, and verifies their certificates if the CAs are known."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    IssuedForCsr,
    NotRead,
    authority_of,
    verdict_on,
)
from kubevouch.evidence.measured import Doubt, DoubtKind, Vantage
from kubevouch.kubelet.dial_result import DialResult, Target
from kubevouch.kubelet.io.dial import dial_all
from kubevouch.tls import FailureKind, HandshakeFailure
from kubevouch.x509 import Certificate, Verdict, hostname_failure

_AT_ONCE: Final = 32
_NO_CONNECTION: Final = frozenset(
    {
        FailureKind.REFUSED,
        FailureKind.UNREACHABLE,
        FailureKind.CONNECT_TIMEOUT,
        FailureKind.NAME_UNKNOWN,
        FailureKind.OUR_SIDE,
    }
)
_AUTH_ALERTS: Final = frozenset({"bad_certificate", "certificate_required", "handshake_failure"})
"""Alerts from a server that requires a client certificate. In TLS 1.2 such an alert ends the
handshake, and Python then does not show the server's certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server to dial. what: how to describe the server if the connection fails.

    about: a text to print after the address. roots: the CAs with which to verify its certificate;
    empty if unknown. ca: the cluster's CA, which may have signed it. named: whether to verify the
    name even without `roots`, since all clients dial exactly this name or address.
    """

    use: CertificateUse
    target: Target
    what: str
    about: str = ""
    roots: tuple[Certificate, ...] = ()
    ca: tuple[Certificate, ...] = ()
    named: bool = False


async def dial_places(
    places: Iterable[Place | NotRead], *, clock: Clock, timeout: float
) -> FoundPart:
    """Dials each address once, and returns the certificates that the servers present.

    An unreachable server is listed as not read.
    """
    wanted = tuple(places)
    targets = dict.fromkeys(each.target for each in wanted if isinstance(each, Place))
    answers = await dial_all(targets, clock=clock, concurrency=_AT_ONCE, timeout=timeout)
    by_target = {each.target: each for each in answers}
    return FoundPart.of(
        _part(each, by_target[each.target], clock)
        if isinstance(each, Place)
        else FoundPart(not_read=(each,))
        for each in wanted
    )


def _part(place: Place, dialled: DialResult, clock: Clock) -> FoundPart:
    failure, target = dialled.failure, place.target
    if failure is not None and (why := _unseen(failure)):
        doubt = Doubt(DoubtKind.OUT_OF_REACH, why)
        return FoundPart(not_read=(NotRead(place.what, doubt, target.node),))
    where = f"{target} ({place.about})" if place.about else str(target)
    found = presented(
        place.use,
        where,
        dialled,
        verdict=_verdict(place, dialled, clock),
        authority=authority_of(dialled.chain, place.ca),
    )
    return FoundPart((found,))


def presented(
    use: CertificateUse,
    where: str,
    dialled: DialResult,
    *,
    verdict: Verdict | None,
    authority: str,
    issued: IssuedForCsr | None = None,
) -> FoundCertificate:
    """The certificate that a server presented, or the error of its handshake."""
    failure = dialled.failure
    return FoundCertificate(
        use,
        where,
        Vantage.DIALLED,
        dialled.at,
        node=dialled.target.node,
        chain=dialled.chain,
        fault=(failure.go_text or failure.text) if failure else "",
        authority=authority,
        verdict=verdict,
        failure=failure.kind if failure else None,
        issued=issued,
    )


def _unseen(failure: HandshakeFailure) -> str:
    """Why we cannot see the certificate of a server that may be healthy; "" for any other failure."""
    if failure.kind in _NO_CONNECTION:
        return f"this machine cannot connect: {failure.text}"
    if failure.alert is not None and failure.alert.name in _AUTH_ALERTS:
        return f"the server seems to require a client certificate: {failure.text}"
    return ""


def _verdict(place: Place, dialled: DialResult, clock: Clock) -> Verdict | None:
    """Verifies the chain with the place's `roots`.

    Without roots, verifies only the name if `named` is set, and returns None if it is valid. Also
    returns None if nothing was verified.
    """
    leaf, name = dialled.leaf, place.target.server_name or place.target.address
    if leaf is None:
        return None
    if place.roots:
        return verdict_on(dialled.chain, place.roots, name, clock.now())
    return hostname_failure(leaf, name) if place.named else None
