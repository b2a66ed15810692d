"""`approver pin --restore FILE`: the ConfigMaps are as they were, byte for byte; or it is refused."""

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from kubevouch.policy.sources.nodes import PINS
from kubevouch.policy.sources.stored import shard_of
from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, NAMESPACES, NODES
from kubevouch_lab.apiserver.request import RequestInfo
from lab.tests.apiserver.bench import Bench
from tests.approver_install.conftest import another_bench
from tests.approver_install.installation import PIN, SPACE, undo
from tests.cli.program import Program
from tests.support.authority import Authority

pytestmark = pytest.mark.usefixtures("namespace")
OWN = shard_of(PINS, "worker-1")
OTHER = next(each for each in (shard_of(PINS, n) for n in ("cp-1", "a", "b", "c")) if each != OWN)


def texts(lab: Bench) -> dict[str, dict[str, str]]:
    """What stands in the ConfigMaps with pins, byte for byte."""
    found = lab.local.list(CONFIG_MAPS, SPACE, labels="kubevouch.dev/holds=pins")
    return {each["metadata"]["name"]: each["data"] for each in found if each.get("data")}


def moved(lab: Bench, node: str, address: str) -> None:
    status = {"addresses": [{"type": "InternalIP", "address": address}]}
    lab.local.patch(NODES, node, {"status": status}, subresource="status")


def lay(lab: Bench, shard: str, text: str | None) -> None:
    lab.local.patch(CONFIG_MAPS, shard, {"data": {"worker-1": text}}, SPACE)


async def test_a_change_is_undone_and_so_is_its_undo(lab: Bench, kubevouch: Program) -> None:
    first = await kubevouch(*PIN, "worker-1", "--allow", "worker-1=192.168.88.20", code=0)
    before = texts(lab)
    moved(lab, "worker-1", "192.168.88.99")
    changed = await kubevouch(*PIN, "worker-1", "worker-2", code=0)
    after = texts(lab)
    assert before != after
    back = await kubevouch(*undo(changed), "--yes", code=0)
    assert texts(lab) == before
    assert "worker-1  - 192.168.88.99" in back.out
    assert "worker-1  + 192.168.88.112" in back.out
    assert "worker-2  - the pin" in back.out
    assert re.search(r"worker-1  time of the pin: \d.* -> \d", back.out)
    again = await kubevouch(*undo(changed), "--yes", code=0)
    assert "Nothing to do: every pin has its former value." in again.out
    ran = await kubevouch(*undo(back), "--yes", "-o", "json", code=0)
    assert json.loads(ran.out)["restored"] == ["worker-1", "worker-2"]
    assert texts(lab) == after
    await kubevouch(*undo(changed), "--yes", code=0)
    await kubevouch(*undo(first), "--yes", code=0)
    assert texts(lab) == {}


@pytest.mark.parametrize(
    "text", ["", 'no JSON; it\'s "quoted" `x` $(y)\n\t\u2028\x1b[31m', '{"v": 9}', '{ "v": 1 }']
)
async def test_what_cannot_be_read_or_lies_in_a_wrong_config_map_comes_back_byte_for_byte(
    lab: Bench, kubevouch: Program, text: str
) -> None:
    await kubevouch(*PIN, code=0)
    own = texts(lab)[OWN]["worker-1"]
    if OTHER not in texts(lab):
        labels = {"kubevouch.dev/holds": "pins"}
        lab.local.create(CONFIG_MAPS, {"metadata": {"name": OTHER, "labels": labels}}, SPACE)
    lay(lab, OTHER, own)
    lay(lab, OWN, text)
    before = texts(lab)
    shown = await kubevouch("approver", "pin", "--diff")
    assert "in the wrong ConfigMap" in shown.err
    pinned = await kubevouch(*PIN, "worker-1")
    if text.startswith("{ "):
        await kubevouch(*undo(pinned), "--yes", code=0)
    else:
        way = "NEXT  kubevouch approver pin worker-1 --remove"
        assert (pinned.code, way in pinned.err) == (4, True), pinned
    assert texts(lab) == before
    removed = await kubevouch(*PIN, "worker-1", "--remove", code=0)
    assert not any("worker-1" in each for each in texts(lab).values())
    back = await kubevouch(*undo(removed), "--yes", code=0)
    assert "\x1b" not in back.out
    assert texts(lab) == before


async def test_the_file_is_the_operators_own(lab: Bench, kubevouch: Program) -> None:
    ran = await kubevouch(*PIN, code=0)
    file = Path(undo(ran)[-1])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [each.name for each in file.parent.iterdir()] == [file.name]


async def test_where_the_file_cannot_be_written_nothing_is(
    lab: Bench, kubevouch: Program, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("no folder")
    words = {"XDG_STATE_HOME": str(tmp_path / "state")}
    ran = await kubevouch(*PIN, environment=words)
    assert (ran.code, texts(lab)) == (3, {}), ran
    assert "cannot store the former pins" in ran.err
    assert "UNDO" not in ran.out


async def test_pins_that_have_changed_since_are_not_overwritten(
    lab: Bench, kubevouch: Program
) -> None:
    ran = await kubevouch(*PIN, code=0)
    lay(lab, OWN, '{"v":1,"names":["theirs"]}')
    before = texts(lab)
    refused = await kubevouch(*undo(ran), "--yes", code=4)
    said = "the pin of worker-1: has changed since this file was written; nothing was changed"
    assert said in refused.err
    assert texts(lab) == before


async def test_pins_of_another_cluster_are_refused(lab: Bench, kubevouch: Program) -> None:
    ran = await kubevouch(*PIN, code=0)
    lab.store.delete(NAMESPACES, SPACE)
    refused = await kubevouch(*undo(ran), "--yes", code=2)
    assert "does not exist" in refused.err
    lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
    refused = await kubevouch(*undo(ran), "--yes", code=2)
    assert "is from another cluster" in refused.err


async def test_a_restore_shows_every_value_that_it_writes_over_an_unreadable_pin(
    lab: Bench, kubevouch: Program
) -> None:
    await kubevouch(*PIN, code=0)
    lay(lab, OWN, '{"v": 9}')
    removed = await kubevouch(*PIN, "worker-1", "--remove", code=0)
    file = Path(undo(removed)[-1])
    former = json.loads(file.read_text())
    pin = {"v": 1, "uid": "u", "names": ["vault.corp.example.net"], "addresses": ["192.168.88.77"]}
    former["entries"] = [entry(before=json.dumps(pin), after='{"v": 9}')]
    file.write_text(json.dumps(former))
    lay(lab, OWN, '{"v": 9}')
    back = await kubevouch(*undo(removed), "--yes", code=0)
    assert {"worker-1  + vault.corp.example.net", "worker-1  + 192.168.88.77"} <= set(
        back.out.splitlines()
    )


def entry(**more: Any) -> Any:
    return {"configMap": OWN, "node": "worker-1", "before": None, "after": None} | more


@pytest.mark.parametrize(
    "change",
    [
        {"schemaVersion": "kubevouch.former-pins/2"},
        {"more": 1},
        {"entries": {}},
        {"entries": [entry(configMap="kubevouch-approver")]},
        {"entries": [entry(configMap="kubevouch-pins-16")]},
        {"entries": [entry(configMap="../secrets/a")]},
        {"entries": [entry(node="")]},
        {"entries": [entry(before=1)]},
        {"entries": [entry(), entry()]},
        {"entries": [entry(before="x" * (16 * 1024 + 1))]},
        "[" * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda each: str(each)[:40],
)
async def test_a_file_that_it_would_not_have_written_is_refused(
    lab: Bench, kubevouch: Program, tmp_path: Path, change: dict[str, Any] | str | bytes
) -> None:
    ran = await kubevouch(*PIN, code=0)
    file, before = tmp_path / "pins.json", texts(lab)
    if isinstance(change, dict):
        change = json.dumps(json.loads(Path(undo(ran)[-1]).read_text()) | change)
    file.write_bytes(change if isinstance(change, bytes) else change.encode())
    refused = await kubevouch("approver", "pin", "--restore", str(file), "--yes", code=2)
    assert refused.err.startswith(f"Error: {file}: ")
    assert texts(lab) == before


@pytest.mark.parametrize("removes", [True, False])
async def test_a_change_that_stops_between_two_config_maps_is_undone_and_goes_on(
    authority: Authority, kubevouch: Program, removes: bool
) -> None:
    first, second = sorted(("cp-1", "worker-1"), key=lambda each: shard_of(PINS, each))
    locked = ""

    def not_that_one(info: RequestInfo) -> tuple[bool, str]:
        return not (info.verb == "patch" and info.name == locked), ""

    async with another_bench(kubevouch, authority, not_that_one) as lab:
        lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
        await kubevouch(*PIN, code=0)
        for number, each in enumerate((first, second)):
            moved(lab, each, f"192.168.88.{98 + number}")
        before, locked = texts(lab), shard_of(PINS, second)
        words = (*PIN, first, second, *(["--remove"] if removes else []))
        ran = await kubevouch(*words, code=3)
        assert texts(lab) != before
        await kubevouch(*undo(ran), "--yes", code=0)
        assert texts(lab) == before
        ran, locked = await kubevouch(*words, code=3), ""
        again = await kubevouch(*words, code=0)
        await kubevouch(*undo(again), "--yes", code=0)
        await kubevouch(*undo(ran), "--yes", code=0)
        assert texts(lab) == before


@pytest.mark.parametrize("words", [("--allow", "worker-1=192.168.88.20"), ("--remove",)])
async def test_what_somebody_pinned_since_the_question_is_not_overwritten(
    authority: Authority, kubevouch: Program, words: tuple[str, ...]
) -> None:
    theirs = '{"v":1,"names":["worker-1"],"addresses":["192.168.88.77"]}'
    looks: list[str] = []

    def another_pins(info: RequestInfo) -> tuple[bool, str]:
        if looks and (info.verb, info.resource) == ("list", "configmaps"):
            looks.pop()
            if not looks:
                lay(lab, OWN, theirs)
        return True, ""

    async with another_bench(kubevouch, authority, another_pins) as lab:
        lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
        await kubevouch(*PIN, "worker-1", code=0)
        # Pins, and pins again, right before the first write.
        looks += ["pins", "again"]
        ran = await kubevouch(*PIN, "worker-1", *words, code=4)
        assert "the pin of worker-1: has changed since it was shown" in ran.err
        assert texts(lab)[OWN] == {"worker-1": theirs}
        assert "UNDO" not in ran.out


async def test_pins_go_into_a_configmap_just_made(authority: Authority, kubevouch: Program) -> None:
    def one_is_quicker(info: RequestInfo) -> tuple[bool, str]:
        if (info.verb, info.resource) == ("create", "configmaps"):
            pins = {"metadata": {"name": OWN}, "data": {"other": "{}"}}
            lab.local.create(CONFIG_MAPS, pins, SPACE)
        return True, ""

    async with another_bench(kubevouch, authority, one_is_quicker) as lab:
        lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
        await kubevouch(*PIN, "worker-1", code=0)
        assert lab.local.get(CONFIG_MAPS, OWN, SPACE)["data"].keys() == {"other", "worker-1"}
