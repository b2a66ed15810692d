"""How `approver pin` is undone: whoever runs what UNDO says finds the ConfigMaps as they were, byte for byte."""

import json
import shlex
from pathlib import Path

import pytest

from kubevouch.policy.sources.pinned import PINS
from kubevouch.policy.sources.stored import shard_of
from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, NAMESPACES, NODES
from kubevouch_lab.apiserver.request import RequestInfo
from lab.tests.apiserver.bench import Bench, bench
from tests.approver_install.conftest import fill, node
from tests.cli.program import Program
from tests.support.authority import Authority

SPACE = "kubevouch-system"
PIN = ("approver", "pin", "--yes")


@pytest.fixture(autouse=True)
def namespace(lab: Bench) -> None:
    lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})


def texts(lab: Bench) -> dict[str, dict[str, str]]:
    """What stands in the ConfigMaps with pins, byte for byte."""
    found = lab.local.list(CONFIG_MAPS, SPACE, labels="kubevouch.dev/holds=pins")
    return {each["metadata"]["name"]: each["data"] for each in found if each.get("data")}


def undone_by(lab: Bench, out: str) -> list[str]:
    """The command lines after UNDO; a kubectl patch among them is carried out."""
    _, undo, after = out.partition("UNDO  ")
    assert undo, out
    commands = [line.strip() for line in after.splitlines()]
    for command in commands:
        words = shlex.split(command)
        if words[0] == "kubectl":
            assert words[:5] == ["kubectl", "-n", SPACE, "patch", "configmap"]
            assert words[6:8] == ["--type=merge", "-p"]
            lab.local.patch(CONFIG_MAPS, words[5], json.loads(words[8]), SPACE)
    return commands


async def test_of_a_pin_that_was_changed_or_removed_the_undo_puts_back_what_it_was(
    lab: Bench, kubevouch: Program
) -> None:
    await kubevouch(*PIN, "worker-1", "--allow", "worker-1=192.168.88.20")
    before = texts(lab)
    status = {"addresses": [{"type": "InternalIP", "address": "192.168.88.99"}]}
    lab.local.patch(NODES, "worker-1", {"status": status}, subresource="status")
    changed = await kubevouch(*PIN, "worker-1", "worker-2")
    assert texts(lab) != before
    first, _ = undone_by(lab, changed.out)
    assert first == "kubevouch approver pin worker-2 --remove"
    assert (await kubevouch(*shlex.split(first)[1:], "--yes")).code == 0
    assert texts(lab) == before
    removed = await kubevouch(*PIN, "worker-1", "--remove")
    assert not texts(lab)
    undone_by(lab, removed.out)
    assert texts(lab) == before


def lay(lab: Bench, shard: str, pinned: str, text: str) -> None:
    lab.local.patch(CONFIG_MAPS, shard, {"data": {pinned: text}}, SPACE)


async def test_an_entry_in_a_wrong_configmap_neither_hides_a_pin_nor_outlives_its_removal(
    lab: Bench, kubevouch: Program
) -> None:
    """The approver goes by the pin in the right one."""
    assert (await kubevouch(*PIN)).code == 0
    own = shard_of(PINS, "worker-1")
    others = sorted({shard_of(PINS, each) for each in ("cp-1", "worker-2")} - {own})
    for other in others:
        lay(lab, other, "worker-1", texts(lab)[own]["worker-1"])
    before = texts(lab)
    shown = await kubevouch("approver", "pin", "--diff")
    assert "the pin cannot be read" not in shown.out
    assert "in the wrong ConfigMap" in shown.err
    changed = await kubevouch(*PIN, "worker-1", "--allow", "worker-1=extra.example.com")
    assert changed.code == 0, changed
    undone_by(lab, changed.out)
    assert texts(lab) == before
    removed = await kubevouch(*PIN, "worker-1", "--remove")
    assert "The pins of worker-1 are gone." in removed.out
    assert not any("worker-1" in each for each in texts(lab).values())
    undone_by(lab, removed.out)
    assert texts(lab) == before


@pytest.mark.parametrize(
    ("text", "is_pin"),
    [
        ("", False),
        ('no JSON; it\'s "quoted" `x` $(y)\n\t\u2028\x1b[31m', False),
        ('{"v": 9}', False),
        ('{ "v": 1 }', True),
    ],
)
async def test_what_was_written_by_hand_or_cannot_be_read_comes_back_byte_for_byte(
    lab: Bench, kubevouch: Program, text: str, is_pin: bool
) -> None:
    assert (await kubevouch(*PIN)).code == 0
    lay(lab, shard_of(PINS, "worker-1"), "worker-1", text)
    before = texts(lab)
    pinned = await kubevouch(*PIN, "worker-1")
    way = ("kubevouch", "approver", "pin", "worker-1", "--remove")
    if is_pin:
        undone_by(lab, pinned.out)
        assert texts(lab) == before
    else:
        assert (pinned.code, "NEXT  " + " ".join(way) in pinned.err) == (4, True), pinned
    removed = await kubevouch(*way[1:], "--yes")
    assert removed.code == 0, removed
    undone_by(lab, removed.out)
    assert texts(lab) == before


async def test_of_many_pins_that_are_removed_each_comes_back(
    lab: Bench, kubevouch: Program
) -> None:
    """No line says what they had."""
    names = [f"more-{number}" for number in range(12)]
    for number, each in enumerate(names):
        lab.local.create(NODES, node(each, f"192.168.88.{130 + number}"))
    assert (await kubevouch(*PIN)).code == 0
    before = texts(lab)
    removed = await kubevouch(*PIN, *names, "--remove")
    assert "by hand" not in removed.out
    undone_by(lab, removed.out)
    assert texts(lab) == before


@pytest.mark.parametrize("removes", [True, False])
async def test_where_the_second_configmap_cannot_be_written_the_first_is_said_and_undone(
    tmp_path: Path, authority: Authority, kubevouch: Program, removes: bool
) -> None:
    first, second = sorted(("cp-1", "worker-1"), key=lambda each: shard_of(PINS, each))
    locked = ""

    def not_that_one(info: RequestInfo) -> tuple[bool, str]:
        return not (info.verb == "patch" and info.name == locked), ""

    async with bench(tmp_path, authority, authorize=not_that_one) as lab:
        fill(lab)
        lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        assert (await kubevouch(*PIN)).code == 0
        for number, each in enumerate((first, second)):
            status = {"addresses": [{"type": "InternalIP", "address": f"192.168.88.{98 + number}"}]}
            lab.local.patch(NODES, each, {"status": status}, subresource="status")
        before, locked = texts(lab), shard_of(PINS, second)
        ran = await kubevouch(*PIN, first, second, *(["--remove"] if removes else []))
        assert ran.code not in (0, 1), ran
        said = f"It stopped on its way: done for {first}. The same command goes on with it."
        assert said in ran.err
        assert texts(lab) != before
        undone_by(lab, ran.out)
        assert texts(lab) == before
