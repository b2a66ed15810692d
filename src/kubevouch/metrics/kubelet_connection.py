"""The kubelet of one node as the scraper asks it: at an address that its certificate covers, verified if it can be.

metrics-server dials the first address of the most preferred type, and fails if the certificate is for another one of
the node's addresses, or if that name does not resolve. Here the others of the preferred types are tried then, and each
must prove to be the node as the first one must.
"""

import functools
from typing import Final, NamedTuple

from kubevouch.clock import Clock
from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.io.fetch import LONGEST_KEPT, FetchFailed, KubeletClient, UnverifiedPeerGone
from kubevouch.kubelet.io.names import NameResolver
from kubevouch.kubelet.io.peer import PeerRefused, check_chain
from kubevouch.kubelet.io.time_limits import TimeLimits
from kubevouch.kubelet.io.trust import KubeletTrust, Unverified
from kubevouch.kubelet.resource_metrics import LARGEST
from kubevouch.metrics.fleet import FleetNode
from kubevouch.metrics.results import Reached
from kubevouch.tls import FailureKind
from kubevouch.x509 import VerifyReason

_NOT_COVERED: Final = frozenset(
    {
        VerifyReason.NO_ADDRESSES,
        VerifyReason.ADDRESS_NOT_COVERED,
        VerifyReason.NO_NAMES,
        VerifyReason.NAME_NOT_COVERED,
        VerifyReason.LEGACY_COMMON_NAME,
    }
)


class _Asked(NamedTuple):
    """What a page is asked for with, at whatever address. until: by the monotonic clock."""

    node: FleetNode
    trust: KubeletTrust
    authorization: str
    until: float


def _at(node: FleetNode, address: str) -> Target:
    """The node's kubelet at one of its addresses."""
    return Target(address, node.name, node.port)


class KubeletConnection:
    """The connection to one node's kubelet, which must be closed; it is replaced when the address or the trust changes.

    unverified: what the kubelet gets if it can be verified at none of its addresses.
    """

    def __init__(
        self, clock: Clock, names: NameResolver, limits: TimeLimits, unverified: Unverified
    ) -> None:
        self._clock = clock
        self._names = names
        self._limits = limits
        self._unverified = unverified
        self._trust: KubeletTrust | None = None
        self._client: KubeletClient | None = None
        self._instead = ""
        self._other_until = 0.0
        self.reached = Reached("")
        """How the kubelet was reached when it was asked last."""

    async def page(
        self, node: FleetNode, trust: KubeletTrust, authorization: str, *, timeout: float
    ) -> bytes:
        """The node's page. timeout: seconds in total. Raises FetchFailed.

        Of several addresses, that of the preferred one; but where the kubelet was verified at another one, what it answered.
        """
        asked = _Asked(node, trust, authorization, self._clock.monotonic() + timeout)
        try:
            return await self._page(asked)
        except UnverifiedPeerGone:
            # It is sought at every address again before anybody gets anything.
            return await self._page(asked)

    async def _page(self, asked: "_Asked") -> bytes:
        node, trust = asked.node, asked.trust
        ask = functools.partial(self._ask, asked)
        kept = self._client.target.address if self._client else ""
        if kept in node.others and self._clock.monotonic() < self._other_until:
            page = await self._page_where_it_was(asked, kept)
            if page is not None:
                return page
        # If there are others, the kubelet may be verified at one of them.
        first = (
            self._unverified
            if not node.others or self._is_open_in_doubt(node, trust)
            else Unverified.NOTHING
        )
        try:
            return await ask(node.address, first)
        except FetchFailed as failed:
            # By this name, which goes with the block: a frame that held it when it is raised again would be garbage.
            is_asked_next = bool(failed.chain) and first is not self._unverified
            # What an impostor presents says nothing about where the kubelet is.
            others = node.others if is_asked_next else self._others(node, failed, trust)
            elsewhere: tuple[str, str] | None = None
            for number, address in enumerate(others):
                # An address at which nobody answers leaves time for who is asked after it.
                share = len(others) - number + 1 if is_asked_next else 1
                try:
                    return await ask(address, Unverified.NOTHING, failed.text, share)
                except FetchFailed as other:
                    if self._was_verified():
                        raise
                    elsewhere = elsewhere or (other.reason, other.text)
                finally:
                    if self._was_verified():
                        # It is asked there first from now on, and has all of the time.
                        self._instead = failed.text
                        self._other_until = self._clock.monotonic() + LONGEST_KEPT
            if is_asked_next:
                return await ask(node.address, self._unverified)
            if elsewhere and failed.reason == FailureKind.NAME_UNKNOWN:
                # A name that is mended leads to the same kubelet.
                reason, text = elsewhere
                raise FetchFailed(failed.where, reason, f"{failed.text}; {text}") from None
            raise

    async def _page_where_it_was(self, asked: "_Asked", address: str) -> bytes | None:
        """The page at the other address at which the kubelet was verified; None if it is to be sought from the preferred one on."""
        try:
            return await self._ask(asked, address, Unverified.NOTHING, self._instead)
        except FetchFailed as failed:
            # Nobody else is the node where it was verified, whatever became of its page.
            if self._was_verified():
                raise
            # It may have another certificate by now: it is sought at once if there is time.
            self._other_until = 0.0
            if failed.timed_out:
                raise
            return None

    async def _ask(
        self,
        asked: "_Asked",
        address: str,
        unverified: Unverified,
        instead: str = "",
        share: int = 1,
    ) -> bytes:
        """The page at one address, which gets one `share`th of the time that is left."""
        node, authorization = asked.node, asked.authorization
        client = self._to(_at(node, address), asked.trust)
        left = (asked.until - self._clock.monotonic()) / share
        try:
            return await client.page(
                node.path, authorization, timeout=left, most=LARGEST, unverified=unverified
            )
        finally:
            self.reached = self._how(address, client.was_doubted, instead)

    def _is_open_in_doubt(self, node: FleetNode, trust: KubeletTrust) -> bool:
        """Whether a connection to the preferred address is open whose peer could be verified neither there nor at any other one.

        What was found out at another port, or by other authorities, says nothing any more.
        """
        found = self._client
        if found is None or found.doubt is None or self._trust is not trust:
            return False
        return found.target == _at(node, node.address) and found.is_open

    def _was_verified(self) -> bool:
        """Whether the kubelet was verified in the last fetch."""
        found = self._client
        return found is not None and found.was_reached and found.was_doubted is None

    def close(self) -> None:
        """Closes the connection, if one is open."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _to(self, target: Target, trust: KubeletTrust) -> KubeletClient:
        kept = self._client
        if kept is not None and kept.target == target and self._trust is trust:
            return kept
        self.close()
        made = KubeletClient(
            target, trust, clock=self._clock, names=self._names, limits=self._limits
        )
        self._client, self._trust = made, trust
        return made

    def _others(self, node: FleetNode, failed: FetchFailed, trust: KubeletTrust) -> tuple[str, ...]:
        """The node's other addresses at which it may be verified."""
        if failed.reason == FailureKind.NAME_UNKNOWN:
            return node.others
        if failed.reason not in _NOT_COVERED:
            return ()

        def passes(address: str) -> bool:
            target = _at(node, address)
            try:
                check_chain(failed.chain, target, trust.roots, self._clock)
            except PeerRefused:
                return False
            return True

        return tuple(filter(passes, node.others))

    def _how(self, address: str, doubt: FetchFailed | None, instead: str) -> Reached:
        if doubt is None:
            return Reached(address, instead)
        given = ""
        if self._unverified is Unverified.CREDENTIAL:
            given = "client certificate" if self._trust and self._trust.pair else "token"
        return Reached(address, instead, doubt.text, given)
