"""Reads the Lease by which runs of `apply` and `undo` exclude one another, and which names the nodes that may be armed."""

from datetime import datetime

from kubevouch.evidence.run_holder import ARMED, NAME, NAMESPACE, RunHolder, SeenLease, armed_in
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import LEASES, Lease


def seen_in(lease: Lease, now: datetime) -> SeenLease:
    """Who holds it, and the nodes that may be armed. now: by the API server's clock."""
    spec, written = lease.spec, lease.written
    if written is None:
        return SeenLease()
    armed = armed_in(lease.metadata.annotations.get(ARMED, ""), now, written)
    if not spec.holder_identity:
        return SeenLease(None, armed)
    return SeenLease(RunHolder(spec.holder_identity, spec.acquire_time, now - written), armed)


async def gather_run_lease(api: ApiClient) -> SeenLease:
    """Who carries out a run on this cluster, or did when it was killed, and what it may have left armed.

    Raises:
        KubeError: the API server does not answer, or does not let us see it: so it is not known.
    """
    try:
        lease = await api.get(LEASES, NAME, NAMESPACE)
    except NotFound:
        return SeenLease()
    return seen_in(lease, api.server_clock.now())
