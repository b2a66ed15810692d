"""The interpreter that the approver is measured with: the image's own where the image was built, else this one."""

import json
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from image.building import ARCHIVE, DIST

_SOURCES = Path(__file__).parents[1] / "src"


@dataclass(frozen=True)
class Interpreter:
    """How to start the product: the words before the verb, and what the environment needs."""

    name: str
    words: tuple[str, ...]
    environment: Mapping[str, str]


def interpreter(folder: Path, archive: Path = DIST / ARCHIVE) -> Interpreter:
    """The image's Python with its wheels and this checkout's product, unpacked into the folder; else our own Python."""
    if not archive.exists():
        return Interpreter("this Python", (sys.executable, "-m", "kubevouch"), {})
    root = folder / "image"
    _unpack(archive, root)
    usr = root / "usr"
    loader = usr / "lib64/ld-linux-x86-64.so.2"
    libraries = ("--library-path", str(usr / "lib/x86_64-linux-gnu"))
    words = (str(loader), *libraries, str(usr / "bin/python3.13"), "-s", "-m", "kubevouch")
    environment = {
        "PYTHONHOME": str(usr),
        "PYTHONPATH": f"{_SOURCES}:{usr / 'local/lib/python3.13/dist-packages'}",
        "PYTHONPYCACHEPREFIX": str(folder / "pycache"),
    }
    return Interpreter("the image's Python", words, environment)


def _unpack(archive: Path, root: Path) -> None:
    with tarfile.open(archive) as whole:

        def blob(digest: str) -> bytes:
            member = whole.extractfile(f"blobs/{digest.replace(':', '/')}")
            assert member is not None
            return member.read()

        index = whole.extractfile("index.json")
        assert index is not None
        manifest = json.loads(blob(json.load(index)["manifests"][0]["digest"]))
        for layer in manifest["layers"]:
            packed = root.parent / "layer.tar.gz"
            packed.write_bytes(blob(layer["digest"]))
            with tarfile.open(packed) as files:
                files.extractall(root, filter="tar")
            packed.unlink()
