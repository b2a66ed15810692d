"""Before Kubernetes 1.35 a restarted kubelet takes probed pods for not ready: a plan says which Services have no endpoint then."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.readiness import (
    LoneService,
    LoneServices,
    forgets_readiness,
    readiness_notice,
)
from tests.support.scripted import faults
from tests.support.stage import kind_of

from .acting import MASTER, SECOND, SELF_SIGNED, WORKER, Acting, acting

OLD, NEW = "v1.34.4", "v1.35.0"
HTTP = {"httpGet": {"path": "/", "port": 8080}}
REFUSED = faults.answer(
    403,
    '{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,'
    '"message":"forbidden"}',
    Content_Type="application/json",
)


@pytest.mark.parametrize(
    ("version", "forgets"),
    [
        ("v1.34.4", True),
        ("v1.29.9+k3s1", True),
        ("v1.34.1-gke.100", True),
        ("v1.35.0", False),
        ("v1.100.0", False),
        ("v2.0.0", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_only_kubelets_before_1_35_forget_which_pods_were_ready(
    version: str, forgets: bool
) -> None:
    assert forgets_readiness(version) is forgets


def test_of_many_services_some_are_named_and_the_others_counted() -> None:
    found = tuple(LoneService(f"shop/{each}", "worker-1") for each in "abcdefghijk")
    said = readiness_notice([OLD, "v1.33.1", OLD], LoneServices(found))
    assert said.startswith("kubelet v1.33.1, v1.34.4: pods with a readiness or startup probe ")
    assert said.endswith("shop/h on worker-1 and 3 more")
    assert "11 Services have no ready endpoint then: shop/a on worker-1, " in said


@pytest.fixture
async def here() -> AsyncIterator[Acting]:
    """A cluster of old kubelets whose pods serve `shop`."""
    async with acting(SELF_SIGNED, "expired-worker") as cluster:
        for node in (WORKER, SECOND, MASTER):
            cluster.change("Node", node, _with_kubelet(OLD))
        yield cluster


def _with_kubelet(version: str) -> Any:
    def change(node: Any) -> Any:
        info = {**node["status"]["nodeInfo"], "kubeletVersion": version}
        return {**node, "status": {**node["status"], "nodeInfo": info}}

    return change


def serves(here: Acting, name: str, *pods: tuple[str, dict[str, Any]], ready: Any = True) -> None:
    """A Service of these pods, each with its node and what its only container has besides."""
    for at, (node, rest) in enumerate(pods):
        spec = {"nodeName": node, "containers": [{"name": "main", "image": "main", **rest}]}
        _put(here, "Pod", f"{name}-{at}", spec=spec)
    endpoints = [
        {
            "addresses": [f"10.1.2.{at}"],
            "nodeName": node,
            "conditions": {} if ready is None else {"ready": ready},
            "targetRef": {"kind": "Pod", "namespace": "shop", "name": f"{name}-{at}"},
        }
        for at, (node, _) in enumerate(pods)
    ]
    _sliced(here, name, endpoints)


def _sliced(here: Acting, name: str, endpoints: Sequence[Any], family: str = "v4") -> None:
    labels = {"kubernetes.io/service-name": name}
    _put(
        here, "EndpointSlice", f"{name}-{family}", metadata={"labels": labels}, endpoints=endpoints
    )


def _put(here: Acting, kind: str, name: str, **rest: Any) -> None:
    known = kind_of(kind)
    version = f"{known.group}/{known.version}" if known.group else known.version
    metadata = {"name": name, "namespace": "shop", "uid": name, **rest.pop("metadata", {})}
    thing = {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}
    here.stage.server.store.create(known, thing)


def said_of(plan: Plan) -> list[str]:
    """What it says of readiness, without the part that is always the same."""
    found = [each for each in plan.notices if "readiness" in each]
    return [each.partition("not from 1.35 on). ")[2] for each in found]


async def test_a_service_whose_endpoints_are_all_probed_pods_of_one_node_is_named(
    here: Acting,
) -> None:
    serves(here, "single", (WORKER, {"readinessProbe": HTTP}))
    serves(here, "twins", (SECOND, {"readinessProbe": HTTP}), (SECOND, {"startupProbe": HTTP}))
    serves(here, "unknown", (MASTER, {"readinessProbe": HTTP}), ready=None)
    [said] = said_of(await here.plan())
    assert said == (
        f"3 Services have no ready endpoint then: shop/single on {WORKER}, shop/twins on {SECOND}, shop/unknown on {MASTER}"
    )
    [said] = said_of(await here.plan(WORKER))
    assert said == f"1 Service has no ready endpoint then: shop/single on {WORKER}"


async def test_a_service_that_keeps_an_endpoint_is_not_named(here: Acting) -> None:
    serves(here, "spread", (WORKER, {"readinessProbe": HTTP}), (SECOND, {"readinessProbe": HTTP}))
    serves(here, "unprobed", (WORKER, {"readinessProbe": HTTP}), (WORKER, {"livenessProbe": HTTP}))
    serves(here, "down", (WORKER, {"readinessProbe": HTTP}), ready=False)
    serves(here, "helped", (WORKER, {"readinessProbe": HTTP}))
    _sliced(here, "helped", [{"addresses": ["192.0.2.7"]}], "by-hand")
    [said] = said_of(await here.plan())
    assert said == "No Service has all of its ready endpoints on one of these nodes"


async def test_a_service_of_two_families_is_named_once(here: Acting) -> None:
    serves(here, "dual", (WORKER, {"readinessProbe": HTTP}))
    target = {"kind": "Pod", "namespace": "shop", "name": "dual-0"}
    _sliced(
        here, "dual", [{"addresses": ["fd00::1"], "nodeName": WORKER, "targetRef": target}], "v6"
    )
    [said] = said_of(await here.plan())
    assert said == f"1 Service has no ready endpoint then: shop/dual on {WORKER}"


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/apis/discovery.k8s.io/v1/endpointslices", "endpointslices.discovery.k8s.io"),
        ("/api/v1/namespaces/shop/pods", "pods"),
    ],
)
async def test_what_may_not_be_read_is_said(here: Acting, path: str, what: str) -> None:
    serves(here, "single", (WORKER, {"readinessProbe": HTTP}))
    here.stage.server.faults.on(path, REFUSED)
    [said] = said_of(await here.plan())
    assert said == f"Which Services have no other endpoint is not known: not allowed to list {what}"


async def test_kubelets_that_remember_it_have_no_service_read(here: Acting) -> None:
    for node in (WORKER, SECOND, MASTER):
        here.change("Node", node, _with_kubelet(NEW))
    serves(here, "single", (WORKER, {"readinessProbe": HTTP}))
    here.stage.server.faults.on("/apis/discovery.k8s.io/v1/endpointslices", REFUSED)
    assert said_of(await here.plan()) == []
