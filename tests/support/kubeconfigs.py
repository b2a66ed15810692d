"""A kubeconfig of one cluster and one user."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

TOKEN = "the-token"


def write_kubeconfig(
    path: Path,
    server: str,
    ca: bytes | None = None,
    user: dict[str, Any] | None = None,
    **context: str,
) -> Path:
    """JSON is YAML. user: a reader with a token, unless another one. context: what else it names."""
    cluster = {"server": server}
    if ca is not None:
        cluster["certificate-authority-data"] = b64encode(ca).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "story",
        "contexts": [
            {"name": "story", "context": {"cluster": "story", "user": "reader", **context}}
        ],
        "clusters": [{"name": "story", "cluster": cluster}],
        "users": [{"name": "reader", "user": user or {"token": TOKEN}}],
    }
    path.write_text(json.dumps(config))
    return path
