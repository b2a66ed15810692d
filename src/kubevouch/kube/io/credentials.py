"""A user's credentials, which may change while this process runs.

Other programs replace service account tokens and kubelet client certificates. So we read these
files again after 50 seconds and after a 401. We never write them. Sources: client-go's
transport/token_source.go and round_trippers.go.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import CredentialError, KubeconfigError
from kubevouch.kube.kubeconfig import User, read_bounded
from kubevouch.tls import KeyPairError
from kubevouch.tls.io.context import KeyPair, client_context

T = TypeVar("T")

# client-go caches a token from a file for a minute minus ten seconds.
TOKEN_FILE_SECONDS = 50.0
_SOON: Final = 5.0
"""Seconds until an unusable file is read again. Another program may be replacing it."""
_HEADER_CHARACTERS = frozenset("!#$&'*+-.^_`|~") | frozenset(
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)


@dataclass(frozen=True, repr=False)
class Credential:
    """An Authorization header's value, a client certificate with key, both, or neither."""

    authorization: str = ""
    pair: KeyPair | None = None


class Credentials(Protocol):
    """A source of credentials, which may change over time."""

    async def current(self) -> Credential:
        """The current credential. Raises CredentialError, or KubeconfigError if a file is missing."""
        ...

    async def renewed(self, refused: Credential) -> Credential | None:
        """A newer credential than `refused`, which got a 401. None if there is no newer one."""
        ...


class UserCredentials:
    """A token, password or certificate, in files or embedded in the kubeconfig.

    If a token or key pair becomes unusable, the last usable token or key pair stays in use. Another
    program may be replacing the files, for example the certificate before its key. report: called
    with the reason, and called again only when the reason changes.
    """

    def __init__(
        self, user: User, clock: Clock, *, report: Callable[[str], None] = lambda _: None
    ) -> None:
        self._user = user
        self._clock = clock
        self._report = report
        self._wrong = ""
        self._credential: Credential | None = None
        self._again_at = 0.0

    async def current(self) -> Credential:
        """The credential in the files, which are read again after 50 seconds.

        If the files are unusable, this is the last usable credential. Raises KubeconfigError or
        CredentialError if there is no usable credential.
        """
        kept = self._credential
        if kept is None or self._clock.monotonic() >= self._again_at:
            return self._read()
        return kept

    async def renewed(self, refused: Credential) -> Credential | None:
        """Reads the files again. Returns None if the credential is still the refused one."""
        found = self._read()
        return None if found == refused else found

    def _read(self) -> Credential:
        """Reads the files. If they are unusable, returns the last usable credential.

        Raises KubeconfigError or CredentialError if there is no earlier credential.
        """
        kept = self._credential or Credential()
        wrong: list[str] = []

        def newest(read: Callable[[], T], last: T) -> T:
            try:
                return read()
            except (KubeconfigError, CredentialError) as error:
                if self._credential is None:
                    raise
                wrong.append(str(error))
                return last

        found = Credential(
            newest(self._authorization, kept.authorization), newest(self._pair, kept.pair)
        )
        self._credential = found
        self._again_at = self._clock.monotonic() + (_SOON if wrong else TOKEN_FILE_SECONDS)
        self._tell("; ".join(wrong))
        return found

    def _tell(self, wrong: str) -> None:
        if wrong and wrong != self._wrong:
            self._report(wrong)
        self._wrong = wrong

    def _pair(self) -> KeyPair | None:
        """The certificate and key. Raises KubeconfigError or CredentialError if they are unusable."""
        found = certificate_of(self._user)
        kept = self._credential.pair if self._credential else None
        if found is not None and found != kept:
            try:
                client_context(roots=None, verify=False, pair=found)
            except KeyPairError as error:
                raise unusable_pair(self._user, error) from None
        return found

    def _authorization(self) -> str:
        user = self._user
        if not user.token_file:
            return authorization_of(user)
        try:
            return bearer(_token_in(user), f"{user.where}.tokenFile")
        except KubeconfigError:
            if not user.token:
                raise
            return authorization_of(user)


def _token_in(user: User) -> str:
    where = f"{user.where}.tokenFile"
    token = read_bounded(user.token_file, where, "expected a file with a token")
    text = token.decode(errors="replace").strip()
    if not text:
        raise KubeconfigError(where, f"{user.token_file} is empty", "expected a token")
    return text


def unusable_pair(user: User, error: KubevouchError) -> CredentialError:
    """The error for a user's unusable certificate and key."""
    return CredentialError(user.where, f"{error.where}: {error.seen}", error.expected)


def goes_before_exec(user: User) -> bool:
    """Whether the user has a token, password or certificate. Then no exec plugin runs (exec.go)."""
    certificate = user.client_certificate or user.client_certificate_data
    return bool(user.token or user.token_file or user.username or user.password or certificate)


def certificate_of(user: User) -> KeyPair | None:
    """The client certificate and key, embedded in the kubeconfig or from files."""
    if not (user.client_certificate or user.client_certificate_data):
        return None
    return KeyPair(
        _data_or_file(
            user.client_certificate_data,
            user.client_certificate,
            f"{user.where}.client-certificate",
        ),
        _data_or_file(user.client_key_data, user.client_key, f"{user.where}.client-key"),
    )


def _data_or_file(data: bytes, file: str, where: str) -> bytes:
    return data or read_bounded(file, where, "expected a file in PEM")


def authorization_of(user: User) -> str:
    """The Authorization header for a token or password; "" for neither."""
    if user.token:
        return bearer(user.token, f"{user.where}.token")
    if user.username or user.password:
        return "Basic " + base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
    return ""


def bearer(token: str, where: str) -> str:
    """The Authorization header for a token.

    Raises KubeconfigError if the token has a character that HTTP headers forbid.
    """
    if any(character < " " or character == "\x7f" for character in token):
        seen = "the token has a character that HTTP headers forbid"
        raise KubeconfigError(where, seen, "expected one line of printable text")
    return f"Bearer {token}"


def impersonation(user: User) -> list[tuple[str, str]]:
    """The impersonation headers of a user (client-go's transport/round_trippers.go)."""
    if not user.impersonate:
        return []
    headers = [("Impersonate-User", user.impersonate)]
    if user.impersonate_uid:
        headers.append(("Impersonate-Uid", user.impersonate_uid))
    headers += [("Impersonate-Group", group) for group in user.impersonate_groups]
    for key, values in sorted(user.impersonate_extra.items()):
        name = f"Impersonate-Extra-{_escaped(key)}"
        headers += [(name, value) for value in values]
    for name, value in headers:
        if any(character < " " or character == "\x7f" for character in value):
            seen = f"the value for {name} has a character that HTTP headers forbid"
            raise KubeconfigError(user.where, seen)
    return headers


def _escaped(key: str) -> str:
    return "".join(
        chr(byte) if chr(byte) in _HEADER_CHARACTERS else f"%{byte:02X}" for byte in key.encode()
    )
