"""Our metrics server in the place of the other one, asked by those who ask it elsewhere: Python's client."""

import json
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest

from .cluster import Cluster
from .in_place import SELECTOR, in_place, pods, wait_until_ready
from .told import eventually, names

pytestmark = pytest.mark.long_on_the_bed

GROUP, VERSION, SPACE = "metrics.k8s.io", "v1beta1", "kube-system"
# Its types say that everything may be None.
client: Any = kubernetes.client
config: Any = kubernetes.config
dynamic: Any = kubernetes.dynamic


@pytest.fixture(scope="module")
def served(cluster: Cluster, image_reference: str) -> Iterator[Cluster]:
    """One of ours, in the place of the cluster's own: replicas have samples of their own."""
    cluster.state("healthy")
    with in_place(cluster, image_reference, replicas=1):
        wait_until_ready(cluster, 1)
        own = ("get", "podmetrics", "-n", SPACE, "-l", SELECTOR, "-o", "name")
        eventually(lambda: cluster.kubectl(*own).stdout, "the usage of its own pod")
        yield cluster


@pytest.fixture
def api(served: Cluster) -> Iterator[Any]:
    """The Kubernetes project's own client, as the administrator."""
    made = client.Configuration()
    words = {"client_configuration": made, "persist_config": False}
    config.load_kube_config(str(served.kubeconfig), **words)
    with client.ApiClient(made) as api:
        yield api


def test_pythons_client_reads_objects_lists_pages_and_finds_the_kinds_by_itself(
    served: Cluster, api: Any
) -> None:
    custom, node = client.CustomObjectsApi(api), served.workers[0].name
    listed = custom.list_cluster_custom_object(GROUP, VERSION, "nodes")
    assert (listed["kind"], listed["apiVersion"]) == ("NodeMetricsList", f"{GROUP}/{VERSION}")
    assert sorted(each["metadata"]["name"] for each in listed["items"]) == names(served.nodes)
    one = custom.get_cluster_custom_object(GROUP, VERSION, "nodes", node)
    assert one["metadata"]["name"] == node
    assert set(one["usage"]) >= {"cpu", "memory"}
    chosen = custom.list_cluster_custom_object(
        GROUP, VERSION, "nodes", label_selector="node-role.kubernetes.io/control-plane"
    )
    assert [each["metadata"]["name"] for each in chosen["items"]] == [served.master.name]
    own = custom.list_namespaced_custom_object(
        GROUP, VERSION, SPACE, "pods", label_selector=SELECTOR
    )
    ours = pods(served)
    assert sorted(each["metadata"]["name"] for each in own["items"]) == [p.name for p in ours]
    pod = custom.get_namespaced_custom_object(GROUP, VERSION, SPACE, "pods", ours[0].name)
    assert [each["name"] for each in pod["containers"]] == ["metrics-server"]
    with pytest.raises(client.ApiException) as caught:
        custom.get_cluster_custom_object(GROUP, VERSION, "nodes", "nowhere")
    assert (caught.value.status, json.loads(caught.value.body)["reason"]) == (404, "NotFound")
    raw = custom.list_cluster_custom_object(GROUP, VERSION, "nodes", _preload_content=False)
    assert (raw.status, raw.headers["Content-Type"]) == (200, "application/json")
    assert len(json.loads(raw.data)["items"]) == len(served.nodes)
    found = dynamic.DynamicClient(api).resources.get(
        api_version=f"{GROUP}/{VERSION}", kind="NodeMetrics"
    )
    assert (found.name, found.namespaced) == ("nodes", False)
    assert sorted(each.metadata.name for each in found.get().items) == names(served.nodes)
