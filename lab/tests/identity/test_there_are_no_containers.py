"""What would need a container is refused at once, in the lab's own words; real kubectl asks."""

import asyncio

import pytest

from kubevouch_lab.apiserver.kinds import NODES, PODS
from lab.tests.bodies import pod
from lab.tests.plane import Plane

LAB = "this cluster is a kubevouch lab, which has no containers: "
AT_ONCE = 15.0
"""Seconds for kubectl to start and end on a busy machine; what would hang waits for a minute and more."""

REFUSED = {
    ("exec", "p", "--", "ls"): "kubectl exec and cp cannot run anything in a pod",
    ("cp", "p:/etc/hosts", "hosts"): "kubectl exec and cp cannot run anything in a pod",
    ("attach", "p"): "kubectl attach and run -it cannot attach to anything",
    ("port-forward", "p", ":80"): "kubectl port-forward cannot forward a pod's port",
    ("debug", "p", "--image=i"): "kubectl debug cannot add a container to a pod",
    ("debug", "p", "-it", "--image=i"): "kubectl debug cannot add a container to a pod",
    ("debug", "node/n1", "-it", "--image=i"): "kubectl -i (stdin) is not possible",
    ("run", "q", "-it", "--image=i", "--restart=Never"): "kubectl -i (stdin) is not possible",
}  # fmt: skip


@pytest.fixture
def running(running: Plane) -> Plane:
    running.admin.create(NODES, {"metadata": {"name": "n1"}})
    made = running.admin.create(PODS, pod(nodeName="n1"))
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    running.admin.update(PODS, {**made, "status": status}, "status")
    return running


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
async def test_it_says_that_there_are_none(running: Plane, words: tuple[str, ...]) -> None:
    async with asyncio.timeout(AT_ONCE):
        ran = await running.kubectl(*words)
    assert ran.code == 1, ran
    assert LAB + REFUSED[words] in ran.err
    assert "panic" not in ran.err
    assert [each["metadata"]["name"] for each in running.store.list(PODS)] == ["p"]


async def test_who_may_not_exec_is_told_that_and_no_more(running: Plane) -> None:
    running.knows("joe", running.authority.client("joe", "devs"))
    ran = await running.kubectl("exec", "p", "--", "ls", user="joe")
    assert 'pods "p" is forbidden: User "joe" cannot' in ran.err
    assert LAB not in ran.err


async def test_a_pod_that_is_not_there_is_not_found(running: Plane) -> None:
    ran = await running.kubectl("exec", "nobody", "--", "ls")
    assert 'pods "nobody" not found' in ran.err


async def test_a_pod_that_nobody_talks_to_is_made(running: Plane) -> None:
    assert await running.does("run", "q", "--image=i") == "pod/q created\n"
