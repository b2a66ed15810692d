"""A kubeconfig of one cluster and one user."""

from typing import Any

Object = dict[str, Any]
TOKEN = "the-token"


def kubeconfig_of(cluster: Object, user: Object | None = None, **context: str) -> Object:
    """JSON is YAML. user: a reader with a token, unless another one. context: what else it names."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "story",
        "contexts": [
            {"name": "story", "context": {"cluster": "story", "user": "reader", **context}}
        ],
        "clusters": [{"name": "story", "cluster": cluster}],
        "users": [{"name": "reader", "user": user or {"token": TOKEN}}],
    }
