"""Where Debian's archives are, as apt is configured on this machine; an address of them is never written down here."""

import platform
from collections.abc import Sequence

from real.errors import BedError
from real.processes import run


def archive_of(releases: Sequence[str]) -> str:
    """The URI of the archive that apt gets the first of these releases from; the archive may hold other releases too.

    Raises:
        BedError: apt knows none of them.
    """
    asked = [
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Identifier: Packages",
    ]
    archives = dict(
        line.split()[1::-1] for line in run(asked).stdout.splitlines() if line.endswith(" main")
    )
    for release in releases:
        if release in archives:
            return archives[release]
    raise BedError(
        "apt-get indextargets",
        f"no archive of {' or '.join(releases)}",
        "apt must be configured for Debian",
    )


def release_of_this_machine(otherwise: str) -> str:
    """The code name of this machine's own release of Debian, as `bookworm`; the other one if this is no Debian."""
    here = platform.freedesktop_os_release()
    return here.get("VERSION_CODENAME", otherwise) if here.get("ID") == "debian" else otherwise
