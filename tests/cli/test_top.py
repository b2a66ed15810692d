"""`top`: the rows, columns and values of real kubectl, and below them why what is missing is missing."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kubevouch_lab.apiserver.status import StatusError
from tests.cli.program import Program, Ran
from tests.support.kubectl import kubectl, tell_of_groups
from tests.support.scripted import faults
from tests.support.scripted.kinds import KINDS
from tests.support.scripted.kubelet import NO_CERTIFICATE, SILENCE
from tests.support.stage import DOMAIN, Stage

NODE_METRICS = KINDS["metrics.k8s.io", "v1beta1", "nodes"]
POD_METRICS = KINDS["metrics.k8s.io", "v1beta1", "pods"]
PODS = KINDS["", "v1", "pods"]
API_SERVICES = KINDS["apiregistration.k8s.io", "v1", "apiservices"]
MEASURED = ("cpu", "memory")


def put_pod(
    stage: Stage,
    namespace: str,
    name: str,
    used: Mapping[str, tuple[str, ...]],
    node: str = "k8s-worker-1",
    containers: Sequence[Mapping[str, Any]] = (),
) -> None:
    """A running pod; and, with anything used, its metrics: cpu and memory. containers: statuses."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}"}
    metadata |= {"labels": {"app": name.partition("-")[0]}}  # type: ignore[dict-item]
    stage.server.store.put(
        PODS,
        {
            "metadata": metadata,
            "spec": {"nodeName": node + DOMAIN, "containers": [{"name": c} for c in used]},
            "status": {"phase": "Running", "containerStatuses": list(containers)},
        },
    )
    if used:
        stage.server.store.put(
            POD_METRICS,
            {
                "metadata": metadata,
                "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "window": "15s",
                "containers": [
                    {"name": container, "usage": dict(zip(MEASURED, amounts, strict=False))}
                    for container, amounts in used.items()
                ],
            },
        )


NODES = KINDS["", "v1", "nodes"]


def sized(stage: Stage) -> None:
    """The recording leaves out how large the nodes are."""
    for node in stage.server.store.list(NODES):
        limits = {"cpu": "2", "memory": "32896616Ki"}
        node["status"] |= {"capacity": limits, "allocatable": {**limits, "cpu": "1900m"}}
        stage.server.store.put(NODES, node)


@pytest.fixture
def case() -> str:
    return "healthy"


@pytest.fixture
def kubeconfig(kubevouch: Program, stage: Stage) -> Path:
    tell_of_groups(stage.server)
    sized(stage)
    for pod in stage.server.store.list(PODS):
        stage.server.store.delete(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
    usage = {
        "": ("41607005n", "191772Ki"),
        "-1": ("1", "1Gi"),
        "-2": ("1n", "1"),
        "-3": ("250m", "3G"),
    }
    for tail, used in usage.items():
        name = f"k8s-worker{tail}{DOMAIN}" if tail else f"k8s-master{DOMAIN}"
        found = stage.server.store.get(NODE_METRICS, name)
        found["usage"] = dict(zip(MEASURED, used, strict=False))
        # metrics-server looks at the node's labels; this server at those of what it keeps.
        found["metadata"]["labels"] = stage.server.store.get(NODES, name)["metadata"]["labels"]
        stage.server.store.put(NODE_METRICS, found)
    put_pod(stage, "default", "web-1", {"b": ("1500u", "20Mi"), "a": ("156433217n", "1037608Ki")})
    put_pod(stage, "default", "db-0", {"db": ("2", "5Gi")}, node="k8s-worker-2")
    # Both are shown as 3m: the smaller one comes first, by its name.
    put_pod(stage, "default", "even-a", {"c": ("2100u", "2Mi")})
    put_pod(stage, "default", "even-b", {"c": ("2900u", "3Mi")})
    put_pod(stage, "kube-system", "a-rather-long-name-for-a-pod", {"c": ("0", "1k")})
    return Path(kubevouch.environment["KUBECONFIG"])


SAME = (
    "top nodes",
    "top nodes --sort-by=cpu",
    "top node --sort-by=memory --no-headers",
    "top nodes --show-capacity",
    "top nodes -l node-role.kubernetes.io/control-plane",
    "top no k8s-worker-2.internal.example.com",
    "top pods",
    "top po -A",
    "top pods -A --sort-by=cpu",
    "top pods -A --containers",
    "top pods --containers --sort-by=memory",
    "top pods --sum",
    "top pod -A --sum --containers",
    "top pods -n kube-system --no-headers",
    "top pods -l app=web",
    "top pods web-1 --containers",
    "top pods -A --containers --sum --no-headers",
    "top pods --field-selector spec.nodeName=k8s-worker-2.internal.example.com",
    "top pods -A --field-selector metadata.namespace!=default -l app=a",
    "top pods -A -l app=even --sort-by=cpu",
)


def cells(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()]


async def test_every_table_has_kubectls_columns_rows_and_values(
    kubevouch: Program, kubeconfig: Path
) -> None:
    ours = await kubevouch.several(*(line.split() for line in SAME))
    for line, ran in zip(SAME, ours, strict=True):
        theirs = await kubectl(kubeconfig, *line.split())
        assert theirs.code == 0, (line, theirs)
        assert (cells(ran.out), ran.err, ran.code) == (cells(theirs.out), theirs.err, 0), line


def of_v1(stage: Stage) -> faults.Play:
    """The usage as v1 has it: more, so that it is seen which was asked."""
    items = [
        {**each, "usage": {"cpu": "7", "memory": "1Gi"}}
        for each in stage.server.store.list(NODE_METRICS)
    ]
    body = {"kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1", "items": items}
    return faults.answer(200, json.dumps(body), Content_Type="application/json")


@pytest.mark.parametrize(
    ("v1", "cpu"),
    [(of_v1, 7000), (lambda _: faults.answer(404), 42), (lambda _: faults.answer(503, "away"), 42)],
    ids=["served", "not there", "not available"],
)
async def test_the_first_version_that_answers_is_shown(
    kubevouch: Program,
    stage: Stage,
    kubeconfig: Path,
    v1: Callable[[Stage], faults.Play],
    cpu: int,
) -> None:
    stage.server.faults.on("/apis/metrics.k8s.io/v1/nodes", v1(stage))
    document = _document(await kubevouch("top", "nodes", "-o", "json"), 0)
    assert document["nodes"][0]["cpuMillicores"] == cpu


async def test_labels_that_no_node_has_are_answered_with_a_word(
    kubevouch: Program, kubeconfig: Path
) -> None:
    for line in ("top nodes -l nobody=has-this", "top pods -n none"):
        ran = await kubevouch(*line.split())
        assert (ran.code, ran.out, ran.err) == (0, "", "No resources found.\n")


@pytest.mark.parametrize(("case", "code"), [("partial-metrics", 3), ("kubelet-down", 1)])
async def test_each_unknown_has_its_reason(
    kubevouch: Program, stage: Stage, case: str, code: int
) -> None:
    """Of the first case nothing is wrong that could be seen from here: that is said, and is no finding."""
    tell_of_groups(stage.server)
    sized(stage)
    theirs = await kubectl(Path(kubevouch.environment["KUBECONFIG"]), "top", "nodes")
    ours = await kubevouch("top", "nodes")
    table, _, reasons = ours.out.partition("\n\n")
    assert cells(table) == cells(theirs.out)
    unknown = [line.split()[0] for line in table.splitlines() if "<unknown>" in line]
    assert unknown
    assert ours.code == code
    assert ("could not tell" in reasons) is (code == 3)
    for node in unknown:
        assert node in reasons
    assert reasons.endswith("NEXT       kubevouch doctor\n")
    # No byte of a request has reached a kubelet.
    assert all(not kubelet.sent for kubelet in stage.kubelets.values())


@pytest.mark.parametrize("case", ["expired"])
async def test_without_a_metrics_api_every_node_has_its_reason(
    kubevouch: Program, stage: Stage, case: str
) -> None:
    ran = await kubevouch("top", "nodes", code=1)
    # In each stands the second in which it was seen, and the moment of an end which the nodes do not share.
    assert ran.out.count("<unknown>") - 4 * 4 == 1, ran
    assert "KV304" in ran.out
    assert "x509: certificate has expired or is not yet valid" in ran.told
    assert f"Z (example: k8s-master{DOMAIN}) [" in ran.told, "the date is no other node's"
    document = _document(await kubevouch("top", "nodes", "-o", "json"), 1)
    assert document["schemaVersion"] == "kubevouch.top/1"
    assert "service unavailable" in document["error"] or "503" in document["error"]
    for node in document["nodes"]:
        assert node["unknown"]["code"] == "KV304"
        assert (node["cpuMillicores"], node["memoryBytes"]) == (None, None)


async def test_json_has_exact_numbers(kubevouch: Program, kubeconfig: Path) -> None:
    document = _document(await kubevouch("top", "pods", "-A", "-o", "json"), 0)
    (web,) = [each for each in document["pods"] if each["name"] == "web-1"]
    stamp = web.pop("timestamp")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(stamp)) < timedelta(minutes=5)
    assert web == {
        "namespace": "default",
        "name": "web-1",
        "cpuMillicores": 158,
        "memoryBytes": 1037608 * 1024 + (20 << 20),
        "window": "15s",
    }
    document = _document(await kubevouch("top", "nodes", "-o", "json"), 0)
    assert document["nodes"][0]["cpuMillicores"] == 42
    assert document["nodes"][0]["window"] == "15s"


async def test_pods_of_a_node_without_numbers_are_told_with_it(
    kubevouch: Program, stage: Stage, kubeconfig: Path
) -> None:
    stage.server.store.delete(NODE_METRICS, f"k8s-worker-3{DOMAIN}")
    stage.kubelets["k8s-worker-3"].behaviour = NO_CERTIFICATE
    put_pod(stage, "default", "dark-1", {}, node="k8s-worker-3")
    put_pod(stage, "default", "dark-2", {}, node="k8s-worker-3")
    ran = await kubevouch("top", "pods", code=1)
    assert "dark" not in ran.out.partition("\n\n")[0]
    assert f"k8s-worker-3{DOMAIN} (2 pods): " in ran.out
    assert "remote error: tls: internal error" in ran.told


async def test_a_hanging_kubelet_is_waited_for_briefly(kubevouch: Program, stage: Stage) -> None:
    """The logs of metrics-server's pods that it runs are not to be had either: the API server asks it for them, and waits."""
    tell_of_groups(stage.server)
    sized(stage)
    stage.server.store.delete(NODE_METRICS, f"k8s-worker-3{DOMAIN}")
    stage.kubelets["k8s-worker-3"].behaviour = SILENCE
    for pod in stage.server.store.list(PODS):
        if (name := pod["metadata"]["name"]).startswith("metrics-server-"):
            log = f"/api/v1/namespaces/kube-system/pods/{name}/log"
            stage.server.faults.on(log, faults.silence())
    began = time.monotonic()
    ran = await kubevouch("top", "nodes", "--timeout", "1s", code=1)
    assert time.monotonic() - began < 10, "a log was waited for, for up to 30 s"
    why = "has not answered within 1 s: net/http: TLS handshake timeout [dialled from here]"
    assert f"KV202 k8s-worker-3{DOMAIN}: {why}" in ran.told


async def test_what_will_be_in_months_is_no_reason_for_numbers_that_are_missing_now(
    kubevouch: Program, stage: Stage, kubeconfig: Path
) -> None:
    """It said KV411 of each node, since that names them, and nothing of the APIService that is missing."""
    stage.server.store.delete(API_SERVICES, "v1beta1.metrics.k8s.io")
    for node in stage.server.store.list(NODES):
        stage.server.store.delete(NODE_METRICS, node["metadata"]["name"])
    ran = await kubevouch("top", "nodes")
    assert ("KV101" in ran.out, "KV411" in ran.out) == (True, False), ran


async def test_a_pod_without_a_sample_has_a_reason_of_its_own(
    kubevouch: Program, stage: Stage, kubeconfig: Path
) -> None:
    now = datetime.now(UTC)
    for name, state in {
        "young-1": {"running": {"startedAt": f"{now - timedelta(seconds=20):%Y-%m-%dT%H:%M:%SZ}"}},
        "idle-1": {"running": {"startedAt": f"{now - timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"}},
        "broken-1": {"waiting": {"reason": "CrashLoopBackOff"}},
    }.items():
        put_pod(stage, "late", name, {}, containers=[{"name": "c", "state": state}])
    ran = await kubevouch("top", "pods", "-n", "late", code=1)
    assert re.search(
        "late/young-1: container c has run for [0-9]+ seconds?: usage needs two", ran.told
    )
    assert "late/broken-1: container c is not running: CrashLoopBackOff" in ran.told
    assert "late/idle-1: could not tell" in ran.told
    # They are there: only what is missing is missing.
    assert "No resources found" not in ran.err
    document = _document(await kubevouch("top", "pods", "young-1", "-n", "late", "-o", "json"), 1)
    assert document["missing"][0]["unknown"]["known"] is True
    assert document["pods"] == []
    assert (await kubevouch("top", "pods", "idle-1", "-n", "late")).code == 3


async def test_numbers_of_long_ago_are_said_to_be_old(
    kubevouch: Program, kubeconfig: Path, stage: Stage
) -> None:
    """A kubelet whose clock or whose measuring stands still: kubectl shows them like all others."""
    for kind, name, namespace in (
        (NODE_METRICS, f"k8s-worker-1{DOMAIN}", ""),
        (POD_METRICS, "web-1", "default"),
    ):
        found = stage.server.store.get(kind, name, namespace)
        found["timestamp"] = f"{datetime.now(UTC) - timedelta(minutes=20):%Y-%m-%dT%H:%M:%SZ}"
        stage.server.store.put(kind, found)
    nodes, pods, other = await kubevouch.several(
        ("top", "nodes"), ("top", "pods"), ("top", "pods", "-n", "kube-system")
    )
    assert nodes.code == pods.code == 0
    assert "stale (over 5 minutes)" in nodes.err
    assert f"k8s-worker-1{DOMAIN}" in nodes.err
    assert "default/web-1" in pods.err
    assert "even-a" not in pods.err
    assert "stale" not in other.err


async def test_what_has_no_sense_is_an_error_of_the_command_line(
    kubevouch: Program, kubeconfig: Path
) -> None:
    for line in ("nodes a -l b", "pods a -A", "pods a -l b", "nodes none", "pods none", ""):
        await kubevouch("top", *line.split(), code=2)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("top nodes -l a:b", "/api/v1/nodes"),
        ("top pods -l a:b", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"),
        ("top pods --field-selector a=b", "/api/v1/namespaces/default/pods"),
    ],
)
async def test_a_choice_that_the_api_server_cannot_read_is_one_too(
    kubevouch: Program, kubeconfig: Path, stage: Stage, line: str, path: str
) -> None:
    why = "unable to parse requirement"
    stage.server.faults.on(path, faults.refuse(StatusError(400, "BadRequest", why)))
    ran = await kubevouch(*line.split())
    choice = line.rpartition(" ")[2]
    assert (ran.code, ran.out) == (2, "")
    assert f"{choice}: {why}" in ran.err


async def test_a_cluster_that_does_not_answer_is_not_an_unknown(
    kubevouch: Program, stage: Stage
) -> None:
    stage.server.faults.on("/api/v1/nodes", faults.answer(503, "down"))
    ran = await kubevouch("top", "nodes")
    assert (ran.code, ran.out) == (3, "")


def _document(ran: Ran, code: int) -> Any:
    assert ran.code == code, ran
    return json.loads(ran.out)


async def test_the_phase_of_a_pod_is_no_line_of_ours(kubevouch: Program, stage: Stage) -> None:
    """The API server takes any text for it, from whoever has the identity of the pod's node."""
    put_pod(stage, "shop", "cart-1", {})
    pod = stage.server.store.get(PODS, "cart-1", "shop")
    pod["status"]["phase"] = "Pending\nError: the cluster is lost"
    stage.server.store.put(PODS, pod)
    ran = await kubevouch("top", "pod", "cart-1", "-n", "shop")
    assert "shop/cart-1 is Pending\\nError: the cluster is lost" in ran.err.splitlines(), ran


@pytest.mark.parametrize("case", ["metrics-server-is-a-static-pod"])
async def test_an_unread_log_is_not_called_clean(kubevouch: Program, stage: Stage) -> None:
    tell_of_groups(stage.server)
    stage.server.store.delete(NODE_METRICS, f"k8s-worker-2{DOMAIN}")
    ran = await kubevouch("top", "nodes")
    assert "no metrics-server log was read" in ran.told, ran
    assert "shows no failure" not in ran.told
