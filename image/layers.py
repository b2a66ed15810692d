"""The three layers, from what seldom changes to what always does: Debian, the wheels, the product.

A finished layer is kept under the hash of all that decides its bytes, so that a change of the product makes its own
layer anew and no other.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from image import debs, left_out, lock, wheels
from image.entries import Entry, packed
from image.folders import Folders
from image.interpreter import Interpreter
from real.progress import step

_BUILDER = Path(__file__).parent
_KEPT = 8


class Omission(msgspec.Struct, frozen=True):
    """What a rule of `left_out.toml` left out of a layer: files, and their bytes."""

    why: str
    files: int
    size: int


class Facts(msgspec.Struct, frozen=True):
    """A layer without its bytes: hash of the tar archive, its files and their bytes, bytecode's among them."""

    name: str
    diff_id: str
    files: int
    size: int
    bytecode: int
    left_out: tuple[Omission, ...]


@dataclass(frozen=True)
class Layer:
    """A layer: the compressed archive, and what is known of it."""

    facts: Facts
    blob: bytes


@dataclass(frozen=True)
class Sources:
    """What the layers are made of, fetched and checked. tools: the Debian packages of the Python that compiles, by name."""

    locked: lock.Lock
    tools: dict[str, Path]
    debian: dict[str, Path]
    wheels: dict[str, Path]
    product: Path


def build(folders: Folders, sources: Sources) -> tuple[Layer, ...]:
    """All three; those that the cache lacks are made.

    Raises:
        ImageError, BedError: a package is not as expected.
    """
    key = _key(sources)
    product_key = hashlib.sha256(f"{key}\0{_sha256(sources.product)}".encode()).hexdigest()
    with tempfile.TemporaryDirectory(prefix="kubevouch-image-") as name:
        bench = _Workbench(sources, Path(name))
        made: Sequence[tuple[str, str, Callable[[], Layer]]] = (
            ("debian", key, bench.debian),
            ("wheels", key, bench.wheels),
            ("product", product_key, bench.product),
        )
        return tuple(_kept_or(folders, name, of, make) for name, of, make in made)


class _Workbench:
    """Makes layers; the image's own Python is unpacked once, when it is first needed."""

    def __init__(self, sources: Sources, folder: Path) -> None:
        self.sources = sources
        self.folder = folder
        self.started: tuple[Interpreter, list[Entry], tuple[left_out.LeftOut, ...]] | None = None

    def debian(self) -> Layer:
        interpreter, entries, gone = self._start()
        return self._layer("debian", interpreter, entries, gone)

    def wheels(self) -> Layer:
        every = [
            entry
            for _, path in sorted(self.sources.wheels.items())
            for entry in wheels.entries(path)
        ]
        entries, gone = left_out.apply(left_out.rules("wheels"), every)
        return self._layer("wheels", self._start()[0], entries, gone)

    def product(self) -> Layer:
        entries = [*wheels.entries(self.sources.product), *wheels.programs()]
        return self._layer("product", self._start()[0], entries, ())

    def _start(self) -> tuple[Interpreter, list[Entry], tuple[left_out.LeftOut, ...]]:
        if self.started is None:
            ours = entries, _ = _debian_entries(self.sources.debian)
            if self.sources.tools != self.sources.debian:
                entries, _ = _debian_entries(self.sources.tools)
            self.started = Interpreter.unpacked(entries, self.folder), *ours
        return self.started

    def _layer(
        self,
        name: str,
        interpreter: Interpreter,
        entries: list[Entry],
        gone: Iterable[left_out.LeftOut],
    ) -> Layer:
        bytecode = interpreter.compiled(entries)
        archive = packed([*entries, *bytecode], self.sources.locked.epoch)
        facts = Facts(
            name,
            f"sha256:{hashlib.sha256(archive).hexdigest()}",
            len(entries) + len(bytecode),
            sum(len(each.data) for each in (*entries, *bytecode)),
            sum(len(each.data) for each in bytecode),
            tuple(Omission(each.rule.why, each.files, each.size) for each in gone),
        )
        return Layer(facts, interpreter.compressed(archive))


def _debian_entries(
    packages: dict[str, Path],
) -> tuple[list[Entry], tuple[left_out.LeftOut, ...]]:
    every = debs.without_single_authorities(debs.entries(packages))
    return left_out.apply(left_out.rules("debian"), every)


def _kept_or(folders: Folders, name: str, key: str, make: Callable[[], Layer]) -> Layer:
    kept = folders.layers / f"{name}-{key[:16]}"
    if not kept.exists():
        folders.layers.mkdir(parents=True, exist_ok=True)
        with step(f"layer {name}"), tempfile.TemporaryDirectory(dir=folders.layers) as unfinished:
            layer = make()
            folder = Path(unfinished) / name
            folder.mkdir()
            (folder / "blob").write_bytes(layer.blob)
            (folder / "facts.json").write_bytes(msgspec.json.encode(layer.facts))
            try:
                folder.rename(kept)
            except OSError:
                if not kept.exists():  # else another build was faster, with the same bytes
                    raise
    os.utime(kept)
    _forget_old(folders, name)
    facts = msgspec.json.decode((kept / "facts.json").read_bytes(), type=Facts)
    return Layer(facts, (kept / "blob").read_bytes())


def _forget_old(folders: Folders, name: str) -> None:
    """Keeps the layers of this name that were used last."""
    used = sorted(folders.layers.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)
    for path in used[:-_KEPT]:
        shutil.rmtree(path, ignore_errors=True)


def _key(sources: Sources) -> str:
    """The hash of all that decides the bytes of the layers below the product: the lock, the tools and the builder."""
    digest = hashlib.sha256(msgspec.json.encode(sources.locked))
    digest.update(repr(sorted(path.name for path in sources.tools.values())).encode())
    for path in sorted((*_BUILDER.rglob("*.py"), *_BUILDER.glob("*.toml"))):
        digest.update(f"\0{path.relative_to(_BUILDER)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
