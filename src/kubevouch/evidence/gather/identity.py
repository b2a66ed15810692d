"""Reads the identity of the cluster, and the CA bundle that its pods trust."""

from kubevouch.evidence.gather.at_once import together
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.evidence.snapshot import ClusterIdentity, TrustedRoots, trusted_roots_of
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS, NAMESPACES
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
    """The UID of the Namespace kube-system, by which clusters are told apart. Raises KubeError."""
    return (await api.get(NAMESPACES, "kube-system")).uid


async def _version(api: ApiClient) -> str:
    return (await api.version()).git_version


async def gather_trust(api: ApiClient, inquiry: Inquiry) -> Measured[TrustedRoots]:
    """The CA bundle that every pod gets (kube-controller-manager's root-ca-certificate-publisher)."""
    found = await inquiry.ask(api.get(CONFIG_MAPS, _ROOT_CA, "kube-system"))
    if found.value is None:
        doubt = found.doubt or Doubt(
            DoubtKind.FAILED, f"there is no ConfigMap kube-system/{_ROOT_CA}"
        )
        return Measured(found.vantage, found.at, doubt=doubt)
    where = f"ConfigMap kube-system/{_ROOT_CA}, ca.crt"
    try:
        certificates = read_certificates(found.value.data.get("ca.crt", "").encode(), where)
    except X509Error as error:
        return Measured(found.vantage, found.at, doubt=Doubt(DoubtKind.FAILED, str(error)))
    return Measured(found.vantage, found.at, trusted_roots_of(certificates))
