"""Debian's packages: fetched below an archive by apt's own downloader, unpacked by dpkg-deb. No maintainer script runs."""

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from image import lock
from image.entries import Entry
from image.errors import ImageError
from image.folders import Folders
from real import debian
from real.processes import run

_APT_HELPER = "/usr/lib/apt/apt-helper"
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
# The runtime mounts on these, and a pod an emptyDir on /tmp.
_EMPTY_FOLDERS = {
    **dict.fromkeys(("dev", "proc", "run", "sys"), 0o755),
    "tmp": 0o1777,
}
_LINKS = {
    # The rest of Debian's links, as /lib64, comes with base-files.
    "usr/bin/python3": "python3.13",
    "usr/bin/python": "python3.13",
    # Where OpenSSL looks for the system's roots; Debian's package `openssl` would bring it.
    "usr/lib/ssl/cert.pem": f"/{AUTHORITIES}",
}
_NSSWITCH = b"passwd: files\ngroup: files\nhosts: files dns\n"


def archives(names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """The URI of each of these archives, `main` or `security`: the one given, or the one that apt is configured for.

    Raises:
        BedError: apt knows no such archive.
    """
    ours = debian.release_of_this_machine(lock.RELEASE)
    suffixes = {"main": "", "security": "-security"}
    return {
        name: given.get(name)
        or debian.archive_of([f"{release}{suffixes[name]}" for release in (lock.RELEASE, ours)])
        for name in names
    }


def fetch(folders: Folders, locked: lock.Lock, given: Mapping[str, str]) -> dict[str, Path]:
    """Where each package lies, by name; fetched if it is not there, and its hash checked each time.

    Raises:
        ImageError: it cannot be fetched, or has another hash.
    """
    folders.packages.mkdir(parents=True, exist_ok=True)
    found = {each.name: folders.packages / f"{each.sha256}.deb" for each in locked.debian}
    lacking = [each for each in locked.debian if not found[each.name].exists()]
    known = archives({each.archive for each in lacking}, given)
    for each in lacking:
        uri = f"{known[each.archive].rstrip('/')}/{each.path}"
        with tempfile.TemporaryDirectory(dir=folders.packages) as unfinished:
            fetched, checked = Path(unfinished) / "fetched", Path(unfinished) / "checked"
            _download(each, uri, fetched)
            lock.require_hash(fetched, each.sha256)
            shutil.copyfile(fetched, checked)  # of a file: archive, apt gives a link
            checked.rename(found[each.name])
    for each in locked.debian:
        lock.require_hash(found[each.name], each.sha256)
    return found


def _download(package: lock.DebianPackage, uri: str, target: Path) -> None:
    asked = ("download-file", uri, target, f"SHA256:{package.sha256}")
    done = run([_APT_HELPER, "-o", "APT::Sandbox::User=root", *asked], seconds=300, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("E: ")]
        raise ImageError(
            f"{package.name} {package.version}",
            said[0].removeprefix("E: ") if said else "cannot be fetched",
            "if the archive has a newer version, `make image-lock` takes that",
        )


def entries(packages: Mapping[str, Path]) -> list[Entry]:
    """All files of the packages, and what scanners read: a record of each package as images without dpkg keep it."""
    found: dict[str, Entry] = {}
    for name, deb in sorted(packages.items()):
        for entry in unpacked(deb):
            if found.setdefault(entry.path, entry) != entry:
                raise ImageError(f"/{entry.path}", f"another package has it too, besides {name}")
        control = run(["dpkg-deb", "--field", deb]).stdout
        record = f"var/lib/dpkg/status.d/{name}"
        found[record] = Entry(record, control.encode())
    return [*found.values(), *_added(found)]


def unpacked(deb: Path) -> Iterator[Entry]:
    """Files and links of one package.

    Raises:
        ImageError: it has something else, as a device.
    """
    raw = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(raw.stdout)) as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            if member.isdir():
                continue
            if member.issym():
                yield Entry(path, link=member.linkname)
            elif (
                content := archive.extractfile(member)
            ) is not None:  # a file, or a hard link to one
                yield Entry(path, content.read(), executable=bool(member.mode & 0o111))
            else:
                raise ImageError(f"{deb}: {path}", "is neither a file nor a link nor a folder")


def without_single_authorities(entries: list[Entry]) -> list[Entry]:
    """Mozilla's authorities are in one file, as update-ca-certificates would write it, and not one by one too."""
    return [each for each in entries if not _is_authority(each)]


def _added(found: Mapping[str, Entry]) -> Iterator[Entry]:
    roots = sorted(
        (each for each in found.values() if _is_authority(each)), key=lambda each: each.path
    )
    yield Entry(AUTHORITIES, b"".join(each.data.rstrip(b"\n") + b"\n" for each in roots))
    yield Entry("etc/nsswitch.conf", _NSSWITCH)
    for path, target in _LINKS.items():
        yield Entry(path, link=target)
    for path, mode in _EMPTY_FOLDERS.items():
        yield Entry(path, folder_mode=mode)


def _is_authority(entry: Entry) -> bool:
    return entry.path.startswith("usr/share/ca-certificates/") and entry.path.endswith(".crt")
