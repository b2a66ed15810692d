"""The container image, by `image/` of the exported tree, and its address by digest in program, charts and pages."""

import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from image import lock, oci
from image.building import ARCHIVE
from release import source
from release.errors import ReleaseError
from release.source import Release, replace

NAME = "kubevouch"
_PLACEHOLDER = "REGISTRY/kubevouch@sha256:DIGEST"
_NO_IMAGE = "# There is no public image yet: docs/install.md builds one, for a registry of yours."


def build(release: Release, tree: Path, target: Path) -> str:
    """Writes one archive for all architectures, and a bill of materials of each. Returns the digest that a pod names.

    Raises:
        BedError: the image cannot be built; apt must be configured for Debian.
    """
    for each in lock.MACHINES:
        words = ("-m", "image", "build", "--architecture", each, "--target", target)
        source.python(release, *words, folder=tree)
    locked = lock.read()
    parts = sorted(target.glob("kubevouch-image*.tar"))
    made = oci.joined(parts, release.version, locked.epoch)
    for part in parts:
        part.unlink()
    (target / ARCHIVE).write_bytes(made.data)
    return made.digest


def digests_in(archive: Path) -> tuple[str, Mapping[str, str]]:
    """The digest of the image in an OCI archive, and those of its parts by architecture."""
    with tarfile.open(archive) as tar:
        (whole,) = _read(tar, "index.json")["manifests"]
        parts = _read(tar, f"blobs/{whole['digest'].replace(':', '/')}")["manifests"]
    return whole["digest"], {each["platform"]["architecture"]: each["digest"] for each in parts}


def _read(tar: tarfile.TarFile, name: str) -> Any:  # noqa: ANN401 - JSON
    opened = tar.extractfile(name)
    assert opened is not None
    return json.load(opened)


def write_address(tree: Path, registry: str, digest: str) -> None:
    """Makes the image that of this release: `install` and the charts take it, and every command on a page names it.

    The image itself is built before: it cannot hold its own digest, and whoever runs `install` in it names another one.

    Raises:
        ReleaseError: the registry is no address, or a file has no place for it.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.:/_-]*[a-z0-9]", registry):
        raise ReleaseError(
            f"REGISTRY={registry}", "is no address", "expected registry.example.com/team"
        )
    repository = f"{registry}/{NAME}"
    address = f"{repository}@{digest}"
    replace(
        tree / "src/kubevouch/__init__.py", 'PUBLISHED_IMAGE = ""', f'PUBLISHED_IMAGE = "{address}"'
    )
    for name in source.CHARTS:
        values = tree / "charts" / name / "values.yaml"
        replace(values, _NO_IMAGE, "# The image of this release.")
        replace(values, '  repository: ""', f"  repository: {repository}")
        replace(values, '  digest: ""', f"  digest: {digest}")
    for folder in ("src", "docs", "charts"):
        for path in (tree / folder).rglob("*"):
            if path.suffix in {".md", ".py", ".toml", ".yaml"} and _PLACEHOLDER in path.read_text(
                "utf-8"
            ):
                replace(path, _PLACEHOLDER, address)
