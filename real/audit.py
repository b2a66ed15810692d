"""The API server's audit log, read as values: who asked for what, and what was answered."""

from datetime import datetime

import msgspec

from real.layout import AUDIT_LOG
from real.machine import Machine

_POD = "authentication.kubernetes.io/pod-name"


class _User(msgspec.Struct, frozen=True):
    username: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    resource: str = ""
    namespace: str = ""
    name: str = ""
    api_group: str = ""
    api_version: str = ""
    subresource: str = ""


class _Status(msgspec.Struct, frozen=True):
    code: int = 0


class Entry(msgspec.Struct, frozen=True, rename="camel"):
    """One audited stage of one request (audit.k8s.io/v1 Event, the part that tests look at)."""

    verb: str
    stage: str
    user: _User
    request_received_timestamp: datetime
    request_u_r_i: str = msgspec.field(default="", name="requestURI")
    user_agent: str = ""
    object_ref: _Object = _Object()
    response_status: _Status = _Status()

    @property
    def user_name(self) -> str:
        """Who asked."""
        return self.user.username

    @property
    def name(self) -> str:
        """Name of the object, where the request was for one."""
        return self.object_ref.name

    @property
    def code(self) -> int:
        """HTTP status of the answer."""
        return self.response_status.code

    @property
    def pod(self) -> str:
        """Name of the pod whose token it was, if it was one (KEP-4193)."""
        return next(iter(self.user.extra.get(_POD, ())), "")

    @property
    def what(self) -> str:
        """`resource[/subresource]`, or the path of a request that is not for a resource."""
        ref = self.object_ref
        if not ref.resource:
            return self.request_u_r_i.split("?")[0]
        return f"{ref.resource}/{ref.subresource}" if ref.subresource else ref.resource


_DECODER = msgspec.json.Decoder(Entry)


def entries(master: Machine, since: datetime) -> tuple[Entry, ...]:
    """All entries of requests received since then, in the order they were written. A line half written is left out."""
    return read(master.read(AUDIT_LOG), since)


def read(log: bytes, since: datetime) -> tuple[Entry, ...]:
    """The same of the bytes of a log."""
    lines = log.splitlines(keepends=True)
    decoded = (_DECODER.decode(line) for line in lines if line.endswith(b"\n"))
    return tuple(entry for entry in decoded if entry.request_received_timestamp >= since)
