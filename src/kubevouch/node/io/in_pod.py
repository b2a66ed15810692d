"""What a short-lived pod on a node runs, `python -m kubevouch.node.io.in_pod`: the script, and what is said of its end.

    run PID SECONDS MESSAGE SHARE...   runs the script of the environment in a shell of the host, writes the first message
                                       and a share for each container that follows
    show SHARE MESSAGE                 hands on its share, if there is one

MESSAGE is what the kubelet reads at the container's end (terminationMessagePath). PID: see `host_shell`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from kubevouch.node.io import shell
from kubevouch.node.messages import SCRIPT_VARIABLE, answer_of, messages_of, unpacked_script

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
}


async def run(
    pid: int, seconds: float, script: bytes, message: Path, shares: Sequence[Path]
) -> None:
    """Runs the script beside that process, and writes what is to be said."""
    # A pod that is removed meanwhile gets this: a script that has begun goes on until the pod's grace period ends.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
    ran = await shell.run(
        [sys.executable, "-m", "kubevouch.node.io.host_shell", str(pid)],
        stdin=script,
        environment=_ENVIRONMENT,
        timeout=seconds,
    )
    first, *others = messages_of(answer_of(ran.status, ran.stdout, ran.stderr))
    for share, text in zip(shares, others, strict=False):
        share.write_text(text, encoding="ascii")
    message.write_text(first, encoding="ascii")


def main(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Runs one of the two. Raises what it could not do: the container then fails, and its node has its log."""
    match words:
        case ["run", pid, seconds, message, *shares]:
            script = unpacked_script(environment[SCRIPT_VARIABLE])
            paths = [Path(each) for each in shares]
            asyncio.run(run(int(pid), float(seconds), script, Path(message), paths))
        case ["show", share, message] if Path(share).is_file():
            Path(message).write_bytes(Path(share).read_bytes())


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)  # noqa: TID251 - the pod's entry point
