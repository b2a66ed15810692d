"""The three ways in which an approver is measured: a burst that waits, ten CSRs a second, and many Nodes while nothing happens."""

import contextlib
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.clusters import BenchedCluster, Identity
from bench.cores import Layout, laid_out
from bench.crowd import Crowd, Member
from bench.pairs import alone, report
from bench.running import Approvals, Program, running
from real.audit import Entry

_LONGEST = 240.0
_START = 90.0


@dataclass(frozen=True)
class Contestant:
    """Something that approves. argv: made from a kubeconfig, the cluster and who it is there."""

    name: str
    argv: Callable[[Path, BenchedCluster, Identity], Sequence[str | Path]]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Burst:
    """What waited, approved. rate: a second, from the first to the last. whole: from the list of CSRs to the last one."""

    rate: float
    whole: float
    cpu: float
    """Seconds for each approval, from the first to the last."""

    calls: Counter[str]
    """Requests for each approval, by verb and resource, from the list of CSRs to the last approval."""


@dataclass(frozen=True)
class Run:
    """Where all of it happens."""

    cluster: BenchedCluster
    crowd: Crowd
    approvals: Approvals
    log: Path

    def started(
        self, contestant: Contestant, identity: Identity
    ) -> contextlib.AbstractContextManager[Program]:
        """It runs while the block lasts."""
        kubeconfig = self.cluster.kubeconfig(identity)
        argv = contestant.argv(kubeconfig, self.cluster, identity)
        environment = {**contestant.environment, "KUBECONFIG": str(kubeconfig)}
        return running(argv, environment, self.log)


def burst(run: Run, contestant: Contestant, round_: str) -> Burst:
    """All nodes have asked, then the contestant starts."""
    identity = run.cluster.issuer.client(f"bench-{round_}", "system:masters")
    run.crowd.ask(run.crowd.members, round_)
    count, cpu = len(run.crowd.members), [0.0]
    since = datetime.now(UTC)
    with run.started(contestant, identity) as program:
        run.approvals.count(round_, lambda: cpu.append(program.cpu()))
        finished = run.approvals.wait(count, lambda: program.alive, _LONGEST)
        used = program.cpu() - cpu[-1]
    assert finished, f"{contestant.name}: {len(run.approvals.at)} of {count}; see {run.log}"
    seen = sorted(run.approvals.at.values())
    calls, whole = _calls(run.cluster.audited(identity.user, since), count)
    run.crowd.forget_csrs()
    rate = (count - 1) / (seen[-1] - seen[0])
    return Burst(rate, count / whole.total_seconds(), used / count, calls)


def _calls(entries: Sequence[Entry], count: int) -> tuple[Counter[str], timedelta]:
    """Requests by verb and resource from the first look at CSRs to the last write to /approval, and how long that was."""
    began = min(
        e.request_received_timestamp
        for e in entries
        if e.verb in ("list", "watch") and e.what == "certificatesigningrequests"
    )
    ended = max(e.request_received_timestamp for e in entries if e.what.endswith("/approval"))
    within = [e for e in entries if began <= e.request_received_timestamp <= ended]
    return _often(within, count), ended - began


def _often(entries: Sequence[Entry], count: int) -> Counter[str]:
    """What is asked for at every approval, and not once a minute."""
    calls = Counter(f"{each.verb} {each.what}" for each in entries)
    return Counter({what: n for what, n in calls.items() if n >= count / 20})


def _shown(calls: Counter[str], count: int) -> str:
    return ", ".join(f"{n / count:.2f} {what}" for what, n in calls.most_common())


def bursts(
    run: Run,
    contestants: Sequence[Contestant],
    names: Iterator[str],
    *,
    rounds: int,
    layouts: Sequence[Layout],
) -> None:
    """In turns, on each layout of the cores in each round, and each as a ratio to the first on the same layout."""
    found: dict[str, dict[str, list[Burst]]] = {
        layout.name: {each.name: [] for each in contestants} for layout in layouts
    }
    for _ in range(rounds):
        for layout in layouts:
            with laid_out(layout, run.cluster.processes):
                for each in contestants:
                    found[layout.name][each.name].append(burst(run, each, next(names)))
    for name, bursts_ in found.items():
        print(name)
        _compared(contestants, bursts_, len(run.crowd.members))


def _compared(
    contestants: Sequence[Contestant], found: Mapping[str, Sequence[Burst]], count: int
) -> None:
    """The first two are peers of all others, and the first one of the second."""
    for each in contestants[1:]:
        ours = found[each.name]
        print(f"{each.name}, {count} waiting")
        straight, *more = ((p.name, found[p.name]) for p in contestants[:2] if p is not each)
        for peer in (straight, *more):
            _beside("  approvals a second", ours, peer, lambda b: b.rate, "/s")
        _beside("  from the list of CSRs to the last", ours, straight, lambda b: b.whole, "/s")
        _beside("  CPU an approval", ours, straight, lambda b: 1000 * b.cpu, "ms")
        calls = ours[-1].calls
        alone("  API calls an approval", calls.total() / count, "", _shown(calls, count))
    spread = ", ".join(f"{name} {[round(b.rate) for b in each]}" for name, each in found.items())
    print(f"  each round: {spread}; load of the machine {os.getloadavg()[0]:.1f}")


def _beside(
    what: str,
    ours: Sequence[Burst],
    peer: tuple[str, Sequence[Burst]],
    value: Callable[[Burst], float],
    unit: str,
) -> None:
    name, theirs = peer
    report(what, statistics.mean(map(value, ours)), name, statistics.mean(map(value, theirs)), unit)


def steady(run: Run, contestant: Contestant, names: Iterator[str], *, count: int) -> None:
    """Ten CSRs a second: how long each waits from before it is sent to when the watch shows it approved."""
    round_ = next(names)
    identity = run.cluster.issuer.client(f"bench-{round_}", "system:masters")
    members = run.crowd.members[:count]
    with run.started(contestant, identity) as program:
        _until_it_approves(run, program, next(names))
        run.approvals.count(round_, lambda: None)
        before, since = program.cpu(), datetime.now(UTC)
        sent = _send_steadily(run, members, round_)
        finished = run.approvals.wait(len(members), lambda: program.alive, _LONGEST)
        cpu = (program.cpu() - before) / len(members)
        memory, rss = program.memory()
    assert finished, f"{contestant.name}: {len(run.approvals.at)} of {count}; see {run.log}"
    waits = sorted(run.approvals.at[name] - began for name, began in sent.items())
    calls = _often(run.cluster.audited(identity.user, since), count)
    run.crowd.forget_csrs()
    alone(
        f"{contestant.name}: creation to approval at 10/s, p50",
        1000 * statistics.median(waits),
        "ms",
    )
    alone("  p99", 1000 * waits[int(0.99 * (len(waits) - 1))], "ms", f"of {len(waits)}")
    alone("  CPU an approval, all in all", 1000 * cpu, "ms")
    alone("  API calls an approval", calls.total() / count, "", _shown(calls, count))
    alone("  PSS", memory, "MB", f"RSS {rss:.0f}, {len(run.crowd.members)} Nodes")


def _send_steadily(run: Run, members: Sequence[Member], round_: str) -> dict[str, float]:
    """Each CSR is made, and its connection open, before its time comes. By name: when it was sent."""
    sent: dict[str, float] = {}
    began = time.perf_counter()

    def one(numbered: tuple[int, Member]) -> None:
        number, member = numbered
        send = run.crowd.ready(member, round_)
        time.sleep(max(0.0, began + 2 + number / 10 - time.perf_counter()))
        sent[f"bench-{round_}-{member.name.partition('.')[0]}"] = send()

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(one, enumerate(members)))
    return sent


def _until_it_approves(run: Run, program: Program, round_: str) -> None:
    run.approvals.count(round_, lambda: None)
    run.crowd.ask(run.crowd.members[-1:], round_)
    assert run.approvals.wait(1, lambda: program.alive, _START), f"it approves nothing; {run.log}"


def size(run: Run, contestant: Contestant, names: Iterator[str], *, nodes: int) -> None:
    """Memory and CPU of the process with so many Nodes and as many pins, while nothing happens."""
    identity = run.cluster.issuer.client(f"bench-{next(names)}", "system:masters")
    run.crowd.grow(nodes, certificates=False)
    with run.started(contestant, identity) as program:
        began, before = time.perf_counter(), program.cpu()
        time.sleep(20)  # listed, and the first garbage collected
        settled, used = time.perf_counter(), program.cpu()
        time.sleep(30)
        idle = (program.cpu() - used) / (time.perf_counter() - settled)
        assert program.alive, f"{contestant.name} has ended; see {run.log}"
        memory, rss = program.memory()
    alone(f"{contestant.name}: PSS at {nodes} Nodes", memory, "MB", f"RSS {rss:.0f}")
    alone("  CPU to start", used - before, "s", f"in the first {settled - began:.0f} s")
    alone("  CPU while nothing happens", 100 * idle, "%", "of one core")
