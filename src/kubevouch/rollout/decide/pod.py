"""The pod that runs a script on one node: its spec, its state, and whether it is a leftover. Pure.

The first container is privileged, enters the host and runs the script. Two unprivileged containers
return the part of the answer that does not fit into the first container's termination message. The
kubelet posts these messages to the API server, so the kubelet's port is not needed.
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
"""Seconds that a started script may continue after its pod is deleted."""

_BEYOND: Final = 60
"""Seconds that the pod may take beyond the script's time limit, since it must start first."""

_LEFT_BEHIND: Final = timedelta(seconds=60)
"""A pod that ended longer ago than this is left over, since a run removes its own pods at once."""

_HOPELESS: Final = {
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ImageInspectError",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}
"""Waiting reasons that do not go away by themselves (pkg/kubelet/images/types.go,
kuberuntime_container.go)."""

_NEVER_RAN: Final = {"StartError", "ContainerCannotRun"}
_NODE_ENTRY: Final = ("python", "-m", "kubevouch.node.io.in_pod")


class PodState(StrEnum):
    """The state of a pod's answer."""

    WAITING = "waiting"
    """The pod's status does not show that the script has started."""

    RUNNING = "running"
    """The script runs, or has ended and the answer is still incomplete."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """The script did not run, and will not."""

    LOST = "lost"
    """The pod has ended without an answer. The script may have run."""


class PodLook(msgspec.Struct, frozen=True):
    """What a pod's status shows. why: what the pod waits for, or why it failed. messages: one for each container, in order."""

    state: PodState = PodState.WAITING
    why: str = "the kubelet has not started the pod"
    messages: tuple[str, ...] = ()
    in_vain: bool = False
    """Whether the pod waits for a reason that does not go away by itself."""

    @property
    def is_final(self) -> bool:
        """Whether the state will not change any more."""
        return self.state in (PodState.ANSWERED, PodState.REFUSED, PodState.LOST)

    @property
    def is_worth_waiting(self) -> bool:
        """Whether the state may still change by itself."""
        return not self.is_final and not self.in_vain


def pod_body(
    place: PodPlace, name: str, *, node: str, run: str, script: str, seconds: float
) -> dict[str, Any]:
    """The pod's manifest, without apiVersion and kind.

    The pod is bound to the node by name, tolerates all taints, and has no service account token.
    script: the packed script. seconds: the script's time limit.
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
    """A message if a webhook added a container to the pod or replaced an image; empty if not."""
    found = [each.name for each in (*pod.spec.init_containers, *pod.spec.containers)]
    if added := sorted({*found} - {_SCRIPT, *_REST}):
        return f"a webhook of this cluster added container {added[0]} to the pod"
    for each in (*pod.spec.init_containers, *pod.spec.containers):
        if digest_of(each.image) != digest_of(place.image):  # a mirror's name does no harm
            return f"a webhook of this cluster gave the pod another image, {each.image}"
    return ""


def look_at(pod: Pod) -> PodLook:
    """The pod's state, according to the status that the node's kubelet has posted."""
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
    why = short_line(f"the container ended without an answer: {what} {ended.message}".strip())
    return PodLook(PodState.REFUSED if ended.reason in _NEVER_RAN else PodState.LOST, why)


def _before_its_end(pod: Pod, script: ContainerStatus) -> PodLook:
    begun = script.state.running is not None
    if pod.status.phase == "Failed":
        told = ": ".join(each for each in (pod.status.reason, pod.status.message) if each)
        why = short_line(f"the kubelet has ended the pod: {told or 'no reason given'}")
        return PodLook(PodState.LOST if begun else PodState.REFUSED, why)
    if begun:
        return PodLook(PodState.RUNNING, "the script is running")
    if waits := script.state.waiting:
        why = short_line(f"{waits.reason} {waits.message}".strip())
        return PodLook(PodState.WAITING, why, in_vain=waits.reason in _HOPELESS)
    return PodLook()


def _answered(pod: Pod, statuses: Mapping[str, ContainerStatus], first: str, count: int) -> PodLook:
    messages = [first]
    for name in _REST[: count - 1]:
        ended = statuses.get(name, ContainerStatus()).state.terminated
        if ended is None:
            if pod.status.phase in ("Failed", "Succeeded"):
                return PodLook(PodState.LOST, f"the pod ended before container {name} answered")
            return PodLook(PodState.RUNNING, f"container {name} has not answered yet")
        messages.append(ended.message)
    return PodLook(PodState.ANSWERED, "", tuple(messages))


def is_left_behind(pod: Pod, now: datetime) -> bool:
    """Whether the pod is a leftover: its deadline has passed, or it ended more than a minute ago."""
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
    # The kubelet reports the end, and may claim any time: adding to that could overflow.
    return now - _LEFT_BEHIND > min(max([created, *ends]), over)


def verdict(look: PodLook, *, gone: bool, seconds: float) -> tuple[PodState, str]:
    """The final state of a pod that we no longer wait for (ANSWERED, REFUSED or LOST), and why.

    gone: whether the kubelet has confirmed the pod's deletion. If not, a container may have run
    unseen, or may still run.
    """
    if look.is_final:
        return look.state, look.why
    if look.state is PodState.RUNNING:
        how = (
            "the pod was removed while its script ran"
            if gone
            else f"no answer within {seconds:.0f} s"
        )
        return PodState.LOST, f"{how} ({look.why})"
    if gone:
        return PodState.REFUSED, look.why
    why = f"{look.why}; the pod's removal is not confirmed, so its script may have run"
    return PodState.LOST, why
