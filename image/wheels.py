"""Wheels: the locked ones as pip fetches them, and the product's own; unpacked here, so that no pip decides what is written."""

import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from image import lock
from image.entries import Entry
from image.errors import ImageError
from image.folders import CHECKOUT, Folders
from real.processes import run

SITE = "usr/local/lib/python3.13/dist-packages"
PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
_SCRIPT = b"#!/usr/bin/python3.13 -I\nfrom kubevouch.cli import main\n\nmain()\n"
_METRICS_SERVER = b"""#!/usr/bin/python3.13 -I
import sys

from kubevouch.cli import main

sys.argv[:1] = ["kubevouch", "metrics-server", "run"]
main()
"""


def download(requirements: Path, folder: Path, architecture: str) -> None:
    """Has pip fetch the wheels of hashed requirements for the image's Python, whatever Python runs here.

    Raises:
        BedError: pip found none, or one with another hash.
    """
    machine = lock.MACHINES[architecture]
    platforms = [word for each in PLATFORMS for word in ("--platform", f"{each}_{machine}")]
    run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--require-hashes", "--only-binary=:all:", *platforms),
            *("--implementation", "cp", "--python-version", "3.13"),
            *("--abi", "cp313", "--abi", "abi3", "--abi", "none"),
            *("--requirement", requirements, "--dest", folder),
        ],
        seconds=600,
    )


def fetch(folders: Folders, locked: lock.Lock) -> dict[str, Path]:
    """Where each locked wheel lies, by name; fetched if it is not there, and its hash checked each time.

    Raises:
        ImageError: it has another hash.
        BedError: pip cannot fetch it.
    """
    folder = folders.packages / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    lacking = [each for each in locked.wheels if not (folder / each.file).exists()]
    if lacking:
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            wanted = Path(unfinished) / "wanted.txt"
            lines = [
                f"{each.name}=={each.version} --hash=sha256:{each.sha256}\n" for each in lacking
            ]
            wanted.write_text("".join(lines))
            download(wanted, Path(unfinished), locked.architecture)
            for wheel in Path(unfinished).glob("*.whl"):
                wheel.rename(folder / wheel.name)
    for each in locked.wheels:
        if not (folder / each.file).exists():
            raise ImageError(f"{each.name} {each.version}", f"pip has not fetched {each.file}")
        lock.require_hash(folder / each.file, each.sha256)
    return {each.name: folder / each.file for each in locked.wheels}


def product(folder: Path) -> Path:
    """Builds the product's wheel from this checkout, by hatchling, into an empty folder."""
    run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder.resolve()],
        folder=CHECKOUT,
    )
    (built,) = folder.glob("*.whl")
    return built


def entries(wheel: Path) -> Iterator[Entry]:
    """The files of a wheel where Debian's Python looks for them. Console scripts are not made.

    Raises:
        ImageError: it brings files for other places, which nobody here has looked at.
    """
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith("/"):
                continue
            if ".data/" in name:
                raise ImageError(f"{wheel.name}: {name}", "is a file for another place")
            yield Entry(f"{SITE}/{name}", archive.read(name))


def programs() -> tuple[Entry, ...]:
    """`kubevouch`, for who enters a running container by its name, and `/metrics-server`, as manifests call that one's program."""
    return (
        Entry("usr/local/bin/kubevouch", _SCRIPT, executable=True),
        Entry("metrics-server", _METRICS_SERVER, executable=True),
    )
