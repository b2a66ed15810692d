"""Progress, one line a step on stderr, each with the seconds since the start. Results go to stdout."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from real import clock

_START = clock.monotonic()


def say(text: str) -> None:
    """One line of progress."""
    print(f"[{clock.monotonic() - _START:6.1f}s] {text}", file=sys.stderr, flush=True)


def since_start() -> float:
    """Seconds since this process started."""
    return clock.monotonic() - _START


@contextmanager
def step(text: str) -> Iterator[None]:
    """Says how long a step took, once it is done."""
    began = clock.monotonic()
    yield
    say(f"{text} ({clock.monotonic() - began:.1f} s)")


def duration(seconds: float) -> str:
    """Seconds as a person says them: `58s`, `10m12s`."""
    whole = round(seconds)
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"
