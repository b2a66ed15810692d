"""How a kubelet speaks to its API server: real TLS, its own client certificate, JSON."""

import asyncio
import contextlib
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from kubevouch import goyaml
from kubevouch_lab.kubelets.key_pairs import load_into
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.objects import Object
from kubevouch_lab.pki import KeyPair
from kubevouch_lab.proxies.go_errors import go_error_text

NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME: the lab's clock is not OpenSSL's; whoever cares for dates looks at them."""

_LARGEST: Final = 64 * 1024 * 1024
_PATIENCE: Final = 30.0
MERGE: Final = "application/merge-patch+json"


class ApiError(Exception):
    """The API server said no (code from HTTP) or nothing (0). text: as client-go prints it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True)
class ApiEndpoint:
    """Where the API server is, and the authority that vouches for it (PEM)."""

    url: str
    ca_pem: bytes


@dataclass(frozen=True)
class Access:
    """What a kubeconfig says: where, and who one is (a file with a pair, or a token)."""

    endpoint: ApiEndpoint
    token: str = ""
    pair: KeyPair | None = None
    """The pair within the kubeconfig itself."""


def read_access(files: NodeFiles, path: str) -> Access:
    """The current context of a kubeconfig of the node.

    Raises:
        OSError: it cannot be read.
        ValueError: it does not say what is needed.
    """
    try:
        said = goyaml.read(files.read(path))
        context = _named(said, "contexts", said["current-context"])["context"]
        cluster = _named(said, "clusters", context["cluster"])["cluster"]
        user = _named(said, "users", context["user"])["user"]
        inline = cluster.get("certificate-authority-data")
        ca = b64decode(inline) if inline else files.read(cluster["certificate-authority"])
        pair = None
        if "client-certificate-data" in user:
            held = (b64decode(user[f"client-{each}-data"]) for each in ("certificate", "key"))
            pair = KeyPair(*held)
        return Access(
            ApiEndpoint(str(cluster["server"]), ca),
            user.get("token", ""),
            pair,
        )
    except (KeyError, TypeError, LookupError, goyaml.UnreadableYaml) as error:
        raise ValueError(f"invalid configuration: {path}: {error}") from None


def _named(said: Any, kind: str, name: str) -> Any:  # noqa: ANN401 - YAML
    return next(entry for entry in said[kind] or () if entry["name"] == name)


class Api:
    """One identity's connections. `present` gives it another certificate, as a rotation does."""

    def __init__(self, endpoint: ApiEndpoint, pair: KeyPair | None = None, token: str = "") -> None:
        self.endpoint = endpoint
        self._pair = pair
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def present(self, pair: KeyPair) -> None:
        """From now on with this certificate; open connections are closed, as client-go closes them."""
        self._pair = pair
        await self.close()

    async def close(self) -> None:
        """Closes every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ask(  # noqa: D417 - the obvious ones
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        form: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """One request, one object.

        Args:
            form: the content type of the body.

        Raises:
            ApiError: it was refused, or nobody answered.
        """
        with _told(method, f"{self.endpoint.url}{path}"):
            async with (
                asyncio.timeout(_PATIENCE),
                self._open().request(
                    method,
                    f"{self.endpoint.url}{path}",
                    data=None if body is None else msgspec.json.encode(body),
                    params=query,
                    headers={"Content-Type": form} if body is not None else {},
                ) as response,
            ):
                data = await response.content.read(_LARGEST)
                while not response.content.at_eof():
                    data += await response.content.read(_LARGEST)
                return _object(response.status, data)

    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[tuple[str, Object]]:
        """Events of a watch until the server ends it. A line that is not an event ends it, too. Raises ApiError."""
        words = {"watch": "true", "allowWatchBookmarks": "true", **query}
        patient = aiohttp.ClientTimeout(total=None, sock_connect=_PATIENCE)
        with _told("GET", f"{self.endpoint.url}{path}"):
            async with self._open().get(
                f"{self.endpoint.url}{path}", params=words, timeout=patient
            ) as response:
                if response.status != 200:
                    _object(response.status, await response.content.read(_LARGEST))
                async for line in response.content:
                    event = msgspec.json.decode(line)
                    if not isinstance(event, dict) or "object" not in event:
                        return
                    yield str(event.get("type")), event["object"]

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=self.endpoint.ca_pem.decode())
            context.verify_flags |= NO_CHECK_TIME
            if self._pair is not None:
                load_into(context, self._pair)
            headers = {"User-Agent": "kubelet/v1.36.3 (linux/amd64) kubernetes/lab"}
            if self._token:
                headers["Authorization"] = f"Bearer {self._token}"
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit=0),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None),
                read_bufsize=4 * 1024 * 1024,
            )
        return self._session


Connect = Callable[[ApiEndpoint, KeyPair | None, str], Api]
"""From where the API server is, and a certificate or a token, to who speaks to it."""


def _object(status: int, data: bytes) -> Object:
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        found = data.decode(errors="replace")[:200]
    if status >= 400 or not isinstance(found, dict):
        said = found.get("message", "") if isinstance(found, dict) else str(found)
        raise ApiError(status, "Unauthorized" if status == 401 else said)
    return found


@contextlib.contextmanager
def _told(method: str, url: str) -> Iterator[None]:
    address = url.split("/")[2]
    try:
        yield
    except TimeoutError:
        raise ApiError(
            0, f'{method.title()} "{url}": net/http: timeout awaiting response'
        ) from None
    except (aiohttp.ClientError, OSError, msgspec.DecodeError, ValueError) as error:
        raise ApiError(0, f'{method.title()} "{url}": {go_error_text(error, address)}') from None
