"""Objects that will be written back: kept as the bytes that came, so that no field is lost that we do not know."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from kubevouch.kube.decode import decoded
from kubevouch.kube.resources.certificates import CertificateSigningRequest, CsrCondition
from kubevouch.kube.resources.meta import Object, Resource

ObjectT = TypeVar("ObjectT", bound=Object)


@dataclass(frozen=True)
class RawObject(Generic[ObjectT]):
    """An object's JSON as the API server sent it."""

    resource: Resource[ObjectT]
    data: bytes
    server: str

    def read(self) -> ObjectT:
        """The fields we know."""
        return decoded(self.data, self.resource.struct, self._where)

    def whole(self) -> dict[str, Any]:
        """All of it, to be changed and sent back. An item of a list gets the kind that only its list carries."""
        # Text keys and JSON values are all that a PUT body needs to be.
        found = decoded(self.data, dict[str, Any], self._where)
        return {**found, "apiVersion": self.resource.api_version, "kind": self.resource.kind}

    @property
    def _where(self) -> str:
        return f"{self.server}: {self.resource.plural}"


def with_condition(
    raw: RawObject[CertificateSigningRequest], condition: CsrCondition, now: datetime
) -> dict[str, Any]:
    """The whole request with one condition more; one of the same type is replaced, as kubectl does."""
    whole = raw.whole()
    status = dict(whole.get("status") or {})
    kept = [
        found for found in status.get("conditions") or [] if found.get("type") != condition.type
    ]
    added = {
        "type": condition.type,
        "status": condition.status or "True",
        "reason": condition.reason,
        "message": condition.message,
        "lastUpdateTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return {**whole, "status": {**status, "conditions": [*kept, added]}}
