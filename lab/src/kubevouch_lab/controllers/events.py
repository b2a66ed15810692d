"""What controllers tell people: Events, the same one counted up instead of written again.

Sources: client-go's tools/record/{event,events_cache}.go; the texts stand where they are used.
"""

import hashlib
from dataclasses import dataclass, field

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import EVENTS
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object, name_of

_MOST = 4096
"""As many as client-go's cache remembers."""


@dataclass(frozen=True)
class Recorder:
    """Writes events as one component, such as `deployment-controller`."""

    store: Store
    client: LocalClient
    clock: Clock
    component: str
    _said: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def say(self, about: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """Events on what has no namespace lie in `default`."""
        metadata = about["metadata"]
        space = metadata.get("namespace") or "default"
        now = moment(self.clock.now())
        made: Object = {
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                **({"namespace": metadata["namespace"]} if metadata.get("namespace") else {}),
            },
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            "source": {"component": self.component},
            "reportingComponent": self.component,
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        key = (metadata["uid"], reason, message)
        old = self.store.find(EVENTS, self._said.get(key, ""), space)
        if old is None:
            named = {"name": f"{metadata['name']}.{self._suffix(key, now)}", "namespace": space}
            kept = self.client.create(EVENTS, {"metadata": named, **made})
            self._remember(key, name_of(kept))
        else:
            again = {"count": old.get("count", 1) + 1, "lastTimestamp": now}
            self.client.patch(EVENTS, name_of(old), again, space)

    def _suffix(self, key: tuple[str, str, str], now: str) -> str:
        """Sixteen hexadecimal digits, as in client-go; there they are the nanoseconds, which stand still in a stopped clock."""
        said = "\0".join((self.component, now, *key))
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def _remember(self, key: tuple[str, str, str], name: str) -> None:
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said[key] = name
