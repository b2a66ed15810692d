"""Runs scripts on nodes in pods, without ssh, pod logs or the kubelet's port.

Each script gets its own pod, bound to the node. The pod is removed after the answer, an error or a
cancellation. If kubevouch is killed, the pod ends by its own deadline, and the next run removes it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import KubeError, NotFound, ServerError, StatusError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.watch import Deleted, Upserted, Watch
from kubevouch.kube.resources import PODS, Pod, ResourceAttributes
from kubevouch.node.destination import Destination
from kubevouch.node.errors import AnswerLost, NodeUnreachable, ScriptFailed
from kubevouch.node.messages import (
    NOT_ENTERED,
    SCRIPT_LIMIT,
    PodAnswer,
    answer_from,
    packed_script,
)
from kubevouch.node.script import DialAddress, Script, ScriptResult, T, answer_in
from kubevouch.rollout.act.precheck import check_allowed
from kubevouch.rollout.decide.plan import PodPlace
from kubevouch.rollout.decide.pod import (
    NAME,
    SELECTOR,
    PodLook,
    PodState,
    changed_by_admission,
    is_left_behind,
    look_at,
    pod_body,
    verdict,
)

_ADMITTED = (
    f"expected a namespace that admits privileged pods labelled app.kubernetes.io/name={NAME} "
    "(pod-security.kubernetes.io/enforce): choose one with --pod-namespace, or use --via ssh"
)
_VERBS = ("create", "delete", "get", "list", "watch")
_REMOVAL = 10.0
"""Seconds to wait for the API server to accept a pod's deletion, and again for the kubelet to confirm it."""


async def prepare_pods(
    api: ApiClient, place: PodPlace, removed: Callable[[str, str], None]
) -> None:
    """Checks the rights that pods need, and removes the pods of killed runs.

    removed: called with the node and the name of each removed pod.

    Raises:
        StoppedBefore: a right is missing. The error names it.
        KubeError: the API server does not answer.
    """
    space = place.namespace
    pods = ResourceAttributes(resource="pods", namespace=space)
    await check_allowed(api, [replace(pods, verb=verb) for verb in _VERBS])
    for pod in await api.list_all(PODS, space, label_selector=SELECTOR):
        if not is_left_behind(pod, api.server_clock.now()):
            continue
        with contextlib.suppress(NotFound):
            await api.delete(PODS, pod.name, space, uid=pod.uid)
        removed(pod.spec.node_name, pod.name)


@dataclass
class _Followed:
    uid: str
    look: PodLook = field(default_factory=PodLook)
    gone: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, enough: Callable[[], bool], seconds: float) -> None:
        """Waits until the condition holds or the pod is gone, for at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (enough() or self.gone):
                    self.changed.clear()
                    await self.changed.wait()


@dataclass
class PodTransport:
    """Runs scripts on nodes in pods.

    token: returns a unique suffix for a pod's name. rng: returns a random number in [0, 1). stays:
    called with a message if a pod could not be removed.
    """

    name = "pod"
    api: ApiClient
    clock: Clock
    place: PodPlace
    run: str
    token: Callable[[], str]
    rng: Callable[[], float]
    stays: Callable[[str], None]

    async def destination(self, host: str) -> Destination:
        """The node's name. A pod needs no address or host key."""
        return Destination(host)

    async def run_script(
        self, host: str, script: Script[T], *, timeout: float, at: DialAddress | None = None
    ) -> ScriptResult[T]:
        """Runs the script on the node that is named `host`.

        at: not supported, since a pod proves nothing about an address.

        Raises:
            NodeUnreachable: our pod did not run: the API server or the kubelet refused it, or its image
                is missing.
            AnswerLost: the pod may have started, and the script may have run.
            ScriptFailed: the pod ran, but gave no valid answer.
        """
        where = f"{host} (pod)"
        packed = packed_script(script.sealed())
        if why := _why_not_sent(script, packed, at):
            raise NodeUnreachable(where, why)
        name = f"{NAME}-{self.token()}"
        body = pod_body(self.place, name, node=host, run=self.run, script=packed, seconds=timeout)
        look, gone = await self._look_of(body, name, where, timeout)
        state, why = verdict(look, gone=gone, seconds=timeout)
        if state is PodState.REFUSED:
            raise NodeUnreachable(where, f"could not run our pod on the node: {why}")
        if state is PodState.LOST:
            raise AnswerLost(where, why)
        return _result(answer_from(look.messages, where=where), script, where, timeout)

    async def _look_of(
        self, body: dict[str, Any], name: str, where: str, seconds: float
    ) -> tuple[PodLook, bool]:
        """Creates the pod and waits for it. Returns the last state seen, and whether the pod is gone.

        The pod is always removed.
        """
        try:
            pod = await self.api.create(PODS, body, self.place.namespace)
        except StatusError as error:
            # If etcd times out (500, 504), the pod may exist. Removing it shows whether it does.
            if isinstance(error, ServerError) and await self._removed(name):
                raise AnswerLost(where, f"the pod {name} may have run: {error}") from None
            raise NodeUnreachable(where, str(error), _ADMITTED) from None
        except BaseException as error:  # the pod may exist
            await self._removed(name)
            if not isinstance(error, KubeError):
                raise
            seen = f"cannot tell whether the pod {name} was created: {error}"
            raise AnswerLost(where, seen) from None
        try:
            if why := changed_by_admission(pod, self.place):
                advice = f"exempt pods labelled app.kubernetes.io/name={NAME} from the webhook"
                raise AnswerLost(where, why, advice)
            async with self._followed(pod) as followed:
                await followed.until(lambda: not followed.look.is_worth_waiting, seconds)
                if not followed.look.is_final:
                    await self._removed(name)
                    await followed.until(lambda: followed.look.is_final, _REMOVAL)
                return followed.look, followed.gone
        finally:
            await self._removed(name)

    @contextlib.asynccontextmanager
    async def _followed(self, pod: Pod) -> AsyncIterator[_Followed]:
        followed = _Followed(pod.uid)
        task = asyncio.create_task(self._follow(pod.name, followed))
        try:
            yield followed
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow(self, name: str, followed: _Followed) -> None:
        watch = Watch(
            self.api,
            PODS,
            clock=self.clock,
            rng=self.rng,
            report=_ignored,
            namespace=self.place.namespace,
            field_selector=f"metadata.name={name}",
        )
        async with aclosing(watch.events()) as events:
            async for event in events:
                match event:
                    case Upserted(object=pod) if pod.uid == followed.uid:
                        followed.look = look_at(pod)
                    case Deleted(uid=uid) if uid == followed.uid:
                        followed.gone = True
                followed.changed.set()

    async def _removed(self, name: str) -> bool:
        """Removes the pod, or reports why that failed. Returns False if there was no pod."""
        space = self.place.namespace
        try:
            async with asyncio.timeout(_REMOVAL):
                await self.api.delete(PODS, name, space)
        except NotFound:
            return False
        except (KubevouchError, TimeoutError) as error:
            why = str(error) or "no answer"
            self.stays(
                f"pod {space}/{name} was not removed: {why}; the next run removes it, or: kubectl delete pod -n {space} {name}"
            )
        return True


def _ignored(_: KubevouchError) -> None:
    """Ignores errors of the watch, which restarts by itself."""


def _why_not_sent(script: Script[T], packed: str, at: DialAddress | None) -> str:
    if at is not None:
        return "a pod is bound to a node by name, not to an address"
    if len(packed) > SCRIPT_LIMIT:
        limit = f"{SCRIPT_LIMIT // 1024} KiB"
        return f"the packed {script.name} script exceeds {limit}: use --via ssh"
    return ""


def _result(said: PodAnswer, script: Script[T], where: str, seconds: float) -> ScriptResult[T]:
    if said.status == NOT_ENTERED:
        raise NodeUnreachable(where, said.complaint)
    if said.too_long:
        seen = f"the {script.name} script's answer exceeds the 12 KiB limit on termination messages"
        raise ScriptFailed(
            where, f"{seen} ({said.too_long} bytes packed)", "use --via ssh for this node"
        )
    if said.status is None:
        raise AnswerLost(where, f"the {script.name} script did not end within {seconds:.0f} s")
    if said.status != 0 and not said.stdout:
        raise ScriptFailed(
            where, f"the {script.name} script exited with {said.status}", said.complaint
        )
    return ScriptResult(answer_in(said.stdout, script, where=where, complaint=said.complaint))
