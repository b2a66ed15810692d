"""A node or a run that is not there is named, with the one that may be meant: 2, and nothing is asked of a node."""

import json
import os
from pathlib import Path

import pytest

from kubevouch.cli.common.runs import find_run, write_plan
from kubevouch.errors import UsageError
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut
from tests.cli.program import Program
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.stage import Stage

NODE = "k8s-worker-1.internal.example.com"
OTHER = "k8s-worker-1.internal.example.org"
SHORT = "k8s-worker-1"
LINES = [
    ("csr", "list"),
    ("csr", "explain", "csr-1"),
    ("plan", "-o", "plan.json"),
]


@pytest.mark.parametrize("case", ["pending"])
async def test_a_node_that_gets_something_is_named_whole(kubevouch: Program, stage: Stage) -> None:
    """A first label is enough to look at a node, and never to give it something: another Node may have it tomorrow."""
    said = [(*line, "--allow", f"{each}=127.0.88.112") for line in LINES for each in (OTHER, SHORT)]
    pins = [("approver", "pin", SHORT, *more) for more in ((), ("--csr", "csr-1"))]
    near = f"no such Node; did you mean {NODE}?"
    remove = ("approver", "pin", SHORT, "--remove")
    await kubevouch.refuses({**dict.fromkeys([*said, *pins], near), remove: "is not pinned"})


@pytest.mark.parametrize("case", ["pending"])
async def test_a_first_label_names_the_only_node_that_has_it(
    kubevouch: Program, stage: Stage
) -> None:
    found, probed = await kubevouch.several(
        ("top", "nodes", SHORT, "-o", "json"), ("probe", SHORT, "-o", "json")
    )
    assert [each["name"] for each in json.loads(found.out)["nodes"]] == [NODE]
    assert json.loads(probed.out)["target"].startswith(f"{NODE} at ")


@pytest.mark.parametrize("case", ["pending"])
async def test_a_plan_takes_no_word_about_what_its_node_does_not_claim(
    kubevouch: Program, stage: Stage
) -> None:
    """127.0.88.112 is its address; a typing mistake would be found only when the address is not proven."""
    words = ("plan", "-o", "plan.json", "--allow")
    near, far, bare = await kubevouch.several(
        (*words, f"{NODE}=127.0.88.121"),
        (*words, f"{NODE}=zebra"),
        (*words, f"{NODE}=10.0.0.1", "--node", "k8s-master.internal.example.com"),
    )
    claims = "this value is not in the Node's status"
    # Where it takes seconds, it says before what it waits for.
    for ran, told in (
        (near, f"Error: {NODE}=127.0.88.121: {claims}; did you mean 127.0.88.112?\n"),
        (far, f"Error: {NODE}=zebra: {claims}; it claims 127.0.88.112, {NODE}\n"),
    ):
        assert ran.err.endswith(told) and ran.err.count("Error") == 1, ran
    for ran in (near, far, bare):
        assert (ran.code, ran.out) == (2, "")
    assert not (kubevouch.home / "plan.json").exists()


NEAR: dict[tuple[str, ...], str] = {
    ("top", "nodes", "zebra"): 'nodes "zebra" not found',
    ("top", "pods", "zebra"): 'pods "zebra" not found',
    ("status", "--node", OTHER): f"; did you mean {NODE}?",
    ("probe", NODE.replace("worker", "wroker") + ".invalid"): f"; did you mean {NODE}?",
}  # fmt: skip


@pytest.mark.parametrize("case", ["healthy"])
async def test_a_node_or_pod_that_is_not_there_is_named(kubevouch: Program, stage: Stage) -> None:
    """Nothing under .invalid is ever resolved (RFC 6761)."""
    *_, probe = await kubevouch.refuses(NEAR)
    assert "no Node has this name, and it does not resolve (" in probe.err


NO_RUN: dict[tuple[str, ...], tuple[str, str]] = {
    ("undo", "nosuch"): ("no such run on this machine, and no such file; no runs in ", ""),
    # The nodes know of it.
    ("undo", "abcd"): ("copy its plan from the same folder there", " abcd"),
    ("resume", "abcd"): ("no such run on this machine", " abcd"),
    ("resume", "bcde"): ("copy its plan from the same folder there", " bcde"),
    ("resume", "./abcd.json"): ("./abcd.json", ""),
}


@pytest.mark.usefixtures("stage")
async def test_where_there_is_no_such_run_a_status_comes_next(kubevouch: Program) -> None:
    for words, (told, run) in NO_RUN.items():
        ran = await kubevouch(*words, code=2)
        assert told in ran.err, ran
        assert ran.err.endswith(f"NEXT     kubevouch status{run}\n"), ran


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("case", ["pending"])
async def test_undo_of_approvals_says_nothing_of_the_runs_other_nodes(kubevouch: Program) -> None:
    approved = planned(recorded("pending-worker"), ChangeKind.APPROVE, node="a")
    changed = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node="b")
    path = kubevouch.home / "plan.json"
    write_plan(plan_of(approved, changed), path)
    ran = await kubevouch("undo", str(path), "--node", "a", "--yes", code=0)
    assert ran.err == (
        "According to its plan, run abcd changed none of a: it approved CSRs, and an approval cannot be undone.\n"
    )
    write_plan(plan_of(left_out=(LeftOut("a", "it is NotReady"),)), path)
    ran = await kubevouch("undo", str(path), "--yes")
    assert (ran.code, ran.err) == (0, "According to its plan, run abcd changed no node.\n")


def test_the_runs_that_are_kept_are_named_newest_first(tmp_path: Path) -> None:
    folder = tmp_path / "kubevouch" / "runs"
    folder.mkdir(parents=True)
    for age, name in enumerate(("aaaa1111", "bbbb2222", "cccc3333")):
        (folder / f"{name}.json").write_text("{}")
        os.utime(folder / f"{name}.json", (1000 - age, 1000 - age))
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    with pytest.raises(UsageError, match="newest first: aaaa1111, bbbb2222, cccc3333"):
        find_run("99999999", environment, "undo 99999999")
    with pytest.raises(UsageError, match=r"did you mean aaaa1111\?"):
        find_run("aaaa1112", environment, "undo aaaa1112")


def test_a_runs_name_never_means_a_file_that_somebody_has_put_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kubevouch" / "runs"
    folder.mkdir(parents=True)
    (folder / "aaaa1111.json").write_text("kept, and no plan")
    monkeypatch.chdir(tmp_path)
    for name in ("aaaa1111", "bbbb2222"):
        (tmp_path / name).write_text("planted, and no plan")
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    with pytest.raises(UsageError, match=f"{folder}/aaaa1111.json"):
        find_run("aaaa1111", environment, "undo aaaa1111")
    with pytest.raises(UsageError, match="no such run on this machine"):
        find_run("bbbb2222", environment, "undo bbbb2222")
    with pytest.raises(UsageError, match="is not a valid plan"):
        find_run("./bbbb2222", environment, "undo ./bbbb2222")
