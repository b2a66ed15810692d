"""Two terminals run the same command: neither calls it a fault that the other one was quicker."""

from collections.abc import Callable
from pathlib import Path

from kubevouch.policy.sources.pinned import PINS
from kubevouch.policy.sources.stored import shard_of
from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, NAMESPACES
from kubevouch_lab.apiserver.request import RequestInfo
from lab.tests.apiserver.bench import Bench, bench
from tests.approver_install.conftest import fill
from tests.cli.program import Program
from tests.support.authority import Authority

IMAGE = "registry.example.com/kubevouch@sha256:" + "4f" * 32
INSTALL = ("approver", "install", "--image", IMAGE, "--new-nodes", "hold", "--yes", "--wait", "0s")
SPACE = "kubevouch-system"
SHARD = shard_of(PINS, "worker-1")


def one_is_quicker(
    verb: str, do: Callable[[], object]
) -> Callable[[RequestInfo], tuple[bool, str]]:
    """Does it once, right before a request of that verb about the pins of worker-1 is looked at."""
    left = [do]

    def authorize(info: RequestInfo) -> tuple[bool, str]:
        asked = (info.verb, info.resource, info.namespace) == (verb, "configmaps", SPACE)
        if asked and info.name in ("", SHARD) and left:
            left.pop()()
        return True, ""

    return authorize


def put_pins(lab: Bench) -> None:
    """A ConfigMap of pins, as the other terminal has just made it."""
    labels = {"kubevouch.dev/holds": "pins", "app.kubernetes.io/part-of": "kubevouch"}
    pins = {"metadata": {"name": SHARD, "labels": labels}, "data": {"other": "{}"}}
    lab.local.create(CONFIG_MAPS, pins, SPACE)


async def test_where_another_one_has_just_made_the_configmap_the_pins_go_into_it(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    quicker = one_is_quicker("create", lambda: put_pins(lab))
    async with bench(tmp_path, authority, authorize=quicker) as lab:
        fill(lab)
        lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        ran = await kubevouch("approver", "pin", "worker-1", "--yes")
        assert ran.code == 0, ran
        assert lab.local.get(CONFIG_MAPS, SHARD, SPACE)["data"].keys() == {"other", "worker-1"}


async def test_what_somebody_has_pinned_since_the_question_is_not_removed(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    """Nobody has agreed to remove it, and UNDO would put back the pin before it: with an address that was taken from the node, say."""
    theirs = '{"v":1,"names":["worker-1"],"addresses":["192.168.88.77"]}'
    looks: list[str] = []

    def another_pins(info: RequestInfo) -> tuple[bool, str]:
        if looks and (info.verb, info.resource, info.namespace) == ("list", "configmaps", SPACE):
            looks.pop()
            if not looks:
                lab.local.patch(CONFIG_MAPS, SHARD, {"data": {"worker-1": theirs}}, SPACE)
        return True, ""

    async with bench(tmp_path, authority, authorize=another_pins) as lab:
        fill(lab)
        lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        assert (await kubevouch("approver", "pin", "worker-1", "--yes")).code == 0
        looks += ["what is shown", "what is written over"]
        ran = await kubevouch("approver", "pin", "worker-1", "--remove", "--yes")
        assert lab.local.get(CONFIG_MAPS, SHARD, SPACE)["data"] == {"worker-1": theirs}
        assert (ran.code, "UNDO" in ran.out) == (4, False), ran
        assert "the pin of worker-1: has changed since it was shown" in ran.err


async def test_what_another_removal_has_just_deleted_is_gone(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    quicker = one_is_quicker("delete", lambda: lab.local.delete(CONFIG_MAPS, SHARD, SPACE))
    async with bench(tmp_path, authority, authorize=quicker) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        assert (await kubevouch(*INSTALL)).code == 4  # nothing runs pods here
        ran = await kubevouch("approver", "remove", "--pins", "--yes", "--wait", "5s")
        assert "It stopped" not in ran.err
        assert (ran.code, "objects are deleted." in ran.out) == (0, True), ran
