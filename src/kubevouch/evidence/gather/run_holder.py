"""Reads the Lease by which runs of `apply` and `undo` exclude one another."""

from datetime import datetime

from kubevouch.evidence.run_holder import NAME, NAMESPACE, RunHolder
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import LEASES, Lease


def holder_of(lease: Lease, now: datetime) -> RunHolder | None:
    """Who holds it; None if nobody does. now: by the API server's clock."""
    spec, written = lease.spec, lease.written
    if not spec.holder_identity or written is None:
        return None
    return RunHolder(spec.holder_identity, spec.acquire_time, now - written)


async def gather_run_holder(api: ApiClient) -> RunHolder | None:
    """Who carries out a run on this cluster, or did when it was killed; None for nobody.

    Raises:
        KubeError: the API server does not answer, or does not let us see it: so it is not known.
    """
    try:
        lease = await api.get(LEASES, NAME, NAMESPACE)
    except NotFound:
        return None
    return holder_of(lease, api.server_clock.now())
