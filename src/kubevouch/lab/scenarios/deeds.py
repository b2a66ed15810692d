"""What somebody may have done to a cluster, beyond the state of its kubelets' certificates."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from kubevouch.lab.apiserver.kinds import CLUSTER_ROLE_BINDINGS, DEPLOYMENTS
from kubevouch.lab.cluster.chance import serials
from kubevouch.lab.cluster.node_place import rotated_server
from kubevouch.lab.cluster.pki import Pair, authority, kubelet_serving
from kubevouch.lab.cluster.placing import place
from kubevouch.lab.scenarios import switching

if TYPE_CHECKING:
    from kubevouch.lab.cluster.lab import Lab
    from kubevouch.lab.cluster.machine import Machine

Object = dict[str, Any]
# A rotation is due at 70 to 90 % of a certificate's life: so much of it has certainly passed.
_USED_UP = timedelta(days=350)
_AHEAD = timedelta(days=1)
_INSECURE = "--kubelet-insecure-tls"


async def somebody_denies(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """An approver that dislikes these nodes' requests, and denies each as it comes."""
    lab.deny(machine.host.name for machine in machines)


async def ask_anew(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """The kubelets have no certificate, and ask."""
    await _with(machines, _without)
    del lab


async def nearly_used_up(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """What they serve was issued nearly a year ago: they have asked for the next one in vain."""
    now = lab.clock.now()
    ca = switching.plan_of(lab, machines[0]).ca
    await _with(machines, lambda machine: _serve(lab, machine, ca, _USED_UP, now=now))


async def signed_by_another_ca(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """The cluster's CA was made anew under its old name; these nodes serve what the former one signed."""
    draw = serials(lab.entropy)
    former = authority("kubernetes", lab.clock.now() - timedelta(days=400), draw())
    now = lab.clock.now()
    await _with(machines, lambda machine: _serve(lab, machine, former, timedelta(days=30), now=now))


async def clock_ahead(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """Their clocks go a day ahead, and the certificates that they serve begin then."""
    ca = switching.plan_of(lab, machines[0]).ca
    now = lab.clock.now()

    def skew(machine: "Machine") -> None:
        machine.clock.offset = _AHEAD
        _serve(lab, machine, ca, -_AHEAD, now=now)

    await _with(machines, skew)


async def swallow(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """Connections to their port are taken and never answered, as behind a firewall that drops."""
    del lab
    for machine in machines:
        machine.kubelet.hear(hears=False)


async def insecure_flag(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """What every guide says."""
    del machines
    _flag(lab, present=True)


async def no_binding(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """metrics-server may not read anything."""
    del machines
    client = lab.control_plane.client
    if client.find(CLUSTER_ROLE_BINDINGS, "system:metrics-server") is not None:
        client.delete(CLUSTER_ROLE_BINDINGS, "system:metrics-server")
    switching.restart_metrics_servers(lab)


async def drifted(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """Somebody has edited these nodes' files back."""

    def edit(machine: "Machine") -> None:
        _without(machine)
        switching.configure(machine, bootstraps=False)

    await _with(machines, edit)
    for machine in machines:
        switching.forget_requests(lab, machine.host.name)


def undo_all(lab: "Lab") -> None:
    """What any deed has left, but for files of nodes: those are put in place anew with every state."""
    lab.deny(())
    _flag(lab, present=False)
    restore_binding(lab)
    for machine in lab.machines.values():
        machine.clock.offset = timedelta()
        machine.kubelet.hear(hears=True)


def restore_binding(lab: "Lab") -> None:
    """metrics-server's ClusterRoleBinding is there."""
    client = lab.control_plane.client
    if client.find(CLUSTER_ROLE_BINDINGS, "system:metrics-server") is None:
        client.create(
            CLUSTER_ROLE_BINDINGS, lab.seeded("ClusterRoleBinding", "system:metrics-server")
        )


def _flag(lab: "Lab", *, present: bool) -> None:
    client = lab.control_plane.client
    found = client.find(DEPLOYMENTS, "metrics-server", "kube-system")
    if found is None:
        return
    [container] = found["spec"]["template"]["spec"]["containers"]
    if (_INSECURE in container["args"]) == present:
        return
    others = [word for word in container["args"] if word != _INSECURE]
    container["args"] = [*others, _INSECURE] if present else others
    client.update(DEPLOYMENTS, found)


async def _with(machines: "Sequence[Machine]", change: "Callable[[Machine], None]") -> None:
    """Changes the files of machines whose kubelets stand still meanwhile."""

    async def one(machine: "Machine") -> None:
        await machine.stop_kubelet()
        change(machine)
        await machine.start_kubelet()

    await asyncio.gather(*(one(machine) for machine in machines))


def _without(machine: "Machine") -> None:
    for left in machine.files.path("/var/lib/kubelet/pki").glob("kubelet-server*"):
        left.unlink()


def _serve(lab: "Lab", machine: "Machine", ca: Pair, age: timedelta, *, now: datetime) -> None:
    _without(machine)
    approved = (now - age).replace(microsecond=0)
    host = machine.host
    pair = kubelet_serving(ca, host.name, [host.address], approved, serials(lab.entropy)())
    place(machine.files.root, rotated_server(pair, approved))
