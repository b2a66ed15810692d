"""Two things timed in turns, so that whatever else the machine does hits both."""

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One run of a program: seconds on the wall, seconds of CPU, peak memory in MiB."""

    wall: float
    cpu: float
    memory: float


def program(argv: Sequence[str], environment: Mapping[str, str]) -> Sample:
    """Runs a program to its end; its output is thrown away. Memory is that of the largest process of its tree."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = subprocess.Popen(
        argv,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, _, usage = _wait(process)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return Sample(wall, cpu, usage.ru_maxrss / 1024)


def _wait(process: "subprocess.Popen[bytes]") -> tuple[int, int, resource.struct_rusage]:
    pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return pid, status, usage


def in_turns(rounds: int, *contestants: Callable[[], Sample]) -> list[list[Sample]]:
    """Each runs once a round, in the same order; the first round is thrown away."""
    found: list[list[Sample]] = [[] for _ in contestants]
    for number in range(rounds + 1):
        for place, contestant in enumerate(contestants):
            sample = contestant()
            if number:
                found[place].append(sample)
    return found


def calls(function: Callable[[], object], *, seconds: float = 0.5) -> float:
    """Median seconds of a call, over at least `seconds` of calls."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def median(samples: Sequence[Sample], of: str) -> float:
    """The median of one figure."""
    figures: list[float] = [getattr(sample, of) for sample in samples]
    return statistics.median(figures)


def report(what: str, ours: float, peer: str, theirs: float, unit: str) -> None:
    """One line: ours, theirs, the ratio."""
    print(
        f"{what:<52} {ours:9.2f} {unit:<4} {peer:<34} {theirs:9.2f} {unit:<4} {ours / theirs:6.2f}x"
    )


def alone(what: str, figure: float, unit: str, note: str = "") -> None:
    """One line of a figure that has no peer."""
    print(f"{what:<52} {figure:9.2f} {unit:<4} {note}")
