"""The program of a short-lived pod on a node (`python -m kubevouch.node.io.in_pod`).

It runs a script on the host, and writes the script's result to files. It has three commands:

    run PID SECONDS MESSAGE SHARE...   runs the script from the environment variable in a shell of the host; writes the
                                       result's first part to MESSAGE, and the other parts to the SHARE files
    enter PID                          becomes a shell of the host (`sh -s`), for `run`
    show SHARE MESSAGE                 copies SHARE (this container's part of the result) to MESSAGE, if SHARE exists

MESSAGE is the file that the kubelet reads when the container ends (terminationMessagePath). PID is
the host's first process, 1 in a pod with hostPID. `enter` joins that process's mount, network, host
name, IPC and cgroup namespaces like nsenter(1), since the image has no nsenter. That needs
CAP_SYS_ADMIN, CAP_SYS_CHROOT and CAP_SYS_PTRACE (setns(2), ptrace(2)), and a security module that
allows these calls. So the container is privileged.
"""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from kubevouch.node.io import shell
from kubevouch.node.messages import (
    NOT_ENTERED,
    SCRIPT_VARIABLE,
    answer_of,
    messages_of,
    unpacked_script,
)

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
}
_NAMESPACES = ("cgroup", "ipc", "uts", "net", "mnt")
"""The namespaces to enter, in this order. After the mount namespace, paths are the host's."""


def enter(pid: int) -> None:
    """Moves this process into the namespaces and the root folder of process `pid`. Raises OSError."""
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


def become_shell(pid: int) -> int:
    """Replaces this process with a shell of the host. Returns only if that fails."""
    try:
        enter(pid)
        os.execv("/bin/sh", ["sh", "-s"])  # noqa: S606 - the script comes on standard input
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        os.write(2, f"cannot enter the host: {what}{error.strerror}\n".encode())
    return NOT_ENTERED


async def run(
    pid: int, seconds: float, script: bytes, message: Path, shares: Sequence[Path]
) -> None:
    """Runs the script in the namespaces of process `pid`, and writes the result."""
    # A removed pod gets this signal: a started script continues until the pod's grace period
    # ends.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
    ran = await shell.run(
        [sys.executable, "-m", "kubevouch.node.io.in_pod", "enter", str(pid)],
        stdin=script,
        environment=_ENVIRONMENT,
        timeout=seconds,
    )
    first, *others = messages_of(answer_of(ran.status, ran.stdout, ran.stderr))
    for share, text in zip(shares, others, strict=False):
        share.write_text(text, encoding="ascii")
    message.write_text(first, encoding="ascii")


def main(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs one of the three commands. Returns the exit code.

    After an exception, the container fails, and its log has the traceback.
    """
    match words:
        case ["run", pid, seconds, message, *shares]:
            script = unpacked_script(environment[SCRIPT_VARIABLE])
            paths = [Path(each) for each in shares]
            asyncio.run(run(int(pid), float(seconds), script, Path(message), paths))
        case ["enter", pid]:
            return become_shell(int(pid))
        case ["show", share, message] if Path(share).is_file():
            Path(message).write_bytes(Path(share).read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))  # noqa: TID251 - the pod's entry point
