"""A cluster that Helm can look things up in, and nothing else. It has the lab's kinds."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kubevouch_lab.apiserver.discovery import document
from kubevouch_lab.apiserver.kinds import KINDS

_MISSING = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound"}


@contextmanager
def looked_up(
    objects: Mapping[tuple[str, str], dict[str, Any]], release: str
) -> Iterator[tuple[str, ...]]:
    """Words for `helm install`, so that it asks a cluster where a release in kube-system has these, by kind and name."""
    owned = {
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {
            "meta.helm.sh/release-name": release,
            "meta.helm.sh/release-namespace": "kube-system",
        },
    }

    def whole(name: str, found: dict[str, Any]) -> dict[str, Any]:
        metadata = {"name": name, **owned, **found.get("metadata", {})}
        metadata["labels"] = {**owned["labels"], **metadata["labels"]}
        return {**found, "metadata": metadata}

    def answer(path: str) -> Any:
        if path == "version":
            return {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}
        if (discovered := document(path, address="")) is not None:
            return discovered
        *_, plural, name = ("", *path.split("/"))
        for kind in KINDS.values():
            head = {"kind": kind.kind, "apiVersion": kind.api_version}
            if plural == kind.plural and (kind.kind, name) in objects:
                return {**head, **whole(name, objects[kind.kind, name])}
            if name == kind.plural:
                return {**head, "kind": f"{kind.kind}List", "items": []}
        return None

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answer(self.path.partition("?")[0].strip("/"))
            body = json.dumps(found or {**_MISSING, "code": 404}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            yield ("--dry-run=server", "--disable-openapi-validation", f"--kube-apiserver={url}")
        finally:
            server.shutdown()
            thread.join()
