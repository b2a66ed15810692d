"""`top`: byte for byte what real kubectl prints, and below it why what is missing is missing."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Program, Ran
from tests.support.kubectl import kubectl, tell_of_groups
from tests.support.scripted import faults
from tests.support.scripted.kinds import KINDS
from tests.support.stage import DOMAIN, Stage

NODE_METRICS = KINDS["metrics.k8s.io", "v1beta1", "nodes"]
POD_METRICS = KINDS["metrics.k8s.io", "v1beta1", "pods"]
PODS = KINDS["", "v1", "pods"]


def put_pod(
    stage: Stage,
    namespace: str,
    name: str,
    used: Mapping[str, tuple[str, str]],
    node: str = "k8s-worker-1",
) -> None:
    """A running pod; and, with anything used, its metrics."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}"}
    metadata |= {"labels": {"app": name.partition("-")[0]}}  # type: ignore[dict-item]
    stage.server.store.put(
        PODS,
        {
            "metadata": metadata,
            "spec": {"nodeName": node + DOMAIN, "containers": [{"name": c} for c in used]},
            "status": {"phase": "Running"},
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
                    {"name": container, "usage": {"cpu": cpu, "memory": memory}}
                    for container, (cpu, memory) in used.items()
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
    for tail, (cpu, memory) in usage.items():
        name = f"k8s-worker{tail}{DOMAIN}" if tail else f"k8s-master{DOMAIN}"
        found = stage.server.store.get(NODE_METRICS, name)
        found["usage"] = {"cpu": cpu, "memory": memory}
        # metrics-server looks at the node's labels; this server at those of what it keeps.
        found["metadata"]["labels"] = stage.server.store.get(NODES, name)["metadata"]["labels"]
        stage.server.store.put(NODE_METRICS, found)
    put_pod(stage, "default", "web-1", {"b": ("1500u", "20Mi"), "a": ("156433217n", "1037608Ki")})
    put_pod(stage, "default", "db-0", {"db": ("2", "5Gi")})
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
)


async def test_every_table_is_kubectls_own(kubevouch: Program, kubeconfig: Path) -> None:
    ours = await kubevouch.several(*(line.split() for line in SAME))
    for line, ran in zip(SAME, ours, strict=True):
        theirs = await kubectl(kubeconfig, *line.split())
        assert theirs.code == 0, (line, theirs)
        assert (ran.out, ran.err, ran.code) == (theirs.out, theirs.err, 0), line


async def test_no_pods_is_said_as_kubectl_says_it(kubevouch: Program, kubeconfig: Path) -> None:
    line = ("top", "pods", "-n", "none")
    theirs, ours = await kubectl(kubeconfig, *line), await kubevouch(*line)
    assert (ours.out, ours.err, ours.code) == (theirs.out, theirs.err, theirs.code)


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
    assert table + "\n" == theirs.out
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
    ran = await kubevouch("top", "nodes")
    assert ran.code == 1
    assert ran.out.count("<unknown>") == 4 * 4 + 2, ran
    assert "KV304" in ran.out
    assert "x509: certificate has expired or is not yet valid" in " ".join(ran.out.split())
    document = _document(await kubevouch("top", "nodes", "-o", "json"), 1)
    assert document["schemaVersion"] == "kubevouch.top/1"
    assert "service unavailable" in document["error"] or "503" in document["error"]
    for node in document["nodes"]:
        assert node["unknown"]["code"] == "KV304"
        assert (node["cpuMillicores"], node["memoryBytes"]) == (None, None)


async def test_json_has_exact_numbers(kubevouch: Program, kubeconfig: Path) -> None:
    document = _document(await kubevouch("top", "pods", "-A", "-o", "json"), 0)
    assert document["pods"][1] == {
        "namespace": "default",
        "name": "web-1",
        "cpuMillicores": 158,
        "memoryBytes": 1037608 * 1024 + (20 << 20),
    }
    document = _document(await kubevouch("top", "nodes", "-o", "json"), 0)
    assert document["nodes"][0]["cpuMillicores"] == 42
    assert document["nodes"][0]["window"] == "15s"


async def test_pods_of_a_node_without_numbers_are_told_with_it(
    kubevouch: Program, stage: Stage, kubeconfig: Path
) -> None:
    stage.server.store.delete(NODE_METRICS, f"k8s-worker-3{DOMAIN}")
    stage.kubelets["k8s-worker-3"].behaviour = _dark()
    put_pod(stage, "default", "dark-1", {}, node="k8s-worker-3")
    put_pod(stage, "default", "dark-2", {}, node="k8s-worker-3")
    ran = await kubevouch("top", "pods")
    assert ran.code == 1
    assert "dark" not in ran.out.partition("\n\n")[0]
    assert f"k8s-worker-3{DOMAIN} (2 pods): " in ran.out
    assert "remote error: tls: internal error" in " ".join(ran.out.split())


async def test_what_has_no_sense_is_an_error_of_the_command_line(
    kubevouch: Program, kubeconfig: Path
) -> None:
    codes = {
        "top nodes a -l b": 2,
        "top pods a -A": 2,
        "top pods a -l b": 2,
        "top nodes none": 2,
        "top pods none": 2,
        "top": 2,
    }
    ran = await kubevouch.several(*(line.split() for line in codes))
    assert {line: each.code for line, each in zip(codes, ran, strict=True)} == codes


async def test_a_cluster_that_does_not_answer_is_not_an_unknown(
    kubevouch: Program, stage: Stage
) -> None:
    stage.server.faults.on("/api/v1/nodes", faults.answer(503, "down"))
    ran = await kubevouch("top", "nodes")
    assert (ran.code, ran.out) == (3, "")


def _dark() -> Any:
    from tests.support.scripted.kubelet import NO_CERTIFICATE

    return NO_CERTIFICATE


def _document(ran: Ran, code: int) -> Any:
    assert ran.code == code, ran
    return json.loads(ran.out)
