"""What the approver itself wrote down of a node: what the rule for new nodes admitted, and its client certificates."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from kubevouch.policy.credentials import MOST, NodeCredentials
from kubevouch.policy.sources.stored import (
    VERSION,
    NotAnEntry,
    Shard,
    checked_addresses,
    checked_certificates,
    checked_names,
    checked_text,
    decoded_entry,
    encoded_entry,
    read_shard,
)

RECORDED = "kubevouch-recorded"
"""Prefix of the ConfigMaps. The approver may write these and no others."""


class Admitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the rule for new nodes admitted, once."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    at: datetime
    rule: str
    """The rule's pattern of names."""


class RecordedNode(msgspec.Struct, frozen=True):
    """What the approver wrote down of one Node."""

    node: str
    uid: str
    """The UID of the Node that this is about; "" while the Node does not exist."""

    admitted: Admitted | None = None
    """None: the rule for new nodes has not decided about it."""

    credentials: NodeCredentials = NodeCredentials()


class _StoredRecord(msgspec.Struct, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    v: int
    uid: str = ""
    admitted: Admitted | None = None
    credentials: NodeCredentials = NodeCredentials()


def read_recorded(name: str, data: Mapping[str, str]) -> Shard[RecordedNode]:
    """The entries of one ConfigMap."""
    return read_shard(name, data, read_record, prefix=RECORDED)


def read_record(node: str, raw: bytes) -> RecordedNode:
    """One entry. Raises NotAnEntry."""
    stored = decoded_entry(raw, _StoredRecord)
    if stored.admitted is not None:
        _check_moment(stored.admitted.at)
        stored.admitted = Admitted(
            names=checked_names(stored.admitted.names),
            addresses=checked_addresses(stored.admitted.addresses),
            at=stored.admitted.at,
            rule=checked_text(stored.admitted.rule, "rule"),
        )
    _check_credentials(stored.credentials)
    return RecordedNode(node, checked_text(stored.uid, "uid"), stored.admitted, stored.credentials)


def _check_credentials(found: NodeCredentials) -> None:
    checked_text(found.uid, "uid")
    if len(found.borrowed) > MOST:
        raise NotAnEntry(f"{len(found.borrowed)} borrowed", f"at most {MOST} are kept")
    parents = (each.parent for each in found.allowed)
    for certificates in ((each.certificate for each in found.allowed), found.borrowed):
        checked_certificates(certificates)
    checked_certificates(each for each in (found.joined, *parents) if each)
    moments = (found.created, found.doubted, found.earlier, *(each.at for each in found.allowed))
    for moment in moments:
        if moment is not None:
            _check_moment(moment)


def _check_moment(moment: datetime) -> None:
    if moment.tzinfo is None:
        raise NotAnEntry(f"at {moment}", "a moment with its offset from UTC was expected")


def written_record(record: RecordedNode) -> str:
    """The text of an entry. Raises NotAnEntry if it could not be read again."""
    text = encoded_entry(_StoredRecord(VERSION, record.uid, record.admitted, record.credentials))
    read_record(record.node, text.encode())
    return text
