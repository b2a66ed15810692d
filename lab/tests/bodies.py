"""Bodies that many tests send."""

from typing import Any


def deployment(
    name: str = "web", replicas: int = 2, container: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """One container, `web`. container: what else it has; spec: of the Deployment."""
    labels = {"app": "web"}
    runs = {"name": "web", "image": "example.com/web:1", **(container or {})}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [runs]}}
    wanted = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {**wanted, **spec},
    }


def pod(name: str = "p", *containers: str, space: str = "default", **spec: Any) -> dict[str, Any]:
    """One container, `c`, unless others are named. spec: what else it has."""
    runs = [{"name": each, "image": "example.com/c:1"} for each in containers or ("c",)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": space},
        "spec": {"containers": runs, **spec},
    }
