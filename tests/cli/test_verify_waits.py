"""`verify --wait`: it looks until it holds, through an outage too, and no longer than it was told."""

import io
from datetime import timedelta

import pytest

from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.verify import until_it_holds
from kubevouch.diagnose.catalogue import Severity
from kubevouch.errors import ExitCode
from kubevouch.evidence.run_holder import ArmedNode
from kubevouch.kube.errors import ApiUnreachable
from kubevouch.system_clock import SystemClock
from tests.cli.program import Program, ended
from tests.cli.test_a_run_that_is_not_finished import WORKER, held_since
from tests.diagnose.cases import CASES
from tests.support.apiservers import MOMENT, client_of
from tests.support.clocks import WoundClock
from tests.support.scripted import faults
from tests.support.scripted.kinds import KINDS
from tests.support.stage import Stage, staged


def mend(stage: Stage, healthy: Stage) -> None:
    """At once and in place: the other cluster's certificates and objects, behind this one's ports."""
    stage.server.faults.clear()
    stage.server.store = healthy.server.store
    nodes = KINDS["", "v1", "nodes"]
    for name, listening in stage.kubelets.items():
        listening.behaviour = healthy.kubelets[name].behaviour
        node = stage.server.store.get(nodes, f"{name}.internal.example.com")
        node["status"]["daemonEndpoints"] = {"kubeletEndpoint": {"Port": listening.port}}
        stage.server.store.put(nodes, node)


async def test_verify_ends_as_soon_as_it_holds(kubevouch: Program, stage: Stage) -> None:
    """The story's cluster is mended while it waits; it would wait for an hour."""
    process = await kubevouch.started("verify", "--wait", "1h", "--timeout", "30s")
    assert process.stderr is not None
    waiting = (await process.stderr.readline()).decode()
    assert waiting.startswith("waiting: KV304 4 nodes serve a certificate that expired"), waiting
    stage.server.faults.on("/*", faults.reset(), times=30)
    async with staged(CASES["healthy"], SystemClock()) as healthy:
        mend(stage, healthy)
        ran = await ended(process, code=0)
    assert ran.out.endswith("and every kubelet's certificate verifies\n")


async def test_verify_waits_no_longer_than_it_was_told(kubevouch: Program, stage: Stage) -> None:
    ran = await kubevouch("verify", "--wait", "1s", code=1)
    assert ran.err.startswith("waiting: KV304")
    assert "NEXT   kubevouch doctor" in ran.out


def cut(stage: Stage) -> None:
    """Every connection breaks from now on."""
    stage.server.faults.clear()
    stage.server.faults.on("/*", faults.reset())


class Watched(io.StringIO):
    """What is said on standard error; somebody acts on each first sight of a word."""

    def __init__(self, **acts: object) -> None:
        super().__init__()
        self._acts = acts

    def write(self, text: str) -> int:
        for word in [each for each in self._acts if each in text]:
            act = self._acts.pop(word)
            assert callable(act)
            act()
        return super().write(text)


async def test_it_goes_on_looking_while_the_api_server_is_away() -> None:
    clock = WoundClock(MOMENT)
    async with (
        staged(CASES["expired"], clock) as stage,
        staged(CASES["healthy"], clock) as healthy,
        client_of(stage.access, clock) as api,
    ):
        said = Watched(KV304=lambda: cut(stage), https=lambda: mend(stage, healthy))
        terminal = Terminal(None, None, said, {})
        _, found = await until_it_holds(api, clock, terminal, Severity.ERROR, 3600, 60)
    assert found.exit_code(Severity.ERROR) is ExitCode.OK
    lines = said.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("waiting: KV304 4 nodes serve")
    assert lines[1].startswith(f"waiting: {stage.server.url}: ")
    assert clock.now() - MOMENT < timedelta(hours=1)


async def test_an_api_server_that_stays_away_is_told_at_the_end() -> None:
    clock = WoundClock(MOMENT)
    async with staged(CASES["healthy"], clock) as stage, client_of(stage.access, clock) as api:
        cut(stage)
        with pytest.raises(ApiUnreachable):
            await until_it_holds(api, clock, Terminal(None, None, None, {}), Severity.ERROR, 60, 60)
    assert clock.now() - MOMENT >= timedelta(minutes=1)


async def test_a_log_shows_again_and_again_what_is_waited_for_and_how_long() -> None:
    """A look every two seconds, a line every thirty, though each look says how long a run that was cut off has been silent."""
    clock, log = WoundClock(MOMENT), io.StringIO()
    async with staged(CASES["healthy"], clock) as stage, client_of(stage.access, clock) as api:
        armed = ArmedNode("bbbb", WORKER, clock.now() + timedelta(minutes=9))
        held_since(stage, 300, "bbbb on alice@laptop (1)", armed, now=clock.now())
        await until_it_holds(api, clock, Terminal(None, None, log, {}), Severity.ERROR, 100, 60)
    lines = log.getvalue().splitlines()
    assert len({line.rpartition(" (at most ")[0] for line in lines}) > 1, lines
    left = [line.rpartition(" (at most ")[2] for line in lines]
    assert left == [f"{seconds} s more)" for seconds in (100, 70, 40, 10)], lines


@pytest.mark.parametrize("case", ["kubelet-never-answers"])
async def test_verify_says_which_kubelet_it_waits_for(kubevouch: Program, stage: Stage) -> None:
    """Piped, too: a wait of more than two seconds is a line, once a look. It looks twice."""
    ran = await kubevouch("verify", "--wait", "1s", "--timeout", "3s")
    named = [line for line in ran.err.splitlines() if "3 of 4 kubelets have answered" in line]
    assert len(named) == 2, ran
    assert "waiting for k8s-worker-3.internal.example.com (127.0.88.114:" in named[0]


@pytest.mark.parametrize("case", ["kubelet-never-answers"])
async def test_without_wait_a_pipe_gets_the_result_only(kubevouch: Program, stage: Stage) -> None:
    ran = await kubevouch("verify", "--timeout", "2500ms")
    assert ran.err == ""
    assert "k8s-worker-3" in ran.out
