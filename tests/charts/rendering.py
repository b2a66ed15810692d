"""What a chart renders to, as objects."""

from pathlib import Path
from typing import Any

import yaml

from real.charts import Helm

IMAGE = (
    "--set",
    f"image.repository=registry.example.com/kubevouch,image.digest=sha256:{'4f' * 32}",
)
Identity = tuple[str, str, str]


def rendered(
    helm: Helm, chart: Path, *words: str, release: str = "", namespace: str = ""
) -> dict[Identity, Any]:
    """All objects by kind, namespace and name."""
    ours = not chart.name.endswith("metrics-server")
    text = helm.template(
        chart,
        *words,
        release=release or (chart.name if ours else "metrics-server"),
        namespace=namespace or ("kubevouch-system" if ours else "kube-system"),
    )
    found = [each for each in yaml.safe_load_all(text) if each]
    by_identity = {identity(each): each for each in found}
    assert len(by_identity) == len(found)
    return by_identity


def identity(thing: dict[str, Any]) -> Identity:
    metadata = thing["metadata"]
    return thing["kind"], metadata.get("namespace", ""), metadata["name"]


def only(found: dict[Identity, Any], kind: str) -> Any:
    (one,) = [each for each in found.values() if each["kind"] == kind]
    return one
