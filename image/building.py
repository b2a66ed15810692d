"""From the lock to the archive: fetch and check, make the layers, put them together."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from image import contents, debs, layers, lock, oci, wheels
from image.folders import CHECKOUT, Folders

DIST = CHECKOUT / "dist"
ARCHIVE = "kubevouch-image.tar"
CONTENTS = "kubevouch-image.cdx.json"


@dataclass(frozen=True)
class Image:
    """A built image: the OCI archive, the digest that a pod names, and what each layer holds."""

    archive: Path
    version: str
    digest: str
    layers: tuple[layers.Facts, ...]
    compressed: tuple[int, ...]


def build(
    folders: Folders, target: Path = DIST, archives: Mapping[str, str] | None = None
) -> Image:
    """Writes the archive and its bill of materials into the target folder, whole or not at all.

    `archives` are URIs of Debian's archives (`main`, `security`); where one is not given, apt's configuration counts.

    Raises:
        ImageError, BedError: a package cannot be had, or is not the locked one.
    """
    locked = lock.read()
    with tempfile.TemporaryDirectory(prefix="kubevouch-image-") as name:
        product = wheels.product(Path(name))
        sources = layers.Sources(
            locked,
            debs.fetch(folders, locked, archives or {}),
            wheels.fetch(folders, locked),
            product,
        )
        made = layers.build(folders, sources)
        version = product.name.split("-")[1]
    packed = oci.archive(made, version, locked.epoch)
    target.mkdir(parents=True, exist_ok=True)
    _write(target / CONTENTS, contents.bill_of_materials(locked, version, packed.digest))
    _write(target / ARCHIVE, packed.data)
    return Image(
        target / ARCHIVE,
        version,
        packed.digest,
        tuple(layer.facts for layer in made),
        tuple(len(layer.blob) for layer in made),
    )


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(data)
    unfinished.rename(path)
