"""The release notes: the version's section of the CHANGELOG, and how to check what was downloaded."""

import re
from pathlib import Path

from release import archive
from release.source import Release

_LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
_FILES = """
### Files

`sha256sum --check SHA256SUMS` checks each. `{archive}` needs Linux on x86_64 with glibc {glibc} or newer and zlib, and no Python.
The wheels need Python 3.11 to 3.14. The charts need Helm.
"""


def of(release: Release, tree: Path) -> str:
    """The text in Markdown. Links into the tree stand as paths, since nobody knows where it is published."""
    text = (tree / "CHANGELOG.md").read_text("utf-8")
    heading, _, section = text[text.index(release.heading) :].partition("\n")
    section = section.partition("\n## ")[0].strip()
    files = _FILES.format(archive=archive.name(release), glibc=archive.shown(archive.GLIBC))
    title = heading.replace(release.heading, f"## kubevouch {release.version} ")
    plain = _LINK.sub(r"\1 (\2)", section)
    return f"{title}\n\n{plain}\n{files}"
