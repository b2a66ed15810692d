"""kubevouch, loaded once: for each command line that comes, this process forks, and the child is the program.

`python fork_server.py SOCKET` takes command lines from the socket of that number (tests/cli/forked.py), and ends when its
other end is closed. A child has streams, environment, folder, arguments and, if asked for, a terminal of its own, as a
process that was started; what Python and imports cost is paid once.
"""

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
from types import FrameType

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


def _wait_for(control: socket.socket) -> None:
    """Until something is there. The end of a child that comes just before a system call waits is heard of once that is over."""
    while not select.select([control], [], [], 0.5)[0]:
        pass


def next_child(control: socket.socket) -> CommandLine | None:
    """Forks until the other end is closed. Returns in a child only, with what it is to be; and at the end, with nothing.

    Of each child it tells, through the pipe that came along, its number, and when it has ended, how.
    """
    tellers: dict[int, int] = {}

    def tell(_: int, __: FrameType | None) -> None:
        for child in list(tellers):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                teller = tellers.pop(child)
                os.write(teller, b"%d\n" % os.waitstatus_to_exitcode(status))
                os.close(teller)

    signal.signal(signal.SIGCHLD, tell)
    while True:
        _wait_for(control)
        message, found, _, _ = socket.recv_fds(control, LONGEST, 4)
        if not message:
            return None
        *streams, teller = found
        line = CommandLine(**json.loads(message))
        if line.words[:1] == ["lab"]:
            load("kubevouch_lab")
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        child = os.fork()
        if child == 0:
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            os.closerange(3, _HIGHEST)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            return line
        os.write(teller, b"%d\n" % child)
        tellers[child] = teller
        for stream in streams:
            os.close(stream)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


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
