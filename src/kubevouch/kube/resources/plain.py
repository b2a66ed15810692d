"""ConfigMaps, Namespaces, Leases, and of Secrets the authority."""

from datetime import datetime

from msgspec import field

from kubevouch.kube.resources.meta import ManagedMetadata, Narrow, Object, Resource


class ConfigMap(Object, frozen=True, kw_only=True):
    """A ConfigMap. binaryData is not read."""

    data: dict[str, str] = field(default_factory=dict)
    immutable: bool = False


class _AuthorityData(Narrow, frozen=True, kw_only=True):
    certificate: bytes = field(default=b"", name="ca.crt")
    key: bytes = field(default=b"", name="ca.key")

    def __repr__(self) -> str:
        return "<authority>"


class AuthoritySecret(Object, frozen=True, kw_only=True):
    """A Secret with an authority and its key in PEM; both are empty until somebody has made them. Printing it shows neither."""

    data: _AuthorityData = _AuthorityData()


class NamespaceStatus(Narrow, frozen=True, kw_only=True):
    """The status of a Namespace. phase: Active or Terminating."""

    phase: str = ""


class Namespace(Object, frozen=True, kw_only=True):
    """A Namespace. The uid of kube-system identifies a cluster."""

    status: NamespaceStatus = NamespaceStatus()


class LeaseSpec(Narrow, frozen=True, kw_only=True):
    """The holder of a Lease, and when it was last renewed."""

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    acquire_time: datetime | None = None
    renew_time: datetime | None = None
    lease_transitions: int = 0


class Lease(Object, frozen=True, kw_only=True):
    """A Lease."""

    metadata: ManagedMetadata = ManagedMetadata()
    spec: LeaseSpec = LeaseSpec()

    @property
    def written(self) -> datetime | None:
        """When it was last written, as the API server noted it; else when its holder says that it renewed it."""
        noted = [each.time for each in self.metadata.managed_fields if each.time is not None]
        return max(noted, default=self.spec.renew_time)


CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", ConfigMap, namespaced=True)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", Namespace)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", Lease, namespaced=True)
AUTHORITY_SECRETS = Resource("", "v1", "secrets", "Secret", AuthoritySecret, namespaced=True)
"""Of all Secrets, the one by its name that a server keeps its authority in."""
