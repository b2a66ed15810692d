"""The transport by pod: a scripted API server, and a kubelet that runs what the containers would run, as processes here."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from kubevouch.kube.io.client import ApiClient
from kubevouch.node.errors import AnswerLost, NodeError, NodeUnreachable, ScriptFailed
from kubevouch.node.messages import SCRIPT_LIMIT
from kubevouch.node.script import DialAddress, Script
from kubevouch.rollout.act import pod_transport
from kubevouch.rollout.act.pod_transport import PodTransport, prepare_pods
from kubevouch.rollout.decide.plan import PodPlace
from kubevouch.rollout.decide.pod import NAME
from kubevouch.rollout.errors import StoppedBefore
from kubevouch.system_clock import SystemClock
from kubevouch_lab.apiserver.status import StatusError
from tests.node.conftest import Said, saying, script
from tests.support.apiservers import PATIENT, access_to
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.scripted import faults
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.kinds import PODS
from tests.support.tasks import meanwhile
from tests.support.unhurried import until

PLACE = PodPlace("kube-system", "registry.example.com/kubevouch@sha256:" + "ab" * 32)
SPACE = f"/api/v1/namespaces/{PLACE.namespace}/pods"
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("sh") is None, reason="a pod's container is root's"
)


HELLO = saying("hello of $(id -u)")
LONG, TOO_LONG = (
    saying(rf"$(head -c {size} /dev/urandom | base64 | tr -d '\n')") for size in (8000, 12000)
)


@dataclass
class OneKubelet:
    """Runs the pods that are bound to `node`, and does what a test says of each status before it posts it."""

    server: ScriptedApiServer
    folder: Path
    node: str = "node-1"
    seen: list[dict[str, Any]] = field(default_factory=list)
    """Every pod that it has begun with, as it was created."""

    instead: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None
    """The status that it posts in place of running the pod; None: it says nothing of it."""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as running:
            await self._run(running)

    async def _run(self, running: asyncio.TaskGroup) -> None:
        while True:
            for pod in self.server.store.list(PODS, PLACE.namespace):
                uid = pod["metadata"]["uid"]
                bound = pod["spec"].get("nodeName") == self.node
                if bound and uid not in {each["metadata"]["uid"] for each in self.seen}:
                    self.seen.append(pod)
                    running.create_task(self._pod(pod))
            await asyncio.sleep(0.02)

    async def _pod(self, pod: dict[str, Any]) -> None:
        if self.instead is not None:
            status = self.instead(pod)
            if status is not None:
                self.post(pod, status)
            return
        shares = self.folder / pod["metadata"]["uid"]
        shares.mkdir()
        (first,) = pod["spec"]["initContainers"]
        running = [{"name": first["name"], "state": {"running": {}}}]
        self.post(pod, {"phase": "Pending", "initContainerStatuses": running})
        ended = [await self._container(first, shares)]
        self.post(pod, {"phase": "Pending", "initContainerStatuses": ended})
        rest = [await self._container(each, shares) for each in pod["spec"]["containers"]]
        status = {"phase": "Succeeded", "initContainerStatuses": ended, "containerStatuses": rest}
        self.post(pod, status)

    async def _container(self, container: dict[str, Any], shares: Path) -> dict[str, Any]:
        message = shares / f"{container['name']}.message"
        words = [
            each.replace("/dev/termination-log", str(message)).replace("/answer/", f"{shares}/")
            for each in container["command"]
        ]
        assert words[0] == "python"
        if words[3] == "run":
            assert words[4] == "1"
            words[4] = str(os.getpid())
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *words[1:],
            env={
                **os.environ,
                **{each["name"]: each["value"] for each in container.get("env", ())},
            },
        )
        try:
            code = await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        text = message.read_text()[:4096] if message.exists() else ""
        ended = {"exitCode": code, "reason": "Completed", "message": text}
        return {"name": container["name"], "state": {"terminated": ended}}

    def post(self, pod: dict[str, Any], status: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        with contextlib.suppress(StatusError):  # it was removed meanwhile
            self.server.store.change(
                PODS, (PLACE.namespace, name), lambda p: {**p, "status": status}
            )


@dataclass
class Pods:
    """A transport, the API server that it asks, and the kubelet."""

    server: ScriptedApiServer
    api: ApiClient
    kubelet: OneKubelet
    transport: PodTransport
    told: list[str]

    def left(self) -> list[str]:
        return [each["metadata"]["name"] for each in self.server.store.list(PODS, PLACE.namespace)]


@pytest.fixture
async def pods(tmp_path: Path) -> AsyncIterator[Pods]:
    authority, clock = Authority(), SystemClock()
    context = server_context(authority.serving("127.0.0.1"))
    async with (
        ScriptedApiServer(context, clock) as server,
        ApiClient(access_to(server, authority), clock=clock, environ={}, limits=PATIENT) as api,
    ):
        kubelet = OneKubelet(server, tmp_path)
        told: list[str] = []
        names = iter(f"{number:04}" for number in range(1000))
        transport = PodTransport(
            api,
            clock,
            PLACE,
            "abcd",
            token=lambda: next(names),
            rng=lambda: 0.5,
            stays=told.append,
        )
        async with meanwhile(kubelet.run()):
            yield Pods(server, api, kubelet, transport, told)


@needs_root
async def test_a_pod_answers_and_is_removed(pods: Pods) -> None:
    result = await pods.transport.run_script("node-1", HELLO, timeout=60)
    assert (result.answer, result.host_key, result.known_as) == (Said("hello of 0"), "", "")
    assert pods.left() == []


@needs_root
async def test_an_answer_that_three_messages_hold_is_whole(pods: Pods) -> None:
    result = await pods.transport.run_script("node-1", LONG, timeout=60)
    assert len(result.answer.said) > 8000 * 4 / 3
    assert pods.left() == []


@needs_root
@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (TOO_LONG, r"exceeds the 12 KiB .*--via ssh"),
        (script("echo no space left >&2; exit 3"), r"exited with 3; no space left"),
    ],
    ids=["a longer answer", "a script that fails"],
)
async def test_an_answer_that_is_none_says_why(pods: Pods, sent: Script[Said], why: str) -> None:
    with pytest.raises(ScriptFailed, match=why):
        await pods.transport.run_script("node-1", sent, timeout=60)
    assert pods.left() == []


@needs_root
async def test_several_nodes_are_asked_side_by_side(pods: Pods) -> None:
    asked = (pods.transport.run_script("node-1", HELLO, timeout=60) for _ in range(5))
    assert [each.answer for each in await asyncio.gather(*asked)] == [Said("hello of 0")] * 5
    assert len({each["metadata"]["name"] for each in pods.kubelet.seen}) == 5
    assert pods.left() == []


async def test_what_no_pod_may_be_given_is_not_sent(pods: Pods) -> None:
    long = script("".join(os.urandom(SCRIPT_LIMIT).hex()))
    for what, at, why in (
        (HELLO, DialAddress("192.0.2.1", "node-1"), "not to an address"),
        (long, None, "exceeds 96 KiB"),
    ):
        with pytest.raises(NodeUnreachable, match=why):
            await pods.transport.run_script("node-1", what, timeout=60, at=at)
    assert pods.server.requests == []


REFUSALS = (
    'pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged',
    'admission webhook "deny.example.com" denied the request: no',
    'User "u" cannot create resource "pods" in API group ""',
)


@pytest.mark.parametrize("message", REFUSALS)
async def test_what_refuses_a_pod_is_named_with_what_to_do(pods: Pods, message: str) -> None:
    body = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": message}
    answer = faults.answer(403, msgspec.json.encode(body).decode(), Content_Type="application/json")
    pods.server.faults.on(SPACE, answer)
    with pytest.raises(NodeUnreachable) as raised:
        await pods.transport.run_script("node-1", HELLO, timeout=60)
    assert message.split(":", maxsplit=1)[0] in str(raised.value)
    assert "choose one with --pod-namespace" in str(raised.value)


@pytest.mark.parametrize("made", [True, False])
async def test_of_a_pod_that_was_made_although_the_api_server_failed_nobody_says_that_it_has_not_run(
    pods: Pods, *, made: bool
) -> None:
    """A time-out of etcd or of the API server (500, 504) does not say what has become of the request."""

    async def timed_out(request: web.Request) -> web.StreamResponse:
        if made:
            await pods.server.truth(request)
        body = {"kind": "Status", "code": 504, "reason": "Timeout", "message": "timed out"}
        return web.json_response(body, status=504)

    pods.kubelet.instead = lambda _: None
    pods.server.faults.on(SPACE, timed_out, method="POST", times=1)
    with pytest.raises(AnswerLost if made else NodeUnreachable, match="timed out"):
        await pods.transport.run_script("node-1", HELLO, timeout=60)
    assert pods.left() == []
    assert pods.told == []


def _script_is(state: dict[str, Any], phase: str = "Pending") -> dict[str, Any]:
    return {"phase": phase, "initContainerStatuses": [{"name": "script", "state": state}]}


def _waits(reason: str) -> dict[str, Any]:
    return _script_is({"waiting": {"reason": reason, "message": 'image "x" not found'}})


MADE_UP = {"terminated": {"exitCode": 0, "reason": "Completed", "message": "1/1 ~~~"}}
POSTED: dict[str, tuple[dict[str, Any], type[NodeError], str]] = {
    "an image that cannot be had, at once": (
        _waits("ImagePullBackOff"),
        NodeUnreachable,
        r"could not run our pod on the node: ImagePullBackOff image \"x\" not found",
    ),
    "a kubelet that takes no pod": (
        {"phase": "Failed", "reason": "OutOfpods", "message": "Node didn't have enough"},
        NodeUnreachable,
        "the kubelet has ended the pod: OutOfpods: Node didn't",
    ),
    "a script that runs too long may have run": (
        _script_is({"running": {}}),
        AnswerLost,
        "while its script ran",
    ),
    "a message that the kubelet made up": (
        _script_is(MADE_UP, "Succeeded"),
        ScriptFailed,
        "cannot be read",
    ),
}


@pytest.mark.parametrize(("status", "error", "why"), POSTED.values(), ids=POSTED)
async def test_what_comes_of_a_status_without_an_answer(
    pods: Pods, status: dict[str, Any], error: type[NodeError], why: str
) -> None:
    pods.kubelet.instead = lambda _: status
    timeout = 0.3 if error is AnswerLost else 60
    with pytest.raises(error, match=why):
        await pods.transport.run_script("node-1", HELLO, timeout=timeout)
    assert pods.left() == []


async def test_of_a_pod_that_no_kubelet_begins_with_nothing_has_run_once_it_is_gone(
    pods: Pods,
) -> None:
    with pytest.raises(NodeUnreachable, match="the kubelet has not started the pod"):
        await pods.transport.run_script("node-2", HELLO, timeout=0.3)
    assert pods.left() == []


@pytest.mark.parametrize("code", [200, 500])
async def test_of_a_pod_whose_removal_is_refused_or_not_confirmed_that_is_not_said(
    pods: Pods, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """200: the API server takes the removal, and its kubelet, which is silent, never confirms it."""
    monkeypatch.setattr(pod_transport, "_REMOVAL", 0.3)
    answer = faults.answer(code, "{}", Content_Type="application/json")
    pods.server.faults.on(f"{SPACE}/{NAME}-0000", answer, method="DELETE")
    why = "the pod's removal is not confirmed, so its script may have run"
    with pytest.raises(AnswerLost, match=why):
        await pods.transport.run_script("node-2", HELLO, timeout=0.3)
    assert bool(pods.told) is (code == 500)
    assert all(f"kubectl delete pod -n kube-system {NAME}-0000" in each for each in pods.told)


async def test_a_run_that_is_cancelled_removes_its_pod(pods: Pods) -> None:
    pods.kubelet.instead = lambda _: None
    running = asyncio.create_task(pods.transport.run_script("node-1", HELLO, timeout=60))
    await until(lambda: pods.kubelet.seen)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert pods.left() == []


async def test_a_pod_that_a_webhook_has_changed_is_not_waited_for(pods: Pods) -> None:
    create = pods.server.store.create

    def with_a_sidecar(kind: Any, thing: Any, namespace: str = "") -> Any:
        thing["spec"]["containers"].append({"name": "istio-proxy", "image": PLACE.image})
        return create(kind, thing, namespace)

    pods.server.store.create = with_a_sidecar  # type: ignore[method-assign]
    with pytest.raises(AnswerLost, match="added container istio-proxy to the pod"):
        await pods.transport.run_script("node-1", HELLO, timeout=60)
    assert pods.left() == []


async def test_every_right_that_is_missing_is_named_before_the_first_pod(pods: Pods) -> None:
    pods.server.authorize = lambda asked: asked.verb in ("get", "list")
    with pytest.raises(
        StoppedBefore, match="not allowed to create pods in namespace kube-system, delete pods"
    ):
        await prepare_pods(pods.api, PLACE, lambda *_: None)


async def test_what_a_killed_run_left_is_removed_and_what_is_waited_for_not(
    pods: Pods,
) -> None:
    labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": "kubevouch"}
    spec = {"nodeName": "node-1", "activeDeadlineSeconds": 120}
    for name, age, phase, marked in (
        ("ended-long-ago", 200, "Succeeded", labels),
        ("ended-just-now", 5, "Succeeded", labels),
        ("runs", 170, "Running", labels),
        ("past-its-time", 190, "Pending", labels),
        ("somebodys", 900, "Succeeded", {"app.kubernetes.io/name": NAME}),
    ):
        pod = {
            "metadata": {"name": name, "labels": marked},
            "spec": spec,
            "status": {"phase": phase},
        }
        made = pods.server.store.create(PODS, pod, PLACE.namespace)
        made["metadata"]["creationTimestamp"] = (
            f"{datetime.now(UTC) - timedelta(seconds=age):%Y-%m-%dT%H:%M:%SZ}"
        )
        pods.server.store.put(PODS, made)
    pods.kubelet.instead = lambda _: None
    gone: list[tuple[str, str]] = []
    await prepare_pods(pods.api, PLACE, lambda node, name: gone.append((node, name)))
    assert sorted(gone) == [("node-1", "ended-long-ago"), ("node-1", "past-its-time")]
    assert sorted(pods.left()) == ["ended-just-now", "runs", "somebodys"]
