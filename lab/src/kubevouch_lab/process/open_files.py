"""How many files a lab may open, and how many it wants: in one process are both ends of every connection."""

import contextlib
import resource

_A_NODE = 15
"""Its kubelet's port, and up to seven connections of it with both ends."""
_BESIDES = 200


def raise_open_files() -> int:
    """Raises the soft limit of open files to the hard one, as programs of Go do when they start. Returns what is allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses an infinite one
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def too_few_for(nodes: int, allowed: int) -> str:
    """What comes of too low a limit, for a person; empty if it is enough."""
    wanted = _A_NODE * nodes + _BESIDES
    if allowed >= wanted or allowed == resource.RLIM_INFINITY:
        return ""
    return (
        f"{nodes} nodes want up to {wanted} open files, and this process may have {allowed} (ulimit -Hn): kubelets will wait for "
        "one another's connections, so that all of it is slow, `lab down` too"
    )
