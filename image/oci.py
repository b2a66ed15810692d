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
from pathlib import Path

from image.layers import Layer

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


def archive(layers: Sequence[Layer], version: str, epoch: int, architecture: str) -> Archive:
    """One image, named by its version. The repository is given by whoever loads it."""
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = _encoded(_config(layers, version, created, architecture))
    manifest = _encoded(
        {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": _descriptor("config.v1+json", config),
            "layers": [_descriptor("layer.v1.tar+gzip", layer.blob) for layer in layers],
            "annotations": _annotations(version, created),
        }
    )
    described = _descriptor("manifest.v1+json", manifest)
    described["platform"] = {"architecture": architecture, "os": "linux"}
    blobs = (config, manifest, *(layer.blob for layer in layers))
    named = {f"blobs/sha256/{_sha256(blob)}": blob for blob in blobs}
    return _layout(described, named, version, epoch)


def joined(archives: Sequence[Path], version: str, epoch: int) -> Archive:
    """The images of several architectures as one, of which each machine takes its own."""
    manifests: list[object] = []
    blobs: dict[str, bytes] = {}
    for path in archives:
        with tarfile.open(path) as tar:
            files = {each.name: _content(tar, each) for each in tar}
        (only,) = json.loads(files["index.json"])["manifests"]
        manifests.append({key: only[key] for key in only if key != "annotations"})
        blobs |= {name: data for name, data in files.items() if name.startswith("blobs/")}
    index = _encoded(_index(manifests))
    blobs[f"blobs/sha256/{_sha256(index)}"] = index
    return _layout(_descriptor("index.v1+json", index), blobs, version, epoch)


def _layout(
    described: dict[str, object], blobs: Mapping[str, bytes], version: str, epoch: int
) -> Archive:
    digest = str(described["digest"])
    described["annotations"] = {"org.opencontainers.image.ref.name": version}
    files = {
        "oci-layout": _encoded({"imageLayoutVersion": "1.0.0"}),
        "index.json": _encoded(_index([described])),
        **blobs,
    }
    return Archive(_packed(files, epoch), digest)


def _index(manifests: Sequence[object]) -> Mapping[str, object]:
    media = f"{_MEDIA}.index.v1+json"
    return {"schemaVersion": 2, "mediaType": media, "manifests": manifests}


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = tar.extractfile(member)
    assert opened is not None
    return opened.read()


def _config(
    layers: Sequence[Layer], version: str, created: str, architecture: str
) -> Mapping[str, object]:
    return {
        "created": created,
        "architecture": architecture,
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
