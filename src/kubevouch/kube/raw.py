"""Objects that will be written back, kept as the original JSON so that unknown fields are not lost."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kubevouch.kube.decode import decoded
from kubevouch.kube.resources.meta import Object, Resource

ObjectT = TypeVar("ObjectT", bound=Object)


@dataclass(frozen=True)
class RawObject(Generic[ObjectT]):
    """An object's JSON as the API server sent it."""

    resource: Resource[ObjectT]
    data: bytes
    server: str

    def read(self) -> ObjectT:
        """The object decoded into the struct of its kind."""
        return decoded(self.data, self.resource.struct, self._where)

    def whole(self) -> dict[str, Any]:
        """The whole object as JSON, to be changed and written back; apiVersion and kind are added to an item of a list."""
        # Text keys and JSON values are all that a PUT body needs to be.
        found = decoded(self.data, dict[str, Any], self._where, whole=True)
        return {**found, "apiVersion": self.resource.api_version, "kind": self.resource.kind}

    @property
    def _where(self) -> str:
        return f"{self.server}: {self.resource.plural}"
