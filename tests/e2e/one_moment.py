"""A cluster as it was at one moment, for two programs that are to say the same of it.

Usage is sampled anew every few seconds, by each replica of a metrics server for itself: what two programs are told one
after the other differs, and the more so the slower they run.
"""

import json
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.official_client import client, config

from .cluster import Cluster
from .lab_cluster import VARIABLE

NO_LAB = ("env", "-u", VARIABLE)
"""The words under which kubevouch takes it for any other cluster: what a lab's addresses mean is said of its own API server only."""
_SECONDS = 60.0


@contextmanager
def one_moment(cluster: Cluster, folder: Path) -> Iterator[Path]:
    """The kubeconfig of an API server that gives the cluster's first answer to a question again, whoever asks."""
    authority = Authority("one moment")
    with api_of(cluster) as api:
        server = _Repeating(api, server_context(authority.serving("127.0.0.1")))
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            path = folder / "one-moment.kubeconfig"
            path.write_text(json.dumps(_kubeconfig(server.server_port, authority.pem)))
            yield path
        finally:
            server.shutdown()
            serving.join()
            server.server_close()


@contextmanager
def api_of(cluster: Cluster) -> Iterator[Any]:
    """The Kubernetes project's own client, as the administrator."""
    made = client.Configuration()
    words = {"client_configuration": made, "persist_config": False}
    config.load_kube_config(str(cluster.kubeconfig), **words)
    with client.ApiClient(made) as api:
        yield api


class _Repeating(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: Any, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._api = api
        self._kept: dict[tuple[str, str], tuple[int, str, bytes]] = {}
        self._one_at_a_time = threading.Lock()

    def ask(self, target: str, accept: str) -> tuple[int, str, bytes]:
        """Status, Content-Type and body. Of usage there is one answer, also for who asks for it by pages, by fields or in another form."""
        path, _, query = target.partition("?")
        if not path.startswith("/apis/metrics.k8s.io/"):
            return self._first_answer(target, accept)
        asked = dict(parse_qsl(query))
        asked.pop("limit", None)
        fields = asked.pop("fieldSelector", "")
        status, content_type, body = self._first_answer(
            f"{path}?{urlencode(asked)}", "application/json"
        )
        return status, content_type, _chosen(body, fields) if fields else body

    def _first_answer(self, target: str, accept: str) -> tuple[int, str, bytes]:
        with self._one_at_a_time:
            if (target, accept) not in self._kept:
                self._kept[target, accept] = self._forward(target, accept)
            return self._kept[target, accept]

    def _forward(self, target: str, accept: str) -> tuple[int, str, bytes]:
        found = self._api.rest_client.pool_manager.request(
            "GET",
            self._api.configuration.host + target,
            headers={"Accept": accept},
            timeout=_SECONDS,
            retries=False,
        )
        return found.status, found.headers["Content-Type"], found.data


def _chosen(body: bytes, fields: str) -> bytes:
    """A list's items of which these fields are so, as the API server chooses them: `metadata.namespace=default`."""
    found = json.loads(body)
    for path, _, value in (each.partition("=") for each in fields.split(",")):
        kind, _, name = path.partition(".")
        found["items"] = [each for each in found["items"] if each[kind].get(name) == value]
    return json.dumps(found).encode()


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS
    server: _Repeating

    def do_GET(self) -> None:
        status, content_type, body = self.server.ask(self.path, self.headers.get("Accept", "*/*"))
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: a test says what went wrong."""


def _kubeconfig(port: int, ca: bytes) -> dict[str, object]:
    """JSON is YAML. Whoever asks is let in; kubectl wants to be somebody."""
    name = "one-moment"
    cluster = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority-data": b64encode(ca).decode(),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": "whoever"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
