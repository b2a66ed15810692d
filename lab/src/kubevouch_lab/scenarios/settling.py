"""Whether a state can be seen from outside: in kubelets, in metrics servers and in the API."""

from collections.abc import Callable, Mapping
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from kubevouch_lab.apiserver.kinds import API_SERVICES, CSRS, DEPLOYMENTS, LEASES, NODES, PODS
from kubevouch_lab.cluster.folder import LabError
from kubevouch_lab.cluster.scenario import Scenario
from kubevouch_lab.cluster.site_approver import SERVING
from kubevouch_lab.cluster.states import State
from kubevouch_lab.controllers.node_lifecycle import taints_of
from kubevouch_lab.controllers.scheduler import objection
from kubevouch_lab.objects import Object, condition, labels_of, name_of, status_of, uid_of

if TYPE_CHECKING:
    from kubevouch_lab.cluster.lab import Lab

_OUR_APPROVER = ("kubevouch-approver", "kubevouch-system")
_EVERY = 0.05
_PATIENCE = 150.0
_QUIET = 5.0
"""Seconds without a change: metrics servers look every two."""


async def come_about(lab: "Lab", scenario: Scenario, *, whole: bool) -> None:
    """Returns when a scenario that was applied can be seen from outside. whole: to the whole lab.

    A plain state shows what it shows in every cluster; what it comes to on some nodes, or with a fault on top, is
    there once nothing changes any more.

    Raises:
        LabError: it is not there within `_patience`: generous, since a lab may share its cores with others.
    """
    answered = scenario.state is State.PENDING and kubevouch_approves(lab)
    if whole and scenario.name == scenario.state and not answered:
        await settled(lab, scenario.state)
        return
    await _seen(lab, scenario.name, _pods_placed(lab))
    if scenario.shows is not None:
        await _seen(lab, scenario.name, scenario.shows(lab))
    elif whole and scenario.state is State.HEALTHY:
        # Of all or of the other nodes they have metrics: however long the way back from another scenario is.
        await _seen(lab, scenario.name, _looks(lab, State.HEALTHY))
    await _quiet(lab, scenario.name)


def kubevouch_approves(lab: "Lab") -> bool:
    """Whether somebody has installed our approver: it decides on CSRs, whatever the scenario."""
    return lab.control_plane.store.find(DEPLOYMENTS, *_OUR_APPROVER) is not None


async def repair_shown(lab: "Lab", scenario: Scenario) -> None:
    """Returns when what follows from a scenario's repair can be seen: a healthy lab, if nothing else is left to do.

    Raises:
        LabError: as `come_about` does.
    """
    name = f"{scenario.name}, repaired"
    if scenario.repair_suffices:
        await _seen(lab, name, _all_is_well(lab))
    await _seen(lab, name, _leases_of_now(lab))
    await _quiet(lab, name)


async def settled(lab: "Lab", state: State) -> None:
    """Returns when a plain state of the whole lab is seen. Raises LabError as `come_about` does."""
    looks = _pods_placed(lab) | _looks(lab, state)
    if state is State.HEALTHY:
        looks |= _usage_of_all(lab)
    await _seen(lab, state, looks)


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
            raise _not_seen(lab, name, "no more changes")
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
    return (
        [(each.kubelet.running, bool(each.kubelet.waits_for)) for each in lab.machines.values()],
        [(condition(node, "Ready") or {}).get("status") for node in store.list(NODES)],
        [(uid_of(pod), status_of(pod).get("phase"), _ready(pod)) for pod in _servers(lab)],
        _deployment(lab).get("readyReplicas"),
        _metrics_api(lab),
        [
            lab.servers.has_usage_of(uid_of(pod), node)
            for pod in _servers(lab)
            for node in lab.machines
        ],
    )


def _leases_of_now(lab: "Lab") -> dict[str, Callable[[], bool]]:
    """Whether nodes whose clocks are right again have renewed their Leases since: by these everybody sees a clock."""
    store = lab.control_plane.store

    def none_is_ahead() -> bool:
        soon = f"{(lab.clock.now() + timedelta(hours=1)).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        leases = [
            store.find(LEASES, each.kubelet.name, "kube-node-lease") or {}
            for each in lab.machines.values()
            if each.host.name not in lab.active_faults.ahead
        ]
        return all(str((each.get("spec") or {}).get("renewTime", "")) < soon for each in leases)

    return {"no Lease with a renewTime in the future": none_is_ahead}


def _ready(pod: Object) -> object:
    return (condition(pod, "Ready") or {}).get("status")


def _servers(lab: "Lab") -> list[Object]:
    """The pods of metrics-server."""
    return [
        pod
        for pod in lab.control_plane.store.list(PODS, "kube-system")
        if labels_of(pod).get("k8s-app") == "metrics-server"
    ]


def _pods_placed(lab: "Lab") -> dict[str, Callable[[], bool]]:
    """What must be over before pods tell anything: as long as nodes get ready again, pods only wait for them."""
    store = lab.control_plane.store

    def free(name: str) -> bool:
        node = store.find(NODES, name)
        if node is None or (condition(node, "Ready") or {}).get("status") != "True":
            return False
        taints = (node.get("spec") or {}).get("taints") or []
        return taints_of(node, "") == taints

    def all_free() -> bool:
        return all(
            free(each.kubelet.name) for each in lab.machines.values() if each.kubelet.running
        )

    def none_waits() -> bool:
        return all(_bound(pod) or _has_no_place(lab, pod) for pod in _servers(lab))

    return {
        "every node with a running kubelet is Ready and without NotReady taints": all_free,
        "every metrics-server pod that fits on a node is scheduled": none_waits,
    }


def _bound(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName"))


def _has_no_place(lab: "Lab", pod: Object) -> bool:
    """No node takes it: in a lab of one or two nodes there are too few for three that keep apart.

    It is the scheduler's own rule: what stands in the pod's status is what it was some time ago.
    """
    store = lab.control_plane.store
    pods = store.list(PODS)
    return not _bound(pod) and all(objection(pod, node, pods) for node in store.list(NODES))


def _deployment(lab: "Lab") -> Object:
    found = lab.control_plane.store.find(DEPLOYMENTS, "metrics-server", "kube-system")
    return status_of(found) if found else {}


def _metrics_api(lab: "Lab") -> str:
    service = lab.control_plane.store.find(API_SERVICES, "v1beta1.metrics.k8s.io")
    found = condition(service, "Available") if service else None
    return f"{found['status']} {found['reason']}" if found else ""


def nobody_reports(lab: "Lab") -> dict[str, Callable[[], bool]]:
    """What shows that kubelets do not run."""
    store = lab.control_plane.store

    def unknown(name: str) -> bool:
        node = store.find(NODES, name)
        return node is None or (condition(node, "Ready") or {}).get("status") == "Unknown"

    def all_unknown() -> bool:
        stand = [each.kubelet for each in lab.machines.values() if not each.kubelet.running]
        return all(unknown(each.name) for each in stand)

    return {"every node without a running kubelet is NotReady": all_unknown}


def no_server_ready(lab: "Lab") -> dict[str, Callable[[], bool]]:
    """What shows that no metrics server is ready, whatever it complains about."""
    return {
        "metrics-server 0/3": lambda: (
            not _deployment(lab).get("readyReplicas") and _deployment(lab).get("replicas") == 3
        ),
        "MissingEndpoints": lambda: _metrics_api(lab) == "False MissingEndpoints",
    }


def _all_is_well(lab: "Lab") -> dict[str, Callable[[], bool]]:
    store = lab.control_plane.store

    def all_ready() -> bool:
        nodes = store.list(NODES)
        return all((condition(node, "Ready") or {}).get("status") == "True" for node in nodes)

    def all_issued() -> bool:
        requests = [each for each in store.list(CSRS) if each["spec"]["signerName"] == SERVING]
        requests.sort(key=lambda each: int(each["metadata"]["resourceVersion"]))
        newest = {each["spec"]["username"]: each for each in requests}
        return all(status_of(each).get("certificate") for each in newest.values())

    looks = {
        "every node is Ready": all_ready,
        "every kubelet's newest CSR has a certificate": all_issued,
    }
    return looks | _looks(lab, State.HEALTHY) | _usage_of_all(lab)


def _looks(lab: "Lab", state: State) -> dict[str, Callable[[], bool]]:
    dark = state in {State.PENDING, State.ROTATED_EXPIRED}

    def complains() -> bool:
        nodes = [f'node="{name}"' for name in lab.machines]
        heard = [lab.servers.log(uid_of(pod)) for pod in _servers(lab)]
        logs = ["".join(line.text for line in lines) for lines in heard]
        return any(all(node in log for node in nodes) for log in logs)

    def nowhere() -> bool:
        """A lab of one node has none for metrics servers: nothing is to be seen of them."""
        return all(_has_no_place(lab, pod) for pod in _servers(lab))

    looks: dict[str, Callable[[], bool]] = {}
    if dark:
        looks["every kubelet waits for a CSR"] = lambda: all(
            machine.kubelet.waits_for for machine in lab.machines.values()
        )
    looks["three metrics-server pods, running if they fit on a node"] = lambda: (
        len(pods := _servers(lab)) == 3
        and all(status_of(pod).get("phase") == "Running" or _has_no_place(lab, pod) for pod in pods)
    )
    if state is State.HEALTHY:
        looks["every metrics-server pod that fits on a node is ready"] = lambda: (
            _deployment(lab).get("readyReplicas", 0)
            == sum(not _has_no_place(lab, pod) for pod in _servers(lab))
        )
        looks["the metrics API is available"] = lambda: (
            _metrics_api(lab) == "True Passed" or nowhere()
        )
    else:
        looks["a metrics-server log with a complaint about every node"] = lambda: (
            complains() or nowhere()
        )
        looks |= no_server_ready(lab)
    return looks


def _usage_of_all(lab: "Lab") -> dict[str, Callable[[], bool]]:
    """A metrics server is ready with the usage of one node: whoever asks then can miss another for two scrapes."""
    store = lab.control_plane.store

    def all_measured() -> bool:
        ready = [
            name_of(node)
            for node in store.list(NODES)
            if (condition(node, "Ready") or {}).get("status") == "True"
        ]
        servers = [uid_of(pod) for pod in _servers(lab) if _bound(pod)]
        return all(lab.servers.has_usage_of(uid, node) for uid in servers for node in ready)

    return {"every metrics-server pod has the usage of every Ready node": all_measured}
