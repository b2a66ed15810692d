"""The list of what the image is made of, from the lock: CycloneDX 1.6 in JSON (a software bill of materials)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from image.lock import Lock

_DISTRO = "debian-13"


def bill_of_materials(locked: Lock, version: str, digest: str) -> bytes:
    """Each package with its hash and package URL; the same bytes for the same lock and image."""
    components = [
        _component(
            each.name,
            each.version,
            f"pkg:deb/debian/{quote(each.name)}@{quote(each.version, safe='')}"
            f"?arch={locked.architecture}&distro={_DISTRO}",
            each.sha256,
        )
        for each in locked.debian
    ] + [
        _component(
            each.name, each.version, f"pkg:pypi/{each.name}@{quote(each.version)}", each.sha256
        )
        for each in locked.wheels
    ]
    created = datetime.fromtimestamp(locked.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": created,
            "component": {
                "type": "container",
                "bom-ref": f"kubevouch@{digest}",
                "name": "kubevouch",
                "version": version,
                "hashes": [_hash(digest.removeprefix("sha256:"))],
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": components,
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _component(name: str, version: str, purl: str, sha256: str) -> Mapping[str, object]:
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": [_hash(sha256)],
    }


def _hash(sha256: str) -> Mapping[str, str]:
    return {"alg": "SHA-256", "content": sha256}
