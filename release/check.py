"""`python -m release check`: what can be verified of dist/ without a network, and the commands left to a maintainer."""

import hashlib
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from image import building as image
from image.lock import MACHINES
from real.processes import run
from release import boms, krew, oci, source
from release.building import NOTES, NOWHERE, SUMS, sha256
from release.errors import ReleaseError
from release.source import Release

_PUBLISHED = re.compile(r'^PUBLISHED_IMAGE = "(.*)"$', re.MULTILINE)


@dataclass(frozen=True)
class Checked:
    """What was found. parts: the digest of each architecture. address: of the image, "" if nothing names one. downloads: the URL in krew's manifest."""

    release: Release
    digest: str
    parts: Mapping[str, str]
    address: str
    downloads: str


def check(dist: Path) -> Checked:
    """Everything that needs no network.

    Raises:
        ReleaseError: a file is missing, changed, or at odds with another one.
        BedError: twine refuses a package.
    """
    if not (dist / SUMS).exists():
        raise ReleaseError(str(dist), f"has no {SUMS}", "`make release` makes it")
    _sums(dist)
    wheels = [each.name for each in dist.glob("kubevouch-*-py3-none-any.whl")]
    release = source.of_tag(f"v{wheels[0].split('-')[1]}" if wheels else "", 0)
    packages = python_packages(release)
    lacking = [name for name in (*packages, *others(release)) if not (dist / name).exists()]
    _require(not lacking, str(dist), f"has no {', '.join(lacking)}")
    twine = (sys.executable, "-m", "twine", "check", "--strict")
    run([*twine, *(dist / each for each in packages)])
    for each in dist.glob("*.cdx.json"):
        boms.validate(each)
    digest, parts = _image(dist)
    return Checked(release, digest, parts, _address(dist, release, digest), _krew(dist, release))


def python_packages(release: Release) -> tuple[str, ...]:
    """What belongs on an index of Python's packages."""
    names = (f"{name}-{release.version}" for name in ("kubevouch", "kubevouch_lab"))
    return tuple(f"{name}{end}" for name in names for end in ("-py3-none-any.whl", ".tar.gz"))


def others(release: Release) -> tuple[str, ...]:
    """Everything else but the sums."""
    bill = f"kubevouch-{release.version}.cdx.json"
    archive = f"kubevouch-{release.version}-linux-amd64.tar.gz"
    charts = (f"{each}-{release.chart_version}.tgz" for each in source.CHARTS)
    return (archive, bill, image.ARCHIVE, *map(bill_of, MACHINES), krew.FILE, NOTES, *charts)


def _require(condition: object, where: str, seen: str) -> None:
    if not condition:
        raise ReleaseError(where, seen)


def _sums(dist: Path) -> None:
    lines = (dist / SUMS).read_text().splitlines()
    named = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = {each.name for each in dist.iterdir()} - {SUMS}
    for name in sorted(named.keys() ^ there):
        raise ReleaseError(str(dist / name), f"stands in {SUMS} or in the folder only")
    for name, digest in named.items():
        _require(sha256(dist / name) == digest, str(dist / name), f"is not as in {SUMS}")


def _image(dist: Path) -> tuple[str, Mapping[str, str]]:
    """The image's digest, and those of its parts. Every blob is what its name says, and each bill of materials is of its part."""
    path = dist / image.ARCHIVE
    with tarfile.open(path) as archive:
        for member in archive:
            kind, _, name = member.name.rpartition("/")
            opened = archive.extractfile(member)
            if kind == "blobs/sha256" and opened is not None:
                seen = hashlib.file_digest(opened, "sha256").hexdigest()  # type: ignore[arg-type]
                _require(seen == name, f"{path}: {member.name}", f"has the SHA-256 {seen}")
    digest, parts = oci.digests_in(path)
    for architecture, part in parts.items():
        name = bill_of(architecture)
        seen = json.loads((dist / name).read_text())["metadata"]["component"]["bom-ref"]
        _require(seen.endswith(f"@{part}"), name, f"is of {seen}, not of {part}")
    return digest, parts


def bill_of(architecture: str) -> str:
    """The name of the image's bill of materials for an architecture."""
    return image.CONTENTS if architecture == "amd64" else f"kubevouch-image-{architecture}.cdx.json"


def _address(dist: Path, release: Release, digest: str) -> str:
    """The image's address: program and charts name the same, or all of them none."""
    with zipfile.ZipFile(dist / python_packages(release)[0]) as wheel:
        found = _PUBLISHED.search(wheel.read("kubevouch/__init__.py").decode())
    address = found[1] if found else ""
    _require(not address or address.endswith(f"@{digest}"), "the wheel", f"names {address}")
    for name in source.CHARTS:
        file = f"{name}-{release.chart_version}.tgz"
        with tarfile.open(dist / file) as archive:
            chart, values = (_yaml(archive, f"{name}/{each}.yaml") for each in ("Chart", "values"))
        versions = {"version": release.chart_version, "appVersion": release.version}
        _require(versions.items() <= chart.items(), file, f"is of {chart['version']}")
        named = "@".join(values["image"][key] for key in ("repository", "digest"))
        _require(named.strip("@") == address, file, f"names {named}, and the program {address}")
    return address


def _yaml(archive: tarfile.TarFile, name: str) -> dict[str, dict[str, str]]:
    opened = archive.extractfile(name)
    assert opened is not None
    read: dict[str, dict[str, str]] = yaml.safe_load(opened)
    return read


def _krew(dist: Path, release: Release) -> str:
    """The URL of the downloads. The manifest is of this archive."""
    spec = yaml.safe_load((dist / krew.FILE).read_text())["spec"]
    (platform,) = spec["platforms"]
    downloads, _, name = platform["uri"].rpartition("/")
    _require(platform["sha256"] == sha256(dist / name), krew.FILE, "names another archive")
    _require(spec["version"] == f"v{release.chart_version}", krew.FILE, f"is of {spec['version']}")
    return str(downloads)


def left_to_do(checked: Checked) -> Iterator[str]:
    """The commands in their order, from the checkout: what names something is published after that."""
    release = checked.release
    registry = checked.address.rpartition("/")[0] or "REGISTRY"
    address = checked.address or f"REGISTRY/{oci.NAME}@{checked.digest}"
    if not checked.address:
        yield "# No registry was named: `make release REGISTRY=...` writes the image's address into program and charts."
    if checked.downloads == NOWHERE:
        yield "# krew's manifest leads nowhere: `make release DOWNLOADS=https://...` writes the URL into it."
    tagged = f"docker://{registry}/{oci.NAME}:{release.version}"
    yield f"skopeo copy --all --preserve-digests oci-archive:dist/{image.ARCHIVE} {tagged}"
    yield f"cosign sign {address}"
    for architecture, part in checked.parts.items():
        of_part = f"{registry}/{oci.NAME}@{part}"
        yield f"cosign attest --type cyclonedx --predicate dist/{bill_of(architecture)} {of_part}"
    for each in source.CHARTS:
        yield f"helm push dist/{each}-{release.chart_version}.tgz oci://{registry}/charts"
    yield f"twine upload {' '.join(f'dist/{each}' for each in python_packages(release))}"
    yield f"cosign sign-blob --bundle {SUMS}.sigstore.json dist/{SUMS}"
    yield f"git push origin {release.tag}"
    yield f"# upload dist/* and {SUMS}.sigstore.json to {checked.downloads}/, with dist/{NOTES} as the text"
    branch = f"{krew.PLUGIN}-{release.tag}"
    yield f"git -C ../krew-index switch -c {branch} && cp dist/{krew.FILE} ../krew-index/plugins/{krew.FILE}"
    yield f"git -C ../krew-index add plugins && git -C ../krew-index commit -m 'Release {krew.PLUGIN} {release.tag}'"
    yield f"git -C ../krew-index push origin {branch}    # then open the pull request to kubernetes-sigs/krew-index"
