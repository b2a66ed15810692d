"""An operator who looks at a node sees why it has no metrics: one Event for each change, and not too many."""

from typing import Any

import pytest

from kubevouch.kube.io import events as event_sender
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch_lab.apiserver import status
from tests.metrics.conftest import NODE, Cluster
from tests.support.scripted import faults, kinds
from tests.support.scripted.kubelet import NO_CERTIFICATE

EVENT = kinds.KINDS["events.k8s.io", "v1", "events"]
PATH = "/apis/events.k8s.io/v1/namespaces/default/events"


def events(cluster: Cluster) -> list[dict[str, Any]]:
    return list(cluster.server.store.list(EVENT))


def words(cluster: Cluster) -> list[str]:
    return [each["reason"] for each in events(cluster)]


async def rounds(cluster: Cluster, number: int) -> None:
    for _ in range(number):
        await cluster.round()


async def test_a_node_that_is_not_read_has_one_event(cluster: Cluster) -> None:
    running = await cluster.add("n1", NO_CERTIFICATE)
    await cluster.add("n2")
    async with cluster.collecting(instance="metrics-server-7d9"):
        await rounds(cluster, 3)
        await cluster.heard.until(lambda: bool(events(cluster)))
        [event] = events(cluster)
        assert event["type"] == "Warning"
        assert (event["reason"], event["action"]) == ("KubeletNotRead", "Scrape")
        assert event["note"].startswith('alert: Get "https://127.0.0.1:')
        assert event["note"].endswith("remote error: tls: internal error")
        uid = cluster.server.store.get(NODE, "n1")["metadata"]["uid"]
        assert event["regarding"] == {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": uid}
        assert event["reportingInstance"] == "metrics-server-7d9"
        # It recovers: told when the last Event is a while ago, for it may not last.
        running.behaviour = cluster.serve("n1")
        await rounds(cluster, 2)
        assert cluster.heard.failure("n1") is None
        assert words(cluster) == ["KubeletNotRead"]
        await cluster.round(seconds=600)
        await cluster.heard.until(lambda: len(events(cluster)) == 2)
        assert words(cluster) == ["KubeletNotRead", "KubeletReadAgain"]
        await rounds(cluster, 2)
        assert len(events(cluster)) == 2


async def test_a_node_that_comes_and_goes_has_an_event_now_and_then(cluster: Cluster) -> None:
    running = await cluster.add("n1")
    good = running.behaviour
    async with cluster.collecting(instance="m"):
        for number in range(80):
            running.behaviour = good if number % 2 else NO_CERTIFICATE
            running.cut()
            await cluster.round()
        await cluster.heard.until(lambda: len(events(cluster)) >= 2)
        # In twenty minutes.
        assert len(events(cluster)) <= 3


async def test_a_node_that_is_not_ready_has_none(cluster: Cluster) -> None:
    await cluster.add("n1", NO_CERTIFICATE)

    def lost(thing: dict[str, Any]) -> dict[str, Any]:
        return {**thing, "status": {**thing["status"], "conditions": []}}

    cluster.change_node("n1", lost)
    async with cluster.collecting(instance="m"):
        await rounds(cluster, 3)
        assert events(cluster) == []


async def test_what_an_operator_signed_for_is_on_the_node_to_be_seen(cluster: Cluster) -> None:
    await cluster.add("n1", cluster.stranger("n1"))
    settings = ScrapeSettings(insecure_nodes=frozenset({"n1"}))
    async with cluster.collecting(settings=settings, instance="m"):
        await cluster.round()
        await cluster.heard.until(lambda: bool(events(cluster)))
    [event] = events(cluster)
    assert (event["reason"], event["type"]) == ("KubeletNotVerified", "Warning")
    assert "the token was given to it" in event["note"]
    assert "certificate signed by unknown authority" in event["note"]


async def test_who_may_not_create_events_is_refused_once(cluster: Cluster) -> None:
    """metrics-server's own rights: they do not hold Events."""
    why = (
        'User "system:serviceaccount:kube-system:metrics-server" cannot create resource "events" '
        'in API group "events.k8s.io" in the namespace "default"'
    )
    cluster.server.faults.on(
        PATH, faults.refuse(status.forbidden("events.k8s.io", "events", "", why))
    )
    for name in ("n1", "n2", "n3"):
        await cluster.add(name, NO_CERTIFICATE)
    async with cluster.collecting(instance="m"):
        await rounds(cluster, 2)
        await cluster.heard.until(lambda: bool(cluster.heard.no_events))
        await rounds(cluster, 2)
        assert [forbidden for _, forbidden in cluster.heard.no_events] == [True]
        assert cluster.heard.failure("n1") is not None
    assert sum(each.path == PATH for each in cluster.server.requests) == 1


_WEBHOOK = 'admission webhook "policy.example.com" denied the request: '
_AS_THE_AUTHORIZER = 'events.events.k8s.io is forbidden: User "u" cannot create resource "events"'
BY_ADMISSION = {
    "a webhook": status.StatusError(403, "Forbidden", f"{_WEBHOOK}no"),
    "a webhook that says what cannot be": status.StatusError(
        403, "Forbidden", f"{_WEBHOOK}an Event without the label team cannot be created here"
    ),
    "a webhook in the authorizer's words": status.StatusError(
        403, "Forbidden", f"{_WEBHOOK}{_AS_THE_AUTHORIZER}"
    ),
    "a plugin of the API server": status.forbidden(
        "events.k8s.io", "events", "n1.1", "one that is being terminated cannot have new content"
    ),
    "a policy": status.forbidden(
        "events.k8s.io",
        "events",
        "n1.1",
        "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: an Event cannot be so long",
    ),
    "nobody who says why": status.StatusError(403, "Forbidden", ""),
}
"""What apiserver answers then (pkg/admission/plugin/webhook/errors/statuserror.go, pkg/admission/errors.go)."""


@pytest.mark.parametrize("denied", BY_ADMISSION.values(), ids=list(BY_ADMISSION))
async def test_an_event_that_an_admission_rule_refuses_does_not_end_all_events(
    cluster: Cluster, denied: status.StatusError
) -> None:
    """That is a 403, too, but not about rights."""
    cluster.server.faults.on(PATH, faults.refuse(denied), times=1)
    await cluster.add("n1", NO_CERTIFICATE)
    async with cluster.collecting(instance="m"):
        await cluster.round()
        await cluster.heard.until(lambda: bool(cluster.heard.no_events))
        assert [forbidden for _, forbidden in cluster.heard.no_events] == [False]
        await cluster.round(seconds=600)
        await cluster.heard.until(lambda: words(cluster) == ["KubeletNotRead"])


async def test_when_all_nodes_fail_at_once_each_has_its_event_in_the_end(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than Events may wait."""
    monkeypatch.setattr(event_sender, "MOST_WAITING", 2)
    names = [f"n{number}" for number in range(5)]
    for name in names:
        await cluster.add(name, NO_CERTIFICATE)
    async with cluster.collecting(instance="m"):
        await rounds(cluster, 20)
        await cluster.heard.until(lambda: len(events(cluster)) == len(names))
    assert sorted(each["regarding"]["name"] for each in events(cluster)) == names


async def test_an_event_that_the_api_server_did_not_take_is_told_again_ten_minutes_later(
    cluster: Cluster,
) -> None:
    """Not at each scrape: that would be all nodes every 15 seconds, while the API server is in trouble anyway."""
    running = await cluster.add("n1", NO_CERTIFICATE)
    away = faults.refuse(status.StatusError(503, "ServiceUnavailable", "away"))

    def asked() -> int:
        return sum(each.path == PATH for each in cluster.server.requests)

    cluster.server.faults.on(PATH, away, times=1)
    async with cluster.collecting(instance="m"):
        await cluster.round()
        await cluster.heard.until(lambda: len(cluster.heard.no_events) == 1)
        await rounds(cluster, 10)
        assert (asked(), words(cluster)) == (1, [])
        await cluster.round(seconds=600)
        await cluster.heard.until(lambda: words(cluster) == ["KubeletNotRead"])
        # That it is read again is no less told, though that is how a node begins.
        cluster.server.faults.on(PATH, away, times=1)
        running.behaviour = cluster.serve("n1")
        await cluster.round(seconds=600)
        await cluster.heard.until(lambda: len(cluster.heard.no_events) == 2)
        await cluster.round(seconds=600)
        await cluster.heard.until(lambda: len(events(cluster)) == 2)
    assert words(cluster) == ["KubeletNotRead", "KubeletReadAgain"]


async def test_without_an_instance_there_are_none(cluster: Cluster) -> None:
    await cluster.add("n1", NO_CERTIFICATE)
    async with cluster.collecting():
        await rounds(cluster, 2)
    assert not any(each.path == PATH for each in cluster.server.requests)
