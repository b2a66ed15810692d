"""A shell of the host, entered from a container: `python -m kubevouch.node.io.host_shell PID` becomes `sh -s` beside that process.

PID is the host's first process, which a pod with hostPID sees as 1. Its mounts, network, host name and cgroups are entered
as nsenter(1) does it; the container's image has no nsenter and no shell. Needs CAP_SYS_ADMIN, CAP_SYS_CHROOT and
CAP_SYS_PTRACE (setns(2), ptrace(2)), and a security module that lets it: a privileged container.
"""

import ctypes
import os
import sys

from kubevouch.node.messages import NOT_ENTERED

_NAMESPACES = ("cgroup", "ipc", "uts", "net", "mnt")
"""Of the mounts last: after it, paths are the host's."""


def enter(pid: int) -> None:
    """This process is in the namespaces of that one, at its root. Raises OSError."""
    root = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY)
    places = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in _NAMESPACES]
    libc = ctypes.CDLL(None, use_errno=True)
    for name, place in zip(_NAMESPACES, places, strict=True):
        if libc.setns(place, 0):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), f"the {name} namespace of process {pid}")
        os.close(place)
    os.fchdir(root)
    os.chroot(".")
    os.close(root)


def main(words: list[str]) -> int:
    """Never returns where it could enter: this process becomes the shell. words: the process to enter beside."""
    try:
        enter(int(words[0]))
        os.execv("/bin/sh", ["sh", "-s"])  # noqa: S606 - the script comes on standard input
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        os.write(2, f"the host cannot be entered: {what}{error.strerror}\n".encode())
    return NOT_ENTERED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
