"""Whether a state can be seen from outside: in kubelets, in metrics servers and in the API."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kubevouch_lab.apiserver.kinds import API_SERVICES, DEPLOYMENTS, PODS
from kubevouch_lab.cluster.folder import LabError
from kubevouch_lab.cluster.states import State
from kubevouch_lab.objects import Object, condition, status_of, uid_of

if TYPE_CHECKING:
    from kubevouch_lab.cluster.lab import Lab

_EVERY = 0.05
_PATIENCE = 60.0


async def settled(lab: "Lab", state: State) -> None:
    """Returns when it is seen. Raises LabError if it is not within a minute."""
    for what, look in _looks(lab, state).items():
        end = lab.clock.monotonic() + _PATIENCE
        while not look():
            if lab.clock.monotonic() > end:
                raise LabError(f"the lab as {state}", f"not seen within {_PATIENCE:.0f} s: {what}")
            await lab.clock.sleep(_EVERY)


def _looks(lab: "Lab", state: State) -> dict[str, Callable[[], bool]]:
    store = lab.control_plane.store
    dark = state in {State.PENDING, State.ROTATED_EXPIRED}

    def deployment() -> Object:
        found = store.find(DEPLOYMENTS, "metrics-server", "kube-system")
        return (found or {}).get("status") or {}

    def pods() -> list[Object]:
        found = store.list(PODS, "kube-system")
        labelled = [
            p for p in found if p["metadata"].get("labels", {}).get("k8s-app") == "metrics-server"
        ]
        return [pod for pod in labelled if not pod["metadata"].get("deletionTimestamp")]

    def complains() -> bool:
        nodes = [f'node="{name}"' for name in lab.machines]
        heard = [lab.servers.log(uid_of(pod)) for pod in pods()]
        logs = ["".join(line.text for line in lines) for lines in heard]
        return any(all(node in log for node in nodes) for log in logs)

    def available() -> str:
        found = store.find(API_SERVICES, "v1beta1.metrics.k8s.io")
        said = condition(found, "Available") if found else None
        return f"{said['status']} {said['reason']}" if said else ""

    looks: dict[str, Callable[[], bool]] = {}
    if dark:
        looks["a request of every kubelet"] = lambda: all(
            machine.kubelet.waits_for for machine in lab.machines.values()
        )
    looks["three metrics servers running"] = lambda: (
        [status_of(pod).get("phase") for pod in pods()] == ["Running"] * 3
    )
    if state is State.HEALTHY:
        looks["metrics-server 3/3"] = lambda: deployment().get("readyReplicas") == 3
        looks["the metrics API available"] = lambda: available() == "True Passed"
    else:
        looks["metrics-server 0/3"] = lambda: (
            not deployment().get("readyReplicas") and deployment().get("replicas") == 3
        )
        looks["its complaint about every node"] = complains
        looks["MissingEndpoints"] = lambda: available() == "False MissingEndpoints"
    return looks
