"""Makes the lock anew. What is to be in the image is decided here; the lock says which bytes.

Debian's packages are taken in the newest versions of its stable release and its security archive, the wheels in those
of locks/kubevouch.txt, for the image's Python.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import unquote

from image import debs, wheels
from image.errors import ImageError
from image.folders import CHECKOUT
from image.lock import MACHINES, RELEASE, DebianPackage, Lock, LockedWheel
from real.processes import run

WHEELS = CHECKOUT / "locks" / "kubevouch.txt"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Python and what it links to; gcc-14-base holds the licences of libgcc and libstdc++.
PACKAGES = (
    "base-files",
    "ca-certificates",
    "gcc-14-base",
    "libc6",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "libpython3.13-minimal",
    "libpython3.13-stdlib",
    "libssl3t64",
    "libstdc++6",
    "libzstd1",
    "python3.13-minimal",
    "zlib1g",
)


def resolve(now: datetime, given: Mapping[str, str], architecture: str) -> Lock:
    """The lock as of now. Its time is the day's beginning, so that it says nothing but the day.

    Raises:
        ImageError: a package is not in the archives, or no wheel fits.
        BedError: apt or pip failed.
    """
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    known = debs.archives(("main", "security"), given)
    with tempfile.TemporaryDirectory(prefix="kubevouch-image-") as name:
        folder = Path(name)
        return Lock(
            int(day.timestamp()),
            tuple(_debian(folder / "apt", known, architecture)),
            tuple(_wheels(folder / "wheels", architecture)),
            architecture,
        )


def _debian(folder: Path, known: Mapping[str, str], architecture: str) -> Iterator[DebianPackage]:
    """Asks apt, with a list of its own and the machine's configuration otherwise: proxies, credentials, authorities."""
    (folder / "lists" / "partial").mkdir(parents=True)
    signed = f"[arch={architecture} signed-by={_KEYRING}]"
    (folder / "sources.list").write_text(
        f"deb {signed} {known['main']} {RELEASE} main\n"
        f"deb {signed} {known['main']} {RELEASE}-updates main\n"
        f"deb {signed} {known['security']} {RELEASE}-security main\n"
    )
    options = [
        *(
            "-o",
            f"Dir::State={folder}",
            "-o",
            f"Dir::Cache={folder}",
            "-o",
            "Dir::State::status=/dev/null",
        ),
        *("-o", f"Dir::State::lists={folder / 'lists'}"),
        *(
            "-o",
            f"Dir::Etc::sourcelist={folder / 'sources.list'}",
            "-o",
            "Dir::Etc::sourceparts=/dev/null",
        ),
        *("-o", f"APT::Architecture={architecture}", "-o", "APT::Sandbox::User=root"),
    ]
    run(["apt-get", *options, "-q", "update"], seconds=600)
    asked = (*options, "-q", "--print-uris", "download", *PACKAGES)
    uris = {
        found[2].split("_")[0]: found
        for found in re.finditer(
            r"^'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$",
            run(["apt-get", *asked]).stdout,
            re.MULTILINE,
        )
    }
    shown = run(["apt-cache", *options, "show", "--no-all-versions", *PACKAGES]).stdout
    versions = {
        stanza["Package"]: stanza["Version"]
        for stanza in map(HeaderParser().parsestr, shown.strip().split("\n\n"))
    }
    for name in PACKAGES:
        if name not in uris:
            raise ImageError(name, f"apt has no such package in {RELEASE}")
        uri, _, size, sha256 = uris[name].groups()
        archive = max(
            (each for each in known if uri.startswith(known[each])),
            key=lambda each: len(known[each]),
        )
        path = unquote(uri.removeprefix(known[archive]).lstrip("/"))
        yield DebianPackage(name, versions[name], archive, path, int(size), sha256)


def _wheels(folder: Path, architecture: str) -> Iterator[LockedWheel]:
    folder.mkdir()
    wanted = folder.with_suffix(".txt")
    wanted.write_text("".join(_for_the_image(WHEELS.read_text(encoding="utf-8"), architecture)))
    wheels.download(wanted, folder, architecture)
    for path in sorted(folder.glob("*.whl")):
        name, version = path.name.split("-")[:2]
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        yield LockedWheel(name.lower().replace("_", "-"), version, path.name, sha256)


def _for_the_image(requirements: str, architecture: str) -> Iterator[str]:
    """The requirements whose markers hold in the image; pip would ask the Python that runs pip."""
    from packaging.markers import Marker

    image = {
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "python_version": "3.13",
        "python_full_version": "3.13.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": MACHINES[architecture],
        "os_name": "posix",
    }
    for each in re.findall(r"^[a-z0-9].*\n(?:[ \t].*\n)*", requirements, re.MULTILINE):
        head, *hashes = each.splitlines(keepends=True)
        requirement, _, marker = head.rstrip("\\\n ").partition(" ; ")
        if not marker or Marker(marker).evaluate(image):
            yield f"{requirement} \\\n" + "".join(hashes)
