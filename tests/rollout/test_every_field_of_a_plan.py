"""Every field of a plan, edited in every way that its kind allows: refused with a sentence before anything is asked, or harmless.

Harmless: what would be run as root, what would be vouched for, and what would be written is what the honest plan says, or
the check, which only reads, stops it.
"""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kubevouch.errors import KubevouchError, UsageError
from kubevouch.node.errors import NodeUnreachable
from kubevouch.rollout.act.check import CheckedPlan, check
from kubevouch.rollout.decide.change import change_of, seed_of
from kubevouch.rollout.decide.plan import Plan, by_answer
from kubevouch.rollout.decide.plan_text import plan_in, text_of
from kubevouch.rollout.decide.transaction import TransactionStep, render

from .acting import SECOND, THIRD, WORKER, Acting, Machines
from .forgeries import Path, at, paths, put, without

LEAST, NOW = 903, datetime.now(UTC)
"""So many were tried by hand once."""
REFUSED = "refused when it is read"
GOOD = {REFUSED, "stopped by the check", "harmless"}
TEXTS = {
    "nothing": "",
    "huge": "x" * 300_000,
    "a path that climbs": "/var/lib/kubelet/../../etc/shadow",
    "another path": "/etc",
    "relative": "etc/shadow",
    "control characters": "a\x1b[2J\x07\r\nNEXT  `kubevouch undo 1234`\x00",
    "a change of direction": "a\u202eb",
    "a shell's words": "x$(reboot);`reboot` '\"",
    "an option": "-oProxyCommand=reboot",
    "another cluster's": "10.99.99.99",
    "the API server's": "kubernetes.default.svc",
    "in capitals": "K8S-WORKER-1",
    "half a character": "\ud83d",
}
NUMBERS = {"below zero": -7, "zero": 0, "too high": 70_000, "huge": 10**90, "a fraction": 1.5}
KINDS: dict[str, object] = {
    "null": None,
    "a text": "x",
    "a number": 7,
    "true": True,
    "a list": ["x"],
    "an object": {"x": 1},
}


def instead_of(value: Any, others: Any) -> Iterator[tuple[str, object]]:
    """others: what the same field holds for another node; None where no other node has it."""
    yield from (
        (how, new) for how, new in KINDS.items() if type(new) is not type(value) or new != value
    )
    match value:
        case bool():
            yield "the contrary", not value
        case str():
            yield from TEXTS.items()
            yield "and more", value + " and more"
            yield "twice", value * 2
        case int():
            yield from NUMBERS.items()
        case list():
            yield "empty", []
            yield "doubled", [*value, *value]
            yield "a thousand times", value[:1] * 1000
            yield "with a text", [*value, "-w"]
        case dict():
            yield "with an unknown field", {**value, "unknown": 1}
    if others is not None and others != value:
        yield "another node's", others


def edited(plan: Plan) -> Iterator[tuple[str, Path, bytes]]:
    """The plan's file with one field changed: how, where, and the file."""
    whole = json.loads(text_of(plan))
    for path in paths(whole):
        others = None
        if path[0] == "nodes" and len(path) > 2:
            others = at(whole["nodes"][1], path[2:])
        for how, new in instead_of(at(whole, path), others):
            yield how, path, json.dumps(put(whole, path, new)).encode()
        yield "left out", path, json.dumps(without(whole, path)).encode()
        if isinstance(path[-1], str):
            mark, key = "\0here", json.dumps(path[-1])
            value = json.dumps(at(whole, path))
            text = json.dumps(put(whole, (*path[:-1], mark), 0))
            text = text.replace(f"{json.dumps(mark)}: 0", f"{key}: {value}")
            yield "stands there twice", path, text.encode()


class Reachable(Machines):
    """As ssh does, also of a host and of an address that there is not."""

    async def run_script(self, host: str, *words: Any, **options: Any) -> Any:
        there = {address for each in self.by_name.values() for address in each.addresses}
        place = options.get("at")
        if host not in self.by_name or (place and place.address not in there):
            raise NodeUnreachable(host, "could not be resolved")
        return await super().run_script(host, *words, **options)


def would_do(checked: CheckedPlan) -> dict[str, object]:
    """What a run of it would run on each node and vouch for, and what it would write into the cluster, whatever it is called."""
    said: dict[str, object] = {}
    life = timedelta(days=1)
    for each in checked.nodes:
        node = each.plan
        change = change_of(node, each.survey, "RUN", content=each.found.content, switch_seconds=60)
        seed = seed_of(node, each.survey, now=NOW, life=life, serials=(1, 2))
        assert seed is not None
        # Its authority's key is new each time, and which addresses are in it is looked at below.
        seed = msgspec.structs.replace(seed, chain_pem=b"")
        done = render(TransactionStep.BEGIN, change, seed).text
        said[node.node] = done, each.state, node.host, node.uid
        said[f"{node.node} has"] = {claim.value for claim in (*node.names, *node.addresses)}
        said[f"{node.node} is at"] = {(address, node.port) for address in node.dial}
    if checked.writes_config_map and (written := checked.plan.config_map):
        said["ConfigMap"] = written.name, written.before, written.after
    return said


def within(now: dict[str, object], honest: dict[str, object]) -> bool:
    """Whether no more would be done than by the honest plan."""
    for what, does in now.items():
        may = honest.get(what)
        if isinstance(does, set) and isinstance(may, set):
            if not does <= may:
                return False
        elif does != may:
            return False
    return True


async def _came_to(data: bytes, here: Acting, honest: dict[str, object]) -> str:
    try:
        plan = plan_in(data, "plan.json")
    except UsageError as refused:
        is_short = len(str(refused)) < 1000
        return REFUSED if refused.where == "plan.json" and is_short else "refused at length"
    try:
        checked = await check(plan, here.context)
    except KubevouchError:
        return "stopped by the check"
    return "harmless" if within(would_do(checked), honest) else "does more"


PLANS = {"nodes": 5, "configMap": 1, "leftOut": 1, "by address": 1}
"""What is edited, and in how many tests. A plan for two nodes is checked in half of the time, and has no ConfigMap."""


async def _edits(here: Acting, what: str) -> tuple[Plan, list[tuple[str, Path, bytes]]]:
    here.machines.__class__ = Reachable
    here.machines.by_name[THIRD].away = what == "leftOut"
    if what == "by address":
        for name in (WORKER, SECOND):
            machine = here.machines.by_name.pop(name)
            here.machines.by_name[min(machine.addresses)] = machine
    named = (WORKER, SECOND) if what in ("nodes", "by address") else ()
    plan = by_answer(await here.gathered(*named), yes=True)
    edits = list(edited(plan))
    if what == "nodes":
        return plan, edits
    if what == "by address":
        return plan, [each for each in edits if set(each[1]) & {"host", "addresses", "uid"}]
    return plan, [each for each in edits if each[1][0] == what]


async def test_so_many_edits_are_tried(here: Acting) -> None:
    assert sum([len((await _edits(here, what))[1]) for what in PLANS]) >= LEAST


@pytest.mark.parametrize(
    ("what", "part"), [(what, part) for what, parts in PLANS.items() for part in range(parts)]
)
async def test_an_edited_plan_is_refused_or_does_no_more_than_the_honest_one(
    here: Acting, what: str, part: int
) -> None:
    seen: Counter[str] = Counter()
    plan, edits = await _edits(here, what)
    honest = would_do(await check(plan, here.context))
    bad, read = [], len(here.stage.server.requests)
    for how, path, data in edits[part :: PLANS[what]]:
        came = await _came_to(data, here, honest)
        seen[came] += 1
        if came not in GOOD:
            bad.append((".".join(map(str, path)), how, came))
    assert {name for _, name in here.machines.ran} <= {"survey", "status", "machine-id"}
    asked = here.stage.server.requests[read:]
    assert {each.method for each in asked} <= {"GET", "POST"}
    assert all("reviews" in each.path for each in asked if each.method == "POST")
    assert bad == []
    assert min(seen[REFUSED], seen.total() - seen[REFUSED]) > 10
