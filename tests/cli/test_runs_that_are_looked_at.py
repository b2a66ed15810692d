"""`status` and `resume`: from the machine where a run was begun, and from another one."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from kubevouch.cli.common.runs import keep_run
from kubevouch.rollout.decide.plan import ChangeKind, ClusterBinding
from kubevouch.rollout.decide.plan_text import plan_in, text_of
from kubevouch.rollout.decide.run_status import RunFound, RunsFound
from kubevouch.system_clock import SystemClock
from kubevouch_lab.apiserver.status import StatusError
from tests.cli.program import Program
from tests.cli.test_a_run_that_is_not_finished import UID, folder, held_since, keeps
from tests.cli.test_at_a_real_terminal import planned_for
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.local_shell import with_ssh
from tests.support.scripted.faults import refuse
from tests.support.stage import Stage, kind_of

WORKER = "k8s-worker-1.internal.example.com"
THEIRS = ClusterBinding("theirs", "https://10.0.0.1:6443", "another-uid", "0" * 64, "v1.36.3")


@pytest.fixture
def case() -> str:
    return "healthy"


AWAY = "https://10.0.0.1:6443"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (
            ("resume", "bbbb", "--yes"),
            4,
            f"choose the cluster at {AWAY} with --kubeconfig or --context",
        ),
        (("status", "bbbb"), 4, f"this is not the plan's cluster, which is {AWAY}"),
        (("resume", "bbbb", "--yes", "--context", "nobody's"), 2, "nobody's"),
    ],
)
async def test_at_another_cluster_it_shows_which_clusters_there_are(
    kubevouch: Program, stage: Stage, words: tuple[str, ...], code: int, told: str
) -> None:
    """A status mixes no nodes of the one with the Lease of the other."""
    keeps(kubevouch, cluster=THEIRS)
    ran = await kubevouch(*words, code=code)
    assert (ran.out, told in ran.err) == ("", True), ran
    assert ran.err.splitlines()[-1] == "NEXT     kubectl config get-contexts"


async def test_where_another_cluster_has_the_address_now_a_new_plan_comes_next(
    kubevouch: Program, stage: Stage
) -> None:
    moved = msgspec.structs.replace(THEIRS, server=stage.server.url)
    keeps(kubevouch, cluster=moved)
    ran = await kubevouch("resume", "bbbb", "--yes")
    assert ran.err.splitlines()[-1].startswith("NEXT     kubevouch plan -o plan.json")


async def test_nodes_that_cannot_be_asked_are_told_and_nothing_is_concluded(
    kubevouch: Program, stage: Stage
) -> None:
    """Nothing of the operator's knows these hosts."""
    table, document = await kubevouch.several(
        ("status",), ("status", "abcd", "--node", WORKER, "-o", "json")
    )
    assert (table.code, document.code) == (3, 3), table
    assert "known_hosts has no key" in table.told
    assert "Running    none" in table.out
    [command] = [each for each in table.out.splitlines() if each.startswith("NEXT")]
    assert command.startswith("NEXT       ssh -- k8s-"), "not the same again"
    told = json.loads(document.out)
    assert (told["schemaVersion"], told["run"]) == ("kubevouch.status/1", "abcd")
    assert [(each["node"], each["state"]) for each in told["nodes"]] == [(WORKER, "unknown")]


async def test_without_a_run_the_kept_ones_are_listed(kubevouch: Program, stage: Stage) -> None:
    """Those of two clusters whose contexts have one name are told apart; a plan that cannot be read ends nothing."""
    for run, number in (("aaaa", 1), ("bbbb", 2)):
        server = f"https://10.0.0.{number}:6443"
        cluster = ClusterBinding("admin@kubernetes", server, f"uid-{number}", "sha", "v1.36.3")
        keeps(kubevouch, run, cluster=cluster)
    (folder(kubevouch) / "cccc.json").write_text("{")
    table, document, of_one = await kubevouch.several(
        ("status",), ("status", "-o", "json"), ("status", "dddd")
    )
    told = [each for each in table.out.splitlines() if each.startswith("Stored     ")]
    assert sorted(each.split()[1] for each in told) == ["aaaa:", "bbbb:", "cccc:"]
    assert "1 node of admin@kubernetes at https://10.0.0.2:6443" in table.out
    # What leads on from the run in progress stands between that and NEXT.
    assert table.out.index("cccc: ") < table.out.index("Running  ")
    assert "cccc: its plan is unreadable" in table.out
    assert sorted(json.loads(document.out)["kept"]) == ["aaaa", "bbbb", "cccc"]
    assert "Stored" not in of_one.out


def node_here(kubevouch: Program, *runs: RunFound) -> None:
    """The node of run bbbb answers with these runs."""
    node = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP)
    plan = plan_of(node, run="bbbb")
    keep_run(plan, {"HOME": str(kubevouch.home)})
    found = RunsFound(node.machine_id.encode(), 1000, b"/var/lib/kubelet", b"", b"active", runs)
    (kubevouch.home / "answer").write_bytes(b"kubevouch-answer: " + msgspec.json.encode(found))
    answers = f"cat > /dev/null; cat {kubevouch.home / 'answer'}; echo\n"
    kubevouch.environment["PATH"] = with_ssh(kubevouch.home, answers)


def bind_to(stage: Stage, kubevouch: Program) -> None:
    """The plan of run bbbb is for the cluster of the stage."""
    bound = ClusterBinding("story", stage.server.url, UID, "0" * 64, "v1.36.3")
    plan = plan_in(folder(kubevouch).joinpath("bbbb.json").read_bytes(), "bbbb.json")
    keep = text_of(msgspec.structs.replace(plan, cluster=bound))
    folder(kubevouch).joinpath("bbbb.json").write_text(keep)


async def test_without_the_server_its_newest_run_is_next(kubevouch: Program, stage: Stage) -> None:
    config = kubevouch.away()
    words = ("status", "--kubeconfig", str(config))
    ran = await kubevouch(*words, code=3)
    assert ran.err.endswith(f"NEXT     kubectl --kubeconfig {config} get --raw /readyz\n"), ran
    server = stage.server.url.replace("127.0.0.1", "127.9.9.9")
    for run, there in (("aaaa", "https://10.0.0.1:6443"), ("bbbb", server)):
        keeps(kubevouch, run, cluster=ClusterBinding("c", there, "uid", "sha", "v1.36.3"))
    ran = await kubevouch(*words)
    assert ran.err.endswith(f"NEXT     kubevouch status bbbb --kubeconfig {config}\n"), ran


LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kubevouch-rollout"


async def test_an_unread_lease_leaves_the_holder_unknown(kubevouch: Program, stage: Stage) -> None:
    stage.server.faults.on(LEASE, refuse(StatusError(403, "Forbidden", "leases is forbidden")))
    table, document = await kubevouch.several(("status",), ("status", "-o", "json"))
    [line] = [each for each in table.out.splitlines() if each.startswith("Running")]
    assert line.startswith("Running    unknown: "), table
    assert "leases" in line
    assert "Running    none" not in table.out
    told = json.loads(document.out)
    assert (told["holder"], told["holderIsAlive"]) == ("", None)
    assert "leases" in told["holderDoubt"]
    stage.server.faults.clear()
    again = await kubevouch("status")
    assert "Running    none" in again.out


async def test_a_killed_run_is_not_under_way(kubevouch: Program, stage: Stage) -> None:
    """It is known by its Lease only, which nobody renews; its plan is kept here or is not."""
    held_since(stage, 60)
    elsewhere, document = await kubevouch.several(("status",), ("status", "-o", "json"))
    assert "Running none; run bbbb of alice@laptop" in elsewhere.told, elsewhere
    assert "died (killed, or cut off from the API server)" in elsewhere.told, elsewhere
    assert json.loads(document.out)["holderIsAlive"] is False


async def test_a_node_in_the_middle_of_an_undo_says_so(kubevouch: Program, stage: Stage) -> None:
    node_here(kubevouch, RunFound(b"bbbb", b"restarted", 990, b"inactive", True, b"", b"", ()))
    away = kubevouch.away()
    ran = await kubevouch("status", "bbbb", "--kubeconfig", str(away))
    assert "armed at work for 10 s set changed and restarted, not verified yet" in ran.told
    bind_to(stage, kubevouch)
    held_since(stage, 0, "bbbb on alice@laptop (undo 1)")
    ran = await kubevouch("status", "bbbb")
    assert (
        "armed at work for 10 s set the undo in progress restores the node Running" in ran.told
    ), ran


async def test_refusals_lead_to_the_run_under_way(kubevouch: Program, stage: Stage) -> None:
    """And not to the refused one, which has perhaps never begun."""
    held_since(stage, 0)

    def now(lease: Any) -> Any:
        renewed = f"{SystemClock().now():%Y-%m-%dT%H:%M:%S.%fZ}"
        return {**lease, "spec": {**lease["spec"], "renewTime": renewed}}

    async def renewed() -> None:
        while True:
            await asyncio.sleep(0.2)
            stage.server.store.change(kind_of("Lease"), ("kube-system", "kubevouch-rollout"), now)

    path = planned_for(stage, kubevouch)
    renewing = asyncio.create_task(renewed())
    try:
        for ran in await kubevouch.several(("apply", path, "--yes"), ("undo", path, "--yes")):
            assert ran.code == 4, ran
            assert "another run is in progress: held by run bbbb of alice@laptop" in ran.err
            assert ran.err.splitlines()[-1] == "NEXT     kubevouch status bbbb", ran
    finally:
        renewing.cancel()


async def test_verbs_say_that_they_cannot_read_the_lease(kubevouch: Program, stage: Stage) -> None:
    stage.server.faults.on(LEASE, refuse(StatusError(403, "Forbidden", "leases is forbidden")))
    plan, doctor, verify = await kubevouch.several(
        ("plan", "-o", "plan.json"), ("doctor",), ("verify",)
    )
    assert "Notice cannot tell whether a run is in progress: " in plan.told, plan
    assert 'cannot get leases.coordination.k8s.io "kubevouch-rollout"' in plan.told, plan
    for ran in (doctor, verify):
        assert ran.code == 3, ran
        assert "KV901 not allowed to get leases.coordination.k8s.io; without Lease" in ran.told, ran
        assert "it is unknown whether a run or an undo is in progress" in ran.told, ran


@pytest.mark.parametrize("verb", [("undo", "abcd"), ("resume", "abcd"), ("status", "abcd")])
async def test_the_plan_of_another_run_in_the_place_of_a_runs_own_is_not_taken_for_it(
    kubevouch: Program, stage: Stage, verb: tuple[str, ...]
) -> None:
    """Whoever says `undo abcd` wants no other run undone."""
    other = plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP), run="ffff")
    folder(kubevouch).mkdir(parents=True)
    path = folder(kubevouch) / "abcd.json"
    path.write_text(text_of(other))
    ran = await kubevouch(*verb, *(["--yes"] if verb[0] != "status" else []), code=2)
    assert f"{path}: is the plan of run ffff, not of abcd" in ran.err
    assert stage.server.requests == []
