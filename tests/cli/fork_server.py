"""kubevouch, loaded once: for each command line that comes, this process forks, and the child is the program.

`python fork_server.py SOCKET` takes command lines from the socket of that number (tests/cli/forked.py), and ends when its
other end is closed. A child has streams, environment, folder, arguments and, if asked for, a terminal of its own, as a
process that was started; what Python and imports cost is paid once.
"""

import contextlib
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import termios
from dataclasses import dataclass
from functools import cache

LONGEST = 65536
"""Bytes of a command line with its environment."""
_HIGHEST = 65536
"""No descriptor is higher."""


@dataclass(frozen=True)
class CommandLine:
    """What a child is to be."""

    words: list[str]
    environment: dict[str, str]
    folder: str
    own_terminal: bool


@cache
def load(package: str) -> None:
    """All modules of a distribution: everything that any verb of it may import."""
    path = importlib.import_module(package).__path__
    for found in pkgutil.walk_packages(path, f"{package}."):
        if not found.name.endswith(".__main__"):
            importlib.import_module(found.name)
    # What is there now is everybody's: no collection need look at it.
    gc.collect()
    gc.freeze()


def next_child(control: socket.socket) -> CommandLine | None:
    """Forks until the other end is closed. Returns in a child only, with what it is to be; and at the end, with nothing.

    Of each child it tells, through the pipe that came along, its number, and when it has ended, how.
    """
    children: dict[
        int, tuple[int, int]
    ] = {}  # by the descriptor that is readable once it has ended
    asked = control.fileno()
    while True:
        ready, _, _ = select.select([asked, *children], [], [])
        for ended in children.keys() & ready:
            child, teller = children.pop(ended)
            _, status = os.waitpid(child, 0)
            _tell(teller, os.waitstatus_to_exitcode(status))
            for each in (ended, teller):
                os.close(each)
        if asked not in ready:
            continue
        message, found, _, _ = socket.recv_fds(control, LONGEST, 4)
        if not message:
            return None
        *streams, teller = found
        line = CommandLine(**json.loads(message))
        if line.words[:1] == ["lab"]:
            load("kubevouch_lab")
        child = os.fork()
        if child == 0:
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            os.closerange(3, _HIGHEST)
            return line
        _tell(teller, child)
        children[os.pidfd_open(child)] = (child, teller)
        for stream in streams:
            os.close(stream)


def _tell(teller: int, number: int) -> None:
    # The test may have ended, and its ends of pipes with it.
    with contextlib.suppress(BrokenPipeError):
        os.write(teller, b"%d\n" % number)


def become(line: CommandLine) -> None:
    """Everything by which a process knows how it was started."""
    if line.own_terminal:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # coverage.py has a handler of its own
    os.chdir(line.folder)
    os.environ.clear()
    os.environ.update(line.environment)
    sys.argv[1:] = line.words
    # As Python makes them: line by line at a terminal, and standard error always.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        was = getattr(sys, name)
        fresh = open(  # noqa: SIM115 - as long as the process
            number,
            "w" if number else "r",
            buffering=1 if name == "stderr" else -1,
            encoding=was.encoding,
            errors=was.errors,
            closefd=False,
        )
        setattr(sys, name, fresh)


def be_the_program() -> None:
    """Runs to the end of the process."""
    from kubevouch import __main__, cli

    sys.argv[0] = str(__main__.__file__)
    code: object = None
    try:
        cli.main()
    except SystemExit as end:
        code = end.code
    # What was left behind is complained about now. Modules, which all children share, are not taken apart.
    gc.collect()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def main() -> None:
    """The server's life, and a child's."""
    control = socket.socket(fileno=int(sys.argv[1]))
    load("kubevouch")
    line = next_child(control)
    if line is not None:
        control.detach()
        become(line)
        be_the_program()


if __name__ == "__main__":
    main()
