"""The resource CertificateSigningRequest."""

from datetime import UTC, datetime
from typing import Any, Final

from msgspec import field
from msgspec.structs import force_setattr

from kubevouch.kube.resources.meta import (
    Condition,
    ManagedMetadata,
    Narrow,
    Object,
    Resource,
)

MOST_REQUEST: Final = 8 * 1024
"""The largest `spec.request` to keep, in bytes. A kubelet's request has about 500 bytes, but a
hostile node may send many large requests."""


class CsrSpec(Narrow, frozen=True, kw_only=True):
    """The spec of a CSR.

    `username`, `uid`, `groups` and `extra` describe the requestor, as set by the API server.

    request: the PEM text as sent, not parsed. If it exceeds MOST_REQUEST, only its size is kept, as
    `dropped`. expiration_seconds: None if the requestor did not set it.
    """

    request: bytes = b""
    dropped: int = 0
    signer_name: str = ""
    expiration_seconds: int | None = None
    usages: tuple[str, ...] = ()
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Drops a request over the limit, whether it comes from an API server or a file."""
        if len(self.request) > MOST_REQUEST:
            force_setattr(self, "dropped", len(self.request))
            force_setattr(self, "request", b"")


class CsrCondition(Condition, frozen=True, kw_only=True):
    """A condition of type Approved, Denied or Failed."""

    last_update_time: datetime | None = None


class CsrStatus(Narrow, frozen=True, kw_only=True):
    """The status of a CSR. `certificate`: PEM; empty until the certificate is issued."""

    conditions: tuple[CsrCondition, ...] = ()
    certificate: bytes = b""


class CertificateSigningRequest(Object, frozen=True, kw_only=True):
    """A CertificateSigningRequest."""

    metadata: ManagedMetadata = ManagedMetadata()
    spec: CsrSpec = CsrSpec()
    status: CsrStatus = CsrStatus()

    def condition(self, type_: str) -> CsrCondition | None:
        """The first condition of this type."""
        return next((found for found in self.status.conditions if found.type == type_), None)


def first_condition(condition: CsrCondition, now: datetime) -> dict[str, Any]:
    """The JSON of a CSR's first condition, as kubectl writes it.

    now: its lastUpdateTime, from which Kubernetes counts the time until it deletes the CSR.
    """
    return {
        "type": condition.type,
        "status": condition.status or "True",
        "reason": condition.reason,
        "message": condition.message,
        "lastUpdateTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


CSRS = Resource(
    "certificates.k8s.io",
    "v1",
    "certificatesigningrequests",
    "CertificateSigningRequest",
    CertificateSigningRequest,
    page=50,
)
