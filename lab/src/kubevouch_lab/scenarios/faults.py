"""What somebody may have done to a cluster, beyond the state of its kubelets' certificates."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from kubevouch_lab.apiserver.kinds import (
    CLUSTER_ROLE_BINDINGS,
    DEPLOYMENTS,
    REPLICA_SETS,
    kind_of,
)
from kubevouch_lab.cluster import seed
from kubevouch_lab.cluster.active_faults import ActiveFaults
from kubevouch_lab.cluster.aging import sign_again
from kubevouch_lab.cluster.disk_files import write_files
from kubevouch_lab.cluster.kubeconfigs import CURRENT
from kubevouch_lab.cluster.node_disk import rotated_server
from kubevouch_lab.objects import Object, name_of
from kubevouch_lab.pki import KeyPair, authority, kubelet_serving
from kubevouch_lab.rng import serials
from kubevouch_lab.scenarios import transitions

if TYPE_CHECKING:
    from kubevouch_lab.cluster.lab import Lab
    from kubevouch_lab.cluster.machine import Machine

# A rotation is due at 70 to 90 % of a certificate's life: so much of it has certainly passed.
_USED_UP = timedelta(days=350)
_DUE = timedelta(days=335)
_A_YEAR = timedelta(days=366)
_AHEAD = timedelta(days=1)
_INSECURE = "--kubelet-insecure-tls"
_OUR_IMAGE = "registry.example.com/kubevouch/kubevouch:lab"
"""What runs in the lab's metrics-server pods, as an image: doctor knows ours by the name, and only ours waits with that flag."""


async def somebody_approves(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """An approver runs, and approves whatever a node asks for."""
    del machines
    for thing in seed.manifest("approver.yaml", lab.site):
        _restore(lab, thing)
    lab.set_active_faults(replace(lab.active_faults, approves=True))


async def somebody_denies(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """The approver dislikes these nodes' requests, and denies each as it comes."""
    names = {*lab.active_faults.denies, *(machine.host.name for machine in machines)}
    lab.set_active_faults(replace(lab.active_faults, denies=tuple(sorted(names))))


async def ask_anew(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """The kubelets have no certificate, and ask."""
    await _with(machines, _without)
    del lab


async def nearly_used_up(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """What they serve was issued nearly a year ago: they have asked for the next one in vain."""
    await _serve(lab, machines, _USED_UP)


async def rotation_due(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """What they serve was issued eleven months ago: they have asked for the next one in vain, and a month is left."""
    await _serve(lab, machines, _DUE)


async def client_certificates_expired(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """Nobody can tell the API server any more who they are: the kubelets do not start."""
    ca = transitions.plan_of(lab, machines[0]).ca

    def expire(machine: "Machine") -> None:
        current = machine.files.path(CURRENT).resolve()
        sign_again(current, ca, _A_YEAR)

    await _with(machines, expire)


async def signed_by_another_ca(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """The cluster's CA was recreated under its old name; these nodes serve certificates of the former one."""
    made = lab.clock.now() - timedelta(days=400)
    former = authority("kubernetes", made, serials(lab.entropy)())
    await _serve(lab, machines, timedelta(days=30), former)


async def clock_ahead(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """Their clocks go a day ahead, and the certificates that they serve begin then."""
    ahead = {machine.host.name: _AHEAD.total_seconds() for machine in machines}
    lab.set_active_faults(replace(lab.active_faults, ahead=lab.active_faults.ahead | ahead))
    await _serve(lab, machines, -_AHEAD)


async def swallow(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """Connections to their port are taken and never answered, as behind a firewall that drops."""
    names = {*lab.active_faults.unresponsive, *(machine.host.name for machine in machines)}
    lab.set_active_faults(replace(lab.active_faults, unresponsive=tuple(sorted(names))))


async def insecure_flag(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """What every guide says, and then our image in upstream's place."""
    del machines
    _flag(lab, present=True)


async def no_binding(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """metrics-server may not read anything."""
    del machines
    client = lab.control_plane.client
    if client.find(CLUSTER_ROLE_BINDINGS, "system:metrics-server") is not None:
        client.delete(CLUSTER_ROLE_BINDINGS, "system:metrics-server")
    transitions.restart_metrics_servers(lab)


async def drifted(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """Somebody has edited these nodes' files back."""

    def edit(machine: "Machine") -> None:
        _without(machine)
        transitions.configure(machine, bootstraps=False)

    await _with(machines, edit)
    for machine in machines:
        transitions.delete_serving_csrs(lab, machine.host.name)


def undo(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """What faults have left on these machines, and on the cluster if they are all; files come anew with every state."""
    names = {machine.host.name for machine in machines}
    whole = names == set(lab.machines)
    old = lab.active_faults
    lab.set_active_faults(
        ActiveFaults(
            approves=old.approves and not whole,
            denies=tuple(each for each in old.denies if each not in names),
            unresponsive=tuple(each for each in old.unresponsive if each not in names),
            scenarios=old.scenarios,
            ahead={name: by for name, by in old.ahead.items() if name not in names},
        )
    )
    if whole:
        _flag(lab, present=False)
        _restore(lab, lab.seeded("ClusterRoleBinding", "system:metrics-server"))
        _remove_approver(lab)


def _remove_approver(lab: "Lab") -> None:
    client = lab.control_plane.client
    for thing in reversed(seed.manifest("approver.yaml", lab.site)):
        kind = kind_of(thing["apiVersion"], thing["kind"])
        metadata = thing["metadata"]
        assert kind is not None
        if client.find(kind, metadata["name"], metadata.get("namespace", "")) is not None:
            client.delete(kind, metadata["name"], metadata.get("namespace", ""))


def _restore(lab: "Lab", thing: Object) -> None:
    """Makes an object that is not there."""
    client, metadata = lab.control_plane.client, thing["metadata"]
    kind = kind_of(thing["apiVersion"], thing["kind"])
    assert kind is not None
    if client.find(kind, metadata["name"], metadata.get("namespace", "")) is None:
        client.create(kind, thing)


def _flag(lab: "Lab", *, present: bool) -> None:
    client = lab.control_plane.client
    found = client.find(DEPLOYMENTS, "metrics-server", "kube-system")
    if found is None:
        return
    [container] = found["spec"]["template"]["spec"]["containers"]
    others = [word for word in container["args"] if word != _INSECURE]
    args = [*others, _INSECURE] if present else others
    image = _OUR_IMAGE if present else container["image"]
    if not present and image == _OUR_IMAGE:
        template = lab.seeded("Deployment", name_of(found))["spec"]["template"]
        image = template["spec"]["containers"][0]["image"]
    if (container["args"], container["image"]) == (args, image):
        return
    # No pod of before is left: a roll-out to pods that never become ready would keep some of them.
    for old in client.list(REPLICA_SETS, "kube-system", labels="k8s-app=metrics-server"):
        client.delete(REPLICA_SETS, name_of(old), "kube-system")
    container.update(args=args, image=image)
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


async def _serve(
    lab: "Lab", machines: "Sequence[Machine]", age: timedelta, ca: KeyPair | None = None
) -> None:
    """What they serve was issued so long ago, by the cluster's CA unless another is given."""
    approved = (lab.clock.now() - age).replace(microsecond=0)
    signer = ca or transitions.plan_of(lab, machines[0]).ca

    def one(machine: "Machine") -> None:
        _without(machine)
        host, serial = machine.host, serials(lab.entropy)()
        pair = kubelet_serving(signer, host.name, host.addresses, approved, serial)
        write_files(machine.files.root, rotated_server(pair, approved))

    await _with(machines, one)
