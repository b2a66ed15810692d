"""Which processor cores the cluster and its clients run on: all of them on all, or each side on one of its own.

Where both share every core, an approver's rate is arithmetic: what its own CPU takes is missing to the API server. A control
plane that has a core to spare is the other case.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PASSES = 20
"""Looks at all threads: a thread that is not moved yet may start another one meanwhile."""


@dataclass(frozen=True)
class Layout:
    """cluster: cores of the API server, etcd, kubelets and all else. clients: cores of this process and what it starts."""

    name: str
    cluster: frozenset[int]
    clients: frozenset[int]


def layouts(*, apart: bool) -> tuple[Layout, ...]:
    """All on all cores that this process may use; then, if `apart`, the first for the cluster and the last for its clients."""
    cores = frozenset(os.sched_getaffinity(0))
    shared = Layout("cores shared", cores, cores)
    if not apart:
        return (shared,)
    assert len(cores) > 1, "there is one core only"
    first, last = frozenset({min(cores)}), frozenset({max(cores)})
    return shared, Layout("a core each", first, last)


@contextlib.contextmanager
def laid_out(layout: Layout, cluster: Callable[[], Iterable[int]]) -> Iterator[None]:
    """The layout holds while the block lasts; what is started meanwhile inherits it. cluster: its process IDs as they are now.

    At the end everything may run where this process might before. A layout also undoes what a killed run has left.
    """
    before = os.sched_getaffinity(0)
    try:
        _move(cluster, layout.cluster)
        _move(lambda: [os.getpid()], layout.clients)
        yield
    finally:
        _move(lambda: [os.getpid()], before)
        _move(cluster, before)


def _move(processes: Callable[[], Iterable[int]], cores: Iterable[int]) -> None:
    wanted = set(cores)
    for _ in range(_PASSES):
        if not sum(_moved(thread, wanted) for each in processes() for thread in _threads(each)):
            return
    raise RuntimeError(f"threads that run elsewhere than on {wanted} are started faster than moved")


def _threads(process: int) -> list[int]:
    try:
        return [int(each.name) for each in Path(f"/proc/{process}/task").iterdir()]
    except OSError:  # it has ended
        return []


def _moved(thread: int, cores: set[int]) -> bool:
    """Whether it had to be moved."""
    try:
        if os.sched_getaffinity(thread) == cores:
            return False
        os.sched_setaffinity(thread, cores)
    except ProcessLookupError:
        return False
    return True
