"""The pod that brings a script to one node: its spec, its progress by its status, and whether it is abandoned.

Pure.

Its first container is privileged, enters the host and runs the script; two more, without rights,
only hand on what does not fit into the first one's message. None of that needs the kubelet's port:
the kubelet itself posts the messages.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec

from kubevouch.kube.refusals import short_line
from kubevouch.kube.resources import ContainerStatus, Pod
from kubevouch.kube.resources.pods import digest_of
from kubevouch.node.messages import MOST_MESSAGES, SCRIPT_VARIABLE, count_in
from kubevouch.rollout.decide.plan import PodPlace

NAME: Final = "kubevouch-rollout"
SELECTOR: Final = f"app.kubernetes.io/name={NAME},app.kubernetes.io/managed-by=kubevouch"
RUN_LABEL: Final = "kubevouch/run"

_SCRIPT: Final = "script"
_REST: Final = tuple(f"answer-{number}" for number in range(2, MOST_MESSAGES + 1))
_MESSAGE: Final = "/dev/termination-log"
_SHARES: Final = "/answer"
_GRACE: Final = 30
"""Seconds in which a started script may end after its pod's removal."""

_BEYOND: Final = 60
"""The longest time in seconds that a pod outlives its script's time, for its start."""

_LEFT_BEHIND: Final = timedelta(seconds=60)
"""A waiting run removes its pod at once."""

_HOPELESS: Final = {
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ImageInspectError",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}
"""States from which a container never starts (pkg/kubelet/images/types.go,
kuberuntime_container.go)."""

_NEVER_RAN: Final = {"StartError", "ContainerCannotRun"}
_NODE_ENTRY: Final = ("python", "-m", "kubevouch.node.io.in_pod")


class PodState(StrEnum):
    """The state of a pod, for whoever waits for its answer."""

    WAITING = "waiting"
    """As far as seen, nothing has run in it yet."""

    RUNNING = "running"
    """Its script runs, or has run and its answer is incomplete."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """Nothing has run in it, and nothing will."""

    LOST = "lost"
    """It has ended without an answer: its script may have run."""


class PodLook(msgspec.Struct, frozen=True):
    """One look at a pod. why: what it waits for, or what became of it. messages: of its containers, in order."""

    state: PodState = PodState.WAITING
    why: str = "its kubelet has not started it"
    messages: tuple[str, ...] = ()
    in_vain: bool = False
    """It waits for something that will not come by itself."""

    @property
    def is_final(self) -> bool:
        """Whether no later look can say more."""
        return self.state in (PodState.ANSWERED, PodState.REFUSED, PodState.LOST)

    @property
    def is_worth_waiting(self) -> bool:
        """Whether a later look may say more."""
        return not self.is_final and not self.in_vain


def pod_body(
    place: PodPlace, name: str, *, node: str, run: str, script: str, seconds: float
) -> dict[str, Any]:
    """The pod as it is created, without its kind.

    It is not scheduled but bound by name, whatever keeps other pods from that node; it has no
    account's token. script: packed. seconds: the script's time limit.
    """
    shares = [f"{_SHARES}/{each}" for each in _REST]
    volume = {"name": "answer", "mountPath": _SHARES}
    entered = {
        "name": _SCRIPT,
        "image": place.image,
        "command": [*_NODE_ENTRY, "run", "1", str(int(seconds)), _MESSAGE, *shares],
        "env": [{"name": SCRIPT_VARIABLE, "value": script}],
        # Entering the host needs all that privileged is (docs/internals/decisions/0014): a
        # shorter list would only fail on nodes with AppArmor or SELinux.
        "securityContext": {"privileged": True, "runAsUser": 0, "runAsNonRoot": False},
        "volumeMounts": [volume],
    }
    handing_on = [
        {
            "name": each,
            "image": place.image,
            "command": [*_NODE_ENTRY, "show", share, _MESSAGE],
            "securityContext": _NO_RIGHTS,
            "volumeMounts": [{**volume, "readOnly": True}],
        }
        for each, share in zip(_REST, shares, strict=True)
    ]
    for each in (entered, *handing_on):
        each |= {"imagePullPolicy": "IfNotPresent", "terminationMessagePath": _MESSAGE}
    return {
        "metadata": {
            "name": name,
            "namespace": place.namespace,
            "labels": {
                "app.kubernetes.io/name": NAME,
                "app.kubernetes.io/managed-by": "kubevouch",
                RUN_LABEL: run,
            },
            "annotations": {
                "sidecar.istio.io/inject": "false",
                "linkerd.io/inject": "disabled",
            },
        },
        "spec": {
            "nodeName": node,
            "hostPID": True,
            "hostNetwork": True,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": int(seconds) + _BEYOND,
            "terminationGracePeriodSeconds": _GRACE,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "tolerations": [{"operator": "Exists"}],
            "volumes": [{"name": "answer", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}],
            "initContainers": [entered],
            "containers": handing_on,
        },
    }


_NO_RIGHTS: Final[Mapping[str, Any]] = {
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def changed_by_admission(pod: Pod, place: PodPlace) -> str:
    """A forbidden change of the pod by an admission webhook; empty if it is as it was sent."""
    found = [each.name for each in (*pod.spec.init_containers, *pod.spec.containers)]
    if added := sorted({*found} - {_SCRIPT, *_REST}):
        return f"a webhook of this cluster added container {added[0]} to the pod"
    for each in (*pod.spec.init_containers, *pod.spec.containers):
        if digest_of(each.image) != digest_of(place.image):  # a mirror's name does no harm
            return f"a webhook of this cluster gave the pod another image, {each.image}"
    return ""


def look_at(pod: Pod) -> PodLook:
    """How the pod does, by the status that its node's kubelet has posted."""
    statuses = {
        each.name: each
        for each in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    }
    script = statuses.get(_SCRIPT, ContainerStatus())
    ended = script.state.terminated
    if ended is None:
        return _before_its_end(pod, script)
    if count := count_in(ended.message):
        return _answered(pod, statuses, ended.message, count)
    what = f"{ended.reason or 'no reason given'}, exit code {ended.exit_code}"
    why = short_line(f"its container ended without an answer: {what} {ended.message}".strip())
    return PodLook(PodState.REFUSED if ended.reason in _NEVER_RAN else PodState.LOST, why)


def _before_its_end(pod: Pod, script: ContainerStatus) -> PodLook:
    begun = script.state.running is not None
    if pod.status.phase == "Failed":
        told = ": ".join(each for each in (pod.status.reason, pod.status.message) if each)
        why = short_line(f"its kubelet has ended the pod: {told or 'no reason given'}")
        return PodLook(PodState.LOST if begun else PodState.REFUSED, why)
    if begun:
        return PodLook(PodState.RUNNING, "its script runs")
    if waits := script.state.waiting:
        why = short_line(f"{waits.reason} {waits.message}".strip())
        return PodLook(PodState.WAITING, why, in_vain=waits.reason in _HOPELESS)
    return PodLook()


def _answered(pod: Pod, statuses: Mapping[str, ContainerStatus], first: str, count: int) -> PodLook:
    """The messages, if the containers that hand on the rest have ended."""
    messages = [first]
    for name in _REST[: count - 1]:
        ended = statuses.get(name, ContainerStatus()).state.terminated
        if ended is None:
            if pod.status.phase in ("Failed", "Succeeded"):
                return PodLook(PodState.LOST, f"it ended before container {name} had answered")
            return PodLook(PodState.RUNNING, f"the rest of its answer, from container {name}")
        messages.append(ended.message)
    return PodLook(PodState.ANSWERED, "", tuple(messages))


def is_left_behind(pod: Pod, now: datetime) -> bool:
    """Whether nobody waits for this pod: its time is over, or it ended a minute ago and still exists."""
    created = pod.metadata.creation_timestamp
    if created is None:
        return False
    over = created + timedelta(seconds=pod.spec.active_deadline_seconds)
    if pod.status.phase not in ("Failed", "Succeeded"):
        return now - _LEFT_BEHIND > over
    ends = [
        each.state.terminated.finished_at
        for each in (*pod.status.init_container_statuses, *pod.status.container_statuses)
        if each.state.terminated and each.state.terminated.finished_at
    ]
    # Its kubelet reports the end, and may say anything: nothing is added to that.
    return now - _LEFT_BEHIND > min(max([created, *ends]), over)


def verdict(look: PodLook, *, gone: bool, seconds: float) -> tuple[PodState, str]:
    """What became of an abandoned pod: ANSWERED, REFUSED or LOST, and why.

    gone: its kubelet has confirmed its removal. Until then an unseen container may have run, or may
    still run.
    """
    if look.is_final:
        return look.state, look.why
    if look.state is PodState.RUNNING:
        how = "it was removed while its script ran" if gone else f"no answer within {seconds:.0f} s"
        return PodState.LOST, f"{how} ({look.why})"
    if gone:
        return PodState.REFUSED, look.why
    why = f"{look.why}; its removal is not confirmed, so it may have run"
    return PodState.LOST, why
