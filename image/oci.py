"""The OCI archive: an image layout in a tar file, which `ctr images import`, skopeo and crane read.

Formats: the image specification of OCI, v1.1: image-layout.md, manifest.md, config.md.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from image.layers import Layer
from image.lock import ARCHITECTURE

_MEDIA = "application/vnd.oci.image"
ENTRYPOINT = ("/usr/bin/python3.13", "-I", "-m", "kubevouch.cli.container")
USER = "65532:65532"
_TITLES = {
    "debian": "Debian: Python and its libraries",
    "wheels": "the locked wheels",
    "product": "kubevouch",
}


@dataclass(frozen=True)
class Archive:
    """The bytes of the tar file, and the digest of the manifest in it: what a pod names."""

    data: bytes
    digest: str


def archive(layers: Sequence[Layer], version: str, epoch: int) -> Archive:
    """One image, named by its version. The repository is given by whoever loads it."""
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = _encoded(_config(layers, version, created))
    manifest = _encoded(
        {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": _descriptor("config.v1+json", config),
            "layers": [_descriptor("layer.v1.tar+gzip", layer.blob) for layer in layers],
            "annotations": _annotations(version, created),
        }
    )
    index = {
        "schemaVersion": 2,
        "mediaType": f"{_MEDIA}.index.v1+json",
        "manifests": [
            {
                **_descriptor("manifest.v1+json", manifest),
                "platform": {"architecture": ARCHITECTURE, "os": "linux"},
                "annotations": {"org.opencontainers.image.ref.name": version},
            }
        ],
    }
    files = {
        "oci-layout": _encoded({"imageLayoutVersion": "1.0.0"}),
        "index.json": _encoded(index),
        **{
            f"blobs/sha256/{_sha256(blob)}": blob
            for blob in (config, manifest, *(layer.blob for layer in layers))
        },
    }
    return Archive(_packed(files, epoch), f"sha256:{_sha256(manifest)}")


def _config(layers: Sequence[Layer], version: str, created: str) -> Mapping[str, object]:
    return {
        "created": created,
        "architecture": ARCHITECTURE,
        "os": "linux",
        "config": {
            "User": USER,
            "Env": ["PATH=/usr/local/bin:/usr/bin"],
            "Entrypoint": list(ENTRYPOINT),
            "WorkingDir": "/",
            "Labels": _annotations(version, created),
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.facts.diff_id for layer in layers]},
        "history": [
            {"created": created, "created_by": _TITLES[layer.facts.name]} for layer in layers
        ],
    }


def _annotations(version: str, created: str) -> Mapping[str, str]:
    return {
        "org.opencontainers.image.created": created,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.title": "kubevouch",
        "org.opencontainers.image.version": version,
    }


def _descriptor(kind: str, blob: bytes) -> dict[str, object]:
    return {
        "mediaType": f"{_MEDIA}.{kind}",
        "digest": f"sha256:{_sha256(blob)}",
        "size": len(blob),
    }


def _packed(files: Mapping[str, bytes], epoch: int) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), epoch
            tar.addfile(member, io.BytesIO(data))
    return raw.getvalue()


def _encoded(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
