"""From the lock to the archive: fetch and check, make the layers, put them together."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from image import contents, debs, layers, lock, oci, wheels
from image.errors import ImageError
from image.folders import CHECKOUT, Folders

DIST = CHECKOUT / "dist"
ARCHIVE = "kubevouch-image.tar"
CONTENTS = "kubevouch-image.cdx.json"
_COMPILING = "amd64"
"""Bytecode is the same for every machine, and so is gzip: this one's Python, of the same version, makes both."""


@dataclass(frozen=True)
class Image:
    """A built image: the OCI archive, the digest that a pod names, and what each layer holds."""

    archive: Path
    version: str
    digest: str
    layers: tuple[layers.Facts, ...]
    compressed: tuple[int, ...]


def build(
    folders: Folders,
    target: Path = DIST,
    archives: Mapping[str, str] | None = None,
    architecture: str = _COMPILING,
) -> Image:
    """Writes the archive and its bill of materials into the target folder, whole or not at all.

    `archives` are URIs of Debian's archives (`main`, `security`); where one is not given, apt's configuration counts.

    Raises:
        ImageError, BedError: a package cannot be had, or is not the locked one.
    """
    locked = lock.read(lock.path_of(architecture))
    compiling = lock.read(lock.path_of(_COMPILING))
    if _python(locked) != _python(compiling):
        seen = f"Python {_python(locked)}, and for {_COMPILING} {_python(compiling)}"
        raise ImageError(f"the lock for {architecture}", seen, "`make image-lock` resolves both")
    with tempfile.TemporaryDirectory(prefix="kubevouch-image-") as name:
        product = wheels.product(Path(name))
        sources = layers.Sources(
            locked,
            debs.fetch(folders, compiling, archives or {}),
            debs.fetch(folders, locked, archives or {}),
            wheels.fetch(folders, locked),
            product,
        )
        made = layers.build(folders, sources)
        version = product.name.split("-")[1]
    packed = oci.archive(made, version, locked.epoch, architecture)
    target.mkdir(parents=True, exist_ok=True)
    ending = "" if architecture == _COMPILING else f"-{architecture}"
    archive, bill = (target / each.replace(".", f"{ending}.", 1) for each in (ARCHIVE, CONTENTS))
    _write(bill, contents.bill_of_materials(locked, version, packed.digest))
    _write(archive, packed.data)
    return Image(
        archive,
        version,
        packed.digest,
        tuple(layer.facts for layer in made),
        tuple(len(layer.blob) for layer in made),
    )


def _python(locked: lock.Lock) -> str:
    (found,) = (each.version for each in locked.debian if each.name == "python3.13-minimal")
    return found


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(data)
    unfinished.rename(path)
