"""The API server, asked by Python's own HTTP and TLS: a second opinion beside the product's client, quick enough for crowds."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit

JSON = "application/json"
MERGE = "application/merge-patch+json"


class RefusedRequest(Exception):
    """The API server answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass
class ApiConnection:
    """One client with one credential: a client certificate in the context, or a token. One request at a time."""

    server: str
    context: ssl.SSLContext
    token: str = ""
    timeout: float = 60
    _open: http.client.HTTPSConnection | None = None
    _one: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def trusting(ca: Path, pair: Path | None = None) -> ssl.SSLContext:
        """A context that verifies the server by this CA. pair: the client's certificate and key in one file."""
        context = ssl.create_default_context(cafile=str(ca))
        if pair is not None:
            context.load_cert_chain(pair)
        return context

    def get(self, path: str, **query: str) -> Any:
        return self.ask("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: object) -> Any:
        return self.ask("POST", path, body)

    def patch(self, path: str, body: object) -> Any:
        return self.ask("PATCH", path, body, MERGE)

    def delete(self, path: str) -> Any:
        return self.ask("DELETE", path)

    def ask(self, method: str, path: str, body: object = None, kind: str = JSON) -> Any:
        """The object that is answered. Raises RefusedRequest, OSError, http.client.HTTPException."""
        text = None if body is None else json.dumps(body)
        with self._one:
            try:
                answer = self._request(method, path, text, kind)
                raw = answer.read()
            except (OSError, http.client.HTTPException):
                self.close()
                raise
        found = json.loads(raw) if raw else {}
        if answer.status >= 400:
            raise RefusedRequest(answer.status, str(found.get("message", raw[:200])))
        return found

    @contextmanager
    def stream(
        self, path: str, **query: str
    ) -> Iterator[tuple[http.client.HTTPResponse, socket.socket]]:
        """An answer that goes on, to be read by lines, and its own connection. Raises RefusedRequest, OSError."""
        connection = self._connect()
        with closing(connection):
            connection.request("GET", f"{path}?{urlencode(query)}", headers=self._headers(JSON))
            wire = connection.sock
            with connection.getresponse() as answer:
                if answer.status >= 400:
                    text = answer.read(300).decode(errors="replace")
                    raise RefusedRequest(answer.status, text)
                yield answer, wire

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _request(
        self, method: str, path: str, text: str | None, kind: str
    ) -> http.client.HTTPResponse:
        fresh = self._open is None
        self._open = self._open or self._connect()
        try:
            self._open.request(method, path, text, self._headers(kind))
            return self._open.getresponse()
        except (http.client.HTTPException, OSError):
            # An idle connection may have ended meanwhile; nothing of it was answered.
            self.close()
            if fresh:
                raise
            return self._request(method, path, text, kind)

    def _headers(self, kind: str) -> dict[str, str]:
        said = {"Content-Type": kind, "Accept": JSON, "User-Agent": "simulated-nodes"}
        return {**said, "Authorization": f"Bearer {self.token}"} if self.token else said

    def _connect(self) -> http.client.HTTPSConnection:
        parts = urlsplit(self.server)
        return http.client.HTTPSConnection(
            cast("str", parts.hostname), parts.port, context=self.context, timeout=self.timeout
        )


def path_of(collection: str, name: str) -> str:
    """The path of an object in a collection."""
    return f"{collection}/{quote(name, safe='')}"
