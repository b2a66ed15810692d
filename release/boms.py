"""What the wheel and the image are made of (CycloneDX 1.6): the wheel's from the lock, by cyclonedx-py; both judged by its library."""

from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from release import source
from release.errors import ReleaseError
from release.source import Release

_ROOT = """[project]
name = "kubevouch"
version = "{version}"
description = "From metrics-server 0/3 to verified TLS on every kubelet."
license = {{ text = "Apache-2.0" }}
"""


def write(release: Release, tree: Path, target: Path, work: Path) -> None:
    """Writes that of the wheel: each locked dependency with its hashes. work: an empty folder.

    Raises:
        BedError: cyclonedx-py failed.
    """
    described = work / "pyproject.toml"
    described.write_text(_ROOT.format(version=release.version))
    words: list[str | Path] = [
        "-m",
        "cyclonedx_py",
        "requirements",
        tree / "locks" / "kubevouch.txt",
    ]
    words += ["--pyproject", described, "--sv", "1.6", "--of", "JSON", "--output-reproducible"]
    words += ["-o", target / f"kubevouch-{release.version}.cdx.json"]
    source.python(release, *words, folder=tree)


def validate(path: Path) -> None:
    """Raises ReleaseError: it is no bill of materials of that format."""
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text("utf-8"))
    if found is not None:
        raise ReleaseError(str(path), f"is not CycloneDX 1.6: {str(found).splitlines()[0]}")
