"""The credentials of a user: what to send with a request, and a newer credential after a 401.

Files are read again after a while and after a 401, since service account tokens and kubelet client certificates are
replaced while a process runs. Nothing is ever written. Sources: client-go's transport/token_source.go
and round_trippers.go.
"""

import base64
from dataclasses import dataclass
from typing import Protocol

from kubevouch.clock import Clock
from kubevouch.kube.errors import KubeconfigError
from kubevouch.kube.kubeconfig import User, read_bounded
from kubevouch.tls.io import KeyPair

# client-go keeps a token read from a file for a minute, less ten seconds.
TOKEN_FILE_SECONDS = 50.0
_HEADER_CHARACTERS = frozenset("!#$&'*+-.^_`|~") | frozenset(
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)


@dataclass(frozen=True, repr=False)
class Credential:
    """A credential: the value of the Authorization header, a client certificate with key, both or neither."""

    authorization: str = ""
    pair: KeyPair | None = None


class Credentials(Protocol):
    """A source of credentials, which may change over time."""

    async def current(self) -> Credential:
        """The current credential. Raises CredentialError, or KubeconfigError if a file is missing."""
        ...

    async def renewed(self, refused: Credential) -> Credential | None:
        """A newer credential than the one refused with 401, or None."""
        ...


class FixedCredentials:
    """A token, a password or an embedded certificate, which never changes."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    async def current(self) -> Credential:
        """The same credential each time."""
        return self._credential

    async def renewed(self, refused: Credential) -> None:
        """None: there is never a newer one."""


class FileCredentials:
    """A token file, or files of a certificate and its key, possibly beside embedded values."""

    def __init__(self, user: User, clock: Clock) -> None:
        self._user = user
        self._clock = clock
        self._credential: Credential | None = None
        self._read_at = 0.0

    async def current(self) -> Credential:
        """The credential in the files, read at most 50 seconds ago."""
        kept, now = self._credential, self._clock.monotonic()
        if kept is None or now - self._read_at >= TOKEN_FILE_SECONDS:
            kept = self._credential = self._read(kept)
            self._read_at = now
        return kept

    async def renewed(self, refused: Credential) -> Credential | None:
        """The credential in the files now; None if it is the refused one."""
        self._credential = self._read(self._credential)
        self._read_at = self._clock.monotonic()
        return None if _same(self._credential, refused) else self._credential

    def _read(self, kept: Credential | None) -> Credential:
        """Reads the files. While a file is being replaced, the last good values are used."""
        try:
            return Credential(self._authorization(), certificate_of(self._user))
        except KubeconfigError:
            if kept is None:
                raise
            return kept

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
    token = read_bounded(user.token_file, where, "a file with a token was expected")
    text = token.decode(errors="replace").strip()
    if not text:
        raise KubeconfigError(where, f"{user.token_file} is empty", "a token was expected in it")
    return text


def _same(one: Credential, other: Credential) -> bool:
    return (one.authorization, one.pair) == (other.authorization, other.pair)


def fixed_or_files(user: User, clock: Clock) -> Credentials:
    """The credentials of a user whose token, password or certificate is used instead of an exec plugin."""
    if user.token_file or user.client_certificate or user.client_key:
        return FileCredentials(user, clock)
    return FixedCredentials(Credential(authorization_of(user), certificate_of(user)))


def goes_before_exec(user: User) -> bool:
    """Whether the user has a token, password or certificate, with which the exec plugin does not run (exec.go)."""
    certificate = user.client_certificate or user.client_certificate_data
    return bool(user.token or user.token_file or user.username or user.password or certificate)


def certificate_of(user: User) -> KeyPair | None:
    """The client certificate and key, from the kubeconfig or read from their files."""
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
    return data or read_bounded(file, where, "a file in PEM was expected")


def authorization_of(user: User) -> str:
    """The value of the Authorization header for a token or password; "" for neither."""
    if user.token:
        return bearer(user.token, f"{user.where}.token")
    if user.username or user.password:
        return "Basic " + base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
    return ""


def bearer(token: str, where: str) -> str:
    """The value of the Authorization header for a token. Raises KubeconfigError if a header cannot carry it."""
    if any(character < " " or character == "\x7f" for character in token):
        seen = "the token holds a character that no HTTP header may carry"
        raise KubeconfigError(where, seen, "one line of printable text was expected")
    return f"Bearer {token}"


def impersonation(user: User) -> list[tuple[str, str]]:
    """The impersonation headers of a user (client-go's transport/round_trippers.go)."""
    if not user.impersonate:
        return []
    headers = [("Impersonate-User", user.impersonate)]
    if user.impersonate_uid:
        headers.append(("Impersonate-Uid", user.impersonate_uid))
    headers += [("Impersonate-Group", group) for group in user.impersonate_groups]
    for key, values in user.impersonate_extra:
        name = f"Impersonate-Extra-{_escaped(key)}"
        headers += [(name, value) for value in values]
    for name, value in headers:
        if any(character < " " or character == "\x7f" for character in value):
            seen = f"the value for {name} holds a character that no HTTP header may carry"
            raise KubeconfigError(user.where, seen)
    return headers


def _escaped(key: str) -> str:
    return "".join(
        chr(byte) if chr(byte) in _HEADER_CHARACTERS else f"%{byte:02X}" for byte in key.encode()
    )
