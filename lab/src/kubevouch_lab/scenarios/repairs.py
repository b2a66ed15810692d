"""What only a person can do about a scenario: set a clock, open a firewall, mend somebody's rule, bring a token."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from kubevouch_lab.apiserver.kinds import SECRETS
from kubevouch_lab.cluster.authorities import Authorities
from kubevouch_lab.cluster.kubeconfigs import of_bootstrapper
from kubevouch_lab.cluster.node_disk import PKI

if TYPE_CHECKING:
    from kubevouch_lab.cluster.lab import Lab
    from kubevouch_lab.cluster.machine import Machine

_BOOTSTRAP = "/etc/kubernetes/bootstrap-kubelet.conf"
_TOKEN_LIVES = timedelta(hours=1)


async def rule_mended(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """The approver likes every node again."""
    # A person mends every node that is broken, which may be more than the scenario itself breaks.
    del machines
    lab.set_active_faults(replace(lab.active_faults, denies=()))


async def clock_set(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """All clocks are right again."""
    del machines
    lab.set_active_faults(replace(lab.active_faults, ahead={}))


async def port_opened(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """Nothing swallows what comes to any port any more."""
    del machines
    lab.set_active_faults(replace(lab.active_faults, unresponsive=()))


async def bootstrapped_again(lab: "Lab", machines: "Sequence[Machine]") -> None:
    """As `kubeadm token create` and a new bootstrap kubeconfig on each node; old client certificates are removed."""
    identity, secret = lab.entropy(3).hex(), lab.entropy(8).hex()
    until = lab.clock.now() + _TOKEN_LIVES
    lab.control_plane.client.create(
        SECRETS,
        {
            "metadata": {"name": f"bootstrap-token-{identity}", "namespace": "kube-system"},
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {
                "token-id": identity,
                "token-secret": secret,
                "usage-bootstrap-authentication": "true",
                "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
                "expiration": f"{until:%Y-%m-%dT%H:%M:%SZ}",
            },
        },
    )
    ca = Authorities.read(lab.folder.node(lab.site.hosts[0].name)).ca.chain
    found = of_bootstrapper(lab.site.api_url, ca, f"{identity}.{secret}")

    async def one(machine: "Machine") -> None:
        await machine.stop_kubelet()
        for left in machine.files.path(PKI).glob("kubelet-client*"):
            left.unlink()
        machine.files.write(_BOOTSTRAP, found, 0o600)
        await machine.start_kubelet()

    await asyncio.gather(*(one(machine) for machine in machines))
