"""`certs --root`: the certificates of nodes whose file systems are on this machine. No cluster is asked."""

from pathlib import Path

from kubevouch.errors import UsageError
from kubevouch.evidence.certificates import FoundCertificates
from kubevouch.evidence.gather.certificates.disk import certificates_on_disk
from kubevouch.system_clock import SystemClock


def found_below(
    roots: tuple[Path, ...], kubeconfig: str | None, context: str | None
) -> FoundCertificates:
    """What lies in these file systems. Raises UsageError for one that cannot be entered, or if a cluster is named, too."""
    if kubeconfig or context:
        raise UsageError("certs --root", "a cluster is named as well", "one of them was expected")
    return certificates_on_disk(roots, SystemClock())
