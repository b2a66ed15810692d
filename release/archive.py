"""The archive for linux/amd64: kubevouch with a Python of its own, by PyInstaller, manual pages and completions."""

import gzip
import os
import platform
import zipfile
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from image.entries import Entry, packed
from release import source
from release.errors import ReleaseError
from release.source import Release

GLIBC = (2, 35)
"""The oldest glibc that it runs on: Ubuntu 22.04 has it. Python and libgcc_s of the machine that builds decide."""
NAMES = ("kubevouch", "kubectl-vouch", "kubectl_complete-vouch")
# aiohttp and others use these where they are there. The last one needs libstdc++, which needs a newer glibc.
_LEFT_OUT = ("chardet", "pkg_resources", "readline", "setuptools", "frozenlist._frozenlist")
# What pip has noted about the environment that this was built in.
_OF_PIP = frozenset(("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"))
_COMPLETIONS = {"bash": "kubevouch.bash", "zsh": "_kubevouch", "fish": "kubevouch.fish"}
_README = """kubevouch {version} for Linux on x86_64. It needs glibc {glibc} or newer, and zlib; no Python.

Leave the folder together. Link to its programs from a folder of your PATH:

    ln -s "$PWD/kubevouch" "$PWD/kubectl-vouch" "$PWD/kubectl_complete-vouch" /usr/local/bin/
    kubevouch doctor        # only reads
    kubectl vouch doctor    # the same

share/man: the manual pages (man -M share/man kubevouch-doctor). share/completions: for bash, zsh and fish.
The licence of each part is in its folder of _internal, as _internal/click-8.5.1.dist-info/licenses.
"""


def name(release: Release) -> str:
    """The name of the archive and, without .tar.gz, of the folder in it."""
    return f"kubevouch-{release.version}-linux-amd64.tar.gz"


def build(release: Release, wheel: Path, target: Path, work: Path) -> Path:
    """Writes the archive of this wheel. work: an empty folder for what is made on the way.

    Raises:
        ReleaseError: this is no Linux on x86_64, or a library needs a newer glibc.
        BedError: a tool failed.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise ReleaseError("the archive", "is built on Linux on x86_64 only")
    site, folder = work / "site", work / "out" / "kubevouch"
    with zipfile.ZipFile(wheel) as read:
        read.extractall(site)
    words = [word for each in _LEFT_OUT for word in ("--exclude-module", each)]
    words += ["--collect-submodules", "kubevouch", "--collect-data", "kubevouch"]
    words += ["--recursive-copy-metadata", "kubevouch", "--strip", "--debug", "noarchive"]
    words += ["--onedir", "--name", "kubevouch", "--distpath", "out", "--specpath", "made"]
    words += [
        "--workpath",
        "made",
        "--log-level",
        "WARN",
        str(Path(__file__).with_name("entry.py")),
    ]
    source.python(release, "-m", "PyInstaller", *words, folder=work, path=[site])
    needed = glibc_of(folder)
    if needed > GLIBC:
        expected = f"expected at most {shown(GLIBC)}, as docs/install.md says"
        raise ReleaseError("the archive", f"needs glibc {shown(needed)}", expected)
    top = name(release).removesuffix(".tar.gz")
    made = [*_program(folder), *_added(release, site, work)]
    entries = (Entry(f"{top}/{each.path}", each.data, each.executable) for each in made)
    archive = target / name(release)
    archive.write_bytes(gzip.compress(packed(entries, release.epoch), mtime=0))
    return archive


def glibc_of(folder: Path) -> tuple[int, ...]:
    """The newest version of glibc's symbols that a program or a library below the folder asks for."""
    found: set[tuple[int, ...]] = {(0,)}
    for path in folder.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"\x7fELF"):
            found.update(_versions(path))
    return max(found)


def _versions(path: Path) -> Iterator[tuple[int, ...]]:
    with path.open("rb") as opened:
        for section in ELFFile(opened).iter_sections():
            if isinstance(section, GNUVerNeedSection):
                for _, needs in section.iter_versions():
                    for each in needs:
                        kind, _, number = str(each.name).partition("_")
                        if kind == "GLIBC" and number != "PRIVATE":
                            yield tuple(map(int, number.split(".")))


def _program(folder: Path) -> Iterator[Entry]:
    """What PyInstaller has made. Its program is small: it is there by each of its names, since krew unpacks no links."""
    for path in folder.rglob("*"):
        if path.is_dir() or path.name in _OF_PIP:
            continue
        if path.is_symlink():
            raise ReleaseError(str(path), "is a link, which krew does not unpack")
        name = path.relative_to(folder).as_posix()
        for each in NAMES if name == NAMES[0] else (name,):
            yield Entry(each, path.read_bytes(), executable=os.access(path, os.X_OK))


def _added(release: Release, site: Path, work: Path) -> Iterator[Entry]:
    pages = work / "pages"
    pages.mkdir()
    paths = [site, source.CHECKOUT]
    source.python(release, "-m", "release.manuals", pages, folder=work, path=paths)
    for page in pages.iterdir():
        yield Entry(f"share/man/man1/{page.name}", page.read_bytes())
    for shell, name in _COMPLETIONS.items():
        words = ("-m", "kubevouch", "completion", shell)
        said = source.python(release, *words, folder=work, path=[site])
        yield Entry(f"share/completions/{name}", said.encode())
    text = _README.format(version=release.version, glibc=shown(GLIBC))
    yield Entry("README.txt", text.encode())
    yield Entry("LICENSE", (source.CHECKOUT / "LICENSE").read_bytes())
    python = Path(os.__file__).with_name("LICENSE.txt")
    yield Entry("_internal/LICENSE.python.txt", python.read_bytes())


def shown(version: tuple[int, ...]) -> str:
    """As people write it."""
    return ".".join(map(str, version))
