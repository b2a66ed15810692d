"""One cgroup of its own for each machine, in every hierarchy.

So each kubelet has its own `/kubepods`, and everything that we started can be found again and ended, however
the last run was killed. cgroup v1 (and the unified hierarchy beside it, where there is one). `needs.py` refuses anything else.
"""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from real import clock
from real.layout import OURS

# Runs its last words inside the cgroups named before `--`: the process enters them itself, then becomes the program.
_ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"'


def hierarchies() -> list[Path]:
    """Where each hierarchy is mounted."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    fields = [(line.split()[4], line.split(" - ")[1].split()[0]) for line in lines]
    return [
        Path(point)
        for point, kind in fields
        if kind in {"cgroup", "cgroup2"} and point.startswith("/sys/fs/cgroup/")
    ]


def inside(name: str, argv: list[str], only: str = "", above: str = OURS) -> list[str]:
    """The same program, started inside the cgroups of that name, which are made if they are not there.

    In all hierarchies, or in one `only`, which is enough to be found by `sweep`. above: the cgroup in which they lie: the
    bed's, or that of a machine that does not belong to the bed.
    """
    folders = [str(_make(each, above, name)) for each in hierarchies() if only in {"", each.name}]
    return ["sh", "-ec", _ENTER, "sh", *folders, "--", *argv]


def processes(name: str = "", above: str = OURS) -> set[int]:
    """Every process in our cgroups, or in those of one name, in any hierarchy."""
    return {
        int(line)
        for hierarchy in hierarchies()
        for folder in _tree(hierarchy / above / name)
        for line in _read(folder / "cgroup.procs").split()
    }


def sweep(above: str = OURS) -> None:
    """Ends every process in our cgroups and removes these.

    Raises:
        BedError: a process outlived SIGKILL by a minute.
    """
    clock.until(
        f"the end of all in {above}",
        lambda: _killed(processes(above=above)),
        seconds=60,
        every=0.05,
    )
    for hierarchy in hierarchies():
        for folder in reversed(list(_tree(hierarchy / above))):
            clock.until(f"removal of {folder}", partial(_removed, folder), seconds=20, every=0.05)


def _killed(found: set[int]) -> bool:
    for process in found - {os.getpid()}:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return not found - {os.getpid()}


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # a process in it is still dying
        return False
    return True


def _make(hierarchy: Path, above: str, name: str) -> Path:
    folder = hierarchy
    for part in (above, name):
        folder = folder / part
        folder.mkdir(exist_ok=True)
        for setting in (
            "cpuset.cpus",
            "cpuset.mems",
        ):  # empty in a new cpuset, which then takes no process
            if (folder / setting).exists() and not _read(folder / setting).strip():
                (folder / setting).write_text(_read(folder.parent / setting))
    return folder


def _tree(folder: Path) -> Iterator[Path]:
    """The folder and all below it, parents first; nothing if it is not there."""
    try:
        below = sorted(child for child in folder.iterdir() if child.is_dir())
    except OSError:
        return
    yield folder
    for child in below:
        yield from _tree(child)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # gone meanwhile
        return ""
