"""What the approver writes down of nodes: those a rule admitted, those that are gone, those that were made again."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from kubevouch.policy.sources.stored import shard_of
from tests.approve.client_csrs import BOOTSTRAP, client_csr
from tests.approve.conftest import Cluster, HurriedClock, Running, approving
from tests.approve.recorded import is_gone, recorded
from tests.support.scripted.reviews import Attributes

RULE = (
    "sources: [inventory, pins, new-nodes]",
    "newNodes: [{names: 'w*', cidrs: [192.0.2.0/24], perHour: 2}]",
)


@contextlib.asynccontextmanager
async def w1_admitted(cluster: Cluster, **how: Any) -> AsyncIterator[Running]:
    """An approver that has admitted w1 by the rule."""
    cluster.node("w1", "192.0.2.1")
    cluster.configure(*RULE)
    async with approving(cluster, **how) as running:
        await cluster.approves("csr-1", "w1")
        yield running


async def test_a_new_node_is_admitted_by_the_rule_once_and_written_down_before_the_approval(
    cluster: Cluster,
) -> None:
    node = cluster.node("w1", "192.0.2.1")
    cluster.configure(*RULE)
    async with approving(cluster):
        await cluster.approves("csr-1", "w1")
        found = recorded(cluster)["w1"]
        assert found["admitted"]["addresses"] == ["192.0.2.1"]
        assert found["uid"] == node["metadata"]["uid"]
        methods = [(m, p.rpartition("/")[2]) for m, p in cluster.writes()]
        assert methods[-1] == ("PATCH", "approval")
        assert "configmaps" in next(p for m, p in cluster.writes() if m == "POST")
        # The next one is by the record, not by the rule.
        await cluster.approves("csr-2", "w1")
    message = cluster.conditions("csr-2")[0]["message"]
    assert "admitted by the rule for new nodes (w*) on" in message


async def test_the_rule_admits_no_more_than_it_says_however_many_come_at_once(
    cluster: Cluster,
) -> None:
    cluster.configure(*RULE)
    for number in range(1, 9):
        cluster.node(f"w{number}", f"192.0.2.{number}")
        cluster.csr(f"csr-{number}", f"w{number}")
    async with approving(cluster) as running:
        await cluster.until(lambda: running.log.count("TooManyNewNodes") >= 6)
    assert sum(cluster.approved(f"csr-{number}") for number in range(1, 9)) == 2
    assert sum("admitted" in each for each in recorded(cluster).values()) == 2


async def test_a_record_that_cannot_be_written_approves_nothing(cluster: Cluster) -> None:
    def no_config_maps(asked: Attributes) -> bool:
        return asked.resource != "configmaps" or asked.verb not in {"create", "patch"}

    cluster.node("w1", "192.0.2.1")
    cluster.configure(*RULE)
    cluster.server.authorize = no_config_maps
    async with approving(cluster) as running:
        cluster.csr("csr-1", "w1")
        await cluster.until(lambda: "Failed to write a record" in running.log)
        assert not cluster.conditions("csr-1")
        cluster.server.authorize = lambda _: True
        await cluster.until(lambda: cluster.approved("csr-1"))


async def test_a_record_of_a_newer_kubevouch_is_not_written_over(cluster: Cluster) -> None:
    """Nor is the node admitted: what the newer one knows of it cannot be read."""
    newer = json.dumps({"v": 99, "whatever": True})
    cluster.node("w1", "192.0.2.1")
    cluster.config_map(shard_of("kubevouch-recorded", "w1"), {"w1": newer})
    cluster.configure(*RULE)
    async with approving(cluster, clock=HurriedClock(10.0)) as running:
        await running.decides("csr-1", "w1")
        assert "SourceUnreadable" in running.log
        client_csr(cluster, "thief-client", "w1", *BOOTSTRAP)
        await asyncio.sleep(1.0)  # four flushes
    assert recorded(cluster)["w1"] == {"v": 99, "whatever": True}
    assert not cluster.conditions("csr-1")


async def test_an_admitted_address_is_free_as_soon_as_its_record_is_gone(
    cluster: Cluster,
) -> None:
    """The Node goes first, its record some seconds later: whoever waits for the address is looked at then, too."""
    async with w1_admitted(cluster, clock=HurriedClock(5.0)) as running:
        cluster.node("w2", "192.0.2.1")
        await running.decides("csr-2", "w2")
        assert "ForeignAddress" in running.log
        cluster.delete_node("w1")
        await cluster.until(lambda: cluster.approved("csr-2"))


async def test_what_went_while_nobody_watched_is_noticed_later(cluster: Cluster) -> None:
    async with w1_admitted(cluster):
        pass
    cluster.delete_node("w1")
    async with approving(cluster, identity="two"):
        await cluster.until(lambda: is_gone(cluster, "w1"))


async def test_a_node_that_is_made_again_is_a_new_one_for_the_rule(cluster: Cluster) -> None:
    async with w1_admitted(cluster):
        cluster.delete_node("w1")
        new = cluster.node("w1", "192.0.2.5")
        await cluster.approves("csr-2", "w1", "192.0.2.5")
        assert recorded(cluster)["w1"]["uid"] == new["metadata"]["uid"]
        assert recorded(cluster)["w1"]["admitted"]["addresses"] == ["192.0.2.5"]


async def test_a_node_that_was_made_again_while_nobody_watched_is_held(cluster: Cluster) -> None:
    """What was recorded of the former one contradicts it: an operator looks."""
    async with w1_admitted(cluster):
        pass
    cluster.delete_node("w1")
    cluster.node("w1", "192.0.2.5")
    async with approving(cluster, identity="two") as running:
        await running.decides("csr-2", "w1", "192.0.2.5")
        assert "PinOutdated" in running.log
    assert not cluster.conditions("csr-2")
