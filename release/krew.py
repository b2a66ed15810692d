"""krew's manifest of the kubectl plugin: linux/amd64 is all that there is an archive for."""

from pathlib import Path

import yaml

from release import archive
from release.source import Release

FILE = "vouch.yaml"
PLUGIN = "vouch"
_DESCRIPTION = """Names the cause of missing metrics on a kubeadm cluster, gives every kubelet a serving
certificate that verifies, one node at a time, and approves the next ones.
Its first command only reads: kubectl vouch doctor. Linux on x86_64 only."""


def manifest(release: Release, sha256: str, downloads: str) -> str:
    """The manifest. sha256: of the archive. downloads: the URL below which dist/ will be published."""
    name = archive.name(release)
    platform = {
        "selector": {"matchLabels": {"os": "linux", "arch": "amd64"}},
        "uri": f"{downloads.rstrip('/')}/{name}",
        "sha256": sha256,
        "bin": "kubectl-vouch",
        "files": [{"from": f"{name.removesuffix('.tar.gz')}/*", "to": "."}],
    }
    document = {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": PLUGIN},
        "spec": {
            "version": f"v{release.chart_version}",
            "homepage": downloads,
            "shortDescription": "Verified TLS on every kubelet",
            "description": _DESCRIPTION,
            "platforms": [platform],
        },
    }
    return yaml.safe_dump(document, sort_keys=False)


def write(release: Release, target: Path, sha256: str, downloads: str) -> None:
    """Writes it into dist/."""
    (target / FILE).write_text(manifest(release, sha256, downloads))
