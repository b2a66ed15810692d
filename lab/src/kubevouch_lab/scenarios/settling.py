"""Whether a state can be seen from outside: in kubelets, in metrics servers and in the API."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from kubevouch_lab.apiserver.kinds import API_SERVICES, DEPLOYMENTS, NODES, PODS
from kubevouch_lab.cluster.folder import LabError
from kubevouch_lab.cluster.scenario import Scenario
from kubevouch_lab.cluster.states import State
from kubevouch_lab.objects import Object, condition, labels_of, status_of, uid_of

if TYPE_CHECKING:
    from kubevouch_lab.cluster.lab import Lab

_EVERY = 0.05
_PATIENCE = 60.0
_QUIET = 5.0
"""Seconds without a change: metrics servers look every two."""


async def come_about(lab: "Lab", scenario: Scenario, *, whole: bool) -> None:
    """Returns when a scenario that was applied can be seen from outside. whole: to the whole lab.

    A plain state shows what it shows in every cluster; what it comes to on some nodes, or with a fault on top, is
    there once nothing changes any more.

    Raises:
        LabError: it is not there within a minute (in a large lab, six rounds of its metrics servers).
    """
    if whole and scenario.name == scenario.state:
        await settled(lab, scenario.state)
        return
    if scenario.shows is not None:
        await _seen(lab, scenario.name, scenario.shows(lab))
    elif whole and scenario.single and scenario.state is State.HEALTHY and len(lab.machines) > 1:
        # Of the other nodes they have metrics: however long the way back from another scenario is, they get ready.
        await _seen(lab, scenario.name, _looks(lab, State.HEALTHY))
    await _quiet(lab, scenario.name)


async def settled(lab: "Lab", state: State) -> None:
    """Returns when a plain state of the whole lab is seen. Raises LabError as `come_about` does."""
    await _seen(lab, state, _looks(lab, state))


async def _seen(lab: "Lab", name: str, looks: Mapping[str, Callable[[], bool]]) -> None:
    for what, look in looks.items():
        end = lab.clock.monotonic() + _patience(lab)
        while not look():
            if lab.clock.monotonic() > end:
                raise _not_seen(lab, name, what)
            await lab.clock.sleep(_EVERY)


async def _quiet(lab: "Lab", name: str) -> None:
    wanted = max(_QUIET, 5 * lab.pace)
    start = since = lab.clock.monotonic()
    last = _picture(lab)
    while (now := lab.clock.monotonic()) - since < wanted:
        if now - start > _patience(lab):
            raise _not_seen(lab, name, "an end of the changes")
        await lab.clock.sleep(_EVERY * lab.pace)
        if (found := _picture(lab)) != last:
            last, since = found, lab.clock.monotonic()


def _patience(lab: "Lab") -> float:
    return max(_PATIENCE, 12 * lab.pace)


def _not_seen(lab: "Lab", name: str, what: str) -> LabError:
    return LabError(f"the lab as {name}", f"not seen within {_patience(lab):.0f} s: {what}")


def _picture(lab: "Lab") -> tuple[object, ...]:
    """What people and doctor look at, without what moves for ever (a denied kubelet asks again and again)."""
    store = lab.control_plane.store
    deployment = store.find(DEPLOYMENTS, "metrics-server", "kube-system")
    service = store.find(API_SERVICES, "v1beta1.metrics.k8s.io")
    return (
        [(each.kubelet.running, bool(each.kubelet.waits_for)) for each in lab.machines.values()],
        [(condition(node, "Ready") or {}).get("status") for node in store.list(NODES)],
        [(uid_of(pod), status_of(pod).get("phase"), _ready(pod)) for pod in _servers(lab)],
        status_of(deployment).get("readyReplicas") if deployment else None,
        _available(service),
    )


def _ready(pod: Object) -> object:
    return (condition(pod, "Ready") or {}).get("status")


def _servers(lab: "Lab") -> list[Object]:
    """The pods of metrics-server that are not on their way out."""
    return [
        pod
        for pod in lab.control_plane.store.list(PODS, "kube-system")
        if labels_of(pod).get("k8s-app") == "metrics-server"
        and not pod["metadata"].get("deletionTimestamp")
    ]


def _has_no_place(pod: Object) -> bool:
    """No node takes it: in a lab of one or two nodes there are too few for three that keep apart."""
    return (condition(pod, "PodScheduled") or {}).get("status") == "False"


def _available(service: Object | None) -> str:
    found = condition(service, "Available") if service else None
    return f"{found['status']} {found['reason']}" if found else ""


def nobody_reports(lab: "Lab") -> dict[str, Callable[[], bool]]:
    """What shows that no kubelet runs."""

    def all_unknown() -> bool:
        nodes = lab.control_plane.store.list(NODES)
        return all((condition(node, "Ready") or {}).get("status") == "Unknown" for node in nodes)

    return {"every node NotReady": all_unknown}


def _looks(lab: "Lab", state: State) -> dict[str, Callable[[], bool]]:
    store = lab.control_plane.store
    dark = state in {State.PENDING, State.ROTATED_EXPIRED}

    def deployment() -> Object:
        found = store.find(DEPLOYMENTS, "metrics-server", "kube-system")
        return (found or {}).get("status") or {}

    def complains() -> bool:
        nodes = [f'node="{name}"' for name in lab.machines]
        heard = [lab.servers.log(uid_of(pod)) for pod in _servers(lab)]
        logs = ["".join(line.text for line in lines) for lines in heard]
        return any(all(node in log for node in nodes) for log in logs)

    def available() -> str:
        return _available(store.find(API_SERVICES, "v1beta1.metrics.k8s.io"))

    def nowhere() -> bool:
        """A lab of one node has none for metrics servers: nothing is to be seen of them."""
        return all(map(_has_no_place, _servers(lab)))

    looks: dict[str, Callable[[], bool]] = {}
    if dark:
        looks["a request of every kubelet"] = lambda: all(
            machine.kubelet.waits_for for machine in lab.machines.values()
        )
    looks["three metrics servers, running where there is a node for them"] = lambda: (
        len(pods := _servers(lab)) == 3
        and all(status_of(pod).get("phase") == "Running" or _has_no_place(pod) for pod in pods)
    )
    if state is State.HEALTHY:
        looks["all of them ready"] = lambda: (
            deployment().get("readyReplicas", 0) == sum(not _has_no_place(p) for p in _servers(lab))
        )
        looks["the metrics API available"] = lambda: available() == "True Passed" or nowhere()
    else:
        looks["metrics-server 0/3"] = lambda: (
            not deployment().get("readyReplicas") and deployment().get("replicas") == 3
        )
        looks["its complaint about every node"] = lambda: complains() or nowhere()
        looks["MissingEndpoints"] = lambda: available() == "False MissingEndpoints"
    return looks
