"""The Kubernetes project's own Python client is a judge beside kubectl."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, NODES
from lab.tests.apiserver.bench import PATIENT, Bench
from tests.support.official_client import client, config, watch

T = TypeVar("T")


@pytest.fixture
def api(lab: Bench) -> Iterator[Any]:
    configuration = client.Configuration()
    config.load_kube_config(
        str(lab.folder / "kubeconfig"), client_configuration=configuration, persist_config=False
    )
    with client.ApiClient(configuration) as made:
        yield made


async def _does(call: Callable[[], T]) -> T:
    async with asyncio.timeout(PATIENT):
        return await asyncio.to_thread(call)


async def test_it_creates_reads_replaces_patches_and_deletes(lab: Bench, api: Any) -> None:
    def work() -> None:
        core = client.CoreV1Api(api)
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="a"), data={"k": "1"})
        made = core.create_namespaced_config_map("default", body)
        assert made.metadata.uid
        made.data = {"k": "2"}
        replaced = core.replace_namespaced_config_map("a", "default", made)
        assert int(replaced.metadata.resource_version) > int(made.metadata.resource_version)
        with pytest.raises(client.ApiException) as caught:
            core.replace_namespaced_config_map("a", "default", made)
        assert (caught.value.status, caught.value.reason) == (409, "Conflict")
        patched = core.patch_namespaced_config_map("a", "default", {"data": {"l": "3"}})
        assert patched.data == {"k": "2", "l": "3"}
        assert core.delete_namespaced_config_map("a", "default")["status"] == "Success"
        with pytest.raises(client.ApiException) as caught:
            core.read_namespaced_config_map("a", "default")
        assert caught.value.status == 404

    await _does(work)


async def test_it_makes_a_deployment_and_scales_it(lab: Bench, api: Any) -> None:
    def work() -> None:
        apps = client.AppsV1Api(api)
        labels = {"app": "a"}
        container = client.V1Container(name="c", image="i")
        template = client.V1PodTemplateSpec(
            metadata=client.V1ObjectMeta(labels=labels),
            spec=client.V1PodSpec(containers=[container]),
        )
        spec = client.V1DeploymentSpec(
            selector=client.V1LabelSelector(match_labels=labels), template=template
        )
        body = client.V1Deployment(metadata=client.V1ObjectMeta(name="d"), spec=spec)
        made = apps.create_namespaced_deployment("default", body)
        assert (made.spec.replicas, made.spec.strategy.type) == (1, "RollingUpdate")
        scale = apps.patch_namespaced_deployment_scale("d", "default", {"spec": {"replicas": 3}})
        assert scale.spec.replicas == 3
        assert apps.read_namespaced_deployment("d", "default").metadata.generation == 2

    await _does(work)


async def test_it_pages_and_selects(lab: Bench, api: Any) -> None:
    for number in range(7):
        labels = {"odd": str(number % 2)}
        body = {"metadata": {"name": f"c{number}", "labels": labels}}
        lab.local.create(CONFIG_MAPS, body, "default")

    def work() -> None:
        core = client.CoreV1Api(api)
        page = core.list_namespaced_config_map("default", limit=3)
        names = [each.metadata.name for each in page.items]
        while page.metadata._continue:
            page = core.list_namespaced_config_map(
                "default", limit=3, _continue=page.metadata._continue
            )
            names += [each.metadata.name for each in page.items]
        assert names == [f"c{number}" for number in range(7)]
        odd = core.list_config_map_for_all_namespaces(label_selector="odd=1")
        assert [each.metadata.name for each in odd.items] == ["c1", "c3", "c5"]

    await _does(work)


async def test_it_watches_and_begins_anew_when_told_to(lab: Bench, api: Any) -> None:
    lab.local.create(NODES, {"metadata": {"name": "n0"}})
    since = str(lab.store.revision)
    seen: list[tuple[str, str]] = []

    def work() -> None:
        core, watcher = client.CoreV1Api(api), watch.Watch()
        for event in watcher.stream(core.list_node, resource_version=since, timeout_seconds=30):
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 3:
                watcher.stop()

    working = asyncio.create_task(_does(work))
    lab.local.create(NODES, {"metadata": {"name": "n1"}})
    lab.local.patch(NODES, "n1", {"metadata": {"labels": {"a": "b"}}})
    lab.local.delete(NODES, "n0")
    await working
    assert seen == [("ADDED", "n1"), ("MODIFIED", "n1"), ("DELETED", "n0")]
    lab.store.compact()

    def too_old() -> int:
        with pytest.raises(client.ApiException) as caught:
            for _ in watch.Watch().stream(
                client.CoreV1Api(api).list_node, resource_version=since, timeout_seconds=30
            ):
                pass
        code: int = caught.value.status
        return code

    assert await _does(too_old) == 410


async def test_it_renews_a_lease(lab: Bench, api: Any) -> None:
    def work() -> None:
        coordination = client.CoordinationV1Api(api)
        spec = client.V1LeaseSpec(holder_identity="a", lease_duration_seconds=15)
        body = client.V1Lease(metadata=client.V1ObjectMeta(name="l"), spec=spec)
        lease = coordination.create_namespaced_lease("default", body)
        lease.spec.holder_identity = "b"
        assert (
            coordination.replace_namespaced_lease("l", "default", lease).spec.holder_identity == "b"
        )
        with pytest.raises(client.ApiException) as caught:
            coordination.replace_namespaced_lease("l", "default", lease)
        assert caught.value.status == 409

    await _does(work)
