"""Root on a node answers in place of our scripts, as he likes: it costs others nothing, and puts no word into our mouth.

Each field of each answer is forged in turn (forgeries.py) and goes the way of every answer: through its decoder, then through the
rules that look at it. What comes of it is a refusal with a reason, or facts that a plan, a run and an undo take for this node alone.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import msgspec
import pytest

from kubevouch.errors import KubevouchError, UsageError
from kubevouch.evidence.survey import NodeSurvey, survey
from kubevouch.kube.resources import Node
from kubevouch.node.script import Script, T, node_text
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.reserved import ReservedNames
from kubevouch.rollout.decide.armed import found_armed
from kubevouch.rollout.decide.assess import assess
from kubevouch.rollout.decide.change import change_of, change_to_undo, seed_of, untrusted_root
from kubevouch.rollout.decide.entitled import Neighbours
from kubevouch.rollout.decide.kubelet_watch import WatchedKubelet, watch_script
from kubevouch.rollout.decide.machine import StartFiles, asks_anyhow, not_its_machine_id
from kubevouch.rollout.decide.need import Look, need_of
from kubevouch.rollout.decide.next_for_status import StatusFacts, next_for_status
from kubevouch.rollout.decide.not_changed import changed_since, not_changed
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut, NodePlan
from kubevouch.rollout.decide.plan_text import plan_in, text_of
from kubevouch.rollout.decide.recheck import recheck
from kubevouch.rollout.decide.run_status import (
    RunFound,
    RunsFound,
    status_script,
    statuses_of,
)
from kubevouch.rollout.decide.transaction import (
    TransactionAnswer,
    TransactionState,
    TransactionStep,
    render,
)
from kubevouch.x509 import issue

from .forgeries import Forgery, Path, forgeries, put
from .recorded import Recorded, plan_of, planned, recorded

_RUNS_COMMAND = r"(status|resume)( [0-9a-f]{4,32})?"
_SAFE_COMMAND = rf"(sleep \d{{1,3}} && )?kubevouch (doctor|verify --wait 2m|undo abcd --node node-1|{_RUNS_COMMAND})"
LONGEST = 20_000
"""The most characters that are shown to a person about one node."""

LONGEST_PLAN = 2_000_000
"""Bytes that one node may take in a plan, which has 64 MiB at most."""

SEEN = recorded("expired-worker", {"runs": [["abcd", "restarted", 100], ["bbbb", "committed"]]})
IDLE = recorded("expired-worker", {"runs": [["bbbb", "committed"]]})
RUN = "abcd"
NODE = planned(SEEN, ChangeKind.BOOTSTRAP)
A_CHANGE = change_of(NODE, SEEN.survey, RUN, content=b"a: b\n", switch_seconds=240)


def said_of(seen: Recorded, node: NodePlan, found: NodeSurvey) -> Iterator[str]:
    """All that a plan, a run and an undo say of that survey. Raises KubevouchError."""
    look = replace(seen.look(), survey=found)
    need = need_of(look)
    yield need.reason if isinstance(need, LeftOut) else ""
    state = recheck(node, RUN, look)
    yield state.why
    yield untrusted_root(node, found)
    for ending in (not_changed(node, "cccc", "", found), changed_since(node, "cccc", found)):
        yield ending.why if ending else ""
    armed = found_armed(node.node, RUN, found, seen.at)
    assert abs(armed.due - seen.at) <= timedelta(seconds=2**33)
    yield from _planned_of(look)
    life = timedelta(days=1)
    change = change_of(node, found, RUN, content=state.content, switch_seconds=240)
    undo = change_to_undo(node, found, RUN)
    for each in (change, undo):
        render(TransactionStep.UNDO, each, None)
    forged = (found.hostname, found.certificates) != (
        seen.survey.hostname,
        seen.survey.certificates,
    )
    if forged and seen is IDLE:  # what else is forged is not read for it
        seed = seed_of(node, found, now=seen.at, life=life, serials=(1, 2))
        render(TransactionStep.BEGIN, change, seed)


def _planned_of(look: Look) -> Iterator[str]:
    """What the plan says of the node; it can be read again, as every plan."""
    assert len(StartFiles(look.survey).cluster_domain) < LONGEST_PLAN
    reserved = ReservedNames(loopback=frozenset(map(ip_address, look.confirmed)))
    made = assess(look, Neighbours(NodeIndex((look.node,)), reserved))
    if isinstance(made, LeftOut):
        yield made.reason
        return
    text = text_of(plan_of(made))
    assert len(text) < LONGEST_PLAN
    try:
        read = plan_in(text.encode(), "plan.json")
    except UsageError as error:
        raise AssertionError(f"nobody can carry it out: {error}") from None
    assert read.nodes == (made,)


def test_an_honest_answer_makes_a_plan() -> None:
    assert not list(_planned_of(IDLE.look()))


@pytest.fixture
def one_key_for_all_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose key signs a seed is no matter of what was forged, and to make one for each takes most of the time."""
    key = issue.new_key(issue.KeyKind.RSA_2048)
    monkeypatch.setattr(issue, "new_key", lambda _: key)


@pytest.mark.usefixtures("one_key_for_all_seeds")
@pytest.mark.parametrize("seen", [SEEN, IDLE], ids=["armed", "idle"])
def test_whatever_a_survey_says_is_about_this_node_and_short(seen: Recorded) -> None:
    taken, wrong = 0, list[str]()
    for forgery, found in _taken(seen.survey, survey(), wrong):
        taken += 1
        try:
            said = list(said_of(seen, NODE, found))
        except KubevouchError as error:
            said = [str(error)]
        except Exception as error:  # noqa: BLE001 - whatever it is, one node's answer would end the run of all
            wrong.append(f"{forgery}: {error!r}"[:300])
            continue
        wrong += _too_long(forgery, said)
    assert not wrong, "\n".join(wrong)
    assert len(list(forgeries(seen.survey))) - taken > 100


def _taken(honest: object, script: Script[T], wrong: list[str]) -> Iterator[tuple[Forgery, T]]:
    """Forged answers that can be read. wrong: gets the refusals that are too long."""
    for forgery in forgeries(honest):
        try:
            found = forgery.read(script)
        except KubevouchError as error:
            wrong += _too_long(forgery, [str(error)])
        else:
            yield forgery, found


def _too_long(forgery: Forgery, said: list[str]) -> list[str]:
    return [f"{forgery}: {len(each)} characters" for each in said if len(each) > LONGEST]


def test_names_of_files_that_would_fill_a_plan_leave_the_node_out() -> None:
    file = msgspec.structs.replace(IDLE.survey.certificates[0], kind="file")
    names = [f"/pki/kubelet-server-{number:04}-{'x' * 4000}".encode() for number in range(1000)]
    files = tuple(msgspec.structs.replace(file, path=name) for name in names)
    full = msgspec.structs.replace(
        IDLE.survey, certificates=(*IDLE.survey.certificates, *files[:900])
    )
    (reason,) = _planned_of(replace(IDLE.look(), survey=full))
    assert "a plan cannot contain this node: the node's entry takes" in reason


def test_drop_ins_that_would_take_a_minute_to_read_are_not_read() -> None:
    """Sixteen of the largest that are read one by one; while they were, no Lease was renewed and no other node looked at."""
    text = IDLE.survey.config[0].content + b"x:\n" + b"- a: b\n" * 18_000
    files = tuple(
        msgspec.structs.replace(IDLE.survey.config[0], path=b"/d/%d.conf" % number, content=text)
        for number in range(16)
    )
    argv = IDLE.survey.argv + b"--config-dir=/d\0"
    full = msgspec.structs.replace(IDLE.survey, argv=argv, drop_ins=files)
    (reason,) = _planned_of(replace(IDLE.look(), survey=full))
    assert "bytes with its drop-ins; expected at most 131072" in reason
    assert not asks_anyhow(full)


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("status", "nodeInfo", "machineID"), "a b; reboot", "the field machineId is malformed"),
        (
            ("status", "daemonEndpoints", "kubeletEndpoint", "Port"),
            70000,
            "the field port is malformed",
        ),
    ],
)
def test_a_node_whose_status_no_plan_can_have_is_left_out(
    path: Path, value: object, why: str
) -> None:
    node = msgspec.convert(put(msgspec.to_builtins(IDLE.node), path, value), Node, strict=False)
    machine_id = node.status.node_info.machine_id.encode()
    survey = msgspec.structs.replace(IDLE.survey, machine_id=machine_id)
    seen = replace(IDLE, node=node, survey=survey)
    [said] = _planned_of(seen.look())
    assert said.startswith("a plan cannot contain this node: ")
    assert why in said


HONEST_STATUS = RunsFound(
    machine_id=b"0123",
    clock=1000,
    root=b"/var/lib/kubelet",
    unsafe=b"",
    active=b"active",
    runs=(
        RunFound(
            b"abcd",
            b"restarted",
            1100,
            b"active",
            boot=True,
            config=b"/var/lib/kubelet/config.yaml",
            whose=b"run",
            strays=(b"kubelet.crt",),
        ),
        RunFound(b"bbbb", b"committed", 0, b"", boot=False, config=b"", whose=b"", strays=()),
    ),
)


def test_whatever_a_status_says_is_a_row_of_this_node_and_no_command_has_its_words() -> None:
    rows, wrong = 0, list[str]()
    for forgery, found in _taken(HONEST_STATUS, status_script(""), wrong):
        for run, others in (("", False), ("abcd", True), ("bbbb", False)):
            try:
                statuses = statuses_of("node-1", found, run, others=others)
                following = next_for_status(StatusFacts(statuses, run, kept={"abcd"}))
            except Exception as error:  # noqa: BLE001 - whatever it is, one node's answer would hide all others
                wrong.append(f"{forgery}: {error!r}"[:300])
                continue
            rows += len(statuses)
            wrong += _too_long(forgery, ["; ".join(each.notes) for each in statuses])
            wrong += _too_long(forgery, [following.note])
            if not re.fullmatch(_SAFE_COMMAND, following.command):
                wrong.append(f"{forgery}: NEXT is {following.command!r}")
            if {each.node for each in statuses} != {"node-1"}:
                wrong.append(f"{forgery}: a row of another node")
    assert not wrong, "\n".join(wrong)
    assert rows > 200


@pytest.mark.parametrize(
    ("script", "honest"),
    [
        (
            render(TransactionStep.COMMIT, A_CHANGE, None),
            TransactionAnswer(TransactionState.REFUSED, b"why", 7),
        ),
        (watch_script(5), WatchedKubelet("inactive", 5, 4, b"active", b"a line\n")),
    ],
    ids=["step", "watch"],
)
def test_whatever_a_step_or_a_watch_says_is_short(script: Script[Any], honest: Any) -> None:
    wrong = list[str]()
    for forgery, found in _taken(honest, script, wrong):
        said = found.reason if isinstance(found, TransactionAnswer) else found.trouble
        wrong += _too_long(forgery, [said])
    assert not wrong, "\n".join(wrong)


def test_of_what_a_node_says_at_length_the_beginning_is_told_and_what_is_shorter_whole() -> None:
    endless = b"x" * 3_000_000
    assert len(TransactionAnswer(TransactionState.REFUSED, endless, 1).reason) == 2003
    assert len(not_its_machine_id(endless, "abcd")) < 3000
    assert node_text("größer\n".encode()) == "größer"
    assert node_text("ö".encode() * 2000) == "ö" * 2000
    assert node_text(b"abcde", 4) == "abcd..."
