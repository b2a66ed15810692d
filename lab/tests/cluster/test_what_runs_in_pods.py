"""The approver's pods: a process for each, which is what the pod says, fails as one, and ends with the pod."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubevouch_lab.apiserver.kinds import CSRS, DEPLOYMENTS, LEASES, PODS, kind_of
from kubevouch_lab.cluster.control_plane import AUDIT_LOG
from kubevouch_lab.cluster.lab import Lab
from kubevouch_lab.objects import name_of, status_of, uid_of
from lab.tests.cluster.conftest import lab_in
from lab.tests.plane import until
from tests.support.manifests import objects

SPACE, NAME = "kubevouch-system", "kubevouch-approver"
MANIFESTS = ("00-*.yaml", "10-*.yaml", "20-*.yaml", "50-*.yaml")


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """With the manifests of the approver, as they are shipped; but one that hangs is seen in seconds."""
    async with lab_in(tmp_path, "pending", nodes=2) as running:
        for each in objects(*MANIFESTS):
            kind = kind_of(each["apiVersion"], each["kind"])
            assert kind is not None
            if kind is DEPLOYMENTS:
                (approver,) = each["spec"]["template"]["spec"]["containers"]
                approver["readinessProbe"] |= {"periodSeconds": 1, "timeoutSeconds": 2}
            running.control_plane.client.create(kind, each)
        await until(lambda: len(pods(running)) == 1)
        yield running
    assert list(processes(running)) == []


def processes(lab: Lab) -> Iterator[int]:
    """Process ids of its approvers, by the addresses of its pods."""
    ours = f"--bind-address=127.{lab.site.block}."
    for each in Path("/proc").iterdir():
        try:
            words = (each / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "kubevouch.cli.container" in words and words[-2].startswith(ours):
            yield int(each.name)


def pods(lab: Lab) -> list[dict[str, Any]]:
    return lab.control_plane.client.list(PODS, SPACE)


def container(lab: Lab) -> dict[str, Any]:
    (pod,) = pods(lab)
    found: dict[str, Any] = (status_of(pod).get("containerStatuses") or [{}])[0]
    return found


def ready(lab: Lab, restarts: int = 0) -> Callable[[], bool]:
    return lambda: container(lab).get("ready", False) and container(lab)["restartCount"] == restarts


def printed(lab: Lab, pod: dict[str, Any]) -> str:
    return "".join(line.text for line in lab.servers.log(uid_of(pod)))


def holder(lab: Lab) -> str:
    found = lab.control_plane.store.find(LEASES, NAME, SPACE)
    return str(found["spec"].get("holderIdentity", "")) if found else ""


async def test_a_pod_of_the_approver_is_the_products_own(lab: Lab) -> None:
    """Nobody has pinned a node, so that it holds what waits; and says so as that pod."""
    (pod,) = pods(lab)
    await until(ready(lab))
    await until(lambda: holder(lab).startswith(f"{name_of(pod)}_"))
    await until(lambda: '"msg":"Held"' in printed(lab, pod))
    assert '"msg":"Serving securely on 127.' in printed(lab, pod)
    assert not any(status_of(csr).get("conditions") for csr in lab.control_plane.client.list(CSRS))
    log = lab.folder.node(lab.site.hosts[0].name) / AUDIT_LOG.lstrip("/")
    users = [msgspec.json.decode(line)["user"] for line in log.read_bytes().splitlines()]
    key = "authentication.kubernetes.io/pod-name"
    pods_of = {(u["username"], *u["extra"][key]) for u in users if key in u.get("extra", {})}
    assert (f"system:serviceaccount:{SPACE}:{NAME}", name_of(pod)) in pods_of


async def test_a_pod_whose_process_is_killed_starts_again_as_the_same_pod(lab: Lab) -> None:
    await until(ready(lab))
    before = uid_of(pods(lab)[0])
    (process,) = processes(lab)
    os.kill(process, signal.SIGKILL)
    await until(ready(lab, restarts=1))
    assert uid_of(pods(lab)[0]) == before
    (process,) = processes(lab)
    os.kill(process, signal.SIGKILL)
    await until(lambda: "CrashLoopBackOff" in str(container(lab).get("state")))
    await until(ready(lab, restarts=2))


async def test_a_pod_that_does_not_answer_is_not_ready(lab: Lab) -> None:
    await until(ready(lab))
    (process,) = processes(lab)
    os.kill(process, signal.SIGSTOP)
    await until(lambda: not container(lab)["ready"])
    os.kill(process, signal.SIGCONT)
    await until(ready(lab))


async def test_a_pods_address_is_not_given_again_before_its_process_has_ended(
    lab: Lab,
) -> None:
    """A stopped process is there until it is killed, long after its pod has gone."""
    await until(ready(lab))
    (former,) = pods(lab)
    (process,) = processes(lab)
    os.kill(process, signal.SIGSTOP)
    lab.control_plane.client.patch(DEPLOYMENTS, NAME, {"spec": {"replicas": 0}}, SPACE)
    await until(lambda: pods(lab) == [])
    # The same node, and so the same network.
    place = {"kubernetes.io/hostname": former["spec"]["nodeName"]}
    spec = {"replicas": 1, "template": {"spec": {"nodeSelector": place}}}
    lab.control_plane.client.patch(DEPLOYMENTS, NAME, {"spec": spec}, SPACE)
    await until(lambda: len(pods(lab)) == 1)
    await until(ready(lab))
    (pod,) = pods(lab)
    assert status_of(pod)["podIP"] != status_of(former)["podIP"]


async def test_a_pod_with_words_that_the_program_refuses_says_so_and_is_not_ready(lab: Lab) -> None:
    words = ["approver", "run", "--no-such-flag"]
    client = lab.control_plane.client
    template = client.get(DEPLOYMENTS, NAME, SPACE)["spec"]["template"]
    template["spec"]["containers"][0]["args"] = words
    client.patch(DEPLOYMENTS, NAME, {"spec": {"template": template}}, SPACE)

    def refused() -> bool:
        return any("no such option" in printed(lab, pod) for pod in pods(lab))

    await until(refused)
    await until(lambda: "CrashLoopBackOff" in str([status_of(pod) for pod in pods(lab)]))
    assert not status_of(client.get(DEPLOYMENTS, NAME, SPACE)).get("readyReplicas")
