"""A serving certificate that this process makes itself, signed by an authority in two files, and makes anew in time.

So it is the authority that whoever asks has to know, and no certificate on a disk can expire while the process runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kubevouch.serve.key_pair import NamedPair
from kubevouch.tls.io import KeyPair
from kubevouch.x509 import read_certificates, signed_serving_pair

_LIFETIME: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Signed:
    """A pair, the authority that signed it, and when the next one is due."""

    pair: KeyPair
    authority: KeyPair
    due: datetime


class SignedPairs:
    """A serving certificate for the names, followed by another at half of its life, or when the authority's files change.

    authority: its files, and the names to sign for. now: the current moment. random_serial: returns so many random bits.
    """

    def __init__(
        self,
        authority: NamedPair,
        *,
        now: Callable[[], datetime],
        random_serial: Callable[[int], int],
    ) -> None:
        self._authority = authority
        self._now = now
        self._random_serial = random_serial
        self._signed: _Signed | None = None

    @property
    def where(self) -> str:
        """The authority's files."""
        return self._authority.source.where

    @property
    def as_given(self) -> str:
        """The same with the flag that names them."""
        return self._authority.source.as_given

    def read(self) -> KeyPair:
        """The current pair. Raises KeyPairFilesError, X509Error."""
        authority, now = self._authority.source.read(), self._now()
        found = self._signed
        if found is None or found.authority != authority or now >= found.due:
            found = self._signed = self._sign(authority, now)
        return found.pair

    def _sign(self, authority: KeyPair, now: datetime) -> _Signed:
        made = signed_serving_pair(
            read_certificates(authority.chain, self.where)[0],
            authority.key,
            self._authority.names,
            now=now,
            lifetime=_LIFETIME,
            serial=self._random_serial(62) or 1,
            where=self.where,
        )
        pair = KeyPair(made.certificate_pem, made.key_pem)
        return _Signed(pair, authority, now + (made.not_after - now) / 2)
