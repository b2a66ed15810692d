"""Dials kubelets ten times a second and writes down what they presented: `python -m real.prober --log FILE ADDRESS...`.

A process of its own, so that nothing else that runs can slow it down or share its fate. One JSON line an
attempt, appended. It ends on SIGTERM, or with the process that started it, after the attempts under way.
"""

import argparse
import hashlib
import itertools
import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from real import clock
from real.errors import BedError
from real.handshake import context, shake
from real.layout import KUBELET_PORT

PERIOD = 0.1


class Attempt(msgspec.Struct, frozen=True):
    """One attempt: when it began and ended (seconds since 1970), and its outcome as in `handshake.Seen`.

    `leaf` is the sha256 of the presented certificate.
    """

    address: str
    began: float
    ended: float
    outcome: str
    leaf: str = ""


class Gap(msgspec.Struct, frozen=True):
    """The longest time between two handshakes that succeeded."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.ended - self.began


def read(path: Path) -> tuple[Attempt, ...]:
    """All attempts of a log, in the order they ended; a last line half written is left out."""
    decoder = msgspec.json.Decoder(Attempt)
    lines = path.read_bytes().splitlines(keepends=True)
    return tuple(decoder.decode(line) for line in lines if line.endswith(b"\n"))


def largest_gap(attempts: Sequence[Attempt], address: str) -> Gap:
    """From the end of one success of that kubelet to the end of its next one, at its longest.

    Raises:
        BedError: fewer than two of its handshakes succeeded.
    """
    ends = [
        attempt.ended
        for attempt in attempts
        if attempt.address == address and attempt.outcome == "ok"
    ]
    if len(ends) < 2:
        raise BedError(f"prober of {address}", f"{len(ends)} successful handshakes", "two at least")
    return max((Gap(*pair) for pair in itertools.pairwise(ends)), key=lambda gap: gap.seconds)


@contextmanager
def probing(
    python: str, log: Path, addresses: Sequence[str], *, port: int = KUBELET_PORT
) -> Iterator[None]:
    """Runs the prober while it lasts. It has dialled every address once when this begins.

    Raises:
        BedError: the prober did not start, or ended before it was told to.
    """
    log.touch()
    words = [python, "-m", "real.prober", f"--log={log}", f"--port={port}", *addresses]
    prober = subprocess.Popen(words, cwd=Path(__file__).parent.parent, stdin=subprocess.DEVNULL)
    try:
        clock.until(
            "the prober's first attempts",
            lambda: prober.poll() is not None or _all_dialled(log, addresses),
            seconds=30,
            every=0.05,
        )
        _still_there(prober)
        yield
        _still_there(prober)
    finally:
        prober.terminate()
        prober.wait(timeout=30)


def _still_there(prober: "subprocess.Popen[bytes]") -> None:
    if prober.poll() is not None:
        raise BedError("the prober", f"ended by itself, status {prober.returncode}")


def _all_dialled(log: Path, addresses: Sequence[str]) -> bool:
    return {attempt.address for attempt in read(log)} >= set(addresses)


class _Log:
    """Whole lines only, from several threads."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()

    def write(self, attempt: Attempt) -> None:
        line = msgspec.json.encode(attempt) + b"\n"
        with self._lock:
            self._file.write(line)


def _probe(address: str, port: int, log: _Log, tls: ssl.SSLContext, stop: threading.Event) -> None:
    due = clock.monotonic()
    while not stop.is_set():
        began = clock.epoch()
        seen = shake(address, port=port, tls=tls)
        leaf = hashlib.sha256(seen.leaf).hexdigest() if seen.leaf else ""
        log.write(Attempt(address, began, clock.epoch(), seen.outcome, leaf))
        # After a slow attempt there is no burst to catch up.
        due = max(due + PERIOD, clock.monotonic() - PERIOD)
        stop.wait(max(0.0, due - clock.monotonic()))


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(prog="python -m real.prober", description=__doc__)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--port", type=int, default=KUBELET_PORT)
    parser.add_argument("addresses", nargs="+")
    chosen = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with chosen.log.open("ab", buffering=0) as file:
        log, tls = _Log(file), context()
        threads = [
            threading.Thread(target=_probe, args=(each, chosen.port, log, tls, stop))
            for each in chosen.addresses
        ]
        for thread in threads:
            thread.start()
        parent = os.getppid()
        while not stop.wait(1.0) and os.getppid() == parent:
            pass  # whoever wanted to know is there
        stop.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
