"""Reads a cluster's identity, its pods' CA bundle, its kubelet-config ConfigMap, and the rollout Lease."""

from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.evidence.run_holder import NAME as LEASE_NAME
from kubevouch.evidence.run_holder import NAMESPACE as LEASE_NAMESPACE
from kubevouch.evidence.run_holder import SeenLease, seen_in
from kubevouch.evidence.snapshot import (
    ClusterIdentity,
    KubeletConfigMap,
    TrustedRoots,
)
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS, LEASES, NAMESPACES
from kubevouch.kubelet.configuration import read_configuration
from kubevouch.kubelet.document import ProblemKind
from kubevouch.x509 import X509Error, read_certificates

_ROOT_CA = "kube-root-ca.crt"


async def gather_identity(api: ApiClient, inquiry: Inquiry) -> ClusterIdentity:
    """The facts that distinguish this cluster from another."""
    uid, version = await together(
        inquiry.ask(cluster_uid(api)),
        inquiry.ask(_version(api)),
    )
    return ClusterIdentity(api.access.context, api.access.server, uid, version)


async def cluster_uid(api: ApiClient) -> str:
    """The UID of the Namespace kube-system, which distinguishes clusters. Raises KubeError."""
    return (await api.get(NAMESPACES, "kube-system")).uid


async def _version(api: ApiClient) -> str:
    return (await api.version()).git_version


async def gather_trust(api: ApiClient, inquiry: Inquiry) -> Measured[TrustedRoots]:
    """The CA bundle that every pod gets (kube-controller-manager's root-ca-certificate-publisher)."""
    found = await inquiry.ask(api.get(CONFIG_MAPS, _ROOT_CA, "kube-system"))
    if found.value is None:
        doubt = found.doubt or Doubt(DoubtKind.FAILED, f"no ConfigMap kube-system/{_ROOT_CA}")
        return Measured(found.vantage, found.at, doubt=doubt)
    where = f"ConfigMap kube-system/{_ROOT_CA}, ca.crt"
    try:
        certificates = read_certificates(found.value.data.get("ca.crt", "").encode(), where)
    except X509Error as error:
        return Measured(found.vantage, found.at, doubt=Doubt(DoubtKind.FAILED, str(error)))
    return Measured(found.vantage, found.at, TrustedRoots(certificates))


async def gather_run_lease(api: ApiClient) -> SeenLease:
    """Reads the rollout Lease: its holder, which may have died, and the nodes that may have an armed dead-man's switch.

    Raises:
        KubeError: the API server does not answer, or forbids reading the Lease.
    """
    try:
        lease = await api.get(LEASES, LEASE_NAME, LEASE_NAMESPACE)
    except NotFound:
        return SeenLease()
    return seen_in(lease, api.server_clock.now())


NAME = "kubelet-config"
NAMESPACE = "kube-system"
KEY = "kubelet"


async def gather_kubelet_config(api: ApiClient, inquiry: Inquiry) -> Measured[KubeletConfigMap]:
    """ConfigMap kubelet-config, which kubeadm creates. The value is None if it does not exist."""
    found = await inquiry.ask(api.get(CONFIG_MAPS, NAME, NAMESPACE))
    if found.value is None:
        return Measured(found.vantage, found.at, doubt=found.doubt)
    text = found.value.data.get(KEY, "")
    file = read_configuration(text.encode(), f"ConfigMap {NAME}")
    if file.values is None:
        doubt = Doubt(DoubtKind.FAILED, f"{file.where}: {file.fatal}")
        return Measured(found.vantage, found.at, doubt=doubt)
    return Measured(
        found.vantage,
        found.at,
        KubeletConfigMap(
            object=found.value,
            text=text,
            cluster_domain=file.values.cluster_domain.strip(".").lower(),
            bootstrap=file.values.server_tls_bootstrap,
            ignored=tuple(each for each in file.problems if each.kind is ProblemKind.WRONG_CASE),
        ),
    )
