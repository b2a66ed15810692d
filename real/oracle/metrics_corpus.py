"""Records what metrics-server makes of kubelets' pages, scrape after scrape: `python -m real.oracle.metrics_corpus`.

The judge is real/oracle/metrics, which links metrics-server's own client and storage. Cases and answers lie in
tests/metrics/cases/go-pairs.jsonl, one JSON line each; plain `make test` replays them.
"""

import json
from pathlib import Path
from typing import Any

from real.oracle.dice import Dice
from real.oracle.judging import judged

RECORDED = Path("tests/metrics/cases/go-pairs.jsonl")
_JUDGE = Path(__file__).parent / "metrics"
BASE = 1_795_561_262_000
RESOLUTION = 15

_SERIES = ("node", "c", "d", "e")

Case = dict[str, Any]


def node(at: int, cpu: object = 7.5, memory: object = 121077760) -> str:
    """A node's lines, so many milliseconds after BASE."""
    return (
        f"node_cpu_usage_seconds_total {cpu} {BASE + at}\n"
        f"node_memory_working_set_bytes {memory} {BASE + at}\n"
    )


def container(
    at: int,
    cpu: object = 1.5,
    memory: object = 14643200,
    start: object = 1795561184.7081995,
    labels: str = 'container="c",namespace="ns",pod="p"',
) -> str:
    """A container's lines; None leaves one out."""
    lines = []
    if cpu is not None:
        lines.append(f"container_cpu_usage_seconds_total{{{labels}}} {cpu} {BASE + at}")
    if memory is not None:
        lines.append(f"container_memory_working_set_bytes{{{labels}}} {memory} {BASE + at}")
    if start is not None:
        lines.append(f"container_start_time_seconds{{{labels}}} {start}")
    return "".join(f"{line}\n" for line in lines)


def _other(name: str) -> str:
    return f'container="{name}",namespace="ns",pod="p"'


def _written() -> dict[str, list[str | None]]:
    second = 1000
    fresh = BASE / 1000
    return {
        "two scrapes": [node(0), node(15 * second, 8.25)],
        "three scrapes": [node(0), node(15 * second, 8.25), node(31 * second, 9.125, 5)],
        "the same sample again": [node(0), node(15 * second, 8), node(15 * second, 8)],
        "the same sample at first": [node(0), node(0), node(15 * second, 8)],
        "an older sample": [node(0), node(15 * second, 8), node(10 * second, 7.75)],
        "older than both": [node(0), node(15 * second, 8), node(-1, 7), node(30 * second, 9)],
        "a decreasing counter": [node(0, 9), node(15 * second, 1), node(30 * second, 3)],
        "a failed scrape": [node(0), node(15 * second, 8), None, node(45 * second, 9), node(60 * second, 10)],
        "an empty page": [node(0), node(15 * second, 8), "", node(45 * second, 9), node(60 * second, 10)],
        "a broken page": [node(0), node(15 * second, 8), "node_cpu{ 1\n", node(45 * second, 9)],
        "no cpu": [node(0), f"node_memory_working_set_bytes 5 {BASE}\n"],
        "cpu zero": [node(0, 0), node(15 * second, 0), node(30 * second, 1)],
        "memory zero": [node(0, 1, 0), node(15 * second, 2, 0)],
        "cpu below one nanosecond": [node(0, 1e-10), node(15 * second, 1e-10)],
        "exponents": [node(0, "1.062510592e+01", "1.062510592e+09"), node(15 * second, "1.1e+01", "1.5e+09")],
        "many digits": [node(0, 1234567.123456789), node(14987, 1234571.987654321)],
        "a window of one millisecond": [node(0, 1), node(1, 2)],
        "times of cpu and memory differ": [
            f"node_cpu_usage_seconds_total 1 {BASE}\nnode_memory_working_set_bytes 7 {BASE + 9}\n",
            f"node_cpu_usage_seconds_total 2 {BASE + 15000}\nnode_memory_working_set_bytes 7 {BASE + 15100}\n",
        ],
        "a container": [container(0), container(15 * second, 2.25)],
        "a container without start": [container(0, start=None), container(15 * second, 2, start=None)],
        "a container of start only": [
            container(0) + container(0, None, None, labels=_other("d")),
            container(15 * second, 2) + container(15 * second, None, None, labels=_other("d")),
        ],
        "a container without memory": [
            container(0) + container(0, memory=None, labels=_other("d")),
            container(15 * second, 2) + container(15 * second, 2, memory=None, labels=_other("d")),
        ],
        "cpu zero of one container": [
            container(0) + container(0, 0, labels=_other("d")),
            container(15 * second, 2) + container(15 * second, 0, labels=_other("d")),
        ],
        "the earliest container": [
            container(0) + container(1700, labels=_other("d")),
            container(15 * second, 2) + container(14 * second, 2, labels=_other("d")),
        ],
        "a container begins later": [
            container(0),
            container(15 * second, 2) + container(15100, 2, labels=_other("d")),
            container(30 * second, 3) + container(30100, 3, labels=_other("d")),
        ],
        "a container ends": [
            container(0) + container(100, labels=_other("d")),
            container(15 * second, 2),
            container(30 * second, 3),
        ],
        "a restart": [
            container(0),
            container(15 * second, 2),
            container(30 * second, 0.5, start=fresh + 25),
            container(45 * second, 0.75, start=fresh + 25),
        ],
        "a restart at the last sample's very moment": [
            container(0),
            container(15 * second, 2),
            container(45 * second, 0.5, start=fresh + 15),
            container(60 * second, 0.75, start=fresh + 15),
        ],
        "fresh for less than ten seconds": [container(9999, start=fresh), container(24999, 2, start=fresh)],
        "fresh for ten seconds": [container(10 * second, start=fresh), container(25 * second, 2, start=fresh)],
        "fresh for nearly a resolution": [container(14999, start=fresh), container(29999, 2, start=fresh)],
        "fresh for a resolution": [container(15 * second, start=fresh), container(30 * second, 2, start=fresh)],
        "fresh, and seen before": [
            container(2 * second, 0.25, start=fresh), container(12 * second, 0.5, start=fresh),
            container(27 * second, 2, start=fresh),
        ],
        "it starts after its sample": [container(0, start=fresh + 5), container(15 * second, 2, start=fresh + 5)],
        "a decreasing start": [
            container(0, start=fresh - 10), container(30 * second, 2, start=fresh - 50),
        ],
        "a decreasing counter of one container": [
            container(0) + container(100, 9, labels=_other("d")),
            container(15 * second, 2) + container(15100, 1, labels=_other("d")),
        ],
        "a decreasing counter of the only container": [container(0, 9), container(15 * second, 1)],
        "the container's same sample again": [
            container(0), container(15 * second, 2), container(15 * second, 2), container(30 * second, 3),
        ],
        "the container's older sample": [
            container(0), container(15 * second, 2), container(9 * second, 1.75), container(30 * second, 3),
        ],
        "pods come and go": [
            container(0), container(15 * second, 2, labels='container="c",namespace="ns",pod="q"'),
            container(30 * second, 3) + container(30 * second, 3, labels='container="c",namespace="ns",pod="q"'),
            container(45 * second, 4) + container(45 * second, 4, labels='container="c",namespace="ns",pod="q"'),
        ],
        "other families": [
            node(0) + f"pod_cpu_usage_seconds_total{{namespace=\"ns\",pod=\"p\"}} 1 {BASE}\nresource_scrape_error 0\n"
            + f"container_swap_usage_bytes{{{_other('swap')}}} 0 {BASE}\n" + container(0),
            node(15 * second, 9) + f"node_swap_usage_bytes 0 {BASE}\n" + container(15 * second, 2),
        ],
    }  # fmt: skip


def _thrown(number: int) -> list[str | None]:
    """A node with two pods and up to three containers, whose samples go forward, stand still or go back."""
    dice = Dice(f"pairs {number}")
    at = {label: dice.below(900) for label in _SERIES}
    cpu = {label: 1 + dice.below(10**6) / 1000 for label in at}
    start = {label: BASE / 1000 - dice.below(40) for label in at}
    pages: list[str | None] = []
    for _ in range(7):
        if dice.one_in(9):
            pages.append(None)
            continue
        page = ""
        for label in _SERIES:
            at[label] += dice.of([15000, 15000, 15000, 14000 + dice.below(2000), 0, -4000, -21000])
            cpu[label] += dice.below(30000) / 1000 if not dice.one_in(9) else -cpu[label] / 2
            if dice.one_in(8):
                start[label] = (BASE + at[label]) / 1000 - dice.below(30)
            if dice.one_in(10):
                continue
            value: object = 0 if dice.one_in(15) else round(cpu[label], 3)
            if label == "node":
                page += node(at[label], value, 1 + dice.below(10**9))
                continue
            pod = "q" if label == "e" else "p"
            labels = f'container="{label}",namespace="ns",pod="{pod}"'
            memory = None if dice.one_in(20) else 1 + dice.below(10**8)
            page += container(at[label], value, memory, start[label], labels)
        pages.append(page)
    return pages


_FAMILIES = (
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "container_start_time_seconds",
    "node_cpu_usage_seconds_total",
    "node_memory_working_set_bytes",
)


def as_a_kubelet_writes(page: str) -> str:
    """The lines of a page by family, in order, each family under its comments."""
    text = ""
    for family in _FAMILIES:
        own = sorted(
            line for line in page.splitlines() if line.startswith((f"{family}{{", f"{family} "))
        )
        if own:
            text += f"# HELP {family} [STABLE] It is\n# TYPE {family} gauge\n"
            text += "".join(f"{line}\n" for line in own)
    return text


class _Container:
    """A container whose samples go forward, but for what the dice say."""

    def __init__(self, dice: Dice, at: int) -> None:
        self._dice = dice
        self.at = at + dice.below(900)
        self.cpu = 1 + dice.below(10**6) / 1000
        self.start = (
            BASE / 1000 - 60 - dice.below(1000) if at == 0 else (BASE + at) / 1000 - dice.below(20)
        )

    def lines(self, labels: str) -> str:
        """Its lines of the next page."""
        dice = self._dice
        # A kubelet may show the same measurement again.
        if not dice.one_in(8):
            self.at += 14500 + dice.below(1000)
            self.cpu += dice.below(30000) / 1000
        if dice.one_in(30):
            self.cpu /= 2
        if dice.one_in(20):
            self.start, self.cpu = (BASE + self.at) / 1000 - dice.below(20), 0.25
        memory = None if dice.one_in(40) else 4096 * (1 + dice.below(10**5))
        cpu = None if dice.one_in(40) else 0 if dice.one_in(40) else round(self.cpu, 9)
        return container(self.at, cpu, memory, self.start, labels)


def _kubelet(number: int) -> Case:
    """A node with five pods of two containers, which are restarted and replaced; written as a kubelet writes."""
    dice = Dice(f"kubelet {number}")
    pods = [f"pod-{place}" for place in range(5)]
    seen = set(pods)
    containers = {(pod, name): _Container(dice, 0) for pod in pods for name in ("app", "side")}
    pages: list[str | None] = []
    for turn in range(7):
        if dice.one_in(12):
            pages.append(None)
            continue
        if dice.one_in(3):
            gone, new = dice.of(pods), f"pod-{len(seen)}"
            pods[pods.index(gone)] = new
            seen.add(new)
            for name in ("app", "side"):
                del containers[gone, name]
                containers[new, name] = _Container(dice, turn * 15000)
        page = node((turn + 1) * 15000, 10 + turn * 3)
        for (pod, name), one in containers.items():
            page += one.lines(f'container="{name}",namespace="ns",pod="{pod}"')
        pages.append(as_a_kubelet_writes(page))
    return {
        "case": f"kubelet {number}",
        "resolution": RESOLUTION,
        "pods": sorted(f"ns/{pod}" for pod in seen),
        "pages": pages,
    }


def cases() -> list[Case]:
    """The same ones each time."""
    told = _written() | {f"dice {number}": _thrown(number) for number in range(200)}
    return [
        *(
            {"case": name, "resolution": RESOLUTION, "pods": ["ns/p", "ns/q"], "pages": pages}
            for name, pages in told.items()
        ),
        *(_kubelet(number) for number in range(12)),
    ]


def main() -> None:
    asked = cases()
    told = judged(_JUDGE, asked)
    with RECORDED.open("w", encoding="utf-8") as file:
        for case, answers in zip(asked, told, strict=True):
            file.write(json.dumps({**case, "go": answers}, separators=(",", ":")) + "\n")
    print(f"{len(asked)} sequences of scrapes: judged")


if __name__ == "__main__":
    main()
