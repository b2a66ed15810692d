"""Our metrics server in the place of the other one, asked by those who ask it elsewhere: two kubectls, and Python's client."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from .cluster import Cluster
from .in_place import SELECTOR, in_place, pods, wait_until_ready
from .one_moment import api_of
from .told import eventually, names

pytestmark = pytest.mark.long_on_the_bed

GROUP, VERSION, SPACE = "metrics.k8s.io", "v1beta1", "kube-system"
METRICS = f"/apis/{GROUP}/{VERSION}"
# Its types say that everything may be None.
client: Any = kubernetes.client
dynamic: Any = kubernetes.dynamic

Asking = Callable[[str], str]
"""A kubectl: what it says to a line of words."""

LINES = (
    "top nodes",
    "top nodes --sort-by=cpu",
    "top nodes --sort-by=memory --no-headers",
    "top nodes -l node-role.kubernetes.io/control-plane",
    "top pods -A",
    "top pods -A --containers",
    "top pods -A --sort-by=memory",
    f"top pods -n {SPACE} -l {SELECTOR} --containers",
    "get nodemetrics",
    "get nodemetrics --sort-by=.metadata.name -o name",
    "get podmetrics -A",
    f"get podmetrics -n {SPACE} -l {SELECTOR} -o custom-columns=A:.metadata.name,B:.containers[*].name",
    f"get podmetrics -n {SPACE} -l {SELECTOR} -o json",
    f"get --raw {METRICS}",
    f"get --raw {METRICS}/nodes",
    f"get --raw {METRICS}/pods",
)


@pytest.fixture(scope="module")
def served(cluster: Cluster, image_reference: str) -> Iterator[Cluster]:
    """One of ours, in the place of the cluster's own: replicas have samples of their own."""
    cluster.state("healthy")
    with in_place(cluster, image_reference, replicas=1):
        wait_until_ready(cluster, 1)
        own = ("get", "podmetrics", "-n", SPACE, "-l", SELECTOR, "-o", "name")
        eventually(lambda: cluster.kubectl(*own).stdout, "the usage of its own pod")
        yield cluster


def _kubectl(cluster: Cluster, program: Path, cache: Path) -> Asking:
    words = (str(program), f"--kubeconfig={cluster.kubeconfig}", f"--cache-dir={cache}")

    def ask(line: str) -> str:
        argv = [*words, *line.split()]
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, (line, ran.stdout, ran.stderr)
        return str(ran.stdout)

    return ask


@pytest.fixture(scope="module")
def newest(served: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Asking:
    """The newest that packages of PyPI give."""
    program = Path(sys.executable).with_name("kubectl")
    return _kubectl(served, program, tmp_path_factory.mktemp("newest"))


def _rows(asking: Asking, line: str) -> object:
    """What it says of usage, whatever titles and spaces it puts around it."""
    said = asking(line)
    if said.startswith("{"):
        return _lasting(json.loads(said))
    titled = line.startswith("top") and "--no-headers" not in line
    return [each.split() for each in said.splitlines()[titled:]]


def _lasting(found: dict[str, Any]) -> object:
    """Of objects what the next answer says again: they are created when they are asked for."""
    for each in found.get("items", ()):
        del each["metadata"]["creationTimestamp"]
    return found.get("items", found)


def _assert_alike(one: Asking, other: Asking) -> None:
    """Of the same samples: one says the same before and after the other."""
    for line in LINES:
        said: list[object] = []

        def same(line: str = line, said: list[object] = said) -> bool:
            said[:] = [_rows(one, line), _rows(other, line), _rows(one, line)]
            return said[0] == said[1] == said[2] and bool(said[0])

        try:
            eventually(same, f"the same rows of {line}")
        except AssertionError as error:
            error.add_note("\n".join(map(str, said)))
            raise


def test_the_clusters_own_kubectl_sees_what_the_newest_one_sees(
    served: Cluster, newest: Asking
) -> None:
    """On the bed that is 1.36."""
    _assert_alike(newest, lambda line: served.kubectl(*line.split(), seconds=120).stdout)


@pytest.fixture
def api(served: Cluster) -> Iterator[Any]:
    """The Kubernetes project's own client."""
    with api_of(served) as api:
        yield api


def test_pythons_client_reads_objects_lists_and_what_a_selector_chooses(
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


def test_pythons_client_reads_the_raw_page_and_finds_the_kinds_by_itself(
    served: Cluster, api: Any
) -> None:
    custom = client.CustomObjectsApi(api)
    raw = custom.list_cluster_custom_object(GROUP, VERSION, "nodes", _preload_content=False)
    assert (raw.status, raw.headers["Content-Type"]) == (200, "application/json")
    listed = json.loads(raw.data)["items"]
    assert sorted(each["metadata"]["name"] for each in listed) == names(served.nodes)
    found = dynamic.DynamicClient(api).resources.get(
        api_version=f"{GROUP}/{VERSION}", kind="NodeMetrics"
    )
    assert (found.name, found.namespaced) == ("nodes", False)
    assert sorted(each.metadata.name for each in found.get().items) == names(served.nodes)
